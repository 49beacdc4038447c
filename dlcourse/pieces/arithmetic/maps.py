"""The affine functions that layers are where the signs of all units are known."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, TINY_LENGTH, frobenius, grows, norm
from dlcourse.pieces.layer import UnitLayer

Positive = Callable[[int], Bool[np.ndarray, "units patterns"]]  # of a layer: which units keep their values
Patterns = Callable[[Int[np.ndarray, " some"]], list[Bool[np.ndarray, "units some"]]]  # on regions, of layers that bend

_NUMBERS = 2**18  # that are worked on at once: they stay in the processor's cache


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
        size = sizes(inputs)
        if not layers[index - 1].gates:
            error = SLACK * (steepest * error + EPS * size)
        layer = layers[index]
        weight, bias = layer.weight[0], layer.bias[0]
        whole, length = float(frobenius(layer.weight)[0]), float(np.linalg.norm(bias)) + TINY_LENGTH
        rounded = (weight.shape[1] + 2) * EPS * (whole * (size + error) + length)
        maps = (weight @ inputs.reshape(len(inputs), -1)).reshape(len(weight), *inputs.shape[1:])
        maps[:, :, -1] += bias[:, None]
        error = SLACK * (steepest * norm(layer.weight, len(size))[0] * error + rounded) + TINY
        yield maps, error


def sizes(maps: Float[np.ndarray, "rows patterns columns"]) -> Float[np.ndarray, " patterns"]:
    """A bound for the Frobenius norm of each pattern's map."""
    return np.asarray(np.sqrt(np.einsum("rpc,rpc->p", maps, maps)) + TINY_LENGTH)


class OutputMaps(NamedTuple):
    """The outputs x -> weight x + bias on every region; the errors bound how far the floats may be off.

    Attributes:
        weight: The derivatives.
        bias: The constants.
        weight_error: For the 2-norm of each row of the weight's errors; 0 where the row is exact.
        bias_error: For each constant's error.
    """

    weight: Float[np.ndarray, "regions out_features in_features"]
    bias: Float[np.ndarray, "regions out_features"]
    weight_error: Float[np.ndarray, "regions out_features"]
    bias_error: Float[np.ndarray, "regions out_features"]


def output_maps(layers: list[UnitLayer], patterns: Patterns, num_regions: int, *, closely: bool = True) -> OutputMaps:
    """The outputs on every region, from the last layer back to the first.

    Backwards there are as many rows as outputs, which are few. A row r is how one output depends on what a layer makes.
    The last layer is met by rows of the identity, and every layer x -> D (W x + b) turns r into r D W and adds r D b to
    the constant. If r is off by e at most, in the 2-norm, then

    - r D is off by s e, where s is at least the largest |D|; if there are slopes other than 0 and 1, by EPS |r D| as
      well, and by what falls below the smallest float;
    - r D W, sums of n products, is off by |W| times that, and by (n + 2) EPS |r D| |W|_F, for the sizes of all products
      together are no more than |r D| |W|_F; for a sparse W, n is the largest number of entries in a column, and the
      norm of the sizes of W stands for |W|_F;
    - the constant is off by |b| times what r D is off, and by (n + 1) EPS |r D| |b| and the rounding of one sum.

    A row that meets only units that are off is exactly 0, and stays so. In deep networks the norm of W is that of the
    rows and columns only of units that are on in some of the regions that are worked on at once: r D is 0 elsewhere,
    and what r D W is off by in other columns the layer before turns to 0.

    Args:
        layers: The layers of one network.
        patterns: Tells which units keep their values on some regions, for every layer that bends.
        num_regions: How many regions there are.
        closely: Whether |W| is bounded closely, or by |W|_F, which costs less and is for those who need no bounds.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, section 3.1.
    """
    num_outputs, in_features = layers[-1].bias.shape[1], layers[0].in_features
    maps = OutputMaps(np.empty((num_regions, num_outputs, in_features)), *np.empty((3, num_regions, num_outputs)))
    num_rows = num_regions * num_outputs
    stretches = [
        float((norm(layer.stored, num_rows) if closely or layer.is_sparse else frobenius(layer.stored))[0])
        for layer in layers
    ]
    is_deep = closely and grows(map(np.array, stretches))
    widest = max(layer.in_features for layer in layers)
    part = max(1, _NUMBERS // (num_outputs * widest))
    for first in range(0, num_regions, part):
        regions = np.arange(first, min(first + part, num_regions))
        of_regions = patterns(regions)
        norms = _norms_among(layers, stretches, of_regions) if is_deep else stretches
        for whole, of_part in zip(maps, _output_maps(layers, norms, of_regions, len(regions)), strict=True):
            whole[regions] = of_part
    return maps


def _norms_among(
    layers: list[UnitLayer], stretches: list[float], patterns: list[Bool[np.ndarray, "units some"]]
) -> list[float]:
    """Bounds for what layers stretch from units that are not off in all of some regions, to those that are not."""
    kept, of_bends, norms = np.ones(layers[0].in_features, dtype=bool), iter(patterns), []
    for layer, stretch in zip(layers, stretches, strict=True):
        before, kept = kept, np.ones(layer.bias.shape[1], dtype=bool)
        if layer.bends:
            kept = next(of_bends).any(axis=1) | (layer.slope[0] != 0)
        if isinstance(layer.stored, np.ndarray):
            stretch = min(stretch, float(norm(layer.stored[:, kept][:, :, before], layer.stored.size)[0]))
        norms.append(stretch)
    return norms


def _output_maps(
    layers: list[UnitLayer],
    stretches: list[float],
    patterns: list[Bool[np.ndarray, "units some"]],
    num_regions: int,
) -> OutputMaps:
    """The same on some regions, the norms of all weights being bounded."""
    num_outputs = layers[-1].bias.shape[1]
    rows = np.broadcast_to(np.eye(num_outputs), (num_regions, num_outputs, num_outputs))
    bias, error, bias_error = np.zeros((3, num_regions, num_outputs))
    for layer, stretch in zip(reversed(layers), reversed(stretches), strict=True):
        before = rows
        if layer.bends:
            kept, slope = patterns.pop().T, layer.slope[0]
            rows = rows * (kept if layer.relu else np.where(kept, 1.0, slope))[:, None]
            steepest = kept.any(axis=1, keepdims=True) if layer.relu else max(1.0, float(np.abs(slope).max()))
            error = error * steepest
        # A product with a slope may fall below the smallest float, but none with 0 or 1.
        nonzero = (rows if layer.gates else before).any(axis=2) | (error > 0)
        size = (np.sqrt(np.einsum("roi,roi->ro", rows, rows)) + TINY_LENGTH) * nonzero
        if not layer.gates:
            error = SLACK * (error + EPS * size) + TINY * nonzero
        num_terms, length = rows.shape[2], float(np.linalg.norm(layer.bias[0])) + TINY_LENGTH
        bias = bias + rows @ layer.bias[0]
        bias_error = bias_error + length * (error + (num_terms + 1) * EPS * size) + EPS * np.abs(bias)
        bias_error = (SLACK * bias_error + TINY) * (nonzero | (bias_error > 0))
        if layer is not layers[-1] or layer.bends:  # else the rows are W's own
            whole = float(frobenius(layer.stored)[0])
            if layer.is_sparse:  # only what is stored in a column is summed up, and `norm` is for sizes, too
                whole, num_terms = stretch, int(np.bincount(layer.stored[0].indices, minlength=1).max())
            rounded = (num_terms + 2) * EPS * whole * size
            error = (SLACK * (stretch * error + rounded) + TINY) * nonzero
        rows = (rows.reshape(-1, len(layer.bias[0])) @ layer.stored[0]).reshape(num_regions, num_outputs, -1)
    return OutputMaps(rows, bias, error, bias_error)
