"""Islands by folding: the function, written with absolute values, and what is seen of it on a grid."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from dlcourse import pieces
from dlcourse.networks import num_parameters
from dlcourse.networks.islands import islands


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_function_is_a_sum_of_triangle_waves(depth: int) -> None:
    ticks = torch.arange(2**7 + 1) / 2**7
    points = torch.cartesian_prod(ticks, ticks)
    waves = 1 - (2 * ((points * 2 ** (depth - 1)) % 1) - 1).abs()
    network = islands(depth)
    assert torch.equal(network(points)[:, 0], waves.sum(dim=1) - 1.5)
    assert network.output.weight.dtype == torch.float32
    assert num_parameters(network) == 20 * depth - 3


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_as_many_islands_as_are_seen_on_a_grid(depth: int) -> None:
    ticks = torch.linspace(0, 1, 200)
    above = (islands(depth)(torch.cartesian_prod(ticks, ticks)) > 0).view(200, 200).numpy()
    seen = ndimage.label(above)[1], ndimage.label(~above, np.ones((3, 3)))[1]
    found = pieces.on_plane(islands(depth), 0, 1).decision_topology()
    assert seen == (4 ** (depth - 1), 1)
    assert (found.num_components.tolist(), found.num_holes.tolist()) == ([1, seen[0]], [seen[0], 0])


def test_no_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        islands(0)
