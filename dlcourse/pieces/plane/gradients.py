"""The derivatives of regions along a plane: bounds for their errors, and which neighbours have different ones."""

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.maps import OutputMaps
from dlcourse.pieces.arithmetic.remainders import MOST_INPUTS, differ, remainders, slopes_through
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, TINY_LENGTH
from dlcourse.pieces.layer import Step, UnitLayer
from dlcourse.pieces.plane.history import History

_PART = 1024  # pairs that are taken at once


def gradient_errors(
    maps: OutputMaps, directions: Float[np.ndarray, "inputs 2"]
) -> Float[np.ndarray, "regions outputs"]:
    """Bounds for the errors, in the 2-norm, of weights @ directions; 0 where these are exactly 0."""
    if directions.shape == (2, 2) and (directions == np.eye(2)).all():
        return maps.weight_error
    length = _lengths(maps.weight)
    rounded = (len(directions) + 1) * EPS * length
    nonzero = _nonzero(maps.weight, length) | (maps.weight_error > 0)
    stretch = float(np.sqrt(np.einsum("ij,ij->", directions, directions))) + TINY_LENGTH
    bound = SLACK * stretch * (maps.weight_error + rounded)
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
    different = (length > SLACK * bound + TINY_LENGTH).any(axis=1)
    return different, ~different & (bound > 0).any(axis=1)


def surely_different(
    layers: list[UnitLayer],
    directions: Float[np.ndarray, "inputs 2"],
    history: History,
    left: Int[np.ndarray, " pairs"],
    right: Int[np.ndarray, " pairs"],
) -> Bool[np.ndarray, " pairs"]:
    """Which pairs of regions have gradients that remainders prove to be different; that hardly misses any.

    Args:
        layers: The layers of one network.
        directions: Those of the plane.
        history: What all layers have made of the plane.
        left: One region of each pair.
        right: The other.
    """
    different = np.zeros(len(left), dtype=bool)
    if max(layer.in_features for layer in layers) > MOST_INPUTS:
        return different
    whole = remainders(directions)[:, None]
    for first in range(0, len(left), _PART):
        part = slice(first, first + _PART)
        regions = np.union1d(left[part], right[part])
        gradients = slopes_through(layers, whole, _steps(layers, history, regions))
        one, other = (gradients[:, np.searchsorted(regions, side[part])] for side in (left, right))
        different[part] = differ(one, other).any(axis=(0, 2))
    return different


def _steps(layers: list[UnitLayer], history: History, regions: Int[np.ndarray, " some"]) -> list[Step]:
    """How the layers that bend have cut the plane into some regions, which are given in order."""
    steps, here = [], regions
    for index in range(len(history.parents) - 1, -1, -1):
        before, parent = np.unique(history.parents[index][here], return_inverse=True)
        if layers[index].bends:
            words = history.patterns[index][here]
            steps.append(Step(parent, bits.unpack(words, layers[index].bias.shape[1]).T))
        here = before
    return steps[::-1]


def _lengths(rows: Float[np.ndarray, "regions outputs units"]) -> Float[np.ndarray, "regions outputs"]:
    """A bound for the 2-norm of each row, but for the roundings of normal floats."""
    return np.asarray(np.sqrt(np.einsum("roi,roi->ro", rows, rows)) + TINY_LENGTH)


def _nonzero(
    rows: Float[np.ndarray, "regions outputs units"], length: Float[np.ndarray, "regions outputs"]
) -> Bool[np.ndarray, "regions outputs"]:
    """Which rows are not zero; most of them tell by their length."""
    nonzero = length > TINY_LENGTH
    if not nonzero.all():
        nonzero |= rows.any(axis=2)
    return np.asarray(nonzero)
