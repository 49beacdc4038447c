"""Segments of a network's input space, cut by one layer after the other, some of them in blocks."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.blocks import Block, blocks, done, joined
from dlcourse.pieces.line.crossings import Crossings
from dlcourse.pieces.line.digit_functions import DigitFunctions
from dlcourse.pieces.line.intervals import Intervals
from dlcourse.pieces.line.kinks import find_kinks
from dlcourse.pieces.line.layout import Layout, in_a_row, laid_out
from dlcourse.pieces.line.positions import positions
from dlcourse.pieces.line.size import check_cut
from dlcourse.pieces.line.subdivision import Subdivision
from dlcourse.pieces.progress import each


@dataclass(frozen=True, eq=False)
class Subdivided:
    """The segments of all members, cut at the sign changes of all layers.

    Attributes:
        intervals: The vertices, and the intervals between them.
        slopes: The outputs' slopes on the intervals.
        error: How far off those of each interval may be, in the 2-norm; a single 0 if they are exact.
        kinks: Whether the function has a kink at a vertex.
        num_settled: For each line, the number of signs that integers decided.
        digits: The functions in numbers of several digits.
        max_regions: More intervals than that are refused.
        max_gigabytes: What takes more memory is refused; None for what takes more than is free.
    """

    intervals: Intervals
    slopes: Float[np.ndarray, "out_features vertices"]
    error: Float[np.ndarray, " vertices_or_1"]
    kinks: Bool[np.ndarray, " vertices"]
    num_settled: Int[np.ndarray, " lines"]
    digits: DigitFunctions
    max_regions: int
    max_gigabytes: float | int | None

    @cached_property
    def positions(self) -> tuple[Float[np.ndarray, " vertices"], Float[np.ndarray, " vertices"]]:
        """t of each vertex, rounded, and how far off it may be."""
        return positions(self.intervals)


def subdivide(
    layers: list[UnitLayer],
    starts: Float[np.ndarray, "members num_lines in_features"],
    ends: Float[np.ndarray, "members num_lines in_features"],
    max_regions: int,
    max_gigabytes: float | int | None,
    *,
    num_elsewhere: int = 0,
) -> Subdivided:
    """Cuts segments, given by where they start and end; so many regions of others count for `max_regions`, too."""
    limits = _Limits(max_regions, max_gigabytes)
    check_cut(layers, -1, 2 * starts.shape[0] * starts.shape[1], max_gigabytes, keep_values=True)
    with np.errstate(all="ignore"):  # overflow is looked for where it can begin
        found = Subdivision(layers, starts, ends)
        found.block = found.block._replace(num_elsewhere=num_elsewhere)
        _take_layers(found, 0, limits)
        found.digits.forget()
        error, slopes = found.error[-1], found.rows[-1]
        kinks, settled = find_kinks(found.intervals, slopes, found.quantum[-1], error)
        found.count_settled(settled)
    return Subdivided(found.intervals, slopes, error, kinks, found.num_settled, found.digits, *limits)


class _Limits(NamedTuple):
    """What is refused: more intervals, or more memory (None: more than is free)."""

    max_regions: int
    max_gigabytes: float | int | None


def _take_layers(found: Subdivision, first: int, limits: _Limits) -> None:
    """Takes all layers from one on."""
    layers = found.intervals.layers
    last_bend = max((index for index, layer in enumerate(layers) if layer.bends), default=-1)
    for index in each(range(first, len(layers)), "layer", lambda: f"{_num_regions(found):,} regions"):
        found.affine(index)
        if layers[index].bends:
            signs = found.signs(layers[index])
            crosses = signs[:, :-1] * signs[:, 1:] < 0
            crosses[:, found.intervals.last[:-1]] = False
            crossings = found.crossings(*np.divmod(np.flatnonzero(crosses), crosses.shape[1]))
            if len(crossings.number):
                _guard(found, index, int(crossings.number[-1]) + 1, limits.max_regions)
            layout = laid_out(crossings, signs.shape[1])
            parts = blocks(len(signs), len(layout.parent)) if found.in_blocks else []
            if len(parts) <= 1:
                _check_memory(found, index, len(layout.parent), limits)
            if index == last_bend:
                found.keep_slopes()
            if len(parts) > 1:
                _take_blocks(found, index, signs, crossings, layout, parts, limits)
                return
            found.cut(index, signs, crossings, layout)


def _take_blocks(
    found: Subdivision,
    index: int,
    signs: Int[np.ndarray, "units vertices"],
    crossings: Crossings,
    layout: Layout,
    parts: list[slice],
    limits: _Limits,
) -> None:
    """Takes a layer's kinks and all further layers in one block of the line after the other."""
    num_cuts, num_here = len(found.intervals.cuts), len(layout.parent) - 1
    of_blocks = []
    for part in each(parts, "block"):
        num_before = part.stop - part.start - 1
        here, there, old = in_a_row(crossings, layout, part, signs.shape[1])
        goes_on = found.block.goes_on or part.stop < len(layout.parent)
        block = found.part(old, Block(old.start, False, goes_on, found.block.num_elsewhere + num_here - num_before))
        _check_memory(block, index, len(there.parent), limits)
        block.cut(index, signs[:, old], here, there)
        _take_layers(block, index + 1, limits)
        num_here += int(block.intervals.last[0]) - num_before
        of_blocks.append(done(block.intervals.cuts[num_cuts:], block.rows[-1], block.error[-1], block.quantum[-1]))
    num_units = [layer.bias.shape[1] for layer in found.intervals.layers[index:] if layer.bends]
    cuts, slopes, error, shared = joined(of_blocks, num_units)
    found.intervals.cuts += cuts
    found.intervals.last = np.array([slopes.shape[1] - 1])
    found.rows, found.error, found.quantum = slopes[None], error[None], [shared]


def _num_regions(found: Subdivision) -> int:
    """On all lines, with those of other blocks so far."""
    last = found.intervals.last
    return found.block.num_elsewhere + int(last[-1]) + 1 - len(last)


def _guard(found: Subdivision, index: int, num_points: int, max_regions: int) -> None:
    """Refuses to make too many intervals: the points cut just as many in two."""
    num_regions = _num_regions(found)
    if num_regions + num_points > max_regions:
        raise ValueError(
            f"max_regions must be at least the number of regions, got {max_regions}, but layer {index + 1} of "
            f"{len(found.intervals.layers)} cuts {num_regions} regions into {num_regions + num_points}"
        )


def _check_memory(found: Subdivision, index: int, num_vertices: int, limits: _Limits) -> None:
    """Refuses a cut into so many intervals if it takes too much memory."""
    layers = found.intervals.layers
    keep_values = any(layer.bends for layer in layers[index + 1 :])
    followed = found.growth.ellipsoids
    num_matrices = 0 if followed is None else followed.num_groups(num_vertices)
    check_cut(layers, index, num_vertices, limits.max_gigabytes, keep_values=keep_values, num_matrices=num_matrices)
