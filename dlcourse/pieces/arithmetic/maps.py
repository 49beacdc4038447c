"""The affine functions that layers are where the signs of all units are known."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, norm
from dlcourse.pieces.layer import UnitLayer

Positive = Callable[[int], Bool[np.ndarray, "units patterns"]]  # of a layer: which units keep their values
Patterns = Callable[[Int[np.ndarray, " some"]], list[Bool[np.ndarray, "units some"]]]  # on regions, of layers that bend

_NUMBERS = 2**22  # that are worked on at once: memory stays small


def affine_maps(
    layers: list[UnitLayer], positive: Positive
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


def output_maps(
    layers: list[UnitLayer], patterns: Patterns, num_regions: int
) -> tuple[Float[np.ndarray, "regions out_features in_features"], Float[np.ndarray, "regions out_features"]]:
    """The outputs x -> weight x + bias on every region, from the last layer back to the first.

    Backwards there are as many rows as outputs, which are few.

    Args:
        layers: The layers of one network.
        patterns: Tells which units keep their values on some regions, for every layer that bends.
        num_regions: How many regions there are.
    """
    num_outputs, in_features = layers[-1].bias.shape[1], layers[0].weight.shape[2]
    weights = np.empty((num_regions, num_outputs, in_features))
    biases = np.empty((num_regions, num_outputs))
    widest = max(layer.weight.shape[2] for layer in layers)
    part = max(1, _NUMBERS // (num_outputs * widest))
    for first in range(0, num_regions, part):
        regions = np.arange(first, min(first + part, num_regions))
        kept = patterns(regions)
        rows = np.broadcast_to(np.eye(num_outputs), (len(regions), num_outputs, num_outputs))
        bias = np.zeros((len(regions), num_outputs))
        for layer in reversed(layers):
            if layer.bends:
                rows = rows * np.where(kept.pop().T, 1.0, layer.slope[0])[:, None]
            bias += rows @ layer.bias[0]
            rows = (rows.reshape(-1, rows.shape[2]) @ layer.weight[0]).reshape(len(regions), num_outputs, -1)
        weights[regions], biases[regions] = rows, bias
    return weights, biases
