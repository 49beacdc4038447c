from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from dlcourse.lecture import draw_curve, to_svg
from dlcourse.lecture.svg import same_look
from dlcourse.tasks import ZigZag

ZIGZAG = Path(__file__).parent.parent / "docs" / "figures" / "zigzag.svg"


def drawn() -> Figure:
    with same_look():
        figure = draw_curve(ZigZag(num_folds=3)).figure
    assert isinstance(figure, Figure)
    return figure


def test_same_bytes_again_and_whatever_the_users_settings() -> None:
    title = "A zig-zag target function of eight pieces on [0, 2]"
    figure = drawn()
    assert to_svg(figure, title) == to_svg(figure, title) == ZIGZAG.read_bytes()
    with matplotlib.rc_context({"lines.linewidth": 7, "font.size": 20, "axes.grid": True, "svg.fonttype": "none"}):
        assert to_svg(drawn(), title) == ZIGZAG.read_bytes()


def test_settings_are_the_users_again() -> None:
    with matplotlib.rc_context({"font.size": 20}):
        drawn()
        assert matplotlib.rcParams["font.size"] == 20


def test_titles_are_escaped() -> None:
    assert b"<title>a &lt; b &amp; c</title>" in to_svg(Figure(figsize=(1, 1)), "a < b & c")
