"""What is known of the regions of a box by their patterns and corners, however it was cut."""

from abc import abstractmethod
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.rounding import EPS
from dlcourse.pieces.box.walls import Walls
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.plane.invariants import check_continuity
from dlcourse.pieces.plane.values import affine
from dlcourse.pieces.regions import Geometry


class Faces(NamedTuple):
    """The faces of one dimension, and the vertices of each, one face after another."""

    names: UInt64[np.ndarray, " faces"]  # their hashes, ascending
    starts: Int[np.ndarray, " faces_and_1"]  # face i has the vertices starts[i] to starts[i + 1]
    vertices: Int[np.ndarray, " corners"]


class BoxGeometry(Geometry):
    """The regions, numbered as their hashes ascend."""

    subdivision: Walls

    def __init__(self, subdivision: Walls) -> None:
        self.subdivision = subdivision
        self.layers, self.d = subdivision.layers, subdivision.d
        self.num_regions = subdivision.num_regions
        self.low, self.high = subdivision.bounds.reshape(-1, 2).T
        if len(self.regions.names) != self.num_regions:
            raise SubdivisionError(f"{self.num_regions} regions were cut, {len(self.regions.names)} are there")

    @property
    @abstractmethod
    def regions(self) -> Faces:
        """The regions."""

    @property
    def points(self) -> Float[np.ndarray, "vertices d"]:
        """Where the vertices are."""
        return self.located[0]

    @property
    @abstractmethod
    def located(self) -> tuple[Float[np.ndarray, "vertices d"], Float[np.ndarray, " vertices"]]:
        """Where the vertices are, and bounds for how far off."""

    @property
    @abstractmethod
    def volumes(self) -> Float[np.ndarray, " regions"]:
        """The regions' volumes."""

    @abstractmethod
    def facet_corners(self, facets: Int[np.ndarray, " some"]) -> list[Float[np.ndarray, "corners d"]]:
        """The corners of some facets; in three dimensions one after another around the facet."""

    @cached_property
    def words(self) -> UInt64[np.ndarray, "words regions"]:
        """Which units are positive on each region, packed: those that are positive at any of its vertices."""
        starts, vertices = self.regions.starts, self.regions.vertices
        rows = [np.bitwise_or.reduceat(words[vertices], starts[:-1]) for words in self.subdivision.positive]
        return np.array(rows, dtype=np.uint64).reshape(-1, self.num_regions)

    def positive(self, layer: int, regions: Int[np.ndarray, " some"] | slice) -> Bool[np.ndarray, "units some"]:
        """Which units of a layer are positive on some regions; those without a kink count as positive."""
        first, after = self.subdivision.first_word[layer : layer + 2]
        positive = bits.unpack(self.words[first:after, regions].T, self.layers[layer].bias.shape[1]).T
        positive |= (self.layers[layer].slope[0] == 1)[:, None]
        return positive

    def patterns(self, regions: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        """Which units are positive on some regions, for every layer that has kinks."""
        return [self.positive(index, regions) for index, layer in enumerate(self.layers) if layer.bends]

    def locate(self, points: Float[np.ndarray, "points d"]) -> Int[np.ndarray, " points"]:
        """The region that each point is in; of the regions at whose border a point is, one of them."""
        wanted, proven = self._hashes(points)
        names = self.regions.names
        regions = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
        for index in np.flatnonzero(~proven | (names[regions] != wanted)).tolist():
            regions[index] = self._locate_exactly(points[index])
        return regions

    def _hashes(
        self, points: Float[np.ndarray, "points d"]
    ) -> tuple[UInt64[np.ndarray, " points"], Bool[np.ndarray, " points"]]:
        """The hashes of the signs at points, and whether floats prove them."""
        numbers, first_wall = self.subdivision.numbers, self.subdivision.first_wall
        hashes = np.full(len(points), numbers[1 : 4 * self.d : 2].sum())
        values, error = points, np.zeros(len(points))
        proven = np.ones(len(points), dtype=bool)
        for index, layer in enumerate(self.layers[:-1]):
            values, error, _ = affine(layer, values, error)
            slope = layer.slope[0]
            units = np.flatnonzero(slope != 1)
            proven &= (np.abs(values[:, units]) > error[:, None]).all(axis=1)
            hashes += numbers[2 * (first_wall[index] + units) + (values[:, units] > 0)].sum(axis=1, dtype=np.uint64)
            values = np.where(values < 0, slope * values, values)
            error = max(1.0, float(np.abs(slope).max())) * error + EPS * np.linalg.norm(values, axis=1)
        return hashes, proven

    def _locate_exactly(self, point: Float[np.ndarray, " d"]) -> int:
        """The first region in whose closure a point is: any sign of a unit that is zero there will do."""
        fits = np.ones(self.num_regions, dtype=bool)
        for index, signs in enumerate(self.subdivision.exact.signs(point)[:-1]):
            decided = (signs != 0) & (self.layers[index].slope[0] != 1)
            some = np.flatnonzero(fits)
            fits[some] = (self.positive(index, some)[decided] == (signs > 0)[decided, None]).all(axis=0)
        if not fits.any():
            raise SubdivisionError(f"no region has the pattern of the point {point}")
        return int(fits.argmax())

    def check_continuity(self) -> None:
        """Checks that affine maps agree at the corners that regions share.

        Raises:
            SubdivisionError: If they do not.
        """
        points, misplaced = self.located
        region = np.repeat(np.arange(self.num_regions), np.diff(self.regions.starts))
        vertex, first = np.unique(self.regions.vertices, return_index=True)
        others = region[first][np.searchsorted(vertex, self.regions.vertices)]
        inputs, away = points[self.regions.vertices], misplaced[self.regions.vertices, None]
        with np.errstate(all="ignore"):  # bounds may overflow, and numbers underflow
            check_continuity(self.maps, region, others, inputs, np.repeat(away, self.d, axis=1))


def around(corners: Float[np.ndarray, "corners 3"]) -> Float[np.ndarray, "corners 3"]:
    """The corners of a convex polygon, one after another."""
    from_centre = corners - corners.mean(axis=0)
    x, y = np.linalg.svd(from_centre, full_matrices=False)[2][:2] @ from_centre.T  # the two directions it extends in
    ordered: Float[np.ndarray, "corners 3"] = corners[np.argsort(np.arctan2(y, x))]
    return ordered
