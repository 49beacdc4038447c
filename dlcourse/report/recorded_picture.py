"""The picture that a run has drawn at its end, from its event file."""

from pathlib import Path
from typing import Any

from dlcourse.recording.events import EVENT_FILES, read_events
from dlcourse.tensorboard_tab.folders import regular

PICTURES = ("fit", "decision_regions")
"""The tags of the pictures that runs draw."""

MOST_BYTES_OF_EVENTS = 10**7
"""Of larger event files no picture is shown: TensorBoard's records are read at a megabyte a second."""


def recorded_picture(folder: Path) -> bytes | None:
    """The last picture that a run has drawn, a PNG file; None if it has none.

    Args:
        folder: The run's folder. Links in it are not followed.
    """
    picture = None
    for path in sorted(folder.glob(EVENT_FILES)):
        written = regular(path)
        if written is not None and written.st_size <= MOST_BYTES_OF_EVENTS:
            for event, _ in read_events(path):
                for value in event.summary.value:
                    if value.tag in PICTURES:
                        picture = _png_of(value) or picture
    return picture


def _png_of(value: Any) -> bytes | None:
    """The picture in a value of an event file."""
    held = [value.image.encoded_image_string, *value.tensor.string_val]
    return next((bytes(content) for content in held if content.startswith(b"\x89PNG")), None)
