import copy
import pickle
import re
from functools import reduce
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_circuits import Plan, plans, value

from dlcourse.circuits import (
    Circuit,
    Kind,
    and_,
    depth,
    formula,
    input_indices,
    inputs,
    not_,
    num_gates,
    num_leaves,
    or_,
    sub_circuits,
    xor,
)

SLIDE = (
    "(((x₁ ∧ ¬x₂) ∨ (¬x₁ ∧ x₂)) ∧ ¬((x₃ ∧ ¬x₄) ∨ (¬x₃ ∧ x₄))) "
    "∨ (¬((x₁ ∧ ¬x₂) ∨ (¬x₁ ∧ x₂)) ∧ ((x₃ ∧ ¬x₄) ∨ (¬x₃ ∧ x₄)))"
)


def typed_from_the_slide() -> Circuit:
    x1, x2, x3, x4 = inputs(4)
    return (((x1 & ~x2) | (~x1 & x2)) & ~((x3 & ~x4) | (~x3 & x4))) | (
        ~((x1 & ~x2) | (~x1 & x2)) & ((x3 & ~x4) | (~x3 & x4))
    )


def python_value(text: str, bits: tuple[int, ...]) -> bool:
    """The value of a written formula, by Python's own operators."""
    digits = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
    text = re.sub(r"x([0-9]+)", lambda match: f"x[{match[1]}]", text.translate(digits))
    text = text.replace("∧", "&").replace("∨", "|").replace("⊕", "^").replace("¬", "1^")
    # Python binds ^ weaker than &: bracket each negation, with its bracket or its variable.
    while "1^" in text:
        start = text.index("1^") + 2
        while text.startswith("1^", start):
            start += 2
        end = start
        level = 0
        while True:
            level += {"(": 1, "[": 1, ")": -1, "]": -1}.get(text[end], 0)
            end += 1
            if level == 0 and (end == len(text) or text[end] not in "[0123456789"):
                break
        text = f"{text[: start - 2]}(1 - {text[start:end]}){text[end:]}"
    return bool(eval(text, {"x": (None, *bits)}))


class TestTheSlidesFormula:
    def test_is_written_as_it_stands_there(self) -> None:
        assert str(typed_from_the_slide()) == SLIDE

    def test_counts(self) -> None:
        circuit = typed_from_the_slide()
        # two XORs of three gates and two NOTs, then one more, whose NOTs negate gates
        assert num_gates(circuit) == 9
        assert num_gates(circuit, count_nots=True) == 15
        assert num_gates(circuit, shared=False) == SLIDE.count("∧") + SLIDE.count("∨") == 15
        assert num_gates(circuit, shared=False, count_nots=True) == 15 + SLIDE.count("¬")
        assert num_leaves(circuit) == SLIDE.count("x") == 16
        assert depth(circuit) == 4  # "discounting NOTs"
        assert depth(circuit, count_nots=True) == 6
        assert repr(circuit) == "<circuit of 9 gates, depth 4, 4 inputs>"

    def test_is_parity(self) -> None:
        for bits in product([0, 1], repeat=4):
            assert value(typed_from_the_slide(), bits) == sum(bits) % 2
            assert python_value(SLIDE, bits) == sum(bits) % 2


def test_alike_is_the_same() -> None:
    x, y = inputs(2)
    assert x & y is and_(x, y) and x | y is or_(x, y) and x ^ y is xor(x, y) and ~x is not_(x)
    assert x & y is not y & x  # a gate's inputs have an order: formulas keep it
    assert inputs(3)[1] is y
    circuit = ~(x & y)
    assert copy.copy(circuit) is copy.deepcopy(circuit) is pickle.loads(pickle.dumps(circuit)) is circuit


def test_what_is_no_gate() -> None:
    x, y = inputs(2)
    assert and_(x) is or_(x) is xor(x) is x and ~~x is x and ~~(x & y) is x & y
    assert xor() is or_()
    assert (str(and_()), str(or_()), str(~and_() & x)) == ("1", "0", "¬1 ∧ x₁")
    assert num_gates(x) == num_gates(~x) == depth(x) == 0 and num_gates(or_()) == 1
    assert str(x) == "x₁" and str(~x) == "¬x₁" and str(inputs(120)[119]) == "x₁₂₀"


def test_never_changes() -> None:
    with pytest.raises(AttributeError, match="a circuit never changes: cannot set kind"):
        inputs(1)[0].kind = Kind.or_
    with pytest.raises(ValueError, match="num_bits must be at least 1, got 0"):
        inputs(0)


def test_deeper_than_python() -> None:
    chain = reduce(xor, inputs(3000))
    assert depth(chain) == num_gates(chain) == 2999 and num_leaves(chain) == 3000
    assert input_indices(chain) == list(range(1, 3001))
    squared = reduce(lambda circuit, _: and_(circuit, circuit), range(200), inputs(1)[0])
    assert num_gates(squared) == 200
    assert num_gates(squared, shared=False) == 2**200 - 1 and num_leaves(squared) == 2**200


@given(st.data())
def test_formula_and_circuit_agree(data: st.DataObject) -> None:
    circuit = data.draw(plans(4)).build()
    text = formula(circuit)
    # hypothesis likes small circuits; a shared one can have a formula too long to be worth the time
    if len(text) < 2000:
        assert all(python_value(text, bits) == value(circuit, bits) for bits in product([0, 1], repeat=4))
        assert num_leaves(circuit) == text.count("x")


@given(plans(5, max_gates=20))
def test_parts_come_before_what_they_feed(plan: Plan) -> None:
    circuit = plan.build()
    order = list(sub_circuits(circuit))
    assert order[-1] is circuit and len(set(order)) == len(order)
    for place, each in enumerate(order):
        assert set(each.parts) <= set(order[:place])
    gates = [each for each in order if each.kind not in (Kind.input, Kind.not_)]
    assert num_gates(circuit) == len(gates) <= num_gates(circuit, shared=False)
    assert depth(circuit) <= len(gates)
