"""Segments of a network's input space, cut where units change their signs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int64, Shaped

from dlcourse.pieces.arithmetic.integers import ExactAffine, ExactNetwork
from dlcourse.pieces.arithmetic.rounding import EPS, EXACT, SLACK, TINY, frobenius, grows, norm, quantum, roundings
from dlcourse.pieces.layer import UnitLayer, of_member
from dlcourse.pieces.line.along import Along


@dataclass(frozen=True, eq=False)
class OnLine(Along):
    """A network on the segment x(t) = start + t (end - start), 0 <= t <= 1.

    The counts are there at once; all else is worked out when it is first asked for. Breakpoints are rounded to float64:
    two that are closer to each other than floats can tell may have one and the same t, and are still counted apart.

    Attributes:
        num_regions: Number of activation regions.
        num_pieces: Number of linear pieces of the function.
        num_settled: Number of signs that floating point left open, so that exact arithmetic decided them.
        start: x(0).
        end: x(1).
    """

    start: Float[np.ndarray, "*input_shape"]
    end: Float[np.ndarray, "*input_shape"]
    _subdivision: "_Subdivision" = field(repr=False)
    _line: int = field(repr=False)

    @cached_property
    def region_breakpoints(self) -> Float[np.ndarray, " region_breakpoints"]:
        """Where one activation region ends and the next begins: num_regions - 1 values of t, in order."""
        position = self._subdivision.position[self._intervals[1:]]
        breakpoints: Float[np.ndarray, " region_breakpoints"] = np.maximum.accumulate(position)
        return breakpoints

    @cached_property
    def piece_of_region(self) -> Int[np.ndarray, " regions"]:
        """The linear piece, 0 to num_pieces - 1, that each region is part of."""
        return np.cumsum(self._subdivision.kinks[self._intervals])

    @cached_property
    def slopes(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """dy/dt on each piece."""
        return np.ascontiguousarray(self._subdivision.slopes[:, self._intervals[self._first_regions]].T)

    @cached_property
    def intercepts(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """What the affine map of each piece is at t = 0, so that y = slope t + intercept on the piece."""
        patterns = iter(self._patterns(self._first_regions))
        values = np.repeat(self.start.reshape(-1, 1), self.num_pieces, axis=1)
        for layer in self._layers:
            values = layer.weight[0] @ values + layer.bias[0][:, None]
            if layer.bends:
                values *= np.where(next(patterns), 1, layer.slope[0][:, None])
        return np.ascontiguousarray(values.T)

    @property
    def _limits(self) -> tuple[float, float]:
        return 0.0, 1.0

    @property
    def _origin(self) -> Float[np.ndarray, "*input_shape"]:
        return self.start

    @property
    def _direction(self) -> Float[np.ndarray, "*input_shape"]:
        direction: Float[np.ndarray, "*input_shape"] = self.end - self.start
        return direction

    @property
    def _layers(self) -> list[UnitLayer]:
        return of_member(self._subdivision.layers, self._line // self._subdivision.lines_per_member)

    @cached_property
    def _intervals(self) -> Int[np.ndarray, " regions"]:
        """Those of the subdivision that are on this line."""
        last = self._subdivision.last
        return np.arange(last[self._line - 1] + 1 if self._line else 0, last[self._line])

    def _patterns(self, regions: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        return self._subdivision.patterns(self._intervals[regions])

    def _with_layers(self, layers: list[UnitLayer]) -> "OnLine":
        ends = self.start.reshape(1, 1, -1), self.end.reshape(1, 1, -1)
        return count_on_lines(layers, *ends, self.start.shape, self._subdivision.max_regions).line(0, 0)


@dataclass(frozen=True, eq=False)
class OnLines:
    """Every member of a stack on every one of several segments.

    Attributes:
        num_regions: Number of activation regions.
        num_pieces: Number of linear pieces of the function.
        num_settled: Number of signs that floating point left open, so that exact arithmetic decided them;
            a member may need fewer when it is counted alone. The counts are the same.
    """

    num_regions: Int64[np.ndarray, "members num_lines"]
    num_pieces: Int64[np.ndarray, "members num_lines"]
    num_settled: Int64[np.ndarray, "members num_lines"]
    _subdivision: "_Subdivision" = field(repr=False)
    _input_shape: tuple[int, ...] = field(repr=False)

    def line(self, member: int, index: int) -> OnLine:
        """One member on one of the segments."""
        members, num_lines = self.num_regions.shape
        if not (0 <= member < members and 0 <= index < num_lines):
            raise ValueError(f"there are {members} members and {num_lines} lines, got member {member}, line {index}")
        line = member * num_lines + index
        return OnLine(
            num_regions=int(self.num_regions[member, index]),
            num_pieces=int(self.num_pieces[member, index]),
            num_settled=int(self.num_settled[member, index]),
            start=self._subdivision.starts[line].reshape(self._input_shape),
            end=self._subdivision.ends[line].reshape(self._input_shape),
            _subdivision=self._subdivision,
            _line=line,
        )


def count_on_lines(
    layers: list[UnitLayer],
    starts: Float[np.ndarray, "members num_lines in_features"],
    ends: Float[np.ndarray, "members num_lines in_features"],
    input_shape: tuple[int, ...],
    max_regions: int,
) -> OnLines:
    """What `on_lines` does once it has read the network and checked the segments."""
    return _Subdivision(layers, starts, ends, max_regions).counts(input_shape)


def _support(
    weight: Float[np.ndarray, "members out_features in_features"],
    nonzero: Bool[np.ndarray, "in_features columns"],
    edges: Int[np.ndarray, " members_and_1"],
) -> Bool[np.ndarray, "out_features columns"]:
    """Which entries of W x may be other than 0, given those of x; columns edges[m] to edges[m + 1] are of member m."""
    parts = [
        (of_member != 0).astype(np.float32) @ nonzero[:, a:b].astype(np.float32) > 0
        for of_member, (a, b) in zip(weight, pairwise(edges), strict=True)
    ]
    return np.concatenate(parts, axis=1)


class _Crossings(NamedTuple):
    """Changes of units' signs on intervals, from left to right."""

    unit: Int[np.ndarray, " crossings"]
    interval: Int[np.ndarray, " crossings"]
    t: Float[np.ndarray, " crossings"]  # 0 < t < 1 from one end of the interval to the other
    number: Int[np.ndarray, " crossings"]  # of the point that it is at: 0, 1, ...; several may share it


class _Cut(NamedTuple):
    """How a layer that bends cut the intervals that there were before."""

    layer: int
    parent: Int[np.ndarray, " intervals"]  # for each interval, the one before that it was part of
    unit: Int[np.ndarray, " points"]  # for each new vertex, from left to right, a unit that made it
    t: Float[np.ndarray, " points"]  # and where it is, 0 < t < 1 from one end of the old interval to the other
    active: Bool[np.ndarray, "units intervals"]  # which units are on: positive or passed through


_PART = 1024  # intervals that exact arithmetic takes at once: memory stays small, and every step is still one of many


class _Subdivision:
    """The segments of all members, cut at the sign changes of one layer after another.

    The vertices of all segments lie side by side: member after member, line after line, from t = 0 to t = 1. Interval v
    is the one to the right of vertex v; a line's last vertex has none. The signs of pre-activations at vertices are
    exact; the floats have bounds, in the 2-norm over units. A slope is off by error[1, v] at most. A value belongs to
    a place near the vertex, at most shift[v] away from it in t: there the affine functions of both neighbouring
    intervals, continued if need be, are at most error[0, v] away from it. So errors do not grow where layers cut:

    - The value at a convex combination of two vertices' places is off by their larger error, and by roundings.
    - Where a unit's value is 0, its function is at most that error, so its zero is error / |slope| away: the shift.
    - A unit turned off is 0 on one side and its function on the other: 0 is within that error of both.

    A value more than error + shift |slope| from 0 has the sign of the function both at the vertex and at the value's
    place. Hence zeros of units that cross lie between the places of their interval's ends.

    Attributes:
        last: The last vertex of each line, lines numbered through all members.
        member: The member of each vertex; not kept up if there is but one.
        rows: The current layer's values at the vertices, `rows[0]`, and their slopes on the intervals, `rows[-1]`; from
            the last bend on only the slopes, since no sign depends on those values.
        quantum: For each of the rows: if positive, its floats are all exact and integer multiples of it.
        error: The bounds, for each of the rows, `[rows, vertices]`; a single 0, `[rows, 1]`, as long as all is exact.
        steepest: A bound for the floats of the slopes, `[vertices]`; `[1]` for all as long as all is exact.
        closely: Whether what layers stretch errors is bounded more closely than by their Frobenius norms.
        shift: How far from its vertex a value may belong, `[vertices]`; not kept up from the last bend on.
        nonzero: Which of the values that the last layer that bends has made may be other than 0, `[units, vertices]`;
            None before there is one.
        since: The layers after that one.
        cuts: What the layers that bend have done so far.
        slopes: The outputs' slopes on the intervals.
        kinks: Whether the function has a kink at a vertex.
        num_settled: For each line, the number of signs that exact arithmetic decided.
        max_regions: More intervals than that are refused.
    """

    def __init__(
        self,
        layers: list[UnitLayer],
        starts: Float[np.ndarray, "members num_lines in_features"],
        ends: Float[np.ndarray, "members num_lines in_features"],
        max_regions: int,
    ) -> None:
        if max_regions < 1:
            raise ValueError(f"max_regions must be at least 1, got {max_regions}")
        self.layers, self.max_regions = layers, max_regions
        self.exact = ExactNetwork(layers)
        self.members, self.lines_per_member, in_features = starts.shape
        num_lines = self.members * self.lines_per_member
        self.starts, self.ends = starts.reshape(num_lines, in_features), ends.reshape(num_lines, in_features)
        self.num_settled = np.zeros(num_lines, dtype=np.int64)
        self.last = np.arange(1, 2 * num_lines, 2)
        self.shift = np.zeros(2 * num_lines)
        self.member = np.repeat(np.arange(self.members), 2 * self.lines_per_member)
        self.cuts: list[_Cut] = []
        self.nonzero: Bool[np.ndarray, "units vertices"] | None = None
        self.since: list[UnitLayer] = []

        last_bend = max((index for index, layer in enumerate(layers) if layer.bends), default=-1)
        with np.errstate(all="ignore"):  # overflow is looked for where it can begin
            stretches = [frobenius(layer.weight) for layer in layers]
            self.closely = grows(stretches)
            self._start()
            for index, (layer, stretch) in enumerate(zip(layers, stretches, strict=True)):
                self._affine(layer, stretch)
                if layer.bends:
                    self._cut(index, keep_values=index < last_bend)
            self.slopes = self.rows[-1]
            self.kinks = self._find_kinks()

    def counts(self, input_shape: tuple[int, ...]) -> OnLines:
        """Regions and pieces of every line."""
        shape = (self.members, self.lines_per_member)
        num_regions = np.diff(self.last, prepend=-1) - 1
        num_kinks = np.add.reduceat(self.kinks, self._first_vertices(), dtype=np.int64)
        regions, pieces, settled = (num.reshape(shape) for num in (num_regions, num_kinks + 1, self.num_settled))
        return OnLines(regions, pieces, settled, self, input_shape)

    @cached_property
    def position(self) -> Float[np.ndarray, " vertices"]:
        """t of each vertex, rounded."""
        position = np.array([0.0, 1.0] * len(self.last))
        for cut in self.cuts:
            new = np.flatnonzero(cut.parent[1:] == cut.parent[:-1]) + 1
            start, end = position[cut.parent[new]], position[cut.parent[new] + 1]
            position = position[cut.parent]
            position[new] = start + cut.t * (end - start)
        return position

    def _start(self) -> None:
        """The uncut segments: their ends as values, their directions as slopes."""
        ends = np.stack([self.starts, self.ends], axis=1).reshape(-1, self.starts.shape[1]).T
        directions = np.repeat(self.ends - self.starts, 2, axis=0).T
        self.rows = np.stack([ends, directions])
        shared = quantum(np.concatenate([self.starts, self.ends], axis=1).T)
        size = (np.abs(self.starts) + np.abs(self.ends)).sum(axis=1)
        exact = bool((size < EXACT * shared).all())
        self.quantum = [float(shared.min()) if exact else 0.0] * 2
        self.error = np.zeros((2, 1)) if exact else np.repeat([0 * size, EPS * size], 2, axis=1)

    def _affine(self, layer: UnitLayer, stretch: Float[np.ndarray, " members"]) -> None:
        """W h + b at the vertices, W dh/dt on the intervals, with bounds; W stretches errors so much at most."""
        num_rows, _, num_vertices = self.rows.shape
        has_values = num_rows == 2
        self.since.append(layer)

        # The sizes of the terms that each sum has at most.
        if all(self.quantum):
            largest = np.maximum(self.rows.max(axis=(1, 2)), -self.rows.min(axis=(1, 2)))[:, None]
        else:
            largest = np.abs(self.rows).max(axis=1)
        sizes = np.abs(layer.weight).sum(axis=2)
        size = largest * self._at_vertices(sizes.max(axis=1))
        if has_values:
            size[0] += self._at_vertices(np.abs(layer.bias).max(axis=1))
        self.steepest = size[-1]
        if not np.isfinite(size).all():
            raise ValueError("the network's values on the line must be finite in float64, but they overflow")
        if any(self.quantum):
            shared = float(quantum(layer.bias.reshape(-1, 1))[0])  # of few numbers, which tell already as a rule
            if shared > 0:
                shared = min(shared, float(quantum(layer.weight.reshape(-1, 1))[0]))
            self._refine(shared, size)
        if not all(self.quantum):
            nonzero = (largest > 0) | (self.error > 0)  # what is exactly 0 gives exactly b, and slope 0
            if self.closely:
                stretch = norm(layer.weight, num_vertices)
            stretched = self.error * self._at_vertices(stretch)
            by_weights, by_biases = roundings(layer.weight, layer.bias, sizes)
            rounded = largest * self._at_vertices(by_weights)
            if has_values:
                rounded[0] += self._at_vertices(by_biases)
            self._bound((SLACK * (stretched + rounded) + TINY) * nonzero)

        rows = np.empty((num_rows, layer.weight.shape[1], num_vertices))
        for weight, (a, b) in zip(layer.weight, pairwise(self._edges()), strict=True):
            np.matmul(weight, self.rows[:, :, a:b], out=rows[:, :, a:b])
        if has_values:
            rows[0] += self._at_vertices(layer.bias)
        self.rows = rows

    def _refine(self, factor: float, size: Float[np.ndarray, "rows _"]) -> None:
        """The quanta after products with integer multiples of a factor, which make sums of at most some sizes."""
        finer = [min(shared, 1) * factor for shared in self.quantum]
        self.quantum = [q if s < EXACT * q else 0.0 for q, s in zip(finer, size.max(axis=1).tolist(), strict=True)]

    def _bound(self, error: Float[np.ndarray, "rows _"]) -> None:
        """Takes new bounds for what is not exact."""
        self.error = np.zeros(self.rows.shape[::2])
        for row, shared in enumerate(self.quantum):
            if shared == 0:
                self.error[row] = error[row]

    def _edges(self) -> list[int]:
        """The vertices edges[m] to edges[m + 1] are of member m."""
        return [0, *(self.last[self.lines_per_member - 1 :: self.lines_per_member] + 1).tolist()]

    def _cut(self, index: int, *, keep_values: bool) -> None:
        """Cuts the intervals where units of this layer change their signs, and bends the units' values there."""
        layer = self.layers[index]
        signs = self._signs(layer)
        crosses = signs[:, :-1] * signs[:, 1:] < 0
        crosses[:, self.last[:-1]] = False
        crossings = self._crossings(*np.nonzero(crosses))
        if len(crossings.number):
            self._guard(index, int(crossings.number[-1]) + 1)
        if not keep_values:
            self.rows, self.quantum = self.rows[1:], self.quantum[1:]
            self.error = np.zeros((1, 1)) if all(self.quantum) else self.error[1:]
        parent, unit, t, signs = self._insert(signs, crosses, crossings)

        positive = signs > 0
        active = positive.copy()  # a unit is on all along an interval if it is positive at either end
        active[:, :-1] |= positive[:, 1:]
        active[:, self.last] = False
        self.cuts.append(_Cut(index, parent, unit, t, active))
        on = [positive, active] if keep_values else [active]
        if layer.gates:
            for row, kept in enumerate(on):
                self.rows[row] *= kept
            if not all(self.quantum):
                some = np.asarray(active.any(axis=0))
                self.error[-1] *= some
                if keep_values:  # exactly 0 only where all is off on both sides
                    some[1:] |= some[:-1]
                    self.error[0] *= some
        else:
            if keep_values:
                self.rows[0][signs == 0] = 0  # exactly, as with ReLU
            self._tilt(self._at_vertices(layer.slope), on)
        if keep_values:
            self.nonzero = positive if layer.relu else self._nonzero_after(layer, signs)
            self.since = []

    def _guard(self, index: int, num_points: int) -> None:
        """Refuses to make too many intervals: the points cut just as many in two."""
        num_regions = int(self.last[-1]) + 1 - len(self.last)
        if num_regions + num_points > self.max_regions:
            raise ValueError(
                f"max_regions must be at least the number of regions, got {self.max_regions}, but layer {index + 1} of "
                f"{len(self.layers)} cuts {num_regions} regions into {num_regions + num_points}"
            )

    def _tilt(self, slope: Float[np.ndarray, "units _"], on: list[Bool[np.ndarray, "units vertices"]]) -> None:
        """Multiplies the units that are not on by their slopes, with the bounds."""
        steepest = np.maximum(1, np.abs(slope).max(axis=0))
        size = np.abs(self.rows).max(axis=1) * steepest
        for row, kept in enumerate(on):
            self.rows[row] *= np.where(kept, 1, slope)
        if np.isin(slope, (-1, 0, 1)).all():
            return  # nothing was rounded
        if any(self.quantum):
            self._refine(min(1.0, float(quantum(slope.reshape(-1, 1))[0])), size)
        if not all(self.quantum):
            rounded = math.sqrt(slope.shape[0]) * EPS * size
            self._bound((SLACK * (self.error * steepest + rounded) + TINY) * ((size > 0) | (self.error > 0)))

    def _signs(self, layer: UnitLayer) -> Int[np.ndarray, "units vertices"]:
        """The exact signs, -1, 0 or 1, of the layer's pre-activations at the vertices; 1 for what is passed through."""
        values = self.rows[0]
        through = None if layer.relu else np.broadcast_to(self._at_vertices(layer.slope) == 1, values.shape)
        if self.quantum[0] == 0:
            bound = SLACK * (self.error[0] + self.shift * (SLACK * self.steepest + self.error[1]))
            proven = np.abs(values) > bound
            proven |= bound == 0
            if through is not None:
                proven |= through
            if not proven.all():
                self._settle_signs(proven)
        signs: Int[np.ndarray, "units vertices"] = (values > 0).view(np.int8) - (values < 0).view(np.int8)
        if through is not None:
            signs[through] = 1
        return signs

    def _settle_signs(self, proven: Bool[np.ndarray, "units vertices"]) -> None:
        """Makes the signs right where they are not proven."""
        # The functions of both intervals have one value at a vertex: the flatter one tells more. Ends have shift 0.
        vertices = np.flatnonzero(~proven.all(axis=0))
        left, right = (np.abs(self.rows[1][:, v]) + self.error[1, v] for v in (vertices - 1, vertices))
        bound = SLACK * (self.error[0, vertices] + self.shift[vertices] * np.minimum(left, right))
        proven[:, vertices] |= np.abs(self.rows[0][:, vertices]) > bound
        # What is made of zeros is 0 itself: of pools of units that are off, for instance.
        vertices = np.flatnonzero(~proven.all(axis=0))
        proven[:, vertices] |= ~self._nonzero_before(vertices)
        vertices = np.flatnonzero(~proven.all(axis=0))
        self._count_settled(vertices, (~proven[:, vertices]).sum(axis=0))
        # All of such a vertex's values are worked out anew: rounded only once, they make the bound start afresh.
        if len(vertices):
            values = self._exact_values(vertices)
            self.rows[0][:, vertices] = values
            self.error[0, vertices] = math.sqrt(len(values)) * EPS * np.abs(values).max(axis=0) + TINY
            self.shift[vertices] = 0

    def _nonzero_before(self, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, "units some"]:
        """Which pre-activations of the current layer at some vertices may be other than 0."""
        if self.nonzero is None:
            return np.ones((self.rows.shape[1], len(vertices)), dtype=bool)
        nonzero = self.nonzero[:, vertices]
        edges = np.searchsorted(vertices, self._edges())
        for layer in self.since:
            has_bias = np.repeat(layer.bias.T != 0, np.diff(edges), axis=1)
            nonzero = _support(layer.weight, nonzero, edges) | has_bias
        return nonzero

    def _nonzero_after(
        self, layer: UnitLayer, signs: Int[np.ndarray, "units vertices"]
    ) -> Bool[np.ndarray, "units vertices"]:
        """Which of the values that the current layer has made may be other than 0."""
        slope = self._at_vertices(layer.slope)
        nonzero = np.where(slope == 0, signs > 0, signs != 0)
        if (slope == 1).any():
            # The vertices that were there before the cuts, then those between two of them.
            parent = self.cuts[-1].parent
            before = self._nonzero_before(np.arange(parent[-1] + 1))
            new = np.flatnonzero(parent[1:] == parent[:-1]) + 1
            passed = before.take(parent, axis=1)
            passed[:, new] |= before.take(parent[new] + 1, axis=1)
            nonzero = np.where(slope == 1, passed, nonzero)
        return nonzero

    def _at_vertices(
        self, of_members: Shaped[np.ndarray, "members *units"]
    ) -> Shaped[np.ndarray, "*units vertices_or_1"]:
        """What is of a member for every vertex; one for all if there is but one member."""
        return of_members.T if self.members == 1 else of_members.T.take(self.member, axis=-1)

    def _insert(
        self,
        signs: Int[np.ndarray, "units vertices"],
        crosses: Bool[np.ndarray, "units intervals"],
        crossings: _Crossings,
    ) -> tuple[
        Int[np.ndarray, " more_intervals"],
        Int[np.ndarray, " points"],
        Float[np.ndarray, " points"],
        Int[np.ndarray, "units more_vertices"],
    ]:
        """Makes a vertex of every point where units cross: what `_Cut` tells of them, and all vertices' signs."""
        unit, left, t, number = crossings
        num_vertices = signs.shape[1]
        if len(unit) == 0:
            return np.arange(num_vertices), unit, t, signs
        num_points = number[-1] + 1
        points = crossings
        if num_points < len(number):
            first = np.searchsorted(number, np.arange(num_points))
            points = _Crossings(*(of_crossing[first] for of_crossing in crossings))
        num_pieces = np.bincount(points.interval, minlength=num_vertices) + 1
        parent = np.repeat(np.arange(num_vertices), num_pieces)
        # The new vertices are put behind the old ones and all are taken in this order.
        order = parent.copy()
        order[points.interval + points.number + 1] = num_vertices + points.number

        # A unit has the sign of the ends, or of the one end that is not 0. But a crossing unit has the left end's sign
        # before its own vertex, at it 0, and after it the right end's, which is the opposite.
        new_signs = signs.take(points.interval, axis=1) | signs.take(points.interval + 1, axis=1)
        crowded = np.flatnonzero(num_pieces[points.interval] > 2)
        if len(crowded):
            interval = points.interval[crowded]
            own = np.zeros(crosses.shape, dtype=np.int32)
            own[unit, left] = number
            left_signs = signs.take(interval, axis=1)
            turned = np.where(own.take(interval, axis=1) > crowded.astype(np.int32), left_signs, -left_signs)
            new_signs[:, crowded] = np.where(crosses.take(interval, axis=1), turned, new_signs.take(crowded, axis=1))
        new_signs[unit, number] = 0
        signs = np.concatenate([signs, new_signs], axis=1).take(order, axis=1)

        rows = np.empty((*self.rows.shape[:2], len(parent)))
        self.rows[-1].take(parent, axis=1, out=rows[-1], mode="clip")  # which is faster than to check the indices
        if len(rows) == 2:
            new_values, new_error, new_shift = self._interpolate(crossings, points)
            np.concatenate([self.rows[0], new_values], axis=1).take(order, axis=1, out=rows[0], mode="clip")
        if not all(self.quantum):
            self.error = self.error.take(parent, axis=1)
            if len(rows) == 2:
                new = order >= num_vertices
                self.shift = self.shift.take(parent)
                self.error[0, new], self.shift[new] = new_error, new_shift
        elif len(rows) == 2:
            self.shift = np.zeros(len(parent))
        self.rows = rows
        self.last = np.cumsum(num_pieces)[self.last] - 1
        if self.members > 1:
            self.member = self.member.take(parent)
        return parent, points.unit, points.t, signs

    def _crossings(self, unit: Int[np.ndarray, " crossings"], interval: Int[np.ndarray, " crossings"]) -> _Crossings:
        """Where in their intervals units cross, from left to right."""
        values, error = self.rows[0], self.error[0]
        place, values = unit * values.shape[1] + interval, values.ravel()
        before, after = np.abs(values.take(place)), np.abs(values.take(place + 1))
        whole = before + after
        t = before / whole
        t_error = 2 * EPS * t
        if self.quantum[0] == 0:
            t_error += np.maximum(error[interval], error[interval + 1]) / whole
        t_error *= SLACK
        number = np.arange(len(unit))
        if (interval[1:] > interval[:-1]).all():
            return _Crossings(unit, interval, t, number)

        order = np.lexsort((t, interval))
        unit, interval, t, t_error = unit[order], interval[order], t[order], t_error[order]
        proven = (interval[1:] > interval[:-1]) | (t[1:] - t[:-1] > SLACK * (t_error[1:] + t_error[:-1]))
        if not proven.all():
            open_ = interval[1:][~proven]
            self._count_settled(open_)
            order, number = self._exact_order(unit, interval, np.unique(open_))
            unit, t = unit[order], t[order]
        return _Crossings(unit, interval, t, number)

    def _interpolate(
        self, crossings: _Crossings, points: _Crossings
    ) -> tuple[Float[np.ndarray, "units points"], Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
        """All units' values at the points where units cross, with errors and shifts; tells whether they are exact."""
        unit, left, t, _ = points
        values, error = self.rows[0], self.error
        start = values.take(left, axis=1)
        change = values.take(left + 1, axis=1) - start
        new_values = start + t * change
        if self.quantum[0] > 0:
            shared = self.quantum[0] * float(quantum(t[:, None])[0])
            size = np.abs(new_values).max() + np.abs(change).max()
            point = np.arange(len(unit))
            exact_t = np.abs(t * change[unit, point]) == np.abs(start[unit, point])
            if exact_t.all() and 2 * size < EXACT * shared:
                self.quantum[0] = shared
                return new_values, np.zeros(len(unit)), np.zeros(len(unit))
            if all(self.quantum):
                self.error = error = np.zeros(self.rows.shape[::2])
            self.quantum[0] = 0.0
        size = np.abs(new_values).max(axis=0) + np.abs(change).max(axis=0)
        rounded = math.sqrt(len(values)) * 2 * EPS * size
        # What is taken for 0: of a unit alone no more than a rounding, of others that cross at its zero maybe more.
        taken = np.bincount(crossings.number, np.abs(new_values[crossings.unit, crossings.number]))
        new_error = SLACK * (np.maximum(error[0, left], error[0, left + 1]) + rounded + taken) + TINY
        flattest = np.abs(self.rows[1, unit, left]) - SLACK * error[1, left]
        return new_values, new_error, SLACK * new_error / np.maximum(flattest, new_error) + TINY  # 1 is all of the line

    def _find_kinks(self) -> Bool[np.ndarray, " vertices"]:
        """Whether some output has different slopes on the two sides of a vertex."""
        inner = np.ones(self.slopes.shape[1], dtype=bool)
        inner[self._first_vertices()], inner[self.last] = False, False
        jump = np.abs(np.diff(self.slopes, axis=1)).max(axis=0)
        if self.quantum[-1] > 0:
            inner[1:] &= jump > 0
            return inner
        error = self.error[-1, 1:] + self.error[-1, :-1]
        kinks = inner.copy()
        kinks[1:] &= jump > SLACK * error
        open_ = 1 + np.flatnonzero(inner[1:] & ~kinks[1:] & (error != 0))
        if len(open_):
            open_ = open_[self._reaches_outputs(open_)]
        if len(open_):
            self._count_settled(open_)
            kinks[open_] = self._exact_kinks(open_)
        return kinks

    def _reaches_outputs(self, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
        """Whether a change of slope at some vertices may reach the outputs; else it meets only units that are off."""
        left, right = iter(self.patterns(vertices - 1)), iter(self.patterns(vertices))
        edges = np.searchsorted(vertices, self._edges())
        changes = np.zeros((self.starts.shape[1], len(vertices)), dtype=bool)
        for layer in self.layers:
            changes = _support(layer.weight, changes, edges)
            if layer.bends:
                before, after = next(left), next(right)
                leaks = np.repeat(layer.slope.T != 0, np.diff(edges), axis=1)
                changes = (before != after) | (changes & (before | leaks))
        return np.asarray(changes.any(axis=0))

    def _first_vertices(self) -> Int[np.ndarray, " num_lines"]:
        """The first vertex of each line."""
        return np.append(0, self.last[:-1] + 1)

    def _line(self, vertices: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """The lines that some vertices are on."""
        return np.searchsorted(self.last, vertices)

    def _count_settled(self, vertices: Int[np.ndarray, " some"], signs: Int[np.ndarray, " some"] | int = 1) -> None:
        """Counts signs at some vertices as decided by exact arithmetic."""
        np.add.at(self.num_settled, self._line(vertices), signs)

    def _born(self, vertices: Int[np.ndarray, " some"]) -> tuple[Int[np.ndarray, " some"], Int[np.ndarray, " some"]]:
        """The layer and the unit that made some vertices; (-1, 0) for a line's start and (-1, 1) for its end."""
        layer, unit = np.full(len(vertices), -1), np.empty(len(vertices), dtype=np.int64)
        for cut in reversed(self.cuts):
            before = cut.parent[vertices]
            new = np.flatnonzero((layer < 0) & (before == cut.parent[vertices - 1]))
            layer[new], unit[new] = cut.layer, cut.unit[vertices[new] - before[new] - 1]
            vertices = before
        return layer, np.where(layer < 0, vertices % 2, unit)

    def _exact_values(self, vertices: Int[np.ndarray, " some"]) -> Float[np.ndarray, "units some"]:
        """All pre-activations of the current layer at some vertices, rounded once; the sign survives."""
        values = np.empty((self.rows.shape[1], len(vertices)))
        for part, functions in self._exactly(vertices - (self.last[self._line(vertices)] == vertices)):
            # The vertex is where its unit's function is 0, at t = above / below; the ends are at 0 / 1 and 1 / 1.
            layer, unit = self._born(vertices[part])
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

    def _exact_order(
        self,
        unit: Int[np.ndarray, " crossings"],
        interval: Int[np.ndarray, " crossings"],
        intervals: Int[np.ndarray, " some"],
    ) -> tuple[Int[np.ndarray, " crossings"], Int[np.ndarray, " crossings"]]:
        """The order of crossings, exact in some intervals, and the numbers of their points, which some share."""
        order, apart = np.arange(len(unit)), np.ones(len(unit), dtype=bool)
        for part, functions in self._exactly(intervals):
            *_, function = functions
            for column, one in enumerate(intervals[part].tolist()):
                a, b = np.searchsorted(interval, [one, one + 1])
                slope, intercept = function.slope[unit[a:b], column], function.intercept[unit[a:b], column]
                points = sorted((Fraction(-i, s), k) for k, (s, i) in enumerate(zip(slope, intercept, strict=True)))
                order[a:b] = [a + k for _, k in points]
                apart[a + 1 : b] = [p != q for (p, _), (q, _) in pairwise(points)]
        return order, np.cumsum(apart) - 1

    def _exact_kinks(self, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
        """Whether the outputs' slopes differ on the two sides of some vertices."""
        on = [left | right for left, right in zip(self.patterns(vertices - 1), self.patterns(vertices), strict=True)]
        sources = self._sources(vertices)
        num_sources = np.add.reduce([source.sum(axis=0) for source in sources])
        member = (self._line(vertices) // self.lines_per_member).tolist()
        kinks = np.zeros(len(vertices), dtype=bool)
        # One unit alone bends at nearly every vertex: then it is enough to follow its change to the outputs. On its way
        # it keeps its size in units that are 0 on one side, and in all others the sign is the same on both.
        for cut, source in zip(self.cuts, sources, strict=True):
            for unit, column in np.argwhere(source & (num_sources == 1)).tolist():
                pattern = [active[:, column] for active in on]
                kinks[column] = self.exact.reaches_outputs(member[column], cut.layer, unit, pattern)
        several = np.flatnonzero(num_sources > 1)
        if len(several):
            kinks[several] = self._slopes_differ(vertices[several])
        return kinks

    def _sources(self, vertices: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        """Which units may bend at some vertices even if no unit of an earlier layer does, for each layer that bends.

        These are those that turn on or off there, but for those that are 0 all along the interval where they are off:
        no unit that they depend on is on there.
        """
        sources = []
        left, right = iter(self.patterns(vertices - 1)), iter(self.patterns(vertices))
        edges = np.searchsorted(vertices, self._edges())
        before = after = np.ones((self.starts.shape[1], len(vertices)), dtype=bool)  # whether a slope may not be 0
        for layer in self.layers:
            before, after = _support(layer.weight, before, edges), _support(layer.weight, after, edges)
            if layer.bends:
                on_before, on_after = next(left), next(right)
                sources.append((on_before & ~on_after & after) | (on_after & ~on_before & before))
                leaks = np.repeat(layer.slope.T != 0, np.diff(edges), axis=1)
                before, after = before & (on_before | leaks), after & (on_after | leaks)
        return sources

    def _slopes_differ(self, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
        """The same, of the slopes themselves."""
        intervals = np.union1d(vertices - 1, vertices)
        slopes = np.empty((self.slopes.shape[0], len(intervals)), dtype=object)
        for part, functions in self._exactly(intervals):
            *_, function = functions
            slopes[:, part] = function.slope  # of one member, hence with one denominator
        right = np.searchsorted(intervals, vertices)
        differ: Bool[np.ndarray, " some"] = (slopes[:, right] != slopes[:, right - 1]).any(axis=0)
        return differ

    def _exactly(self, intervals: Int[np.ndarray, " some"]) -> Iterator[tuple[slice, Iterator[ExactAffine]]]:
        """Exact pre-activations on some intervals, layer after layer, for one part of the intervals after another."""
        member = self._line(intervals) // self.lines_per_member
        for m in np.unique(member).tolist():
            a, b = np.searchsorted(member, [m, m + 1])
            for first in range(a, b, _PART):
                part = slice(first, min(first + _PART, b))
                line = self._line(intervals[part])
                yield part, self.exact.along(m, self.starts[line], self.ends[line], self.patterns(intervals[part]))

    def patterns(self, intervals: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        """Which units are on in some intervals, for each ReLU so far."""
        patterns = []
        for cut in reversed(self.cuts):
            patterns.append(cut.active[:, intervals])
            intervals = cut.parent[intervals]
        return patterns[::-1]
