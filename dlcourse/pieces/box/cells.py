"""A box of any dimension, cut cell by cell where any number of units may be zero together; all of it in integers."""

import itertools
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic.integers import integers
from dlcourse.pieces.box import faces
from dlcourse.pieces.box.walls import Walls
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.progress import each

LARGEST = 10**300


class CellSubdivision(Walls):
    """The cells of a box, each of them a convex polytope that is given by its corners, cut by one unit after another.

    A unit is affine on a cell. It cuts those cells at one corner of which it is positive and at another one negative:
    each edge between such corners gets a vertex, and the two parts have the corners on their sides, these new vertices,
    and the corners where the unit is zero. What a unit only touches it leaves whole, and so does one that is zero on
    all of a cell, where it counts as off. Edges follow from the walls through each corner, sides of the box and all
    units so far that are zero there, however many these are (`faces.cut_edges`).

    Neighbouring cells agree on the face between them, where the network is continuous: an edge is cut once for all
    cells that it belongs to, and cells that meet do so in a whole face of both.

    Vertices are homogeneous integers, points[:-1] / points[-1], and so are the units' values there. Each is a linear
    function of the vertex with integer coefficients, so that both stay integers when common divisors go.

    Attributes:
        points: The vertices.
        walls: The walls that each vertex lies on, as the bits of an integer.
        corners: The corners of all cells, one cell after another.
        starts: Where each cell's corners start, and at the end their number.
        values: The current layer's pre-activations at the vertices, times `points[-1]` and a number for each layer.
    """

    bytes_of_value = 100  # a Python integer of some 200 bits, and another one while a layer is worked out

    def __init__(
        self, layers: list[UnitLayer], low: Float[np.ndarray, " d"], high: Float[np.ndarray, " d"], max_regions: int
    ) -> None:
        super().__init__(layers, low, high, max_regions)
        sides, denominator = integers(self.bounds)
        corners = [[2 * i + side for i, side in enumerate(at)] for at in itertools.product((0, 1), repeat=self.d)]
        self.points = np.array([[*sides[corner], denominator] for corner in corners], dtype=object).T
        self.walls = [sum(1 << side for side in corner) for corner in corners]
        self.corners, self.starts = np.arange(2**self.d), np.array([0, 2**self.d])
        self.values, denominator = self.points[:-1], 1
        for index, layer in each(list(enumerate(layers[:-1])), "layer"):
            if index > 0:
                denominator = self._bend(index - 1, denominator)
            denominator = self._affine(index, denominator)
            for unit in each(np.flatnonzero(layer.slope[0] != 1).tolist(), "unit", self.found):
                self._cut(index, unit)
        del self.values

    @cached_property
    def ends(self) -> Int[np.ndarray, "2 edges"]:
        """The two vertices of each edge."""
        edges: set[tuple[int, int]] = set()
        for first, after in itertools.pairwise(self.starts.tolist()):
            corners = self.corners[first:after].tolist()
            for place, corner in enumerate(corners):
                found = faces.cut_edges([corner], corners[place + 1 :], corners, self.walls, self.d)
                edges.update((min(edge), max(edge)) for edge in found)
        return np.array(sorted(edges)).T

    @property
    def patterns(self) -> UInt64[np.ndarray, "words cells"]:
        """Which units are positive on each cell, packed: those that are positive at any of its corners."""
        rows = [np.bitwise_or.reduceat(words[self.corners], self.starts[:-1]) for words in self.positive]
        return np.array(rows, dtype=np.uint64).reshape(-1, self.num_regions)

    def patterns_at(self, side: int) -> UInt64[np.ndarray, "words some"]:
        """The packed patterns of the cells that have a facet on a side of the box."""
        on_side = np.array([bool(walls >> side & 1) for walls in self.walls])
        touching = np.add.reduceat(on_side[self.corners], self.starts[:-1], dtype=np.int64)
        found = []
        for cell in np.flatnonzero(touching >= self.d).tolist():
            corners = self.corners[self.starts[cell] : self.starts[cell + 1]].tolist()
            facets = faces.facets((1 << len(corners)) - 1, faces.corners_on_walls(corners, self.walls))
            if sum(1 << place for place, corner in enumerate(corners) if on_side[corner]) in facets:
                found.append(cell)
        return self.patterns[:, found]

    # One unit after another

    def _affine(self, index: int, denominator: int) -> int:
        """W h + b at the vertices; and what to divide by."""
        constant, _ = self.exact.network.affine(index, np.zeros((len(self.values), 1, 1), dtype=object), denominator)
        values, denominator = self.exact.network.affine(index, self.values[..., None], denominator)
        self.values = values[..., 0] + constant[..., 0] * (self.points[-1] - 1)
        if (abs(self.values) >= LARGEST * denominator * self.points[-1]).any():
            raise ValueError("the network's values in the box must be finite in float64, but they overflow")
        return denominator

    def _bend(self, index: int, denominator: int) -> int:
        """f of the layer's pre-activations; and what to divide by."""
        positive = np.asarray(self.values > 0, dtype=bool)
        values, denominator = self.exact.network.bend(index, self.values[..., None], denominator, positive)
        self.values = values[..., 0]
        return denominator

    def _cut(self, index: int, unit: int) -> None:
        """Cuts the cells where a unit has both signs."""
        row = self.values[unit]
        sign = (row > 0).astype(np.int8) - (row < 0)
        self.num_settled += len(sign)
        at_corners = sign[self.corners]
        highest, lowest = (bound.reduceat(at_corners, self.starts[:-1]) for bound in (np.maximum, np.minimum))
        is_cut = (highest > 0) & (lowest < 0)
        num_regions = self.num_regions + int(is_cut.sum())
        self.check_size(index, num_regions, self.num_vertices)
        edges, parts = self._divided(np.flatnonzero(is_cut), sign.tolist())
        self.check_size(index, num_regions, self.num_vertices + len(edges))
        self._add(index, unit, sign, np.array(list(edges), dtype=np.int64).reshape(-1, 2).T)
        self._replace(is_cut, parts)
        self.num_regions = num_regions

    def _divided(
        self, cells: Int[np.ndarray, " cut"], sign: list[int]
    ) -> tuple[dict[tuple[int, int], int], list[list[int]]]:
        """The new vertex on each edge that is cut, given by its two ends; and the corners of all parts."""
        new: dict[tuple[int, int], int] = {}
        parts = []
        for cell in cells.tolist():
            corners = self.corners[self.starts[cell] : self.starts[cell + 1]].tolist()
            positive, zero, negative = ([corner for corner in corners if sign[corner] == of] for of in (1, 0, -1))
            edges = faces.cut_edges(positive, negative, corners, self.walls, self.d)
            between = zero + [new.setdefault(edge, self.num_vertices + len(new)) for edge in edges]
            parts += [positive + between, negative + between]
        return new, parts

    def _add(self, index: int, unit: int, sign: Int[np.ndarray, " vertices"], ends: Int[np.ndarray, "2 new"]) -> None:
        """Adds the vertices where a unit is zero between two others, and notes its signs at those that there were."""
        start, end = ends
        self.positive = np.concatenate([self.positive, self.positive[:, start] | self.positive[:, end]], axis=1)
        word, bit = int(self.first_word[index]) + unit // 64, np.uint64(unit % 64)
        self.positive[word, : len(sign)] |= (sign > 0).astype(np.uint64) << bit

        wall = 1 << int(self.first_wall[index]) + unit
        for vertex in np.flatnonzero(sign == 0).tolist():
            self.walls[vertex] |= wall
        self.walls += [self.walls[a] & self.walls[b] | wall for a, b in ends.T.tolist()]

        if len(start):
            share = abs(self.values[unit, end]), abs(self.values[unit, start])
            points, values = (
                rows[:, start] * share[0] + rows[:, end] * share[1] for rows in (self.points, self.values)
            )
            divisor = np.gcd.reduce(points, axis=0)
            self.points = np.concatenate([self.points, points // divisor], axis=1)
            self.values = np.concatenate([self.values, values // divisor], axis=1)
            self.num_vertices += len(start)

    def _replace(self, is_cut: Bool[np.ndarray, " cells"], parts: list[list[int]]) -> None:
        """Takes the parts in the place of the cells that are cut."""
        sizes = np.diff(self.starts)
        kept = self.corners[np.repeat(~is_cut, sizes)]
        sizes = np.concatenate([sizes[~is_cut], np.array([len(part) for part in parts], dtype=np.int64)])
        self.corners = np.concatenate([kept, np.array(list(itertools.chain(*parts)), dtype=np.int64)])
        self.starts = np.concatenate([[0], np.cumsum(sizes)])
