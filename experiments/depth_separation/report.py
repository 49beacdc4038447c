"""Depth separation: who gets Telgarsky's alternating points right, and who finds a target of two inputs.

    dlcourse -m experiment=depth_separation
    dlcourse -m experiment=depth_separation_plane
    python experiments/depth_separation/report.py

Run from the root of the repository.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse import pieces
from dlcourse.networks import MLP
from dlcourse.networks.constructions import absolute_sum, nest, nested_tents
from dlcourse.pieces.bounds import alternating_points_error, alternating_points_wrong, most_on_line
from dlcourse.recording import Cell, Result, cells
from dlcourse.tasks import Alternating, FoldedTents
from experiments.shared import Colour, Row, fill, finish, measured, read_csv, save, table, with_pilots, write_csv

FOLDER = Path(__file__).parent
MANY = 64  # points that nobody learns
FOLDS = 2  # of the target of two inputs
CONSTRUCTION = "construction"
COLOURS = {1: Colour.RED, 2: Colour.ORANGE, 3: Colour.VIOLET, 5: Colour.BLUE}  # by depth


def main() -> None:
    """Tables, figure and page into this folder."""
    points, tried = measured("depth_separation", "task.num_points"), with_pilots("depth_separation")
    plane = [plane_construction(), *map(plane_row, cells(measured("depth_separation_plane")))]
    write_csv(FOLDER / "points.csv", list(points_rows(points, tried)), digits=4)
    write_csv(FOLDER / "plane.csv", plane, digits=4)
    save(figure(), FOLDER / "depth_separation.png")
    fill(FOLDER / "README.md", numbers())


# --- the tables -------------------------------------------------------------------------------------------------------


def points_rows(results: Sequence[Result], tried: Sequence[Result]) -> Iterator[Row]:
    """For each number of points, the construction and the trained networks, by depth; all that were tried, too."""
    for num_points in sorted({result.config["task.num_points"] for result in results}):
        yield points_construction(num_points)
        runs = [result for result in results if result.config["task.num_points"] == num_points]
        all_runs = [result for result in tried if result.config["task.num_points"] == num_points]
        for cell in sorted(cells(runs), key=lambda cell: cell.depth):
            assert cell.width is not None
            yield points_row(num_points, cell, [cell.width] * cell.depth, all_runs)


def points_construction(num_points: int) -> Row:
    """The lecture's tents, one for each factor 2 of the number of points."""
    network = nested_tents(num_points.bit_length() - 1, -2, 2)
    task = Alternating(num_points=num_points)
    accuracy = task.metrics(lambda x: network(x)[None] - 0.5, task.data(seed=0))["accuracy"].item()
    return {
        "points": num_points,
        "network": CONSTRUCTION,
        "depth": len(network.hidden.layers),
        "width": 2,
        "parameters": num_parameters(network),
        "one_layer_needs": parameters_of_one_layer(num_points),
        "floor": 0.0,
        "published_floor": 0.0,
        "rates": "",
        "seeds": "",
        "runs": "",
        "solved": "",
        "wrong_lower": "",
        "wrong_median": 1 - accuracy,
        "wrong_upper": "",
        "wrong_fewest": 1 - accuracy,
        "pieces_median": pieces.on_line(network, -2, 2).num_pieces,
        "floor_of_these_pieces": "",
    }


def points_row(num_points: int, cell: Cell, widths: list[int], runs: Sequence[Result]) -> Row:
    """One shape, tuned and over its seeds; `wrong_fewest` is that of all its runs, those of the pilots too."""
    accuracy, counts = cell.quartiles("accuracy"), cell.quartiles("num_pieces")
    assert accuracy is not None and counts is not None
    all_runs = [run for run in runs if len(run.config["model.widths"]) == cell.depth]
    for run in all_runs:  # a theorem
        assert round((1 - run.metrics["accuracy"]) * num_points) >= alternating_points_wrong(
            num_points, int(run.metrics["num_pieces"])
        ), run.run
    return {
        "points": num_points,
        "network": "trained",
        "depth": cell.depth,
        "width": cell.width,
        "parameters": cell.results[0].metrics["num_parameters"],
        "one_layer_needs": "",
        "floor": float(Fraction(alternating_points_wrong(num_points, most_on_line(widths)), num_points)),
        "published_floor": float(alternating_points_error(num_points, widths[0], len(widths))),
        "rates": cell.choice,
        "seeds": len(cell.results),
        "runs": len(all_runs),
        "solved": cell.num_solved,
        "wrong_lower": 1 - accuracy.upper,
        "wrong_median": 1 - accuracy.median,
        "wrong_upper": 1 - accuracy.lower,
        "wrong_fewest": 1 - max(run.metrics["accuracy"] for run in all_runs),
        "pieces_median": counts.median,
        "floor_of_these_pieces": alternating_points_wrong(num_points, int(counts.median)) / num_points,
    }


def parameters_of_one_layer(num_points: int) -> int:
    """Those of the least layer that could get every point right."""
    width = next(width for width in range(1, num_points) if not alternating_points_wrong(num_points, width + 1))
    return 3 * width + 1


def plane_construction() -> Row:
    """|x_1| + |x_2| from four units, then the lecture's tents, carried from [0, 1] to [-2, 2]."""
    network = nest(absolute_sum(2), nested_tents(FOLDS, 0, 4))
    task = FoldedTents(num_folds=FOLDS)
    error = task.metrics(lambda x: 4 * network(x)[None] - 2, task.data(seed=0, dtype=torch.float32))
    return {
        "network": CONSTRUCTION,
        "depth": len(network.hidden.layers),
        "parameters": num_parameters(network),
        "rates": "",
        "seeds": "",
        "solved": "",
        "probability_low": "",
        "probability_high": "",
        "error_lower": "",
        "error_median": error["mean_squared_error"].item(),
        "error_upper": "",
        "error_lowest": "",
        "pieces_median": pieces.on_plane(network, -2, 2).num_pieces,
    }


def plane_row(cell: Cell) -> Row:
    """Networks of one depth, tuned and over their seeds."""
    errors, counts = cell.quartiles("mean_squared_error"), cell.quartiles("num_pieces")
    assert errors is not None and counts is not None
    low, high = cell.solved_interval
    return {
        "network": "trained",
        "depth": cell.depth,
        "parameters": cell.results[0].metrics["num_parameters"],
        "rates": cell.choice,
        "seeds": len(cell.results),
        "solved": cell.num_solved,
        "probability_low": low,
        "probability_high": high,
        "error_lower": errors.lower,
        "error_median": errors.median,
        "error_upper": errors.upper,
        "error_lowest": min(run.metrics["mean_squared_error"] for run in cell.results),
        "pieces_median": counts.median,
    }


def num_parameters(network: MLP) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# --- the page, from the tables ----------------------------------------------------------------------------------------


def numbers() -> dict[str, str]:
    """What stands between the markers of the page."""
    points, plane = read_csv(FOLDER / "points.csv"), read_csv(FOLDER / "plane.csv")
    trained = [row for row in points if row["network"] == "trained"]
    constructed = [row for row in points if row["network"] == CONSTRUCTION]
    depths = sorted({int(row["depth"]) for row in trained})
    (shallow_at_most,) = (row for row in trained if row["depth"] == "1" and row["points"] == constructed[-1]["points"])
    (deep_at_many,) = (row for row in trained if row["depth"] == "5" and int(row["points"]) == MANY)
    many = [row for row in trained if int(row["points"]) >= MANY]
    return {
        "points-table": table([points_line(row, trained, depths) for row in constructed]),
        "tents-most-parameters": constructed[-1]["parameters"],
        "tents-most-error": percent(max(float(row["wrong_fewest"]) for row in constructed)),
        "one-layer-needs": f"{int(constructed[-1]['one_layer_needs']):,}",
        "shallow-floor": percent(float(shallow_at_most["floor"])),
        "shallow-published-floor": percent(float(shallow_at_most["published_floor"])),
        "deep-pieces-at-64": f"{float(deep_at_many['pieces_median']):.0f}",
        "many-runs": str(sum(int(row["runs"]) for row in many)),
        "many-fewest": percent(min(float(row["wrong_fewest"]) for row in many)),
        "seeds": trained[0]["seeds"],
        "plane-errors": ", ".join(f"{float(row['error_median']):.2g}" for row in plane if row["network"] == "trained"),
        "plane-solved": ", ".join(f"{row['solved']} of {row['seeds']}" for row in plane if row["network"] == "trained"),
        "plane-table": table([plane_line(row) for row in plane]),
    }


def points_line(construction: dict[str, str], trained: Sequence[dict[str, str]], depths: Sequence[int]) -> Row:
    """One number of points: what must be wrong, and what is."""
    line: Row = {
        "points": construction["points"],
        "tents: parameters": construction["parameters"],
        "one layer needs": construction["one_layer_needs"],
    }
    for depth in depths:
        (row,) = (row for row in trained if row["points"] == construction["points"] and int(row["depth"]) == depth)
        name = f"{row['depth']} x {row['width']}"
        line |= {
            f"{name}: at least": percent(float(row["floor"])),
            f"{name}: trained": percent(float(row["wrong_median"])),
            f"{name}: all right": f"{row['solved']} of {row['seeds']}",
        }
    return line


def plane_line(row: dict[str, str]) -> Row:
    """The construction, or the networks of one depth."""
    is_trained = row["network"] == "trained"
    quartiles = f"{float(row['error_lower']):.2g} to {float(row['error_upper']):.2g}" if is_trained else ""
    return {
        "network": row["network"],
        "hidden layers": row["depth"],
        "parameters": row["parameters"],
        "error, median": f"{float(row['error_median']):.2g}",
        "quartiles": quartiles,
        "solved": f"{row['solved']} of {row['seeds']}" if is_trained else "",
        "pieces, median": f"{float(row['pieces_median']):.0f}",
    }


def percent(share: float) -> str:
    return f"{100 * share:.3g}%"


# --- the figure, from the tables --------------------------------------------------------------------------------------


def figure() -> Figure:
    """The share of points that are wrong, and the error on the target of two inputs."""
    drawing = Figure(figsize=(12, 4.8), layout="constrained")
    left, right = drawing.subplots(1, 2, width_ratios=[3, 2])
    draw_points(left, read_csv(FOLDER / "points.csv"))
    draw_plane(right, read_csv(FOLDER / "plane.csv"))
    return drawing


def draw_points(axes: Axes, rows: Sequence[dict[str, str]]) -> None:
    """Trained networks with their quartiles, what they cannot be better than, and the construction."""
    trained = [row for row in rows if row["network"] == "trained"]
    for depth in sorted({int(row["depth"]) for row in trained}):
        of_depth = [row for row in trained if int(row["depth"]) == depth]
        places = [int(row["points"]) for row in of_depth]
        lower, median, upper, floor = (
            np.array([100 * float(row[key]) for row in of_depth])
            for key in ("wrong_lower", "wrong_median", "wrong_upper", "floor")
        )
        shape = f"{depth} x {of_depth[0]['width']}"
        axes.plot(places, median, "o-", ms=4, color=COLOURS[depth], label=f"{shape}, trained (median, quartiles)")
        axes.fill_between(places, lower, upper, color=COLOURS[depth], alpha=0.2, lw=0)
        axes.plot(places, floor, "--", color=COLOURS[depth], label=f"{shape}: no network gets fewer wrong")
    constructed = [row for row in rows if row["network"] == CONSTRUCTION]
    axes.plot(
        [int(row["points"]) for row in constructed],
        [100 * float(row["wrong_fewest"]) for row in constructed],
        "k*", ms=8, label="nested tents, 2 units a layer",
    )  # fmt: skip
    axes.axhline(50, color=Colour.REFERENCE, lw=1, ls=":")
    axes.text(8, 50.7, "a constant", color=Colour.REFERENCE, fontsize=8, va="bottom")
    places = [int(row["points"]) for row in constructed]
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, [str(place) for place in places])
    axes.set(title="alternating points", xlabel="number of points", ylabel="points that are wrong (%)", ylim=(-2, 76))
    axes.set_yticks(range(0, 51, 10))
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    finish(axes)


def draw_plane(axes: Axes, rows: Sequence[dict[str, str]]) -> None:
    """Median and quartiles of the error by depth."""
    trained = [row for row in rows if row["network"] == "trained"]
    for row in trained:
        lower, median, upper = (float(row[f"error_{which}"]) for which in ("lower", "median", "upper"))
        colour = COLOURS[int(row["depth"])]
        axes.errorbar(int(row["depth"]), median, [[median - lower], [upper - median]], fmt="o", color=colour, capsize=4)
        axes.plot(int(row["depth"]), float(row["error_lowest"]), "_", ms=14, color=colour)
        axes.annotate(
            f"{row['parameters']} parameters", (int(row["depth"]), upper), xytext=(0, 6),
            textcoords="offset points", ha="center", fontsize=8,
        )  # fmt: skip
    solved = FoldedTents(num_folds=FOLDS).solved
    axes.axhline(solved, color=Colour.REFERENCE, lw=1, ls="--")
    axes.text(0.6, 1.1 * solved, "solved", color=Colour.REFERENCE, fontsize=8)
    depths = [int(row["depth"]) for row in trained]
    axes.set_xticks(depths)
    axes.set(
        title="folded tents in the plane", xlabel="hidden layers", yscale="log", xlim=(0.5, max(depths) + 0.5),
        ylabel="mean squared error (median, quartiles, best)",
    )  # fmt: skip
    finish(axes)


if __name__ == "__main__":
    main()
