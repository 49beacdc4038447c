"""Pre-activations that are 0 because equal functions are taken from each other, and units that cross in one point."""

from collections.abc import Iterator
from copy import copy
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int

from dlcourse.pieces.arithmetic.alike import ZERO, Alike, IsOn
from dlcourse.pieces.line.crossings import Crossings
from dlcourse.pieces.line.intervals import Cut, Intervals

_PART = 2**16  # sums that are taken at once
_FEW = 8  # intervals for each unit: of more it pays to see where one tells for others


class Ties:
    """What units are made of on lines (`Alike`), in networks of layers where zeros abound: convolutions and pools.

    What is 0 all along an interval is 0 at its ends. At the two ends of a line inputs may be equal, too, that differ
    elsewhere. All of it is found when it is first asked for.

    Attributes:
        intervals: The intervals so far.
    """

    def __init__(self, intervals: Intervals) -> None:
        self.intervals = intervals
        self._bending = [index for index, layer in enumerate(intervals.layers) if layer.bends]
        self._is_asked = any(layer.is_sparse for layer in intervals.layers)
        self._found: dict[tuple[int, int], Alike] = {}

    def of_block(self, intervals: Intervals) -> "Ties":
        """The same for the intervals of a block of the line."""
        part = copy(self)
        part.intervals = intervals
        return part

    def zeros(
        self, unit: Int[np.ndarray, " some"], vertex: Int[np.ndarray, " some"], *, closely: bool
    ) -> tuple[Int[np.ndarray, " zeros"], Int[np.ndarray, " zeros"]]:
        """Those of some units of the layer that is to cut next that are 0 at a vertex: the units and the vertices.

        A pre-activation is 0 if all its terms cancel in an interval beside the vertex, or if it is there what the unit
        is that made the vertex, up to the sign.

        Args:
            unit: The units.
            vertex: A vertex for each.
            closely: As for `Alike.sums`.
        """
        zero = np.zeros(len(unit), dtype=bool)
        if self._is_asked and len(unit):
            index, beside = self._bending[len(self.intervals.cuts)], self._beside(vertex)
            for alike, some in self._by_line(vertex):
                zero[some] = alike.names(index)[unit[some]] == ZERO
                for close in (False, True)[closely:]:
                    for interval in beside:
                        for part in _parts(some[~zero[some]]):
                            zero[part] = self._cancel_by_kind(
                                alike, index, unit[part], interval[part], closely=close, only_if_quick=close > closely
                            )
                for interval in beside:
                    for part in _parts(some[~zero[some]]):
                        zero[part] = self._are_as_what_made(
                            alike, index, unit[part], interval[part], vertex[part], closely
                        )
        return unit[zero], vertex[zero]

    def share_points(
        self, crossings: Crossings, open_: Bool[np.ndarray, " crossings_less_1"], *, closely: bool
    ) -> Bool[np.ndarray, " crossings_less_1"]:
        """Which crossings are at the point of the one before, as their units are the same there, up to the sign.

        Args:
            crossings: Where units of the layer that is to cut next change their signs.
            open_: Which neighbours are asked about.
            closely: As for `Alike.sums`.
        """
        unit, interval = crossings.unit, crossings.interval
        numbers = np.arange(-len(unit), 0)  # of the functions; all different as long as nothing is known
        if self._is_asked and open_.any():
            index = self._bending[len(self.intervals.cuts)]
            asked = np.flatnonzero(np.append(open_, False) | np.append(False, open_))
            for alike, which in self._by_line(interval[asked], inner=True):
                known: dict[bytes, int] = {}
                for first in range(0, len(which), _PART):
                    part = asked[which[first : first + _PART]]
                    place, is_on = np.arange(len(part)), self._are_on(interval[part])
                    terms = alike.sums(index, unit[part], place, is_on, closely=closely)
                    keys = terms.keys(len(part), up_to_sign=True)
                    numbers[part] = [known.setdefault(key, len(known)) for key in keys]
        return np.asarray(open_ & (numbers[1:] == numbers[:-1]) & (interval[1:] == interval[:-1]))

    def _cancel_by_kind(
        self,
        alike: Alike,
        index: int,
        unit: Int[np.ndarray, " some"],
        interval: Int[np.ndarray, " some"],
        *,
        closely: bool,
        only_if_quick: bool,
    ) -> Bool[np.ndarray, " some"]:
        """What `_cancel` says, asked once where a unit is made in the same way in one interval after the other.

        Args:
            alike: What is alike on the line.
            index: The layer.
            unit: Its units, in order.
            interval: Where each is, in order as well for one unit.
            closely: As for `Alike.sums`.
            only_if_quick: Whether to say no without a look unless few have to be asked.
        """
        cancels = np.zeros(len(unit), dtype=bool)
        told_by = self._told_by(alike, index, unit, interval, closely=closely)
        asked = np.unique(told_by)
        if only_if_quick and len(asked) * _FEW > len(unit):
            return cancels
        cancels[asked] = self._cancel(alike, index, unit[asked], interval[asked], closely)
        return cancels.take(told_by)

    def _told_by(
        self,
        alike: Alike,
        index: int,
        unit: Int[np.ndarray, " some"],
        interval: Int[np.ndarray, " some"],
        *,
        closely: bool,
    ) -> Int[np.ndarray, " some"]:
        """For each unit in an interval a place among them that tells for it: there, the same of what makes it is on."""
        told_by = np.arange(len(unit))
        asked, first = np.unique(unit, return_index=True)
        if len(unit) < _FEW * len(asked):
            return told_by
        makers = alike.makers(index, asked, closely=closely)
        if makers is None:
            return told_by
        on = {cut.layer: (cut.active, those) for cut, those in self._cuts(interval)}
        for k, (a, b) in enumerate(pairwise([*first.tolist(), len(unit)])):
            changes = np.zeros(b - a, dtype=bool)
            for layer, of_layer in makers[k].items():
                active, those = on[layer]
                here = active[of_layer[:, None], those[a:b]]
                changes[1:] |= (here[:, 1:] != here[:, :-1]).any(axis=0)
            told_by[a:b] = a + np.maximum.accumulate(np.where(changes, np.arange(b - a), 0))
        return told_by

    def _cancel(
        self,
        alike: Alike,
        index: int,
        unit: Int[np.ndarray, " some"],
        interval: Int[np.ndarray, " some"],
        closely: bool,
    ) -> Bool[np.ndarray, " some"]:
        """Whether pre-activations are 0 all along some intervals."""
        terms = alike.sums(index, unit, np.arange(len(unit)), self._are_on(interval), closely=closely)
        return np.asarray(np.bincount(terms.sum, minlength=len(unit)) == 0)

    def _are_as_what_made(
        self,
        alike: Alike,
        index: int,
        unit: Int[np.ndarray, " some"],
        interval: Int[np.ndarray, " some"],
        vertex: Int[np.ndarray, " some"],
        closely: bool,
    ) -> Bool[np.ndarray, " some"]:
        """Whether pre-activations are, in intervals beside some vertices, those that made these, up to the sign."""
        layer, maker = self.intervals.born(vertex)
        place, is_on = np.arange(len(unit)), self._are_on(interval)
        keys = alike.sums(index, unit, place, is_on, closely=closely).keys(len(unit), up_to_sign=True)
        same = np.zeros(len(unit), dtype=bool)
        for made_by in np.unique(layer[layer >= 0]).tolist():
            made = np.flatnonzero(layer == made_by)
            terms = alike.sums(made_by, maker[made], made, is_on, closely=closely)
            others = terms.keys(len(made), up_to_sign=True)
            same[made] = [keys[k] == other for k, other in zip(made.tolist(), others, strict=True)]
        return same

    def _by_line(
        self, vertex: Int[np.ndarray, " some"], *, inner: bool = False
    ) -> Iterator[tuple[Alike, Int[np.ndarray, " _"]]]:
        """What is alike on each line, and at its ends if they are asked about, and which of the vertices are there."""
        intervals = self.intervals
        line = intervals.line(vertex)
        where = np.zeros(len(vertex), dtype=np.int64)  # 1: where the line starts; 2: where it ends
        if not inner:
            for ends in (intervals.first, intervals.last):
                layer, number = intervals.born(ends)  # a block's end may be a vertex that a unit has made
                is_end = (vertex == ends[line]) & (layer[line] < 0)
                where[is_end] = 1 + number[line[is_end]]
        for one in np.unique(line).tolist():
            for end in (0, 1, 2):
                some = np.flatnonzero((line == one) & (where == end))
                if len(some):
                    yield self._alike(one, end), some

    def _alike(self, line: int, where: int) -> Alike:
        """What is alike on a line (0), where it starts (1) or where it ends (2)."""
        if (line, where) not in self._found:
            intervals = self.intervals
            ends = [intervals.starts[line], intervals.ends[line]]
            inputs = np.stack(ends if where == 0 else [ends[where - 1]], axis=1)
            self._found[line, where] = Alike(intervals.layers, line // intervals.lines_per_member, inputs)
        return self._found[line, where]

    def _beside(self, vertex: Int[np.ndarray, " some"]) -> tuple[Int[np.ndarray, " some"], Int[np.ndarray, " some"]]:
        """The intervals on both sides of vertices; the one that there is at ends of lines and of blocks."""
        line = self.intervals.line(vertex)
        is_first, is_last = vertex == self.intervals.first[line], vertex == self.intervals.last[line]
        return vertex - is_last, vertex - 1 + is_first

    def _cuts(self, interval: Int[np.ndarray, " places"]) -> Iterator[tuple[Cut, Int[np.ndarray, " places"]]]:
        """The cuts, last to first, each with the numbers that intervals have right after it that some are parts of."""
        for cut in reversed(self.intervals.cuts):
            yield cut, interval
            interval = cut.parent[interval]

    def _are_on(self, interval: Int[np.ndarray, " places"]) -> IsOn:
        """Which units are on in some intervals, one of them for each place."""
        cuts = {cut.layer: (cut.active, those) for cut, those in self._cuts(interval)}

        def is_on(
            index: int, place: Int[np.ndarray, " terms"], unit: Int[np.ndarray, " terms"]
        ) -> Bool[np.ndarray, " terms"]:
            active, those = cuts[index]
            on: Bool[np.ndarray, " terms"] = active[unit, those[place]]
            return on

        return is_on


def _parts(numbers: Int[np.ndarray, " some"]) -> Iterator[Int[np.ndarray, " few"]]:
    """Some of the numbers at a time."""
    for first in range(0, len(numbers), _PART):
        yield numbers[first : first + _PART]
