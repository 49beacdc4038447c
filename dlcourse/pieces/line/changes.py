"""At which vertices the outputs may bend, where zeros abound: changes that cancel on their way do not count."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int

from dlcourse.pieces.arithmetic import changes
from dlcourse.pieces.arithmetic.changes import Sides
from dlcourse.pieces.line.intervals import Cut, Intervals

_PART = 256  # vertices that are taken at once


def may_reach_outputs(intervals: Intervals, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
    """Whether the outputs' slopes may change at some vertices, in order."""
    found = np.zeros(len(vertices), dtype=bool)
    for part, member in intervals.parts(vertices, _PART):
        some = vertices[part]
        found[part] = changes.may_reach_outputs(intervals.layers, _sides(intervals, some), len(some), member)
    return found


def _sides(intervals: Intervals, vertices: Int[np.ndarray, " some"]) -> Iterator[Sides]:
    """Which units are on to the left and to the right of some vertices, for each layer that bends."""
    for before, after, cut in zip(
        _ancestors(intervals, vertices - 1), _ancestors(intervals, vertices), intervals.cuts, strict=True
    ):
        yield Sides(_on(cut, before), _on(cut, after), _switched(cut.active, before, after))


def _on(cut: Cut, beside: Int[np.ndarray, " vertices"]) -> changes.AreOn:
    """Which of some units are on in the intervals beside vertices."""
    return lambda unit, vertex: cut.active[unit, beside[vertex]]


def _ancestors(intervals: Intervals, some: Int[np.ndarray, " some"]) -> list[Int[np.ndarray, " some"]]:
    """The numbers of some intervals, or of those that they are parts of, after each cut."""
    found = []
    for cut in reversed(intervals.cuts):
        found.append(some)
        some = cut.parent[some]
    return found[::-1]


def _switched(
    active: Bool[np.ndarray, "units intervals"],
    before: Int[np.ndarray, " vertices"],
    after: Int[np.ndarray, " vertices"],
) -> tuple[Int[np.ndarray, " changes"], Int[np.ndarray, " changes"]]:
    """Which units turn on or off between neighbouring intervals, and at which of some vertices."""
    between = np.flatnonzero(before != after)
    if len(between) == 0:
        return between, between
    # All that lies between the first and the last of them is near, and mostly asked for.
    first, last = int(after[between[0]]), int(after[between[-1]])
    near = active[:, first - 1 : last + 1]
    unit, column = np.divmod(np.flatnonzero(near[:, 1:] != near[:, :-1]), last + 1 - first)
    vertex = np.full(last + 1 - first, -1)
    vertex[after[between] - first] = between
    kept = vertex[column] >= 0
    return unit[kept], vertex[column[kept]]
