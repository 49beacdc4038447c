"""Functions on intervals in digits. Some are kept, so that later layers go on from there and not from the inputs."""

from copy import copy
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.digit_network import DigitNetwork, along_segments
from dlcourse.pieces.arithmetic.digits import Base, Digits
from dlcourse.pieces.layer import Step
from dlcourse.pieces.line.intervals import Intervals

_MOST_KEPT = 2**23  # digits: 64 MB


class Lines(NamedTuple):
    """A function s t + i for each interval, in digits whose place does not matter, with bounds."""

    slope: Float[np.ndarray, "digits 1 intervals"]
    intercept: Float[np.ndarray, "digits 1 intervals"]
    slope_error: Float[np.ndarray, " intervals"]
    intercept_error: Float[np.ndarray, " intervals"]


class OnIntervals(NamedTuple):
    """What is known in digits of some intervals.

    Attributes:
        functions: The functions of a layer's units: all slopes, then all intercepts.
        starts: For each interval the function whose zero it starts at; where a line starts this is t.
    """

    functions: Digits
    starts: Lines

    def taken(self, columns: Int[np.ndarray, " some"]) -> "OnIntervals":
        """What is known of some of them."""
        both = np.concatenate([columns, columns + len(self.functions.error) // 2])
        return OnIntervals(self.functions.taken(both), _taken(self.starts, columns))


class _Level(NamedTuple):
    """Intervals that there are after some cuts: those of which something is kept, and others.

    Attributes:
        num_cuts: After how many.
        kept: Which of the intervals these are, and what is known of them.
        others: Which the others are.
        numbers: Their numbers.
        parent: Which intervals of the level below they are parts of.
    """

    num_cuts: int
    kept: list[tuple[Int[np.ndarray, " some"], OnIntervals]]
    others: Int[np.ndarray, " others"]
    numbers: Int[np.ndarray, " others"]
    parent: Int[np.ndarray, " others"]


class DigitFunctions:
    """Pre-activations on intervals in digits, worked out from the last layer on at which something is kept of them.

    Attributes:
        intervals: The intervals.
        network: Their layers in digits.
        bending: The layers that bend.
        goes_on: Whether the line goes on where the last interval ends: then these are the intervals of a block.
    """

    def __init__(self, intervals: Intervals) -> None:
        self.intervals, self.network = intervals, DigitNetwork(intervals.layers)
        self.bending = [index for index, layer in enumerate(intervals.layers) if layer.bends]
        self.goes_on = False
        # For each number of cuts, some intervals, in order, and what is known of them; what was made first comes first.
        self._kept: dict[int, list[tuple[Int[np.ndarray, " some"], OnIntervals]]] = {}
        self._num_kept, self._most_kept = 0, _MOST_KEPT

    @cached_property
    def following(self) -> Float[np.ndarray, "layers_and_1 members"]:
        """How much errors may grow, for each member, from each layer on up to the last one that bends."""
        following = np.ones((self.bending[-1] + 2, self.intervals.members))
        for index in range(self.bending[-1], -1, -1):
            following[index] = following[index + 1] * self.network.stretch_of_members(index)
        return following

    def of_block(self, intervals: Intervals, goes_on: bool) -> "DigitFunctions":
        """Those on the intervals of a block of this line, with what is kept of the cuts before it was divided."""
        part = copy(self)
        part.intervals, part.goes_on = intervals, goes_on
        part._kept = {num_cuts: [*known] for num_cuts, known in self._kept.items()}
        return part

    def base(self, num_cuts: int, member: int) -> Base | None:
        """The base of the pre-activations of the layer that bends next; None if no digits are enough."""
        bases = self.network.bases(self.bending[num_cuts] + 1, member=member)
        return None if bases is None else bases[-1]

    def before_cut(self, num_cuts: int, wanted: Int[np.ndarray, " wanted"], member: int) -> OnIntervals:
        """The pre-activations of the layer that bends next, where there are digits for them.

        Args:
            num_cuts: The number of cuts so far.
            wanted: Some of the intervals that there are after these, all of one member, each once, in order.
            member: That member.
        """
        bases = self.network.bases(self.bending[num_cuts] + 1, member=member)
        assert bases is not None
        found: OnIntervals | None = None
        levels = self._levels(num_cuts, wanted)
        for level in reversed(levels):
            parts, last = level.kept, self.bending[level.num_cuts]
            if len(level.others):
                before = self.bending[level.num_cuts - 1] if level.num_cuts else -1
                if found is None:
                    functions, starts = self._inputs(bases[0], level.numbers)
                else:
                    cut = self.intervals.cuts[level.num_cuts - 1]
                    step = Step(level.parent, cut.active[:, level.numbers])
                    functions = self.network.bend(bases[before], before, found.functions, step, member=member)
                    starts = self._starts(level.num_cuts, level.numbers, level.parent, found)
                for index in range(before + 1, last + 1):
                    functions = self.network.affine(bases[index], index, functions, member=member)
                parts = [*parts, (level.others, OnIntervals(functions, starts))]
            found = _together(bases[last], parts)
        assert found is not None
        if len(levels[0].others):
            self._keep(num_cuts, wanted, found)
        return found

    def starts(self, num_cuts: int, wanted: Int[np.ndarray, " wanted"], member: int) -> Lines:
        """The functions whose zeros intervals start at that there are after at least one cut."""
        before, parent = np.unique(self.intervals.cuts[num_cuts - 1].parent[wanted], return_inverse=True)
        return self._starts(num_cuts, wanted, parent, self.before_cut(num_cuts - 1, before, member))

    def forget(self) -> None:
        """Keeps nothing any longer."""
        self._kept, self._num_kept, self._most_kept = {}, 0, 0

    def _keep(self, num_cuts: int, intervals: Int[np.ndarray, " some"], known: OnIntervals) -> None:
        """Keeps what is known of intervals, in place of what is oldest if that takes too much memory."""
        size = known.functions.digits.size
        if size > self._most_kept:
            return
        self._kept.setdefault(num_cuts, []).append((intervals, known))
        self._num_kept += size
        while self._num_kept > self._most_kept:
            oldest = self._kept.pop(next(iter(self._kept)))
            self._num_kept -= sum(of_some.functions.digits.size for _, of_some in oldest)

    def _levels(self, num_cuts: int, wanted: Int[np.ndarray, " wanted"]) -> list[_Level]:
        """What is needed for some intervals, from them on down to where everything is kept, or to whole lines."""
        levels, here = [], wanted
        for cuts in range(num_cuts, -1, -1):
            kept, other = [], np.ones(len(here), dtype=bool)
            for numbers, known in self._kept.get(cuts, []):
                column = np.minimum(np.searchsorted(numbers, here), len(numbers) - 1)
                which = np.flatnonzero(other & (numbers[column] == here))
                if len(which):
                    kept.append((which, known.taken(column[which])))
                    other[which] = False
            others = np.flatnonzero(other)
            numbers = here[others]
            parents = self.intervals.cuts[cuts - 1].parent[numbers] if cuts else numbers
            here, parent = np.unique(parents, return_inverse=True)
            levels.append(_Level(cuts, kept, others, numbers, parent))
            if len(others) == 0:
                break
        return levels

    def _inputs(self, base: Base, numbers: Int[np.ndarray, " lines"]) -> OnIntervals:
        """The inputs on whole lines."""
        lines, one = numbers // 2, np.ones((1, 1, len(numbers)))
        functions = along_segments(base, self.intervals.starts[lines], self.intervals.ends[lines])
        return OnIntervals(functions, Lines(one, 0 * one, *np.zeros((2, len(numbers)))))

    def _starts(
        self,
        num_cuts: int,
        numbers: Int[np.ndarray, " parts"],
        parent: Int[np.ndarray, " parts"],
        known: OnIntervals,
    ) -> Lines:
        """Where intervals start that a cut has made: where the one did that they are parts of, or at a new vertex."""
        cut, functions = self.intervals.cuts[num_cuts - 1], known.functions
        starts = _taken(known.starts, parent)
        new = np.flatnonzero(cut.is_new[numbers])
        unit, column = cut.unit[np.cumsum(cut.is_new)[numbers[new]] - 1], parent[new]
        num_digits, num = len(functions.digits), len(functions.error) // 2
        of_rows = []
        for row, of_starts in enumerate(starts[:2]):
            digits = np.zeros((max(num_digits, len(of_starts)), 1, len(parent)))
            digits[: len(of_starts)] = of_starts
            digits[:, 0, new] = 0
            digits[:num_digits, 0, new] = functions.digits[:, unit, column + row * num]
            of_rows.append(digits)
            starts[2 + row][new] = functions.error[column + row * num]
        return Lines(of_rows[0], of_rows[1], starts.slope_error, starts.intercept_error)


def _taken(lines: Lines, columns: Int[np.ndarray, " some"]) -> Lines:
    """The functions of some intervals."""
    return Lines(*(of_all.take(columns, axis=-1) for of_all in lines))


def _together(base: Base, parts: list[tuple[Int[np.ndarray, " some"], OnIntervals]]) -> OnIntervals:
    """What is known of several sets of intervals, which are given with their places among all of them."""
    if len(parts) == 1:
        return parts[0][1]
    num = sum(len(which) for which, _ in parts)
    columns = [np.concatenate([which, which + num]) for which, _ in parts]
    functions = base.together([(which, known.functions) for which, (_, known) in zip(columns, parts, strict=True)])
    num_digits = max(len(known.starts.slope) for _, known in parts)
    starts = Lines(*np.zeros((2, num_digits, 1, num)), *np.zeros((2, num)))
    for which, known in parts:
        for row in (0, 1):
            of_some = known.starts[row]
            starts[row][: len(of_some), :, which] = of_some
            starts[2 + row][which] = known.starts[2 + row]
    return OnIntervals(functions, starts)
