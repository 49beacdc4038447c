"""The derivatives of regions along a plane: bounds for their errors, and whether two neighbours have the same ones."""

import numpy as np
from jaxtyping import Bool, Float

from dlcourse.pieces.arithmetic.maps import OutputMaps
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, TINY_LENGTH


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
