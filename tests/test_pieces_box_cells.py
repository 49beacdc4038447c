"""Boxes with ties, where many units are zero together, against known arrangements and brute force in fractions."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
import torch
from exact_boxes import are_neighbours, exact_cells, num_pieces
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow_except
from networks import (
    copied_network,
    default_network,
    degenerate_layers,
    integer_layers,
    integer_network,
    network_of,
    network_without_biases,
    random_unit_layers,
    with_values,
)
from torch import Tensor, nn

from dlcourse.networks import MLP
from dlcourse.pieces.box import InBox, in_box
from dlcourse.pieces.box.cell_geometry import CellGeometry
from dlcourse.pieces.box.cells import CellSubdivision
from dlcourse.pieces.box.geometry import EdgeGeometry
from dlcourse.pieces.box.subdivision import EdgeSubdivision
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line import on_line
from dlcourse.pieces.plane import on_plane
from dlcourse.pieces.reading import read


class Abs(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


class Pairs(nn.Module):
    """The larger of every two neighbours."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, x.roll(1, -1))


ACTIVATIONS: list[Callable[[], nn.Module]] = [
    nn.ReLU,
    *(lambda slope=slope: nn.LeakyReLU(slope) for slope in (0.5, -0.5, -1.0, 0.0, 1.0)),
    nn.Hardtanh,
    Abs,
    Pairs,
]


def arrangement(normals: Sequence[Sequence[float]], offsets: Sequence[float] | None = None) -> nn.Sequential:
    """One hidden unit for each plane, and their sum."""
    biases = [0.0] * len(normals) if offsets is None else [float(offset) for offset in offsets]
    return network_of(([[float(x) for x in normal] for normal in normals], biases), ([[1.0] * len(normals)], [0.0]))


def geometry_of(box: InBox) -> CellGeometry:
    """Where it was cut cell by cell."""
    assert isinstance(box._geometry, CellGeometry)
    return box._geometry


def volume(box: InBox) -> Fraction:
    """Of the whole box, in fractions."""
    sides = zip(box.low.tolist(), box.high.tolist(), strict=True)
    return math.prod((Fraction(high) - Fraction(low) for low, high in sides), start=Fraction(1))


def check(box: InBox, network: nn.Module) -> None:
    """What must hold for every box, and is told by the network itself."""
    box.check_invariants()
    if isinstance(box._geometry, CellGeometry):
        assert sum(box._geometry.exact_volumes) == volume(box)
        assert min(box._geometry.exact_volumes) > 0
    centres = np.array([box.polytope(region).mean(axis=0) for region in range(box.num_regions)])
    with torch.no_grad():
        np.testing.assert_allclose(box(centres), network(torch.from_numpy(centres)).numpy(), rtol=1e-9, atol=1e-9)


# Known arrangements


@pytest.mark.parametrize("n", range(3, 8))
def test_planes_through_the_origin(n: int) -> None:
    # Each two of n planes in general position but for the origin meet in a line: they cut a sphere into n^2 - n + 2.
    normals = np.random.default_rng(n).normal(size=(n, 3)).tolist()
    box = in_box(arrangement(normals), [-1.0, -1.5, -0.5], [1.0, 2.0, 0.75])
    assert box.num_regions == box.num_pieces == n * n - n + 2
    check(box, arrangement(normals))


@pytest.mark.parametrize(("d", "n"), [(1, 3), (2, 5), (4, 5)])
def test_hyperplanes_through_the_origin_in_any_dimension(d: int, n: int) -> None:
    # Schläfli: 2 times the sum of C(n - 1, i) over i < d.
    normals = np.random.default_rng(n).normal(size=(n, d)).tolist()
    box = in_box(arrangement(normals), [-1.0] * d, [1.0] * d)
    assert box.num_regions == 2 * sum(math.comb(n - 1, i) for i in range(d))
    box.check_invariants()


def test_coordinate_planes_and_diagonals() -> None:
    # x = 0, ... make 8 octants; x = y, y = z, x = z order the coordinates in 6 ways. An octant with k signs + and 3 - k
    # signs - is met by the k! (3 - k)! orders that put - before +: 6 + 3 * 2 + 3 * 2 + 6.
    axes = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert in_box(arrangement(axes), [-1] * 3, [1] * 3).num_regions == 8
    diagonals = [[1, -1, 0], [0, 1, -1], [1, 0, -1]]
    assert in_box(arrangement(diagonals), [-1] * 3, [1] * 3).num_regions == 6
    box = in_box(arrangement(axes + diagonals), [-1] * 3, [1] * 3)
    assert box.num_regions == 24
    check(box, arrangement(axes + diagonals))
    # Where all signs are alike, an octant is cut in 6, else in 2.
    assert sorted(geometry_of(box).exact_volumes) == [Fraction(1, 6)] * 12 + [Fraction(1, 2)] * 12


def test_signs_and_orders_of_absolute_values_make_the_48_chambers_of_the_cube() -> None:
    normals = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    normals += [
        [int(k == i) + s * int(k == j) for k in range(3)] for i, j in combinations(range(3), 2) for s in (1, -1)
    ]
    box = in_box(arrangement(normals), [-1] * 3, [1] * 3)
    assert box.num_regions == 48
    assert geometry_of(box).exact_volumes == [Fraction(1, 6)] * 48
    # Each chamber has three walls inside of the cube.
    assert [len(box.neighbours(region)) for region in range(48)] == [3] * 48
    # 8 corners, 6 centres of sides, 12 of edges, the middle.
    assert len(box.vertices) == 27
    check(box, arrangement(normals))


def test_parallel_and_coincident_planes() -> None:
    # x = -1/2, 0, 0, 0 (once the other way round, once doubled), 1/2: four slabs.
    network = arrangement([[1, 0, 0], [1, 0, 0], [-1, 0, 0], [2, 0, 0], [1, 0, 0]], [0.5, 0, 0, 0, -0.5])
    box = in_box(network, [-1] * 3, [1] * 3)
    assert counts(box) == (4, 4)
    assert box.volumes.tolist() == [2.0] * 4
    check(box, network)
    ordered = sorted(range(4), key=lambda region: float(box.polytope(region)[:, 0].mean()))
    assert [sorted(box.neighbours(region).tolist()) for region in ordered] == [
        [ordered[1]], sorted([ordered[0], ordered[2]]), sorted([ordered[1], ordered[3]]), [ordered[2]]
    ]  # fmt: skip
    # Across x = 0 three units change at once.
    left, right = (np.concatenate(box.pattern(region)) for region in ordered[1:3])
    assert np.flatnonzero(left != right).tolist() == [1, 2, 3]


def test_coincident_units_that_cancel_make_regions_but_one_piece() -> None:
    # relu(x) - relu(-x) is x.
    network = network_of(([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], [0.0, 0.0]), ([[1.0, -1.0]], [0.0]))
    assert counts(in_box(network, [-1] * 3, [1] * 3)) == (2, 1)


def test_a_side_in_the_plane_of_a_unit() -> None:
    network = arrangement([[1, 0, 0], [0, 1, 0]])
    box = in_box(network, [0, -1, -1], [1, 1, 1])
    assert box.num_regions == 2  # x is zero on a side and positive inside
    assert all(box.pattern(region)[0][0] for region in range(2))
    box = in_box(network, [-1, -1, -1], [0, 1, 1])
    assert box.num_regions == 2
    assert not any(box.pattern(region)[0][0] for region in range(2))
    check(box, network)


def test_planes_through_edges_and_corners_of_the_box() -> None:
    # x = y goes through four corners; x + y = 2 touches the box in an edge, x + y + z = 3 in a corner.
    network = arrangement([[1, -1, 0], [1, 1, 0], [1, 1, 1]], [0, -2, -3])
    box = in_box(network, [-1] * 3, [1] * 3)
    assert box.num_regions == 2
    assert geometry_of(box).exact_volumes == [4, 4]
    assert len(box.vertices) == 8
    check(box, network)


def test_a_unit_without_weights_is_off_everywhere_and_cuts_nothing() -> None:
    network = arrangement([[0, 0], [1, 0]])
    box = in_box(network, [-1, -1], [1, 1])
    assert counts(box) == (2, 2)
    assert not any(box.pattern(region)[0][0] for region in range(2))


def test_a_unit_that_is_zero_on_a_whole_region_is_off_there() -> None:
    # relu(x) is 0 left of x = 0; so is the unit that takes it, and the plane y = 0 is bent by neither.
    network = network_of(([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 0.0]], [0.0]), ([[1.0]], [0.0]))
    box = in_box(network, [-1, -1], [1, 1])
    assert counts(box) == (4, 2)
    left = box.locate([[-0.5, 0.5], [-0.5, -0.5]])
    assert [box.pattern(region)[1].tolist() for region in left.tolist()] == [[False], [False]]


@pytest.mark.parametrize("box", [([-1.0] * 3, [1.0] * 3), ([-2.0, -0.5, -1.0], [1.0, 0.25, 3.0])])
def test_networks_without_biases_have_as_many_regions_in_every_box_around_the_origin(box: tuple) -> None:
    # Their regions are cones.
    network = default_network([3, 6, 5, 4, 1], 0)
    for module in network:
        if isinstance(module, nn.Linear):
            module.bias.data.zero_()
    counted = in_box(network, *box)
    check(counted, network)
    # Each cone meets the surface of the cube, whose sides a plane counts: every region of a side is in one cone, and
    # the patterns of all sides together are those of the cones.
    patterns = set()
    for axis, at in product(range(3), (-1.0, 1.0)):
        directions = np.delete(np.eye(3), axis, axis=0)
        side = on_plane(network, -1, 1, origin=at * np.eye(3)[axis], directions=directions)
        patterns |= {np.concatenate(side.pattern(region)).tobytes() for region in range(side.num_regions)}
    own = {np.concatenate(counted.pattern(region)).tobytes() for region in range(counted.num_regions)}
    assert own == patterns
    assert counted.num_regions == len(own) > 30


# The same as in general position, and as lines and planes


def counts(box: InBox) -> tuple[int, int]:
    return box.num_regions, box.num_pieces


@pytest.mark.parametrize(
    ("make", "expected"), [(integer_network, (47, 35)), (copied_network, (17, 17)), (network_without_biases, (62, 62))]
)
def test_published_counts(make: Callable[[], nn.Sequential], expected: tuple[int, int]) -> None:
    network = make()
    box = in_box(network, [-1, -1], [1, 1])
    assert counts(box) == expected
    check(box, network)


@pytest.mark.parametrize("below", [0.0, -0.5, 0.25])
@pytest.mark.parametrize("widths", [[1, 6, 5, 1], [2, 7, 6, 2], [3, 6, 5, 1], *slow_except([[4, 5, 4, 1]])])
def test_general_position_is_cut_alike_both_ways(widths: list[int], below: float) -> None:
    layers = random_unit_layers(widths, np.random.default_rng(0), below)
    low, high = np.full(widths[0], -1.0), np.full(widths[0], 1.5)
    cells, edges = (way(layers, low, high, 10**6) for way in (CellSubdivision, EdgeSubdivision))
    assert isinstance(cells, CellSubdivision) and isinstance(edges, EdgeSubdivision)
    assert (cells.num_regions, cells.num_vertices) == (edges.num_regions, edges.num_vertices)
    assert cells.ends.shape == edges.ends.shape
    one, other = CellGeometry(cells), EdgeGeometry(edges)
    np.testing.assert_array_equal(one.regions.names, other.regions.names)  # and so regions have the same numbers
    np.testing.assert_array_equal(one.words, other.words)
    np.testing.assert_allclose(one.volumes, other.volumes, rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(one.pieces, other.pieces)
    np.testing.assert_array_equal(one.adjacent[0], other.adjacent[0])
    np.testing.assert_array_equal(one.adjacent[1], other.adjacent[1])
    points = np.random.default_rng(1).uniform(-1, 1.5, (50, widths[0]))
    np.testing.assert_array_equal(one.locate(points), other.locate(points))
    one.check_invariants()


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(layers=degenerate_layers([1, 2]), activation=st.sampled_from(ACTIVATIONS))
def test_one_and_two_dimensions_are_lines_and_planes(layers: list, activation: Callable[[], nn.Module]) -> None:
    network = network_of(*layers, between=activation)
    d = len(layers[0][0][0])
    box = in_box(network, [-1.0] * d, [1.0] * d)
    other = on_line(network, -1.0, 1.0) if d == 1 else on_plane(network, -1, 1)
    assert counts(box) == (other.num_regions, other.num_pieces)
    box.check_invariants()


# Brute force


def compare(layers: list[UnitLayer], box: InBox) -> None:
    """Patterns, pieces, neighbours and corners of all regions with those found by brute force."""
    d = len(box.low)
    expected = exact_cells(layers, box.low.tolist(), box.high.tolist())
    kinked = [(layer.slope[0] != 1) for layer in layers if layer.bends]
    patterns = [
        tuple(tuple(units[kinks].tolist()) for units, kinks in zip(box.pattern(region), kinked, strict=True))
        for region in range(box.num_regions)
    ]
    of_pattern = {tuple(part for part in cell.pattern if part): cell for cell in expected}
    assert len(of_pattern) == len(expected) == len(set(patterns)) == box.num_regions
    own = [of_pattern[pattern] for pattern in patterns]
    assert box.num_pieces == num_pieces(expected, d)
    for region, cell in enumerate(own):
        exact = np.array([[float(x) for x in point] for point in cell.corners])
        apart = np.abs(box.polytope(region)[:, None] - exact).max(axis=2)
        assert apart.shape[0] == apart.shape[1] and (apart.min(axis=0) < 1e-6).all()
        found = {other for other, beside in enumerate(own) if beside is not cell and are_neighbours(cell, beside, d)}
        assert set(box.neighbours(region).tolist()) == found
    if isinstance(box._geometry, CellGeometry):
        assert sum(box._geometry.exact_volumes) == volume(box)


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(data=st.data(), d=st.sampled_from([1, 2, 3, 3]), activation=st.sampled_from(ACTIVATIONS))
def test_small_integers_against_brute_force(data: st.DataObject, d: int, activation: Callable[[], nn.Module]) -> None:
    network = network_of(*data.draw(integer_layers(d, 2, 2)), between=activation)
    layers = read(network, (d,))
    low, high = data.draw(st.sampled_from([([-1.0] * d, [1.0] * d), ([0.0] * d, [2.0] * d), ([-1.5] * d, [1.25] * d)]))
    box = in_box(network, low, high)
    compare(layers, box)
    check(box, network)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_with_ties_against_brute_force(activation: Callable[[], nn.Module]) -> None:
    first = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, -1.0]], [0.0, 0.0, 0.0]
    network = network_of(
        first, ([[1.0, -1.0, 1.0], [0.0, 1.0, 1.0]], [0.0, 0.0]), ([[1.0, 2.0]], [0.0]), between=activation
    )
    box = in_box(network, [-1.0] * 3, [2.0, 1.0, 1.0])
    compare(read(network, (3,)), box)
    check(box, network)


def test_maxpools_with_ties_against_brute_force() -> None:
    network = nn.Sequential(
        nn.Linear(3, 4),
        nn.Unflatten(1, (1, 4)),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(2, 2),
        nn.ReLU(),
        nn.Linear(2, 1),
    )
    with_values(
        network, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], [0, 0, 0, 0], [[1, -1], [1, 1]], [0, 0], [[1, -1]], [0]
    )
    box = in_box(network, [-1.0] * 3, [1.0] * 3)
    compare(read(network, (3,)), box)
    check(box, network)


# What is asked of a box with ties


def test_locating_points_on_borders() -> None:
    network = arrangement([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0]])
    box = in_box(network, [-1] * 3, [1] * 3)
    assert box.num_regions == 8
    assert box.locate([0.0, 0.0, 0.0]) in range(8)
    inside = [[np.cos(angle), np.sin(angle), 0.5] for angle in np.pi * (np.arange(8) / 4 + 1 / 8)]
    assert sorted(box.locate(inside).tolist()) == list(range(8))
    one, other = box.locate(inside[:2]).tolist()
    assert box.locate([0.5, 0.5, 0.0]) in (one, other)  # on x = y between the first two eighths of a turn


def test_edges_and_vertices() -> None:
    # x = 0 and y = 0 and x = y on a square: 3 x 3 vertices, but where x = y meets the others there is one already.
    box = in_box(arrangement([[1, 0], [0, 1], [1, -1]]), [-1, -1], [1, 1])
    assert box.num_regions == 6
    assert sorted(box.vertices.tolist()) == sorted([x, y] for x in (-1, 0, 1) for y in (-1, 0, 1))
    lengths = np.linalg.norm(box.vertices[box.edges[:, 0]] - box.vertices[box.edges[:, 1]], axis=1)
    assert sorted(lengths.tolist()) == [1.0] * 12 + [math.sqrt(2)] * 2
    assert repr(box) == "InBox(num_regions=6, low=[-1, -1], high=[1, 1])"


def test_all_signs_are_settled_in_integers() -> None:
    # Units x and x at 2 ends: 2 signs, then 3, of which one is at the vertex that the first has made.
    assert in_box(network_of(([[1.0], [1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])), -1.0, 1.0).num_settled == 5


def test_large_weights_and_small_ones_at_once() -> None:
    # relu(2^60 x) 2^-60 - relu(x) is 0: a second layer of it is off everywhere.
    network = network_of(
        ([[2.0**60, 0.0], [1.0, 0.0]], [0.0, 0.0]), ([[2.0**-60, -1.0], [1.0, 0.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])
    )
    box = in_box(network, [-1, -1], [1, 1])
    assert counts(box) == (2, 2)
    right = box.locate([0.5, 0.0])
    assert box.pattern(int(right))[1].tolist() == [False, True]


def test_too_many_regions_are_refused_with_ties_too() -> None:
    network = default_network([3, 16, 16, 1], 0)
    for module in network:
        if isinstance(module, nn.Linear):
            module.bias.data.zero_()
    with pytest.raises(ValueError, match=r"more than max_regions = 700 regions.* \d+ when layer \d of 3"):
        in_box(network, [-1] * 3, [1] * 3, max_regions=700)


def test_values_that_overflow_are_refused_with_ties_too() -> None:
    network = network_of(([[1e200], [1e200]], [0.0, 0.0]), ([[1e200, 1.0]], [0.0]), ([[1.0]], [0.0]))
    with pytest.raises(ValueError, match="must be finite in float64, but they overflow"):
        in_box(network, -1.0, 1.0)


def test_decision_boundaries_with_ties() -> None:
    # The largest of x, y and 0: three half-planes that meet in the middle, where x = y = 0.
    network = network_of(([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, 0.0]))
    boundary = in_box(network, [-1, -1], [1, 1]).decision_boundary()
    ends = sorted(sorted(map(tuple, segment.tolist())) for segment in boundary)
    assert ends == [[(-1.0, 0.0), (0.0, 0.0)], [(0.0, -1.0), (0.0, 0.0)], [(0.0, 0.0), (1.0, 1.0)]]


def test_default_networks_of_the_course_without_biases() -> None:
    network = MLP(3, 1, width=8, depth=2, generator=torch.Generator().manual_seed(0)).double()
    for name, parameter in network.named_parameters():
        if "bias" in name:
            parameter.data.zero_()
    box = in_box(network, [-1.0] * 3, [1.0] * 3)
    assert box.num_regions > 8 * 7 + 2  # those of the first layer
    check(box, network)
