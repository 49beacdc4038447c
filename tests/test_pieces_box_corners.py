"""Corners that units of the first layer make, against systems of equations solved one by one, and against regions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import default_network, network_of

from dlcourse.pieces.box import in_box
from dlcourse.pieces.box.corners import num_corners
from dlcourse.pieces.reading import read

MANY = 10**6
SPACE = np.eye(3, 4)


def corners(weight: np.ndarray, bias: np.ndarray, low: float = -1.0, high: float = 1.0, enough: int = MANY) -> int:
    """The corners of units of three inputs in a cube."""
    network = network_of((weight.tolist(), bias.tolist()), ([[1.0] * len(bias)], [0.0]))
    return num_corners(read(network, (3,))[0], np.full(3, low), np.full(3, high), SPACE, enough)


@pytest.mark.parametrize("seed", range(5))
def test_as_many_as_systems_of_three_equations_have_solutions_inside(seed: int) -> None:
    random = np.random.default_rng(seed)
    weight, bias = random.normal(size=(25, 3)), random.normal(size=25)
    some = np.array([*itertools.combinations(range(25), 3)])
    solutions = np.linalg.solve(weight[some], -bias[some][..., None])[..., 0]
    assert corners(weight, bias) == np.count_nonzero(np.abs(solutions).max(axis=1) < 1)
    inside = (solutions > 0.25) & (solutions < 0.75)
    assert corners(weight, bias, 0.25, 0.75) == np.count_nonzero(inside.all(axis=1))


def test_a_point_of_many_units_counts_once() -> None:
    random = np.random.default_rng(0)
    weight, point = random.normal(size=(30, 3)), np.array([0.3, -0.2, 0.1])
    assert corners(weight, -weight @ point) == 1
    assert corners(np.repeat(weight, 3, axis=0), np.repeat(-weight @ point, 3)) == 1
    grid = np.repeat(np.eye(3), 4, axis=0), np.tile([-0.6, -0.2, 0.1, 0.7], 3)
    assert corners(*grid) == 64
    assert corners(np.concatenate([grid[0], -7 * grid[0]]), np.concatenate([grid[1], -7 * grid[1]])) == 64


def test_what_rounding_may_change_does_not_count() -> None:
    weight, bias = np.eye(3), np.zeros(3)
    assert corners(weight, bias) == 1
    assert corners(weight, bias - 1) == 0  # on the border, which is not inside
    assert corners(weight, bias - (1 - 2.0**-30)) == 0
    assert corners(np.array([[1, 0, 0], [1, 2.0**-20, 0], [0, 0, 1]]), bias) == 0  # nearly parallel
    assert corners(weight, bias - 1e9, 1e9 - 1, 1e9 + 1) == 0  # a cube so far away that floats hardly tell
    assert corners(1e-200 * weight, bias) == corners(1e200 * weight, bias) == 1
    assert corners(np.zeros((3, 3)), bias) == 0


def test_more_dimensions_are_cut_along_three_of_them() -> None:
    random = np.random.default_rng(1)
    weight, bias = random.normal(size=(12, 5)), random.normal(size=12)
    network = network_of((weight.tolist(), bias.tolist()), ([[1.0] * 12], [0.0]))
    frame = np.zeros((5, 4))
    frame[[3, 0, 4], [0, 1, 2]] = 1
    frame[[1, 2], 3] = 0.25, -0.5
    found = num_corners(read(network, (5,))[0], -np.ones(3), np.ones(3), frame, MANY)
    assert found == corners(weight @ frame[:, :3], weight @ frame[:, 3] + bias)
    assert found > 10


@given(st.data())
def test_there_are_as_many_regions_at_least(data: st.DataObject) -> None:
    num = data.draw(st.integers(3, 7))
    small = st.integers(-2, 2).map(float)
    weight = data.draw(st.lists(st.lists(small, min_size=3, max_size=3), min_size=num, max_size=num))
    bias = data.draw(st.lists(small, min_size=num, max_size=num))
    network = network_of((weight, bias), ([[1.0] * num], [0.0]))
    found = corners(np.array(weight), np.array(bias), -1.5, 1.25)
    assert found <= in_box(network, [-1.5] * 3, [1.25] * 3).num_regions


def test_enough_units_are_looked_at_to_refuse_a_wide_layer() -> None:
    layer = read(default_network([3, 2000, 1], 0), (3,))[0]
    for enough in (100, 10_000, 100_000):
        assert num_corners(layer, -np.ones(3), np.ones(3), SPACE, enough) > enough


def test_of_a_slab_more_units_are_looked_at() -> None:
    layer = read(default_network([3, 2000, 1], 0), (3,))[0]
    low, high = -np.ones(3), np.array([-0.75, 1, 1])
    assert num_corners(layer, low, high, SPACE, 10_000) > 10_000
    few = read(default_network([3, 40, 1], 0), (3,))[0]
    all_ = num_corners(few, low, high, SPACE, MANY)
    assert 100 < num_corners(few, low, high, SPACE, all_) <= all_
