"""What all plotly figures share: their axes, colours and look."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from dlcourse.palette import FAINT, INK
from dlcourse.recording.scales import Scale
from dlcourse.tensorboard_tab.curves import DEPTH, PARAMETERS, PIECES

Figure = dict[str, Any]
"""A figure of plotly, as `plotly.graph_objects.Figure` takes it and JSON holds it. Importing plotly takes a second."""

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "pentagon", "x", "triangle-left")
"""Curves differ in their markers, too, for those who cannot tell the colours."""

MOST_TICKS = 14
"""Up to so many values of a setting stand on the axis, each below its points."""

# In pixels, roughly, by which the names of the curves get as many lines as they need.
WIDTH_OF_A_FIGURE, WIDTH_OF_A_NAME, WIDTH_OF_A_LETTER, HEIGHT_OF_A_ROW = 420, 48, 6, 27

MOST_ROWS = 2
"""Names that take more rows than these stand beside the figure."""

SPAN_OF_LOG = 8
"""Settings that span a factor of so much are on a log axis."""


@dataclass(frozen=True)
class Axis:
    """A horizontal axis: numbers as they are, words one after the other.

    Attributes:
        layout: What plotly is told of it.
        is_log: Whether it is logarithmic.
        order: Where each word stands; None for numbers.
        gap: The least distance of two neighbours, or on a log axis the least ratio.
    """

    layout: dict[str, Any]
    is_log: bool
    order: dict[str, int] | None
    gap: float

    def place(self, value: Any, aside: float = 0.0) -> float:
        """Where a value stands.

        Args:
            value: The value.
            aside: How far beside its place, in distances to the neighbour.
        """
        number = float(value) if self.order is None else float(self.order[repr(value)])
        return number * self.gap**aside if self.is_log else number + aside * self.gap


def axis(key: str, values: Sequence[Any], label: str) -> Axis:
    """The horizontal axis for the values of a setting, or of what is counted.

    Args:
        key: What is on it.
        values: All values, in the order of the axis.
        label: What stands below it.
    """
    values = list({repr(value): value for value in values}.values())
    layout: dict[str, Any] = {"title": {"text": escape(label, quote=False), "standoff": 6}}
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        layout |= {"tickvals": list(range(len(values))), "ticktext": [escape(str(value)) for value in values]}
        return Axis(layout, False, {repr(value): place for place, value in enumerate(values)}, 1.0)
    numbers = sorted(map(float, values))
    low, high = numbers[0], numbers[-1]
    least_span = 1.5 if key in (PARAMETERS, PIECES) else SPAN_OF_LOG
    is_log = low > 0 and high >= least_span * low and key != DEPTH
    gap = min((b / a if is_log else b - a for a, b in pairwise(numbers)), default=2.0 if is_log else 1.0)
    if is_log:
        margin = max((high / low) ** 0.04, 1.05)
        layout |= {"type": "log", "range": [math.log10(low / margin), math.log10(high * margin)]}
    if len(numbers) <= MOST_TICKS and key not in (PARAMETERS, PIECES):
        layout |= {"tickvals": numbers, "ticktext": [f"{number:g}" for number in numbers]}
    elif is_log:
        layout |= _round_ticks(low, high)
    if len(numbers) == 1:
        layout["range"] = [low - 1, low + 1]
    return Axis(layout, is_log, None, gap)


def _round_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a log axis at round numbers, more the less it spans."""
    span = high / low
    digits = (1,) if span > 300 else (1, 2, 5) if span > 8 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    powers = powers[:: max(1, len(powers) // 5)]
    return {
        "tickvals": [digit * 10.0**power for power in powers for digit in digits],
        "ticktext": [_round_number(digit, power) for power in powers for digit in digits],
    }


def _round_number(digit: int | float, power: int) -> str:
    """A digit times a power of ten: 0.002, 50, or what would have many zeros as a power."""
    if -4 < power < 6:
        return f"{digit * 10.0**power:g}"
    return f"{'' if digit == 1 else f'{digit:g}·'}10<sup>{power}</sup>"


def vertical(chosen: Scale, *, high: float | None = None) -> dict[str, Any]:
    """The vertical axis for a metric.

    Args:
        chosen: Its scale.
        high: Another upper end.
    """
    low, high = chosen.low, chosen.high if high is None else high
    if not chosen.is_log:
        return {"range": [low, high]}
    return {"type": "log", "range": [math.log10(low), math.log10(high)], **_round_ticks(low, high)}


def with_opacity(color: str, opacity: float) -> str:
    """The colour "#482878", seen through."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def figure(
    traces: Sequence[dict[str, Any]],
    title: str,
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    notes: Sequence[dict[str, Any]] = (),
    shapes: Sequence[dict[str, Any]] = (),
) -> Figure:
    """A figure with the look of all.

    Args:
        traces: What is drawn, for plotly.
        title: What it shows.
        x: The horizontal axis.
        y: The vertical axis.
        notes: Words in it.
        shapes: Lines across it.
    """
    lines = {"gridcolor": FAINT, "linecolor": INK, "ticks": "outside", "tickcolor": FAINT, "zeroline": False}
    names = [trace["name"] for trace in traces if "name" in trace and trace.get("showlegend", True)]
    rows = -(-sum(WIDTH_OF_A_NAME + WIDTH_OF_A_LETTER * len(name) for name in names) // WIDTH_OF_A_FIGURE)
    above = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"}
    beside = {"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1.0, "yanchor": "top", "font": {"size": 10}}
    is_above = rows <= MOST_ROWS
    layout = {
        "title": {
            "text": escape(title, quote=False),
            "x": 0.01,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 9},
        },
        "font": {"family": "Roboto, Helvetica, Arial, sans-serif", "size": 12, "color": INK},
        "margin": {"l": 50, "r": 14, "t": 34 + HEIGHT_OF_A_ROW * rows if is_above else 38, "b": 46},
        "legend": above if is_above else beside,
        "hoverlabel": {"bgcolor": "white", "align": "left", "font": {"color": INK}},
        "hovermode": "closest",
        "xaxis": {**lines, **x},
        "yaxis": {**lines, **y},
        "annotations": list(notes),
        "shapes": list(shapes),
    }
    return {"data": list(traces), "layout": layout}
