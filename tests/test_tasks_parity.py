import math
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.losses import Hinge, SoftmaxCrossEntropy, SquaredError
from dlcourse.streams import stream
from dlcourse.tasks import Encoding, Parity, PosedAs


def test_xor_table_of_the_slide() -> None:
    data = Parity(num_bits=2).data(seed=0, dtype=torch.float64)
    assert data.train_inputs.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert data.train_targets.tolist() == [[0], [1], [1], [0]]


@pytest.mark.parametrize(("x", "y"), [([0, 1, 1, 0], 0), ([1, 1, 0, 1], 1)])
def test_examples_of_the_slide(x: list[int], y: int) -> None:
    task = Parity(num_bits=4)
    assert task.parity(torch.tensor([x])).tolist() == [y]
    data = task.data(seed=0, dtype=torch.float64)
    row = data.train_inputs.tolist().index(x)
    assert data.train_targets[row].tolist() == [y]


def test_odd_rows_are_the_eight_terms_of_the_slides_normal_form() -> None:
    terms = ["1110", "1011", "1101", "0111", "1000", "0100", "0010", "0001"]
    data = Parity(num_bits=4).data(seed=0, dtype=torch.float64)
    rows = ["".join(str(int(bit)) for bit in row) for row in data.train_inputs.tolist()]
    odd = {row for row, (y,) in zip(rows, data.train_targets.tolist(), strict=True) if y == 1}
    assert odd == set(terms)


@settings(max_examples=40)
@given(st.data(), st.integers(1, 9), st.sampled_from(Encoding), st.sampled_from(PosedAs), st.integers(0, 2**63))
def test_truth_table(data: st.DataObject, num_bits: int, encoding: Encoding, posed_as: PosedAs, seed: int) -> None:
    subset = data.draw(st.none() | st.integers(1, num_bits))
    task = Parity(num_bits=num_bits, subset=subset, subset_seed=seed, encoding=encoding, posed_as=posed_as)
    bits = task.relevant_bits
    assert len(set(bits)) == len(bits) == (num_bits if subset is None else subset)
    assert set(bits) <= set(range(num_bits))

    table = task.data(seed, torch.float64)
    low = 0 if encoding is Encoding.zero_one else -1
    expected = [
        sum(bit == 1 for position, bit in enumerate(row) if position in bits) % 2
        for row in product([low, 1], repeat=num_bits)
    ]
    posed = {
        PosedAs.regression: {0: [0], 1: [1]},
        PosedAs.classification: {0: [1, 0], 1: [0, 1]},
        PosedAs.hinge: {0: [-1], 1: [1]},
    }[posed_as]
    assert [tuple(row) for row in table.train_inputs.tolist()] == list(product([low, 1], repeat=num_bits))
    assert table.train_targets.tolist() == [posed[y] for y in expected]
    assert table.test_inputs.equal(table.train_inputs)
    assert table.test_targets.equal(table.train_targets)


def test_full_table_of_sixteen_bits() -> None:
    data = Parity(num_bits=16).data(seed=0, dtype=torch.float64)
    assert data.train_targets[:, 0].tolist() == [row.bit_count() % 2 for row in range(2**16)]


def test_only_bits_of_the_subset_count() -> None:
    task = Parity(num_bits=12, subset=5, subset_seed=1)
    bits = torch.randint(2, (100, 12), generator=stream(0))
    parity = task.parity(bits)
    for position in range(12):
        flipped = bits.clone()
        flipped[:, position] = 1 - flipped[:, position]
        if position in task.relevant_bits:
            assert task.parity(flipped).equal(1 - parity)
        else:
            assert task.parity(flipped).equal(parity)


def test_subset_depends_on_its_own_seed_alone() -> None:
    task = Parity(num_bits=30, subset=10, subset_seed=4, fresh=True)
    assert task.relevant_bits == Parity(num_bits=30, subset=10, subset_seed=4, fresh=True).relevant_bits
    assert task.relevant_bits != Parity(num_bits=30, subset=10, subset_seed=5, fresh=True).relevant_bits


@pytest.mark.parametrize("num_bits", [17, 40, 1000])
def test_long_truth_tables_are_sampled(num_bits: int) -> None:
    task = Parity(num_bits=num_bits, fresh=True, num_test=300)
    data = task.data(seed=0, dtype=torch.float64)
    for inputs, targets in [(data.train_inputs, data.train_targets), (data.test_inputs, data.test_targets)]:
        assert inputs.shape == (300, num_bits)
        assert targets[:, 0].tolist() == [sum(row) % 2 for row in inputs.tolist()]
    assert not data.train_inputs.equal(data.test_inputs)
    assert not data.test_inputs.equal(task.data(seed=1, dtype=torch.float64).test_inputs)


def test_fresh_bits_are_uniform() -> None:
    num = 20_000
    inputs, targets = Parity(num_bits=10, fresh=True).draw(num, stream(0))
    assert set(inputs.unique().tolist()) == {0, 1}
    largest_deviation = 5 * math.sqrt(1 / 4 / num)
    assert (inputs.mean(0) - 0.5).abs().max() < largest_deviation
    assert (targets.mean() - 0.5).abs() < largest_deviation
    assert (torch.corrcoef(inputs.T) - torch.eye(10)).abs().max() < 5 / math.sqrt(num)


@pytest.mark.parametrize(
    ("posed_as", "loss", "out_features"),
    [("regression", SquaredError(), 1), ("classification", SoftmaxCrossEntropy(), 2), ("hinge", Hinge(), 1)],
)
def test_loss_fits_the_question(posed_as: str, loss: object, out_features: int) -> None:
    task = Parity(posed_as=PosedAs(posed_as))
    assert task.loss == loss
    assert task.out_features == out_features
    assert task.in_features == 4


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("posed_as", PosedAs)
def test_accuracy(posed_as: PosedAs, shared: bool) -> None:
    task = Parity(num_bits=3, posed_as=posed_as)
    data = task.data(seed=0, dtype=torch.float64)
    if not shared:
        data = type(data)(**{key: value.expand(5, -1, -1) for key, value in vars(data).items()})
    targets = task.data(seed=0, dtype=torch.float64).test_targets
    one_wrong = targets.clone()
    middle = {PosedAs.regression: 0.5, PosedAs.classification: 0.5, PosedAs.hinge: 0.0}[posed_as]
    one_wrong[2] = 2 * middle - one_wrong[2]
    nearly_undecided = middle + 1e-9 * (targets - middle)
    always_odd = targets[1].expand_as(targets)
    outputs = torch.stack((targets, one_wrong, nearly_undecided, always_odd, targets * math.nan))
    assert task.metrics(lambda inputs: outputs, data)["accuracy"].tolist() == [1, 7 / 8, 1, 1 / 2, 0]


def test_lines_join_corners_of_the_cube() -> None:
    task = Parity(num_bits=6, encoding=Encoding.plus_minus)
    starts, ends = task.lines(seed=0)
    assert starts.shape == ends.shape == (20, 6)
    assert set(torch.cat((starts, ends)).unique().tolist()) == {-1, 1}
    assert (starts != ends).any(-1).all()
    assert not starts.equal(task.lines(seed=1)[0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_bits": 0}, "num_bits must be between 1 and 1000, got 0"),
        ({"num_bits": 17}, r"num_bits must be between 1 and 16 for the full truth table, got 17"),
        ({"num_bits": 40}, r"num_bits must be between 1 and 16 .*, got 40 \(fresh=true .* allows up to 1000\)"),
        ({"num_bits": 1001, "fresh": True}, "num_bits must be between 1 and 1000, got 1001"),
        ({"subset": 0}, "subset must be between 1 and 4, got 0"),
        ({"subset": 5}, "subset must be between 1 and 4, got 5"),
        ({"subset_seed": -1}, "subset_seed must be at least 0, got -1"),
        ({"num_test": 0}, "num_test must be at least 1, got 0"),
    ],
)
def test_bad_values_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Parity(**fields)


def with_field(field: str, value: Any) -> Parity:
    """Not through the constructor, whose types the tests check by themselves."""
    task = Parity()
    setattr(task, field, value)
    task.__post_init__()
    return task


@pytest.mark.parametrize("field", ["num_bits", "subset", "subset_seed", "num_test"])
def test_bad_types_are_refused(field: str) -> None:
    with pytest.raises(TypeError, match=rf"^{field} must be a whole number .*, got 2\.5$"):
        with_field(field, 2.5)


@pytest.mark.parametrize(
    ("field", "choices"), [("encoding", "zero_one, plus_minus"), ("posed_as", "regression, classification, hinge")]
)
def test_unknown_choices_are_refused(field: str, choices: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be one of {choices}, got 'gray'$"):
        with_field(field, "gray")


def test_choices_are_also_taken_as_plain_words() -> None:
    assert with_field("encoding", "plus_minus").encoding is Encoding.plus_minus
    assert with_field("posed_as", "hinge").posed_as is PosedAs.hinge
