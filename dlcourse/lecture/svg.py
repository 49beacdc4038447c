"""Figures as SVG files that look the same everywhere, the same bytes each time."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import style
from matplotlib.figure import Figure

MARK = "dlcourse-figures"
"""Stands in every file as its creator, so that a file of somebody else's is told from ours."""


@contextmanager
def same_look() -> Iterator[None]:
    """Draws with matplotlib's own defaults, whatever the user's are, and formulas in a serif font as on the slides."""
    # The salt goes into the names of clip paths and markers, which would be random otherwise. Text is drawn as paths:
    # a browser or a slide program without the formulas' font would set them in another one, of other widths.
    settings = {"svg.hashsalt": MARK, "svg.fonttype": "path", "mathtext.fontset": "stix"}
    with style.context(["default", settings], after_reset=True):
        yield


def to_svg(figure: Figure, title: str) -> bytes:
    """The figure as an SVG file, the same bytes each time with one version of matplotlib.

    Args:
        figure: Any figure.
        title: What it shows, for those who cannot see it.
    """
    content = io.BytesIO()
    with same_look():
        # Neither the date nor matplotlib's version, which would make other bytes of the same picture.
        metadata = {"Date": None, "Creator": MARK, "Title": title}
        figure.savefig(content, format="svg", metadata=metadata)
    # Coordinates to a hundredth of a point: what is seen does not depend on how a processor rounds the last bit.
    rounded = re.sub(rb' d="[^"]*"', lambda path: re.sub(rb"(\.\d\d)\d+", rb"\1", path[0]), content.getvalue())
    return re.sub(rb"(?m)^ +", b"", rounded)  # a twentieth of the file
