"""Exact counts of linear regions and pieces on polygons of a plane in a network's input space."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from dlcourse.networks import Stack
from dlcourse.pieces.arithmetic.rounding import EPS
from dlcourse.pieces.decisions import largest_output, with_rounds
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.geometry import Geometry
from dlcourse.pieces.plane.subdivision import Subdivision, layers_and_units
from dlcourse.pieces.points import existing_region, finite
from dlcourse.pieces.reading import read_for_points

if TYPE_CHECKING:
    import matplotlib.axes

Point = float | int | Sequence[Any] | Tensor | np.ndarray
Points = Sequence[Any] | Tensor | np.ndarray


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
        return self._geometry.maps[0]

    @property
    def biases(self) -> Float[np.ndarray, "regions out_features"]:
        """The bias of each region's affine map."""
        return self._geometry.maps[1]

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
        geometry, region = self._geometry, existing_region(region, self.num_regions)
        return [geometry.patterns(layer, slice(region, region + 1))[0] for layer in geometry.bending]

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
        inside = _inside(self.corners, flat)
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
        rounds = [decided.patterns(index, slice(None))[:, 0] for index in range(len(layers), len(longer) - 1)]
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


def on_plane(
    network: nn.Module,
    low: Point | None = None,
    high: Point | None = None,
    *,
    vertices: Points | None = None,
    origin: Point | None = None,
    directions: Points | None = None,
    through: Sequence[Any] | None = None,
    max_regions: int = 10_000_000,
) -> OnPlane:
    """Counts the activation regions of a ReLU network on a polygon of a plane in its input space, exactly.

    *Activation regions* are the largest connected open sets on which every hidden unit's pre-activation keeps its sign;
    they are convex polygons. *Linear pieces*, counted when `num_pieces` is asked for, are the largest connected sets on
    which the function, all outputs together, is one affine map: regions that share a side and a map are one piece.

    What is counted is the function that the stored numbers define when they are taken as exact. Floating point decides
    only where a derived error bound proves the sign, exact integer arithmetic decides the rest: signs at vertices, the
    order of vertices along lines, and whether neighbouring regions have one map.

    Time and memory grow as regions times units: 40,000 regions of 256 + 256 units take about 0.1 s. Geometry is built
    when it is first asked for, and costs a few times as much as the count. Where many zero lines meet in one point it
    takes longer, some microseconds for every two neighbours that are settled exactly.

    Args:
        network: A network that `dlcourse.pieces.reading.read` understands.
        low: The rectangle's lower corner, in the plane's coordinates: two numbers, or one for both.
        high: The opposite corner.
        vertices: In place of low and high the corners of a convex polygon in order, `[n, 2]`.
        origin: The point x(0, 0) of the plane x(u, v) = origin + u directions[0] + v directions[1], in the shape that
            the network takes, such as `[channels, height, width]`, without the batch's dimension. A network of two
            inputs needs none: its plane's coordinates are the inputs.
        directions: Two vectors, `[2, *input_shape]`; of any length, not necessarily at right angles.
        through: In place of all these three points a, b and c of the input space: the triangle between them, with
            origin a, directions b - a and c - a, rounded once, and corners (0, 0), (1, 0) and (0, 1).
        max_regions: More regions than that are refused before they are made.

    Returns:
        The count, and pieces and geometry on request.

    Raises:
        TypeError: If a layer of the network is not understood.
        ValueError: If a parameter or a coordinate is not finite, the domain is empty, not convex, or in the wrong
            dimension, values on it overflow float64, or there are more than `max_regions` regions.
    """
    if isinstance(network, Stack):
        raise TypeError("on_plane counts for one network, got a Stack: use on_plane for each member of unstack(stack)")
    if max_regions < 1:
        raise ValueError(f"max_regions must be at least 1, got {max_regions}")
    if through is not None:
        if any(given is not None for given in (low, high, vertices, origin, directions)):
            raise ValueError("through must be given alone, without low, high, vertices, origin or directions")
        origin, directions = _triangle(through)
        vertices = [[0, 0], [1, 0], [0, 1]]
    point = None if origin is None else finite("origin", origin)
    two = None if directions is None else finite("directions", directions)
    corners = _corners(low, high, vertices)

    def in_the_domain(random: np.random.Generator, num_points: int) -> Float[np.ndarray, "points in_features"]:
        points: Float[np.ndarray, "points in_features"] = random.dirichlet(np.ones(len(corners)), num_points) @ corners
        if point is not None and two is not None and two.shape == (2, *point.shape):
            points = point.reshape(-1) + points @ two.reshape(2, -1)
        return points

    layers, shape = read_for_points(network, (2,) if point is None else point.shape, in_the_domain)
    if point is not None and point.shape != shape:
        point, two = point.reshape(shape), None if two is None else two.reshape(-1, *shape)
    frame = _frame(layers[0].weight.shape[2], point, two)
    return count(layers, frame, corners, max_regions)


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


def _triangle(
    through: Sequence[Any],
) -> tuple[Float[np.ndarray, "*input_shape"], Float[np.ndarray, "2 *input_shape"]]:
    """The origin and the directions of the plane through three points."""
    if len(through) != 3:
        raise ValueError(f"through must be three points, got {len(through)}")
    a, b, c = (np.atleast_1d(finite("through", point)) for point in through)
    if not a.shape == b.shape == c.shape:
        raise ValueError(f"the points of through must have one shape, got {a.shape}, {b.shape} and {c.shape}")
    return a, np.stack([b - a, c - a])


def _frame(
    in_features: int,
    origin: Float[np.ndarray, "*input_shape"] | None,
    directions: Float[np.ndarray, "*two_vectors"] | None,
) -> Float[np.ndarray, "in_features 3"]:
    """The plane: its two directions and its origin as columns."""
    if origin is None and directions is None:
        if in_features != 2:
            raise ValueError(
                f"a network of {in_features} inputs needs a plane, given by origin and directions; only with 2 inputs "
                "there is but one"
            )
        return np.eye(2, 3)
    if origin is None or directions is None:
        raise ValueError("origin and directions must be given together, got only one of them")
    if origin.size != in_features:
        raise ValueError(f"origin must have one number for each of {in_features} inputs, got shape {origin.shape}")
    if directions.shape != (2, *origin.shape):
        raise ValueError(
            f"directions must be two vectors in the shape of origin, {origin.shape}, got {directions.shape}"
        )
    two = directions.reshape(2, -1)
    if _parallel(two):
        raise ValueError(f"directions must not be parallel, got {two[0]} and {two[1]}")
    return np.column_stack([two[0], two[1], origin.ravel()])


def _parallel(two: Float[np.ndarray, "2 in_features"]) -> bool:
    """Whether two vectors are multiples of each other, exactly."""
    one, other = ([Fraction(value) for value in row] for row in two.tolist())
    pivot = next((index for index, value in enumerate(one) if value != 0), None)
    if pivot is None:
        return True
    return all(a * other[pivot] == b * one[pivot] for a, b in zip(one, other, strict=True))


def _corners(low: Point | None, high: Point | None, vertices: Points | None) -> Float[np.ndarray, "corners 2"]:
    """The corners of the domain, counterclockwise."""
    if vertices is None:
        if low is None or high is None:
            raise ValueError("the domain must be given either by low and high or by vertices, got neither")
        bounds = []
        for name, bound in (("low", low), ("high", high)):
            numbers = finite(name, bound)
            if numbers.shape not in ((), (1,), (2,)):
                raise ValueError(f"{name} must be one number or two, got shape {numbers.shape}")
            bounds.append(numbers * np.ones(2))
        if not (bounds[0] < bounds[1]).all():
            raise ValueError(f"low must be below high in both coordinates, got {bounds[0]} and {bounds[1]}")
        return rectangle(*bounds)
    if low is not None or high is not None:
        raise ValueError("the domain must be given either by low and high or by vertices, got both")
    corners = finite("vertices", vertices)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError(f"vertices must have shape [n, 2], n at least 3, got {corners.shape}")
    exact = [(Fraction(x), Fraction(y)) for x, y in corners.tolist()]
    turns = {_turn(exact[i - 2], exact[i - 1], corner) for i, corner in enumerate(exact)}
    turns |= {_turn(exact[0], exact[i], exact[i + 1]) for i in range(1, len(exact) - 1)}
    if turns not in ({1}, {-1}):
        raise ValueError("vertices must be the corners of a convex polygon, in order, without any on a straight side")
    return corners if turns == {1} else corners[::-1].copy()


def rectangle(low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"]) -> Float[np.ndarray, "4 2"]:
    """The corners of a rectangle, counterclockwise."""
    return np.array([low, [high[0], low[1]], high, [low[0], high[1]]])


def _turn(a: tuple[Fraction, Fraction], b: tuple[Fraction, Fraction], c: tuple[Fraction, Fraction]) -> int:
    """1 if a, b, c turn to the left, -1 to the right, 0 if they are on one line."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (area > 0) - (area < 0)


def _inside(
    corners: Float[np.ndarray, "corners 2"], points: Float[np.ndarray, "points 2"]
) -> Bool[np.ndarray, " points"]:
    """Whether points are in a convex polygon or at its border, exactly."""
    inside = np.ones(len(points), dtype=bool)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        one, other = (b[0] - a[0]) * (points[:, 1] - a[1]), (b[1] - a[1]) * (points[:, 0] - a[0])
        left = one - other
        open_ = np.abs(left) <= 8 * EPS * (np.abs(one) + np.abs(other))
        inside &= (left > 0) | open_
        for index in np.flatnonzero(open_ & inside).tolist():
            exact = [(Fraction(x), Fraction(y)) for x, y in (a.tolist(), b.tolist(), points[index].tolist())]
            inside[index] = _turn(*exact) >= 0
    return inside
