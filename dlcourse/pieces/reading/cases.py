"""Cases, as `torch.where(x > 0, x, 0.1 * x)`: two sides of a comparison, read as a unit where they agree between."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from dlcourse.pieces.reading.affine import Affine, Units, Vector
from dlcourse.pieces.reading.entries import equal
from dlcourse.pieces.reading.tensors import Constants, Operand, Traced, moved


@dataclass(frozen=True, eq=False)
class Condition:
    """Where margin > 0, or margin >= 0: which of them makes no difference to what is continuous.

    As a number it is 1 where that holds, 0 elsewhere.
    """

    margin: Traced

    def __invert__(self) -> "Condition":
        return Condition(-self.margin)

    def __mul__(self, other: Operand) -> Traced:
        return where(self, other, 0)

    __rmul__ = __mul__

    def __rsub__(self, other: Operand) -> "Condition":
        if not isinstance(other, int | float) or other != 1:
            raise TypeError("of a comparison only 1 minus it is understood")
        return ~self


def comparison(above: bool) -> Callable[[Any, Any], Condition]:
    """x > y, or x < y."""
    return lambda input, other: Condition(input - other if above else other - input)


def where(condition: Any, input: Operand, other: Operand) -> Traced:
    """The input where the condition holds, elsewhere the other; both must be the same where the margin is 0.

    Raises:
        ValueError: If that is not so: the function jumps.
    """
    if not isinstance(condition, Condition):
        return _chosen(condition, input, other)
    margin, one, two = _broadcast(condition.margin, input, other)
    right, left = _multiple(one.entries, margin.entries), _multiple(two.entries, margin.entries)
    if right is not None and left is not None:
        if (right == 1).all():
            return margin.with_entries(margin.entries.bent(left))
        if not left.any():
            return margin.with_entries(margin.entries.bent(left).scaled(right))
        negative = (-margin).entries.bent(np.zeros((1, 1))).scaled(-left)
        return margin.with_entries(margin.entries.bent(np.zeros((1, 1))).scaled(right).plus(negative))
    change = _multiple((one - two).entries, margin.entries)
    if change is None:
        raise ValueError("the two cases must be the same between them, where the comparison is of equals, or it jumps")
    return two + margin.with_entries(margin.entries.bent(np.zeros((1, 1))).scaled(change))


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
    return moved(torch.broadcast_tensors, (one, *others), {})  # type: ignore[no-any-return]


def _tensor(operand: Operand) -> Traced | Constants:
    return (
        operand if isinstance(operand, Traced | Constants) else Constants([torch.tensor(operand, dtype=torch.float64)])
    )


def _multiple(vector: Affine, of: Affine) -> Vector | None:
    """Numbers k with vector = k of, entry by entry, exactly; None if there are none."""
    if _same(vector, of):
        return np.ones((1, vector.bias.shape[1]))
    arrays = [array for one in (vector, of) for array in (one.bias, *(m.values for m in one.matrices.values()))]
    members = max(len(array) for array in arrays)
    factors = np.zeros((members, vector.bias.shape[1]))
    for member, entry in np.ndindex(*factors.shape):
        terms, of_terms = _terms(vector, member, entry), _terms(of, member, entry)
        pivots = [key for key, number in of_terms.items() if number != 0]
        factor = terms.get(pivots[0], Fraction(0)) / of_terms[pivots[0]] if pivots else Fraction(0)
        if any(terms.get(key, 0) != factor * of_terms.get(key, 0) for key in terms.keys() | of_terms.keys()):
            return None
        factors[member, entry] = float(factor)
    return factors


def _same(vector: Affine, other: Affine) -> bool:
    """Whether two vectors are written in the same way; they may be equal in others."""
    units = vector.matrices.keys() | other.matrices.keys()
    return np.array_equal(vector.bias, other.bias) and all(
        one in vector.matrices and one in other.matrices and equal(vector.matrices[one], other.matrices[one])
        for one in units
    )


def _terms(vector: Affine, member: int, entry: int) -> dict[tuple[Units, int] | None, Fraction]:
    """An entry as a sum over units that bend, or inputs, and a constant (None)."""
    found: dict[tuple[Units, int] | None, Fraction] = {None: Fraction(_of(vector.bias, member)[entry])}
    for units, matrix in vector.matrices.items():
        row, slope = matrix.rows(np.array([entry])), _of(units.slope, member)
        for unit, value in zip(row.column.tolist(), _of(row.values, member).tolist(), strict=True):
            number = Fraction(value)
            passes = units.inputs is not None and slope[unit] == 1
            inner = _terms(units.inputs, member, unit) if passes else {(units, unit): Fraction(1)}  # type: ignore[arg-type]
            for key, factor in inner.items():
                found[key] = found.get(key, Fraction(0)) + number * factor
    return found


def _of(array: np.ndarray, member: int) -> np.ndarray:
    of: np.ndarray = array[member if len(array) > 1 else 0]
    return of
