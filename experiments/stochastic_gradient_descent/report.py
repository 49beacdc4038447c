"""Stochastic gradient descent as on the slide, against minibatches, the full batch and a constant rate: error curves.

    dlcourse -m experiment=stochastic_gradient_descent
    python experiments/stochastic_gradient_descent/report.py

Run from the root of the repository.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcourse.recording import Cell, cells, read_log, row
from experiments.shared import (
    OUTPUTS,
    Colour,
    Row,
    chosen,
    fill,
    finish,
    measured,
    read_csv,
    save,
    table,
    the_row,
    tuned_rows,
    write_csv,
)

FOLDER = Path(__file__).parent
NAME, METRIC, NUM_TRAIN = "stochastic_gradient_descent", "mean_squared_error", 256
COMMON_ITEMS = 25_600  # a logged point of every batch size: 25,600, 1,600 and 100 steps
COLOURS = {1: Colour.RED, 16: Colour.YELLOW, NUM_TRAIN: Colour.BLUE}  # by items a step
STYLES = {"constant": ":", "inverse": "-", "cosine": "--"}
SCHEDULES = {"constant": "constant", "inverse": "1 / (1 + step / 4,000)", "cosine": "cosine"}
RATES = ("0.003", "0.01", "0.03", "0.1", "0.3")

Read = Mapping[str, str]
Curve = tuple[NDArray[Any], NDArray[Any]]  # logged steps, and the median error at each


def main() -> None:
    """The tables and the figure into this folder, and numbers into its page."""
    results = measured(NAME)
    found = {place_of(cell): cell for cell in cells(results)}
    curves = {place: median_curve(cell) for place, cell in found.items()}
    write_csv(FOLDER / "tuned.csv", [tuned_row(place, found[place], curves[place]) for place in places()], digits=4)
    by_rate = tuned_rows(results, METRIC, "batch_size", "optimizer.schedule", "optimizer.rate", tune=[])
    for each in by_rate:
        each["batch_size"] = each["batch_size"] or NUM_TRAIN
    write_csv(FOLDER / "by_rate.csv", by_rate, digits=4)
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    over_steps, over_items, over_rates = figure.subplots(1, 3, sharey=True)
    draw_curves(over_steps, found, curves, "steps")
    draw_curves(over_items, found, curves, "items")
    draw_rates(over_rates, read_csv(FOLDER / "by_rate.csv"))
    over_steps.set(ylabel="mean squared error against the sine", ylim=(2e-3, 1), yscale="log")
    save(figure, FOLDER / "error_curves.png", dpi=80)
    fill(FOLDER / "README.md", numbers())


def places() -> list[tuple[int, str]]:
    """What is compared: items a step, and the schedule."""
    return [(items, schedule) for items in COLOURS for schedule in SCHEDULES]


def place_of(cell: Cell) -> tuple[int, str]:
    """Items a step and the schedule of some runs."""
    config = cell.results[0].config
    return config["batch_size"] or NUM_TRAIN, config["optimizer.schedule"]


def median_curve(cell: Cell) -> Curve:
    """The median error over the runs by which a schedule is judged, at every logged step."""
    logs = [read_log(OUTPUTS / NAME / result.run)[f"metric/{METRIC}"] for result in cell.results]
    steps = [step for step, _ in max(logs, key=len)]
    errors = np.full((len(logs), len(steps)), np.inf)  # a run that diverged has no more
    for line, log in zip(errors, logs, strict=True):
        line[: len(log)] = np.nan_to_num([error for _, error in log], nan=np.inf)
    return np.array(steps), np.median(errors, axis=0)


def tuned_row(place: tuple[int, str], cell: Cell, curve: Curve) -> Row:
    """One batch size and schedule, judged at the rates that suit it."""
    steps, errors = curve
    early = float(errors[steps * place[0] == COMMON_ITEMS][0])
    return {
        "batch_size": place[0],
        "schedule": place[1],
        **row(cell, METRIC),
        f"error_after_{COMMON_ITEMS}_items": early,
    }


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    tuned, by_rate = read_csv(FOLDER / "tuned.csv"), read_csv(FOLDER / "by_rate.csv")
    said = {
        "table": table(
            [
                {
                    "items a step": items,
                    **{
                        name: entry(the_row(tuned, batch_size=items, schedule=schedule))
                        for schedule, name in SCHEDULES.items()
                    },
                }
                for items in COLOURS
            ]
        ),
        "rates": table(
            [
                {
                    "items a step": items,
                    "schedule": name,
                    **{f"rate {rate}": error_at(by_rate, items, schedule, rate) for rate in RATES},
                }
                for items in COLOURS
                for schedule, name in SCHEDULES.items()
            ]
        ),
        "lowest": f"{min(float(each[METRIC]) for each in tuned):.4f}",
    }
    for items in COLOURS:
        of_batch = [each for each in tuned if each["batch_size"] == str(items)]
        said[f"early-{items}"] = f"{min(float(each[f'error_after_{COMMON_ITEMS}_items']) for each in of_batch):.2g}"
        for schedule in SCHEDULES:
            said[f"{schedule}-{items}"] = error(the_row(of_batch, schedule=schedule)[METRIC])
    for schedule in ("constant", "inverse"):
        said[f"{schedule}-small"] = ends(error_at(by_rate, items, schedule, "0.01") for items in COLOURS)
    for items in (1, NUM_TRAIN):
        said[f"large-{items}"] = ends(error_at(by_rate, items, schedule, "0.1") for schedule in SCHEDULES)
    return said


def ends(errors: Iterable[str]) -> str:
    """The smallest and the largest of some: "0.0046 to 0.0234"."""
    found = sorted(errors)
    return f"{found[0]} to {found[-1]}"


def error(number: str) -> str:
    """Four decimals; a median among runs that diverged is none."""
    return "diverged" if number in ("nan", "inf") else f"{float(number):.4f}"


def entry(row: Read) -> str:
    """Median, quartiles and rates: "0.0060 (0.0052 to 0.0240) at 0.03"."""
    return f"{error(row[METRIC])} ({error(row[f'{METRIC}_lower'])} to {error(row[f'{METRIC}_upper'])}) at {chosen(row)}"


def error_at(by_rate: Sequence[Read], items: int, schedule: str, rate: str) -> str:
    """The median error in the end at one rate."""
    return error(the_row(by_rate, batch_size=items, schedule=schedule, rate=rate)[METRIC])


def batch_name(items: int) -> str:
    """In words: "one item"."""
    return "one item" if items == 1 else f"all {items} items" if items == NUM_TRAIN else f"{items} items"


def draw_curves(
    axes: Axes, found: Mapping[tuple[int, str], Cell], curves: Mapping[tuple[int, str], Curve], over: str
) -> None:
    """Medians over the seeds, each batch size and schedule at the rates that are best for it in the end."""
    for items, schedule in places():
        steps, errors = curves[items, schedule]
        shown = np.unique(np.geomspace(1, len(steps) - 1, 40).round().astype(int))  # even on a logarithm
        axes.plot(
            (steps if over == "steps" else steps * items)[shown],
            errors[shown],
            STYLES[schedule],
            lw=1.2,
            color=COLOURS[items],
            label=f"{batch_name(items)}, {schedule}, {found[items, schedule].choice.replace(' | ', ' or ')}",
        )
    axes.set(xscale="log", xlabel={"steps": "steps", "items": "items seen (steps x batch size)"}[over])
    axes.set_title("Best rate of each, over " + over, fontsize=10)
    finish(axes)
    if over == "steps":
        axes.legend(frameon=False, fontsize=8, loc="lower left")


def draw_rates(axes: Axes, by_rate: Sequence[Read]) -> None:
    """The error in the end against the first rate: median and quartiles."""
    for items, schedule in places():
        rows = [the_row(by_rate, batch_size=items, schedule=schedule, rate=rate) for rate in RATES]
        lower, median, upper = (
            np.array([float(row[f"{METRIC}{end}"]) for row in rows]) for end in ("_lower", "", "_upper")
        )
        axes.errorbar(
            [float(rate) for rate in RATES],
            median,
            [median - lower, upper - median],
            ls=STYLES[schedule],
            marker="o",
            ms=3,
            lw=1.2,
            color=COLOURS[items],
            elinewidth=0.8,
        )
    axes.set(xscale="log", xlabel="rate eta at the first step")
    axes.set_title("The error in the end, for every rate", fontsize=10)
    finish(axes)


if __name__ == "__main__":
    main()
