"""Cases, as `torch.where(x > 0, x, 0.1 * x)`: two sides of a comparison, read as a unit where they agree between."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped

from dlcourse.pieces.reading.affine import Affine, Units, Vector
from dlcourse.pieces.reading.entries import equal
from dlcourse.pieces.reading.tensors import Constants, Operand, Traced, as_constant, moved


@dataclass(frozen=True, eq=False)
class Condition:
    """Where margin > 0, or margin >= 0: which of them makes no difference to what is continuous.

    As a number it is 1 where that holds, 0 elsewhere.
    """

    margin: Traced

    def __invert__(self) -> "Condition":
        return Condition(-self.margin)

    def __mul__(self, other: "Operand | Condition") -> Traced:
        if isinstance(other, Condition):
            raise TypeError("the product of two comparisons is not understood")
        return where(self, other, 0)

    __rmul__ = __mul__

    def __rsub__(self, other: Operand) -> "Condition":
        if not isinstance(other, int | float) or other != 1:
            raise TypeError("of a comparison only 1 minus it is understood")
        return ~self


def comparison(above: bool) -> Callable[[Any, Any], Condition]:
    """x > y, or x < y."""
    return lambda input, other: Condition(input - other if above else other - input)


def _is_mask(value: Any) -> bool:
    """Whether it is truth values: a comparison, or a constant."""
    is_constant = isinstance(value, Constants) and value.members[0].dtype is torch.bool
    return is_constant or isinstance(value, Condition)


def where(condition: Any, input: Any, other: Operand) -> Traced:
    """The input where the condition holds, elsewhere the other; both must be the same where the margin is 0.

    Raises:
        ValueError: If that is not so: the function jumps.
    """
    if not _is_mask(condition) and _is_mask(input):  # x.where(condition, other), as the method has them
        condition, input = input, condition
    if not isinstance(condition, Condition):
        return _chosen(condition, input, other)
    margin, one, two = _broadcast(condition.margin, input, other)
    right, left = (_floats(_multiples(each.entries, margin.entries)) for each in (one, two))
    if right is not None and left is not None:
        return margin.with_entries(_with_slopes(margin.entries, right, left))
    difference = one - two
    change = _multiples(difference.entries, margin.entries)
    if change is None:
        raise ValueError("the two cases must be the same between them, where the comparison is of equals, or it jumps")
    # one - two is k times the margin: two + max(one - two, 0) where k > 0, two - max(two - one, 0) where k < 0.
    sign = np.sign(change).astype(float)
    return two + difference.with_entries(difference.entries.scaled(sign).bent(np.zeros((1, 1))).scaled(sign))


def _with_slopes(margin: Affine, right: Vector, left: Vector) -> Affine:
    """A multiple of the margin where it is positive, and another one elsewhere."""
    if (right == 1).all():
        return margin.bent(left)
    positive = margin.bent(np.zeros((1, 1))).scaled(right)
    if not left.any():
        return positive
    return positive.plus(margin.scaled(-np.ones((1, 1))).bent(np.zeros((1, 1))).scaled(-left))


def masked_fill(input: Traced, mask: Any, value: Operand) -> Traced:
    """The value where the mask holds."""
    return where(mask, value, input)


def _chosen(condition: Constants, input: Operand, other: Operand) -> Traced:
    """Entries of one or of another tensor, as a constant mask says."""
    chosen: Traced = moved(torch.where, (condition, *(_tensor(operand) for operand in (input, other))), {})
    return chosen


def _broadcast(*operands: Operand) -> tuple[Traced, ...]:
    """Tensors of one shape; constants are tensors without units."""
    one, *others = (_tensor(operand) for operand in operands)
    tensors = moved(torch.broadcast_tensors, (one, *others), {})
    return tuple(tensor.with_entries(_pruned(tensor.entries)) for tensor in tensors)


def _pruned(vector: Affine) -> Affine:
    """The same without the groups of units that only others need which it has been moved with."""
    return Affine({units: matrix for units, matrix in vector.matrices.items() if len(matrix.row)}, vector.bias)


def _tensor(operand: Operand) -> Traced | Constants:
    return operand if isinstance(operand, Traced) else as_constant(operand)


Fractions = Shaped[np.ndarray, "_ entries"]


def _multiples(vector: Affine, of: Affine) -> Fractions | None:
    """Numbers k with vector = k of, entry by entry, exactly; None if there are none."""
    if not any(array.any() for array in _arrays(vector)):
        return _fractions(np.zeros((1, vector.bias.shape[1])))
    (base, factors), (of_base, of_factors) = _unscaled(vector), _unscaled(of)
    for sign in (1, -1):
        if of_factors.all() and _same(base, of_base.scaled(np.full((1, 1), float(sign)))):
            return sign * factors / of_factors  # type: ignore[no-any-return]  # fractions
    members = max(len(array) for one in (vector, of) for array in _arrays(one))
    found = np.full((members, vector.bias.shape[1]), Fraction(0))
    terms_of = _Terms()
    for member, entry in np.ndindex(*found.shape):
        terms, of_terms = terms_of(vector, member, entry), terms_of(of, member, entry)
        pivots = [key for key, number in of_terms.items() if number != 0]
        factor = terms.get(pivots[0], Fraction(0)) / of_terms[pivots[0]] if pivots else Fraction(0)
        if any(terms.get(key, 0) != factor * of_terms.get(key, 0) for key in terms.keys() | of_terms.keys()):
            return None
        found[member, entry] = factor
    return found


def _floats(numbers: Fractions | None) -> Vector | None:
    """The same as floats; None if one of them is none."""
    if numbers is None:
        return None
    try:
        floats = numbers.astype(float)
    except OverflowError:
        return None
    return floats if np.array_equal(_fractions(floats), numbers) else None


def _unscaled(vector: Affine) -> tuple[Affine, Fractions]:
    """A vector of which this one is a multiple, entry by entry, and how often: nothing but scaled since it was stored.

    That is most of what is compared, and is told at once, however large the matrices behind it are.
    """
    factors = np.full((1, vector.bias.shape[1]), Fraction(1))
    while len(vector.matrices) == 1 and not vector.bias.any():
        ((units, matrix),) = vector.matrices.items()
        entries = np.arange(units.num_units)
        is_diagonal = np.array_equal(matrix.row, entries) and np.array_equal(matrix.column, entries)
        if units.inputs is None or not is_diagonal or not (units.slope == 1).all():
            break
        factors, vector = factors * _fractions(matrix.values), units.inputs
    return vector, factors


def _fractions(numbers: Float[np.ndarray, "_ entries"]) -> Fractions:
    """Floats as fractions."""
    fractions: Fractions = np.vectorize(Fraction, otypes=[object])(numbers)
    return fractions


def _arrays(vector: Affine) -> list[Vector]:
    """The numbers of all members, or those of one if they are the same for all."""
    return [vector.bias, *(matrix.values for matrix in vector.matrices.values())]


def _same(vector: Affine, other: Affine) -> bool:
    """Whether two vectors are written in the same way; they may be equal in others."""
    units = vector.matrices.keys() | other.matrices.keys()
    return np.array_equal(vector.bias, other.bias) and all(
        one in vector.matrices and one in other.matrices and equal(vector.matrices[one], other.matrices[one])
        for one in units
    )


class _Terms:
    """Entries as sums over units that bend, or inputs, and a constant (None)."""

    def __init__(self) -> None:
        self._known: dict[tuple[Affine, int, int], dict[tuple[Units, int] | None, Fraction]] = {}

    def __call__(self, vector: Affine, member: int, entry: int) -> dict[tuple[Units, int] | None, Fraction]:
        """An entry of a vector."""
        if (vector, member, entry) in self._known:
            return self._known[vector, member, entry]
        found: dict[tuple[Units, int] | None, Fraction] = {None: Fraction(_of(vector.bias, member)[entry])}
        for units, matrix in vector.matrices.items():
            row, slope = matrix.rows(np.array([entry])), _of(units.slope, member)
            for unit, value in zip(row.column.tolist(), _of(row.values, member).tolist(), strict=True):
                number = Fraction(value)
                passed = units.inputs if slope[unit] == 1 else None
                inner = {(units, unit): Fraction(1)} if passed is None else self(passed, member, unit)
                for key, factor in inner.items():
                    found[key] = found.get(key, Fraction(0)) + number * factor
        self._known[vector, member, entry] = found
        return found


def _of(array: np.ndarray, member: int) -> np.ndarray:
    of: np.ndarray = array[member if len(array) > 1 else 0]
    return of
