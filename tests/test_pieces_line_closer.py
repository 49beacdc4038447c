"""What digits prove on lines: deep networks, and all kinds with floats that are taken to prove next to nothing."""

from typing import Any
from unittest.mock import patch

import exact_cells
import numpy as np
import pytest
import torch
from exact_cells import Absolute, Residual
from marks import slow_except
from networks import he_network, layers_of
from random_networks import case
from test_pieces_fuzz import DOMAINS
from test_pieces_line import exact_counts
from torch import nn

from dlcourse import pieces
from dlcourse.networks import stack
from dlcourse.pieces.arithmetic import rounding
from dlcourse.pieces.line import growth, intervals, subdivision
from dlcourse.pieces.line.closer import Closer, look_closer


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """For each time that digits are asked, at which vertices they proved all signs."""
    found = []

    def look(*arguments: Any) -> Closer:
        closer = look_closer(*arguments)
        found.append(closer.proven)
        return closer

    monkeypatch.setattr(subdivision, "look_closer", look)
    return found


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Floats round as if they had 12 bits, and digits are asked wherever that leaves something open."""
    for module in (rounding, intervals, subdivision):
        monkeypatch.setattr(module, "EPS", 2.0**-12)
    monkeypatch.setattr(subdivision, "_VAGUE", 0.0)


def residual(inner: nn.Module, *, blocks: int, width: int, seed: int) -> nn.Sequential:
    """Blocks x + linear(inner(linear(x))) between affine layers, with weights twice as large as torch draws them."""
    torch.manual_seed(seed)
    bodies = [nn.Sequential(nn.Linear(width, width), inner, nn.Linear(width, width)) for _ in range(blocks)]
    network = nn.Sequential(nn.Linear(2, width), *map(Residual, bodies), nn.Linear(width, 2)).double()
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data *= 2
    return network


@pytest.mark.slow
def test_deep_networks_need_no_integers(looked: list[np.ndarray]) -> None:
    network = he_network(1, [12] * 40, 1, bias=0.5)
    with patch.object(growth, "pays", return_value=False):  # else errors are followed with their directions
        counted = pieces.on_line(network, -2.0, 2.0)
    assert (counted.num_regions, counted.num_pieces) == exact_counts(layers_of(network), [-2.0], [2.0])
    assert counted.num_settled == 0
    assert sum(proven.sum() for proven in looked) > 0


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("inner", [nn.ReLU(), nn.LeakyReLU(0.3), nn.LeakyReLU(-0.5), Absolute(), nn.Hardtanh(-1, 0.5)])
@pytest.mark.usefixtures("coarse")
def test_residual_networks_in_digits(inner: nn.Module, seed: int, looked: list[np.ndarray]) -> None:
    network = residual(inner, blocks=4, width=3, seed=seed)
    ends = np.array([-3.0, 1.0]), np.array([3.0, 2.0])
    counted = pieces.on_line(network, *ends)
    assert (counted.num_regions, counted.num_pieces) == exact_cells.counts(network, *exact_cells.segment(*ends))
    assert counted.num_settled == 0
    assert counted.num_regions > 5
    assert sum(proven.sum() for proven in looked) > 0


@pytest.mark.parametrize("first", slow_except(range(0, 40, 20), 0))
@pytest.mark.usefixtures("coarse")
def test_degenerate_networks_in_digits(first: int, looked: list[np.ndarray]) -> None:
    for one in map(case, range(first, first + 20)):
        if one.on in ("segment", "whole line"):
            counted = pieces.on_line(one.network, **one.domain)
            exact = exact_cells.counts(one.network, *DOMAINS[one.on](**one.domain))
            assert (counted.num_regions, counted.num_pieces) == exact, one.families
    # Zeros, which abound here, are what digits do not prove: integers do.
    assert 0 < sum(proven.sum() for proven in looked) < sum(len(proven) for proven in looked)


@pytest.mark.usefixtures("coarse")
def test_every_member_has_its_own_digits(looked: list[np.ndarray]) -> None:
    members = [he_network(2, [5, 4, 5], seed, bias=0.5) for seed in range(3)]
    starts, ends = np.array([[-2.0, -1.0], [-1.0, 2.0]]), np.array([[2.0, 1.5], [2.0, -2.0]])
    counts = pieces.on_lines(stack(members), starts, ends)
    for member, network in enumerate(members):
        for line, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            found = counts.num_regions[member, line], counts.num_pieces[member, line]
            assert found == exact_counts(layers_of(network), start, end)
    assert sum(proven.sum() for proven in looked) > 0
