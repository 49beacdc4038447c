"""The regions of a finished cell subdivision: their facets, neighbours, maps and volumes."""

import functools
import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.box import faces
from dlcourse.pieces.box.cells import CellSubdivision
from dlcourse.pieces.box.determinants import determinants
from dlcourse.pieces.box.patterns import BoxGeometry, Faces, around
from dlcourse.pieces.errors import SubdivisionError

_PART = 256  # regions whose maps are worked out in integers at once: memory stays small


class CellGeometry(BoxGeometry):
    """The regions of a box in which any number of units may be zero together.

    A region is a cell: two cells differ in the sign of a unit that has cut them apart, and so in their patterns.
    """

    subdivision: CellSubdivision

    @cached_property
    def regions(self) -> Faces:
        """The regions."""
        subdivision, starts = self.subdivision, self.subdivision.starts
        words = np.array(
            [np.bitwise_or.reduceat(row[subdivision.corners], starts[:-1]) for row in subdivision.positive]
        )
        names = subdivision.pattern_hashes(words.reshape(-1, self.num_regions))
        order = np.argsort(names)
        cells = np.split(subdivision.corners, starts[1:-1])
        sizes = np.diff(starts)[order]
        corners = np.concatenate([np.sort(cells[cell]) for cell in order.tolist()])
        return Faces(np.unique(names), np.concatenate([[0], np.cumsum(sizes)]), corners)

    def _cells(self) -> Iterator[tuple[list[int], list[faces.Set]]]:
        """The corners of each region, and which of them lie on each of its facets."""
        for first, after in itertools.pairwise(self.regions.starts.tolist()):
            corners = self.regions.vertices[first:after].tolist()
            on_walls = faces.corners_on_walls(corners, self.subdivision.walls)
            yield corners, faces.facets((1 << len(corners)) - 1, on_walls)

    # Facets

    @cached_property
    def _facets(self) -> tuple[list[tuple[int, ...]], Int[np.ndarray, "facets 2"]]:
        """The corners of the facets between regions, and the two regions that each is a facet of."""
        regions_at: dict[tuple[int, ...], list[int]] = {}
        for region, (corners, facets) in enumerate(self._cells()):
            for members in facets:
                regions_at.setdefault(faces.members(members, corners), []).append(region)
        inner = {facet: regions for facet, regions in regions_at.items() if len(regions) == 2}
        sides = (1 << 2 * self.d) - 1
        for facet, beside in regions_at.items():
            on_side = bool(functools.reduce(int.__and__, (self.subdivision.walls[vertex] for vertex in facet), sides))
            if len(beside) != (1 if on_side else 2):
                raise SubdivisionError(f"{len(beside)} regions meet at a facet, on a side of the box: {on_side}")
        return list(inner), np.array(list(inner.values()), dtype=np.int64).reshape(-1, 2)

    @property
    def borders(self) -> tuple[Int[np.ndarray, " facets"], Int[np.ndarray, " facets"]]:
        """The regions at the two sides of each facet."""
        one, other = self._facets[1].T
        return one, other

    def facet_corners(self, facets: Int[np.ndarray, " some"]) -> list[Float[np.ndarray, "corners d"]]:
        """The corners of some facets; in three dimensions one after another around the facet."""
        corners = [self.points[list(self._facets[0][facet])] for facet in facets.tolist()]
        return [around(polygon) for polygon in corners] if self.d == 3 else corners

    @cached_property
    def kinks(self) -> Bool[np.ndarray, " facets"]:
        """Whether the regions at the two sides of a facet have different affine maps."""
        one, other = self.borders
        weight, error = self.maps.weight, self.maps.weight_error
        apart = np.linalg.norm(weight[one] - weight[other], axis=2)
        size = np.linalg.norm(weight[one], axis=2) + np.linalg.norm(weight[other], axis=2)
        bound = SLACK * (error[one] + error[other] + (self.d + 2) * EPS * size) + TINY
        kinks: Bool[np.ndarray, " facets"] = (apart > bound).any(axis=1)
        undecided = np.flatnonzero(~kinks)
        regions = np.unique([one[undecided], other[undecided]])
        maps = dict(zip(regions.tolist(), self._exact_maps(regions), strict=True))
        pairs = zip(one[undecided].tolist(), other[undecided].tolist(), strict=True)
        kinks[undecided] = [maps[region] != maps[beside] for region, beside in pairs]
        return kinks

    def _exact_maps(self, regions: Int[np.ndarray, " some"]) -> list[tuple[int, ...]]:
        """The affine maps of regions, as integers over one denominator."""
        maps: list[tuple[int, ...]] = []
        identity = np.eye(self.d, self.d + 1, dtype=np.int64).astype(object)[:, None]
        for first in range(0, len(regions), _PART):
            part = regions[first : first + _PART]
            inputs = np.repeat(identity, len(part), axis=1)
            *_, (functions, _) = self.subdivision.exact.network.pre_activations(inputs, 1, self.patterns(part))
            maps += [tuple(functions[:, place].ravel().tolist()) for place in range(len(part))]
        return maps

    # Places and sizes

    @cached_property
    def located(self) -> tuple[Float[np.ndarray, "vertices d"], Float[np.ndarray, " vertices"]]:
        """Where the vertices are, rounded once, and bounds for how far off."""
        points = (self.subdivision.points[:-1] / self.subdivision.points[-1]).astype(np.float64).T
        return points, EPS * np.abs(points).sum(axis=1) + TINY

    @cached_property
    def exact_volumes(self) -> list[Fraction]:
        """The regions' volumes, as fractions."""
        volumes = []
        for corners, facets in self._cells():
            simplices = np.array(list(faces.simplices((1 << len(corners)) - 1, facets)))
            points = self.subdivision.points[:, np.array(corners)[simplices]]  # [coordinate, simplex, corner]
            sizes = abs(determinants(points.transpose(0, 2, 1)))
            below = points[-1].prod(axis=1)
            parts = (Fraction(size, part) for size, part in zip(sizes.tolist(), below.tolist(), strict=True))
            volumes.append(sum(parts, Fraction(0)) / math.factorial(self.d))
        return volumes

    @cached_property
    def volumes(self) -> Float[np.ndarray, " regions"]:
        """The regions' volumes, rounded once."""
        return np.array([float(volume) for volume in self.exact_volumes])

    def check_invariants(self) -> None:
        """Checks Euler's formula, how regions meet, volumes, and the function's continuity.

        Raises:
            SubdivisionError: If one of them does not hold.
        """
        found: list[set[tuple[int, ...]]] = [set() for _ in range(self.d + 1)]
        for corners, facets in self._cells():
            levels = faces.faces_by_dimension(len(corners), facets, self.d)
            for all_faces, level in zip(found, levels, strict=True):
                all_faces.update(faces.members(face, corners) for face in level)
        numbers = [len(all_faces) for all_faces in found]
        euler = sum((-1) ** dimension * number for dimension, number in enumerate(numbers))
        if euler != 1 or numbers[0] != self.subdivision.num_vertices or numbers[-1] != self.num_regions:
            raise SubdivisionError(
                f"the numbers of vertices, edges, ... must sum to 1 with alternating signs, got {numbers}"
            )
        domain = math.prod(
            Fraction(high) - Fraction(low) for low, high in zip(self.low.tolist(), self.high.tolist(), strict=True)
        )
        # Each volume is rounded once, and their sum is.
        if abs(Fraction(math.fsum(self.volumes)) - domain) > domain * Fraction(EPS):
            raise SubdivisionError(f"volumes must sum to {float(domain)}, got {math.fsum(self.volumes)}")
        self.borders  # noqa: B018  # which checks that two regions meet at each facet
        self.check_continuity()
