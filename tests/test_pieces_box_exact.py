"""Exact points and values against hand-worked ones and against plain fractions."""

from fractions import Fraction

import numpy as np

from dlcourse.pieces.arithmetic.integers import IntegerNetwork
from dlcourse.pieces.box.exact import ExactBox
from dlcourse.pieces.layer import UnitLayer


def box(*layers: tuple[list[list[float]], list[float], float]) -> ExactBox:
    read = [
        UnitLayer(np.array([weight]), np.array([bias]), np.full((1, len(bias)), slope))
        for weight, bias, slope in layers
    ]
    return ExactBox(
        IntegerNetwork(read), np.cumsum([4, *(len(bias) for _, bias, _ in layers)]), np.array([-1.0, 3.0, -1.0, 3.0])
    )


def test_two_lines_cross_at_thirds() -> None:
    # x + 2 y = 1 and 2 x + y = 1: (1/3, 1/3), where the third unit is 1/3 + 0.5.
    exact = box(([[1.0, 2.0], [2.0, 1.0], [1.0, 0.0]], [-1.0, -1.0, 0.5], 1.0))
    point, values, denominator = exact.at_vertex([4, 5], [])
    assert point == [Fraction(1, 3), Fraction(1, 3)]
    assert [Fraction(value, denominator) for value in values] == [0, 0, Fraction(5, 6)]


def test_a_later_layer_meets_a_side() -> None:
    # On x = 3, leaky units of slope 1/4: 3 and y / 4 while y < 0; their sum minus 2.8125 is 0 at y = -0.75.
    exact = box(([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], 0.25), ([[1.0, 1.0], [0.0, 4.0]], [-2.8125, 0.0], 0.0))
    point, values, denominator = exact.at_vertex([1, 6], [np.array([True, False])])
    assert point == [3, Fraction(-3, 4)]
    assert [Fraction(value, denominator) for value in values] == [0, Fraction(-3, 4)]


def test_signs_are_those_of_the_stored_numbers() -> None:
    # In floats 3 * 0.1 - 0.3 > 0, and so it is for the stored numbers: 0.3 is below 3/10, and 0.1 above 1/10.
    exact = box(([[3.0, 0.0], [1.0, 1.0]], [-0.3, 0.0], 0.0), ([[1.0, -1.0]], [0.0], 1.0))
    above = Fraction(0.1) * 3 - Fraction(0.3)
    assert 0 < above < 1e-15
    first, second = exact.signs(np.array([0.1, -0.1]))
    assert first.tolist() == [1, 0]
    assert second.tolist() == [1]
