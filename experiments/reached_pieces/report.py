"""How many pieces do constructions, search and training reach?

    dlcourse -m experiment=reached_pieces
    dlcourse -m experiment=reached_pieces_planes
    dlcourse -m experiment=reached_pieces_training
    python experiments/reached_pieces/report.py

Run from the root of the repository.
"""

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

from dlcourse import pieces
from dlcourse.networks import MLP, stack
from dlcourse.recording import Result, results_of

WIDTHS, DEPTHS = (2, 3, 4, 8, 16), (1, 2, 3, 4, 5)  # on the line
PLANE_DEPTHS = (1, 2, 3)
FAR = 1e4  # [-FAR, FAR] stands for the whole line
FOLDS = (3, 6)  # trained on zig-zags of 8 and of 64 pieces
SOLVED = 0.001  # mean squared error; the targets' variance is 4/3

FOLDER = Path(__file__).parent
SEARCHES = (Path("outputs/reached_pieces"), Path("outputs/reached_pieces_planes"))
TRAINING = Path("outputs/reached_pieces_training")
STATISTICS = ("lower quartile", "median", "upper quartile", "most")
Row = dict[str, Any]


def training() -> dict[tuple[int, int], Row]:
    """By width and depth: pieces of the trained networks on the whole line, and how many solve the task."""
    groups: dict[tuple[int, int, int], list[Result]] = defaultdict(list)
    for result in results_of(TRAINING):
        config = result.config
        groups[config["model.width"], config["model.depth"], config["task.num_folds"]].append(result)
    rows: dict[tuple[int, int], Row] = defaultdict(dict)
    for (width, depth, num_folds), results in groups.items():
        networks = []
        for result in results:
            networks.append(MLP(1, 1, width=width, depth=depth))
            networks[-1].load_state_dict(torch.load(TRAINING / result.run / "model.pt", weights_only=True))
        counts = pieces.on_lines(stack(networks), np.array([[-FAR]]), np.array([[FAR]])).num_pieces[:, 0]
        name, row = f"{2**num_folds} pieces", rows[width, depth]
        found = [*np.percentile(counts, [25, 50, 75]), counts.max()]
        row |= {f"trained on {name}: {each}": int(value) for each, value in zip(STATISTICS, found, strict=True)}
        row[f"solved {name}"] = sum(result.metrics["mean_squared_error"] < SOLVED for result in results)
    return rows


def row(result: Result, trained: Row) -> Row:
    """One line of the table."""
    config, metrics = result.config, result.metrics
    columns: Row = {
        "in_features": config["in_features"],
        "width": config["width"],
        "depth": config["depth"],
        "parameters": metrics["num_parameters"],
        "upper_bound": metrics["upper_bound"],
        "montufar_lower": metrics["montufar_lower"],
        "serra_lower": metrics.get("serra_lower", ""),
    }
    counted = [f"{name}_counted" for name in ("montufar", "serra", "zigzags", "tents", "valleys")]
    columns |= {name: metrics.get(name, "") for name in counted}
    for key in ("random_torch", "random_he", "climbing"):
        for statistic in STATISTICS:
            name = f"{key.replace('_', ' ')}: {statistic}"
            columns[name] = int(metrics[f"{key}/{statistic.replace(' ', '_')}"])
    names = [f"trained on {2**folds} pieces: {statistic}" for folds in FOLDS for statistic in STATISTICS]
    names += [f"solved {2**folds} pieces" for folds in FOLDS]
    return columns | {name: trained.get(name, "") for name in names}


def plot(axes: plt.Axes, rows: list[dict], x: str) -> None:
    """Bounds and the most that was reached as lines; medians dotted, with the quartiles as bars."""
    at = [r[x] for r in rows]
    axes.plot(at, [r["upper_bound"] for r in rows], "k--", label="upper bound")
    if rows[0]["in_features"] == 2:
        axes.plot(at, [r["serra_lower"] for r in rows], color="0.3", marker="s", label="Serra's construction")
    axes.plot(at, [r["montufar_lower"] for r in rows], color="0.6", marker="s", label="Montúfar's construction")
    names = {"climbing": "local search", "random he": "random search", "trained on 8 pieces": "training"}
    for name, label in names.items():
        low, middle, high, most = ([r[f"{name}: {statistic}"] for r in rows] for statistic in STATISTICS)
        if "" in most:  # not trained on the plane
            continue
        (line,) = axes.plot(at, most, marker="o", label=f"{label}: the most")
        bars = np.abs(np.array([low, high]) - middle)
        axes.errorbar(at, middle, yerr=bars, color=line.get_color(), linestyle=":", capsize=3)
    axes.set(yscale="log", xlabel=x)


def main() -> None:
    trained = training()
    rows = []
    for sweep in SEARCHES:
        for result in sorted(results_of(sweep), key=lambda result: (result.config["width"], result.config["depth"])):
            on_line = result.config["in_features"] == 1
            rows.append(row(result, trained[result.config["width"], result.config["depth"]] if on_line else {}))
    with (FOLDER / "pieces.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

    figure, panels = plt.subplots(1, 3, figsize=(13, 4.5), layout="constrained")
    plot(panels[0], [r for r in rows if (r["in_features"], r["width"]) == (1, 8)], "depth")
    panels[0].set(title="pieces on the line, 8 units a layer", xticks=DEPTHS)
    plot(panels[1], [r for r in rows if (r["in_features"], r["depth"]) == (1, 3)], "width")
    panels[1].set(title="pieces on the line, 3 layers", xscale="log")
    panels[1].set_xticks(WIDTHS, labels=WIDTHS)
    panels[1].minorticks_off()
    plot(panels[2], [r for r in rows if (r["in_features"], r["width"]) == (2, 6)], "depth")
    panels[2].set(title="regions of the plane, 6 units a layer", xticks=PLANE_DEPTHS)
    for axes in panels:
        axes.legend(fontsize="small", loc="upper left")
    figure.savefig(FOLDER / "reached_pieces.png", dpi=100)


if __name__ == "__main__":
    main()
