"""Numbers of several digits against fractions: never further off than they say."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dlcourse.pieces.arithmetic.digits import MOST_DIGITS, MOST_FACTORS, Base, Digits, base_for

BASES = st.sampled_from([Base(bits, most) for bits in (18, 22, 24) for most in (1, 2, 3, 7)])
FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.floats(-2, 2), st.integers(-9, 9).map(float), st.just(5e-324)
)


def exact(base: Base, digits: list[float], place: int) -> Fraction:
    """The number that digits stand for."""
    unit = Fraction(2) ** base.bits
    return unit**place * sum((Fraction(digit) / unit ** (j + 1) for j, digit in enumerate(digits)), Fraction(0))


def numbers_of(base: Base, numbers: Digits) -> list[list[Fraction]]:
    return [
        [exact(base, column, numbers.place) for column in unit.T.tolist()] for unit in numbers.digits.transpose(1, 0, 2)
    ]


def errors_of(base: Base, numbers: Digits) -> list[Fraction]:
    """The bounds, in units of 1; they are finite in these tests."""
    return [Fraction(error) * (Fraction(2) ** base.bits) ** numbers.place for error in numbers.error.tolist()]


def as_digits(base: Base, values: list[float]) -> Digits:
    """One unit's numbers, with bounds for what is left out."""
    parts, place, left = base.split(np.array([values]), base.most)
    return Digits(np.stack(parts), place, np.abs(left[0]) * base.below(len(parts)) + 2.0**-1000)


@given(base=BASES, numbers=st.lists(FLOATS, min_size=1, max_size=5), most=st.integers(1, 8))
def test_floats_are_their_digits_and_what_these_leave(base: Base, numbers: list[float], most: int) -> None:
    digits, place, left = base.split(np.array(numbers), most)
    assert 1 <= len(digits) <= most
    unit = Fraction(2) ** base.bits
    for i, number in enumerate(numbers):
        here = [float(digit[i]) for digit in digits]
        assert all(digit == int(digit) and abs(digit) <= unit / 2 for digit in here)
        rest = Fraction(float(left[i])) * unit ** (place - len(digits))
        assert abs(exact(base, here, place) + rest - Fraction(number)) <= Fraction(2) ** -1000 * unit**place
        assert abs(left[i]) <= 0.5


LARGEST_SUM = 2**53 - 2**36  # a carry more is below 2^53


@given(base=BASES, terms=st.lists(st.integers(-LARGEST_SUM, LARGEST_SUM), min_size=6, max_size=42))
def test_carries_do_not_change_sums(base: Base, terms: list[int]) -> None:
    num_terms = len(terms) // 6
    sums = np.zeros((2 + num_terms, 2, 3))
    sums[2:] = np.reshape(np.array(terms[: 6 * num_terms], dtype=float), (num_terms, 2, 3))
    before = [[exact(base, column, 5) for column in unit.T.tolist()] for unit in sums.transpose(1, 0, 2)]
    numbers = base.carried(sums.copy(), 5, np.zeros(3))
    assert len(numbers.digits) <= base.most
    assert (np.abs(numbers.digits) <= 2.0 ** (base.bits - 1)).all()
    for column, error in enumerate(errors_of(base, numbers)):
        off = [rows[column] - old[column] for rows, old in zip(numbers_of(base, numbers), before, strict=True)]
        assert sum(one**2 for one in off) <= error**2


@given(base=BASES, factors=st.lists(FLOATS, min_size=3, max_size=3), numbers=st.lists(FLOATS, min_size=3, max_size=3))
@example(base=Base(18, 2), factors=[0.0, 5e-324, 5e-324], numbers=[5e-324, 5e-324, 2.481468751386545e-194])
def test_products_with_floats(base: Base, factors: list[float], numbers: list[float]) -> None:
    with np.errstate(all="ignore"):
        products = base.times(np.array([factors]), as_digits(base, numbers))
        if not np.isfinite(products.error).all():
            return
    found, errors = numbers_of(base, products)[0], errors_of(base, products)
    for one, error, factor, number in zip(found, errors, factors, numbers, strict=True):
        assert abs(one - Fraction(factor) * Fraction(number)) <= error


@pytest.mark.parametrize("bits", [18, 22, 24])
def test_more_digits_are_closer(bits: int) -> None:
    # 1/3 times 1/3 as floats, whose product has 106 bits: seven digits hold all of them, two or three do not.
    for most in (2, 3, 5, 7):
        base = Base(bits, most)
        product = base.times(np.array([[1 / 3]]), as_digits(base, [1 / 3]))
        off = abs(numbers_of(base, product)[0][0] - Fraction(1 / 3) ** 2)
        assert off <= errors_of(base, product)[0] <= Fraction(2) ** (-bits * (most - 1))
        assert off == 0 if most == 7 else most == 5 or off > 0


@given(base=BASES, number=FLOATS)
def test_floats_made_of_digits(base: Base, number: float) -> None:
    parts, place, _ = base.split(np.array([[number]]), base.most)
    digits = np.stack(parts)
    (found,), truth = base.floats(digits)[0].tolist(), exact(base, digits[:, 0, 0].tolist(), 0)
    assert abs(Fraction(found) - truth) <= abs(truth) * Fraction(2) ** -51
    assert place > -100


@given(base=BASES, numbers=st.lists(FLOATS, min_size=6, max_size=6))
def test_numbers_with_several_places_side_by_side(base: Base, numbers: list[float]) -> None:
    one, other = as_digits(base, numbers[:2]), as_digits(base, numbers[2:])
    columns = np.array([4, 1]), np.array([0, 5, 3, 2])
    with np.errstate(all="ignore"):
        found = base.together([(columns[0], one), (columns[1], other)])
    if not np.isfinite(found.error).all():
        return
    assert len(found.digits) <= base.most
    exactly, errors = numbers_of(base, found)[0], errors_of(base, found)
    for column, number in zip(np.concatenate(columns).tolist(), numbers, strict=True):
        assert abs(exactly[column] - Fraction(number)) <= errors[column]
    if not any(numbers[:2]) or not any(numbers[2:]):
        return  # zeros have any place
    largest = max(map(abs, map(Fraction, numbers)))
    assert max(errors) <= 2 * max(largest * Fraction(2) ** (-base.bits * (base.most - 2)), Fraction(2) ** -900)


@pytest.mark.parametrize("widest", [1, 16, 17, 64, 1000, 2**12])
def test_the_largest_sums_are_exact(widest: int) -> None:
    # All digits are as large as they may be, all products have one sign, and there is a bias's digit and a carry more.
    base = base_for(widest, 9)
    assert base is not None
    digit = 2 ** (base.bits - 1)
    sum_ = MOST_FACTORS * max(widest, 16) * digit**2 + digit
    assert sum_ + 2 * sum_ // 2**base.bits < 2**53
    pairs = 2 * MOST_DIGITS * digit**2  # of the products of two numbers, less those of two others
    assert pairs + 2 * pairs // 2**base.bits < 2**53
    row, column = np.full((1, widest), float(digit)), np.full((widest, 1), float(digit))
    assert float((row @ column)[0, 0]) == widest * digit**2
    more_would_not_do = 2 * (base.bits + 1) + math.log2(MOST_FACTORS / 4 * max(widest, 16))
    assert more_would_not_do > 52


def test_too_many_inputs_have_no_base() -> None:
    assert base_for(2**15, 5) is not None
    assert base_for(2**15 + 1, 5) is None
