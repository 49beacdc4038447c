import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.losses import SquaredError
from dlcourse.streams import stream
from dlcourse.tasks import Data, ZigZag


def triangle_wave(x: Fraction, num_folds: int) -> Fraction:
    """Distance of 2^(num_folds - 1) x to the nearest even integer: the nested tents without any nesting."""
    remainder = Fraction(2) ** (num_folds - 1) * x % 2
    return min(remainder, 2 - remainder)


def stacked(data: Data, num_members: int, dtype: torch.dtype = torch.float64) -> Data:
    return Data(**{key: value.to(dtype).expand(num_members, -1, -1) for key, value in vars(data).items()})


@given(st.floats(0, 2), st.integers(1, 20))
def test_target_is_exact(x: float, num_folds: int) -> None:
    y = ZigZag(num_folds=num_folds).target(torch.tensor(x, dtype=torch.float64)).item()
    assert Fraction(y) == triangle_wave(Fraction(x), num_folds)


@given(st.floats(0, 2, width=32), st.integers(1, 20))
def test_target_is_exact_in_float32(x: float, num_folds: int) -> None:
    y = ZigZag(num_folds=num_folds).target(torch.tensor(x, dtype=torch.float32)).item()
    assert Fraction(y) == triangle_wave(Fraction(x), num_folds)


def test_target_by_hand() -> None:
    x = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0], dtype=torch.float64)
    assert ZigZag(num_folds=1).target(x).tolist() == [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]
    assert ZigZag(num_folds=2).target(x).tolist() == [0, 0.5, 1, 0.5, 0, 0.5, 1, 0.5, 0]
    assert ZigZag(num_folds=3).target(x).tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]


@given(st.integers(-(2**30), 2**30), st.integers(1, 20))
def test_centred_target_is_the_same_function_elsewhere(numerator: int, num_folds: int) -> None:
    x = Fraction(numerator, 2**29)
    y = ZigZag(num_folds=num_folds, centred=True).target(torch.tensor(float(x), dtype=torch.float64)).item()
    # x -> 2 (x - 1) and y -> 4 (y - 1/2), undone by hand
    assert Fraction(y) / 4 + Fraction(1, 2) == triangle_wave(x / 2 + 1, num_folds)


def test_centred_data_cover_the_centred_domain() -> None:
    task = ZigZag(num_folds=4, centred=True, num_train=2000)
    data = task.data(seed=0, dtype=torch.float64)
    assert (task.low, task.high) == (-2.0, 2.0)
    assert data.train_inputs.min() < -1.9
    assert data.train_inputs.max() > 1.9
    for x, y in zip(data.train_inputs[:, 0].tolist(), data.train_targets[:, 0].tolist(), strict=True):
        assert Fraction(y) / 4 + Fraction(1, 2) == triangle_wave(Fraction(x) / 2 + 1, 4)
    grid = task.grid()[:, 0]
    assert (grid[0], grid[-1]) == (-2, 2)
    starts, ends = task.lines(seed=0)
    assert (starts.item(), ends.item()) == (-2, 2)


@pytest.mark.parametrize("num_folds", [1, 2, 5, 12, 20])
def test_target_has_two_to_the_num_folds_pieces(num_folds: int) -> None:
    task = ZigZag(num_folds=num_folds)
    num_pieces = 2**num_folds
    ends = torch.linspace(task.low, task.high, num_pieces + 1, dtype=torch.float64)
    up_and_down = torch.arange(num_pieces + 1) % 2
    assert task.target(ends).equal(up_and_down.double())
    middles = (ends[1:] + ends[:-1]) / 2
    assert task.target(middles).equal(torch.full((num_pieces,), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("num_folds", [1, 3, 8, 9, 13])
def test_grid_resolves_every_piece(num_folds: int) -> None:
    task = ZigZag(num_folds=num_folds)
    grid = task.grid()[:, 0]
    assert grid[0] == task.low
    assert grid[-1] == task.high
    assert grid.diff().unique().numel() == 1
    assert len(grid) >= 1025
    steps_per_piece = Fraction(2, 2**num_folds) / Fraction(grid[1].item())
    assert steps_per_piece.denominator == 1
    assert steps_per_piece >= 4
    assert grid.float().double().equal(grid)


def test_metrics_of_constant_members() -> None:
    task = ZigZag(num_folds=3, noise=0.3)
    constants = torch.tensor([0.0, 0.5, 2.0, math.nan], dtype=torch.float64)

    def network(inputs: torch.Tensor) -> torch.Tensor:
        return constants[:, None, None].expand(4, inputs.shape[-2], 1)

    metrics = task.metrics(network, stacked(task.data(seed=0, dtype=torch.float64), 4))
    exact = [triangle_wave(Fraction(j, 512), 3) for j in range(1025)]
    for member, constant in enumerate([Fraction(0), Fraction(1, 2), Fraction(2)]):
        expected = sum((y - constant) ** 2 for y in exact) / 1025
        assert metrics["mean_squared_error"][member].item() == pytest.approx(float(expected), rel=1e-14)
    assert metrics["largest_error"][:3].tolist() == [1, 0.5, 2]
    assert metrics["mean_squared_error"][3].isnan()
    assert metrics["largest_error"][3].isnan()


@pytest.mark.parametrize("num_folds", [3, 14])
def test_metrics_of_a_perfect_and_a_shifted_member(num_folds: int) -> None:
    task = ZigZag(num_folds=num_folds)
    shifts = torch.tensor([[[0.0]], [[-0.25]]])

    def network(inputs: torch.Tensor) -> torch.Tensor:
        assert inputs.dtype == torch.float32
        return task.target(inputs) + shifts

    metrics = task.metrics(network, stacked(task.data(seed=0, dtype=torch.float64), 2, torch.float32))
    assert metrics["mean_squared_error"].tolist() == [0, 0.0625]
    assert metrics["largest_error"].tolist() == [0, 0.25]


def test_one_wrong_grid_point_is_seen() -> None:
    task = ZigZag(num_folds=14)
    spike_at = 1.0 + 3 * 2.0**-15

    def network(inputs: torch.Tensor) -> torch.Tensor:
        return (task.target(inputs) + 5.0 * (inputs == spike_at))[None]

    metrics = task.metrics(network, stacked(task.data(seed=0, dtype=torch.float64), 1))
    assert metrics["largest_error"].tolist() == [5.0]
    assert metrics["mean_squared_error"].item() == pytest.approx(25 / 65537, rel=1e-14)


def test_metrics_of_a_member_do_not_depend_on_its_companions() -> None:
    task = ZigZag(num_folds=13)
    data = task.data(seed=0, dtype=torch.float64)
    slopes = torch.randn(20, 1, 1, generator=stream(0), dtype=torch.float64)

    def metrics(slopes: torch.Tensor) -> dict[str, torch.Tensor]:
        return task.metrics(lambda inputs: torch.sin(slopes * inputs), stacked(data, len(slopes)))

    company = metrics(slopes)
    for num_members in (1, 2, 7):
        for key, values in metrics(slopes[:num_members]).items():
            assert values.equal(company[key][:num_members])


def test_metrics_keep_no_graph() -> None:
    task = ZigZag()
    weight = torch.ones(1, 1, 1, dtype=torch.float64, requires_grad=True)
    metrics = task.metrics(lambda inputs: weight * inputs, stacked(task.data(seed=0, dtype=torch.float64), 1))
    assert not metrics["mean_squared_error"].requires_grad


@settings(max_examples=30)
@given(st.integers(0, 2**63), st.integers(1, 20), st.integers(1, 50), st.integers(1, 50))
def test_data_are_points_of_the_target(seed: int, num_folds: int, num_train: int, num_test: int) -> None:
    data = ZigZag(num_folds=num_folds, num_train=num_train, num_test=num_test).data(seed, torch.float64)
    assert data.train_inputs.shape == data.train_targets.shape == (num_train, 1)
    assert data.test_inputs.shape == data.test_targets.shape == (num_test, 1)
    inputs = torch.cat((data.train_inputs, data.test_inputs))[:, 0].tolist()
    targets = torch.cat((data.train_targets, data.test_targets))[:, 0].tolist()
    for x, y in zip(inputs, targets, strict=True):
        assert 0 <= x <= 2
        assert Fraction(y) == triangle_wave(Fraction(x), num_folds)
    assert len(set(inputs)) == num_train + num_test


def test_seeds_differ() -> None:
    task = ZigZag()
    assert not task.data(seed=0, dtype=torch.float64).train_inputs.equal(
        task.data(seed=1, dtype=torch.float64).train_inputs
    )
    assert not task.data(seed=0, dtype=torch.float64).test_inputs.equal(
        task.data(seed=1, dtype=torch.float64).test_inputs
    )


def test_inputs_are_uniform() -> None:
    data = ZigZag(num_train=40_000, num_test=40_000).data(seed=0, dtype=torch.float64)
    for inputs in (data.train_inputs, data.test_inputs):
        counts = torch.histc(inputs, bins=8, min=0, max=2)
        standard_deviation = math.sqrt(40_000 * 1 / 8 * 7 / 8)
        assert (counts - 5000).abs().max() < 5 * standard_deviation


def test_noise_is_on_training_and_test_targets() -> None:
    num = 40_000
    task = ZigZag(noise=0.25, num_train=num, num_test=num)
    data = task.data(seed=0, dtype=torch.float64)
    noises = [
        data.train_targets - task.target(data.train_inputs),
        data.test_targets - task.target(data.test_inputs),
    ]
    for noise in noises:
        assert abs(noise.mean()) < 5 * 0.25 / math.sqrt(num)
        assert abs(noise.std() - 0.25) < 5 * 0.25 / math.sqrt(2 * num)
    assert not noises[0].equal(noises[1])


def test_interface() -> None:
    task = ZigZag()
    assert (task.in_features, task.out_features, task.loss, task.fresh) == (1, 1, SquaredError(), False)
    starts, ends = task.lines(seed=5)
    assert starts.tolist() == [[0.0]]
    assert ends.tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("num_folds", 0, "between 1 and 20"),
        ("num_folds", -3, "between 1 and 20"),
        ("num_folds", 21, "between 1 and 20"),
        ("noise", -0.1, "between 0 and 1000"),
        ("noise", math.nan, "between 0 and 1000"),
        ("noise", math.inf, "between 0 and 1000"),
        ("num_train", 0, "at least 1"),
        ("num_test", -1, "at least 1"),
    ],
)
def test_bad_values_are_refused(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be {allowed}, got {value}$"):
        ZigZag(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [("num_folds", 2.0, "whole number"), ("num_test", "9", "whole"), ("noise", "0", "number")],
)
def test_bad_types_are_refused(field: str, value: Any, allowed: str) -> None:
    task = ZigZag()
    setattr(task, field, value)  # not through the constructor, whose types the tests check by themselves
    with pytest.raises(TypeError, match=f"^{field} must be a {allowed}.*, got {value!r}$"):
        task.__post_init__()
