"""A network in numbers of several digits: pre-activations along segments, with bounds for what they are off by."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from dlcourse.pieces.arithmetic.digits import MOST_DIGITS, MOST_FACTORS, Base, Digits, Split, base_for
from dlcourse.pieces.arithmetic.rounding import SLACK, TINY, norm
from dlcourse.pieces.layer import Step, UnitLayer, same_places

_SPARE_BITS = 64  # of the numbers' largest that are good at the end, if no layer makes less of them


class _Layer(NamedTuple):
    """A member's layer in digits."""

    weight: list[Any]  # the digits of W, arrays or sparse matrices
    place: int
    left: float  # the Frobenius norm of what they leave, in units of B^place
    bias: Split
    stretch: float  # the 2-norm of W


@dataclass(frozen=True, eq=False)
class DigitNetwork:
    """The layers of all members of a stack in digits; each is converted when it is first needed."""

    layers: list[UnitLayer]
    _converted: dict[tuple[int, int], _Layer] = field(default_factory=dict)

    def base(self, depth: int, *, member: int = 0) -> Base | None:
        """Base and number of digits for the first layers of a member; None if floats are too short for the widest one.

        Bounds grow by the 2-norms of all layers, so there are digits for all that these come to, and some to spare.
        """
        base = base_for(max(layer.in_features for layer in self.layers), MOST_DIGITS)
        if base is None:
            return None
        growth = sum(math.log2(max(1.0, self._layer(index, member, base).stretch)) for index in range(depth))
        if not growth < base.bits * MOST_DIGITS:
            return None
        return Base(base.bits, min(MOST_DIGITS, 2 + math.ceil((growth + _SPARE_BITS) / base.bits)))

    def along(
        self,
        base: Base,
        starts: Float[np.ndarray, "lines in_features"],
        ends: Float[np.ndarray, "lines in_features"],
        steps: Iterable[Step],
        *,
        member: int = 0,
    ) -> Iterator[Digits]:
        """Pre-activations t -> slope t + intercept on intervals of segments, layer after layer.

        Args:
            base: The base.
            starts: Where segments start: t = 0.
            ends: Where they end: t = 1.
            steps: For each layer that bends, the intervals that it cuts those before it into; as many layers as are
                needed to reach the one that is wanted.
            member: The member of the stack.

        Yields:
            Of one layer after another the slopes on all intervals that are there before it cuts, then the intercepts.
        """
        remaining = iter(steps)
        functions = _inputs(base, starts, ends)
        for index, layer in enumerate(self.layers):
            functions = self.affine(base, index, functions, member=member)
            yield functions
            if layer.bends:
                step = next(remaining, None)
                if step is None:
                    return
                functions = self._bend(base, index, functions, step, member)

    def affine(self, base: Base, index: int, inputs: Digits, *, member: int = 0) -> Digits:
        """A layer's pre-activations: W times all columns, plus b for the second half of them."""
        layer = self._layer(index, member, base)
        num_inputs, num_digits, num_columns = inputs.digits.shape
        num_units = len(layer.bias.left)
        # C[k] goes to sums[k + above], of which the first two or more are there for carries and for a larger bias.
        above = 2 + max(0, layer.bias.place - layer.place - inputs.place)
        place = layer.place + inputs.place - 1 + above
        sums = np.zeros((num_units, base.most + 1 + above, num_columns))
        for i, digit in enumerate(layer.weight):
            kept = min(num_digits, base.most + 1 - i)
            if kept > 0:
                product = digit @ inputs.digits[:, :kept].reshape(num_inputs, -1)
                sums[:, i + above : i + above + kept] += product.reshape(num_units, kept, num_columns)
        first = place - layer.bias.place
        constants = sums[:, :, num_columns // 2 :]
        for k, digit in enumerate(layer.bias.digits[: max(0, sums.shape[1] - first)], start=first):
            constants[:, k] += digit[:, None]

        lost_terms = num_inputs * len(layer.weight) / 2 * base.below(base.most + above)
        lost_bias = base.below(sums.shape[1]) + np.abs(layer.bias.left).max() * base.below(
            first + len(layer.bias.digits)
        )
        stretched = np.ldexp(layer.stretch * inputs.error, base.bits * (inputs.place - place))
        error = stretched + math.sqrt(num_inputs) * layer.left * base.below(above - 1)
        return base.carried(sums, place, SLACK * (error + math.sqrt(num_units) * (lost_terms + lost_bias + TINY)))

    def _bend(self, base: Base, index: int, functions: Digits, step: Step, member: int) -> Digits:
        """What a layer makes of its pre-activations on parts of their intervals, where its units keep their signs."""
        columns = np.concatenate([step.parent, step.parent + len(functions.error) // 2])
        functions = Digits(functions.digits.take(columns, axis=2), functions.place, functions.error[columns])
        slope = self.layers[index].slope[member][:, None]
        kept = np.tile(step.positive | (slope == 1), 2)
        if self.layers[index].gates:
            return functions._replace(digits=functions.digits * kept[:, None])
        return base.times(np.where(kept, 1.0, slope), functions)

    def _layer(self, index: int, member: int, base: Base) -> _Layer:
        """A member's layer in digits; all bases of a network have the same bits."""
        if (index, member) not in self._converted:
            layer = self.layers[index]
            weight = layer.stored[member]
            parts, place, left = base.split(weight.data if layer.is_sparse else weight, MOST_FACTORS)
            digits = [same_places(weight, part) if layer.is_sparse else _without_zeros(part) for part in parts]
            length = float(np.linalg.norm(left)) * base.below(len(parts))
            stretch = SLACK * float(norm(layer.stored[member : member + 1], weight.size)[0])
            bias = base.split(layer.bias[member], MOST_FACTORS)
            self._converted[index, member] = _Layer(digits, place, SLACK * length + TINY, bias, stretch)
        return self._converted[index, member]


def _without_zeros(digits: Float[np.ndarray, "out_features in_features"]) -> Any:
    """A sparse matrix if zeros abound: in what passes values on, and in the first digit of most layers."""
    from scipy.sparse import csr_array  # only those whose floats leave signs open wait for it

    return csr_array(digits) if 16 * np.count_nonzero(digits) < digits.size else digits


def _inputs(
    base: Base, starts: Float[np.ndarray, "intervals in_features"], ends: Float[np.ndarray, "intervals in_features"]
) -> Digits:
    """The inputs: ends - starts as slopes, starts as intercepts."""
    digits, place, left = base.split(np.stack([starts.T, ends.T]), base.most)
    num_inputs, num_intervals = starts.shape[::-1]
    sums = np.zeros((num_inputs, 2 + len(digits), 2 * num_intervals))
    for k, (start, end) in enumerate(digits, start=2):
        sums[:, k, :num_intervals], sums[:, k, num_intervals:] = end - start, start
    missing = 2 * float(np.abs(left).max()) * base.below(len(digits) + 2) + TINY
    return base.carried(sums, place + 2, np.full(2 * num_intervals, math.sqrt(num_inputs) * missing))
