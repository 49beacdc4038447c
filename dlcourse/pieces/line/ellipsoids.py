"""Which way errors point in deep networks: they lie in ellipsoids, which hardly grow where norms multiply.

`Subdivision` bounds errors by one number for all units, which every layer stretches by its norm at most. But a layer
stretches one direction so much, and that is hardly ever the one which the layer before has stretched most. So where
norms would leave signs open, errors are followed with their directions. Let Q be a matrix that some intervals in a row
share, and each vertex have a scale of its own, such that for all vectors y

    |y . error| <= scale 2^power sqrt(y . Q y)

where the power is a whole number for each Q, so that none of its numbers is too large or too small.

- The error of a unit is at most sqrt(Q_ii) times scale and power, and all of them together sqrt(|Q|_F) in the 2-norm.
- W times an error has W Q W^T.
- What is rounded lies in a ball: r^2 times the identity. If Q bounds one part of an error and R another one, then
  (1 + p) Q + (1 + 1/p) R bounds their sum, for any p > 0, since (a + b)^2 <= (1 + p) a^2 + (1 + 1/p) b^2. The trace is
  smallest for p^2 = tr R / tr Q.
- A unit that is off all along these intervals has no error. Of one that is on in some of them only, half the error is
  left everywhere, give or take b, the half of its bound. A box of such halves has the matrix sum(b) diag(b).
- At a convex combination of two vertices values are off by no more than at that one with the larger scale.

Few units turn on or off among so many intervals, and one that does costs little. From the sixth layer to the 40th of
four random networks of 64 units, errors on a line grow 2^8- to 2^12-fold, to the 80th 2^7- to 2^15-fold. Norms of the
units that matter multiply to 2^33 to 2^37 and to 2^71 to 2^78.

Source of the sum: A. Kurzhanski and I. Valyi, Ellipsoidal Calculus for Estimation and Control, Birkhaeuser 1997.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, frobenius
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.crossings import Crossings
from dlcourse.pieces.line.intervals import Intervals
from dlcourse.pieces.line.layout import Layout

_TOGETHER = 48  # intervals that share a matrix, or 3/4 of the units: with more of them, more units change
_LEAST = 2.0**-12  # of a shape's length: so thick it is made at least, for errors that come in at single vertices
_THICKNESS = 2.0**-400, 2.0**100  # without a length, and at most: squares of it are numbers
_MOST = 0.9  # of the units: where more may be off, it is quicker to take all
_NARROW = 24  # units
_UNITS_PER_VERTEX = 8  # of a line, at most


class Ellipsoids:
    """Bounds for how far off a subdivision's values and slopes are, with directions.

    Attributes:
        intervals: The intervals.
        first: The vertex that each group of intervals begins at.
        last: The one that it ends at, where the next one may begin.
        units: Those that may be off; what is said of others is exact.
        shape: Q of each group.
        power: Its power.
        ball: The radius of a ball that is in the ellipsoid of Q, until units bend.
        scale: How large the errors of each vertex may be: of values and slopes, or of slopes only.
    """

    def __init__(self, intervals: Intervals, error: Float[np.ndarray, "rows vertices"], num_units: int) -> None:
        """Begins with errors of pre-activations that are bounded by numbers."""
        self.intervals, self.scale = intervals, error
        self.first, self.last = intervals.first, intervals.last
        self.units, self.ball = np.arange(num_units), np.ones(len(self.first))
        self.power = np.zeros(len(self.first), dtype=np.int64)
        self.shape = np.tile(np.eye(num_units), (len(self.first), 1, 1))
        self._divide()

    def affine(
        self, layer: UnitLayer, rounded: Float[np.ndarray, "rows vertices"]
    ) -> Float[np.ndarray, "rows vertices"]:
        """How far off W h + b and W dh/dt may be, in the 2-norm.

        Args:
            layer: The layer, dense.
            rounded: How much its products round.
        """
        weight = np.asarray(layer.stored)[:, :, self.units]
        exponent = np.frexp(np.abs(weight).max(axis=(1, 2), initial=0))[1]
        weight = np.ldexp(weight, -exponent[:, None, None])
        member = self.intervals.member(self.last)
        # A product is off by n u |A| |B| entry by entry, both of them by 2 n u |W|_F^2 |Q|_F, and |Q|_F <= tr Q. Eight
        # times as much is enough for what is multiplied later, too.
        lost = 8 * layer.in_features * EPS * frobenius(weight)[member] ** 2 * self._diagonals().sum(axis=1) + TINY
        num_units, num_inputs = weight.shape[1:]
        products = np.empty((len(self.shape), num_units, num_units))
        edges = np.searchsorted(member, np.arange(len(weight) + 1)).tolist()
        for of_member, (a, b) in zip(weight, pairwise(edges), strict=True):
            right = self.shape[a:b].reshape((b - a) * num_inputs, num_inputs) @ of_member.T
            np.matmul(of_member, right.reshape(b - a, num_inputs, num_units), out=products[a:b])
        self.shape, self.units = products, np.arange(num_units)
        self._diagonals()[:] += lost[:, None]
        self.power = self.power + exponent[member]
        self.round(rounded)
        norm = np.einsum("gij,gij->g", self.shape, self.shape) ** 0.25
        return SLACK * self._times(self.scale, norm, self.power)

    def round(self, rounded: Float[np.ndarray, "rows vertices"]) -> None:
        """Adds errors of that length, in any direction: to Q, by what is largest of both in a group."""
        worst, scale = (
            np.maximum(np.maximum.reduceat(of_all, self.first, axis=1), of_all[:, self.last])
            for of_all in (rounded, self.scale)
        )
        ratio = np.ldexp(worst / np.where(scale > 0, scale, worst), -self.power).max(axis=0)
        least = np.maximum(_LEAST * np.sqrt(self._diagonals().sum(axis=1)), _THICKNESS[0])
        radius = np.fmin(np.fmax(ratio, least), _THICKNESS[1])
        # Where they are larger for the scale there is, the scale has to be larger.
        self.scale = np.maximum(self.scale, SLACK * self._times(rounded, 1 / radius, -self.power))
        diagonal = self._add(np.broadcast_to(radius[:, None] ** 2, self.shape.shape[:2]))
        self.ball = np.sqrt(diagonal[:, 0])

    def of_units(self, unit: Int[np.ndarray, " some"], vertex: Int[np.ndarray, " some"]) -> Float[np.ndarray, " some"]:
        """How far off some pre-activations may be, each at a vertex."""
        group = np.searchsorted(self.first, vertex, side="right") - 1
        before = np.maximum(group - 1, 0)
        found = [
            np.ldexp(self.scale[0, vertex] * np.sqrt(self.shape[some, unit, unit]), self.power[some])
            for some in (group, np.where(self.last[before] == vertex, before, group))
        ]
        return np.asarray(SLACK * np.maximum(*found) + TINY)

    def loosen(self, row: int, vertices: Int[np.ndarray, " some"], off: Float[np.ndarray, " some"]) -> None:
        """Makes room for errors of that length at some vertices, each given once, before the units bend."""
        lengths = np.zeros(self.scale.shape[1])
        lengths[vertices] = off
        self.scale[row] += SLACK * self._times(lengths, 1 / self.ball, -self.power)

    def between(self, points: Crossings, off: Float[np.ndarray, " points"]) -> Float[np.ndarray, "2 points"]:
        """The scales of new vertices' values, and how far off there that unit's value may be which is 0.

        Args:
            points: The new vertices.
            off: How far the values are off from being between those of their neighbours.
        """
        group = np.searchsorted(self.first, points.interval, side="right") - 1
        scale = np.maximum(self.scale[0, points.interval], self.scale[0, points.interval + 1])
        scale += SLACK * np.ldexp(off / self.ball[group], -self.power[group]) + TINY
        error = np.ldexp(scale * np.sqrt(self.shape[group, points.unit, points.unit]), self.power[group])
        return np.stack([scale, SLACK * error + TINY])

    def insert(self, layout: Layout, of_values: Float[np.ndarray, " points"] | None) -> None:
        """Takes in new vertices, with the scales of their values if there still are any."""
        self.scale = self.scale.take(layout.parent, axis=1)
        if of_values is not None:
            self.scale[0, layout.is_new] = of_values
        old = np.flatnonzero(~layout.is_new)
        self.first, self.last = old[self.first], old[self.last]
        self._divide()

    def bend(self, slope: Float[np.ndarray, "members units"], active: Bool[np.ndarray, "units vertices"]) -> None:
        """Keeps units where they are on and multiplies them by their slopes elsewhere."""
        slope, on = slope[self.intervals.member(self.last)], active.copy()
        on[:, self.intervals.last] = on[:, self.intervals.last - 1]  # no intervals
        always, ever = (of_all.reduceat(on, self.first, axis=1).T for of_all in (np.logical_and, np.logical_or))
        changes = ever & ~always
        kept = np.where(changes, (1 + slope) / 2, np.where(ever, 1, slope))
        half = np.where(changes, np.abs(1 - slope) / 2 * np.sqrt(self._diagonals()), 0)
        some = np.flatnonzero((kept != 0).any(axis=0) | changes.any(axis=0))
        if len(some) < _MOST * len(self.units):
            self.units, kept, half = some, kept[:, some], half[:, some]
            self.shape = self.shape.take(some, axis=1).take(some, axis=2)
        self.shape *= kept[:, :, None]
        self.shape *= kept[:, None, :]
        self._diagonals()[:] += 8 * EPS * self._diagonals().sum(axis=1, keepdims=True) + TINY  # roundings
        self._add(half.sum(axis=1, keepdims=True) * half)

    def num_groups(self, num_vertices: int) -> int:
        """How many groups there will be at most, with so many vertices."""
        return len(self.first) + num_vertices // self._together

    def keep_slopes(self) -> None:
        """Gives up the values."""
        self.scale = self.scale[1:]

    def _add(self, diagonal: Float[np.ndarray, "groups units"]) -> Float[np.ndarray, "groups units"]:
        """Makes Q hold for sums with errors that a diagonal matrix bounds; what has become of that in it."""
        one, other = self._diagonals().sum(axis=1), diagonal.sum(axis=1)
        with np.errstate(all="ignore"):
            p = np.fmin(np.fmax(np.sqrt(other / one), 2.0**-100), 2.0**100)
        power = np.frexp(np.sqrt((1 + p) * one + (1 + 1 / p) * other))[1]
        self.shape *= np.ldexp(1 + p, -2 * power)[:, None, None]
        diagonal = SLACK * np.ldexp(1 + 1 / p, -2 * power)[:, None] * diagonal
        self._diagonals()[:] += diagonal
        self.power = self.power + power
        return diagonal

    def _diagonals(self) -> Float[np.ndarray, "groups units"]:
        """Those of all Q, to be read or to be written to."""
        return np.asarray(np.einsum("gii->gi", self.shape))

    def _times(
        self,
        numbers: Float[np.ndarray, "*rows vertices"],
        factor: Float[np.ndarray, " groups"],
        power: Int[np.ndarray, " groups"],
    ) -> Float[np.ndarray, "*rows vertices"]:
        """Vertices' numbers times a factor and a power of 2 of their group, the larger where two of these meet."""
        num = np.diff(self.first, append=self.scale.shape[1])
        found = np.ldexp(numbers * np.repeat(factor, num), np.repeat(power, num))
        at_last = np.ldexp(numbers[..., self.last] * factor, power)
        found[..., self.last] = np.maximum(found[..., self.last], at_last)
        return np.asarray(found + TINY * (numbers > 0))

    @property
    def _together(self) -> int:
        """How many intervals are of one group at most."""
        return max(_TOGETHER, 3 * int(self.shape.shape[1]) // 4)

    def _divide(self) -> None:
        """Makes several groups of one with many intervals."""
        size = self.last - self.first
        num = -(-size // self._together)
        if (num == 1).all():
            return
        group = np.repeat(np.arange(len(num)), num)
        part = np.arange(len(group)) - np.repeat(np.cumsum(num) - num, num)
        first, size, num = self.first[group], size[group], num[group]
        self.first, self.last = first + size * part // num, first + size * (part + 1) // num
        self.shape, self.power, self.ball = self.shape[group], self.power[group], self.ball[group]


def pays(intervals: Intervals, index: int) -> bool:
    """Whether errors should be followed with their directions from a layer on.

    All layers have to be dense, and the layer not narrow: digits are cheap then. And a product of matrices for every
    line has to take less time than digits for its vertices, and not much more memory than these.
    """
    num_lines, num_units = len(intervals.last), intervals.layers[index].bias.shape[1]
    if num_units < _NARROW or any(layer.is_sparse for layer in intervals.layers):
        return False
    return bool(intervals.last[-1] + 1 >= num_lines * num_units / _UNITS_PER_VERTEX)
