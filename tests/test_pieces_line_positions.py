"""Where breakpoints are, against fractions, where floats misplace them: all of them are proven to 2^-20."""

import math
from fractions import Fraction

import exact_cells
import numpy as np
import pytest
from exact_cells import run
from marks import slow_except
from networks import default_network, network_of
from random_networks import case
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.line.along import Along

PROMISED = Fraction(1, 2**20)


def breakpoints(network: nn.Module, cell: exact_cells.Cell, inputs: np.ndarray) -> list[Fraction]:
    """Where activation regions end, but for the last one."""
    return sorted(max(region.corners)[0] for region, _ in run(network, cell, inputs))[:-1]


def farthest_off(found: Along, network: nn.Module) -> Fraction:
    """The largest error of all breakpoints: as a share of the segment, or of 1 + |t|."""
    if isinstance(found, pieces.OnLine):
        exact = breakpoints(network, *exact_cells.segment(found.start, found.end))
        errors = [abs(Fraction(t) - true) for t, true in zip(found.region_breakpoints.tolist(), exact, strict=True)]
    else:
        exact = breakpoints(network, *exact_cells.whole_line(found.origin, found.direction))
        pairs = zip(found.region_breakpoints.tolist(), exact, strict=True)
        errors = [abs(Fraction(t) - true) / (1 + abs(true)) for t, true in pairs if math.isfinite(t)]
    return max(errors, default=Fraction(0))


@pytest.mark.parametrize("size", slow_except([1e-6, 1e-10, 1e-12, 1e-14], 1e-12))
def test_tiny_segments_around_a_breakpoint(size: float) -> None:
    # Numbers near 1 are rounded by 1e-16, so that floats place the zero of a unit on the segment no better than that.
    num_points = 0
    for seed in range(4):
        network = default_network([2, 8, 8, 8, 1], seed)
        line = pieces.on_line(network, [-2.0, -1.0], [2.0, 1.5])
        middle = line.points(line.breakpoints[len(line.breakpoints) // 2])
        step = size * np.array([0.7, -0.4])
        tiny = pieces.on_line(network, middle - step, middle + step)
        assert farthest_off(tiny, network) <= PROMISED
        num_points += len(tiny.region_breakpoints)
    assert num_points >= 4


def test_a_segment_of_two_floats() -> None:
    # Between two neighbouring floats the zero of 3 x - 1 is at t = 1/3 or 2/3: 1/3 is no float.
    network = network_of(([[3.0]], [-1.0]), ([[1.0]], [0.0]))
    start = 1 / 3 if Fraction(1 / 3) < Fraction(1, 3) else math.nextafter(1 / 3, 0)
    end = math.nextafter(start, 1)
    true = (Fraction(1, 3) - Fraction(start)) / (Fraction(end) - Fraction(start))
    assert true in (Fraction(1, 3), Fraction(2, 3))
    assert pieces.on_line(network, start, end).breakpoints.tolist() == [float(true)]
    backwards = pieces.on_line(network, end, start)
    assert backwards.breakpoints.tolist() == [float(1 - true)]


def test_a_unit_that_is_flat_for_what_it_is_made_of() -> None:
    # (1 + flat) (0.3 x + 1) - (0.3 x + 2) + 1 - 1.1 flat = flat (0.3 x - 0.1): what is left of terms near 1.
    flat = 2.0**-45
    layers = [([[0.3], [0.3]], [1.0, 2.0]), ([[1.0 + flat, -1.0]], [1.0 - flat * 1.1]), ([[1.0]], [0.0])]
    found = pieces.on_line(network_of(*layers), 0.0, 1.0)
    assert found.num_regions == 2
    assert farthest_off(found, network_of(*layers)) <= PROMISED


@pytest.mark.parametrize("far", [1e3, 1e10, 1e20, 1e300])
def test_a_zero_far_away_on_a_whole_line(far: float) -> None:
    network = network_of(([[1.0], [3.0]], [-far, 1.0]), ([[1.0, 1.0]], [0.0]))
    found = pieces.on_line(network, origin=0.0, direction=1.0)
    assert found.region_breakpoints.tolist() == [pytest.approx(-1 / 3), pytest.approx(far, rel=2.0**-20)]
    assert farthest_off(found, network) <= PROMISED


def test_no_float_is_so_far_away() -> None:
    network = network_of(([[1e-300], [1e-300]], [1e17, -1e17]), ([[1.0, 1.0]], [0.0]))
    assert pieces.on_line(network, origin=0.0, direction=1.0).breakpoints.tolist() == [-math.inf, math.inf]


@pytest.mark.slow
def test_degenerate_networks() -> None:
    num_points = 0
    for one in (case(seed) for seed in range(50)):
        if one.on in ("segment", "whole line"):
            found = pieces.on_line(one.network, **one.domain)
            assert farthest_off(found, one.network) <= PROMISED
            num_points += len(found.region_breakpoints)
    assert num_points > 50
