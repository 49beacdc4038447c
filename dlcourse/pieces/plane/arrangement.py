"""Fifth stage of a cut: the arrangement of a face's chords, those that coincide and those that cross."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.plane.border import Border
from dlcourse.pieces.plane.chords import Chords, names
from dlcourse.pieces.plane.closer import Closer
from dlcourse.pieces.plane.exact import order_along
from dlcourse.pieces.plane.history import Lines
from dlcourse.pieces.plane.order import Order, in_order, put_shares_, share
from dlcourse.pieces.plane.preactivations import Preactivations


class Crossings(NamedTuple):
    """Where chords cross: each crossing is met twice, once along either of its chords."""

    chord: Int[np.ndarray, " crossings"]  # ascending
    unit: Int[np.ndarray, " crossings"]  # what changes its sign along it
    other: Int[np.ndarray, " crossings"]  # the chord along which this unit is zero

    def among(self, some: Bool[np.ndarray, " crossings"]) -> "Crossings":
        """Some of them."""
        return Crossings(self.chord[some], self.unit[some], self.other[some])


class Arrangement(NamedTuple):
    """The chords of all faces, one for each line that they are on, and what units do along and beside them."""

    chords: Chords
    start: UInt64[np.ndarray, "chords words"]  # the units that are positive along it just after its start
    end: UInt64[np.ndarray, "chords words"]  # and just before its end
    left: UInt64[np.ndarray, "chords words"]  # the units that are zero along it and positive on its left
    right: UInt64[np.ndarray, "chords words"]  # and on its right
    crossings: Crossings


def arrange(border: Border, chords: Chords) -> Arrangement:
    """Joins chords that coincide, and finds the pairs that cross: a unit changes its sign where its chord is met."""
    num_units, num_chords = border.before.num_units, len(chords.face)
    start, end = border.positive_at(chords.start), border.positive_at(chords.end)
    changes = start ^ end
    left = bits.single(chords.unit, border.before.num_words)
    right = np.zeros_like(left)
    leads = None
    if border.has_ties:
        zero_start, zero_end = border.zero_at(chords.start), border.zero_at(chords.end)
        changes &= ~(zero_start | zero_end)
        start, end = start | (zero_start & end), end | (zero_end & start)
        leader = _leaders(chords)
        leads = leader == np.arange(num_chords)
        changes[~leads] = 0
        left, right = _both_sides(chords, leader, left)
    chord, unit = bits.positions(changes)
    name = names(chords.face[chord], unit, num_units)
    other = np.minimum(np.searchsorted(chords.name, name), max(num_chords - 1, 0))
    if not (chords.name[other] == name).all():
        raise SubdivisionError("units that change their signs along a chord must have chords in its face")
    crossings = Crossings(chord, unit, other)
    if leads is not None and not leads.all():  # from here on there are only those that lead
        chords = Chords(*(of[leads] for of in chords))
        start, end, left, right = (of[leads] for of in (start, end, left, right))
        chord, unit, other = crossings.among(leads[other])
        number = np.cumsum(leads) - 1
        crossings = Crossings(number[chord], unit, number[other])
    return Arrangement(chords, start, end, left, right, crossings)


def _leaders(chords: Chords) -> Int[np.ndarray, " chords"]:
    """For each chord the one, of those with the same ends, whose unit comes first."""
    num_chords = len(chords.face)
    low, high = np.minimum(chords.start, chords.end), np.maximum(chords.start, chords.end)
    order = np.lexsort((np.arange(num_chords), high, low, chords.face))
    new = np.zeros(num_chords, dtype=bool)
    new[:1] = True
    for of in (chords.face, low, high):
        new[1:] |= of[order[1:]] != of[order[:-1]]
    leader = np.empty(num_chords, dtype=np.int64)
    leader[order] = order[new][np.cumsum(new) - 1]
    return leader


def _both_sides(
    chords: Chords, leader: Int[np.ndarray, " chords"], own: UInt64[np.ndarray, "chords words"]
) -> tuple[UInt64[np.ndarray, "chords words"], UInt64[np.ndarray, "chords words"]]:
    """The units of chords that coincide: those positive on the left of the one that leads, those on its right."""
    along = (chords.start == chords.start[leader])[:, None]
    nothing = np.uint64(0)
    return (
        bits.union(np.where(along, own, nothing), leader, len(leader)),
        bits.union(np.where(along, nothing, own), leader, len(leader)),
    )


def positions(
    border: Border, arrangement: Arrangement, crossings: Crossings
) -> tuple[Float[np.ndarray, " crossings"], Float[np.ndarray, " crossings"]]:
    """Where crossings are on their chords, 0 < t < 1 from start to end, and how far off that may be."""
    chord, unit, _ = crossings
    start, error = border.values(arrangement.chords.start[chord], unit)
    end, end_error = border.values(arrangement.chords.end[chord], unit)
    np.maximum(error, end_error, out=error)
    falls = bits.has(arrangement.start, chord, unit)
    # A value that is on the wrong side of 0 for rounding is nearer to the true one if it is 0.
    before = np.maximum(np.where(falls, start, -start), 0)
    after = np.maximum(np.where(falls, -end, end), 0)
    return share(before, after, error)


def order_on_chords(
    border: Border,
    arrangement: Arrangement,
    crossings: Crossings,
    t: Float[np.ndarray, " crossings"],
    t_error: Float[np.ndarray, " crossings"],
) -> Order:
    """The crossings in order along their chords; where several chords cross in one point they are not apart."""
    before = border.before
    looks = before.anew, before.closely
    look_closer = [partial(_look_closer, border, arrangement, look, crossings, (t, t_error)) for look in looks]
    exact_order = partial(_exact_order, before, arrangement, crossings)
    return in_order(crossings.chord, t, t_error, exact_order, look_closer)


def _look_closer(
    border: Border,
    arrangement: Arrangement,
    look: Callable[[Lines, Int[np.ndarray, " points"]], Closer],
    crossings: Crossings,
    shares: tuple[Float[np.ndarray, " crossings"], Float[np.ndarray, " crossings"]],
    chords: Int[np.ndarray, " some"],
) -> None:
    """Works out better where some chords are crossed, and puts that in the shares."""
    some = np.flatnonzero(np.isin(crossings.chord, chords))
    place, unit = np.searchsorted(chords, crossings.chord[some]), crossings.unit[some]
    _, faces, _, *ends = (of_all[chords] for of_all in arrangement.chords)
    start, end = (look(border.lines(points, faces), faces) for points in ends)
    error = np.maximum(start.error[place, unit], end.error[place, unit])
    put_shares_(shares, some, start.values[place, unit], end.values[place, unit], error)


def _exact_order(
    before: Preactivations, arrangement: Arrangement, crossings: Crossings, chord: int, some: Int[np.ndarray, " some"]
) -> list[tuple[Fraction, int]]:
    """The order along a chord of some crossings, all of those on it."""
    chords, units = arrangement.chords, crossings.unit[some]
    functions = before.exact.functions(before.layer, [int(chords.face[chord])])[0]
    falls = bits.has(arrangement.start, np.array([chord]), units[:1])[0]
    return order_along(functions[chords.unit[chord]], functions[units], rising=not falls)


def num_crossing_points(border: Border, arrangement: Arrangement) -> tuple[int, int]:
    """In how many points of faces chords cross earlier chords, and how many orders exact arithmetic decided.

    Points along each chord are counted for themselves: a point where k chords cross counts k - 1 times, and each time
    one more part of the face is cut in two.
    """
    crossings = arrangement.crossings
    earlier = crossings.other < crossings.chord
    if 2 * int(earlier.sum()) != len(earlier):
        raise SubdivisionError("chords must cross each other")
    crossings = crossings.among(earlier)
    order = order_on_chords(border, arrangement, crossings, *positions(border, arrangement, crossings))
    return int(order.first.sum()), order.num_settled
