"""Components and holes of decision regions: known shapes, exact cells of fractions, and pixels."""

from fractions import Fraction
from itertools import combinations, pairwise

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from marks import slow_except
from networks import Layer, integer_layers, layers_of, linear, network_of
from scipy import ndimage
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.plane.subdivision import Subdivision
from dlcourse.pieces.plane.topology import topology

ABSOLUTE: Layer = ([[1, 0], [-1, 0], [0, 1], [0, -1]], [0, 0, 0, 0])  # whose sums are |x| and |y|
DIAGONAL: Layer = ([[1, 1], [-1, -1], [1, -1], [-1, 1]], [0, 0, 0, 0])  # |x + y| + |x - y| = 2 max(|x|, |y|)


def counted(network: nn.Module, low: float, high: float) -> tuple[list[int], list[int]]:
    found = pieces.on_plane(network, low, high).decision_topology()
    return found.num_components.tolist(), found.num_holes.tolist()


def tent_layers(num_copies: int, k: int) -> list[Layer]:
    """The layers from the second on of k tents on [0, 1], of several sawtooths side by side."""
    return [(np.kron(np.eye(num_copies), [[2, -2], [4, -4]]).tolist(), [0.0, -2.0] * num_copies) for _ in range(k - 1)]


# Known shapes


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_stripes(k: int) -> None:
    # 2^(k - 1) teeth above 1/2, and one more valley: the ends are low.
    first = [[2.0, 0.0], [4.0, 0.0]], [0.0, -2.0]
    network = network_of(first, *tent_layers(1, k), ([[1, -1], [0, 0]], [0, 0.5]))
    assert counted(network, 0, 1) == ([2 ** (k - 1), 2 ** (k - 1) + 1], [0, 0])


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("level", [0.5, 1.0, 1.5])
def test_checkerboard_of_tents(k: int, level: float) -> None:
    # Diamonds around the n x n points where both sawtooths are 1, and around the (n + 1) x (n + 1) where both are 0.
    # They grow, by the level, until at 1 all have met at their corners, and those of the other kind are apart, too.
    n = 2 ** (k - 1)
    first = [[2.0, 0.0], [4.0, 0.0], [0.0, 2.0], [0.0, 4.0]], [0.0, -2.0, 0.0, -2.0]
    network = network_of(first, *tent_layers(2, k), ([[1, -1, 1, -1]], [-level]))
    low, high = {  # the class that is below the level, and the one above
        0.5: (((n + 1) ** 2, 0), (1, (n - 1) ** 2)),  # valleys at the border of the square are no holes
        1.0: (((n + 1) ** 2, 0), (n**2, 0)),
        1.5: ((1, n**2), (n**2, 0)),
    }[level]
    assert counted(network, 0, 1) == ([low[0], high[0]], [low[1], high[1]])


@pytest.mark.parametrize("first", [ABSOLUTE, DIAGONAL])
def test_an_annulus(first: Layer) -> None:
    # | |x| + |y| - 2 | - 1, and with the diagonals | 2 max(|x|, |y|) - 2 | - 1: a ring, and what it separates.
    network = network_of(first, ([[1] * 4, [-1] * 4], [-2, 2]), ([[1, 1], [0, 0]], [-1, 0]))
    assert counted(network, -4, 4) == ([2, 1], [1, 1])
    # The corner of this square is in the middle of the ring, which it cuts open.
    assert counted(network, 0, 4) == ([2, 1], [0, 0])


@pytest.mark.parametrize("k", [1, 2, 4])
def test_nested_squares(k: int) -> None:
    # k tents of max(|x|, |y|): 2^(k - 1) rings, between which, inside and outside of which the other class is. Each of
    # its parts but the one in the middle has a hole.
    first = DIAGONAL, ([[1.0] * 4, [2.0] * 4], [0.0, -2.0])
    network = network_of(*first, *tent_layers(1, k), ([[1, -1]], [-0.5]))
    rings = 2 ** (k - 1)
    assert counted(network, -1, 1) == ([rings + 1, rings], [rings, rings])


def test_xor() -> None:
    # |x - y| - |x + y| is positive in two quadrants, negative in the others, and 0 on the axes, where all of them meet.
    xor = network_of(DIAGONAL, ([[-1, -1, 1, 1]], [0]))
    assert counted(xor, -1, 1) == ([2, 2], [0, 0])
    # Where the larger one is ahead of a third class, two of its parts are joined.
    joined = network_of(DIAGONAL, ([[-1, -1, 1, 1], [0, 0, 0, 0]], [0.5, 0]))
    assert counted(joined, -1, 1) == ([1, 2], [0, 0])


def test_a_diamond_and_two_that_meet_in_a_point() -> None:
    diamond = network_of(ABSOLUTE, ([[1] * 4], [-1]))
    assert counted(diamond, -2, 2) == ([1, 1], [0, 1])
    assert counted(diamond, -1, 1) == ([1, 4], [0, 0])  # it reaches the sides of the square, and cuts off corners
    # | |x| - 1 | + |y| - 1 is zero on both diamonds' borders, and at 0: two parts of one class, one hole of the other.
    absolute_again = [[1, 1, 0, 0], [-1, -1, 0, 0], [0, 0, 1, 1]], [-1, 1, 0]
    two = network_of(ABSOLUTE, absolute_again, ([[1, 1, 1]], [-1]))
    assert counted(two, -3, 3) == ([2, 1], [0, 1])


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        # |x| + |y| and 0 are equal at one point.
        ([[1, 1, 1, 1], [0, 0, 0, 0]], ([1, 0], [1, 0])),
        ([[0, 0, 0, 0], [1, 1, 1, 1]], ([0, 1], [0, 1])),
        ([[1, 1, 1, 1]], ([0, 1], [0, 1])),
        ([[-1, -1, -1, -1]], ([1, 0], [1, 0])),
        ([[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], ([0, 1, 0], [0, 1, 0])),
        # |x| and 0 are equal on a line from side to side.
        ([[1, 1, 0, 0], [0, 0, 0, 0]], ([2, 0], [0, 0])),
        # relu(x) and 0 are equal on half of the square; likewise where a third class is first on the other half.
        ([[1, 0, 0, 0], [0, 0, 0, 0]], ([1, 0], [0, 0])),
        ([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], ([0, 0, 1], [0, 0, 0])),
        # x, y and -x - y: three classes meet at 0. With 0 for a fourth one all four do.
        ([[1, -1, 0, 0], [0, 0, 1, -1], [-1, 1, -1, 1]], ([1, 1, 1], [0, 0, 0])),
        ([[1, -1, 0, 0], [0, 0, 1, -1], [-1, 1, -1, 1], [0, 0, 0, 0]], ([1, 1, 1, 0], [0, 0, 0, 0])),
        # Two classes are equal everywhere, alone and below a third one.
        ([[1, 0, 0, 0], [1, 0, 0, 0]], ([0, 0], [0, 0])),
        ([[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]], ([1, 0, 0], [1, 0, 0])),
        # max(x, 0) from above and below: min(|x|, |y|) is no convex function, 0 is level along both axes.
        ([[1, 1, -1, -1], [-1, -1, 1, 1]], ([2, 2], [0, 0])),
        ([[0, 0, 0, 0]], ([0, 0], [0, 0])),
    ],
)
def test_ties(logits: list[list[float]], expected: tuple[list[int], list[int]]) -> None:
    assert counted(network_of(ABSOLUTE, (logits, [0] * len(logits))), -1, 1) == expected


def test_a_slit_is_a_hole() -> None:
    # relu(x - 1) + relu(-x - 1) + |y| is 0 from (-1, 0) to (1, 0).
    slit = network_of(([[1, 0], [-1, 0], [0, 1], [0, -1]], [-1, -1, 0, 0]), ([[1, 1, 1, 1], [0, 0, 0, 0]], [0, 0]))
    assert counted(slit, -2, 2) == ([1, 0], [1, 0])
    assert counted(slit, -1, 1) == ([2, 0], [0, 0])  # here it reaches from side to side
    # Without |y| at y < 0 it is the square below, and the whole lower side.
    assert counted(network_of(*layers_of(slit)[:1], ([[1, 1, 1, 0], [0] * 4], [0, 0])), -2, 2) == ([1, 0], [0, 0])


def test_a_plane_of_an_input_space_and_a_network_without_kinks() -> None:
    # In the coordinates u = x - y and v = y of the plane z = 1 this is the diamond |u| + |v| < z.
    diamond = network_of(([[1, -1, 0], [-1, 1, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]], [0] * 5), ([[-1] * 4 + [1]], [0]))
    plane = pieces.on_plane(
        diamond, vertices=[[-3, -3], [3, -3], [0, 4]], origin=[0, 0, 1], directions=[[1, 0, 0], [1, 1, 0]]
    )
    assert [numbers.tolist() for numbers in plane.decision_topology()] == [[1, 1], [1, 0]]
    # The tangents k t - k^2 / 2 of t^2 / 2, each on top on a stripe.
    tangents = linear([[float(k), 0.0] for k in range(10)], [-k * k / 2 for k in range(10)])
    assert counted(tangents, 0, 16) == ([1] * 10, [0] * 10)


# Against cells of fractions

Point = tuple[Fraction, ...]
Affine = tuple[Fraction, Fraction, Fraction]  # a x + b y + c
Polygon = list[Point]


def outputs(layers: list[Layer], point: Point) -> list[Fraction]:
    values = list(point)
    for depth, (weight, bias) in enumerate(layers):
        values = [max(value, Fraction(0)) for value in values] if depth else values
        values = [
            sum((Fraction(w) * v for w, v in zip(row, values, strict=True)), Fraction(b))
            for row, b in zip(weight, bias, strict=True)
        ]
    return values


def strictly_largest(layers: list[Layer], point: Point) -> int:
    values = outputs(layers, point)
    values = [-values[0], values[0]] if len(values) == 1 else values
    first = [number for number, value in enumerate(values) if value == max(values)]
    return first[0] if len(first) == 1 else -1


def halves(polygon: Polygon, f: Affine) -> list[Polygon]:
    """The parts of a convex polygon where f is positive and where it is negative; all of it if that is but one."""
    value = [f[0] * x + f[1] * y + f[2] for x, y in polygon]
    if not min(value) < 0 < max(value):
        return [polygon]
    around = []
    for (p, a), (q, b) in pairwise(zip([*polygon, polygon[0]], [*value, value[0]], strict=True)):
        around.append((p, a))
        if a * b < 0:
            zero = [(b * one - a * other) / (b - a) for one, other in zip(p, q, strict=True)]
            around.append((tuple(zero), Fraction(0)))
    return [[p for p, a in around if a >= 0], [p for p, a in around if a <= 0]]


def combine(row: list[float], functions: list[Affine], bias: float) -> Affine:
    a, b, c = (sum((Fraction(w) * f[i] for w, f in zip(row, functions, strict=True)), Fraction(0)) for i in range(3))
    return a, b, c + Fraction(bias)


def polygons_of(layers: list[Layer], square: Polygon) -> list[Polygon]:
    """Convex polygons on which all outputs are affine, and no two of them change places."""
    one, nothing = Fraction(1), Fraction(0)
    parts = [(square, [(one, nothing, nothing), (nothing, one, nothing)])]
    for depth, (weight, bias) in enumerate(layers):
        following = []
        for polygon, functions in parts:
            before = [combine(row, functions, b) for row, b in zip(weight, bias, strict=True)]
            pairs = [tuple(x - y for x, y in zip(f, g, strict=True)) for f, g in combinations(before, 2)]
            is_last = depth == len(layers) - 1
            cells = [polygon]
            for f in (pairs or before) if is_last else before:
                cells = [half for cell in cells for half in halves(cell, f)]
            for cell in cells:
                middle = [sum(x) / len(cell) for x in zip(*cell, strict=True)]
                above = [f[0] * middle[0] + f[1] * middle[1] + f[2] > 0 for f in before]
                after = [f if up else (nothing,) * 3 for f, up in zip(before, above, strict=True)]
                following.append((cell, after))
        parts = following
    return [polygon for polygon, _ in parts]


def by_cells(layers: list[Layer], reach: int) -> tuple[list[int], list[int]]:
    """Components and holes by walking over polygons, parts of their sides and points, with the class of each."""
    corners = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)]
    square = [(Fraction(x), Fraction(y)) for x, y in corners]
    polygons = polygons_of(layers, square)
    points = sorted({point for polygon in polygons for point in polygon})
    rounded = np.array(points, dtype=float)  # fractions look only at what is near
    cells = networkx.Graph()
    at = {}
    for number, polygon in enumerate(polygons):
        at[number] = tuple(sum(x) / len(polygon) for x in zip(*polygon, strict=True))
        for p, q in pairwise([*polygon, polygon[0]]):
            along = {}
            dx, dy = q[0] - p[0], q[1] - p[1]
            near = (rounded - np.array(p, dtype=float)) @ np.array([dy, -dx], dtype=float)
            for r in [points[index] for index in np.flatnonzero(np.abs(near) < 1e-9).tolist()]:
                ex, ey = r[0] - p[0], r[1] - p[1]
                if dx * ey == dy * ex and 0 <= (share := dx * ex + dy * ey) <= dx * dx + dy * dy:
                    along[share] = r
            for a, b in pairwise(along[share] for share in sorted(along)):
                side = frozenset([a, b])
                at[side] = tuple((x + y) / 2 for x, y in zip(a, b, strict=True))
                cells.add_edges_from([(number, side), (side, a), (side, b)])
    at |= {point: point for point in points}
    class_of = {cell: strictly_largest(layers, point) for cell, point in at.items()}
    border = {cell for cell, point in at.items() if reach in (abs(point[0]), abs(point[1]))}
    num_components, num_holes = [], []
    for number in range(max(2, len(layers[-1][1]))):
        inside = [cell for cell in cells if class_of[cell] == number]
        num_components.append(networkx.number_connected_components(cells.subgraph(inside)))
        rest = networkx.connected_components(cells.subgraph(set(cells) - set(inside)))
        num_holes.append(sum(not part & border for part in rest))
    return num_components, num_holes


def test_the_cells_of_an_annulus() -> None:
    layers = [ABSOLUTE, ([[1] * 4, [-1] * 4], [-2, 2]), ([[1, 1], [0, 0]], [-1, 0])]
    assert by_cells(layers, 4) == ([2, 1], [1, 1])


@pytest.mark.slow
@settings(max_examples=30)
@given(integer_layers(in_features=2, max_depth=2, max_outputs=4))
def test_degenerate_networks_against_fractions(layers: list[Layer]) -> None:
    assert counted(network_of(*layers), -2, 2) == by_cells(layers, 2)


@pytest.mark.parametrize("seed", slow_except(range(12), 0, 1))
def test_networks_full_of_ties_against_fractions(seed: int) -> None:
    # Sums of |x|, |y|, |x + y| and |x - y| minus whole numbers, of which neighbouring classes share many.
    random = np.random.default_rng(seed)
    first = np.concatenate([ABSOLUTE[0], DIAGONAL[0]]).tolist(), [0, 0, 0, 0, 0, 0, 0, 0]
    second = random.integers(0, 2, (2, 8)).astype(float), -random.integers(0, 4, 2).astype(float)
    second = np.concatenate([second[0], -second[0]]).tolist(), np.concatenate([second[1], -second[1]]).tolist()
    last = random.integers(-1, 2, (3, 4)).astype(float).tolist(), random.integers(-1, 2, 3).astype(float).tolist()
    layers = [first, second, last]
    assert counted(network_of(*layers), -2, 2) == by_cells(layers, 2)


# Against pixels


def random_network(seed: int, width: int = 12) -> nn.Sequential:
    random = torch.Generator().manual_seed(seed)
    modules: list[nn.Module] = []
    for n_in, n_out in pairwise([2, width, width, 3]):
        layer = nn.Linear(n_in, n_out, dtype=torch.float64)
        nn.init.normal_(layer.weight, std=(2 / n_in) ** 0.5, generator=random)
        nn.init.normal_(layer.bias, std=0.5, generator=random)
        modules += [layer, nn.ReLU()]
    network = nn.Sequential(*modules[:-1])
    with torch.no_grad():
        network[-1].bias -= network(pixels(101)).mean(dim=0)  # so that all classes are somewhere on top
    return network


def pixels(number: int) -> torch.Tensor:
    ticks = torch.linspace(-2, 2, number, dtype=torch.float64)
    return torch.cartesian_prod(ticks, ticks)


@pytest.mark.parametrize("seed", slow_except([0, 1, 2, 4, 5, 7, 8, 9, 10, 11], 9, 11))
def test_random_networks_against_pixels(seed: int) -> None:
    network = random_network(seed)
    with torch.no_grad():
        found = network(pixels(401)).argmax(dim=1).view(401, 401).numpy()
    num_components, num_holes = [], []
    eight = np.ones((3, 3))  # pixels of the rest join across corners, those of the class across sides
    for number in range(3):
        num_components.append(ndimage.label(found == number)[1])
        rest, num_parts = ndimage.label(found != number, eight)
        sides = np.unique(np.concatenate([rest[0], rest[-1], rest[:, 0], rest[:, -1]]))
        num_holes.append(num_parts - np.count_nonzero(sides))
    assert counted(network, -2, 2) == (num_components, num_holes)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_random_networks_against_fractions(seed: int) -> None:
    network = random_network(seed, width=6)
    for parameter in network.parameters():
        parameter.data = (32 * parameter.data).round() / 32  # fractions stay short
    assert counted(network, -2, 2) == by_cells(layers_of(network), 2)


def test_what_has_not_been_cut_is_refused() -> None:
    # The first layer itself in the place of the leads: it has not cut the square, on which it changes its sign.
    layers = pieces.on_plane(network_of(([[1, 0]], [0.25]), ([[1]], [0])), -1, 1)._subdivision.layers
    with pytest.raises(SubdivisionError, match="a lead must have one sign on a face that it has cut"):
        topology(Subdivision(layers, np.eye(2, 3), np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]), 10), 1)
