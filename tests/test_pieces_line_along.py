"""What regions on segments and on whole lines are like: maps against autograd, patterns against the units."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from marks import examples
from networks import Layer, integer_layers, network_of, positive_units
from torch import nn

from dlcourse import pieces
from dlcourse.networks import MLP, SoftmaxClassifier, stack
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.line.along import Along

TOLERANCE = 1e-11  # of numbers below 100 or so, each of which some hundred roundings made


def image_network() -> nn.Module:
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.LeakyReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    return network.double().eval()


def middles(line: Along) -> np.ndarray:
    """A t inside each region."""
    inner = line.region_breakpoints
    first, last = (inner[0] - 1, inner[-1] + 1) if isinstance(line, pieces.OnWholeLine) else (0.0, 1.0)
    edges = np.concatenate([[first], inner, [last]])
    return (edges[1:] + edges[:-1]) / 2


def check_maps(line: Along, network: nn.Module) -> None:
    """Every region's map is the network's Jacobian at a point inside it, with the value there."""
    assert line.num_regions > 5
    for region, t in enumerate(middles(line)):
        x = torch.from_numpy(line.points(t))
        jacobian = torch.autograd.functional.jacobian(lambda one: network(one[None])[0], x).flatten(1)
        np.testing.assert_allclose(line.weights[region], jacobian, atol=TOLERANCE)
        bias = network(x[None])[0] - jacobian @ x.flatten()
        np.testing.assert_allclose(line.biases[region], bias.detach(), atol=TOLERANCE)
        assert line.locate(t) == region


# Maps


@pytest.mark.parametrize("whole", [False, True])
def test_maps_of_vectors(whole: bool) -> None:
    network = MLP(4, 3, width=9, depth=3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    one, other = torch.tensor([[0.5, -1.0, 0.25, 1.0], [-1.0, 2.0, 1.0, -0.5]], dtype=torch.float64)
    line = pieces.on_line(network, origin=one, direction=other) if whole else pieces.on_line(network, one, other)
    check_maps(line, network)


@pytest.mark.parametrize("whole", [False, True])
def test_maps_of_images(whole: bool) -> None:
    network = image_network()
    one, other = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    line = pieces.on_line(network, origin=one, direction=other) if whole else pieces.on_line(network, one, other)
    assert line.weights.shape == (line.num_regions, 2, 36)
    check_maps(line, network)


@pytest.mark.parametrize("whole", [False, True])
def test_every_member_of_a_stack_has_its_own_line(whole: bool) -> None:
    members = [
        SoftmaxClassifier(2, 3, width=8, depth=2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for seed in range(3)
    ]
    one, other = [-2.0, 1.0], [2.0, -1.5]
    lines: tuple[Along, ...]
    if whole:
        lines = pieces.on_line(stack(members), origin=one, direction=other)
        singles: list[Along] = [pieces.on_line(member, origin=one, direction=other) for member in members]
    else:
        lines = pieces.on_line(stack(members), one, other)
        singles = [pieces.on_line(member, one, other) for member in members]
    assert [type(line) for line in lines] == [type(single) for single in singles]
    for line, single, member in zip(lines, singles, members, strict=True):
        counts = (line.num_regions, line.num_pieces, line.num_settled)
        assert counts == (single.num_regions, single.num_pieces, single.num_settled)
        np.testing.assert_allclose(line.decision_boundary(), single.decision_boundary(), atol=TOLERANCE)
        check_maps(line, member)
        line.check_invariants()


@pytest.mark.slow
@examples(40)
@given(integer_layers(in_features=2, max_depth=3, max_outputs=2), st.booleans())
def test_maps_of_regions_and_of_pieces_are_the_same(layers: list[Layer], whole: bool) -> None:
    network = network_of(*layers)
    one, other = np.array([-1.0, 2.0]), np.array([2.0, 1.0])
    line: Along
    if whole:
        line = pieces.on_line(network, origin=one, direction=other)
    else:
        line, other = pieces.on_line(network, one, other), other - one
    assert line.piece_of_region[0] == 0
    assert set(np.diff(line.piece_of_region)) <= {0, 1}
    assert line.piece_of_region[-1] == line.num_pieces - 1
    np.testing.assert_allclose(line.weights @ other, line.slopes[line.piece_of_region], atol=1e-9)
    np.testing.assert_allclose(line.weights @ one + line.biases, line.intercepts[line.piece_of_region], atol=1e-9)
    line.check_invariants()


# Invariants


LINES = {
    "unit": ([-1.0, -0.7], [1.0, 0.9]),
    "huge": ([-1e12, -0.7e12], [1e12, 0.9e12]),
    "tiny": ([1e-12, 2e-12], [-1e-12, 3e-12]),
    "denormal": ([-1e-310, 2e-310], [1e-310, 3e-310]),
    "far away": ([1e12, -1e12], [1e12 + 1, 1 - 1e12]),
    "through extremes": ([-1e100, 1e-100], [1e100, 1e-100]),
}


def lines_of(network: nn.Module, name: str) -> list[Along]:
    """The segment, and the whole line that it is part of."""
    start, end = map(np.array, LINES[name])
    return [pieces.on_line(network, start, end), pieces.on_line(network, origin=start, direction=end - start)]


@pytest.mark.parametrize("name", LINES)
def test_no_line_is_blamed(name: str) -> None:
    tiny = network_of(([[1e17, 1.0], [5e-324, 0.3]], [0.0, 0.1]), ([[1e-300, 2.0], [1e-300, -2.0]], [0.0, 1e-310]))
    deep = MLP(2, 2, width=9, depth=4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    # next to nothing is left of two large terms
    flat = network_of(
        ([[0.3, 1.0], [0.1, -1.0]], [0.1, 0.2]), ([[1e9, -3e9], [1.0, 1.0]], [0.0, 0.0]), ([[0.1, 0.0]], [0.0])
    )
    for network in (tiny, deep, flat):
        for line in lines_of(network, name):
            line.check_invariants()


def a_breakpoint_is_elsewhere(line: Along) -> None:
    """By 10^-5, ten times what is promised."""
    line.region_breakpoints[np.flatnonzero(np.diff(line.piece_of_region))] += 1e-5 * (1 + np.abs(line.breakpoints))


def a_slope_is_wrong(line: Along) -> None:
    line.slopes[np.abs(line.slopes).argmax()] *= 1 + 1e-4


def an_intercept_is_wrong(line: Along) -> None:
    line.intercepts[np.abs(line.intercepts).argmax()] *= 1 + 1e-4


def two_are_exchanged(line: Along) -> None:
    line.region_breakpoints[:2] = line.region_breakpoints[1::-1]


def one_is_missing(line: Along) -> None:
    vars(line)["region_breakpoints"] = line.region_breakpoints[1:]


@pytest.mark.parametrize("name", ["unit", "huge"])
@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (a_breakpoint_is_elsewhere, "jumps"),
        (a_slope_is_wrong, "jumps"),
        (an_intercept_is_wrong, "jumps"),
        (two_are_exchanged, "order"),
        (one_is_missing, "do not fit"),
    ],
)
def test_what_is_wrong_is_found(name: str, break_it: Callable[[Along], None], message: str) -> None:
    network = MLP(2, 1, width=9, depth=2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for line in lines_of(network, name):
        assert line.num_pieces > 2
        line.check_invariants()
        break_it(line)
        vars(line).pop("breakpoints")
        with pytest.raises(SubdivisionError, match=message):
            line.check_invariants()


# Regions


def test_two_regions_of_one_piece() -> None:
    # relu(x) - relu(-x) + relu(x - 2) = x + relu(x - 2)
    network = network_of(([[1], [-1], [1]], [0, 0, -2]), ([[1, -1, 1]], [0]))
    for line in (pieces.on_line(network, -4, 4), pieces.on_line(network, origin=0, direction=8)):
        assert (line.num_regions, line.piece_of_region.tolist()) == (3, [0, 0, 1])
        assert [line.neighbours(region).tolist() for region in range(3)] == [[1], [0, 2], [1]]
        assert [line.pattern(region)[0].tolist() for region in range(3)] == [
            [False, True, False],
            [True, False, False],
            [True, False, True],
        ]
        assert line.weights[:, 0, 0].tolist() == [1, 1, 2]
        assert line.biases[:, 0].tolist() == [0, 0, -2]
        with pytest.raises(ValueError, match="region must be between 0 and 2, got 3"):
            line.neighbours(3)
    segment = pieces.on_line(network, -4, 4)
    assert segment.locate(np.array([0.0, 0.5, 0.6, 0.75, 1.0])).tolist() == [0, 1, 1, 2, 2]


def test_patterns_on_a_whole_line_are_those_of_the_units() -> None:
    network = MLP(3, 2, width=7, depth=3, generator=torch.Generator().manual_seed(4)).double()
    line = pieces.on_line(network, origin=[-2.0, 1.0, 0.5], direction=[1.5, -2.0, 1.0])
    assert line.num_regions > 5
    for region, t in enumerate(middles(line)):
        units = positive_units(network.hidden.layers, torch.from_numpy(line.points(t)))
        assert [pattern.tolist() for pattern in line.pattern(region)] == units
    t = np.linspace(-30, 30, 301)
    expected = network(torch.from_numpy(line.points(t))).detach().numpy()
    np.testing.assert_allclose(line(t), expected, atol=TOLERANCE)
    with pytest.raises(ValueError, match="t must be finite, got inf"):
        line(np.inf)


def test_a_whole_line_is_drawn_with_all_its_breakpoints() -> None:
    line = pieces.on_line(network_of(([[1], [1]], [0, -10]), ([[1, -1]], [0])), origin=0, direction=1)
    axes = line.plot()
    curve, dots = axes.get_lines()
    np.testing.assert_allclose(np.column_stack(curve.get_data()), [[-1, 0], [0, 0], [10, 10], [11, 10]], atol=1e-13)
    np.testing.assert_allclose(dots.get_xdata(), [0, 10], atol=1e-13)
    pieces.on_line(network_of(([[1]], [0])), origin=0, direction=1).plot(axes)  # no breakpoint at all
    assert axes.get_xlim() == (-1, 1)
    plt.close(axes.figure)


@pytest.mark.parametrize("whole", [False, True])
def test_a_layer_that_bends_in_another_member_only_is_none_of_ones_own(whole: bool) -> None:
    # relu((x if x >= 0 else p x) - 1) with p = 1 in one member, where only the ReLU is left, and p = 2 in the other.
    members = [
        nn.Sequential(nn.Linear(1, 1), nn.PReLU(init=slope), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).double()
        for slope in (1.0, 2.0)
    ]
    for member in members:
        for layer, bias in zip(member[::2], (0.0, -1.0, 5.0), strict=True):
            nn.init.ones_(layer.weight)
            nn.init.constant_(layer.bias, bias)
    where = {"origin": [0.0], "direction": [1.0]} if whole else {"start": [-4.0], "end": [4.0]}
    lines = pieces.on_line(stack(members), **where)
    for line, member in zip(lines, members, strict=True):
        alone = pieces.on_line(member, **where)
        assert (line.num_regions, line.num_pieces) == (alone.num_regions, alone.num_pieces)
        assert [units.tolist() for units in line.pattern(0)] == [units.tolist() for units in alone.pattern(0)]
        assert line.weights[:, 0, 0].tolist() == alone.weights[:, 0, 0].tolist()
        assert line.intercepts[:, 0].tolist() == alone.intercepts[:, 0].tolist()
    assert lines[0].num_regions == 2
    assert lines[0].weights.ravel().tolist() == [0, 1]
    assert lines[0].biases.ravel().tolist() == [5, 4]
    assert lines[1].num_regions == 3
    assert lines[1](0.0).tolist() == [5.0]
