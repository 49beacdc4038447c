"""Depth against width as a table for the terminal."""

import math
from collections.abc import Sequence
from itertools import chain

from dlcourse.recording.over_seeds import Cell, cells, in_words
from dlcourse.recording.results import Result


def depth_width_table(results: Sequence[Result], metric: str) -> str:
    """One row a depth, three columns a width: the metric, the number of linear pieces and of parameters.

    All three are medians over the seeds. A sweep over further settings (say, activations) gets one table for each.

    Args:
        results: The runs of a sweep.
        metric: The task's headline metric, for instance "mean_squared_error".

    Returns:
        Lines of text, 92 characters wide for three widths of the usual sizes (98 if the metric is "accuracy").
    """
    gathered = cells(results)
    if not gathered:
        return (
            "widths differ from layer to layer: results.csv has all runs" if results else "no finished runs to compare"
        )
    most = max(len(cell.results) for cell in gathered)
    over = f"medians over {most} seeds" if most > 1 else "one seed"
    blocks = [f"{in_words(metric)}, linear pieces, parameters: {over}"]
    for setting in dict.fromkeys(cell.setting for cell in gathered):
        lines = _lines([cell for cell in gathered if cell.setting == setting], metric)
        blocks.append("\n".join([setting, *lines] if setting else lines))
    if notes := _notes(gathered, most):
        blocks.append("\n".join(notes))
    return "\n\n".join(blocks)


def _lines(gathered: Sequence[Cell], metric: str) -> list[str]:
    """The table of one setting."""
    depths = sorted({cell.depth for cell in gathered})
    widths = sorted({cell.width for cell in gathered})
    places = {(cell.depth, cell.width): cell for cell in gathered}
    headings = ["error" if metric.endswith("_error") else in_words(metric), "pieces", "parameters"]
    entries = [[_entries(places.get((depth, width)), metric) for width in widths] for depth in depths]
    sizes = [max(map(len, column)) for column in zip(headings, *chain(*entries), strict=True)]
    size = sum(sizes) + 2 * 2

    def row(first: str, blocks: Sequence[str]) -> str:
        return "   ".join([f"{first:>5}", *blocks]).rstrip()

    def block(three: Sequence[str]) -> str:
        return "  ".join(entry.rjust(width) for entry, width in zip(three, sizes, strict=True))

    return [
        row("", [f"width {width}".rjust(size) for width in widths]),
        row("depth", [block(headings) for _ in widths]),
        row("-" * 5, ["-" * size for _ in widths]),
        *(
            row(str(depth), [block(three) for three in row_entries])
            for depth, row_entries in zip(depths, entries, strict=True)
        ),
    ]


def _notes(gathered: Sequence[Cell], most: int) -> list[str]:
    """What the medians do not show: runs that diverged, cells with fewer runs than the others."""
    notes = []
    for cell in gathered:
        where = f"{cell.setting}, " if cell.setting else ""
        where += f"depth {cell.depth}, width {cell.width}"
        num = len(cell.results)
        if cell.num_diverged:
            notes.append(f"{where}: {cell.num_diverged} of {num} runs diverged (counted as the worst)")
        if num < most:
            notes.append(f"{where}: {num} of {most} seeds only")
    return notes


def _entries(cell: Cell | None, metric: str) -> list[str]:
    """The three entries of a cell; `-` for what its runs do not have, blanks if there are no runs."""
    if cell is None:
        return ["", "", ""]
    error = cell.quartiles(metric)
    counts = [cell.quartiles("num_pieces"), cell.quartiles("num_parameters")]
    return [
        "-" if error is None else _number(error.median),
        *("-" if count is None else f"{count.median:.10g}" for count in counts),
    ]


def _number(value: float) -> str:
    """Four decimals, so that the points stand below each other, unless they would hide what there is."""
    if math.isnan(value) or value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.4f}"
    return f"{value:.1e}"
