from functools import reduce
from itertools import product

import pytest
from hypothesis import given
from random_circuits import Plan, plans, value
from test_circuits_circuit import SLIDE

from dlcourse.circuits import (
    Kind,
    depth,
    equivalent,
    inputs,
    minimise,
    num_gates,
    num_leaves,
    parity_chain,
    parity_cnf,
    parity_dnf,
    parity_tree,
    sub_circuits,
    truth_table,
    without_xor,
)

SLIDE_TERMS = """
    (x₁ ∧ x₂ ∧ x₃ ∧ ¬x₄) ∨ (x₁ ∧ ¬x₂ ∧ x₃ ∧ x₄)
    ∨ (x₁ ∧ x₂ ∧ ¬x₃ ∧ x₄) ∨ (¬x₁ ∧ x₂ ∧ x₃ ∧ x₄)
    ∨ (x₁ ∧ ¬x₂ ∧ ¬x₃ ∧ ¬x₄) ∨ (¬x₁ ∧ x₂ ∧ ¬x₃ ∧ ¬x₄)
    ∨ (¬x₁ ∧ ¬x₂ ∧ x₃ ∧ ¬x₄) ∨ (¬x₁ ∧ ¬x₂ ∧ ¬x₃ ∧ x₄)
"""


def test_the_slides_circuits_of_four_bits() -> None:
    assert str(parity_tree(4)) == "(x₁ ⊕ x₂) ⊕ (x₃ ⊕ x₄)"
    assert str(without_xor(parity_tree(4))) == SLIDE
    assert set(str(parity_dnf(4)).split(" ∨ ")) == set(" ".join(SLIDE_TERMS.split()).split(" ∨ "))
    assert num_gates(parity_dnf(4)) == 8 + 1 and depth(parity_dnf(4)) == 2
    tree = parity_tree(4)
    for other in (without_xor(tree), parity_dnf(4), parity_cnf(4), parity_chain(4)):
        assert equivalent(other, tree)  # "equivalent to the previous ones"


@pytest.mark.parametrize("num_bits", range(1, 11))
def test_all_are_parity(num_bits: int) -> None:
    expected = [sum(row) % 2 == 1 for row in product([0, 1], repeat=num_bits)]
    for circuit in (
        parity_tree(num_bits),
        parity_chain(num_bits),
        without_xor(parity_tree(num_bits)),
        without_xor(parity_chain(num_bits), one_not=True),
        parity_dnf(num_bits),
        parity_cnf(num_bits),
    ):
        assert truth_table(circuit).tolist() == expected


@pytest.mark.parametrize(("num_bits", "levels"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (1000, 10)])
def test_tree_and_chain(num_bits: int, levels: int) -> None:
    tree, chain = parity_tree(num_bits), parity_chain(num_bits)
    assert num_gates(tree) == num_gates(chain) == num_bits - 1
    assert depth(tree) == levels and depth(chain) == num_bits - 1
    assert num_leaves(tree) == num_leaves(chain) == num_bits


@pytest.mark.parametrize("num_bits", [2, 4, 7, 16])
def test_gates_of_two_inputs(num_bits: int) -> None:
    # Schnorr 1974: 3(d - 1) with NOTs free; Red'kin 1973: 4(d - 1) with NOTs counted
    for circuit in (parity_tree(num_bits), parity_chain(num_bits)):
        fewest = without_xor(circuit, one_not=True)
        assert num_gates(fewest) == num_gates(without_xor(circuit)) == 3 * (num_bits - 1)
        assert num_gates(fewest, count_nots=True) == 4 * (num_bits - 1)
        assert all(len(each.parts) <= 2 for each in sub_circuits(fewest))
    tree = without_xor(parity_tree(num_bits))
    if num_bits in (2, 4, 16):
        assert num_leaves(tree) == num_bits**2  # each level doubles the leaves twice
        assert depth(tree) == 2 * (num_bits.bit_length() - 1)


@pytest.mark.parametrize("num_bits", [2, 3, 5, 8])
def test_the_shallow_ones_cannot_be_smaller(num_bits: int) -> None:
    for circuit in (parity_dnf(num_bits), parity_cnf(num_bits)):
        assert num_gates(circuit) == 2 ** (num_bits - 1) + 1 and depth(circuit) == 2
    found = minimise(parity_dnf(num_bits))
    assert found.is_smallest and len(found.terms) == 2 ** (num_bits - 1)
    assert all(len(term) == num_bits for term in found.terms)


def test_two_to_the_24_inputs() -> None:
    assert equivalent(without_xor(parity_tree(24)), reduce(lambda a, b: b ^ a, inputs(24)))


@given(plans(4))
def test_without_xor_is_the_same_function(plan: Plan) -> None:
    circuit = plan.build()
    for one_not in (False, True):
        expanded = without_xor(circuit, one_not=one_not)
        assert all(each.kind is not Kind.xor for each in sub_circuits(expanded))
        for bits in product([0, 1], repeat=4):
            assert value(expanded, bits) == value(circuit, bits)
