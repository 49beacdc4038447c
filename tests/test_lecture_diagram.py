from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure
from torch import nn

from dlcourse.lecture import draw_network
from dlcourse.networks import MLP, SoftmaxClassifier

sizes = st.integers(1, 6)


def units(axes: Axes) -> list[np.ndarray]:
    """The centres of each layer's circles."""
    return [np.asarray(each.get_offsets()) for each in axes.collections if isinstance(each, EllipseCollection)]


def edges(axes: Axes) -> list[list[np.ndarray]]:
    """The two ends of each edge, layer by layer."""
    return [each.get_segments() for each in axes.collections if isinstance(each, LineCollection)]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@settings(max_examples=15)
@given(sizes, st.lists(sizes, max_size=3), sizes)
def test_a_circle_for_each_unit_and_an_edge_for_each_weight(
    in_features: int, widths: list[int], out_features: int
) -> None:
    network = MLP(in_features, out_features, width=widths)
    axes = draw_network(network, Figure().add_subplot())
    layers = [in_features, *widths, out_features]
    assert [len(layer) for layer in units(axes)] == layers
    assert [len(layer) for layer in edges(axes)] == [prod(pair) for pair in pairwise(layers)]
    # Each unit of a layer is joined with each of the next, once.
    for left, right, joined in zip(units(axes), units(axes)[1:], edges(axes), strict=False):
        ends = {(tuple(start), tuple(end)) for start, end in joined}
        assert ends == {(tuple(start), tuple(end)) for start in left for end in right}


@settings(max_examples=15)
@given(st.lists(sizes, min_size=1, max_size=3))
def test_no_two_circles_touch(widths: list[int]) -> None:
    axes = draw_network(MLP(3, 2, width=widths), Figure().add_subplot())
    (diameter,) = {float(size) for each in axes.collections if isinstance(each, EllipseCollection)
                   for size in each.get_widths()}  # fmt: skip
    centres = np.concatenate(units(axes))
    distances = np.linalg.norm(centres[:, None] - centres, axis=-1)[~np.eye(len(centres), dtype=bool)]
    assert distances.min() > diameter


def test_the_slides_names_by_hand() -> None:
    assert texts(draw_network(MLP(2, 1, width=2, depth=1))) == [
        "$x_{1}$", "$x_{2}$", "$h_{1}$", "$h_{2}$", r"$\tilde{y}$",
        r"$\mathbf{W},\ \mathbf{b}$", r"$\mathbf{w},\ b$", "2 inputs", "2 units", "1 output",
    ]  # fmt: skip
    deep = texts(draw_network(MLP(1, 2, width=[1, 2])))
    assert deep[:6] == ["$x_{1}$", "$h^{[1]}_{1}$", "$h^{[2]}_{1}$", "$h^{[2]}_{2}$", r"$\tilde{y}_{1}$",
                        r"$\tilde{y}_{2}$"]  # fmt: skip
    assert deep[6:] == [
        r"$\mathbf{W}^{[1]},\ \mathbf{b}^{[1]}$", r"$\mathbf{W}^{[2]},\ \mathbf{b}^{[2]}$",
        r"$\mathbf{W},\ \mathbf{b}$", "1 input", "1 unit", "2 units", "2 outputs",
    ]  # fmt: skip


def test_a_classifier_gives_a_probability_for_each_class() -> None:
    axes = draw_network(SoftmaxClassifier(2, 4, width=3, depth=1))
    assert [len(layer) for layer in units(axes)] == [2, 3, 4]
    found = [text for text in texts(axes) if "P(" in text]
    assert found == [rf"$P(\tilde{{y}} = {number}\,|\,\mathbf{{x}})$" for number in (1, 2, 3, 4)]
    assert {"softmax", "4 logits", r"$\mathbf{W}_S,\ \mathbf{b}_S$"} <= set(texts(axes))


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="must have at most 16 units in a layer, got 17"):
        draw_network(MLP(2, 1, width=[3, 17]))
    with pytest.raises(TypeError, match="got Sequential"):
        draw_network(nn.Sequential(nn.Linear(2, 1)))


def test_thick_edges_where_a_layer_adds_its_input() -> None:
    axes = draw_network(MLP(2, 1, width=[2, 3, 3], skip=True), Figure().add_subplot())
    thick = [each for each in axes.collections if isinstance(each, LineCollection) and each.get_linewidths()[0] > 2]
    centres = units(axes)
    joined = [[(tuple(start), tuple(end)) for start, end in each.get_segments()] for each in thick]
    assert joined == [
        [(tuple(a), tuple(b)) for a, b in zip(centres[layer], centres[layer + 1], strict=True)] for layer in (0, 2)
    ]
