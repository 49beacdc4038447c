"""First stage of a cut: the sign of every unit at every vertex, exactly."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.ties import without_ties
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
    positive, unproven = _proven_signs(before, passing)
    if unproven is None:
        return Signs(positive, None), None
    zero = unproven
    vertices = np.flatnonzero(unproven.any(axis=1) & (before.error > 0))  # where the error is 0, zeros are proven
    unproven = unproven[vertices]
    if len(vertices) and before.layer > 0:
        _take_out_zeros(before, vertices, unproven)
        unproven = without_ties(before, vertices, unproven)
        kept = unproven.any(axis=1)
        vertices, unproven = vertices[kept], unproven[kept]
    if len(vertices) == 0:
        return Signs(positive, zero), None
    values, signs = before.exactly_at(vertices)
    positive[vertices] = bits.pack((signs > 0) | passing)
    zero[vertices] = bits.pack((signs == 0) & ~passing)
    length = np.sqrt(np.einsum("ij,ij->i", values, values))
    num_signs = int(bits.unpack(unproven, before.num_units).sum())
    settled = Settled(vertices, values, EPS * SLACK * length + TINY, num_signs)
    return Signs(positive, zero if zero.any() else None), settled


_FLAGS = 2**18  # that are there at once: they stay in the cache


def _proven_signs(
    before: Preactivations, passing: Bool[np.ndarray, " units"]
) -> tuple[UInt64[np.ndarray, "vertices words"], UInt64[np.ndarray, "vertices words"] | None]:
    """Where floats prove that units are positive, and where they prove no sign; None if they prove all."""
    num_vertices, some_pass = len(before.error), passing.any()
    positive = np.empty((num_vertices, before.num_words), dtype=np.uint64)
    unproven = None
    at_once = max(1, _FLAGS // before.num_units)
    for first in range(0, num_vertices, at_once):
        part = slice(first, first + at_once)
        values, error = before.values[part], before.error[part, None]
        above = values > error
        proven = values < -error
        proven |= above
        if some_pass:
            above |= passing
            proven |= passing
        positive[part] = bits.pack(above)
        if not proven.all():
            unproven = np.zeros_like(positive) if unproven is None else unproven
            unproven[part] = bits.pack(~proven)
    return positive, unproven


def _take_out_zeros(
    before: Preactivations, vertices: Int[np.ndarray, " some"], unproven: UInt64[np.ndarray, "some words"]
) -> None:
    """Marks as proven what is made of zeros at some vertices; zero is what it has been taken for."""
    without_bias = before.exact.layers[before.layer].bias == 0
    if without_bias.any():
        some = (unproven & bits.pack(without_bias)).any(axis=1).nonzero()[0]
        if len(some):
            unproven[some] &= may_differ_from_0(before, vertices[some])
