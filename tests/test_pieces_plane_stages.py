"""The stages of a cut, one after the other, on squares whose cuts are worked out by hand.

The square of side 2 around the origin has the corners 0 to 3, counterclockwise from (-1, -1), and the sides 0 to 3 from
each of them to the next one. Rows of flags are written as numbers: bit j is unit j, so that 0b10 is unit 1 alone.

CROSSED: the units x - 1/2 and x - 2 y. Counterclockwise their zeros are at (1/2, -1), (1, 1/2), (1/2, 1), (-1, -1/2),
which become the points 4 to 7; their chords cross in (1/2, 1/4).

TIED: the units x - y, y - x and x + y. All their zeros are on the two diagonals, from corner to corner.
"""

from unittest.mock import patch

import numpy as np
import pytest
from scipy.sparse import csr_array

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane import signs as signs_stage
from dlcourse.pieces.plane.arrangement import Arrangement, arrange, num_crossing_points, positions
from dlcourse.pieces.plane.border import Border, border_of
from dlcourse.pieces.plane.chords import Chords, chords_across_faces
from dlcourse.pieces.plane.cutting import (
    new_edges,
    new_faces,
    off_vertices,
    uncut_faces,
    vertices_inside_faces,
    vertices_on_edges,
)
from dlcourse.pieces.plane.edges import points_on_edges, signs_along_edges
from dlcourse.pieces.plane.exact import ExactPlane
from dlcourse.pieces.plane.history import History
from dlcourse.pieces.plane.inner import points_inside_faces
from dlcourse.pieces.plane.mesh import layers_and_units, polygon_mesh
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.signs import signs_at_vertices
from dlcourse.pieces.plane.subdivision import Subdivision
from dlcourse.pieces.plane.values import Values, affine, with_new_vertices

Unit = tuple[float, float, float]  # a x + b y + c

SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
CROSSED = [(1.0, 0.0, -0.5), (1.0, -2.0, 0.0)]
TIED = [(1.0, -1.0, 0.0), (-1.0, 1.0, 0.0), (1.0, 1.0, 0.0)]
FEW_ROUNDINGS = 2.0**-48  # of numbers of size 1


def on_square(units: list[Unit], error: float = 2.0**-40) -> Preactivations:
    """What these units are at the corners, said to be off by at most `error`."""
    numbers = np.array(units)
    layer = UnitLayer(numbers[None, :, :2], numbers[None, :, 2], np.zeros((1, len(units))))
    exact = ExactPlane([layer], np.eye(2, 3), History(SQUARE))
    values = SQUARE @ numbers[:, :2].T + numbers[:, 2]
    return Preactivations(0, polygon_mesh(4), values, np.full(4, error), exact)


def border_on_square(units: list[Unit]) -> Border:
    before = on_square(units)
    signs, _ = signs_at_vertices(before, np.zeros(len(units), dtype=bool))
    along = signs_along_edges(before.mesh, signs)
    return border_of(before, signs, along, points_on_edges(before, along))


def arranged(border: Border) -> Arrangement:
    return arrange(border, chords_across_faces(border))


# 1. Signs at vertices


def test_signs_at_corners() -> None:
    # (-3/2, 1), (1/2, 3), (1/2, -1), (-3/2, -3)
    signs, settled = signs_at_vertices(on_square(CROSSED), np.zeros(2, dtype=bool))
    assert signs.positive.tolist() == [[0b10], [0b11], [0b01], [0b00]]
    assert (signs.zero, settled) == (None, None)


@pytest.mark.parametrize(("vague", "num_signs"), [(2.0**-40, 0), (np.inf, 2)])
def test_a_bound_that_leaves_signs_open_lets_better_floats_or_integers_settle_them(
    vague: float, num_signs: int
) -> None:
    # Within 3/4 the values 1/2 at the corners 1 and 2 have no proven sign, all others have one.
    with patch.object(signs_stage, "VAGUE", vague):
        signs, settled = signs_at_vertices(on_square(CROSSED, error=0.75), np.zeros(2, dtype=bool))
    assert signs.positive.tolist() == [[0b10], [0b11], [0b01], [0b00]]
    assert signs.zero is None
    assert settled is not None
    assert (settled.vertices.tolist(), settled.num_signs) == ([1, 2], num_signs)
    assert settled.values.tolist() == [[0.5, 3.0], [0.5, -1.0]]
    # Anew, in floats, two units' values up to 3 are sums of three products of coefficients, and these of sums of three.
    assert settled.error.max() <= (FEW_ROUNDINGS if num_signs else 3 * 2**0.5 * 25 * 2.0**-52)


def test_zeros_at_corners_are_told_and_units_without_a_kink_are_positive() -> None:
    signs, settled = signs_at_vertices(on_square(TIED), np.zeros(3, dtype=bool))
    assert signs.positive.tolist() == [[0b000], [0b001], [0b100], [0b010]]
    assert signs.zero is not None
    assert signs.zero.tolist() == [[0b011], [0b100], [0b011], [0b100]]
    assert settled is not None
    assert settled.num_signs == 6
    passing, _ = signs_at_vertices(on_square(TIED), np.array([True, True, False]))
    assert passing.positive.tolist() == [[0b011], [0b011], [0b111], [0b011]]
    assert passing.zero is not None
    assert passing.zero.tolist() == [[0], [0b100], [0], [0b100]]


# 2. Points on edges


def test_points_on_edges() -> None:
    before = on_square(CROSSED)
    signs, _ = signs_at_vertices(before, np.zeros(2, dtype=bool))
    along = signs_along_edges(before.mesh, signs)
    assert along.changes.tolist() == [[0b01], [0b10], [0b01], [0b10]]
    points = points_on_edges(before, along)
    assert (points.edge.tolist(), points.unit.tolist()) == ([0, 1, 2, 3], [0, 1, 0, 1])
    # On the sides from (-1, -1), (1, -1), (1, 1), (-1, 1): three quarters of the way but for (1/2, 1).
    assert points.t.tolist() == [0.75, 0.75, 0.25, 0.75]
    assert (points.start.tolist(), points.end.tolist()) == ([0, 1, 2, 3], [1, 2, 3, 0])
    assert not points.coincide


def test_units_that_are_zero_in_one_point_of_an_edge_share_it() -> None:
    # x - 1/2, 1 - 2 x and x + 1/4 on the lower side: -1/4 comes first, at 3/8, and 1/2 twice, at 3/4.
    before = on_square([(1.0, 0.0, -0.5), (-2.0, 0.0, 1.0), (1.0, 0.0, 0.25)])
    signs, _ = signs_at_vertices(before, np.zeros(3, dtype=bool))
    points = points_on_edges(before, signs_along_edges(before.mesh, signs))
    assert points.coincide
    assert points.t[points.edge == 0].tolist() == [0.375, 0.75]
    assert points.crossing_unit[points.crossing_edge == 0].tolist() == [2, 0, 1]
    assert points.crossing_point[points.crossing_edge == 0].tolist() == [0, 1, 1]
    assert points.num_settled == 2  # one gap on the lower side, one on the upper


def test_just_inside_an_edge_a_unit_that_is_zero_at_one_end_has_the_sign_of_the_other() -> None:
    before = on_square(TIED)
    signs, _ = signs_at_vertices(before, np.zeros(3, dtype=bool))
    along = signs_along_edges(before.mesh, signs)
    assert along.start.tolist() == along.end.tolist() == [[0b001], [0b101], [0b110], [0b010]]
    assert not along.changes.any()


# 3. Borders


def test_parts_of_edges() -> None:
    border = border_on_square(CROSSED)
    assert border.parts.line.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert border.positive[:, 0].tolist() == [0b10, 0b11, 0b11, 0b01, 0b01, 0b00, 0b00, 0b10]
    points = np.array([4, 5, 6, 7])
    assert border.positive_at(points)[:, 0].tolist() == [0b10, 0b01, 0b00, 0b00]
    assert border.zero_at(points)[:, 0].tolist() == [0b01, 0b10, 0b01, 0b10]
    values, error = border.values(points, np.array([1, 0, 1, 0]))
    assert values.tolist() == [2.5, 0.5, -1.5, -1.5]  # x - 2 y at (1/2, -1) and (1/2, 1), x - 1/2 at the two others
    assert 0 < error.max() < 2.0**-36  # what was said of the corners, a few times


def test_values_and_signs_at_vertices_are_those_of_the_layer() -> None:
    border = border_on_square([*TIED, (1.0, 0.0, -0.5)])
    assert border.positive_at(np.arange(4))[:, 0].tolist() == [0b0000, 0b1001, 0b1100, 0b0010]
    assert border.zero_at(np.array([1, 4]))[:, 0].tolist() == [0b0100, 0b1000]  # a corner and (1/2, -1)
    values, _ = border.values(np.array([1, 4]), np.array([0, 2]))
    assert values.tolist() == [2.0, -0.5]


# 4. Chords


def ends_of(chords: Chords) -> list[tuple[int, int]]:
    return list(zip(chords.start.tolist(), chords.end.tolist(), strict=True))


def test_chords_have_their_units_positive_on_the_left() -> None:
    chords = chords_across_faces(border_on_square(CROSSED))
    assert (chords.face.tolist(), chords.unit.tolist()) == ([0, 0], [0, 1])
    # Down from (1/2, 1) to (1/2, -1), with x > 1/2 on the left; from (1, 1/2) to (-1, -1/2), with x > 2 y on the left.
    assert ends_of(chords) == [(6, 4), (5, 7)]


def test_chords_from_corner_to_corner() -> None:
    chords = chords_across_faces(border_on_square(TIED))
    assert ends_of(chords) == [(2, 0), (0, 2), (3, 1)]


def test_a_unit_that_is_zero_along_a_side_or_at_one_corner_has_no_chord() -> None:
    assert ends_of(chords_across_faces(border_on_square([(1.0, 0.0, 1.0), (1.0, 1.0, 2.0)]))) == []


# 5. Arrangement


def test_chords_that_cross() -> None:
    border = border_on_square(CROSSED)
    arrangement = arranged(border)
    assert (arrangement.start[:, 0].tolist(), arrangement.end[:, 0].tolist()) == ([0b00, 0b01], [0b10, 0b00])
    assert (arrangement.left[:, 0].tolist(), arrangement.right[:, 0].tolist()) == ([0b01, 0b10], [0, 0])
    chord, unit, other = arrangement.crossings
    assert (chord.tolist(), unit.tolist(), other.tolist()) == ([0, 1], [1, 0], [1, 0])
    t, t_error = positions(border, arrangement, arrangement.crossings)
    assert t.tolist() == [0.375, 0.25]  # (1/2, 1/4) from (1/2, 1) to (1/2, -1), and from (1, 1/2) to (-1, -1/2)
    assert 0 < t_error.max() < 2.0**-36
    assert num_crossing_points(border, arrangement) == (1, 0)


def test_chords_that_coincide_are_one() -> None:
    border = border_on_square(TIED)
    arrangement = arranged(border)
    assert ends_of(arrangement.chords) == [(2, 0), (3, 1)]
    assert (arrangement.left[:, 0].tolist(), arrangement.right[:, 0].tolist()) == ([0b001, 0b100], [0b010, 0b000])
    chord, unit, other = arrangement.crossings
    assert (chord.tolist(), unit.tolist(), other.tolist()) == ([0, 1], [2, 0], [1, 0])
    assert num_crossing_points(border, arrangement) == (1, 0)


def test_three_chords_through_one_point_make_six_regions() -> None:
    # x, y and x - 2 y: the second chord meets the first in one point, the third both of them in one point.
    border = border_on_square([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, -2.0, 0.0)])
    arrangement = arranged(border)
    num_points, num_settled = num_crossing_points(border, arrangement)
    assert 1 + len(arrangement.chords.face) + num_points == 6
    assert num_settled == 1


# 6. Points inside faces


def test_points_inside_faces() -> None:
    border = border_on_square(CROSSED)
    inner = points_inside_faces(border, arranged(border))
    assert (inner.chord.tolist(), inner.unit.tolist(), inner.t.tolist()) == ([0], [1], [0.375])
    assert inner.between.tolist() == [0, 0]  # it is on both chords
    assert inner.positive[:, 0].tolist() == [0b00, 0b10, 0b01, 0b00]
    assert sorted(zip(inner.zero_point.tolist(), inner.zero_unit.tolist(), strict=True)) == [(0, 0), (0, 1)]


def test_three_chords_through_one_point_have_one_point() -> None:
    border = border_on_square([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, -2.0, 0.0)])
    inner = points_inside_faces(border, arranged(border))
    assert len(inner.chord) == 1
    assert inner.between.tolist() == [0, 0, 0]
    assert inner.parts.line.tolist() == [0, 0, 1, 1, 2, 2]
    # Down the y axis, along the x axis from -1 to 1, and from (1, 1/2) to (-1, -1/2).
    assert inner.positive[:, 0].tolist() == [0b010, 0b100, 0b000, 0b101, 0b011, 0b000]


# 7. The new mesh


def test_new_mesh() -> None:
    border = border_on_square(CROSSED)
    arrangement = arranged(border)
    edges = new_edges(border, arrangement, points_inside_faces(border, arrangement))
    assert (edges.num_vertices, len(edges.ends), edges.num_faces) == (9, 12, 4)
    around = [[0, 4], [4, 1], [1, 5], [5, 2], [2, 6], [6, 3], [3, 7], [7, 0]]
    assert edges.ends.tolist() == [*around, [6, 8], [8, 4], [5, 8], [8, 7]]
    sides = [[-1, side] for side in (0, 0, 1, 1, 2, 2, 3, 3)]
    assert layers_and_units(edges.lines).tolist() == [*sides, [0, 0], [0, 0], [0, 1], [0, 1]]
    assert edges.left[:8].tolist() == border.positive.tolist()
    assert (edges.left[8:, 0].tolist(), edges.right[8:, 0].tolist()) == ([1, 3, 3, 2], [0, 2, 1, 0])
    faces = new_faces(border.before.mesh, arrangement, edges)
    assert faces.parents.tolist() == [0, 0, 0, 0]
    assert sorted(faces.patterns[:, 0].tolist()) == [0b00, 0b01, 0b10, 0b11]
    assert (faces.beside[:8, 1] == -1).all()
    for edge in range(12):  # every edge has the faces of the right patterns beside it
        left, right = faces.beside[edge].tolist()
        assert faces.patterns[left, 0] == edges.left[edge, 0]
        assert right == -1 or faces.patterns[right, 0] == edges.right[edge, 0]


def test_new_mesh_with_ties() -> None:
    border = border_on_square(TIED)
    arrangement = arranged(border)
    inner = points_inside_faces(border, arrangement)
    edges = new_edges(border, arrangement, inner)
    assert (edges.num_vertices, edges.num_faces) == (5, 4)
    faces = new_faces(border.before.mesh, arrangement, edges)
    assert sorted(faces.patterns[:, 0].tolist()) == [0b001, 0b010, 0b101, 0b110]
    # Nothing is positive at (-1, -1), where only x + y is not zero, and at the origin, where all are.
    assert off_vertices(border, inner, 5).tolist() == [True, False, False, False, True]


def test_a_side_along_which_a_unit_is_zero_has_it_positive_inside() -> None:
    border = border_on_square([(1.0, 0.0, 1.0)])  # x + 1 is zero all along the side on the left
    faces = uncut_faces(border)
    assert (faces.parents.tolist(), faces.patterns.tolist()) == ([0], [[1]])
    assert (faces.beside == border.before.mesh.faces).all()


def test_values_at_new_vertices() -> None:
    border = border_on_square(CROSSED)
    arrangement, before = arranged(border), border.before
    inner, points = points_inside_faces(border, arrangement), border.points
    made = [vertices_on_edges(border), vertices_inside_faces(0, arrangement, inner)]
    zeros = [(4 + points.crossing_point, points.crossing_unit), (8 + inner.zero_point, inner.zero_unit)]
    size = float(np.linalg.norm(before.values, axis=1).max())
    after = with_new_vertices(Values(before.values, before.error, size), made, zeros)
    assert (after.values[:4] == before.values).all()
    assert after.values[4:].tolist() == [[0.0, 2.5], [0.5, 0.0], [0.0, -1.5], [-1.5, 0.0], [0.0, 0.0]]
    history = History(SQUARE, made)
    assert history.points()[0][4:].tolist() == [[0.5, -1.0], [1.0, 0.5], [0.5, 1.0], [-1.0, -0.5], [0.5, 0.25]]
    exact = ExactPlane(before.exact.layers, np.eye(2, 3), history)
    assert [exact.point(vertex).tolist() for vertex in (3, 7, 8)] == [[-1, 1, 1], [-2, -1, 2], [2, 1, 4]]


@pytest.mark.parametrize("numbers_at_once", [1, 20, 2**15])
@pytest.mark.parametrize("num_units", [3, 7, 12])
def test_sparse_layers_give_the_products_of_dense_ones(
    numbers_at_once: int, num_units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Integers below 2^53, so that neither is rounded; with fewer units than inputs the inputs' memory is used."""
    monkeypatch.setattr("dlcourse.pieces.plane.values._NUMBERS", numbers_at_once)
    random = np.random.default_rng(num_units)
    weight = random.integers(-9, 10, (num_units, 7)) * (random.random((num_units, 7)) < 0.3).astype(float)
    bias, points = random.integers(-9, 10, num_units).astype(float), random.integers(-99, 100, (11, 7)).astype(float)
    layer = UnitLayer((csr_array(weight),), bias[None], np.zeros((1, num_units)))
    wanted = points @ weight.T + bias
    found = affine(layer, points, np.zeros(11))
    assert found.values.tolist() == wanted.tolist()
    assert (np.linalg.norm(wanted, axis=1) <= found.size).all()


@pytest.mark.parametrize("flags_at_once", [1, 7, 2**18])
def test_signs_are_found_a_few_vertices_at_a_time(flags_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlcourse.pieces.plane.signs._FLAGS", flags_at_once)
    before = on_square([*CROSSED, *TIED])  # at whose corners these floats are exact
    found, settled = signs_at_vertices(before, np.zeros(5, dtype=bool))
    assert settled is not None
    assert settled.num_signs == (before.values == 0).sum() == 6
    assert found.zero is not None
    assert bits.unpack(found.positive, 5).tolist() == (before.values > 0).tolist()
    assert bits.unpack(found.zero, 5).tolist() == (before.values == 0).tolist()


# And all of them together


@pytest.mark.parametrize(("units", "num_regions"), [(CROSSED, 4), (TIED, 4), ([*CROSSED, *TIED], 10)])
def test_only_the_subdivision_puts_in_place(units: list[Unit], num_regions: int) -> None:
    # Of all five units there are four lines. Three of them meet in the origin, the second there makes one more region
    # and so does the third; x = 1/2 meets each of the three by itself: 1 + 4 + 2 + 3 = 10.
    numbers = np.array(units)
    layer = UnitLayer(numbers[None, :, :2], numbers[None, :, 2], np.zeros((1, len(units))))
    output = UnitLayer(np.ones((1, 1, len(units))), np.zeros((1, 1)), np.ones((1, 1)))
    subdivision = Subdivision([layer, output], np.eye(2, 3), SQUARE, 100)
    mesh = subdivision.mesh
    assert subdivision.count() == num_regions
    assert subdivision.mesh is mesh
    assert subdivision.history.made == []
    subdivision.finish()
    assert subdivision.mesh.num_faces == num_regions
    assert subdivision.mesh.num_vertices - len(subdivision.mesh.ends) + num_regions == 1
