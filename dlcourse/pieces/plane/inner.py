"""Sixth stage of a cut: the points inside faces where chords cross, and the parts of chords between them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.plane.arrangement import Arrangement, Crossings, order_on_chords, positions
from dlcourse.pieces.plane.border import Border
from dlcourse.pieces.plane.order import Order
from dlcourse.pieces.plane.parts import Parts, parts_between


class InnerPoints(NamedTuple):
    """Points where chords cross, however many, each made between the ends of one of them; and the parts of chords."""

    chord: Int[np.ndarray, " points"]  # one of those that cross there
    unit: Int[np.ndarray, " points"]  # that of another one
    t: Float[np.ndarray, " points"]  # 0 < t < 1 from the chord's start to its end
    t_error: Float[np.ndarray, " points"]
    zero_point: Int[np.ndarray, " zeros"]  # for each unit that is zero at a point the point, and the unit
    zero_unit: Int[np.ndarray, " zeros"]
    between: Int[np.ndarray, " between"]  # the point between two parts, in order along each chord
    parts: Parts
    positive: UInt64[np.ndarray, "parts words"]  # which units are positive along each part
    num_settled: int  # how many orders exact arithmetic decided


class _Pairs(NamedTuple):
    """Pairs of chords that cross, by ascending numbers made of both: first the one that comes first."""

    number: Int[np.ndarray, " pairs"]
    meeting: Int[np.ndarray, " pairs"]  # the crossing as it is met along the chord that comes first
    of_crossing: Int[np.ndarray, " crossings"]  # the pair of each crossing
    shift: int  # bits of a number that hold the second chord


def points_inside_faces(border: Border, arrangement: Arrangement) -> InnerPoints:
    """The points where chords cross."""
    crossings = arrangement.crossings
    pairs = _pairs(crossings, len(arrangement.chords.face))
    t, t_error = positions(border, arrangement, crossings)
    along = order_on_chords(border, arrangement, crossings, t, t_error)
    changed = bits.single(crossings.unit, border.before.num_words)
    if border.has_ties:
        changed = (arrangement.left | arrangement.right).take(crossings.other, axis=0)
    order, first, num_settled = along
    point, meeting = pairs.of_crossing, pairs.meeting
    changed = changed.take(order, axis=0)
    apart = order
    if not first.all():
        first_pair = _first_pairs(pairs, crossings, along)
        kept, made_by = np.unique(first_pair[meeting], return_index=True)
        meeting, point = meeting[made_by], np.searchsorted(kept, first_pair)
        changed = bits.union(changed, np.cumsum(first) - 1, int(first.sum()))
        apart = order[first]
    chord, unit, _ = crossings
    parts = parts_between(chord[apart], len(arrangement.chords.face))
    positive = parts.patterns(arrangement.start, arrangement.end, changed)
    one, its_unit, at, at_error = (of[meeting] for of in (chord, unit, t, t_error))
    return InnerPoints(one, its_unit, at, at_error, point, unit, point[apart], parts, positive, num_settled)


def _pairs(crossings: Crossings, num_chords: int) -> _Pairs:
    """The pairs of chords that cross, each of which has been met along either chord."""
    chord, _, other = crossings
    shift = max(1, num_chords.bit_length())
    upper, lower = (chord < other).nonzero()[0], (chord > other).nonzero()[0]
    number = (chord[upper] << shift) | other[upper]
    mirrored = (other[lower] << shift) | chord[lower]
    order = np.argsort(mirrored)
    if len(upper) != len(lower) or not (mirrored[order] == number).all():
        raise SubdivisionError("chords must cross each other")
    of_crossing = np.empty(len(chord), dtype=np.int64)
    of_crossing[upper] = of_crossing[lower[order]] = np.arange(len(upper))
    return _Pairs(number, upper, of_crossing, shift)


def _first_pairs(pairs: _Pairs, crossings: Crossings, along: Order) -> Int[np.ndarray, " crossings"]:
    """One pair for all crossings in one point, however many chords meet there: that of the first two of them."""
    first_pair = pairs.of_crossing.copy()
    group = np.cumsum(along.first) - 1
    several = np.bincount(group)[group] > 1
    borders = np.flatnonzero(np.diff(group[several], prepend=-1))
    for some in np.split(along.order[several], borders[1:]):
        one, two = sorted([int(crossings.chord[some[0]]), *crossings.other[some].tolist()])[:2]
        first_pair[some] = np.searchsorted(pairs.number, (one << pairs.shift) | two)
    return first_pair
