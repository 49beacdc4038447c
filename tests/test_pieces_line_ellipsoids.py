"""Errors with their directions: the worst there may be, followed vertex by vertex, and counts against integers."""

from typing import Any
from unittest.mock import patch

import exact_cells
import numpy as np
import pytest
from marks import slow_except
from networks import he_network, linear
from torch import nn

from dlcourse import pieces
from dlcourse.networks import stack
from dlcourse.pieces.arithmetic import digit_network
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line import ellipsoids, growth, subdivision
from dlcourse.pieces.line.crossings import Crossings
from dlcourse.pieces.line.digit_functions import DigitFunctions
from dlcourse.pieces.line.ellipsoids import Ellipsoids, pays
from dlcourse.pieces.line.intervals import Intervals
from dlcourse.pieces.line.layout import Layout, laid_out

NUM_UNITS = 6


class Line:
    """The vertices of some lines, and errors of values and slopes that are as large as they are allowed to be."""

    def __init__(
        self, members: int, slopes: list[float], random: np.random.Generator, growth: tuple[float, ...] = (1.0,)
    ) -> None:
        self.random = random
        slope = np.array([slopes] * members)
        growing = np.resize(growth, (members, 1, 1))
        weights = [growing * random.normal(size=(members, NUM_UNITS, NUM_UNITS)) for _ in range(6)]
        layers = [UnitLayer(weight, np.zeros((members, NUM_UNITS)), slope) for weight in weights]
        ends = np.zeros((members, 2, NUM_UNITS))
        self.intervals = Intervals(layers, ends, ends + 1)
        error = random.uniform(0.5, 2, size=(2, 4 * members))
        self.ellipsoids = Ellipsoids(self.intervals, error.copy(), NUM_UNITS)
        # Of each interval: the error of its function's value at its left and its right end, and of its slope.
        num = 4 * members
        self.off = np.stack([self.worst(np.broadcast_to(error[row], num)) for row in (0, 0, 1)])
        self.off[1, :, :-1] = self.off[0, :, 1:]  # a value at a vertex is off in one way from both functions

    def worst(self, length: np.ndarray) -> np.ndarray:
        """Vectors of some lengths, one for each vertex, most of which point in one direction."""
        direction = self.random.normal(size=(NUM_UNITS, len(length)))
        direction[:, self.random.random(len(length)) < 0.7] = self.random.normal(size=(NUM_UNITS, 1))
        found: np.ndarray = direction / np.linalg.norm(direction, axis=0) * length
        return found

    def affine(self, index: int) -> np.ndarray:
        layer = self.intervals.layers[index]
        rounded = self.random.uniform(0, 0.1, size=self.ellipsoids.scale.shape) * np.abs(self.off).max(axis=(0, 1))
        new = [self.worst(of_row) for of_row in rounded]
        new = [new[0], np.append(new[0][:, 1:], new[0][:, :1], axis=1), new[1]]
        member = self.intervals.line(np.arange(self.off.shape[2])) // self.intervals.lines_per_member
        for row, errors in enumerate(new):
            self.off[row] = np.einsum("vij,jv->iv", layer.stored[member], self.off[row]) + errors
        return self.ellipsoids.affine(layer, rounded)

    def cut(self, index: int) -> None:
        """Some new vertices, and units that are on or off."""
        inner = np.setdiff1d(np.arange(self.off.shape[2]), self.intervals.last)
        interval = np.sort(self.random.choice(inner, size=5, replace=True))
        t = np.sort(self.random.uniform(size=5)) * 0.9 + 0.05
        unit, number = self.random.integers(NUM_UNITS, size=5), np.arange(5)
        layout = laid_out(Crossings(unit, interval, t, 0 * t, number), self.off.shape[2])
        off = self.random.uniform(0, 0.1, size=5) * np.abs(self.off[:, :, interval]).max(axis=(0, 1))
        moved, (scales, _) = self.worst(off), self.ellipsoids.between(layout.points, off)
        self.ellipsoids.insert(layout, scales)
        self._insert(layout, moved)
        slope = self.intervals.layers[index].slope
        # Each unit changes at few vertices; one is off everywhere, and one on.
        vertices = np.arange(self.off.shape[2])
        active = (vertices > self.random.integers(len(vertices), size=(NUM_UNITS, 1))) ^ (
            vertices > self.random.integers(len(vertices), size=(NUM_UNITS, 1))
        )
        active[0], active[1] = False, True
        active[:, self.intervals.last] = False
        self.ellipsoids.bend(slope, active)
        self.off *= np.where(active, 1, slope[0][:, None])

    def _insert(self, layout: Layout, moved: np.ndarray) -> None:
        parent, num_old = layout.parent, self.off.shape[2]
        first = np.flatnonzero(~layout.is_new)
        left, right, slope = self.off[:, :, parent]
        at = np.append(layout.points.t, 0)[np.where(layout.is_new, layout.order - num_old, -1)]
        values = left + at * (right - left)
        values[:, layout.is_new] += moved
        after = np.append(layout.is_new[1:], False)  # whose right end is new
        left = values
        right = np.where(after, np.append(values[:, 1:], values[:, :1], axis=1), right)
        self.off = np.stack([left, right, slope])
        self.intervals.last = first[self.intervals.last]

    def check(self) -> None:
        """No error is beyond its ellipsoid."""
        found, num = self.ellipsoids, 0
        for group, (a, b) in enumerate(zip(found.first, found.last, strict=True)):
            assert a < b
            matrix = found.shape[group] * (1 + 1e-9) + 1e-12 * np.trace(found.shape[group]) * np.eye(len(found.units))
            for row, vertices, of_ends in ((0, range(a, b), 0), (1, range(a, b), 0), (2, range(a, b), 1)):
                for interval in vertices:
                    off, vertex = self.off[row][:, interval], interval + (row == 1)
                    assert (np.delete(off, found.units) == 0).all()
                    # Divided by the scale and the power, whose squares may be no numbers.
                    some = np.ldexp(off[found.units] / found.scale[of_ends, vertex], -found.power[group])
                    assert some @ np.linalg.solve(matrix, some) <= 1
                    num += 1
        assert num > 3 * 4


@pytest.mark.parametrize("growth", [(1.0,), (2.0**-100, 1.0, 2.0**100)], ids=str)
@pytest.mark.parametrize("slopes", [[0.0] * 6, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0], [0.3] * 6, [-1.0] * 6], ids=str)
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("seed", slow_except(range(20), 0, 1))
def test_no_error_leaves_its_ellipsoid(seed: int, members: int, slopes: list[float], growth: tuple[float, ...]) -> None:
    """Also where those of one member grow by 2^200 in each layer, compared with those of another one."""
    line = Line(members, slopes, np.random.default_rng(seed), growth)
    with patch.object(ellipsoids, "_TOGETHER", 5):
        for index in range(5):
            line.cut(index)
            line.check()
            bounds = line.affine(index + 1)
            line.check()
            vertices = np.arange(line.off.shape[2])
            lengths = np.linalg.norm(line.off, axis=1)
            inner = np.setdiff1d(vertices, line.intervals.last)
            assert (lengths[0][inner] <= bounds[0][inner]).all()
            assert (lengths[1][inner] <= bounds[0][inner + 1]).all()
            assert (lengths[2][inner] <= bounds[1][inner]).all()
            for unit in range(NUM_UNITS):
                of_unit = line.ellipsoids.of_units(np.full(len(vertices), unit), vertices)
                assert (np.abs(line.off[0, unit, inner]) <= of_unit[inner]).all()
                assert (np.abs(line.off[1, unit, inner]) <= of_unit[inner + 1]).all()
        assert len(line.ellipsoids.first) > 2 * members


def test_a_layer_by_hand() -> None:
    """W = diag(4, 1) of a ball of radius 1, give or take 1: at most 5 and 2 in the two directions of the units."""
    layers = [UnitLayer(np.diag([4.0, 1.0])[None], np.zeros((1, 2)), np.zeros((1, 2))) for _ in range(2)]
    intervals = Intervals(layers, np.zeros((1, 1, 2)), np.ones((1, 1, 2)))
    found = Ellipsoids(intervals, np.ones((2, 2)), 2)
    found.affine(layers[0], np.ones((2, 2)))
    errors = found.of_units(np.array([0, 1]), np.array([0, 0]))
    # p^2 = 2 / 17, so that the variances are (1 + p) 16 + 1 + 1/p and 1 + p + 1 + 1/p.
    p = np.sqrt(2 / 17)
    assert errors == pytest.approx([np.sqrt((1 + p) * 16 + 1 + 1 / p), np.sqrt(2 + p + 1 / p)], rel=1e-5)
    assert (errors >= [5, 2]).all()
    found.loosen(0, np.array([1]), np.array([3.0]))  # in any direction, at one of the vertices
    loose = found.of_units(np.array([0, 1]), np.array([1, 1]))
    assert (loose >= errors + 3).all()
    assert found.of_units(np.array([0, 1]), np.array([0, 0])) == pytest.approx(errors)


def test_a_unit_that_changes_keeps_half_of_its_error_give_or_take_the_other_half() -> None:
    layers = [UnitLayer(np.eye(3)[None], np.zeros((1, 3)), np.zeros((1, 3))) for _ in range(2)]
    intervals = Intervals(layers, np.zeros((1, 1, 3)), np.ones((1, 1, 3)))
    intervals.last = np.array([2])
    found = Ellipsoids(intervals, np.ones((2, 3)), 3)
    found.bend(np.zeros((1, 3)), np.array([[True, True, False], [False, True, False], [False, False, False]]))
    assert found.units.tolist() == [0, 1]  # unit 0 is on, 1 changes, 2 is off
    # diag(1, 1/4) and a box of 1/2 in the second direction: p^2 = (1/4) / (5/4).
    p = np.sqrt(1 / 5)
    variances = np.ldexp(np.diagonal(found.shape[0]), 2 * found.power[0])
    assert variances == pytest.approx([1 + p, (1 + p) / 4 + (1 + 1 / p) / 4], rel=1e-5)


@pytest.fixture
def always() -> Any:
    """Errors are felt and followed from the first layer on."""
    with (
        patch.object(digit_network, "grows", return_value=True),
        patch.object(subdivision, "grows", return_value=True),
        patch.object(subdivision, "FELT", 0.0),
        patch.object(growth, "_OPEN", 0.0),
        patch.object(ellipsoids, "_NARROW", 0),
    ):
        yield


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("seed", slow_except(range(6), 0))
@pytest.mark.parametrize("activation", [nn.ReLU, lambda: nn.LeakyReLU(0.3), lambda: nn.LeakyReLU(-1.0)])
def test_counts_are_those_of_integers(activation: Any, seed: int) -> None:
    he = he_network(2, [6] * 12, seed, bias=0.5)
    deep = nn.Sequential(*(part for layer in he.hidden.layers for part in (layer, activation())), he.output)
    ends = ([-2.0, -1.0], [2.0, 1.5])
    followed = []

    def noted(found: Ellipsoids, *arguments: Any) -> np.ndarray:
        followed.append(len(found.first))
        return affine(found, *arguments)

    affine = Ellipsoids.affine
    with patch.object(Ellipsoids, "affine", noted), patch.object(ellipsoids, "_TOGETHER", 4):
        line = pieces.on_line(deep, *ends)
    assert max(followed) > 1
    assert (line.num_regions, line.num_pieces) == exact_cells.counts(deep, *exact_cells.segment(*ends))
    line.check_invariants()


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("scale", [2.0**-300, 2.0**-40, 1.0, 2.0**40, 2.0**300])
def test_weights_of_any_size(scale: float) -> None:
    """What a layer is multiplied by and the next one divided by changes nothing."""
    network = he_network(2, [8] * 12, 3, bias=0.5)
    ends = ([-2.0, -1.0], [2.0, 1.5])
    expected = pieces.on_line(network, *ends)
    for index, layer in enumerate(network.hidden.layers):
        if index % 2 == 0:
            layer.weight.data, layer.bias.data = layer.weight.data * scale, layer.bias.data * scale
        else:
            layer.weight.data = layer.weight.data / scale
    found = pieces.on_line(network, *ends)
    assert (found.num_regions, found.num_pieces) == (expected.num_regions, expected.num_pieces)
    assert np.abs(found.breakpoints - expected.breakpoints).max() < 2.0**-19


def test_a_deep_network_needs_no_digits() -> None:
    """Norms of 40 layers let errors grow by more than 2^33, so that without directions digits have to tell."""
    deep, ends = he_network(2, [64] * 40, 0, bias=0.1), ([-1.0, -1.0], [1.0, 0.5])
    with patch.object(subdivision, "look_closer", wraps=subdivision.look_closer) as looks:
        followed = pieces.on_line(deep, *ends)
    assert not looks.called
    with (
        patch.object(growth, "pays", return_value=False),
        patch.object(subdivision, "look_closer", wraps=subdivision.look_closer) as looks,
    ):
        in_digits = pieces.on_line(deep, *ends)
    assert looks.called
    assert followed.num_regions == in_digits.num_regions > 200
    assert np.abs(followed.region_breakpoints - in_digits.region_breakpoints).max() < 2.0**-19
    every = np.arange(followed.num_regions)
    for ours, theirs in zip(followed._patterns(every), in_digits._patterns(every), strict=True):
        assert (ours == theirs).all()


@pytest.mark.usefixtures("always")
def test_members_of_a_stack_are_counted_as_they_are_alone() -> None:
    networks = [he_network(2, [8] * 12, seed, bias=0.5) for seed in range(3)]
    starts, ends = np.array([[-2.0, -1.0], [0.0, 3.0]]), np.array([[2.0, 1.5], [1.0, -3.0]])
    lines = pieces.on_lines(stack(networks), starts, ends)
    for member, network in enumerate(networks):
        for line, (start, end) in enumerate(zip(starts, ends, strict=True)):
            alone = pieces.on_line(network, start, end)
            assert lines.num_regions[member, line] == alone.num_regions
            assert lines.num_pieces[member, line] == alone.num_pieces


def test_members_whose_errors_grow_differently() -> None:
    """What one member's errors are compared with another's vanishes in the end, as the squares of it do before.

    All sizes here are ordinary: one member has 90 layers of He's, those of the other one pass units on, and a unit that
    is off has a weight of 32. Its third last layer has a value that is positive by 2^-53 of what it is made of.
    """
    late, networks = 86, list[nn.Module]()
    for passes_on in (False, True):
        random, modules = np.random.default_rng(1), list[nn.Module]()
        for index in range(90):
            num_inputs = 16 if index else 2
            weight = random.normal(size=(16, num_inputs)) * np.sqrt(2 / num_inputs)
            bias = 0.1 * random.normal(size=16)
            if passes_on:
                weight = np.eye(16) if index > 1 else np.abs(weight)
                bias = np.zeros(16) if index else -np.linspace(0.1, 3, 16)
                if index == 1:
                    weight[-1] = 0
                if index > 1:
                    weight[0, -1] = 32
                if index >= late:
                    ends = [[0.7, 0], [0.9, 0]], [[0.9, 0], [0, 0.7]], [[1, -(1 - 2.0**-53)], [0, 0]]
                    weight[:2] = 0
                    weight[:2, :2] = [*ends, np.eye(2)][index - late]
            modules += [linear(weight.tolist(), bias.tolist()), nn.ReLU()]
        networks.append(nn.Sequential(*modules, linear([[1.0] * 16], [0.0])))
    ends = [0.1, 0.2], [3.1, 4.2]
    together = pieces.on_lines(stack(networks), *(np.array([end]) for end in ends))
    assert together.num_regions[:, 0].tolist() == [pieces.on_line(network, *ends).num_regions for network in networks]


def test_it_pays_for_lines_of_some_vertices() -> None:
    layers = [UnitLayer(np.ones((1, 32, 32)), np.zeros((1, 32)), np.zeros((1, 32)))]
    intervals = Intervals(layers, np.zeros((1, 3, 32)), np.ones((1, 3, 32)))
    for last, expected in ([(3, 7, 11), True], [(3, 7, 10), False]):  # 32 / 8 for each line
        intervals.last = np.array(last)
        assert pays(intervals, 0) is expected
    narrow = [UnitLayer(np.ones((1, 23, 32)), np.zeros((1, 23)), np.zeros((1, 23)))]
    assert not pays(Intervals(narrow, np.zeros((1, 1, 32)), np.ones((1, 1, 32))), 0)


def test_open_signs_are_looked_at_with_few_others_until_that_has_cost_as_much_as_all() -> None:
    """To begin with digits costs as much as 2^17 / 128^2 = 8 vertices of 128 units, so that 9 others are free."""
    layers = [UnitLayer(2 * np.eye(128)[None], np.zeros((1, 128)), np.zeros((1, 128))) for _ in range(10)]
    intervals = Intervals(layers, np.zeros((1, 1, 128)), np.ones((1, 1, 128)))
    intervals.last = np.array([99])
    found = growth.Growth(intervals, DigitFunctions(intervals))
    values, error = np.ones((128, 100)), 1 + np.arange(100.0)
    assert len(found.asked_for(np.arange(1), values, error)) == 100  # without ellipsoids errors grow
    found.ellipsoids = Ellipsoids(intervals, np.ones((2, 100)), 128)
    assert found.asked_for(np.arange(2), values, error).tolist() == [0, 1, *range(91, 100)]  # those with large errors
    looked = [len(found.asked_for(np.arange(num), values, error)) for num in (10, 60, 1, 1, 1, 1, 61, 1)]
    assert looked == [19, 69, 100, 10, 10, 10, 100, 10]  # 11 + 19 + 69 + 10 > 100, 10 + 10 + 10 + 70 = 100
