"""A network on a segment of its input space, and a stack on several segments: what is asked once they are cut."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.layer import UnitLayer, of_member
from dlcourse.pieces.line.along import Along
from dlcourse.pieces.line.blocks import num_at_once
from dlcourse.pieces.line.layer_by_layer import Subdivided, subdivide
from dlcourse.pieces.line.positions import on_half_line, on_segment
from dlcourse.pieces.points import MOST_SHOWN, in_short


@dataclass(frozen=True, eq=False, repr=False)
class OnLine(Along):
    """A network on the segment x(t) = start + t (end - start), 0 <= t <= 1.

    The counts are there at once; all else is worked out when it is first asked for. Breakpoints are rounded, and proven
    to 2^-20 of the segment: two that are closer to each other may have one and the same t, and are still counted apart.

    Attributes:
        num_regions: Number of activation regions.
        num_pieces: Number of linear pieces of the function.
        num_settled: Number of signs that neither floats nor numbers of more digits proved, so that integers did.
        start: x(0).
        end: x(1).
    """

    start: Float[np.ndarray, "*input_shape"]
    end: Float[np.ndarray, "*input_shape"]
    _subdivision: Subdivided = field(repr=False)
    _line: int = field(repr=False)

    def __repr__(self) -> str:
        counts = f"num_regions={self.num_regions}, num_pieces={self.num_pieces}"
        return f"OnLine({counts}, start={in_short(self.start)}, end={in_short(self.end)})"

    @cached_property
    def region_breakpoints(self) -> Float[np.ndarray, " region_breakpoints"]:
        """Where one activation region ends and the next begins: num_regions - 1 values of t, in order.

        Proven to 2^-20, mostly good to 2^-40.
        """
        return on_segment(self._subdivision.intervals, self._subdivision.digits, *self._vertices)

    @property
    def _breakpoints_of_half_line(self) -> Float[np.ndarray, " region_breakpoints"]:
        """The same as t / (1 - t), which goes to infinity: proven to 2^-20 of 1 more than that."""
        return on_half_line(self._subdivision.intervals, self._subdivision.digits, *self._vertices)

    @cached_property
    def piece_of_region(self) -> Int[np.ndarray, " regions"]:
        """The linear piece, 0 to num_pieces - 1, that each region is part of."""
        return np.cumsum(self._subdivision.kinks[self._intervals])

    @cached_property
    def slopes(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """dy/dt on each piece."""
        return np.ascontiguousarray(self._subdivision.slopes[:, self._intervals[self._first_regions]].T)

    @property
    def intercepts(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """What the affine map of each piece is at t = 0, so that y = slope t + intercept on the piece."""
        return self._intercepts[0]

    @cached_property
    def _intercepts(
        self,
    ) -> tuple[Float[np.ndarray, "num_pieces out_features"], Float[np.ndarray, "num_pieces out_features"]]:
        """The intercepts, and how far off they may be: what a layer takes in, and n + 2 roundings of its terms."""
        patterns = iter(self._patterns(self._first_regions))
        values = np.repeat(self.start.reshape(-1, 1), self.num_pieces, axis=1)
        error = np.zeros(values.shape)
        for layer in self._layers:
            terms = error + (len(values) + 2) * EPS * np.abs(values)
            error = SLACK * (abs(layer.stored[0]) @ terms + 2 * EPS * np.abs(layer.bias[0][:, None])) + TINY
            values = layer.stored[0] @ values + layer.bias[0][:, None]
            if layer.bends:
                factor = np.where(next(patterns), 1, layer.slope[0][:, None])
                values *= factor
                error = SLACK * (np.abs(factor) * error + EPS * np.abs(values)) + TINY
        return np.ascontiguousarray(values.T), error.T

    @property
    def _errors(self) -> tuple[Float[np.ndarray, "num_pieces 1"], Float[np.ndarray, "num_pieces out_features"]]:
        of_slopes = np.broadcast_to(self._subdivision.error, self._subdivision.slopes.shape[1:])
        return of_slopes[self._intervals[self._first_regions], None], self._intercepts[1]

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
    def _where(self) -> str:
        return f" (x from {in_short(self.start)} to {in_short(self.end)})" if self.start.size <= MOST_SHOWN else ""

    @cached_property
    def _layers(self) -> list[UnitLayer]:
        intervals = self._subdivision.intervals
        return of_member(intervals.layers, self._line // intervals.lines_per_member)

    @cached_property
    def _intervals(self) -> Int[np.ndarray, " regions"]:
        """Those of the subdivision that are on this line."""
        last = self._subdivision.intervals.last
        return np.arange(last[self._line - 1] + 1 if self._line else 0, last[self._line])

    @property
    def _vertices(
        self,
    ) -> tuple[
        Int[np.ndarray, " region_breakpoints"],
        Float[np.ndarray, " region_breakpoints"],
        Float[np.ndarray, " region_breakpoints"],
    ]:
        """The vertices between regions, their t, and how far off these may be."""
        vertices = self._intervals[1:]
        position, error = self._subdivision.positions
        return vertices, position[vertices], error[vertices]

    def _patterns(self, regions: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        # Where all members are cut together, a layer may have kinks in another member only.
        subdivision = self._subdivision.intervals
        patterns = zip(subdivision.cuts, subdivision.patterns(self._intervals[regions]), strict=True)
        return [units for cut, units in patterns if self._layers[cut.layer].bends]

    def _with_layers(self, layers: list[UnitLayer]) -> "OnLine":
        ends = self.start.reshape(1, 1, -1), self.end.reshape(1, 1, -1)
        return count_on_lines(
            layers, *ends, self.start.shape, self._subdivision.max_regions, self._subdivision.max_gigabytes
        ).line(0, 0)


@dataclass(frozen=True, eq=False)
class OnLines:
    """Every member of a stack on every one of several segments.

    Attributes:
        num_regions: Number of activation regions.
        num_pieces: Number of linear pieces of the function.
        num_settled: Number of signs that neither floats nor numbers of more digits proved, so that integers did;
            a member may need fewer when it is counted alone. The counts are the same.
    """

    num_regions: Int64[np.ndarray, "members num_lines"]
    num_pieces: Int64[np.ndarray, "members num_lines"]
    num_settled: Int64[np.ndarray, "members num_lines"]
    _subdivisions: list[Subdivided] = field(repr=False)  # of some lines after the others, numbered through all members
    _input_shape: tuple[int, ...] = field(repr=False)

    def __repr__(self) -> str:
        members, num_lines = self.num_regions.shape
        regions, pieces = (f"{each.min()} to {each.max()}" for each in (self.num_regions, self.num_pieces))
        return f"OnLines({members} members x {num_lines} lines, {regions} regions, {pieces} pieces)"

    def line(self, member: int, index: int) -> OnLine:
        """One member on one of the segments."""
        members, num_lines = self.num_regions.shape
        if not (0 <= member < members and 0 <= index < num_lines):
            raise ValueError(f"there are {members} members and {num_lines} lines, got member {member}, line {index}")
        line = member * num_lines + index
        ends = np.cumsum([len(some.intervals.last) for some in self._subdivisions])
        which = int(np.searchsorted(ends, line, side="right"))
        subdivision, line = self._subdivisions[which], line - int(ends[which - 1] if which else 0)
        return OnLine(
            num_regions=int(self.num_regions[member, index]),
            num_pieces=int(self.num_pieces[member, index]),
            num_settled=int(self.num_settled[member, index]),
            start=subdivision.intervals.starts[line].reshape(self._input_shape),
            end=subdivision.intervals.ends[line].reshape(self._input_shape),
            _subdivision=subdivision,
            _line=line,
        )


def count_on_lines(
    layers: list[UnitLayer],
    starts: Float[np.ndarray, "members num_lines in_features"],
    ends: Float[np.ndarray, "members num_lines in_features"],
    input_shape: tuple[int, ...],
    max_regions: int,
    max_gigabytes: float | int | None = None,
) -> OnLines:
    """What `on_lines` does once it has read the network and checked the segments."""
    shape = starts.shape[:2]
    if shape == (1, 1) or not any(layer.is_sparse for layer in layers):
        subdivisions = [subdivide(layers, starts, ends, max_regions, max_gigabytes)]
    else:
        subdivisions = _some_at_once(layers, starts, ends, max_regions, max_gigabytes)
    num_regions, num_pieces, num_settled = (
        np.concatenate(of_lines).reshape(shape) for of_lines in zip(*map(_counts, subdivisions), strict=True)
    )
    return OnLines(num_regions, num_pieces, num_settled, _subdivisions=subdivisions, _input_shape=input_shape)


def _some_at_once(
    layers: list[UnitLayer],
    starts: Float[np.ndarray, "members num_lines in_features"],
    ends: Float[np.ndarray, "members num_lines in_features"],
    max_regions: int,
    max_gigabytes: float | int | None,
) -> list[Subdivided]:
    """Takes some lines after others where zeros abound in layers, as in convolutions.

    A line alone can be divided into blocks, which takes less memory and makes use of the units that have no kinks in
    them; short ones are done sooner together. So there are first one, and then up to twice as many at once, as long as
    they make no more than a block if they are like those before.
    """
    members, num_lines = starts.shape[:2]
    widest, found, most_vertices = max(layer.bias.shape[1] for layer in layers), [], 0.0
    num_elsewhere = members * num_lines  # regions of other lines, of which each has at least one
    for member in range(members):
        own, done, num = of_member(layers, member), 0, 1
        while done < num_lines:
            num = min(2 * num, num_at_once(widest, most_vertices))
            some = slice(member, member + 1), slice(done, min(done + num, num_lines))
            num = some[1].stop - done
            num_elsewhere -= num
            limits = max_regions, max_gigabytes
            found.append(subdivide(own, starts[some], ends[some], *limits, num_elsewhere=num_elsewhere))
            num_vertices = int(found[-1].intervals.last[-1]) + 1
            num_elsewhere, done = num_elsewhere + num_vertices - num, done + num
            most_vertices = max(most_vertices, num_vertices / num)
    return found


def _counts(
    subdivision: Subdivided,
) -> tuple[Int[np.ndarray, " lines"], Int[np.ndarray, " lines"], Int[np.ndarray, " lines"]]:
    """Regions, pieces and signs that integers decided, of each line."""
    intervals = subdivision.intervals
    num_regions = np.diff(intervals.last, prepend=-1) - 1
    num_pieces = np.add.reduceat(subdivision.kinks, intervals.first, dtype=np.int64) + 1
    return num_regions, num_pieces, subdivision.num_settled
