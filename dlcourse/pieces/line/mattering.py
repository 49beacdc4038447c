"""Closer bounds on lines, for those units only that are not 0 all along.

A unit of ReLU whose values are proven to be negative at all vertices is 0 wherever the line is, and so is what it is
off by. What a layer makes of errors is then bounded by the norm of those rows and columns only that matter: of W[A, B],
where B are the units that the layer before has left on somewhere, and A those that may be positive here. Of a large
random layer with half of its units on that is 0.7 of the norm of W: half a bit in each layer. The bound does not hold
for the other rows, but their signs are known.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from dlcourse.pieces.arithmetic.digit_network import DigitNetwork
from dlcourse.pieces.arithmetic.rounding import close_norm, norm
from dlcourse.pieces.line.intervals import Intervals

_MOST = 0.75  # of the units: where more matter, there is little to gain


class Closer(NamedTuple):
    """How much a layer may stretch each member's errors if some units only matter.

    Attributes:
        stretch: That.
        share: What it is of how much it may stretch others.
    """

    stretch: Float[np.ndarray, " members"]
    share: Float[np.ndarray, " members"]


def closer_stretch(
    intervals: Intervals,
    network: DigitNetwork,
    index: int,
    values: Float[np.ndarray, "units vertices"],
    bound: Float[np.ndarray, "_"],
) -> Closer | None:
    """How much a layer may stretch the errors of those units that may be other than 0 somewhere; None if most may.

    Args:
        intervals: The layers, and how those before have cut the line.
        network: The same layers.
        index: The layer.
        values: Its pre-activations at all vertices.
        bound: How far from 0 these are proven to have their signs.
    """
    layer = intervals.layers[index]
    matters = _of_members(values > -bound, intervals) | (layer.slope != 0)
    if not (np.count_nonzero(matters, axis=1) < _MOST * matters.shape[1]).any():
        return None
    given = np.ones((len(matters), layer.in_features), dtype=bool)
    if intervals.cuts and intervals.cuts[-1].layer == index - 1:
        given = _of_members(intervals.cuts[-1].active, intervals) | (intervals.layers[index - 1].slope != 0)
    if isinstance(layer.stored, np.ndarray):
        rows, columns = matters.any(axis=0), given.any(axis=0)
        stored = layer.stored[:, rows][:, :, columns]
        if intervals.members > 1:  # each has units of its own that matter
            stored = stored * matters[:, rows, None] * given[:, None, columns]
        stretch = norm(stored, layer.stored.size)
    else:
        which = zip(layer.stored, map(np.flatnonzero, matters), map(np.flatnonzero, given), strict=True)
        stretch = close_norm(tuple(weight[rows][:, columns].tocsr() for weight, rows, columns in which), squared=True)
    return Closer(stretch, stretch / network.stretch_of_members(index))


def _of_members(
    at_vertices: Bool[np.ndarray, "units vertices"], intervals: Intervals
) -> Bool[np.ndarray, "members units"]:
    """Whether something holds for each unit at any vertex of a member."""
    return np.logical_or.reduceat(at_vertices, intervals.edges()[:-1], axis=1).T
