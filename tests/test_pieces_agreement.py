"""The counts on lines, on planes and in boxes agree where they count the same."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marks import examples
from networks import network_of
from torch import nn

from dlcourse import pieces

ACTIVATIONS = st.sampled_from([nn.ReLU, nn.ReLU, nn.LeakyReLU, nn.Hardtanh])


@st.composite
def networks(draw: st.DrawFn, in_features: int) -> nn.Sequential:
    """Small integer weights and biases between the integers, so that few of them are degenerate but not none."""
    sizes = [in_features, *draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)), draw(st.sampled_from([1, 1, 2]))]
    activation = draw(ACTIVATIONS)
    weights = draw(st.sampled_from([st.integers(-2, 2).map(float), st.floats(-2, 2, width=32)]))
    biases = draw(st.sampled_from([st.floats(-1, 1, width=32), st.integers(-999, 999).map(lambda n: n / 601)]))
    layers = [
        (
            draw(st.lists(st.lists(weights, min_size=n_in, max_size=n_in), min_size=n_out, max_size=n_out)),
            draw(st.lists(biases, min_size=n_out, max_size=n_out)),
        )
        for n_in, n_out in pairwise(sizes)
    ]
    return network_of(*layers, between=activation)


@pytest.mark.slow
@examples(25)
@given(network=networks(in_features=1), low=st.sampled_from([-1.0, -0.3]), high=st.sampled_from([1.0, 2.5]))
def test_a_box_of_one_dimension_is_a_line(network: nn.Sequential, low: float, high: float) -> None:
    box, line = pieces.in_box(network, [low], [high]), pieces.on_line(network, low, high)
    assert (box.num_regions, box.num_pieces) == (line.num_regions, line.num_pieces)


@pytest.mark.slow
@examples(25)
@given(network=networks(in_features=2), low=st.sampled_from([-1.0, -0.3]), high=st.sampled_from([1.0, 2.5]))
def test_a_box_of_two_dimensions_is_a_plane(network: nn.Sequential, low: float, high: float) -> None:
    box, plane = pieces.in_box(network, [low, low], [high, high]), pieces.on_plane(network, low, high)
    assert (box.num_regions, box.num_pieces) == (plane.num_regions, plane.num_pieces)
