"""A network on a convex polygon of a plane: what is asked once it is cut."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Union

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.decisions import largest_output, with_leads, with_rounds
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.domain import Point, Points, inside_of
from dlcourse.pieces.plane.geometry import PlaneGeometry
from dlcourse.pieces.plane.mesh import layers_and_units
from dlcourse.pieces.plane.subdivision import Subdivision
from dlcourse.pieces.plane.topology import Topology, topology
from dlcourse.pieces.points import existing_region, finite, in_short
from dlcourse.pieces.regions import Cells

if TYPE_CHECKING:
    import matplotlib.axes


@dataclass(frozen=True, eq=False, repr=False)
class OnPlane(Cells):
    """A network on a convex polygon of a plane x(u, v) = origin + u directions[0] + v directions[1].

    Attributes:
        num_regions: Number of activation regions.
        num_settled: Number of signs that neither floats nor numbers of more digits proved, so that integers did, for
            the count of regions.
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

    def __repr__(self) -> str:
        low, high = (in_short(ends) for ends in (self.corners.min(axis=0), self.corners.max(axis=0)))
        # Pieces take longer to count than regions: looking at the object does not start it.
        pieces = f", num_pieces={self.num_pieces}" if "num_pieces" in vars(self) else ""
        return f"OnPlane(num_regions={self.num_regions}{pieces}, {len(self.corners)} corners from {low} to {high})"

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
    def areas(self) -> Float[np.ndarray, " regions"]:
        """Areas in the plane's coordinates."""
        return self._geometry.areas

    @property
    def _sizes(self) -> tuple[str, Float[np.ndarray, " regions"]]:
        return "area", self.areas

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
        inside = partial(inside_of, self.corners)
        return self._located("coordinates", finite("coordinates", coordinates), 2, inside, "domain")

    def __call__(self, coordinates: Point | Points) -> Float[np.ndarray, "*shape out_features"]:
        """The network's outputs at x(u, v), from the affine map of the region.

        Raises:
            ValueError: If a point is outside of the domain.
        """
        return self._outputs(self.locate(coordinates), self.points(coordinates))

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

    def decision_topology(self) -> Topology:
        """How many connected parts and holes each class's decision region has: its Betti numbers b0 and b1, exactly.

        The decision region of class c is the set of all points of the polygon where output c is *strictly* the largest;
        with only one output it is where this is positive for class 1, and negative for class 0. Where outputs tie for
        the largest, be it in a point, on a line or on a region, no class is: two parts that meet in a single point are
        two, and a point at which another class draws level is a hole. A hole of a class is a connected part of what its
        region leaves of the polygon that does not touch the polygon's border.

        All ties are decided exactly. It costs some times as much as the geometry, and more where many vertices are on
        ties, each of which is settled in integers.

        Returns:
            The numbers of components and holes, class by class.

        Raises:
            ValueError: If ties cut the regions into more than `max_regions` parts.

        Source: Bianchini & Scarselli 2014, *On the Complexity of Neural Network Classifiers*, measure a classifier by
            the sum of these numbers.
        """
        before = self._subdivision
        longer = with_leads(before.layers)
        decided = Subdivision(longer, before.exact.frame, self.corners, before.max_regions, before.max_gigabytes)
        return topology(decided, before.layers[-1].bias.shape[1])

    @cached_property
    def _decided(self) -> tuple[PlaneGeometry, Int[np.ndarray, " parts"]]:
        """The regions cut where the largest output changes, and maybe where others do, and the class of each part."""
        layers = self._subdivision.layers
        num_outputs = layers[-1].bias.shape[1]
        longer = with_rounds(layers)
        before = self._subdivision
        subdivision = Subdivision(longer, before.exact.frame, self.corners, before.max_regions, before.max_gigabytes)
        subdivision.finish()
        decided = PlaneGeometry(subdivision)
        rounds = [decided.positive(index, slice(None))[0] for index in range(len(layers), len(longer) - 1)]
        return decided, largest_output(rounds, num_outputs)

    def plot(self, axes: Union["matplotlib.axes.Axes", None] = None) -> "matplotlib.axes.Axes":
        """Draws the regions over the output or, if there are several, over the class with its decision boundary.

        The axes are x₁ and x₂ for a network of two inputs, and else the plane's coordinates u and v.

        Args:
            axes: Where to draw; by default in a figure of its own, with a legend of the classes or a colour bar.

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
        counts = self.num_regions, self.num_pieces
        plotting.draw_edges(axes, segments, layers[inner], self.corners, *counts, self._names)
        if several:
            plotting.draw_boundary(axes, self.decision_boundary())
        return axes

    @property
    def _names(self) -> tuple[str, str]:
        """What the plane's coordinates are called: as the inputs, where they are the inputs."""
        is_input_space = np.array_equal(self.directions, np.eye(2)) and not self.origin.any()
        return ("x₁", "x₂") if is_input_space else ("u", "v")

    @cached_property
    def _geometry(self) -> PlaneGeometry:
        """The regions, built when they are first asked for."""
        self._subdivision.finish()
        return PlaneGeometry(self._subdivision)


def count(
    layers: list[UnitLayer],
    frame: Float[np.ndarray, "in_features 3"],
    corners: Float[np.ndarray, "corners 2"],
    max_regions: int,
    max_gigabytes: float | int | None = None,
) -> OnPlane:
    """`on_plane` for layers that have been read; the columns of the frame are the directions and the origin."""
    subdivision = Subdivision(layers, frame, corners, max_regions, max_gigabytes)
    num_regions = subdivision.count()
    return OnPlane(
        num_regions=num_regions,
        num_settled=subdivision.num_settled,
        corners=corners,
        origin=frame[:, 2],
        directions=frame[:, :2].T,
        _subdivision=subdivision,
    )
