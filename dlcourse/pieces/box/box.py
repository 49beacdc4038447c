"""A network in a box: what is asked once it is cut."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dlcourse.pieces.box.cell_geometry import CellGeometry
from dlcourse.pieces.box.cells import CellSubdivision
from dlcourse.pieces.box.geometry import EdgeGeometry
from dlcourse.pieces.box.least import check_least
from dlcourse.pieces.box.patterns import BoxGeometry
from dlcourse.pieces.box.subdivision import EdgeSubdivision, TieError
from dlcourse.pieces.decisions import largest_output, with_rounds
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.segment import count_on_lines
from dlcourse.pieces.plane.domain import rectangle
from dlcourse.pieces.plane.polygon import OnPlane
from dlcourse.pieces.plane.polygon import count as count_on_plane
from dlcourse.pieces.points import existing_region, finite, in_short
from dlcourse.pieces.regions import Cells

if TYPE_CHECKING:
    import matplotlib.axes

Points = Sequence[Any] | Tensor | np.ndarray


def cut(
    layers: list[UnitLayer], low: Float[np.ndarray, " d"], high: Float[np.ndarray, " d"], max_regions: int
) -> EdgeSubdivision | CellSubdivision:
    """Cuts a box along the zeros of units: fast in general position, and else cell by cell."""
    check_least(layers, low, high, max_regions)
    try:
        return EdgeSubdivision(layers, low, high, max_regions)
    except TieError:
        return CellSubdivision(layers, low, high, max_regions)


def geometry(subdivision: EdgeSubdivision | CellSubdivision) -> BoxGeometry:
    """The regions of a box that is cut."""
    if isinstance(subdivision, EdgeSubdivision):
        return EdgeGeometry(subdivision)
    return CellGeometry(subdivision)


@dataclass(frozen=True, eq=False, repr=False)
class InBox(Cells):
    """A network in a box low <= x <= high.

    Everything but the counts is worked out when it is first asked for.

    Attributes:
        num_regions: Number of activation regions.
        num_settled: Number of signs that floating point left open, so that exact arithmetic decided them, for the count
            of regions; all signs where more units are zero in one point than the box has dimensions.
        low: The box's lowest corner.
        high: The highest one.
    """

    num_regions: int
    num_settled: int
    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]
    _subdivision: EdgeSubdivision | CellSubdivision = field(repr=False)

    def __repr__(self) -> str:
        # Pieces take longer to count than regions: looking at the object does not start it.
        pieces = f", num_pieces={self.num_pieces}" if "num_pieces" in vars(self) else ""
        return f"InBox(num_regions={self.num_regions}{pieces}, low={in_short(self.low)}, high={in_short(self.high)})"

    @property
    def vertices(self) -> Float[np.ndarray, "vertices d"]:
        """Where d units are zero, or sides of the box are met: proven to 2^-20 of the box, mostly good to 2^-40."""
        return self._geometry.points

    @property
    def edges(self) -> Int[np.ndarray, "edges 2"]:
        """The two vertices of each edge."""
        return self._subdivision.ends.T

    @property
    def volumes(self) -> Float[np.ndarray, " regions"]:
        """The regions' volumes; they take time as d! times the number of vertices."""
        return self._geometry.volumes

    @property
    def _sizes(self) -> tuple[str, Float[np.ndarray, " regions"]]:
        return "volume", self.volumes

    def polytope(self, region: int) -> Float[np.ndarray, "corners d"]:
        """A region's corners, whose convex hull it is, in no particular order."""
        first, last = self.polytope_starts[existing_region(region, self.num_regions)], self.polytope_starts[region + 1]
        corners: Float[np.ndarray, "corners d"] = self.vertices[self.polytope_vertices[first:last]]
        return corners

    @property
    def polytope_starts(self) -> Int[np.ndarray, " regions_and_1"]:
        """Where each region's corners start in `polytope_vertices`, and at the end their number."""
        return self._geometry.regions.starts

    @property
    def polytope_vertices(self) -> Int[np.ndarray, " corners"]:
        """The corners of all regions, region after region, as vertices."""
        return self._geometry.regions.vertices

    def locate(self, points: Points) -> Int[np.ndarray, "*shape"]:
        """The region that points, `[..., d]`, are in; at the border of several one of them.

        Raises:
            ValueError: If a point is outside of the box.
        """
        return self._located("points", finite("points", points), len(self.low), self._contains, "box")

    def _contains(self, points: Float[np.ndarray, "points d"]) -> Bool[np.ndarray, " points"]:
        """Whether points are in the box."""
        return np.asarray(((points >= self.low) & (points <= self.high)).all(axis=1))

    def __call__(self, points: Points) -> Float[np.ndarray, "*shape out_features"]:
        """The network's outputs, from the affine map of the region.

        Raises:
            ValueError: If a point is outside of the box.
        """
        return self._outputs(self.locate(points), finite("points", points))

    def decision_boundary(self) -> list[Float[np.ndarray, "corners d"]]:
        """Where the largest output changes: convex sets, each given by its corners.

        In one dimension these are points, in two segments, in three polygons with their corners one after another, in
        more polytopes with their corners in no particular order. The outputs are taken for a classifier's logits; if
        there is only one, its sign is the class. Which sets there are is decided exactly, only corners are rounded.
        Each is in one region; where outputs tie that are not the largest, it may be cut in several. Where several
        outputs are the largest on all of a region, the last of them is the class there.

        Raises:
            ValueError: If they cut the regions into more than `max_regions` parts.
        """
        layers, num_outputs = self._subdivision.layers, self._subdivision.layers[-1].bias.shape[1]
        longer = with_rounds(layers)
        decided = geometry(cut(longer, self.low, self.high, self._subdivision.max_regions))
        rounds = [decided.positive(index, slice(None))[0] for index in range(len(layers), len(longer) - 1)]
        largest = largest_output(rounds, num_outputs)
        one, other = decided.borders
        return decided.facet_corners(np.flatnonzero(largest[one] != largest[other]))

    def plot(self, axes: Union["matplotlib.axes.Axes", None] = None) -> "matplotlib.axes.Axes":
        """Draws the function along one dimension, the regions of two as `OnPlane.plot` does, or a view of three.

        In three dimensions colours tell linear pieces apart on the three far sides of the box, and the facets between
        pieces are seen inside.

        Args:
            axes: Where to draw, in three dimensions axes with projection "3d"; by default in a figure of its own.

        Returns:
            The axes.

        Raises:
            ValueError: If the box has more than three dimensions.
        """
        from dlcourse.pieces.plotting import plot_solid  # matplotlib is loaded only for those who draw

        d = len(self.low)
        if d == 1:
            layers, max_regions = self._subdivision.layers, self._subdivision.max_regions
            lines = count_on_lines(layers, self.low[None, None], self.high[None, None], (1,), max_regions)
            return lines.line(0, 0).plot(axes)
        if d == 2:
            return self._section([0, 1], np.zeros(2)).plot(axes)
        if d == 3:
            sides = [self._side([1, 2], self.low), self._side([0, 2], self.high), self._side([0, 1], self.low)]
            between = self._geometry.facet_corners(np.flatnonzero(self._geometry.kinks))
            return plot_solid(sides, between, self.low, self.high, self.num_regions, self.num_pieces, axes)
        raise ValueError(f"a box must have at most 3 dimensions to be drawn, got {d}")

    def _side(
        self, across: list[int], point: Float[np.ndarray, " d"]
    ) -> tuple[list[Float[np.ndarray, "corners d"]], Int[np.ndarray, " polygons"]]:
        """The polygons that a section is cut into, and the linear piece that each of them is part of."""
        section = self._section(across, point)
        polygons = [section.polygon(region) for region in range(section.num_regions)]
        centres = section.points(np.array([polygon.mean(axis=0) for polygon in polygons]))
        pieces = self.piece_of_region[self.locate(np.clip(centres, self.low, self.high))]
        return [section.points(polygon) for polygon in polygons], pieces

    def _section(self, across: list[int], point: Float[np.ndarray, " d"]) -> OnPlane:
        """The network where all but two coordinates are those of a point."""
        frame = np.zeros((len(point), 3))
        frame[:, 2] = point
        frame[across, 2] = 0
        frame[across, [0, 1]] = 1
        corners = rectangle(self.low[across], self.high[across])
        return count_on_plane(self._subdivision.layers, frame, corners, self._subdivision.max_regions)

    @cached_property
    def _geometry(self) -> BoxGeometry:
        """The regions, built when they are first asked for."""
        return geometry(self._subdivision)
