"""The regions of a finished edge subdivision: their patterns, affine maps, neighbours and volumes."""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.box.determinants import determinant_errors, determinants
from dlcourse.pieces.box.patterns import BoxGeometry, Faces, around
from dlcourse.pieces.box.subdivision import EdgeSubdivision
from dlcourse.pieces.errors import SubdivisionError


class Facets(NamedTuple):
    """What two regions have in common where only one unit's sign is different."""

    walls: Int[np.ndarray, " facets"]
    negative: Int[np.ndarray, " facets"]  # the region where the unit is negative
    positive: Int[np.ndarray, " facets"]


_FAR = 2.0**-20  # of the box's extent: vertices that may be farther off are worked out exactly
_PART = 1024  # what is worked on at once: memory stays small


class EdgeGeometry(BoxGeometry):
    """The regions of a box in general position."""

    subdivision: EdgeSubdivision

    # Faces

    def _around(
        self, places: tuple[int, ...]
    ) -> Iterator[tuple[Int[np.ndarray, " some"], UInt64[np.ndarray, " some"]]]:
        """The faces that leave the walls at some places of vertices, to all sides: the vertices, and the hashes."""
        on, hashes = self.subdivision.on, self.subdivision.hashes
        for sides in itertools.product((0, 1), repeat=len(places)):
            inside = np.ones(len(hashes), dtype=bool)
            around = hashes.copy()
            for place, side in zip(places, sides, strict=True):
                inside &= (on[place] >= 2 * self.d) | (side == 1)
                around += self.subdivision.numbers[2 * on[place] + side]
            some = np.flatnonzero(inside)
            yield some, around[some]

    def faces(self, dimension: int) -> Faces:
        """All faces of a dimension: 0 for the vertices, d for the regions."""
        parts = [part for places in itertools.combinations(range(self.d), dimension) for part in self._around(places)]
        vertices, hashes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        return Faces(hashes[starts], np.append(starts, len(hashes)), vertices[order])

    @cached_property
    def regions(self) -> Faces:
        """The regions."""
        return self.faces(self.d)

    @cached_property
    def facets(self) -> Facets:
        """The facets between regions."""
        all_walls, all_hashes = [], []
        for place in range(self.d):
            others = tuple(other for other in range(self.d) if other != place)
            for vertices, hashes in self._around(others):
                walls = self.subdivision.on[place, vertices]
                inner = walls >= 2 * self.d
                all_walls.append(walls[inner])
                all_hashes.append(hashes[inner])
        hashes, first = np.unique(np.concatenate(all_hashes), return_index=True)
        walls = np.concatenate(all_walls)[first]
        names, numbers = self.regions.names, self.subdivision.numbers
        negative, positive = (np.searchsorted(names, hashes + numbers[2 * walls + side]) for side in (0, 1))
        return Facets(walls, negative, positive)

    @property
    def borders(self) -> tuple[Int[np.ndarray, " facets"], Int[np.ndarray, " facets"]]:
        """The regions at the two sides of each facet."""
        return self.facets.negative, self.facets.positive

    def facet_corners(self, facets: Int[np.ndarray, " some"]) -> list[Float[np.ndarray, "corners d"]]:
        """The corners of some facets; in three dimensions one after another around the facet."""
        faces, numbers = self.faces(self.d - 1), self.subdivision.numbers
        names = self.regions.names[self.facets.negative[facets]] - numbers[2 * self.facets.walls[facets]]
        at = np.searchsorted(faces.names, names)
        corners = [self.points[faces.vertices[faces.starts[face] : faces.starts[face + 1]]] for face in at.tolist()]
        return [around(polygon) for polygon in corners] if self.d == 3 else corners

    # Points

    @cached_property
    def located(self) -> tuple[Float[np.ndarray, "vertices d"], Float[np.ndarray, " vertices"]]:
        """Where the vertices are, and bounds for how far off."""
        subdivision, last = self.subdivision, len(self.layers) - 2
        points = np.empty((subdivision.num_vertices, self.d))
        error = np.empty(subdivision.num_vertices)
        with np.errstate(all="ignore"):
            for first in range(0, len(points), _PART):
                part = np.arange(first, min(first + _PART, len(points)))
                points[part], error[part] = subdivision.located(part, last)[:2]
        far = ~(error <= _FAR * float((self.high - self.low).max()))
        for vertex in np.flatnonzero(far).tolist():
            before = [subdivision.unpacked(index, np.array([vertex]))[:, 0] for index in range(last)]
            point, _, _ = subdivision.exact.at_vertex(subdivision.on[:, vertex].tolist(), before)
            points[vertex] = [float(x) for x in point]
            error[vertex] = EPS * np.abs(points[vertex]).sum()
        return points, error

    @cached_property
    def volumes(self) -> Float[np.ndarray, " regions"]:
        """The regions' volumes."""
        with np.errstate(all="ignore"):  # of large boxes they may be infinite
            return np.asarray(np.ldexp(self._shares[0], self._exponents.sum()))

    @property
    def _exponents(self) -> Int[np.ndarray, " d"]:
        """Those of the powers of two that the box's sides are next below."""
        return np.asarray(np.frexp(self.high - self.low)[1], dtype=np.int64)

    @cached_property
    def _shares(self) -> tuple[Float[np.ndarray, " regions"], float]:
        """The regions' volumes where sides are divided by these powers of two, and how far off their sum may be.

        They are those of the simplices that each region is cut into from its lowest vertex. A face is the pyramids over
        its facets from its lowest vertex, and so on down to single vertices.
        """
        bound = 0.0
        lowest = [self.faces(dimension) for dimension in range(1, self.d)] + [self.regions]
        of_faces = [(faces.names, np.minimum.reduceat(faces.vertices, faces.starts[:-1])) for faces in lowest]
        volumes = np.zeros(self.num_regions)
        for first in range(0, self.subdivision.num_vertices, _PART):
            vertex = np.arange(first, min(first + _PART, self.subdivision.num_vertices))
            apexes = vertex[None]  # the vertex and the apex of each face that was passed
            left = np.zeros((self.d, len(vertex)), dtype=bool)  # the walls of the vertex that were left
            hashes = self.subdivision.hashes[vertex]
            for names, apex_of in of_faces:
                parts = []
                for place, side in itertools.product(range(self.d), (0, 1)):
                    wall = self.subdivision.on[place, apexes[0]]
                    some = np.flatnonzero(~left[place] & ((wall >= 2 * self.d) | (side == 1)))
                    around = hashes[some] + self.subdivision.numbers[2 * wall[some] + side]
                    apex = apex_of[np.searchsorted(names, around)]
                    high = apex != apexes[-1, some]  # else the pyramid has no height
                    some, around, apex = some[high], around[high], apex[high]
                    left_here = left[:, some]
                    left_here[place] = True
                    parts.append((np.concatenate([apexes[:, some], apex[None]]), left_here, around))
                apexes, left, hashes = (np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))
            simplices, error = self._simplices(apexes)
            bound += error
            region = np.searchsorted(self.regions.names, hashes)
            volumes += np.bincount(region, simplices, minlength=self.num_regions)
            bound += EPS * len(region) * float(simplices.sum())
        return volumes, SLACK * bound + TINY

    def _simplices(
        self, vertices: Int[np.ndarray, "corners simplices"]
    ) -> tuple[Float[np.ndarray, " simplices"], float]:
        """The same of simplices."""
        points, misplaced = self.located
        scaled = np.ldexp(points[vertices], -self._exponents)
        sides = (scaled[:-1] - scaled[-1]).transpose(0, 2, 1)
        furthest = np.ldexp(misplaced[vertices].max(axis=0)[:, None], -self._exponents).T
        rounded = EPS * np.abs(sides).sum(axis=0)
        error = determinant_errors(sides, 2 * self.d * furthest + rounded)
        return np.abs(determinants(sides)) / math.factorial(self.d), float(error.sum()) / math.factorial(self.d)

    @cached_property
    def kinks(self) -> Bool[np.ndarray, " facets"]:
        """Whether the regions at the two sides of a facet have different affine maps."""
        layer = np.searchsorted(self.subdivision.first_wall, self.facets.walls, side="right") - 1
        kinks = np.empty(len(layer), dtype=bool)
        for index in np.unique(layer).tolist():
            facets = np.flatnonzero(layer == index)
            for first in range(0, len(facets), _PART):
                part = facets[first : first + _PART]
                units = self.facets.walls[part] - self.subdivision.first_wall[index]
                kinks[part] = self._matters(index, units, self.facets.negative[part])
        return kinks

    def _matters(
        self, index: int, units: Int[np.ndarray, " some"], regions: Int[np.ndarray, " some"]
    ) -> Bool[np.ndarray, " some"]:
        """Whether the outputs depend on units of a layer, so that their kinks show."""
        derivative = self.layers[index + 1].weight[0][:, units]
        size = _size(derivative)
        num_roundings = 0
        for layer in range(index + 1, len(self.layers) - 1):
            factor = np.where(self.positive(layer, regions), 1.0, self.layers[layer].slope[0][:, None])
            weight = self.layers[layer + 1].weight[0]
            derivative = weight @ (factor * derivative)
            size = _size(weight) @ (_size(factor) * size)
            num_roundings += weight.shape[1] + 3
        if num_roundings == 0:
            return np.asarray((derivative != 0).any(axis=0))
        matters = (np.abs(derivative) > SLACK * num_roundings * EPS * size + TINY).any(axis=0)
        for which in np.flatnonzero(~matters & (size > 0).any(axis=0)).tolist():
            patterns = [units[:, 0] for units in self.patterns(regions[which : which + 1])]
            matters[which] = self.subdivision.exact.network.reaches_outputs(index, int(units[which]), patterns)
        return np.asarray(matters)

    def check_invariants(self) -> None:
        """Checks Euler's formula, volumes, and the function's continuity.

        Raises:
            SubdivisionError: If one of them does not hold.
        """
        numbers = [len(self.faces(dimension).names) for dimension in range(self.d + 1)]
        euler = sum((-1) ** dimension * number for dimension, number in enumerate(numbers))
        if euler != 1 or numbers[1] != self.subdivision.num_edges:
            raise SubdivisionError(
                f"the numbers of vertices, edges, ... must sum to 1 with alternating signs, got {numbers}"
            )
        shares, bound = self._shares
        sides = zip(self.low.tolist(), self.high.tolist(), self._exponents.tolist(), strict=True)
        domain = math.prod((Fraction(high) - Fraction(low)) / Fraction(2) ** exponent for low, high, exponent in sides)
        with np.errstate(all="ignore"):  # of large boxes volumes may be infinite
            if not (self.volumes == np.ldexp(shares, self._exponents.sum())).all():
                raise SubdivisionError("volumes must be those of the regions' simplices")
        if not abs(Fraction(math.fsum(shares)) - domain) <= Fraction(bound):
            raise SubdivisionError(f"volumes must sum to the box's, but they are {math.fsum(shares) / domain} of it")
        self.check_continuity()


def _size(numbers: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """At least the absolute values, and so large that products are 0 only where a factor is."""
    return np.asarray(np.maximum(np.abs(numbers), (numbers != 0) * 2.0**-40))
