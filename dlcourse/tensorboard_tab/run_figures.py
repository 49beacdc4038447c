"""One run, or those that are on their way: what was measured at each logged step."""

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from dlcourse.palette import TARGET_COLOR, shade
from dlcourse.recording import History
from dlcourse.recording.log import RATE
from dlcourse.recording.over_seeds import in_words
from dlcourse.recording.scales import scale
from dlcourse.tensorboard_tab.axes import SYMBOLS, Figure, figure, vertical
from dlcourse.tensorboard_tab.curves import name_of_metric

STEPS = {"title": {"text": "step", "standoff": 6}, "rangemode": "tozero"}


def training(history: History, metric: str, *, is_better_higher: bool) -> Figure | None:
    """The losses and the metric of a run over the steps; None if there are none.

    Args:
        history: Its curves.
        metric: The task's metric.
        is_better_higher: Whether more of it is better.
    """
    shown = [tag for tag in (f"metric/{metric}", "loss/train", "loss/test") if tag in history]
    if not shown:
        return None
    traces = [_line(history[tag], _said(tag), index, len(shown)) for index, tag in enumerate(shown)]
    values = [value for tag in shown for _, value in history[tag]]
    y = vertical(scale(values, metric, is_better_higher=is_better_higher and len(shown) == 1))
    return figure(traces, f"{in_words(metric)} and losses in training", x=STEPS, y=y)


def pieces_in_training(history: History, *, target: int | None) -> Figure | None:
    """The linear pieces of a run over the steps; None if they were not counted.

    Args:
        history: Its curves.
        target: How many the target has.
    """
    # In the plane they are counted at a few of the logged steps only.
    points = [point for point in history.get("pieces/num_pieces", []) if math.isfinite(point[1])]
    if not points:
        return None
    traces = [_line(points, "pieces", 0, 1)]
    if target is not None:
        ends = [points[0][0], points[-1][0]]
        line = {"color": TARGET_COLOR, "dash": "dash"}
        traces.append(
            {"type": "scatter", "x": ends, "y": [target] * 2, "mode": "lines", "line": line, "name": "target"}
        )
    values = [value for _, value in points] + ([] if target is None else [float(target)])
    y = vertical(scale(values, "num_pieces", is_better_higher=False))
    return figure(traces, "linear pieces in training", x=STEPS, y=y)


def on_their_way(histories: Mapping[str, History], metric: str | None) -> Figure | None:
    """Runs that are not finished: the metric at every step so far, a colour for those that differ in little.

    Args:
        histories: The curves of each run, by its name.
        metric: The task's metric; None if no run is finished yet that would say it: then the first that there is.
    """
    kinds: dict[str, list[tuple[str, list[tuple[int, float]]]]] = {}
    tags: dict[str, None] = {}
    for run, history in histories.items():
        tag = f"metric/{metric}" if metric else next((tag for tag in history if tag.startswith("metric/")), RATE)
        if history.get(tag):
            tags[tag] = None
            kinds.setdefault(re.sub(r"(-seed=\d+)?-[0-9a-f]{10}$", "", run), []).append((run, history[tag]))
    if not kinds:
        return None
    traces = []
    for index, (kind, runs) in enumerate(kinds.items()):
        for number, (run, points) in enumerate(runs):
            traces.append(
                {
                    **_line(points, kind, index, len(kinds)),
                    "mode": "lines",
                    "opacity": 0.6,
                    "legendgroup": kind,
                    "showlegend": not number,
                    "customdata": [["", run]] * len(points),
                }
            )
    values = [value for runs in kinds.values() for _, points in runs for _, value in points]
    title = f"not finished yet: {_said(next(iter(tags)))} so far"
    return figure(traces, title, x=STEPS, y=vertical(scale(values, "", is_better_higher=False)))


def _line(points: Sequence[tuple[int, float]], name: str, index: int, num: int) -> dict[str, Any]:
    """One curve over the steps."""
    color = shade(index, num)
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(points) < 60 else "lines",
        "x": [step for step, _ in points],
        "y": [value if math.isfinite(value) else None for _, value in points],
        "name": escape(name, quote=False),
        "line": {"color": color, "width": 2},
        "marker": {"color": color, "size": 5, "symbol": SYMBOLS[index % len(SYMBOLS)]},
    }


def _said(tag: str) -> str:
    """A curve's name in words."""
    return name_of_metric(tag.removeprefix("metric/"))
