import math

import plotly.graph_objects as go
import pytest

from dlcourse.recording.scales import Scale
from dlcourse.tensorboard_tab.axes import axis, figure, vertical, with_opacity
from dlcourse.tensorboard_tab.curves import DEPTH, PARAMETERS, WIDTH


def test_depths_are_on_a_linear_axis_with_a_tick_each() -> None:
    found = axis(DEPTH, [1, 2, 3, 5, 8, 12], "depth")
    assert not found.is_log
    assert found.layout["ticktext"] == ["1", "2", "3", "5", "8", "12"]
    assert found.place(5) == 5
    assert found.place(5, aside=0.1) == pytest.approx(5.1)  # a tenth of the least distance


def test_widths_that_double_are_on_a_log_axis() -> None:
    found = axis(WIDTH, [4, 8, 16, 32], "width")
    assert found.is_log
    assert found.place(8) == 8
    assert found.place(8, aside=0.5) == pytest.approx(8 * math.sqrt(2))
    low, high = found.layout["range"]
    assert 10**low < 4 and 10**high > 32
    assert not axis(WIDTH, [8, 16], "width").is_log


def test_parameters_have_round_ticks() -> None:
    found = axis(PARAMETERS, [25.0, 97.0, 1137.0], "parameters")
    assert found.is_log
    assert {"50", "100", "200", "500", "1000"} <= set(found.layout["ticktext"])
    assert found.layout["tickvals"] == [float(text) for text in found.layout["ticktext"]]


def test_words_stand_one_after_the_other_and_are_escaped() -> None:
    found = axis("model.activation", ["relu", "<b>", True], "activation")
    assert [found.place(word) for word in ("relu", "<b>", True)] == [0, 1, 2]
    assert found.layout["ticktext"] == ["relu", "&lt;b&gt;", "True"]


def test_one_value_has_room_on_both_sides() -> None:
    assert axis(DEPTH, [3], "depth").layout["range"] == [2, 4]


def test_small_numbers_on_a_log_axis_are_powers() -> None:
    found = vertical(Scale(True, 1e-7, 2.0, 2.0))
    assert found["type"] == "log"
    assert found["range"] == [pytest.approx(-7), pytest.approx(math.log10(2))]
    ticks = dict(zip(found["ticktext"], found["tickvals"], strict=True))
    assert ticks["10<sup>-7</sup>"] == pytest.approx(1e-7)
    assert vertical(Scale(False, -1.0, 2.0, 2.0)) == {"range": [-1.0, 2.0]}
    assert vertical(Scale(False, -1.0, 2.0, 2.0), high=5.0) == {"range": [-1.0, 5.0]}


def test_figures_are_valid_for_plotly_and_titles_are_escaped() -> None:
    many = [{"type": "scatter", "x": [1], "y": [2], "name": f"width {width}, rate 0.001"} for width in range(20)]
    few, beside = (figure(traces, "a <b> title", x={}, y={}) for traces in (many[:2], many))
    for each in (few, beside):
        assert go.Figure(each).layout.title.text == "a &lt;b&gt; title"
    assert few["layout"]["legend"]["orientation"] == "h"
    assert beside["layout"]["legend"]["orientation"] == "v"  # twenty names would fill the figure


def test_opacity() -> None:
    assert with_opacity("#0b5fa5", 0.25) == "rgba(11, 95, 165, 0.25)"
