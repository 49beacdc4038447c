"""Counts of the pieces of random networks on lines and planes, beside what is expected.

    dlcourse -m experiment=random_networks
    dlcourse -m experiment=random_networks_planes
    python experiments/random_networks/report.py

Run from the root of the repository.
"""

import math
from pathlib import Path

from matplotlib.figure import Figure

from dlcourse.recording import Result
from experiments.shared import Row, measured, save, write_csv

SWEEPS = ("random_networks", "random_networks_planes")
DEPTHS = (1, 2, 3, 4, 6, 8)
# In all layers together, by the number of inputs; the table has others (published ones) after them.
NUM_UNITS = {1: (24, 48, 96, 192), 2: (24, 48, 96)}
FOLDER = Path(__file__).parent


def main() -> None:
    """The table and the figure into this folder."""
    rows = sorted((row(result) for sweep in SWEEPS for result in measured(sweep)), key=place)
    write_csv(FOLDER / "counts.csv", rows, line_end="\r\n")
    save(draw(rows), FOLDER / "random_networks.png")


def row(result: Result) -> Row:
    """One architecture."""
    widths, draws, metrics = result.config["widths"], result.config["num_draws"], result.metrics
    mean, deviation, expected = metrics["mean"], metrics["standard_deviation"], metrics["expected"]
    return {
        "in_features": result.config["in_features"],
        "units": sum(widths),
        "depth": len(widths),
        "width": widths[0],
        "draws": draws,
        "mean": round(mean, 2),
        "standard_deviation": round(deviation, 2),
        "least": metrics["least"],
        "most": metrics["most"],
        "expected": round(expected),
        "ratio": round(mean / expected, 4),
        "standard_error": round(deviation / math.sqrt(draws) / expected, 4),
        "upper_bound": metrics["upper_bound"],
    }


def place(row: Row) -> tuple[int, bool, int, int]:
    """Where an architecture stands in the table: the line first, and those of the figure before the others."""
    in_figure = row["units"] in NUM_UNITS[row["in_features"]]
    return row["in_features"], not in_figure, row["units"] * in_figure, row["depth"]


def draw(rows: list[Row]) -> Figure:
    """Counts as shares of what is expected, and those of one number of units beside the most there can be."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    *panels, last = figure.subplots(1, 3)
    for in_features, axes in enumerate(panels, start=1):
        for num_units in NUM_UNITS[in_features]:
            chosen = select(rows, in_features, num_units)
            axes.errorbar(
                [row["depth"] for row in chosen],
                [row["ratio"] for row in chosen],
                yerr=[2 * row["standard_error"] for row in chosen],
                marker="o",
                capsize=3,
                label=f"{num_units} units",
            )
        axes.axhline(1, color="0.6", linewidth=1, zorder=0)
        axes.set(xlabel="depth", ylim=(0, 1.3), xticks=DEPTHS)
        axes.legend(loc="lower left")
    panels[0].set_title("pieces on the line / N")
    panels[1].set_title("regions of the plane / (N² / 2)")
    chosen = select(rows, 1, 96)
    depths = [row["depth"] for row in chosen]
    last.errorbar(
        depths,
        [row["mean"] for row in chosen],
        yerr=[row["standard_deviation"] for row in chosen],
        marker="o",
        capsize=3,
        label="random networks (bars: standard deviation)",
    )
    last.plot(depths, [row["upper_bound"] for row in chosen], "k--", label="the most there can be")
    last.set(yscale="log", ylim=(10, 1e12), xlabel="depth", xticks=DEPTHS, title="pieces on the line, 96 units in all")
    last.legend()
    return figure


def select(rows: list[Row], in_features: int, num_units: int) -> list[Row]:
    """The architectures of so many units in all their layers together."""
    return [row for row in rows if (row["in_features"], row["units"]) == (in_features, num_units)]


if __name__ == "__main__":
    main()
