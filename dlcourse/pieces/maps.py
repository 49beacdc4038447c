"""The affine functions that layers are where the signs of all units are known, with bounds for their errors."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Float

from dlcourse.pieces.layer import Layer
from dlcourse.pieces.rounding import EPS, SLACK, TINY, norm

Positive = Callable[[int], Bool[np.ndarray, "units patterns"]]  # of a layer: which units keep their values


def affine_maps(
    layers: list[Layer], positive: Positive
) -> Iterator[tuple[Float[np.ndarray, "units patterns in_features_and_1"], Float[np.ndarray, " patterns"]]]:
    """The pre-activations x -> (A, b) (x, 1) of one layer after another, for many patterns at once.

    Args:
        layers: The layers.
        positive: Tells which units keep their values, for each pattern.

    Yields:
        (A, b), and bounds for the error in the Frobenius norm. The first layer's maps are the same for all patterns and
        have no errors: they are given for one pattern.
    """
    layer = layers[0]
    maps = np.concatenate([layer.weight[0], layer.bias[0][:, None]], axis=1)[:, None]
    error = np.zeros(1)
    yield maps, error
    for index in range(1, len(layers)):
        slope = layers[index - 1].slope[0]
        steepest = max(1.0, float(np.abs(slope).max()))
        inputs = maps * np.where(positive(index - 1), 1.0, slope[:, None])[:, :, None]
        size = frobenius(inputs)
        if not layers[index - 1].gates:
            error = SLACK * (steepest * error + EPS * size)
        layer = layers[index]
        weight, bias = layer.weight[0], layer.bias[0]
        rounded = (weight.shape[1] + 2) * EPS * (np.linalg.norm(weight) * (size + error) + np.linalg.norm(bias))
        maps = (weight @ inputs.reshape(len(inputs), -1)).reshape(len(weight), *inputs.shape[1:])
        maps[:, :, -1] += bias[:, None]
        error = SLACK * (steepest * norm(layer.weight, len(size))[0] * error + rounded) + TINY
        yield maps, error


def frobenius(maps: Float[np.ndarray, "rows patterns columns"]) -> Float[np.ndarray, " patterns"]:
    """The Frobenius norm of each pattern's map."""
    return np.asarray(np.sqrt(np.einsum("rpc,rpc->p", maps, maps)))
