"""How the number of linear pieces moves during training, on the zig-zag and on MNIST.

    dlcourse -m experiment=depth_vs_width_zigzag
    dlcourse -m experiment=pieces_of_mnist
    dlcourse -m experiment=planes_of_images
    python experiments/pieces_during_training/report.py

Run from the root of the repository.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.measurements import PlanesOfImages
from dlcourse.recording import Result, quartiles, read_log, results_of
from dlcourse.recording.figures import CLASS_COLORS

SOLVED = 0.001  # mean squared error on the zig-zag
ZIGZAG_STEPS = (0, 100, 300, 1000, 3000, 10000)
SWEEP_STEPS = (0, 100, 300, 1000, 2000)

WIDTHS = ([96], [32] * 3, [16] * 6)
NUM_UNITS = 96
INITIALIZATIONS = ("he", "torch")
SEEDS = range(5)
STEPS = (0, 10, 30, 100, 300, 1000, 3000)

# The network of the picture is trained once more: a measurement leaves numbers only.
DRAWN, DRAWN_STEPS = {"widths": [32] * 3, "initialization": "he", "seed": 0}, (0, 3000)
FOLDER = Path(__file__).parent
COLOURS = {1: "#3f90da", 2: "#ffa90e", 3: "#bd1f01", 4: "#832db6", 5: "#a96b59", 6: "#222222"}
Row = dict[str, Any]


def main() -> None:
    """Tables and figures into this folder."""
    zigzag, sweep = curves("depth_vs_width_zigzag"), curves("pieces_of_mnist")
    write("zigzag.csv", sweep_rows(zigzag, ZIGZAG_STEPS))
    write("mnist_lines.csv", sweep_rows(sweep, SWEEP_STEPS))
    save(zigzag_figure(zigzag), "zigzag.png")
    networks = results_of(Path("outputs/planes_of_images"))
    rows = sorted((row for result in networks for row in counted(result)), key=place)
    write("mnist_planes.csv", rows)
    save(mnist_figure(sweep, rows), "mnist.png")
    drawn = next(result.config for result in networks if result.config.items() >= DRAWN.items())
    settings = {key: value for key, value in drawn.items() if key != "measurement"}
    save(plane_figure(PlanesOfImages(**settings)), "plane_of_images.png")


Curves = dict[tuple[int, int], list[tuple[bool, dict[int, float]]]]


def curves(experiment: str) -> Curves:
    """(depth, width) -> for every seed, whether it solved the zig-zag, and the number of pieces at each logged step."""
    folder = Path("outputs") / experiment
    gathered: Curves = defaultdict(list)
    for result in results_of(folder):
        points = dict(read_log(folder / result.run)["pieces/num_pieces"])
        solved = result.metrics.get("mean_squared_error", np.inf) < SOLVED
        gathered[result.config["model.depth"], result.config["model.width"]].append((solved, points))
    return dict(sorted(gathered.items()))


def sweep_rows(gathered: Curves, steps: Sequence[int]) -> list[Row]:
    """Quartiles over the seeds at some steps."""
    rows: list[Row] = []
    for (depth, width), runs in gathered.items():
        for step in steps:
            of = quartiles([points[step] for _, points in runs])
            counts = {"lower": round(of.lower, 2), "median": round(of.median, 2), "upper": round(of.upper, 2)}
            rows.append({"depth": depth, "width": width, "units": depth * width, "step": step, **counts})
    return rows


def zigzag_figure(gathered: Curves) -> Figure:
    """Pieces against step: one panel a width, one curve a depth."""
    widths = sorted({width for _, width in gathered})
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    for axes, width in zip(figure.subplots(1, len(widths)), widths, strict=True):
        for (depth, of), runs in gathered.items():
            if of == width:
                every = [points for _, points in runs]
                plot_quartiles(axes, list(every[0]), every, COLOURS[depth], f"depth {depth}")
        axes.axhline(8, color="#9a9a9a", lw=1, ls="--")
        axes.set(xlabel="step", ylabel="linear pieces on [-2, 2]", title=f"width {width}", ylim=(0, None))
        axes.set_xscale("symlog", linthresh=100)
        axes.set_xticks([0, 100, 1000, 10000], ["0", "100", "1,000", "10,000"])
        axes.set_xlim(0, None)
        finish(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def plot_quartiles(
    axes: Axes, steps: Sequence[int], runs: Sequence[dict[int, float]], colour: str, label: str, style: str = "-"
) -> None:
    """The median over the runs as a curve, the quartiles as a band."""
    lower, median, upper = np.quantile([[run[step] for step in steps] for run in runs], [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(steps, lower, upper, color=colour, alpha=0.15, lw=0)
    axes.plot(steps, median, style, color=colour, lw=1.6, label=label)


def counted(result: Result) -> list[Row]:
    """What was counted of one network, step after step."""
    config, metrics = result.config, result.metrics
    return [
        {
            "depth": len(config["widths"]),
            "width": config["widths"][0],
            "initialization": config["initialization"],
            "seed": config["seed"],
            "step": step,
            "accuracy": round(metrics[f"accuracy/{step}"], 4),
            "pieces_on_lines": round(metrics[f"pieces_on_lines/{step}"], 2),
            "regions_of_triangles": round(metrics[f"regions_of_triangles/{step}"], 2),
            "regions_of_planes": round(metrics[f"regions_of_planes/{step}"], 1),
        }
        for step in config["steps"]
    ]


def place(row: Row) -> tuple:
    """Where a row stands in the table: deep networks first."""
    return -row["depth"], row["initialization"], row["step"], row["seed"]


def mnist_figure(sweep: Curves, rows: Sequence[Row]) -> Figure:
    """Counts per N or N^2 / 2 against step."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    (first, second), (third, fourth) = figure.subplots(2, 2)
    for (depth, width), runs in sweep.items():
        of_units = [{step: count / (depth * width) for step, count in points.items()} for _, points in runs]
        style = "-" if width == 64 else "--"
        plot_quartiles(first, list(of_units[0]), of_units, COLOURS[depth], f"{depth} x {width}", style)
    first.set(title="Lines between two images, torch's initialisation (the sweep)", ylabel="linear pieces / N")
    for axes, name, units, title, what in (
        (second, "pieces_on_lines", NUM_UNITS, "Lines between two images, N = 96", "linear pieces / N"),
        (third, "regions_of_triangles", NUM_UNITS**2 / 2, "Triangles between three images, N = 96", ""),
        (fourth, "regions_of_planes", NUM_UNITS**2 / 2, "The planes around them, 20 times as wide", ""),
    ):
        for initialization, style in zip(INITIALIZATIONS, ("-", "--"), strict=True):
            for widths in WIDTHS:
                of = [r for r in rows if r["depth"] == len(widths) and r["initialization"] == initialization]
                runs = [{row["step"]: row[name] / units for row in of if row["seed"] == seed} for seed in SEEDS]
                label = f"{len(widths)} x {widths[0]}, {initialization}"
                plot_quartiles(axes, list(STEPS), runs, COLOURS[len(widths)], label, style)
        axes.set(title=title, ylabel=what or "activation regions / (N² / 2)")
    for axes in (first, second, third, fourth):
        linear = 100 if axes is first else 10
        axes.set_xscale("symlog", linthresh=linear)
        ticks = [0, 100, 1000, 2000] if axes is first else [0, 10, 100, 1000, 3000]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel="step", ylim=(0, None))
        finish(axes)
        axes.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def plane_figure(measurement: PlanesOfImages) -> Figure:
    """The plane through three images before and after training."""
    networks, data = measurement.networks(), measurement.data()
    inputs, targets = data.train_inputs, data.train_targets
    classes = targets.argmax(dim=1)
    images = torch.stack([inputs[classes == digit][2] for digit in (0, 4, 7)]).double()
    # What the inputs were shifted by: no pixel is below 0, and each one is 0 in some image.
    mean = -inputs.min(dim=0).values.double()
    # Orthonormal directions, so that distances in the picture are those between images.
    first = images[1] - images[0]
    first = first / first.norm()
    second = images[2] - images[0]
    second = second - (second @ first) * first
    directions = torch.stack([first, second / second.norm()])
    centre = images.mean(dim=0)
    places = ((images - centre) @ directions.T).numpy()
    half = 1.45 * float(np.abs(places).max())
    figure = Figure(figsize=(12, 6.8), layout=ConstrainedLayoutEngine(h_pad=0.1))
    shown: set[int] = set()
    for axes, step in zip(figure.subplots(1, len(DRAWN_STEPS)), DRAWN_STEPS, strict=True):
        plane = pieces.on_plane(networks[step], -half, half, origin=centre, directions=directions)
        shown |= paint(axes, networks[step], plane, half)
        for place, image in zip(places, images + mean, strict=True):
            box = OffsetImage(1 - image.reshape(28, 28).clamp(0, 1).numpy(), zoom=1.6, cmap="gray", resample=True)
            axes.plot(*place, "o", ms=7, mfc="white", mec="black", zorder=5)
            outward = place / np.linalg.norm(place) * 0.19 * half
            axes.add_artist(AnnotationBbox(box, place + outward, pad=0.1))
        when = "before training" if step == 0 else f"after {step:,} steps"
        axes.set_title(f"{when}: {plane.num_regions:,} regions", fontsize=12)
    squares = [Line2D([], [], marker="s", ls="", ms=9, color=CLASS_COLORS[digit]) for digit in sorted(shown)]
    figure.legend(squares, sorted(shown), loc="outside lower center", ncols=10, frameon=False, fontsize=11)
    return figure


def paint(axes: Axes, one: nn.Module, plane: pieces.OnPlane, half: float, num_pixels: int = 600) -> set[int]:
    """Classes as colours, regions as shades of them, their borders white, the decision boundary black; the classes."""
    along = (np.arange(num_pixels) + 0.5) / num_pixels * 2 * half - half
    points = torch.from_numpy(plane.points(np.stack(np.meshgrid(along, along), axis=-1))).float()
    with torch.no_grad():
        classes = one(points).argmax(dim=-1).numpy()
        colours = np.array([to_rgb(colour) for colour in CLASS_COLORS])[classes]
        white = 0.15 + 0.08 * shades(one, points)[..., None]
    axes.imshow(colours + white * (1 - colours), extent=(-half, half, -half, half), origin="lower")
    layer = plane.edge_units[:, 0]
    inner = layer >= 0
    segments = list(plane.vertices[plane.edges[inner]])
    axes.add_collection(LineCollection(segments, colors="white", linewidths=0.9 - 0.25 * layer[inner], alpha=0.75))
    axes.add_collection(LineCollection(list(plane.decision_boundary()), colors="black", linewidths=1.6))
    axes.set_axis_off()
    return set(np.unique(classes).tolist())


def shades(one: nn.Module, points: Tensor, num_shades: int = 6) -> np.ndarray:
    """A number from 0 to num_shades - 1 for the activation region of each point: neighbours differ, mostly."""
    weights = torch.Generator().manual_seed(0)
    code = torch.zeros(points.shape[:-1], dtype=torch.int64)
    for layer in one.body.layers:
        points = layer(points).relu()
        code += (points > 0).long() @ torch.randint(num_shades, points.shape[-1:], generator=weights)
    return (code % num_shades).numpy()


def save(figure: Figure, name: str) -> None:
    """As a PNG of 256 colours: a third of the bytes."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100, metadata={"Software": None})
    few = Image.open(picture).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(FOLDER / name, optimize=True)


def finish(axes: Axes) -> None:
    """What all axes share."""
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.title.set_fontsize(11)


def write(name: str, rows: Iterable[Row]) -> None:
    """A table as a CSV file."""
    table = list(rows)
    with (FOLDER / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
