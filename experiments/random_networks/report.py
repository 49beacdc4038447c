"""Counts the pieces of random networks on lines and planes: python experiments/random_networks/report.py

Weights are N(0, 2 / n_in), biases N(0, 1e-3^2), and what is counted is [-1, 1] or [-1, 1]^2. A network with biases c b
at c x is c times the network with biases b at x: the smaller the biases, the more of the whole line or plane is seen.
Here it is a thousand times the size of the biases, and all but some pieces in a thousand.
"""

import csv
import math
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from dlcourse import pieces
from dlcourse.networks import MLP, stack
from dlcourse.pieces.bounds import hanin_rolnick, serra_upper
from dlcourse.streams import stream

BIAS = 1e-3
DEPTHS = (1, 2, 3, 4, 6, 8)
NUM_UNITS = {1: (24, 48, 96, 192), 2: (24, 48, 96)}  # in all layers together; every depth divides them
NUM_DRAWS = {1: 1000, 2: 200}
PUBLISHED = ([60], [30, 30], [20, 20, 20], [10] * 4)  # on planes
NUM_AT_ONCE = 50

FOLDER = Path(__file__).parent


def random_network(in_features: int, widths: list[int], seed: int) -> MLP:
    """He's weights and small biases, from a random stream of the seed's own."""
    generator = stream(seed, "random network", in_features, *widths)
    network = MLP(in_features, 1, width=widths, initialization="he", generator=generator, dtype=torch.float64)
    for layer in network.hidden.layers:
        nn.init.normal_(layer.bias, 0, BIAS, generator=generator)
    return network


def count(in_features: int, widths: list[int], seeds: range) -> list[int]:
    """Linear pieces on the line, activation regions on the plane."""
    networks = [random_network(in_features, widths, seed) for seed in seeds]
    if in_features == 1:
        line = pieces.on_lines(stack(networks), np.array([[-1.0]]), np.array([[1.0]]))
        return line.num_pieces[:, 0].tolist()
    return [pieces.on_plane(network, -1, 1).num_regions for network in networks]


def row(in_features: int, widths: list[int], counts: list[int]) -> dict[str, object]:
    expected = hanin_rolnick(in_features, widths)
    deviation = float(np.std(counts, ddof=1))
    return {
        "in_features": in_features,
        "units": sum(widths),
        "depth": len(widths),
        "width": widths[0],
        "draws": len(counts),
        "mean": round(float(np.mean(counts)), 2),
        "standard_deviation": round(deviation, 2),
        "least": min(counts),
        "most": max(counts),
        "expected": round(expected),
        "ratio": round(float(np.mean(counts)) / expected, 4),
        "standard_error": round(deviation / math.sqrt(len(counts)) / expected, 4),
        "upper_bound": serra_upper(in_features, widths),
    }


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
    networks = [
        (in_features, [num_units // depth] * depth)
        for in_features in (1, 2)
        for num_units in NUM_UNITS[in_features]
        for depth in DEPTHS
    ]
    networks += [(2, widths) for widths in PUBLISHED]
    jobs = [
        (index, range(first, first + NUM_AT_ONCE))
        for index, (in_features, _) in enumerate(networks)
        for first in range(0, NUM_DRAWS[in_features], NUM_AT_ONCE)
    ]
    counts = joblib.Parallel(n_jobs=2)(joblib.delayed(count)(*networks[index], seeds) for index, seeds in jobs)
    rows = []
    for index, (in_features, widths) in enumerate(networks):
        some = [n for (job, _), part in zip(jobs, counts, strict=True) if job == index for n in part]
        rows.append(row(in_features, widths, some))
    with (FOLDER / "counts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    draw(rows).savefig(FOLDER / "random_networks.png", dpi=100)


if __name__ == "__main__":
    main()
