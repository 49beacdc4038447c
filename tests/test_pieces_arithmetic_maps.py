"""Affine maps of known patterns against fractions."""

from fractions import Fraction
from unittest.mock import patch

import numpy as np
import pytest
from networks import random_unit_layers

from dlcourse.pieces.arithmetic import maps as arithmetic_maps
from dlcourse.pieces.arithmetic.maps import OutputMaps, affine_maps, output_maps
from dlcourse.pieces.layer import UnitLayer

Matrix = list[list[Fraction]]


def fractions(numbers: np.ndarray) -> Matrix:
    return [[Fraction(number) for number in row] for row in numbers.tolist()]


def product(a: Matrix, b: Matrix) -> Matrix:
    return [
        [sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in zip(*b, strict=True)]
        for row in a
    ]


@pytest.mark.parametrize("below", [0.0, 0.3, -1.5])
@pytest.mark.parametrize("magnitude", [1.0, 1e6, 1e-200])  # the squares of the last one are lost
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


@pytest.mark.parametrize("below", [0.0, 0.3, -1.5])
@pytest.mark.parametrize("magnitude", [1.0, 1e6, 1e-70, 1e-200])
def test_outputs_are_as_exact_as_they_say(below: float, magnitude: float) -> None:
    random = np.random.default_rng(1)
    widths, num_patterns = [3, 5, 4, 6, 2], 7
    layers = random_unit_layers(widths, random, below, magnitude)
    layers[-1] = UnitLayer(layers[-1].weight, layers[-1].bias, np.ones((1, 2)))
    positive = [random.random((width, num_patterns)) < 0.5 for width in widths[1:-1]]
    positive[1][:, 0] = False  # with ReLU nothing of the first two layers arrives, and the map is exact
    found = output_maps(layers, lambda regions: [units[:, regions] for units in positive], num_patterns)
    size = float(np.prod([max(1.0, abs(below)) * (1 + np.linalg.norm(layer.weight)) for layer in layers]))
    for pattern in range(num_patterns):
        exact = fractions(np.eye(4))
        for index, layer in enumerate(layers):
            extended = fractions(np.concatenate([layer.weight[0], layer.bias[0][:, None]], axis=1))
            exact = product(extended, exact)
            if index < len(positive):
                slopes = [1.0 if on else below for on in positive[index][:, pattern]]
                exact = [[Fraction(s) * x for x in row] for s, row in zip(slopes, exact, strict=True)]
                exact.append(fractions(np.eye(4))[3])
        for output, row in enumerate(exact):
            weight, bias = found.weight[pattern, output].tolist(), float(found.bias[pattern, output])
            off = sum((Fraction(w) - true) ** 2 for w, true in zip(weight, row, strict=False))
            bound, bias_bound = (float(errors[pattern, output]) for errors in found[2:])
            assert off <= Fraction(bound) ** 2
            assert abs(Fraction(bias) - row[3]) <= Fraction(bias_bound)
            assert max(bound, bias_bound) <= 1e-12 * size * (1 + max(np.linalg.norm(layer.bias) for layer in layers))
            assert (bound == 0) == (below == 0 and pattern == 0)


def test_maps_do_not_depend_on_the_number_of_regions() -> None:
    # More than are worked on at once: 2^18 numbers are 2^15 rows of eight.
    random = np.random.default_rng(0)
    layers = random_unit_layers([8, 8, 1], random, 0.0)
    layers[-1] = UnitLayer(layers[-1].weight, layers[-1].bias, np.ones((1, 1)))
    positive = random.random((8, 40_000)) < 0.5
    found = output_maps(layers, lambda regions: [positive[:, regions]], 40_000)
    by_hand = np.einsum("ou,ur,ui->roi", layers[1].weight[0], positive, layers[0].weight[0])
    np.testing.assert_allclose(found.weight, by_hand, atol=1e-13)


@pytest.mark.parametrize("below", [0.0, 0.3])
def test_in_deep_networks_only_units_that_are_on_somewhere_count(below: float) -> None:
    random = np.random.default_rng(2)
    widths, num_patterns = [3, *[8] * 14, 2], 5
    layers = random_unit_layers(widths, random, below)
    layers[-1] = UnitLayer(layers[-1].weight, layers[-1].bias, np.ones((1, 2)))
    on_somewhere = [random.random((width, 1)) < 0.6 for width in widths[1:-1]]
    positive = [some & (random.random((len(some), num_patterns)) < 0.8) for some in on_somewhere]

    def maps() -> OutputMaps:
        return output_maps(layers, lambda regions: [units[:, regions] for units in positive], num_patterns)

    found = maps()
    with patch.object(arithmetic_maps, "grows", lambda stretches: False):
        of_all = maps()
    assert (found.weight == of_all.weight).all()
    fewer = found.weight_error / of_all.weight_error
    assert (fewer < 0.1).all() if below == 0 else (fewer == 1).all()
    for pattern in range(num_patterns):
        exact = fractions(layers[-1].weight[0])
        for layer, units in zip(layers[-2::-1], positive[::-1], strict=True):
            slopes = [Fraction(1.0 if on else below) for on in units[:, pattern]]
            exact = product(
                [[x * s for x, s in zip(row, slopes, strict=True)] for row in exact], fractions(layer.weight[0])
            )
        for output, row in enumerate(exact):
            weight = found.weight[pattern, output].tolist()
            off = sum((Fraction(w) - true) ** 2 for w, true in zip(weight, row, strict=True))
            assert off <= Fraction(float(found.weight_error[pattern, output])) ** 2
