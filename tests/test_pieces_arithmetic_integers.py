"""A network in integers against plain fractions, and against what one can work out by hand."""

from fractions import Fraction

import numpy as np
import pytest
from networks import random_unit_layers

from dlcourse.pieces.arithmetic.integers import IntegerNetwork, integers
from dlcourse.pieces.layer import UnitLayer


@pytest.mark.parametrize("below", [0.0, 1.0, -1.0, 0.3])
@pytest.mark.parametrize("num_zeros", [0, 5])  # of six rows: products with matrices of many zeros leave them out
def test_functions_are_those_of_plain_fractions(below: float, num_zeros: int) -> None:
    random = np.random.default_rng(0)
    widths = [3, 6, 6, 2]
    layers = random_unit_layers(widths, random, below)
    layers[1].weight[0, :num_zeros] = 0
    patterns = [random.random((width, 4)) < 0.5 for width in widths[1:]]
    inputs, denominator = integers(random.normal(size=(3, 4, 2)))
    found = list(IntegerNetwork(layers).pre_activations(inputs, denominator, patterns))
    assert len(found) == 3
    for between in range(4):
        functions = [[Fraction(number, denominator) for number in row] for row in inputs[:, between].tolist()]
        for layer, pattern, (outputs, outputs_denominator) in zip(layers, patterns, found, strict=True):
            weight, bias = layer.weight[0].tolist(), layer.bias[0].tolist()
            functions = [
                [sum(Fraction(w) * f[c] for w, f in zip(row, functions, strict=True)) for c in range(2)]
                for row in weight
            ]
            functions = [[f[0], f[1] + Fraction(b)] for f, b in zip(functions, bias, strict=True)]
            exact = [[Fraction(n, outputs_denominator) for n in row] for row in outputs[:, between].tolist()]
            assert exact == functions
            slopes = [1 if on else Fraction(below) for on in pattern[:, between].tolist()]
            functions = [[slope * number for number in f] for slope, f in zip(slopes, functions, strict=True)]


def test_pre_activations_end_where_patterns_do() -> None:
    layers = random_unit_layers([1, 2, 2, 1], np.random.default_rng(0), 0.0)
    points = np.array([[1]], dtype=object)
    assert len(list(IntegerNetwork(layers).pre_activations(points, 1, [np.array([True, True])]))) == 2


def test_members_have_their_own_numbers() -> None:
    # 2 x + 1 and -x of the first member, x / 2 of the second, at x = 3.
    layer = UnitLayer(np.array([[[2.0], [-1.0]], [[0.5], [0.0]]]), np.array([[1.0, 0.0], [0.0, 0.0]]), np.zeros((2, 2)))
    network = IntegerNetwork([layer])
    three = np.array([[3]], dtype=object)
    for member, expected in enumerate([[7, -3], [Fraction(3, 2), 0]]):
        outputs, denominator = network.affine(0, three, 1, member=member)
        assert [Fraction(number, denominator) for number in outputs[:, 0]] == expected
    assert [signs.tolist() for signs in network.signs(three[0], 1)] == [[1, -1]]
    assert [signs.tolist() for signs in network.signs(three[0], 1, member=1)] == [[1, 0]]


def test_a_unit_reaches_the_outputs_where_what_follows_does_not_cancel() -> None:
    # Unit 0 feeds both units of the next layer, whose difference is the output: with leaks of 1/2 the change is
    # 1 - 1 = 0 if both are on, 1 - 1/2 if one is. Unit 1 feeds nobody.
    half = np.array([[0.5, 0.5]])
    first = UnitLayer(np.ones((1, 2, 1)), np.zeros((1, 2)), half)
    second = UnitLayer(np.array([[[1.0, 0.0], [1.0, 0.0]]]), np.zeros((1, 2)), half)
    last = UnitLayer(np.array([[[1.0, -1.0]]]), np.zeros((1, 1)), np.ones((1, 1)))
    network = IntegerNetwork([first, second, last])
    both = np.array([True, True])
    assert not network.reaches_outputs(0, 0, [both, both])
    assert network.reaches_outputs(0, 0, [both, np.array([True, False])])
    assert not network.reaches_outputs(0, 1, [both, np.array([True, False])])
    assert network.reaches_outputs(1, 1, [both, both])
