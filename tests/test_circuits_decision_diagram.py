from collections import Counter
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow_except
from random_circuits import Plan, plans, value

from dlcourse.circuits import (
    Circuit,
    DecisionDiagram,
    and_,
    input_indices,
    inputs,
    or_,
    parity_chain,
    parity_tree,
    without_xor,
    xor,
)

Term = dict[int, int]


def is_implicant(term: Term, circuit: Circuit, num_bits: int) -> bool:
    """Whether the function is 1 wherever the term is."""
    choices = [[term[i]] if i in term else [0, 1] for i in range(1, num_bits + 1)]
    return all(value(circuit, bits) for bits in product(*choices))


def holds(term: Term, bits: tuple[int, ...]) -> bool:
    return all(bits[i - 1] == bit for i, bit in term.items())


def assert_irredundant_and_prime(terms: list[Term], circuit: Circuit, num_bits: int) -> None:
    rows = list(product([0, 1], repeat=num_bits))
    holding = {row: [i for i, term in enumerate(terms) if holds(term, row)] for row in rows}
    for row in rows:
        assert bool(holding[row]) == value(circuit, row)
    alone = {each[0] for each in holding.values() if len(each) == 1}
    assert alone == set(range(len(terms)))  # without a term, its rows would be lost
    for term in terms:
        for index in term:
            assert not is_implicant({i: bit for i, bit in term.items() if i != index}, circuit, num_bits)


@given(st.data())
def test_cover_of_any_circuit(data: st.DataObject) -> None:
    num_bits = data.draw(st.integers(1, 7))
    circuit = data.draw(plans(num_bits)).build()
    cover = DecisionDiagram(circuit).irredundant_cover()
    terms = list(cover)
    assert len(terms) == cover.num_terms and sum(map(len, terms)) == cover.num_literals
    assert {item for term in terms for item in term.items()} == cover.literals()
    assert_irredundant_and_prime(terms, circuit, num_bits)


@pytest.mark.slow
@settings(max_examples=10)
@given(st.lists(st.lists(st.tuples(st.integers(0, 11), st.booleans()), min_size=3, max_size=5), max_size=12))
def test_cover_of_twelve_bits(products: list[list[tuple[int, bool]]]) -> None:
    x = inputs(12)
    circuit = or_(*(and_(*(x[place] if bit else ~x[place] for place, bit in each)) for each in products))
    terms = list(DecisionDiagram(circuit).irredundant_cover())
    assert_irredundant_and_prime(terms, circuit, 12)


def test_sizes_of_all_functions_of_three_bits() -> None:
    x = inputs(3)
    rows = list(product([0, 1], repeat=3))
    sizes = Counter[int]()
    for num_ones in range(9):
        for ones in combinations(rows, num_ones):
            circuit = or_(*(and_(*(a if bit else ~a for a, bit in zip(x, row, strict=True))) for row in ones))
            diagram = DecisionDiagram(and_(*x, or_()) | circuit)
            assert diagram.order == [1, 2, 3]
            sizes[diagram.num_nodes] += 1
            # nodes of a reduced diagram: the different subfunctions that depend on the input that is next
            table = [row in ones for row in rows]
            parts = {tuple(table[i : i + size]) for size in (8, 4, 2) for i in range(0, 8, size)}
            assert diagram.num_nodes == sum(part[: len(part) // 2] != part[len(part) // 2 :] for part in parts)
    assert sum(sizes.values()) == 256 and sizes[0] == 2 and sizes[1] == 6


def test_the_example_that_cudd_is_tested_with() -> None:
    x0, x1, x2, x3 = inputs(4)
    circuit = (~x0 & x1 & x3) | (x0 & ~x1 & x2) | and_(x0, x1, ~x2, x3) | and_(x0, x1, x2)
    # CUDD's cplusplus/test.out: 01-1, 101-, 1101, 111- have the cover 1-1-, -1-1
    assert list(DecisionDiagram(circuit).irredundant_cover()) == [{1: 1, 3: 1}, {2: 1, 4: 1}]


def test_constants() -> None:
    x = inputs(30)
    for zero in (or_(), xor(*x) ^ xor(*reversed(x)), and_(x[0], ~x[0], *x)):
        assert DecisionDiagram(zero).root == 0 and DecisionDiagram(~zero).root == 1
        assert list(DecisionDiagram(zero).irredundant_cover()) == []
        assert list(DecisionDiagram(~zero).irredundant_cover()) == [{}]
        assert DecisionDiagram(zero).first_one() is None
    assert DecisionDiagram(and_()).first_one() == {}


@pytest.mark.parametrize("num_bits", slow_except([1, 2, 24, 200], 1, 2, 24))
def test_parity(num_bits: int) -> None:
    for circuit in (parity_chain(num_bits), parity_tree(num_bits), without_xor(parity_tree(num_bits))):
        diagram = DecisionDiagram(circuit)
        assert diagram.num_nodes == 2 * num_bits - 1
        cover = diagram.irredundant_cover()  # 2^199 terms, and no more of them in memory than one
        assert (cover.num_terms, cover.num_literals) == (2 ** (num_bits - 1), num_bits * 2 ** (num_bits - 1))
        term = next(iter(cover))
        assert list(term) == list(range(1, num_bits + 1)) and sum(term.values()) % 2 == 1


@pytest.mark.slow
def test_a_gate_of_a_chain_adds_a_node_or_two() -> None:
    # to begin with the first input instead would make every part's nodes anew: 500 000 of them
    for circuit in (parity_chain(1000), without_xor(parity_chain(1000))):
        DecisionDiagram(circuit, max_steps=20_000)
    x = inputs(1000)
    chain = x[0]
    for i in range(1, 1000):
        chain = x[i] & chain if i % 2 else x[i] | chain
    assert DecisionDiagram(chain, max_steps=10_000).num_nodes == 1000


def test_carry_of_an_adder() -> None:
    a, b = inputs(80)[:40], inputs(80)[40:]
    carry = a[0] & b[0]
    for i in range(1, 40):
        carry = (a[i] & b[i]) | (carry & (a[i] ^ b[i]))
    cover = DecisionDiagram(carry).irredundant_cover()
    # a_i b_i for some i, and at each place above it one of the two: 1 + 2 + 4 + ... terms
    assert cover.num_terms == 2**40 - 1
    assert cover.literals() == {(i, 1) for i in range(1, 81)}


@given(plans(6))
def test_first_one(plan: Plan) -> None:
    circuit = plan.build()
    indices = input_indices(circuit)
    ones = [row for row in product([0, 1], repeat=6) if value(circuit, row)]
    expected = {i: ones[0][i - 1] for i in indices} if ones else None
    assert DecisionDiagram(circuit).first_one() == expected


def test_first_one_of_many_inputs() -> None:
    x = inputs(100)
    assert DecisionDiagram(and_(x[99], or_(*x[:99]))).first_one() == {i: int(i >= 99) for i in range(1, 101)}


def test_circuits_that_need_too_many_steps() -> None:
    # the other gates ask for all x and then for all y: the OR of all x_i y_i has 2^30 nodes in this order
    x, y = inputs(60)[:30], inputs(60)[30:]
    pairs = or_(*(a & b for a, b in zip(x, y, strict=True)))
    message = (
        r"circuit must have a decision diagram of at most 10,000 steps, got no further than part \d+ of 94, "
        r"with [\d,]+ nodes"
    )
    circuit = and_(or_(*x), or_(*y), pairs)
    with pytest.raises(ValueError, match=message):
        DecisionDiagram(circuit, max_steps=10_000)
