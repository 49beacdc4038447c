"""The bounds that signs are proven with."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from marks import examples
from scipy.sparse import csr_array

from dlcourse.pieces.arithmetic.integers import integers
from dlcourse.pieces.arithmetic.rounding import (
    SLACK,
    close_norm,
    frobenius,
    grows,
    norm,
    quantum,
    roundings,
    roundings_by_length,
)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([2.0, -4.0], 2.0),
        ([0.0, -0.75, 6.0], 0.25),
        ([0.0, 0.0], math.inf),
        ([2.0**25 + 1], 1.0),
        ([2.0**26 + 1], 0.0),
        ([1.0, 2.0**-25], 2.0**-25),
        ([1.0, 2.0**-26], 0.0),
        ([0.1], 0.0),
        ([1e300], 0.0),
        ([2.0**-1074, 2.0**-1073], 0.0),
    ],
)
def test_quantum(numbers: list[float], expected: float) -> None:
    with np.errstate(all="ignore"):
        assert quantum(np.array([numbers, numbers]).T).tolist() == [expected, expected]


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (16, 16), (40, 20), (20, 40)])
@pytest.mark.parametrize("num_vectors", [2, 1000])
def test_norm_is_a_bound_and_not_a_loose_one(shape: tuple[int, int], num_vectors: int) -> None:
    weight = np.random.default_rng(0).normal(size=(5, *shape))
    true = np.linalg.norm(weight, 2, axis=(1, 2))
    bound = SLACK * norm(weight, num_vectors)
    assert (bound >= true).all()
    assert (bound <= 1.1 * true).all()


def test_norm_of_layers_that_pass_their_inputs_on_is_close() -> None:
    weight = np.random.default_rng(0).uniform(-1 / 8, 1 / 8, size=(3, 64, 64))  # as torch draws them
    passed_on = np.broadcast_to(np.eye(64), weight.shape)
    for layer in (passed_on, np.concatenate([passed_on, weight], axis=1), np.concatenate([passed_on, weight], axis=2)):
        true = np.linalg.norm(layer, 2, axis=(1, 2))
        bound = SLACK * norm(layer, 64)
        assert (bound >= true).all()
        assert (bound <= 1.1 * true).all()  # |(W W^T)^2|_F^(1/4) of the identity is 64^(1/8) = 1.68


@pytest.mark.parametrize(("squared", "most"), [(False, 1.7), (True, 1.35)])
@pytest.mark.parametrize("passed_on", ["rows", "columns", "all", "nothing"])
def test_close_norm_of_convolutions_is_a_bound_and_closer(passed_on: str, squared: bool, most: float) -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(4, 4, 3, padding=1, bias=False).double()
    images = torch.eye(4 * 64, dtype=torch.float64).reshape(-1, 4, 8, 8)
    dense = convolution(images).detach().numpy().reshape(4 * 64, -1).T
    one = np.eye(4 * 64)
    weight = {"rows": np.vstack([one, dense]), "columns": np.hstack([-2 * one, dense]), "all": one, "nothing": dense}
    true = np.linalg.norm(weight[passed_on], 2)
    sparse = (csr_array(weight[passed_on]), csr_array(np.zeros_like(weight[passed_on])))
    close, zero = SLACK * close_norm(sparse, squared=squared)
    assert true <= close <= most * true
    assert passed_on == "all" or close <= 0.65 * norm(sparse, 0)[0]
    assert 0 < zero < 1e-25


@given(seed=st.integers(0, 2**32 - 1))
@examples(30)
def test_close_norm_of_any_sparse_matrix_is_a_bound(seed: int) -> None:
    random = np.random.default_rng(seed)
    weight = random.normal(size=random.integers(1, 12, size=2)) * 10.0 ** random.integers(-3, 4)
    weight *= random.random(weight.shape) < random.random()
    for squared in (False, True):
        assert SLACK * close_norm((csr_array(weight),), squared=squared)[0] >= np.linalg.norm(weight, 2)


def test_norm_of_wide_layers_is_a_bound() -> None:
    weight = np.random.default_rng(0).normal(size=(2, 100, 70))
    assert (SLACK * norm(weight, 2) >= np.linalg.norm(weight, 2, axis=(1, 2))).all()


def test_frobenius_norms_are_good_enough_for_few_layers() -> None:
    weight = np.random.default_rng(0).normal(size=(2, 20, 20)) / 20**0.5
    bound = frobenius(weight)  # each is about 4.5, and 4.5^9 < 2^20 < 4.5^14
    assert (SLACK * bound >= np.linalg.norm(weight, 2, axis=(1, 2))).all()
    assert not grows([bound] * 9)
    assert grows([bound] * 14)
    assert grows([bound * np.nan])


def test_norm_of_numbers_whose_powers_vanish_is_a_bound() -> None:
    weight = np.full((1, 3, 3), 1e-60)
    with np.errstate(all="ignore"):
        assert (SLACK * norm(weight, 2) >= np.linalg.norm(weight, 2, axis=(1, 2))).all()


def test_norm_of_numbers_whose_powers_overflow_is_as_close() -> None:
    weight = np.random.default_rng(0).normal(size=(2, 20, 10))
    weight[1] *= 2.0**-1000
    bound = norm(weight * 2.0**900, 1000)
    assert np.ldexp(bound, [-900, 100]).tolist() == norm(weight * [[[1.0]], [[2.0**1000]]], 1000).tolist()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3)])
def test_norm_of_nothing(shape: tuple[int, int]) -> None:
    assert (norm(np.zeros((2, *shape)), 5) < 1e-20).all()
    assert close_norm((csr_array(shape),), squared=True) < 1e-20


def test_integers_are_the_numbers() -> None:
    numbers = np.array([[0.1, -3.0], [2.0**-1074, 1e300]])
    whole, denominator = integers(numbers)
    assert [[number / denominator for number in row] for row in whole] == numbers.tolist()
    assert denominator == 2**1074


@pytest.mark.parametrize("of_length", [False, True])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_roundings_are_bounds(of_length: bool, is_sparse: bool) -> None:
    def bounds(weight: np.ndarray, bias: np.ndarray) -> list[float]:
        stored = (csr_array(weight[0]),) if is_sparse else weight
        sizes = np.abs(weight).sum(axis=2)
        found = roundings_by_length(stored, bias) if of_length else roundings(stored, bias, sizes)
        return [float(of_member) for (of_member,) in found]

    generator = np.random.default_rng(0)
    weight, bias = generator.normal(size=(1, 40, 30)), generator.normal(size=(1, 40))
    weight[:, :20] *= generator.random((20, 30)) < 0.1
    weight[0, 20:30], bias[0, 20:30] = np.eye(30)[:10] * -4.0, 0
    x = generator.normal(size=30)
    by_weights, by_biases = bounds(weight, bias)
    exact = [
        sum((Fraction(w) * Fraction(v) for w, v in zip(row, x, strict=True)), Fraction(b))
        for row, b in zip(weight[0], bias[0], strict=True)
    ]
    rounded = weight[0] @ x + bias[0]
    errors = [float(Fraction(value) - truth) for value, truth in zip(rounded, exact, strict=True)]
    assert errors[20:30] == [0.0] * 10
    size = np.linalg.norm(x) if of_length else np.abs(x).max()
    assert 0 < np.linalg.norm(errors) <= by_weights * size + by_biases
    assert max(bounds(weight[:, 20:30], bias[:, 20:30])) < 1e-40
