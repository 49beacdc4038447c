import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from networks import with_values
from test_tensorboard_tab_raster import pixels

from dlcourse.networks import MLP, SoftmaxClassifier
from dlcourse.palette import CLASS_COLORS, INK
from dlcourse.tasks import Moons, Spirals
from dlcourse.tensorboard_tab import plane_scene
from dlcourse.tensorboard_tab.plane_scene import drawn, plane
from dlcourse.tensorboard_tab.raster import rgb

LOW, HIGH = (-1.0, -1.0), (1.0, 1.0)


def quarter(activation: str = "relu") -> MLP:
    """relu(x1) + relu(x2) - 1/2, whose sign is the class: 1 above the diagonal of the first quarter and beyond it."""
    network = MLP(2, 1, width=[2], activation=activation)
    return with_values(network, [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [-0.5])


def is_near(found: np.ndarray, color: tuple[int, ...]) -> bool:
    """Whether a pixel has a colour, but for the palette of the file."""
    return bool(np.abs(found.astype(int) - color).max() < 12)


def test_classes_boundary_and_regions_are_where_they_are() -> None:
    picture, said = drawn(quarter(), LOW, HIGH)
    assert said == ["4 linear regions", "4 activation regions"]
    found = pixels(picture)
    size = len(found)

    def at(x: float, y: float) -> np.ndarray:
        return found[round((1 - y) / 2 * size), round((x + 1) / 2 * size)]

    class_0, class_1 = (rgb(color, 0.55) for color in CLASS_COLORS[:2])
    assert is_near(at(-0.5, -0.5), class_0) and is_near(at(0.2, 0.1), class_0)
    assert is_near(at(0.5, 0.5), class_1) and is_near(at(-0.5, 0.8), class_1)
    assert is_near(at(0.25, 0.25), rgb(INK)) and is_near(at(-0.5, 0.5), rgb(INK))  # on the boundary
    edge = found[round(0.75 * size), size // 2 - 2 : size // 2 + 3]  # the zero of x1 at x2 = -1/2
    assert edge.astype(int).sum(-1).max() > sum(class_0) + 40


def test_logits_and_the_sign_of_one_output_are_the_same_classes() -> None:
    network = SoftmaxClassifier(2, 2, width=[2], activation="relu")
    network = with_values(network, [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[-1.0, -1.0], [1.0, 1.0]], [0.5, -0.5])
    one, two = (pixels(drawn(each, LOW, HIGH)[0]).astype(int) for each in (quarter(), network))
    assert (np.abs(one - two).max(-1) > 30).mean() < 0.01  # where the palettes of the files differ


def test_a_network_without_pieces_has_classes_and_a_boundary() -> None:
    picture, said = drawn(quarter("tanh"), LOW, HIGH)
    assert said == []
    found = pixels(picture)
    assert is_near(found[10, -10], rgb(CLASS_COLORS[1], 0.55)) and is_near(found[-10, 10], rgb(CLASS_COLORS[0], 0.55))
    # tanh(x) + tanh(x) = 1/2 on the diagonal
    where = round((1 - np.arctanh(0.25)) / 2 * len(found))
    diagonal = [found[where + step, len(found) - where - step] for step in range(-3, 4)]
    assert any(is_near(pixel, rgb(INK)) for pixel in diagonal)


def test_too_many_regions_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_scene, "MOST_REGIONS", 3)
    picture, said = drawn(quarter(), LOW, HIGH)
    assert said == ["more than 3 activation regions, not drawn"]
    assert len(pixels(picture)) == plane_scene.PIXELS


def test_what_has_diverged_is_an_empty_picture() -> None:
    network = quarter()
    network.output.bias.data.fill_(float("nan"))
    assert drawn(network, LOW, HIGH) == ("", ["not finite"])


def test_the_data_of_all_classes_lie_over_the_picture() -> None:
    task = Spirals(num_classes=3, num_train=3, num_test=9)
    scene = plane(task, task.data(0))
    still = go.Figure(scene.figure)
    assert [each.name for each in still.data] == ["class 0", "class 1", "class 2"]
    assert [len(each.x) for each in still.data] == [3, 3, 3]
    (low, high), (x, y) = task.rectangle, (still.layout.xaxis.range, still.layout.yaxis.range)
    assert (x, y) == ((low[0], high[0]), (low[1], high[1]))
    (place,) = still.layout.images
    assert (place.layer, place.x, place.y) == ("below", low[0], high[1])
    moment = scene.at(SoftmaxClassifier(2, 3, width=[2], activation="relu"))
    assert moment.layout["images[0].source"].startswith("data:image/png")


def test_a_rectangle_keeps_its_sides() -> None:
    task = Moons(num_test=4)
    found = pixels(drawn(SoftmaxClassifier(2, 2, width=[2], activation="relu"), *task.rectangle)[0])
    assert found.shape == (300, 480, 3)  # 4 by 2.5
    assert torch.is_grad_enabled()
