"""Zeros that the patterns of earlier layers tell: they are zeros in integers, and those of pools need no integers."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane import subdivision
from dlcourse.pieces.plane.zeros import may_differ_from_0
from tests.networks import Layer, degenerate_layers
from tests.test_pieces_plane import DOMAINS


def zeros_found(layers: list[UnitLayer], corners: list[list[float]]) -> tuple[int, int]:
    """How many values at vertices are told to be zero, and how many are; each of the former is one of the latter."""
    found = np.zeros(2, dtype=int)
    original = subdivision.signs_at_vertices

    def checked(before: Any, passing: Any) -> Any:
        if before.layer > 0:
            vertices = np.arange(before.mesh.num_vertices)
            told = ~bits.unpack(may_differ_from_0(before, vertices), before.num_units)
            zero = before.exactly_at(vertices)[1] == 0
            assert (told <= zero).all()
            found[:] += told.sum(), zero.sum()
        return original(before, passing)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subdivision, "signs_at_vertices", checked)
        cut = subdivision.Subdivision(layers, np.eye(2, 3), np.array(corners), 10_000)
        cut.finish()
    return int(found[0]), int(found[1])


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(layers=degenerate_layers(in_features=[2]), corners=DOMAINS, data=st.data())
def test_what_is_told_to_be_zero_is_zero_in_integers(
    layers: list[Layer], corners: list[list[float]], data: st.DataObject
) -> None:
    kinds = st.sampled_from([0.0, 0.0, 0.0, 1.0, -1.0, 0.25])
    slopes = [[data.draw(kinds) for _ in bias] for _, bias in layers[:-1]] + [[1.0] * len(layers[-1][1])]
    zeros_found(
        [
            UnitLayer(np.array([weight]), np.array([bias]), np.array([slope]))
            for (weight, bias), slope in zip(layers, slopes, strict=True)
        ],
        corners,
    )


@pytest.mark.parametrize("flags_at_once", [1, 5, 2**19])
def test_zeros_of_a_pool_of_two_units_by_hand(flags_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of relu(x) and relu(y), passed on the second: their difference is zero where both are off, x, y <= 0.

    The square [-1, 1]^2 has nine vertices after the first layer; the four with x, y <= 0 have zeros that are told, the
    corner (1, 1), where 1 - 1 = 0, has one that is not. What is passed on, relu(y), is zero where y <= 0: at six.
    """
    monkeypatch.setattr("dlcourse.pieces.plane.zeros._FLAGS", flags_at_once)
    layers = [
        UnitLayer(np.eye(2)[None], np.zeros((1, 2)), np.zeros((1, 2))),
        UnitLayer(np.array([[[1.0, -1.0], [0.0, 1.0]]]), np.zeros((1, 2)), np.array([[0.0, 1.0]])),
        UnitLayer(np.array([[[1.0, 1.0]]]), np.zeros((1, 1)), np.zeros((1, 1))),
        UnitLayer(np.ones((1, 1, 1)), np.zeros((1, 1)), np.ones((1, 1))),
    ]
    square = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
    told, zero = zeros_found(layers, square)
    # The second layer's 4 + 6 of 5 + 6, and the third's sum at the four vertices of the lower left quarter.
    assert (told, zero) == (4 + 6 + 4, 5 + 6 + 4)


@pytest.mark.parametrize("seed", range(3))
def test_pools_of_images_settle_next_to_nothing(seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 8),
        nn.ReLU(),
        nn.Linear(8, 2),
    ).double()
    counted = pieces.on_plane(network, through=[*torch.rand(3, 1, 6, 6, dtype=torch.float64)])
    assert counted.num_regions > 300
    assert counted.num_settled < 20
