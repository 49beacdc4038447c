"""What lines, planes and boxes answer alike, of one network that is worked out by hand on all three."""

from itertools import combinations, pairwise

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from networks import Layer, default_network, degenerate_layers, network_of

from dlcourse import pieces
from dlcourse.pieces.regions import Cells, Regions

# relu(x) + relu(y) + 3, and relu(x) - relu(-x), which is x and has no kink.
NETWORK = network_of(
    ([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [0.0, 0.0, 0.0]), ([[1.0, 1.0, 0.0], [1.0, 0.0, -1.0]], [3.0, 0.0])
)
# The same without the third unit, which is 0 where the first one is: a box in general position.
LAYERS = (([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [3.0]))
SQUARES = [
    lambda: pieces.on_plane(NETWORK, -1, 1),
    lambda: pieces.in_box(NETWORK, [-1, -1], [1, 1]),
    lambda: pieces.in_box(network_of(*LAYERS), [-1, -1], [1, 1]),
]


@pytest.mark.parametrize("counted", SQUARES)
def test_four_quadrants_of_a_square(counted: object) -> None:
    regions = counted()  # type: ignore[operator]
    assert isinstance(regions, Cells)
    assert (regions.num_regions, regions.num_pieces) == (4, 4)
    corners = np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, -0.5], [-0.5, 0.5]])
    right_top, right_low, left_low, left_top = regions.locate(corners).tolist()
    assert sorted(regions.neighbours(right_top).tolist()) == sorted([right_low, left_top])
    assert sorted(regions.neighbours(left_low).tolist()) == sorted([right_low, left_top])
    assert regions.weights[[right_top, right_low, left_low, left_top], 0].tolist() == [[1, 1], [1, 0], [0, 0], [0, 1]]
    assert (regions.biases[:, 0] == 3).all()
    assert regions.pattern(left_top)[0][:2].tolist() == [False, True]
    assert regions(corners)[..., 0].tolist() == [4.0, 3.5, 3.0, 3.5]
    assert len(set(regions.piece_of_region.tolist())) == 4
    with pytest.raises(ValueError, match="region must be between 0 and 3, got 4"):
        regions.pattern(4)
    with pytest.raises(ValueError, match=r"must have shape \[\.\.\., 2\], got \(3,\)"):
        regions.locate([0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"must be inside of the (box|domain), got"):
        regions.locate([[0.0, 0.0], [0.0, 1.5]])


def test_three_of_them_on_a_line() -> None:
    line = pieces.on_line(NETWORK, [-1.0, -0.5], [1.0, 1.5])  # y crosses zero at t = 1/4, x at 1/2
    assert isinstance(line, Regions)
    assert (line.num_regions, line.num_pieces) == (3, 3)
    assert line.weights[:, 0].tolist() == [[0, 0], [0, 1], [1, 1]]
    assert line.biases[:, 0].tolist() == [3, 3, 3]
    assert [line.pattern(region)[0].tolist() for region in range(3)] == [
        [False, False, True],
        [False, True, True],
        [True, True, False],
    ]
    assert line.neighbours(1).tolist() == [0, 2]


# The dual graph


@pytest.mark.parametrize("counted", SQUARES)
def test_the_graph_of_four_quadrants(counted: object) -> None:
    graph = counted().dual_graph()  # type: ignore[operator]
    assert networkx.is_isomorphic(graph, networkx.cycle_graph(4))
    # Without the unit of -x, which changes where x does: only the plane has it.
    crossed = [sorted(set(units) - {(0, 2)}) for _, _, units in graph.edges(data="units")]
    assert sorted(crossed) == [[(0, 0)], [(0, 0)], [(0, 1)], [(0, 1)]]
    assert [len(units) for _, _, units in graph.edges(data="units") if (0, 2) in units] in ([2, 2], [])
    assert {data.get("area", data.get("volume")) for _, data in graph.nodes(data=True)} == {1.0}
    assert sorted(piece for _, piece in graph.nodes(data="piece")) == [0, 1, 2, 3]
    signs = {tuple(pattern[0][:2].tolist()) for _, pattern in graph.nodes(data="pattern")}
    assert signs == {(True, True), (True, False), (False, False), (False, True)}


def test_the_graph_of_a_line_is_a_path() -> None:
    graph = pieces.on_line(NETWORK, [-1.0, -0.5], [1.0, 1.5]).dual_graph()
    assert list(graph.edges(data="units")) == [(0, 1, [(0, 1)]), (1, 2, [(0, 0), (0, 2)])]
    assert [length for _, length in graph.nodes(data="length")] == [0.25, 0.25, 0.5]
    whole = pieces.on_line(NETWORK, origin=[0.0, 0.5], direction=[2.0, 2.0]).dual_graph()
    assert list(whole.edges(data="units")) == list(graph.edges(data="units"))
    assert [length for _, length in whole.nodes(data="length")] == [np.inf, 0.25, np.inf]
    affine = pieces.on_line(network_of(([[2.0]], [1.0])), 0.0, 1.0).dual_graph()
    assert list(affine.nodes(data=True)) == [(0, {"pattern": [], "piece": 0, "length": 1.0})]


def test_three_lines_make_a_triangle_with_six_regions_around_it() -> None:
    # Inside of x > 0, y > 0, x + y < 1: beside it three regions at its sides and three at its corners, all in a circle.
    network = network_of(([[1, 0], [0, 1], [-1, -1]], [0, 0, 1]), ([[1, 2, 4]], [0]))
    graph = pieces.on_plane(network, -3, 3).dual_graph()
    (triangle,) = [node for node, pattern in graph.nodes(data="pattern") if pattern[0].all()]
    assert graph.nodes[triangle]["area"] == 0.5
    assert sorted(units for _, _, units in graph.edges(triangle, data="units")) == [[(0, 0)], [(0, 1)], [(0, 2)]]
    graph.remove_node(triangle)
    assert networkx.is_isomorphic(graph, networkx.cycle_graph(6))


def test_the_graph_of_planes_through_one_point_of_a_box() -> None:
    # Four planes through 0, no three of which have a line in common, make 14 cells; the others cut each into 6 sectors.
    four = network_of(([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, 4]], [0, 0, 0, 0]), ([[1, 1, 1, 1]], [0]))
    graph = pieces.in_box(four, [-1.0] * 3, [1.0] * 3).dual_graph()
    assert (len(graph), graph.number_of_edges()) == (14, 24)
    assert networkx.is_bipartite(graph)
    changes = sorted(units for _, _, units in graph.edges(data="units"))
    assert changes == [[(0, unit)] for unit in range(4) for _ in range(6)]
    assert sum(volume for _, volume in graph.nodes(data="volume")) == pytest.approx(8, rel=1e-12)
    # x and -x change together.
    quadrants = pieces.in_box(NETWORK, [-1.0, -1.0], [1.0, 1.0]).dual_graph()
    units = sorted(units for _, _, units in quadrants.edges(data="units"))
    assert units == [[(0, 0), (0, 2)], [(0, 0), (0, 2)], [(0, 1)], [(0, 1)]]


def test_the_graph_of_a_shallow_network_against_all_pairs() -> None:
    # Of hyperplanes two regions share a facet just where one sign is different.
    for counted in (
        pieces.on_plane(default_network([2, 12, 1], 0), -3, 3),
        pieces.in_box(default_network([3, 8, 1], 1), [-3.0] * 3, [3.0] * 3),
    ):
        patterns = [counted.pattern(region)[0] for region in range(counted.num_regions)]
        graph = counted.dual_graph()
        expected = {
            (one, other)
            for one, other in combinations(range(counted.num_regions), 2)
            if (patterns[one] != patterns[other]).sum() == 1
        }
        assert len(expected) > 100
        assert set(graph.edges) == expected


def test_the_graph_of_a_deep_network_against_walks_along_segments() -> None:
    network = default_network([2, 8, 8, 1], 1)
    plane = pieces.on_plane(network, -2, 2)
    graph = plane.dual_graph()
    number = {b"".join(map(np.ndarray.tobytes, plane.pattern(region))): region for region in graph}
    met = set()
    for start, end in np.random.default_rng(0).uniform(-2, 2, (40, 2, 2)):
        line = pieces.on_line(network, start, end)
        patterns = [line.pattern(region) for region in range(line.num_regions)]
        for before, after in pairwise(patterns):
            one, other = (number[b"".join(map(np.ndarray.tobytes, pattern))] for pattern in (before, after))
            differ = [(0, unit) for unit in np.flatnonzero(before[0] != after[0])]
            differ += [(1, unit) for unit in np.flatnonzero(before[1] != after[1])]
            assert graph.edges[one, other]["units"] == differ
            met.add(frozenset((one, other)))
    assert len(met) > graph.number_of_edges() / 2


@pytest.mark.parametrize("seed", range(4))
def test_the_graph_of_a_plane_and_the_mesh(seed: int) -> None:
    plane = pieces.on_plane(default_network([2, 10, 10, 1], seed), -2, 2)
    graph = plane.dual_graph()
    assert networkx.check_planarity(graph)[0]
    assert networkx.is_bipartite(graph)  # in general position every edge flips one sign
    # Euler: around every vertex inside of the square there is one cycle of regions.
    at_border = np.unique(plane.edges[plane.edge_regions[:, 1] < 0])
    assert len(graph) - graph.number_of_edges() + len(plane.vertices) - len(at_border) == 1
    assert sum(area for _, area in graph.nodes(data="area")) == pytest.approx(16, rel=1e-12)


@settings(max_examples=30)
@given(degenerate_layers(in_features=[2]))
def test_the_graph_where_zeros_coincide(layers: list[Layer]) -> None:
    plane = pieces.on_plane(network_of(*layers), -1, 1)
    graph = plane.dual_graph()
    assert networkx.is_connected(graph) and networkx.check_planarity(graph)[0]
    for region, other, units in graph.edges(data="units"):
        assert other in plane.neighbours(region)
        patterns = plane.pattern(region), plane.pattern(other)
        for layer, unit in units:
            for pattern in patterns:
                pattern[layer][unit] = True
        assert units and all((a == b).all() for a, b in zip(*patterns, strict=True))
    assert graph.number_of_edges() == sum(len(plane.neighbours(region)) for region in graph) / 2
