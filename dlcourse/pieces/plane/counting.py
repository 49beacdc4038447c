"""Exact counts of linear regions and pieces on polygons of a plane in a network's input space."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import nn

from dlcourse.networks import Stack
from dlcourse.pieces.memory import check_limits
from dlcourse.pieces.plane.domain import Point, Points, corners_of, frame_of, triangle
from dlcourse.pieces.plane.polygon import OnPlane, count
from dlcourse.pieces.points import finite
from dlcourse.pieces.progress import bars
from dlcourse.pieces.reading import read_for_points


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
    max_gigabytes: float | int | None = None,
    progress: bool = False,
) -> OnPlane:
    """Counts the activation regions of a ReLU network on a polygon of a plane in its input space, exactly.

    *Activation regions* are the largest connected open sets on which every hidden unit's pre-activation keeps its sign;
    they are convex polygons. *Linear pieces*, counted when `num_pieces` is asked for, are the largest connected sets on
    which the function, all outputs together, is one affine map: regions that share a side and a map are one piece.

    What is counted is the function that the stored numbers define when they are taken as exact. Floating point decides
    only where a derived error bound proves the sign. Signs at vertices, the order of vertices along lines, and whether
    neighbouring regions have one map are decided by numbers of more digits, by remainders or by integers else.

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
        max_gigabytes: What takes more memory than that, in 10^9 bytes by an estimate, is refused before it is asked
            for; by default what takes more than is free.
        progress: Whether to show on stderr how far the count is: a bar over the layers that cut, but for the last.

    Returns:
        The count, and pieces and geometry on request.

    Raises:
        TypeError: If a layer of the network is not understood.
        ValueError: If a parameter or a coordinate is not finite, the domain is empty, not convex, or in the wrong
            dimension, values on it overflow float64, there are more than `max_regions` regions, or they take more than
            `max_gigabytes`.
    """
    if isinstance(network, Stack):
        raise TypeError("on_plane counts for one network, got a Stack: use on_plane for each member of unstack(stack)")
    check_limits(max_regions, max_gigabytes)
    if through is not None:
        if any(given is not None for given in (low, high, vertices, origin, directions)):
            raise ValueError("through must be given alone, without low, high, vertices, origin or directions")
        origin, directions = triangle(through)
        vertices = [[0, 0], [1, 0], [0, 1]]
    point = None if origin is None else finite("origin", origin)
    two = None if directions is None else finite("directions", directions)
    corners = corners_of(low, high, vertices)

    def in_the_domain(random: np.random.Generator, num_points: int) -> Float[np.ndarray, "points in_features"]:
        points: Float[np.ndarray, "points in_features"] = random.dirichlet(np.ones(len(corners)), num_points) @ corners
        if point is not None and two is not None and two.shape == (2, *point.shape):
            points = point.reshape(-1) + points @ two.reshape(2, -1)
        return points

    layers, shape = read_for_points(network, (2,) if point is None else point.shape, in_the_domain)
    if point is not None and point.shape != shape:
        point, two = point.reshape(shape), None if two is None else two.reshape(-1, *shape)
    frame = frame_of(layers[0].in_features, point, two)
    with bars(progress):
        return count(layers, frame, corners, max_regions, max_gigabytes)
