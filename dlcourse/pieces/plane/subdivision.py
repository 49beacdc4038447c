"""A convex polygon of a plane, cut where units of one layer after another change their signs."""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, frobenius, grows, norm
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.exact import Birth, ExactPlane, order_along

_PART = 1024  # rows that are worked on at once, so that they stay in the cache
_LINE_BITS = 32  # of a line's number, for the unit or the side


def line_number(layer: int, unit: Int[np.ndarray, " lines"]) -> Int[np.ndarray, " lines"]:
    """One number for a layer and one of its units."""
    return (layer << _LINE_BITS) | unit


def layers_and_units(lines: Int[np.ndarray, " lines"]) -> Int[np.ndarray, "lines 2"]:
    """The layers and the units of these numbers."""
    return np.stack([lines >> _LINE_BITS, lines & ((1 << _LINE_BITS) - 1)], axis=1)


@dataclass(eq=False)
class Mesh:
    """Vertices, edges and faces of a subdivision.

    Attributes:
        num_vertices: Number of vertices.
        num_faces: Number of faces.
        ends: For each edge the vertices where it starts and ends.
        faces: For each edge the face to its left and the one to its right; -1 outside of the domain.
        lines: For each edge the line that it is part of, as `line_number` of the layer and the unit whose zero set that
            is, or of -1 and the side of the domain.
    """

    num_vertices: int
    num_faces: int
    ends: Int[np.ndarray, "edges 2"]
    faces: Int[np.ndarray, "edges 2"]
    lines: Int[np.ndarray, " edges"]


class _Made(NamedTuple):
    """Vertices that a layer made, each between two others, and on two lines that are valid on a face at its side."""

    layer: int
    face: Int[np.ndarray, " vertices"]  # as numbered before that layer
    line: Int[np.ndarray, " vertices"]
    other_line: Int[np.ndarray, " vertices"]
    start: Int[np.ndarray, " vertices"]
    end: Int[np.ndarray, " vertices"]
    t: Float[np.ndarray, " vertices"]  # 0 < t < 1 from start to end
    t_error: Float[np.ndarray, " vertices"]


class _Order(NamedTuple):
    """Things in order along lines: one line after another."""

    order: Int[np.ndarray, " things"]  # their indices
    first: Bool[np.ndarray, " things"]  # whether a thing, in that order, is apart from the one before it


class _EdgePoints(NamedTuple):
    """Points inside edges where units change their signs; there is one point where several units do so together."""

    edge: Int[np.ndarray, " points"]
    unit: Int[np.ndarray, " points"]  # one of them
    t: Float[np.ndarray, " points"]  # 0 < t < 1 from the edge's start to its end
    t_error: Float[np.ndarray, " points"]
    crossing_point: Int[np.ndarray, " crossings"]  # for each change of a sign its point, its unit, and its edge
    crossing_unit: Int[np.ndarray, " crossings"]
    crossing_edge: Int[np.ndarray, " crossings"]
    start: Int[np.ndarray, " points"]  # the edge's ends
    end: Int[np.ndarray, " points"]


class _Chords(NamedTuple):
    """Lines across faces along which a unit is zero; the unit is positive on the left."""

    face: Int[np.ndarray, " chords"]
    unit: Int[np.ndarray, " chords"]
    start: Int[np.ndarray, " chords"]  # a vertex, or the number of vertices plus an edge point
    end: Int[np.ndarray, " chords"]


class Subdivision:
    """The subdivision and the current layer's values at its vertices, taken up to the last layer that cuts.

    The signs of pre-activations at vertices are exact, as are the orders of points on lines; the floats have a bound
    for their error, in the 2-norm over units: |values[v] - exact|_2 <= error[v].

    Attributes:
        mesh: The subdivision.
        values: What the current layer takes in, or gives before its activation, at the vertices.
        error: The bounds.
        size: A bound for all |exact values|_2.
        closely: Whether what layers stretch both is bounded more closely than by their Frobenius norms.
        made: The vertices beyond the domain's corners, a part of them for each time that some were made.
        last_cut: The last layer with kinks.
        counted: What `count` has found out about that layer, for `finish`.
        exact: The functions on faces in exact arithmetic; it keeps the patterns of all layers that are done.
        num_settled: How many signs and orders exact arithmetic decided.
        max_regions: More faces than that are refused.
    """

    def __init__(
        self,
        layers: list[UnitLayer],
        frame: Float[np.ndarray, "in_features 3"],
        corners: Float[np.ndarray, "corners 2"],
        max_regions: int,
    ) -> None:
        num_corners = len(corners)
        self.layers, self.max_regions = layers, max_regions
        self.exact = ExactPlane(layers, frame, corners)
        self.num_settled = 0
        self.layer = 0
        self.last_cut = max((index for index, layer in enumerate(layers) if layer.bends), default=0)
        self.counted: _Arrangement | None = None
        self.mesh = Mesh(
            num_vertices=num_corners,
            num_faces=1,
            ends=np.array([(corner, (corner + 1) % num_corners) for corner in range(num_corners)]),
            faces=np.full((num_corners, 2), [0, -1]),
            lines=line_number(-1, np.arange(num_corners)),
        )
        self.made: list[_Made] = []
        self.values = corners @ frame[:, :2].T + frame[:, 2]
        sizes = np.abs(corners) @ np.abs(frame[:, :2]).T + np.abs(frame[:, 2])
        self.size = _longest(sizes) * SLACK + TINY
        is_identity = frame.shape[0] == 2 and (frame == np.eye(2, 3)).all()
        self.error = np.full(num_corners, 0.0 if is_identity else 4 * EPS * self.size)
        with np.errstate(all="ignore"):  # overflow is looked for where it can begin
            self.closely = grows(frobenius(layer.weight) for layer in layers)
            self.affine(0)
            for following in range(1, self.last_cut + 1):
                self.cut()
                self.affine(following)

    def finish(self) -> None:
        """Lets the last layer that cuts make its cuts too; no values are kept."""
        with np.errstate(all="ignore"):
            self.cut()
            for following in range(self.layer + 1, len(self.layers) - 1):
                self.layer = following
                self.cut()

    def affine(self, index: int) -> None:
        """Takes the affine part of a layer."""
        self.layer = index
        self.values, self.error, self.size = affine(self.layers[index], self.values, self.error, closely=self.closely)

    def cut(self) -> None:
        """Cuts the faces where units of the current layer change their signs, and applies its activation."""
        layer = self.layers[self.layer]
        if not layer.bends:
            everywhere = np.ones((self.mesh.num_faces, layer.bias.shape[1]), dtype=bool)
            self.exact.parents.append(np.arange(self.mesh.num_faces))
            self.exact.patterns.append(bits.pack(everywhere))
            return
        arrangement, self.counted = self.counted or _Arrangement(self), None
        arrangement.build()
        if self.layer < self.last_cut:
            self._activate(arrangement.off)
        self.exact.forget()

    def count(self) -> int:
        """How many faces cutting would make; nothing is cut."""
        if not self.layers[self.layer].bends:
            return self.mesh.num_faces
        with np.errstate(all="ignore"):
            self.counted = _Arrangement(self)
            return self.counted.count()

    def guard(self, num_faces: int) -> None:
        """Refuses to make too many faces."""
        if num_faces > self.max_regions:
            raise ValueError(
                f"max_regions must be at least the number of regions, got {self.max_regions}, but layer "
                f"{self.layer + 1} of {len(self.layers)} cuts {self.mesh.num_faces} regions into {num_faces}"
            )

    def birth(self, vertex: int) -> Birth:
        """Where a vertex comes from."""
        first = len(self.exact.corners)
        if vertex < first:
            return Birth(-1, vertex, ((0, 0), (0, 0)))
        for made in self.made:
            index, first = vertex - first, first + len(made.face)
            if vertex < first:
                break
        one, other = layers_and_units(np.array([made.line[index], made.other_line[index]])).tolist()
        return Birth(made.layer, int(made.face[index]), (tuple(one), tuple(other)))

    def points(self) -> tuple[Float[np.ndarray, "vertices 2"], Float[np.ndarray, " vertices"]]:
        """The vertices' coordinates in the plane, rounded, and a bound for how far each of them may be off."""
        first = len(self.exact.corners)
        points, error = np.empty((self.mesh.num_vertices, 2)), np.zeros(self.mesh.num_vertices)
        points[:first] = self.exact.corners
        for made in self.made:
            new = slice(first, first := first + len(made.face))
            before = points[made.start]
            change = points[made.end] - before
            points[new] = before + made.t[:, None] * change
            reach = np.abs(change).sum(axis=1)
            rounded = 2 * EPS * (np.abs(before).sum(axis=1) + reach)
            error[new] = SLACK * (made.t_error * reach + np.maximum(error[made.start], error[made.end]) + rounded)
        return points, error

    def _activate(self, off: Bool[np.ndarray, " vertices"]) -> None:
        """Applies the activation; `off` tells the vertices where no unit is positive."""
        slope = self.layers[self.layer].slope[0]
        if not slope.any():
            np.maximum(self.values, 0, out=self.values)
            if off.any():  # exactly 0, whatever was rounded
                self.values[off] = 0
                self.error[off] = 0
            return
        largest = max(1.0, float(np.abs(slope).max()))
        np.multiply(self.values, slope, out=self.values, where=self.values < 0)
        self.error *= largest
        self.error += EPS * largest * self.size
        self.size *= largest


def affine(
    layer: UnitLayer,
    values: Float[np.ndarray, "points in_features"],
    error: Float[np.ndarray, " points"],
    *,
    closely: bool = True,
) -> tuple[Float[np.ndarray, "points units"], Float[np.ndarray, " points"], float]:
    """W h + b at some points with bounds for their errors and one for the size of all, in the 2-norm.

    Raises:
        ValueError: If the values overflow.
    """
    weight, bias = layer.weight[0], layer.bias[0]
    loosely = float(frobenius(layer.weight)[0])
    stretch = float(norm(layer.weight, len(values))[0]) if closely else loosely
    length = math.sqrt(float(bias @ bias))
    inputs = _longest(values) * SLACK + TINY
    # |W| |h| + |b| bounds the sizes of the terms, whatever their signs; a sum of n + 1 terms rounds n + 1 times.
    rounded = (weight.shape[1] + 2) * EPS * (loosely * inputs + length)
    size = SLACK * (stretch * (inputs + float(error.max())) + length) + TINY
    if not size < 1e300:
        raise ValueError("the network's values on the plane must be finite in float64, but they overflow")
    nonzero = (error > 0) | values.any(axis=1) if error.min() == 0 else 1  # what is exactly 0 gives exactly b
    error = (SLACK * (stretch * error + rounded) + TINY) * nonzero
    values = values @ weight.T
    values += bias
    return values, error, size


def _share(
    before: Float[np.ndarray, " some"], after: Float[np.ndarray, " some"], error: Float[np.ndarray, " some"]
) -> tuple[Float[np.ndarray, " some"], Float[np.ndarray, " some"]]:
    """before / (before + after), between 0 and 1, and how far off it may be for errors (at least TINY) of the two."""
    whole = np.maximum(before + after, TINY)
    share = before / whole
    return share, SLACK * (error / whole + 2 * EPS * share)


def _entries(
    rows: Float[np.ndarray, "rows entries"], row: Int[np.ndarray, " some"], entry: Int[np.ndarray, " some"]
) -> Float[np.ndarray, " some"]:
    """rows[row, entry], in half the time."""
    entries: Float[np.ndarray, " some"] = rows.ravel().take(row * rows.shape[1] + entry)
    return entries


def _changes(
    starts: UInt64[np.ndarray, "lines words"], ends: UInt64[np.ndarray, "lines words"]
) -> UInt64[np.ndarray, "lines words"]:
    """What changes from the end of each line to the start of the next one, and from nothing to the first start."""
    changes = starts.copy()
    changes[1:] ^= ends[:-1]
    return changes


def _longest(vectors: Float[np.ndarray, "vectors entries"]) -> float:
    """The largest 2-norm."""
    return math.sqrt(float(np.einsum("ij,ij->i", vectors, vectors).max()))


class _Arrangement:
    """What one layer's zero lines do on the faces of a subdivision."""

    off: Bool[np.ndarray, " vertices"]  # once cut: where no unit is positive

    def __init__(self, subdivision: Subdivision) -> None:
        self.subdivision = subdivision
        self.mesh = subdivision.mesh
        self.num_units = subdivision.values.shape[1]
        self.num_words = bits.num_words(self.num_units)
        self.keeps_values = subdivision.layer < subdivision.last_cut
        self._signs()
        self.points = self._edge_points()
        self._edge_pieces()
        self.chords = self._find_chords()
        self._across_chords()

    # Signs at vertices

    def _signs(self) -> None:
        """Positive, negative and zero units at each vertex, exactly."""
        sub = self.subdivision
        error = sub.error[:, None]
        passing = sub.layers[sub.layer].slope[0] == 1
        positive = sub.values > error
        proven = sub.values < -error
        proven |= positive
        if passing.any():  # units without a kink are taken to be positive everywhere
            positive |= passing
            proven |= passing
        self.positive = bits.pack(positive)
        self.has_zeros = not proven.all()
        if not self.has_zeros:
            return
        unproven = ~proven
        self.zero = bits.pack(unproven)
        vertices = np.flatnonzero(unproven.any(axis=1) & (sub.error > 0))  # where the error is 0, zeros are proven
        if len(vertices):
            sub.num_settled += int(unproven[vertices].sum())
            values, signs = self._exact_values(vertices)
            sub.values[vertices] = values
            length = np.sqrt(np.einsum("ij,ij->i", values, values))
            sub.error[vertices] = EPS * SLACK * length + TINY
            self.positive[vertices] = bits.pack((signs > 0) | passing)
            self.zero[vertices] = bits.pack((signs == 0) & ~passing)
            self.has_zeros = bool(self.zero.any())

    def _exact_values(
        self, vertices: Int[np.ndarray, " some"]
    ) -> tuple[Float[np.ndarray, "some units"], Int[np.ndarray, "some units"]]:
        """All pre-activations at some vertices, rounded once, and their signs."""
        sub, mesh = self.subdivision, self.mesh
        beside = np.empty(mesh.num_vertices, dtype=np.int64)
        beside[mesh.ends[:, 0]] = mesh.faces[:, 0]
        beside[mesh.ends[:, 1]] = mesh.faces[:, 0]
        values = np.empty((len(vertices), self.num_units))
        signs = np.empty((len(vertices), self.num_units), dtype=np.int64)
        faces = beside[vertices].tolist()
        functions = sub.exact.functions(sub.layer, faces)
        denominator = sub.exact.denominator(sub.layer)
        for index, (vertex, function) in enumerate(zip(vertices.tolist(), functions, strict=True)):
            point = sub.exact.point(sub.birth(vertex))
            exact = function @ point
            values[index] = (exact / (denominator * int(point[2]))).astype(np.float64)
            signs[index] = np.sign(exact).astype(np.int64)
        return values, signs

    # Points on edges

    def _edge_points(self) -> _EdgePoints:
        """Where units change their signs on edges, in order along each."""
        sub, mesh = self.subdivision, self.mesh
        start, end = mesh.ends[:, 0], mesh.ends[:, 1]
        self.positive_start, self.positive_end = self.positive.take(start, axis=0), self.positive.take(end, axis=0)
        changes = self.positive_start ^ self.positive_end
        if self.has_zeros:
            zero_start, zero_end = self.zero.take(start, axis=0), self.zero.take(end, axis=0)
            changes &= ~(zero_start | zero_end)
            self.zero_edges = zero_start & zero_end
            # Just inside an edge a unit that is zero at its end has the other end's sign.
            self.positive_start, self.positive_end = (
                self.positive_start | (zero_start & self.positive_end),
                self.positive_end | (zero_end & self.positive_start),
            )
        edge, unit = bits.positions(changes)
        a, b = start[edge], end[edge]
        before, after = np.abs(_entries(sub.values, a, unit)), np.abs(_entries(sub.values, b, unit))
        t, t_error = _share(before, after, np.maximum(sub.error[a], sub.error[b]))
        order, first = self._ordered(edge, unit, t, t_error, on_chords=False)
        unit, t, t_error = unit[order], t[order], t_error[order]  # edges keep their order, and so their ends theirs
        self.several = not first.all()
        if not self.several:
            return _EdgePoints(edge, unit, t, t_error, np.arange(len(edge)), unit, edge, a, b)
        number = np.cumsum(first) - 1
        return _EdgePoints(edge[first], unit[first], t[first], t_error[first], number, unit, edge, a[first], b[first])

    def _ordered(
        self,
        line: Int[np.ndarray, " things"],
        unit: Int[np.ndarray, " things"],
        t: Float[np.ndarray, " things"],
        t_error: Float[np.ndarray, " things"],
        *,
        on_chords: bool,
    ) -> _Order:
        """Zeros of units on edges or on chords, which are ascending, in order of t along each."""
        num = len(line)
        order, first = np.arange(num), np.ones(num, dtype=bool)
        beside = line[1:] == line[:-1]
        if not beside.any():
            return _Order(order, first)
        shared = np.zeros(num, dtype=bool)
        shared[1:] = beside
        shared[:-1] |= beside
        some = shared.nonzero()[0]
        # The sum may round t; things that it misplaces have gaps that are not proven.
        within = some[np.argsort(2.0 * line[some] + t[some])]
        order[some] = within
        in_order, error = t[within], t_error[within]
        proven = in_order[1:] - in_order[:-1] > SLACK * (error[1:] + error[:-1])
        proven |= line[some[1:]] > line[some[:-1]]
        if proven.all():
            return _Order(order, first)
        self.subdivision.num_settled += int((~proven).sum())
        lines = np.unique(line[some[1:]][~proven])
        for one, (a, b) in zip(lines.tolist(), np.searchsorted(line, [lines, lines + 1]).T.tolist(), strict=True):
            keys = self._exact_order(one, unit[order[a:b]], on_chords=on_chords)
            order[a:b] = order[a:b][[index for _, index in keys]]
            first[a + 1 : b] = [one_key != next_key for (one_key, _), (next_key, _) in pairwise(keys)]
        return _Order(order, first)

    def _exact_order(
        self, line: int, units: Int[np.ndarray, " things"], *, on_chords: bool
    ) -> list[tuple[Fraction, int]]:
        """Zeros of units along an edge or a chord, in order, each with its index; equal ones have equal keys."""
        sub, mesh = self.subdivision, self.mesh
        if on_chords:
            face = int(self.chords.face[line])
            function = sub.exact.functions(sub.layer, [face])[0][self.chords.unit[line]]
            start = self._positive_at(self.chords.start[line : line + 1])
        else:
            face = int(mesh.faces[line, 0])
            ((of, by),) = layers_and_units(mesh.lines[line : line + 1]).tolist()
            function = sub.exact.line((of, by), sub.layer, face)
            start = self.positive_start[line : line + 1]
        falling = bits.has(start, np.zeros(1, dtype=np.int64), units[:1])[0]
        return order_along(function, sub.exact.functions(sub.layer, [face])[0][units], rising=not falling)

    # The parts of edges between these points

    def _edge_pieces(self) -> None:
        """Which units are positive on every part of every edge, and at the points between parts."""
        mesh, points = self.mesh, self.points
        num_edges, num_points = len(mesh.ends), len(points.edge)
        per_edge = np.bincount(points.edge, minlength=num_edges)
        self.first_piece = np.arange(num_edges) + np.cumsum(per_edge) - per_edge
        self.last_piece = self.first_piece + per_edge
        self.piece_after = np.arange(num_points) + points.edge + 1
        self.piece_edge = np.repeat(np.arange(num_edges), per_edge + 1)
        # Each row says what changes from the part before, the first of an edge against the last of the edge before.
        pattern = np.zeros((num_edges + num_points, self.num_words), dtype=np.uint64)
        pattern[self.first_piece] = _changes(self.positive_start, self.positive_end)
        toggled = bits.single(points.crossing_unit, self.num_words)
        if self.several:
            toggled = bits.union(toggled, points.crossing_point, num_points)
        pattern[self.piece_after] = toggled
        np.bitwise_xor.accumulate(pattern, axis=0, out=pattern)
        self.piece_pattern = pattern
        self.point_positive = pattern.take(self.piece_after, axis=0)
        self.point_positive &= pattern.take(self.piece_after - 1, axis=0)
        if self.has_zeros or self.several:
            self.point_zero = toggled | self.zero_edges[points.edge] if self.has_zeros else toggled

    def _positive_at(self, points: Int[np.ndarray, " some"]) -> UInt64[np.ndarray, "some words"]:
        """Which units are positive at vertices and edge points."""
        if self.has_zeros:
            everywhere = np.concatenate([self.positive, self.point_positive])
            words: UInt64[np.ndarray, "some words"] = everywhere.take(points, axis=0)
        else:
            words = self.point_positive.take(points - self.mesh.num_vertices, axis=0)
        return words

    def _zero_at(self, points: Int[np.ndarray, " some"]) -> UInt64[np.ndarray, "some words"]:
        """Which units are zero at vertices and edge points."""
        if self.has_zeros:
            words: UInt64[np.ndarray, "some words"] = np.concatenate([self.zero, self.point_zero]).take(points, axis=0)
        else:
            words = self.point_zero.take(points - self.mesh.num_vertices, axis=0)
        return words

    # Chords

    def _find_chords(self) -> _Chords:
        """Where units change their signs inside faces: from one point of a face's border to another."""
        mesh, points = self.mesh, self.points
        num_vertices = mesh.num_vertices
        edge, unit = points.crossing_edge, points.crossing_unit
        point = num_vertices + points.crossing_point
        # Counterclockwise around the face on its left a unit rises where it is negative at the edge's start; around the
        # face on its right it falls there. A chord goes from where its unit falls to where it rises.
        left, right = mesh.faces.take(edge, axis=0).T
        rises = ~bits.has(self.positive_start, edge, unit)
        inner = (right >= 0).nonzero()[0]
        face = np.concatenate([left, right[inner]])
        units = np.concatenate([unit, unit[inner]])
        rising = np.concatenate([rises, ~rises[inner]])
        at = np.concatenate([point, point[inner]])
        if self.has_zeros:
            more_face, more_unit, more_rising, more_at, touching = self._zero_corners()
            face, units = np.concatenate([face, more_face]), np.concatenate([units, more_unit])
            rising, at = np.concatenate([rising, more_rising]), np.concatenate([at, more_at])
        self.unit_bits = max(1, (self.num_units - 1).bit_length())
        at_bits = (num_vertices + len(points.edge)).bit_length()
        assert mesh.num_faces.bit_length() + self.unit_bits + 1 + at_bits < 64
        group = (face << self.unit_bits) | units
        keys = (((group << 1) | rising) << at_bits) | at
        if self.has_zeros:
            keys = keys[~np.isin(group, touching)]
        keys.sort()
        if self.has_zeros:  # at a corner that is all that a face has of a unit's zeros there is no chord
            group = keys >> (at_bits + 1)
            alone = np.ones(len(group), dtype=bool)
            alone[1:] &= group[1:] != group[:-1]
            alone[:-1] &= group[1:] != group[:-1]
            keys = keys[~alone]
        starts, ends = keys[0::2], keys[1::2]
        if len(starts) != len(ends) or not ((starts >> at_bits) ^ (ends >> at_bits) == 1).all():
            raise SubdivisionError("a unit's zeros must cross a face from one point of its border to another")
        self.chord_key = starts >> (at_bits + 1)
        most = (1 << at_bits) - 1
        start, end = starts & most, ends & most
        return _Chords(self.chord_key >> self.unit_bits, self.chord_key & ((1 << self.unit_bits) - 1), start, end)

    def _zero_corners(
        self,
    ) -> tuple[
        Int[np.ndarray, " corners"],
        Int[np.ndarray, " corners"],
        Bool[np.ndarray, " corners"],
        Int[np.ndarray, " corners"],
        Int[np.ndarray, " sides"],
    ]:
        """The corners of faces where units are zero: face, unit, whether it rises, vertex; and units along a side.

        The last are the (face, unit) whose zeros contain a side of the face: the unit does not change its sign there.
        """
        mesh = self.mesh
        inner = np.flatnonzero(mesh.faces[:, 1] >= 0)
        # Counterclockwise around its face every edge starts at one corner.
        origin = np.concatenate([mesh.ends[:, 0], mesh.ends[inner, 1]])
        target = np.concatenate([mesh.ends[:, 1], mesh.ends[inner, 0]])
        face = np.concatenate([mesh.faces[:, 0], mesh.faces[inner, 1]])
        side, unit = bits.positions(self.zero.take(origin, axis=0))
        rising = bits.has(self.positive, target[side], unit)
        touching = bits.has(self.zero, target[side], unit)
        group = (face[side] << max(1, (self.num_units - 1).bit_length())) | unit
        return face[side], unit, rising, origin[side], group[touching]

    def _across_chords(self) -> None:
        """Merges chords that coincide, and finds the pairs that cross."""
        chords = self.chords
        num_chords = len(chords.face)
        start, end = self._positive_at(chords.start), self._positive_at(chords.end)
        self.chord_start, self.chord_end = start, end  # which units are positive on a chord near its ends
        own = bits.single(chords.unit, self.num_words)
        self.chord_left, self.chord_right = own, np.zeros_like(own)
        changes = start ^ end
        if not (self.has_zeros or self.several):
            chord, unit = bits.positions(changes)
            self._crossings(chord, unit, np.searchsorted(self.chord_key, (chords.face[chord] << self.unit_bits) | unit))
            return

        zero_start, zero_end = self._zero_at(chords.start), self._zero_at(chords.end)
        changes &= ~(zero_start | zero_end)
        self.chord_start, self.chord_end = start | (zero_start & end), end | (zero_end & start)
        low, high = np.minimum(chords.start, chords.end), np.maximum(chords.start, chords.end)
        order = np.lexsort((np.arange(num_chords), high, low, chords.face))
        new = np.ones(num_chords, dtype=bool)
        for of in (chords.face, low, high):
            new[1:] &= of[order[1:]] == of[order[:-1]]
        new[1:] = ~new[1:]
        leader = np.empty(num_chords, dtype=np.int64)  # of chords that coincide the one with the first unit
        leader[order] = order[new][np.cumsum(new) - 1]
        along = chords.start == chords.start[leader]
        self.chord_left = bits.union(np.where(along[:, None], own, np.uint64(0)), leader, num_chords)
        self.chord_right = bits.union(np.where(along[:, None], np.uint64(0), own), leader, num_chords)
        leads = leader == np.arange(num_chords)
        changes[~leads] = 0
        chord, unit = bits.positions(changes)
        other = np.searchsorted(self.chord_key, (chords.face[chord] << self.unit_bits) | unit)
        other = np.minimum(other, num_chords - 1)
        keep = leads[other]
        # From here on there are only the chords that lead.
        number = np.cumsum(leads) - 1
        self.chords = _Chords(*(of[leads] for of in chords))
        self.chord_start, self.chord_end = self.chord_start[leads], self.chord_end[leads]
        self.chord_left, self.chord_right = self.chord_left[leads], self.chord_right[leads]
        self.chord_key = self.chord_key[leads]
        self._crossings(number[chord[keep]], unit[keep], number[other[keep]])

    def _crossings(
        self,
        chord: Int[np.ndarray, " crossings"],
        unit: Int[np.ndarray, " crossings"],
        other: Int[np.ndarray, " crossings"],
    ) -> None:
        """Notes the crossings: each is met on either of its chords."""
        self.cross_chord, self.cross_unit, self.cross_other = chord, unit, other
        num_chords = len(self.chords.face)
        if len(chord):
            found = self.chord_key[np.minimum(other, num_chords - 1)]
            if not (found == (self.chords.face[chord] << self.unit_bits) | unit).all():
                raise SubdivisionError("units that change their signs along a chord must have chords in its face")
        self.subdivision.guard(self.mesh.num_faces + num_chords + (0 if self.several else len(chord) // 2))

    # Counting

    def count(self) -> int:
        """Faces + chords + points inside faces where chords cross earlier chords."""
        num_faces, num_chords = self.mesh.num_faces, len(self.chords.face)
        earlier = self.cross_other < self.cross_chord
        if 2 * int(earlier.sum()) != len(earlier):
            raise SubdivisionError("chords must cross each other")
        chord, unit = self.cross_chord[earlier], self.cross_unit[earlier]
        t, t_error = self._along(chord, unit)
        points = self._ordered(chord, unit, t, t_error, on_chords=True)
        num_regions = num_faces + num_chords + int(points.first.sum())
        self.subdivision.guard(num_regions)
        return num_regions

    def _along(
        self, chord: Int[np.ndarray, " crossings"], unit: Int[np.ndarray, " crossings"]
    ) -> tuple[Float[np.ndarray, " crossings"], Float[np.ndarray, " crossings"]]:
        """Where along chords other units are zero, 0 < t < 1 from start to end."""
        num = len(chord)
        ends = np.concatenate([self.chords.start[chord], self.chords.end[chord]])
        value, error = self._value(ends, np.concatenate([unit, unit]))
        start, end, error = value[:num], value[num:], np.maximum(error[:num], error[num:])
        falls = bits.has(self.chord_start, chord, unit)
        # A value that is on the wrong side of 0 for rounding is nearer to the true one if it is 0.
        before = np.maximum(np.where(falls, start, -start), 0)
        after = np.maximum(np.where(falls, -end, end), 0)
        return _share(before, after, error)

    def _value(
        self, point: Int[np.ndarray, " some"], unit: Int[np.ndarray, " some"]
    ) -> tuple[Float[np.ndarray, " some"], Float[np.ndarray, " some"]]:
        """Values of units at vertices and edge points, with bounds."""
        sub, points = self.subdivision, self.points
        num_vertices = self.mesh.num_vertices
        if self.has_zeros:
            vertices = np.arange(num_vertices)
            t = np.concatenate([np.zeros(num_vertices), points.t])[point]
            t_error = np.concatenate([np.zeros(num_vertices), points.t_error])[point]
            a, b = (np.concatenate([vertices, of])[point] for of in (points.start, points.end))
        else:
            which = point - num_vertices
            a, b = points.start[which], points.end[which]
            t, t_error = points.t[which], points.t_error[which]
        start = _entries(sub.values, a, unit)
        change = _entries(sub.values, b, unit) - start
        value = start + t * change
        size = np.abs(change)
        error = np.minimum(t_error, 1) * size + np.maximum(sub.error[a], sub.error[b])
        return value, SLACK * (error + 2 * EPS * (np.abs(start) + size)) + TINY

    # Cutting

    def build(self) -> None:
        """Puts the cut subdivision, and the values at its vertices, in the place of the one before."""
        sub, mesh, points, chords = self.subdivision, self.mesh, self.points, self.chords
        num_vertices, num_points, num_chords = mesh.num_vertices, len(points.edge), len(chords.face)
        if num_points == 0 and num_chords == 0:
            self.off = np.logical_not(self.positive.any(axis=1))
            left = right = self.piece_pattern
            if self.has_zeros:
                left, right = self._beside_zero_edges(mesh.faces)
            pattern = self._face_patterns(mesh.num_faces, mesh.faces, left, right)
            sub.exact.parents.append(np.arange(mesh.num_faces))
            sub.exact.patterns.append(pattern)
            return
        self._extend(num_vertices + num_points)
        new = slice(num_vertices, num_vertices + num_points)
        edge, lines = points.edge, line_number(sub.layer, points.unit)
        self._make(
            new, mesh.faces[edge, 0], mesh.lines[edge], lines, points.start, points.end, points.t, points.t_error
        )
        if self.keeps_values:
            sub.values[num_vertices + points.crossing_point, points.crossing_unit] = 0
        crossing, along_chord, before_chord = self._inner_points(num_vertices + num_points)

        # Parts of edges.
        num_pieces = len(mesh.ends) + num_points
        ends = np.empty((num_pieces, 2), dtype=np.int64)
        ends[self.first_piece, 0], ends[self.last_piece, 1] = mesh.ends.T
        ends[self.piece_after, 0] = ends[self.piece_after - 1, 1] = np.arange(num_vertices, new.stop)
        faces, lines = mesh.faces.take(self.piece_edge, axis=0), mesh.lines[self.piece_edge]
        left = right = self.piece_pattern
        if self.has_zeros:
            left, right = self._beside_zero_edges(faces)

        # Parts of chords.
        per_chord = np.bincount(along_chord, minlength=num_chords)
        first = np.arange(num_chords) + np.cumsum(per_chord) - per_chord
        last = first + per_chord
        after = np.arange(len(along_chord)) + along_chord + 1
        piece_chord = np.repeat(np.arange(num_chords), per_chord + 1)
        chord_ends = np.empty((num_chords + len(along_chord), 2), dtype=np.int64)
        chord_ends[first, 0], chord_ends[last, 1] = chords.start, chords.end
        chord_ends[after, 0] = chord_ends[after - 1, 1] = crossing
        pattern = np.zeros((len(chord_ends), self.num_words), dtype=np.uint64)
        pattern[first] = _changes(self.chord_start, self.chord_end)
        pattern[after] = before_chord
        np.bitwise_xor.accumulate(pattern, axis=0, out=pattern)
        chord_left = pattern | self.chord_left.take(piece_chord, axis=0)
        chord_right = pattern | self.chord_right.take(piece_chord, axis=0)
        chord_faces = np.repeat(chords.face[piece_chord][:, None], 2, axis=1)
        chord_lines = line_number(sub.layer, chords.unit[piece_chord])

        ends, old_faces = np.concatenate([ends, chord_ends]), np.concatenate([faces, chord_faces])
        lines = np.concatenate([lines, chord_lines])
        left, right = np.concatenate([left, chord_left]), np.concatenate([right, chord_right])
        num_faces = len(ends) - self.new_vertices + 1  # Euler: V - E + F = 1 without the outside
        sub.guard(num_faces)
        faces, parents = self._name_faces(old_faces, left, right, num_faces)
        sub.exact.parents.append(parents)
        face_pattern = self._face_patterns(num_faces, faces, left, right)
        sub.exact.patterns.append(face_pattern)

        self.off = np.zeros(self.new_vertices, dtype=bool)
        if not face_pattern.any(axis=1).all():  # otherwise some unit is on around every vertex
            self.off[:num_vertices] = ~self.positive.any(axis=1)
            self.off[new] = ~self.point_positive.any(axis=1)
            self.off[crossing] = ~(pattern.take(after, axis=0) & pattern.take(after - 1, axis=0)).any(axis=1)
        sub.mesh = Mesh(self.new_vertices, num_faces, ends, faces, lines)

    def _extend(self, num_rows: int) -> None:
        """Makes room for values at new vertices."""
        sub = self.subdivision
        if self.keeps_values:
            num_vertices, most = self.mesh.num_vertices, num_rows + len(self.cross_chord) // 2
            values, error = np.empty((most, self.num_units)), np.empty(most)
            values[:num_vertices], error[:num_vertices] = sub.values, sub.error
            sub.values, sub.error = values, error

    def _make(
        self,
        new: slice,
        face: Int[np.ndarray, " new"],
        line: Int[np.ndarray, " new"],
        other_line: Int[np.ndarray, " new"],
        start: Int[np.ndarray, " new"],
        end: Int[np.ndarray, " new"],
        t: Float[np.ndarray, " new"],
        t_error: Float[np.ndarray, " new"],
    ) -> None:
        """New vertices between others, with values and bounds."""
        sub = self.subdivision
        t_error = np.minimum(t_error, 1)
        sub.made.append(_Made(sub.layer, face, line, other_line, start, end, t, t_error))
        if self.keeps_values:
            values, width = sub.values, np.empty(len(t))
            for first in range(0, len(t), _PART):
                part = slice(first, first + _PART)
                before = values.take(start[part], axis=0)
                change = values.take(end[part], axis=0)
                change -= before
                width[part] = np.einsum("ij,ij->i", change, change)
                change *= t[part, None]
                np.add(before, change, out=values[new.start + first : min(new.start + first + _PART, new.stop)])
            np.sqrt(width, out=width)
            error = t_error * width + np.maximum(sub.error[start], sub.error[end]) + 2 * EPS * (sub.size + width)
            sub.error[new] = SLACK * error + TINY

    def _inner_points(
        self, num_rows: int
    ) -> tuple[Int[np.ndarray, " along"], Int[np.ndarray, " along"], UInt64[np.ndarray, "along words"]]:
        """Makes vertices where chords cross, and gives them in order along each chord: vertex, chord, units there."""
        sub = self.subdivision
        chord, unit, other = self.cross_chord, self.cross_unit, self.cross_other
        upper, lower = (chord < other).nonzero()[0], (chord > other).nonzero()[0]
        bits_of_chord = max(1, len(self.chords.face).bit_length())
        key = (chord[upper] << bits_of_chord) | other[upper]
        mirrored = (other[lower] << bits_of_chord) | chord[lower]
        order = np.argsort(mirrored)
        if len(upper) != len(lower) or not (mirrored[order] == key).all():
            raise SubdivisionError("chords must cross each other")
        vertex = np.empty(len(chord), dtype=np.int64)
        vertex[upper] = np.arange(len(upper))
        vertex[lower[order]] = np.arange(len(upper))

        start, end = self.chords.start[chord], self.chords.end[chord]
        t, t_error = self._along(chord, unit)
        along = self._ordered(chord, unit, t, t_error, on_chords=True)
        toggled = bits.single(unit, self.num_words)
        if self.several or self.has_zeros:
            toggled = (self.chord_left | self.chord_right).take(other, axis=0)
        order, first = along.order, along.first
        made = upper
        if not first.all():
            vertex = self._merged(vertex, chord, other, key, bits_of_chord, along)
            kept, made_first = np.unique(vertex[upper], return_index=True)
            made = upper[made_first]
            vertex = np.searchsorted(kept, vertex)
        num_inner = len(made)
        self.new_vertices = num_rows + num_inner
        if self.keeps_values:
            sub.values, sub.error = sub.values[: self.new_vertices], sub.error[: self.new_vertices]
        new = slice(num_rows, self.new_vertices)
        line, other_line = (line_number(sub.layer, of[made]) for of in (self.chords.unit[chord], unit))
        self._make(new, self.chords.face[chord[made]], line, other_line, start[made], end[made], t[made], t_error[made])
        if self.keeps_values:
            sub.values[num_rows + vertex, unit] = 0
        at, on, toggled = num_rows + vertex[order], chord[order], toggled.take(order, axis=0)
        if not first.all():
            toggled = bits.union(toggled, np.cumsum(first) - 1, int(first.sum()))
            at, on = at[first], on[first]
        return at, on, toggled

    def _merged(
        self,
        vertex: Int[np.ndarray, " crossings"],
        chord: Int[np.ndarray, " crossings"],
        other: Int[np.ndarray, " crossings"],
        key: Int[np.ndarray, " pairs"],
        bits_of_chord: int,
        along: _Order,
    ) -> Int[np.ndarray, " crossings"]:
        """One number for each point where chords cross, however many: the one of its first two chords' crossing."""
        order, first = along
        group = np.cumsum(first) - 1
        several = np.bincount(group)[group] > 1
        vertex = vertex.copy()
        members = order[several]
        borders = np.flatnonzero(np.diff(group[several], prepend=-1))
        for some in np.split(members, borders[1:]):
            one, two = sorted([int(chord[some[0]]), *other[some].tolist()])[:2]
            vertex[some] = np.searchsorted(key, (one << bits_of_chord) | two)
        return vertex

    def _beside_zero_edges(
        self, faces: Int[np.ndarray, "pieces 2"]
    ) -> tuple[UInt64[np.ndarray, "pieces words"], UInt64[np.ndarray, "pieces words"]]:
        """Which units are positive to the left and to the right of parts of edges; some units are zero along them."""
        mesh = self.mesh
        zero = self.zero_edges.take(self.piece_edge, axis=0)
        if not zero.any():
            return self.piece_pattern, self.piece_pattern
        inner = mesh.faces[:, 1] >= 0
        somewhere = bits.union(
            np.concatenate([self.positive_start | self.positive_end, (self.positive_start | self.positive_end)[inner]]),
            np.concatenate([mesh.faces[:, 0], mesh.faces[inner, 1]]),
            mesh.num_faces,
        )
        # A unit that is zero along a face's side is positive inside if it is positive anywhere at its border.
        return (
            self.piece_pattern | (zero & somewhere.take(faces[:, 0], axis=0)),
            self.piece_pattern | (zero & somewhere.take(faces[:, 1], axis=0)),
        )

    def _name_faces(
        self,
        faces: Int[np.ndarray, "edges 2"],
        left: UInt64[np.ndarray, "edges words"],
        right: UInt64[np.ndarray, "edges words"],
        num_faces: int,
    ) -> tuple[Int[np.ndarray, "edges 2"], Int[np.ndarray, " faces"]]:
        """The new faces beside each edge, and the old face that each new one is part of.

        Parts of a face that is cut have the patterns of their units as names.
        """
        is_cut = np.zeros(self.mesh.num_faces + 1, dtype=bool)  # the last one, -1, is the outside
        is_cut[self.chords.face] = True
        whole = (~is_cut[:-1]).nonzero()[0]
        number = np.full(self.mesh.num_faces + 1, -1)
        number[whole] = np.arange(len(whole))
        named = number[faces]
        cut_left, cut_right = (is_cut[beside].nonzero()[0] for beside in faces.T)
        parents = np.concatenate([faces[cut_left, 0], faces[cut_right, 1]])
        names = bits.hashed(parents, np.concatenate([left.take(cut_left, axis=0), right.take(cut_right, axis=0)]))
        which, some = bits.distinct(names)
        if len(whole) + len(some) != num_faces:
            raise SubdivisionError(
                f"Euler's formula asks for {num_faces} faces, but {len(whole) + len(some)} have patterns of their own"
            )
        named[cut_left, 0] = len(whole) + which[: len(cut_left)]
        named[cut_right, 1] = len(whole) + which[len(cut_left) :]
        return named, np.concatenate([whole, parents[some]])

    def _face_patterns(
        self,
        num_faces: int,
        faces: Int[np.ndarray, "edges 2"],
        left: UInt64[np.ndarray, "edges words"],
        right: UInt64[np.ndarray, "edges words"],
    ) -> UInt64[np.ndarray, "faces words"]:
        """Which units are positive on each face, from what is known beside its edges."""
        pattern = np.empty((num_faces, self.num_words), dtype=np.uint64)
        inner = (faces[:, 1] >= 0).nonzero()[0]
        pattern[faces[inner, 1]] = right.take(inner, axis=0)
        pattern[faces[:, 0]] = left
        return pattern
