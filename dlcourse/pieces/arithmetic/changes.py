"""Which changes of slope between two pieces may reach the outputs, followed unit by unit: few units change.

A unit that loses in a pool may turn on or off: its change reaches the comparison max(a, b) = b + relu(a - b) twice,
with the factors 1 and -1, and cancels. Floats prove that where slopes differ, never where they are the same.

At a border between two pieces every change of slope, or of a gradient, is a sum of factors times the changes of some
units, its *origins*, whatever these changes are. If all factors of a sum are 0, nothing changes there. Origins are the
units that are on only on one side of the border. A factor is a sum of products of weights, and is kept as long as
floats hold it exactly; else what it makes becomes an origin of its own, which may only say too often that there is a
change.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.support import support
from dlcourse.pieces.layer import UnitLayer

_MOST = 2**22  # products that are there at once
_FINEST = 2.0**-30  # factors are kept if they are integer multiples of that, and not large:
_LARGEST = 2.0**12  # sums of a thousand of them are below 2^53 multiples, hence exact
_SMALLEST = 2.0**-900  # products of powers of two and numbers above that are exact

Units = Int[np.ndarray, " some"]
Borders = Int[np.ndarray, " some"]
AreOn = Callable[[Units, Borders], Bool[np.ndarray, " some"]]


class Sides(NamedTuple):
    """Which units of a layer are on, on the two sides of some borders.

    Attributes:
        before: Tells it of some units, each at a border, for the one side.
        after: For the other side.
        switched: The units that are on only on one side, and the border of each.
    """

    before: AreOn
    after: AreOn
    switched: tuple[Units, Borders]


class _Changes(NamedTuple):
    """What a change of slope at a border has in it of an origin: that one's change times a factor."""

    unit: Int[np.ndarray, " changes"]
    border: Int[np.ndarray, " changes"]
    origin: Int[np.ndarray, " changes"]
    factor: Float[np.ndarray, " changes"]


def may_reach_outputs(
    layers: list[UnitLayer], sides: Iterator[Sides], num_borders: int, member: int = 0
) -> Bool[np.ndarray, " borders"]:
    """Whether the outputs' slopes may change at some borders.

    Args:
        layers: The layers.
        sides: Which units are on beside the borders, for each layer that bends.
        num_borders: How many borders there are.
        member: The member that they are of.
    """
    none = np.zeros(0, dtype=np.int64)
    changes = _Changes(none, none, none, np.zeros(0))
    for layer in layers:
        changes = _after_weights(layer, changes, num_borders, member)
        if layer.bends:
            changes = _after_bend(layer.slope[member], changes, next(sides))
    return np.asarray(np.bincount(changes.border, minlength=num_borders) > 0)


def _after_weights(layer: UnitLayer, changes: _Changes, num_borders: int, member: int) -> _Changes:
    """What a layer's weights make of changes: those that do not cancel."""
    if layer.num_entries(changes.unit, member) > _MOST:
        nonzero = np.zeros((layer.in_features, num_borders), dtype=bool)
        nonzero[changes.unit, changes.border] = True
        row, border = np.nonzero(support(layer.stored[member], nonzero))
        return _Changes(row, border, np.arange(len(row)), np.ones(len(row)))
    row, which, numbers = layer.entries(changes.unit, member)
    if len(row) == 0:
        return _Changes(*(of_all[:0] for of_all in changes))
    # Sums for each origin and row, one after the other.
    order = np.lexsort((row, changes.origin[which]))
    row, which, numbers = row[order], which[order], numbers[order]
    origin, border, factor = changes.origin[which], changes.border[which], changes.factor[which]
    is_first = np.append(True, (row[1:] != row[:-1]) | (origin[1:] != origin[:-1]))
    first = np.flatnonzero(is_first)
    products = factor * numbers
    size = np.abs(products)
    # A power of two times a number is exact, and the sum of two numbers is 0 only if they cancel.
    exact = (_powers_of_two(factor) | _powers_of_two(numbers)) & (size > _SMALLEST) & (size < 1 / _SMALLEST)
    short = exact & (size < _LARGEST) & (np.rint(products / _FINEST) * _FINEST == products)
    num_terms = np.diff(first, append=len(row))
    short, exact = (np.logical_and.reduceat(each, first) & (num_terms <= 1000) for each in (short, exact))
    sums = np.add.reduceat(products, first)
    kept = ~((sums == 0) & (short | (exact & (num_terms <= 2))))
    after = _Changes(row[first[kept]], border[first[kept]], origin[first[kept]], sums[kept])
    return after if short[kept].all() else _as_origins(after)


def _after_bend(slope: Float[np.ndarray, " units"], changes: _Changes, sides: Sides) -> _Changes:
    """What the kinks of a layer make of changes: units that are off stop them, those that turn on or off are origins.

    Args:
        slope: The slopes of units that are off.
        changes: The changes of pre-activations.
        sides: Which units are on, on the two sides.
    """
    on_before, on_after = (side(changes.unit, changes.border) for side in (sides.before, sides.after))
    factor = changes.factor * np.where(on_before, 1, slope[changes.unit])
    kept = np.flatnonzero((on_before == on_after) & (on_before | (slope[changes.unit] != 0)))
    going_on = _Changes(*(of_all[kept] for of_all in changes._replace(factor=factor)))
    if not np.isin(slope, (-1, 0, 1)).all():  # the product may be rounded
        going_on = _as_origins(going_on)
    unit, border = sides.switched
    number = going_on.origin.max(initial=-1) + 1 + np.arange(len(unit))
    begun = _Changes(unit, border, number, np.ones(len(unit)))
    return _Changes(*(np.concatenate(pair) for pair in zip(going_on, begun, strict=True)))


def _as_origins(changes: _Changes) -> _Changes:
    """The same units and borders, each an origin of its own."""
    order = np.lexsort((changes.unit, changes.border))
    unit, border = changes.unit[order], changes.border[order]
    is_first = (np.diff(unit, prepend=-1) != 0) | (np.diff(border, prepend=-1) != 0)
    unit, border = unit[is_first], border[is_first]
    return _Changes(unit, border, np.arange(len(unit)), np.ones(len(unit)))


def _powers_of_two(numbers: Float[np.ndarray, " numbers"]) -> Bool[np.ndarray, " numbers"]:
    """Which of some numbers are powers of two, up to the sign."""
    return np.asarray(np.abs(np.frexp(numbers)[0]) == 0.5)
