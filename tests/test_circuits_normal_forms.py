from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import Plan, plans, value

from dlcourse.circuits import (
    Circuit,
    Kind,
    and_,
    depth,
    equivalent,
    inputs,
    minimise,
    num_gates,
    num_leaves,
    or_,
    sub_circuits,
    to_cnf,
    to_dnf,
    xor,
)
from dlcourse.circuits.normal_forms import prime_implicants, smallest_cover


def is_normal_form(circuit: Circuit, outer: Kind, inner: Kind) -> bool:
    """Whether literals are joined by `inner`, and these by `outer`; either may be missing."""

    def is_literal(each: Circuit) -> bool:
        return each.kind is Kind.input or (each.kind is Kind.not_ and each.parts[0].kind is Kind.input)

    def is_term(each: Circuit) -> bool:
        return is_literal(each) or (each.kind is inner and all(map(is_literal, each.parts)))

    return is_term(circuit) or (circuit.kind is outer and all(map(is_term, circuit.parts)))


@given(st.data())
def test_any_circuit_in_depth_2(data: st.DataObject) -> None:
    num_bits = data.draw(st.integers(1, 6))
    circuit = data.draw(plans(num_bits)).build()
    for minimised in (False, True):
        dnf, cnf = to_dnf(circuit, minimised=minimised), to_cnf(circuit, minimised=minimised)
        assert is_normal_form(dnf, Kind.or_, Kind.and_) and is_normal_form(cnf, Kind.and_, Kind.or_)
        assert depth(dnf) <= 2 and depth(cnf) <= 2
        for bits in product([0, 1], repeat=num_bits):
            assert value(dnf, bits) == value(cnf, bits) == value(circuit, bits)


def test_a_term_for_each_input_that_gives_1() -> None:
    x1, x2, x3 = inputs(3)
    assert str(to_dnf((x1 | x2) & ~x3)) == "(¬x₁ ∧ x₂ ∧ ¬x₃) ∨ (x₁ ∧ ¬x₂ ∧ ¬x₃) ∨ (x₁ ∧ x₂ ∧ ¬x₃)"
    assert str(to_cnf((x1 & x3) | (x1 & ~x3))) == "(x₁ ∨ x₃) ∧ (x₁ ∨ ¬x₃)"
    assert str(to_dnf((x1 | x2) & ~x3, minimised=True)) == "(x₁ ∧ ¬x₃) ∨ (x₂ ∧ ¬x₃)"
    assert to_cnf((x1 & x3) | (x1 & ~x3), minimised=True) is x1


def test_inputs_that_do_not_occur_cost_nothing() -> None:
    x = inputs(500)
    assert equivalent(to_dnf(x[7] ^ x[499]), x[7] ^ x[499])
    assert to_dnf(x[7]) is to_cnf(x[7]) is x[7]


def test_constants() -> None:
    (x,) = inputs(1)
    for circuit in (and_(), x | ~x):
        assert to_dnf(circuit, minimised=True) is to_cnf(circuit, minimised=True) is and_()
        assert to_dnf(~circuit, minimised=True) is to_cnf(~circuit, minimised=True) is or_()
    assert str(to_dnf(x | ~x)) == "¬x₁ ∨ x₁" and str(to_cnf(x & ~x)) == "x₁ ∧ ¬x₁"


def test_cyclic_function_of_the_textbooks() -> None:
    # 1 on 0, 1, 2, 5, 6, 7: six prime implicants in a ring, of which three are enough; none is essential
    x1, x2, x3 = inputs(3)
    circuit = (~x1 & ~x2) | (~x1 & ~x3) | (x1 & x3) | (x1 & x2) | (~x2 & x3) | (x2 & ~x3)
    table = np.isin(np.arange(8), [0, 1, 2, 5, 6, 7])
    assert prime_implicants(table).sum() == 6
    found = minimise(circuit)
    assert found.is_smallest and [len(term) for term in found.terms] == [2, 2, 2]


def every_product(num_bits: int) -> list[tuple[frozenset[tuple[int, ...]], int]]:
    """All products of literals: the inputs on which one is 1, and its number of literals."""
    rows = list(product([0, 1], repeat=num_bits))
    return [
        (
            frozenset(row for row in rows if all(want in (2, bit) for want, bit in zip(cube, row, strict=True))),
            num_bits - cube.count(2),
        )
        for cube in product([0, 1, 2], repeat=num_bits)
    ]


def test_all_functions_of_three_bits_against_brute_force() -> None:
    products = every_product(3)
    best: dict[frozenset[tuple[int, ...]], tuple[int, int]] = {frozenset(): (0, 0)}
    for num_terms in range(1, 5):  # parity needs four, and no function of three bits more
        for chosen in combinations(products, num_terms):
            ones = frozenset[tuple[int, ...]]().union(*(inside for inside, _ in chosen))
            size = (num_terms, sum(literals for _, literals in chosen))
            best[ones] = min(best.get(ones, size), size)
    assert len(best) == 2**8
    x = inputs(3)
    for ones, size in best.items():
        circuit = or_(*(and_(*(each if bit else ~each for each, bit in zip(x, row, strict=True))) for row in ones))
        found = minimise(circuit)
        # a constant circuit has no inputs to speak of
        assert (len(found.terms), sum(map(len, found.terms))) == size and found.is_smallest


@settings(max_examples=20)
@given(plans(4))
def test_no_term_and_no_literal_can_be_left_out(plan: Plan) -> None:
    circuit = plan.build()
    terms = minimise(circuit).terms
    rows = list(product([0, 1], repeat=4))

    def ones(some: list[dict[int, int]]) -> list[bool]:
        return [any(all(row[i - 1] == bit for i, bit in term.items()) for term in some) for row in rows]

    whole = ones(terms)
    assert whole == [value(circuit, row) for row in rows]
    for place, term in enumerate(terms):
        others = terms[:place] + terms[place + 1 :]
        assert ones(others) != whole
        for index in term:
            assert ones([*others, {i: bit for i, bit in term.items() if i != index}]) != whole


@given(st.lists(st.tuples(st.integers(0, 63), st.integers(0, 3)), max_size=7))
def test_smallest_cover_against_brute_force(sets: list[tuple[int, int]]) -> None:
    union = 0
    for items, _ in sets:
        union |= items
    present = [item for item in range(6) if union >> item & 1]
    covers = np.array([[items >> item & 1 for item in present] for items, _ in sets], dtype=bool)
    covers = covers.reshape(len(sets), len(present))
    costs = [cost for _, cost in sets]
    chosen, is_smallest = smallest_cover(covers, costs)
    assert is_smallest and covers[chosen].any(0).all()
    best = min(
        (num, sum(costs[i] for i in some))
        for num in range(len(sets) + 1)
        for some in combinations(range(len(sets)), num)
        if covers[list(some)].any(0).all()
    )
    assert (len(chosen), sum(costs[i] for i in chosen)) == best


def test_a_cover_that_is_not_proved_smallest_says_so() -> None:
    covers = np.random.default_rng(0).random((40, 60)) < 0.15
    covers[:, ~covers.any(0)] = True
    chosen, is_smallest = smallest_cover(covers, [1] * 40, max_steps=3)
    assert not is_smallest and covers[chosen].any(0).all()
    for each in chosen:
        assert not covers[[other for other in chosen if other != each]].any(0).all()
    better, is_smallest = smallest_cover(covers, [1] * 40)
    assert is_smallest and len(better) <= len(chosen)


def test_a_large_normal_form() -> None:
    circuit = to_dnf(xor(*inputs(12)))
    assert num_gates(circuit) == 2**11 + 1 and num_leaves(circuit) == 12 * 2**11
    assert sum(each.kind is Kind.not_ for each in sub_circuits(circuit)) == 12


def test_errors() -> None:
    with pytest.raises(ValueError, match="circuit must have at most 20 inputs, got 21"):
        to_dnf(xor(*inputs(21)))
    with pytest.raises(ValueError, match="circuit must have at most 10 inputs, got 11"):
        to_cnf(xor(*inputs(11)), minimised=True)
