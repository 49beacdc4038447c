"""The regions of a finished subdivision: their patterns, affine maps and polygons."""

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.maps import output_maps
from dlcourse.pieces.arithmetic.rounding import EPS
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.changes import may_show
from dlcourse.pieces.plane.gradients import gradient_errors, proven_different, surely_different
from dlcourse.pieces.plane.invariants import check_continuity, check_polygons, check_total
from dlcourse.pieces.plane.subdivision import Subdivision
from dlcourse.pieces.plane.values import affine
from dlcourse.pieces.regions import Geometry


class Polygons(NamedTuple):
    """Corners of many polygons, counterclockwise, one polygon after another."""

    starts: Int[np.ndarray, " polygons_and_1"]  # polygon i has the corners starts[i] to starts[i + 1]
    vertices: Int[np.ndarray, " corners"]


_FAR = 2.0**-20  # of the domain's extent: bounds are a thousand times what errors are, or more
_OUTPUTS = 2  # that are compared alone
_PART = 512  # regions that are worked on at once: memory stays small


class PlaneGeometry(Geometry):
    """A subdivision in which all layers have made their cuts.

    Attributes:
        mesh: Its edges and faces; the faces are the regions.
        history: Which face is part of which, and where which units are positive.
        ancestors: For each layer, which face after its cuts each region is part of.
        num_settled: How many comparisons of affine maps exact arithmetic decided.
    """

    def __init__(self, subdivision: Subdivision) -> None:
        self.layers, self.exact, self.history = subdivision.layers, subdivision.exact, subdivision.history
        self.frame = self.exact.frame
        self.mesh = subdivision.mesh
        self.num_regions = self.mesh.num_faces
        self.num_settled = 0
        ancestors = [np.arange(self.mesh.num_faces)]
        for parents in self.history.parents[:0:-1]:
            ancestors.append(parents[ancestors[-1]])
        self.ancestors = ancestors[::-1]

    @property
    def points(self) -> Float[np.ndarray, "vertices 2"]:
        """The vertices' coordinates in the plane, rounded."""
        return self._placed[0]

    @property
    def point_error(self) -> Float[np.ndarray, " vertices"]:
        """A bound for how far each of them may be off."""
        return self._placed[1]

    @cached_property
    def _placed(self) -> tuple[Float[np.ndarray, "vertices 2"], Float[np.ndarray, " vertices"]]:
        """The points and their errors; vertices that floats misplace, of lines too close, are worked out exactly.

        Neither patterns nor pieces need them, and they may take longer than all the rest.
        """
        points, error = self.history.points()
        corners = self.history.corners
        far = error > _FAR * float((corners.max(axis=0) - corners.min(axis=0)).max())
        for vertex in np.flatnonzero(far).tolist():
            x, y, below = self.exact.point(vertex).tolist()
            points[vertex] = x / below, y / below
            error[vertex] = EPS * (abs(x / below) + abs(y / below))
        return points, error

    def positive(self, layer: int, regions: Int[np.ndarray, " some"] | slice) -> Bool[np.ndarray, "units some"]:
        """Which units of a layer are positive on some regions."""
        words = self.history.patterns[layer][self.ancestors[layer][regions]]
        return bits.unpack(words, self.layers[layer].bias.shape[1]).T

    def patterns(self, regions: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        """Which units are positive on some regions, for every layer that has kinks."""
        return [self.positive(index, regions) for index in self.bending]

    @cached_property
    def gradients(self) -> Float[np.ndarray, "regions outputs 2"]:
        """Derivatives of the outputs with respect to the plane's coordinates."""
        gradients: Float[np.ndarray, "regions outputs 2"] = self.maps.weight @ self.frame[:, :2]
        return gradients

    @cached_property
    def borders(self) -> tuple[Int[np.ndarray, " borders"], Int[np.ndarray, " borders"]]:
        """The regions to the left and to the right of each edge inside of the domain."""
        left, right = self.mesh.faces[self.mesh.faces[:, 1] >= 0].T
        return left, right

    @cached_property
    def kinks(self) -> Bool[np.ndarray, " borders"]:
        """Whether the regions on the two sides of an edge have different affine maps on the plane.

        The function is continuous, so that maps with equal gradients agree.
        """
        left, right = self.borders
        different = np.zeros(len(left), dtype=bool)
        if self.layers[-1].bias.shape[1] > 1 and not self.layers[-1].bends:
            # A few outputs alone, one after the other, show nearly all kinks, for their share of what all of them cost.
            for layers in self._of_single_outputs():
                rest = np.flatnonzero(~different)
                if len(rest):
                    different[rest], _ = self._compared(layers, left[rest], right[rest])
            if not any(layer.is_sparse for layer in self.layers):  # remainders of all outputs cost as little
                rest = np.flatnonzero(~different)
                different[rest] = self._surely_different(left[rest], right[rest])
        rest = np.flatnonzero(~different)
        if len(rest):
            different[rest] = self._kinks_of_all(left[rest], right[rest])
        return different

    def _of_single_outputs(self) -> Iterator[list[UnitLayer]]:
        """The network with one output only, for those few that have the largest weights."""
        *layers, last = self.layers
        stored = last.stored[0]
        squares = (stored**2).sum(axis=1) if isinstance(stored, np.ndarray) else stored.power(2).sum(axis=1)
        for output in np.argsort(-squares, kind="stable")[:_OUTPUTS]:
            row: Any = stored[[output]]
            weight = row[None] if isinstance(stored, np.ndarray) else (row.tocsr(),)
            yield [*layers, UnitLayer(weight, last.bias[:, [output]], last.slope[:, [output]])]

    def _kinks_of_all(
        self, left: Int[np.ndarray, " some"], right: Int[np.ndarray, " some"]
    ) -> Bool[np.ndarray, " some"]:
        """The same of some borders, by all outputs."""
        different, is_open = self._compared(self.layers, left, right)
        open_ = np.flatnonzero(is_open)
        # Units that lose in a pool change at most borders of images; in dense networks there is little to look for.
        has_zeros = any(layer.is_sparse for layer in self.layers)
        if has_zeros:
            open_ = open_[may_show(self.layers, self.history, self.ancestors, left[open_], right[open_])]
        sure = self._surely_different(left[open_], right[open_])
        different[open_[sure]] = True
        open_ = open_[~sure]
        if not has_zeros:
            open_ = open_[may_show(self.layers, self.history, self.ancestors, left[open_], right[open_])]
        if len(open_):
            self.num_settled += len(open_)
            different[open_] = self._exact_kinks(left[open_], right[open_])
        return different

    def _surely_different(
        self, left: Int[np.ndarray, " some"], right: Int[np.ndarray, " some"]
    ) -> Bool[np.ndarray, " some"]:
        """Which regions' gradients remainders prove to be different."""
        return surely_different(self.layers, self.frame[:, :2], self.history, left, right)

    def _compared(
        self, layers: list[UnitLayer], left: Int[np.ndarray, " some"], right: Int[np.ndarray, " some"]
    ) -> tuple[Bool[np.ndarray, " some"], Bool[np.ndarray, " some"]]:
        """Which regions' gradients floats prove to be different, and which they leave open."""
        regions, place = np.unique(np.concatenate([left, right]), return_inverse=True)
        maps = output_maps(layers, lambda some: self.patterns(regions[some]), len(regions))
        gradients, bound = maps.weight @ self.frame[:, :2], gradient_errors(maps, self.frame[:, :2])
        one, other = place[: len(left)], place[len(left) :]
        return proven_different(gradients[one], gradients[other], bound[one] + bound[other])

    def _exact_kinks(
        self, left: Int[np.ndarray, " some"], right: Int[np.ndarray, " some"]
    ) -> Bool[np.ndarray, " some"]:
        """Whether regions have different affine maps on the plane."""
        different = np.zeros(len(left), dtype=bool)
        for first in range(0, len(left), _PART):
            part = slice(first, first + _PART)
            faces = np.union1d(left[part], right[part])
            functions = self.exact.functions(len(self.layers) - 1, faces.tolist())
            of = dict(zip(faces.tolist(), functions, strict=True))
            pairs = zip(left[part].tolist(), right[part].tolist(), strict=True)
            different[part] = [bool((of[a] != of[b]).any()) for a, b in pairs]
            self.exact.forget()
        return different

    @cached_property
    def polygons(self) -> Polygons:
        """The regions' corners; among them are the vertices on straight sides, where neighbours have a corner."""
        mesh = self.mesh
        face, origin, target = mesh.sides()
        # Every corner of a face is where one of its sides starts and where another one ends.
        shift = mesh.num_vertices.bit_length()
        starting, ending = (face << shift) | origin, (face << shift) | target
        by_start, by_end = np.argsort(starting), np.argsort(ending)
        if not np.array_equal(starting[by_start], ending[by_end]):
            raise SubdivisionError("the sides of a region must close")
        rank = np.empty(len(face), dtype=np.int64)
        rank[by_start] = np.arange(len(face))
        before = rank[by_end]
        sizes = np.bincount(face, minlength=mesh.num_faces)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        corner, vertices = origin[by_start], np.empty(len(face), dtype=np.int64)
        current, at, stop = starts[:-1], starts[1:] - 1, starts[:-1]
        while len(at):  # all polygons at once, clockwise from the back
            vertices[at] = corner[current]
            current = before[current]
            going = at > stop
            current, at, stop = current[going], at[going] - 1, stop[going]
        return Polygons(starts, vertices)

    @cached_property
    def areas(self) -> Float[np.ndarray, " regions"]:
        """The regions' areas in the plane's coordinates."""
        starts, vertices = self.polygons
        sizes = np.diff(starts)
        points = self.points[vertices] - np.repeat(self.points[vertices[starts[:-1]]], sizes, axis=0)
        following = np.arange(1, len(vertices) + 1)
        following[starts[1:] - 1] = starts[:-1]
        (x, y), (next_x, next_y) = points.T, points[following].T
        areas: Float[np.ndarray, " regions"] = np.add.reduceat(x * next_y - next_x * y, starts[:-1]) / 2
        return areas

    @cached_property
    def centres(self) -> Float[np.ndarray, "regions 2"]:
        """A point inside each region, the mean of its corners."""
        starts, vertices = self.polygons
        centres: Float[np.ndarray, "regions 2"] = np.add.reduceat(self.points[vertices], starts[:-1], axis=0)
        centres /= np.diff(starts)[:, None]
        return centres

    @cached_property
    def words(self) -> UInt64[np.ndarray, "regions all_words"]:
        """The patterns of all layers that have kinks, side by side."""
        return np.concatenate(
            [self.history.patterns[index][self.ancestors[index]] for index in self.bending] or [self._nothing()], axis=1
        )

    @cached_property
    def bending(self) -> list[int]:
        """The layers that have kinks."""
        return [index for index, layer in enumerate(self.layers) if layer.bends]

    def _nothing(self) -> UInt64[np.ndarray, "regions 0"]:
        """The pattern of no layers."""
        return np.empty((self.mesh.num_faces, 0), dtype=np.uint64)

    @cached_property
    def _by_name(self) -> tuple[UInt64[np.ndarray, " regions"], Int[np.ndarray, " regions"]]:
        """Hashes of the patterns, ascending, and whose they are."""
        names = bits.hashed(np.zeros(self.mesh.num_faces, dtype=np.int64), self.words)
        order = np.argsort(names)
        return names[order], order

    def locate(self, points: Float[np.ndarray, "points 2"]) -> Int[np.ndarray, " points"]:
        """The region that each point is in; of the regions at whose border a point is, one of them."""
        positive, proven = self._signs(points)
        names, order = self._by_name
        wanted = bits.hashed(np.zeros(len(points), dtype=np.int64), positive)
        at = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
        regions = order[at]
        open_ = ~proven | (names[at] != wanted)
        for index in np.flatnonzero(open_).tolist():
            regions[index] = self._locate_exactly(points[index])
        return regions

    def _signs(
        self, points: Float[np.ndarray, "points 2"]
    ) -> tuple[UInt64[np.ndarray, "points all_words"], Bool[np.ndarray, " points"]]:
        """Which units are positive at points, and whether floats prove it."""
        values = points @ self.frame[:, :2].T + self.frame[:, 2]
        sizes = np.abs(points) @ np.abs(self.frame[:, :2]).T + np.abs(self.frame[:, 2])
        error = 4 * EPS * np.sqrt(np.einsum("pi,pi->p", sizes, sizes))
        proven = np.ones(len(points), dtype=bool)
        words = []
        for layer in self.layers[: max(self.bending, default=-1) + 1]:
            values, error, _ = affine(layer, values, error)
            slope = layer.slope[0]
            if layer.bends:
                proven &= ((np.abs(values) > error[:, None]) | (slope == 1)).all(axis=1)
                words.append(bits.pack((values > 0) | (slope == 1)))
                values = np.where(values < 0, slope * values, values)
                largest = max(1.0, float(np.abs(slope).max()))
                error = largest * error + EPS * np.sqrt(np.einsum("pi,pi->p", values, values))
        empty = np.empty((len(points), 0), dtype=np.uint64)
        return np.concatenate(words or [empty], axis=1), proven

    def _locate_exactly(self, point: Float[np.ndarray, " 2"]) -> int:
        """The first region in whose closure a point is: any sign of a unit that is zero there will do."""
        positive, zero = [], []
        for index, signs in enumerate(self.exact.signs(point)):
            if self.layers[index].bends:
                passing = self.layers[index].slope[0] == 1
                positive.append(bits.pack((signs > 0)[None] | passing))
                zero.append(bits.pack((signs == 0)[None] & ~passing))
        differs = (self.words ^ np.concatenate(positive, axis=1)) & ~np.concatenate(zero, axis=1)
        found = np.flatnonzero(~differs.any(axis=1))
        if len(found) == 0:
            raise SubdivisionError(f"no region has the pattern of the point {point}")
        return int(found[0])

    def check_invariants(self) -> None:
        """Checks Euler's formula, that regions are convex, their areas, and the function's continuity.

        Raises:
            SubdivisionError: If one of them does not hold.
        """
        mesh = self.mesh
        num_edges = len(mesh.ends)
        if mesh.num_vertices - num_edges + mesh.num_faces != 1:
            raise SubdivisionError(f"V - E + F must be 1, got {mesh.num_vertices} - {num_edges} + {mesh.num_faces}")
        left, right = self.borders
        border, inner = (mesh.ends[(mesh.faces[:, 1] < 0) == outside] for outside in (True, False))
        corners = self.history.corners
        exponent = math.frexp(float(np.ptp(corners, axis=0).max()))[1]
        with np.errstate(all="ignore"):  # bounds may overflow, and numbers underflow
            # Lengths near 1 lose nothing when they are multiplied.
            points, error, domain = (np.ldexp(of, -exponent) for of in (self.points, self.point_error, corners))
            areas, rounded = check_polygons(points, error, *self.polygons)
            check_total(areas, rounded, domain, points[border], error[border])
            wanted, allowed = np.ldexp(areas, 2 * exponent), np.ldexp(rounded, 2 * exponent) + 2.0**-1060
            if not ((self.areas == wanted) | (np.abs(self.areas - wanted) <= allowed)).all():
                raise SubdivisionError("areas must be those of the regions' polygons")
            directions, origin = np.abs(self.frame[:, :2]), self.frame[:, 2]
            for end in inner.T:
                inputs = self.points[end] @ self.frame[:, :2].T + origin
                away = directions.max(axis=1) * self.point_error[end, None]
                away += 4 * EPS * (np.abs(self.points[end]) @ directions.T + np.abs(origin))
                check_continuity(self.maps, left, right, inputs, away)
