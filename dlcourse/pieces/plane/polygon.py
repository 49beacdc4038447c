"""A network on a convex polygon of a plane: what is asked once it is cut."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Union

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.decisions import largest_output, with_rounds
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.domain import Point, Points, inside_of
from dlcourse.pieces.plane.geometry import Geometry
from dlcourse.pieces.plane.subdivision import Subdivision, layers_and_units
from dlcourse.pieces.points import existing_region, finite

if TYPE_CHECKING:
    import matplotlib.axes


@dataclass(frozen=True, eq=False)
class OnPlane:
    """A network on a convex polygon of a plane x(u, v) = origin + u directions[0] + v directions[1].

    Attributes:
        num_regions: Number of activation regions.
        num_settled: Number of signs that floating point left open, so that exact arithmetic decided them, for the count
            of regions.
        corners: The polygon's corners, counterclockwise, in the plane's coordinates.
        origin: x(0, 0).
        directions: dx/du and dx/dv.
    """

    num_regions: int
    num_settled: int
    corners: Float[np.ndarray, "corners 2"]
    origin: Float[np.ndarray, " in_features"]
    directions: Float[np.ndarray, "2 in_features"]
    _subdivision: Subdivision = field(repr=False)

    @cached_property
    def num_pieces(self) -> int:
        """Number of linear pieces: connected sets on which the function, all outputs together, is one affine map."""
        return int(self._geometry.pieces.max()) + 1

    @property
    def vertices(self) -> Float[np.ndarray, "vertices 2"]:
        """Where edges meet, in the plane's coordinates: proven to 2^-20 of the domain, mostly good to 2^-40."""
        return self._geometry.points

    @property
    def edges(self) -> Int[np.ndarray, "edges 2"]:
        """The two vertices of each edge."""
        return self._geometry.mesh.ends

    @property
    def edge_regions(self) -> Int[np.ndarray, "edges 2"]:
        """The regions to the left and to the right of each edge; to the right of the border there is -1."""
        return self._geometry.mesh.faces

    @property
    def edge_units(self) -> Int[np.ndarray, "edges 2"]:
        """The layer and the unit that each edge is a zero of; -1 and the number of the domain's side at the border."""
        return layers_and_units(self._geometry.mesh.lines)

    @property
    def weights(self) -> Float[np.ndarray, "regions out_features in_features"]:
        """The weight of each region's affine map: the network is x -> weights[r] x + biases[r] on region r."""
        return self._geometry.maps.weight

    @property
    def biases(self) -> Float[np.ndarray, "regions out_features"]:
        """The bias of each region's affine map."""
        return self._geometry.maps.bias

    @property
    def areas(self) -> Float[np.ndarray, " regions"]:
        """Areas in the plane's coordinates."""
        return self._geometry.areas

    @property
    def piece_of_region(self) -> Int[np.ndarray, " regions"]:
        """The linear piece, 0 to num_pieces - 1, that each region is part of."""
        return self._geometry.pieces

    def pattern(self, region: int) -> list[Bool[np.ndarray, " units"]]:
        """Which units are positive on a region, for every layer that has kinks; units without one count as positive."""
        return [units[:, 0] for units in self._geometry.patterns(np.array([existing_region(region, self.num_regions)]))]

    def polygon(self, region: int) -> Float[np.ndarray, "corners 2"]:
        """A region's corners, counterclockwise; and the vertices on its straight sides, where neighbours have one."""
        starts, corners = self._geometry.polygons
        first, last = starts[existing_region(region, self.num_regions)], starts[region + 1]
        polygon: Float[np.ndarray, "corners 2"] = self.vertices[corners[first:last]]
        return polygon

    @property
    def polygon_starts(self) -> Int[np.ndarray, " regions_and_1"]:
        """Where each region's corners start in `polygon_vertices`, and at the end their number."""
        return self._geometry.polygons.starts

    @property
    def polygon_vertices(self) -> Int[np.ndarray, " corners"]:
        """The corners of all regions, region after region, counterclockwise, as vertices."""
        return self._geometry.polygons.vertices

    def neighbours(self, region: int) -> Int[np.ndarray, " neighbours"]:
        """The regions that share a side with a region."""
        starts, others = self._geometry.adjacent
        return others[starts[existing_region(region, self.num_regions)] : starts[region + 1]]

    def points(self, coordinates: Point | Points) -> Float[np.ndarray, "*shape in_features"]:
        """x(u, v), for instance `plane.points(plane.vertices)`."""
        points: Float[np.ndarray, "*shape in_features"]
        points = finite("coordinates", coordinates) @ self.directions + self.origin
        return points

    def locate(self, coordinates: Point | Points) -> Int[np.ndarray, "*shape"]:
        """The region that points, `[..., 2]` in the plane's coordinates, are in; on an edge one of those beside it.

        Raises:
            ValueError: If a point is outside of the domain.
        """
        numbers = finite("coordinates", coordinates)
        if numbers.ndim == 0 or numbers.shape[-1] != 2:
            raise ValueError(f"coordinates must have shape [..., 2], got {numbers.shape}")
        flat = numbers.reshape(-1, 2)
        inside = inside_of(self.corners, flat)
        if not inside.all():
            raise ValueError(f"coordinates must be inside of the domain, got {flat[~inside][0]}")
        return self._geometry.locate(flat).reshape(numbers.shape[:-1])

    def __call__(self, coordinates: Point | Points) -> Float[np.ndarray, "*shape out_features"]:
        """The network's outputs at x(u, v), from the affine map of the region.

        Raises:
            ValueError: If a point is outside of the domain.
        """
        region = self.locate(coordinates)
        outputs: Float[np.ndarray, "*shape out_features"]
        outputs = np.einsum("...oi,...i->...o", self.weights[region], self.points(coordinates)) + self.biases[region]
        return outputs

    def decision_boundary(self) -> Float[np.ndarray, "segments 2 2"]:
        """Where the largest output changes: straight segments, in the plane's coordinates.

        The outputs are taken for a classifier's logits; if there is only one, its sign is the class. Which segments
        there are is decided exactly, only their end points are rounded. Where two classes tie on a whole region, the
        one with the higher number has it. Each segment is in one region; where outputs tie that are not the largest, it
        may be cut in several.
        """
        decided, top = self._decided
        left, right = decided.mesh.faces.T
        changes = (right >= 0) & (top[left] != top[right])
        segments: Float[np.ndarray, "segments 2 2"] = decided.points[decided.mesh.ends[changes]]
        return segments

    @cached_property
    def _decided(self) -> tuple[Geometry, Int[np.ndarray, " parts"]]:
        """The regions cut where the largest output changes, and maybe where others do, and the class of each part."""
        layers = self._subdivision.layers
        num_outputs = layers[-1].bias.shape[1]
        longer = with_rounds(layers)
        subdivision = Subdivision(longer, self._subdivision.exact.frame, self.corners, self._subdivision.max_regions)
        subdivision.finish()
        decided = Geometry(subdivision)
        rounds = [decided.positive(index, slice(None))[0] for index in range(len(layers), len(longer) - 1)]
        return decided, largest_output(rounds, num_outputs)

    def check_invariants(self) -> None:
        """Checks that V - E + F = 1, that areas sum to the domain's, and that affine maps agree at shared sides.

        Counting checks itself all along; this looks at the finished geometry.

        Raises:
            SubdivisionError: If one of them does not hold: the fault would be the program's.
        """
        self._geometry.check_invariants()

    def plot(self, axes: Union["matplotlib.axes.Axes", None] = None) -> "matplotlib.axes.Axes":
        """Draws the regions over the output or, if there are several, over the class with its decision boundary.

        Args:
            axes: Where to draw; by default in a figure of its own.

        Returns:
            The axes.
        """
        from dlcourse.pieces import plotting  # matplotlib is loaded only for those who draw

        several = self.weights.shape[1] > 1
        if several:
            decided, classes = self._decided
            starts, corners = decided.polygons
            polygons = np.split(decided.points[corners], starts[1:-1])
            axes = plotting.plot_classes(polygons, classes, decided.ancestors[len(self._subdivision.layers) - 1], axes)
        else:
            points = self.vertices[self.polygon_vertices]
            region = np.repeat(np.arange(self.num_regions), np.diff(self.polygon_starts))
            values = np.einsum("ci,ci->c", self.weights[region, 0], self.points(points)) + self.biases[region, 0]
            axes = plotting.plot_output(points, values, self.polygon_starts, axes)
        layers = self.edge_units[:, 0]
        inner = layers >= 0
        segments = self.vertices[self.edges[inner]]
        plotting.draw_edges(axes, segments, layers[inner], self.corners, self.num_regions, self.num_pieces)
        if several:
            plotting.draw_boundary(axes, self.decision_boundary())
        return axes

    @cached_property
    def _geometry(self) -> Geometry:
        """The regions, built when they are first asked for."""
        self._subdivision.finish()
        return Geometry(self._subdivision)


def count(
    layers: list[UnitLayer],
    frame: Float[np.ndarray, "in_features 3"],
    corners: Float[np.ndarray, "corners 2"],
    max_regions: int,
) -> OnPlane:
    """`on_plane` for layers that have been read; the columns of the frame are the directions and the origin."""
    subdivision = Subdivision(layers, frame, corners, max_regions)
    num_regions = subdivision.count()
    return OnPlane(
        num_regions=num_regions,
        num_settled=subdivision.num_settled,
        corners=corners,
        origin=frame[:, 2],
        directions=frame[:, :2].T,
        _subdivision=subdivision,
    )
