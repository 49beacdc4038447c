"""Bounds for those units only that matter: by hand, and values within them, against integers."""

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from marks import slow_except
from networks import he_network
from scipy.sparse import csr_array

from dlcourse import pieces
from dlcourse.pieces.arithmetic.digit_network import DigitNetwork
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line import subdivision
from dlcourse.pieces.line.digit_functions import DigitFunctions
from dlcourse.pieces.line.growth import growth, vague_soon
from dlcourse.pieces.line.intervals import Cut, Intervals
from dlcourse.pieces.line.mattering import closer_stretch

WEIGHT = np.diag([8.0, 4.0, 2.0, 1.0])
VALUES = np.array([[-3.0, -2.0], [-1.0, 0.5], [-1.0, -0.2], [-5.0, -5.0]])
BOUND = np.array([0.25, 0.25])


def with_a_cut(active: list[bool], slopes: tuple[list[float], list[float]], *, is_sparse: bool) -> Intervals:
    """Two layers with the weight, of which the first one has cut a line and left some units on."""
    stored: Any = (csr_array(WEIGHT),) if is_sparse else WEIGHT[None]
    layers = [UnitLayer(stored, np.zeros((1, 4)), np.array([slope], dtype=float)) for slope in slopes]
    intervals = Intervals(layers, np.zeros((1, 1, 4)), np.ones((1, 1, 4)))
    on, none = np.array(active)[:, None] & np.array([[True, False]]), np.zeros(0, dtype=int)
    intervals.cuts.append(Cut(0, np.array([0, 0]), np.zeros(2, dtype=bool), none, np.zeros(0), np.zeros(0), on))
    return intervals


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize(
    ("active", "slopes", "norm"),
    [
        ([True] * 4, ([0] * 4, [0] * 4), 4.0),  # units 1 and 2 may be positive
        ([True, False, True, True], ([0] * 4, [0] * 4), 2.0),
        ([True, False, True, True], ([0.5] * 4, [0] * 4), 4.0),  # what is not positive has a slope
        ([False] * 4, ([0] * 4, [0] * 4), 0.0),
        ([True] * 4, ([0] * 4, [0, 0, 0, 1]), None),  # most of them matter
        ([True] * 4, ([0] * 4, [-1] * 4), None),
    ],
)
def test_stretch_of_what_matters(
    active: list[bool], slopes: tuple[list[float], list[float]], norm: float | None, is_sparse: bool
) -> None:
    intervals = with_a_cut(active, slopes, is_sparse=is_sparse)
    found = closer_stretch(intervals, DigitNetwork(intervals.layers), 1, VALUES, BOUND)
    if norm is None:
        assert found is None
    else:
        assert found is not None
        assert norm <= found.stretch[0] * (1 + 2**-20) <= 1.2 * norm + 1e-6
        assert norm / 16 < found.share + 1e-9
        assert found.share <= found.stretch[0] / 8


@pytest.mark.parametrize("is_sparse", [False, True])
def test_members_of_a_stack_have_units_of_their_own_that_matter(is_sparse: bool) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(3, 40, 40))
    slopes = np.zeros((3, 40))
    slopes[2, 5] = 0.5  # it passes something on where it is not positive
    stored: Any = tuple(map(csr_array, weights)) if is_sparse else weights
    layers = [UnitLayer(stored, np.zeros((3, 40)), slopes) for _ in range(2)]
    intervals = Intervals(layers, np.zeros((3, 2, 40)), np.ones((3, 2, 40)))  # two lines, four vertices a member
    values, on = random.normal(size=(40, 12)), random.random((40, 12)) < 0.2
    values -= 1.5
    nothing = np.zeros(0, dtype=int)
    cut = Cut(0, np.zeros(12, dtype=int), np.zeros(12, dtype=bool), nothing, np.zeros(0), np.zeros(0), on)
    intervals.cuts.append(cut)
    found = closer_stretch(intervals, DigitNetwork(layers), 1, values, np.full(12, 0.1))
    assert found is not None
    for member, weight in enumerate(weights):
        here = slice(4 * member, 4 * member + 4)
        rows = (values[:, here] > -0.1).any(axis=1) | (slopes[member] != 0)
        columns = on[:, here].any(axis=1) | (slopes[member] != 0)
        exact, whole = np.linalg.norm(weight[rows][:, columns], 2), np.linalg.norm(weight, 2)
        assert exact <= found.stretch[member] * (1 + 1e-12)
        assert is_sparse or found.stretch[member] <= 1.1 * exact
        assert is_sparse or found.share[member] == pytest.approx(exact / whole, rel=0.1)


def test_growth_is_that_of_layers_after_the_next_cut() -> None:
    scales, slopes = (3.0, 5.0, 7.0, 9.0, 11.0), (0.0, 0.0, 1.0, 0.0, 1.0)  # the layers 0, 1 and 3 bend
    layers = [
        UnitLayer(scale * np.eye(2)[None], np.zeros((1, 2)), np.full((1, 2), slope))
        for scale, slope in zip(scales, slopes, strict=True)
    ]
    digits = DigitFunctions(Intervals(layers, np.zeros((1, 1, 2)), np.ones((1, 1, 2))))
    assert growth(digits, 0, 1.0) == pytest.approx([5 * 7 * 9], rel=1e-4)
    assert growth(digits, 1, 0.5) == pytest.approx([7 * 9 / 4], rel=1e-4)
    assert growth(digits, 2, 1.0).tolist() == [1.0]
    assert growth(digits, 0, np.array([0.5])) == pytest.approx([5 * 7 * 9 / 8], rel=1e-4)


@pytest.mark.parametrize(
    ("grown", "at_any_time", "in_time"),
    [(1.0, [], []), (2.0**20, [1], [1]), (2.0**23, [0, 1], [0, 1]), (2.0**25, [0, 1], [])],  # fresh: 2^-44 times that
)
def test_vertices_that_will_be_vague(grown: float, at_any_time: list[int], in_time: list[int]) -> None:
    values = np.array([[4.0, 2.0, 0.0], [-8.0, 1.0, 64.0]])  # open from 2^-5 times 8, 2 and 64
    error = np.array([2.0**-24, 2.0**-23, 2.0**-26])
    for expected, early in ((at_any_time, False), (in_time, True)):
        assert vague_soon(values, error, np.array([grown]), in_time=early).tolist() == expected


@pytest.mark.parametrize("seed", slow_except(range(5), 0))
def test_values_that_matter_are_within_their_bounds(seed: int) -> None:
    """Against integers, at every vertex of every layer; others have the right sign."""
    random = np.random.default_rng(seed)
    network, num, fewer = he_network(2, [10] * 12, seed, bias=0.3), 0, 0
    settle = subdivision.Subdivision.signs

    def compared(found: subdivision.Subdivision, layer: UnitLayer) -> np.ndarray:
        nonlocal num, fewer
        vertices = np.arange(found.rows.shape[2])
        exact = found.intervals.exact_values(vertices, len(found.rows[0]))
        matters = (exact > 0).any(axis=1)
        at_a_place = found.shift * (found.steepest + found.error[1])
        off = np.sqrt(((found.rows[0] - exact)[matters] ** 2).sum(axis=0))
        assert (off <= found.error[0] + np.sqrt(len(exact)) * (at_a_place + 2.0**-50 * np.abs(exact).max())).all()
        assert (found.rows[0][~matters] < 0).all()
        num, fewer = num + exact.size, fewer + int((~matters).sum())
        return settle(found, layer)

    with patch.object(subdivision.Subdivision, "signs", compared):
        counted = pieces.on_line(network, *random.normal(size=(2, 2)))
    assert counted.num_settled == 0
    assert num > 1000
    assert fewer > 10
