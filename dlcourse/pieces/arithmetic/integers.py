"""Affine functions along a segment, in exact arithmetic.

A float is an integer over a power of two, so a network's stored numbers are integers over one common power of two, and
everything that its affine layers make of them is again. Python's integers are as long as they need to be: nothing is
ever rounded. NumPy arrays of them (`dtype=object`) take the same products and sums as arrays of floats, about a hundred
times slower, which is why only what floating point leaves undecided comes here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Shaped

from dlcourse.pieces.layer import UnitLayer

Integers = Shaped[np.ndarray, "..."]  # of Python integers
Product = Callable[[Integers], Integers]


def integers(values: Float[np.ndarray, "..."]) -> tuple[Integers, int]:
    """Integers of the same shape, and the power of two that divides them: values = integers / denominator, exactly."""
    ratios = [value.as_integer_ratio() for value in values.ravel().tolist()]
    denominator = max(below for _, below in ratios)
    whole = np.array([above * (denominator // below) for above, below in ratios], dtype=object)
    return whole.reshape(values.shape), denominator


@dataclass(frozen=True, eq=False)
class ExactAffine:
    """t -> (slope t + intercept) / denominator, one function for each unit and each interval.

    Attributes:
        slope: `[units, intervals]`.
        intercept: `[units, intervals]`.
        denominator: A power of two, common to all.
    """

    slope: Integers
    intercept: Integers
    denominator: int


@dataclass(frozen=True, eq=False)
class ExactNetwork:
    """A network's layers as integers; each is converted when it is first needed."""

    layers: list[UnitLayer]
    _converted: dict[tuple[int, int], tuple[Product, int, Integers, int]] = field(default_factory=dict)

    def along(
        self,
        member: int,
        starts: Float[np.ndarray, "intervals in_features"],
        ends: Float[np.ndarray, "intervals in_features"],
        patterns: Sequence[Bool[np.ndarray, "_ intervals"]],
    ) -> Iterator[ExactAffine]:
        """The pre-activations of one member on intervals of segments, as functions of t, layer after layer.

        Args:
            member: The member.
            starts: For each interval, where its segment starts: t = 0.
            ends: For each interval, where its segment ends: t = 1.
            patterns: Which units keep their values in each interval, all others are multiplied by their slopes, for
                each layer that bends; as many as are needed to reach the layer that is wanted.

        Yields:
            The first layer's pre-activations, then the next one's, for as long as there are patterns.
        """
        points, denominator = integers(np.stack([starts.T, ends.T]))
        intercept, slope = points[0], points[1] - points[0]
        remaining = iter(patterns)
        for index, layer in enumerate(self.layers):
            weight, weight_denominator, bias, bias_denominator = self._layer(index, member)
            slope, intercept, denominator = weight(slope), weight(intercept), denominator * weight_denominator
            finer = max(1, bias_denominator // denominator)
            slope, intercept, denominator = slope * finer, intercept * finer, denominator * finer
            intercept = intercept + bias[:, None] * (denominator // bias_denominator)
            yield ExactAffine(slope, intercept, denominator)
            if layer.bends:
                pattern = next(remaining, None)
                if pattern is None:
                    return
                if layer.gates:
                    slope, intercept = np.where(pattern, slope, 0), np.where(pattern, intercept, 0)
                else:
                    below, below_denominator = integers(layer.slope[member])
                    factor = np.where(pattern, below_denominator, below[:, None])
                    slope, intercept = slope * factor, intercept * factor
                    denominator *= below_denominator

    def reaches_outputs(self, member: int, source: int, unit: int, patterns: Sequence[Bool[np.ndarray, " _"]]) -> bool:
        """Whether the outputs depend on what one unit of a layer makes, all units keeping their signs.

        Args:
            member: The member.
            source: The unit's layer.
            unit: The unit.
            patterns: Which units keep their values, all others are multiplied by their slopes, for each layer that
                bends.
        """
        remaining = iter(patterns)
        units, change = np.array([unit]), np.array([1], dtype=object)  # the units that change, and how much
        for index, layer in enumerate(self.layers):
            pattern = next(remaining) if layer.bends else None
            if index <= source:
                continue
            weight = layer.weight[member][:, units]
            units = np.flatnonzero(weight.any(axis=1))
            if len(units):
                change = integers(weight[units])[0] @ change
                if pattern is not None:
                    below, below_denominator = integers(layer.slope[member, units])
                    change = change * np.where(pattern[units], below_denominator, below)
                units, change = units[change != 0], change[change != 0]
            if len(units) == 0:
                return False
        return True

    def _layer(self, index: int, member: int) -> tuple[Product, int, Integers, int]:
        """The product with a layer's weight and its bias, each with its denominator."""
        if (index, member) not in self._converted:
            layer = self.layers[index]
            self._converted[index, member] = (*_product(layer.weight[member]), *integers(layer.bias[member]))
        return self._converted[index, member]


def _product(matrix: Float[np.ndarray, "rows columns"]) -> tuple[Product, int]:
    """The product with a matrix times its denominator, where zeros cost nothing if they abound; and the denominator."""
    row, column = np.nonzero(matrix)
    if len(row) == 0 or 4 * len(row) > matrix.size:
        whole, denominator = integers(matrix)
        return lambda vectors: whole @ vectors, denominator
    entries, denominator = integers(matrix[row, column])
    filled, first = np.unique(row, return_index=True)

    def product(vectors: Integers) -> Integers:
        sums = np.full((len(matrix), vectors.shape[1]), 0, dtype=object)
        sums[filled] = np.add.reduceat(entries[:, None] * vectors[column], first, axis=0)
        return sums

    return product, denominator
