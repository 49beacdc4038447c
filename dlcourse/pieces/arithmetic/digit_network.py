"""A network in numbers of several digits: pre-activations on pieces, with bounds for what they are off by.

Functions t -> slope t + intercept on intervals are the columns of `Digits`: all slopes, then all intercepts. Functions
on faces of a plane have two slopes: all first ones, all second ones, then all intercepts.
"""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.digits import MOST_DIGITS, MOST_FACTORS, Base, Digits, Split, base_for
from dlcourse.pieces.arithmetic.rounding import SLACK, TINY, close_norm, frobenius, grows, norm, norm_is_cheap
from dlcourse.pieces.layer import Step, UnitLayer, same_places

_FEW = 4  # numbers in a row cost less one by one
_MOST_ON = 0.8  # of the inputs: where more are on, it is quicker to take all
_SPARE_BITS = 64  # of the numbers' largest that are good at the end, if no layer makes less of them


class _Few(NamedTuple):
    """Numbers in a digit of W, of no row more than one."""

    digit: int
    rows: Int[np.ndarray, " rows"] | slice
    columns: Int[np.ndarray, " rows"] | slice
    numbers: Float[np.ndarray, "rows 1"]


class _Dense(NamedTuple):
    """Some digits of W that follow one another, side by side, the last one first; without rows and columns of zeros."""

    weight: Float[np.ndarray, "rows digits_times_columns"]
    first: int
    num_digits: int
    rows: Int[np.ndarray, " rows"] | slice
    columns: Int[np.ndarray, " columns"] | slice

    def add_to(
        self, sums: Float[np.ndarray, "places units columns"], inputs: Float[np.ndarray, "digits in columns"]
    ) -> None:
        """Adds all products of digits with digits of inputs to sums, where digit i times digit j goes to i + j.

        All that goes to one place is one product, such as of [W[3] W[2] W[1]] with x[4], x[5], x[6] one below another.
        """
        some, weight = inputs[:, self.columns], self.weight
        is_on = np.asarray(some.any(axis=(0, 2)))  # many units are off wherever they are asked for
        if np.count_nonzero(is_on) < _MOST_ON * len(is_on):
            some = some[:, is_on]
            weight = weight.reshape(len(weight), self.num_digits, -1)[:, :, is_on].reshape(len(weight), -1)
        num_inputs, num_digits, num_columns = len(some), self.num_digits, some.shape[2]
        padded = np.zeros((num_inputs + 2 * (num_digits - 1), *some.shape[1:]))
        padded[num_digits - 1 : num_digits - 1 + num_inputs] = some
        for k in range(min(len(sums) - self.first, num_inputs + num_digits - 1)):
            sums[self.first + k, self.rows] += weight @ padded[k : k + num_digits].reshape(-1, num_columns)


class _Layer(NamedTuple):
    """A member's layer in digits."""

    few: list[_Few]  # the digits of a dense W where nearly all is 0, as in the first one of most layers
    dense: _Dense | None  # its other digits
    sparse: list[tuple[int, Any]]  # the digits of a sparse W, and which they are
    num_digits: int
    place: int
    left: float  # the Frobenius norm of what they leave, in units of B^place
    bias: Split
    stretch: float  # the 2-norm of W


@dataclass(frozen=True, eq=False)
class DigitNetwork:
    """The layers of all members of a stack in digits; each is converted when it is first needed."""

    layers: list[UnitLayer]
    _converted: dict[tuple[UnitLayer, int, int], _Layer] = field(default_factory=dict)  # by member and the base's bits
    _stretches: dict[UnitLayer, Float[np.ndarray, " members"]] = field(default_factory=dict)

    def bases(self, depth: int, *, member: int = 0) -> list[Base] | None:
        """Base and number of digits for what each of a member's first layers takes in and gives.

        Errors grow by the 2-norms of all layers that follow, so there are digits for all that these come to, and some
        to spare: the most in the first layer. They are as many however many layers are wanted, so that what is known of
        some serves for more.

        Returns:
            One base for each layer, all with the same bits; None if floats are too short for the widest layer, or no
            digits are enough for the first ones.
        """
        base = base_for(max(layer.in_features for layer in self.layers), MOST_DIGITS)
        if base is None:
            return None
        growth = np.log2(np.maximum(1.0, [self.stretch(index, member) for index in range(len(self.layers))]))
        most = float(base.bits * MOST_DIGITS)
        if not growth[:depth].sum() < most:
            return None
        following = np.fmin(most, np.cumsum(growth[::-1])[::-1][:depth])
        return [Base(base.bits, min(MOST_DIGITS, 2 + math.ceil((g + _SPARE_BITS) / base.bits))) for g in following]

    def affine(self, base: Base, index: int, inputs: Digits, *, member: int = 0, num_slopes: int = 1) -> Digits:
        """A layer's pre-activations: W times all columns, plus b for the last of them, the intercepts."""
        layer = self._layer(index, member, base)
        num_digits, num_inputs, num_columns = inputs.digits.shape
        num_units = len(layer.bias.left)
        # C[k] goes to sums[k + above], of which the first two or more are there for carries and for a larger bias.
        above = 2 + max(0, layer.bias.place - layer.place - inputs.place)
        place = layer.place + inputs.place - 1 + above
        sums = np.zeros((base.most + 1 + above, num_units, num_columns))
        for i, rows, columns, numbers in layer.few:
            kept = max(0, min(num_digits, base.most + 1 - i))
            sums[i + above : i + above + kept, rows] += numbers * inputs.digits[:kept, columns]
        if layer.sparse:
            on = np.flatnonzero(inputs.digits.any(axis=(0, 2)))  # many units are off wherever they are asked for
            digits = inputs.digits[:, on]
            for i, digit in layer.sparse:
                weight = digit[:, on].tocsr()
                for j in range(min(num_digits, base.most + 1 - i)):
                    sums[i + j + above] += weight @ digits[j]
        if layer.dense is not None:
            layer.dense.add_to(sums[above:], inputs.digits)
        first = place - layer.bias.place
        constants = sums[:, :, num_columns // (num_slopes + 1) * num_slopes :]
        for k, digit in enumerate(layer.bias.digits[: max(0, len(sums) - first)], start=first):
            constants[k] += digit[:, None]

        lost_terms = num_inputs * layer.num_digits / 2 * base.below(base.most + above)
        lost_bias = base.below(len(sums)) + np.abs(layer.bias.left).max() * base.below(first + len(layer.bias.digits))
        stretched = np.ldexp(layer.stretch, base.bits * (inputs.place - place)) * inputs.error
        error = stretched + math.sqrt(num_inputs) * layer.left * base.below(above - 1)
        return base.carried(sums, place, SLACK * (error + math.sqrt(num_units) * (lost_terms + lost_bias + TINY)))

    def bend(
        self, base: Base, index: int, functions: Digits, step: Step, *, member: int = 0, num_slopes: int = 1
    ) -> Digits:
        """What a layer makes of its pre-activations on parts of their pieces, where its units keep their signs."""
        num_pieces = len(functions.error) // (num_slopes + 1)
        functions = functions.taken(np.concatenate([step.parent + k * num_pieces for k in range(num_slopes + 1)]))
        slope = self.layers[index].slope[member][:, None]
        kept = np.tile(step.positive | (slope == 1), num_slopes + 1)
        if self.layers[index].gates:
            return functions._replace(digits=functions.digits * kept)
        return base.times(np.where(kept, 1.0, slope), functions)

    def _layer(self, index: int, member: int, base: Base) -> _Layer:
        """A member's layer in digits; all bases of a network have the same bits."""
        layer = self.layers[index]
        if (layer, member, base.bits) not in self._converted:
            weight = layer.stored[member]
            parts, place, left = base.split(weight.data if layer.is_sparse else weight, MOST_FACTORS)
            few, dense = ([], None) if layer.is_sparse else _without_zeros(parts)
            sparse = [(i, same_places(weight, part)) for i, part in enumerate(parts)] if layer.is_sparse else []
            length = float(np.linalg.norm(left)) * base.below(len(parts))
            stretch = self.stretch(index, member)
            bias = base.split(layer.bias[member], MOST_FACTORS)
            self._converted[layer, member, base.bits] = _Layer(
                few, dense, sparse, len(parts), place, SLACK * length + TINY, bias, stretch
            )
        return self._converted[layer, member, base.bits]

    def stretches(self) -> tuple[list[Float[np.ndarray, " members"]], bool]:
        """Bounds for the 2-norms of all layers, and whether they have to be close.

        They are Frobenius norms unless errors may grow too much by these; then sparse layers are bounded as closely as
        is needed, and dense ones are left to those who know for how many vectors.
        """
        bounds = [frobenius(layer.stored) for layer in self.layers]
        if not grows(bounds):
            return bounds, False
        sparse = [index for index, layer in enumerate(self.layers) if layer.is_sparse]
        for index in sparse:
            bounds[index] = norm(self.layers[index].stored, 0)
        if grows(bounds):
            for index in sparse:
                bounds[index] = self.stretch_of_members(index)
        return bounds, True

    def stretch_of_members(self, index: int) -> Float[np.ndarray, " members"]:
        """A bound for the 2-norm of each member's W."""
        layer = self.layers[index]
        if layer not in self._stretches:
            stored = layer.stored
            bounds = close_norm(stored) if isinstance(stored, tuple) else norm(stored, stored.size)
            self._stretches[layer] = SLACK * bounds
        return self._stretches[layer]

    def stretch_for(self, index: int, num_vectors: int) -> Float[np.ndarray, " members"]:
        """The same of a dense layer, but less close if it would cost more than applying the layer to some vectors."""
        stored = self.layers[index].stored
        return self.stretch_of_members(index) if norm_is_cheap(stored, num_vectors) else frobenius(stored)

    def stretch(self, index: int, member: int) -> float:
        """The same for one member."""
        return float(self.stretch_of_members(index)[member])


def _without_zeros(parts: list[Float[np.ndarray, "out_features in_features"]]) -> tuple[list[_Few], _Dense | None]:
    """The digits of a dense W: numbers one by one where there are few in every row, and the rest of the digits."""
    full = [i for i, part in enumerate(parts) if np.count_nonzero(part, axis=1).max() > _FEW]
    first, last = (full[0], full[-1] + 1) if full else (0, 0)
    few = [one for i, part in enumerate(parts) if not first <= i < last for one in _one_by_one(i, part)]
    if not full:
        return few, None
    dense = np.stack(parts[first:last][::-1])
    rows, columns = (_some(np.flatnonzero(dense.any(axis=axes))) for axes in ((0, 2), (0, 1)))
    kept = dense[:, rows][:, :, columns].transpose(1, 0, 2)
    return few, _Dense(np.ascontiguousarray(kept.reshape(len(kept), -1)), first, last - first, rows, columns)


def _one_by_one(digit: int, part: Float[np.ndarray, "out_features in_features"]) -> list[_Few]:
    """A digit's numbers: the first of each row, then the second of each row that has two, and so on."""
    row, column = np.nonzero(part)
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    found = []
    for k in range(int(rank.max(initial=-1)) + 1):
        r, c = row[rank == k], column[rank == k]
        found.append(_Few(digit, _some(r), _some(c), part[r, c][:, None]))
    return found


def _some(entries: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"] | slice:
    """Some rows or columns; as a slice where they follow one another, which takes no copies."""
    follow = bool((np.diff(entries) == 1).all())
    return slice(int(entries[0]), int(entries[-1]) + 1) if follow else entries


def along_segments(
    base: Base, starts: Float[np.ndarray, "intervals in_features"], ends: Float[np.ndarray, "intervals in_features"]
) -> Digits:
    """The inputs on segments from t = 0 to t = 1: ends - starts as slopes, starts as intercepts."""
    digits, place, left = base.split(np.stack([starts.T, ends.T]), base.most)
    num_inputs, num_intervals = starts.shape[::-1]
    sums = np.zeros((2 + len(digits), num_inputs, 2 * num_intervals))
    for k, (start, end) in enumerate(digits, start=2):
        sums[k, :, :num_intervals], sums[k, :, num_intervals:] = end - start, start
    missing = 2 * float(np.abs(left).max()) * base.below(len(digits) + 2) + TINY
    return base.carried(sums, place + 2, np.full(2 * num_intervals, math.sqrt(num_inputs) * missing))


def on_plane(base: Base, frame: Float[np.ndarray, "in_features 3"]) -> Digits:
    """The inputs on a plane: its two directions as slopes, its origin as intercept."""
    digits, place, left = base.split(frame, base.most)
    missing = float(np.abs(left).max()) * base.below(len(digits)) + TINY
    return Digits(np.stack(digits), place, np.full(3, SLACK * math.sqrt(len(frame)) * missing + TINY))
