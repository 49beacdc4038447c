from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow_except
from random_circuits import Plan, plans, value

from dlcourse.circuits import (
    Circuit,
    Kind,
    and_,
    depth,
    equivalent,
    evaluate,
    input_indices,
    inputs,
    minimise,
    normal_forms,
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def pairs(num_pairs: int, inner: Kind, outer: Kind) -> Circuit:
    """x_1 with x_2, x_3 with x_4 and so on."""
    x = inputs(2 * num_pairs)
    return Circuit(outer, tuple(Circuit(inner, pair) for pair in zip(x[::2], x[1::2], strict=True)))


def chain(num_bits: int) -> Circuit:
    """x_1 OR x_2, that AND x_3, that OR x_4 and so on."""
    *x, last = inputs(num_bits)
    result = x[0]
    for i, each in enumerate([*x[1:], last]):
        result = result & each if i % 2 else result | each
    return result


# Each with the terms of its two forms. All are monotone: they have no others without superfluous parts.
MANY_INPUTS = {
    "AND of 64": (and_(*inputs(64)), 1, 64),
    "OR of 64": (or_(*inputs(64)), 64, 1),
    "OR of 32 pairs": (pairs(32, Kind.or_, Kind.or_), 64, 1),
    "OR of 11 ANDs": (pairs(11, Kind.and_, Kind.or_), 11, 2**11),
    "AND of 11 ORs": (pairs(11, Kind.or_, Kind.and_), 2**11, 11),
    # (((x_1 or x_2) and x_3) or x_4) ...: each OR adds a term, each AND a clause
    "chain of 200": (chain(200), 101, 100),
}


@pytest.mark.parametrize("name", slow_except(MANY_INPUTS, "AND of 64", "OR of 64", "OR of 32 pairs", "OR of 11 ANDs"))
def test_many_inputs(name: str) -> None:
    circuit, num_terms, num_clauses = MANY_INPUTS[name]
    dnf, cnf = to_dnf(circuit), to_cnf(circuit, minimised=True)
    assert is_normal_form(dnf, Kind.or_, Kind.and_) and is_normal_form(cnf, Kind.and_, Kind.or_)
    assert (1 if dnf.kind is Kind.and_ else len(dnf.parts)) == num_terms
    assert (1 if cnf.kind is Kind.or_ else len(cnf.parts)) == num_clauses
    assert max(input_indices(dnf)) == max(input_indices(cnf)) == max(input_indices(circuit))
    ones = np.linspace(0, 1, 1000)[:, None]  # rows with few ones and with many
    rows = np.random.default_rng(0).random((1000, max(input_indices(circuit)))) < ones
    expected = evaluate(circuit, rows)
    assert np.array_equal(evaluate(dnf, rows), expected) and np.array_equal(evaluate(cnf, rows), expected)
    if num_terms < 1000:
        found = minimise(circuit)
        assert found.is_smallest and len(found.terms) == num_terms


def test_shallow_again_is_the_same_function() -> None:
    for num_pairs in (30, 50):
        circuit = pairs(num_pairs, Kind.and_, Kind.or_)
        assert to_dnf(circuit) is circuit
        assert to_cnf(~circuit) is and_(*(~a | ~b for a, b in (pair.parts for pair in circuit.parts)))
    x = inputs(40)
    whether = or_(and_(*x[:20]), and_(*(~each for each in x)))
    assert equivalent(to_cnf(whether), whether)


@settings(max_examples=25)
@given(plans(7))
def test_without_a_smallest_cover(plan: Plan) -> None:
    circuit = plan.build()
    smallest = minimise(circuit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normal_forms, "MAX_SMALLEST_BITS", -1)
        found = minimise(circuit)
        patch.setattr(normal_forms, "MAX_TABLE_BITS", -1)
        dnf, cnf = to_dnf(circuit), to_cnf(circuit)
    assert equivalent(dnf, circuit) and equivalent(cnf, circuit)
    size, least = ((len(each.terms), sum(map(len, each.terms))) for each in (found, smallest))
    assert size >= least
    if found.is_smallest:
        assert size == least


def test_what_is_known_to_be_smallest() -> None:
    x = inputs(12)
    for circuit, is_smallest in (
        (xor(*x), True),
        (x[0] & x[1] & ~x[2] | ~x[2] & x[3] | x[11], True),
        (or_(*(a ^ b for a, b in zip(x[::2], x[1::2], strict=True))), False),  # it is, but that takes another proof
    ):
        found = minimise(circuit & or_(x[0], ~x[0], *x))
        assert found.is_smallest is is_smallest
    assert len(found.terms) == 12


def test_too_many_terms() -> None:
    parity = xor(*inputs(24))
    message = "max_terms must be at least 8,388,608 for this circuit's normal form, got 1,048,576"
    for form in (to_dnf, to_cnf, minimise):
        with pytest.raises(ValueError, match=message):
            form(parity)
    # the product of 30 sums has a term for each choice, and none can be left out
    with pytest.raises(ValueError, match="at least 1,073,741,824 for"):
        to_cnf(pairs(30, Kind.and_, Kind.or_))
    for minimised in (False, True):  # from the table, and the smallest
        to_dnf(xor(*inputs(4)), minimised=minimised, max_terms=8)
        with pytest.raises(ValueError, match="max_terms must be at least 8 for this circuit's normal form, got 7"):
            to_dnf(xor(*inputs(4)), minimised=minimised, max_terms=7)
    assert num_gates(to_dnf(xor(*inputs(12)), minimised=True, max_terms=2**11)) == 2**11 + 1
