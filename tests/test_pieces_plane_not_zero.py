"""Networks on polygons without units that are 0 all over them: by hand, and deep ones beside all of their units."""

from unittest.mock import patch

import numpy as np
import pytest
from exact_cells import counts, polygon
from marks import slow_except
from networks import he_network, network_of
from scipy.sparse import csr_array
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.arithmetic.digit_network import DigitNetwork
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane import signs, subdivision
from dlcourse.pieces.plane.closer import look_closer
from dlcourse.pieces.plane.history import History
from dlcourse.pieces.plane.not_zero import NotZero, OnPolygon
from dlcourse.pieces.plane.preactivations import Preactivations

WEIGHT = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
FOLLOWING = np.array([[[1.0, 7.0, -1.0], [2.0, 5.0, 0.0]]])
BIAS = np.array([[0.5, 1.5, 2.5]])


def after_a_layer(slope: list[float], patterns: list[int], *, is_sparse: bool = False) -> OnPolygon:
    """Two layers when the first one is done, of whose units these are positive on faces, a bit each."""
    weights = [(csr_array(weight[0]),) if is_sparse else weight for weight in (WEIGHT, FOLLOWING)]
    layers = [
        UnitLayer(weights[0], BIAS, np.array([slope], dtype=float)),
        UnitLayer(weights[1], np.zeros((1, 2)), np.zeros((1, 2))),
    ]
    history = History(np.zeros((4, 2)))
    history.patterns.append(np.array(patterns, dtype=np.uint64)[:, None])
    return NotZero(layers, history).until(1)


def dense(layer: UnitLayer) -> list[list[float]]:
    stored = layer.stored[0]
    numbers: list[list[float]] = (stored.toarray() if layer.is_sparse else stored).tolist()
    return numbers


@pytest.mark.parametrize("is_sparse", [False, True])
def test_units_that_are_positive_nowhere_are_left_out(is_sparse: bool) -> None:
    found = after_a_layer([0, 0, 0], [0b001, 0b101, 0b100], is_sparse=is_sparse)
    first, following = found.network.layers
    assert [units.tolist() for units in found.units] == [[0, 2], [0, 1]]
    assert dense(first) == [[1, 2], [5, 6]]
    assert first.bias.tolist() == [[0.5, 2.5]]
    assert dense(following) == [[1, -1], [2, 0]]
    assert found.number(0, np.array([2, 0, 2])).tolist() == [1, 0, 1]


def test_units_with_slopes_stay() -> None:
    found = after_a_layer([0.5, 0, 1], [0b000])
    assert found.units[0].tolist() == [0, 2]
    assert found.network.layers[0].slope.tolist() == [[0.5, 1.0]]


def test_all_stays_as_it_is_where_nothing_is_0_everywhere() -> None:
    found = after_a_layer([0, 0, 0], [0b011, 0b100])
    assert [dense(layer) for layer in found.network.layers] == [WEIGHT[0].tolist(), FOLLOWING[0].tolist()]


def test_of_a_layer_of_zeros_one_unit_stays() -> None:
    found = after_a_layer([0, 0, 0], [0, 0])
    assert dense(found.network.layers[0]) == [[1, 2]]
    assert dense(found.network.layers[1]) == [[1], [2]]


def test_patterns_are_those_of_units_that_stay() -> None:
    history = History(np.zeros((4, 2)))
    history.patterns.append(np.array([0b1001, 0b1000, 0b0011], dtype=np.uint64)[:, None])
    found = OnPolygon(DigitNetwork([]), [np.array([0, 3])])
    assert found.positive(0, history, np.array([2, 0])).tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize("seed", slow_except(range(4), 0))
def test_values_are_within_the_bounds_of_all_units_in_digits(seed: int) -> None:
    num, fewer = 0, 0

    def compared(before: Preactivations, passing: np.ndarray) -> object:
        nonlocal num, fewer
        exact, vertices = before.exact, np.arange(before.mesh.num_vertices)
        layers = exact.layers[: before.layer + 1]
        all_units = OnPolygon(DigitNetwork(layers), [np.arange(layer.bias.shape[1]) for layer in layers])
        lines, beside = exact.history.lines(vertices), before._beside(vertices)
        truth = look_closer(all_units, exact.frame, exact.history, lines, beside)
        for found in (before.anew_at(vertices), before.closely_at(vertices)):
            assert not (np.abs(found.values - truth.values) > found.error + truth.error).any()
        num += truth.values.size
        fewer += sum(map(len, all_units.units)) - sum(map(len, exact.not_zero.until(before.layer).units))
        return original(before, passing)

    original = signs.signs_at_vertices
    network = he_network(2, [10] * 14, seed, bias=0.3)
    with patch.object(subdivision, "signs_at_vertices", compared):
        pieces.on_plane(network, vertices=[[-2.0, -2.0], [2.0, -2.0], [2.0, 2.0], [-2.0, 2.0]])
    assert num > 1000
    assert fewer > 30


@pytest.mark.parametrize("seed", slow_except(range(4), 0))
def test_deep_networks_are_counted_as_by_fractions(seed: int) -> None:
    """Where bounds are close, so that the units that are left out matter; in one of them nothing is left at all."""
    he = he_network(2, [6] * 16, seed, bias=0.5)
    network = nn.Sequential(*(part for layer in he.hidden.layers for part in (layer, nn.ReLU())), he.output)
    if seed == 0:
        first = ([[1.0, 0.5], [-0.5, 1.0]], [0.25, 0.0])
        dead = ([[-1.0, -1.0], [-1.0, -2.0]], [-1.0, -1.0])
        deep = [([[30.0, 1.0], [-1.0, 30.0]], [0.5, -0.5])] * 6
        network = network_of(first, *deep, dead, *deep, ([[1.0, 1.0]], [0.0]))
    corners = np.random.default_rng(seed).uniform([0, 0], [2, 2], size=(4, 2)) * [[-1, -1], [1, -1], [1, 1], [-1, 1]]
    plane = pieces.on_plane(network, vertices=corners)
    exact = counts(network, *polygon(corners, np.zeros(2), np.eye(2)))
    assert (plane.num_regions, plane.num_pieces) == exact
    assert exact[0] > 5
