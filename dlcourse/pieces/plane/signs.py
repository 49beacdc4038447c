"""First stage of a cut: the sign of every unit at every vertex, exactly."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.zeros import may_differ_from_0


class Signs(NamedTuple):
    """Which units are positive at each vertex, and which are zero; all others are negative."""

    positive: UInt64[np.ndarray, "vertices words"]
    zero: UInt64[np.ndarray, "vertices words"] | None  # None if none is zero anywhere


class Settled(NamedTuple):
    """Values that exact arithmetic worked out, rounded once, because a sign was open."""

    vertices: Int[np.ndarray, " some"]
    values: Float[np.ndarray, "some units"]
    error: Float[np.ndarray, " some"]
    num_signs: int  # how many were open


def signs_at_vertices(before: Preactivations, passing: Bool[np.ndarray, " units"]) -> tuple[Signs, Settled | None]:
    """The signs at vertices, and better values at those where floats did not prove them all.

    Args:
        before: The pre-activations.
        passing: The units without a kink: they are taken to be positive everywhere.
    """
    error = before.error[:, None]
    above = before.values > error
    proven = before.values < -error
    proven |= above
    if passing.any():
        above |= passing
        proven |= passing
    positive = bits.pack(above)
    if proven.all():
        return Signs(positive, None), None
    unproven = ~proven
    zero = bits.pack(unproven)
    vertices = np.flatnonzero(unproven.any(axis=1) & (before.error > 0))  # where the error is 0, zeros are proven
    if len(vertices) and before.layer > 0:
        _take_out_zeros(before, vertices, unproven)
        vertices = vertices[unproven[vertices].any(axis=1)]
    if len(vertices) == 0:
        return Signs(positive, zero), None
    values, signs = before.exactly_at(vertices)
    positive[vertices] = bits.pack((signs > 0) | passing)
    zero[vertices] = bits.pack((signs == 0) & ~passing)
    length = np.sqrt(np.einsum("ij,ij->i", values, values))
    settled = Settled(vertices, values, EPS * SLACK * length + TINY, int(unproven[vertices].sum()))
    return Signs(positive, zero if zero.any() else None), settled


def _take_out_zeros(
    before: Preactivations, vertices: Int[np.ndarray, " some"], unproven: Bool[np.ndarray, "vertices units"]
) -> None:
    """Marks as proven what is made of zeros at some vertices; zero is what it has been taken for."""
    without_bias = before.exact.layers[before.layer].bias[0] == 0
    if without_bias.any():
        vertices = vertices[(unproven[vertices] & without_bias).any(axis=1)]
        if len(vertices):
            unproven[vertices] &= may_differ_from_0(before, vertices)
