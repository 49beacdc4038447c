"""Affine maps of known patterns against fractions."""

from fractions import Fraction

import numpy as np
import pytest
from networks import random_unit_layers

from dlcourse.pieces.arithmetic.maps import affine_maps

Matrix = list[list[Fraction]]


def fractions(numbers: np.ndarray) -> Matrix:
    return [[Fraction(number) for number in row] for row in numbers.tolist()]


def product(a: Matrix, b: Matrix) -> Matrix:
    return [
        [sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in zip(*b, strict=True)]
        for row in a
    ]


@pytest.mark.parametrize("below", [0.0, 0.3, -1.5])
@pytest.mark.parametrize("magnitude", [1.0, 1e6])
def test_maps_are_as_exact_as_they_say(below: float, magnitude: float) -> None:
    random = np.random.default_rng(0)
    widths, num_patterns = [3, 5, 4, 6, 2], 7
    layers = random_unit_layers(widths, random, below, magnitude)
    positive = [random.random((width, num_patterns)) < 0.5 for width in widths[1:]]
    found = list(affine_maps(layers, lambda index: positive[index]))
    assert (found[0][1] == 0).all()
    for pattern in range(num_patterns):
        inputs = fractions(np.eye(4))
        size = 1.0
        for index, (layer, (maps, error)) in enumerate(zip(layers, found, strict=True)):
            extended = fractions(np.concatenate([layer.weight[0], layer.bias[0][:, None]], axis=1))
            exact = product(extended, inputs)
            size *= max(1.0, abs(below)) * (1 + np.linalg.norm(layer.weight) + np.linalg.norm(layer.bias))
            place = pattern if index else 0
            off = [
                [Fraction(float(number)) - true for number, true in zip(row, true_row, strict=True)]
                for row, true_row in zip(maps[:, place], exact, strict=True)
            ]
            missed = float(sum(number**2 for row in off for number in row)) ** 0.5
            assert missed <= error[place] <= 1e-13 * size
            slope = [1.0 if on else below for on in positive[index][:, pattern]]
            inputs = [[Fraction(factor) * x for x in row] for factor, row in zip(slope, exact, strict=True)]
            inputs.append(fractions(np.eye(4))[3])
