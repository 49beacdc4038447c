"""The floats of an edge subdivision against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from networks import random_unit_layers

from dlcourse.pieces.box.subdivision import EdgeSubdivision
from dlcourse.pieces.layer import UnitLayer


def random_layers(widths: list[int], seed: int, below: float, nearly: float) -> list[UnitLayer]:
    """Random ones; the second half of the first layer's units is the first half times 1 + noise."""
    random = np.random.default_rng(seed)
    layers = random_unit_layers(widths, random, below)
    half = widths[1] // 2
    first = layers[0].weight[0]
    first[half : 2 * half] = first[:half] * (1 + nearly * random.normal(size=(half, widths[0])))
    return layers


@pytest.mark.parametrize("nearly", [1.0, 1e-6, 1e-12])
@pytest.mark.parametrize("below", [0.0, -0.5])
@pytest.mark.parametrize("widths", [[1, 6, 5, 1], [2, 8, 6, 1], [3, 6, 4, 4, 1]])
def test_vertices_are_where_they_are_said_to_be(widths: list[int], below: float, nearly: float) -> None:
    d = widths[0]
    complex_ = EdgeSubdivision(random_layers(widths, 0, below, nearly), np.full(d, -2.0), np.full(d, 1.5), 10**6)
    last = len(complex_.layers) - 2
    points, distance, _, _ = complex_.located(np.arange(complex_.num_vertices), last)
    assert np.median(distance) < 1e-6 * (1 if nearly == 1 else 1e-4 / nearly)
    for vertex in range(0, complex_.num_vertices, 5):
        before = [complex_.unpacked(index, np.array([vertex]))[:, 0] for index in range(last)]
        exact, values, _ = complex_.exact.at_vertex(complex_.on[:, vertex].tolist(), before)
        if np.isfinite(distance[vertex]):
            squares = [(Fraction(float(x)) - y) ** 2 for x, y in zip(points[vertex], exact, strict=True)]
            assert float(sum(squares)) ** 0.5 <= distance[vertex]
        signs = np.array([value > 0 for value in values])
        np.testing.assert_array_equal(complex_.unpacked(last, np.array([vertex]))[:, 0], signs)


def test_an_edge_leaves_one_wall() -> None:
    complex_ = EdgeSubdivision(random_layers([3, 6, 5, 1], 1, 0.0, 1.0), np.full(3, -1.0), np.full(3, 1.0), 10**6)
    on = [set(walls.tolist()) for walls in complex_.on.T]
    for (start, end), leaves in zip(complex_.ends.T.tolist(), complex_.leaves.tolist(), strict=True):
        left = int(complex_.on[leaves >> 1, start])
        assert on[start] & on[end] == on[start] - {left}
