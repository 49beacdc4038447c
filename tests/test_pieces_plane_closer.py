"""Better pre-activations at vertices of planes, against integers; degenerate networks, against exact fractions."""

from fractions import Fraction
from unittest.mock import patch

import exact_cells
import numpy as np
import pytest
import torch
from marks import slow_except
from networks import he_network
from random_networks import case
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.arithmetic import digit_network
from dlcourse.pieces.plane import anew, order, signs, subdivision, values
from dlcourse.pieces.plane.preactivations import Preactivations

TOLERANCE = 2.0**-50  # of exact values: they are rounded once, and so are those in digits, but for their bounds


class Residual(nn.Module):
    """x + W relu(V x + b) + c."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = x + self.block(x)
        return y


def residual(num_blocks: int, width: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    blocks = [Residual(width) for _ in range(num_blocks)]
    return nn.Sequential(nn.Linear(3, width), *blocks, nn.Linear(width, 2)).double()


@pytest.mark.parametrize("spare_bits", [64, 0])  # with so few digits bounds are felt
@pytest.mark.parametrize(
    "kind", slow_except(["residual", "leaky", "steep", "convolution", "plain"], "residual", "steep")
)
def test_values_are_those_of_integers_within_their_bounds(kind: str, spare_bits: int) -> None:
    network: nn.Module = residual(3, 6, 0) if kind == "residual" else he_network(3, [6, 6, 6], seed=0)
    if kind in ("leaky", "steep"):
        torch.manual_seed(0)
        slope = 0.3 if kind == "leaky" else -2.7
        bends = [module for _ in range(3) for module in (nn.Linear(6, 6), nn.LeakyReLU(slope))]
        network = nn.Sequential(nn.Linear(3, 6), nn.LeakyReLU(slope), *bends, nn.Linear(6, 2)).double()
    shape: tuple[int, ...] = (3,)
    if kind == "convolution":
        torch.manual_seed(0)
        first, shape = (nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)), (1, 4, 4)
        network = nn.Sequential(*first, nn.Flatten(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    num_close, num_finite, num_all = 0, 0, 0

    def compared(before: Preactivations, passing: np.ndarray) -> object:
        nonlocal num_close, num_finite, num_all
        vertices = np.arange(before.mesh.num_vertices)
        floats, closer, (exact, _) = before.anew_at(vertices), before.closely_at(vertices), before.exactly_at(vertices)
        for found, error in (floats, closer):
            assert not (np.abs(found - exact) > error + TOLERANCE * np.abs(exact)).any()  # not where they fail: NaN
        by_floats = (floats.error.max(axis=1) <= 2.0**-30 * np.abs(exact).max(axis=1)).sum()
        assert by_floats > 0.9 * len(vertices)
        finite = np.isfinite(closer.error).all(axis=1)
        num_close += int((closer.error.max(axis=1) <= 2.0**-48 * np.abs(exact).max(axis=1)).sum())
        num_finite, num_all = num_finite + int(finite.sum()), num_all + len(vertices)
        return signs.signs_at_vertices(before, passing)

    few = patch.object(digit_network, "_SPARE_BITS", spare_bits)
    with few, patch.object(subdivision, "signs_at_vertices", side_effect=compared):
        plane = pieces.on_plane(network, through=tuple(6 * np.random.default_rng(0).normal(size=(3, *shape))))
    assert plane.num_regions > 30
    assert num_finite > 0.9 * num_all  # some lines may be nearly parallel
    assert num_close > 0.99 * num_all if spare_bits > 0 else num_close < num_all / 2


def test_what_products_lose_below_the_smallest_float_is_in_the_bound() -> None:
    """At a corner of a huge square, of two functions of which one is more than 2^540 times as small as the other."""
    far, random = 2.0**490, np.random.default_rng(0)
    sides = anew._sides(np.array([[-far, -far], [far, -far], [far, far], [-far, far]]))
    one, other = (anew._Functions(sides.values[:, [side]], sides.error[:, [side]]) for side in (2, 1))
    for exponent in range(-690, -640):
        a, b = random.normal(size=2) * 2.0**exponent
        functions = np.array([[[0.0], [2.0**-100], [0.0]], [[a], [b], [0.0]]])
        with np.errstate(all="ignore"):
            values, error = anew._at_crossings(functions, np.zeros((2, 3)), one, other)
        exact = (Fraction(float(a)) + Fraction(float(b))) * Fraction(far)
        assert not np.isfinite(error[1, 0]) or abs(Fraction(float(values[1, 0])) - exact) <= Fraction(
            float(error[1, 0])
        )


@pytest.mark.parametrize("first", slow_except(range(0, 200, 40), 0))
def test_degenerate_networks_are_counted_right_if_floats_prove_little(first: int) -> None:
    num = 0
    with patch.object(signs, "VAGUE", 0.0), patch.object(order, "VAGUE", 0.0), patch.object(values, "EPS", 2.0**-12):
        for seed in range(first, first + 40):
            one = case(seed)
            if one.on == "plane":
                domain = dict(one.domain)
                plane = pieces.on_plane(one.network, vertices=domain.pop("corners"), **domain)
                counts = exact_cells.counts(one.network, *exact_cells.polygon(**one.domain))
                assert (plane.num_regions, plane.num_pieces) == counts, one.families
                num += 1
    assert num > 3


@pytest.mark.slow
def test_deep_networks_need_few_integers() -> None:
    network = he_network(5, [24] * 12, seed=1, bias=0.3)
    corners = tuple(np.random.default_rng(1).normal(size=(3, 5)))
    plane = pieces.on_plane(network, through=corners)
    with patch.object(signs, "VAGUE", np.inf), patch.object(order, "VAGUE", np.inf):
        alone = pieces.on_plane(network, through=corners)
    assert (plane.num_regions, plane.num_pieces) == (alone.num_regions, alone.num_pieces)
    assert alone.num_settled > 50
    assert plane.num_settled < alone.num_settled / 20
