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
from torch import nn

from dlcourse import pieces
from dlcourse.networks import MLP, SoftmaxClassifier, stack
from dlcourse.networks.activations import Activation
from dlcourse.pieces.subdivision import SubdivisionError

Numbers = list[tuple[list[list[float]], list[float]]]  # weight and bias of each layer


def relu_network(layers: Numbers) -> nn.Sequential:
    """An nn.Sequential in float64, ReLU between the layers."""
    modules: list[nn.Module] = []
    for weight, bias in layers:
        linear = nn.Linear(len(weight[0]), len(weight), dtype=torch.float64)
        linear.weight.data = torch.tensor(weight, dtype=torch.float64)
        linear.bias.data = torch.tensor(bias, dtype=torch.float64)
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def nested_tents(k: int, first: tuple[list[list[float]], list[float]]) -> nn.Sequential:
    """The lecture's tents, relu(2x) - relu(4x - 2) on [0, 1], nested inside a first one."""
    inner = [([[2.0, -2.0], [4.0, -4.0]], [0.0, -2.0])] * (k - 1)
    return relu_network([first, *inner, ([[1.0, -1.0]], [0.0])])


ON_0_2 = ([[1.0], [2.0]], [0.0, -2.0])  # the slide's h~[1], a tent on [0, 2]
ON_0_1 = ([[2.0], [4.0]], [0.0, -2.0])


def rescaled_tents(k: int) -> nn.Sequential:
    """Tents with hidden units scaled by random factors that cancel but for the rounding of the weights."""
    network = nested_tents(k, ON_0_1)
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for layer, following in pairwise(layers):
            scale = torch.rand(2, generator=generator, dtype=torch.float64) + 0.5
            layer.weight *= scale[:, None]
            layer.bias *= scale
            following.weight /= scale
    return network


def default_network(width: int, seed: int) -> nn.Sequential:
    """[1, width, width, width, 1] as torch initialises it in float32, cast to float64."""
    torch.manual_seed(seed)
    sizes = [1, width, width, width]
    hidden = [module for a, b in pairwise(sizes) for module in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, 1)).double()


def numbers(network: nn.Module) -> Numbers:
    return [
        (module.weight.double().tolist(), module.bias.double().tolist())
        for module in network.modules()
        if isinstance(module, nn.Linear)
    ]


def exact_counts(layers: Numbers, start: list[float], end: list[float]) -> tuple[int, int]:
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
    counted = pieces.on_line(nested_tents(k, ON_0_2), 0, 2)
    assert (counted.num_regions, counted.num_pieces, counted.num_settled) == (2**k, 2**k, 0)


@pytest.mark.parametrize(("k", "on_whole_line"), [(1, 3), (2, 6), (3, 10), (4, 18), (5, 34)])
def test_nested_tents_on_the_whole_line(k: int, on_whole_line: int) -> None:
    assert pieces.on_line(nested_tents(k, ON_0_2), -1e6, 1e6).num_pieces == on_whole_line


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_zigzags_of_three_units_reach_the_maximum(k: int) -> None:
    # 35 - 7 relu(x - 2) + 7 relu(4 - x) - 10.5 relu(6 - x) goes 0, 7, 0, 7, 0 at x = 0, 2, 4, 6, 7.
    out, shift = np.array([[-7.0, 7.0, -10.5]]), np.array([35.0])
    into, bias = np.array([[1.0], [-1.0], [-1.0]]), np.array([-2.0, 4.0, 6.0])
    inner = ((into @ out).tolist(), (into @ shift + bias).tolist())
    network = relu_network([(into.tolist(), bias.tolist()), *[inner] * (k - 1), (out.tolist(), shift.tolist())])
    counted = pieces.on_line(network, 0.0, 7.0)
    assert (counted.num_regions, counted.num_pieces) == (4**k, 4**k)


@pytest.mark.parametrize(("k", "as_float32", "num_regions"), [(10, True, 1365), (16, True, 83541), (14, False, 22677)])
def test_rescaled_tents(k: int, as_float32: bool, num_regions: int) -> None:
    # Found by exact rational arithmetic; the shortest interval is 5.6e-21 long.
    network = rescaled_tents(k)
    counted = pieces.on_line(network.float().double() if as_float32 else network, 0.0, 1.0)
    assert counted.num_regions == num_regions
    assert (counted.num_settled > 0) == (k > 10)


@pytest.mark.parametrize(("width", "seed", "num_regions"), [(64, 0, 91), (64, 1, 78), (256, 0, 371), (256, 1, 393)])
def test_default_initialisation(width: int, seed: int, num_regions: int) -> None:
    # Counts that several other programs agree on.
    counted = pieces.on_line(default_network(width, seed), -1.0, 1.0)
    assert (counted.num_regions, counted.num_settled) == (num_regions, 0)


@pytest.mark.parametrize("seed", range(3))
def test_errors_do_not_grow_where_deep_networks_are_cut(seed: int) -> None:
    # Bounds that grew with every cut as the uncertainty of t does would leave dozens of signs open.
    generator = torch.Generator().manual_seed(seed)
    network = MLP(1, 1, width=16, depth=20, initialization="he", generator=generator, dtype=torch.float64)
    for layer in network.hidden.layers:
        nn.init.normal_(layer.bias, std=0.5, generator=generator)
    counted = pieces.on_line(network, -2.0, 2.0)
    assert counted.num_regions > 100
    assert counted.num_settled <= 3


@pytest.mark.parametrize("seed", range(40))
def test_the_zero_of_a_flat_unit_is_less_certain_than_values_are(seed: int) -> None:
    # Layer 2: a unit that is flat (x - p), a difference of large terms, and x + 1. Layer 3: units that are 0 next to p.
    # The values at the flat unit's vertex are near those at p to 1e-16, but it may be at p + 1e-16 / flat.
    rng = np.random.default_rng(seed)
    p, shift, w = rng.random(), rng.random(), rng.random() * 2 + 0.5
    flat = 2.0 ** -rng.integers(10, 30)
    away = rng.normal() * 2.0**-53 / flat * rng.choice([1, 0.1, 0.01])
    ratio = (1 - flat) / w
    layers: Numbers = [
        ([[1.0], [w]], [1.0, shift + w]),
        ([[1.0, -ratio], [1.0, 0.0]], [ratio * (shift + w) - 1 - flat * p, 0.0]),
        ([[0.0, 1.0], [1.0, 1.0]], [away - (1 + p)] * 2),
        ([[1.0, 1.0]], [0.0]),
    ]
    counted = pieces.on_line(relu_network(layers), -1.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == exact_counts(layers, [-1.0], [1.0])
    assert counted.num_settled > 0


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
    counted = pieces.on_line(relu_network([([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, -1.0]], [3.0])]), -1.0, 2.0)
    assert (counted.num_regions, counted.num_pieces) == (2, 1)
    assert counted.region_breakpoints.tolist() == [1 / 3]
    assert counted.breakpoints.tolist() == []
    assert (counted.slopes.tolist(), counted.intercepts.tolist()) == ([[3.0]], [[2.0]])


def test_a_layer_that_is_off_makes_the_function_constant() -> None:
    network = relu_network([([[1.0], [2.0]], [0.1, 0.3]), ([[-1.0, -1.0]], [-1.0]), ([[1.0]], [7.0])])
    counted = pieces.on_line(network, -1, 1)
    assert (counted.num_regions, counted.num_pieces, counted.num_settled) == (3, 1, 0)
    assert counted(0.3).tolist() == [7.0]


def test_a_unit_that_is_zero_on_an_interval_adds_no_region() -> None:
    # relu(relu(x)): the second unit is 0 up to x = 0, where the first one changes its sign anyway.
    counted = pieces.on_line(relu_network([([[1.0]], [0.0]), ([[1.0]], [0.0]), ([[1.0]], [0.0])]), -1.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == (2, 2)


def test_a_kink_of_any_output_counts() -> None:
    network = relu_network([([[1.0], [1.0]], [0.0, -0.5]), ([[1.0, 0.0], [1.0, 1.0]], [0.0, 0.0])])
    counted = pieces.on_line(network, -1.0, 1.0)
    assert counted.breakpoints.tolist() == [0.5, 0.75]
    assert counted.slopes.tolist() == [[0.0, 0.0], [2.0, 2.0], [2.0, 4.0]]


def test_breakpoints_closer_than_floats_are_counted_apart() -> None:
    # Zeros at 1/3 and at a fifth of the float next to 5/3, which is not 1/3 but rounded to it.
    network = relu_network([([[3.0], [5.0]], [-1.0, -5 / 3]), ([[1.0, 1.0]], [0.0])])
    counted = pieces.on_line(network, 0.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == (3, 3)
    assert np.abs(counted.breakpoints - 1 / 3).max() <= 2.0**-54  # the spacing of floats there
    assert counted.num_settled == 1


def test_affine_networks_have_one_piece() -> None:
    counted = pieces.on_line(MLP(2, 3, width=5, depth=0), [0.0, 1.0], [1.0, -1.0])
    assert (counted.num_regions, counted.num_pieces) == (1, 1)


def test_relu_on_the_outputs_counts() -> None:
    network = nn.Sequential(nn.Linear(1, 1, dtype=torch.float64), nn.ReLU())
    network[0].weight.data = torch.tensor([[3.0]], dtype=torch.float64)
    network[0].bias.data = torch.tensor([-1.0], dtype=torch.float64)
    counted = pieces.on_line(network, 0.0, 1.0)
    assert (counted.num_pieces, counted.breakpoints.tolist()) == (2, [1 / 3])
    assert counted(np.array([0.0, 1.0])).tolist() == [[0.0], [2.0]]


# Against the oracle


@st.composite
def degenerate_networks(draw: st.DrawFn) -> Numbers:
    """Small integer weights; units that are copies, opposites or multiples of others, or always 0; rescaled units."""
    depth = draw(st.integers(1, 5))
    sizes = [draw(st.sampled_from([1, 1, 2, 5])), *draw(st.lists(st.integers(1, 6), min_size=depth, max_size=depth)), 1]
    sizes[-1] = draw(st.sampled_from([1, 1, 2]))
    with_bias = draw(st.booleans())
    layers = []
    for n_in, n_out in pairwise(sizes):
        row = st.lists(st.integers(-2, 2).map(float), min_size=n_in + 1, max_size=n_in + 1)
        rows = draw(st.lists(row, min_size=n_out, max_size=n_out))
        for unit in range(1, n_out):
            of_another = draw(st.sampled_from([None, None, None, None, 1.0, -1.0, 2.0, 0.0]))
            if of_another is not None:
                rows[unit] = [of_another * number for number in rows[draw(st.integers(0, unit - 1))]]
        layers.append(([r[:-1] for r in rows], [r[-1] if with_bias else 0.0 for r in rows]))
    if draw(st.booleans()):
        for (weight, bias), (following, _) in pairwise(layers):
            for unit in range(len(weight)):
                scale = draw(st.sampled_from([1.0, 1.0, 3.0, 0.1, 1 / 3, 1e-9]))
                weight[unit], bias[unit] = [w * scale for w in weight[unit]], bias[unit] * scale
                for row in following:
                    row[unit] /= scale
    return layers


SEGMENTS = st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (-2.0, 3.0), (-0.1, 0.7), (-1 / 3, 1e3)])


@settings(max_examples=250, deadline=None)
@given(layers=degenerate_networks(), segments=st.lists(SEGMENTS, min_size=5, max_size=5))
def test_degenerate_networks_against_fractions(layers: Numbers, segments: list[tuple[float, float]]) -> None:
    start, end = (list(points)[: len(layers[0][0][0])] for points in zip(*segments, strict=True))
    counted = pieces.on_line(relu_network(layers), start, end)
    assert (counted.num_regions, counted.num_pieces) == exact_counts(layers, start, end)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), in_features=st.sampled_from([1, 2, 5]), num_lines=st.integers(1, 4))
def test_stacks_of_random_classifiers_against_fractions(seed: int, in_features: int, num_lines: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    members = [SoftmaxClassifier(in_features, 3, width=[6, 5], generator=generator) for _ in range(3)]
    starts = torch.randn(num_lines, in_features, generator=generator, dtype=torch.float64)
    ends = starts + torch.randn(3, num_lines, in_features, generator=generator, dtype=torch.float64) * 3
    counts = pieces.on_lines(stack(members), starts, ends)
    assert counts.num_regions.dtype == counts.num_pieces.dtype == np.int64
    for i, member in enumerate(members):
        exact = [exact_counts(numbers(member), starts[j].tolist(), ends[i, j].tolist()) for j in range(num_lines)]
        assert list(zip(counts.num_regions[i], counts.num_pieces[i], strict=True)) == exact


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
    # Beside lines where floats are rounded nothing tells that those of a degenerate member are not.
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
    # Every number is a sum of products of weights, at most (sizes of all factors) in total, each rounded fewer than
    # 4 * (16 + in_features) times on its way; a breakpoint that is off by the rounding of t moves it no further.
    size = start.abs() + end.abs()
    for weight, bias in numbers(network):
        size = torch.tensor(weight, dtype=torch.float64).abs() @ size + torch.tensor(bias, dtype=torch.float64).abs()
    tolerance = 4 * (16 + in_features) * 2.0**-53 * size.max().item()
    assert np.abs(line(t) - network(x).detach().numpy()).max() <= 2 * tolerance
    assert line.slopes.shape == line.intercepts.shape == (line.num_pieces, 3)
    assert len(line.breakpoints) == line.num_pieces - 1 > 5
    assert len(line.region_breakpoints) == line.num_regions - 1
    assert (np.diff(line.region_breakpoints) >= 0).all()


def test_breakpoints_of_two_tents() -> None:
    line = pieces.on_line(nested_tents(2, ON_0_1), 0.0, 1.0)
    assert line.breakpoints.tolist() == [0.25, 0.5, 0.75]
    assert line.slopes.tolist() == [[4.0], [-4.0], [4.0], [-4.0]]
    assert line.intercepts.tolist() == [[0.0], [2.0], [-2.0], [4.0]]
    assert line.locate(np.array([0.0, 0.2, 0.25, 0.6, 1.0])).tolist() == [0, 0, 1, 2, 3]
    assert line(0.375).tolist() == [0.5]


def test_points_on_a_slanted_segment() -> None:
    network = relu_network([([[1.0, 1.0]], [-1.0]), ([[1.0]], [0.0])])
    line = pieces.on_line(network, [0.0, 0.0], torch.tensor([4.0, 0.0]))
    assert line.points(line.breakpoints).tolist() == [[1.0, 0.0]]
    assert line.points(1).tolist() == [4.0, 0.0]


def test_asking_for_geometry_keeps_the_weights_of_the_count() -> None:
    network = nested_tents(2, ON_0_1)
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
    network = MLP(1, 1, width=1, depth=1, activation=Activation.leaky_relu)
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), (2.0, -1.0, 3.0, 0.0), strict=True):
            parameter.fill_(value)
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
        pieces.on_line(relu_network([([[1e200]], [0.0]), ([[1e200]], [0.0])]), 0.0, 1.0)


def test_too_many_regions_say_how_far_it_got() -> None:
    network = nested_tents(10, ON_0_1)
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
    network = relu_network([([[1.0]] * 50, [-0.5] * 50), ([[1.0] * 50], [0.0])])
    assert pieces.on_line(network, 0.0, 1.0, max_regions=2).num_regions == 2


def test_a_hundred_million_regions_ahead_take_no_memory() -> None:
    network = nested_tents(27, ON_0_1)
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
        h = start + t * (end - start)
        for layer, pattern in zip(network.hidden.layers, line.pattern(region), strict=True):
            z = layer(h)
            assert pattern.tolist() == (z > 0).tolist()
            h = z.relu()
    with pytest.raises(ValueError, match=f"region must be between 0 and {line.num_regions - 1}, got -1"):
        line.pattern(-1)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_invariants_hold_and_a_false_count_does_not_pass(k: int) -> None:
    line = pieces.on_line(nested_tents(k, ON_0_2), -1.0, 3.0)
    line.check_invariants()
    with pytest.raises(SubdivisionError, match="do not fit the breakpoints"):
        replace(line, num_pieces=line.num_pieces + 1).check_invariants()


def test_plot_draws_the_function() -> None:
    line = pieces.on_line(nested_tents(2, ON_0_2), 0.0, 2.0)
    axes = line.plot()
    curve, dots = axes.get_lines()
    assert np.column_stack(curve.get_data()).tolist() == [[0, 0], [0.25, 1], [0.5, 0], [0.75, 1], [1, 0]]
    assert dots.get_xdata().tolist() == [0.25, 0.5, 0.75]
    assert axes.get_title() == "4 regions, 4 linear pieces"
    plt.close(axes.figure)
