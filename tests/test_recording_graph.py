import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef
from torch import nn

from dlcourse.networks import MLP, SoftmaxClassifier
from dlcourse.recording.graph import graph_of


def nodes(network: nn.Module) -> dict[str, tuple[str, list[str], list[int]]]:
    """Name -> kind, inputs and size of each node."""
    content = graph_of(network)
    assert content is not None
    return {
        node.name: (
            node.op,
            list(node.input),
            [dim.size for dim in node.attr["_output_shapes"].list.shape[0].dim],
        )
        for node in GraphDef.FromString(content).node
    }


def test_every_layer_is_a_node_behind_the_one_before() -> None:
    assert nodes(MLP(2, 1, width=[3], activation="tanh")) == {
        "x": ("input", [], [2]),
        "layer_1/W": ("parameter", [], [3, 2]),
        "layer_1/b": ("parameter", [], [3]),
        "layer_1/affine": ("W h + b", ["x", "layer_1/W", "layer_1/b"], [3]),
        "layer_1/tanh": ("tanh", ["layer_1/affine"], [3]),
        "output/W": ("parameter", [], [1, 3]),
        "output/b": ("parameter", [], [1]),
        "output/affine": ("W h + b", ["layer_1/tanh", "output/W", "output/b"], [1]),
    }


def test_a_classifier_ends_in_the_softmax() -> None:
    found = nodes(SoftmaxClassifier(2, 3, width=[4], activation="relu"))
    assert found["softmax"] == ("softmax", ["output/affine"], [3])


def test_a_layer_that_adds_its_input_has_both() -> None:
    found = nodes(MLP(2, 1, width=[3, 3], activation="relu", skip=True))
    assert found["layer_2/skip"] == ("h + g(W h + b)", ["layer_1/relu", "layer_2/relu"], [3])
    assert found["output/affine"][1][0] == "layer_2/skip"


@pytest.mark.parametrize("network", [nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1), nn.ReLU())])
def test_another_network_has_none(network: nn.Module) -> None:
    assert graph_of(network) is None
