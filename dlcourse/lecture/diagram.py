"""A network as its units and edges: inputs on the left, outputs on the right."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from dlcourse.layerwise import layers
from dlcourse.networks import SoftmaxClassifier
from dlcourse.palette import DATA_COLOR, INK, LAYER_FILLS, NETWORK_COLOR

MOST_UNITS = 16
"""More units in a layer are not drawn: nobody could tell their edges apart."""

RADIUS, COLUMN_DISTANCE = 0.34, 2.4
"""Sizes in units of the distance of two units in a layer."""


def draw_network(network: nn.Module, axes: Axes | None = None) -> Axes:
    """Draws every unit of a network as a circle and every weight as an edge; layers are named as on the slides.

    An `MLP` ends in its output y~; of a `SoftmaxClassifier`, the logits go through the softmax, which gives a
    probability for each class. Where a layer adds its input to its output, thick edges show which unit goes where.

    Args:
        network: An `MLP` or a `SoftmaxClassifier` on hidden layers.
        axes: Where to draw; a new figure of a fitting size by default (`axes.figure.savefig(...)`).

    Raises:
        TypeError: If the network is neither.
        ValueError: If a layer has more than `MOST_UNITS` units.

    Source: the pictures of the slides "Shallow vs. Deep Feed-Forward Neural Networks" and "Classification: Softmax".
    """
    affine = layers(network)
    sizes = [affine[0].weight.shape[1], *(len(layer.bias) for layer in affine)]
    if max(sizes) > MOST_UNITS:
        raise ValueError(f"a network that is drawn must have at most {MOST_UNITS} units in a layer, got {max(sizes)}")
    classifies = isinstance(network, SoftmaxClassifier)
    figure = Figure() if axes is None else None
    axes = figure.add_subplot() if figure else axes
    assert axes is not None

    places = [_places(size, COLUMN_DISTANCE * number) for number, size in enumerate(sizes)]
    fills = [LAYER_FILLS[kind] for kind in ("input", *["hidden"] * (len(sizes) - 2), "output")]
    for layer, (column, fill) in enumerate(zip(places, fills, strict=True)):
        _draw_units(axes, column, fill)
        for unit, (x, y) in enumerate(column, start=1):
            symbol = _symbol(layer, unit, sizes, classifies)
            axes.text(x, y, symbol, ha="center", va="center", fontsize=11, color=INK, zorder=4)
    top, bottom = max(sizes) / 2 + 0.1, -max(sizes) / 2 - 0.25
    for number, (left, right) in enumerate(pairwise(places)):
        edges = [(start, end) for start in left for end in right]
        axes.add_collection(LineCollection(edges, colors=DATA_COLOR, linewidths=0.9, zorder=1))
        if affine[number].skip:
            axes.add_collection(
                LineCollection(list(zip(left, right, strict=True)), colors=NETWORK_COLOR, linewidths=2.4)
            )
        middle = COLUMN_DISTANCE * (number + 0.5)
        axes.text(middle, top, _parameters(number + 1, sizes, classifies), ha="center", va="bottom", fontsize=11)
    names = ["inputs", *["units"] * (len(sizes) - 2), "logits" if classifies else "outputs"]
    for column, size, name in zip(places, sizes, names, strict=True):
        said = f"{size} {name.removesuffix('s') if size == 1 else name}"
        axes.text(column[0][0], bottom, said, ha="center", va="top", fontsize=9, color=INK)
    right_end = COLUMN_DISTANCE * (len(sizes) - 1) + RADIUS
    right_end = _draw_softmax(axes, places[-1]) if classifies else right_end
    axes.set(aspect="equal", xlim=(-0.8, right_end + 0.45), ylim=(bottom - 0.4, top + 0.55))
    axes.set_axis_off()
    if figure:
        figure.set_size_inches(0.62 * (right_end + 1.25), 0.62 * (top - bottom + 0.95))
        axes.set_position((0.0, 0.0, 1.0, 1.0))
    return axes


def _places(size: int, x: float) -> np.ndarray:
    """The centres of a layer's units, from the top down, `[size, 2]`."""
    heights = (size - 1) / 2 - np.arange(size)
    return np.stack([np.full(size, x), heights], axis=1)


def _draw_units(axes: Axes, places: np.ndarray, fill: str) -> None:
    """Circles at these places."""
    size = np.full(len(places), 2 * RADIUS)
    # One collection a layer: an SVG file then has the circle's path once.
    circles = EllipseCollection(
        size, size, np.zeros(len(places)), units="xy", offsets=places, offset_transform=axes.transData, facecolors=fill,
        edgecolors=INK, linewidths=1.1, zorder=3,
    )  # fmt: skip
    axes.add_collection(circles)


def _symbol(layer: int, unit: int, sizes: list[int], classifies: bool) -> str:
    """What is written into a unit; both are counted from 1, but for the inputs, which are layer 0."""
    if layer == 0:
        return f"$x_{{{unit}}}$"
    if layer < len(sizes) - 1:
        # With one hidden layer there is no layer to number.
        return f"$h_{{{unit}}}$" if len(sizes) == 3 else f"$h^{{[{layer}]}}_{{{unit}}}$"
    if classifies:
        return f"$z_{{{unit}}}$"
    return r"$\tilde{y}$" if sizes[-1] == 1 else rf"$\tilde{{y}}_{{{unit}}}$"


def _parameters(number: int, sizes: list[int], classifies: bool) -> str:
    """The parameters of a layer, as the slides name them."""
    if number == len(sizes) - 1:
        if classifies:
            return r"$\mathbf{W}_S,\ \mathbf{b}_S$"
        return r"$\mathbf{w},\ b$" if sizes[-1] == 1 else r"$\mathbf{W},\ \mathbf{b}$"
    index = "" if len(sizes) == 3 else f"^{{[{number}]}}"
    return rf"$\mathbf{{W}}{index},\ \mathbf{{b}}{index}$"


def _draw_softmax(axes: Axes, logits: np.ndarray) -> float:
    """The softmax as a box that takes all logits, and a probability for each class; where the picture ends."""
    left, width = logits[0][0] + 1.0, 0.62
    low, high = logits[-1][1] - 0.4, logits[0][1] + 0.4
    shape = "round,pad=0,rounding_size=0.12"
    box = FancyBboxPatch(
        (left, low), width, high - low, boxstyle=shape, fc=LAYER_FILLS["softmax"], ec=INK, lw=1.1, zorder=3
    )
    axes.add_patch(box)
    axes.text(
        left + width / 2, (low + high) / 2, "softmax", rotation=90, ha="center", va="center", fontsize=10, zorder=4
    )
    ends = left + width + 0.45
    for number, (x, y) in enumerate(logits, start=1):
        axes.plot([x, left], [y, y], color=INK, lw=0.9, zorder=1)
        axes.plot([left + width, ends], [y, y], color=INK, lw=0.9, zorder=1)
        axes.text(ends + 0.1, y, rf"$P(\tilde{{y}} = {number}\,|\,\mathbf{{x}})$", va="center_baseline", fontsize=11)
    return float(ends + 1.9)
