"""Exact counts of linear pieces on segments of a network's input space."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn

from dlcourse.networks import Stack
from dlcourse.pieces.exact import ExactAffine, ExactNetwork
from dlcourse.pieces.reading import Layer, read
from dlcourse.pieces.rounding import EPS, EXACT, SLACK, TINY, lowest_bit


@dataclass(frozen=True, eq=False)
class OnLine:
    """A network on the segment x(t) = start + t (end - start), 0 <= t <= 1.

    The counts are there at once; everything else is worked out when it is first asked for. Breakpoints are exact points
    rounded to float64: two that are closer than that may have one and the same t, and are still counted apart.

    Attributes:
        num_regions: Number of activation regions of positive length.
        num_pieces: Number of linear pieces of the function.
        num_settled: How many signs floating point left open, so that exact arithmetic decided them.
        start: x(0).
        end: x(1).
    """

    num_regions: int
    num_pieces: int
    num_settled: int
    start: Float[np.ndarray, " in_features"]
    end: Float[np.ndarray, " in_features"]
    _subdivision: "_Subdivision" = field(repr=False)

    @cached_property
    def region_breakpoints(self) -> Float[np.ndarray, " num_regions-1"]:
        """Where one activation region ends and the next begins, as increasing values of t."""
        return np.maximum.accumulate(self._subdivision.position[1:-1])

    @cached_property
    def breakpoints(self) -> Float[np.ndarray, " num_pieces-1"]:
        """Where the function has a kink, as increasing values of t."""
        return self.region_breakpoints[self._kinks - 1]

    @cached_property
    def slopes(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """dy/dt on each piece."""
        return np.ascontiguousarray(self._subdivision.slopes[:, self._first_regions].T)

    @cached_property
    def intercepts(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """The value that each piece would take at t = 0: y = slope t + intercept on the piece."""
        return self._subdivision.intercepts(self._first_regions, self.start)

    def points(self, t: float | Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape in_features"]:
        """x(t), for instance `line.points(line.breakpoints)`."""
        t = _parameters(t)
        return self.start + t[..., None] * (self.end - self.start)

    def locate(self, t: float | Float[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """The piece, 0 to num_pieces - 1, that t lies on; at a breakpoint the one to its right.

        Raises:
            ValueError: If t is outside of [0, 1].
        """
        return np.asarray(np.searchsorted(self.breakpoints, _parameters(t), side="right"))

    def __call__(self, t: float | Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape out_features"]:
        """The network's outputs at x(t), from the affine map of the piece.

        Raises:
            ValueError: If t is outside of [0, 1].
        """
        piece = self.locate(t)
        return self.slopes[piece] * _parameters(t)[..., None] + self.intercepts[piece]

    @cached_property
    def _kinks(self) -> Int[np.ndarray, " num_pieces-1"]:
        """The vertices at which the function has a kink."""
        return np.flatnonzero(self._subdivision.kinks)

    @cached_property
    def _first_regions(self) -> Int[np.ndarray, " num_pieces"]:
        """The first activation region of each piece."""
        return np.concatenate([[0], self._kinks])


@dataclass(frozen=True, eq=False)
class OnLines:
    """The counts of every member of a stack on every one of several segments.

    Attributes:
        num_regions: Number of activation regions of positive length.
        num_pieces: Number of linear pieces of the function.
        num_settled: How many signs floating point left open, so that exact arithmetic decided them.
    """

    num_regions: Int64[np.ndarray, "members num_lines"]
    num_pieces: Int64[np.ndarray, "members num_lines"]
    num_settled: Int64[np.ndarray, "members num_lines"]


def on_line(
    network: nn.Module,
    start: float | Sequence[float] | Tensor | np.ndarray,
    end: float | Sequence[float] | Tensor | np.ndarray,
) -> OnLine:
    """Counts the activation regions and the linear pieces of a ReLU network on a segment of its input space, exactly.

    Activation regions are the maximal open intervals on which no unit's pre-activation changes its sign (-, 0 or +).
    A unit that is 0 all along an interval but not beside it makes no boundary of its own: a pre-activation bends only
    where a unit of an earlier layer passes from - to +, so the boundary is there already, and signs (-, 0, +) and
    on/off cut the segment at the same points. Linear pieces are the maximal intervals on which the function, all outputs
    together, is one affine map: neighbouring regions with the same map are one piece.

    What is counted is the function that the stored weights define as exact numbers. Floating point decides where a
    derived error bound proves the sign, exact integer arithmetic decides the rest.

    Cost and memory grow as regions times units; rounding needs no exact arithmetic unless something is degenerate or a
    network is very deep.

    Args:
        network: What `dlcourse.pieces.reading.read` understands.
        start: A point of input space: `in_features` numbers, or one number if there is one input.
        end: Another one.

    Returns:
        The counts, and on request the breakpoints and the affine maps.

    Raises:
        TypeError: If the network has a layer other than those that `read` understands.
        ValueError: If a point has the wrong number of coordinates or is not finite, or start and end are equal; if a
            parameter is not finite, or the network's values overflow float64.

    Source: slide "Depth and piecewise linear functions".
    """
    layers = read(network)
    start, end = _point(start, "start"), _point(end, "end")
    subdivision = _Subdivision(layers, *_segments(layers, start[None], end[None]))
    counts = subdivision.counts()
    return OnLine(
        num_regions=int(counts.num_regions[0, 0]),
        num_pieces=int(counts.num_pieces[0, 0]),
        num_settled=int(counts.num_settled[0, 0]),
        start=start,
        end=end,
        _subdivision=subdivision,
    )


def on_lines(
    network: nn.Module | Stack, starts: Sequence[object] | Tensor | np.ndarray, ends: Sequence[object] | Tensor | np.ndarray
) -> OnLines:
    """Counts, exactly, on many segments and for all members of a stack in one pass: `on_line` for each, but faster.

    Args:
        network: A network, or a stack of networks, that `dlcourse.pieces.reading.read` understands.
        starts: Where the segments start: `[num_lines, in_features]`, shared by all members, or
            `[members, num_lines, in_features]`.
        ends: Where they end.

    Returns:
        The counts, `[members, num_lines]`; a network is a stack of one.

    Raises:
        TypeError: As `on_line`.
        ValueError: As `on_line`; also if the shapes do not fit.
    """
    layers = read(network)
    return _Subdivision(layers, *_segments(layers, _array(starts), _array(ends))).counts()


def _parameters(t: float | Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """t as an array."""
    t = np.asarray(t, dtype=np.float64)
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(f"t must be between 0 and 1, got {t}")
    return t


def _array(values: object) -> Float[np.ndarray, "..."]:
    """Coordinates as float64."""
    if isinstance(values, Tensor):
        values = values.detach().to("cpu", torch.float64).numpy()
    return np.array(values, dtype=np.float64)


def _point(values: object, name: str) -> Float[np.ndarray, " in_features"]:
    """One point; a number is a point on the line."""
    point = np.atleast_1d(_array(values))
    if point.ndim != 1:
        raise ValueError(f"{name} must be one point, a number or a sequence of numbers, got shape {point.shape}")
    return point


def _segments(
    layers: list[Layer], starts: Float[np.ndarray, "..."], ends: Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "members num_lines in_features"], Float[np.ndarray, "members num_lines in_features"]]:
    """The segments of every member, checked."""
    members, _, in_features = layers[0].weight.shape
    for name, points in (("start", starts), ("end", ends)):
        if points.ndim not in (2, 3) or points.shape[-1] != in_features or (points.ndim == 3 and len(points) != members):
            raise ValueError(
                f"{name} must have {in_features} coordinates, one for each input of the network, and as an array the "
                f"shape [num_lines, {in_features}] or [{members}, num_lines, {in_features}], got {points.shape}"
            )
        if not np.isfinite(points).all():
            raise ValueError(f"{name} must be finite, got {points[~np.isfinite(points)][0]}")
    if starts.shape[-2] != ends.shape[-2] or starts.shape[-2] == 0:
        raise ValueError(f"there must be as many ends as starts and at least one, got {starts.shape} and {ends.shape}")
    starts, ends = (np.broadcast_to(points, (members, *points.shape[-2:])) for points in (starts, ends))
    equal = (starts == ends).all(axis=2)
    if equal.any():
        raise ValueError(f"start and end must differ, got {starts[equal][0]} for both")
    return starts, ends


_PART = 1024  # intervals that exact arithmetic takes at once: memory stays small, and every step is still one of many


class _Subdivision:
    """The segments of all members, cut at the sign changes of one layer after another.

    The vertices of all segments lie side by side: member after member, line after line, from t = 0 to t = 1. Interval v
    is the one to the right of vertex v; a line's last vertex has none. Signs of pre-activations are exact. Numbers are
    floats with a bound: for every unit |float - exact| <= error[., v]; where quantum[., v] > 0 they are exact, and
    integer multiples of it.

    Attributes:
        line: The line of each vertex, numbered through all members.
        is_last: Whether a vertex is its line's last.
        position: t of each vertex, rounded.
        born: The layer and the unit that made each vertex; (-1, 0) for a line's start and (-1, 1) for its end.
        rows: The current layer's values at the vertices, `rows[0]`, and their slopes on the intervals, `rows[-1]`; only
            the slopes after the last ReLU, since nobody asks for those values.
        active: For each ReLU, which units are on in each interval, `[units, intervals]`.
        parents: For each ReLU, which interval before its cuts each interval was part of.
        slopes: The outputs' slopes on the intervals.
        kinks: Whether the function has a kink at a vertex.
        num_settled: For each line, the number of signs that exact arithmetic decided.
    """

    def __init__(
        self,
        layers: list[Layer],
        starts: Float[np.ndarray, "members num_lines in_features"],
        ends: Float[np.ndarray, "members num_lines in_features"],
    ) -> None:
        self.layers = layers
        self.exact = ExactNetwork(layers)
        self.members, self.num_lines, in_features = starts.shape
        num_segments = self.members * self.num_lines
        self.starts, self.ends = starts.reshape(num_segments, in_features), ends.reshape(num_segments, in_features)
        self.num_settled = np.zeros(num_segments, dtype=np.int64)

        self.line = np.repeat(np.arange(num_segments), 2)
        self.is_last = np.tile([False, True], num_segments)
        self.position = np.tile([0.0, 1.0], num_segments)
        self.born = np.tile([[-1, -1], [0, 1]], num_segments)
        self.active: list[Bool[np.ndarray, "units intervals"]] = []
        self.parents: list[Int[np.ndarray, " intervals"]] = []

        last_relu = max((index for index, layer in enumerate(layers) if layer.relu), default=-1)
        with np.errstate(all="ignore"):  # overflow is looked for where it can begin; 0 * inf makes a quantum unknown
            self._start()
            for index, layer in enumerate(layers):
                self._affine(layer)
                if layer.relu:
                    self._cut(index, keep_values=index < last_relu)
            self.slopes = self.rows[-1]
            self.kinks = self._find_kinks()

    def counts(self) -> OnLines:
        """Regions and pieces of every line."""
        shape = (self.members, self.num_lines)
        num_vertices = np.bincount(self.line)
        num_kinks = np.bincount(self.line[self.kinks], minlength=len(num_vertices))
        return OnLines(
            (num_vertices - 1).reshape(shape), (num_kinks + 1).reshape(shape), self.num_settled.reshape(shape)
        )

    def intercepts(
        self, intervals: Int[np.ndarray, " some"], start: Float[np.ndarray, " in_features"]
    ) -> Float[np.ndarray, "some out_features"]:
        """What the affine maps of some intervals give at t = 0, where the only line is at `start`."""
        patterns = iter(self._patterns(intervals))
        values = np.repeat(start[:, None], len(intervals), axis=1)
        for layer in self.layers:
            values = layer.weight[0] @ values + layer.bias[0][:, None]
            if layer.relu:
                values *= next(patterns)
        return np.ascontiguousarray(values.T)

    def _start(self) -> None:
        """The uncut segments."""
        points = np.stack([self.starts, self.ends], axis=1).reshape(-1, self.starts.shape[1]).T
        directions = np.repeat((self.ends - self.starts).T, 2, axis=1)
        self.rows = np.stack([points, directions])
        quantum = np.minimum(lowest_bit(self.starts), lowest_bit(self.ends)).min(axis=1)
        size = (np.abs(self.starts) + np.abs(self.ends)).max(axis=1)
        exact = size < EXACT * quantum
        error, quantum = np.where(exact, 0, EPS * size), np.where(exact, quantum, 0)
        self.error = np.repeat([np.zeros(len(size)), error], 2, axis=1)
        self.quantum = np.repeat([quantum, quantum], 2, axis=1)

    def _affine(self, layer: Layer) -> None:
        """W h + b at the vertices, W dh/dt on the intervals, with their bounds."""
        _, num_units, in_features = layer.weight.shape
        num_rows, _, num_vertices = self.rows.shape
        has_values = num_rows == 2
        member = self.line // self.num_lines

        norm = np.abs(layer.weight).sum(axis=2).max(axis=1)[member]
        size = np.abs(self.rows).max(axis=1) * norm
        if has_values:
            size[0] += np.abs(layer.bias).max(axis=1)[member]
        if not np.isfinite(size).all():
            raise ValueError("the network's values on the line must be finite in float64, but they overflow")
        self.error = SLACK * (norm * self.error + (in_features + 1) * EPS * size) + TINY
        if self.quantum.any():
            self.quantum = self.quantum * lowest_bit(layer.weight).min(axis=(1, 2))[member]
            if has_values:
                self.quantum[0] = np.minimum(self.quantum[0], lowest_bit(layer.bias).min(axis=1)[member])
            exact = size < EXACT * self.quantum
            self.error[exact] = 0
            self.quantum[~exact] = 0

        rows = np.empty((num_rows, num_units, num_vertices))
        for m, (a, b) in enumerate(pairwise(np.searchsorted(member, np.arange(self.members + 1)).tolist())):
            np.matmul(layer.weight[m], self.rows[:, :, a:b], out=rows[:, :, a:b])
            if has_values:
                rows[0, :, a:b] += layer.bias[m][:, None]
        self.rows = rows

    def _cut(self, index: int, *, keep_values: bool) -> None:
        """Cuts the intervals where units of this layer change their signs, and applies ReLU."""
        signs = self._signs(index)
        crosses = signs[:, :-1] * signs[:, 1:] < 0
        crosses[:, self.is_last[:-1]] = False
        if crosses.any():
            signs = self._insert(index, signs, crosses)
        else:
            self.parents.append(np.arange(len(self.line)))

        positive = signs > 0
        active = positive.copy()  # a unit is on all along an interval if it is positive at either end
        active[:, :-1] |= positive[:, 1:]
        active[:, self.is_last] = False
        self.active.append(active)
        if not keep_values:
            self.rows, self.error, self.quantum = self.rows[1:], self.error[1:], self.quantum[1:]
        for row, on in zip(range(len(self.rows)), (positive, active)[-len(self.rows) :], strict=True):
            self.rows[row] *= on
            all_off = ~on.any(axis=0)
            self.error[row, all_off], self.quantum[row, all_off] = 0, np.inf

    def _signs(self, index: int) -> Int[np.ndarray, "units vertices"]:
        """The exact signs, -1, 0 or 1, of this layer's pre-activations at the vertices."""
        values, error = self.rows[0], self.error[0]
        proven = np.abs(values) > np.where(error == 0, -1, error)
        if not proven.all():
            vertices = np.flatnonzero(~proven.all(axis=0))
            self._settled(vertices, (~proven[:, vertices]).sum(axis=0))
            # All of such a vertex's values are worked out anew: rounded once, they make the bound start afresh.
            values[:, vertices] = self._exact_values(vertices)
            error[vertices] = EPS * np.abs(values[:, vertices]).max(axis=0) + TINY
        return (values > 0).view(np.int8) - (values < 0).view(np.int8)

    def _insert(
        self, index: int, signs: Int[np.ndarray, "units vertices"], crosses: Bool[np.ndarray, "units intervals"]
    ) -> Int[np.ndarray, "units more_vertices"]:
        """Makes a vertex of every point where units change their signs, one for all that do so at the same point."""
        unit, interval, t, t_error, shared = self._crossings(*np.nonzero(crosses))
        own = np.zeros(crosses.shape, dtype=np.int64)
        own[unit, interval] = np.cumsum(~shared) - 1
        unit, left, t, t_error = unit[~shared], interval[~shared], t[~shared], t_error[~shared]
        number = np.arange(len(left))
        parent = np.repeat(np.arange(len(self.line)), 1 + np.bincount(left, minlength=len(self.line)))
        new = left + 1 + number

        # Before its own vertex a crossing unit has the left end's sign, at it 0, after it the right end's, which is the
        # opposite; any other unit has the sign of the ends, or of the one end that is not 0.
        turned = signs[:, left] * np.sign(own[:, left] - number)
        new_signs = np.where(crosses[:, left], turned, np.sign(signs[:, left] + signs[:, left + 1]))
        new_position = self.position[left] + t * (self.position[left + 1] - self.position[left])
        new_values, new_error, new_quantum = self._interpolate(unit, left, t, t_error)

        self.parents.append(parent)
        self.line, self.is_last, self.position = self.line[parent], self.is_last[parent], self.position[parent]
        self.born, self.error, self.quantum = self.born[:, parent], self.error[:, parent], self.quantum[:, parent]
        self.rows, signs = self.rows[:, :, parent], signs[:, parent]
        self.born[0, new], self.born[1, new], self.position[new] = index, unit, new_position
        self.error[0, new], self.quantum[0, new] = new_error, new_quantum
        self.rows[0][:, new], signs[:, new] = new_values, new_signs
        return signs

    def _crossings(
        self, unit: Int[np.ndarray, " crossings"], interval: Int[np.ndarray, " crossings"]
    ) -> tuple[
        Int[np.ndarray, " crossings"],
        Int[np.ndarray, " crossings"],
        Float[np.ndarray, " crossings"],
        Float[np.ndarray, " crossings"],
        Bool[np.ndarray, " crossings"],
    ]:
        """The sign changes of units on intervals, from left to right.

        Returns:
            For each: the unit; the interval; how far along the interval it is, 0 < t < 1; a bound for the error of t; and
            whether it is at the same point as the one before it.
        """
        values, error = self.rows[0], self.error[0]
        before, after = np.abs(values[unit, interval]), np.abs(values[unit, interval + 1])
        t = before / (before + after)
        t_error = SLACK * (np.maximum(error[interval], error[interval + 1]) / (before + after) + 2 * EPS * t)
        shared = np.zeros(len(unit), dtype=bool)
        if (interval[1:] > interval[:-1]).all():
            return unit, interval, t, t_error, shared

        order = np.lexsort((t, interval))
        unit, interval, t, t_error = unit[order], interval[order], t[order], t_error[order]
        proven = (interval[1:] > interval[:-1]) | (t[1:] - t[:-1] > SLACK * (t_error[1:] + t_error[:-1]))
        if not proven.all():
            open_ = interval[1:][~proven]
            self._settled(open_)
            order, shared = self._exact_order(unit, interval, np.unique(open_))
            unit, t, t_error = unit[order], t[order], t_error[order]
        return unit, interval, t, t_error, shared

    def _interpolate(
        self,
        unit: Int[np.ndarray, " new"],
        left: Int[np.ndarray, " new"],
        t: Float[np.ndarray, " new"],
        t_error: Float[np.ndarray, " new"],
    ) -> tuple[Float[np.ndarray, "units new"], Float[np.ndarray, " new"], Float[np.ndarray, " new"]]:
        """All units' values at the points where a unit crosses, with error and quantum."""
        values, error, quantum = self.rows[0], self.error[0], self.quantum[0]
        start = values[:, left]
        change = values[:, left + 1] - start
        new_values = start + t * change
        width = np.abs(change).max(axis=0)
        size = np.abs(new_values).max(axis=0) + width
        new_error = np.maximum(error[left], error[left + 1]) + np.minimum(t_error, 1) * width + 2 * EPS * size
        new_error = SLACK * new_error + TINY
        new_quantum = np.minimum(quantum[left], quantum[left + 1])
        if new_quantum.any():
            new_quantum *= lowest_bit(t)
            crossing = np.arange(len(unit))
            exact_t = np.abs(t * change[unit, crossing]) == np.abs(start[unit, crossing])
            exact = exact_t & (2 * size < EXACT * new_quantum)
            new_error[exact] = 0
            new_quantum[~exact] = 0
        return new_values, new_error, new_quantum

    def _find_kinks(self) -> Bool[np.ndarray, " vertices"]:
        """Whether some output has different slopes on the two sides of a vertex."""
        kinks = np.zeros(len(self.line), dtype=bool)
        jump, error = np.abs(np.diff(self.slopes, axis=1)), self.error[-1, 1:] + self.error[-1, :-1]
        inner = self.born[0] >= 0
        kinks[1:] = inner[1:] & (jump > SLACK * error).any(axis=0)
        open_ = inner & ~kinks
        open_[1:] &= error != 0
        if open_.any():
            vertices = np.flatnonzero(open_)
            self._settled(vertices)
            kinks[vertices] = self._exact_kinks(vertices)
        return kinks

    def _settled(self, vertices: Int[np.ndarray, " some"], signs: Int[np.ndarray, " some"] | int = 1) -> None:
        """Counts signs at some vertices as settled by exact arithmetic."""
        np.add.at(self.num_settled, self.line[vertices], signs)

    def _exact_values(self, vertices: Int[np.ndarray, " some"]) -> Float[np.ndarray, "units some"]:
        """All pre-activations of the current layer at some vertices, rounded once; the sign survives."""
        values = np.empty((self.rows.shape[1], len(vertices)))
        for part, functions in self._exactly(vertices - self.is_last[vertices]):
            layer, unit = self.born[:, vertices[part]]
            above, below = unit.astype(object), np.ones(len(unit), dtype=object)  # t = above / below: 0 or 1 at the ends
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
    ) -> tuple[Int[np.ndarray, " crossings"], Bool[np.ndarray, " crossings"]]:
        """The order of crossings, exact in some intervals, and which are at the same point as the one before them."""
        order, shared = np.arange(len(unit)), np.zeros(len(unit), dtype=bool)
        for part, functions in self._exactly(intervals):
            *_, function = functions
            for column, one in enumerate(intervals[part].tolist()):
                a, b = np.searchsorted(interval, [one, one + 1])
                slope, intercept = function.slope[unit[a:b], column], function.intercept[unit[a:b], column]
                points = sorted((Fraction(-i, s), k) for k, (s, i) in enumerate(zip(slope, intercept, strict=True)))
                order[a:b] = [a + k for _, k in points]
                shared[a + 1 : b] = [p == q for (p, _), (q, _) in pairwise(points)]
        return order, shared

    def _exact_kinks(self, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
        """Whether the outputs' slopes differ on the two sides of some vertices."""
        intervals = np.union1d(vertices - 1, vertices)
        slopes = np.empty((self.slopes.shape[0], len(intervals)), dtype=object)
        for part, functions in self._exactly(intervals):
            *_, function = functions
            slopes[:, part] = function.slope  # of one member, hence with one denominator
        right = np.searchsorted(intervals, vertices)
        return (slopes[:, right] != slopes[:, right - 1]).any(axis=0)

    def _exactly(self, intervals: Int[np.ndarray, " some"]) -> Iterator[tuple[slice, Iterator[ExactAffine]]]:
        """Exact pre-activations on some intervals, layer after layer, for one part of the intervals after another."""
        member = self.line[intervals] // self.num_lines
        for m in np.unique(member):
            a, b = np.searchsorted(member, [m, m + 1])
            for first in range(a, b, _PART):
                part = slice(first, min(first + _PART, b))
                line = self.line[intervals[part]]
                yield part, self.exact.along(m, self.starts[line], self.ends[line], self._patterns(intervals[part]))

    def _patterns(self, intervals: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        """Which units are on in some intervals, for each ReLU so far."""
        patterns = []
        for active, parent in zip(reversed(self.active), reversed(self.parents), strict=True):
            patterns.append(active[:, intervals])
            intervals = parent[intervals]
        return patterns[::-1]
