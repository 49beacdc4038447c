"""Remainders modulo a prime against fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import random_unit_layers

from dlcourse.pieces.arithmetic.remainders import MOST_INPUTS, PRIME, differ, reduced, remainders, slopes_through
from dlcourse.pieces.layer import Step


def remainder(number: Fraction) -> int:
    return number.numerator * pow(number.denominator, -1, PRIME) % PRIME


def test_the_prime_is_one() -> None:
    assert all(PRIME % divisor for divisor in range(2, int(PRIME**0.5) + 1))


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_remainders_are_those_of_the_fractions(numbers: list[float]) -> None:
    found = remainders(np.array(numbers))
    assert [int(one) % PRIME for one in found] == [remainder(Fraction(number)) for number in numbers]
    assert (np.abs(found) <= PRIME / 2 + 1).all()


@given(whole=st.integers(-(2**53) + 1, 2**53 - 1))
def test_whole_numbers_are_reduced(whole: int) -> None:
    found = float(reduced(np.array([float(whole)]))[0])
    assert int(found) == found and abs(found) <= PRIME / 2 + 1
    assert int(found) % PRIME == whole % PRIME


def test_the_largest_sums_are_exact() -> None:
    assert MOST_INPUTS * (PRIME // 2 + 1) ** 2 < 2**53


def test_equal_numbers_never_differ() -> None:
    assert differ(np.array([1.0, 1.0, 5.0]), np.array([1.0 - PRIME, 2.0, 5.0])).tolist() == [False, True, False]


@pytest.mark.parametrize("below", [0.0, -1.0, 0.3])
def test_slopes_are_those_of_fractions(below: float) -> None:
    random = np.random.default_rng(1)
    layers = random_unit_layers([2, 4, 3, 2], random, below)
    starts, ends = random.normal(size=(2, 1, 2))
    steps = [
        Step(np.array([0, 0]), random.random((4, 2)) < 0.5),
        Step(np.array([0, 0, 1]), random.random((3, 3)) < 0.5),
    ]
    steps.append(Step(np.arange(3), np.ones((2, 3), dtype=bool)))
    found = slopes_through(layers, reduced(remainders(ends.T) - remainders(starts.T)), steps)

    for interval, before in enumerate([0, 0, 1]):
        slopes = [Fraction(b) - Fraction(a) for a, b in zip(starts[0].tolist(), ends[0].tolist(), strict=True)]
        for layer, step, column in zip(layers, steps, [before, interval, interval], strict=True):
            rows = layer.weight[0].tolist()
            slopes = [sum(Fraction(w) * s for w, s in zip(row, slopes, strict=True)) for row in rows]
            on = step.positive[:, column].tolist()
            slopes = [s if here else s * Fraction(below) for s, here in zip(slopes, on, strict=True)]
        assert [int(one) % PRIME for one in found[:, interval]] == [remainder(s) for s in slopes]
