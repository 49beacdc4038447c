"""A network in digits against plain fractions."""

import math
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import random_unit_layers

from dlcourse.pieces.arithmetic import digit_network
from dlcourse.pieces.arithmetic.digit_network import DigitNetwork, along_segments
from dlcourse.pieces.arithmetic.digits import Base, Digits
from dlcourse.pieces.layer import Step, UnitLayer

Line = tuple[Fraction, Fraction]  # slope and intercept


def exact_along(layers: list[UnitLayer], start: Any, end: Any, patterns: list[Any], member: int) -> list[list[Line]]:
    """The pre-activations of one layer after another on one interval."""
    functions = [(Fraction(b) - Fraction(a), Fraction(a)) for a, b in zip(start, end, strict=True)]
    found, remaining = [], iter(patterns)
    for layer in layers:
        rows = zip(layer.weight[member].tolist(), layer.bias[member].tolist(), strict=True)
        functions = [
            (
                sum((Fraction(w) * f[0] for w, f in zip(row, functions, strict=True)), Fraction(0)),
                sum((Fraction(w) * f[1] for w, f in zip(row, functions, strict=True)), Fraction(b)),
            )
            for row, b in rows
        ]
        found.append(functions)
        if layer.bends:
            factors = [
                1 if on else Fraction(below)
                for on, below in zip(next(remaining), layer.slope[member].tolist(), strict=True)
            ]
            functions = [(factor * f[0], factor * f[1]) for factor, f in zip(factors, functions, strict=True)]
    return found


def along(network: DigitNetwork, base: Base, starts: Any, ends: Any, steps: list[Step], member: int) -> list[Digits]:
    """The pre-activations of all layers on segments that layers which bend cut as the steps say."""
    found, functions, remaining = [], along_segments(base, starts, ends), iter(steps)
    for index, layer in enumerate(network.layers):
        functions = network.affine(base, index, functions, member=member)
        found.append(functions)
        if layer.bends:
            functions = network.bend(base, index, functions, next(remaining), member=member)
    return found


def check(base: Base, found: Digits, column: int, truth: list[Fraction]) -> float:
    """Checks that a column is no further off than it says; returns that in units of the largest number."""
    unit = Fraction(2) ** base.bits
    numbers = [
        unit**found.place * sum(Fraction(digit) / unit ** (j + 1) for j, digit in enumerate(digits))
        for digits in found.digits[:, :, column].T.tolist()
    ]
    if not math.isfinite(found.error[column]):
        return math.inf
    error = Fraction(float(found.error[column])) * unit**found.place
    assert sum((one - other) ** 2 for one, other in zip(numbers, truth, strict=True)) <= error**2
    largest = max(abs(number) for number in truth)
    return float(min(error / largest, Fraction(2) ** 100)) if largest else math.inf


def check_all(layers: list[UnitLayer], base: Base, seed: int, scale: float = 1.0, member: int = 0) -> float:
    """Two lines, three and then five intervals on them; the largest bound of the outputs in units of these."""
    random = np.random.default_rng(seed)
    starts, ends = scale * random.normal(size=(2, 2, layers[0].weight.shape[2]))
    parents = [np.array([0, 1, 1]), *[np.array([0, 0, 1, 2, 2])], *[np.arange(5)] * len(layers)]
    bending = [layer for layer in layers if layer.bends]
    steps, lines = [], [np.arange(2)]
    for parent, layer in zip(parents[: len(bending)], bending, strict=True):
        steps.append(Step(parent, random.random((layer.bias.shape[1], len(parent))) < 0.6))
        lines.append(lines[-1][parent])
    with np.errstate(all="ignore"):
        found = along(DigitNetwork(layers), base, starts, ends, steps, member)
    last = np.arange(len(lines[-1]))
    columns, patterns = [last], []
    for step in reversed(steps):
        patterns.append(step.positive[:, columns[-1]])
        columns.append(step.parent[columns[-1]])
    columns, patterns = columns[::-1], patterns[::-1]
    worst, num_bends = 0.0, 0
    truths = [
        exact_along(layers, starts[line].tolist(), ends[line].tolist(), [p[:, i].tolist() for p in patterns], member)
        for i, line in enumerate(lines[-1].tolist())
    ]
    for index, (layer, functions) in enumerate(zip(layers, found, strict=True)):
        num = functions.digits.shape[2] // 2
        for i in last.tolist():
            column = int(columns[num_bends][i])
            for part in (0, 1):
                bound = check(base, functions, column + part * num, [line[part] for line in truths[i][index]])
                worst = max(worst, bound) if index == len(layers) - 1 else worst
        num_bends += layer.bends
    return worst


@pytest.mark.parametrize("below", [0.0, -1.0, 0.3, 2.0])
@pytest.mark.parametrize("most", [1, 2, 4, 9])
def test_pre_activations_are_no_further_off_than_they_say(below: float, most: int) -> None:
    layers = random_unit_layers([3, 6, 5, 6, 2], np.random.default_rng(0), below)
    layers[1].slope[0, :2] = 1  # passed through
    layers[-1] = UnitLayer(layers[-1].weight, layers[-1].bias, np.ones((1, 2)))
    worst = check_all(layers, Base(22, most), seed=most)
    assert (worst < 2.0 ** (-22 * (most - 2) + 10)) or most == 1


@pytest.mark.slow
@given(
    seed=st.integers(0, 2**32),
    exponents=st.lists(st.sampled_from([0, 0, 3, -40, 60, -320, 300, -1070, 1000]), min_size=7, max_size=7),
    below=st.sampled_from([0.0, -1.0, 0.01, 1e-300]),
    most=st.integers(1, 7),
)
def test_huge_and_tiny_numbers_prove_nothing_wrong(seed: int, exponents: list[int], below: float, most: int) -> None:
    layers = random_unit_layers([2, 3, 4, 1], np.random.default_rng(seed), below)
    for layer, weight, bias in zip(layers, exponents[:3], exponents[3:6], strict=True):
        layer.weight[...] = np.ldexp(layer.weight, weight)
        layer.bias[...] = np.ldexp(layer.bias, bias)
        layer.weight[0, 0] *= 2.0**-30
    check_all(layers, Base(20, most), seed, scale=2.0 ** (exponents[6] // 2))


def test_sparse_weights_and_a_second_member() -> None:
    random = np.random.default_rng(5)
    sparse = random.normal(size=(2, 20, 20)) * (random.random((2, 20, 20)) < 0.04)
    layers = [
        UnitLayer(random.normal(size=(2, 20, 2)), random.normal(size=(2, 20)), np.zeros((2, 20))),
        UnitLayer(sparse, random.normal(size=(2, 20)), np.zeros((2, 20))),
        UnitLayer(random.normal(size=(2, 1, 20)), random.normal(size=(2, 1)), np.ones((2, 1))),
    ]
    assert (np.count_nonzero(sparse, axis=(1, 2)) < 25).all()
    for member in (0, 1):
        assert check_all(layers, Base(22, 5), seed=0, member=member) < 2.0**-60


def test_digits_where_few_numbers_are_not_zero() -> None:
    # Units that pass a value on beside others, rows and columns of zeros, and large numbers here and there.
    random = np.random.default_rng(6)
    mixed = random.normal(size=(12, 12)) / 8
    mixed[:3], mixed[:, 8:], mixed[7] = np.eye(12)[9:], 0, 0
    mixed[9:, 10] = 1000
    scattered = np.diag(random.normal(size=12)) + np.diag(random.normal(size=9), 3)
    layers = [
        UnitLayer(random.normal(size=(1, 12, 2)), random.normal(size=(1, 12)), np.zeros((1, 12))),
        UnitLayer(mixed[None], random.normal(size=(1, 12)), np.zeros((1, 12))),
        UnitLayer(scattered[None], random.normal(size=(1, 12)), np.zeros((1, 12))),
    ]
    assert check_all(layers[:2], Base(22, 6), seed=1) < 2.0**-60
    assert check_all(layers, Base(22, 6), seed=1) < 2.0**-60
    nothing = UnitLayer(np.zeros((1, 2, 12)), random.normal(size=(1, 2)), np.ones((1, 2)))
    check_all([*layers, nothing], Base(22, 6), seed=1)


def test_digits_are_enough_for_what_layers_stretch() -> None:
    # Each layer stretches errors 8-fold: 3 bits of 22, for each of them, and two digits and 64 bits to spare.
    layers = [UnitLayer(8 * np.eye(64)[None], np.zeros((1, 64)), np.zeros((1, 64))) for _ in range(60)]
    network = DigitNetwork(layers)
    bases = network.bases(60)
    assert bases is not None
    for index, base in enumerate(bases):
        remaining = 60 - index
        assert base.bits == 22
        assert base.most >= 2 + (64 + 3 * remaining) / 22
        assert base.most <= 4 + (64 + 4 * remaining) / 22  # norms are bounded by up to twice as much
    assert network.bases(7) == bases[:7]  # so that what is known of seven layers serves for more


def test_a_layer_that_no_digits_are_enough_for_leaves_those_before_it_theirs() -> None:
    huge = UnitLayer(np.full((1, 2, 2), 1e300), np.zeros((1, 2)), np.zeros((1, 2)))
    layers = [UnitLayer(np.eye(2)[None], np.zeros((1, 2)), np.zeros((1, 2))), huge, huge]
    assert DigitNetwork(layers).bases(3) is None
    bases = DigitNetwork(layers).bases(2)
    assert bases is not None
    assert [base.most for base in bases] == [64, 64]


def test_numbers_that_no_digits_are_enough_for_have_no_base() -> None:
    huge = UnitLayer(np.full((1, 2, 2), 1e300), np.zeros((1, 2)), np.zeros((1, 2)))
    assert DigitNetwork([huge, huge]).bases(2) is None


@pytest.mark.parametrize("num_off", [1, 5, 12])
def test_products_without_inputs_that_are_off_are_bit_for_bit_those_with_them(num_off: int) -> None:
    random = np.random.default_rng(num_off)
    layer = UnitLayer(random.normal(size=(1, 7, 12)), random.normal(size=(1, 7)), np.zeros((1, 7)))
    base = Base(20, 5)
    digits = random.integers(-(2**19), 2**19, size=(5, 12, 8)).astype(np.float64)
    digits[:, random.permutation(12)[:num_off]] = 0
    inputs = Digits(digits, 0, np.zeros(8))
    found = []
    for most in (1.1, 0.0):  # without them if there is one, or never
        with patch.object(digit_network, "_MOST_ON", most):
            found.append(DigitNetwork([layer]).affine(base, 0, inputs))
    assert found[0].digits.tobytes() == found[1].digits.tobytes()
    assert found[0].error.tobytes() == found[1].error.tobytes()
