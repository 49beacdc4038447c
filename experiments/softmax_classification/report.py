"""Depth against width on digits and spirals, and two spiral networks' regions.

    dlcourse -m experiment=softmax_spirals
    dlcourse -m experiment=digits
    python experiments/softmax_classification/report.py

Run from the root of the repository.
"""

import statistics
from pathlib import Path

from matplotlib.figure import Figure

from dlcourse import pieces
from dlcourse.networks import SoftmaxClassifier
from dlcourse.palette import CLASS_COLORS
from dlcourse.recording import Result, cells
from dlcourse.tasks import Spirals
from experiments.shared import Row, measured, save_in_256_colours, trained, write_csv

FOLDER = Path(__file__).parent
SWEEPS = ("softmax_spirals", "digits")
# Pairs of (depth, width) with about the same number of parameters: 195 and 195, 387 and 371.
PAIRS = (((1, 32), (3, 8)), ((1, 64), (2, 16)))
LOW, HIGH = -1.2, 1.2  # the square around the spirals on which regions are counted and drawn


def main() -> None:
    """The table and the picture into this folder, and the table on the screen."""
    results = {name: measured(name) for name in SWEEPS}
    rows = [row for name in SWEEPS for row in table(name, results[name])]
    write_csv(FOLDER / "accuracy.csv", rows)
    save_in_256_colours(draw(results["softmax_spirals"]), FOLDER / "regions.png", dpi=80)
    for row in rows:
        print(*row.values(), sep="  ")


def classifier_of(result: Result) -> SoftmaxClassifier:
    """The trained network of a spiral run."""
    config = result.config
    width, depth = config["model.width"], config["model.depth"]
    classifier = SoftmaxClassifier(2, config["task.num_classes"], width=width, depth=depth)
    return trained(classifier, "softmax_spirals", result)


def table(name: str, results: list[Result]) -> list[Row]:
    """One row an architecture: accuracy over the seeds, and for the spirals the regions of the square."""
    rows = []
    for cell in cells(results):
        accuracies = [float(result.metrics["accuracy"]) for result in cell.results]
        row: Row = {
            "data": name,
            "depth": cell.depth,
            "width": cell.width,
            "parameters": cell.results[0].metrics["num_parameters"],
            "seeds": len(accuracies),
            "median accuracy": f"{statistics.median(accuracies):.4f}",
            "lowest": f"{min(accuracies):.4f}",
            "highest": f"{max(accuracies):.4f}",
            "mean": f"{statistics.mean(accuracies):.4f}",
            "standard deviation": f"{statistics.stdev(accuracies):.4f}",
            "median regions": "",
            "median pieces": "",
        }
        if name == "softmax_spirals":
            planes = [pieces.on_plane(classifier_of(result), LOW, HIGH) for result in cell.results]
            row["median regions"] = statistics.median(plane.num_regions for plane in planes)
            row["median pieces"] = statistics.median(plane.num_pieces for plane in planes)
        rows.append(row)
    return rows


def median_run(results: list[Result], depth: int, width: int) -> Result:
    """The run of median accuracy (the lower seed where two have it)."""
    runs = [run for run in results if (run.config["model.depth"], run.config["model.width"]) == (depth, width)]
    return sorted(runs, key=lambda run: (run.metrics["accuracy"], run.config["seed"]))[len(runs) // 2]


def draw(results: list[Result]) -> Figure:
    """Each pair: the shallow network on the left, the deep one on the right, regions and decision boundary."""
    figure = Figure(figsize=(9, 9.6), layout="constrained")
    panels = figure.subplots(len(PAIRS), 2)
    for side_by_side, pair in zip(panels, PAIRS, strict=True):
        for axes, (depth, width) in zip(side_by_side, pair, strict=True):
            run = median_run(results, depth, width)
            plane = pieces.on_plane(classifier_of(run), LOW, HIGH)
            plane.plot(axes)
            data = Spirals(num_classes=run.config["task.num_classes"]).data(run.config["seed"])
            colours = [CLASS_COLORS[index] for index in data.test_targets.argmax(1).tolist()]
            axes.scatter(*data.test_inputs.T, c=colours, s=7, edgecolors="black", linewidths=0.3)
            axes.set_title(
                f"depth {depth}, width {width}: {run.metrics['num_parameters']} parameters, "
                f"accuracy {run.metrics['accuracy']:.3f}\n{plane.num_regions} regions, {plane.num_pieces} linear "
                f"pieces, boundary of {len(plane.decision_boundary())} segments",
                fontsize=9,
            )
            axes.set_xticks([])
            axes.set_yticks([])
    return figure


if __name__ == "__main__":
    main()
