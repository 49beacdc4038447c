"""How the number of linear pieces moves during training, on the zig-zag and on MNIST.

    dlcourse -m experiment=depth_vs_width_zigzag
    dlcourse -m experiment=pieces_of_mnist
    python experiments/pieces_during_training/report.py

Run from the root of the repository.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import joblib
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
from dlcourse.networks import SoftmaxClassifier, initialize_, stack, unstack
from dlcourse.recording import quartiles, read_results
from dlcourse.recording.figures import CLASS_COLORS
from dlcourse.streams import stream
from dlcourse.tasks import MNIST
from dlcourse.tasks.task import lines_between
from dlcourse.training import Adam, Batches, train

SOLVED = 0.001  # mean squared error on the zig-zag
ZIGZAG_STEPS = (0, 100, 300, 1000, 3000, 10000)
SWEEP_STEPS = (0, 100, 300, 1000, 2000)

# The setting of Hanin & Rolnick: Adam, rate 0.001; 96 units, three layers of 32 among them.
WIDTHS = ([96], [32] * 3, [16] * 6)
NUM_UNITS = 96
INITIALIZATIONS = ("he", "torch")
HE_BIAS = 0.001  # standard deviation of the biases beside He's weights: with 0 all kinks would start in one point
SEEDS = range(5)
STEPS = (0, 10, 30, 100, 300, 1000, 3000)
BATCH_SIZE = 64
NUM_LINES, NUM_TRIANGLES, NUM_PLANES = 20, 20, 5
FAR = 10  # planes are counted as far as this many times the distances of the three images

DRAWN, DRAWN_STEPS = [32] * 3, (0, 3000)
FOLDER = Path(__file__).parent
COLOURS = {1: "#3f90da", 2: "#ffa90e", 3: "#bd1f01", 4: "#832db6", 5: "#a96b59", 6: "#222222"}
Row = dict[str, object]
Images = tuple[Tensor, Tensor, Tensor, Tensor]


def main() -> None:
    """Tables and figures into this folder."""
    zigzag, sweep = curves("depth_vs_width_zigzag"), curves("pieces_of_mnist")
    write("zigzag.csv", sweep_rows(zigzag, ZIGZAG_STEPS))
    write("mnist_lines.csv", sweep_rows(sweep, SWEEP_STEPS))
    save(zigzag_figure(zigzag), "zigzag.png")
    images = mnist()
    jobs = [joblib.delayed(counted)(images, widths, start) for widths in WIDTHS[::-1] for start in INITIALIZATIONS]
    rows = [row for part in joblib.Parallel(2)(jobs) for row in part]
    write("mnist_planes.csv", rows)
    save(mnist_figure(sweep, rows), "mnist.png")
    save(plane_figure(*images[:2]), "plane_of_images.png")


Curves = dict[tuple[int, int], list[tuple[bool, dict[int, float]]]]


def curves(experiment: str) -> Curves:
    """(depth, width) -> for every seed, whether it solved the zig-zag, and the number of pieces at each logged step."""
    folder = Path("outputs") / experiment
    gathered: Curves = defaultdict(list)
    for result in read_results(folder):
        header, *lines = (folder / result.run / "train.log").read_text().splitlines()
        column = header.split().index("pieces/num_pieces")
        points = {int(line.split()[0]): float(line.split()[column]) for line in lines}
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


def mnist() -> Images:
    """Training inputs and targets, test inputs and targets, in float32."""
    data = MNIST().data(0)
    inputs, targets = data.train_inputs.float(), data.train_targets.float()
    return inputs, targets, data.test_inputs.float(), data.test_targets.float()


def network(widths: Sequence[int], initialization: str, seed: int) -> SoftmaxClassifier:
    """A classifier before training."""
    generator = stream(seed, "initialization")
    classifier = SoftmaxClassifier(784, 10, width=widths)
    initialize_(classifier, initialization, generator)
    if initialization == "he":
        for layer in classifier.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.bias, 0, HE_BIAS, generator=generator)
    return classifier


def trained(
    widths: Sequence[int], initialization: str, seeds: Sequence[int], inputs: Tensor, targets: Tensor
) -> dict[int, list[nn.Module]]:
    """Step -> the networks as they are then, one for each seed."""
    members = stack([network(widths, initialization, seed) for seed in seeds])
    same = [values.expand(len(seeds), -1, -1) for values in (inputs, targets)]
    snapshots = train(
        members,
        Batches(seeds, *same, BATCH_SIZE),
        loss=MNIST().loss,
        optimizer=Adam(rate=0.001),
        num_steps=STEPS[-1],
        snapshot_every=STEPS[1],
    )
    return {snapshot.step: unstack(snapshot.members) for snapshot in snapshots if snapshot.step in STEPS}


def counted(data: Images, widths: Sequence[int], initialization: str) -> list[Row]:
    """Counts at every step between and around images: the same lines, triangles and planes for all networks."""
    torch.set_num_threads(1)
    inputs, targets, test_inputs, test_targets = data
    starts, ends = lines_between(inputs.double(), NUM_LINES, stream(0, "lines"))
    generator = stream(0, "planes")
    triples = [inputs[torch.randperm(len(inputs), generator=generator)[:3]].double() for _ in range(NUM_TRIANGLES)]
    rows: list[Row] = []
    for step, networks in trained(widths, initialization, SEEDS, inputs, targets).items():
        on_lines = pieces.on_lines(stack(networks), starts, ends).num_pieces.mean(axis=1)
        for seed, one in enumerate(networks):
            right = one(test_inputs).argmax(dim=1) == test_targets.argmax(dim=1)
            triangles = [count_regions(one, images, vertices=[[0, 0], [1, 0], [0, 1]]) for images in triples]
            planes = [count_regions(one, images, low=-FAR, high=FAR) for images in triples[:NUM_PLANES]]
            rows.append(
                {
                    "depth": len(widths),
                    "width": widths[0],
                    "initialization": initialization,
                    "seed": seed,
                    "step": step,
                    "accuracy": round(right.double().mean().item(), 4),
                    "pieces_on_lines": round(float(on_lines[seed]), 2),
                    "regions_of_triangles": round(float(np.mean(triangles)), 2),
                    "regions_of_planes": round(float(np.mean(planes)), 1),
                }
            )
    return rows


def count_regions(one: nn.Module, images: Tensor, **domain: object) -> int:
    """Activation regions of the plane through three images: they are at (0, 0), (1, 0) and (0, 1)."""
    return pieces.on_plane(one, origin=images[0], directions=images[1:] - images[0], **domain).num_regions


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
                runs = [
                    {int(str(row["step"])): float(str(row[name])) / units for row in of if row["seed"] == seed}
                    for seed in SEEDS
                ]
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


def plane_figure(inputs: Tensor, targets: Tensor) -> Figure:
    """The plane through three images before and after training."""
    networks = {step: members[0] for step, members in trained(DRAWN, "he", [0], inputs, targets).items()}
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
