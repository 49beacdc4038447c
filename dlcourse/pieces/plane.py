"""Exact counts of linear regions and pieces on polygons of a plane in a network's input space."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from dlcourse.networks import Stack
from dlcourse.pieces.geometry import Geometry
from dlcourse.pieces.reading import Layer, read
from dlcourse.pieces.subdivision import Subdivision

Point = float | int | Sequence[float | int] | Tensor | np.ndarray
Points = Sequence[Sequence[float | int] | Tensor | np.ndarray] | Tensor | np.ndarray


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
        origin: The point x(0, 0) of the plane x(u, v) = origin + u directions[0] + v directions[1]. A network of two
            inputs needs none: its plane's coordinates are the inputs.
        directions: Two vectors, `[2, in_features]`; of any length, not necessarily at right angles.
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
    layers = read(network)
    frame = _frame(layers[0].weight.shape[2], origin, directions)
    return count(layers, frame, _corners(low, high, vertices), max_regions)


def count(
    layers: list[Layer],
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


def _frame(in_features: int, origin: Point | None, directions: Points | None) -> Float[np.ndarray, "in_features 3"]:
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
    point, two = _array("origin", origin), _array("directions", directions)
    if point.shape != (in_features,):
        raise ValueError(f"origin must have shape [{in_features}], one number for each input, got {point.shape}")
    if two.shape != (2, in_features):
        raise ValueError(f"directions must have shape [2, {in_features}], got {two.shape}")
    if _parallel(two):
        raise ValueError(f"directions must not be parallel, got {two[0]} and {two[1]}")
    return np.column_stack([two[0], two[1], point])


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
            numbers = _array(name, bound)
            if numbers.shape not in ((), (1,), (2,)):
                raise ValueError(f"{name} must be one number or two, got shape {numbers.shape}")
            bounds.append(np.broadcast_to(numbers, 2))
        (left, bottom), (right, top) = bounds
        if not (left < right and bottom < top):
            raise ValueError(f"low must be below high in both coordinates, got {bounds[0]} and {bounds[1]}")
        return np.array([[left, bottom], [right, bottom], [right, top], [left, top]])
    if low is not None or high is not None:
        raise ValueError("the domain must be given either by low and high or by vertices, got both")
    corners = _array("vertices", vertices)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError(f"vertices must have shape [n, 2], n at least 3, got {corners.shape}")
    exact = [(Fraction(x), Fraction(y)) for x, y in corners.tolist()]
    turns = {_turn(exact[i - 2], exact[i - 1], corner) for i, corner in enumerate(exact)}
    turns |= {_turn(exact[0], exact[i], exact[i + 1]) for i in range(1, len(exact) - 1)}
    if turns not in ({1}, {-1}):
        raise ValueError("vertices must be the corners of a convex polygon, in order, without any on a straight side")
    return corners if turns == {1} else corners[::-1].copy()


def _turn(a: tuple[Fraction, Fraction], b: tuple[Fraction, Fraction], c: tuple[Fraction, Fraction]) -> int:
    """1 if a, b, c turn to the left, -1 to the right, 0 if they are on one line."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (area > 0) - (area < 0)


def _array(name: str, values: Point | Points) -> Float[np.ndarray, "..."]:
    """Numbers in float64."""
    if isinstance(values, Tensor):
        values = values.detach().to("cpu", torch.float64).numpy()
    numbers = np.array(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite, got {numbers[~np.isfinite(numbers)][0]}")
    return numbers
