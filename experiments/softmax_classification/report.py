"""Depth against width on digits and spirals, and spiral networks' regions.

    dlcourse -m experiment=softmax_spirals
    dlcourse -m experiment=digits
    python experiments/softmax_classification/report.py

Run from the root of the repository.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dlcourse import pieces
from dlcourse.networks import SoftmaxClassifier
from dlcourse.networks.model import widths_of_size
from dlcourse.palette import CLASS_COLORS
from dlcourse.recording import Cell, Result, cells, row
from dlcourse.tasks import Spirals
from experiments.shared import (
    Row,
    chosen,
    fill,
    measured,
    read_csv,
    save_in_256_colours,
    share,
    table,
    the_row,
    trained,
    tuned_rows,
    with_pilots,
    write_csv,
)

FOLDER = Path(__file__).parent
SIZES, DEPTHS = (100, 200, 400), (1, 2, 3, 4)  # of the networks for the spirals
RATES = ("0.001", "0.003", "0.01", "0.03", "0.1")
DRAWN = ((200, 1), (200, 3), (400, 1), (400, 2))  # size and depth of the networks in the picture
LOW, HIGH = -1.2, 1.2  # the square around the spirals on which regions are counted and drawn

Read = Mapping[str, str]


def main() -> None:
    """The tables and the picture into this folder, and numbers into its page."""
    spirals = measured("softmax_spirals")
    found = cells(spirals)
    write_csv(FOLDER / "spirals.csv", [{**row(cell, "accuracy"), **regions(cell)} for cell in found], digits=4)
    tried = with_pilots("softmax_spirals")
    by_rate = tuned_rows(tried, "accuracy", "optimizer.rate", "model.initialization", tune=[])
    by_start = tuned_rows(spirals, "accuracy", "model.initialization", tune=["optimizer.rate"])
    write_csv(FOLDER / "spirals_by_initialization.csv", by_start, digits=4)
    write_csv(FOLDER / "spirals_by_rate.csv", by_rate, digits=4)
    write_csv(FOLDER / "digits.csv", tuned_rows(measured("digits"), "accuracy"), digits=4)
    save_in_256_colours(draw(found), FOLDER / "regions.png", dpi=80)
    fill(FOLDER / "README.md", numbers())


def classifier_of(result: Result) -> SoftmaxClassifier:
    """The trained network of a spiral run."""
    config = result.config
    widths = widths_of_size(config["model.max_parameters"], config["model.depth"], 2, config["task.num_classes"])
    return trained(SoftmaxClassifier(2, config["task.num_classes"], width=widths), "softmax_spirals", result)


def regions(cell: Cell) -> Row:
    """Medians, over the runs by which a network is judged, of what is counted in the square."""
    planes = [pieces.on_plane(classifier_of(result), LOW, HIGH) for result in cell.results]
    return {
        "regions": statistics.median(plane.num_regions for plane in planes),
        "linear_pieces": statistics.median(plane.num_pieces for plane in planes),
        "boundary_segments": statistics.median(len(plane.decision_boundary()) for plane in planes),
    }


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    names = ("spirals", "spirals_by_initialization", "spirals_by_rate", "digits")
    spirals, by_start, by_rate, digits = (read_csv(FOLDER / f"{name}.csv") for name in names)
    said = {
        "spirals": table(
            [
                {
                    "at most": each["max_parameters"],
                    "layers": widths_of(each),
                    "accuracy": accuracy(each),
                    "at least 0.95": share(each),
                    "rate and initialisation": chosen(each),
                    "regions": f"{float(each['regions']):,.0f}",
                    "segments of the boundary": f"{float(each['boundary_segments']):,.0f}",
                }
                for each in spirals
            ]
        ),
        "rates": table(
            [
                {
                    "at most": size,
                    "from": start,
                    "depth": depth,
                    **{
                        f"rate {rate}": short(
                            the_row(by_rate, max_parameters=size, initialization=start, depth=depth, rate=rate)[
                                "accuracy"
                            ]
                        )
                        for rate in RATES
                    },
                }
                for size in SIZES
                for start in ("torch", "he")
                for depth in DEPTHS
            ]
        ),
        "digits": table([digits_row(each) for each in digits if each["depth"] != "0" or each["width"] == "8"]),
        "most-regions": str(sum(most_at(spirals, size, "regions")["depth"] == "1" for size in SIZES)),
        "most-segments": str(sum(most_at(spirals, size, "boundary_segments")["depth"] == "1" for size in SIZES)),
        "slow": ", ".join(
            short(the_row(by_rate, max_parameters=400, initialization="torch", depth=depth, rate="0.003")["accuracy"])
            for depth in DEPTHS
        ),
    }
    for size in SIZES:
        of_size = [each for each in spirals if each["max_parameters"] == str(size)]
        said[f"accuracies-{size}"] = ", ".join(short(each["accuracy"]) for each in of_size)
    for start in ("torch", "he"):
        said[f"reached-{start}"] = ", ".join(
            str(the_row(by_start, max_parameters=200, initialization=start, depth=depth)["solved"]) for depth in DEPTHS
        )
    said["reached-100"] = ", ".join(share(the_row(spirals, max_parameters=100, depth=depth)) for depth in DEPTHS)
    for size in (100, 400):
        of_size = [each for each in spirals if each["max_parameters"] == str(size)]
        said[f"regions-{size}"] = ", ".join(f"{float(each['regions']):,.0f}" for each in of_size)
    for width in (8, 16, 32):
        of_width = [each for each in digits if each["width"] == str(width) and each["depth"] != "0"]
        said[f"digits-{width}"] = ", ".join(short(each["accuracy"]) for each in of_width)
    falls = [
        float(the_row(digits, depth=1, width=width)["accuracy"])
        - float(the_row(digits, depth=3, width=width)["accuracy"])
        for width in (8, 16, 32)
    ]
    said["digits-fall"] = f"{min(falls):.3f} to {max(falls):.3f}"
    said["digits-softmax"] = short(the_row(digits, depth=0, width=8)["accuracy"])
    return said


def most_at(rows: Sequence[Read], size: int, what: str) -> Read:
    """Of the networks of one size, the one with the most of something."""
    return max((row for row in rows if row["max_parameters"] == str(size)), key=lambda row: float(row[what]))


def widths_of(row: Read) -> str:
    """The units of each layer of a network for the spirals: "13, 13, 13"."""
    return ", ".join(map(str, widths_of_size(int(row["max_parameters"]), int(row["depth"]), 2, 3)))


def digits_row(row: Read) -> Row:
    """One network for the digits, as the page has it."""
    return {
        "depth": row["depth"],
        "width": "-" if row["depth"] == "0" else row["width"],
        "parameters": f"{float(row['parameters']):,.0f}",
        "accuracy": accuracy(row),
        "rate and initialisation": chosen(row),
    }


def short(number: str) -> str:
    """Three decimals."""
    return f"{float(number):.3f}"


def accuracy(row: Read) -> str:
    """The median and the quartiles: "0.971 (0.967 to 0.976)"."""
    return f"{short(row['accuracy'])} ({short(row['accuracy_lower'])} to {short(row['accuracy_upper'])})"


def median_run(cell: Cell) -> Result:
    """The run of median accuracy (the lower seed where two have it)."""
    runs = sorted(cell.results, key=lambda run: (run.metrics["accuracy"], run.config["seed"]))
    return runs[len(runs) // 2]


def draw(found: Sequence[Cell]) -> Figure:
    """The shallow networks on the left, deep ones of the same size on the right: regions and decision boundary."""
    figure = Figure(figsize=(9, 9.6), layout="constrained")
    panels = figure.subplots(len(DRAWN) // 2, 2)
    for axes, (size, depth) in zip(panels.flat, DRAWN, strict=True):
        (cell,) = [cell for cell in found if (cell.max_parameters, cell.depth) == (size, depth)]
        run = median_run(cell)
        plane = pieces.on_plane(classifier_of(run), LOW, HIGH)
        plane.plot(axes)
        data = Spirals(num_classes=run.config["task.num_classes"]).data(run.config["seed"])
        colours = [CLASS_COLORS[index] for index in data.test_targets.argmax(1).tolist()]
        axes.scatter(*data.test_inputs.T, c=colours, s=7, edgecolors="black", linewidths=0.3)
        widths = ", ".join(map(str, widths_of_size(size, depth, 2, 3)))
        axes.set_title(
            f"{depth} {'layer' if depth == 1 else 'layers'} ({widths}): {run.metrics['num_parameters']} parameters, "
            f"accuracy {run.metrics['accuracy']:.3f}\n{plane.num_regions:,} regions, {plane.num_pieces:,} linear "
            f"pieces, boundary of {len(plane.decision_boundary())} segments",
            fontsize=9,
        )
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


if __name__ == "__main__":
    main()
