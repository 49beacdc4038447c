"""Decision boundaries on lines, on planes and in boxes: by hand, against dense grids, and against each other."""

from fractions import Fraction
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given
from marks import examples, slow_except
from networks import Layer, integer_layers, linear, network_of
from scipy.spatial import ConvexHull
from torch import nn

from dlcourse import pieces
from dlcourse.networks import MLP

TIE = 1e-12  # logits are around 1; each is the sum of some hundred products


def classifier(in_features: int, num_classes: int, width: int, seed: int) -> nn.Sequential:
    """Two hidden layers, and logits whose means are equal, so that many classes are somewhere on top."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [in_features, width, width, num_classes]
    network = nn.Sequential()
    for n_in, n_out in pairwise(sizes):
        layer = nn.Linear(n_in, n_out, dtype=torch.float64)
        nn.init.normal_(layer.weight, std=(2 / n_in) ** 0.5, generator=generator)
        nn.init.normal_(layer.bias, std=0.5, generator=generator)
        network.extend([layer, nn.ReLU()])
    network = network[:-1]
    points = 4 * torch.rand(1000, in_features, generator=generator, dtype=torch.float64) - 2
    with torch.no_grad():
        network[-1].bias -= network(points).mean(dim=0)
    return network


def classes(network: nn.Module, points: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(points)).argmax(dim=-1).numpy()


def check_ties(network: nn.Module, points: np.ndarray) -> None:
    top = network(torch.from_numpy(points)).topk(2, dim=-1).values
    assert (top[..., 0] - top[..., 1] <= TIE).all()


def check_steps(boundary: np.ndarray, ticks: np.ndarray, found: np.ndarray) -> None:
    """Between two ticks of different classes there is a change, between two of one class none, or two and more."""
    assert ticks[0] <= boundary.min(initial=ticks[0]) and boundary.max(initial=ticks[0]) <= ticks[-1]
    changes = np.histogram(boundary, ticks)[0]
    different = found[1:] != found[:-1]
    assert (changes[different] >= 1).all()
    assert (changes[~different] != 1).all()


# Lines


@pytest.mark.parametrize("num_classes", [2, 3, 5, 10])
def test_lines_against_a_dense_grid(num_classes: int) -> None:
    seen: set[int] = set()
    for seed in range(4):
        network = classifier(3, num_classes, 20, seed)
        start, end = np.array([-3.0, 2.0, 1.0]), np.array([3.0, -1.0, -2.0])
        line = pieces.on_line(network, start, end)
        boundary, ticks = line.decision_boundary(), np.linspace(0, 1, 2001)
        found = classes(network, line.points(ticks))
        check_steps(boundary, ticks, found)
        check_ties(network, line.points(boundary))
        seen |= set(found.tolist())
        whole = pieces.on_line(network, origin=start, direction=end - start).decision_boundary()
        np.testing.assert_allclose(whole[(whole > 0) & (whole < 1)], boundary, atol=1e-12)
    assert len(seen) == num_classes or len(seen) > 4


def test_several_ties_in_one_region() -> None:
    # The tangents k t - k^2 / 2 of t^2 / 2: the largest one changes halfway between whole numbers.
    tangents = linear([[float(k)] for k in range(10)], [-k * k / 2 for k in range(10)])
    expected = [k + 0.5 for k in range(9)]
    line = pieces.on_line(tangents, 0.0, 16.0)
    assert (line.num_regions, (16 * line.decision_boundary()).tolist()) == (1, expected)
    whole = pieces.on_line(tangents, origin=0.0, direction=1.0)
    np.testing.assert_allclose(whole.decision_boundary(), expected, rtol=1e-14)
    in_box = np.sort(np.ravel(pieces.in_box(tangents, 0.0, 16.0).decision_boundary()))
    np.testing.assert_allclose(in_box, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([[1, 1], [0, 0]], []),  # |x| and 0 touch: class 0 on both sides, and no change
        ([[-1, -1], [0, 0]], []),  # likewise with class 1 on both sides
        ([[1, 0], [0, 0]], [0.0]),  # relu(x) and 0 tie for x <= 0, where class 1 is taken
        ([[0, 0], [1, 0]], []),  # the same, but class 1 is on top for x > 0, too
        ([[0, 1], [1, 0]], [0.0]),  # relu(-x) and relu(x)
        ([[1, 0]], [0.0]),  # one output: positive or not
        ([[1, 1]], []),
    ],
)
def test_touches_and_ties_of_intervals(logits: list[list[float]], expected: list[float]) -> None:
    network = network_of(([[1], [-1]], [0, 0]), (logits, [0] * len(logits)))
    line = pieces.on_line(network, origin=0.0, direction=1.0)
    segment = pieces.on_line(network, -1.0, 1.0)
    assert line.decision_boundary().tolist() == expected
    assert (2 * segment.decision_boundary() - 1).tolist() == expected


def exact_class(layers: list[Layer], x: Fraction) -> int:
    """The largest output at x, of several the one with the highest number; of only one whether it is positive."""
    values = [x]
    for depth, (weight, bias) in enumerate(layers):
        values = [max(value, Fraction(0)) for value in values] if depth else values
        sums = (sum(Fraction(w) * v for w, v in zip(row, values, strict=True)) for row in weight)
        values = [total + Fraction(b) for total, b in zip(sums, bias, strict=True)]
    if len(values) == 1:
        return int(values[0] > 0)
    return max(range(len(values)), key=lambda number: (values[number], number))


@pytest.mark.slow
@examples(50)
@given(integer_layers(in_features=1, max_depth=2, max_outputs=5))
def test_degenerate_networks_against_fractions(layers: list[Layer]) -> None:
    network = network_of(*layers)
    boundary = pieces.on_line(network, origin=0.0, direction=1.0).decision_boundary()
    # Breakpoints and ties are where functions with slopes and intercepts of at most 2^9 are zero: all within 2^9, and
    # between them classes do not change. No two of them are closer than 2^-20 unless they are the same.
    known = pieces.on_line(network, origin=0.0, direction=1.0).region_breakpoints
    edges = np.unique(np.concatenate([[-600.0], boundary, known, np.arange(-8, 8, 0.37), [600.0]]))
    middles = (edges[1:] + edges[:-1])[np.diff(edges) > 2.0**-20] / 2
    found = np.array([exact_class(layers, Fraction(t)) for t in middles.tolist()])
    between = np.searchsorted(boundary, middles)
    for number in range(len(boundary) + 1):
        assert len(set(found[between == number].tolist())) == 1
    assert (np.diff(found[np.searchsorted(between, np.arange(len(boundary) + 1))]) != 0).all()


# Boxes


@pytest.mark.parametrize("num_classes", [2, 3, 6])
def test_two_dimensions_are_a_plane(num_classes: int) -> None:
    network = classifier(2, num_classes, 12, num_classes)
    on_plane = pieces.on_plane(network, -2.0, 2.0).decision_boundary()
    in_box = np.array(pieces.in_box(network, [-2.0, -2.0], [2.0, 2.0]).decision_boundary())
    assert len(on_plane) > 20

    def ordered(segments: np.ndarray) -> np.ndarray:
        ends = np.array([sorted(segment) for segment in segments.tolist()])
        return ends[np.lexsort(ends.mean(axis=1).T)]

    np.testing.assert_allclose(ordered(in_box), ordered(on_plane), atol=1e-9)


@pytest.mark.parametrize("num_classes", [1, 2, 3, 10])
def test_one_dimension_is_a_line(num_classes: int) -> None:
    network = classifier(1, num_classes, 12, 1)
    boundary = np.sort(np.ravel(pieces.in_box(network, -2.0, 2.0).decision_boundary()))
    expected = pieces.on_line(network, -2.0, 2.0).decision_boundary() * 4 - 2
    assert len(expected) > 0
    np.testing.assert_allclose(boundary, expected, atol=1e-12)


def crossings(polygons: list[np.ndarray], y: float, z: float) -> np.ndarray:
    """The x of all polygons where the line through (., y, z) in the direction of x meets them."""
    found = []
    for polygon in polygons:
        yz, following = polygon[:, 1:] - [y, z], np.roll(polygon, -1, axis=0)[:, 1:] - [y, z]
        turns = yz[:, 0] * following[:, 1] - yz[:, 1] * following[:, 0]
        if (turns > 0).all() or (turns < 0).all():
            inside = polygon.mean(axis=0)
            normal = np.linalg.svd(polygon - inside)[2][2]
            found.append(inside[0] - (normal[1:] @ ([y, z] - inside[1:])) / normal[0])
    return np.array(found)


@pytest.mark.parametrize(("num_classes", "seed"), slow_except([(2, 0), (3, 1), (5, 2)], (3, 1)))
def test_three_dimensions_against_a_dense_grid(num_classes: int, seed: int) -> None:
    network = classifier(3, num_classes, 8, seed)
    box = pieces.in_box(network, [-2.0] * 3, [2.0] * 3)
    boundary = box.decision_boundary()
    for polygon in boundary:
        check_ties(network, polygon)  # all corners are ties, and so is what is between them
        assert len(polygon) >= 3
    ticks = np.linspace(-2, 2, 501)
    num_changes = 0
    for y, z in np.random.default_rng(0).uniform(-2, 2, (60, 2)):
        points = np.column_stack([ticks, np.full_like(ticks, y), np.full_like(ticks, z)])
        found = classes(network, points)
        check_steps(crossings(boundary, y, z), ticks, found)
        num_changes += int((found[1:] != found[:-1]).sum())
    assert num_changes > 40


def test_corners_go_around_their_polygon() -> None:
    network = classifier(3, 4, 8, 3)
    boundary = pieces.in_box(network, [-2.0] * 3, [2.0] * 3).decision_boundary()
    assert max(len(polygon) for polygon in boundary) > 4
    for polygon in boundary:
        axes = np.linalg.svd(polygon - polygon.mean(axis=0))[2][:2]
        flat = (polygon - polygon.mean(axis=0)) @ axes.T
        after = np.roll(flat, -1, axis=0)
        area = abs((flat[:, 0] * after[:, 1] - flat[:, 1] * after[:, 0]).sum()) / 2
        assert area == pytest.approx(ConvexHull(flat, qhull_options="QJ").volume, rel=1e-6, abs=1e-9)


def test_nearest_points_make_a_voronoi_diagram() -> None:
    # The largest x p - |p|^2 / 2 belongs to the nearest point p. Around p = 0 that is the cube from -1/2 to 1/2.
    points = [[0, 0, 0], *([int(i == j) * sign for j in range(3)] for i in range(3) for sign in (1, -1))]
    network = linear([[float(x) for x in p] for p in points], [-0.5 * sum(x * x for x in p) for p in points])
    boundary = pieces.in_box(network, [-0.625, -0.6875, -0.5625], [0.546875, 0.59375, 0.65625]).decision_boundary()
    sides = [polygon for polygon in boundary if (np.ptp(polygon, axis=0) == 0).any()]
    assert sorted(tuple(polygon.mean(axis=0).tolist()) for polygon in sides) == sorted(
        tuple(x / 2 for x in p) for p in points[1:]
    )
    # One polygon goes outwards from each of the twelve edges of the cube. Those along x are cut in three: at x = 1/2
    # and at x = -1/2 two of the first three points are equally near, though not the nearest.
    assert len(boundary) - len(sides) == 8 + 3 * 4


def test_four_dimensions() -> None:
    # x + y + z + w = -1/8 meets edges of the box in 4 sums of signs (1, 1, -1, free), times 3 choices of the -1.
    found = pieces.in_box(linear([[1.0] * 4, [0.0] * 4], [0.125, 0.0]), [-1] * 4, [1] * 4).decision_boundary()
    (corners,) = found
    assert sorted(corners.sum(axis=1).tolist()) == [-0.125] * 12


def test_ties_of_whole_regions_change_nothing() -> None:
    twice = linear([[1.0, 0.5], [1.0, 0.5]], [0.25, 0.25])
    assert pieces.in_box(twice, [-1, -1], [1, 1]).decision_boundary() == []
    assert pieces.on_plane(twice, -1, 1).decision_boundary().shape == (0, 2, 2)


def test_where_two_classes_tie_on_a_half_the_last_one_is_chosen() -> None:
    # relu(x) and 0: left of x = 0 both are 0, where the class is 1, and right of it 0.
    network = nn.Sequential(linear([[1.0, 0.0]], [0.0]), nn.ReLU(), linear([[1.0], [0.0]], [0.0, 0.0]))
    (segment,) = pieces.in_box(network, [-1, -1], [1, 1]).decision_boundary()
    assert sorted(segment.tolist()) == [[0, -1], [0, 1]]
    boundary = pieces.on_plane(network, -1, 1).decision_boundary()
    assert boundary[..., 0].tolist() == [[0, 0]]


@pytest.mark.parametrize("seed", range(4))
def test_boundaries_of_integer_classifiers_are_as_long_as_on_planes(seed: int) -> None:
    # They are cut differently, but altogether they are the same.
    random = np.random.default_rng(seed)
    weights = [random.integers(-2, 3, size=(b, a)).astype(float).tolist() for a, b in pairwise([2, 5, 4, 3])]
    network = network_of(*[(weight, [0.0] * len(weight)) for weight in weights])
    box, plane = pieces.in_box(network, [-1, -1], [1, 1]), pieces.on_plane(network, -1, 1)
    lengths = [np.linalg.norm(np.diff(ends, axis=0)) for ends in box.decision_boundary()]
    on_plane = np.linalg.norm(np.diff(plane.decision_boundary(), axis=1), axis=2)
    assert sum(lengths) == pytest.approx(on_plane.sum(), rel=1e-12)
    assert len(lengths) > 1


# Pictures of boxes


def test_boxes_of_one_and_two_dimensions_are_drawn_as_lines_and_planes() -> None:
    network = MLP(1, 1, width=8, depth=2, generator=torch.Generator().manual_seed(1)).double()
    box, line = pieces.in_box(network, -1.0, 2.0).plot(), pieces.on_line(network, -1.0, 2.0).plot()
    for one, other in zip(box.get_lines(), line.get_lines(), strict=True):
        assert np.array_equal(one.get_data(), other.get_data())
    network = classifier(2, 3, 6, 0)
    of_box, of_plane = (
        pieces.in_box(network, [-1.0, -1.0], [1.0, 2.0]).plot(),
        pieces.on_plane(network, -1.0, [1, 2]).plot(),
    )
    assert of_box.get_title() == of_plane.get_title()
    for one, other in zip(of_box.collections, of_plane.collections, strict=True):
        assert [path.vertices.tolist() for path in one.get_paths()] == [p.vertices.tolist() for p in other.get_paths()]
    plt.close("all")


def test_a_box_of_three_dimensions_is_drawn_piece_by_piece() -> None:
    # Three planes through the box, one of which has no weight: eight regions, four pieces.
    network = network_of((np.eye(3).tolist(), [0.1, 0.2, 0.3]), ([[1, 2, 0]], [0]))
    box = pieces.in_box(network, [-1.0] * 3, [1.0, 1.0, 2.0])
    assert (box.num_regions, box.num_pieces) == (8, 4)
    axes = box.plot()
    assert axes.get_title() == "8 regions, 4 linear pieces"
    *sides, between = axes.collections
    axes.figure.canvas.draw()
    assert [len(side.get_facecolor()) for side in sides] == [4, 4, 4]
    # The side where z is lowest shows all four pieces, and the sides where x or y is fixed show two each.
    assert sorted(len(np.unique(side.get_facecolor(), axis=0)) for side in sides) == [2, 2, 4]
    assert len(between.get_paths()) == 8
    flat = plt.figure().add_subplot()
    with pytest.raises(ValueError, match="axes must have projection '3d', got 'rectilinear'"):
        box.plot(flat)
    plt.close("all")


def test_a_box_with_ties_is_drawn_piece_by_piece() -> None:
    # x, y, z and x - y through the middle: eight octants, half of which x = y cuts in two; only x and y have weights.
    planes = [*np.eye(3).tolist(), [1.0, -1.0, 0.0]]
    box = pieces.in_box(network_of((planes, [0.0] * 4), ([[1, 2, 0, 0]], [0])), [-1.0] * 3, [1.0] * 3)
    axes = box.plot()
    assert axes.get_title() == "12 regions, 4 linear pieces"
    *sides, between = axes.collections
    axes.figure.canvas.draw()
    assert sorted(len(np.unique(side.get_facecolor(), axis=0)) for side in sides) == [2, 2, 4]
    # The planes x = 0 and y = 0 are cut in quarters, by each other and by z = 0; x = y goes through the middle line.
    assert len(between.get_paths()) == 8
    plt.close("all")


def test_boxes_of_four_dimensions_are_not_drawn() -> None:
    with pytest.raises(ValueError, match="a box must have at most 3 dimensions to be drawn, got 4"):
        pieces.in_box(linear([[1.0] * 4], [0.5]), [-1] * 4, [1] * 4).plot()
