"""Pictures: the fit and its breakpoints, decision regions, depth against width.

Made with matplotlib's objects alone, without pyplot and its global state. Importing this module imports matplotlib
(half a second): import it where a picture is drawn.
"""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from torch import Tensor

from dlcourse.palette import (
    CLASS_COLORS,
    DATA_COLOR,
    DEPTH_SHADES,
    FAINT,
    INK,
    NETWORK_COLOR,
    TARGET_COLOR,
    shade,
)
from dlcourse.recording.cells import Cell, pieces_in_words
from dlcourse.recording.over_seeds import in_words
from dlcourse.recording.scales import scale

CLASS_MARKERS = "os^DvPX<>"


def to_png(figure: Figure, *, width: int = 1000) -> bytes:
    """The figure as a PNG file, the same bytes each time.

    Args:
        figure: Any figure.
        width: In pixels; the height follows from the figure's proportions.
    """
    content = io.BytesIO()
    # Without the name of the software: it includes matplotlib's version, so that each would write other bytes.
    figure.savefig(content, format="png", dpi=width / figure.get_figwidth(), metadata={"Software": None})
    return content.getvalue()


def fit(
    network: Callable[[Tensor], Tensor],
    *,
    target: Callable[[Tensor], Tensor] | None,
    train_inputs: Float[Tensor, "train 1"],
    train_targets: Float[Tensor, "train 1"],
    start: float,
    end: float,
    title: str,
    breakpoints: Sequence[float] | np.ndarray | Tensor = (),
    num_pieces: int | None = None,
    metrics: Mapping[str, int | float] | None = None,
) -> Figure:
    """A network's function of one input against the target, its breakpoints marked on the curve and along the axis.

    Args:
        network: Maps inputs `[n, 1]` of the train inputs' type and device to outputs `[n, 1]`.
        target: The function to be learnt, likewise; None if there is none.
        train_inputs: The points that the network was trained on.
        train_targets: Their (noisy) values.
        start: Left end of the interval that is drawn.
        end: Right end.
        title: What network this is: "depth 3, width 8, relu, seed 0".
        breakpoints: Where one linear piece ends and the next begins, in `[start, end]`.
        num_pieces: Number of linear pieces on the interval; None for networks without.
        metrics: Name -> value, said below the title.
    """
    grid = torch.linspace(start, end, 1001, dtype=torch.float64)
    corners = torch.as_tensor(breakpoints, dtype=torch.float64)
    # The breakpoints are among the points that are drawn: a corner between two grid points would be cut off.
    inputs = torch.cat([grid, corners]).sort().values

    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.add_subplot()
    _plain(axes)
    axes.scatter(
        train_inputs.cpu(), train_targets.cpu(), s=12, color=DATA_COLOR, alpha=0.6, linewidths=0, label="train points"
    )
    if target is not None:
        axes.plot(inputs, _values(target, inputs, train_inputs), color=TARGET_COLOR, lw=4, alpha=0.7, label="target")
    axes.plot(inputs, _values(network, inputs, train_inputs), color=NETWORK_COLOR, lw=1.8, label="network")
    if len(corners):
        axes.plot(
            corners,
            _values(network, corners, train_inputs),
            "o",
            ms=5.5,
            mfc="white",
            mec=NETWORK_COLOR,
            mew=1.4,
            label="breakpoints",
        )
        axes.vlines(corners, 0, 0.035, color=NETWORK_COLOR, lw=1.2, transform=axes.get_xaxis_transform())
    axes.set_xlim(start, end)
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    pieces = [] if num_pieces is None else [f"{num_pieces} linear {'piece' if num_pieces == 1 else 'pieces'}"]
    _title(figure, title, pieces + _said(metrics))
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def decision_regions(
    classifier: Callable[[Tensor], Tensor],
    *,
    inputs: Float[Tensor, "items 2"],
    classes: Int[Tensor, " items"],
    low: tuple[float, float],
    high: tuple[float, float],
    title: str,
    metrics: Mapping[str, int | float] | None = None,
) -> Figure:
    """The class that a network of two inputs gives to each point of a rectangle, the boundaries, and the data.

    Args:
        classifier: Maps inputs `[n, 2]`, of the type and device of `inputs`, to logits `[n, num_classes]`, or to one
            output `[n, 1]` whose sign tells class 1 from class 0.
        inputs: Data points.
        classes: Their true classes, from 0.
        low: Lower left corner of the rectangle.
        high: Upper right corner.
        title: What network this is: "depth 3, width 8, relu, seed 0".
        metrics: Name -> value, said below the title.
    """
    resolution = 300
    x = torch.linspace(low[0], high[0], resolution, dtype=torch.float64)
    y = torch.linspace(low[1], high[1], resolution, dtype=torch.float64)
    grid = torch.cartesian_prod(y, x).flip(-1).to(inputs)
    with torch.no_grad():
        logits = classifier(grid).double().cpu()
    if logits.shape[-1] == 1:
        logits = torch.cat([-logits, logits], -1)
    logits = logits.reshape(resolution, resolution, -1)
    chosen = logits.argmax(-1)

    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.add_subplot()
    _plain(axes, grid=False)
    extent = (low[0], high[0], low[1], high[1])
    tints = np.array([_tint(_class_color(index)) for index in range(logits.shape[-1])])
    axes.imshow(tints[chosen], origin="lower", extent=extent, aspect="equal", interpolation="nearest")
    for index in range(logits.shape[-1]):
        others = logits.clone()
        others[..., index] = -math.inf
        # By how much the class leads the best of the others. The boundary of its region is where that is 0.
        lead = logits[..., index] - others.amax(-1)
        if lead.min() < 0 < lead.max():
            axes.contour(x, y, lead, levels=[0], colors=INK, linewidths=1.1)
    points, labels = inputs.cpu(), classes.cpu()
    for index in labels.unique().tolist():
        axes.scatter(
            points[labels == index, 0],
            points[labels == index, 1],
            s=26,
            color=_class_color(index),
            edgecolors="white",
            linewidths=0.6,
            marker=CLASS_MARKERS[index % len(CLASS_MARKERS)],
            label=f"class {index}",
        )
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_xlabel("x[1]")
    axes.set_ylabel("x[2]")
    _title(figure, title, _said(metrics))
    figure.legend(loc="outside lower center", ncols=6, frameon=False)
    return figure


def depth_against_width(
    cells: Sequence[Cell], metric: str, *, title: str = "", target_pieces: int | None = None
) -> Figure:
    """The answer of a sweep: what depth buys, and what width.

    The metric against depth, a line for each width: the median over the seeds, in the band between the quartiles. The
    share of seeds that solve the task, if it says what that is, with intervals; the number of linear pieces, if there
    are any. Last the metric against the number of parameters, a disc for each architecture with its depth in it.

    Args:
        cells: The runs, gathered by depth and width (`recording.cells`), all of one setting.
        metric: The task's headline metric.
        title: What was swept: "zigzag, 3 folds".
        target_pieces: How many linear pieces the target has.

    Raises:
        ValueError: If no cell has the metric, or cells of several settings have it.
    """
    cells = [cell for cell in cells if cell.quartiles(metric)]
    settings = list(dict.fromkeys(cell.setting for cell in cells))
    if len(settings) != 1:
        raise ValueError(f"cells with the metric {metric!r} must be of one setting, got {settings}")
    has_pieces = any(cell.quartiles("num_pieces") for cell in cells)
    has_solved = all(cell.num_solved is not None for cell in cells)
    num_panels = 2 + has_pieces + has_solved
    num_rows = 2 if num_panels == 4 else 1
    size = (9.5, 8) if num_rows == 2 else (4 + 4.2 * (num_panels - 1), 4.6)
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(num_rows, num_panels // num_rows).flat)
    name = in_words(metric)

    first, *between, last = panels
    _lines_over_depth(first, cells, metric)
    first.set_title(name)
    if has_solved:
        _shares_over_depth(between[0], cells)
        between[0].set_title("share of seeds that solve it")
    if has_pieces:
        _lines_over_depth(between[-1], cells, "num_pieces", target=target_pieces)
        between[-1].set_title(pieces_in_words(cells))
    _discs_over_parameters(last, cells, metric)
    last.set_title(f"{name} against size")

    _title(figure, title or "depth against width", _said_of(cells))
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 8), frameon=False)
    return figure


def _said_of(cells: Sequence[Cell]) -> list[str]:
    """What the medians are of."""
    most = max(len(cell.results) for cell in cells)
    said = [f"medians and quartiles over {most} seeds" if most > 1 else "one seed"]
    if tuned := list(dict.fromkeys(key.rpartition(".")[2] for cell in cells if cell.is_tuned for key in cell.tuned)):
        said.append(f"{' and '.join(tuned)} tuned on half of them")
    if diverged := sum(cell.num_diverged for cell in cells):
        num = sum(len(cell.results) for cell in cells)
        said.append(f"{diverged} of {num} runs diverged (counted as the worst; hollow where they are the median)")
    return said


def _curves(cells: Sequence[Cell]) -> Iterator[tuple[list[Cell], str, str, str]]:
    """The cells of each width, or of each size, by depth; its name, colour and marker."""
    names = list(
        dict.fromkeys(
            cell.curve for cell in sorted(cells, key=lambda cell: (cell.max_parameters or 0, cell.width or 0))
        )
    )
    for index, name in enumerate(names):
        line = [cell for cell in cells if cell.curve == name]
        said = f"width {line[0].width}" if line[0].max_parameters is None else f"{line[0].max_parameters} parameters"
        yield line, said, shade(index, len(names)), CLASS_MARKERS[index % len(CLASS_MARKERS)]


def _shares_over_depth(axes: Axes, cells: Sequence[Cell]) -> None:
    """One line for each width, with the interval of each probability; those of other widths stand a little aside."""
    _plain(axes)
    curves = list(_curves(cells))
    for index, (line, name, color, marker) in enumerate(curves):
        depths = np.array([cell.depth for cell in line]) + 0.08 * (index - (len(curves) - 1) / 2)
        shares = [(cell.num_solved or 0) / len(cell.results) for cell in line]
        lows, highs = zip(*(cell.solved_interval for cell in line), strict=True)
        axes.vlines(depths, lows, highs, color=color, alpha=0.35, lw=2)
        axes.plot(depths, shares, marker=marker, ms=6.5, lw=2, color=color, label=name)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xticks(sorted({cell.depth for cell in cells}))
    axes.set_xlabel("depth (hidden layers)")


def _lines_over_depth(axes: Axes, cells: Sequence[Cell], metric: str, target: int | None = None) -> None:
    """One line for each width, with a band between the quartiles; a dashed line at the target's value."""
    _plain(axes)
    targets = [] if target is None else [float(target)]
    found = [quartiles for cell in cells if (quartiles := cell.quartiles(metric))]
    values = [value for q in found for value in (q.lower, q.median, q.upper)]
    worst = _scale(axes, values + targets, metric, is_better_higher=cells[0].is_better_higher(metric))
    for cells_of_line, name, color, marker in _curves(cells):
        line = [(cell.depth, quartiles) for cell in cells_of_line if (quartiles := cell.quartiles(metric))]
        depths = [depth for depth, _ in line]
        lower, median, upper = (
            np.array([getattr(quartiles, which) for _, quartiles in line]) for which in ("lower", "median", "upper")
        )
        axes.fill_between(depths, _nan_to(worst, lower), _nan_to(worst, upper), color=color, alpha=0.15, lw=0)
        axes.plot(depths, median, marker=marker, ms=6.5, lw=2, color=color, label=name)
        # The median is NaN where it lies among diverged runs: a hollow marker stands there, beyond the worst value.
        lost = np.array(depths)[np.isnan(median)]
        axes.plot(lost, np.full(len(lost), worst), marker, ms=6.5, mfc="white", mec=color, mew=1.5)
    if target is not None:
        axes.axhline(target, color=INK, lw=1.2, ls=(0, (5, 3)), zorder=1)
        axes.annotate(
            f"target: {target}", (1, target), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", fontsize=9, color=INK,
        )  # fmt: skip
    axes.set_xticks(sorted({cell.depth for cell in cells}))
    axes.set_xlabel("depth (hidden layers)")


def _discs_over_parameters(axes: Axes, cells: Sequence[Cell], metric: str) -> None:
    """One disc for each architecture, coloured by its depth, which is written in it."""
    _plain(axes)
    depths = sorted({cell.depth for cell in cells})
    discs = [
        (cell.depth, parameters.median, quartiles.median)
        for cell in cells
        if (parameters := cell.quartiles("num_parameters")) and (quartiles := cell.quartiles(metric))
    ]
    sizes = [size for _, size, _ in discs]
    medians = [median for _, _, median in discs]
    worst = _scale(axes, medians, metric, is_better_higher=cells[0].is_better_higher(metric))
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.3, max(sizes) * 1.3)
    _plain_numbers(axes.xaxis, sizes)
    for index, depth in enumerate(depths):
        color = shade(index, len(depths), DEPTH_SHADES)
        line = sorted((size, median) for its_depth, size, median in discs if its_depth == depth)
        axes.plot([size for size, _ in line], [median for _, median in line], lw=1.5, alpha=0.5, color=color)
    for depth, size, median in sorted(discs):
        color = shade(depths.index(depth), len(depths), DEPTH_SHADES)
        y, inside, outside = (worst, "white", color) if math.isnan(median) else (median, color, "white")
        axes.plot(size, y, "o", ms=15, mfc=inside, mec=outside, mew=1.5)
        axes.annotate(
            str(depth), (size, y), ha="center", va="center_baseline", fontsize=9, color=outside, fontweight="bold"
        )
    axes.set_xlabel("number of parameters")


def _scale(axes: Axes, values: Sequence[float], metric: str, *, is_better_higher: bool) -> float:
    """Chooses the y axis for the values; returns where NaN is drawn: beyond the worst of them."""
    chosen = scale(values, metric, is_better_higher=is_better_higher)
    if chosen.is_log:
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis, [value for value in values if math.isfinite(value)] or [1.0])
    axes.set_ylim(chosen.low, chosen.high)
    return chosen.worst


def _plain_numbers(axis: Axis, values: Sequence[float]) -> None:
    """Ticks of a log axis, denser the less it spans, written 50 rather than 5x10^1."""
    span = max(values) / min(values)
    subs = (1,) if span > 3000 else (1, 2, 5) if span > 8 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _nan_to(worst: float, values: np.ndarray) -> np.ndarray:
    """The values, with the worst one in place of NaN."""
    return np.where(np.isnan(values), worst, values)


def _plain(axes: Axes, *, grid: bool = True) -> None:
    """Axes without a frame, on a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    if grid:
        axes.grid(color=FAINT, lw=0.8)
    axes.set_axisbelow(True)


def _title(figure: Figure, title: str, said: Sequence[str]) -> None:
    """What the figure shows, and below it what came out."""
    figure.suptitle("\n".join([title, ", ".join(said)]) if said else title, x=0.01, ha="left", fontsize=12, color=INK)


def _said(metrics: Mapping[str, int | float] | None) -> list[str]:
    """Metrics with their names: "mean squared error 0.0012"."""
    return [f"{in_words(name)} {value:.3g}" for name, value in (metrics or {}).items()]


def _class_color(index: int) -> str:
    """The colour of a class; beyond ten they start again, with other markers."""
    return CLASS_COLORS[index % len(CLASS_COLORS)]


def _tint(color: str) -> np.ndarray:
    """A colour mixed with white."""
    return 1 - 0.3 * (1 - np.array(to_rgb(color)))


def _values(function: Callable[[Tensor], Tensor], inputs: Tensor, like: Tensor) -> Tensor:
    """A function of one input at some points, computed in the type and on the device of `like`."""
    with torch.no_grad():
        return function(inputs.to(like)[:, None])[:, 0].double().cpu()
