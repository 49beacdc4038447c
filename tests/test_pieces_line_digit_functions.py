"""Functions on intervals in digits, some of them kept, against plain fractions."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from marks import slow_except
from networks import he_network
from test_pieces_arithmetic_digit_network import check, exact_along

from dlcourse.networks import stack
from dlcourse.pieces.arithmetic.digit_network import DigitNetwork
from dlcourse.pieces.arithmetic.digits import Base, Digits
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line import digit_functions
from dlcourse.pieces.line.digit_functions import DigitFunctions, Lines
from dlcourse.pieces.line.intervals import Intervals
from dlcourse.pieces.line.layer_by_layer import subdivide
from dlcourse.pieces.reading import read

STARTS, ENDS = [[-2.0, -1.0], [-1.0, 2.0]], [[2.0, 1.5], [2.0, -2.0]]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Which layers were worked out in digits, in order."""
    layers, affine = [], DigitNetwork.affine

    def noted(self: DigitNetwork, base: Base, index: int, inputs: Digits, *, member: int = 0) -> Digits:
        layers.append(index)
        return affine(self, base, index, inputs, member=member)

    monkeypatch.setattr(DigitNetwork, "affine", noted)
    return layers


def cut(layers: list[UnitLayer]) -> Intervals:
    """Two lines for each member."""
    starts, ends = (np.array([points] * len(layers[0].bias)) for points in (STARTS, ENDS))
    return subdivide(layers, starts, ends, max_regions=10**6, max_gigabytes=None).intervals


def of_line(intervals: Intervals, num_cuts: int, line: int) -> list[int]:
    """The intervals on a line that there are after so many cuts."""
    edges = np.array([2 * line, 2 * line + 1])
    for one in intervals.cuts[:num_cuts]:
        edges = np.searchsorted(one.parent, edges)
    return list(range(*edges.tolist()))


def patterns_of(intervals: Intervals, num_cuts: int, interval: int) -> list[Any]:
    """The units that are on in an interval, in one layer after another."""
    patterns = []
    for one in reversed(intervals.cuts[:num_cuts]):
        patterns.append(one.active[:, interval].tolist())
        interval = int(one.parent[interval])
    return patterns[::-1]


def check_on(functions: DigitFunctions, num_cuts: int, line: int, wanted: list[int]) -> Lines:
    """Checks what digits say of the functions on some intervals of a line; returns where they start."""
    intervals, member = functions.intervals, line // functions.intervals.lines_per_member
    known, base = functions.before_cut(num_cuts, np.array(wanted), member), functions.base(num_cuts, member)
    assert base is not None
    ends = intervals.starts[line].tolist(), intervals.ends[line].tolist()
    for column, interval in enumerate(wanted):
        patterns = [*patterns_of(intervals, num_cuts, interval), [True] * intervals.layers[num_cuts].bias.shape[1]]
        exact = exact_along(intervals.layers[: num_cuts + 1], *ends, patterns, member)[-1]
        for part in (0, 1):
            truth = [function[part] for function in exact]
            off = check(base, known.functions, column + part * len(wanted), truth)
            assert off < 2.0**-60 or not any(truth)
    return known.starts


def check_starts(intervals: Intervals, num_cuts: int, line: int, starts: Lines, bits: int) -> None:
    """Checks that between the starts of all intervals of a line, units are on and off as they are in these."""
    unit = Fraction(2) ** bits
    slopes, intercepts = (
        [sum(Fraction(d) / unit**j for j, d in enumerate(digits)) for digits in numbers[:, 0].T.tolist()]
        for numbers in starts[:2]
    )
    places = [-i / s for s, i in zip(slopes, intercepts, strict=True)] + [Fraction(1)]
    assert places[0] == 0
    member, ends = line // intervals.lines_per_member, (intervals.starts[line].tolist(), intervals.ends[line].tolist())
    for interval, (a, b) in zip(of_line(intervals, num_cuts, line), pairwise(places), strict=True):
        assert a < b
        patterns = patterns_of(intervals, num_cuts, interval)
        exact = exact_along(intervals.layers[:num_cuts], *ends, patterns, member)
        assert [[f[0] * (a + b) / 2 + f[1] > 0 for f in of_layer] for of_layer in exact] == patterns


@pytest.mark.parametrize("most_kept", slow_except([2**23, 4000, 0], 4000))
def test_functions_are_right_whatever_is_kept(most_kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digit_functions, "_MOST_KEPT", most_kept)
    intervals = cut(read(he_network(2, [5] * 7, 3, bias=0.5), (2,)))
    functions, random = DigitFunctions(intervals), np.random.default_rng(0)
    for num_cuts, share in ((0, 1.0), (2, 0.5), (3, 0.8), (3, 0.8), (5, 0.4), (6, 1.0)):
        for line in (0, 1):
            intervals_of_line = of_line(intervals, num_cuts, line)
            wanted = [one for one in intervals_of_line if random.random() < share]
            assert len(wanted) > 0
            starts, base = check_on(functions, num_cuts, line, wanted), functions.base(num_cuts, 0)
            if wanted == intervals_of_line and base is not None:
                check_starts(intervals, num_cuts, line, starts, base.bits)


def test_every_member_goes_on_from_its_own() -> None:
    intervals = cut(read(stack([he_network(2, [4] * 4, seed, bias=0.5) for seed in range(2)]), (2,)))
    functions = DigitFunctions(intervals)
    for num_cuts in (1, 3):
        for line in range(4):
            check_on(functions, num_cuts, line, of_line(intervals, num_cuts, line))


def test_only_the_layers_behind_what_is_kept_are_worked_out(taken: list[int]) -> None:
    intervals = cut(read(he_network(2, [5] * 7, 3, bias=0.5), (2,)))
    functions, first = DigitFunctions(intervals), of_line(intervals, 4, 0)
    taken.clear()
    functions.before_cut(4, np.array(first), 0)
    functions.before_cut(4, np.array(first[1:3]), 0)  # all of it is there
    assert taken == [0, 1, 2, 3, 4]
    taken.clear()
    functions.before_cut(6, np.array(of_line(intervals, 6, 0)), 0)
    assert taken == [5, 6]
    taken.clear()
    functions.before_cut(5, np.array(of_line(intervals, 5, 1)), 0)  # the other line
    assert taken == [0, 1, 2, 3, 4, 5]
    taken.clear()
    functions.forget()
    for _ in range(2):
        functions.before_cut(1, np.array(of_line(intervals, 1, 0)), 0)
    assert taken == [0, 1] * 2


def test_what_is_oldest_makes_room(taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    intervals = cut(read(he_network(2, [5] * 7, 3, bias=0.5), (2,)))
    wanted = [np.array(of_line(intervals, num_cuts, 0)[:2]) for num_cuts in range(5)]
    base = DigitFunctions(intervals).base(0, 0)
    assert base is not None
    # Slopes and intercepts of 5 units on 1 or 2 intervals: room for two layers, but not for three.
    monkeypatch.setattr(digit_functions, "_MOST_KEPT", 5 * 4 * base.most * 2)
    functions = DigitFunctions(intervals)
    for num_cuts in (2, 3, 4):
        functions.before_cut(num_cuts, wanted[num_cuts], 0)
    taken.clear()
    functions.before_cut(3, wanted[3], 0)
    assert taken == []
    functions.before_cut(2, wanted[2], 0)
    assert taken == [0, 1, 2]
