"""A network as TensorBoard's Graphs tab shows it: one node a layer and a function, with the sizes along the edges.

It is put together from the layers, and not traced: that takes a fraction of a millisecond.
"""

from torch import nn

from dlcourse.layerwise import layers
from dlcourse.networks import SoftmaxClassifier


def graph_of(network: nn.Module) -> bytes | None:
    """The graph, as an event holds it.

    Args:
        network: An `MLP` or a `SoftmaxClassifier`.

    Returns:
        A `GraphDef` of TensorFlow; None for a network that is no chain of layers.

    Source: slide "Feed-Forward Neural Network", h[i] = g(W[i] h[i-1] + b[i]).
    """
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    try:
        chain = layers(network)
    except TypeError:
        return None
    graph = GraphDef()
    before = _add(graph, "x", "input", [], chain[0].weight.shape[1])
    for index, layer in enumerate(chain, start=1):
        size = len(layer.bias)
        name = "output" if index == len(chain) else f"layer_{index}"
        parameters = [
            _add(graph, f"{name}/W", "parameter", [], *layer.weight.shape),
            _add(graph, f"{name}/b", "parameter", [], size),
        ]
        after = _add(graph, f"{name}/affine", "W h + b", [before, *parameters], size)
        if layer.activation is not None:
            after = _add(graph, f"{name}/{layer.activation.value}", str(layer.activation.value), [after], size)
        if layer.skip:
            after = _add(graph, f"{name}/skip", "h + g(W h + b)", [before, after], size)
        before = after
    if isinstance(network, SoftmaxClassifier):
        _add(graph, "softmax", "softmax", [before], len(chain[-1].bias))
    return bytes(graph.SerializeToString())


def _add(graph: object, name: str, kind: str, inputs: list[str], *shape: int) -> str:
    """Adds a node; returns its name."""
    node = graph.node.add(name=name, op=kind, input=inputs)  # type: ignore[attr-defined]
    sizes = node.attr["_output_shapes"].list.shape.add()
    for size in shape:
        sizes.dim.add(size=size)
    return name
