"""The linear regions of trained classifiers, and of degenerate networks, as pictures.

    python experiments/gallery/report.py

Trains what it draws; about ten seconds.
"""

import csv
import io
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from dlcourse import pieces
from dlcourse.networks import SoftmaxClassifier, num_parameters, stack, unstack
from dlcourse.pieces.plotting import CLASS_COLOURS
from dlcourse.tasks import Spirals
from dlcourse.training import Adam, Batches, train

WIDTHS = {1: 83, 2: 19, 3: 14, 5: 10}  # by depth; 497 to 507 parameters
SEEDS = range(5)
TASK = Spirals(num_classes=3, noise=0.02, num_train=2000, turns=1.25)
OPTIMIZER, NUM_STEPS, BATCH_SIZE = Adam(rate=0.01, schedule="cosine"), 6000, 64
LOW, HIGH = -1.15, 1.15
FOLDER = Path(__file__).parent


def trained(depth: int) -> list[nn.Module]:
    """Networks of one architecture, one for each seed."""
    members = [
        SoftmaxClassifier(2, 3, width=WIDTHS[depth], depth=depth, generator=torch.Generator().manual_seed(seed))
        for seed in SEEDS
    ]
    data = [TASK.data(seed=seed) for seed in SEEDS]
    inputs, targets = (torch.stack([getattr(one, name) for one in data]) for name in ("train_inputs", "train_targets"))
    batches = Batches(SEEDS, inputs, targets, batch_size=BATCH_SIZE)
    *_, last = train(stack(members), batches, loss=TASK.loss, optimizer=OPTIMIZER, num_steps=NUM_STEPS)
    return [network.double() for network in unstack(last.members)]


def accuracy(network: nn.Module, seed: int) -> float:
    data = TASK.data(seed=seed)
    return (network(data.test_inputs).argmax(dim=1) == data.test_targets.argmax(dim=1)).double().mean().item()


def save(figure: Figure, name: str) -> None:
    """As a PNG of 256 colours: a third of the bytes."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100, bbox_inches="tight", pad_inches=0.05)
    Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)


def draw_trained() -> None:
    """Depth against width, at one number of parameters: the regions of the first seed, and a table of all seeds."""
    figure, panels = plt.subplots(1, len(WIDTHS), figsize=(3.2 * len(WIDTHS), 3.8), layout="constrained")
    rows = []
    for (depth, width), axes in zip(WIDTHS.items(), panels, strict=True):
        for seed, network in zip(SEEDS, trained(depth), strict=True):
            plane = pieces.on_plane(network, LOW, HIGH)
            rows.append(
                {
                    "depth": depth,
                    "width": width,
                    "parameters": num_parameters(network),
                    "seed": seed,
                    "accuracy": round(accuracy(network, seed), 4),
                    "num_regions": plane.num_regions,
                    "num_pieces": plane.num_pieces,
                    "boundary_segments": len(plane.decision_boundary()),
                }
            )
            if seed == 0:
                plane.plot(axes)
                layers = f"{depth} hidden layer{'s' * (depth > 1)} of {width} units"
                axes.set_title(f"{layers}\n{plane.num_regions:,} regions", fontsize=10)
                axes.set_axis_off()
    save(figure, "depth_on_spirals.png")
    with (FOLDER / "regions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


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
    figure, panels = plt.subplots(1, len(networks), figsize=(3.2 * len(networks), 3.8), layout="constrained")
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    draw_trained()
    draw_degenerate()
