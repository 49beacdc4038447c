"""What the page on scaling laws compares with, beside known values."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from dlcourse.networks.constructions import square
from dlcourse.tasks import Function
from experiments.scaling_laws.report import best_error, best_of_one_layer, exponent, yarotsky_rows


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_best_pieces_of_the_square(n: int) -> None:
    # Known is 1 / (180 n^4) on [0, 1]; on [-2, 2] the parabola is 16 times as high.
    assert best_error(Function.square, n) == pytest.approx(256 / (180 * n**4), rel=1e-12)
    assert best_of_one_layer(Function.square, 3 * (n - 1) + 1) == pytest.approx(256 / (180 * n**4), rel=1e-12)


def test_best_pieces_of_the_sine_are_no_worse_than_good_ones() -> None:
    # Pieces that all bend by the same integral of |f''|^(2/5), and the best line for each, found by least squares.
    n = 400
    x = np.linspace(-2, 2, 400_001)
    bend = np.cumsum(np.abs(np.sin(np.pi * x)) ** 0.4)
    ends = np.interp(np.linspace(0, bend[-1], n + 1), bend, x)
    total = 0.0
    for low, high in pairwise(ends):
        piece = np.linspace(low, high, 401)
        line = np.polyfit(piece, np.sin(np.pi * piece), 1)
        total += (high - low) * np.mean((np.polyval(line, piece) - np.sin(np.pi * piece)) ** 2)
    few_at_zeros = 0.02  # where the sine does not bend, pieces are longer than its second derivative stays the same
    assert best_error(Function.sine, n) == pytest.approx(total / 4, rel=few_at_zeros)


@pytest.mark.parametrize("row", list(yarotsky_rows()), ids=lambda row: f"depth {row['depth']}")
def test_yarotskys_network_by_integrating_its_error(row: dict[str, int | float]) -> None:
    depth = int(row["depth"])
    network = square(depth, dtype=torch.float64)
    assert sum(parameter.numel() for parameter in network.parameters()) == row["parameters"]
    # On a piece the error is a parabola, and its square of degree 4, for which Boole's rule is exact.
    n = int(row["pieces"])
    places = torch.arange(4 * n + 1, dtype=torch.float64)[:, None] / (4 * n)
    outputs = network(places)[:, 0].tolist()
    errors = [Fraction(y) - Fraction(u) ** 2 for y, u in zip(outputs, places[:, 0].tolist(), strict=True)]
    weights = [Fraction(each, 90) for each in (7, 32, 12, 32, 7)]
    mean = sum(weight * errors[4 * piece + i] ** 2 for piece in range(n) for i, weight in enumerate(weights)) / n
    assert row["error"] == pytest.approx(float(256 * mean), rel=1e-9)


@pytest.mark.parametrize("a", [-4.0, 0.0, 1.5])
def test_exponent_of_a_power(a: float) -> None:
    sizes = [40, 79, 157, 313]
    assert exponent(sizes, [3.0 * size**a for size in sizes]) == pytest.approx(a, abs=1e-9)
    # Two sizes have one line: from (1, 1) to (e, e^-2).
    assert exponent([1, np.e], [1, np.e**-2]) == pytest.approx(-2)
