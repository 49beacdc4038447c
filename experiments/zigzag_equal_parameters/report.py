"""Depth against width at equal numbers of parameters, and training that starts near the exact solution.

    dlcourse -m experiment=zigzag_equal_parameters
    dlcourse -m experiment=near_the_solution
    python experiments/zigzag_equal_parameters/report.py

Run from the root of the repository.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dlcourse.recording import Result, quartiles
from experiments.shared import SOLVED, Colour, Row, finish, measured, save, write_csv

TARGETS = (3, 4)  # folds of the sweep's targets: 8 and 16 pieces

FOLDS = (3, 4, 5)
NOISES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5)
RATES = (0.01, 0.001)
NUM_SEEDS = 20

FOLDER = Path(__file__).parent
COLOURS = {3: Colour.BLUE, 4: Colour.RED, 5: Colour.VIOLET}  # by folds
STYLES = {  # by initialisation and rate
    ("torch", 0.01): (Colour.DARK_BLUE, "o-"),
    ("torch", 0.003): (Colour.BLUE, "s--"),
    ("he", 0.01): (Colour.RED, "^-"),
    ("he", 0.003): (Colour.ORANGE, "D--"),
}
Setting = tuple[int, str, float, tuple[int, ...]]


def main() -> None:
    """Tables and figures into this folder."""
    groups = by_setting(measured("zigzag_equal_parameters"))
    rows = [noise_row(result) for result in sorted(measured("near_the_solution"), key=by_noise)]
    write_csv(FOLDER / "shapes.csv", [setting_row(setting, runs) for setting, runs in groups.items()])
    write_csv(FOLDER / "near_the_solution.csv", rows)
    save(shapes_figure(groups), FOLDER / "equal_parameters.png")
    save(noise_figure(rows), FOLDER / "near_the_solution.png")


def interval(num: int, num_trials: int) -> tuple[float, float]:
    """The 95% interval of the probability of what came `num` times in so many trials: Wilson 1927."""
    z = 1.96
    centre, half = num + z**2 / 2, z * math.sqrt(num * (num_trials - num) / num_trials + z**2 / 4)
    return max(0.0, (centre - half) / (num_trials + z**2)), min(1.0, (centre + half) / (num_trials + z**2))


def by_setting(results: Sequence[Result]) -> dict[Setting, list[Result]]:
    """(folds, initialisation, rate, widths) -> the runs, the shallow networks first."""
    groups = defaultdict(list)
    for result in results:
        initialization, rate = result.config["model.initialization"], result.config["optimizer.rate"]
        widths = tuple(result.config["model.widths"])
        groups[result.config["task.num_folds"], initialization, rate, widths].append(result)
    return dict(sorted(groups.items(), key=lambda group: (*group[0][:3], len(group[0][3]))))


def error(run: Result) -> float:
    return run.metrics["mean_squared_error"]


def setting_row(setting: Setting, runs: Sequence[Result]) -> Row:
    """One architecture in one setting, over its seeds."""
    folds, initialization, rate, widths = setting
    errors, counts = quartiles([error(run) for run in runs]), quartiles([run.metrics["num_pieces"] for run in runs])
    counts_of_solved = [int(run.metrics["num_pieces"]) for run in runs if error(run) < SOLVED]
    low, high = interval(len(counts_of_solved), len(runs))
    return {
        "folds": folds,
        "initialization": initialization,
        "rate": rate,
        "depth": len(widths),
        "widths": " ".join(map(str, widths)),
        "parameters": runs[0].metrics["num_parameters"],
        "seeds": len(runs),
        "solved": len(counts_of_solved),
        "probability_low": f"{low:.3f}",
        "probability_high": f"{high:.3f}",
        "error_lower": f"{errors.lower:.3g}",
        "error_median": f"{errors.median:.3g}",
        "error_upper": f"{errors.upper:.3g}",
        "error_lowest": f"{min(error(run) for run in runs):.3g}",
        "pieces_lower": counts.lower,
        "pieces_median": counts.median,
        "pieces_upper": counts.upper,
        "fewest_pieces_solved": min(counts_of_solved, default=""),
        "median_pieces_solved": quartiles(counts_of_solved).median if counts_of_solved else "",
        "constant": sum(run.metrics["num_pieces"] == 1 for run in runs),
    }


def by_noise(result: Result) -> tuple[object, ...]:
    """The most pieces first, then the larger rate; the random start after all sizes of noise."""
    config = result.config
    return -config["num_folds"], -config["rate"], math.inf if config["noise"] is None else config["noise"]


def noise_row(result: Result) -> Row:
    """One size of noise, over its seeds."""
    config, metrics = result.config, result.metrics
    low, high = interval(metrics["num_solved"], config["num_seeds"])
    return {
        "folds": config["num_folds"],
        "rate": config["rate"],
        "noise": "random start" if config["noise"] is None else config["noise"],
        "error_before": f"{metrics['error_before']:.3g}",
        "error_after": f"{metrics['error_after']:.3g}",
        "solved_before": metrics["num_solved_before"],
        "solved": metrics["num_solved"],
        "probability_low": round(low, 3),
        "probability_high": round(high, 3),
        "median_pieces": metrics["median_pieces"],
        "solved_with_exactly_2^folds_pieces": metrics["num_solved_exactly"],
    }


def shapes_figure(groups: dict[Setting, list[Result]]) -> Figure:
    """Who solves the zig-zag of 8 pieces, with how many pieces, and how near networks come to that of 16."""
    figure = Figure(figsize=(13, 4.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    shapes = list(dict.fromkeys(widths for *_, widths in groups))
    for index, ((initialization, rate), (colour, style)) in enumerate(STYLES.items()):
        places = np.arange(len(shapes)) + 0.12 * (index - 1.5)
        easy, hard = ([groups[folds, initialization, rate, widths] for widths in shapes] for folds in TARGETS)
        look = {"color": colour, "ms": 5, "lw": 1.2}
        num_solved = [sum(error(run) < SOLVED for run in runs) for runs in easy]
        shares = np.array([num / len(runs) for num, runs in zip(num_solved, easy, strict=True)])
        ends = [interval(num, len(runs)) for num, runs in zip(num_solved, easy, strict=True)]
        left.vlines(places, *zip(*ends, strict=True), color=colour, alpha=0.45)
        left.plot(places, shares, style, label=f"{initialization}, rate {rate}", **look)
        for axes, values in (
            (middle, [[run.metrics["num_pieces"] for run in runs] for runs in easy]),
            (right, [[error(run) for run in runs] for runs in hard]),
        ):
            lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75], axis=1)
            axes.vlines(places, lower, upper, color=colour, alpha=0.45)
            axes.plot(places, median, style, **look)
    left.set(ylim=(-0.03, 1.03), ylabel="share of 20 seeds", title="8 pieces: solved (with 95% intervals)")
    middle.axhline(2 ** TARGETS[0], color=Colour.SLATE, lw=1, ls=":")
    middle.set(yscale="log", ylabel="linear pieces on [-2, 2]", title="8 pieces: how many networks have (quartiles)")
    middle.set_yticks([1, 2, 4, 8, 16, 32, 64, 128], ["1", "2", "4", "8", "16", "32", "64", "128"])
    right.axhline(4 / 3, color=Colour.SLATE, lw=1, ls=":")
    right.set(ylim=(0, 1.45), ylabel="mean squared error", title="16 pieces: error (quartiles; dots: variance)")
    for axes in (left, middle, right):
        axes.minorticks_off()
        axes.set_xticks(range(len(shapes)), [shape_name(widths) for widths in shapes])
        axes.set_xlabel("hidden layers x units")
        axes.title.set_fontsize(11)
        finish(axes)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def shape_name(widths: tuple[int, ...]) -> str:
    """Layers x units, from the first width to the last where they differ: "3 x 12-11"."""
    name = f"{len(widths)} x {widths[0]}"
    return name if len(set(widths)) == 1 else f"{name}-{widths[-1]}"


def noise_figure(rows: Sequence[Row]) -> Figure:
    """How often training comes back, against the noise, and the error that it starts from."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    *panels, right = figure.subplots(1, 3)
    for axes, rate in zip(panels, RATES, strict=True):
        for index, folds in enumerate(FOLDS):
            chosen = [row for row in rows if row["folds"] == folds and row["rate"] == rate]
            # the random start stands at the right end, a little apart from the other folds'
            noises = np.array([*NOISES, 1.5]) * 1.04 ** (index - 1)
            shares = [row["solved"] / NUM_SEEDS for row in chosen]
            ends = [(row["probability_low"], row["probability_high"]) for row in chosen]
            colour = COLOURS[folds]
            axes.vlines(noises, *zip(*ends, strict=True), color=colour, lw=1.5, alpha=0.45)
            axes.plot(noises[:-1], shares[:-1], "o-", ms=5, color=colour, label=f"{2**folds} pieces")
            axes.plot(noises[-1], shares[-1], "D", ms=5, color=colour)
        axes.set(xscale="log", ylim=(-0.03, 1.03), ylabel="share of seeds that come back")
        axes.set_title(f"Adam, rate {rate}", fontsize=11)
    for folds in FOLDS:
        chosen = [row for row in rows if row["folds"] == folds and row["rate"] == RATES[0] and row["noise"] in NOISES]
        before = [float(row["error_before"]) for row in chosen]
        right.plot(NOISES, before, "o-", ms=5, color=COLOURS[folds], label=f"{2**folds} pieces")
    right.axhline(4 / 3, color=Colour.REFERENCE, lw=1, ls=":")
    right.text(0.05, 1.2, "variance of the target", color=Colour.SLATE, fontsize=9, va="top")
    right.set(xscale="log", yscale="log", ylabel="median error before training")
    right.set_title("How far away the noise is", fontsize=11)
    for axes in (*panels, right):
        ticks = [0.002, 0.01, 0.03, 0.1, 0.5]
        names = ["0.002", "0.01", "0.03", "0.1", "0.5"]
        if axes is not right:
            ticks, names = [*ticks, 1.5], [*names, "random\nstart"]
        axes.set_xticks(ticks, names)
        axes.minorticks_off()
        axes.set_xlabel("relative noise on all parameters")
        finish(axes)
        axes.legend(frameon=False, fontsize=9)
    return figure


if __name__ == "__main__":
    main()
