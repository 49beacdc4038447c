"""Every picture of the slides, from the first to the last."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dlcourse.checks import check_whole
from dlcourse.circuits import inputs, parity_dnf, parity_tree, without_xor, xor
from dlcourse.circuits.drawing import draw
from dlcourse.lecture.boxes import draw_any_layer, draw_derivatives, draw_gradient, draw_layers
from dlcourse.lecture.curves import draw_activation, draw_activation_derivatives, draw_curve, draw_piecewise
from dlcourse.lecture.diagram import MOST_UNITS, draw_network
from dlcourse.lecture.svg import same_look
from dlcourse.networks import MLP, Activation, SoftmaxClassifier
from dlcourse.networks.constructions import nested_tents, tent
from dlcourse.tasks import ZigZag

NUM_BITS = 4
"""The circuits of the slides have so many inputs."""


@dataclass(frozen=True)
class Picture:
    """A picture of the slides.

    Attributes:
        name: Its file's name, without the ending.
        title: What it shows, for those who cannot see it.
        figure: The drawing.
    """

    name: str
    title: str
    figure: Figure


def pictures(*, in_features: int = 3, width: int = 4, num_classes: int = 3) -> Iterator[Picture]:
    """Every picture of the slides, drawn from the networks, functions and circuits that it shows.

    Args:
        in_features: Inputs of the networks that are drawn.
        width: Units in each of their hidden layers.
        num_classes: Classes of the softmax layer.

    Raises:
        ValueError: If a size is below 1 (classes: 2) or above `MOST_UNITS`.

    Source: all slides that have a picture; of the activations' derivatives, no slide has one.
    """
    for name, value, lowest in (("in_features", in_features, 1), ("width", width, 1), ("num_classes", num_classes, 2)):
        check_whole(name, value, lowest, MOST_UNITS)
    drawn = chain(
        _networks(in_features, width),
        _activations(),
        _circuits(),
        _zigzags(),
        _layers(in_features, width),
        _softmax(in_features, width, num_classes),
    )
    while True:
        with same_look():  # not for what the caller does between two pictures
            found = next(drawn, None)
        if found is None:
            return
        name, title, axes = found
        figure = axes.get_figure(root=True)
        assert figure is not None
        yield Picture(name, title, figure)


def _networks(in_features: int, width: int) -> Iterator[tuple[str, str, Axes]]:
    """Slides "Shallow vs. Deep Feed-Forward Neural Networks"."""
    for depth, words in enumerate(("one hidden layer", "two hidden layers", "three hidden layers"), start=1):
        network = MLP(in_features, 1, width=width, depth=depth)
        yield words.replace(" ", "_"), f"A feed-forward neural network with {words}", draw_network(network)


def _activations() -> Iterator[tuple[str, str, Axes]]:
    """Slide "Feed-Forward Neural Network", popular choices."""
    for activation in (Activation.sigmoid, Activation.tanh, Activation.relu):
        yield str(activation), f"The non-linear function {activation}", draw_activation(activation)
    title = "The derivatives of ReLU, tanh and the sigmoid"
    yield "activation_derivatives", title, draw_activation_derivatives()


def _circuits() -> Iterator[tuple[str, str, Axes]]:
    """Slides "Parity Circuits"."""
    tree = parity_tree(NUM_BITS)
    for name, title, circuit in (
        ("xor_gate", "An XOR gate of two inputs", xor(*inputs(2))),
        ("xor_tree", "The parity of four bits by three XOR gates, depth 2", tree),
        ("and_or_not", "The same parity by AND, OR and NOT, depth 4 without the NOTs", without_xor(tree)),
        ("dnf", "The same parity in disjunctive normal form, depth 2", parity_dnf(NUM_BITS)),
    ):
        axes = draw(circuit)
        figure = axes.get_figure(root=True)
        assert figure is not None
        # A layout that matplotlib finds depends on whether the figure has been drawn before.
        figure.set_layout_engine("none")
        axes.set_position((0.04, 0.04, 0.92, 0.92))
        yield name, title, axes


def _zigzags() -> Iterator[tuple[str, str, Axes]]:
    """Slides "Depth and piecewise linear functions"."""
    first, second, nested = tent(0, 2), tent(0, 1), nested_tents(2)
    yield "zigzag", "A zig-zag target function of eight pieces on [0, 2]", draw_curve(ZigZag(num_folds=3))
    for number, (network, high) in enumerate(((first, 2.0), (second, 1.0)), start=1):
        names = (f"h_1^{{[{number}]}}", f"-h_2^{{[{number}]}}")
        added = [(partial(_added, network, unit), name) for unit, name in enumerate(names)]
        axes = draw_piecewise(network, 0.0, high, rf"\tilde{{h}}^{{[{number}]}}", beside=added)
        # Both on [0, 2], so that one sees that the second is half as wide; what the units add leaves the picture.
        axes.set(xlim=(0, 2), ylim=(-1.1, 1.6))
        yield f"tent_{number}", f"The scalar function h~[{number}] on [0, {high:g}], made of two ReLUs", axes
    label = r"\tilde{h}^{[2]}(\tilde{h}^{[1]}(x))"
    axes = draw_piecewise(nested, 0.0, 2.0, label, beside=[(first, r"\tilde{h}^{[1]}(x)")])
    yield "nested_tents", "The two scalar functions nested: four pieces on [0, 2]", axes


def _added(network: MLP, unit: int, x: Tensor) -> Tensor:
    """What a unit of the last hidden layer adds to the output, w_i h_i."""
    added: Tensor = network.hidden(x)[:, [unit]] * network.output.weight[0, unit]
    return added


def _layers(in_features: int, width: int) -> Iterator[tuple[str, str, Axes]]:
    """Slides "Generalizing Deep Feed-Forward Neural Networks"."""
    network = MLP(in_features, 1, width=width, depth=3)
    yield "layers", "Each layer as a function of the layer below and of its parameters", draw_layers(network)
    for layer, name, words in ((4, "output", "the output layer's"), (3, "3", "layer 3's"), (2, "2", "layer 2's")):
        title = f"The gradient by {words} parameters, upwards through the layers"
        yield f"gradient_{name}", title, draw_gradient(network, layer)
    yield "any_layer", "Each layer needs to know just two derivatives", draw_any_layer()
    yield "two_derivatives", "Each layer of the network with its two derivatives", draw_derivatives(network)


def _softmax(in_features: int, width: int, num_classes: int) -> Iterator[tuple[str, str, Axes]]:
    """Slides "Classification: Softmax"."""
    classifier = SoftmaxClassifier(in_features, num_classes, width=width, depth=1)
    yield "softmax_network", "A feed-forward neural network with a softmax layer", draw_network(classifier)
    yield "softmax_layer", "The softmax as a layer", draw_layers(classifier)
    yield "softmax_derivatives", "The softmax as a layer, with its two derivatives", draw_derivatives(classifier)
