"""Values at vertices as floats, with derived bounds for their errors in the 2-norm over units."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, TINY_LENGTH, frobenius, norm, num_terms
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.history import NewVertices

_NUMBERS = 2**15  # that are worked on at once, so that they stay in the cache


class Values(NamedTuple):
    """What a layer takes in, or gives before its activation, at the vertices: |values[v] - exact|_2 <= error[v]."""

    values: Float[np.ndarray, "vertices units"]
    error: Float[np.ndarray, " vertices"]
    size: float  # a bound for all |exact values|_2


def at_corners(corners: Float[np.ndarray, "corners 2"], frame: Float[np.ndarray, "in_features 3"]) -> Values:
    """The network's inputs at the corners of the domain."""
    sizes = np.abs(corners) @ np.abs(frame[:, :2]).T + np.abs(frame[:, 2])
    size = _longest(sizes) * SLACK + TINY_LENGTH
    is_identity = frame.shape[0] == 2 and (frame == np.eye(2, 3)).all()
    error = np.full(len(corners), 0.0 if is_identity else 4 * EPS * size)
    return Values(corners @ frame[:, :2].T + frame[:, 2], error, size)


def affine(
    layer: UnitLayer,
    values: Float[np.ndarray, "points in_features"],
    error: Float[np.ndarray, " points"],
    *,
    closely: bool = True,
) -> Values:
    """W h + b at some points with bounds for their errors and one for the size of all, in the 2-norm.

    Args:
        layer: The layer.
        values: h at the points; nothing that can be relied on later.
        error: Bounds for the errors of h.
        closely: Whether what the layer stretches is bounded more closely than by its Frobenius norm.

    Raises:
        ValueError: If the values overflow.
    """
    weight, bias = layer.stored[0], layer.bias[0]
    loosely, terms = float(frobenius(layer.stored)[0]), weight.shape[1]
    stretch = float(norm(layer.stored, len(values))[0]) if closely or layer.is_sparse else loosely
    if layer.is_sparse:  # then that bounds the norm of |W|, too, and terms that are not there are not rounded
        loosely, terms = stretch, int(np.max(num_terms(layer.stored)))
    length = math.sqrt(float(bias @ bias)) + TINY_LENGTH
    inputs = _longest(values) * SLACK + TINY_LENGTH
    # |W| |h| + |b| bounds the sizes of the terms, whatever their signs; a sum of n + 1 terms rounds n + 1 times.
    rounded = (terms + 2) * EPS * (loosely * inputs + length)
    size = SLACK * (stretch * (inputs + float(error.max())) + length) + TINY
    if not size < 1e300:
        raise ValueError("the network's values on the plane must be finite in float64, but they overflow")
    nonzero = (error > 0) | values.any(axis=1) if error.min() == 0 else 1  # what is exactly 0 gives exactly b
    error = (SLACK * (stretch * error + rounded) + TINY) * nonzero
    if layer.is_sparse:
        return Values(_sparse_products(layer, values), error, size)
    values = values @ weight.T
    values += bias
    return Values(values, error, size)


def _sparse_products(
    layer: UnitLayer, values: Float[np.ndarray, "points in_features"]
) -> Float[np.ndarray, "points units"]:
    """W h + b, in the memory of h if it has room: to have memory anew costs as much time as the products.

    Some points at a time stay in the cache, where rows become columns and columns rows.
    """
    weight, bias = layer.stored[0], layer.bias[0]
    (num_points, in_features), num_units = values.shape, len(bias)
    room = np.empty(num_points * num_units) if num_units > in_features else values.ravel()[: num_points * num_units]
    products = room.reshape(num_points, num_units)
    at_once = max(1, _NUMBERS // max(in_features, num_units))
    for first in range(0, num_points, at_once):
        part = slice(first, first + at_once)
        np.add((weight @ values[part].T).T, bias, out=products[part])
    return products


def with_new_vertices(
    old: Values,
    made: list[NewVertices],
    zeros: list[tuple[Int[np.ndarray, " zeros"], Int[np.ndarray, " zeros"]]],
) -> Values:
    """The values at old vertices, and at those made between them or between others that were made before.

    Args:
        old: The values at the old vertices.
        made: The new vertices, a part of them after the other.
        zeros: For each part the vertices and the units that are zero there.
    """
    num_old, num_new = len(old.error), sum(len(part.face) for part in made)
    values, error = np.empty((num_old + num_new, old.values.shape[1])), np.empty(num_old + num_new)
    values[:num_old], error[:num_old] = old.values, old.error
    stop = num_old
    for part, (vertex, unit) in zip(made, zeros, strict=True):
        first, stop = stop, stop + len(part.face)
        width = _put_between(values, part, first)
        furthest = np.maximum(error[part.start], error[part.end])
        bound = part.t_error * width + furthest + 2 * EPS * (old.size + width)
        error[first:stop] = SLACK * bound + TINY
        values[vertex, unit] = 0
    return Values(values, error, old.size)


def _put_between(
    values: Float[np.ndarray, "vertices units"], new: NewVertices, first: int
) -> Float[np.ndarray, " new"]:
    """Puts the values of new vertices in rows from `first` on, and tells how far apart those are that they are between.

    Some rows at a time stay in the cache.
    """
    num_new, at_once = len(new.t), max(1, _NUMBERS // values.shape[1])
    width = np.empty(num_new)
    for begin in range(0, num_new, at_once):
        part = slice(begin, begin + at_once)
        before = values.take(new.start[part], axis=0)
        change = values.take(new.end[part], axis=0)
        change -= before
        width[part] = np.einsum("ij,ij->i", change, change)
        change *= new.t[part, None]
        np.add(before, change, out=values[first + begin : first + min(begin + at_once, num_new)])
    np.sqrt(width, out=width)
    return width


def activated(layer: UnitLayer, before: Values, off: Bool[np.ndarray, " vertices"]) -> Values:
    """The values after a layer's activation, in the memory of those before; no unit is positive at vertices `off`."""
    values, error, size = before
    slope = layer.slope[0]
    if not slope.any():
        np.maximum(values, 0, out=values)
        if off.any():  # exactly 0, whatever was rounded
            values[off] = 0
            error[off] = 0
        return before
    largest = max(1.0, float(np.abs(slope).max()))
    if layer.gates:  # a fifth of the time
        np.maximum(values, np.where(slope == 0, 0, -np.inf), out=values)
    else:
        np.multiply(values, slope, out=values, where=values < 0)
    return Values(values, error * largest + EPS * largest * size, size * largest)


def _longest(vectors: Float[np.ndarray, "vectors entries"]) -> float:
    """The largest 2-norm."""
    return math.sqrt(float(np.einsum("ij,ij->i", vectors, vectors).max()))
