import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from sweeps import ramps
from test_tensorboard_tab_raster import pixels
from torch import nn

from dlcourse.networks import MLP
from dlcourse.palette import NETWORK_COLOR, TARGET_COLOR
from dlcourse.tensorboard_tab.diagram_scene import HIGH, LOW, MOST_UNITS, diagram
from dlcourse.tensorboard_tab.raster import rgb
from dlcourse.tensorboard_tab.scene import Moment

INPUTS = torch.linspace(0, 0.9, 10)[:, None]


def shown(moment: Moment) -> np.ndarray:
    return pixels(moment.layout["images[0].source"]).astype(int)


def share(found: np.ndarray, color: str) -> float:
    """How much of a picture has about this colour."""
    return float((np.abs(found - rgb(color)).max(-1) < 30).mean())


def test_units_that_say_the_same_for_all_inputs_are_silent() -> None:
    scene = diagram([ramps(1.0, -2.0)], INPUTS)
    assert scene is not None
    # On [0, 0.9] relu(x - 1) is off.
    assert scene.at(ramps(1.0, -2.0)).said == ["1 of 2 units silent"]
    beyond = diagram([ramps(1.0, -2.0)], INPUTS + 1)
    assert beyond is not None and beyond.at(ramps(1.0, -2.0)).said == ["0 of 2 units silent"]


def test_a_layer_behind_a_silent_one_is_silent() -> None:
    network = MLP(1, 1, width=[3, 2], activation="relu")
    for parameter in network.parameters():
        parameter.data.fill_(-1.0)
    scene = diagram([network], INPUTS)
    assert scene is not None and scene.at(network).said == ["5 of 5 units silent"]


def test_positive_weights_are_blue_negative_ones_orange_and_strong_ones_wide() -> None:
    networks = [ramps(1.0, -2.0), ramps(4.0, 4.0), ramps(-4.0, -4.0)]
    scene = diagram(networks, INPUTS)
    assert scene is not None
    both, positive, negative = (shown(scene.at(network)) for network in networks)
    right = both.shape[1] // 2
    outputs = [each[:, right + 40 : -60] for each in (both, positive, negative)]  # the edges to the output
    blue, orange = ([share(each, color) for each in outputs] for color in (NETWORK_COLOR, TARGET_COLOR))
    assert blue[1] > 0.005 and orange[1] == 0
    assert orange[2] > 0.005 and blue[2] == 0
    assert blue[0] == 0 and orange[0] == 0  # weaker than the strongest of the film: pale


def test_the_labels_say_how_many_units_there_are_and_how_many_are_drawn() -> None:
    network = MLP(100, 1, width=[2], activation="tanh")
    scene = diagram([network], torch.rand(5, 100))
    assert scene is not None
    layout = go.Figure(scene.figure).layout
    assert layout.xaxis.ticktext == (f"100 inputs<br>({MOST_UNITS} drawn)", "2 units", "1 output")
    assert (layout.xaxis.range, layout.yaxis.range) == ((LOW[0], HIGH[0]), (LOW[1], HIGH[1]))
    assert shown(scene.at(network)).min() < 100


def test_nothing_is_said_where_nothing_is_known() -> None:
    scene = diagram([ramps(1.0)], None)
    assert scene is not None and scene.at(ramps(1.0)).said == []
    affine = MLP(1, 1, width=[], activation="relu")
    scene = diagram([affine], INPUTS)
    assert scene is not None and scene.at(affine).said == []
    assert diagram([nn.Sequential(nn.Linear(1, 1))], INPUTS) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_has_diverged_is_an_empty_picture_and_spoils_no_other(value: float) -> None:
    fine, lost = ramps(4.0), ramps(value)
    scene = diagram([fine, lost], INPUTS)
    assert scene is not None
    assert scene.at(lost).layout == {"images[0].source": ""}
    assert share(shown(scene.at(fine)), NETWORK_COLOR) > 0
