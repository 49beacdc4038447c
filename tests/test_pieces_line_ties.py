"""Images with blank areas and repeated patterns: counted as an exact counter does, without integers."""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import exact_cells
import numpy as np
import pytest
import torch
from marks import slow_except
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.line import blocks, ties
from dlcourse.pieces.line.ties import Ties
from dlcourse.pieces.reading import affine, network


@pytest.fixture(autouse=True, params=[2**6, 2**20], ids=["in blocks", "in one"])
def sparse(request: pytest.FixtureRequest) -> Iterator[None]:
    """Makes all layers sparse, and blocks small or large."""
    with (
        patch.object(network, "read_plain", return_value=None),
        patch.multiple(affine, _MANY=0, _MOSTLY_ZERO=0),
        patch.object(blocks, "_NUMBERS", request.param),
    ):
        yield


def blank(random: np.random.Generator) -> np.ndarray:
    """Two 8x8 images that are 0 but for a square each."""
    found = np.zeros((2, 1, 8, 8))
    for image in found:
        row, column = random.integers(0, 5, size=2)
        image[0, row : row + 3, column : column + 3] = random.random((3, 3))
    return found


def constant(random: np.random.Generator) -> np.ndarray:
    """The same on other grounds, which are the same in both."""
    found = blank(random)
    return np.where(found == 0, random.random(), found)


def grounds(random: np.random.Generator) -> np.ndarray:
    """The same on grounds that differ."""
    found = blank(random)
    return np.where(found == 0, random.random((2, 1, 1, 1)), found)


def periodic(random: np.random.Generator) -> np.ndarray:
    return np.tile(random.random((2, 1, 4, 2)), (1, 1, 2, 4))


def striped(random: np.random.Generator) -> np.ndarray:
    return np.repeat(random.random((2, 1, 1, 8)), 8, axis=2)


def pooled(pool: nn.Module, activation: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    return [nn.Conv2d(1, 2, 3), activation(), pool]


def twice_pooled(*, zero_biases: bool = False) -> list[nn.Module]:
    layers = [*pooled(nn.MaxPool2d(2)), nn.Conv2d(2, 2, 2), nn.ReLU(), nn.MaxPool2d(2)]
    if zero_biases:
        for convolution in layers[::3]:
            nn.init.zeros_(convolution.bias)
    return layers


NETWORKS = {
    "two pools": twice_pooled,
    "two pools, no biases": lambda: twice_pooled(zero_biases=True),
    "overlapping pools": lambda: pooled(nn.MaxPool2d(3, 2)),
    "leaky": lambda: pooled(nn.MaxPool2d(2), nn.LeakyReLU),
    "average": lambda: pooled(nn.AvgPool2d(2)),
}
IMAGES = {"blank": blank, "constant": constant, "grounds": grounds, "periodic": periodic, "striped": striped}


def case(name: str, images: str) -> tuple[nn.Sequential, np.ndarray]:
    torch.manual_seed(3)
    layers = [*NETWORKS[name](), nn.Flatten()]
    num = nn.Sequential(*layers)(torch.zeros(1, 1, 8, 8)).numel()
    found = nn.Sequential(*layers, nn.Linear(num, 2)).double()
    return found, IMAGES[images](np.random.default_rng(len(name) + len(images)))


@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("name", slow_except(NETWORKS, "leaky"))
def test_counts_are_those_of_fractions_and_need_no_integers(name: str, images: str) -> None:
    found, (start, end) = case(name, images)
    line = pieces.on_line(found, start, end)
    assert (line.num_regions, line.num_pieces) == exact_cells.counts(found, *exact_cells.segment(start, end))
    assert line.num_settled == 0
    line.check_invariants()


def with_a_constant_channel(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight[1])
    return layer


@pytest.mark.parametrize("few", [1, 10**9], ids=["by kinds", "one by one"])
@pytest.mark.parametrize("seed", slow_except(range(3), 0))
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Conv2d(1, 2, 3), nn.Hardtanh(-0.1, 0.1), nn.MaxPool2d(3, 1)],
        lambda: [
            nn.Conv2d(1, 2, 3),
            nn.Hardtanh(-0.1, 0.3),
            nn.MaxPool2d(2),
            nn.Conv2d(2, 2, 2),
            nn.ReLU6(),
            nn.MaxPool2d(2),
        ],
        lambda: [with_a_constant_channel(nn.Conv2d(1, 2, 3)), nn.MaxPool2d(3, 1)],
    ],
    ids=["saturated", "saturated twice", "constant places"],
)
def test_plateaus_tie(layers: Callable[[], list[nn.Module]], seed: int, few: int) -> None:
    torch.manual_seed(seed)
    body = [*layers(), nn.Flatten()]
    found = nn.Sequential(*body, nn.Linear(nn.Sequential(*body)(torch.zeros(1, 1, 8, 8)).numel(), 2)).double()
    start, end = np.random.default_rng(seed).normal(size=(2, 1, 8, 8))
    with patch.object(ties, "_FEW", few):
        line = pieces.on_line(found, start, end)
    assert (line.num_regions, line.num_pieces) == exact_cells.counts(found, *exact_cells.segment(start, end))
    assert line.num_settled < line.num_regions / 2  # where floats only just do not tell two levels apart


@pytest.mark.parametrize("images", ["blank", "grounds", "periodic"])
def test_integers_settled_them_before(images: str) -> None:
    found, (start, end) = case("two pools", images)
    line = pieces.on_line(found, start, end)
    none = np.zeros(0, dtype=np.int64)
    nothing = {"zeros": lambda *_, **__: (none, none), "share_points": lambda _, __, open_, **___: open_ & False}
    with patch.multiple(Ties, **nothing):
        other = pieces.on_line(found, start, end)
    assert (line.num_regions, line.num_pieces) == (other.num_regions, other.num_pieces)
    assert line.num_settled == 0 < other.num_settled


def test_many_lines_and_members_are_counted_as_each_alone() -> None:
    found, (start, end) = case("two pools", "grounds")
    _, (other, _) = case("two pools", "periodic")
    lines = pieces.on_lines(
        found, np.stack([start, other, start]), np.stack([end, start, other]), input_shape=(1, 8, 8)
    )
    for index, ends in enumerate([(start, end), (other, start), (start, other)]):
        alone = pieces.on_line(found, *ends)
        assert lines.num_regions[0, index] == alone.num_regions
        assert lines.num_pieces[0, index] == alone.num_pieces
        assert lines.num_settled[0, index] == alone.num_settled == 0
