"""Linear regions of trained classifiers, and of degenerate networks, in pictures.

    dlcourse -m experiment=gallery
    python experiments/gallery/report.py

Run from the root of the repository.
"""

import csv
import io
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import matplotlib
import torch
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from dlcourse import pieces
from dlcourse.networks import SoftmaxClassifier
from dlcourse.pieces.plotting import CLASS_COLOURS
from dlcourse.recording import Result, results_of

matplotlib.use("Agg")

FOLDER, RUNS = Path(__file__).parent, Path("outputs") / "gallery"
LOW, HIGH = -1.15, 1.15  # the square around the spirals on which regions are counted and drawn


def network(result: Result) -> SoftmaxClassifier:
    """The trained network of a run."""
    classifier = SoftmaxClassifier(2, result.config["task.num_classes"], width=result.config["model.widths"])
    classifier.load_state_dict(torch.load(RUNS / result.run / "model.pt", weights_only=True))
    return classifier.double()


def save(figure: Figure, name: str) -> None:
    """As a PNG of 256 colours: a third of the bytes."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100, bbox_inches="tight", pad_inches=0.05)
    Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)


def row(result: Result, plane: pieces.OnPlane) -> dict[str, int | float]:
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


def draw_trained(results: list[Result]) -> None:
    """Depth against width, at one number of parameters: all runs as a table, the median of each depth drawn."""
    by_depth: dict[int, list[tuple[dict[str, int | float], pieces.OnPlane]]] = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.config["model.depth"], result.config["seed"])):
        plane = pieces.on_plane(network(result), LOW, HIGH)
        by_depth[result.config["model.depth"]].append((row(result, plane), plane))
    with (FOLDER / "regions.csv").open("w", newline="") as file:
        rows = [row for runs in by_depth.values() for row, _ in runs]
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    figure = Figure(figsize=(3.2 * len(by_depth), 3.8), layout="constrained")
    for axes, (depth, runs) in zip(figure.subplots(1, len(by_depth)), by_depth.items(), strict=True):
        shown, plane = sorted(runs, key=lambda run: run[1].num_regions)[(len(runs) - 1) // 2]
        plane.plot(axes)
        layers = f"{depth} hidden layer{'s' * (depth > 1)} of {shown['width']} units"
        axes.set_title(f"{layers}\n{plane.num_regions:,} regions", fontsize=10)
        axes.set_axis_off()
    save(figure, "depth_on_spirals.png")


def default_network(sizes: list[int], seed: int) -> nn.Sequential:
    """As torch initializes it in float32, cast to float64."""
    torch.manual_seed(seed)
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
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
    first = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]
    integers[0].weight.copy_(torch.tensor(first))
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
    for (what, network), axes in zip(networks.items(), panels, strict=True):
        plane = pieces.on_plane(network, -1.0, 1.0)
        polygons = [plane.polygon(region) for region in range(plane.num_regions)]
        colours = [to_rgba(CLASS_COLOURS[piece % len(CLASS_COLOURS)], alpha=0.45) for piece in plane.piece_of_region]
        axes.add_collection(PolyCollection(polygons, facecolors=colours))
        inner = plane.edge_regions[:, 1] >= 0
        sides = plane.piece_of_region[plane.edge_regions[inner]]
        bends = sides[:, 0] != sides[:, 1]
        segments = plane.vertices[plane.edges[inner]]
        axes.add_collection(LineCollection(list(segments[bends]), colors="black", linewidths=0.9, capstyle="round"))
        axes.add_collection(LineCollection(list(segments[~bends]), colors="black", linewidths=1.2, linestyles=":"))
        axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
        axes.set_title(f"{what}\n{plane.num_regions} regions, {plane.num_pieces} linear pieces", fontsize=10)
        axes.set_axis_off()
    save(figure, "degenerate.png")


def main() -> None:
    results = results_of(RUNS)
    draw_trained(results)
    draw_degenerate()


if __name__ == "__main__":
    main()
