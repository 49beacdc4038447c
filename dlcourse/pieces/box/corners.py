"""Points in which three units of the first layer are zero: a box has at least as many regions."""

import math

import numpy as np
from jaxtyping import Float

from dlcourse.pieces.arithmetic.rounding import EPS
from dlcourse.pieces.layer import UnitLayer

_FAINT = 2.0**-44  # of a plane's distance from the middle, in half sides: what rounding may change
_FLAT = 2.0**-13  # determinant of three normals of length 1: corners of planes that are nearly parallel are left out
_APART = 2.0**-27  # corners closer than this, in half sides, may be one
_ALONG = np.array([0.5772, 0.6180, 0.5328])  # a direction in which corners do not lie one above another


def num_corners(
    layer: UnitLayer,
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    frame: Float[np.ndarray, "d 4"],
    enough: int,
) -> int:
    """How many points there are at least inside a box of three dimensions where three units of a layer are zero.

    Every point counts once, however many units are zero in it. Each of them is the lowest corner, in a direction in
    which no two are level, of a region of its own: so there are as many regions at least.

    With normals of length 1, three planes n x = d meet in

        x = (d_i n_j x n_k + n_i x (d_k n_j - d_j n_k)) / det(n_i, n_j, n_k)

    and the inverse of the matrix of their normals is 1.5 / |det| at most, since the product of its two larger singular
    values is half of the sum of all squares at most, 3/2. Each normal and its d are off by less than 2^-44, so where
    |det| > 2^-13, x is off by less than 1.5 * 2^13 * (sqrt(3) |x| + sqrt(3)) 2^-44 < 2^-28 in half sides; what is
    rounded here is far less. Corners are sorted along a direction: those on both sides of a gap of 2^-27 differ.

    Args:
        layer: The first layer.
        low: The lowest corner.
        high: The highest one.
        frame: Three directions and the origin of the box's coordinates in the space of the inputs.
        enough: Whether there are more than that is what is asked: units that it should not take for that are left out.

    Cost: some 50 operations for each three units that are not left out: 0.1 to 1 s where a million are enough.
    """
    rows = (layer.slope[0] != 1).nonzero()[0]
    weight, bias = layer.weight[0][rows], layer.bias[0][rows]
    middle, half = (low + high) / 2, (high - low) / 2
    at_middle = frame[:, :3] @ middle + frame[:, 3]
    normals, offset = weight @ frame[:, :3] * half, weight @ at_middle + bias
    length = np.hypot.reduce(normals, axis=1)
    terms = np.abs(weight) @ (np.abs(frame[:, :3]) @ np.abs(middle) + np.abs(frame[:, 3])) + np.abs(bias)
    rounded = (len(frame) + 8) * EPS * (terms + np.abs(weight) @ (np.abs(frame[:, :3]) @ half))
    sure = (rounded < _FAINT * length) & (length > 2.0**-900)
    normals, distance = normals[sure] / length[sure, None], -offset[sure] / length[sure]
    meets = np.abs(distance) < np.abs(normals).sum(axis=1)
    normals, distance = normals[meets], distance[meets]
    some = math.ceil((48.0 * (enough + 1)) ** (1 / 3))
    found = _corners_of(normals[:some], distance[:some], enough)
    if enough / 16 < found <= enough and some < len(normals):
        # Corners grow as the third power of the number of planes: these should make a third more than enough.
        some = math.ceil(1.1 * some * (enough / found) ** (1 / 3))
        found = _corners_of(normals[:some], distance[:some], enough)
    return found


def _corners_of(normals: Float[np.ndarray, "planes 3"], distance: Float[np.ndarray, " planes"], enough: int) -> int:
    """The same for planes n x = d, with normals of length 1, and all of the box -1 < x < 1."""
    # Lines in which two planes meet, by their directions and moments; from the first on those of a plane follow.
    one, other = np.triu_indices(len(normals), k=1)
    directions = np.cross(normals[one], normals[other])
    lines = np.hstack([directions, distance[other, None] * normals[one] - distance[one, None] * normals[other]])
    found: list[Float[np.ndarray, " corners"]] = []
    for plane, later in enumerate(np.searchsorted(one, np.arange(len(normals)), side="right")):
        to_corners = np.zeros((6, 4))  # the determinant, and the corner times that
        to_corners[:3, 0], to_corners[:3, 1:] = normals[plane], distance[plane] * np.eye(3)
        to_corners[3:, 1:] = np.cross(np.eye(3), normals[plane]).T
        determinant, *corner = (lines[later:] @ to_corners).T
        size = np.abs(determinant)
        inside = (size > _FLAT) & (np.abs(corner).max(axis=0, initial=0) < (1 - _APART) * size)
        found.append((_ALONG @ np.array(corner)[:, inside]) / determinant[inside])
        if sum(map(len, found)) > 2 * enough:
            break
    places = np.sort(np.concatenate([[-math.inf], *found]))
    return int(np.count_nonzero(np.diff(places) > _APART))
