"""How far errors reach: beside errors that are put into networks and followed in exact fractions."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from dlcourse.pieces.arithmetic import reach
from dlcourse.pieces.arithmetic.reach import Does, Errors, Reach
from dlcourse.pieces.arithmetic.rounding import norm

SLOPES = (0.0, 1.0, 0.3, -2.7, 1e-310)


def exactly(numbers: np.ndarray) -> np.ndarray:
    return np.vectorize(Fraction, otypes=[object])(numbers)


def of_size(rng: np.random.Generator, units: int, size: float) -> np.ndarray:
    """A vector, whose entries are no longer than `size` together; or one that has but one entry."""
    vector = rng.normal(size=units) * (rng.random(units) < rng.random())
    return vector * (size / (2 * np.linalg.norm(vector))) if vector.any() else vector


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["dense", "sparse"]),
    st.sampled_from([0.0, 50.0, np.inf]),
    st.sampled_from([0.0, 10.0]),
)
def test_errors_on_every_piece_are_within_the_bounds(seed: int, kind: str, most_products: float, felt: float) -> None:
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 6, size=int(rng.integers(2, 7))).tolist()
    scales = 10.0 ** rng.integers(-160, 160, size=len(widths)) if rng.random() < 0.3 else np.ones(len(widths))
    weights = [rng.normal(size=(b, a)) * s for a, b, s in zip(widths, widths[1:], scales[1:], strict=False)]
    slopes = [rng.choice(SLOPES, size=width) for width in widths[1:]]
    num_pieces = int(rng.integers(1, 5))
    # Units that are on everywhere, or nowhere, or on some pieces.
    some = [rng.random((len(slope), 1)) < rng.choice([0.0, 0.5, 1.0], size=(len(slope), 1)) for slope in slopes]
    on = [each | (rng.random((len(each), num_pieces)) < 0.3 * rng.integers(0, 2)) for each in some]
    does = [np.where(each, 1.0, slope[:, None]) for each, slope in zip(on, slopes, strict=True)]
    rounded = 10.0 ** rng.integers(-20, 20, size=len(weights))

    found, bounds, errors = Reach(), [], Errors.none(1)
    limits = {"_FELT": felt, "_MOST_PRODUCTS": most_products}
    with patch.multiple(reach, **limits), np.errstate(all="ignore"):  # bounds may overflow
        for index, weight in enumerate(weights):
            before = Does(does[index - 1].min(axis=1), does[index - 1].max(axis=1)) if index else None
            stored: Any = csr_array(weight) if kind == "sparse" else weight
            reached = found.add(stored, float(norm(weight[None], weight.size)[0]), before)
            errors = errors.after(reached, rounded[index : index + 1])
            bounds.append(errors)
    for piece in range(num_pieces):
        off = exactly(np.zeros(widths[0]))
        for index, (weight, bound) in enumerate(zip(weights, bounds, strict=True)):
            multiplied = off if index == 0 else exactly(does[index - 1][:, piece]) * off
            off = exactly(weight) @ multiplied + exactly(of_size(rng, len(weight), rounded[index]))
            for entry, most in zip(off, bound.units[:, 0], strict=True):
                assert not np.isfinite(most) or abs(entry) <= Fraction(float(most))
            assert not np.isfinite(bound.length[0]) or sum(off**2) <= Fraction(float(bound.length[0])) ** 2


def he_layers(depth: int, width: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(width, width)) * np.sqrt(2 / width) for _ in range(depth)]


def grown(weights: list[np.ndarray], does: Callable[[int], Does]) -> float:
    """The largest bound after the last layer, if every layer rounds by 1."""
    found, errors = Reach(), Errors.none(1)
    for index, weight in enumerate(weights):
        reached = found.add(weight, float(norm(weight[None], weight.size)[0]), does(index) if index else None)
        errors = errors.after(reached, np.ones(1))
    return float(errors.units.max())


def test_where_no_unit_changes_the_bounds_are_those_of_the_product_of_all_layers() -> None:
    weights = he_layers(40, 32)
    half = np.arange(32) % 2.0
    product, total = np.eye(32), 0.0
    for weight in weights[:0:-1]:
        total += np.linalg.norm(product, 2)
        product = product @ (weight * half)
    total += np.linalg.norm(product, 2)
    with patch.object(reach, "_FELT", 0.0):
        largest = grown(weights, lambda index: Does(half, half))
    # The largest row is no longer than the matrix's norm, and no shorter than that over the root of the rows.
    assert total / np.sqrt(32) <= largest <= total * (1 + 3 * 2.0**-20)
    assert largest < 2**-30 * np.prod([np.linalg.norm(weight * half, 2) for weight in weights])


def test_where_all_units_change_they_are_no_worse_than_those_of_norms() -> None:
    weights, by_norms = he_layers(12, 16), 1.0
    for weight in weights[1:]:
        by_norms = 1 + by_norms * float(norm(weight[None], weight.size)[0])
    assert grown(weights, lambda index: Does(np.zeros(16), np.ones(16))) <= by_norms * (1 + 3 * 12 * 2.0**-20)


@patch.object(reach, "_FELT", -1.0)
@pytest.mark.parametrize("is_sparse", [False, True])
def test_two_layers_by_hand(is_sparse: bool) -> None:
    weight = np.array([[3.0, 4.0], [0.0, 1.0]])
    stored: Any = csr_array(weight) if is_sparse else weight
    found = Reach()
    first = found.add(stored, 6.0, None)
    second = found.add(stored, 6.0, Does(np.array([1.0, 0.0]), np.array([1.0, 1.0])))
    # The second unit is multiplied by something from 0 to 1, the middle of which is 1/2: (3, 2) and (0, 1/2) are left.
    assert first.begins and not second.begins
    assert second.changing.tolist() == [1]
    assert second.width == pytest.approx([0.5], rel=2.0**-19)
    assert second.by_source == pytest.approx(np.array([[np.sqrt(13), 1], [0.5, 1]]), rel=2.0**-19)
    assert second.by_change.tolist() == [[4], [1]]
    errors = Errors.none(1).after(first, np.array([1.0])).after(second, np.array([0.25]))
    assert errors.units == pytest.approx(np.array([[np.sqrt(13) + 0.25 + 2], [0.5 + 0.25 + 0.5]]), rel=2.0**-18)
    of_the_first = found.keep(np.array([0]))
    assert of_the_first.by_source.tolist() == second.by_source[:1].tolist()
    third = found.add(weight[:, :1], 3.0, Does(np.ones(1), np.ones(1)))
    assert third.by_source == pytest.approx(np.array([[3 * np.sqrt(13), 3, 1], [0, 0, 1]]), rel=2.0**-19, abs=2.0**-499)
    assert third.by_change.tolist() == [[12], [0]]
    fourth = found.add(weight, 6.0, Does(np.zeros(2), np.zeros(2)))  # all are off: nothing gets through
    assert fourth.by_source[:, :3] == pytest.approx(np.zeros((2, 3)), abs=2.0**-499)
    assert not fourth.by_change.any()


def test_slopes_whose_products_vanish_let_errors_through() -> None:
    """5e-324 times 0.1 is 0 in floats, and times an error of 1e250 it is not."""
    found, least = Reach(), np.array([5e-324])
    first = found.add(np.array([[1.0]]), 1.0, None)
    second = found.add(np.array([[0.1]]), 0.1, Does(least, least))
    errors = Errors.none(1).after(first, np.array([1e250])).after(second, np.zeros(1))
    exact = Fraction(0.1) * Fraction(5e-324) * Fraction(1e250)
    assert Fraction(float(errors.units[0, 0])) >= exact
    assert Fraction(float(errors.length[0])) >= exact
