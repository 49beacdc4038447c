"""Which changes of slope at vertices may reach the outputs, followed unit by unit where zeros abound: few units change.

A unit that loses in a pool may turn on or off: its change reaches the comparison max(a, b) = b + relu(a - b) twice,
with the factors 1 and -1, and cancels. Floats prove that where slopes differ, never where they are the same.

At a vertex every change of slope is a sum of factors times the changes of some units, its *origins*, whatever these
changes are. If all factors of a sum are 0, nothing changes there. Origins are the units that are on only on one side of
the vertex. A factor is a sum of products of weights, and is kept as long as floats hold it exactly; else what it makes
becomes an origin of its own, which may only say too often that there is a change.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.support import support
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.intervals import Cut, Intervals

_PART = 256  # vertices that are taken at once
_MOST = 2**22  # products that are there at once
_FINEST = 2.0**-30  # factors are kept if they are integer multiples of that, and not large:
_LARGEST = 2.0**12  # sums of a thousand of them are below 2^53 multiples, hence exact
_SMALLEST = 2.0**-900  # products of powers of two and numbers above that are exact


class _Changes(NamedTuple):
    """What a change of slope at a vertex has in it of an origin: that one's change times a factor."""

    unit: Int[np.ndarray, " changes"]
    vertex: Int[np.ndarray, " changes"]
    origin: Int[np.ndarray, " changes"]
    factor: Float[np.ndarray, " changes"]


def may_reach_outputs(intervals: Intervals, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
    """Whether the outputs' slopes may change at some vertices, in order."""
    found = np.zeros(len(vertices), dtype=bool)
    for part, member in intervals.parts(vertices, _PART):
        some = vertices[part]
        sides = zip(_ancestors(intervals, some - 1), _ancestors(intervals, some), intervals.cuts, strict=True)
        none = np.zeros(0, dtype=np.int64)
        changes = _Changes(none, none, none, np.zeros(0))
        for layer in intervals.layers:
            changes = _after_weights(layer, changes, len(some), member)
            if layer.bends:
                changes = _after_bend(layer.slope[member], changes, *next(sides))
        found[part] = np.bincount(changes.vertex, minlength=len(some)) > 0
    return found


def _ancestors(intervals: Intervals, some: Int[np.ndarray, " some"]) -> list[Int[np.ndarray, " some"]]:
    """The numbers of some intervals, or of those that they are parts of, after each cut."""
    found = []
    for cut in reversed(intervals.cuts):
        found.append(some)
        some = cut.parent[some]
    return found[::-1]


def _after_weights(layer: UnitLayer, changes: _Changes, num_vertices: int, member: int) -> _Changes:
    """What a layer's weights make of changes: those that do not cancel."""
    if layer.num_entries(changes.unit, member) > _MOST:
        nonzero = np.zeros((layer.in_features, num_vertices), dtype=bool)
        nonzero[changes.unit, changes.vertex] = True
        row, vertex = np.nonzero(support(layer.stored[member], nonzero))
        return _Changes(row, vertex, np.arange(len(row)), np.ones(len(row)))
    row, which, numbers = layer.entries(changes.unit, member)
    if len(row) == 0:
        return _Changes(*(of_all[:0] for of_all in changes))
    # Sums for each origin and row, one after the other.
    order = np.lexsort((row, changes.origin[which]))
    row, which, numbers = row[order], which[order], numbers[order]
    origin, vertex, factor = changes.origin[which], changes.vertex[which], changes.factor[which]
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
    after = _Changes(row[first[kept]], vertex[first[kept]], origin[first[kept]], sums[kept])
    return after if short[kept].all() else _as_origins(after)


def _after_bend(
    slope: Float[np.ndarray, " units"],
    changes: _Changes,
    before: Int[np.ndarray, " vertices"],
    after: Int[np.ndarray, " vertices"],
    cut: Cut,
) -> _Changes:
    """What the kinks of a layer make of changes: units that are off stop them, those that turn on or off are origins.

    Args:
        slope: The slopes of units that are off.
        changes: The changes of pre-activations.
        before: For each vertex, the interval before it when this layer has cut.
        after: The interval after it.
        cut: How this layer cut.
    """
    on_before = cut.active[changes.unit, before[changes.vertex]]
    on_after = cut.active[changes.unit, after[changes.vertex]]
    factor = changes.factor * np.where(on_before, 1, slope[changes.unit])
    kept = np.flatnonzero((on_before == on_after) & (on_before | (slope[changes.unit] != 0)))
    going_on = _Changes(*(of_all[kept] for of_all in changes._replace(factor=factor)))
    if not np.isin(slope, (-1, 0, 1)).all():  # the product may be rounded
        going_on = _as_origins(going_on)
    unit, column = _switched(cut.active, before, after)
    number = going_on.origin.max(initial=-1) + 1 + np.arange(len(unit))
    begun = _Changes(unit, column, number, np.ones(len(unit)))
    return _Changes(*(np.concatenate(pair) for pair in zip(going_on, begun, strict=True)))


def _switched(
    active: Bool[np.ndarray, "units intervals"],
    before: Int[np.ndarray, " vertices"],
    after: Int[np.ndarray, " vertices"],
) -> tuple[Int[np.ndarray, " changes"], Int[np.ndarray, " changes"]]:
    """Which units turn on or off between neighbouring intervals, and at which of some vertices."""
    between = np.flatnonzero(before != after)
    if len(between) == 0:
        return between, between
    # All that lies between the first and the last of them is near, and mostly asked for.
    first, last = int(after[between[0]]), int(after[between[-1]])
    near = active[:, first - 1 : last + 1]
    unit, column = np.divmod(np.flatnonzero(near[:, 1:] != near[:, :-1]), last + 1 - first)
    vertex = np.full(last + 1 - first, -1)
    vertex[after[between] - first] = between
    kept = vertex[column] >= 0
    return unit[kept], vertex[column[kept]]


def _as_origins(changes: _Changes) -> _Changes:
    """The same units and vertices, each an origin of its own."""
    order = np.lexsort((changes.unit, changes.vertex))
    unit, vertex = changes.unit[order], changes.vertex[order]
    is_first = (np.diff(unit, prepend=-1) != 0) | (np.diff(vertex, prepend=-1) != 0)
    unit, vertex = unit[is_first], vertex[is_first]
    return _Changes(unit, vertex, np.arange(len(unit)), np.ones(len(unit)))


def _powers_of_two(numbers: Float[np.ndarray, " numbers"]) -> Bool[np.ndarray, " numbers"]:
    """Which of some numbers are powers of two, up to the sign."""
    return np.asarray(np.abs(np.frexp(numbers)[0]) == 0.5)
