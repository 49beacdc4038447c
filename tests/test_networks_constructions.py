"""Networks built by hand: their numbers of pieces, counted exactly, and their values, against fractions."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse import pieces
from dlcourse.networks import MLP, num_parameters
from dlcourse.networks.constructions import (
    absolute_sum,
    alternating_points,
    arrangement,
    montufar,
    nest,
    nested_tents,
    nested_valleys,
    nested_zigzags,
    serra,
    square,
    tent,
    zigzag,
)
from dlcourse.tasks import ZigZag

FAR = 1e6  # beyond all breakpoints: [-FAR, FAR] stands for the whole line


def values(network: MLP) -> list[list]:
    return [parameter.tolist() for parameter in network.parameters()]


def outputs(network: MLP, points: list[Fraction]) -> list[Fraction]:
    """In float64, which the points here and all that is computed from them fit into without rounding."""
    x = torch.tensor([[float(point)] for point in points], dtype=torch.float64)
    return [Fraction(y) for y in network.double()(x)[:, 0].tolist()]


def relu(x: Fraction) -> Fraction:
    return max(x, Fraction(0))


# Tents


def test_the_slides_tents_have_its_own_weights() -> None:
    # h~[1] = max(0, x) - max(0, 2 (x - 1)); h~[2] = max(0, 2 x) - max(0, 4 (x - 1/2))
    assert values(tent(0, 2)) == [[[1], [2]], [0, -2], [[1, -1]], [0]]
    assert values(tent(0, 1)) == [[[2], [4]], [0, -2], [[1, -1]], [0]]
    points = [Fraction(i, 16) for i in range(-16, 49)]
    assert outputs(tent(0, 2), points) == [relu(x) - relu(2 * (x - 1)) for x in points]
    assert outputs(tent(0, 1), points) == [relu(2 * x) - relu(4 * (x - Fraction(1, 2))) for x in points]


@pytest.mark.parametrize("num_tents", [1, 2, 3, 7, 16])
def test_nested_tents_are_the_target_of_the_task(num_tents: int) -> None:
    task = ZigZag(num_folds=num_tents)
    x = torch.rand(1000, 1) * 2
    assert nested_tents(num_tents)(x).equal(task.target(x))  # bit for bit, in float32
    grid = task.grid()
    assert nested_tents(num_tents, dtype=torch.float64)(grid).equal(task.target(grid))


@pytest.mark.parametrize(("num_tents", "on_whole_line"), [(1, 3), (2, 6), (3, 10), (4, 18), (5, 34), (12, 4098)])
def test_nested_tents_double_their_pieces(num_tents: int, on_whole_line: int) -> None:
    network = nested_tents(num_tents)
    assert num_parameters(network) == 4 + 6 * (num_tents - 1) + 3
    inside = pieces.on_line(network, 0, 2)
    assert inside.num_pieces == inside.num_regions == 2**num_tents
    assert set(abs(inside.slopes[:, 0])) == {2**num_tents}  # 2^(num_tents - 1) a unit of x, on a segment of length 2
    assert pieces.on_line(network, -FAR, FAR).num_pieces == on_whole_line


@pytest.mark.slow
@given(st.integers(-8, 8), st.integers(-5, 5), st.integers(1, 8))
def test_tents_on_dyadic_intervals(start: int, exponent: int, num_tents: int) -> None:
    low, high = start * 2.0**exponent, (start + 1) * 2.0**exponent
    network = nested_tents(num_tents, low, high)
    counted = pieces.on_line(network, low, high)
    assert counted.num_pieces == counted.num_regions == 2**num_tents
    ends = [Fraction(low) + Fraction(high - low) * Fraction(i, 2**num_tents) for i in range(2**num_tents + 1)]
    assert outputs(network, ends) == [i % 2 for i in range(2**num_tents + 1)]


@pytest.mark.slow
@given(st.floats(-100, 100), st.floats(0.01, 100), st.integers(1, 8), st.sampled_from([torch.float32, torch.float64]))
def test_tents_on_any_interval(low: float, length: float, num_tents: int, dtype: torch.dtype) -> None:
    # Where floats cannot hold the ends, only the first and the last piece may be a rounding longer or shorter.
    half_a_piece = length / 2**num_tents / 2
    network = nested_tents(num_tents, low, low + length, dtype=dtype)
    counted = pieces.on_line(network, low + half_a_piece, low + length - half_a_piece)
    assert counted.num_pieces == counted.num_regions == 2**num_tents


@pytest.mark.parametrize(("num_valleys", "num_pieces"), [(1, 3), (2, 7), (3, 15), (4, 31), (5, 63), (12, 8191)])
def test_nested_valleys_have_more_pieces_than_tents(num_valleys: int, num_pieces: int) -> None:
    network = nested_valleys(num_valleys)
    inside = pieces.on_line(network, 0, 3)
    assert inside.num_pieces == inside.num_regions == num_pieces
    assert pieces.on_line(network, -FAR, FAR).num_pieces == num_pieces
    # One valley by hand: u(0) = u(3) = 3, u(1/2) = u(5/2) = 3/2, u(1) = u(2) = 0. So u(u(1/2)) = 0, for example.
    points = [Fraction(i, 2) for i in range(7)]
    assert outputs(nested_valleys(2), points) == [3, 0, 3, 3, 3, 0, 3]


# Zig-zags


@pytest.mark.parametrize("width", [3, 4, 5, 8])
def test_a_zigzag_goes_up_and_down(width: int) -> None:
    corners = [Fraction(0), *(Fraction(2 * i + 1) for i in range(width + 1))]
    assert outputs(zigzag(width, 5), corners) == [5 * (i % 2) for i in range(width + 2)]
    counted = pieces.on_line(zigzag(width, 5), 0, 2 * width + 1)
    assert counted.num_pieces == counted.num_regions == width + 1


@pytest.mark.parametrize(
    ("widths", "num_pieces"),
    [
        *[([3], 4), ([3, 3], 16), ([3] * 3, 64), ([3] * 4, 256), ([4, 3, 7], 160), ([5, 8], 54)],
        pytest.param([10] * 5, 161_051, marks=pytest.mark.slow),
    ],
)
def test_zigzags_reach_the_most_pieces_on_a_line(widths: list[int], num_pieces: int) -> None:
    network = nested_zigzags(widths)
    inside = pieces.on_line(network, 0, 2 * widths[0] + 1)
    assert inside.num_pieces == inside.num_regions == num_pieces
    assert pieces.on_line(network, -FAR, FAR).num_pieces == num_pieces


@settings(max_examples=30)
@given(st.lists(st.integers(3, 7), min_size=1, max_size=4))
def test_every_piece_of_nested_zigzags_is_as_high_as_any(widths: list[int]) -> None:
    counted = pieces.on_line(nested_zigzags(widths), 0, 2 * widths[0] + 1)
    assert counted.num_pieces == math.prod(width + 1 for width in widths)
    ends = counted(np.concatenate([[0.0], counted.breakpoints, [1.0]]))[:, 0]
    rounding = 1e-9  # breakpoints are rounded, and slopes are up to 1e5
    assert max(abs(y - i % 2) for i, y in enumerate(ends)) < rounding


# Folds and arrangements, counted exactly; in three dimensions the constructions are in general position


@pytest.mark.parametrize(
    ("d", "width", "num_regions"),
    [(1, 1, 2), (1, 7, 8), (2, 1, 2), (2, 2, 4), (2, 3, 7), (2, 12, 79), (3, 2, 4), (3, 3, 8), (3, 6, 42), (4, 5, 31)],
)
def test_arrangements_are_in_general_position_inside_of_the_cube(d: int, width: int, num_regions: int) -> None:
    network = arrangement(d, width)
    cube = pieces.in_box(network, [0.0] * d, [1.0] * d)
    everywhere = pieces.in_box(network, [-1e3] * d, [1e3 + 1] * d)
    assert cube.num_regions == everywhere.num_regions == num_regions
    if width > d:
        assert cube.num_pieces == num_regions


@pytest.mark.parametrize(
    ("d", "widths", "num_regions"),
    [
        (1, [4], 5),
        (1, [2, 2], 2 * 3),
        (1, [3, 4], 3 * 5),
        (1, [4, 2, 3], 4 * 2 * 4),
        (2, [4], 11),
        (2, [4, 4], 44),  # Montufar's published bound for two layers of 4
        (2, [6, 6], 198),  # the same for two layers of 6
        (2, [5, 7], 4 * 29),  # one unit of the first layer is left over
        (2, [4, 6, 3], 4 * 9 * 7),
        (3, [4], 15),
        (3, [6, 4], 8 * 15),
        (3, [7, 9, 5], 8 * 27 * 26),
    ],
)
def test_montufars_network(d: int, widths: list[int], num_regions: int) -> None:
    network = montufar(d, widths)
    box = pieces.in_box(network, [0.0] * d, [1.0] * d)
    assert box.num_regions == box.num_pieces == num_regions
    if d == 1:
        line = pieces.on_line(network, 0, 1)
        assert line.num_regions == line.num_pieces == num_regions
    if d == 2:
        plane = pieces.on_plane(network, 0, 1)
        plane.check_invariants()
        assert plane.num_regions == plane.num_pieces == num_regions


@pytest.mark.parametrize(
    ("d", "widths", "num_regions"),
    [
        (1, [3, 3], 4 * 4),
        (1, [5, 4, 2], 6 * 5 * 3),
        (2, [6, 6], 352),  # Serra's published lower bound
        (2, [7, 9, 3], 16 * 25 * 7),
        (3, [9, 4], 64 * 15),
        (3, [9, 9, 1], 64 * 64 * 2),
    ],
)
def test_serras_network(d: int, widths: list[int], num_regions: int) -> None:
    network = serra(d, widths)
    low, high = [0.0] * d, [2.0 * (widths[0] // d) + 1] * d
    inside = pieces.in_box(network, low, high)
    assert inside.num_regions == num_regions
    if widths[-1] > d:
        assert inside.num_pieces == num_regions
    everywhere = pieces.in_box(network, [-1e3] * d, [1e3 + 1] * d)
    assert everywhere.num_regions == num_regions


def test_mirror_images_merge_where_all_units_of_the_last_layer_are_off() -> None:
    # relu(zigzag - 1/2), the zig-zag going 0, 1, 0, 1, 0: flat pieces meet at its middle, where units still change.
    counted = pieces.on_line(montufar(1, [4, 1]), 0, 1)
    assert (counted.num_regions, counted.num_pieces) == (8, 7)
    assert counted.slopes[:, 0].tolist() == [0, 4, -4, 0, 4, -4, 0]


# x^2


@pytest.mark.parametrize("depth", [1, 2, 3, 6, 10])
def test_square(depth: int) -> None:
    network = square(depth)
    assert [layer.out_features for layer in network.hidden.layers] == [3] * depth
    counted = pieces.on_line(network, 0, 1)
    assert counted.num_pieces == 2**depth
    assert counted.num_regions == 2**depth
    ends = [Fraction(i, 2**depth) for i in range(2**depth + 1)]
    assert outputs(network, ends) == [x * x for x in ends]
    # A chord of x^2 is above it, most so in the middle: by exactly 2^(-2 depth - 2).
    middles = [(2 * i + 1) * Fraction(1, 2 ** (depth + 1)) for i in range(2**depth)]
    errors = [y - x * x for x, y in zip(middles, outputs(network, middles), strict=True)]
    assert set(errors) == {Fraction(1, 2 ** (2 * depth + 2))}


# Folded space


@pytest.mark.parametrize("d", [1, 2, 3])
def test_absolute_sum(d: int) -> None:
    network = absolute_sum(d, dtype=torch.float64)
    points = torch.randn(50, d, generator=torch.Generator().manual_seed(d), dtype=torch.float64)
    expected = [sum((abs(Fraction(x)) for x in point), Fraction(0)) for point in points.tolist()]
    rounding = 2 * 2.0**-52  # of two additions of numbers of size 4 at most
    assert max(abs(y - x) for x, y in zip(expected, network(points)[:, 0].tolist(), strict=True)) < 4 * rounding


def test_absolute_sum_is_folded_once_in_each_direction() -> None:
    assert pieces.on_line(absolute_sum(1), -1, 2).num_pieces == 2
    assert pieces.on_plane(absolute_sum(2), -1, 2).num_pieces == 4


# Telgarsky's points


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_tents_go_through_the_alternating_points(k: int) -> None:
    points, labels = alternating_points(2**k)
    assert points[:, 0].tolist() == [i / 2**k for i in range(2**k)]
    assert labels[:, 0].tolist() == [0, 1] * 2 ** (k - 1)
    assert nested_tents(k, 0, 1)(points).equal(labels)


# Nesting


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
    st.integers(0, 2**32),
)
def test_nesting_is_composition(sizes: list[int], depths: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    networks = [
        MLP(a, b, width=5, depth=depth, generator=generator, dtype=torch.float64)
        for a, b, depth in zip(sizes[:-1], sizes[1:], depths, strict=False)
    ]
    nested = nest(*networks)
    assert len(nested.hidden.layers) == sum(depths[: len(networks)])
    x = expected = torch.randn(20, sizes[0], generator=generator, dtype=torch.float64)
    for network in networks:
        expected = network(expected)
    torch.testing.assert_close(nested(x), expected, rtol=1e-12, atol=1e-12)


def test_nesting_rounds_to_the_first_ones_dtype() -> None:
    generator = torch.Generator().manual_seed(0)
    networks = [MLP(1, 1, width=3, depth=1, generator=generator) for _ in range(2)]
    nested = nest(*networks)
    exactly = nest(*(network.double() for network in networks))
    assert nested.output.weight.dtype == torch.float32
    for parameter, value in zip(nested.parameters(), exactly.parameters(), strict=True):
        assert parameter.equal(value.float())


# All of them

BUILDS: list[Callable[..., MLP]] = [
    lambda **kwargs: tent(-1.0, 3.0, **kwargs),
    lambda **kwargs: nested_tents(4, **kwargs),
    lambda **kwargs: nested_valleys(20, **kwargs),
    lambda **kwargs: zigzag(5, **kwargs),
    lambda **kwargs: nested_zigzags([4, 100, 20], **kwargs),
    lambda **kwargs: arrangement(2, 40, **kwargs),
    lambda **kwargs: montufar(2, [40, 20, 40], **kwargs),
    lambda **kwargs: montufar(3, [9, 20], **kwargs),
    lambda **kwargs: serra(2, [12, 20, 40], **kwargs),
    lambda **kwargs: square(20, **kwargs),
    lambda **kwargs: absolute_sum(3, **kwargs),
]


@pytest.mark.parametrize("build", BUILDS)
def test_float32_holds_the_weights(build: Callable[..., MLP]) -> None:
    before = torch.get_rng_state()
    assert build().output.weight.dtype == torch.float32
    assert values(build()) == values(build(dtype=torch.float64))
    assert torch.get_rng_state().equal(before)  # no random numbers were drawn


def test_what_float32_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dtype must hold every weight exactly, got torch.float32; try torch.float64"):
        arrangement(4, 100)
    assert arrangement(4, 100, dtype=torch.float64).output.weight.dtype == torch.float64


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nest(), "nest needs at least one network, got none"),
        (lambda: nest(arrangement(2, 3), arrangement(2, 3)), "a network of 2 inputs cannot follow one of 1 outputs"),
        (lambda: nest(MLP(1, 1, width=2, depth=1, activation="tanh")), "activation must be relu, got tanh"),
        (
            lambda: nest(MLP(2, 1, width=2, depth=1, skip=True)),
            "skip must be False in networks that others are made of",
        ),
        (lambda: tent(1, 1), "low must be less than high, and both finite, got 1 and 1"),
        (lambda: tent(0, math.inf), "got 0 and inf"),
        (lambda: nested_tents(0), "num_tents must be at least 1, got 0"),
        (lambda: nested_valleys(0), "num_valleys must be at least 1, got 0"),
        (lambda: zigzag(2), "width must be at least 3, got 2"),
        (lambda: nested_zigzags([]), "widths must have at least one layer, got none"),
        (lambda: nested_zigzags([3, 2]), r"widths must be at least 3 in layer 2, got \[3, 2\]"),
        (lambda: arrangement(0, 3), "in_features must be at least 1, got 0"),
        (lambda: arrangement(2, 0), r"widths must be at least 1 in layer 1, got \[0\]"),
        (lambda: arrangement(10, 50), "floats cannot hold the weights of 50 hyperplanes in 10 dimensions exactly"),
        (lambda: zigzag(3, 0.1), "dtype must hold every weight exactly, got torch.float32"),
        (lambda: montufar(3, [4, 2, 5]), r"widths must be at least 3 in layer 2, got \[4, 2, 5\]"),
        (lambda: serra(2, [5, 5]), r"widths must be at least 6 in layer 1, got \[5, 5\]"),
        (lambda: absolute_sum(0), "in_features must be at least 1, got 0"),
        (lambda: square(0), "depth must be at least 1, got 0"),
        (lambda: alternating_points(0), "num_points must be at least 1, got 0"),
    ],
)
def test_bad_values_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
