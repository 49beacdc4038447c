"""Counts of the pieces of random networks on lines and planes, beside what is expected.

    dlcourse -m experiment=random_networks
    dlcourse -m experiment=random_networks_planes
    python experiments/random_networks/report.py

Run from the root of the repository.
"""

import csv
import math
from pathlib import Path

import matplotlib.pyplot as plt

from dlcourse.recording import Result, results_of

SWEEPS = (Path("outputs/random_networks"), Path("outputs/random_networks_planes"))
DEPTHS = (1, 2, 3, 4, 6, 8)
NUM_UNITS = {
    1: (24, 48, 96, 192),
    2: (24, 48, 96),
}  # in all layers together; the table has others (published ones) after them
FOLDER = Path(__file__).parent


def row(result: Result) -> dict[str, object]:
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


def place(row: dict) -> tuple:
    """Where an architecture stands in the table: the line first, and those of the figure before the others."""
    in_figure = row["units"] in NUM_UNITS[row["in_features"]]
    return row["in_features"], not in_figure, row["units"] * in_figure, row["depth"]


def draw(rows: list[dict]) -> plt.Figure:
    figure, (*panels, last) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for in_features, axes in enumerate(panels, start=1):
        for num_units in NUM_UNITS[in_features]:
            some = select(rows, in_features, num_units)
            axes.errorbar(
                [r["depth"] for r in some],
                [r["ratio"] for r in some],
                yerr=[2 * r["standard_error"] for r in some],
                marker="o",
                capsize=3,
                label=f"{num_units} units",
            )
        axes.axhline(1, color="0.6", linewidth=1, zorder=0)
        axes.set(xlabel="depth", ylim=(0, 1.3), xticks=DEPTHS)
        axes.legend(loc="lower left")
    panels[0].set_title("pieces on the line / N")
    panels[1].set_title("regions of the plane / (N² / 2)")
    some = select(rows, 1, 96)
    last.errorbar(
        [r["depth"] for r in some],
        [r["mean"] for r in some],
        yerr=[r["standard_deviation"] for r in some],
        marker="o",
        capsize=3,
        label="random networks (bars: standard deviation)",
    )
    last.plot([r["depth"] for r in some], [r["upper_bound"] for r in some], "k--", label="the most there can be")
    last.set(yscale="log", ylim=(10, 1e12), xlabel="depth", xticks=DEPTHS, title="pieces on the line, 96 units in all")
    last.legend()
    return figure


def select(rows: list[dict], in_features: int, num_units: int) -> list[dict]:
    return [r for r in rows if (r["in_features"], r["units"]) == (in_features, num_units)]


def main() -> None:
    rows = sorted((row(result) for sweep in SWEEPS for result in results_of(sweep)), key=place)
    with (FOLDER / "counts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    draw(rows).savefig(FOLDER / "random_networks.png", dpi=100)


if __name__ == "__main__":
    main()
