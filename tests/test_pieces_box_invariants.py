"""The checks of finished boxes: no box makes them blame what is right, and what is wrong they find."""

from collections.abc import Callable
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from marks import slow_except
from networks import network_of
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.box.determinants import determinant_errors, determinants
from dlcourse.pieces.box.geometry import EdgeGeometry
from dlcourse.pieces.errors import SubdivisionError


def network_around(point: np.ndarray, size: np.ndarray, seed: int) -> nn.Sequential:
    """Two layers, most units of which are zero near a point; at distances of such a size in each coordinate."""
    random, d = np.random.default_rng(seed), len(point)
    first = random.normal(size=(5, d)) / size
    biases = -(first * (point + 0.3 * size * random.normal(size=(5, d)))).sum(axis=1)
    layers = [(first, biases), (random.normal(size=(3, 5)), random.normal(size=3)), (random.normal(size=(1, 3)), [0.0])]
    return network_of(*((np.asarray(weight).tolist(), list(bias)) for weight, bias in layers))


# Centre and half-sides
BOXES = {
    "cube": ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
    "thin": ([0.0, 0.3, 0.1], [1.0, 1e-8, 1e-3]),
    "thinner": ([0.0, 0.3, 0.1], [1.0, 1.0, 1e-14]),
    "huge": ([0.0, 1e11, 0.0], [1e12, 1e12, 1e12]),
    "huge and thin": ([0.0, 1.0, 0.0], [1e12, 1e-3, 1e12]),
    "tiny": ([0.1, -0.2, 0.3], [1e-12, 1e-12, 1e-12]),
    "tiny, around 0": ([0.0, 0.0, 0.0], [1e-12, 1e-12, 1e-12]),
    "volumes below all floats": ([0.0, 0.0, 0.0], [1e-150, 1e-150, 1e-150]),
    "volumes above all floats": ([0.0, 0.0, 0.0], [1e150, 1e150, 1e150]),
    "far away": ([1e9, -1e9, 0.0], [1.0, 1.0, 1.0]),
}


def counted(name: str, d: int, seed: int, slanted: bool) -> pieces.InBox:
    """A network on the first d coordinates of a box; its units are as flat as the box, or they have normal weights."""
    centre, half = (np.array(numbers[:d]) for numbers in BOXES[name])
    size = half if not slanted else np.full(d, half.max())
    return pieces.in_box(network_around(centre, size, seed), centre - half, centre + half)


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("d", slow_except([2, 3], 2))
def test_no_box_is_blamed(name: str, d: int) -> None:
    for seed in range(3):
        for slanted in (False, True):
            box = counted(name, d, seed, slanted)
            box.check_invariants()
    assert box.num_regions > 1


def a_vertex_is_elsewhere(geometry: EdgeGeometry) -> None:
    """By a hundredth of an edge that meets it."""
    ends = geometry.subdivision.ends
    start, end = ends[:, np.abs(geometry.points[ends[1]] - geometry.points[ends[0]]).max(axis=1).argmax()]
    geometry.points[start] += 0.01 * (geometry.points[end] - geometry.points[start])


def a_volume_is_wrong(geometry: EdgeGeometry) -> None:
    geometry.volumes[geometry.volumes.argmax()] *= 1 + 1e-6


def a_map_is_wrong(geometry: EdgeGeometry) -> None:
    """That of the largest region, by a millionth."""
    geometry.maps.weight[geometry.volumes.argmax()] *= 1 + 1e-6


def an_edge_is_missing(geometry: EdgeGeometry) -> None:
    geometry.subdivision.num_edges -= 1


@pytest.mark.parametrize("name", ["cube", "thin", "huge", "tiny, around 0"])
@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (a_vertex_is_elsewhere, "sum|agree"),
        (a_volume_is_wrong, "those of the regions' simplices"),
        (a_map_is_wrong, "agree"),
        (an_edge_is_missing, "alternating"),
    ],
)
def test_what_is_wrong_is_found(name: str, break_it: Callable[[EdgeGeometry], None], message: str) -> None:
    box = counted(name, 3, 0, slanted=False)
    geometry = box._geometry
    assert box.num_regions > 5
    box.check_invariants()
    break_it(geometry)
    if break_it is not a_volume_is_wrong:
        for name in ("volumes", "_shares"):  # which are to be those of the broken polytopes
            vars(geometry).pop(name, None)
    with pytest.raises(SubdivisionError, match=message):
        box.check_invariants()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_determinants_are_within_their_bounds(n: int) -> None:
    random = np.random.default_rng(n)
    matrices = random.normal(size=(n, n, 20)) * 10.0 ** random.integers(-9, 9, size=(1, n, 20))  # columns of all sizes
    off = 1e-9 * np.abs(matrices).sum(axis=0)
    found, bounds, close = (
        determinants(matrices),
        determinant_errors(matrices, off),
        determinant_errors(matrices, 0 * off),
    )
    moved = matrices + 1e-9 * matrices * random.choice([-1, 1], size=matrices.shape)
    for index in range(20):
        for which, bound in ((matrices, close), (moved, bounds)):
            exact = Fraction(0)
            for order in permutations(range(n)):
                swaps = sum(a > b for i, a in enumerate(order) for b in order[i + 1 :])
                product = Fraction((-1) ** swaps)
                for row, column in enumerate(order):
                    product *= Fraction(float(which[row, column, index]))
                exact += product
            assert abs(exact - Fraction(float(found[index]))) <= Fraction(float(bound[index]))
