"""Tents with trained peaks: the network against exact fractions, its pieces against the lengths that a proof gives."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse import pieces
from dlcourse.networks import num_parameters, stack
from dlcourse.networks.constructions import square
from dlcourse.networks.skewed_tents import SkewedTents, scales, skewed_tents, sum_of_waves

EPS = torch.finfo(torch.float64).eps
# A wave's error grows by no more than 1 / a or 1 / (1 - a), here 4, with every tent, and each tent adds some ten
# roundings of numbers up to 16; scales fall faster than 9/16 each and so do not add to that.
TOLERANCE = 4**5 * 160 * EPS

PEAKS = st.lists(st.integers(32, 96).map(lambda i: i / 128), min_size=1, max_size=5)
NUMBERS = st.integers(-64, 64).map(lambda i: i / 32)


def half(*peaks: float) -> list[Fraction]:
    """The peaks, and the 1/2 that stands for the one after the last."""
    return [*map(Fraction, peaks), Fraction(1, 2)]


def exactly(peaks: list[float], scale: float, slope: float, offset: float, x: Fraction) -> Fraction:
    """A x + B - sum s_i W_i, from the definition."""
    a, s = half(*peaks), Fraction(scale)
    y, wave = Fraction(slope) * x + Fraction(offset), x
    for i in range(len(peaks)):
        wave = wave / a[i] if wave <= a[i] else (1 - wave) / (1 - a[i])
        y -= s * wave
        if i + 2 < len(a):
            s *= (1 - a[i + 1]) * a[i + 2]
    return y


def all_ends(peaks: list[float]) -> list[Fraction]:
    """Where the pieces end: every tent cuts each interval on which the last wave goes from 0 to 1, or back, in two."""
    ends = [Fraction(0), Fraction(1)]
    for peak in map(Fraction, peaks):
        between = [
            low + (peak if i % 2 == 0 else 1 - peak) * (high - low)
            for i, (low, high) in enumerate(itertools.pairwise(ends))
        ]
        ends = sorted([*ends, *between])
    return ends


def kinks(peaks: list[float], scale: float) -> dict[Fraction, Fraction]:
    """By how much the slope changes at each end of a piece."""
    ends = all_ends(peaks)
    heights = [exactly(peaks, scale, 0.5, -1.0, x) for x in ends]
    steps = zip(itertools.pairwise(ends), itertools.pairwise(heights), strict=True)
    slopes = [(v - u) / (high - low) for (low, high), (u, v) in steps]
    return dict(zip(ends[1:-1], (b - a for a, b in itertools.pairwise(slopes)), strict=True))


@pytest.mark.parametrize("depth", [1, 2, 5, 12])
def test_peaks_in_the_middle_are_yarotskys_square(depth: int) -> None:
    network = skewed_tents([0.5] * depth)
    assert num_parameters(network) == 12 * depth - 2
    for parameter, value in zip(network.parameters(), square(depth).parameters(), strict=True):
        assert parameter.equal(value)


@settings(max_examples=20)  # hundreds of points each
@given(PEAKS, NUMBERS, NUMBERS, NUMBERS)
def test_network_and_module_are_the_function(peaks: list[float], scale: float, slope: float, offset: float) -> None:
    # All ends of pieces, both ends of the interval, and points between: wherever the third unit might be cut off.
    ends = all_ends(peaks)
    points = [*ends, *((low + high) / 2 for low, high in itertools.pairwise(ends))]
    x = torch.tensor([[float(point)] for point in points], dtype=torch.float64)
    expected = [float(exactly(peaks, scale, slope, offset, Fraction(point))) for point in x[:, 0].tolist()]
    wanted = torch.tensor(expected, dtype=torch.float64)[:, None]
    network = skewed_tents(peaks, scale, slope=slope, offset=offset, dtype=torch.float64)
    torch.testing.assert_close(network(x), wanted, rtol=0, atol=TOLERANCE)
    module = SkewedTents(len(peaks), dtype=torch.float64)
    logits = [math.log(peak / (1 - peak)) for peak in peaks]
    for parameter, value in zip(module.parameters(), (logits, scale, slope, offset), strict=True):
        parameter.data.copy_(torch.tensor(value, dtype=torch.float64))
    torch.testing.assert_close(module(x), wanted, rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(module.network()(x), wanted, rtol=0, atol=TOLERANCE)


@settings(max_examples=20)  # hundreds of points each
@given(PEAKS, st.sampled_from([0.25, -0.5]))
def test_in_real_numbers_it_is_convex_and_has_all_its_pieces(peaks: list[float], scale: float) -> None:
    found = kinks(peaks, scale)
    assert len(found) == 2 ** len(peaks) - 1
    assert all(kink * Fraction(scale) > 0 for kink in found.values())


def test_the_ratio_leaves_no_kink_and_another_ratio_does() -> None:
    # At the peak of the first tent, J = 1 / (a_1 (1 - a_1)): worked by hand for one tent, s_1 J, and two, s_1 J / 2.
    peaks = [0.25, 0.75, 0.375, 0.625, 0.25, 0.5, 0.625, 0.375, 0.75, 0.25]
    at_first = [kinks(peaks[:depth], 1.0)[Fraction(1, 4)] for depth in range(1, len(peaks) + 1)]
    assert at_first[:2] == [Fraction(16, 3), Fraction(8, 3)]
    assert all(later < earlier for earlier, later in itertools.pairwise(at_first))
    assert at_first[-1] < at_first[0] / 100
    # The same with s_i = 4^-i, which is right for peaks of 1/2 only.
    delta = Fraction(1, 2**60)
    sums = [Fraction(0)] * 3
    for i, x in enumerate((Fraction(1, 4) - delta, Fraction(1, 4), Fraction(1, 4) + delta)):
        wave = x
        for j, peak in enumerate(map(Fraction, peaks)):
            wave = wave / peak if wave <= peak else (1 - wave) / (1 - peak)
            sums[i] -= wave / 4**j
    assert abs(sums[0] - 2 * sums[1] + sums[2]) / delta > at_first[0] / 100


def test_scales_by_hand() -> None:
    peaks = torch.tensor([[0.5, 0.5, 0.5], [0.25, 0.75, 0.125]], dtype=torch.float64)
    first = torch.tensor([0.25, -1.0], dtype=torch.float64)
    # (1 - 3/4) / 8 = 1/32; that times (1 - 1/8) / 2 is 7/512
    assert scales(peaks, first).tolist() == [[1 / 4, 1 / 16, 1 / 64], [-1, -1 / 32, -7 / 512]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("depth", [1, 3, 7])
def test_long_pieces_have_the_lengths_of_the_products(depth: int, dtype: torch.dtype) -> None:
    for seed in range(3):
        design = SkewedTents(depth, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        line = pieces.on_line(design.network(dtype), 0, 1)
        lengths = np.diff([0, *line.breakpoints, 1])
        peaks = design.logits.sigmoid().tolist()
        products = [math.prod(choice) for choice in itertools.product(*((peak, 1 - peak) for peak in peaks))]
        assert line.num_pieces >= 2**depth  # rounding adds some, see below
        np.testing.assert_allclose(sorted(lengths[lengths > 1e-6]), sorted(products), rtol=0, atol=1e-5)


def test_rounding_adds_pieces() -> None:
    # 1 / a is no float for a = 0.3: the tent is not exactly 1 at its peak, nor 0 at its end.
    counts = [pieces.on_line(skewed_tents([0.3] * depth), 0, 1).num_pieces for depth in (2, 6)]
    assert counts[1] > 64
    assert pieces.on_line(skewed_tents([0.5] * 6), 0, 1).num_pieces == 64


def test_a_network_is_rounded_once() -> None:
    design = SkewedTents(4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for single, double in zip(
        design.network(torch.float32).parameters(), design.network(torch.float64).parameters(), strict=True
    ):
        assert single.dtype == torch.float32
        assert single.equal(double.float())


def test_members_beside_each_other_are_each_their_own() -> None:
    designs = [SkewedTents(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in range(4)]
    x = torch.rand(5, 1, dtype=torch.float64)
    together = sum_of_waves(x, **stack(designs).parameters)
    for outputs, design in zip(together, designs, strict=True):
        assert outputs.equal(design(x))
    assert designs[0](x[0]).shape == (1,)


def test_first_values_come_from_the_generator() -> None:
    first, again, other = (
        SkewedTents(5, generator=torch.Generator().manual_seed(seed)).logits.tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("peaks", [[], [0.5, 0.0], [1.0], [math.nan]])
def test_peaks_are_between_0_and_1(peaks: list[float]) -> None:
    with pytest.raises(ValueError, match="peaks must be one or more numbers between 0 and 1, both excluded, got"):
        skewed_tents(peaks)
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        SkewedTents(0)
