"""How many pieces do constructions, search and training reach?

    dlcourse -m experiment=reached_pieces
    dlcourse -m experiment=reached_pieces_planes
    dlcourse -m experiment=reached_pieces_training
    python experiments/reached_pieces/report.py

Run from the root of the repository.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse import pieces
from dlcourse.networks import MLP, stack
from dlcourse.recording import Result
from experiments.shared import SOLVED, Row, measured, save, trained, write_csv

WIDTHS, DEPTHS = (2, 3, 4, 8, 16), (1, 2, 3, 4, 5)  # on the line
PLANE_DEPTHS = (1, 2, 3)
FAR = 1e4  # [-FAR, FAR] stands for the whole line
FOLDS = (3, 6)  # trained on zig-zags of 8 and of 64 pieces

FOLDER = Path(__file__).parent
SEARCHES = ("reached_pieces", "reached_pieces_planes")
TRAINING = "reached_pieces_training"
STATISTICS = ("lower quartile", "median", "upper quartile", "most")


def main() -> None:
    """The table and the figure into this folder."""
    training = rows_of_training()
    rows = []
    for sweep in SEARCHES:
        for result in measured(sweep, "width", "depth"):
            on_line = result.config["in_features"] == 1
            rows.append(row(result, training[result.config["width"], result.config["depth"]] if on_line else {}))
    write_csv(FOLDER / "pieces.csv", rows, line_end="\r\n")
    save(draw(rows), FOLDER / "reached_pieces.png")


def rows_of_training() -> dict[tuple[int, int], Row]:
    """By width and depth: pieces of the trained networks on the whole line, and how many solve the task."""
    groups: dict[tuple[int, int, int], list[Result]] = defaultdict(list)
    for result in measured(TRAINING):
        config = result.config
        groups[config["model.width"], config["model.depth"], config["task.num_folds"]].append(result)
    rows: dict[tuple[int, int], Row] = defaultdict(dict)
    for (width, depth, num_folds), results in groups.items():
        networks = [trained(MLP(1, 1, width=width, depth=depth), TRAINING, result) for result in results]
        counts = pieces.on_lines(stack(networks), np.array([[-FAR]]), np.array([[FAR]])).num_pieces[:, 0]
        name, row = f"{2**num_folds} pieces", rows[width, depth]
        values = [*np.percentile(counts, [25, 50, 75]), counts.max()]
        for statistic, value in zip(STATISTICS, values, strict=True):
            row[f"trained on {name}: {statistic}"] = int(value)
        row[f"solved {name}"] = sum(result.metrics["mean_squared_error"] < SOLVED for result in results)
    return rows


def row(result: Result, training: Row) -> Row:
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
    return columns | {name: training.get(name, "") for name in names}


def plot(axes: Axes, rows: list[Row], size: str) -> None:
    """Bounds and the most that was reached as lines; medians dotted, with the quartiles as bars."""
    sizes = [row[size] for row in rows]
    axes.plot(sizes, [row["upper_bound"] for row in rows], "k--", label="upper bound")
    if rows[0]["in_features"] == 2:
        axes.plot(sizes, [row["serra_lower"] for row in rows], color="0.3", marker="s", label="Serra's construction")
    axes.plot(sizes, [row["montufar_lower"] for row in rows], color="0.6", marker="s", label="Montúfar's construction")
    names = {"climbing": "local search", "random he": "random search", "trained on 8 pieces": "training"}
    for name, label in names.items():
        low, middle, high, most = ([row[f"{name}: {statistic}"] for row in rows] for statistic in STATISTICS)
        if "" in most:  # not trained on the plane
            continue
        (line,) = axes.plot(sizes, most, marker="o", label=f"{label}: the most")
        bars = np.abs(np.array([low, high]) - middle)
        axes.errorbar(sizes, middle, yerr=bars, color=line.get_color(), linestyle=":", capsize=3)
    axes.set(yscale="log", xlabel=size)


def draw(rows: list[Row]) -> Figure:
    """Pieces on the line against depth and against width, and regions of the plane against depth."""
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    over_depth, over_width, on_plane = figure.subplots(1, 3)
    plot(over_depth, [row for row in rows if (row["in_features"], row["width"]) == (1, 8)], "depth")
    over_depth.set(title="pieces on the line, 8 units a layer", xticks=DEPTHS)
    plot(over_width, [row for row in rows if (row["in_features"], row["depth"]) == (1, 3)], "width")
    over_width.set(title="pieces on the line, 3 layers", xscale="log")
    over_width.set_xticks(WIDTHS, labels=WIDTHS)
    over_width.minorticks_off()
    plot(on_plane, [row for row in rows if (row["in_features"], row["width"]) == (2, 6)], "depth")
    on_plane.set(title="regions of the plane, 6 units a layer", xticks=PLANE_DEPTHS)
    for axes in figure.axes:
        axes.legend(fontsize="small", loc="upper left")
    return figure


if __name__ == "__main__":
    main()
