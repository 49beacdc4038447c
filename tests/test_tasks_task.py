import subprocess
import sys

import pytest
import torch
from marks import slow_except
from omegaconf import OmegaConf

from dlcourse.streams import stream
from dlcourse.tasks import (
    MNIST,
    Alternating,
    Blobs,
    BreastCancer,
    Circles,
    Digits,
    FoldedTents,
    Iris,
    Moons,
    Parity,
    Smooth,
    Spirals,
    Task,
    Wine,
    ZigZag,
)
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


def test_one_hot_accuracy_by_hand() -> None:
    nan = float("nan")
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    outputs = torch.tensor(
        [[[3.0, 1.0, 2.0], [-3.0, -2.0, -1.0]], [[3.0, 1.0, 2.0], [0.0, 1.0, -1.0]], [[nan, 0.0, 0.0], [0.0, 0.0, nan]]]
    )
    expected = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    assert one_hot_accuracy(outputs, targets).equal(expected)
    assert one_hot_accuracy(outputs, targets.expand(3, 2, 3)).equal(expected)
