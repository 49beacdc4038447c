"""Products with steady units, against exact fractions and their bounds."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array

from dlcourse.pieces.arithmetic.rounding import SLACK, TINY, norm, roundings
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.crossings import Crossings
from dlcourse.pieces.line.layout import laid_out
from dlcourse.pieces.line.steady import Steady, roundings_of


def sparse_layer(generator: np.random.Generator, num_units: int, num_inputs: int) -> UnitLayer:
    """A sixth of its weights is not 0."""
    weight = generator.normal(size=(num_units, num_inputs)) * (generator.random((num_units, num_inputs)) < 1 / 6)
    return UnitLayer((csr_array(weight),), generator.normal(size=(1, num_units)), np.zeros((1, num_units)))


def exact_product(weight: np.ndarray, columns: list[list[Fraction]]) -> list[list[Fraction]]:
    rows = [[(i, Fraction(w)) for i, w in enumerate(row) if w] for row in weight.tolist()]
    return [[sum((w * column[i] for i, w in row), Fraction(0)) for row in rows] for column in columns]


@pytest.mark.parametrize("off", [0.0, 1e-12])
@pytest.mark.parametrize("seed", range(5))
def test_products_are_no_farther_off_than_their_bounds(seed: int, off: float) -> None:
    generator = np.random.default_rng(seed)
    num_units, num_inputs, num_vertices = 30, 120, 40
    layer = sparse_layer(generator, num_units, num_inputs)
    steady = Steady(num_inputs)
    steady.units = generator.random(num_inputs) < 0.95
    exact_place = sorted(Fraction(p) / 3 for p in generator.random(num_vertices))
    steady.place = np.array([float(p) for p in exact_place])
    steady.off = np.full(num_vertices, 2.0**-53)

    first, slope = generator.normal(size=(2, num_inputs))
    true = [[Fraction(a) + (p - exact_place[0]) * Fraction(s) for a, s in zip(first, slope, strict=True)]
            for p in exact_place]  # fmt: skip
    rows = np.stack([np.array(true, dtype=np.float64).T, np.repeat(slope[:, None], num_vertices, axis=1)])
    nudge = generator.normal(size=rows.shape)
    nudge *= off / np.sqrt((nudge**2).sum(axis=1, keepdims=True))
    rows += nudge
    error = np.full((2, num_vertices), 1.1 * off + 1e-15 * np.sqrt(num_inputs) * 3)
    hidden = rows.copy()  # what is not at the ends is not looked at
    hidden[0, steady.units, 1:-1], hidden[1, steady.units, 1:] = np.nan, np.nan

    shares = steady.shares(layer)
    assert shares is not None
    largest = np.abs(rows).max(axis=1)
    errors, sizes = steady.bounds(rows, error, largest, shares)
    out = np.empty((2, num_units, num_vertices))
    steady.product(layer, hidden, shares, out)

    by_weights, _ = roundings(layer.stored, layer.bias, layer.row_sums)
    bound = norm(layer.stored, 1) * errors + sizes * by_weights
    bound[0] += sizes[0] * roundings_of(layer.row_sums)
    bound = SLACK * bound + TINY
    weight = layer.stored[0].toarray()
    slopes = [[Fraction(s) for s in slope]] * num_vertices
    for row, columns in enumerate([true, slopes]):
        for vertex, column in enumerate(exact_product(weight, columns)):
            differences = [float(Fraction(a) - b) for a, b in zip(out[row, :, vertex].tolist(), column, strict=True)]
            assert np.linalg.norm(differences) <= bound[row, vertex]
            assert bound[row, vertex] < 1e-10 + 100 * off  # else it would say nothing


def test_units_are_steady_where_nothing_that_they_are_made_of_bends() -> None:
    # Units 0 and 1 are made of input 0, unit 2 of both inputs, unit 3 of nothing.
    layer = UnitLayer((csr_array([[1.0, 0], [2, 0], [1, 1], [0, 0]]),), np.zeros((1, 4)), np.zeros((1, 4)))
    steady = Steady(2)
    steady.bend(np.array([[True, True, True], [True, False, False]]))
    assert steady.units.tolist() == [True, False]
    steady.affine(layer)
    assert steady.units.tolist() == [True, True, False, True]
    steady.bend(np.array([[False, False], [False, True], [True, True], [True, True]]))
    assert steady.units.tolist() == [True, False, False, True]


def test_places_are_put_between_those_that_there_are() -> None:
    steady = Steady(1)
    half = np.array([0.5])
    for interval in (0, 1):  # at 1/2, then between that and 1
        one = np.array([interval])
        steady.insert(laid_out(Crossings(np.array([0]), one, half, half, np.array([0])), len(steady.place)))
    assert steady.place.tolist() == [0.0, 0.5, 0.75, 1.0]
    assert steady.off.tolist() == [0.0, 2.0**-51, 2.0**-50, 0.0]
    steady.move(np.array([1]), np.array([0.25]))
    assert steady.between(slice(1, 3)).off.tolist() == [0.25 + 2.0**-51, 2.0**-50]


def test_no_shares_of_what_is_too_close() -> None:
    layer = sparse_layer(np.random.default_rng(0), 30, 120)
    steady = Steady(120)
    steady.place, steady.off = 0.5 + 2.0**-40 * np.linspace(0, 1, 20), np.full(20, 2.0**-53)
    assert steady.shares(layer) is None
    steady.place = np.linspace(0, 1, 20)
    assert steady.shares(layer) is not None
