"""First stage of a cut: the sign of every unit at every vertex, exactly."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.plane.order import VAGUE
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.ties import without_ties
from dlcourse.pieces.plane.zeros import may_differ_from_0

_DEEP = 10  # layers: from there on
_AT_LEAST = 512  # vertices are worked out from the inputs: for fewer it takes as long


class Signs(NamedTuple):
    """Which units are positive at each vertex, and which are zero; all others are negative."""

    positive: UInt64[np.ndarray, "vertices words"]
    zero: UInt64[np.ndarray, "vertices words"] | None  # None if none is zero anywhere


class Settled(NamedTuple):
    """Values that digits or integers worked out, rounded once, because a sign was open."""

    vertices: Int[np.ndarray, " some"]
    values: Float[np.ndarray, "some units"]
    error: Float[np.ndarray, " some"]
    num_signs: int  # how many integers decided


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
    num_open = len(vertices)
    if 0 < num_open < _AT_LEAST and before.layer >= _DEEP:
        vertices = _with_others(before, vertices, _AT_LEAST - num_open)
        unproven = np.concatenate([unproven, np.zeros((len(vertices) - num_open, before.num_words), dtype=np.uint64)])
    closer, proven = _closer(before, vertices, unproven, zero, passing)
    positive[closer.vertices] = bits.pack((closer.values > 0) | passing)
    zero[closer.vertices] &= ~unproven[proven]
    left = np.flatnonzero(~proven[:num_open])
    vertices, unproven = vertices[left], unproven[left]
    if len(vertices) == 0:
        return Signs(positive, zero if zero.any() else None), closer if len(closer.vertices) else None
    values, signs = before.exactly_at(vertices)
    positive[vertices] = bits.pack((signs > 0) | passing)
    zero[vertices] = bits.pack((signs == 0) & ~passing)
    length = np.sqrt(np.einsum("ij,ij->i", values, values))
    num_signs = int(bits.unpack(unproven, before.num_units).sum())
    settled = Settled(
        np.concatenate([closer.vertices, vertices]),
        np.concatenate([closer.values, values]),
        np.concatenate([closer.error, EPS * SLACK * length + TINY]),
        num_signs,
    )
    return Signs(positive, zero if zero.any() else None), settled


def _with_others(
    before: Preactivations, vertices: Int[np.ndarray, " open"], num_others: int
) -> Int[np.ndarray, " some"]:
    """Some vertices, and those others whose bounds are the largest: the layers that follow would ask for these soon."""
    error = before.error.copy()
    error[vertices] = 0
    others = np.argpartition(error, -min(num_others, len(error)))[-num_others:]
    return np.concatenate([vertices, others[error[others] > 0]])


def _closer(
    before: Preactivations,
    vertices: Int[np.ndarray, " some"],
    unproven: UInt64[np.ndarray, "some words"],
    zero: UInt64[np.ndarray, "vertices words"],
    passing: Bool[np.ndarray, " units"],
) -> tuple[Settled, Bool[np.ndarray, " some"]]:
    """Better values at those vertices where these prove all signs that were open, and which of some these are.

    They are worked out anew from the inputs, and in digits where that is not enough. If they do not tell a sign that
    had been proven, that float is kept, and is off by what they differ from it and by their own error.
    """
    proven, better_error = np.zeros(len(vertices), dtype=bool), np.empty(len(vertices))
    better = np.empty((len(vertices), before.num_units))
    # What bounds this close leave open is 0 as a rule, which neither proves.
    vague = before.error[vertices] > VAGUE * np.abs(before.values[vertices]).max(axis=1, initial=0)
    for look in (before.anew_at, before.closely_at):
        some = np.flatnonzero(vague & ~proven)
        if look == before.closely_at:
            some = some[unproven[some].any(axis=1)]
        if len(some) == 0:
            break
        values, error = look(vertices[some])
        sure = np.abs(values) > error
        is_open = bits.unpack(unproven[some], before.num_units) & ~passing
        all_proven = (sure | ~is_open).all(axis=1) & np.isfinite(error).all(axis=1)
        some, values, error, sure = (of_all[all_proven] for of_all in (some, values, error, sure))
        is_zero = bits.unpack(zero[vertices[some]] & ~unproven[some], before.num_units)
        known = np.where(is_zero, 0, before.values[vertices[some]])
        rows = np.where(sure & ~is_zero, values, known)
        off = np.abs(rows - values) + error
        bound = SLACK * math.sqrt(before.num_units) * off.max(axis=1, initial=0) + TINY
        better[some], better_error[some] = rows, bound
        proven[some] = True
    return Settled(vertices[proven], better[proven], better_error[proven], 0), proven


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
