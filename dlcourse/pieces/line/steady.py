"""Products with the values of units most of which have no kink in a block of a line.

A unit is *steady* in a block if its function is affine there: if all that it is made of is, and it is on all along the
block or off all along it. Then its values at the two ends say all, so that a matrix W meets three columns of steady
units, the values at both ends and the slopes, and all columns of the others only,

    (W v)(c) = A + T(c) (B - A) + W' v'(c),    A, B = W v of the steady units at both ends,    v' = v of the others

where T(c) is the share of the block to the left of vertex c. In a convolution that is a tenth of the work or less.

**Errors.** Values belong to places (`Subdivision`). Those of a steady unit's function g at three places p <= q <= r are
g(q) = (1 - s) g(p) + s g(r), s = (q - p) / (r - p). With values v that are off by e(p) and e(r) at the ends, and with T
in the place of s, (1 - T) v(p) + T v(r) is off by at most max(e(p), e(r)) + |T - s| |g(r) - g(p)|, in the 2-norm over
steady units. The others' error at q is what it was; both together are off by the root of the sum of squares. A slope is
that at the first vertex, which may be off by as much as it was there.

**Roundings.** Be R a row sum of |W| and L the largest value, here or at the ends. As n products are summed up in any
order, A, B and W' v' are off as before, together. B - A is rounded by 2 R L u, u = 2^-53, its product with T by as much
again, the sum with A by 3 R L u, that with W' v' by 4 R L u, and the bias is added to 4 R L at most instead of R L:
less than 16 R L u in all, for which `_ROUNDINGS` pays.

**Zeros** that are made of zeros stay 0 (`Zeros`). A steady unit that is off, or zero because all that it is made of is,
is so all along the block, or at one of its ends only, as it would change its sign else; and T is exactly 0 or 1 there.
So A and B are 0, or one of them where it alone is asked for, and A + (0 - A) is not rounded.

**Places** are kept as floats from 0 to 1 with what they may be off by, h at most: then T is off by (4 h + 4 u) / width
and its own rounding.
"""

import math
from copy import copy
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY_LENGTH
from dlcourse.pieces.arithmetic.support import support
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.layout import Layout

_ROUNDINGS = 8 * EPS  # of row sums times the largest value

_CLOSE = 2.0**20  # times what places are off by
_LEAST_VERTICES = 16
_LEAST_TERMS = 16  # of a row, on average: with fewer, it is the sums that take the time
_FEW = 4  # times as many entries as those of units that are not steady


class Shares(NamedTuple):
    """Where a block's vertices are between its ends.

    Attributes:
        values: T for each vertex.
        off: How far off each may be.
    """

    values: Float[np.ndarray, " vertices"]
    off: float


class Steady:
    """Which units are steady in a line, or in a block of it, and where its vertices are.

    Attributes:
        units: Which of the current layer's units, or of its pre-activations, are.
        place: Where the values at each vertex belong to, from 0 to 1 on the line.
        off: How far off each place may be.
    """

    def __init__(self, in_features: int) -> None:
        self.units = np.ones(in_features, dtype=bool)
        self.place, self.off = np.array([0.0, 1.0]), np.zeros(2)

    def between(self, vertices: slice) -> "Steady":
        """The same for some vertices in a row."""
        some = copy(self)
        some.place, some.off = self.place[vertices].copy(), self.off[vertices].copy()
        return some

    def affine(self, layer: UnitLayer) -> None:
        """Takes the affine part of a layer: steady is what is made of nothing else."""
        self.units = ~support(layer.stored[0], ~self.units[:, None])[:, 0]

    def bend(self, active: Bool[np.ndarray, "units intervals"]) -> None:
        """Takes the kinks of a layer."""
        self.units = self.units & (active.all(axis=1) | ~active.any(axis=1))

    def move(self, vertices: Int[np.ndarray, " some"], by: Float[np.ndarray, " some"]) -> None:
        """Values at some vertices belong to other places, so far away at most."""
        self.off[vertices] += by

    def insert(self, layout: Layout) -> None:
        """Takes new vertices, at shares of the way between two places: rounded three times, to numbers up to 1."""
        left, t, new = layout.points.interval, layout.points.t, layout.is_new
        points = self.place[left] + t * (self.place[left + 1] - self.place[left])
        off = np.maximum(self.off[left], self.off[left + 1]) + 2 * EPS
        self.place, self.off = self.place.take(layout.parent), self.off.take(layout.parent)
        self.place[new], self.off[new] = points, off

    def shares(self, layer: UnitLayer) -> Shares | None:
        """The shares of the vertices if the product with a layer's weights pays and they are not too close."""
        if not layer.is_sparse or len(self.place) < _LEAST_VERTICES:
            return None
        num, num_of_others = len(layer.stored[0].data), layer.num_entries(np.flatnonzero(~self.units))
        width, off = float(self.place[-1] - self.place[0]), float(self.off.max())
        if num < max(_LEAST_TERMS * layer.bias.shape[1], _FEW * num_of_others) or not width > _CLOSE * (off + EPS):
            return None
        values = np.clip((self.place - self.place[0]) / width, 0, 1)
        return Shares(values, SLACK * (4 * off + 2 * EPS) / width + EPS)

    def bounds(
        self,
        rows: Float[np.ndarray, "2 in_features vertices"],
        error: Float[np.ndarray, "2 vertices"],
        largest: Float[np.ndarray, "2 vertices"],
        shares: Shares,
    ) -> tuple[Float[np.ndarray, "2 vertices"], Float[np.ndarray, "2 vertices"]]:
        """How far off the values and slopes that the product takes may be, and how large they are, as derived above."""
        change = (rows[0][:, -1] - rows[0][:, 0]) * self.units
        length = SLACK * float(np.sqrt(change @ change)) + TINY_LENGTH
        ends = float(error[0, 0]), float(error[0, -1])
        of_steady = SLACK * np.array([[max(ends) + shares.off * (length + sum(ends))], [error[1, 0]]])
        sizes = np.array([[max(largest[0, 0], largest[0, -1])], [largest[1, 0]]])
        return SLACK * np.sqrt(error**2 + of_steady**2) + TINY_LENGTH * (of_steady > 0), np.maximum(largest, sizes)

    def multiplied(
        self,
        layer: UnitLayer,
        rows: Float[np.ndarray, "rows in_features vertices"],
        shares: Shares | None,
        edges: list[int],
    ) -> Float[np.ndarray, "rows units vertices"]:
        """W h at the vertices, W dh/dt on the intervals; with the shares of the vertices if that is quicker.

        Args:
            layer: The layer.
            rows: What it takes. A sparse product takes some columns at a time, and can put its own in their place.
            shares: The shares.
            edges: The vertices edges[m] to edges[m + 1] are of member m.
        """
        num_units = layer.bias.shape[1]
        in_place = layer.is_sparse and num_units <= rows.shape[1]
        products = rows[:, :num_units] if in_place else np.empty((len(rows), num_units, rows.shape[2]))
        if shares:
            self.product(layer, rows, shares, products)
        elif layer.is_sparse:
            for member, (a, b) in enumerate(pairwise(edges)):
                layer.product(rows[:, :, a:b], products[:, :, a:b], member)
        else:
            for weight, (a, b) in zip(layer.stored, pairwise(edges), strict=True):
                np.matmul(weight, rows[:, :, a:b], out=products[:, :, a:b])
        return products

    def product(
        self,
        layer: UnitLayer,
        rows: Float[np.ndarray, "2 in_features vertices"],
        shares: Shares,
        out: Float[np.ndarray, "2 units vertices"],
    ) -> None:
        """W times values and slopes, put where `out` says, which may be where these are."""
        others = np.flatnonzero(~self.units)
        values, slopes = rows[0][others], rows[1][others]
        of_others = layer.by_columns[0][:, others]
        columns = np.stack([rows[0][:, 0], rows[0][:, -1], rows[1][:, 0]], axis=1) * self.units[:, None]
        first, last, slope = (layer.stored[0] @ columns).T
        np.multiply.outer(last - first, shares.values, out=out[0])
        out[0] += first[:, None]
        out[0] += of_others @ values
        out[1] = of_others @ slopes
        out[1] += slope[:, None]


def roundings_of(sizes: Float[np.ndarray, "1 units"]) -> float:
    """What the product is rounded by beyond what others are, in the 2-norm, given row sums: times the largest value."""
    return _ROUNDINGS * (SLACK * math.sqrt(float((sizes**2).sum())) + TINY_LENGTH)
