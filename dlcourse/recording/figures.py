"""The picture of a sweep: depth against width.

Made with matplotlib's objects alone, without pyplot and its global state. Importing this module imports matplotlib
(half a second): import it where a picture is drawn.
"""

import io
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from dlcourse.palette import DEPTH_SHADES, FAINT, INK, shade
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


def to_svg(figure: Figure, title: str) -> bytes:
    """The figure as an SVG file, the same bytes each time with one version of matplotlib.

    Args:
        figure: Any figure.
        title: What it shows, for those who cannot see it.
    """
    content = io.BytesIO()
    # The salt goes into names that would be random otherwise. Text is drawn as paths: it looks the same everywhere.
    with rc_context({"svg.hashsalt": "dlcourse", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return content.getvalue()


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
    cells = _of_one_setting(cells, metric)
    panels = _panels(cells, metric, target_pieces)
    num_rows = 2 if len(panels) == 4 else 1
    size = (9.5, 8) if num_rows == 2 else (4 + 4.2 * (len(panels) - 1), 4.6)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = list(figure.subplots(num_rows, len(panels) // num_rows).flat)
    for axes, (panel_title, draw) in zip(all_axes, panels.values(), strict=True):
        draw(axes)
        axes.set_title(panel_title)
    write_title(figure, title or "depth against width", _said_of(cells))
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 8), frameon=False)
    return figure


def squares(
    cells: Sequence[Cell], metric: str, *, title: str = "", target_pieces: int | None = None
) -> dict[str, Figure]:
    """The parts of `depth_against_width`, each as a square picture of its own: TensorBoard shows pictures small.

    Args:
        cells: As there.
        metric: The task's headline metric.
        title: What was swept.
        target_pieces: How many linear pieces the target has.

    Returns:
        The pictures by their names: `error`, `solved` and `pieces` against depth, as far as there are such numbers, and
        `size`, the metric against the number of parameters.

    Raises:
        ValueError: As there.
    """
    cells = _of_one_setting(cells, metric)
    figures = {}
    for name, (panel_title, draw) in _panels(cells, metric, target_pieces).items():
        figure = Figure(figsize=(5.2, 5.2))
        axes = figure.add_axes((0.14, 0.19, 0.83, 0.66))  # a layout that finds its place takes as long as the picture
        draw(axes)
        figure.text(0.01, 0.985, panel_title, va="top", fontsize=12, color=INK)
        said = "\n".join([title, *textwrap.wrap(", ".join(_said_of(cells)), 84)]).strip()
        figure.text(0.01, 0.94, said, va="top", fontsize=8.5, color=INK)
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="lower center", ncols=min(len(labels), 4), frameon=False)
        figures[name] = figure
    return figures


def side_by_side(squares: Sequence[bytes]) -> bytes:
    """Square pictures as one: two rows of four, else one row.

    Args:
        squares: PNG files of one size.
    """
    pictures = [Image.open(io.BytesIO(square)).convert("RGB") for square in squares]
    side = pictures[0].width
    columns = 2 if len(pictures) == 4 else len(pictures)
    whole = Image.new("RGB", (side * columns, side * -(-len(pictures) // columns)), "white")
    for index, picture in enumerate(pictures):
        whole.paste(picture, (side * (index % columns), side * (index // columns)))
    content = io.BytesIO()
    whole.save(content, "png")
    return content.getvalue()


def _of_one_setting(cells: Sequence[Cell], metric: str) -> list[Cell]:
    """Those that have the metric, which must be of one setting."""
    cells = [cell for cell in cells if cell.quartiles(metric)]
    settings = list(dict.fromkeys(cell.setting for cell in cells))
    if len(settings) != 1:
        raise ValueError(f"cells with the metric {metric!r} must be of one setting, got {settings}")
    return cells


def _panels(
    cells: Sequence[Cell], metric: str, target_pieces: int | None
) -> dict[str, tuple[str, Callable[[Axes], None]]]:
    """The parts of the picture by their names: what stands above each, and what draws it."""
    name = in_words(metric)
    panels: dict[str, tuple[str, Callable[[Axes], None]]] = {
        "error": (name, lambda axes: _lines_over_depth(axes, cells, metric))
    }
    if all(cell.num_solved is not None for cell in cells):
        panels["solved"] = "share of seeds that solve it", lambda axes: _shares_over_depth(axes, cells)
    if any(cell.quartiles("num_pieces") for cell in cells):
        panels["pieces"] = (
            pieces_in_words(cells),
            lambda axes: _lines_over_depth(axes, cells, "num_pieces", target=target_pieces),
        )
    panels["size"] = f"{name} against size", lambda axes: _discs_over_parameters(axes, cells, metric)
    return panels


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
    plain_axes(axes)
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
    plain_axes(axes)
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
    plain_axes(axes)
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


def plain_axes(axes: Axes, *, grid: bool = True) -> None:
    """Axes without a frame, on a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    if grid:
        axes.grid(color=FAINT, lw=0.8)
    axes.set_axisbelow(True)


def write_title(figure: Figure, title: str, said: Sequence[str]) -> Text:
    """What the figure shows, and below it what came out."""
    return figure.suptitle(
        "\n".join([title, ", ".join(said)]) if said else title, x=0.01, ha="left", fontsize=12, color=INK
    )
