"""Changes of slope that cancel in pools, hand-worked, and networks whose changes floats cannot follow."""

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pytest
import torch
from networks import linear
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.arithmetic import changes
from dlcourse.pieces.reading import affine, network


@pytest.fixture(autouse=True)
def sparse() -> Iterator[None]:
    """Makes all layers sparse."""
    with patch.object(network, "read_plain", return_value=None), patch.multiple(affine, _MANY=0, _MOSTLY_ZERO=0):
        yield


class Pool(nn.Module):
    """The larger one of two numbers, times a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * torch.amax(x.unflatten(-1, (-1, 2)), -1)


def pooled(other: float, factor: float = 1.0) -> nn.Sequential:
    """max(relu(0.3 x), relu(0.7 x + other)) for x in the place of two numbers."""
    return nn.Sequential(linear([[0.3], [0.7]], [0.0, other]), nn.ReLU(), Pool(factor), linear([[0.1]], [0.0]))


def test_a_unit_that_loses_in_a_pool_makes_no_piece_and_needs_no_integers() -> None:
    # The first one turns on at 0, where the second one is 5; that is positive, and the larger one, all along.
    line = pieces.on_line(pooled(5.0), -1.0, 1.0)
    assert (line.num_regions, line.num_pieces, line.num_settled) == (2, 1, 0)


def test_a_unit_that_wins_makes_one() -> None:
    # It turns on at x = 0, t = 1/2; the second one does at 5/7, and is less than it until 1.25.
    line = pieces.on_line(pooled(-0.5), -1.0, 1.0)
    assert (line.num_regions, line.num_pieces) == (3, 2)
    assert line.breakpoints.tolist() == [0.5]


@pytest.mark.parametrize("factor", [1.0, 0.1, 2.0**-40, 1e-300, -3.0])
def test_factors_that_floats_do_not_hold_begin_anew(factor: float) -> None:
    line = pieces.on_line(pooled(5.0, factor), -1.0, 1.0)
    assert (line.num_regions, line.num_pieces) == (2, 1)
    line = pieces.on_line(pooled(-0.5, factor), -1.0, 1.0)
    assert (line.num_regions, line.num_pieces) == (3, 2)


def images(seed: int) -> tuple[nn.Sequential, np.ndarray]:
    torch.manual_seed(seed)
    found = nn.Sequential(nn.Conv2d(1, 3, 3), nn.LeakyReLU(0.3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2))
    return found.double(), np.random.default_rng(seed).normal(size=(2, 1, 8, 8))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_not_followed_is_left_to_integers(seed: int) -> None:
    images_network, ends = images(seed)
    line = pieces.on_line(images_network, *ends)
    with patch.object(changes, "_MOST", 0):
        other = pieces.on_line(images_network, *ends)
    assert (line.num_regions, line.num_pieces) == (other.num_regions, other.num_pieces)
    assert line.num_pieces < line.num_regions
    assert line.num_settled < other.num_settled
