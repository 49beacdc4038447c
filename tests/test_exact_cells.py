"""The counter in fractions that others are compared with, against counts that are known without it."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from exact_cells import Absolute, Residual, box, counts, polygon, run, segment, whole_line
from networks import TENT_ON_0_1, TENT_ON_0_2, integer_network, network_of, tents
from random_networks import case
from torch import nn

SQUARE = {"corners": np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]), "origin": np.zeros(2), "directions": np.eye(2)}


def layer(*rows: list[float], biases: list[float] | None = None) -> nn.Sequential:
    """ReLU units, and their sum."""
    return network_of((list(rows), biases or [0.0] * len(rows)), ([[1.0] * len(rows)], [0.0]))


@pytest.mark.parametrize("n", [3, 4, 5])
def test_planes_through_a_point_of_space(n: int) -> None:
    # n generic planes through the centre of a cube make n^2 - n + 2 cells: 8, 14, 22.
    normals = [[1.0, 0.1, 0.2], [0.3, -1.0, 0.1], [-0.2, 0.4, 1.0], [1.0, 1.0, -0.7], [-0.9, 0.8, 0.6]]
    cells = n * n - n + 2
    assert counts(layer(*normals[:n]), *box(-np.ones(3), np.ones(3))) == (cells, cells)


def test_planes_in_general_position() -> None:
    # Zaslavsky: 1 + 4 + 6 + 4 cells of 4 planes in a large box.
    rows = [[1.0, 0.1, 0.2], [0.3, -1.0, 0.1], [-0.2, 0.4, 1.0], [1.0, 1.0, -0.7]]
    network = layer(*rows, biases=[0.1, 0.2, -0.3, 0.5])
    assert counts(network, *box(np.full(3, -1e4), np.full(3, 1e4))) == (15, 15)
    assert counts(network, *box(np.full(3, 10.0), np.full(3, 10.1))) == (1, 1)


def test_small_integers_on_a_square() -> None:
    # 47 regions and 35 pieces, as others have counted.
    assert counts(integer_network(), *polygon(**SQUARE)) == (47, 35)


@pytest.mark.parametrize(("k", "on_whole_line"), [(1, 3), (2, 6), (3, 10), (4, 18)])
def test_nested_tents(k: int, on_whole_line: int) -> None:
    assert counts(tents(k, TENT_ON_0_1), *segment(np.zeros(1), np.ones(1))) == (2**k, 2**k)
    assert counts(tents(k, TENT_ON_0_2), *whole_line(np.zeros(1), np.ones(1)))[1] == on_whole_line


def test_pieces_are_connected() -> None:
    # relu(1 - |x|) is 0 on both sides; relu(|x| - 1) is 0 on one piece of two regions.
    sides = nn.Sequential(Absolute(), *network_of(([[-1.0]], [1.0])), nn.ReLU())
    assert counts(sides, *whole_line(np.zeros(1), np.ones(1))) == (4, 4)
    middle = nn.Sequential(Absolute(), *network_of(([[1.0]], [-1.0])), nn.ReLU())
    assert counts(middle, *whole_line(np.zeros(1), np.ones(1))) == (4, 3)


def test_pieces_in_space() -> None:
    # |x| + |y| - |z| bends everywhere between the octants; of relu(x) - relu(-x) + relu(y) - relu(-y) - relu(z), with
    # the same eight regions, only the last term bends.
    octants = nn.Sequential(Absolute(), *network_of(([[1.0, 1.0, -1.0]], [0.0])))
    assert counts(octants, *box(-np.ones(3), np.ones(3))) == (8, 8)
    rows = [[1.0, 0, 0], [-1.0, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]]
    halves = network_of((rows, [0.0] * 5), ([[1.0, -1, 1, -1, -1]], [0.0]))
    assert counts(halves, *box(-np.ones(3), np.ones(3))) == (8, 2)


def test_regions_that_meet_in_a_corner_are_two_pieces() -> None:
    # |x + y| - |x - y| is 2y, 2x, -2y and -2x on the quarters between the diagonals. What is left of it above 0 is 0
    # where x y < 0, on two quarters that meet in the centre only; each of them, and each of the others, is two regions.
    saddle = [*network_of(([[1.0, 1], [1, -1]], [0.0, 0.0])), Absolute(), *network_of(([[1.0, -1]], [0.0]))]
    assert counts(nn.Sequential(*saddle), *polygon(**SQUARE)) == (4, 4)
    assert counts(nn.Sequential(*saddle, nn.ReLU()), *polygon(**SQUARE)) == (8, 6)


def test_a_sum_that_cancels() -> None:
    negative = network_of(([[-1.0], [1.0]], [0.0, 0.0]), ([[1.0, -1.0]], [0.0]))  # relu(-x) - relu(x)
    assert counts(nn.Sequential(Residual(negative)), *segment(-np.ones(1), np.ones(1))) == (2, 1)


@pytest.mark.parametrize("on", ["segment", "plane", "box"])
def test_functions_are_those_of_the_network(on: str) -> None:
    # At a point inside of every cell, the cell's function is what torch computes, but for its roundings.
    cases = [one for one in map(case, range(100)) if one.on == on and one.families.startswith("floats")]
    for one in cases[:4]:
        cell, inputs = {"segment": segment, "plane": polygon, "box": box}[on](**one.domain)
        for part, outputs in run(one.network, cell, inputs):
            middle = [*(sum(xs) / len(part.corners) for xs in zip(*part.corners, strict=True)), Fraction(1)]
            x = torch.tensor([[float(function @ middle) for function in inputs]], dtype=torch.float64)
            y = torch.tensor([float(function @ middle) for function in outputs], dtype=torch.float64)
            torch.testing.assert_close(one.network(x)[0], y, rtol=1e-9, atol=1e-9 * (1 + float(x.abs().max())))
