"""The folded tents: their values in exact fractions, networks that are this function, and why no shallow one is."""

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import layers_of, network_of
from torch import nn

from dlcourse.losses import SquaredError
from dlcourse.networks.constructions import absolute_sum, nest, nested_tents
from dlcourse.tasks import Data, FoldedTents

Coordinates = st.integers(-(2**12), 2**12)


def exact(x: Fraction, y: Fraction, num_folds: int) -> Fraction:
    """The distance of the folded sum to the nearest corner below, 4 / 2^num_folds away from the next; no tents."""
    half = Fraction(4, 2**num_folds)  # length of a piece
    place = (abs(x) + abs(y)) / half % 2
    return 4 * min(place, 2 - place) - 2


def deep(num_folds: int) -> nn.Sequential:
    """|x_1| + |x_2| from four units, then the lecture's tents on [0, 4], carried from [0, 1] to [-2, 2]."""
    network = nest(absolute_sum(2, dtype=torch.float64), nested_tents(num_folds, 0, 4, dtype=torch.float64))
    *hidden, (weight, bias) = layers_of(network)
    return network_of(*hidden, ([[4 * w for w in weight[0]]], [4 * bias[0] - 2]))


def two_layers(num_folds: int) -> nn.Sequential:
    """|x_1| + |x_2| from four units, and its zig-zag from 2^num_folds, which bend where the pieces end."""
    num, slope = 2**num_folds, 2.0**num_folds
    bend = [-4.0 * i / num for i in range(num)]
    change = [slope, *(2 * slope * (-1) ** i for i in range(1, num))]
    return network_of(
        ([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [0.0] * 4),
        ([[1.0] * 4] * num, bend),
        ([change], [-2.0]),
    )


def one_layer_for_one_fold() -> nn.Sequential:
    """|x_1| + |x_2| from four units; in each corner of the square one more bends where the sum is 2."""
    corners = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
    return network_of(
        ([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], *corners], [0.0] * 4 + [-2.0] * 4),
        ([[2.0] * 4 + [-4.0] * 4], [-2.0]),
    )


def test_values_by_hand() -> None:
    points = torch.tensor([[0, 0], [1, 0], [0, -1], [-1, -1], [2, 0], [1.5, 1.5], [-2, 2], [0.25, -0.25]]).double()
    assert FoldedTents(num_folds=1).target(points).tolist() == [-2, 0, 0, 2, 2, 0, -2, -1]
    assert FoldedTents(num_folds=2).target(points).tolist() == [-2, 2, 2, -2, -2, 2, -2, 0]


@given(Coordinates, Coordinates, st.integers(1, 6))
def test_target_is_exact(x: int, y: int, num_folds: int) -> None:
    point = Fraction(x, 2**11), Fraction(y, 2**11)
    target = FoldedTents(num_folds=num_folds).target(torch.tensor([[float(c) for c in point]], dtype=torch.float64))
    assert Fraction(target.item()) == exact(*point, num_folds)


@pytest.mark.parametrize(
    ("num_folds", "network"),
    [
        *((k, deep(k)) for k in (1, 2, 5)),
        *((k, two_layers(k)) for k in (1, 2, 3)),
        (1, one_layer_for_one_fold()),
    ],
)
def test_networks_that_are_the_target(num_folds: int, network: nn.Sequential) -> None:
    task = FoldedTents(num_folds=num_folds, num_test=200)
    steps = torch.arange(-16, 17, dtype=torch.float64) / 8
    grid = torch.cartesian_prod(steps, steps)  # all numbers are exact on it, and the ends of 8 pieces are points of it
    with torch.no_grad():
        assert network(grid)[:, 0].equal(task.target(grid))
        metrics = task.metrics(lambda x: network(x)[None], task.data(seed=0, dtype=torch.float64))
    assert metrics["mean_squared_error"].item() < 1e-24 < task.solved


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_what_one_layer_cannot_do(seed: int, width: int) -> None:
    # Second differences across a line see the jump of the gradient. For one hidden layer the jump across the line
    # x_1 + x_2 = 1 is the same all along; the target has one between the axes and none beyond.
    across, step = torch.tensor([1.0, 1.0], dtype=torch.float64), 2.0**-10
    along = torch.tensor([[0.25, 0.75], [0.5, 0.5], [-0.25, 1.25]], dtype=torch.float64)
    target = FoldedTents(num_folds=2).target

    def jumps(function: Any) -> list[float]:
        middle = function(along)
        second = function(along + step * across) + function(along - step * across) - 2 * middle
        return [round(jump, 6) for jump in (second / step).reshape(-1).tolist()]

    assert jumps(target) == [-16, -16, 0]
    generator = torch.Generator().manual_seed(seed)
    layer = torch.randn(width, 2, generator=generator, dtype=torch.float64)
    bias = torch.randn(width, generator=generator, dtype=torch.float64)
    # Units that bend near these three points, but not on the line, are left out; one on it is added.
    far = ((along @ layer.T + bias).abs() > 4 * step * layer.norm(dim=1)).all(0)
    rows = [*layer[far].tolist(), [1.0, 1.0]]
    network = network_of((rows, [*bias[far].tolist(), -1.0]), ([[1.0] * len(rows)], [0.0]))
    first, *others = jumps(lambda points: network(points).detach())
    assert others == pytest.approx([first] * 2, abs=1e-6)
    assert first == 2


def test_data_are_points_of_the_target_all_over_the_square() -> None:
    task = FoldedTents(num_folds=3, num_train=2000, num_test=500)
    data = task.data(seed=0, dtype=torch.float64)
    assert (len(data.train_inputs), len(data.test_inputs)) == (2000, 500)
    for inputs, targets in ((data.train_inputs, data.train_targets), (data.test_inputs, data.test_targets)):
        for (x, y), target in zip(inputs.tolist(), targets[:, 0].tolist(), strict=True):
            assert target == pytest.approx(float(exact(Fraction(x), Fraction(y), 3)), abs=1e-14)
    # 16 squares of equal area have 125 items each, by 5 standard deviations
    counts = torch.histogramdd(data.train_inputs, bins=[4, 4], range=[-2.0, 2.0, -2.0, 2.0]).hist
    assert counts.sum() == 2000
    assert (counts - 125).abs().max() < 5 * math.sqrt(125)
    assert not data.train_inputs[:500].equal(data.test_inputs)
    assert not task.data(seed=1, dtype=torch.float64).train_inputs.equal(data.train_inputs)


@pytest.mark.parametrize(("num_folds", "mean", "variance"), [(1, 2 / 3, 8 / 9), (2, 0, 4 / 3), (4, 0, 4 / 3)])
def test_solved_is_a_thousandth_of_the_variance(num_folds: int, mean: float, variance: float) -> None:
    # The sum s has the density s / 4 up to 2, then (4 - s) / 4. With one fold f is 2 s - 2 up to 2, and mirrored there:
    # its mean is the integral of (2 s - 2) s / 2 over [0, 2], 2/3, its mean square that of (2 s - 2)^2 s / 2, 4/3. With
    # more, mirrored pieces below 2 have densities s / 4 and (c - s) / 4, that add up to a constant: f is uniform.
    task = FoldedTents(num_folds=num_folds, num_test=40_000)
    targets = task.data(seed=0, dtype=torch.float64).test_targets
    assert task.solved == pytest.approx(variance / 1000, rel=1e-12)
    assert abs(targets.mean().item() - mean) < 5 * math.sqrt(variance / 40_000)
    # The squares lie between 0 and 4: their variance is at most 4.
    assert abs(targets.var().item() - variance) < 5 * math.sqrt(4 / 40_000)


def test_errors_of_shifted_members() -> None:
    task = FoldedTents(num_test=50)
    data = task.data(seed=0, dtype=torch.float64)
    stacked = Data(**{key: value.expand(3, -1, -1) for key, value in vars(data).items()})
    shifts = torch.tensor([0.0, 0.5, math.nan], dtype=torch.float64)[:, None, None]
    metrics = task.metrics(lambda x: task.target(x)[..., None] + shifts, stacked)
    assert metrics["mean_squared_error"][:2].tolist() == [0, pytest.approx(0.25, rel=1e-14)]
    assert metrics["mean_squared_error"][2].isnan()


def test_interface() -> None:
    task = FoldedTents()
    assert (task.in_features, task.out_features, task.loss, task.fresh) == (2, 1, SquaredError(), False)
    assert task.rectangle == ((-2, -2), (2, 2))
    assert task.pieces_domain == "[-2, 2] x [-2, 2]"


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("num_folds", 0, "between 1 and 20"),
        ("num_folds", 21, "between 1 and 20"),
        ("num_train", 0, "at least 1"),
        ("num_test", -1, "at least 1"),
    ],
)
def test_bad_values_are_refused(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be {allowed}, got {value}$"):
        FoldedTents(**{field: value})
