"""The intervals that segments have been cut into, and the exact functions on them."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from dlcourse.pieces.arithmetic.integers import IntegerNetwork, integers
from dlcourse.pieces.arithmetic.rounding import EPS, EXACT, quantum
from dlcourse.pieces.layer import Step, UnitLayer
from dlcourse.pieces.progress import each

_PART = 1024  # intervals that exact arithmetic takes at once: memory stays small, and every step is still one of many


class ExactAffine(NamedTuple):
    """t -> (slope t + intercept) / denominator in Python's integers, one function for each unit and each interval."""

    slope: Shaped[np.ndarray, "units intervals"]
    intercept: Shaped[np.ndarray, "units intervals"]
    denominator: int


class Cut(NamedTuple):
    """How a layer that bends cut the intervals that there were before."""

    layer: int
    parent: Int[np.ndarray, " intervals"]  # for each interval, the one before that it was part of
    is_new: Bool[np.ndarray, " intervals"]  # whether it begins at a new vertex
    unit: Int[np.ndarray, " points"]  # for each new vertex, from left to right, a unit that made it
    t: Float[np.ndarray, " points"]  # and where it is, 0 < t < 1 from one end of the old interval to the other
    t_error: Float[np.ndarray, " points"]  # how far off that may be
    active: Bool[np.ndarray, "units intervals"]  # which units are on: positive or passed through


class Descent(NamedTuple):
    """Some intervals and all that they were parts of, each of these once.

    Attributes:
        lines: The lines.
        steps: How each layer that bends cut the intervals before it, numbered from 0, into those after it.
        columns: For each layer that bends, and for what comes after the last one, the number that each interval's part
            of the line has there.
    """

    lines: Int[np.ndarray, " lines"]
    steps: list[Step]
    columns: list[Int[np.ndarray, " some"]]


class Intervals:
    """The intervals that segments have been cut into so far, and what is exact about them.

    The vertices of all segments lie side by side: member after member, line after line, from t = 0 to t = 1. Interval v
    is the one to the right of vertex v; a line's last vertex has none.

    Attributes:
        layers: The layers of all members.
        starts: Where each line starts, lines numbered through all members.
        ends: Where each line ends.
        members: Number of members.
        lines_per_member: Number of lines of each member.
        last: The last vertex of each line.
        cuts: What the layers that bend have done so far.
        exact: The layers in exact arithmetic.
    """

    def __init__(
        self,
        layers: list[UnitLayer],
        starts: Float[np.ndarray, "members num_lines in_features"],
        ends: Float[np.ndarray, "members num_lines in_features"],
    ) -> None:
        self.layers = layers
        self.members, self.lines_per_member, in_features = starts.shape
        num_lines = self.members * self.lines_per_member
        self.starts, self.ends = starts.reshape(num_lines, in_features), ends.reshape(num_lines, in_features)
        self.last = np.arange(1, 2 * num_lines, 2)
        self.cuts: list[Cut] = []
        self.exact = IntegerNetwork(layers)

    def uncut(self) -> tuple[Float[np.ndarray, "2 in_features ends"], list[float], Float[np.ndarray, "2 _"]]:
        """The whole lines: their ends as values, their directions as slopes; quanta and errors of both."""
        starts, ends = self.starts, self.ends
        places = np.stack([starts, ends], axis=1).reshape(-1, starts.shape[1]).T
        rows = np.stack([places, np.repeat(ends - starts, 2, axis=0).T])
        shared = quantum(np.concatenate([starts, ends], axis=1).T)
        size = (np.abs(starts) + np.abs(ends)).sum(axis=1)
        if (size < EXACT * shared).all():
            return rows, [float(shared.min())] * 2, np.zeros((2, 1))
        return rows, [0.0] * 2, np.repeat([0 * size, EPS * size], 2, axis=1)

    def edges(self) -> list[int]:
        """The vertices edges[m] to edges[m + 1] are of member m."""
        return [0, *(self.last[self.lines_per_member - 1 :: self.lines_per_member] + 1).tolist()]

    @property
    def first(self) -> Int[np.ndarray, " num_lines"]:
        """The first vertex of each line."""
        return np.append(0, self.last[:-1] + 1)

    def line(self, vertices: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """The lines that some vertices are on."""
        return np.searchsorted(self.last, vertices)

    def member(self, vertices: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """The members that some vertices are of."""
        return np.asarray(self.line(vertices) // self.lines_per_member)

    def patterns(self, intervals: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        """Which units are on in some intervals, for each ReLU so far."""
        patterns = []
        for cut in reversed(self.cuts):
            patterns.append(cut.active[:, intervals])
            intervals = cut.parent[intervals]
        return patterns[::-1]

    def descent(self, intervals: Int[np.ndarray, " some"]) -> Descent:
        """How some intervals came to be."""
        here, column = np.unique(intervals, return_inverse=True)
        steps, columns = [], [column]
        for cut in reversed(self.cuts):
            before, parent = np.unique(cut.parent[here], return_inverse=True)
            steps.append(Step(parent, cut.active[:, here]))
            columns.append(parent[columns[-1]])
            here = before
        return Descent(here // 2, steps[::-1], columns[::-1])

    def born(self, vertices: Int[np.ndarray, " some"]) -> tuple[Int[np.ndarray, " some"], Int[np.ndarray, " some"]]:
        """The layer and the unit that made some vertices; (-1, 0) for a line's start and (-1, 1) for its end."""
        layer, unit = np.full(len(vertices), -1), np.empty(len(vertices), dtype=np.int64)
        for cut in reversed(self.cuts):
            new = np.flatnonzero((layer < 0) & cut.is_new[vertices])
            layer[new], unit[new] = cut.layer, cut.unit[np.cumsum(cut.is_new)[vertices[new]] - 1]
            vertices = cut.parent[vertices]
        return layer, np.where(layer < 0, vertices % 2, unit)

    def exact_values(self, vertices: Int[np.ndarray, " some"], num_units: int) -> Float[np.ndarray, "units some"]:
        """All pre-activations of the current layer at some vertices, rounded once; the sign survives."""
        values = np.empty((num_units, len(vertices)))
        for part, functions in self.exactly(vertices - (self.last[self.line(vertices)] == vertices)):
            # The vertex is where its unit's function is 0, at t = above / below; the ends are at 0 / 1 and 1 / 1.
            layer, unit = self.born(vertices[part])
            above, below = unit.astype(object), np.ones(len(unit), dtype=object)
            for index, function in enumerate(functions):
                here = np.flatnonzero(layer == index)
                slope, intercept = function.slope[unit[here], here], function.intercept[unit[here], here]
                above[here], below[here] = np.where(slope > 0, -intercept, intercept), np.abs(slope)
            exact = function.slope * above + function.intercept * below
            rounded = (exact / (below * function.denominator)).astype(np.float64)
            lost = (rounded == 0) & (exact != 0)
            values[:, part] = np.where(lost, np.where(exact > 0, 5e-324, -5e-324), rounded)
        return values

    def exact_positions(self, vertices: Int[np.ndarray, " some"]) -> list[Fraction]:
        """t of some vertices that cuts have made."""
        positions = []
        for part, functions in self.exactly(vertices):
            layer, unit = self.born(vertices[part])
            zeros = {}
            for index, function in enumerate(islice(functions, layer.max() + 1)):
                for column in np.flatnonzero(layer == index).tolist():
                    at = unit[column], column
                    zeros[column] = Fraction(-function.intercept[at], function.slope[at])
            positions += [zeros[column] for column in range(len(layer))]
        return positions

    def exact_order(
        self,
        unit: Int[np.ndarray, " crossings"],
        interval: Int[np.ndarray, " crossings"],
        tied: Bool[np.ndarray, " crossings_less_1"],
        intervals: Int[np.ndarray, " some"],
    ) -> tuple[Int[np.ndarray, " crossings"], Int[np.ndarray, " crossings"]]:
        """The order of crossings, exact in some intervals, and the numbers of their points, which some share.

        Args:
            unit: The units that cross.
            interval: Where they do, in ascending order.
            tied: Which of them share the point of the one before, elsewhere than in those intervals.
            intervals: The intervals where the order is to be found.
        """
        order, apart = np.arange(len(unit)), np.append(True, ~tied)
        for part, functions in self.exactly(intervals):
            *_, function = functions
            for column, one in enumerate(intervals[part].tolist()):
                a, b = np.searchsorted(interval, [one, one + 1])
                slope, intercept = function.slope[unit[a:b], column], function.intercept[unit[a:b], column]
                points = sorted((Fraction(-i, s), k) for k, (s, i) in enumerate(zip(slope, intercept, strict=True)))
                order[a:b] = [a + k for _, k in points]
                apart[a + 1 : b] = [p != q for (p, _), (q, _) in pairwise(points)]
        return order, np.cumsum(apart) - 1

    def exactly(self, intervals: Int[np.ndarray, " some"]) -> Iterator[tuple[slice, Iterator[ExactAffine]]]:
        """Exact pre-activations on some intervals, layer after layer, for one part of the intervals after another."""
        for part, member in each(list(self.parts(intervals, _PART)), "part in integers"):
            line, patterns = self.line(intervals[part]), self.patterns(intervals[part])
            yield part, exactly_along(self.exact, member, self.starts[line], self.ends[line], patterns)

    def parts(self, intervals: Int[np.ndarray, " some"], size: int) -> Iterator[tuple[slice, int]]:
        """Parts of some intervals, in order, of at most that size, each with the one member that it is of."""
        member = self.member(intervals)
        for m in np.unique(member).tolist():
            a, b = np.searchsorted(member, [m, m + 1]).tolist()
            for first in range(a, b, size):
                yield slice(first, min(first + size, b)), m


def exactly_along(
    network: IntegerNetwork,
    member: int,
    starts: Float[np.ndarray, "intervals in_features"],
    ends: Float[np.ndarray, "intervals in_features"],
    patterns: Sequence[Bool[np.ndarray, "_ intervals"]],
) -> Iterator[ExactAffine]:
    """The pre-activations of one member on intervals of segments, as functions of t, layer after layer.

    Args:
        network: The network.
        member: The member.
        starts: For each interval, where its segment starts: t = 0.
        ends: For each interval, where its segment ends: t = 1.
        patterns: As `IntegerNetwork.pre_activations` takes them.
    """
    points, denominator = integers(np.stack([starts.T, ends.T]))
    inputs = np.stack([points[1] - points[0], points[0]], axis=-1)
    for functions, below in network.pre_activations(inputs, denominator, patterns, member=member):
        yield ExactAffine(functions[..., 0], functions[..., 1], below)
