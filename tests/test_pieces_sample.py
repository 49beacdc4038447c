"""Random segments and triangles: their intervals cover expectations that closed formulas give."""

import math
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from marks import volume
from networks import TENT_ON_0_1, default_network, network_of, tents
from torch import nn

from dlcourse import pieces
from dlcourse.networks import MLP, stack, unstack

PLANES = network_of(([[1.0, 2.0, -1.0], [1.0, -1.0, 0.5], [-2.0, 1.0, 3.0], [1.0, 1.0, 1.0]], [0.5, 0.25, 0.0, 2.5]))
PLANES.append(nn.ReLU()).append(nn.Linear(4, 1, dtype=torch.float64))


def fraction_below_zero(weight: list[float], bias: float) -> Fraction:
    """How much of the box [-1, 1]^d a half-space w x + b <= 0 holds.

    The volume of a cube where a x <= c for a > 0 is the sum over its corners v of (-1)^|v| (c - a v)_+^d, over d! and
    the product of a (Barrow and Smith 1979). Here x = 2 u - 1, and negative weights are mirrored.
    """
    a = [2 * abs(Fraction(w)) for w in weight]
    c = sum(a) / 2 - Fraction(bias)
    terms = []
    for corner in product((0, 1), repeat=len(a)):
        left = c - sum(size for size, chosen in zip(a, corner, strict=True) if chosen)
        terms.append((-1) ** sum(corner) * max(left, Fraction(0)) ** len(a))
    return sum(terms) / (math.factorial(len(a)) * math.prod(a))


def check_coverage(samples: list[pieces.Sample], expected: float) -> None:
    """The intervals cover the expectation in 95% of independent samples, to 4 standard deviations of that number."""
    covered = sum(low <= expected <= high for low, high in (sample.interval for sample in samples))
    deviation = math.sqrt(len(samples) * 0.95 * 0.05)
    assert abs(covered - 0.95 * len(samples)) <= 4 * deviation
    means = np.array([sample.mean for sample in samples])
    assert abs(means.mean() - expected) <= 4 * means.std(ddof=1) / math.sqrt(len(samples))


def test_segments_cross_each_hyperplane_as_often_as_their_ends_are_apart() -> None:
    rows = zip(PLANES[0].weight.tolist(), PLANES[0].bias.tolist(), strict=True)
    fractions = [fraction_below_zero(w, b) for w, b in rows]
    assert fraction_below_zero([1.0, 0.0001], 0.0) == Fraction(1, 2)
    expected = 1 + sum(2 * p * (1 - p) for p in fractions)
    generator = torch.Generator().manual_seed(1)
    samples = [pieces.sample(PLANES, -1.0, 1.0, num_samples=40, generator=generator) for _ in range(volume(100))]
    check_coverage(samples, float(expected))


@pytest.mark.slow
def test_tents_on_random_segments() -> None:
    # 2^k - 1 breakpoints at b = j / 2^k, each between two uniform points with probability 2 b (1 - b).
    k = 4
    network = tents(k, TENT_ON_0_1)
    expected = 1 + sum(2 * Fraction(j, 2**k) * (1 - Fraction(j, 2**k)) for j in range(1, 2**k))
    assert expected == 1 + Fraction(4**k - 1, 3 * 2**k)
    generator = torch.Generator().manual_seed(2)
    samples = [
        pieces.sample(network, 0.0, 1.0, of="pieces", num_samples=30, generator=generator) for _ in range(volume(70))
    ]
    check_coverage(samples, float(expected))


@pytest.mark.slow
@pytest.mark.parametrize(("in_features", "width", "of"), [(2, 1, "pieces"), (3, 3, "regions"), (5, 4, "regions")])
def test_triangles_in_hyperplanes_through_the_middle(in_features: int, width: int, of: str) -> None:
    # Each hyperplane parts the three corners with probability 3/4. Two of them cross inside the triangle if, seen along
    # their intersection, the middle is in it: for symmetric distributions with probability 1/4 (Wendel 1962).
    torch.manual_seed(width)
    through = nn.Sequential(nn.Linear(in_features, width, bias=False), nn.ReLU(), nn.Linear(width, 1)).double()
    expected = 1 + Fraction(3, 4) * width + Fraction(1, 4) * math.comb(width, 2)
    generator = torch.Generator().manual_seed(3)
    samples = [
        pieces.sample(through, -1.0, 1.0, on="planes", of=of, num_samples=12, generator=generator)
        for _ in range(volume(20))
    ]
    check_coverage(samples, float(expected))


@pytest.mark.slow
def test_segments_between_given_points() -> None:
    deep = default_network([3, 8, 8, 1], 0)
    points = torch.randn(9, 3)
    pairs = list(combinations(points.double().numpy(), 2))
    expected = np.mean([pieces.on_line(deep, one, other).num_pieces for one, other in pairs])
    generator = torch.Generator().manual_seed(4)
    twice = torch.cat([points, points[:3]])  # what is there twice is taken once
    samples = [
        pieces.sample(deep, points=twice, of="pieces", num_samples=30, generator=generator) for _ in range(volume(70))
    ]
    check_coverage(samples, float(expected))


def test_triangles_between_three_points_are_all_the_same() -> None:
    deep = default_network([4, 8, 8, 1], 0)
    points = torch.randn(3, 4, dtype=torch.float64)
    whole = pieces.on_plane(
        deep, vertices=[[0, 0], [1, 0], [0, 1]], origin=points[0], directions=points[1:] - points[0]
    )
    sampled = pieces.sample(deep, points=points, on="planes", num_samples=10, generator=torch.Generator())
    assert sampled.counts.tolist() == [whole.num_regions] * 10
    assert whole.num_regions > 3
    assert (sampled.standard_deviation, sampled.interval.tolist()) == (0.0, [whole.num_regions] * 2)


def test_mean_spread_and_interval_by_hand() -> None:
    counts = np.array([3, 5, 4, 4, 2, 6, 4, 4, 4, 4])
    sampled = pieces.Sample(counts)
    assert (sampled.mean, sampled.standard_deviation) == (4.0, math.sqrt(10 / 9))
    # Student's table: t = 2.262 for 9 degrees of freedom.
    assert sampled.interval == pytest.approx([4 - 2.262 / 3, 4 + 2.262 / 3], abs=2e-4)


@pytest.mark.parametrize(("on", "num_samples"), [("lines", 70), ("planes", 15)])
def test_members_of_a_stack_meet_the_same_segments_as_if_alone(on: str, num_samples: int) -> None:
    members = stack([MLP(3, 1, width=6, depth=2, generator=torch.Generator().manual_seed(seed)) for seed in range(3)])
    arguments = {"low": [-1.0, -2.0, 0.0], "high": [1.0, 2.0, 3.0], "on": on, "num_samples": num_samples}
    together = pieces.sample(members, **arguments, generator=torch.Generator().manual_seed(5))
    assert together.counts.shape == (3, num_samples)
    for member, counts in zip(unstack(members), together.counts, strict=True):
        alone = pieces.sample(member, **arguments, generator=torch.Generator().manual_seed(5))
        assert alone.counts.tolist() == counts.tolist()
    assert together.interval.shape == (3, 2)
    assert (together.interval.mean(axis=1) == pytest.approx(together.mean)) and len(set(together.mean)) == 3


@pytest.mark.parametrize("on", ["lines", "planes"])
def test_images(on: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    images = torch.randn(5, 1, 4, 4)
    generator = torch.Generator().manual_seed(0)
    sampled = pieces.sample(net, points=images, on=on, num_samples=10, generator=generator)
    # Each of 8 units is zero on one hyperplane, which cuts a triangle in one line.
    assert 1 <= sampled.counts.min() < sampled.counts.max() <= (9 if on == "lines" else 37)
    low, high = -np.ones((1, 4, 4)), np.ones((1, 4, 4))
    assert pieces.sample(net, low, high, on=on, num_samples=10, generator=generator).counts.shape == (10,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either by low and high or by points, got neither"),
        ({"low": 0.0}, "either by low and high or by points, got low alone"),
        ({"high": 0.0}, "either by low and high or by points, got high alone"),
        ({"low": 0.0, "high": 1.0, "points": np.eye(3)}, "either by low and high or by points, got both"),
        ({"low": 0.0, "high": [1.0, 0.0, 1.0]}, r"low must be below high in every coordinate, got 0.0 and \[1.0, 0.0"),
        ({"low": [0.0] * 3, "high": [1.0] * 2}, r"low and high must have one shape, got \(3,\) and \(2,\)"),
        (
            {"low": [0.0] * 2, "high": [1.0] * 2},
            r"must be inputs of the network, 3 numbers, got shape \(2,\)",
        ),
        ({"points": np.eye(2)}, r"points must be inputs of the network, 3 numbers, got shape \(2,\)"),
        ({"points": [1.0, 2.0]}, r"points must be \[num_points, \*input_shape\], got shape \(2,\)"),
        ({"low": -1e308, "high": 1e308}, "high - low must be finite in float64, but it overflows, got -1e"),
        ({"low": 0.0, "high": math.nan}, "high must be finite, got nan"),
        ({"points": np.ones((5, 3))}, "at least 2 different points, got 1"),
        ({"points": np.eye(3)[:2], "on": "planes"}, "at least 3 different points, got 2"),
        ({"points": np.arange(3)[:, None] * np.ones(3), "on": "planes"}, "must not be parallel"),
        ({"low": 0.0, "high": 1.0, "num_samples": 9}, "num_samples must be at least 10, got 9"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pieces.sample(PLANES, **arguments, generator=torch.Generator())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 10.5}, "num_samples must be a whole number at least 10, got 10.5"),
        ({"num_samples": "ten"}, "num_samples must be a whole number at least 10, got 'ten'"),
        ({"generator": 3}, "generator must be a torch.Generator, got 3"),
    ],
)
def test_arguments_of_other_types_are_refused(arguments: dict[str, object], message: str) -> None:
    given: dict[str, Any] = {"low": 0.0, "high": 1.0, "generator": torch.Generator()} | arguments
    with pytest.raises(TypeError, match=f"{message}|violates type hint"):
        pieces.sample(PLANES, **given)
