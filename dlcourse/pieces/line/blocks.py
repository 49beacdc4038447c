"""Blocks of a line that take all further layers one after the other, so that few values are there at once.

Neighbouring blocks share the vertex between them. What each has found is put together as if there were but one.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from dlcourse.pieces.line.intervals import Cut

_NUMBERS = 2**20  # values of units at the vertices of a block: 8 MB, and as many slopes
_LEAST_INTERVALS = 8


class Block(NamedTuple):
    """Which part of a line is taken now.

    Attributes:
        first: The number of its first vertex among the vertices that it was taken from.
        is_all: Whether it is all of the line.
        goes_on: Whether the line goes on to the right.
        num_elsewhere: How many intervals there are elsewhere in the line, so far.
    """

    first: int = 0
    is_all: bool = True
    goes_on: bool = False
    num_elsewhere: int = 0


class Done(NamedTuple):
    """What a block has come to after the last layer.

    Attributes:
        cuts: The cuts since the line was divided into blocks, and their patterns as bits: they would take most memory.
        slopes: The outputs' slopes.
        error: How far off they may be.
        quantum: If positive, they are exact and integer multiples of it.
    """

    cuts: list[tuple[Cut, UInt8[np.ndarray, " bytes"]]]
    slopes: Float[np.ndarray, "out_features vertices"]
    error: Float[np.ndarray, " vertices"]
    quantum: float


def blocks(num_units: int, num_vertices: int) -> list[slice]:
    """The vertices of each block; the last one of a block is the first one of the next."""
    num_intervals = num_vertices - 1
    num_blocks = max(1, min(num_intervals // _LEAST_INTERVALS, round(num_units * num_vertices / _NUMBERS)))
    ends = np.linspace(0, num_intervals, num_blocks + 1).astype(int).tolist()
    return [slice(first, last + 1) for first, last in pairwise(ends)]


def num_at_once(num_units: int, num_vertices: float) -> int:
    """How many lines of so many vertices are no more than a block together; one if that is not known yet, 0."""
    return max(1, int(_NUMBERS / (num_units * num_vertices))) if num_vertices else 1


def done(
    cuts: list[Cut], slopes: Float[np.ndarray, "out_features vertices"], error: Float[np.ndarray, "_"], quantum: float
) -> Done:
    """What is kept of a block."""
    none = np.zeros((0, 0), dtype=bool)
    packed = [(cut._replace(active=none), np.packbits(cut.active)) for cut in cuts]
    return Done(packed, slopes, np.broadcast_to(error, slopes.shape[1:]), quantum)


def joined(
    parts: list[Done], num_units: list[int]
) -> tuple[list[Cut], Float[np.ndarray, "out_features vertices"], Float[np.ndarray, " vertices"], float]:
    """What the blocks of a line, from left to right, have found together: cuts, slopes, their errors and quantum.

    Args:
        parts: The blocks; their cuts are taken out of them.
        num_units: How many units each of the cuts is of.
    """
    cuts: list[Cut] = []
    firsts = [0] * len(parts)  # the number of each block's first vertex before the cut
    for units in num_units:
        of_blocks, packed = zip(*(part.cuts.pop(0) for part in parts), strict=True)
        ends = np.cumsum([len(cut.parent) - 1 for cut in of_blocks]).tolist()
        active = np.empty((units, ends[-1] + 1), dtype=bool)
        cuts.append(_joined_cuts(list(of_blocks), firsts, active))
        firsts = [0, *ends[:-1]]
        for first, cut, some in zip(firsts, of_blocks, packed, strict=True):
            # The column of a shared vertex is that of the right block, which comes last.
            shape = units, len(cut.parent)
            active[:, first : first + shape[1]] = np.unpackbits(some, count=units * shape[1]).reshape(shape)
    slopes = np.concatenate(_without_shared([part.slopes for part in parts]), axis=1)
    error = np.concatenate(_without_shared([part.error for part in parts]))
    return cuts, slopes, error, min(part.quantum for part in parts)


def _joined_cuts(cuts: list[Cut], firsts: list[int], active: Bool[np.ndarray, "units intervals"]) -> Cut:
    """One cut of neighbouring blocks as one of the line, whose pattern is given."""
    kept = [len(cut.unit) - int(cut.is_new[-1]) for cut in cuts[:-1]]  # the point between two blocks is in both
    kept.append(len(cuts[-1].unit))
    unit, t, t_error = (
        np.concatenate([getattr(cut, name)[:num] for cut, num in zip(cuts, kept, strict=True)])
        for name in ("unit", "t", "t_error")
    )
    parent = np.concatenate(_without_shared([cut.parent + first for cut, first in zip(cuts, firsts, strict=True)]))
    is_new = np.concatenate(_without_shared([cut.is_new for cut in cuts]))
    return Cut(cuts[0].layer, parent, is_new, unit, t, t_error, active)


def _without_shared(columns: list[np.ndarray]) -> list[np.ndarray]:
    """The columns of blocks, those of shared vertices from the right one."""
    return [*(each[..., :-1] for each in columns[:-1]), columns[-1]]
