"""The alternating points, beside the lecture's tents in exact fractions and networks whose answers are known."""

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from dlcourse import pieces
from dlcourse.losses import SquaredError
from dlcourse.networks.constructions import nested_tents
from dlcourse.pieces.bounds import alternating_points_wrong
from dlcourse.tasks import Alternating, Data


def tents_at(x: Fraction, num_tents: int) -> Fraction:
    """The slide's tents on [-2, 2], as compositions of fractions."""
    x = (x + 2) / 4
    for _ in range(num_tents):
        x = 2 * min(x, 1 - x)
    return x


def test_four_points_by_hand() -> None:
    data = Alternating(num_points=4).data(seed=0)
    assert data.train_inputs.tolist() == data.test_inputs.tolist() == [[-2], [-1], [0], [1]]
    assert data.train_targets.tolist() == data.test_targets.tolist() == [[-1], [1], [-1], [1]]


@pytest.mark.parametrize("k", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nested_tents_get_every_point_right(k: int, dtype: torch.dtype) -> None:
    task = Alternating(num_points=2**k)
    data = task.data(seed=0, dtype=dtype)
    network = nested_tents(k, -2, 2, dtype=dtype)
    exact = [tents_at(Fraction(x), k) for x in data.test_inputs[:, 0].tolist()]
    assert [Fraction(y) for y in network(data.test_inputs)[:, 0].tolist()] == exact == [0, 1] * 2 ** (k - 1)
    assert task.metrics(lambda x: network(x)[None] - 0.5, data)["accuracy"].item() == 1 == task.solved
    counted = pieces.on_line(network, *(ends.item() for ends in task.lines(seed=0)))
    assert counted.num_pieces == 2**k >= task.num_pieces


@pytest.mark.parametrize("n", [2, 3, 8, 17])
def test_a_function_of_so_many_pieces_is_right_and_one_of_fewer_is_not(n: int) -> None:
    num_pieces = Alternating(num_points=n).num_pieces
    assert alternating_points_wrong(n, num_pieces) == 0
    assert num_pieces == 1 or alternating_points_wrong(n, num_pieces - 1) == 1


def test_accuracy_by_hand() -> None:
    task = Alternating(num_points=4)
    nan = math.nan
    answers = {
        (-3.0, 0.0, -0.1, 9.0): 1.0,  # 0 means the label 1
        (-1.0, -1.0, -1.0, 1.0): 0.75,
        (1.0, -1.0, 1.0, -1.0): 0.0,
        (nan, nan, -1.0, 1.0): 0.5,
    }
    outputs = torch.tensor(list(answers), dtype=torch.float64)[..., None]

    def network(inputs: Tensor) -> Tensor:
        assert inputs.shape[-2:] == (4, 1)
        return outputs

    data = task.data(seed=0, dtype=torch.float64)
    stacked = Data(**{key: value.expand(4, -1, -1) for key, value in vars(data).items()})
    for each in (data, stacked):
        assert task.metrics(network, each)["accuracy"].tolist() == list(answers.values())


def test_every_member_has_the_same_points_and_interval() -> None:
    task = Alternating(num_points=6)
    first, other = task.data(seed=0), task.data(seed=1)
    assert all(value.equal(getattr(other, key)) for key, value in vars(first).items())
    starts, ends = task.lines(seed=3)
    assert (starts.tolist(), ends.tolist(), task.pieces_domain) == ([[-2.0]], [[2.0]], "[-2, 2]")


def test_interface() -> None:
    task = Alternating()
    assert (task.in_features, task.out_features, task.loss, task.fresh) == (1, 1, SquaredError(), False)
    assert task.num_items == sum(len(inputs) for inputs in (task.data(0).train_inputs, task.data(0).test_inputs))
    assert task.metric in task.higher_is_better


@pytest.mark.parametrize("num_points", [-1, 0, 1, 2**20 + 1])
def test_bad_values_are_refused(num_points: Any) -> None:
    with pytest.raises(ValueError, match=f"^num_points must be between 2 and 1048576, got {num_points}$"):
        Alternating(num_points=num_points)


def test_bad_types_are_refused() -> None:
    task = Alternating()
    task.num_points = 8.0  # type: ignore[assignment]  # not through the constructor, whose types the tests check
    with pytest.raises(TypeError, match=r"^num_points must be a whole number .*, got 8.0$"):
        task.__post_init__()
