"""Depth against width as figures of plotly, which answer a pointer and a click; `recording.figures` is for paper.

Every point carries in `customdata` which network it stands for, and a single seed's also which run.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from dlcourse.palette import DEPTH_SHADES, INK, NETWORK_COLOR, WIDTH_SHADES, shade
from dlcourse.recording import Cell, Result
from dlcourse.recording.scales import Scale, scale
from dlcourse.tensorboard_tab.axes import SYMBOLS, Axis, Figure, axis, figure, vertical, with_opacity
from dlcourse.tensorboard_tab.curves import PARAMETERS, PIECES, Curve, label_of, values_of
from dlcourse.tensorboard_tab.hover import most_of, number, said_of_cell, said_of_run

BEYOND = 25.0
"""The axis of pieces ends at so many times what networks have; the most that are possible may lie far above."""

ASIDE = 0.07
"""How far the seeds and intervals of one curve stand beside those of the next, in distances of the axis' values."""


def metric_over(
    curves: Sequence[Curve],
    metric: str,
    x: str,
    *,
    shows_seeds: bool = True,
    shades: tuple[str, ...] = WIDTH_SHADES,
) -> Figure:
    """A metric over an axis: medians, bands between the quartiles, and the seeds as faint points.

    Where the median diverged, a hollow marker stands beyond the worst of the values.

    Args:
        curves: The networks: see `curves.curves`.
        metric: The metric, one that they have.
        x: What is on the axis.
        shows_seeds: Whether every single seed is a point.
        shades: The colours' scale.
    """
    cells = cells_of(curves)
    chosen = _scale(cells, metric, shows_seeds)
    along = axis(x, values_of(curves), label_of(x, cells))
    traces = [trace for curve in curves for trace in _curve(curve, metric, along, chosen, shows_seeds, shades)]
    return figure(_in_layers(traces), label_of(metric, cells), x=along.layout, y=vertical(chosen))


def metric_over_parameters(curves: Sequence[Curve], metric: str, *, shows_seeds: bool = True) -> Figure:
    """A metric over the number of parameters: what a network of a size comes to, its depth written in its disc.

    Args:
        curves: The networks, a curve a depth.
        metric: The metric.
        shows_seeds: Whether every single seed is a point.
    """
    cells = cells_of(curves)
    chosen = _scale(cells, metric, shows_seeds)
    # Discs at the ends of the axis must not be cut.
    room = 1.5 if chosen.is_log else 0.06 * (chosen.high - chosen.low)
    low, high = (chosen.low / room, chosen.high * room) if chosen.is_log else (chosen.low - room, chosen.high + room)
    along = axis(PARAMETERS, values_of(curves), label_of(PARAMETERS, cells))
    traces = []
    for curve in curves:
        _, *others = _curve(curve, metric, along, chosen, shows_seeds, DEPTH_SHADES, aside=0.0)
        traces += others
        for trace in others:
            if trace["mode"] == "lines+markers":
                trace |= _discs(curve, metric, chosen)
    y = vertical(replace(chosen, low=low, high=high))
    return figure(_in_layers(traces), f"{label_of(metric, cells)} against size", x=along.layout, y=y)


def pieces_over(
    curves: Sequence[Curve],
    x: str,
    *,
    target: int | None = None,
    shows_seeds: bool = True,
    shades: tuple[str, ...] = WIDTH_SHADES,
) -> Figure:
    """Linear pieces over an axis, with the target's number and, dotted, the most that are possible.

    Args:
        curves: The networks.
        x: What is on the axis.
        target: How many pieces the target has.
        shows_seeds: Whether every single seed is a point.
        shades: The colours' scale.
    """
    cells = cells_of(curves)
    most = {cell.place: found for cell in cells if (found := most_of(cell)) is not None}
    chosen = _scale(cells, PIECES, shows_seeds, [] if target is None else [float(target)])
    along = axis(x, values_of(curves), label_of(x, cells))
    traces = [trace for curve in curves for trace in _curve(curve, PIECES, along, chosen, shows_seeds, shades)]
    for curve in curves:
        points = [(along.place(value), most[cell.place]) for value, cell in curve.points if cell.place in most]
        color = shade(curve.index, curve.num, shades)
        traces.append(
            {
                "x": [place for place, _ in points],
                "y": [bound for _, bound in points],
                "mode": "lines" if len(points) > 1 else "markers",
                "line": {"color": color, "width": 1.5, "dash": "dot"},
                "marker": {"color": color, "symbol": "line-ew-open", "size": 10},
                "hovertext": [f"{escape(curve.name)}: at most {bound} pieces" for _, bound in points],
                **_of(curve, is_named=False),
            }
        )
    high = max(chosen.high, min(max(most.values(), default=0) * 1.4, chosen.high * BEYOND))
    shapes, notes = [], []
    if target is not None:
        shapes.append(_across(float(target)))
        notes.append(_note(f"target: {target}", math.log10(target) if chosen.is_log else float(target)))
    is_seen = any(bound <= high for bound in most.values())
    title = f"{label_of(PIECES, cells)}{' (dotted: most possible)' if is_seen else ''}"
    y = vertical(chosen, high=high)
    return figure(_in_layers(traces), title, x=along.layout, y=y, notes=notes, shapes=shapes)


def solved_over(curves: Sequence[Curve], x: str, *, shades: tuple[str, ...] = WIDTH_SHADES) -> Figure:
    """The share of seeds that solve the task over an axis, with the interval of each probability.

    Args:
        curves: The networks, of a task that says what solving is.
        x: What is on the axis.
        shades: The colours' scale.
    """
    cells = cells_of(curves)
    along = axis(x, values_of(curves), label_of(x, cells))
    traces = []
    for curve in curves:
        shares = [(cell.num_solved or 0) / len(cell.results) for _, cell in curve.points]
        intervals = [cell.solved_interval for _, cell in curve.points]
        traces.append(
            {
                **_line(curve, shades),
                "x": [along.place(value, _aside(curve)) for value, _ in curve.points],
                "y": shares,
                "error_y": {
                    "array": [high - share for share, (_, high) in zip(shares, intervals, strict=True)],
                    "arrayminus": [share - low for share, (low, _) in zip(shares, intervals, strict=True)],
                    "color": with_opacity(shade(curve.index, curve.num, shades), 0.4),
                    "thickness": 2,
                    "width": 0,
                },
                "customdata": [[cell.place] for _, cell in curve.points],
                "hovertext": [said_of_cell(cell) for _, cell in curve.points],
            }
        )
    confidence = 90 if any(cell.is_tuned for cell in cells) else 95
    title = f"seeds that solve it (bars: {confidence}% intervals)"
    return figure(traces, title, x=along.layout, y={"range": [-0.04, 1.04], "tickformat": ".0%"})


def heat_map(curves: Sequence[Curve], metric: str, x: str) -> Figure:
    """The metric of every network as a number on a colour, one row a curve; darker is better, or more.

    Args:
        curves: The networks.
        metric: The metric.
        x: What is on the axis.
    """
    cells = cells_of(curves)
    values = values_of(curves)
    chosen = _scale(cells, metric, False)
    colors, texts, hovers, data = [], [], [], []
    for curve in curves:
        here = {repr(value): cell for value, cell in curve.points}
        row = [here.get(repr(value)) for value in values]
        colors.append([None if cell is None else _goodness(cell, metric, chosen) for cell in row])
        texts.append(["" if cell is None else _in_heat_map(cell, metric) for cell in row])
        hovers.append(["" if cell is None else said_of_cell(cell, metric) for cell in row])
        data.append([[] if cell is None else [cell.place] for cell in row])
    trace = {
        "type": "heatmap", "z": colors, "text": texts, "hovertext": hovers, "customdata": data,
        "texttemplate": "%{text}", "hoverinfo": "text", "showscale": False, "xgap": 2, "ygap": 2,
        "x": [str(value) for value in values], "y": [escape(curve.name) for curve in curves],
        "colorscale": [[0, "#f1f5fa"], [1, NETWORK_COLOR]], **_range_of_colors(colors, metric, chosen, cells),
    }  # fmt: skip
    names = {
        "title": {"text": escape(label_of(x, cells), quote=False), "standoff": 6},
        "type": "category",
        "showgrid": False,
    }
    solved = " and seeds that solve it" if all(cell.num_solved is not None for cell in cells) else ""
    is_count = metric.startswith("num_")
    title = f"{label_of(metric, cells)}{solved} ({'dark is more' if is_count else 'dark is better'})"
    y = {"type": "category", "showgrid": False, "automargin": True, "ticks": ""}
    return figure([trace], title, x={**names, "ticks": ""}, y=y)


def cells_of(curves: Sequence[Curve]) -> list[Cell]:
    """All networks of some curves."""
    return [cell for curve in curves for _, cell in curve.points]


def _curve(
    curve: Curve,
    metric: str,
    along: Axis,
    chosen: Scale,
    shows_seeds: bool,
    shades: tuple[str, ...],
    aside: float = 1.0,
) -> Iterator[dict[str, Any]]:
    """The band, the seeds, the line and the hollow markers of a curve."""
    points = [(value, cell, found) for value, cell in curve.points if (found := cell.quartiles(metric))]
    color = shade(curve.index, curve.num, shades)
    places = [along.place(value) for value, _, _ in points]
    edges = [[_or_worst(getattr(found, edge), chosen) for _, _, found in points] for edge in ("lower", "upper")]
    if points:
        yield {
            "x": [*places, *reversed(places)], "y": [*edges[1], *reversed(edges[0])], "fill": "toself",
            "fillcolor": with_opacity(color, 0.13), "line": {"width": 0}, "mode": "lines",
            **_of(curve, is_named=False), "hoverinfo": "skip",
        }  # fmt: skip
    if shows_seeds:
        seeds = [(value, cell, run) for value, cell, _ in points if len(cell.results) > 1 for run in cell.results]
        yield {
            "x": [along.place(value, aside * _aside(curve)) for value, _, _ in seeds],
            "y": [_drawn(run, metric, chosen) for _, _, run in seeds],
            "mode": "markers",
            "marker": {"color": color, "size": 4.5, "opacity": 0.3, "symbol": SYMBOLS[curve.index % len(SYMBOLS)]},
            "customdata": [[cell.place, run.run] for _, cell, run in seeds],
            "hovertext": [said_of_run(run, metric, cell) for _, cell, run in seeds],
            **_of(curve, is_named=False),
        }
    yield {
        **_line(curve, shades),
        "x": places,
        "y": [None if math.isnan(found.median) else found.median for _, _, found in points],
        "customdata": [[cell.place] for _, cell, _ in points],
        "hovertext": [said_of_cell(cell, metric) for _, cell, _ in points],
    }
    if lost := [
        (place, cell) for place, (_, cell, found) in zip(places, points, strict=True) if found.median != found.median
    ]:
        yield {
            **_line(curve, shades),
            "x": [place for place, _ in lost],
            "y": [chosen.worst for _ in lost],
            "mode": "markers",
            "marker": {"symbol": f"{SYMBOLS[curve.index % len(SYMBOLS)]}-open", "size": 9, "color": color},
            "customdata": [[cell.place] for _, cell in lost],
            "hovertext": [said_of_cell(cell, metric) for _, cell in lost],
            "showlegend": False,
        }


def _line(curve: Curve, shades: tuple[str, ...]) -> dict[str, Any]:
    """The look of a curve."""
    color = shade(curve.index, curve.num, shades)
    return {
        "mode": "lines+markers",
        "line": {"color": color, "width": 2},
        "marker": {"color": color, "size": 8, "symbol": SYMBOLS[curve.index % len(SYMBOLS)]},
        **_of(curve, is_named=True),
    }


def _discs(curve: Curve, metric: str, chosen: Scale) -> dict[str, Any]:
    """Another look of a curve: quartiles as bars, and in every marker its depth."""
    color = shade(curve.index, curve.num, DEPTH_SHADES)
    points = [(cell, found) for _, cell in curve.points if (found := cell.quartiles(metric))]
    edges = [
        [
            0 if math.isnan(found.median) else _or_worst(getattr(found, edge), chosen) - found.median
            for _, found in points
        ]
        for edge in ("upper", "lower")
    ]
    return {
        "mode": "lines+markers+text",
        "line": {"color": with_opacity(color, 0.5), "width": 1.5},
        "marker": {"color": color, "size": 16, "line": {"color": "white", "width": 1}},
        "text": [str(cell.depth) for cell, _ in points],
        "textfont": {"color": "white", "size": 10},
        "error_y": {
            "array": edges[0], "arrayminus": [abs(edge) for edge in edges[1]],
            "color": with_opacity(color, 0.5), "thickness": 1.5, "width": 0,
        },
    }  # fmt: skip


def _of(curve: Curve, *, is_named: bool) -> dict[str, Any]:
    """What belongs to a curve is switched on and off with it."""
    name = escape(curve.name, quote=False)
    return {
        "type": "scatter", "name": name, "legendgroup": name, "showlegend": is_named, "hoverinfo": "text",
    }  # fmt: skip


def _in_layers(traces: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bands below seeds below lines, whichever curve they are of."""
    order = {"lines": 0, "markers": 1, "lines+markers": 2, "lines+markers+text": 3}
    return sorted(traces, key=lambda trace: order[trace["mode"]])


def _aside(curve: Curve) -> float:
    """How far beside its place a curve's seeds stand."""
    return ASIDE * (curve.index - (curve.num - 1) / 2) * min(1.0, 6 / max(curve.num, 1))


def _scale(cells: Sequence[Cell], metric: str, shows_seeds: bool, more: Sequence[float] = ()) -> Scale:
    """The vertical axis for the quartiles of a metric and, where they are shown, its seeds."""
    values = [
        value
        for cell in cells
        if (found := cell.quartiles(metric))
        for value in (found.lower, found.median, found.upper)
    ]
    if shows_seeds:
        seeds = [_value(run, metric) for cell in cells for run in cell.results]
        # A single seed without any error does not take the log axis from all others: it lies on its lower end.
        is_positive = all(value > 0 for value in values if math.isfinite(value))
        values += [value for value in seeds if not (is_positive and value <= 0)]
    is_better_higher = bool(cells) and cells[0].is_better_higher(metric)
    return scale([*values, *more], metric, is_better_higher=is_better_higher)


def _drawn(run: Result, metric: str, chosen: Scale) -> float:
    """Where a run's value is drawn: beyond the worst if it diverged, on the edge of a log axis if it is 0."""
    value = _or_worst(_value(run, metric), chosen)
    return max(value, chosen.low) if chosen.is_log else value


def _value(run: Result, metric: str) -> float:
    """A run's value; NaN if it diverged, but that its pieces and parameters can be counted all the same."""
    is_lost = run.diverged_at is not None and not metric.startswith("num_")
    return math.nan if is_lost else float(run.metrics.get(metric, math.nan))


def _or_worst(value: float, chosen: Scale) -> float:
    """The value, or where NaN is drawn."""
    return value if math.isfinite(value) else chosen.worst


def _range_of_colors(
    colors: Sequence[Sequence[float | None]], metric: str, chosen: Scale, cells: Sequence[Cell]
) -> dict[str, float]:
    """From the palest to the darkest colour, which small differences must not fill.

    That is at least a factor of ten on a log scale, a tenth of the best where more is better, and else twice the best.
    """
    known = [color for row in colors for color in row if color is not None]
    if not known:
        return {}
    best = max(known)
    is_more = metric.startswith("num_") or any(cell.is_better_higher(metric) for cell in cells)
    least = 1.0 if chosen.is_log else abs(best) * (0.1 if is_more else 1.0)
    return {"zmin": min(*known, best - least), "zmax": best}


def _goodness(cell: Cell, metric: str, chosen: Scale) -> float | None:
    """The colour of a network in the heat map, as a number of which more is darker."""
    found = cell.quartiles(metric)
    if found is None or math.isnan(found.median):
        return None
    value = math.log10(found.median) if chosen.is_log else found.median
    return value if metric.startswith("num_") or cell.is_better_higher(metric) else -value


def _in_heat_map(cell: Cell, metric: str) -> str:
    """The numbers of a network in the heat map."""
    found = cell.quartiles(metric)
    said = ["" if found is None else "diverged" if math.isnan(found.median) else number(found.median)]
    if cell.num_solved is not None:
        said.append(f"{cell.num_solved} of {len(cell.results)}")
    return "<br>".join(said)


def _across(value: float) -> dict[str, Any]:
    """A dashed line across the figure."""
    line = {"color": INK, "width": 1.2, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value, "line": line, "layer": "below"}


def _note(words: str, y: float, **more: Any) -> dict[str, Any]:
    """Words at the right end of the figure."""
    place = {"xref": "paper", "x": 1, "xanchor": "right", "y": y, "yanchor": "bottom", "showarrow": False}
    return {"text": words, "font": {"size": 11}, **place, **more}
