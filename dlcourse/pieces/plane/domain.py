"""Planes and convex polygons on them, as they are given: checked, with exact predicates."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from dlcourse.pieces.arithmetic.rounding import EPS
from dlcourse.pieces.points import finite

Point = float | int | Sequence[Any] | Tensor | np.ndarray
Points = Sequence[Any] | Tensor | np.ndarray


def triangle(
    through: Sequence[Any],
) -> tuple[Float[np.ndarray, "*input_shape"], Float[np.ndarray, "2 *input_shape"]]:
    """The origin and the directions of the plane through three points."""
    if len(through) != 3:
        raise ValueError(f"through must be three points, got {len(through)}")
    a, b, c = (np.atleast_1d(finite("through", point)) for point in through)
    if not a.shape == b.shape == c.shape:
        raise ValueError(f"the points of through must have one shape, got {a.shape}, {b.shape} and {c.shape}")
    return a, np.stack([b - a, c - a])


def frame_of(
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


def corners_of(low: Point | None, high: Point | None, vertices: Points | None) -> Float[np.ndarray, "corners 2"]:
    """The corners of the domain, counterclockwise."""
    if vertices is None:
        if low is None or high is None:
            got = "neither" if low is high else "low alone" if high is None else "high alone"
            raise ValueError(f"the domain must be given either by low and high or by vertices, got {got}")
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


def inside_of(
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
