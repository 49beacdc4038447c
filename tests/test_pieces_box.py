"""Regions in boxes against published and hand-worked counts, linear programs, convex hulls, and lines and planes."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow_except
from networks import default_network, network_of
from scipy.optimize import linprog
from scipy.spatial import ConvexHull
from torch import nn

from dlcourse.networks import MLP, stack
from dlcourse.pieces.box import InBox, in_box
from dlcourse.pieces.line import on_line
from dlcourse.pieces.plane import on_plane


def random_network(sizes: list[int], seed: int, between: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    layers = [
        (
            torch.randn(b, a, generator=generator, dtype=torch.float64).tolist(),
            torch.randn(b, generator=generator, dtype=torch.float64).tolist(),
        )
        for a, b in pairwise(sizes)
    ]
    return network_of(*layers, between=between)


def evaluated(net: nn.Module, points: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return net(torch.from_numpy(points)).numpy()


def counts(box: InBox) -> tuple[int, int]:
    return box.num_regions, box.num_pieces


Ball = tuple[np.ndarray, float]  # centre and radius


def num_regions_by_linear_programs(net: nn.Sequential, low: float, high: float) -> int:
    """Follows every pattern that leaves a ball of positive radius, unit after unit.

    A part that holds a piece of the ball found before is known not to be empty; a linear program asks of the others.
    """
    linear = [
        (module.weight.detach().numpy(), module.bias.detach().numpy())
        for module in net
        if isinstance(module, nn.Linear)
    ]
    d = linear[0][0].shape[1]

    def largest(rows: list[np.ndarray], bounds: list[float]) -> Ball:
        norms = [[float(np.linalg.norm(row))] for row in rows]
        sides = np.hstack([np.array(rows), norms])
        found = linprog([0.0] * d + [-1.0], sides, bounds, bounds=[(None, None)] * d + [(0, None)])
        return (found.x[:d], found.x[d]) if found.status == 0 else (np.zeros(d), 0.0)

    def beyond(ball: Ball, normal: np.ndarray, distance: float) -> Ball:
        """The largest ball in what lies beyond a hyperplane, whose distance is negative if the centre does not."""
        centre, radius = ball
        if distance >= radius:
            return ball
        return centre + normal * (radius - distance) / 2, (radius + distance) / 2

    def follow(
        layer: int, unit: int, a: np.ndarray, c: np.ndarray, on: list[float], rows: list, bounds: list, ball: Ball
    ) -> int:
        if layer == len(linear) - 1:
            return 1
        weight, bias = linear[layer]
        if unit == len(weight):
            mask = np.array(on)
            z, b = weight @ a + 0.0, weight @ c + bias
            return follow(layer + 1, 0, z * mask[:, None], b * mask, [], rows, bounds, ball)
        row, constant = weight[unit] @ a, weight[unit] @ c + bias[unit]
        if not row.any():
            return follow(layer, unit + 1, a, c, [*on, float(constant > 0)], rows, bounds, ball)
        total, norm = 0, np.linalg.norm(row)
        for sign in (1.0, -1.0):  # sign (row x + constant) >= 0
            more = [*rows, -sign * row], [*bounds, sign * constant]
            part = beyond(ball, sign * row / norm, sign * (row @ ball[0] + constant) / norm)
            if part[1] < 1e-6:
                part = largest(*more)
            if part[1] > 1e-9:
                total += follow(layer, unit + 1, a, c, [*on, float(sign > 0)], *more, part)
        return total

    box = [*np.eye(d), *-np.eye(d)], [high] * d + [-low] * d
    return follow(0, 0, np.eye(d), np.zeros(d), [], *box, largest(*box))


@pytest.mark.parametrize(
    ("sizes", "seed", "num_regions"),
    [
        ([2, 16, 16, 1], 0, 127),
        ([2, 16, 16, 1], 1, 88),
        ([2, 32, 32, 32, 1], 0, 1180),
        ([2, 32, 32, 32, 1], 1, 924),
        ([3, 16, 16, 1], 0, 1276),
        ([3, 16, 16, 1], 1, 807),
        ([3, 32, 32, 1], 0, 11512),
        ([3, 32, 32, 1], 1, 7539),
    ],
)
def test_default_initialization(sizes: list[int], seed: int, num_regions: int) -> None:
    # Counts that several other programs agree on.
    counted = in_box(default_network(sizes, seed), [-1.0] * sizes[0], [1.0] * sizes[0])
    assert counted.num_regions == num_regions
    assert counted.num_settled == 0  # floats are enough for networks like these


@pytest.mark.parametrize(("d", "width"), [(1, 5), (2, 6), (3, 6), (4, 6), (5, 7)])
def test_one_hidden_layer_makes_as_many_regions_as_hyperplanes_do(d: int, width: int) -> None:
    # Zaslavsky: the sum of C(width, j) over j <= d, in a box that is large enough.
    net = default_network([d, width, 1], 0)
    counted = in_box(net, [-1e5] * d, [1e5] * d)
    assert counted.num_regions == counted.num_pieces == sum(math.comb(width, j) for j in range(d + 1))


@pytest.mark.parametrize("seed", slow_except(range(6), 0))
@pytest.mark.parametrize("sizes", [[2, 5, 4, 1], [3, 4, 4, 2], [3, 3, 3, 3, 1], [4, 4, 3, 1]])
@pytest.mark.slow
def test_small_networks_against_linear_programs(sizes: list[int], seed: int) -> None:
    net = default_network(sizes, seed)
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
    counted = in_box(net, [-2.0] * sizes[0], [1.5] * sizes[0])
    assert counted.num_regions == num_regions_by_linear_programs(net, -2.0, 1.5)
    assert counted.num_pieces <= counted.num_regions


@pytest.mark.parametrize("between", slow_except([nn.ReLU, nn.LeakyReLU, nn.Hardtanh], nn.ReLU))
def test_one_dimension_is_a_line(between: type[nn.Module]) -> None:
    for seed in range(10):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Linear(1, 8), between(), nn.Linear(8, 5), between(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1)
        )
        for parameter in net.parameters():
            nn.init.normal_(parameter)
        box, line = in_box(net, -3.0, 2.0), on_line(net, -3.0, 2.0)
        assert (box.num_regions, box.num_pieces) == (line.num_regions, line.num_pieces)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data())
@pytest.mark.slow
def test_one_and_two_dimensions_are_lines_and_planes(data: st.DataObject) -> None:
    # With small integers, all kinds of coincidences happen; with eighths among the biases they are less frequent.
    sizes = data.draw(
        st.lists(st.integers(1, 5), min_size=2, max_size=5).map(lambda widths: [1 + widths[0] % 2, *widths])
    )
    unit = data.draw(st.sampled_from([1, 8]))
    layers = [
        (
            data.draw(st.lists(st.lists(st.integers(-2, 2), min_size=a, max_size=a), min_size=b, max_size=b)),
            [number / unit for number in data.draw(st.lists(st.integers(-9, 9), min_size=b, max_size=b))],
        )
        for a, b in pairwise(sizes)
    ]
    net = network_of(*layers, between=data.draw(st.sampled_from([nn.ReLU, nn.LeakyReLU])))
    low, high = [-1.6875] * sizes[0], [1.8125] * sizes[0]
    box = in_box(net, low, high)
    other = on_line(net, low, high) if sizes[0] == 1 else on_plane(net, low, high)
    assert (box.num_regions, box.num_pieces) == (other.num_regions, other.num_pieces)


@pytest.mark.parametrize(("d", "seed"), [(3, 0), (3, 1), (4, 0), (5, 0)])
def test_a_plane_meets_as_many_regions_as_it_has(d: int, seed: int) -> None:
    net = random_network([d, 7, 6, 5, 2], seed)
    box = in_box(net, [-1.0] * d, [1.0] * d)
    directions = np.random.default_rng(seed).normal(size=(2, d))
    directions /= np.abs(directions).sum(axis=0).max()  # the plane's corners touch the sides of the box
    plane = on_plane(net, -1, 1, origin=[0.0] * d, directions=directions)
    centres = np.array([plane.polygon(region).mean(axis=0) for region in range(plane.num_regions)])
    found = box.locate(plane.points(centres))
    assert len(set(found.tolist())) == plane.num_regions > 5
    np.testing.assert_allclose(box.weights[found], plane.weights, atol=1e-12)
    np.testing.assert_allclose(box.biases[found], plane.biases, atol=1e-12)


# Linear regions, by hand


def test_units_without_weight_make_regions_but_no_pieces() -> None:
    net = network_of(([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.25, 0.5, 0.125]), ([[1.0, 0.0, 2.0]], [0.0]))
    # Three lines in general position: 7 regions. Without the second one: 4.
    assert counts(in_box(net, [-2, -2], [2, 2])) == (7, 4)


def test_a_layer_that_is_off_makes_the_function_constant() -> None:
    net = network_of(([[1.0, 0.0], [0.0, 1.0]], [0.1, 0.3]), ([[-1.0, -2.0]], [-1.0]), ([[1.0]], [7.0]))
    assert counts(in_box(net, [-1, -1], [1, 1])) == (4, 1)


def test_slopes_that_cancel_exactly_make_one_piece() -> None:
    # Both units of the second layer are always on, and their difference does not depend on the first layer.
    net = network_of(([[3.0, 1.0]], [0.3]), ([[0.1], [0.3]], [10.0, 20.0]), ([[3.0, -1.0]], [0.0]))
    # 3 * 0.1 - 0.3 is not 0 for the floats nearest to 0.1 and 0.3: the stored numbers define two pieces.
    assert counts(in_box(net, [-1, -1], [1, 1])) == (2, 2)
    net[2].weight.data = torch.tensor([[0.1], [0.1]], dtype=torch.float64)
    net[4].weight.data = torch.tensor([[3.0, -3.0]], dtype=torch.float64)
    assert counts(in_box(net, [-1, -1], [1, 1])) == (2, 1)


def test_a_residual_network_in_the_plane() -> None:
    # x + relu(x), summed: four quarters around (-1/4, -1/4), four pieces.
    class Residual(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.relu(x + 0.25)

    assert counts(in_box(nn.Sequential(Residual(), nn.Linear(2, 1)), [-1, -1], [1, 1])) == (4, 4)


def test_a_box_is_made_of_boxes() -> None:
    # Cutting the box along x[0] = 0.1 cuts those regions in two that the cut meets. They are the regions of the face
    # between both halves.
    net = default_network([3, 8, 8, 1], 3)
    low, middle, high = (in_box(net, [a, -1, -1], [b, 1, 1]).num_regions for a, b in [(-1, 0.1), (0.1, 1), (-1, 1)])
    first = net[0]
    between = nn.Linear(2, 8, dtype=torch.float64)
    between.weight.data = first.weight.data[:, 1:]
    between.bias.data = first.bias.data + 0.1 * first.weight.data[:, 0]
    cut = in_box(nn.Sequential(between, *net[1:]), [-1, -1], [1, 1]).num_regions
    assert low + middle - cut == high


# Geometry


def test_three_regions_by_hand() -> None:
    # relu(x) - 2 relu(y) + 3 on [-1, 2] x [-1, 1]: quarters, and their maps.
    net = network_of(([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, -2.0]], [3.0]))
    box = in_box(net, [-1, -1], [2, 1])
    right_top, left_top, left_bottom, right_bottom = box.locate(
        [[1, 0.5], [-0.5, 0.5], [-0.5, -0.5], [1, -0.5]]
    ).tolist()
    assert sorted([right_top, left_top, left_bottom, right_bottom]) == [0, 1, 2, 3]
    assert sorted(box.vertices.tolist()) == sorted([x, y] for x in (-1, 0, 2) for y in (-1, 0, 1))
    lengths = np.abs(box.vertices[box.edges[:, 0]] - box.vertices[box.edges[:, 1]]).sum(axis=1)
    assert sorted(lengths) == [1] * 9 + [2] * 3
    assert sorted(box.polytope(right_top).tolist()) == [[0, 0], [0, 1], [2, 0], [2, 1]]
    assert box.volumes[[right_top, left_top, left_bottom, right_bottom]].tolist() == [2, 1, 1, 2]
    assert [flags.tolist() for flags in box.pattern(left_top)] == [[False, True]]
    assert box.weights[[right_top, left_bottom]].tolist() == [[[1, -2]], [[0, 0]]]
    assert box.biases[right_bottom].tolist() == [3]
    assert set(box.neighbours(right_top).tolist()) == {left_top, right_bottom}
    assert box(np.array([[[2, 1], [0, 0]]])).tolist() == [[[3], [3]]]
    assert box.locate([0, 1]) in (left_top, right_top)
    for of_region in (box.pattern, box.polytope, box.neighbours):
        with pytest.raises(ValueError, match="region must be between 0 and 3, got 4"):
            of_region(4)
    box.check_invariants()


@pytest.mark.parametrize("between", [nn.ReLU, nn.LeakyReLU, nn.Hardtanh])
@pytest.mark.parametrize(
    "sizes", [[1, 6, 5, 1], [2, 8, 8, 3], *slow_except([[3, 8, 8, 1], [4, 6, 5, 1], [5, 5, 4, 2]])]
)
def test_geometry(sizes: list[int], between: type[nn.Module]) -> None:
    d = sizes[0]
    net = random_network(sizes, 1, between)
    box = in_box(net, [-1.0] * d, [1.5] * d)
    box.check_invariants()
    points = np.random.default_rng(0).uniform(-1, 1.5, (500, d))
    np.testing.assert_allclose(box(points), evaluated(net, points), atol=1e-12)
    assert box.volumes.sum() == pytest.approx(2.5**d, rel=1e-12)
    for region in range(0, box.num_regions, 7):
        corners = box.polytope(region)
        hull = ConvexHull(corners).volume if d > 1 else np.ptp(corners)
        assert box.volumes[region] == pytest.approx(hull, rel=1e-6, abs=1e-12)
        assert box.locate(corners.mean(axis=0)) == region
        own = np.concatenate(box.pattern(region))
        for neighbour in box.neighbours(region).tolist():
            assert (own != np.concatenate(box.pattern(neighbour))).sum() == 1
            assert region in box.neighbours(neighbour)


def test_volumes_are_areas_on_a_plane() -> None:
    net = default_network([2, 32, 32, 32, 1], 0)
    box, plane = in_box(net, [-1, -1], [1, 1]), on_plane(net, -1, 1)
    # Areas go down to 1e-12; they differ by the roundings of coordinates near 1.
    np.testing.assert_allclose(np.sort(box.volumes), np.sort(plane.areas), atol=1e-14)
    centres = np.array([plane.polygon(region).mean(axis=0) for region in range(plane.num_regions)])
    assert sorted(box.locate(centres).tolist()) == list(range(box.num_regions))


def test_pieces_of_regions() -> None:
    # Of three lines the second one does not show: the pieces are the quarters of the other two.
    net = network_of(([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.25, 0.5, 0.125]), ([[1.0, 0.0, 2.0]], [0.0]))
    box = in_box(net, [-2, -2], [2, 2])
    first_and_third = [tuple(box.pattern(region)[0][[0, 2]].tolist()) for region in range(box.num_regions)]
    assert len(set(zip(first_and_third, box.piece_of_region.tolist(), strict=True))) == len(set(first_and_third)) == 4


def test_units_that_nearly_coincide_have_geometry_too() -> None:
    net = default_network([3, 8, 4, 1], 0)
    noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net[0].weight.data[4:] = net[0].weight.data[:4] * (1 + 1e-15 * noise)
    net[0].bias.data[4:] = net[0].bias.data[:4]
    box = in_box(net, [-1] * 3, [1] * 3)
    assert box.num_settled > 0
    box.check_invariants()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([0.0, 1.5], r"points must be inside of the box, got \[0. +1.5\]"),
        ([0.0, 0.0, 0.0], r"points must have shape \[..., 2\], got \(3,\)"),
        ([0.0, math.nan], "points must be finite, got nan"),
    ],
)
def test_points_that_cannot_be_located(points: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        in_box(default_network([2, 3, 1], 0), [-1, -1], [1, 1]).locate(points)


# What is refused


def test_units_that_nearly_coincide_are_counted() -> None:
    # The stored numbers are not multiples of each other: the lines cross far outside, or nearly everywhere inside.
    net = network_of(([[0.1, 0.7], [0.3, 2.1]], [0.05, 0.15]), ([[1.0, 1.0]], [0.0]))
    ratio = {Fraction(0.3) / Fraction(0.1), Fraction(2.1) / Fraction(0.7), Fraction(0.15) / Fraction(0.05)}
    assert len(ratio) > 1
    counted = in_box(net, [-1.25, -1], [1, 1])
    assert counted.num_regions == 3 + crossing_inside(net, [-1.25, -1], [1, 1])
    assert counted.num_settled > 0


def crossing_inside(net: nn.Sequential, low: list[float], high: list[float]) -> bool:
    """Whether two lines cross in the box, by Cramer's rule in fractions."""
    (a, b), (c, d) = [[Fraction(number) for number in row] for row in net[0].weight.tolist()]
    e, f = [-Fraction(number) for number in net[0].bias.tolist()]
    determinant = a * d - b * c
    if determinant == 0:
        return False
    x = (e * d - b * f) / determinant, (a * f - e * c) / determinant
    return all(Fraction(u) < v < Fraction(w) for u, v, w in zip(low, x, high, strict=True))


def test_too_many_regions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"more than max_regions = 5000 regions.* \d+ when layer \d of 3"):
        in_box(default_network([3, 32, 32, 1], 0), [-1] * 3, [1] * 3, max_regions=5000)


def test_values_that_overflow_are_refused() -> None:
    net = default_network([2, 3, 3, 1], 0)
    for layer in (net[0], net[2]):
        layer.weight.data *= 1e200
    with pytest.raises(ValueError, match="must be finite in float64, but they overflow"):
        in_box(net, [-1, -1], [1, 1])


def test_a_box_with_too_many_corners_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a box of 30 dimensions has 2\^30 corners, .* got 1000000"):
        in_box(default_network([30, 4, 1], 0), [-1] * 30, [1] * 30)


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        ([0.0, 1.0], [1.0, 1.0], r"low must be less than high in every coordinate, got \[0. 1.\] and \[1. 1.\]"),
        ([0.0, 1.0], [1.0, -1.0], "low must be less than high"),
        ([0.0], [1.0], "low must have 2 coordinates, one for each input, got 1"),
        ([0.0, 0.0], [1.0, 1.0, 1.0], "high must have 2 coordinates, one for each input, got 3"),
        ([0.0, -math.inf], [1.0, 1.0], "low must be finite, got -inf"),
        (np.zeros((2, 2)), [1.0, 1.0], r"low must be one point, got shape \(2, 2\)"),
    ],
)
def test_bad_boxes_are_refused(low: object, high: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        in_box(MLP(2, 1, width=3, depth=1), low, high)


def test_stacks_are_refused() -> None:
    with pytest.raises(TypeError):
        in_box(stack([MLP(1, 1, width=2, depth=1)]), 0.0, 1.0)  # type: ignore[arg-type]
