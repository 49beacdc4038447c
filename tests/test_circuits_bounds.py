import math
from decimal import Decimal, localcontext
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.circuits import best_blocks, num_block_gates, num_gates, parity_dnf, parity_tree, without_xor
from dlcourse.circuits.bounds import (
    any_depth_lower_bound,
    depth_2_gates,
    fan_in_2_gates,
    hastad_exponent,
    hastad_is_vacuous,
    hastad_says_something_from,
    necessary_depth,
    sufficient_depth,
    threshold_depth,
    upper_bound,
)

EXPONENT_TOLERANCE = 1e-13  # of a power of two whose exponent, below 1000, comes from two logarithms and a quotient


def fewest_gates_by_brute_force(num_bits: int, most: int) -> int:
    """The fewest ANDs with free NOTs (which make ORs as well) for parity, from all sets of functions in reach.

    A function is its truth table as an integer, the smaller of it and its negation.
    """
    num_rows = 2**num_bits
    everything = 2**num_rows - 1
    rows = list(product([0, 1], repeat=num_bits))
    inputs = [sum(row[i] << place for place, row in enumerate(rows)) for i in range(num_bits)]
    parity = sum(sum(row) % 2 << place for place, row in enumerate(rows))

    def literals(functions: frozenset[int]) -> list[int]:
        return [value for f in functions for value in (f, everything ^ f)]

    reached = {frozenset(min(f, everything ^ f) for f in inputs)}
    for num_ands in range(1, most + 1):
        for functions in reached:
            for target in (parity, everything ^ parity):
                implied = everything  # the smallest function that an AND of some of these can be above the target
                for literal in literals(functions):
                    if target & ~literal == 0:
                        implied &= literal
                if implied == target:
                    return num_ands
        larger = set()
        for functions in reached:
            products = {everything}
            for literal in literals(functions):
                products |= {each & literal for each in products}
            larger |= {functions | {min(each, everything ^ each)} for each in products}
        reached = larger - reached
    return most + 1


@pytest.mark.parametrize(("num_bits", "fewest"), [(2, 3), (3, 5)])
def test_any_depth_lower_bound_against_brute_force(num_bits: int, fewest: int) -> None:
    assert fewest_gates_by_brute_force(num_bits, most=4) == fewest == any_depth_lower_bound(num_bits)
    assert num_block_gates(best_blocks(num_bits, 9)) == fewest


@pytest.mark.parametrize(("num_bits", "fewest"), [(2, 3), (3, 5), (4, 8), (5, 10), (6, 12)])
def test_any_depth_lower_bound_is_below_the_reported_minima(num_bits: int, fewest: int) -> None:
    # Kombarov, Theoretical Computer Science Stack Exchange 26026
    assert any_depth_lower_bound(num_bits) <= fewest <= num_block_gates(best_blocks(num_bits, 9))


def test_exact_numbers() -> None:
    assert [depth_2_gates(d) for d in (2, 4, 8, 16)] == [3, 9, 129, 32_769]
    assert all(depth_2_gates(d) == num_gates(parity_dnf(d)) for d in range(2, 9))
    assert fan_in_2_gates(4, count_nots=False) == 9 and fan_in_2_gates(4, count_nots=True) == 12
    circuit = without_xor(parity_tree(11), one_not=True)
    assert fan_in_2_gates(11, count_nots=True) == num_gates(circuit, count_nots=True)


class TestHastad:
    @pytest.mark.parametrize("depth", [2, 3, 5, 8])
    @pytest.mark.parametrize("exponent", [1, 2, 7])
    def test_exponent(self, depth: int, exponent: int) -> None:
        num_bits = 10**depth * exponent ** (depth - 1)
        assert hastad_exponent(num_bits, depth) == pytest.approx(exponent, rel=EXPONENT_TOLERANCE)

    def test_sixty_four_bits_in_depth_3(self) -> None:
        assert hastad_exponent(64, 3) == pytest.approx(0.25, abs=0.005)  # a bound of 1.2 gates

    @pytest.mark.parametrize(("depth", "num_bits"), [(2, 1_112), (3, 381_927), (4, 239_808_211)])
    def test_says_something_from(self, depth: int, num_bits: int) -> None:
        assert hastad_says_something_from(depth) == num_bits
        with localcontext() as context:
            context.prec = 60

            def gap(d: int) -> Decimal:
                exponent = (Decimal(d) / 10**depth) ** (Decimal(1) / (depth - 1))
                return exponent - Decimal(2 * d - 1).ln() / Decimal(2).ln()

            assert gap(num_bits - 1) <= 0 < gap(num_bits)
        assert hastad_is_vacuous(num_bits - 1, depth) and not hastad_is_vacuous(num_bits, depth)
        assert hastad_is_vacuous(2, depth) and not hastad_is_vacuous(10 * num_bits, depth)

    @given(st.integers(2, 10**30), st.integers(2, 30))
    def test_is_below_the_upper_bound(self, num_bits: int, depth: int) -> None:
        if num_bits ** (1 / (depth - 1)) < 1e5:  # else the number of gates has more digits than are worth writing
            assert hastad_exponent(num_bits, depth) < math.log2(upper_bound(num_bits, depth))


class TestUpperBound:
    # blocks of equal sizes b with b^(k-1) = d, as in tests/test_circuits_blocks.py
    @pytest.mark.parametrize(
        ("num_bits", "depth", "gates"),
        [(4, 2, 9), (4, 3, 11), (8, 2, 129), (8, 4, 27), (9, 3, 29), (16, 2, 32_769), (16, 3, 73), (16, 5, 59)],
    )
    def test_equal_blocks(self, num_bits: int, depth: int, gates: int) -> None:
        assert upper_bound(num_bits, depth) == gates

    def test_blocks_of_ten_bits(self) -> None:
        # depth 4: three levels of blocks of at most 3; 4 blocks of the bits, 2 of these, one of all: 1 + 4 + 8 (4 + 2)
        assert upper_bound(10, 4) == 53

    @pytest.mark.parametrize("num_bits", [2, 3, 7, 16, 23, 40])
    def test_is_attained(self, num_bits: int) -> None:
        for depth in range(2, 8):
            assert num_block_gates(best_blocks(num_bits, depth)) <= upper_bound(num_bits, depth)

    def test_exact_roots_of_large_numbers(self) -> None:
        # 10^30 = (10^5)^6, one more needs blocks of 100,001
        assert upper_bound(10**30, 7).bit_length() < upper_bound(10**30 + 1, 7).bit_length()


class TestThreshold:
    def test_the_slides_formula(self) -> None:
        # d - 1 = 2^4, 2^8, 2^16: 4/2, 8/3, 16/4; with the constant 2: 4/(2 + 2)
        assert threshold_depth(17) == 2 and threshold_depth(65_537) == 4
        assert threshold_depth(257) == pytest.approx(8 / 3, rel=1e-15)
        assert threshold_depth(17, constant=2.0) == 1
        assert threshold_depth(4) > threshold_depth(16)  # it means nothing for few bits

    @pytest.mark.parametrize("num_bits", [16, 10**3, 10**6, 10**12, 10**30, 10**100])
    def test_lies_between_what_is_proved(self, num_bits: int) -> None:
        necessary = necessary_depth(num_bits, num_bits**2)
        assert necessary <= math.ceil(threshold_depth(num_bits)) <= sufficient_depth(num_bits, num_bits**2) + 1

    def test_necessary_depth(self) -> None:
        # a million bits, 10^12 gates = 2^39.9: the exponent is 10^4 for depth 2 and sqrt(1000) = 31.6 for depth 3
        assert necessary_depth(10**6, 10**12) == 3
        assert necessary_depth(10**6, 2**31) == 4 and necessary_depth(16, 31) == 2

    def test_sufficient_depth(self) -> None:
        assert [sufficient_depth(16, gates) for gates in (32_769, 73, 72, 59)] == [2, 3, 4, 5]


def test_errors() -> None:
    for refused in (depth_2_gates, any_depth_lower_bound):
        with pytest.raises(ValueError, match="num_bits must be at least 2, got 1"):
            refused(1)
    with pytest.raises(ValueError, match="depth must be at least 2, got 1"):
        hastad_exponent(4, 1)
    with pytest.raises(ValueError, match="num_gates must be at least 59 for 16 bits, got 58"):
        sufficient_depth(16, 58)
    with pytest.raises(ValueError, match="num_gates must be at least 31, got 30"):
        necessary_depth(16, 30)
    with pytest.raises(ValueError, match="num_bits must be at least 4, got 3"):
        threshold_depth(3)
    with pytest.raises(ValueError, match=r"constant must be above -2 for 17 bits, got -2"):
        threshold_depth(17, constant=-2.0)
