"""Where new vertices are and which signs units have there, against fractions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from dlcourse.pieces.line.crossings import Crossings
from dlcourse.pieces.line.layout import at_points, in_a_row, laid_out, signs_among

NUM_UNITS = 6


def lines(seed: int) -> tuple[list[list[Fraction]], list[Fraction], Crossings]:
    """Values of units at some vertices, where these are, and the crossings between them; several at one point."""
    generator = np.random.default_rng(seed)
    values = [[Fraction(v) for v in row] for row in generator.integers(-3, 4, size=(NUM_UNITS, 5)).tolist()]
    found = [
        (Fraction(interval) + a / (a - b), unit)
        for unit, row in enumerate(values)
        for interval, (a, b) in enumerate(pairwise(row))
        if a * b < 0
    ]
    found.sort()
    places = sorted({place for place, _ in found})
    interval = [int(place) for place, _ in found]
    crossings = Crossings(
        unit=np.array([unit for _, unit in found], dtype=np.int64),
        interval=np.array(interval, dtype=np.int64),
        t=np.array([float(place - int(place)) for place, _ in found]),
        t_error=np.zeros(len(found)),
        number=np.array([places.index(place) for place, _ in found], dtype=np.int64),
    )
    return values, places, crossings


def exact_signs(values: list[list[Fraction]], place: Fraction) -> list[int]:
    """The signs of units at a place, which lies between two vertices or is one."""
    left = min(int(place), len(values[0]) - 2)
    at = [row[left] + (place - left) * (row[left + 1] - row[left]) for row in values]
    return [(value > 0) - (value < 0) for value in at]


@pytest.mark.parametrize("seed", range(20))
def test_signs_at_all_vertices_and_at_some_in_a_row(seed: int) -> None:
    values, points, crossings = lines(seed)
    signs = np.array(values, dtype=np.float64)
    signs = np.sign(signs).astype(np.int8)
    layout = laid_out(crossings, 5)
    places = sorted([*points, *map(Fraction, range(5))])
    assert layout.parent.tolist() == [int(place) for place in places]
    assert layout.is_new.tolist() == [place in points for place in places]
    expected = np.array([exact_signs(values, place) for place in places]).T
    assert (signs_among(signs, crossings, layout) == expected).all()

    for first in range(0, len(places) - 2, 3):
        some = slice(first, first + 4)
        here, there, old = in_a_row(crossings, layout, some, 5)
        assert (there.parent + old.start).tolist() == layout.parent[some].tolist()
        assert (signs_among(signs[:, old], here, there) == expected[:, some]).all()
        inside = [place for place in places[some] if place in points]
        assert there.points.t.tolist() == [float(place - int(place)) for place in inside]
        at_inside = [(unit, points[n]) for unit, n in zip(crossings.unit, crossings.number, strict=True)]
        met = at_points(here, there)
        assert [(unit, inside[n]) for unit, n in zip(met.unit, met.number, strict=True)] == [
            (unit, place) for unit, place in at_inside if place in inside
        ]


def test_units_cross_together_in_most_of_these() -> None:
    drawn = [lines(seed) for seed in range(20)]
    assert sum(len(points) < len(crossings.unit) for _, points, crossings in drawn) > 10


def test_nothing_crosses() -> None:
    none = np.zeros(0, dtype=np.int64)
    layout = laid_out(Crossings(none, none, np.zeros(0), np.zeros(0), none), 3)
    assert layout.parent.tolist() == layout.order.tolist() == [0, 1, 2]
    assert not layout.is_new.any()
