"""Counts on planes against hand-worked networks, published formulas and an oracle in exact fractions."""

import inspect
import math
from fractions import Fraction
from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from marks import examples
from networks import (
    Layer,
    copied_network,
    default_network,
    degenerate_layers,
    integer_network,
    network_of,
    network_without_biases,
    positive_units,
    tents,
)
from torch import nn

from dlcourse import pieces
from dlcourse.networks import MLP, stack
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.polygon import count

Corner = tuple[Fraction, Fraction]
Affine = tuple[Fraction, Fraction, Fraction]  # a x + b y + c


# The oracle: polygons in fractions, clipped by one unit after another


def value(function: Affine, corner: Corner) -> Fraction:
    return function[0] * corner[0] + function[1] * corner[1] + function[2]


def clip(polygon: list[Corner], function: Affine) -> list[Corner]:
    """The part of a convex polygon where a function is not negative."""
    kept = []
    for here, there in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        a, b = value(function, here), value(function, there)
        if a >= 0:
            kept.append(here)
        if a * b < 0:
            t = a / (a - b)
            kept.append((here[0] + t * (there[0] - here[0]), here[1] + t * (there[1] - here[1])))
    return kept


def neighbours(one: list[Corner], other: list[Corner]) -> bool:
    """Whether two polygons that do not overlap share more than a point."""
    for a, b in zip(one, one[1:] + one[:1], strict=True):
        direction = (b[0] - a[0], b[1] - a[1])
        for c, d in zip(other, other[1:] + other[:1], strict=True):
            off = [direction[0] * (p[1] - a[1]) - direction[1] * (p[0] - a[0]) for p in (c, d)]
            if off != [0, 0]:
                continue
            c_at, d_at = (direction[0] * (p[0] - a[0]) + direction[1] * (p[1] - a[1]) for p in (c, d))
            if min(direction[0] ** 2 + direction[1] ** 2, max(c_at, d_at)) > max(Fraction(0), min(c_at, d_at)):
                return True
    return False


def area(polygon: list[Corner]) -> float:
    following = polygon[1:] + polygon[:1]
    return float(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, following, strict=True)) / 2)


def exact_cells(
    layers: list[Layer],
    corners: list[list[float]],
    plane: list[list[float]] | None = None,
    slopes: list[list[float]] | None = None,
) -> list[tuple[list[Corner], list[Affine]]]:
    """Every activation region's polygon and affine map, by the definitions."""
    polygon = [(Fraction(x), Fraction(y)) for x, y in corners]
    rows = plane or [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]  # each input as a x + b y + c
    inputs = [(Fraction(a), Fraction(b), Fraction(c)) for a, b, c in rows]
    cells = [(polygon, inputs)]
    for depth, (weight, bias) in enumerate(layers, start=1):
        refined = []
        for polygon, inputs in cells:
            functions = []
            for row, b in zip(weight, bias, strict=True):
                a, c, d = (sum(Fraction(w) * h[i] for w, h in zip(row, inputs, strict=True)) for i in range(3))
                functions.append((a, c, d + Fraction(b)))
            if depth == len(layers):
                refined.append((polygon, functions))
                continue
            below = [0.0] * len(functions) if slopes is None else slopes[depth - 1]
            parts = [polygon]
            for function, slope in zip(functions, below, strict=True):
                cut = []
                for part in parts:
                    values = [value(function, corner) for corner in part]
                    if slope != 1 and min(values) < 0 < max(values):
                        cut += [clip(part, function), clip(part, (-function[0], -function[1], -function[2]))]
                    else:
                        cut.append(part)
                parts = cut
            for part in parts:
                middle = (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part))
                outputs = []
                for function, slope in zip(functions, below, strict=True):
                    factor = Fraction(1 if value(function, middle) > 0 else slope)
                    outputs.append((factor * function[0], factor * function[1], factor * function[2]))
                refined.append((part, outputs))
        cells = refined
    return cells


def exact_counts(cells: list[tuple[list[Corner], list[Affine]]]) -> tuple[int, int]:
    """Regions, and connected sets of them with one map."""
    piece = list(range(len(cells)))
    for i, j in combinations(range(len(cells)), 2):
        if piece[i] != piece[j] and cells[i][1] == cells[j][1] and neighbours(cells[i][0], cells[j][0]):
            piece = [piece[i] if p == piece[j] else p for p in piece]
    return len(cells), len(set(piece))


SQUARE = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]


DOMAINS = st.sampled_from(
    [
        SQUARE,
        [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
        [[-2.0, -1.0], [3.0, -1.0], [3.0, 2.0], [-2.0, 2.0]],
        [[-0.1, -1 / 3], [0.7, -1 / 3], [0.7, 0.9], [-0.1, 0.9]],
        [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]],
        [[-1.0, 0.0], [0.0, -1.0], [1.0, 0.0], [0.5, 0.7], [-0.5, 0.7]],
    ]
)


@pytest.mark.slow
@examples(40)
@given(layers=degenerate_layers(in_features=[2]), corners=DOMAINS)
def test_degenerate_networks_against_fractions(layers: list[Layer], corners: list[list[float]]) -> None:
    counted = pieces.on_plane(network_of(*layers), vertices=corners)
    assert (counted.num_regions, counted.num_pieces) == exact_counts(exact_cells(layers, corners))


@examples(25)
@given(layers=degenerate_layers(in_features=[2]), corners=DOMAINS, data=st.data())
@pytest.mark.slow
def test_any_slopes_against_fractions(layers: list[Layer], corners: list[list[float]], data: st.DataObject) -> None:
    kinds = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.01, 0.25])
    slopes = [[data.draw(kinds) for _ in bias] for _, bias in layers[:-1]] + [[1.0] * len(layers[-1][1])]
    read = [
        UnitLayer(np.array([weight]), np.array([bias]), np.array([slope]))
        for (weight, bias), slope in zip(layers, slopes, strict=True)
    ]
    counted = count(read, np.eye(2, 3), np.array(corners), 10_000)
    assert (counted.num_regions, counted.num_pieces) == exact_counts(exact_cells(layers, corners, slopes=slopes))


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(layers=degenerate_layers(in_features=[4]), corners=DOMAINS, data=st.data())
def test_planes_in_four_dimensions_against_fractions(
    layers: list[Layer], corners: list[list[float]], data: st.DataObject
) -> None:
    numbers = st.sampled_from([0.0, 1.0, -1.0, 0.5, 1 / 3])
    origin, right = (data.draw(st.lists(numbers, min_size=4, max_size=4)) for _ in range(2))
    up = [1.0, 0.3, -1.0, 2.0]
    right[3] = 0.0 if any(right[:3]) else 1.0
    counted = pieces.on_plane(network_of(*layers), vertices=corners, origin=origin, directions=[right, up])
    rows = [list(row) for row in zip(right, up, origin, strict=True)]
    assert (counted.num_regions, counted.num_pieces) == exact_counts(exact_cells(layers, corners, plane=rows))


# Networks whose numbers of regions are known


@pytest.mark.parametrize(
    ("sizes", "seed", "num_regions"),
    [
        ([2, 16, 16, 1], 0, 127),
        ([2, 16, 16, 1], 1, 88),
        ([2, 32, 32, 32, 1], 0, 1180),
        ([2, 32, 32, 32, 1], 1, 924),
        ([2, 64, 64, 64, 1], 0, 6668),
        ([2, 64, 64, 64, 1], 1, 4479),
        ([2, 128, 128, 128, 1], 0, 20714),
        ([2, 128, 128, 128, 1], 1, 22136),
        ([2, 256, 256, 1], 0, 37357),
        ([2, 256, 256, 1], 1, 43441),
    ],
)
def test_default_initialisation(sizes: list[int], seed: int, num_regions: int) -> None:
    # Counts that several other programs agree on.
    counted = pieces.on_plane(default_network(sizes, seed), -1.0, 1.0)
    assert (counted.num_regions, counted.num_settled) == (num_regions, 0)
    if num_regions < 10_000:
        assert counted.num_pieces == num_regions


def test_large_biases() -> None:
    # Weights come from N(0, 2 / fan_in) and biases from N(0, 1), layer after layer. A program that computes in float32
    # misses this exact count by one.
    network = nn.Sequential(nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))
    torch.manual_seed(0)
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.in_features))
            nn.init.normal_(layer.bias)
    assert pieces.on_plane(network.double(), -1, 1).num_regions == 33204


def test_a_layer_of_which_half_is_a_copy() -> None:
    counted = pieces.on_plane(copied_network(), -1, 1)
    assert (counted.num_regions, counted.num_settled > 0) == (17, True)


def test_zero_biases() -> None:
    counted = pieces.on_plane(network_without_biases(), -1, 1)
    assert (counted.num_regions, counted.num_settled > 0) == (62, True)


def test_small_integers() -> None:
    counted = pieces.on_plane(integer_network(), -1, 1)
    assert (counted.num_regions, counted.num_pieces) == (47, 35)


@pytest.mark.parametrize("width", [1, 2, 3, 10, 65, 130])
def test_lines_in_general_position(width: int) -> None:
    # Zaslavsky: sum over j <= 2 of C(width, j) regions, if the domain contains all crossings.
    network = default_network([2, width, 1], 5)
    counted = pieces.on_plane(network, -1e6, 1e6)
    assert counted.num_regions == sum(math.comb(width, j) for j in range(3))


@pytest.mark.parametrize("width", [2, 3, 7, 40])
def test_lines_through_one_point(width: int) -> None:
    network = default_network([2, width, 1], 6)
    nn.init.zeros_(network[0].bias)
    counted = pieces.on_plane(network, -1.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == (2 * width, 2 * width)
    moved = pieces.on_plane(network, [-1.0, 0.0], [1.0, 1.0])  # the point is on the border now
    assert moved.num_regions == width + 1


@pytest.mark.parametrize("k", [1, 3, 6])
def test_tents_of_one_coordinate(k: int) -> None:
    # relu(2x) - relu(4x - 2), k times, in x alone: 2^k strips of [0, 1] x [0, 1], and of a slanted square too.
    network = tents(k, ([[2.0, 0.0], [4.0, 0.0]], [0.0, -2.0]))
    counted = pieces.on_plane(network, 0.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == (2**k, 2**k)
    diamond = pieces.on_plane(network, vertices=[[0.0, 0.5], [0.5, 0.0], [1.0, 0.5], [0.5, 1.0]])
    assert (diamond.num_regions, diamond.num_pieces) == (2**k, 2**k)


def test_affine_networks_have_one_region() -> None:
    counted = pieces.on_plane(nn.Sequential(nn.Linear(2, 3)).double(), 0.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == (1, 1)


def test_units_that_cancel_make_regions_but_no_pieces() -> None:
    # relu(x + y) - relu(-x - y) = x + y
    layers = [([[1.0, 1.0], [-1.0, -1.0]], [0.0, 0.0]), ([[1.0, -1.0]], [3.0])]
    counted = pieces.on_plane(network_of(*layers), -1.0, 2.0)
    assert (counted.num_regions, counted.num_pieces) == (2, 1)


# Against other ways to count


@pytest.mark.parametrize("seed", range(4))
def test_lines_meet_as_many_regions_as_on_line_counts(seed: int) -> None:
    network = default_network([3, 24, 24, 2], seed)
    generator = np.random.default_rng(seed)
    origin, *directions = generator.normal(size=(3, 3))
    rows = np.stack([*directions, origin], axis=1).tolist()
    start, end = np.array([-4.0, -3.0]), generator.uniform(2, 4, size=2)
    # A sliver along the line, so thin that it holds no crossing: its regions are those that the line meets.
    normal = np.array([start[1] - end[1], end[0] - start[0]]) * 1e-9
    counted = pieces.on_plane(
        network, vertices=[start, end, end + normal, start + normal], origin=origin, directions=directions
    )
    along = pieces.on_line(network, *(np.array(rows) @ [*point, 1.0] for point in (start, end)))
    assert counted.num_regions == along.num_regions > 5


def regions_met(counted: pieces.OnPlane, start: np.ndarray, end: np.ndarray) -> int:
    """How many regions' polygons a segment runs through: inside is what is to the left of all sides."""
    num_met = 0
    for region in range(counted.num_regions):
        corners = counted.polygon(region)
        sides = np.roll(corners, -1, axis=0) - corners
        clear = np.abs(sides).max(axis=1) > 1e-9  # shorter sides are made of roundings and have no direction
        if clear.sum() < 3:
            continue
        corners, sides = corners[clear], sides[clear]
        distance = [sides[:, 0] * (p - corners)[:, 1] - sides[:, 1] * (p - corners)[:, 0] for p in (start, end)]
        first, last = 0.0, 1.0
        for a, b in zip(*distance, strict=True):
            if a < 0 and b < 0:
                last = 0.0
            elif a < 0:
                first = max(first, a / (a - b))
            elif b < 0:
                last = min(last, a / (a - b))
        num_met += last - first > CLEAR / 2
    return num_met


CLEAR = 1e-6  # a part of a segment that is longer than this is no rounding


@pytest.mark.slow
@examples(40)
@given(
    layers=degenerate_layers(in_features=[2]),
    start=st.sampled_from([(-1.0, -0.5), (-1.0, -1.0), (-1.0, 0.3), (-0.9, 1.0), (0.0, -1.0)]),
    end=st.sampled_from([(1.0, 0.5), (1.0, -0.37), (1.0, 1.0), (0.6, -0.7), (1.0, 1 / 3)]),
)
def test_a_line_through_the_subdivision_meets_the_regions_that_on_line_counts(
    layers: list[Layer], start: tuple[float, float], end: tuple[float, float]
) -> None:
    network = network_of(*layers)
    counted = pieces.on_plane(network, -1.0, 1.0)
    a, b = np.array(start), np.array(end)
    offset = counted.vertices - a
    on_segment = np.abs((b - a)[0] * offset[:, 1] - (b - a)[1] * offset[:, 0]) <= 1e-9
    assume(not on_segment[counted.edges].all(axis=1).any())  # along an edge it would meet the regions of both sides
    along = pieces.on_line(network, a, b)
    borders = np.concatenate([[0.0], along.region_breakpoints, [1.0]])
    assume(np.diff(borders).min() > CLEAR)
    assert along.num_regions == regions_met(counted, a, b)
    located = counted.locate(along.points((borders[1:] + borders[:-1]) / 2)).tolist()
    assert len(set(located)) == along.num_regions  # these are the regions that it meets, one after the other
    assert all(after in counted.neighbours(before) for before, after in pairwise(located)) or on_segment.any()


def test_regioncam_agrees() -> None:
    regioncam = pytest.importorskip("regioncam")
    for sizes, seed in [([2, 12, 1], 0), ([2, 20, 20, 1], 1), ([2, 10, 10, 10, 10, 2], 2), ([2, 40, 40, 3], 3)]:
        network = default_network(sizes, seed)
        theirs = regioncam.Regioncam(1.0)
        for layer in network:
            if isinstance(layer, nn.Linear):
                theirs.linear(layer.weight.T.float().detach().numpy(), layer.bias.float().detach().numpy())
            else:
                theirs.relu()
        assert pieces.on_plane(network, -1.0, 1.0).num_regions == theirs.num_faces


# Geometry


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(layers=degenerate_layers(in_features=[2]), corners=DOMAINS)
def test_geometry_of_degenerate_networks_against_fractions(layers: list[Layer], corners: list[list[float]]) -> None:
    counted = pieces.on_plane(network_of(*layers), vertices=corners)
    counted.check_invariants()
    # Cells too thin for floats have been counted, but a point given in floats may miss them.
    cells = [(polygon, outputs) for polygon, outputs in exact_cells(layers, corners) if area(polygon) > 1e-6]
    middles = [[sum(p[i] for p in polygon) / len(polygon) for i in range(2)] for polygon, _ in cells]
    regions = counted.locate(np.array(middles, dtype=np.float64)).tolist()
    assert len(set(regions)) == len(cells)
    scale = 1 + max(abs(number) for _, outputs in cells for output in outputs for number in output)
    close = 2.0**-20 * np.ptp(np.array(corners))
    for region, (polygon, outputs) in zip(regions, cells, strict=True):
        expected = np.array([[float(number) for number in output] for output in outputs])
        assert np.abs(counted.weights[region] - expected[:, :2]).max() <= 1e-12 * scale
        assert np.abs(counted.biases[region] - expected[:, 2]).max() <= 1e-12 * scale
        assert abs(counted.areas[region] - area(polygon)) <= 1e-5 * np.ptp(np.array(corners)) ** 2
        distances = np.abs(counted.polygon(region)[:, None] - np.array(polygon, dtype=np.float64)).max(axis=2)
        assert distances.min(axis=0).max() <= close  # the package's polygons may have more corners, on straight sides


@pytest.mark.parametrize("sizes", [[2, 20, 20, 1], [2, 9, 9, 9, 3], [5, 30, 70, 2]])
def test_affine_maps_reproduce_the_network(sizes: list[int]) -> None:
    network = default_network(sizes, 1)
    generator = np.random.default_rng(0)
    frame = {} if sizes[0] == 2 else {"origin": generator.normal(size=5), "directions": generator.normal(size=(2, 5))}
    counted = pieces.on_plane(network, [-1, -2], [3, 2], **frame)
    counted.check_invariants()
    coordinates = generator.uniform([-1, -2], [3, 2], size=(20, 50, 2))
    outputs = network(torch.from_numpy(counted.points(coordinates))).detach().numpy()
    # Values of size 10 at most, sums of up to 70 products in each of 3 layers: 3 * 70 * 2^-53 * 10 = 2e-13.
    assert np.abs(counted(coordinates) - outputs).max() <= 1e-12
    inputs = torch.from_numpy(counted.points(coordinates[0])).requires_grad_()
    (gradients,) = torch.autograd.grad(network(inputs)[:, 0].sum(), inputs)
    assert np.abs(counted.weights[counted.locate(coordinates[0])][:, 0] - gradients.numpy()).max() <= 1e-12
    for region in counted.locate(coordinates[0]).tolist()[:10]:
        middle = torch.from_numpy(counted.points(counted.polygon(region).mean(axis=0)))
        assert [pattern.tolist() for pattern in counted.pattern(region)] == positive_units(network[:-1:2], middle)


@pytest.mark.slow
def test_planes_through_images() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.LeakyReLU(0.1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    network = nn.Sequential(network, nn.Hardtanh(), nn.Linear(5, 3)).double()
    origin, directions = torch.randn(1, 6, 6), torch.randn(2, 1, 6, 6)
    counted = pieces.on_plane(network, -1, 1, origin=origin, directions=directions)
    assert counted.num_regions > counted.num_pieces > 20  # regions also tell which inputs of a pool are larger
    coordinates = np.random.default_rng(0).uniform(-1, 1, size=(100, 2))
    images = torch.from_numpy(counted.points(coordinates)).reshape(-1, 1, 6, 6)
    assert np.abs(counted(coordinates) - network(images).detach().numpy()).max() <= 1e-12
    counted.check_invariants()


def test_two_lines_by_hand() -> None:
    # relu(x) and relu(y): four quadrants; y = relu(x) + 2 relu(y)
    counted = pieces.on_plane(network_of(([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 2.0]], [5.0])), -1.0, 3.0)
    assert (counted.num_regions, counted.num_pieces) == (4, 4)
    quadrants = counted.locate([[-0.5, -0.5], [1.0, -0.5], [1.0, 1.0], [-0.5, 1.0]])
    assert counted.areas[quadrants].tolist() == [1.0, 3.0, 9.0, 3.0]
    assert counted.weights[quadrants].tolist() == [[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 2.0]], [[0.0, 2.0]]]
    assert counted.biases.tolist() == [[5.0]] * 4
    assert [pattern.tolist() for pattern in counted.pattern(int(quadrants[1]))] == [[True, False]]
    assert sorted(counted.polygon(int(quadrants[2])).tolist()) == [[0.0, 0.0], [0.0, 3.0], [3.0, 0.0], [3.0, 3.0]]
    assert sorted(counted.neighbours(int(quadrants[0])).tolist()) == sorted(quadrants[[1, 3]].tolist())
    assert (len(counted.vertices), len(counted.edges)) == (9, 12)
    assert counted.locate([0.0, 0.0]) in quadrants
    assert counted.locate([0.0, 1.0]) in quadrants[2:]
    assert counted([0.0, 1.0]).tolist() == [7.0]
    inner = counted.edge_regions[:, 1] >= 0
    assert counted.edge_units[inner].tolist() == [[0, 0], [0, 0], [0, 1], [0, 1]]
    assert sorted(set(map(tuple, counted.edge_units[~inner].tolist()))) == [(-1, 0), (-1, 1), (-1, 2), (-1, 3)]
    assert counted.piece_of_region.tolist() == [0, 1, 2, 3]
    for of_region in (counted.pattern, counted.polygon, counted.neighbours):
        with pytest.raises(ValueError, match="region must be between 0 and 3, got -1"):
            of_region(-1)


def test_points_outside_of_the_domain_are_refused() -> None:
    counted = pieces.on_plane(default_network([2, 3, 1], 0), vertices=[[0.0, 0.0], [1.0, 0.0], [0.0, 0.1]])
    assert counted.locate([0.0, 0.1]).shape == ()
    with pytest.raises(ValueError, match=r"inside of the domain, got \[0.5 +0.06\]"):
        counted.locate([[0.1, 0.01], [0.5, 0.06]])
    with pytest.raises(ValueError, match=r"shape \[..., 2\], got \(3,\)"):
        counted.locate([0.0, 0.0, 0.0])


# Decision boundaries


def test_the_boundary_between_two_coordinates_is_the_diagonal() -> None:
    network = network_of(([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0]), ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]))
    boundary = pieces.on_plane(network, -1.0, 1.0).decision_boundary()
    assert boundary.shape == (1, 2, 2)
    assert sorted(boundary[0].tolist()) == [[-1.0, -1.0], [1.0, 1.0]]


def test_the_boundary_of_one_output_is_its_zero() -> None:
    network = network_of(([[1.0, 1.0], [-1.0, -1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [-1.0]))  # |x + y| - 1
    boundary = pieces.on_plane(network, 0.0, 3.0).decision_boundary()
    assert sorted(boundary[0].tolist()) == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(("num_classes", "seed"), [(2, 1), (3, 0), (5, 2), (10, 3)])
def test_the_boundary_agrees_with_a_dense_grid(num_classes: int, seed: int) -> None:
    network = default_network([2, 30, 30, num_classes], seed)
    with torch.no_grad():
        network[0].bias *= 2
        middle = network(torch.rand(1000, 2, dtype=torch.float64) * 4 - 2).mean(dim=0)
        network[4].bias -= middle
    boundary = pieces.on_plane(network, -2.0, 2.0).decision_boundary()
    ticks = np.linspace(-1.9871, 1.9913, 120)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    classes = network(torch.from_numpy(grid)).argmax(dim=-1).numpy()
    crossed = np.zeros((len(ticks), len(ticks) - 1), dtype=np.int64)  # rows y, steps to the right
    for (x0, y0), (x1, y1) in boundary.tolist():
        for row in np.flatnonzero((ticks - y0) * (ticks - y1) < 0).tolist():
            x = x0 + (ticks[row] - y0) / (y1 - y0) * (x1 - x0)
            step = int(np.searchsorted(ticks, x)) - 1
            if 0 <= step < crossed.shape[1]:
                crossed[row, step] += 1
    changes = classes[:, 1:] != classes[:, :-1]
    assert (crossed[changes] >= 1).all()
    assert (crossed[~changes] != 1).all()
    assert changes.sum() > 50
    top = network(torch.from_numpy(boundary.mean(axis=1))).topk(2, dim=1).values
    assert (top[:, 0] - top[:, 1]).max() <= 1e-12


def test_plots_show_every_region() -> None:
    counted = pieces.on_plane(default_network([2, 12, 12, 3], 0), -1.0, 1.0)
    axes = counted.plot()
    assert len(axes.collections[0].get_paths()) >= counted.num_regions  # a region that the boundary cuts has two
    assert len(axes.collections[1].get_segments()) == (counted.edge_units[:, 0] >= 0).sum()
    assert len(axes.collections[2].get_segments()) == len(counted.decision_boundary()) > 0
    assert f"{counted.num_regions:,} regions" in axes.get_title()
    assert pieces.on_plane(default_network([2, 5, 1], 0), 0.0, 2.0).plot(axes) is axes
    plt.close(axes.figure)


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 1.0, "high": -1.0}, r"low must be below high in both coordinates, got \[1. 1.\] and \[-1. -1.\]"),
        ({"low": [0.0, 0.0], "high": [1.0, 0.0]}, "low must be below high in both coordinates"),
        ({"low": [0.0, math.nan], "high": 1.0}, "low must be finite, got nan"),
        ({"low": [0.0, 0.0, 0.0], "high": 1.0}, r"low must be one number or two, got shape \(3,\)"),
        ({}, "either by low and high or by vertices, got neither"),
        ({"low": 0.0}, "either by low and high or by vertices, got low alone"),
        ({"high": 0.0}, "either by low and high or by vertices, got high alone"),
        ({"low": 0.0, "high": 1.0, "vertices": SQUARE}, "either by low and high or by vertices, got both"),
        ({"vertices": SQUARE[:2]}, r"vertices must have shape \[n, 2\], n at least 3, got \(2, 2\)"),
        ({"vertices": [SQUARE[i] for i in (0, 2, 1, 3)]}, "corners of a convex polygon"),
        ({"vertices": [*SQUARE, [-1.0, 0.0]]}, "corners of a convex polygon"),
        ({"vertices": [[math.cos(a), math.sin(a)] for a in np.arange(5) * 4 * math.pi / 5]}, "convex polygon"),
        ({"low": 0, "high": 1, "origin": [0.0, 0.0]}, "origin and directions must be given together"),
        ({"low": 0, "high": 1, "origin": [0.0], "directions": np.eye(2)}, r"2 inputs"),
        (
            {"low": 0, "high": 1, "origin": [0.0, 0.0], "directions": [[1.0, 0.0]]},
            r"directions must be two.*\(2,\), got \(1, 2\)",
        ),
        ({"low": 0, "high": 1, "origin": [0.0, 0.0], "directions": [[1.0, 3.0], [2.0, 6.0]]}, "must not be parallel"),
        ({"low": 0, "high": 1, "max_regions": 0}, "max_regions must be at least 1, got 0"),
    ],
)
def test_bad_planes_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pieces.on_plane(default_network([2, 3, 1], 0), **arguments)


def test_other_dimensions_need_a_plane() -> None:
    with pytest.raises(ValueError, match="a network of 3 inputs needs a plane"):
        pieces.on_plane(default_network([3, 3, 1], 0), 0.0, 1.0)


def test_numbers_that_are_not_finite_are_refused() -> None:
    network = default_network([2, 3, 1], 0)
    network[0].weight.data[1, 1] = math.nan
    with pytest.raises(ValueError, match="must be finite, got nan"):
        pieces.on_plane(network, 0.0, 1.0)


def test_overflow_is_an_error() -> None:
    network = network_of(([[1e200, 0.0]], [0.0]), ([[1e200]], [0.0]), ([[1.0]], [0.0]))
    with pytest.raises(ValueError, match="overflow"):
        pieces.on_plane(network, 0.0, 1.0)


def test_too_many_regions_say_how_far_it_got() -> None:
    network = default_network([2, 64, 64, 64, 1], 0)
    with pytest.raises(ValueError, match=r"got 2000, but layer 2 of 4 cuts 756 regions into 2943"):
        pieces.on_plane(network, -1.0, 1.0, max_regions=2000)
    with pytest.raises(ValueError, match=r"got 6667, but layer 3 of 4 cuts 2943 regions into 6668"):
        pieces.on_plane(network, -1.0, 1.0, max_regions=6667)
    assert pieces.on_plane(network, -1.0, 1.0, max_regions=6668).num_regions == 6668


def test_stacks_are_refused() -> None:
    members = stack([MLP(2, 1, width=3, depth=1) for _ in range(2)])
    with pytest.raises(TypeError, match=r"got a Stack: use on_plane for each member of unstack\(stack\)"):
        inspect.unwrap(pieces.on_plane)(members, 0.0, 1.0)  # without the checks of types, which only the tests have


@pytest.mark.parametrize("factor", [2.0**-600, 2.0**-900])
def test_pieces_are_told_apart_however_flat_they_are(factor: float) -> None:
    # Squares of such numbers are 0 in floats, the function is as good as any: relu(x) + relu(y), times a factor.
    network = network_of(([[factor, 0.0], [0.0, factor]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0]))
    assert pieces.on_plane(network, -1, 1).num_pieces == 4
    frame = {"origin": [0.0, 0.0], "directions": [[factor, 0.0], [0.0, factor]]}
    assert (
        pieces.on_plane(
            network_of(([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])), -1, 1, **frame
        ).num_pieces
        == 4
    )
