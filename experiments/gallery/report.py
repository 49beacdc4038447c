"""Linear regions of trained classifiers, and of degenerate networks, in pictures.

    dlcourse -m experiment=gallery
    python experiments/gallery/report.py

Run from the root of the repository.
"""

import statistics
from collections.abc import Mapping, Sequence
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
from dlcourse.recording import Result, cells
from experiments.shared import Row, fill, measured, read_csv, save_in_256_colours, table, trained, write_csv

FOLDER = Path(__file__).parent
LOW, HIGH = -1.15, 1.15  # the square around the spirals on which regions are counted and drawn
RATES = ("0.001", "0.003", "0.01", "0.03")
STARTS = ("torch", "he")  # the initialisations

Read = Mapping[str, str]


def main() -> None:
    """The table and the pictures into this folder, and numbers into its page."""
    draw_trained()
    draw_degenerate()
    fill(FOLDER / "README.md", numbers())


def classifier_of(result: Result) -> SoftmaxClassifier:
    """The trained network of a run."""
    classifier = SoftmaxClassifier(2, result.config["task.num_classes"], width=result.config["model.widths"])
    return trained(classifier, "gallery", result).double()


def row(result: Result, plane: pieces.OnPlane, is_judged: bool) -> Row:
    """What there is to say of a run; judged are those at what suits a depth, chosen on the other seeds."""
    return {
        "depth": result.config["model.depth"],
        "width": result.config["model.widths"][0],
        "parameters": result.metrics["num_parameters"],
        "initialization": result.config["model.initialization"],
        "rate": result.config["optimizer.rate"],
        "seed": result.config["seed"],
        "judged": is_judged,
        "accuracy": round(result.metrics["accuracy"], 4),
        "num_regions": plane.num_regions,
        "num_pieces": plane.num_pieces,
        "boundary_segments": len(plane.decision_boundary()),
    }


def numbers() -> dict[str, str]:
    """What the page says, from the table beside it."""
    rows = read_csv(FOLDER / "regions.csv")
    by_depth = {
        depth: [row for row in rows if row["depth"] == depth] for depth in dict.fromkeys(r["depth"] for r in rows)
    }
    judged = {depth: [row for row in of_depth if row["judged"] == "True"] for depth, of_depth in by_depth.items()}
    medians = {
        (depth, start, rate): median(
            [row for row in of_depth if (row["initialization"], row["rate"]) == (start, rate)], "num_regions"
        )
        for depth, of_depth in by_depth.items()
        for start in STARTS
        for rate in RATES
    }
    said = {
        "table": table([depth_row(runs) for runs in judged.values()]),
        "rates": table(
            [
                {
                    "from": start,
                    "depth": depth,
                    **{f"rate {rate}": f"{medians[depth, start, rate]:,.0f}" for rate in RATES},
                }
                for start in STARTS
                for depth in by_depth
            ]
        ),
        "worst": f"{min(float(row['accuracy']) for runs in judged.values() for row in runs):.3f}",
        "shallow": f"{median(judged['1'], 'num_regions'):,.0f}",
        "shallow-most": str(
            sum(
                medians["1", start, rate] == max(medians[depth, start, rate] for depth in by_depth)
                for start in STARTS
                for rate in RATES
            )
        ),
        "settings-tried": str(len(STARTS) * len(RATES)),
    }
    others = [median(runs, "num_regions") for depth, runs in judged.items() if depth != "1"]
    said["deep"] = f"{min(others):,.0f} to {max(others):,.0f}"
    for depth, runs in judged.items():
        fewer = sum(int(row["num_pieces"]) < int(row["num_regions"]) for row in runs)
        said[f"fewer-pieces-{depth}"] = f"{fewer} of {len(runs)}"
    return said


def median(rows: Sequence[Read], column: str) -> float:
    """The median of one column."""
    return statistics.median(float(row[column]) for row in rows)


def depth_row(runs: Sequence[Read]) -> Row:
    """One depth, as the page has it: medians, and the range of the number of regions."""
    depth, width = int(runs[0]["depth"]), int(runs[0]["width"])
    regions = [int(row["num_regions"]) for row in runs]
    return {
        "depth": depth,
        "width": width,
        "parameters": runs[0]["parameters"],
        "N": depth * width,
        "accuracy": f"{median(runs, 'accuracy'):.3f}",
        "rate and initialisation": ", ".join(dict.fromkeys(f"{row['rate']} {row['initialization']}" for row in runs)),
        "regions": f"{median(runs, 'num_regions'):,.0f} ({min(regions):,} to {max(regions):,})",
        "regions / (N^2 / 2)": f"{median(runs, 'num_regions') / ((depth * width) ** 2 / 2):.2f}",
        "segments of the boundary": f"{median(runs, 'boundary_segments'):,.0f}",
    }


def draw_trained() -> None:
    """Depth against width, at one number of parameters: all runs as a table, the median of each depth drawn."""
    results = measured("gallery", "model.depth", "model.initialization", "optimizer.rate", "seed")
    planes = {result.run: pieces.on_plane(classifier_of(result), LOW, HIGH) for result in results}
    found = sorted(cells(results), key=lambda cell: cell.depth)
    judged = {result.run for cell in found for result in cell.results}
    rows = [row(result, planes[result.run], result.run in judged) for result in results]
    write_csv(FOLDER / "regions.csv", rows)
    figure = Figure(figsize=(3.2 * len(found), 3.8), layout="constrained")
    for axes, cell in zip(figure.subplots(1, len(found)), found, strict=True):
        runs = sorted(cell.results, key=lambda result: planes[result.run].num_regions)
        plane = planes[runs[(len(runs) - 1) // 2].run]
        plane.plot(axes)
        layers = f"{cell.depth} hidden layer{'s' * (cell.depth > 1)} of {cell.width} units"
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
