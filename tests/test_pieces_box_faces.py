"""Faces of polytopes that are known by heart."""

from itertools import combinations, product

import pytest

from dlcourse.pieces.box import faces

# The corners of a cube as numbers 0 to 7, and for each the sides that it lies on: bits 0 to 5.
CUBE = [sum(1 << 2 * i + side for i, side in enumerate(corner)) for corner in product((0, 1), repeat=3)]
# A pyramid: four corners around, each on the base and two of the sides, and the apex, on all four sides.
PYRAMID = [1 | 1 << 1 + i | 1 << 1 + (i + 1) % 4 for i in range(4)] + [0b11110]


def test_edges_of_a_cube_from_one_side_to_the_other() -> None:
    found = list(faces.cut_edges([0, 1, 2, 3], [4, 5, 6, 7], range(8), CUBE, 3))
    assert found == [(0, 4), (1, 5), (2, 6), (3, 7)]


def test_edges_of_a_pyramid_whose_apex_lies_on_more_walls_than_there_are_dimensions() -> None:
    pairs = combinations(range(5), 2)
    found = [pair for one, other in pairs for pair in faces.cut_edges([one], [other], range(5), PYRAMID, 3)]
    assert sorted(found) == [(0, 1), (0, 3), (0, 4), (1, 2), (1, 4), (2, 3), (2, 4), (3, 4)]  # but no diagonals


def test_walls_that_touch_in_an_edge_or_in_a_corner_are_no_facets() -> None:
    touched = [walls | (corner in (0, 1)) << 6 | (corner == 5) << 7 for corner, walls in enumerate(CUBE)]
    on_walls = faces.corners_on_walls(range(8), touched)
    assert len(on_walls) == 8
    assert sorted(faces.facets(0b11111111, on_walls)) == sorted(
        sum(1 << corner for corner in range(8) if CUBE[corner] >> side & 1) for side in range(6)
    )
    # A wall that all corners lie on tells nothing apart.
    assert faces.corners_on_walls(range(8), [walls | 1 << 9 for walls in CUBE]) == faces.corners_on_walls(
        range(8), CUBE
    )


@pytest.mark.parametrize(("walls", "numbers"), [(CUBE, [8, 12, 6, 1]), (PYRAMID, [5, 8, 5, 1])])
def test_numbers_of_faces(walls: list[int], numbers: list[int]) -> None:
    on_walls = faces.corners_on_walls(range(len(walls)), walls)
    assert [len(level) for level in faces.faces_by_dimension(len(walls), on_walls, 3)] == numbers


def test_simplices() -> None:
    # From a corner of a cube, the three squares that it does not lie on are cut in two: six tetrahedra. All of them
    # have the corner, and the one that is opposite of it.
    found = list(faces.simplices(0b11111111, faces.corners_on_walls(range(8), CUBE)))
    assert len(set(found)) == len(found) == 6
    assert all(len(set(simplex)) == 4 and {0, 7} <= set(simplex) for simplex in found)
    # The apex of the pyramid over its base's two triangles.
    found = list(faces.simplices(0b11111, faces.corners_on_walls(range(5), PYRAMID)))
    assert sorted(sorted(simplex) for simplex in found) == [[0, 1, 2, 4], [0, 2, 3, 4]]


def test_members_of_a_set() -> None:
    assert faces.members(0b101, [7, 8, 9]) == (7, 9)
