"""The smooth targets, at points where their values are known."""

import math

import pytest
import torch

from dlcourse.tasks import Function, Smooth


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (Function.sine, {-2: 0, -1.5: 1, 0: 0, 0.5: 1, 1 / 6: 0.5, 2: 0}),
        (Function.square, {-2: 4, 0: 0, 0.5: 0.25, 1.5: 2.25}),
        (Function.bump, {0: 1, 0.5: 1 / math.e, -1: math.e**-4}),
    ],
)
def test_values_by_hand(function: Function, values: dict[float, float]) -> None:
    x = torch.tensor([float(each) for each in values], dtype=torch.float64)
    expected = torch.tensor([float(each) for each in values.values()], dtype=torch.float64)
    assert (Smooth(function=function).target(x) - expected).abs().max() < 1e-15 * 4


@pytest.mark.parametrize("function", list(Function))
def test_data_and_metrics_are_those_of_the_function(function: Function) -> None:
    task = Smooth(function=function, num_train=500, num_test=300)
    data = task.data(seed=1, dtype=torch.float64)
    assert (task.low, task.high) == (-2, 2)
    for inputs, targets, num in (
        (data.train_inputs, data.train_targets, 500),
        (data.test_inputs, data.test_targets, 300),
    ):
        assert len(inputs) == num
        assert -2 <= inputs.min() < -1.9 and 1.9 < inputs.max() <= 2
        assert torch.equal(targets, task.target(inputs))
    # the function itself errs by nothing, and 0 by its mean square: 1/2, 16/5, sqrt(pi/8)/4 (to the edges' 2e-15)
    exact = task.metrics(lambda x: task.target(x)[None], data)
    assert exact["mean_squared_error"].item() == exact["largest_error"].item() == 0
    nothing = task.metrics(lambda x: torch.zeros(1, *x.shape, dtype=x.dtype), data)["mean_squared_error"].item()
    expected = {"sine": 1 / 2, "square": 16 / 5, "bump": math.sqrt(math.pi / 8) / 4}[function]
    assert nothing == pytest.approx(expected, rel=1e-2)  # a sum over 1,025 points for an integral


def test_noise_is_on_the_data_and_not_in_the_metrics() -> None:
    task = Smooth(noise=0.5, num_train=4000)
    data = task.data(seed=0, dtype=torch.float64)
    # the standard error of a standard deviation from 4,000 numbers is 1.1 %
    assert (data.train_targets - task.target(data.train_inputs)).std().item() == pytest.approx(0.5, rel=0.05)
    assert task.metrics(lambda x: task.target(x)[None], data)["mean_squared_error"].item() == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("noise", -1.0, "noise must be between 0 and 1000, got -1.0"),
        ("num_train", 0, "num_train must be at least 1, got 0"),
    ],
)
def test_bad_values_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Smooth(**{field: value})
