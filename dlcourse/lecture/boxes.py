"""A network as the slides take it apart: a box a layer, each a function of what is below it and of its parameters.

The input is at the bottom and the loss at the top. Beside each box stands what the layer does, or the two derivatives
that it needs to know, or what these come to for the gradient by the parameters of one layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from dlcourse.checks import check_whole
from dlcourse.layerwise import layers
from dlcourse.networks import SoftmaxClassifier
from dlcourse.palette import INK, LAYER_FILLS

BOX_WIDTH, BOX_HEIGHT, STEP = 2.3, 0.62, 1.0
"""Sizes in inches: a box, and from one to the next."""

THETA = r"\boldsymbol{\vartheta}"


@dataclass(frozen=True)
class Box:
    """A layer as a function, in LaTeX.

    Attributes:
        kind: "hidden", "output" or "softmax", for its colour.
        index: What stands in the brackets of its parameters, theta[index].
        symbol: What it computes, "h[2]"; the softmax layer, log p.
        name: What it is called, the same but for the softmax layer, which is called p.
        below: What it takes, "h[1]".
        definition: What it does with it.
    """

    kind: str
    index: str
    symbol: str
    name: str
    below: str
    definition: str

    @property
    def theta(self) -> str:
        """Its parameters."""
        return f"{THETA}^{{[{self.index}]}}"


@dataclass(frozen=True)
class Stack:
    """The boxes of a network, first to last, and the loss on top of them, in LaTeX.

    Attributes:
        boxes: One a layer.
        loss: The loss and its definition.
        factor: The loss's derivative by what the last box computes.
    """

    boxes: Sequence[Box]
    loss: str
    factor: str


def draw_layers(network: nn.Module, axes: Axes | None = None) -> Axes:
    """Draws the layers of a network as functions, h[i](h[i-1], theta[i]), with what each does beside it.

    Args:
        network: An `MLP` or a `SoftmaxClassifier` on hidden layers.
        axes: Where to draw; a new figure of a fitting size by default (`axes.figure.savefig(...)`).

    Raises:
        TypeError: If the network is neither.

    Source: slides "Generalizing Deep Feed-Forward Neural Networks"; for a classifier "Softmax as a layer".
    """
    stack = _stack(network)
    return _draw(stack, [f"${box.definition}$" for box in stack.boxes], "", 5.6, axes)


def draw_derivatives(network: nn.Module, axes: Axes | None = None) -> Axes:
    """Draws the layers of a network with the two derivatives that each needs to know: dh[i]/dtheta[i], dh[i]/dh[i-1].

    The first layer needs only one of them: nobody asks for dh[1]/dx.

    Args:
        network: An `MLP` or a `SoftmaxClassifier` on hidden layers.
        axes: Where to draw; a new figure of a fitting size by default.

    Raises:
        TypeError: If the network is neither.

    Source: slide "Computing gradient (layerwise)", "Each layer 'needs to know' just these two derivatives".
    """
    stack = _stack(network)
    beside = []
    for number, box in enumerate(stack.boxes):
        own, down = _fraction(box.symbol, box.theta), _fraction(box.symbol, box.below)
        beside.append(rf"${own}$" if number == 0 else rf"${own}, \qquad {down}$")
    return _draw(stack, beside, f"${_fraction('L', stack.boxes[-1].symbol)} = {stack.factor}$", 5.0, axes)


def draw_gradient(network: nn.Module, layer: int, axes: Axes | None = None) -> Axes:
    """Draws how the gradient by the parameters of one layer goes up through those above it.

    dh[j]/dtheta[j] is the layer's own; above it, dh[i]/dtheta[j] = dh[i]/dh[i-1] dh[i-1]/dtheta[j].

    Args:
        network: An `MLP` or a `SoftmaxClassifier` on hidden layers.
        layer: The layer j, 1 for the first hidden one, depth + 1 for the output layer.
        axes: Where to draw; a new figure of a fitting size by default.

    Raises:
        TypeError: If the network is neither.
        ValueError: If there is no such layer.

    Source: slides "Computing gradient (layerwise)". One of them calls the output layer's parameters theta[3]; here they
    are theta[y~] throughout.
    """
    stack = _stack(network)
    check_whole("layer", layer, 1, len(stack.boxes))
    theta = stack.boxes[layer - 1].theta
    beside = [""] * (layer - 1)
    for number, box in enumerate(stack.boxes[layer - 1 :]):
        product = f" = {_fraction(box.symbol, box.below)}\\,{_fraction(box.below, theta)}" if number else ""
        beside.append(f"${_fraction(box.symbol, theta)}{product}$")
    top = f"${_fraction('L', theta)} = {stack.factor}\\,{_fraction(stack.boxes[-1].symbol, theta)}$"
    return _draw(stack, beside, top, 5.6, axes)


def draw_any_layer(axes: Axes | None = None) -> Axes:
    """Draws layer i of any network, with its two derivatives, for the gradient by theta[j].

    Args:
        axes: Where to draw; a new figure of a fitting size by default.

    Source: slide "Computing gradient (layerwise)", "Each layer 'needs to know' just these two derivatives".
    """
    h, below, theta = r"\mathbf{h}^{[i]}", r"\mathbf{h}^{[i-1]}", rf"{THETA}^{{[j]}}"
    own = rf"{_fraction(h, theta)} = {_fraction(h, rf'{THETA}^{{[i]}}')}\quad (j = i)"
    product = rf"{_fraction(h, theta)} = {_fraction(h, below)}\,{_fraction(below, theta)}\quad (j < i)"
    axes = axes or _new_axes(7.4, 2.2)
    _draw_box(axes, "hidden", rf"${h}({below},\, {THETA}^{{[i]}})$", 1.1)
    for low, high in ((0.32, 1.1 - BOX_HEIGHT / 2), (1.1 + BOX_HEIGHT / 2, 1.88)):
        _draw_arrow(axes, low, high)
    for y in (0.2, 2.0):
        axes.text(BOX_WIDTH / 2, y, r"$\cdots$", ha="center", va="center", fontsize=13, color=INK)
    axes.text(BOX_WIDTH + 0.35, 1.5, f"${own}$", ha="left", va="center", fontsize=14, color=INK)
    axes.text(BOX_WIDTH + 0.35, 0.7, f"${product}$", ha="left", va="center", fontsize=14, color=INK)
    axes.text(BOX_WIDTH + 3.2, 1.1, "each layer\n'needs to know'\njust two derivatives", va="center", fontsize=11)
    return axes


def _stack(network: nn.Module) -> Stack:
    """What the boxes of a network say.

    Raises:
        TypeError: If it has no layers to tell apart.
    """
    affine = layers(network)
    boxes, below = [], r"\mathbf{x}"
    for number in range(1, len(affine)):
        symbol, index = rf"\mathbf{{h}}^{{[{number}]}}", str(number)
        added = f"{below} + " if affine[number - 1].skip else ""
        definition = rf"{symbol} :\!\!= {added}g(\mathbf{{W}}^{{[{index}]}} {below} + \mathbf{{b}}^{{[{index}]}})"
        boxes.append(Box("hidden", index, symbol, symbol, below, definition))
        below = symbol
    if isinstance(network, SoftmaxClassifier):
        logits = rf"\mathbf{{W}}_S {below} + \mathbf{{b}}_S"
        definition = rf"\mathbf{{p}} :\!\!= \dfrac{{\exp({logits})}}{{\sum\, \exp({logits})}}"
        boxes.append(Box("softmax", "S", r"\log \mathbf{p}", r"\mathbf{p}", below, definition))
        return Stack(
            boxes, r"L(\mathbf{p}, \mathbf{y}) = -\mathbf{y} \cdot \log \mathbf{p}", r"-\mathbf{y}^{\mathsf{T}}"
        )
    if len(affine[-1].bias) == 1:
        symbol, definition = r"\tilde{y}", rf"\tilde{{y}} :\!\!= \mathbf{{w}} \cdot {below} + b"
        boxes.append(Box("output", symbol, symbol, symbol, below, definition))
        return Stack(boxes, r"L(\tilde{y}, y) = (\tilde{y} - y)^2", r"2\,(\tilde{y} - y)")
    symbol = r"\tilde{\mathbf{y}}"
    boxes.append(Box("output", symbol, symbol, symbol, below, rf"{symbol} :\!\!= \mathbf{{W}} {below} + \mathbf{{b}}"))
    loss = rf"L({symbol}, \mathbf{{y}}) = |{symbol} - \mathbf{{y}}|^2"
    return Stack(boxes, loss, rf"2\,({symbol} - \mathbf{{y}})^{{\mathsf{{T}}}}")


def _draw(stack: Stack, beside: Sequence[str], top: str, width: float, axes: Axes | None) -> Axes:
    """The input, the boxes and the loss, one above the other, and what stands beside them."""
    height = STEP * (len(stack.boxes) + 1) + 0.5
    axes = axes or _new_axes(width, height)
    axes.text(BOX_WIDTH / 2, 0.15, r"$\mathbf{x}$", ha="center", va="center", fontsize=13, color=INK)
    start = 0.32
    for number, (box, text) in enumerate(zip([*stack.boxes, None], [*beside, top], strict=True)):
        y = 0.15 + STEP * (number + 0.82)
        _draw_arrow(axes, start, y - BOX_HEIGHT / 2)
        if box is None:
            _draw_box(axes, "loss", f"${stack.loss}$", y)
        else:
            _draw_box(axes, box.kind, rf"${box.name}({box.below},\, {box.theta})$", y)
        axes.text(BOX_WIDTH + 0.35, y, text, ha="left", va="center", fontsize=14, color=INK)
        start = y + BOX_HEIGHT / 2
    return axes


def _new_axes(width: float, height: float) -> Axes:
    """Axes in a figure of their own, in which lengths are inches."""
    axes = Figure(figsize=(width, height)).add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(-0.15, width - 0.15), ylim=(-0.1, height - 0.1))
    axes.set_axis_off()
    return axes


def _draw_box(axes: Axes, kind: str, text: str, y: float) -> None:
    """A box with what it says, at this height."""
    shape = "round,pad=0,rounding_size=0.1"
    corner = (0.0, y - BOX_HEIGHT / 2)
    fill = LAYER_FILLS[kind]
    axes.add_patch(FancyBboxPatch(corner, BOX_WIDTH, BOX_HEIGHT, boxstyle=shape, fc=fill, ec=INK, lw=1.1, zorder=3))
    axes.text(BOX_WIDTH / 2, y, text, ha="center", va="center", fontsize=13, color=INK, zorder=4)


def _draw_arrow(axes: Axes, low: float, high: float) -> None:
    """An arrow upwards into a box."""
    arrow = {"arrowstyle": "-|>", "color": INK, "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (BOX_WIDTH / 2, high), (BOX_WIDTH / 2, low), arrowprops=arrow)


def _fraction(of: str, by: str) -> str:
    """A partial derivative."""
    return rf"\dfrac{{\partial {of}}}{{\partial {by}}}"
