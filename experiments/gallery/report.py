"""Linear regions of trained classifiers, and of degenerate networks, in pictures.

    dlcourse -m experiment=gallery
    python experiments/gallery/report.py

Run from the root of the repository.
"""

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import torch
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from dlcourse import pieces
from dlcourse.networks import SoftmaxClassifier
from dlcourse.palette import CLASS_COLORS
from dlcourse.recording import Result
from experiments.shared import Row, measured, save_in_256_colours, trained, write_csv

FOLDER = Path(__file__).parent
LOW, HIGH = -1.15, 1.15  # the square around the spirals on which regions are counted and drawn


def main() -> None:
    """The table and the pictures into this folder."""
    draw_trained()
    draw_degenerate()


def classifier_of(result: Result) -> SoftmaxClassifier:
    """The trained network of a run."""
    classifier = SoftmaxClassifier(2, result.config["task.num_classes"], width=result.config["model.widths"])
    return trained(classifier, "gallery", result).double()


def row(result: Result, plane: pieces.OnPlane) -> Row:
    """What there is to say of a run."""
    return {
        "depth": result.config["model.depth"],
        "width": result.config["model.widths"][0],
        "parameters": result.metrics["num_parameters"],
        "seed": result.config["seed"],
        "accuracy": round(result.metrics["accuracy"], 4),
        "num_regions": plane.num_regions,
        "num_pieces": plane.num_pieces,
        "boundary_segments": len(plane.decision_boundary()),
    }


def draw_trained() -> None:
    """Depth against width, at one number of parameters: all runs as a table, the median of each depth drawn."""
    by_depth: dict[int, list[tuple[Result, pieces.OnPlane]]] = defaultdict(list)
    for result in measured("gallery", "model.depth", "seed"):
        plane = pieces.on_plane(classifier_of(result), LOW, HIGH)
        by_depth[result.config["model.depth"]].append((result, plane))
    write_csv(FOLDER / "regions.csv", [row(result, plane) for runs in by_depth.values() for result, plane in runs])
    figure = Figure(figsize=(3.2 * len(by_depth), 3.8), layout="constrained")
    for axes, (depth, runs) in zip(figure.subplots(1, len(by_depth)), by_depth.items(), strict=True):
        result, plane = sorted(runs, key=lambda run: run[1].num_regions)[(len(runs) - 1) // 2]
        plane.plot(axes)
        layers = f"{depth} hidden layer{'s' * (depth > 1)} of {result.config['model.widths'][0]} units"
        axes.set_title(f"{layers}\n{plane.num_regions:,} regions", fontsize=10)
        axes.set_axis_off()
    save(figure, "depth_on_spirals.png")


def default_network(sizes: list[int], seed: int) -> nn.Sequential:
    """As torch initializes it in float32, cast to float64."""
    torch.manual_seed(seed)
    layers = [layer for ends in pairwise(sizes) for layer in (nn.Linear(*ends), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).double()


@torch.no_grad()
def degenerate() -> dict[str, nn.Sequential]:
    """Networks whose units are zero together, and what is special about them."""
    copied = default_network([2, 16, 16, 1], 0)
    copied[0].weight[8:], copied[0].bias[8:] = copied[0].weight[:8], copied[0].bias[:8]
    without_biases = default_network([2, 16, 16, 1], 0)
    for layer in without_biases[::2]:
        layer.bias.zero_()
    integers = default_network([2, 8, 8, 1], 0)
    torch.manual_seed(3)
    directions = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]
    integers[0].weight.copy_(torch.tensor(directions))
    integers[0].bias.zero_()
    integers[2].weight.copy_(torch.randint(-2, 3, (8, 8)))
    integers[2].bias.copy_(torch.randint(-1, 2, (8,)))
    integers[4].weight.copy_(torch.randint(-2, 3, (1, 8)))
    integers[4].bias.zero_()
    return {
        "half of a layer copies the other": copied,
        "all biases are 0": without_biases,
        "small integer weights": integers,
    }


def draw_degenerate() -> None:
    """Every linear piece in a colour; what parts regions but not pieces is dotted."""
    networks = degenerate()
    figure = Figure(figsize=(3.2 * len(networks), 3.8), layout="constrained")
    panels = figure.subplots(1, len(networks))
    for (description, network), axes in zip(networks.items(), panels, strict=True):
        plane = pieces.on_plane(network, -1.0, 1.0)
        polygons = [plane.polygon(region) for region in range(plane.num_regions)]
        colours = [to_rgba(CLASS_COLORS[piece % len(CLASS_COLORS)], alpha=0.45) for piece in plane.piece_of_region]
        axes.add_collection(PolyCollection(polygons, facecolors=colours))
        inner = plane.edge_regions[:, 1] >= 0
        sides = plane.piece_of_region[plane.edge_regions[inner]]
        bends = sides[:, 0] != sides[:, 1]
        segments = plane.vertices[plane.edges[inner]]
        axes.add_collection(LineCollection(list(segments[bends]), colors="black", linewidths=0.9, capstyle="round"))
        axes.add_collection(LineCollection(list(segments[~bends]), colors="black", linewidths=1.2, linestyles=":"))
        axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
        axes.set_title(f"{description}\n{plane.num_regions} regions, {plane.num_pieces} linear pieces", fontsize=10)
        axes.set_axis_off()
    save(figure, "degenerate.png")


def save(figure: Figure, name: str) -> None:
    """Into this folder, cut to what is drawn."""
    path, method = FOLDER / name, Image.Quantize.MEDIANCUT
    save_in_256_colours(figure, path, method=method, bbox_inches="tight", pad_inches=0.05)


if __name__ == "__main__":
    main()
