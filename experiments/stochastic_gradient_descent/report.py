"""Stochastic gradient descent as on the slide, against minibatches, the full batch and a constant rate: error curves.

    dlcourse -m experiment=stochastic_gradient_descent
    python experiments/stochastic_gradient_descent/report.py

Run from the root of the repository.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.recording import quartiles, read_log
from experiments.shared import OUTPUTS, Colour, Row, finish, measured, save, write_csv

FOLDER = Path(__file__).parent
NAME = "stochastic_gradient_descent"
METRIC = "metric/mean_squared_error"
COMMON_ITEMS = 25_600  # a logged point of every batch size: 25,600, 1,600 and 100 steps
COLOURS = {"one item": Colour.RED, "16 items": Colour.YELLOW, "all 256 items": Colour.BLUE}
STYLES = {"constant": ":", "inverse": "-", "cosine": "--"}


def main() -> None:
    """The table and the figure into this folder."""
    rows = table()
    columns = [key for key in rows[0] if key != "curve"]
    write_csv(FOLDER / "errors.csv", [{key: row[key] for key in columns} for row in rows], digits=4)
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    over_steps, over_items, over_rates = figure.subplots(1, 3, sharey=True)
    draw_curves(over_steps, rows, "steps")
    draw_curves(over_items, rows, "items")
    draw_rates(over_rates, rows)
    over_steps.set(ylabel="mean squared error against the sine", ylim=(2e-3, 1), yscale="log")
    save(figure, FOLDER / "error_curves.png", dpi=80)


def table() -> list[Row]:
    """For each batch size, schedule and rate: the error in the end and on the way, and which rate ends best."""
    logs: dict[tuple[str, str, float], list[dict[str, list[tuple[int, float]]]]] = defaultdict(list)
    num_items: dict[str, int] = {}
    for result in measured(NAME):
        config = result.config
        items = config["batch_size"] or config["task.num_train"]
        batch = "one item" if items == 1 else f"{items} items" if config["batch_size"] else f"all {items} items"
        num_items[batch] = items
        log = read_log(OUTPUTS / NAME / result.run)
        logs[batch, config["optimizer.schedule"], config["optimizer.rate"]].append(log)
    rows = []
    for batch, schedule, rate in sorted(logs, key=lambda key: (num_items[key[0]], list(STYLES).index(key[1]), key[2])):
        members = logs[batch, schedule, rate]
        steps = np.array([step for step, _ in members[0][METRIC]])
        errors = np.nan_to_num([[error for _, error in log[METRIC]] for log in members], nan=np.inf)
        final = quartiles(errors[:, -1].tolist())
        common = quartiles(errors[:, steps * num_items[batch] == COMMON_ITEMS][:, 0].tolist())
        rows.append(
            {
                "batch": batch,
                "schedule": schedule,
                "rate": rate,
                "seeds": len(members),
                "error_lower_quartile": final.lower,
                "error_median": final.median,
                "error_upper_quartile": final.upper,
                "train_loss_median": quartiles([log["loss/train"][-1][1] for log in members]).median,
                f"error_median_after_{COMMON_ITEMS}_items": common.median,
                "curve": (steps, steps * num_items[batch], np.median(errors, axis=0)),
            }
        )
    for row in rows:
        rivals = [other for other in rows if (other["batch"], other["schedule"]) == (row["batch"], row["schedule"])]
        row["is_best_rate"] = row is min(rivals, key=lambda rival: np.nan_to_num(rival["error_median"], nan=np.inf))
    return rows


def draw_curves(axes: Axes, rows: list[Row], over: str) -> None:
    """Medians over the seeds, each batch size and schedule at the rate that is best for it in the end."""
    for row in rows:
        if row["is_best_rate"]:
            steps, items, errors = row["curve"]
            shown = np.unique(np.geomspace(1, len(steps) - 1, 40).round().astype(int))  # even on a logarithm
            axes.plot(
                (steps if over == "steps" else items)[shown],
                errors[shown],
                STYLES[row["schedule"]],
                lw=1.2,
                color=COLOURS[row["batch"]],
                label=f"{row['batch']}, {row['schedule']}, {row['rate']:g}",
            )
    axes.set(xscale="log", xlabel={"steps": "steps", "items": "items seen (steps x batch size)"}[over])
    axes.set_title("Best rate of each, over " + over, fontsize=10)
    finish(axes)
    if over == "steps":
        axes.legend(frameon=False, fontsize=8, loc="lower left")


def draw_rates(axes: Axes, rows: list[Row]) -> None:
    """The error in the end against the first rate: median and quartiles."""
    for batch, colour in COLOURS.items():
        for schedule, style in STYLES.items():
            chosen = [row for row in rows if (row["batch"], row["schedule"]) == (batch, schedule)]
            median = np.array([row["error_median"] for row in chosen])
            below = median - [row["error_lower_quartile"] for row in chosen]
            above = [row["error_upper_quartile"] for row in chosen] - median
            rates = [row["rate"] for row in chosen]
            axes.errorbar(
                rates, median, [below, above], ls=style, marker="o", ms=3, lw=1.2, color=colour, elinewidth=0.8
            )
    axes.set(xscale="log", xlabel="rate eta at the first step")
    axes.set_title("The error in the end, for every rate", fontsize=10)
    finish(axes)


if __name__ == "__main__":
    main()
