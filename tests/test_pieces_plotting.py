"""What pictures say of themselves: names of axes, and a colour for each class."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import nn

from dlcourse import pieces
from dlcourse.palette import CLASS_COLORS


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def affine(weight: list[list[float]], bias: list[float]) -> nn.Module:
    """Without any kink, so that all there is are classes."""
    network = nn.Linear(len(weight[0]), len(weight))
    network.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    return nn.Sequential(network)


def three_classes() -> nn.Module:
    """Class 1 where x1 > 1, class 2 where x1 < -1, class 0 between."""
    return affine([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], [0.0, -1.0, -1.0])


def names(axes: Axes) -> list[str]:
    return [axes.get_xlabel(), axes.get_ylabel()]


def legend(axes: Axes) -> dict[str, tuple[float, ...]]:
    """Name -> colour of what the figure's legend has."""
    figure = axes.figure
    (found,) = figure.legends
    handles = zip(found.get_texts(), found.legend_handles, strict=True)
    return {text.get_text(): to_rgb(handle.get_color()) for text, handle in handles}


def test_classes_have_their_colours() -> None:
    axes = pieces.on_plane(three_classes(), -2.0, 2.0).plot()
    assert names(axes) == ["x₁", "x₂"]
    assert legend(axes) == {f"class {number}": to_rgb(CLASS_COLORS[number]) for number in range(3)}
    # What is drawn where: with white in it, the colour of a class is on the way from its own one to white.
    polygons = axes.collections[0]
    drawn = zip(polygons.get_paths(), polygons.get_facecolors(), strict=True)
    seen = {}
    for path, (*color, _) in drawn:
        x = path.vertices[:, 0].mean()
        number = 1 if x > 1 else 2 if x < -1 else 0
        whole = np.array(to_rgb(CLASS_COLORS[number]))
        white = ((np.array(color) - whole)[whole < 1]) / (1 - whole[whole < 1])
        assert np.ptp(white) < 1e-9
        assert 0.1 < white.mean() < 0.6, "neither all white nor as strong as edges"
        seen[number] = color
    assert set(seen) == {0, 1, 2}


def test_a_class_that_is_not_there_is_not_in_the_legend() -> None:
    assert set(legend(pieces.on_plane(three_classes(), 1.5, 2.0).plot())) == {"class 1"}


def test_in_the_axes_of_others_there_is_no_legend_until_they_ask() -> None:
    axes = Figure().add_subplot()
    assert pieces.on_plane(three_classes(), -2.0, 2.0).plot(axes) is axes
    assert axes.figure.legends == [] and axes.get_legend() is None
    assert [text.get_text() for text in axes.legend().get_texts()] == ["class 0", "class 1", "class 2"]
    assert names(axes) == ["x₁", "x₂"]


def test_planes_of_other_spaces_have_coordinates_of_their_own() -> None:
    network = affine([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], [0.0, 0.0])
    assert names(pieces.on_plane(network, through=[[0, 0, 0], [1, 0, 0], [0, 1, 0]]).plot()) == ["u", "v"]
    moved = pieces.on_plane(three_classes(), -1, 1, origin=[1, 0], directions=np.eye(2))
    assert names(moved.plot()) == ["u", "v"]
    turned = pieces.on_plane(three_classes(), -1, 1, origin=[0, 0], directions=[[0, 1], [1, 0]])
    assert names(turned.plot()) == ["u", "v"]


def test_one_output_has_a_bar_of_its_values() -> None:
    network = affine([[1.0, 0.0]], [0.0])
    axes = pieces.on_plane(network, -2.0, 2.0).plot()
    assert names(axes) == ["x₁", "x₂"]
    figure = axes.figure
    (bar,) = [each for each in figure.axes if each is not axes]
    assert bar.get_xlabel() == "output"
    assert bar.get_xlim() == (-2.0, 2.0)
    given = Figure().add_subplot()
    pieces.on_plane(network, -2.0, 2.0).plot(given)
    assert given.figure.axes == [given]


def test_lines_say_where_they_are() -> None:
    network = affine([[2.0]], [0.0])
    axes = pieces.on_line(network, -2.0, 2.0).plot()
    assert names(axes) == ["t (x from [-2] to [2])", "output"]
    assert axes.figure.legends == []
    assert names(pieces.on_line(network, origin=0.5, direction=1).plot()) == ["t (x = [0.5] + t [1])", "output"]
    many = nn.Linear(10, 1)
    assert names(pieces.on_line(many, torch.zeros(10), torch.ones(10)).plot()) == ["t", "output"]
    assert names(pieces.on_line(many, origin=torch.zeros(10), direction=torch.ones(10)).plot()) == ["t", "output"]


def test_outputs_of_a_line_have_the_colours_of_classes() -> None:
    axes = pieces.on_line(three_classes(), [-2.0, 0.0], [2.0, 0.0]).plot()
    assert legend(axes) == {f"output {number}": to_rgb(CLASS_COLORS[number]) for number in range(3)}
    lines = {
        line.get_label(): to_rgb(line.get_color()) for line in axes.get_lines() if "output" in str(line.get_label())
    }
    assert lines == legend(axes)
    too_many = pieces.on_line(nn.Linear(2, len(CLASS_COLORS) + 1), [-2.0, 0.0], [2.0, 0.0]).plot()
    assert too_many.figure.legends == [], "two outputs would have one colour"


def test_boxes_have_axes_of_inputs() -> None:
    axes = pieces.in_box(affine([[1.0, 0.0, 0.0]], [0.0]), [-1.0] * 3, [1.0] * 3).plot()
    assert [*names(axes), axes.get_zlabel()] == ["x₁", "x₂", "x₃"]
    assert names(pieces.in_box(three_classes(), [-1.0] * 2, [1.0] * 2).plot()) == ["x₁", "x₂"]
    assert names(pieces.in_box(affine([[1.0]], [0.0]), -1.0, 1.0).plot()) == ["t (x from [-1] to [1])", "output"]
