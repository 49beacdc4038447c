"""One hidden layer as the parity: published counts, networks by hand, and refutations checked by brute force."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from marks import slow_except

from dlcourse.circuits import one_layer
from dlcourse.circuits.one_layer import Solution, bits, decide, solve, threshold_functions, up_to_symmetry


def is_parity(found: Solution, signs: tuple[int, ...], num_bits: int) -> bool:
    """Whether the network is the parity on every input, in fractions."""
    for x in product([0, 1], repeat=num_bits):
        y = found.constant
        for (*weights, bias), sign in zip(found.units, signs, strict=True):
            y += sign * max(Fraction(0), sign * (sum(w for w, on in zip(weights, x, strict=True) if on) + bias))
        if y != sum(x) % 2:
            return False
    return True


@pytest.mark.parametrize(
    ("num_bits", "num_functions", "num_classes"), [(1, 4, 3), (2, 14, 5), (3, 104, 10), (4, 1882, 27)]
)
def test_threshold_functions_are_as_many_as_published(num_bits: int, num_functions: int, num_classes: int) -> None:
    # OEIS A000609, Muroga 1971; up to renumbering and negating inputs A001532: 3, 5, 10, 27.
    functions = threshold_functions(num_bits)
    assert len(functions) == len({function.tobytes() for function in functions}) == num_functions
    assert len(up_to_symmetry(functions)) == num_classes


def test_classes_of_two_bits_by_hand() -> None:
    # never, one input, two inputs that share a bit, three inputs, always
    assert sorted(up_to_symmetry(threshold_functions(2)).sum(axis=1).tolist()) == [0, 1, 2, 3, 4]


def test_two_units_for_two_bits() -> None:
    # s - 2 max(0, s - 1): the first unit on unless both bits are 0, the second where both are 1
    on = np.array([[False, True, True, True], [False, False, False, True]])
    found = solve(on, (1, -1))
    assert found is not None
    assert is_parity(found, (1, -1), 2)
    assert (found.constant, found.units) == (0, [[1, 1, 0], [-2, -2, 2]])
    assert solve(on, (1, 1)) is None
    assert solve(on, (-1, -1)) is None


@pytest.mark.parametrize("num_bits", [3, 4, 5, 6])
def test_the_networks_that_are_known_are_found(num_bits: int) -> None:
    # d - 1 units for d >= 4, of the bends: on for s > 2/3, s > 2, s < 3, s > 4, ...; d for d = 3.
    s = bits(num_bits).sum(axis=1)
    on = (
        [s > 0, s > 2, s < 3, *(s > bend for bend in range(4, num_bits))] if num_bits > 3 else [s > k for k in range(3)]
    )
    signs = tuple([-1, 1, -1, 1, -1][: len(on)]) if num_bits > 3 else (1, -1, 1)
    found = solve(np.array(on), signs)
    assert found is not None
    assert is_parity(found, signs, num_bits)


@pytest.mark.parametrize(
    ("num_bits", "num_units", "possible"), [(1, 1, True), (2, 1, False), (2, 2, True), (3, 1, False)]
)
def test_what_is_known(num_bits: int, num_units: int, possible: bool) -> None:
    decided = decide(num_bits, num_units)
    assert (decided.num_possible > 0) == possible
    left = decided.num_by_faces + decided.num_by_equations + decided.num_by_certificates + decided.num_possible
    assert left == decided.num_cases == decided.num_classes * decided.num_functions ** (num_units - 1) * 2**num_units


@pytest.mark.parametrize("num_bits", slow_except([3, 4]))
def test_two_units_are_not_enough_for_three_or_four_bits(num_bits: int) -> None:
    assert decide(num_bits, 2).num_possible == 0


def test_refutations_of_two_bits_agree_with_a_grid() -> None:
    # All networks of two units with weights and biases in {-2, ..., 2} on two bits: whichever is the parity but for a
    # constant must be of a kind that `solve` solves.
    inputs = bits(2)
    units = {}
    for row in product(range(-2, 3), repeat=3):
        values = inputs @ np.array(row[:2]) + row[2]
        units[(values > 0).tobytes(), np.maximum(values, 0).tobytes()] = (values > 0, np.maximum(values, 0))
    found = set()
    for (on_1, one), (on_2, two) in product(units.values(), repeat=2):
        for signs in product((1, -1), repeat=2):
            rest = signs[0] * one + signs[1] * two - inputs.sum(axis=1) % 2
            if len(set(rest.tolist())) == 1:
                found.add((on_1.tobytes(), on_2.tobytes(), signs))
    assert found
    for on_1, on_2, signs in found:
        on = np.stack([np.frombuffer(on_1, dtype=bool), np.frombuffer(on_2, dtype=bool)])
        solution = solve(on, signs)
        assert solution is not None
        assert is_parity(solution, signs, 2)


def test_what_floating_point_proposes_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    on = np.array([[False, True, True, True], [False, False, False, True]])
    monkeypatch.setattr(one_layer, "_rational", lambda values: [Fraction(1, 3)] * len(values))
    with pytest.raises(ArithmeticError, match="neither solved nor refuted"):
        solve(on, (1, -1))
    with pytest.raises(ArithmeticError, match="neither solved nor refuted"):
        solve(on, (1, 1))


def test_bad_values_are_refused() -> None:
    with pytest.raises(ValueError, match="num_bits must be between 1 and 4, got 5"):
        threshold_functions(5)
    with pytest.raises(ValueError, match="num_units must be at least 1, got 0"):
        decide(2, 0)
