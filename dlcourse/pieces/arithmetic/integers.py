"""A network in exact arithmetic, whose numbers are Python's integers.

A float is an integer over a power of two, so a network's stored numbers are integers over one common power of two, and
everything that its affine layers make of them is again. Python's integers are as long as they need to be: nothing is
ever rounded. NumPy arrays of them (`dtype=object`) take the same products and sums as arrays of floats, about a hundred
times slower, which is why only what floating point leaves undecided comes here.

What lines, planes and boxes need of it are affine functions: of t along a segment, of two coordinates on a plane, of d
in a box, or of none at all, which is a point. They are rows of coefficients with the constant last,

    f(c) = (f[0] c[0] + ... + f[-1]) / denominator

with one denominator for all functions of a layer. An array of functions has units for its first axis, coefficients for
its last, and whatever is wanted in between, such as intervals.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from dlcourse.pieces.layer import UnitLayer

Integers = Shaped[np.ndarray, "..."]  # of Python integers
Inputs = Shaped[np.ndarray, "in_features *between coefficients"]  # of Python integers
Functions = Shaped[np.ndarray, "units *between coefficients"]  # of Python integers


def integers(values: Float[np.ndarray, "..."]) -> tuple[Integers, int]:
    """Integers of the same shape, and the power of two that divides them: values = integers / denominator, exactly."""
    ratios = [value.as_integer_ratio() for value in values.ravel().tolist()]
    denominator = max(below for _, below in ratios)
    whole = np.array([above * (denominator // below) for above, below in ratios], dtype=object)
    return whole.reshape(values.shape), denominator


class _Layer(NamedTuple):
    """A layer in integers, each part of it over its own denominator."""

    weight: Callable[[Integers], Integers]  # the product of the integers with columns
    weight_denominator: int
    bias: Integers
    bias_denominator: int
    slope: Integers
    slope_denominator: int


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """The layers of all members of a stack as integers; each is converted when it is first needed.

    Every denominator that goes in must be a power of two, as those of stored numbers are, and so are those that come
    out.
    """

    layers: list[UnitLayer]
    _converted: dict[tuple[int, int], _Layer] = field(default_factory=dict)

    def affine(self, index: int, inputs: Inputs, denominator: int, *, member: int = 0) -> tuple[Functions, int]:
        """A layer's pre-activations W h + b of functions h, and what to divide them by.

        Args:
            index: The layer.
            inputs: What arrives at it, `[in_features, ..., coefficients]`.
            denominator: What that is to be divided by.
            member: The member of the stack.
        """
        layer = self._layer(index, member)
        outputs = layer.weight(inputs.reshape(len(inputs), -1))
        denominator *= layer.weight_denominator
        # Of two powers of two the larger one is what both divide.
        finer = max(1, layer.bias_denominator // denominator)
        if finer > 1:
            outputs, denominator = outputs * finer, denominator * finer
        outputs = outputs.reshape(len(layer.bias), *inputs.shape[1:])
        constants = layer.bias * (denominator // layer.bias_denominator)
        outputs[..., -1] += constants.reshape(-1, *[1] * (inputs.ndim - 2))
        return outputs, denominator

    def bend(
        self,
        index: int,
        functions: Functions,
        denominator: int,
        positive: Bool[np.ndarray, "units *between"],
        *,
        member: int = 0,
    ) -> tuple[Functions, int]:
        """What a layer makes of its pre-activations where its units keep their signs, and what to divide it by.

        Args:
            index: The layer.
            functions: Its pre-activations, `[units, ..., coefficients]`.
            denominator: What they are to be divided by.
            positive: Which units keep their values; all others are multiplied by their slopes.
            member: The member of the stack.
        """
        layer = self._layer(index, member)
        slope = layer.slope.reshape(-1, *[1] * (positive.ndim - 1))
        if self.layers[index].gates:  # a choice is cheaper than products of long integers with 1 and 0
            kept = positive | (slope == layer.slope_denominator)
            return np.where(kept[..., None], functions, 0), denominator
        factor = np.where(positive, layer.slope_denominator, slope)
        return functions * factor[..., None], denominator * layer.slope_denominator

    def pre_activations(
        self,
        inputs: Inputs,
        denominator: int,
        patterns: Iterable[Bool[np.ndarray, "_ *between"]],
        *,
        member: int = 0,
    ) -> Iterator[tuple[Functions, int]]:
        """The pre-activations of one layer after another, and what to divide them by.

        Args:
            inputs: What arrives at the first layer, `[in_features, ..., coefficients]`.
            denominator: What they are to be divided by.
            patterns: Which units keep their values, for each layer that bends; as many as are needed to reach the layer
                that is wanted.
            member: The member of the stack.

        Yields:
            The first layer's pre-activations, then the next one's, for as long as there are patterns.
        """
        remaining = iter(patterns)
        for index, layer in enumerate(self.layers):
            functions, denominator = self.affine(index, inputs, denominator, member=member)
            yield functions, denominator
            inputs = functions
            if layer.bends:
                positive = next(remaining, None)
                if positive is None:
                    return
                inputs, denominator = self.bend(index, functions, denominator, positive, member=member)

    def signs(self, point: Integers, denominator: int, *, member: int = 0) -> Iterator[Int[np.ndarray, " units"]]:
        """The signs of all pre-activations at point / denominator, layer after layer."""
        values = point[:, None]
        for index in range(len(self.layers)):
            values, denominator = self.affine(index, values, denominator, member=member)
            signs = np.sign(values[:, 0]).astype(np.int64)
            yield signs
            values, denominator = self.bend(index, values, denominator, signs > 0, member=member)

    def reaches_outputs(
        self, source: int, unit: int, patterns: Iterable[Bool[np.ndarray, " _"]], *, member: int = 0
    ) -> bool:
        """Whether the outputs depend on what one unit of a layer makes, all units keeping their signs.

        Args:
            source: The unit's layer.
            unit: The unit.
            patterns: Which units keep their values, all others are multiplied by their slopes, for each layer that
                bends.
            member: The member of the stack.
        """
        remaining = iter(patterns)
        units, change = np.array([unit]), np.array([1], dtype=object)  # the units that change, and how much
        for index, layer in enumerate(self.layers):
            pattern = next(remaining) if layer.bends else None
            if index <= source:
                continue
            # One unit reaches few others, so that its own columns are converted, not the layer.
            row, which, numbers = layer.entries(units, member)
            if len(row) == 0:
                return False
            units, where = np.unique(row, return_inverse=True)
            sums = np.full(len(units), 0, dtype=object)
            np.add.at(sums, where, integers(numbers)[0] * change[which])
            if pattern is not None:
                below, below_denominator = integers(layer.slope[member, units])
                sums = sums * np.where(pattern[units], below_denominator, below)
            units, change = units[sums != 0], sums[sums != 0]
            if len(units) == 0:
                return False
        return True

    def _layer(self, index: int, member: int) -> _Layer:
        """A member's layer in integers."""
        if (index, member) not in self._converted:
            layer = self.layers[index]
            self._converted[index, member] = _Layer(
                *_product(layer.stored[member]), *integers(layer.bias[member]), *integers(layer.slope[member])
            )
        return self._converted[index, member]


def _product(matrix: Any) -> tuple[Callable[[Integers], Integers], int]:
    """The product with a matrix times its denominator, where zeros cost nothing if they abound; and the denominator.

    Args:
        matrix: An array of floats, or a `scipy.sparse.csr_array`.
    """
    if isinstance(matrix, np.ndarray):
        row, column = matrix.nonzero()
        if len(row) == 0 or 4 * len(row) > matrix.size:
            whole, denominator = integers(matrix)
            return lambda vectors: whole @ vectors, denominator
        numbers = matrix[row, column]
    else:
        triples = matrix.tocoo()
        row, column, numbers = triples.row, triples.col, triples.data
    num_rows = matrix.shape[0]
    entries, denominator = integers(np.append(numbers, 0.0))  # at least one, for the denominator
    filled, first = np.unique(row, return_index=True)

    def product(vectors: Integers) -> Integers:
        sums = np.full((num_rows, vectors.shape[1]), 0, dtype=object)
        # Some rows at a time: products take more memory than sums.
        ends = np.append(first[1:], len(row))
        at_once = max(1, _MOST_PRODUCTS * len(first) // max(1, len(row) * vectors.shape[1]))
        for begin in range(0, len(first), at_once):
            some = slice(begin, begin + at_once)
            here = slice(first[some][0], ends[some][-1])
            products = entries[here, None] * vectors[column[here]]
            sums[filled[some]] = np.add.reduceat(products, first[some] - here.start, axis=0)
        return sums

    return product, denominator


_MOST_PRODUCTS = 2**18  # integers that are there at once
