"""Borders on planes that do not show in the outputs, hand-worked and against integers."""

from unittest.mock import patch

import numpy as np
import pytest
import torch
from marks import slow_except
from networks import linear
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.plane import geometry


class Pool(nn.Module):
    """The larger one of every two numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.amax(x.unflatten(-1, (-1, 2)), -1)


def pooled(other: float) -> nn.Sequential:
    """max(relu(0.3 x), relu(0.7 y + other))."""
    first = linear([[0.3, 0.0], [0.0, 0.7]], [0.0, other])
    return nn.Sequential(first, nn.ReLU(), Pool(), linear([[0.1]], [0.0]))


def test_a_unit_that_loses_in_a_pool_makes_no_piece_and_needs_no_integers() -> None:
    # The first one turns on at x = 0, where the second one is 4.3 at least.
    plane = pieces.on_plane(pooled(5.0), -1.0, 1.0)
    assert (plane.num_regions, plane.num_pieces, plane._geometry.num_settled) == (2, 1, 0)


def test_a_unit_that_wins_somewhere_makes_pieces() -> None:
    # The first one turns on at x = 0; the second one at y = 5/7, and then 0.7 y - 0.5 <= 0.2 is larger for x < 2/3 at
    # most. Regions: the first off or on, times the second off or on, and the part where both are on is cut in two.
    # Pieces: 0; the first; the second, alone and where it wins, which is one part, as they meet at x = 0.
    plane = pieces.on_plane(pooled(-0.5), -1.0, 1.0)
    assert (plane.num_regions, plane.num_pieces) == (5, 3)


@pytest.mark.parametrize("seed", slow_except(range(4), 0))
def test_is_what_integers_say(seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU() if seed % 2 else nn.LeakyReLU(0.3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)
    ).double()  # fmt: skip
    corners = tuple(np.random.default_rng(seed).normal(size=(3, 1, 6, 6)))
    quick = pieces.on_plane(network, through=corners)
    num_pieces = quick.num_pieces
    with patch.object(geometry, "may_show", side_effect=lambda *given: np.ones(len(given[-1]), dtype=bool)):
        slow = pieces.on_plane(network, through=corners)
        assert slow.num_pieces == num_pieces
    assert (quick.piece_of_region == slow.piece_of_region).all()
    assert quick._geometry.num_settled < slow._geometry.num_settled / 10
