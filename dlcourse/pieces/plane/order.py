"""Zeros of units in order along lines, be these edges or chords: by floats where gaps are proven, exactly elsewhere."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY

VAGUE = 2.0**-40  # of a line, or of the largest value: with bounds beyond that it pays to look closer

# Zeros along one line, by their indices: in order, each with its place among them; equal ones have equal keys.
ExactOrder = Callable[[int, Int[np.ndarray, " zeros"]], list[tuple[Fraction, int]]]


class Order(NamedTuple):
    """Zeros in order along lines: one line after another."""

    order: Int[np.ndarray, " zeros"]  # their indices
    first: Bool[np.ndarray, " zeros"]  # whether a zero, in that order, is apart from the one before it
    num_settled: int  # how many gaps exact arithmetic decided


def share(
    before: Float[np.ndarray, " some"], after: Float[np.ndarray, " some"], error: Float[np.ndarray, " some"]
) -> tuple[Float[np.ndarray, " some"], Float[np.ndarray, " some"]]:
    """Where a function is zero that falls from `before` to -`after`, and how far off that may be.

    t = before / (before + after), between 0 and 1.

    Args:
        before: The size at t = 0.
        after: The size at t = 1.
        error: A bound for the errors of both, at least TINY.
    """
    whole = np.maximum(before + after, TINY)
    t = before / whole
    return t, SLACK * (error / whole + 2 * EPS * t)


def put_shares_(
    shares: tuple[Float[np.ndarray, " zeros"], Float[np.ndarray, " zeros"]],
    some: Int[np.ndarray, " some"],
    start: Float[np.ndarray, " some"],
    end: Float[np.ndarray, " some"],
    error: Float[np.ndarray, " some"],
) -> None:
    """Puts better shares in the place of some, if values at their ends tell their signs.

    Args:
        shares: What `share` gave.
        some: Which of them may be better.
        start: The values at t = 0.
        end: The values at t = 1.
        error: A bound for the errors of both, at least TINY.
    """
    told = np.minimum(np.abs(start), np.abs(end)) > error
    for of_all, better in zip(shares, share(np.abs(start), np.abs(end), error), strict=True):
        of_all[some[told]] = better[told]


def in_order(
    line: Int[np.ndarray, " zeros"],
    t: Float[np.ndarray, " zeros"],
    t_error: Float[np.ndarray, " zeros"],
    exact_order: ExactOrder,
    look_closer: Sequence[Callable[[Int[np.ndarray, " lines"]], None]],
) -> Order:
    """Zeros on lines, whose numbers are ascending, in order of t along each.

    Args:
        line: The lines.
        t: Where they are along these.
        t_error: How far off that may be.
        exact_order: Puts those of a line in order exactly.
        look_closer: Each puts better numbers into t and t_error, for those on some lines, the next one still better.
    """
    num = len(line)
    order, first = np.arange(num), np.ones(num, dtype=bool)
    beside = line[1:] == line[:-1]
    if not beside.any():
        return Order(order, first, 0)
    shared = np.zeros(num, dtype=bool)
    shared[1:] = beside
    shared[:-1] |= beside
    some = shared.nonzero()[0]
    # The sum may round t; zeros that it misplaces have gaps that are not proven.
    within = some[np.argsort(2.0 * line[some] + t[some])]
    order[some] = within
    sorted_t, error = t[within], t_error[within]
    proven = sorted_t[1:] - sorted_t[:-1] > SLACK * (error[1:] + error[:-1])
    proven |= line[some[1:]] > line[some[:-1]]
    if proven.all():
        return Order(order, first, 0)
    lines = np.unique(line[some[1:]][~proven])
    if look_closer and (error[1:] + error[:-1])[~proven].max() > VAGUE:
        look_closer[0](lines)
        return in_order(line, t, t_error, exact_order, look_closer[1:])
    for one, (a, b) in zip(lines.tolist(), np.searchsorted(line, [lines, lines + 1]).T.tolist(), strict=True):
        keys = exact_order(one, order[a:b])
        order[a:b] = order[a:b][[index for _, index in keys]]
        first[a + 1 : b] = [one_key != next_key for (one_key, _), (next_key, _) in pairwise(keys)]
    return Order(order, first, int((~proven).sum()))
