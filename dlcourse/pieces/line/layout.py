"""Where new vertices are among the old ones, and the signs of units at all of them."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from dlcourse.pieces.line.crossings import Crossings

_NONE = -(2**31)  # points before those that are asked for have negative numbers, too
_FEW = 2**16  # signs


class Layout(NamedTuple):
    """The vertices that there are once units have cut some intervals, or some of these vertices in a row.

    Attributes:
        parent: For each vertex, the old interval that it is in, or that begins there.
        order: The old vertex that it is, or their number plus that of its point.
        is_new: Whether it is a point.
        points: One of the units that cross at each point.
        is_crowded: Whether a point is not the only one in its interval.
    """

    parent: Int[np.ndarray, " vertices"]
    order: Int[np.ndarray, " vertices"]
    is_new: Bool[np.ndarray, " vertices"]
    points: Crossings
    is_crowded: Bool[np.ndarray, " points"]


def laid_out(crossings: Crossings, num_vertices: int) -> Layout:
    """All vertices, so many old ones and every point where units cross."""
    number = crossings.number
    num_points = int(number[-1]) + 1 if len(number) else 0
    points = crossings
    if num_points < len(number):
        first = np.searchsorted(number, np.arange(num_points))
        points = Crossings(*(of_crossing[first] for of_crossing in crossings))
    num_pieces = np.bincount(points.interval, minlength=num_vertices) + 1
    parent = np.repeat(np.arange(num_vertices), num_pieces)
    # The new vertices are put behind the old ones and all are taken in this order.
    order = parent.copy()
    order[points.interval + points.number + 1] = num_vertices + points.number
    return Layout(parent, order, order >= num_vertices, points, num_pieces[points.interval] > 2)


def in_a_row(
    crossings: Crossings, layout: Layout, vertices: slice, num_vertices: int
) -> tuple[Crossings, Layout, slice]:
    """Some vertices in a row.

    Args:
        crossings: All crossings.
        layout: All vertices.
        vertices: Those that are wanted.
        num_vertices: How many old ones there are.

    Returns:
        All crossings in the old intervals that these vertices are in, with points numbered from the first one that is
        among them; these vertices; and the ends of those intervals. Intervals and old vertices are numbered from there.
    """
    parent, order, is_new = layout.parent[vertices], layout.order[vertices], layout.is_new[vertices]
    old = slice(int(parent[0]), min(int(parent[-1]) + 2, num_vertices))
    first = int(layout.is_new[: vertices.start].sum())
    some = slice(first, first + int(is_new.sum()))
    points = _renumbered(Crossings(*(of_point[some] for of_point in layout.points)), old.start, first)
    inside = slice(*np.searchsorted(crossings.interval, [old.start, old.stop - 1]).tolist())
    crossings = _renumbered(Crossings(*(of_crossing[inside] for of_crossing in crossings)), old.start, first)
    order = np.where(is_new, order - num_vertices - first + (old.stop - old.start), order - old.start)
    return crossings, Layout(parent - old.start, order, is_new, points, layout.is_crowded[some]), old


def _renumbered(crossings: Crossings, first_interval: int, first_point: int) -> Crossings:
    return crossings._replace(interval=crossings.interval - first_interval, number=crossings.number - first_point)


def at_points(crossings: Crossings, layout: Layout) -> Crossings:
    """Those crossings that are at points among the vertices."""
    number = crossings.number
    num_points = len(layout.points.number)
    if len(number) == 0 or (number[0] == 0 and number[-1] < num_points):
        return crossings
    some = slice(*np.searchsorted(number, [0, num_points]).tolist())
    return Crossings(*(of_crossing[some] for of_crossing in crossings))


def signs_among(
    signs: Int[np.ndarray, "units old_vertices"], crossings: Crossings, layout: Layout
) -> Int[np.ndarray, "units vertices"]:
    """The signs at all vertices, given those at the old ones.

    A unit has the sign of the ends, or of the one end that is not 0. But a crossing unit has the left end's sign before
    its own vertex, at it 0, and after it the right end's, which is the opposite.
    """
    points = layout.points
    if len(points.number) == 0:
        return signs if len(layout.order) == signs.shape[1] else signs.take(layout.order, axis=1)
    new_signs = signs.take(points.interval, axis=1) | signs.take(points.interval + 1, axis=1)
    crowded = np.flatnonzero(layout.is_crowded)
    if len(crowded):
        units: Any = slice(None)
        at: tuple[Any, ...] = units, crowded
        row = crossings.unit
        if signs.size > _FEW:  # then only those that cross
            units, row = np.unique(row, return_inverse=True)
            at = np.ix_(units, crowded)
        interval, left_signs = points.interval[crowded], signs[units]
        own = np.full(left_signs.shape, _NONE, dtype=np.int32)
        own[row, crossings.interval] = crossings.number
        own, left_signs = own.take(interval, axis=1), left_signs.take(interval, axis=1)
        turned = np.where(own > crowded.astype(np.int32), left_signs, -left_signs)
        new_signs[at] = np.where(own != _NONE, turned, new_signs[at])
    here = at_points(crossings, layout)
    new_signs[here.unit, here.number] = 0
    return np.concatenate([signs, new_signs], axis=1).take(layout.order, axis=1)
