"""Counts on lines against hand-worked networks, published formulas and an oracle in exact fractions."""

import math
import tracemalloc
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import examples
from networks import (
    TENT_ON_0_1,
    TENT_ON_0_2,
    Layer,
    default_network,
    degenerate_layers,
    he_network,
    layers_of,
    linear,
    network_of,
    positive_units,
    tents,
    with_values,
)
from torch import nn

from dlcourse import pieces
from dlcourse.networks import MLP, SoftmaxClassifier, stack
from dlcourse.networks.activations import Activation
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.segment import count_on_lines


def rescaled_tents(k: int) -> nn.Sequential:
    """Tents with hidden units scaled by random factors that cancel but for the rounding of the weights."""
    network = tents(k, TENT_ON_0_1)
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for layer, following in pairwise(layers):
            scale = torch.rand(2, generator=generator, dtype=torch.float64) + 0.5
            layer.weight *= scale[:, None]
            layer.bias *= scale
            following.weight /= scale
    return network


def exact_counts(layers: list[Layer], start: list[float], end: list[float]) -> tuple[int, int]:
    """Regions and pieces by the definitions, in fractions.

    Cells of [0, 1] carry the affine functions of t that arrive at them, and the signs (-1, 0, 1) of all pre-activations
    so far, taken in the middle of the cell. Neighbours with equal signs are one region, with equal outputs one piece.
    """
    line = [(Fraction(b) - Fraction(a), Fraction(a)) for a, b in zip(start, end, strict=True)]
    cells = [(Fraction(0), Fraction(1), line, ())]
    for depth, (weight, bias) in enumerate(layers, start=1):
        refined = []
        for low, high, inputs, signs in cells:
            functions = [
                (
                    sum(Fraction(w) * slope for w, (slope, _) in zip(row, inputs, strict=True)),
                    sum(Fraction(w) * value for w, (_, value) in zip(row, inputs, strict=True)) + Fraction(b),
                )
                for row, b in zip(weight, bias, strict=True)
            ]
            if depth == len(layers):
                refined.append((low, high, functions, signs))
                continue
            zeros = {-value / slope for slope, value in functions if slope != 0}
            for a, b in pairwise(sorted({low, high, *(zero for zero in zeros if low < zero < high)})):
                middle = [slope * (a + b) / 2 + value for slope, value in functions]
                here = tuple((value > 0) - (value < 0) for value in middle)
                off = (Fraction(0), Fraction(0))
                outputs = [function if sign > 0 else off for function, sign in zip(functions, here, strict=True)]
                refined.append((a, b, outputs, signs + here))
        cells = refined
    num_regions = 1 + sum(one[3] != next_[3] for one, next_ in pairwise(cells))
    num_pieces = 1 + sum(one[2] != next_[2] for one, next_ in pairwise(cells))
    return num_regions, num_pieces


# Networks whose numbers of pieces are known


@pytest.mark.parametrize("k", range(1, 17))
def test_nested_tents_have_2_to_the_k_pieces(k: int) -> None:
    counted = pieces.on_line(tents(k, TENT_ON_0_2), 0, 2)
    assert (counted.num_regions, counted.num_pieces, counted.num_settled) == (2**k, 2**k, 0)


@pytest.mark.parametrize(("k", "on_whole_line"), [(1, 3), (2, 6), (3, 10), (4, 18), (5, 34)])
def test_nested_tents_on_the_whole_line(k: int, on_whole_line: int) -> None:
    assert pieces.on_line(tents(k, TENT_ON_0_2), -1e6, 1e6).num_pieces == on_whole_line


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_zigzags_of_three_units_reach_the_maximum(k: int) -> None:
    # 35 - 7 relu(x - 2) + 7 relu(4 - x) - 10.5 relu(6 - x) goes 0, 7, 0, 7, 0 at x = 0, 2, 4, 6, 7.
    out, shift = np.array([[-7.0, 7.0, -10.5]]), np.array([35.0])
    into, bias = np.array([[1.0], [-1.0], [-1.0]]), np.array([-2.0, 4.0, 6.0])
    inner = ((into @ out).tolist(), (into @ shift + bias).tolist())
    network = network_of((into.tolist(), bias.tolist()), *[inner] * (k - 1), (out.tolist(), shift.tolist()))
    counted = pieces.on_line(network, 0.0, 7.0)
    assert (counted.num_regions, counted.num_pieces) == (4**k, 4**k)


@pytest.mark.parametrize(
    ("k", "as_float32", "num_regions"),
    [(10, True, 1365), (16, True, 83541), (14, False, 22677)],
)
def test_rescaled_tents(k: int, as_float32: bool, num_regions: int) -> None:
    # Found by exact rational arithmetic; the shortest interval is 5.6e-21 long.
    network = rescaled_tents(k)
    counted = pieces.on_line(network.float().double() if as_float32 else network, 0.0, 1.0)
    assert counted.num_regions == num_regions
    # With 16 tents digits tell what floats leave open; with 14 what is open is too close for them to be asked.
    assert (counted.num_settled > 0) == (k == 14)


@pytest.mark.parametrize(("width", "seed", "num_regions"), [(64, 0, 91), (64, 1, 78), (256, 0, 371), (256, 1, 393)])
def test_default_initialisation(width: int, seed: int, num_regions: int) -> None:
    # Counts that several other programs agree on.
    counted = pieces.on_line(default_network([1, width, width, width, 1], seed), -1.0, 1.0)
    assert (counted.num_regions, counted.num_settled) == (num_regions, 0)


@pytest.mark.parametrize("seed", range(3))
def test_errors_do_not_grow_where_deep_networks_are_cut(seed: int) -> None:
    # If the error bounds grew with every cut, as the uncertainty of t does, dozens of signs would stay open.
    counted = pieces.on_line(he_network(1, [16] * 20, seed, bias=0.5), -2.0, 2.0)
    assert counted.num_regions > 100
    assert counted.num_settled <= 3


@pytest.mark.parametrize("seed", range(40))
def test_the_zero_of_a_flat_unit_is_less_certain_than_values_are(seed: int) -> None:
    # The second layer has the unit flat * (x - p), which is a difference of large terms, and the unit x + 1. Both units
    # of the third layer are zero next to p. Where the flat unit is zero in floats, its values are those at p to 1e-16,
    # but that place may be as far from p as 1e-16 / flat.
    rng = np.random.default_rng(seed)
    p, shift, w = rng.random(), rng.random(), rng.random() * 2 + 0.5
    flat = 2.0 ** -rng.integers(10, 30)
    away = rng.normal() * 2.0**-53 / flat * rng.choice([1, 0.1, 0.01])
    ratio = (1 - flat) / w
    layers: list[Layer] = [
        ([[1.0], [w]], [1.0, shift + w]),
        ([[1.0, -ratio], [1.0, 0.0]], [ratio * (shift + w) - 1 - flat * p, 0.0]),
        ([[0.0, 1.0], [1.0, 1.0]], [away - (1 + p)] * 2),
        ([[1.0, 1.0]], [0.0]),
    ]
    counted = pieces.on_line(network_of(*layers), -1.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == exact_counts(layers, [-1.0], [1.0])
    assert counted.num_settled > 0


@pytest.mark.slow
@pytest.mark.parametrize(("widths", "most"), [([2, 2], 7), ([1, 3], 5)])
def test_narrow_networks_do_not_reach_the_product(widths: list[int], most: int) -> None:
    generator = torch.Generator().manual_seed(0)
    members = [MLP(1, 1, width=widths, initialization="he", generator=generator) for _ in range(1000)]
    for member in members:
        for layer in member.hidden.layers:
            nn.init.normal_(layer.bias, generator=generator)
    counts = pieces.on_lines(stack(members), np.array([[-1e4]]), np.array([[1e4]]))
    assert counts.num_pieces.max() == most


# What is counted, by hand


def test_units_that_cancel_make_regions_but_no_pieces() -> None:
    # relu(x) - relu(-x) = x
    counted = pieces.on_line(network_of(([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, -1.0]], [3.0])), -1.0, 2.0)
    assert (counted.num_regions, counted.num_pieces) == (2, 1)
    assert counted.region_breakpoints.tolist() == [1 / 3]
    assert counted.breakpoints.tolist() == []
    assert (counted.slopes.tolist(), counted.intercepts.tolist()) == ([[3.0]], [[2.0]])


def test_a_layer_that_is_off_makes_the_function_constant() -> None:
    network = network_of(([[1.0], [2.0]], [0.1, 0.3]), ([[-1.0, -1.0]], [-1.0]), ([[1.0]], [7.0]))
    counted = pieces.on_line(network, -1, 1)
    assert (counted.num_regions, counted.num_pieces, counted.num_settled) == (3, 1, 0)
    assert counted(0.3).tolist() == [7.0]


def test_a_unit_that_is_zero_on_an_interval_adds_no_region() -> None:
    # relu(relu(x)): the second unit is 0 up to x = 0, where the first one changes its sign anyway.
    counted = pieces.on_line(network_of(([[1.0]], [0.0]), ([[1.0]], [0.0]), ([[1.0]], [0.0])), -1.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == (2, 2)


def test_a_kink_of_any_output_counts() -> None:
    network = network_of(([[1.0], [1.0]], [0.0, -0.5]), ([[1.0, 0.0], [1.0, 1.0]], [0.0, 0.0]))
    counted = pieces.on_line(network, -1.0, 1.0)
    assert counted.breakpoints.tolist() == [0.5, 0.75]
    assert counted.slopes.tolist() == [[0.0, 0.0], [2.0, 2.0], [2.0, 4.0]]


def test_breakpoints_closer_than_floats_are_counted_apart() -> None:
    # One unit is zero at 1/3, the other one at a fifth of the float next to 5/3. These are two numbers, but their
    # nearest floats are the same.
    network = network_of(([[3.0], [5.0]], [-1.0, -5 / 3]), ([[1.0, 1.0]], [0.0]))
    counted = pieces.on_line(network, 0.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == (3, 3)
    assert np.abs(counted.breakpoints - 1 / 3).max() <= 2.0**-54  # the spacing of floats there
    assert counted.num_settled == 1


def test_affine_networks_have_one_piece() -> None:
    counted = pieces.on_line(MLP(2, 3, width=5, depth=0), [0.0, 1.0], [1.0, -1.0])
    assert (counted.num_regions, counted.num_pieces) == (1, 1)


def test_relu_on_the_outputs_counts() -> None:
    counted = pieces.on_line(nn.Sequential(linear([[3.0]], [-1.0]), nn.ReLU()), 0.0, 1.0)
    assert (counted.num_pieces, counted.breakpoints.tolist()) == (2, [1 / 3])
    assert counted(np.array([0.0, 1.0])).tolist() == [[0.0], [2.0]]


# Against the oracle


SEGMENTS = st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (-2.0, 3.0), (-0.1, 0.7), (-1 / 3, 1e3)])


@pytest.mark.slow
@examples(80)
@given(layers=degenerate_layers(in_features=[1, 1, 2, 5]), segments=st.lists(SEGMENTS, min_size=5, max_size=5))
def test_degenerate_networks_against_fractions(layers: list[Layer], segments: list[tuple[float, float]]) -> None:
    start, end = (list(points)[: len(layers[0][0][0])] for points in zip(*segments, strict=True))
    counted = pieces.on_line(network_of(*layers), start, end)
    assert (counted.num_regions, counted.num_pieces) == exact_counts(layers, start, end)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), in_features=st.sampled_from([1, 2, 5]), num_lines=st.integers(1, 4))
@pytest.mark.slow
def test_stacks_of_random_classifiers_against_fractions(seed: int, in_features: int, num_lines: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    members = [SoftmaxClassifier(in_features, 3, width=[6, 5], generator=generator) for _ in range(3)]
    starts = torch.randn(num_lines, in_features, generator=generator, dtype=torch.float64)
    ends = starts + torch.randn(3, num_lines, in_features, generator=generator, dtype=torch.float64) * 3
    counts = pieces.on_lines(stack(members), starts, ends)
    assert counts.num_regions.dtype == counts.num_pieces.dtype == np.int64
    for i, member in enumerate(members):
        exact = [exact_counts(layers_of(member), starts[j].tolist(), ends[i, j].tolist()) for j in range(num_lines)]
        assert list(zip(counts.num_regions[i], counts.num_pieces[i], strict=True)) == exact


def test_zeros_of_one_member_are_not_those_of_another() -> None:
    # Both members pass three inputs on, beside three ReLUs: member 0 through one layer, its second makes zeros of them,
    # and cuts [0, 1] at k/8 for k = 1 to 6; member 1 through two, to a unit that floats take for 0 at the start.
    down = -(0.1 + 0.2)
    assert 0.1 + 0.2 + down == 0 > Fraction(0.1) + Fraction(0.2) + Fraction(down)
    slope = np.array([[1.0, 1, 1, 0, 0, 0]] * 2)
    first = np.zeros((2, 6, 3))
    first[:, :3], first[:, 3:, 0] = np.eye(3), 1
    second = np.zeros((2, 6, 6))
    second[1, :3, :3], second[:, 3:, 0] = np.eye(3), 1
    third = np.array([[[0.1, 0.2, down, 0, 0, 0]]] * 2)
    layers = [
        UnitLayer(first, np.array([[0, 0, 0, -2, -4, -6]] * 2) / 8, slope),
        UnitLayer(second, np.array([[0, 0, 0, -1, -3, -5], [0] * 6]) / 8, slope),
        UnitLayer(third, np.zeros((2, 1)), np.zeros((2, 1))),
        UnitLayer(np.ones((2, 1, 1)), np.zeros((2, 1)), np.ones((2, 1))),
    ]
    starts, ends = np.array([[[0.0, 0, 0]], [[1, 1, 1]]]), np.array([[[1.0, 1, 1]], [[1.1, 1.2, 1]]])
    counted = count_on_lines(layers, starts, ends, (3,), max_regions=100)
    assert counted.num_regions.tolist() == [[7], [2]]
    assert counted.num_pieces.tolist() == [[1], [2]]


@settings(max_examples=50, deadline=None)
@given(widths=st.lists(st.integers(1, 8), min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_pieces_are_at_most_regions_and_the_product_of_widths_plus_1(widths: list[int], seed: int) -> None:
    network = MLP(1, 1, width=widths, generator=torch.Generator().manual_seed(seed))
    counted = pieces.on_line(network, -10.0, 10.0)
    assert 1 <= counted.num_pieces <= counted.num_regions <= math.prod(n + 1 for n in widths)


# Many lines, many members


def test_on_lines_is_on_line_one_by_one() -> None:
    generator = torch.Generator().manual_seed(1)
    members: list[nn.Module] = [MLP(2, 1, width=8, depth=3, generator=generator) for _ in range(4)]
    members.append(MLP(2, 1, width=8, depth=3, generator=generator))
    for parameter in members[-1].parameters():
        parameter.data.round_()  # a degenerate one among the others
    starts = torch.randn(6, 2, generator=generator)
    ends = torch.randn(6, 2, generator=generator)
    counts = pieces.on_lines(stack(members), starts, ends)
    single = [[pieces.on_line(m, a, b) for a, b in zip(starts, ends, strict=True)] for m in members]
    assert counts.num_regions.tolist() == [[line.num_regions for line in lines] for lines in single]
    assert counts.num_pieces.tolist() == [[line.num_pieces for line in lines] for lines in single]
    # The floats of the degenerate member are exact. That is noticed where it is alone, but not beside members whose
    # floats are rounded: there more of its signs are settled in exact arithmetic.
    assert (counts.num_settled >= [[line.num_settled for line in lines] for lines in single]).all()
    assert counts.num_settled[-1].any() and not counts.num_settled[:-1].any()
    for member, lines in enumerate(single):
        for index, alone in enumerate(lines):
            among = counts.line(member, index)
            assert among.num_pieces == alone.num_pieces
            for what in ("start", "end", "region_breakpoints", "piece_of_region", "breakpoints", "slopes", "weights"):
                np.testing.assert_allclose(getattr(among, what), getattr(alone, what), rtol=1e-12, atol=1e-12)
            assert [units.tolist() for units in among.pattern(0)] == [units.tolist() for units in alone.pattern(0)]
    alone = pieces.on_lines(members[2], starts.numpy(), ends.numpy())
    assert alone.num_pieces.tolist() == counts.num_pieces[2:3].tolist()
    assert len(np.unique(counts.num_pieces)) > 1


# Geometry


@pytest.mark.parametrize("in_features", [1, 2, 5])
@pytest.mark.parametrize("classifier", [False, True])
def test_affine_maps_reproduce_the_network(in_features: int, classifier: bool) -> None:
    generator = torch.Generator().manual_seed(in_features)
    kind = SoftmaxClassifier if classifier else MLP
    network = kind(in_features, 3, width=16, depth=3, generator=generator, dtype=torch.float64)
    start, end = torch.randn(2, in_features, generator=generator, dtype=torch.float64) * 4
    line = pieces.on_line(network, start, end)
    t = torch.rand(1000, generator=generator, dtype=torch.float64).numpy()
    x = torch.from_numpy(line.points(t))
    # Every number is a sum of products of weights. In total these products are at most as large as what `size` comes
    # to, and each of them is rounded fewer than 4 * (16 + in_features) times on its way. A breakpoint that is off by
    # the rounding of t moves the result no further.
    size = start.abs() + end.abs()
    for weight, bias in layers_of(network):
        size = torch.tensor(weight, dtype=torch.float64).abs() @ size + torch.tensor(bias, dtype=torch.float64).abs()
    tolerance = 4 * (16 + in_features) * 2.0**-53 * size.max().item()
    assert np.abs(line(t) - network(x).detach().numpy()).max() <= 2 * tolerance
    assert line.slopes.shape == line.intercepts.shape == (line.num_pieces, 3)
    assert len(line.breakpoints) == line.num_pieces - 1 > 5
    assert len(line.region_breakpoints) == line.num_regions - 1
    assert (np.diff(line.region_breakpoints) >= 0).all()


def test_breakpoints_of_two_tents() -> None:
    line = pieces.on_line(tents(2, TENT_ON_0_1), 0.0, 1.0)
    assert line.breakpoints.tolist() == [0.25, 0.5, 0.75]
    assert line.slopes.tolist() == [[4.0], [-4.0], [4.0], [-4.0]]
    assert line.intercepts.tolist() == [[0.0], [2.0], [-2.0], [4.0]]
    assert line.locate(np.array([0.0, 0.2, 0.25, 0.6, 1.0])).tolist() == [0, 0, 1, 2, 3]
    assert line(0.375).tolist() == [0.5]


def test_points_on_a_slanted_segment() -> None:
    network = network_of(([[1.0, 1.0]], [-1.0]), ([[1.0]], [0.0]))
    line = pieces.on_line(network, [0.0, 0.0], torch.tensor([4.0, 0.0]))
    assert line.points(line.breakpoints).tolist() == [[1.0, 0.0]]
    assert line.points(1).tolist() == [4.0, 0.0]


def test_asking_for_geometry_keeps_the_weights_of_the_count() -> None:
    network = tents(2, TENT_ON_0_1)
    line = pieces.on_line(network, 0.0, 1.0)
    network[0].weight.data.zero_()
    assert line.intercepts.tolist() == [[0.0], [2.0], [-2.0], [4.0]]


# Errors


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ([0.0, 1.0], [0.0, 1.0], r"start and end must differ, got \[0. 1.\]"),
        (0.0, 1.0, r"start must have 2 coordinates.*got shape \(1, 1\)"),
        ([0.0, 1.0], [0.0, 1.0, 2.0], r"end must have 2 coordinates.*got shape \(1, 3\)"),
        ([0.0, math.nan], [0.0, 1.0], "start must be finite, got nan"),
        (np.zeros((2, 2)), [0.0, 1.0], r"a point must be a vector of 2 numbers, got shape \(2, 2\)"),
    ],
)
def test_bad_segments_are_refused(start: object, end: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pieces.on_line(MLP(2, 1, width=3, depth=1), start, end)


def test_bad_lines_are_refused() -> None:
    members = stack([MLP(2, 1, width=3, depth=1) for _ in range(2)])
    with pytest.raises(ValueError, match=r"shape \[num_lines, 2\] or \[2, num_lines, 2\].*got shape \(3, 4, 2\)"):
        pieces.on_lines(members, np.zeros((3, 4, 2)), np.ones((3, 4, 2)))
    with pytest.raises(ValueError, match=r"as many ends as starts.*\(4, 2\) and \(5, 2\)"):
        pieces.on_lines(members, np.zeros((4, 2)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="there are 2 members and 4 lines, got member 2, line 0"):
        pieces.on_lines(members, np.zeros((4, 2)), np.ones((4, 2))).line(2, 0)


@pytest.mark.parametrize(
    ("points", "given"),
    [
        ({}, "none of them"),
        ({"start": 0}, "start"),
        ({"origin": 0}, "origin"),
        ({"start": 0, "end": 1, "origin": 0, "direction": 1}, "start and end and origin and direction"),
    ],
)
def test_a_line_is_a_segment_or_a_whole_line(points: dict[str, int], given: str) -> None:
    with pytest.raises(ValueError, match=f"must be given by start and end or by origin and direction, got {given}"):
        pieces.on_line(MLP(1, 1, width=3, depth=1), **points)


def test_t_outside_of_the_segment_is_refused() -> None:
    line = pieces.on_line(MLP(1, 1, width=3, depth=1), 0.0, 1.0)
    with pytest.raises(ValueError, match=r"t must be between 0 and 1, got 1.5"):
        line(1.5)


@pytest.mark.parametrize("activation", [Activation.sigmoid, Activation.tanh])
def test_smooth_networks_are_refused(activation: Activation) -> None:
    with pytest.raises(ValueError, match=f"activation must be relu or leaky_relu to count pieces, got {activation}"):
        pieces.on_line(MLP(1, 1, width=3, depth=1, activation=activation), 0.0, 1.0)


def test_leaky_relu_has_the_pieces_of_a_kink() -> None:
    network = with_values(MLP(1, 1, width=1, depth=1, activation=Activation.leaky_relu), 2.0, -1.0, 3.0, 0.0)
    line = pieces.on_line(network, 0.0, 1.0)  # 3 leaky_relu(2 x - 1), whose kink is at 1/2
    assert (line.num_pieces, line.num_regions) == (2, 2)
    np.testing.assert_allclose(line.slopes.ravel() if line.slopes.ndim > 1 else line.slopes, [0.06, 6.0], rtol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_leaky_relu_is_counted_as_torchs_own_layer(seed: int) -> None:
    network = MLP(1, 1, width=7, depth=3, activation="leaky_relu", generator=torch.Generator().manual_seed(seed))
    layers = [*network.hidden.layers, network.output]
    modules = [module for layer in layers for module in (layer, nn.LeakyReLU(0.01))][:-1]
    ours, torchs = (pieces.on_line(each, -3.0, 3.0) for each in (network, nn.Sequential(*modules)))
    assert ours.num_pieces == torchs.num_pieces
    np.testing.assert_array_equal(ours.breakpoints, torchs.breakpoints)


def test_overflow_is_an_error() -> None:
    with pytest.raises(ValueError, match="overflow"):
        pieces.on_line(network_of(([[1e200]], [0.0]), ([[1e200]], [0.0])), 0.0, 1.0)


def test_too_many_regions_say_how_far_it_got() -> None:
    network = tents(10, TENT_ON_0_1)
    with pytest.raises(ValueError, match=r"got 600, but layer 10 of 11 cuts 512 regions into 1024"):
        pieces.on_line(network, 0.0, 1.0, max_regions=600)
    assert pieces.on_line(network, 0.0, 1.0, max_regions=1024).num_regions == 1024
    # Three segments, one of which is outside of the tents: 1 + 256 + 256 regions.
    starts, ends = np.array([[1.0], [0.0], [0.0]]), np.array([[2.0], [0.25], [0.25]])
    with pytest.raises(ValueError, match=r"got 512, but layer 10 of 11 cuts 257 regions into 513"):
        pieces.on_lines(network, starts, ends, max_regions=512)
    assert pieces.on_lines(network, starts, ends, max_regions=513).num_regions.tolist() == [[1, 256, 256]]
    with pytest.raises(ValueError, match="max_regions must be at least 1, got 0"):
        pieces.on_line(network, 0.0, 1.0, max_regions=0)


def test_units_that_cross_together_count_once_for_the_guard() -> None:
    network = network_of(([[1.0]] * 50, [-0.5] * 50), ([[1.0] * 50], [0.0]))
    assert pieces.on_line(network, 0.0, 1.0, max_regions=2).num_regions == 2


def test_a_hundred_million_regions_ahead_take_no_memory() -> None:
    network = tents(27, TENT_ON_0_1)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"got 50000, but layer 16 of 28 cuts 32768 regions into 65536"):
        pieces.on_line(network, 0.0, 1.0, max_regions=50_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000 * 2 * 200  # bytes: at most 200 for each region that is allowed and each of the two units


def test_patterns_are_those_of_the_units() -> None:
    network = MLP(3, 2, width=7, depth=3, generator=torch.Generator().manual_seed(4)).double()
    start, end = torch.tensor([[-2.0, 1.0, 0.5], [1.5, -2.0, 1.0]], dtype=torch.float64)
    line = pieces.on_line(network, start, end)
    assert line.num_regions > 5
    edges = np.concatenate([[0.0], line.region_breakpoints, [1.0]])
    for region, t in enumerate((edges[:-1] + edges[1:]) / 2):
        units = positive_units(network.hidden.layers, start + t * (end - start))
        assert [pattern.tolist() for pattern in line.pattern(region)] == units
    with pytest.raises(ValueError, match=f"region must be between 0 and {line.num_regions - 1}, got -1"):
        line.pattern(-1)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_invariants_hold_and_a_false_count_does_not_pass(k: int) -> None:
    line = pieces.on_line(tents(k, TENT_ON_0_2), -1.0, 3.0)
    line.check_invariants()
    with pytest.raises(SubdivisionError, match="do not fit the breakpoints"):
        replace(line, num_pieces=line.num_pieces + 1).check_invariants()


def test_plot_draws_the_function() -> None:
    line = pieces.on_line(tents(2, TENT_ON_0_2), 0.0, 2.0)
    axes = line.plot()
    curve, dots = axes.get_lines()
    assert np.column_stack(curve.get_data()).tolist() == [[0, 0], [0.25, 1], [0.5, 0], [0.75, 1], [1, 0]]
    assert dots.get_xdata().tolist() == [0.25, 0.5, 0.75]
    assert axes.get_title() == "4 regions, 4 linear pieces"
    plt.close(axes.figure)
