"""Values at new vertices, put among those at the old ones, and how far off they may be."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, EXACT, SLACK, TINY
from dlcourse.pieces.line.crossings import Crossings
from dlcourse.pieces.line.ellipsoids import Ellipsoids
from dlcourse.pieces.line.layout import Layout, at_points

_NUMBERS = 2**17  # that are worked on at once


class Sizes(NamedTuple):
    """How large the floats are that values at new vertices are made of."""

    values: Float[np.ndarray, " points"]  # the largest of these values
    changes: Float[np.ndarray, " points"]  # the largest change from one end of the interval to the other


class New(NamedTuple):
    """What is known of values at new vertices."""

    error: Float[np.ndarray, " points"]
    shift: Float[np.ndarray, " points"]
    scale: Float[np.ndarray, " points"] | None  # in `Ellipsoids`


def put_between(
    values: Float[np.ndarray, "units vertices"],
    interval: Int[np.ndarray, " points"],
    t: Float[np.ndarray, " points"],
    order: Int[np.ndarray, " more_vertices"],
    out: Float[np.ndarray, "units more_vertices"],
) -> Sizes:
    """Puts the values at old vertices and at points between them where `out` says.

    Some units are taken at a time, which stay in the cache.

    Args:
        values: The values at the old vertices.
        interval: The interval that each point is in.
        t: Where it is there, from 0 at the one end to 1 at the other.
        order: For each column of `out` the old vertex, or their number plus that of a point.
        out: Where all values go.
    """
    sizes = Sizes(np.zeros(len(t)), np.zeros(len(t)))
    at_once = max(1, _NUMBERS // out.shape[1])
    for first in range(0, len(values), at_once):
        here = values[first : first + at_once]
        start = here.take(interval, axis=1)
        change = here.take(interval + 1, axis=1) - start
        new = start + t * change
        np.concatenate([here, new], axis=1).take(order, axis=1, out=out[first : first + at_once], mode="clip")
        for size, numbers in zip(sizes, (new, change), strict=True):
            np.maximum(size, np.abs(numbers).max(axis=0), out=size)
    return sizes


def are_exact(values: Float[np.ndarray, "units vertices"], points: Crossings, sizes: Sizes, shared: float) -> bool:
    """Whether values at points are exact, and multiples of a quantum, as those at the old vertices are."""
    start = values[points.unit, points.interval]
    change = values[points.unit, points.interval + 1] - start
    exact_t = np.abs(points.t * change) == np.abs(start)
    return bool(exact_t.all() and 2 * (sizes.values.max() + sizes.changes.max()) < EXACT * shared)


def errors_between(
    values: Float[np.ndarray, "units vertices"],
    error: Float[np.ndarray, " vertices"],
    slopes: tuple[Float[np.ndarray, "units vertices"], Float[np.ndarray, " vertices"]],
    crossings: Crossings,
    layout: Layout,
    sizes: Sizes,
    ellipsoids: Ellipsoids | None,
) -> New:
    """What is known, as `Subdivision` has it, of all units' values at the points where units cross.

    Args:
        values: The values at the old vertices.
        error: How far off they may be.
        slopes: The slopes on the old intervals, and how far off they may be.
        crossings: Where units cross.
        layout: The vertices.
        sizes: How large the floats are that the values are made of.
        ellipsoids: Closer bounds for errors, if there are.
    """
    unit, left, t, _, _ = layout.points
    rounded = math.sqrt(len(values)) * 2 * EPS * (sizes.values + sizes.changes)
    # What is taken for 0: of a unit alone no more than a rounding, of others that cross at its zero maybe more.
    crossings = at_points(crossings, layout)
    start = values[crossings.unit, crossings.interval]
    change = values[crossings.unit, crossings.interval + 1] - start
    taken = np.bincount(crossings.number, np.abs(start + t[crossings.number] * change), minlength=len(t))
    off = rounded + taken
    new_error = of_unit = SLACK * (np.maximum(error[left], error[left + 1]) + off) + TINY
    scale = None
    if ellipsoids is not None:
        scale, closer = ellipsoids.between(layout.points, SLACK * off + TINY)
        of_unit = np.fmin(of_unit, closer)
    flattest = np.abs(slopes[0][unit, left]) - SLACK * slopes[1][left]
    shift = SLACK * of_unit / np.maximum(flattest, of_unit) + TINY  # 1 is all of the line
    return New(new_error, shift, scale)
