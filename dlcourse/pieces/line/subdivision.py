"""Values and slopes on segments, with bounds: what becomes of them where layers cut, and which signs are proven."""

import math
from copy import copy

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from dlcourse.pieces.arithmetic.rounding import EPS, EXACT, SLACK, TINY, TINY_LENGTH, grows, quantum, roundings
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.between import New, Sizes, are_exact, errors_between, put_between
from dlcourse.pieces.line.blocks import Block
from dlcourse.pieces.line.closer import look_closer
from dlcourse.pieces.line.crossings import Crossings, from_left_to_right
from dlcourse.pieces.line.digit_functions import DigitFunctions
from dlcourse.pieces.line.growth import FELT, Growth
from dlcourse.pieces.line.intervals import Cut, Intervals
from dlcourse.pieces.line.layout import Layout, signs_among
from dlcourse.pieces.line.steady import Steady, roundings_of
from dlcourse.pieces.line.ties import Ties
from dlcourse.pieces.line.zeros import Zeros

_MANY = 0.5  # of the vertices: where digits have been asked at so many, closer bounds begin anew
_VAGUE = 2.0**-40  # of the largest value: with bounds beyond that it pays to look closer


class Subdivision:
    """The segments of all members, cut at the sign changes of one layer after another.

    The signs of pre-activations at vertices are exact; the floats have bounds, in the 2-norm over units. A slope is off
    by error[1, v] at most. A value belongs to a place near the vertex, at most shift[v] away from it in t: there the
    affine functions of both neighbouring intervals, continued if need be, are at most error[0, v] away from it. So
    errors do not grow where layers cut:

    - The value at a convex combination of two vertices' places is off by their larger error, and by roundings.
    - Where a unit's value is 0, its function is at most that error, so its zero is error / |slope| away: the shift.
    - A unit turned off is 0 on one side and its function on the other: 0 is within that error of both.

    A value more than error + shift |slope| from 0 has the sign of the function both at the vertex and at the value's
    place. Hence zeros of units that cross lie between the places of their interval's ends.

    Attributes:
        intervals: The vertices, and the intervals between them.
        member: The member of each vertex; not kept up if there is but one.
        rows: The current layer's values at the vertices, `rows[0]`, and their slopes on the intervals, `rows[-1]`; from
            the last bend on only the slopes, since no sign depends on those values.
        quantum: For each of the rows: if positive, its floats are all exact and integer multiples of it.
        error: The bounds, for each of the rows, `[rows, vertices]`; a single 0, `[rows, 1]`, as long as all is exact.
        steepest: A bound for the floats of the slopes, `[vertices]`; `[1]` for all as long as all is exact.
        stretches: How much each layer may stretch errors, for each member.
        closely: Whether that is bounded more closely than by Frobenius norms, by a dense layer when it is taken.
        closest: Whether they may grow so much that, once they are felt, there are closer bounds still.
        growth: These.
        shift: How far from its vertex a value may belong, `[vertices]`; not kept up from the last bend on.
        zeros: Which values are known to be 0 although floats do not prove it.
        ties: Which values are differences of equal ones.
        num_settled: For each line, the number of signs that integers decided.
        digits: The functions in numbers of several digits, which decide most of what floats leave open.
        in_blocks: Whether a line may be divided into blocks: one alone, of layers where zeros abound.
        block: The block that this is.
        steady: Which units have no kink in it.
    """

    def __init__(
        self,
        layers: list[UnitLayer],
        starts: Float[np.ndarray, "members num_lines in_features"],
        ends: Float[np.ndarray, "members num_lines in_features"],
    ) -> None:
        self.intervals = Intervals(layers, starts, ends)
        num_lines = len(self.intervals.last)
        self.num_settled, self.shift = np.zeros(num_lines, dtype=np.int64), np.zeros(2 * num_lines)
        self.member = np.repeat(np.arange(self.intervals.members), 2 * self.intervals.lines_per_member)
        self.zeros, self.ties = Zeros(self.intervals), Ties(self.intervals)
        self.digits = DigitFunctions(self.intervals)
        self.in_blocks = num_lines == 1 and any(layer.is_sparse for layer in layers)
        self.block, self.steady = Block(), Steady(starts.shape[2])
        self.stretches, self.closely = self.digits.network.stretches()
        self.closest, self.growth = self.closely and grows(self.stretches), Growth(self.intervals, self.digits)
        self.rows, self.quantum, self.error = self.intervals.uncut()

    def affine(self, index: int) -> None:
        """W h + b at the vertices, W dh/dt on the intervals, with bounds."""
        layer, stretch = self.intervals.layers[index], self.stretches[index]
        num_rows, _, num_vertices = self.rows.shape
        has_values = num_rows == 2
        self.zeros.affine(layer)
        error, shares = self.error, None
        # The sizes of the terms that each sum has at most.
        if all(self.quantum):
            largest = np.maximum(self.rows.max(axis=(1, 2)), -self.rows.min(axis=(1, 2)))[:, None]
        else:
            largest = np.maximum(self.rows.max(axis=1), -self.rows.min(axis=1))
        if self.in_blocks and has_values and self.quantum[0] == 0:
            shares = self.steady.shares(layer)
            if shares:
                error, largest = self.steady.bounds(self.rows, self.error, largest, shares)
        sizes = layer.row_sums
        size = largest * self._at_vertices(sizes.max(axis=1))
        if has_values:
            size[0] += self._at_vertices(np.abs(layer.bias).max(axis=1))
        self.steepest = size[-1]
        if not np.isfinite(size).all():
            raise ValueError("the network's values on the line must be finite in float64, but they overflow")
        if any(self.quantum):
            shared = float(quantum(layer.bias.reshape(-1, 1))[0])  # of few numbers, which tell already as a rule
            if shared > 0:
                shared = min(shared, float(quantum(layer.numbers[:, None])[0]))
            self._refine(shared, size)
        if not all(self.quantum):
            nonzero = (largest > 0) | (error > 0)  # what is exactly 0 gives exactly b, and slope 0
            if self.closely and not layer.is_sparse:
                stretch = self.digits.network.stretch_for(index, num_vertices)
            stretched = error * self._at_vertices(stretch)
            by_weights, by_biases = roundings(layer.stored, layer.bias, sizes)
            rounded = largest * self._at_vertices(by_weights)
            if has_values:
                rounded[0] += self._at_vertices(by_biases)
            if shares:
                rounded[0] += largest[0] * roundings_of(sizes)
            rounded = (SLACK * rounded + TINY) * nonzero
            self._bound(SLACK * stretched + rounded)

        self.rows = self.steady.multiplied(layer, self.rows, shares, self.intervals.edges())
        if self.in_blocks:
            self.steady.affine(layer)
        if has_values:
            self.rows[0] += self._at_vertices(layer.bias)
        self.growth.felt = self.closest and has_values and bool(self.error[0].max() > FELT * size[0].max())
        if self.growth.felt or self.growth.ellipsoids is not None:
            bound = self._bound_of_values() if has_values else self.error[0]
            self._bound(self.growth.closer(index, self.rows[0], bound, self.error, error, rounded))

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

    def cut(self, index: int, signs: Int[np.ndarray, "units vertices"], crossings: Crossings, layout: Layout) -> None:
        """Cuts the intervals where units of this layer change their signs, and bends the units' values there."""
        layer, keep_values = self.intervals.layers[index], len(self.rows) == 2
        signs = signs_among(signs, crossings, layout)
        self._insert(crossings, layout)
        if self.block.goes_on:  # what is right of the last vertex is not of this block
            self.rows[-1][:, -1] = self.rows[-1][:, -2]
            if self.error.shape[1] > 1:
                self.error[-1, -1] = self.error[-1, -2]

        positive = signs > 0
        active = positive.copy()  # a unit is on all along an interval if it is positive at either end
        active[:, :-1] |= positive[:, 1:]
        active[:, self.intervals.last] = active[:, self.intervals.last - 1] if self.block.goes_on else False
        points, parent = layout.points, layout.parent + self.block.first
        self.block = self.block._replace(first=0)
        self.intervals.cuts.append(Cut(index, parent, layout.is_new, points.unit, points.t, points.t_error, active))
        if self.in_blocks:
            self.steady.bend(active[:, :-1])
        on = [positive, active] if keep_values else [active]
        if self.growth.ellipsoids is not None:
            self.growth.ellipsoids.bend(layer.slope, active)
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
            self.zeros.bend(signs, None if layer.relu else self._at_vertices(layer.slope), layout)

    def keep_slopes(self) -> None:
        """Gives up the values."""
        self.rows, self.quantum = self.rows[1:], self.quantum[1:]
        self.error = np.zeros((1, 1)) if all(self.quantum) else self.error[1:]
        if self.growth.ellipsoids is not None:
            self.growth.ellipsoids.keep_slopes()

    def part(self, old: slice, block: Block) -> "Subdivision":
        """A copy of all that is known at some vertices in a row, to be cut further."""
        part = copy(self)
        part.block, part.steady, part.zeros = block, self.steady.between(old), self.zeros.between(old)
        part.intervals, part.quantum = copy(self.intervals), [*self.quantum]
        part.intervals.cuts, part.intervals.last = [*self.intervals.cuts], np.array([old.stop - old.start - 1])
        part.zeros.intervals, part.ties = part.intervals, self.ties.of_block(part.intervals)
        part.digits = self.digits.of_block(part.intervals, block.goes_on)
        part.growth = self.growth.of_block(part.intervals, part.digits)
        part.rows, part.shift = self.rows[:, :, old].copy(), self.shift[old].copy()
        part.error = (self.error[:, old] if self.error.shape[1] > 1 else self.error).copy()
        return part

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
            if self.growth.ellipsoids is not None:
                self.growth.ellipsoids.round(rounded)
            self._bound((SLACK * (self.error * steepest + rounded) + TINY) * ((size > 0) | (self.error > 0)))

    def signs(self, layer: UnitLayer) -> Int[np.ndarray, "units vertices"]:
        """The exact signs, -1, 0 or 1, of the layer's pre-activations at the vertices; 1 for what is passed through."""
        values = self.rows[0]
        through = None if layer.relu else np.broadcast_to(self._at_vertices(layer.slope) == 1, values.shape)
        if self.quantum[0] == 0:
            bound = self._bound_of_values()
            proven = np.abs(values) > bound
            proven |= bound == 0
            if through is not None:
                proven |= through
            early = self.growth.felt and self.growth.ellipsoids is None
            now = self.growth.vague_soon(values, self.error[0], in_time=True) if early else np.zeros(0, dtype=np.int64)
            if len(now) > 0 or not proven.all():
                self._settle_signs(proven, now)
        signs: Int[np.ndarray, "units vertices"] = (values > 0).view(np.int8) - (values < 0).view(np.int8)
        if through is not None and self.intervals.members == 1:
            signs[through[:, 0]] = 1
        elif through is not None:
            signs[through] = 1
        return signs

    def _bound_of_values(self) -> Float[np.ndarray, "_"]:
        """How far from 0 values are proven to have their signs."""
        return np.asarray(SLACK * (self.error[0] + self.shift * (SLACK * self.steepest + self.error[1])))

    def _settle_signs(self, proven: Bool[np.ndarray, "units vertices"], now: Int[np.ndarray, " some"]) -> None:
        """Makes the signs right where they are not proven; looks closer at some vertices even if they are."""
        # The functions of both intervals have one value at a vertex: the flatter one tells more. Ends have shift 0.
        unit, vertex = np.nonzero(~proven & (self.rows[0] != 0))
        left, right = (np.abs(self.rows[1][unit, v]) + self.error[1, v] for v in (np.maximum(vertex - 1, 0), vertex))
        error = self.error[0, vertex]
        if self.growth.ellipsoids is not None:
            error = np.fmin(error, self.growth.ellipsoids.of_units(unit, vertex))
        bound = SLACK * (error + self.shift[vertex] * np.minimum(left, right))
        proven[unit, vertex] = np.abs(self.rows[0][unit, vertex]) > bound
        # What is made of zeros is 0 itself: of pools of units that are off, for instance.
        vertices = np.flatnonzero(~proven.all(axis=0))
        if 2 * len(vertices) > proven.shape[1]:  # then it is quicker to ask for all
            proven |= ~self.zeros.may_differ(np.arange(proven.shape[1]))
        else:
            proven[:, vertices] |= ~self.zeros.may_differ(vertices)
        self._take_out_ties(proven, closely=False)
        vertices = np.flatnonzero(~proven.all(axis=0))
        # What bounds this close leave open is 0 as a rule, which digits do not prove.
        vague = self.error[0, vertices] > _VAGUE * np.abs(self.rows[0][:, vertices]).max(axis=0)
        if vague.any():
            now = self.growth.asked_for(vertices[vague], self.rows[0], self.error[0])
        if len(now) > 0:
            self._look_closer(now, proven)
        self._take_out_ties(proven, closely=True)
        vertices = np.flatnonzero(~proven.all(axis=0))
        self.count_settled(vertices, (~proven[:, vertices]).sum(axis=0))
        # All of such a vertex's values are worked out anew: rounded only once, they make the bound start afresh.
        if len(vertices):
            values = self.intervals.exact_values(vertices, self.rows.shape[1])
            self._move(vertices)
            self.rows[0][:, vertices] = values
            self.error[0, vertices] = math.sqrt(len(values)) * EPS * np.abs(values).max(axis=0) + TINY
            self._loosen(0, vertices, self.error[0, vertices])

    def _take_out_ties(self, proven: Bool[np.ndarray, "units vertices"], *, closely: bool) -> None:
        """Makes values 0 that are not proven and are differences of equal ones; errors grow by what they have been."""
        unit, vertex = self.ties.zeros(*np.nonzero(~proven), closely=closely)
        proven[unit, vertex] = True
        off = np.bincount(vertex, self.rows[0][unit, vertex] ** 2, minlength=proven.shape[1])
        more = np.where(off > 0, SLACK * (np.sqrt(off) + EPS * self.error[0]) + TINY_LENGTH, 0)
        self.error[0] += more
        self._loosen(0, np.arange(len(more)), more)
        self.rows[0][unit, vertex] = 0

    def _look_closer(self, vertices: Int[np.ndarray, " some"], proven: Bool[np.ndarray, "units vertices"]) -> None:
        """Takes values, and slopes beside them, from digits at those vertices where these prove all signs."""
        if len(vertices) > _MANY * proven.shape[1]:
            self.growth.ellipsoids = None  # what is so much closer now begins anew
        closer = look_closer(self.digits, vertices, self.rows[0][:, vertices], proven[:, vertices])
        vertices = vertices[closer.proven]
        proven[:, vertices] = True
        self._move(vertices)
        self.rows[0][:, vertices], self.error[0, vertices] = closer.values, closer.error
        self._loosen(0, vertices, closer.error)
        on = closer.slope_error < self.error[1, vertices]  # nowhere if they are exact
        self._loosen(1, vertices[on], closer.slope_error[on])
        self.rows[1][:, vertices[on]], self.error[1, vertices[on]] = closer.slopes[:, on], closer.slope_error[on]

    def _loosen(self, row: int, vertices: Int[np.ndarray, " some"], off: Float[np.ndarray, " some"]) -> None:
        """Makes room for errors of some lengths in closer bounds."""
        if self.growth.ellipsoids is not None:
            self.growth.ellipsoids.loosen(row, vertices, off)

    def _move(self, vertices: Int[np.ndarray, " some"]) -> None:
        """Makes vertices the places that their values belong to."""
        if self.in_blocks:
            self.steady.move(vertices, self.shift[vertices])
        self.shift[vertices] = 0

    def _at_vertices(
        self, of_members: Shaped[np.ndarray, "members *units"]
    ) -> Shaped[np.ndarray, "*units vertices_or_1"]:
        """What is of a member for every vertex; one for all if there is but one member."""
        return of_members.T if self.intervals.members == 1 else of_members.T.take(self.member, axis=-1)

    def _insert(self, crossings: Crossings, layout: Layout) -> None:
        """Makes a vertex of every point where units cross."""
        parent, order, is_new, points, _ = layout
        if len(points.number) == 0 and len(order) == self.rows.shape[2]:
            return
        rows, new = np.empty((*self.rows.shape[:2], len(parent))), None
        self.rows[-1].take(parent, axis=1, out=rows[-1], mode="clip")  # which is faster than to check the indices
        if len(rows) == 2:
            sizes = put_between(self.rows[0], points.interval, points.t, order, rows[0])
            new = self._errors_between(crossings, layout, sizes)
            if self.in_blocks:
                self.steady.insert(layout)
        if not all(self.quantum):
            self.error = self.error.take(parent, axis=1)
            if new is not None:
                self.shift = self.shift.take(parent)
                self.error[0, is_new], self.shift[is_new] = new.error, new.shift
        elif new is not None:
            self.shift = np.zeros(len(parent))
        if self.growth.ellipsoids is not None:
            self.growth.ellipsoids.insert(layout, None if new is None else new.scale)
        self.rows = rows
        old = np.flatnonzero(~is_new)
        self.intervals.last = np.array([len(parent) - 1]) if not self.block.is_all else old[self.intervals.last]
        if self.intervals.members > 1:
            self.member = self.member.take(parent)

    def crossings(self, unit: Int[np.ndarray, " crossings"], interval: Int[np.ndarray, " crossings"]) -> Crossings:
        """Where in their intervals units cross, from left to right."""
        error = self.error[0] if self.quantum[0] == 0 else None
        crossings, proven = from_left_to_right(unit, interval, self.rows[0], error)
        if proven.all():
            return crossings
        tied = self.ties.share_points(crossings, ~proven, closely=False)
        vague = ~(proven | tied) & (crossings.t_error[1:] + crossings.t_error[:-1] > _VAGUE)
        if error is not None and vague.any():
            left = crossings.interval[1:][vague]
            self._look_closer(np.union1d(left, left + 1), np.ones(self.rows.shape[1:], dtype=bool))
            crossings, proven = from_left_to_right(unit, interval, self.rows[0], self.error[0])
            tied = self.ties.share_points(crossings, ~proven, closely=False)
        tied |= self.ties.share_points(crossings, ~(proven | tied), closely=True)
        crossings = crossings._replace(number=crossings.number - np.append(0, np.cumsum(tied))[: len(unit)])
        if not (proven | tied).all():
            unit, interval, t, t_error, _ = crossings
            open_ = interval[1:][~(proven | tied)]
            self.count_settled(open_)
            order, number = self.intervals.exact_order(unit, interval, tied, np.unique(open_))
            crossings = Crossings(unit[order], interval, t[order], t_error[order], number)
        return crossings

    def _errors_between(self, crossings: Crossings, layout: Layout, sizes: Sizes) -> New:
        """Errors and shifts of all units' values at the points where units cross; tells whether they are exact."""
        values, error, t = self.rows[0], self.error, layout.points.t
        if len(t) == 0:
            return New(t, t, t)
        if self.quantum[0] > 0:
            shared = self.quantum[0] * float(quantum(t[:, None])[0])
            if are_exact(values, layout.points, sizes, shared):
                self.quantum[0] = shared
                return New(0 * t, 0 * t, None)
            if all(self.quantum):
                self.error = error = np.zeros(self.rows.shape[::2])
            self.quantum[0] = 0.0
        return errors_between(
            values, error[0], (self.rows[1], error[1]), crossings, layout, sizes, self.growth.ellipsoids
        )

    def count_settled(self, vertices: Int[np.ndarray, " some"], signs: Int[np.ndarray, " some"] | int = 1) -> None:
        """Counts signs at some vertices as decided by exact arithmetic."""
        if self.block.goes_on:  # the next block counts those of the vertex that both share
            own = vertices < self.intervals.last[-1]
            vertices, signs = vertices[own], signs[own] if isinstance(signs, np.ndarray) else signs
        np.add.at(self.num_settled, self.intervals.line(vertices), signs)
