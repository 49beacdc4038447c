"""Exact counts of linear regions in boxes of a network's input space, by edge subdivision.

Source: Berzins, Polyhedral complex extraction from ReLU networks using edge subdivision (ICML 2023).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt64
from torch import Tensor, nn

from dlcourse.networks import Stack
from dlcourse.pieces.exact import Integers, integers
from dlcourse.pieces.layer import Layer
from dlcourse.pieces.reading import read
from dlcourse.pieces.rounding import EPS, SLACK, TINY, length, norm, roundings

Corner = float | int | Sequence[float | int] | Tensor | np.ndarray


class DegenerateError(ValueError):
    """More units are zero in one point of the box than it has dimensions; the message says which."""


@dataclass(frozen=True)
class InBox:
    """The counts of a network in a box.

    Attributes:
        num_regions: Number of activation regions.
        num_pieces: Number of linear regions of the function: neighbours with one affine map are one.
        num_settled: Number of signs that floating point left open, so that exact arithmetic decided them.
    """

    num_regions: int
    num_pieces: int
    num_settled: int


def in_box(network: nn.Module, low: Corner, high: Corner, *, max_regions: int = 10_000_000) -> InBox:
    """Counts the activation regions and the linear regions of a network in a box low <= x <= high, exactly.

    The box is cut by one unit after another: an edge at whose ends the unit has different signs gets a vertex there,
    and two such vertices of one two-dimensional face are the ends of a new edge. Regions are told apart by 64-bit sums
    of random numbers, one for each unit and sign: two of n regions are confused with a probability of n^2 / 2^65.

    What is counted is the function that the stored numbers define when they are taken as exact; signs that floating
    point cannot prove are settled in fractions. Only general position is understood: where more units are zero in one
    point than the box has dimensions, as where two units coincide, the network is refused. On lines and planes
    `on_line` and `on_plane` count such networks, too.

    Time and memory grow as the number of vertices, about as many as there are regions, times 2^d.

    Args:
        network: A network that `dlcourse.pieces.reading.read` understands, with vectors for inputs.
        low: The box's lowest corner: one number for each input, or just a number if there is one input.
        high: The highest one.
        max_regions: How many regions are too many.

    Returns:
        The counts.

    Raises:
        TypeError: If a layer of the network is not understood.
        ValueError: If a corner has the wrong number of coordinates or is not finite, the box is empty, a parameter is
            not finite, values overflow float64, or there are more regions than `max_regions`.
        DegenerateError: If the network is not in general position; the message names the units.
    """
    if isinstance(network, Stack):
        raise TypeError("in_box counts for one network, got a Stack")
    corners = _corner("low", low), _corner("high", high)
    layers = read(network, corners[0].shape)
    in_features = layers[0].weight.shape[2]
    for name, corner in zip(("low", "high"), corners, strict=True):
        if len(corner) != in_features:
            raise ValueError(f"{name} must have {in_features} coordinates, one for each input, got {len(corner)}")
    if not (corners[0] < corners[1]).all():
        raise ValueError(f"low must be less than high in every coordinate, got {corners[0]} and {corners[1]}")
    with np.errstate(all="ignore"):
        return _Complex(layers, *corners, max_regions).counts()


def _corner(name: str, corner: Corner) -> Float[np.ndarray, " coordinates"]:
    """A corner in float64; a lone number has one coordinate."""
    if isinstance(corner, Tensor):
        corner = corner.detach().to("cpu", torch.float64).numpy()
    coordinates = np.array(corner, dtype=np.float64, ndmin=1)
    if coordinates.ndim != 1:
        raise ValueError(f"{name} must be one point, got shape {coordinates.shape}")
    if not np.isfinite(coordinates).all():
        raise ValueError(f"{name} must be finite, got {coordinates[~np.isfinite(coordinates)][0]}")
    return coordinates


class _Complex:
    """The vertices and edges of the box, cut by one unit after another.

    Walls are numbered: side 2 i is x_i >= low_i, side 2 i + 1 is x_i <= high_i, then come all units, layer by layer.
    A vertex lies on d walls, an edge on d - 1, and it has a sign with respect to every other wall. The floats have a
    bound for their error, in the 2-norm over units.

    Attributes:
        on: The walls that a vertex lies on, `[vertices, d]`.
        signs: A vertex's sign for each unit, 0 for those that it lies on, `[vertices, units]`.
        hashes: The sum of the random numbers of a vertex's signs.
        ends: The two vertices of each edge.
        lines: The two vertices of the edge that each edge is part of, as the current layer found or made it. On all of
            it the pre-activations are affine, so that the errors of one cut do not add to those of the next.
        edge_on: The walls that an edge lies on, `[edges, d - 1]`.
        edge_hashes: The sum of the random numbers of an edge's signs.
        values: The current layer's pre-activations at the vertices.
        error: Their bounds.
    """

    def __init__(
        self,
        layers: list[Layer],
        low: Float[np.ndarray, " d"],
        high: Float[np.ndarray, " d"],
        max_regions: int,
    ) -> None:
        self.layers, self.low, self.high, self.max_regions = layers, low, high, max_regions
        self.d = d = len(low)
        self.num_settled = 0
        self.first_unit = np.cumsum([2 * d, *(layer.weight.shape[1] for layer in layers)])
        random = np.random.default_rng(0).integers(2**64, size=(self.first_unit[-1], 2), dtype=np.uint64)
        self.below, self.above = random.T
        self._exact_layers: dict[int, tuple[Integers, int, Integers, int]] = {}

        corners = np.array(list(itertools.product((0, 1), repeat=d)))
        self.on = 2 * np.arange(d) + corners
        self.signs = np.zeros((2**d, 0), dtype=np.int8)
        inside = self.above[: 2 * d]  # every point of the box is on the inner side of all sides, or on them
        self.hashes = inside.sum() - inside[self.on].sum(axis=1)
        start, axis = np.nonzero(corners == 0)
        self.ends = np.stack([start, start + 2 ** (d - 1 - axis)], axis=1)
        others = np.arange(d)[None] != axis[:, None]
        self.edge_on = self.on[start][others].reshape(len(start), d - 1)
        self.edge_hashes = inside.sum() - inside[self.edge_on].sum(axis=1)
        self.values = np.where(corners == 1, high, low)
        self.error = np.zeros(2**d)

        num_counted = 2**d
        for index, layer in enumerate(layers[:-1]):
            self._affine(layer)
            for unit in np.flatnonzero(layer.slope[0] != 1).tolist():
                self._cut(index, unit)
                # A region has d + 1 vertices or more, and a vertex is part of at most 2^d regions.
                if len(self.on) * 2**d > (d + 1) * max_regions and len(self.on) > 1.2 * num_counted:
                    num_counted = len(self.on)
                    self._check_number(len(self._regions()), index)
            self._bend(index)
        self._check_number(len(self._regions()), len(layers) - 2)

    def counts(self) -> InBox:
        """All of the counts."""
        regions = self._regions()
        num_merged = self._num_merged(regions)
        return InBox(len(regions), len(regions) - num_merged, self.num_settled)

    def _check_number(self, num_regions: int, index: int) -> None:
        if num_regions > self.max_regions:
            raise ValueError(
                f"there are more than max_regions = {self.max_regions} regions: {num_regions} when layer {index + 1} "
                f"of {len(self.layers)} was reached"
            )

    # One unit after another

    def _affine(self, layer: Layer) -> None:
        """W h + b at the vertices."""
        weight, bias = layer.weight[0], layer.bias[0]
        by_weights, by_biases = roundings(layer.weight, layer.bias, np.abs(layer.weight).sum(axis=2))
        largest = np.abs(self.values).max(axis=1)
        stretched = self.error * norm(layer.weight, len(self.on))[0]
        self.values = self.values @ weight.T + bias
        if not np.isfinite(self.values).all():
            raise ValueError("the network's values in the box must be finite in float64, but they overflow")
        self.error = SLACK * (stretched + by_weights[0] * largest + by_biases[0]) + TINY
        self.lines = self.ends.copy()
        self.signs = np.concatenate([self.signs, np.ones((len(self.on), len(bias)), dtype=np.int8)], axis=1)

    def _bend(self, index: int) -> None:
        """f of the layer's pre-activations."""
        slope = self.layers[index].slope[0]
        steepest = max(1.0, np.abs(slope).max())
        size = steepest * np.abs(self.values).max(axis=1)
        columns = slice(self.first_unit[index] - 2 * self.d, self.first_unit[index + 1] - 2 * self.d)
        self.values *= np.where(self.signs[:, columns] >= 0, 1, slope)
        self.error = SLACK * (steepest * self.error + len(slope) ** 0.5 * EPS * size)

    def _cut(self, index: int, unit: int) -> None:
        """Cuts the edges, and the faces between them, where a unit is zero."""
        wall = int(self.first_unit[index]) + unit
        value = self.values[:, unit]
        for vertex in np.flatnonzero(~(np.abs(value) > self.error)).tolist():
            self._settle(vertex, index, unit)
        positive = value > 0
        self.signs[:, wall - 2 * self.d] = np.where(positive, 1, -1)
        hashed = np.where(positive, self.above[wall], self.below[wall])
        self.hashes = self.hashes + hashed
        cut = positive[self.ends[:, 0]] != positive[self.ends[:, 1]]
        self.edge_hashes = self.edge_hashes + np.where(cut, np.uint64(0), hashed[self.ends[:, 0]])
        if not cut.any():
            return

        edges = np.flatnonzero(cut)
        a, b = self.ends[edges].T
        on, hashes = self.edge_on[edges], self.edge_hashes[edges]
        new = len(self.on) + np.arange(len(edges))
        signs = np.where(self.signs[a] == 0, self.signs[b], self.signs[a])
        signs[:, wall - 2 * self.d] = 0
        self._interpolate(unit, *self.lines[edges].T)
        self.signs = np.concatenate([self.signs, signs])
        self.hashes = np.concatenate([self.hashes, hashes])
        self.on = np.concatenate([self.on, np.concatenate([on, np.full((len(on), 1), wall)], axis=1)])
        pairs, face_on, face_hashes = self._faces(on, hashes)
        self.ends[edges, 1] = new  # the half that begins at a; then the half that ends at b, then the new edges
        self.edge_hashes[edges] += hashed[a]
        self.ends = np.concatenate([self.ends, np.stack([new, b], axis=1), new[pairs]])
        self.lines = np.concatenate([self.lines, self.lines[edges], new[pairs]])
        self.edge_hashes = np.concatenate([self.edge_hashes, hashes + hashed[b], face_hashes])
        face_on = np.concatenate([face_on, np.full((len(pairs), min(1, self.d - 1)), wall)], axis=1)
        self.edge_on = np.concatenate([self.edge_on, on, face_on])

    def _interpolate(self, unit: int, a: Int[np.ndarray, " new"], b: Int[np.ndarray, " new"]) -> None:
        """Adds the values where the unit is zero on each line from a to b."""
        start, change = self.values[a], self.values[b] - self.values[a]
        before, after = np.abs(start[:, unit]), np.abs(self.values[b, unit])
        whole = before + after
        t = before / whole
        error = np.maximum(self.error[a], self.error[b])
        t_error = SLACK * (error / whole + 2 * EPS * t)
        values = start + t[:, None] * change
        size = np.abs(values).max(axis=1) + np.abs(change).max(axis=1)
        rounded = np.minimum(t_error, 1) * length(change.T) + values.shape[1] ** 0.5 * 2 * EPS * size
        values[:, unit] = 0
        self.values = np.concatenate([self.values, values])
        self.error = np.concatenate([self.error, SLACK * (error + rounded) + TINY])

    def _faces(
        self, on: Int[np.ndarray, "cut _"], hashes: UInt64[np.ndarray, " cut"]
    ) -> tuple[Int[np.ndarray, "faces 2"], Int[np.ndarray, "faces _"], UInt64[np.ndarray, " faces"]]:
        """The two-dimensional faces that are cut: which two of their edges are, the walls that they lie on, hashes."""
        num_walls = on.shape[1]
        # An edge borders on a face for each side of each wall that it lies on, except outside of the box.
        key, edge, left = [], [], []
        for i in range(num_walls):
            for number, outside in ((self.above, False), (self.below, True)):
                inside = np.flatnonzero((on[:, i] >= 2 * self.d) | (not outside))
                key.append(hashes[inside] + number[on[inside, i]])
                edge.append(inside)
                left.append(np.full(len(inside), i))
        if not key:
            return np.zeros((0, 2), dtype=np.int64), np.zeros((0, 0), dtype=np.int64), np.zeros(0, dtype=np.uint64)
        keys, edges, walls = np.concatenate(key), np.concatenate(edge), np.concatenate(left)
        order = np.argsort(keys, kind="stable")
        keys, edges, walls = keys[order], edges[order], walls[order]
        if len(keys) % 2 or (keys[::2] != keys[1::2]).any() or (keys[2::2] == keys[1:-1:2]).any():
            raise AssertionError("a unit must cut two edges of each face that it cuts")
        others = np.arange(num_walls)[None] != walls[::2, None]
        return edges.reshape(-1, 2), on[edges[::2]][others].reshape(len(edges) // 2, num_walls - 1), keys[::2]

    # Exactly

    def _settle(self, vertex: int, index: int, unit: int) -> None:
        """Works out a vertex's pre-activations anew, rounded only once, since the sign of one could not be proven."""
        self.num_settled += 1
        # Functions a x + c are rows (a, c) of integers, over one power of two for all.
        functions, denominator = np.eye(self.d, self.d + 1, dtype=np.int64).astype(object), 1
        equations = []
        for wall in self.on[vertex][self.on[vertex] < 2 * self.d].tolist():
            bound = Fraction(float((self.low, self.high)[wall % 2][wall // 2]))
            equations.append([*(Fraction(int(a)) for a in functions[wall // 2, :-1]), -bound])
        for i in range(index + 1):
            weight, weight_denominator, bias, bias_denominator = self._exactly(i)
            finer = max(1, bias_denominator // (denominator * weight_denominator))
            functions, denominator = weight @ functions * finer, denominator * weight_denominator * finer
            functions[:, -1] += bias * (denominator // bias_denominator)
            first = int(self.first_unit[i])
            here = [wall - first for wall in self.on[vertex].tolist() if first <= wall < self.first_unit[i + 1]]
            equations += [[Fraction(number) for number in functions[u]] for u in here]
            if i < index:
                # Any region at the vertex will do: what it lies on is continuous.
                slope, slope_denominator = integers(self.layers[i].slope[0])
                sign = self.signs[vertex, first - 2 * self.d : self.first_unit[i + 1] - 2 * self.d]
                functions = functions * np.where(sign >= 0, slope_denominator, slope)[:, None]
                denominator *= slope_denominator
        point = _solution(equations)
        common = math.lcm(*(x.denominator for x in point))
        exact = functions @ np.array([*(x.numerator * (common // x.denominator) for x in point), common], dtype=object)
        if exact[unit] == 0:
            walls = ", ".join(self._named(int(wall)) for wall in self.on[vertex])
            raise DegenerateError(
                f"units must be in general position, but {self._named(int(self.first_unit[index]) + unit)} is zero at "
                f"x = {[float(x) for x in point]}, which is on {walls}"
            )
        values = (exact / (common * denominator)).astype(np.float64)
        values[unit] = values[unit] or (5e-324 if exact[unit] > 0 else -5e-324)
        self.values[vertex] = values
        self.error[vertex] = len(values) ** 0.5 * EPS * np.abs(values).max() + TINY

    def _exactly(self, index: int) -> tuple[Integers, int, Integers, int]:
        """Weight and bias of a layer in integers, each with its denominator."""
        if index not in self._exact_layers:
            layer = self.layers[index]
            self._exact_layers[index] = (*integers(layer.weight[0]), *integers(layer.bias[0]))
        return self._exact_layers[index]

    def _named(self, wall: int) -> str:
        """A wall for an error message."""
        if wall < 2 * self.d:
            return f"the side x[{wall // 2}] = {(self.low, self.high)[wall % 2][wall // 2]}"
        index = int(np.searchsorted(self.first_unit, wall, side="right")) - 1
        return f"unit {wall - self.first_unit[index]} of layer {index}"

    # Regions

    def _regions(self) -> UInt64[np.ndarray, " regions"]:
        """The hashes of all regions: of those around each vertex."""
        parts = [hashes for _, hashes in self._around(self.on, self.hashes)]
        return np.unique(np.concatenate(parts))

    def _around(
        self, on: Int[np.ndarray, "some walls"], hashes: UInt64[np.ndarray, " some"]
    ) -> Iterator[tuple[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " walls"]], UInt64[np.ndarray, " _"]]]:
        """What lies to all sides of some walls at some vertices: the vertices and the sides, and hashes."""
        for sides in itertools.product((1, -1), repeat=on.shape[1]):
            side = np.array(sides, dtype=np.int64)
            inside = ((on >= 2 * self.d) | (side > 0)).all(axis=1)
            numbers = np.where(side > 0, self.above[on[inside]], self.below[on[inside]])
            yield (np.flatnonzero(inside), side), hashes[inside] + numbers.sum(axis=1, dtype=np.uint64)

    def _num_merged(self, regions: UInt64[np.ndarray, " regions"]) -> int:
        """How many regions fewer there are when neighbours with one affine map are taken together."""
        parent = np.arange(len(regions))

        def root(region: int) -> int:
            while parent[region] != region:
                parent[region] = region = int(parent[parent[region]])
            return region

        num_merged = 0
        for wall, hashes, signs in self._facets():
            flat = self._is_flat(wall, signs)
            sides = np.searchsorted(regions, np.stack([hashes + self.above[wall], hashes + self.below[wall]])[:, flat])
            for a, b in sides.T.tolist():
                a, b = root(a), root(b)
                num_merged += a != b
                parent[a] = b
        return num_merged

    def _facets(
        self,
    ) -> Iterator[tuple[int, UInt64[np.ndarray, " facets"], Int[np.ndarray, "facets units"]]]:
        """What two regions have in common where only one unit's sign is different: the unit, hashes, signs."""
        walls, hashes, vertices, places, sides = [], [], [], [], []
        for place in range(self.d):
            some = np.flatnonzero(self.on[:, place] >= 2 * self.d)
            others = np.delete(self.on[some], place, axis=1)
            for (rows, sides_here), hashes_here in self._around(others, self.hashes[some]):
                walls.append(self.on[some[rows], place])
                hashes.append(hashes_here)
                vertices.append(some[rows])
                places.append(np.full(len(rows), place))
                sides.append(np.broadcast_to(sides_here, (len(rows), self.d - 1)))
        wall, hashed = np.concatenate(walls), np.concatenate(hashes)
        order = np.lexsort((hashed, wall))
        first = np.ones(len(order), dtype=bool)
        first[1:] = (np.diff(wall[order]) > 0) | (hashed[order][1:] != hashed[order][:-1])
        chosen = order[first]
        vertex, omitted, side = (np.concatenate(parts)[chosen] for parts in (vertices, places, sides))
        wall, hashed = wall[chosen], hashed[chosen]
        starts = [*np.flatnonzero(np.diff(wall, prepend=-1)).tolist(), len(wall)]
        for first_facet, end in itertools.pairwise(starts):
            for a in range(first_facet, end, _PART):
                part = slice(a, min(a + _PART, end))
                signs = self.signs[vertex[part]]
                others = np.arange(self.d)[None] != omitted[part, None]
                units = self.on[vertex[part]][others].reshape(len(signs), self.d - 1) - 2 * self.d
                row, column = np.nonzero(units >= 0)
                signs[row, units[row, column]] = side[part][row, column]
                yield int(wall[a]), hashed[part], signs

    def _is_flat(self, wall: int, signs: Int[np.ndarray, "facets units"]) -> Bool[np.ndarray, " facets"]:
        """Whether the outputs do not depend on a unit, so that its kink does not show."""
        index = int(np.searchsorted(self.first_unit, wall, side="right")) - 1
        unit = wall - int(self.first_unit[index])
        derivative = self.layers[-1].weight[0][None]
        size = _size(derivative)
        num_roundings = 0
        for i in range(len(self.layers) - 2, index, -1):
            factor = self._factors(i, signs)
            weight = self.layers[i].weight[0]
            derivative = (derivative * factor[:, None]) @ weight
            size = (size * _size(factor)[:, None]) @ _size(weight)
            num_roundings += len(weight) + 3
        shape = (len(signs), derivative.shape[1])
        derivative, size = np.broadcast_to(derivative[:, :, unit], shape), np.broadcast_to(size[:, :, unit], shape)
        flat: Bool[np.ndarray, " facets"] = (size == 0).all(axis=1)
        steep = (np.abs(derivative) > SLACK * num_roundings * EPS * size + TINY).any(axis=1)
        steep |= (num_roundings == 0) & (derivative != 0).any(axis=1)
        for facet in np.flatnonzero(~flat & ~steep).tolist():
            self.num_settled += 1
            exact = integers(self.layers[-1].weight[0])[0]
            for i in range(len(self.layers) - 2, index, -1):
                factors = integers(self._factors(i, signs[facet : facet + 1])[0])[0]
                exact = (exact * factors) @ self._exactly(i)[0]
            flat[facet] = not exact[:, unit].any()
        return flat

    def _factors(self, index: int, signs: Int[np.ndarray, "facets units"]) -> Float[np.ndarray, "facets width"]:
        """What a layer's pre-activations are multiplied by."""
        columns = signs[:, self.first_unit[index] - 2 * self.d : self.first_unit[index + 1] - 2 * self.d]
        return np.asarray(np.where(columns >= 0, 1.0, self.layers[index].slope[0]))


_PART = 1024  # facets whose derivatives are computed at once: memory stays small


def _size(numbers: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """At least the absolute values, and so large that products are 0 only where a factor is."""
    return np.asarray(np.maximum(np.abs(numbers), (numbers != 0) * 2.0**-40))


def _solution(equations: list[list[Fraction]]) -> list[Fraction]:
    """The x of a x + c = 0 for all rows (a, c)."""
    for i in range(len(equations)):
        pivot = next(row for row in range(i, len(equations)) if equations[row][i] != 0)
        equations[i], equations[pivot] = equations[pivot], equations[i]
        equations[i] = [number / equations[i][i] for number in equations[i]]
        for row in range(len(equations)):
            if row != i and equations[row][i] != 0:
                factor = equations[row][i]
                equations[row] = [x - factor * y for x, y in zip(equations[row], equations[i], strict=True)]
    return [-row[-1] for row in equations]
