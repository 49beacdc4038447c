import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from sweeps import ramps

from dlcourse.networks import MLP, SoftmaxClassifier
from dlcourse.tasks import Parity, PosedAs, ZigZag
from dlcourse.tensorboard_tab.along_scene import NUM_POINTS, along, fit, segment

ZERO, TWO = torch.zeros(1, dtype=torch.float64), torch.full((1,), 2.0, dtype=torch.float64)


def test_a_tent_is_drawn_by_its_corner_and_its_ends() -> None:
    found = along(ramps(1.0, -2.0), ZERO, TWO)
    assert found.t.tolist() == [0, 0.5, 1]
    assert found.outputs.tolist() == [[0], [1], [0]]
    assert found.breakpoints.tolist() == [0.5]
    assert found.said == ["2 linear pieces", "2 activation regions"]


def test_a_network_without_pieces_is_drawn_point_by_point() -> None:
    network = MLP(1, 1, width=[2], activation="tanh")
    found = along(network, ZERO, TWO)
    assert len(found.t) == NUM_POINTS and found.said == [] and len(found.breakpoints) == 0
    assert found.outputs[-1, 0] == network(torch.tensor([[2.0]])).item()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_what_has_diverged_is_not_drawn_and_says_so(value: float, activation: str) -> None:
    network = MLP(1, 2, width=[2], activation=activation)
    network.output.bias.data.fill_(value)
    found = along(network, ZERO, TWO)
    assert found.t.shape == (0,) and found.outputs.shape == (0, 2)
    assert found.said == ["not finite"]


def test_the_fit_shows_target_training_points_and_the_network() -> None:
    task = ZigZag(num_folds=1, num_train=20)
    data = task.data(0)
    scene = fit(task, data)
    still = go.Figure(scene.figure)
    points, target, network, _ = still.data
    assert list(points.x) == data.train_inputs[:, 0].tolist() and list(points.y) == data.train_targets[:, 0].tolist()
    assert dict(zip(target.x, target.y, strict=True))[1.0] == 1.0  # the tip of the tent
    assert network.x == ()
    low, high = still.layout.yaxis.range
    assert low <= -0.25 and high >= 1.25
    moment = scene.at(ramps(1.0, -2.0))
    assert list(moment.traces) == [2, 3]
    assert moment.data == {"x": [[0, 1, 2], [1]], "y": [[0, 1, 0], [1]]}
    assert moment.said == ["2 linear pieces", "2 activation regions"]


def test_a_fit_that_is_not_finite_is_an_empty_line() -> None:
    task = ZigZag()
    moment = fit(task, task.data(0)).at(ramps(float("nan")))
    assert moment.data == {"x": [[], []], "y": [[], []]}


def test_more_inputs_than_two_are_shown_on_a_segment_between_training_points() -> None:
    task = Parity(num_bits=3, posed_as=PosedAs.classification)
    network = SoftmaxClassifier(3, 2, width=[4], activation="relu")
    scene = segment(task, 5, [network])
    starts, ends = task.lines(5)
    ticks, *classes = go.Figure(scene.figure).data
    assert [each.name for each in (ticks, *classes)] == ["breakpoints", "class 0", "class 1"]
    moment = scene.at(network)
    marks, *xs = moment.data["x"]
    assert xs[0] == xs[1] == [0, *marks, 1]
    expected = network(torch.stack([starts[0], ends[0]]).float())
    for index in range(2):
        y = moment.data["y"][1 + index]
        np.testing.assert_allclose([y[0], y[-1]], expected[:, index].detach(), rtol=1e-4)  # five digits
    low, high = go.Figure(scene.figure).layout.yaxis.range
    assert all(low < value < high for y in moment.data["y"] for value in y)
    assert moment.said[0].endswith("on the segment")


def test_one_output_is_no_class() -> None:
    task = Parity(num_bits=3)
    network = MLP(3, 1, width=[2], activation="relu")
    (_, only) = go.Figure(segment(task, 0, [network]).figure).data
    assert only.name == "output"
