"""What must hold of regions of a plane once they are cut; every tolerance is derived from what may have been rounded.

A vertex is known as floats, and a bound e for how far off they are. If the ends of a side of length l move by e and f,
twice the area changes by l (e + f) + e f at most. Of the sum of all areas that holds for the sides at the border of
the domain alone, since an inner edge takes from one region what it gives to another. All lengths are 1-norms.
"""

import math
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.maps import OutputMaps
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.errors import SubdivisionError


def check_polygons(
    points: Float[np.ndarray, "points 2"],
    point_error: Float[np.ndarray, " points"],
    starts: Int[np.ndarray, " regions_and_1"],
    vertices: Int[np.ndarray, " corners"],
) -> tuple[Float[np.ndarray, " regions"], Float[np.ndarray, " regions"]]:
    """Checks that regions are convex.

    Args:
        points: The vertices.
        point_error: How far off each of them may be.
        starts: Where each region's corners start.
        vertices: The corners of all regions, counterclockwise.

    Returns:
        The areas of the polygons, and how far off they may be if the vertices are not.

    Raises:
        SubdivisionError: If one of them is not.
    """
    following = np.arange(1, len(vertices) + 1)
    following[starts[1:] - 1] = starts[:-1]
    error = point_error[vertices]
    side, off = points[vertices[following]] - points[vertices], error[following] + error
    turn, rounded = _cross(side, side[following])
    length = np.abs(side).sum(axis=1)
    allowed = length * off[following] + length[following] * off + off * off[following] + rounded
    if (turn < -SLACK * allowed - TINY).any():
        raise SubdivisionError("regions must be convex, with their corners counterclockwise")
    sizes = np.diff(starts)
    spoke = points[vertices] - np.repeat(points[vertices[starts[:-1]]], sizes, axis=0)
    doubled, rounded = _cross(spoke, spoke[following])
    return np.add.reduceat(doubled, starts[:-1]) / 2, SLACK * sizes * np.add.reduceat(rounded, starts[:-1]) + TINY


def check_total(
    areas: Float[np.ndarray, " regions"],
    rounded: Float[np.ndarray, " regions"],
    domain: Float[np.ndarray, "corners 2"],
    ends: Float[np.ndarray, "sides 2 2"],
    end_error: Float[np.ndarray, "sides 2"],
) -> None:
    """Checks that the sum of all areas is the domain's.

    Args:
        areas: The areas.
        rounded: How far off they may be if the vertices are not.
        domain: The domain's corners.
        ends: The ends of the sides at its border.
        end_error: How far off they may be.

    Raises:
        SubdivisionError: If it is not.
    """
    exact = [(Fraction(x), Fraction(y)) for x, y in domain.tolist()]
    doubled = sum((a[0] * b[1] - b[0] * a[1] for a, b in zip(exact, exact[1:] + exact[:1], strict=True)), Fraction(0))
    area = doubled / 2
    length, (e, other) = np.abs(ends[:, 1] - ends[:, 0]).sum(axis=1), end_error.T
    moved = math.fsum(length * (e + other) + e * other)
    total = math.fsum(areas)
    if not abs(Fraction(total) - area) <= Fraction(SLACK * (math.fsum(rounded) + moved)) + Fraction(EPS) * abs(area):
        raise SubdivisionError(f"areas must sum to the domain's, but they are {total / float(area)} of it")


def check_continuity(
    maps: OutputMaps,
    one: Int[np.ndarray, " pairs"],
    other: Int[np.ndarray, " pairs"],
    inputs: Float[np.ndarray, "pairs in_features"],
    away: Float[np.ndarray, "pairs in_features"],
) -> None:
    """Checks that the affine maps of pairs of regions agree at a point that they share.

    The exact maps W x + b agree at the exact point x. The floats differ by their own errors, by the roundings of n + 1
    terms, and where the point is d away from x by (W - W') d.

    Args:
        maps: The maps of all regions.
        one: The first region of each pair.
        other: The second one.
        inputs: A point of both.
        away: How far off each of its coordinates may be.

    Raises:
        SubdivisionError: If they do not.
    """
    size, outputs = np.abs(inputs + away).sum(axis=1, keepdims=True), []
    allowed = np.einsum("poi,pi->po", np.abs(maps.weight[one] - maps.weight[other]), away)
    for regions in (one, other):
        weight, bias = maps.weight[regions], maps.bias[regions]
        outputs.append(np.einsum("poi,pi->po", weight, inputs) + bias)
        terms = np.einsum("poi,pi->po", np.abs(weight), np.abs(inputs)) + np.abs(bias)
        allowed += maps.weight_error[regions] * size + maps.bias_error[regions]
        allowed += (inputs.shape[1] + 2) * EPS * terms
    apart = (np.abs(outputs[0] - outputs[1]) > SLACK * allowed + TINY).any(axis=1)
    if apart.any():
        raise SubdivisionError(f"affine maps must agree where regions meet, {apart.sum()} do not")


def _cross(
    one: Float[np.ndarray, "pairs 2"], other: Float[np.ndarray, "pairs 2"]
) -> tuple[Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]]:
    """The cross products of rounded differences, and how far off rounding may take them."""
    rising, falling = one[:, 0] * other[:, 1], one[:, 1] * other[:, 0]
    return rising - falling, 4 * EPS * (np.abs(rising) + np.abs(falling))
