"""The pictures that explain the rooms of `dlcourse/pieces`: one network of two layers on a square.

    python experiments/gallery/rooms.py

Run from the root of the repository.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.arithmetic.maps import output_maps
from dlcourse.pieces.line.segment import count_on_lines
from dlcourse.pieces.reading import read
from experiments.shared import Colour, save

ROOMS = Path("dlcourse/pieces")
START, END = np.array([-1.0, -1.0]), np.array([1.0, -1.0])  # the lower side of the square
LAYER_COLORS = (Colour.BLUE, Colour.ORANGE)


def main() -> None:
    """Every picture into its room."""
    network = two_layers()
    save(on_a_segment(network), ROOMS / "line" / "two_layers.png")
    save(in_a_square(network), ROOMS / "box" / "two_layers.png")
    save(errors(two_layers(3.0)), ROOMS / "arithmetic" / "two_layers.png")


def two_layers(divisor: float = 1.0) -> nn.Sequential:
    """relu(x - 1/2) and relu(x - 2 y), two units that take these, and their sum; divided, layer after layer."""
    numbers = [
        ([[1.0, 0.0], [1.0, -2.0]], [-0.5, 0.0]),
        ([[1.0, 1.0], [-3.0, -1.0]], [-1.5, 2.0]),
        ([[1.0, 1.0]], [0.0]),
    ]
    modules: list[nn.Module] = []
    for depth, (weight, bias) in enumerate(numbers, start=1):
        layer = nn.Linear(2, len(bias), dtype=torch.float64)
        layer.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64) / divisor)
        layer.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64) / divisor**depth)
        modules += [layer, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def on_a_segment(network: nn.Module) -> Figure:
    """Pre-activations of both layers along the lower side, with their zeros, and the output."""
    layers = read(network, (2,))
    t = np.linspace(0, 1, 401)
    values = (START + t[:, None] * (END - START)).T
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for index, (axes, layer) in enumerate(zip(figure.subplots(1, 3), layers, strict=True)):
        values = layer.weight[0] @ values + layer.bias[0][:, None]
        earlier = cuts(layers, index)
        for at in earlier:
            axes.axvline(
                at, color=LAYER_COLORS[0] if at in cuts(layers, 1) else LAYER_COLORS[1], linewidth=0.8, zorder=0
            )
        axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
        axes.plot(t, values.T, color=Colour.BLACK, linewidth=1)
        if index < 2:
            new = [at for at in cuts(layers, index + 1) if at not in earlier]
            axes.plot(new, np.zeros(len(new)), "o", color=LAYER_COLORS[index], markersize=5)
        axes.set(xlim=(0, 1), xlabel="t", title=f"layer {index + 1}" if index < 2 else "output")
        values = np.maximum(values, 0)
    return figure


def cuts(layers: list, num_layers: int) -> list[float]:
    """Where the first layers cut the lower side."""
    if num_layers == 0:
        return []
    ends = START[None, None], END[None, None]
    return count_on_lines(layers[:num_layers], *ends, (2,), 1000).line(0, 0).region_breakpoints.tolist()


def in_a_square(network: nn.Sequential) -> Figure:
    """Vertices and edges before the first unit, after the first layer and after the second one."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    first = network[:3]
    affine = nn.Linear(2, 1, dtype=torch.float64)
    for axes, (title, part) in zip(
        figure.subplots(1, 3),
        (("the box", affine), ("after layer 1", first), ("after layer 2", network)),
        strict=True,
    ):
        box = pieces.in_box(part, [-1, -1], [1, 1])
        walls = box._subdivision.on
        first_wall = box._subdivision.first_wall
        owner = np.searchsorted(first_wall, walls.max(axis=0), side="right") - 1
        axes.add_collection(LineCollection(box.vertices[box.edges], colors="0.55", linewidths=0.8))
        for layer, color in ((-1, Colour.BLACK), (0, LAYER_COLORS[0]), (1, LAYER_COLORS[1])):
            axes.plot(*box.vertices[owner == layer].T, "o", color=color, markersize=4)
        axes.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), aspect="equal", xticks=[], yticks=[])
        num_faces = [len(box.vertices), len(box.edges), box.num_regions]
        axes.set_title(f"{title}: {num_faces[0]} - {num_faces[1]} + {num_faces[2]} = 1", fontsize=10)
    return figure


def errors(network: nn.Module) -> Figure:
    """What the maps of all regions are off by, and the bounds for it."""
    plane = pieces.on_plane(network, -1, 1)
    layers = read(network, (2,))
    maps = output_maps(layers, plane._patterns, plane.num_regions)
    off = [distance(layers, plane.pattern(region), maps.weight[region, 0]) for region in range(plane.num_regions)]
    bound = maps.weight_error[:, 0]
    figure = Figure(figsize=(6, 2.8), layout="constrained")
    axes = figure.subplots()
    order = np.argsort(np.abs(maps.weight[:, 0]).sum(axis=1))
    axes.plot(bound[order], "_", color=Colour.RED, label="bound")
    axes.plot(np.array(off)[order], "o", color=Colour.BLUE, markersize=4, label="error, in fractions")
    axes.set(xlabel="regions, by the size of their slopes", xticks=[], ylabel="2-norm", yscale="symlog")
    axes.set_yscale("symlog", linthresh=1e-17)
    axes.set_ylim(-2e-18, 1e-14)
    axes.legend(loc="upper left", ncols=2)
    return figure


def distance(layers: list, pattern: list[np.ndarray], weight: np.ndarray) -> float:
    """How far a region's slopes are from those of the stored numbers."""
    exact = [[Fraction(int(row == column)) for column in range(2)] for row in range(2)]
    for layer, positive in zip(layers, [*pattern, None], strict=True):
        numbers = [[Fraction(number) for number in row] for row in layer.weight[0].tolist()]
        exact = [[sum(w * x[i] for w, x in zip(row, exact, strict=True)) for i in range(2)] for row in numbers]
        if positive is not None:
            exact = [row if on else [Fraction(0)] * 2 for on, row in zip(positive, exact, strict=True)]
    return float(sum((Fraction(a) - b) ** 2 for a, b in zip(weight.tolist(), exact[0], strict=True))) ** 0.5


if __name__ == "__main__":
    main()
