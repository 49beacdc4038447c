import tracemalloc
from functools import partial, reduce
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_circuits import Plan, plans, value

from dlcourse.circuits import (
    and_,
    counterexample,
    equivalent,
    evaluate,
    evaluation,
    input_indices,
    inputs,
    or_,
    parity_chain,
    parity_tree,
    truth_table,
    without_xor,
    xor,
)


def test_xor_table_of_the_slide() -> None:
    x1, x2 = inputs(2)
    assert truth_table(x1 ^ x2).tolist() == [False, True, True, False]


@pytest.mark.parametrize(("bits", "y"), [([0, 1, 1, 0], 0), ([1, 1, 0, 1], 1)])
def test_examples_of_the_slide(bits: list[int], y: int) -> None:
    x1, x2, x3, x4 = inputs(4)
    assert evaluate((x1 ^ x2) ^ (x3 ^ x4), np.array([bits])).tolist() == [y]


def test_rows_count_up_with_the_first_bit_highest() -> None:
    for num_bits in (1, 2, 6, 7, 9):
        rows = list(product([False, True], repeat=num_bits))
        for place, x in enumerate(inputs(num_bits)):
            assert truth_table(x, range(1, num_bits + 1)).tolist() == [row[place] for row in rows]
    x1, x2 = inputs(2)
    assert truth_table(x1 & ~x2, [2, 1]).tolist() == [False, True, False, False]


def test_constants() -> None:
    assert truth_table(and_()).tolist() == [True] and truth_table(or_()).tolist() == [False]
    assert truth_table(~or_(), [1, 2]).tolist() == [True] * 4
    assert equivalent(xor(), or_()) and counterexample(and_(), or_()) == {}


@given(st.data())
def test_every_input_at_once_as_one_by_one(data: st.DataObject) -> None:
    num_bits = data.draw(st.integers(1, 8))
    circuit = data.draw(plans(num_bits, max_gates=15)).build()
    rows = list(product([0, 1], repeat=num_bits))
    expected = [value(circuit, row) for row in rows]
    assert truth_table(circuit, range(1, num_bits + 1)).tolist() == expected
    assert evaluate(circuit, np.array(rows)).tolist() == expected


@pytest.mark.slow
@given(st.data())
def test_in_chunks(data: st.DataObject) -> None:
    circuit = data.draw(plans(10)).build()
    indices = range(1, 11)
    whole = truth_table(circuit, indices)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "MAX_BYTES", data.draw(st.integers(1, 1500)))
        assert np.array_equal(truth_table(circuit, indices), whole)


@given(plans(8), plans(8))
def test_counterexample(first: Plan, second: Plan) -> None:
    one, other = first.build(), second.build()
    indices = sorted({*input_indices(one), *input_indices(other)})
    found = counterexample(one, other)
    for row in product([0, 1], repeat=len(indices)):
        bits = [0] * 8
        for index, bit in zip(indices, row, strict=True):
            bits[index - 1] = bit
        if value(one, tuple(bits)) != value(other, tuple(bits)):
            assert found == dict(zip(indices, row, strict=True))  # the first one
            assert not equivalent(one, other)
            return
    assert found is None and equivalent(one, other)


def test_a_single_difference_among_two_to_the_20() -> None:
    x = inputs(20)
    only = and_(*(each if place in (0, 3, 13, 19) else ~each for place, each in enumerate(x)))
    assert counterexample(xor(*x), xor(*x) ^ only) == {i: int(i in (1, 4, 14, 20)) for i in range(1, 21)}


def test_sixteen_million_rows_in_bounded_memory() -> None:
    x = inputs(24)
    chain = reduce(lambda a, b: (a & ~b) | (~a & b), x)
    tracemalloc.start()
    assert equivalent(chain, xor(*reversed(x)))
    assert not equivalent(chain, xor(*x[1:]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * evaluation.MAX_BYTES  # the 93 values of a chain for all rows at once: 195 MB


@pytest.mark.slow
def test_proofs_for_more_inputs_than_can_be_gone_through() -> None:
    tree, chain = parity_tree(100), parity_chain(100)
    assert equivalent(tree, chain) and equivalent(without_xor(parity_tree(60)), parity_chain(60))
    x = inputs(100)
    only = and_(*(each if place in (0, 3, 13, 99) else ~each for place, each in enumerate(x)))
    assert counterexample(tree, chain ^ only) == {i: int(i in (1, 4, 14, 100)) for i in range(1, 101)}
    # De Morgan, and the first input on which an OR is not an AND
    assert equivalent(~or_(*x), and_(*(~each for each in x)))
    assert counterexample(or_(*x), and_(*x)) == {i: int(i == 100) for i in range(1, 101)}


@pytest.mark.slow
@given(plans(8), plans(8))
def test_both_proofs_find_the_same(first: Plan, second: Plan) -> None:
    one, other = first.build(), second.build()
    found = counterexample(one, other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "MAX_QUICK_BITS", -1)
        assert counterexample(one, other) == found
        patch.setattr(evaluation, "DecisionDiagram", partial(evaluation.DecisionDiagram, max_steps=0))
        assert counterexample(one, other) == found  # by going through after all


def test_no_proof() -> None:
    x, y = inputs(60)[:30], inputs(60)[30:]
    one = and_(or_(*x), or_(*y), or_(*(a & b for a, b in zip(x, y, strict=True))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "DecisionDiagram", partial(evaluation.DecisionDiagram, max_steps=1000))
        with pytest.raises(ValueError, match="circuit must have a decision diagram of at most 1,000 steps"):
            equivalent(one, ~one)


def test_values_are_dropped_after_their_last_use() -> None:
    x = inputs(9)
    terms = [and_(*(each if row >> i & 1 else ~each for i, each in enumerate(x))) for row in range(2**9)]
    bits = np.ones((2**14, 9), dtype=bool)
    tracemalloc.start()
    evaluate(or_(*terms), bits)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**21  # the terms' values alone would take 2^9 times 2^14 bytes


def test_errors() -> None:
    x = inputs(40)
    with pytest.raises(ValueError, match=r"indices must include \[2\], which the circuit uses, got \[1\]"):
        truth_table(x[0] & x[1], [1])
    with pytest.raises(ValueError, match="indices must be at most 32 inputs to go through all their values, got 40"):
        truth_table(xor(*x))
    with pytest.raises(ValueError, match="bits must be 0 or 1, got 2"):
        evaluate(x[0], np.array([[0], [2]]))
