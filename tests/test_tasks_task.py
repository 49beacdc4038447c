import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from marks import slow_except
from omegaconf import OmegaConf

from dlcourse.losses import SoftmaxCrossEntropy
from dlcourse.recording import TaskFacts
from dlcourse.streams import stream
from dlcourse.tasks import (
    MNIST,
    Alternating,
    Blobs,
    BreastCancer,
    Circles,
    Data,
    Digits,
    FoldedTents,
    Iris,
    Moons,
    Parity,
    Planar,
    Smooth,
    Spirals,
    Task,
    Wine,
    ZigZag,
    one_hot_data,
)
from dlcourse.tasks.parity import Encoding
from dlcourse.tasks.task import lines_between, one_hot_accuracy

TASKS: list[type[Task]] = [
    ZigZag,
    Smooth,
    Alternating,
    FoldedTents,
    Parity,
    Spirals,
    Moons,
    Circles,
    Blobs,
    Digits,
    Iris,
    Wine,
    BreastCancer,
    MNIST,
]
WITH_DATA = slow_except(TASKS, *TASKS[:-1])  # it takes seconds to read the images of MNIST


def test_names_are_distinct() -> None:
    assert [task.name for task in TASKS] == [
        "zigzag",
        "smooth",
        "alternating",
        "folded_tents",
        "parity",
        "spirals",
        "moons",
        "circles",
        "blobs",
        "digits",
        "iris",
        "wine",
        "breast_cancer",
        "mnist",
    ]


@pytest.mark.parametrize("task_class", TASKS)
def test_is_a_schema(task_class: type[Task]) -> None:
    assert OmegaConf.to_object(OmegaConf.structured(task_class)) == task_class()


@pytest.mark.parametrize("task_class", WITH_DATA)
def test_data_fit_the_task(task_class: type[Task]) -> None:
    task = task_class()
    data = task.data(seed=3, dtype=torch.float64)
    for inputs, targets in [(data.train_inputs, data.train_targets), (data.test_inputs, data.test_targets)]:
        assert inputs.shape == (len(targets), task.in_features)
        assert targets.shape == (len(inputs), task.out_features)
        for tensor in (inputs, targets):
            assert tensor.dtype == torch.float64
            assert tensor.device.type == "cpu"
            assert tensor.isfinite().all()
    assert task.loss(data.test_targets, data.test_targets).shape == (len(data.test_targets),)
    starts, ends = task.lines(seed=3)
    assert starts.shape == ends.shape == (1 if task.in_features == 1 else 20, task.in_features)
    assert (starts != ends).any(-1).all()


@pytest.mark.parametrize("task_class", WITH_DATA)
def test_metrics_of_a_stack_hold_the_headline_metric(task_class: type[Task]) -> None:
    task = task_class()
    data = task.data(seed=3, dtype=torch.float64)

    def network(inputs: torch.Tensor) -> torch.Tensor:
        return torch.zeros(5, inputs.shape[-2], task.out_features, dtype=inputs.dtype)

    metrics = task.metrics(network, data)
    assert task.metric in metrics
    for values in metrics.values():
        assert values.shape == (5,)


@pytest.mark.parametrize("task_class", WITH_DATA)
def test_data_and_lines_are_functions_of_the_seed(task_class: type[Task]) -> None:
    first, again = (
        vars(task_class().data(seed=7, dtype=torch.float64)),
        vars(task_class().data(seed=7, dtype=torch.float64)),
    )
    assert all(first[key].equal(again[key]) for key in first)
    assert all(map(torch.equal, task_class().lines(seed=7), task_class().lines(seed=7)))


@pytest.mark.parametrize("task_class", [ZigZag, FoldedTents, Parity, Spirals, Moons, Circles, Blobs])
def test_draws_are_functions_of_the_generator(task_class: type[Task]) -> None:
    task = task_class()
    first, again = (task.draw(50, stream(1, "a test")) for _ in range(2))
    other = task.draw(50, stream(2, "a test"))
    assert all(map(torch.equal, first, again))
    assert not first[0].equal(other[0])
    assert first[0].shape == (50, task.in_features)
    assert first[1].shape == (50, task.out_features)


@pytest.mark.parametrize("task_class", [Alternating, Digits, Iris, Wine, BreastCancer, MNIST])
def test_fixed_stock_has_no_fresh_items(task_class: type[Task]) -> None:
    assert not task_class().fresh
    with pytest.raises(NotImplementedError, match=task_class.name):
        task_class().draw(1, stream(0))


@pytest.mark.slow
def test_scikit_learn_is_not_imported_before_it_is_needed() -> None:
    command = (
        "import dlcourse.tasks as t, sys; t.ZigZag().data(0); t.Spirals().data(0); t.Digits(); print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in modules
    assert "sklearn" not in modules


def test_lines_join_different_points_of_the_set() -> None:
    points = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [2.0, 5.0]])
    starts, ends = lines_between(points, 200, stream(0))
    assert starts.shape == ends.shape == (200, 2)
    pairs = {(tuple(start), tuple(end)) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)}
    corners = [(0.0, 0.0), (1.0, 0.0), (2.0, 5.0)]
    assert pairs == {(start, end) for start in corners for end in corners if start != end}


def test_lines_between_equal_points_are_refused() -> None:
    with pytest.raises(ValueError, match="all 4 are the same"):
        lines_between(torch.ones(4, 2), 20, stream(0))


def with_classes(train: list[float], test: list[float]) -> Data:
    """The slide's D before it is transformed: a class an item."""
    train_targets, test_targets = (torch.tensor(classes, dtype=torch.float32)[:, None] for classes in (train, test))
    return Data(torch.ones(len(train), 2), train_targets, -torch.ones(len(test), 2), test_targets)


def test_one_hot_data_by_hand() -> None:
    before = with_classes([2, 0, 1], [1])
    data = one_hot_data(before, 3)
    assert data.train_targets.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert data.test_targets.tolist() == [[0, 1, 0]]
    assert data.train_inputs is before.train_inputs and data.test_inputs is before.test_inputs
    assert one_hot_data(before, 5).test_targets.tolist() == [[0, 1, 0, 0, 0]]  # classes that do not occur, too


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_hot_data_of_a_stack_keeps_members_and_dtype(dtype: torch.dtype) -> None:
    classes = torch.tensor([[[0.0], [1.0]], [[1.0], [1.0]], [[1.0], [0.0]]], dtype=dtype)  # three members, two items
    inputs = torch.zeros(3, 2, 4, dtype=dtype)
    targets = one_hot_data(Data(inputs, classes, inputs, classes), 2).train_targets
    assert targets.dtype == dtype
    assert targets.tolist() == [[[1, 0], [0, 1]], [[0, 1], [0, 1]], [[0, 1], [1, 0]]]


def test_one_hot_data_has_the_loss_that_torch_has_of_the_classes() -> None:
    classes = torch.randint(4, (50,))
    logits = torch.randn(50, 4)
    data = one_hot_data(with_classes(classes.tolist(), [0]), 4)
    expected = torch.nn.functional.cross_entropy(logits, classes, reduction="none")
    assert torch.allclose(SoftmaxCrossEntropy()(logits, data.train_targets), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (with_classes([0, 3], [0]), "classes must be between 0 and 2, got 3"),
        (with_classes([0, 1], [-1]), "classes must be between 0 and 2, got -1"),
        (with_classes([0, 1.5], [0]), "targets must be whole numbers, got 1.5"),
        (with_classes([0, float("nan")], [0]), "targets must be whole numbers, got nan"),
        (Data(*[torch.zeros(2, 3)] * 4), "targets must be one class an item, got 3 numbers an item"),
    ],
)
def test_one_hot_data_refuses_what_is_no_class(data: Data, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one_hot_data(data, 3)


def test_one_hot_accuracy_by_hand() -> None:
    nan = float("nan")
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    outputs = torch.tensor(
        [[[3.0, 1.0, 2.0], [-3.0, -2.0, -1.0]], [[3.0, 1.0, 2.0], [0.0, 1.0, -1.0]], [[nan, 0.0, 0.0], [0.0, 0.0, nan]]]
    )
    expected = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    assert one_hot_accuracy(outputs, targets).equal(expected)
    assert one_hot_accuracy(outputs, targets.expand(3, 2, 3)).equal(expected)


def test_what_solved_means_by_hand() -> None:
    # The zig-zag is uniform on [-2, 2], whose variance is 4^2 / 12; the grid's ends shift that by less than a part in
    # 128, the grid points of a piece. sin(pi x) has a variance of 1/2 over whole waves; 1,025 points are one too many.
    assert ZigZag(num_folds=3, centred=True).solved == pytest.approx(0.001 * 4 / 3, rel=1 / 64)
    assert ZigZag(num_folds=3).solved == pytest.approx(0.001 / 12, rel=1 / 64)
    assert Smooth().solved == pytest.approx(0.001 / 2, rel=1 / 512)
    assert Parity(num_bits=4).solved == 1.0
    assert Digits().solved == Moons().solved == 0.95


def test_where_pieces_are_counted() -> None:
    assert ZigZag().pieces_domain == "[0, 2]"
    assert ZigZag(centred=True).pieces_domain == "[-2, 2]"
    assert Moons().pieces_domain == "[-1.5, 2.5] x [-1, 1.5]"
    assert Parity(num_bits=2, encoding=Encoding.plus_minus).pieces_domain == "[-1, 1] x [-1, 1]"
    assert Parity(num_bits=3).pieces_domain == Digits().pieces_domain == "a segment, mean of 20"


@pytest.mark.parametrize("task", [Spirals(), Moons(), Circles(), Blobs()])
def test_the_rectangle_holds_the_data(task: Planar) -> None:
    assert task.rectangle is not None
    low, high = (torch.tensor(corner) for corner in task.rectangle)
    inputs = task.data(0).train_inputs
    inside = ((inputs > low) & (inputs < high)).all(1).double().mean()
    assert inside > 0.97  # clouds have tails


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.booleans())
def test_steps_until_solved(values: list[float], higher: bool) -> None:
    facts = TaskFacts("metric", higher_is_better=("metric",) if higher else (), solved=0.5)
    curve = [(10 * index, value) for index, value in enumerate(values)]
    since = facts.steps_until_solved(curve)
    solved = [value >= 0.5 if higher else value < 0.5 for value in values]
    # From there on all are solved, and the point before, if there is one, is not.
    assert (since == math.inf) == (not solved[-1])
    if since < math.inf:
        index = int(since) // 10
        assert all(solved[index:])
        assert index == 0 or not solved[index - 1]
