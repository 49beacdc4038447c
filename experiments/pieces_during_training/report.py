"""How the number of linear pieces moves during training, on the zig-zag and on MNIST.

    dlcourse -m experiment=depth_vs_width_zigzag
    dlcourse -m experiment=pieces_of_mnist
    dlcourse -m experiment=planes_of_images
    python experiments/pieces_during_training/report.py

Run from the root of the repository.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.measurements import PlanesOfImages
from dlcourse.recording import Result, cells, quartiles, read_log
from experiments.shared import (
    CLASS_COLORS,
    OUTPUTS,
    Colour,
    Row,
    fill,
    finish,
    measured,
    read_csv,
    save_in_256_colours,
    table,
    write_csv,
)

ZIGZAG_STEPS, EARLY = (0, 500, 1000, 3000, 10000), 500
SWEEP_STEPS = (0, 100, 300, 1000, 2000)

WIDTHS = ([96], [32] * 3, [16] * 6)
NUM_UNITS = 96
INITIALIZATIONS = ("he", "torch")
SEEDS = range(5)
STEPS = (0, 10, 30, 100, 300, 1000, 3000)

# The network of the picture is trained once more: a measurement leaves numbers only.
DRAWN, DRAWN_STEPS = {"widths": [32] * 3, "initialization": "he", "seed": 0}, (0, 3000)
FOLDER = Path(__file__).parent
# By depth.
COLOURS = {1: Colour.BLUE, 2: Colour.YELLOW, 3: Colour.RED, 4: Colour.VIOLET, 5: Colour.BROWN, 6: Colour.BLACK}
Curves = dict[tuple[int, int], list[dict[int, float]]]
# Whole numbers of MNIST's table by column: what a count is divided by, and how it is called.
COUNTS = {
    "pieces_on_lines": (NUM_UNITS, "pieces on lines / N"),
    "regions_of_triangles": (NUM_UNITS**2 / 2, "regions of triangles / (N² / 2)"),
    "regions_of_planes": (NUM_UNITS**2 / 2, "regions of planes / (N² / 2)"),
}


def main() -> None:
    """Tables and figures into this folder, and numbers into its page."""
    zigzag, sweep = curves("depth_vs_width_zigzag"), curves("pieces_of_mnist")
    networks = measured("planes_of_images")
    write_csv(FOLDER / "zigzag.csv", sweep_rows(zigzag, ZIGZAG_STEPS))
    write_csv(FOLDER / "mnist_lines.csv", sweep_rows(sweep, SWEEP_STEPS))
    save_in_256_colours(zigzag_figure(zigzag), FOLDER / "zigzag.png")
    rows = sorted((row for result in networks for row in counted(result)), key=place)
    write_csv(FOLDER / "mnist_planes.csv", rows)
    save_in_256_colours(mnist_figure(sweep, rows), FOLDER / "mnist.png")
    drawn = next(result.config for result in networks if result.config.items() >= DRAWN.items())
    settings = {key: value for key, value in drawn.items() if key != "measurement"}
    save_in_256_colours(plane_figure(PlanesOfImages(**settings)), FOLDER / "plane_of_images.png")
    fill(FOLDER / "README.md", numbers())


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    return zigzag_numbers(read_csv(FOLDER / "zigzag.csv")) | mnist_numbers(read_csv(FOLDER / "mnist_planes.csv"))


def zigzag_numbers(rows: Sequence[dict[str, str]]) -> dict[str, str]:
    """Medians at some steps, and by what factor they have changed at the end."""
    medians: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for row in rows:
        medians[int(row["depth"]), int(row["width"])][int(row["step"])] = float(row["median"])
    last = ZIGZAG_STEPS[-1]
    deep = [found for (depth, _), found in medians.items() if depth >= 3]
    flat = [found for (depth, _), found in medians.items() if depth < 3]
    early = [(found[EARLY] - found[0]) / (found[last] - found[0]) for found in deep]
    return {
        "zigzag": table(
            [
                {
                    "depth x width": f"{depth} x {width}",
                    "units": depth * width,
                    **{f"step {step:,}" if step == 0 else f"{step:,}": f"{found[step]:g}" for step in ZIGZAG_STEPS},
                }
                for (depth, width), found in medians.items()
            ]
        ),
        "zigzag-seeds": rows[0]["seeds"],
        "zigzag-deep": between([found[last] / found[0] for found in deep]),
        "zigzag-flat": between([found[last] / found[0] for found in flat]),
        "zigzag-early": between([100 * share for share in early], digits=0),
        "zigzag-late": between([found[last] / found[EARLY] for found in medians.values()]),
        "zigzag-per-unit": between([found[last] / (depth * width) for (depth, width), found in medians.items()]),
    }


def mnist_numbers(rows: Sequence[dict[str, str]]) -> dict[str, str]:
    """Medians over the seeds before training, farthest from that on the way, and after it; and how much they change."""
    found: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        for count, (whole, _) in (COUNTS | {"accuracy": (1, "")}).items():
            found[row["depth"], row["initialization"], count, row["step"]].append(float(row[count]) / whole)

    def medians(depth: int, start: str, count: str) -> list[float]:
        return [quartiles(found[str(depth), start, count, str(step)]).median for step in STEPS]

    lines: list[Row] = []
    for start in INITIALIZATIONS:
        for widths in WIDTHS:
            line: Row = {f"N = {NUM_UNITS}": f"{len(widths)} x {widths[0]}", "start": start}
            for count, (_, name) in COUNTS.items():
                first, *way, end = medians(len(widths), start, count)
                farthest = max(way, key=lambda value, first=first: abs(value - first))
                line[name] = f"{first:.2f} → {farthest:.2f} → {end:.2f}"
            lines.append(line | {"accuracy": f"{medians(len(widths), start, 'accuracy')[-1]:.3f}"})
    said = {"mnist": table(lines)}
    for start, count in product(INITIALIZATIONS, COUNTS):
        deep = [medians(len(widths), start, count) for widths in WIDTHS if len(widths) > 1]
        said[f"{start}.{count}.ends"] = between([values[-1] / values[0] for values in deep])
        if start == "he":
            said[f"{start}.{count}.way"] = between([max(values) / min(values) for values in deep])
    del said["torch.regions_of_planes.ends"]  # up for six layers, down for three: the latter alone is said
    shallow = [medians(1, start, count) for start, count in product(INITIALIZATIONS, COUNTS)]
    planes = [medians(len(widths), "he", "regions_of_planes") for widths in WIDTHS]
    three, before = medians(3, "torch", "regions_of_planes"), {}
    for start in INITIALIZATIONS:
        before[start] = [medians(depth, start, "pieces_on_lines")[0] for depth in (3, 6)]
    triangles = [medians(depth, "torch", "regions_of_triangles") for depth in (3, 6)]
    return said | {
        "one-layer": f"{max(max(values) / min(values) for values in shallow):.2f}",
        "he.planes.before": between([values[0] for values in planes]),
        "he.planes.after": between([values[-1] for values in planes]),
        "torch.planes.3": f"{three[-1] / three[0]:.2f}",
        "torch.lines.start": " and ".join(f"{a / b:.2f}" for a, b in zip(before["torch"], before["he"], strict=True)),
        "torch-most": f"{max(values[-1] / values[0] for values in triangles):.1f}",
        "most": f"{max(float(row['regions_of_planes']) for row in rows) / COUNTS['regions_of_planes'][0]:.2f}",
    }


def between(values: Sequence[float], digits: int = 2) -> str:
    """The least and the largest of some numbers: "0.88 to 1.02"."""
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def curves(experiment: str) -> Curves:
    """(depth, width) -> for every seed, the number of pieces at each logged step; runs at tuned rates only."""
    gathered: Curves = {}
    for cell in cells(measured(experiment)):
        assert cell.width is not None
        logs = [read_log(OUTPUTS / experiment / result.run) for result in cell.results]
        gathered[cell.depth, cell.width] = [dict(log["pieces/num_pieces"]) for log in logs]
    return dict(sorted(gathered.items()))


def sweep_rows(gathered: Curves, steps: Sequence[int]) -> list[Row]:
    """Quartiles over the seeds at some steps."""
    rows: list[Row] = []
    for (depth, width), runs in gathered.items():
        for step in steps:
            counts = quartiles([num_pieces[step] for num_pieces in runs])
            rows.append(
                {
                    "depth": depth,
                    "width": width,
                    "units": depth * width,
                    "seeds": len(runs),
                    "step": step,
                    "lower": round(counts.lower, 2),
                    "median": round(counts.median, 2),
                    "upper": round(counts.upper, 2),
                }
            )
    return rows


def zigzag_figure(gathered: Curves) -> Figure:
    """Pieces against step: one panel a width, one curve a depth."""
    widths = sorted({width for _, width in gathered})
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    for axes, width in zip(figure.subplots(1, len(widths)), widths, strict=True):
        for (depth, width_of_runs), runs in gathered.items():
            if width_of_runs == width:
                plot_quartiles(axes, list(runs[0]), runs, COLOURS[depth], f"depth {depth}")
        axes.axhline(8, color=Colour.REFERENCE, lw=1, ls="--")
        axes.set(xlabel="step", ylabel="linear pieces on [-2, 2]", title=f"width {width}", ylim=(0, None))
        axes.set_xscale("symlog", linthresh=EARLY)
        axes.set_xticks([0, EARLY, 1000, 10000], ["0", f"{EARLY}", "1,000", "10,000"])
        axes.minorticks_off()
        axes.set_xlim(0, None)
        axes.title.set_fontsize(11)
        finish(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def plot_quartiles(
    axes: Axes, steps: Sequence[int], runs: Sequence[dict[int, float]], colour: str, label: str, style: str = "-"
) -> None:
    """The median over the runs as a curve, the quartiles as a band."""
    lower, median, upper = np.quantile([[run[step] for step in steps] for run in runs], [0.25, 0.5, 0.75], axis=0)
    axes.set_axisbelow(True)  # the grid lies below the band
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


def place(row: Row) -> tuple[int, str, int, int]:
    """Where a row stands in the table: deep networks first."""
    return -row["depth"], row["initialization"], row["step"], row["seed"]


def mnist_figure(sweep: Curves, rows: Sequence[Row]) -> Figure:
    """Counts per N or N^2 / 2 against step."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    (first, second), (third, fourth) = figure.subplots(2, 2)
    for (depth, width), runs in sweep.items():
        shares = [{step: count / (depth * width) for step, count in num_pieces.items()} for num_pieces in runs]
        style = "-" if width == 64 else "--"
        plot_quartiles(first, list(shares[0]), shares, COLOURS[depth], f"{depth} x {width}", style)
    first.set(title="Lines between two images, torch's initialisation (the sweep)", ylabel="linear pieces / N")
    per_square = "activation regions / (N² / 2)"
    for axes, count, whole, title, ylabel in (
        (second, "pieces_on_lines", NUM_UNITS, "Lines between two images, N = 96", "linear pieces / N"),
        (third, "regions_of_triangles", NUM_UNITS**2 / 2, "Triangles between three images, N = 96", per_square),
        (fourth, "regions_of_planes", NUM_UNITS**2 / 2, "The planes around them, 20 times as wide", per_square),
    ):
        for initialization, style in zip(INITIALIZATIONS, ("-", "--"), strict=True):
            for widths in WIDTHS:
                start = (len(widths), initialization)
                chosen = [row for row in rows if (row["depth"], row["initialization"]) == start]
                runs = [{row["step"]: row[count] / whole for row in chosen if row["seed"] == seed} for seed in SEEDS]
                label = f"{len(widths)} x {widths[0]}, {initialization}"
                plot_quartiles(axes, list(STEPS), runs, COLOURS[len(widths)], label, style)
        axes.set(title=title, ylabel=ylabel)
    for axes in (first, second, third, fourth):
        linear = 100 if axes is first else 10
        axes.set_xscale("symlog", linthresh=linear)
        ticks = [0, 100, 1000, 2000] if axes is first else [0, 10, 100, 1000, 3000]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel="step", ylim=(0, None))
        axes.title.set_fontsize(11)
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


def paint(axes: Axes, network: nn.Module, plane: pieces.OnPlane, half: float, num_pixels: int = 600) -> set[int]:
    """Classes as colours, regions as shades of them, their borders white, the decision boundary black; the classes."""
    along = (np.arange(num_pixels) + 0.5) / num_pixels * 2 * half - half
    points = torch.from_numpy(plane.points(np.stack(np.meshgrid(along, along), axis=-1))).float()
    with torch.no_grad():
        classes = network(points).argmax(dim=-1).numpy()
        colours = np.array([to_rgb(colour) for colour in CLASS_COLORS])[classes]
        white = 0.15 + 0.08 * shades(network, points)[..., None]
    axes.imshow(colours + white * (1 - colours), extent=(-half, half, -half, half), origin="lower")
    layer = plane.edge_units[:, 0]
    inner = layer >= 0
    segments = list(plane.vertices[plane.edges[inner]])
    axes.add_collection(LineCollection(segments, colors="white", linewidths=0.9 - 0.25 * layer[inner], alpha=0.75))
    axes.add_collection(LineCollection(list(plane.decision_boundary()), colors="black", linewidths=1.6))
    axes.set_axis_off()
    return set(np.unique(classes).tolist())


def shades(network: nn.Module, points: Tensor, num_shades: int = 6) -> np.ndarray:
    """A number from 0 to num_shades - 1 for the activation region of each point: neighbours differ, mostly."""
    weights = torch.Generator().manual_seed(0)
    code = torch.zeros(points.shape[:-1], dtype=torch.int64)
    for layer in network.body.layers:
        points = layer(points).relu()
        code += (points > 0).long() @ torch.randint(num_shades, points.shape[-1:], generator=weights)
    return (code % num_shades).numpy()


if __name__ == "__main__":
    main()
