"""The affine maps of regions, with bounds for their errors, and whether two neighbours have one map."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, frobenius, norm
from dlcourse.pieces.layer import UnitLayer

Patterns = Callable[[int, slice], Bool[np.ndarray, "some units"]]  # of a layer: the units positive on some regions

# More than a length lacks whose squares fall below the smallest float: each square is off by 2^-1075 at most, and so is
# the length by sqrt(n) 2^-537.
_TINY_LENGTH = 2.0**-500
_PART = 512  # regions that are worked on at once: memory stays small


class RegionMaps(NamedTuple):
    """x -> weight x + bias on the input space, for each region."""

    weights: Float[np.ndarray, "regions outputs inputs"]
    biases: Float[np.ndarray, "regions outputs"]
    errors: Float[np.ndarray, "regions outputs"]  # bounds for the 2-norm of the error of each row of the weights


def region_maps(layers: list[UnitLayer], patterns: Patterns, num_regions: int) -> RegionMaps:
    """The maps, from the last layer back to the first: backwards there are as many rows as outputs, which are few.

    A row r becomes r W, and so does its error e: it is |e| |W| long at most. The n products of a new entry and their
    sums are rounded, by (n + 2) EPS |r| |W|_F in all, and what falls below the smallest float loses less than TINY. But
    a row of zeros stays one, without any error.

    Args:
        layers: The layers of one network.
        patterns: Tells which units of a layer are positive on some regions.
        num_regions: How many regions there are.
    """
    final = layers[-1]
    num_outputs = final.bias.shape[1]
    weights = np.empty((num_regions, num_outputs, layers[0].weight.shape[2]))
    biases, errors = np.empty((num_regions, num_outputs)), np.empty((num_regions, num_outputs))
    stretch = [float(norm(layer.weight, num_regions)[0]) for layer in layers]
    loosely = [float(frobenius(layer.weight)[0]) for layer in layers]
    for first in range(0, num_regions, _PART):
        part = slice(first, min(first + _PART, num_regions))
        num = part.stop - first
        rows = np.repeat(final.weight, num, axis=0)  # how the outputs depend on what arrives at the layer
        bias = np.repeat(final.bias, num, axis=0)
        error = np.zeros((num, num_outputs))
        for index in range(len(layers) - 2, -1, -1):
            layer = layers[index]
            slope = layer.slope[0]
            largest = max(1.0, float(np.abs(slope).max()))
            before = rows
            if layer.bends:
                positive = patterns(index, part)[:, None]
                rows = rows * (np.where(positive, 1.0, slope) if slope.any() else positive)
                error *= largest
            length = _lengths(rows)
            # A product with a slope may be lost, but not one with 0 or 1.
            nonzero = _nonzero(rows if layer.gates else before, length) | (error > 0)
            if slope.any():
                error += (EPS * length * largest + TINY) * nonzero
            rounded = (layer.weight.shape[1] + 2) * EPS * loosely[index] * (length + error)
            error = (SLACK * (stretch[index] * error + rounded) + TINY) * nonzero
            bias += rows @ layer.bias[0]
            rows = (rows.reshape(num * num_outputs, -1) @ layer.weight[0]).reshape(num, num_outputs, -1)
        weights[part], biases[part], errors[part] = rows, bias, error
    return RegionMaps(weights, biases, errors)


def gradient_errors(
    maps: RegionMaps, directions: Float[np.ndarray, "inputs 2"]
) -> Float[np.ndarray, "regions outputs"]:
    """Bounds for the errors, in the 2-norm, of weights @ directions; 0 where these are exactly 0."""
    if directions.shape == (2, 2) and (directions == np.eye(2)).all():
        return maps.errors
    length = _lengths(maps.weights)
    rounded = (len(directions) + 1) * EPS * length
    nonzero = _nonzero(maps.weights, length) | (maps.errors > 0)
    stretch = float(np.sqrt(np.einsum("ij,ij->", directions, directions))) + _TINY_LENGTH
    bound = SLACK * stretch * (maps.errors + rounded)
    return np.asarray((bound + TINY) * nonzero)


def proven_different(
    gradients: Float[np.ndarray, "pairs outputs 2"],
    others: Float[np.ndarray, "pairs outputs 2"],
    bound: Float[np.ndarray, "pairs outputs"],
) -> tuple[Bool[np.ndarray, " pairs"], Bool[np.ndarray, " pairs"]]:
    """Which pairs of gradients floats prove to be different, and which they leave open.

    Args:
        gradients: Those of one region of each pair.
        others: Those of the other.
        bound: Bounds for the errors of both together; 0 where both are exactly 0.
    """
    jump = gradients - others
    length = np.sqrt(np.einsum("eoi,eoi->eo", jump, jump))
    different = (length > SLACK * bound + _TINY_LENGTH).any(axis=1)
    return different, ~different & (bound > 0).any(axis=1)


def _lengths(rows: Float[np.ndarray, "regions outputs units"]) -> Float[np.ndarray, "regions outputs"]:
    """A bound for the 2-norm of each row, but for the roundings of normal floats."""
    return np.asarray(np.sqrt(np.einsum("roi,roi->ro", rows, rows)) + _TINY_LENGTH)


def _nonzero(
    rows: Float[np.ndarray, "regions outputs units"], length: Float[np.ndarray, "regions outputs"]
) -> Bool[np.ndarray, "regions outputs"]:
    """Which rows are not zero; most of them tell by their length."""
    nonzero = length > _TINY_LENGTH
    if not nonzero.all():
        nonzero |= rows.any(axis=2)
    return np.asarray(nonzero)
