"""Affine maps of regions, and pieces, where numbers are so small that products and squares of them are lost."""

from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marks import examples
from networks import Layer, default_network, network_of
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.arithmetic.maps import OutputMaps, output_maps
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.geometry import PlaneGeometry
from dlcourse.pieces.plane.gradients import proven_different, surely_different

# 1e17 makes something of what is almost lost, 5e-324 is the smallest float, and the square of 1e-162 is lost.
NUMBERS = st.sampled_from([1.0, -1.0, 0.0, 3.7, -0.1, 1e17, -1e17, 1e-162, -1e-162, 1e-300, -1e-300, 5e-324])


@st.composite
def layers_of_extremes(draw: st.DrawFn, in_features: int) -> list[Layer]:
    """Weights and biases of one or two hidden layers and an output."""
    sizes = [in_features, *draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)), 1]
    layers = []
    for before, after in pairwise(sizes):
        weight = [draw(st.lists(NUMBERS, min_size=before, max_size=before)) for _ in range(after)]
        layers.append((weight, draw(st.lists(NUMBERS, min_size=after, max_size=after))))
    return layers


@pytest.mark.parametrize("smallest", [1e-160, 1e-170, 1e-300, 5e-324])
def test_a_kink_of_little_weight_parts_two_pieces(smallest: float) -> None:
    # relu(1e17 x) times next to nothing: 0 on one half of the square, but not on the other.
    layers = [([[1e17, 0.0]], [0.0]), ([[smallest]], [0.0])]
    assert pieces.on_plane(network_of(*layers), -1.0, 1.0).num_pieces == 2
    # times (relu(x) - relu(-x)) = x: two regions, one piece
    layers = [([[1.0, 0.0], [-1.0, 0.0]], [0.0, 0.0]), ([[smallest, -smallest]], [0.0])]
    counted = pieces.on_plane(network_of(*layers), -1.0, 1.0)
    assert (counted.num_regions, counted.num_pieces) == (2, 1)


@pytest.mark.slow
@examples(25)
@given(layers=layers_of_extremes(in_features=1))
def test_functions_of_one_coordinate_have_as_many_pieces_as_on_the_line(layers: list[Layer]) -> None:
    (weight, bias), *others = layers
    wider = network_of(([[row[0], 0.0] for row in weight], bias), *others)
    on_plane, on_line = pieces.on_plane(wider, -1.0, 1.0), pieces.on_line(network_of(*layers), [-1.0], [1.0])
    assert (on_plane.num_regions, on_plane.num_pieces) == (on_line.num_regions, on_line.num_pieces)


@pytest.mark.slow
@given(layers=layers_of_extremes(in_features=2), slope=st.sampled_from([0.0, 0.3, 1e-300]), data=st.data())
def test_errors_of_maps_are_within_their_bounds(layers: list[Layer], slope: float, data: st.DataObject) -> None:
    read = [
        UnitLayer(np.array([weight]), np.array([bias]), np.full((1, len(bias)), of))
        for (weight, bias), of in zip(layers, [slope] * (len(layers) - 1) + [1.0], strict=True)
    ]
    positive = [data.draw(st.lists(st.booleans(), min_size=len(bias), max_size=len(bias))) for _, bias in layers]
    on = [np.array(units)[:, None] for layer, units in zip(read, positive, strict=True) if layer.bends]
    maps = output_maps(read, lambda _: list(on), 1)
    exact = [[Fraction(int(row == column)) for column in range(2)] for row in range(2)]
    for index, (weight, _) in enumerate(layers):
        exact = [
            [sum((Fraction(w) * row[i] for w, row in zip(weights, exact, strict=True)), Fraction(0)) for i in range(2)]
            for weights in weight
        ]
        if index < len(layers) - 1:
            factors = [Fraction(1 if on else slope) for on in positive[index]]
            exact = [[factor * entry for entry in row] for factor, row in zip(factors, exact, strict=True)]
    off = sum((Fraction(value) - true) ** 2 for value, true in zip(maps.weight[0, 0].tolist(), exact[0], strict=True))
    assert off <= Fraction(float(maps.weight_error[0, 0])) ** 2
    if maps.weight_error[0, 0] == 0:
        assert not any(exact[0])


def test_what_is_off_by_nothing_is_not_open() -> None:
    zero, one, tiny = (np.array([[[number, 0.0]]]) for number in (0.0, 1.0, 1e-300))
    for gradient, other, bound, expected in (
        (zero, zero, 0.0, (False, False)),
        (one, zero, 2.0**-50, (True, False)),
        (one, one, 2.0**-50, (False, True)),
        (tiny, zero, 2.0**-1000, (False, True)),  # its square is 0
    ):
        different, is_open = proven_different(gradient, other, np.array([[bound]]))
        assert (different.item(), is_open.item()) == expected


@given(data=st.data(), below=st.sampled_from([0.0, 0.25, -1.0]))
def test_remainders_part_regions_whose_gradients_differ_and_no_others(data: st.DataObject, below: float) -> None:
    whole = st.integers(-2, 2).map(float)
    sizes = [3, *data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)), 2]
    layers = [
        (
            [data.draw(st.lists(whole, min_size=before, max_size=before)) for _ in range(after)],
            data.draw(st.lists(whole, min_size=after, max_size=after)),
        )
        for before, after in pairwise(sizes)
    ]
    network = network_of(*layers, between=partial(nn.LeakyReLU, below))
    geometry = pieces.on_plane(network, through=([0.1, 0, 0], [3, 1, 0], [0, 1, 3]))._geometry
    assert isinstance(geometry, PlaneGeometry)
    left, right = geometry.borders
    found = surely_different(geometry.layers, geometry.frame[:, :2], geometry.history, left, right)
    exact = geometry.exact.functions(len(geometry.layers) - 1, [*left.tolist(), *right.tolist()])
    gradients = [function[:, :2].tolist() for function in exact]
    assert found.tolist() == [a != b for a, b in zip(gradients[: len(left)], gradients[len(left) :], strict=True)]


@pytest.mark.parametrize("sizes", [[2, 9, 9, 2], [3, 6, 1]])
def test_what_floats_leave_open_remainders_decide(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    network = default_network(sizes, 1)
    points = [*(3 * np.eye(3, sizes[0]) - 1)]
    expected = pieces.on_plane(network, through=points).piece_of_region.tolist()

    def unknown(maps: OutputMaps, directions: np.ndarray) -> np.ndarray:
        return np.full(maps.weight_error.shape, np.inf)

    monkeypatch.setattr("dlcourse.pieces.plane.geometry.gradient_errors", unknown)
    counted = pieces.on_plane(network, through=points)
    assert counted.piece_of_region.tolist() == expected
    assert len(set(expected)) > 5
    geometry = counted._geometry
    assert isinstance(geometry, PlaneGeometry)
    # Only where gradients are equal, as where all is off, integers had to say so.
    assert geometry.num_settled <= np.count_nonzero(~geometry.kinks)


def test_kinks_that_those_outputs_do_not_show_that_are_compared_first_are_found() -> None:
    # relu(x), relu(y): the first output is 0, or has the kink at x = 0 only; the others have them both.
    units = ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    for first in ([0.0, 0.0], [1.0, 0.0]):
        network = network_of(units, ([first, [1.0, 0.0], [0.0, 1.0]], [0.0] * 3))
        assert pieces.on_plane(network, -1.0, 1.0).num_pieces == 4
        assert pieces.on_plane(network_of(units, ([first, first], [0.0] * 2)), -1.0, 1.0).num_pieces == 1 + any(first)
    # The outputs with the largest weights have one of the two kinks, and so does the first one.
    network = network_of(units, ([[2.0, 0.0], [5.0, 0.0], [4.0, 0.0], [3.0, 0.0], [0.0, 1.0]], [0.0] * 5))
    assert pieces.on_plane(network, -1.0, 1.0).num_pieces == 4
