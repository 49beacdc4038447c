"""Planes through images with blank areas: counted as with integers alone, and as an exact counter does."""

from collections.abc import Iterator
from unittest.mock import patch

import exact_cells
import numpy as np
import pytest
import torch
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.plane import signs
from dlcourse.pieces.reading import affine, network


@pytest.fixture(autouse=True)
def sparse() -> Iterator[None]:
    """Makes all layers sparse."""
    with patch.object(network, "read_plain", return_value=None), patch.multiple(affine, _MANY=0, _MOSTLY_ZERO=0):
        yield


def pooled(activation: nn.Module) -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(1, 2, 3), activation, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)).double()


def images(kind: str) -> np.ndarray:
    """Three 6x6 images, which define a plane."""
    random = np.random.default_rng(4)
    if kind == "periodic":
        return np.tile(random.normal(size=(3, 1, 2, 3)), (1, 1, 3, 2))
    ground = random.normal(size=(3, 1, 1, 1)) if kind == "grounds" else np.zeros((3, 1, 1, 1))
    found = np.tile(ground, (1, 1, 6, 6))
    found[..., 1:3, 2:4] = random.normal(size=(3, 1, 2, 2))
    return found


CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])


def plane_of(found: nn.Sequential, kind: str) -> tuple[pieces.OnPlane, tuple[int, int]]:
    """The plane, and what fractions count on it: regions and pieces."""
    origin, *directions = images(kind)
    spanned = np.stack(directions)
    plane = pieces.on_plane(found, vertices=CORNERS, origin=origin, directions=spanned)
    return plane, exact_cells.counts(found, *exact_cells.polygon(CORNERS, origin, spanned))


@pytest.mark.parametrize("kind", ["blank", "grounds", "periodic"])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.25)], ids=["relu", "leaky"])
def test_counts_are_those_of_fractions(kind: str, activation: nn.Module) -> None:
    plane, counts = plane_of(pooled(activation), kind)
    assert (plane.num_regions, plane.num_pieces) == counts
    plane.check_invariants()


@pytest.mark.parametrize("kind", ["blank", "grounds"])
def test_most_ties_need_no_integers(kind: str) -> None:
    found, through = pooled(nn.ReLU()), tuple(images(kind))
    plane = pieces.on_plane(found, through=through)
    with patch.object(signs, "without_ties", lambda before, vertices, open_: open_):
        other = pieces.on_plane(found, through=through)
    assert (plane.num_regions, plane.num_pieces) == (other.num_regions, other.num_pieces)
    assert 2 * plane.num_settled < other.num_settled
