"""The network drawn: its units, and its weights as edges that change in training."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from dlcourse.layerwise import Layer, layers
from dlcourse.palette import INK, LAYER_FILLS, NETWORK_COLOR, TARGET_COLOR
from dlcourse.tensorboard_tab.axes import figure
from dlcourse.tensorboard_tab.raster import Raster, image, rgb
from dlcourse.tensorboard_tab.scene import Moment, Scene, counted

PIXELS = 560

MOST_UNITS = 64
"""Of larger layers so many units are drawn, evenly apart."""

LOW, HIGH = (-0.6, -0.6), (10.6, 11.6)
"""The corners of the picture: layers stand from 0 to 10, units from 0 to 11."""

WIDEST = 3.5
"""Pixels of the strongest edge of a layer."""

SHADES = 10
"""So many shades of each colour, the strongest edges being the darkest."""

SILENT = ("#ffffff", "#b0b0b0")
"""Fill and edge of a unit that says the same whatever the input."""


def diagram(networks: Sequence[nn.Module], inputs: Float[Tensor, "items in_features"] | None) -> Scene | None:
    """Every unit as a disc and every weight as an edge, the stronger the wider: blue if positive, orange if negative.

    Widths are relative to the strongest weight that the layer has in the whole film. Hidden units that have the same
    output for all of the inputs are hollow: the network makes nothing of them, and a ReLU that is 0 everywhere does not
    learn any more.

    Args:
        networks: All that will be shown.
        inputs: The training inputs; None if they are not known: then no unit is hollow.

    Returns:
        The scene; None for a network that is no chain of layers.
    """
    try:
        films = [layers(network) for network in networks]
    except TypeError:
        return None
    strongest = [_strongest([film[index].weight for film in films]) for index in range(len(films[0]))]
    sizes = [films[0][0].weight.shape[1], *(len(layer.bias) for layer in films[0])]
    columns = [_column(index, len(sizes), size) for index, size in enumerate(sizes)]
    names = ["inputs", *["units"] * (len(sizes) - 2), "outputs"]
    labels = [_label(size, name) for size, name in zip(sizes, names, strict=True)]
    hidden = {"showgrid": False, "zeroline": False, "ticks": "", "showline": False, "constrain": "domain"}
    still = figure(
        _legend(),
        "network",
        x={**hidden, "range": [LOW[0], HIGH[0]], "tickvals": [column[0, 0] for column in columns], "ticktext": labels},
        y={**hidden, "range": [LOW[1], HIGH[1]], "showticklabels": False, "scaleanchor": "x"},
    )
    still["layout"]["images"] = [image(LOW, HIGH)]

    def at(network: nn.Module) -> Moment:
        film = layers(network)
        if not all(value.isfinite().all() for layer in film for value in (layer.weight, layer.bias)):
            return Moment(layout={"images[0].source": ""})
        silent = (
            [torch.zeros(size, dtype=torch.bool) for size in sizes[1:-1]] if inputs is None else _silent(film, inputs)
        )
        num = sum(int(each.sum()) for each in silent)
        said = [] if inputs is None or not silent else [f"{num} of {counted(sum(sizes[1:-1]), 'unit')} silent"]
        return Moment(layout={"images[0].source": _picture(film, columns, strongest, silent)}, said=said)

    return Scene("network", still, at)


def _picture(
    film: Sequence[Layer],
    columns: Sequence[Float[np.ndarray, "units 2"]],
    strongest: Sequence[float],
    silent: Sequence[Tensor],
) -> str:
    """The picture of a network."""
    raster = Raster(LOW, HIGH, PIXELS)
    for layer, most, (left, right) in zip(film, strongest, pairwise(columns), strict=True):
        rows, inputs = (_shown(size) for size in layer.weight.shape)
        weights = (layer.weight[rows][:, inputs] / most).double().numpy()
        order = np.argsort(np.abs(weights), axis=None)  # the strongest are drawn last, over the others
        strengths = weights.ravel()[order]
        ends = np.stack([left[order % len(inputs)], right[order // len(inputs)]], 1)
        shades = [
            [rgb(color, 1 - share / SHADES) for share in range(SHADES + 1)] for color in (TARGET_COLOR, NETWORK_COLOR)
        ]
        levels = np.round(SHADES * np.minimum(1.0, 0.15 + np.abs(strengths))).astype(int)
        colors = [shades[sign][level] for sign, level in zip((strengths > 0).tolist(), levels.tolist(), strict=True)]
        raster.lines(ends, colors, WIDEST * np.abs(strengths))
    off = [torch.zeros(len(columns[0]), dtype=torch.bool), *silent, torch.zeros(len(columns[-1]), dtype=torch.bool)]
    kinds = ["input", *["hidden"] * len(silent), "output"]
    for column, kind, is_off in zip(columns, kinds, off, strict=True):
        each = is_off[_shown(len(is_off))].tolist()
        fills = [rgb(SILENT[0]) if is_silent else rgb(LAYER_FILLS[kind]) for is_silent in each]
        edges = [rgb(SILENT[1]) if is_silent else rgb(INK) for is_silent in each]
        raster.discs(column, min(11.0, 200.0 / len(column)), fills, edges)
    return raster.source()


def _legend() -> list[dict[str, Any]]:
    """What the picture's colours mean, as traces without points."""
    nothing = {"type": "scatter", "x": [None], "y": [None]}
    lines = {"positive weight": NETWORK_COLOR, "negative weight": TARGET_COLOR}
    fill, edge = SILENT
    disc = {"color": fill, "size": 12, "line": {"color": edge, "width": 1.5}}
    return [
        *(
            {**nothing, "mode": "lines", "name": name, "line": {"color": color, "width": 3}}
            for name, color in lines.items()
        ),
        {**nothing, "mode": "markers", "name": "silent unit", "marker": disc},
    ]


def _silent(film: Sequence[Layer], inputs: Float[Tensor, "items in_features"]) -> list[Tensor]:
    """For each hidden layer which units have one and the same output for all inputs."""
    h = inputs
    found = []
    for layer in film[:-1]:
        h = torch.vmap(layer.output)(h)
        found.append((h == h[0]).all(0))
    return found


def _strongest(weights: Sequence[Tensor]) -> float:
    """The largest absolute value of some weights, of those that are finite."""
    return float(torch.stack(list(weights)).abs().nan_to_num(0.0, 0.0).max()) or 1.0


def _shown(size: int) -> list[int]:
    """Which units of a layer are drawn."""
    return list(range(size)) if size <= MOST_UNITS else [index * size // MOST_UNITS for index in range(MOST_UNITS)]


def _column(index: int, num: int, size: int) -> Float[np.ndarray, "units 2"]:
    """Where the units of a layer stand, the first one on top."""
    shown = len(_shown(size))
    gap = min(1.4, 11.0 / max(shown - 1, 1))
    heights = 5.5 + gap * ((shown - 1) / 2 - np.arange(shown))
    return np.stack([np.full(shown, 10.0 * index / (num - 1)), heights], 1)


def _label(size: int, name: str) -> str:
    """What stands below a layer."""
    said = counted(size, name.removesuffix("s"))
    return said if size <= MOST_UNITS else f"{said}<br>({MOST_UNITS} drawn)"
