"""Counts from minus to plus infinity: published ones, long segments, and other coordinates on the same line."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import TENT_ON_0_2, Layer, integer_layers, network_of, tents

from dlcourse import pieces
from dlcourse.networks import MLP


@pytest.mark.parametrize(("k", "num_pieces"), [(1, 3), (2, 6), (3, 10), (4, 18), (5, 34)])
@pytest.mark.parametrize("origin", [0.0, 1.0, 0.3, -100.0])
def test_nested_tents(k: int, num_pieces: int, origin: float) -> None:
    found = pieces.on_line(tents(k, TENT_ON_0_2), origin=origin, direction=1.0)
    assert found.num_pieces == num_pieces
    assert len(found.breakpoints) == num_pieces - 1
    # The breakpoints between 0 and 2 lie at even distances. To the left of 0 the function is constant.
    inside = found.breakpoints[(found.breakpoints + origin > -1e-9) & (found.breakpoints + origin < 2 + 1e-9)] + origin
    assert np.abs(inside - np.arange(len(inside)) * 2.0 ** (1 - k)).max() < 1e-9
    assert found.slopes[0, 0] == 0


def test_an_absolute_value_by_hand() -> None:
    bent = network_of(([[1], [-1]], [-3, 3]), ([[1, 1]], [5]))  # |x - 3| + 5
    found = pieces.on_line(bent, origin=1.0, direction=2.0)  # x = 1 + 2 t
    assert (found.num_regions, found.num_pieces) == (2, 2)
    assert found.breakpoints.tolist() == found.region_breakpoints.tolist() == [1.0]
    assert found.slopes[:, 0].tolist() == [-2.0, 2.0]
    assert found.intercepts[:, 0].tolist() == [7.0, 3.0]


def test_infinity_is_no_breakpoint() -> None:
    # A unit whose zeros are parallel to the line has none on it, and a zero far away has regions on both sides.
    assert pieces.on_line(network_of(([[0, 1]], [0]), ([[1]], [0])), origin=[0, 1], direction=[1, 0]).num_regions == 1
    far = pieces.on_line(network_of(([[1]], [-(10**12)]), ([[1]], [0])), origin=0, direction=1)
    assert (far.num_regions, far.breakpoints[0]) == (2, pytest.approx(1e12, rel=1e-3))


vectors = st.tuples(st.integers(-3, 3), st.integers(-3, 3))


@pytest.mark.slow
@settings(max_examples=60)
@given(integer_layers(in_features=2, max_depth=3, max_outputs=1), vectors, vectors.filter(any))
def test_is_what_a_long_segment_has(layers: list[Layer], origin: tuple[int, int], direction: tuple[int, int]) -> None:
    network = network_of(*layers)
    # A unit is zero at t = - intercept / slope, both whole numbers. On the line, pre-activations of the first layer are
    # at most 2 (3 + 3) + 2 at t = 0, and each further layer multiplies by 2 * 4 and adds 2: below 2^14 after three.
    end = 2**14
    low, high = (np.array(origin) + t * np.array(direction) for t in (-end, end))
    expected = pieces.on_line(network, low, high)
    found = pieces.on_line(network, origin=origin, direction=direction)
    assert (found.num_regions, found.num_pieces) == (expected.num_regions, expected.num_pieces)
    t = (2 * expected.breakpoints - 1) * end
    assert np.abs(found.breakpoints - t).max(initial=0) < 1e-8
    x = np.array([-50.3, -1.2, 0.1, 0.7, 20.9])
    piece = np.searchsorted(found.breakpoints, x)
    y = network(torch.from_numpy(np.array(origin) + x[:, None] * np.array(direction))).detach().numpy()[:, 0]
    assert np.abs(found.slopes[piece, 0] * x + found.intercepts[piece, 0] - y).max() < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_coordinates_on_the_line_do_not_matter(seed: int) -> None:
    network = MLP(3, 2, width=20, depth=3, generator=torch.Generator().manual_seed(seed))
    origin, direction = np.array([0.5, -0.25, 1.0]), np.array([1.0, 0.5, -0.75])
    found = pieces.on_line(network, origin=origin, direction=direction)
    moved = pieces.on_line(network, origin=origin + 8 * direction, direction=-0.125 * direction)  # exact in floats
    assert (moved.num_regions, moved.num_pieces) == (found.num_regions, found.num_pieces)
    assert np.abs(8 - 0.125 * moved.breakpoints[::-1] - found.breakpoints).max() < 1e-7
    assert found.num_regions >= pieces.on_line(network, origin - 100 * direction, origin + 100 * direction).num_regions


@pytest.mark.parametrize(
    ("origin", "direction", "message"),
    [
        ([0, 0], [0, 0], "direction must not be zero"),
        ([0, 0], [1], r"origin and direction must have one shape, got \(2,\) and \(1,\)"),
        ([0, float("nan")], [1, 0], "origin must be finite, got nan"),
        ([0, 0], [float("inf"), 0], "direction must be finite, got inf"),
        ([0, 0, 0], [1, 0, 0], "origin must have 2 coordinates, got 3"),
    ],
)
def test_bad_lines_are_refused(origin: list[float], direction: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pieces.on_line(MLP(2, 1, width=3, depth=1), origin=origin, direction=direction)


def test_too_many_regions_are_refused() -> None:
    with pytest.raises(ValueError, match="max_regions"):
        pieces.on_line(tents(12, TENT_ON_0_2), origin=0, direction=1, max_regions=100)
