"""A box of any dimension, cut where one unit after another changes its sign.

Source: Berzins, Polyhedral complex extraction from ReLU networks using edge subdivision (ICML 2023).
"""

import itertools

import numpy as np
from jaxtyping import Float, Int, UInt64

from dlcourse.pieces.arithmetic.maps import affine_maps, sizes
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.box.walls import Walls
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.progress import each


class TieError(Exception):
    """More walls meet in one point of the box than it has dimensions."""


class EdgeSubdivision(Walls):
    """The vertices and edges of a box in general position, cut by one unit after another.

    In general position a vertex lies on d walls; each edge at it leaves one of them, to one of its sides, and stays on
    the others. A vertex, edge, ..., region is to one side of every wall that it does not lie on: its hash is the sum of
    the random numbers of these sides. The floats have a bound for their error,
    |values[:, v] - exact| <= error[v] unit by unit, and signs are proven before they are used. (A bound in the 2-norm
    would be for all units together, and grow by several times as much with every cut.)

    While it cuts, all arrays have room for more than there is, so that adding to them takes no copy.

    Attributes:
        num_edges: How many there are.
        on: The walls that a vertex lies on, `[d, vertices]`.
        hashes: The vertices' hashes.
        ends: The two vertices of each edge, `[2, edges]`.
        leaves: Which wall the edge leaves at its first end: twice the wall's place in `on`, plus 1 for its positive
            side.
        values: The current layer's pre-activations at the vertices, `[units, vertices]`, as far as they are needed.
        error: Their bounds.
        rounded: What rounding adds to the error of a value between two vertices, at most.

    Raises:
        TieError: If more than d walls meet in one point.
    """

    bytes_of_value = 16  # a float, and room for another one

    def __init__(
        self, layers: list[UnitLayer], low: Float[np.ndarray, " d"], high: Float[np.ndarray, " d"], max_regions: int
    ) -> None:
        super().__init__(layers, low, high, max_regions)
        d = self.d
        self.other_places = np.array([[j for j in range(d) if j != i] for i in range(d)], dtype=np.int64)

        corners = np.array(list(itertools.product((0, 1), repeat=d)))
        self.on = np.ascontiguousarray((2 * np.arange(d) + corners).T)
        inner = self.numbers[1 : 4 * d : 2]  # all of the box is on the positive side of its sides
        self.hashes = inner.sum() - inner[self.on].sum(axis=0)
        start, axis = np.nonzero(corners == 0)
        self.num_edges = len(start)
        self.ends = np.stack([start, start + 2 ** (d - 1 - axis)])
        self.leaves = (2 * axis + 1).astype(np.int8)
        self.values = np.where(corners == 1, high, low).T
        self.error = np.zeros(2**d)

        with np.errstate(all="ignore"):  # overflow is looked for where it can begin
            for index, layer in each(list(enumerate(layers[:-1])), "layer"):
                if index > 0:
                    self._bend(index - 1)
                self._affine(index)
                for unit in each(np.flatnonzero(layer.slope[0] != 1).tolist(), "unit", self.found):
                    self._cut(index, unit)
        del self.values, self.error
        num = self.num_vertices
        self.on, self.positive, self.hashes = self.on[:, :num], self.positive[:, :num], self.hashes[:num]
        self.ends, self.leaves = self.ends[:, : self.num_edges], self.leaves[: self.num_edges]

    def patterns_at(self, side: int) -> UInt64[np.ndarray, "words some"]:
        """The packed patterns of the regions that have a facet on a side of the box.

        They are around the vertices of that side, on one or the other side of each unit that is zero there.
        """
        _, vertices = np.nonzero(self.on == side)
        words = self.positive[:, vertices]
        for walls in self.on:
            wall = walls[vertices]
            inner = np.flatnonzero(wall >= 2 * self.d)
            index = np.searchsorted(self.first_wall, wall[inner], side="right") - 1
            unit = wall[inner] - self.first_wall[index]
            above = words[:, inner]
            bit = np.uint64(1) << (unit % 64).astype(np.uint64)
            above[self.first_word[index] + unit // 64, np.arange(len(inner))] |= bit
            words = np.concatenate([words, above], axis=1)
            vertices = np.concatenate([vertices, vertices[inner]])
        return np.unique(words, axis=1)

    # One unit after another

    def _affine(self, index: int) -> None:
        """W h + b at the vertices."""
        layer, values, error = self.layers[index], self.values[:, : self.num_vertices], self.error[: self.num_vertices]
        stretch = float(np.abs(layer.weight).sum(axis=2).max())
        rounded = EPS * (stretch * float(np.abs(values).max()) + float(np.abs(layer.bias).max()))
        self.error = SLACK * (stretch * error + (layer.weight.shape[2] + 2) * rounded) + TINY
        self.values = layer.weight[0] @ values + layer.bias[0][:, None]
        largest = float(np.abs(self.values).max())
        if not largest < 1e300:  # nor NaN
            raise ValueError("the network's values in the box must be finite in float64, but they overflow")
        self.rounded = 16 * EPS * largest + TINY
        self.inaccurate = _INACCURATE * largest
        self.num_improved = 0

    def _bend(self, index: int) -> None:
        """f of the layer's pre-activations."""
        layer, num = self.layers[index], self.num_vertices
        slope = layer.slope[0]
        steepest = max(1.0, float(np.abs(slope).max()))
        values, positive = self.values[:, :num], self.unpacked(index, slice(num))
        values *= np.where(positive, 1.0, slope[:, None]) if slope.any() else positive
        if not layer.gates:
            self.error[:num] = SLACK * (steepest * self.error[:num] + EPS * np.abs(values).max(axis=0))

    def _cut(self, index: int, unit: int) -> None:
        """Cuts the edges, and the faces between them, where a unit is zero."""
        num = self.num_vertices
        wall = int(self.first_wall[index]) + unit
        value = self.values[unit, :num]
        if not (np.abs(value) > self.error[:num]).all():
            self._prove(index, unit)
        positive = value > 0
        start, end = self.ends[:, : self.num_edges]
        cut = np.flatnonzero(positive[start] != positive[end])
        word, bit = int(self.first_word[index]) + unit // 64, np.uint64(unit % 64)
        below, above = self.numbers[2 * wall : 2 * wall + 2]
        if len(cut) == 0:
            self.hashes[:num] += np.where(positive, above, below)
            self.positive[word, :num] |= positive.astype(np.uint64) << bit
            return

        a, b = self.ends[:, cut]
        new = num + np.arange(len(cut))
        place, side = self.leaves[cut] >> 1, self.leaves[cut] & 1
        left = self.on[place, a]
        on = self.on[self.other_places[place].T, a]
        hashes = self.hashes[a] + self.numbers[2 * left + side]
        pairs, leaves = self._faces(on, hashes)
        self._count(index, on, hashes, pairs, leaves)
        words = self.positive.take(a, axis=1) | self.positive.take(b, axis=1)
        self._interpolate(index, unit, a, b)
        self.hashes[:num] += np.where(positive, above, below)
        self.positive[word, :num] |= positive.astype(np.uint64) << bit
        self.hashes = _added(self.hashes, num, hashes)
        self.positive = _added(self.positive, num, words)
        self.on = _added(self.on, num, np.concatenate([on, np.full((1, len(cut)), wall)]))
        # The halves of edges that end at their former ends, and the new edges in between.
        from_new = (2 * (self.d - 1) + positive[b]).astype(np.int8)
        self.ends[1, cut] = new
        halves = np.stack([new, b])
        between = new[pairs]
        self.ends = _added(self.ends, self.num_edges, np.concatenate([halves, between], axis=1))
        self.leaves = _added(self.leaves, self.num_edges, np.concatenate([from_new, leaves[0].astype(np.int8)]))
        self.num_vertices += len(cut)
        self.num_edges += len(cut) + pairs.shape[1]

    def _interpolate(self, index: int, unit: int, a: Int[np.ndarray, " new"], b: Int[np.ndarray, " new"]) -> None:
        """Adds the values where the unit is zero on each edge from a to b."""
        num = self.num_vertices
        done = unit if index == len(self.layers) - 2 else 0  # units of the last layer are not needed once they have cut
        start = self.values[done:, a]
        change = self.values[done:, b]
        change -= start
        before = np.abs(start[unit - done])
        whole = np.abs(change[unit - done])  # the signs are different
        t = before / whole
        at_a, at_b = self.error[a], self.error[b]
        worst = np.maximum(at_a, at_b)
        # The exact zero is between the exact ends, so t is off by no more than the error there / whole. That error is
        # at most (1 - t) at_a + t at_b, and once more the worst one times how far t can be off.
        error = at_a + t * (at_b - at_a) + (worst / whole + 4 * EPS) * worst
        distance = np.abs(change).max(axis=0)
        change *= t
        change += start
        change[unit - done] = 0
        self.values = _with_room(self.values, num, num + len(a))
        self.values[done:, num : num + len(a)] = change
        self.error = _added(self.error, num, SLACK * (error * (1 + distance / whole) + self.rounded))

    def _faces(
        self, on: Int[np.ndarray, "walls cut"], hashes: UInt64[np.ndarray, " cut"]
    ) -> tuple[Int[np.ndarray, "2 faces"], Int[np.ndarray, "2 faces"]]:
        """The two-dimensional faces that are cut: which two of the edges are theirs; what these leave to get there."""
        # An edge borders on a face for each side of each wall that it lies on, except outside of the box.
        num_cut = len(hashes)
        sides = np.stack([2 * on, 2 * on + 1], axis=1).reshape(-1, num_cut)
        inside = np.flatnonzero((sides >= 4 * self.d) | (sides & 1 == 1))
        keys = (hashes + self.numbers[sides]).ravel()[inside]
        order = np.argsort(keys)
        keys = keys[order]
        if len(keys) % 2 or (keys[::2] != keys[1::2]).any() or (keys[2::2] == keys[1:-1:2]).any():
            raise AssertionError("a unit must cut two edges of each face that it cuts")
        leaves, edges = np.divmod(inside[order], num_cut)
        return edges.reshape(-1, 2).T, leaves.reshape(-1, 2).T

    def _count(
        self,
        index: int,
        on: Int[np.ndarray, "walls cut"],
        hashes: UInt64[np.ndarray, " cut"],
        pairs: Int[np.ndarray, "2 faces"],
        leaves: Int[np.ndarray, "2 faces"],
    ) -> None:
        """Adds the regions that a unit cuts in two.

        In each of them, the cut has the new vertices for its corners. A region is looked up at those of them from which
        all of the cut's edges lead to vertices of higher numbers: there is at least one, and there are few.
        """
        higher = np.zeros((2 * len(on), len(hashes)), dtype=bool)
        higher[leaves, pairs] = pairs < pairs[::-1]
        corner, regions = np.arange(len(hashes)), hashes
        for place, walls in enumerate(on):
            parts = []
            for side in (0, 1):
                some = np.flatnonzero(higher[2 * place + side, corner])
                parts.append((corner[some], regions[some] + self.numbers[2 * walls[corner[some]] + side]))
            corner, regions = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        regions = np.sort(regions)
        num_regions = self.num_regions + 1 + int(np.count_nonzero(regions[1:] != regions[:-1]))
        self.check_size(index, num_regions, self.num_vertices + len(hashes))
        self.num_regions = num_regions

    # Proofs

    def _prove(self, index: int, unit: int) -> None:
        """Makes the signs of a unit certain."""
        value, error = self.values[unit], self.error
        undecided = ~(np.abs(value[: self.num_vertices]) > error[: self.num_vertices])
        worth = undecided.copy()
        worth[self.num_improved :] |= error[self.num_improved : self.num_vertices] > self.inaccurate
        self.num_improved = self.num_vertices
        vertices = np.flatnonzero(worth)
        for first in range(0, len(vertices), _PART):
            self._improve(vertices[first : first + _PART], index)
        for vertex in np.flatnonzero(undecided).tolist():
            if not abs(value[vertex]) > error[vertex]:
                self._settle(vertex, index, unit)

    def _improve(self, vertices: Int[np.ndarray, " some"], index: int) -> None:
        """Works out vertices anew from the walls that they lie on, which forgets the errors of the cuts before."""
        points, distance, maps, map_error = self.located(vertices, index)
        extended = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        size = np.linalg.norm(extended, axis=1)
        values = np.einsum("upc,pc->up", maps, extended)
        slope = sizes(maps)
        error = (map_error + (self.d + 2) * EPS * slope) * size + (slope + map_error) * distance
        error = SLACK * error + TINY
        place, which = np.nonzero(self.on[:, vertices] >= self.first_wall[index])
        values[self.on[place, vertices[which]] - self.first_wall[index], which] = 0
        better = error < self.error[vertices]
        self.values[:, vertices[better]] = values[:, better]
        self.error[vertices[better]] = error[better]

    def located(
        self, vertices: Int[np.ndarray, " some"], index: int
    ) -> tuple[
        Float[np.ndarray, "some d"],
        Float[np.ndarray, " some"],
        Float[np.ndarray, "units _ d_and_1"],
        Float[np.ndarray, " _"],
    ]:
        """Where vertices are, as far as a layer knows them, with bounds for how far off; and that layer's maps there.

        A vertex solves A x + c = 0, the functions of its walls. For any x and R, the exact solution is no farther from
        x than |R| |A x + c| / (1 - |R A - 1|), where A and c are exact, too. The bound is infinity where R, the rounded
        inverse of A, is not good enough.
        """
        on, d = self.on[:, vertices], self.d
        rows = np.zeros((len(vertices), d, d + 1))
        row_error = np.zeros((len(vertices), d))
        place, which = np.nonzero(on < 2 * d)
        side = on[place, which]
        rows[which, place, side // 2] = 1
        rows[which, place, -1] = -self.bounds[side]
        for layer, (maps, map_error) in enumerate(affine_maps(self.layers, lambda i: self.unpacked(i, vertices))):
            place, which = np.nonzero((on >= self.first_wall[layer]) & (on < self.first_wall[layer + 1]))
            unit = on[place, which] - self.first_wall[layer]
            pattern = which if layer else 0 * which
            rows[which, place] = maps[unit, pattern]
            row_error[which, place] = map_error[pattern]
            if layer == index:
                break
        matrix = rows[:, :, :-1]
        try:
            inverse = np.linalg.inv(matrix)
            points = np.linalg.solve(matrix, -rows[:, :, -1:])[:, :, 0]
        except np.linalg.LinAlgError:
            nowhere = np.full((len(vertices), d), np.nan)
            return nowhere, np.full(len(vertices), np.inf), maps, map_error
        residual = np.einsum("vwi,vi->vw", matrix, points) + rows[:, :, -1]
        extended = np.sqrt(np.einsum("vi,vi->v", points, points) + 1)
        by_rows = row_error + (d + 2) * EPS * np.sqrt(np.einsum("vwi,vwi->vw", rows, rows))
        by_rows = np.sqrt(np.einsum("vw,vw->v", by_rows, by_rows))
        stretch = np.sqrt(np.einsum("vij,vij->v", inverse, inverse))
        defect = np.linalg.norm(inverse @ matrix - np.eye(d), axis=(1, 2)) + stretch * by_rows
        missed = np.sqrt(np.einsum("vw,vw->v", residual, residual)) + by_rows * extended
        distance = SLACK * 2 * stretch * missed + TINY
        return points, np.where(defect < 0.5, distance, np.inf), maps, map_error

    def _settle(self, vertex: int, index: int, unit: int) -> None:
        """Works out a vertex's pre-activations exactly, rounded once, since the sign of one could not be proven."""
        self.num_settled += 1
        walls = self.on[:, vertex].tolist()
        before = [self.unpacked(layer, np.array([vertex]))[:, 0] for layer in range(index)]
        _, exact, denominator = self.exact.at_vertex(walls, before)
        if exact[unit] == 0:
            raise TieError
        values = (exact / denominator).astype(np.float64)
        values[unit] = values[unit] or (5e-324 if exact[unit] > 0 else -5e-324)
        self.values[:, vertex] = values
        self.error[vertex] = EPS * np.abs(values).max() + TINY


_INACCURATE = 2.0**-10  # of the largest value: more is improved on occasion
_PART = 1024  # vertices that are worked out anew at once: memory stays small


def _with_room(array: np.ndarray, num: int, end: int) -> np.ndarray:
    """The array, or a longer one that begins with the first num of its columns, so that there are `end` columns."""
    if end > array.shape[-1]:
        longer = np.empty((*array.shape[:-1], 2 * end), dtype=array.dtype)
        longer[..., :num] = array[..., :num]
        array = longer
    return array


def _added(
    array: Float[np.ndarray, "*rows room"] | Int[np.ndarray, "*rows room"] | UInt64[np.ndarray, "*rows room"],
    num: int,
    more: Float[np.ndarray, "*rows more"] | Int[np.ndarray, "*rows more"] | UInt64[np.ndarray, "*rows more"],
) -> np.ndarray:
    """An array with more columns after the first num; a longer one if there is no room."""
    end = num + more.shape[-1]
    array = _with_room(array, num, end)
    array[..., num:end] = more
    return array
