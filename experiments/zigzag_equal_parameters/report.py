"""Depth against width at equal numbers of parameters, and training that starts near the exact solution.

    dlcourse -m experiment=zigzag_equal_parameters
    dlcourse -m experiment=near_the_solution
    python experiments/zigzag_equal_parameters/report.py

Run from the root of the repository.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.recording import Result, quartiles, results_of

SOLVED = 0.001  # mean squared error; the target's variance is 4/3
TARGETS = (3, 4)  # folds of the sweep's targets: 8 and 16 pieces

FOLDS = (3, 4, 5)
NOISES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5)
RATES = (0.01, 0.001)
NUM_SEEDS = 20

FOLDER = Path(__file__).parent
COLOURS = {3: "#3f90da", 4: "#bd1f01", 5: "#832db6"}  # by folds
STYLES = {  # by initialisation and rate
    ("torch", 0.01): ("#0b5fa5", "o-"),
    ("torch", 0.003): ("#3f90da", "s--"),
    ("he", 0.01): ("#bd1f01", "^-"),
    ("he", 0.003): ("#e76300", "D--"),
}
Row = dict[str, object]
Setting = tuple[int, str, float, tuple[int, ...]]


def main() -> None:
    """Tables and figures into this folder."""
    groups = by_setting(results_of(Path("outputs/zigzag_equal_parameters")))
    write("shapes.csv", [setting_row(setting, runs) for setting, runs in groups.items()])
    save(shapes_figure(groups), "equal_parameters.png")
    rows = [noise_row(result) for result in sorted(results_of(Path("outputs/near_the_solution")), key=by_noise)]
    write("near_the_solution.csv", rows)
    save(noise_figure(rows), "near_the_solution.png")


def interval(num: int, of: int) -> tuple[float, float]:
    """The 95% interval of the probability of what came `num` times out of `of`: Wilson 1927."""
    z = 1.96
    centre, half = num + z**2 / 2, z * math.sqrt(num * (of - num) / of + z**2 / 4)
    return max(0.0, (centre - half) / (of + z**2)), min(1.0, (centre + half) / (of + z**2))


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
    solved = [run for run in runs if error(run) < SOLVED]
    low, high = interval(len(solved), len(runs))
    in_solutions = [int(run.metrics["num_pieces"]) for run in solved]
    return {
        "folds": folds,
        "initialization": initialization,
        "rate": rate,
        "depth": len(widths),
        "widths": " ".join(map(str, widths)),
        "parameters": runs[0].metrics["num_parameters"],
        "seeds": len(runs),
        "solved": len(solved),
        "probability_low": f"{low:.3f}",
        "probability_high": f"{high:.3f}",
        "error_lower": f"{errors.lower:.3g}",
        "error_median": f"{errors.median:.3g}",
        "error_upper": f"{errors.upper:.3g}",
        "error_lowest": f"{min(error(run) for run in runs):.3g}",
        "pieces_lower": counts.lower,
        "pieces_median": counts.median,
        "pieces_upper": counts.upper,
        "fewest_pieces_solved": min(in_solutions, default=""),
        "median_pieces_solved": quartiles(in_solutions).median if solved else "",
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
        where = np.arange(len(shapes)) + 0.12 * (index - 1.5)
        easy, hard = ([groups[folds, initialization, rate, widths] for widths in shapes] for folds in TARGETS)
        look = {"color": colour, "ms": 5, "lw": 1.2}
        num_solved = [sum(error(run) < SOLVED for run in runs) for runs in easy]
        shares = np.array([num / len(runs) for num, runs in zip(num_solved, easy, strict=True)])
        ends = [interval(num, len(runs)) for num, runs in zip(num_solved, easy, strict=True)]
        left.vlines(where, *zip(*ends, strict=True), color=colour, alpha=0.45)
        left.plot(where, shares, style, label=f"{initialization}, rate {rate}", **look)
        for axes, of in (
            (middle, [[run.metrics["num_pieces"] for run in runs] for runs in easy]),
            (right, [[error(run) for run in runs] for runs in hard]),
        ):
            lower, median, upper = np.quantile(of, [0.25, 0.5, 0.75], axis=1)
            axes.vlines(where, lower, upper, color=colour, alpha=0.45)
            axes.plot(where, median, style, **look)
    left.set(ylim=(-0.03, 1.03), ylabel="share of 20 seeds", title="8 pieces: solved (with 95% intervals)")
    middle.axhline(2 ** TARGETS[0], color="#717581", lw=1, ls=":")
    middle.set(yscale="log", ylabel="linear pieces on [-2, 2]", title="8 pieces: how many networks have (quartiles)")
    middle.set_yticks([1, 2, 4, 8, 16, 32, 64, 128], ["1", "2", "4", "8", "16", "32", "64", "128"])
    right.axhline(4 / 3, color="#717581", lw=1, ls=":")
    right.set(ylim=(0, 1.45), ylabel="mean squared error", title="16 pieces: error (quartiles; dots: variance)")
    labels = [f"{len(w)} x {w[0]}" if len(set(w)) == 1 else f"{len(w)} x {w[0]}-{w[-1]}" for w in shapes]
    for axes in (left, middle, right):
        axes.minorticks_off()
        axes.set_xticks(range(len(shapes)), labels)
        axes.set_xlabel("hidden layers x units")
        finish(axes)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def noise_figure(rows: Sequence[Row]) -> Figure:
    """How often training comes back, against the noise, and the error that it starts from."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    *panels, right = figure.subplots(1, 3)
    for axes, rate in zip(panels, RATES, strict=True):
        for index, folds in enumerate(FOLDS):
            own = [row for row in rows if row["folds"] == folds and row["rate"] == rate]
            # the random start stands at the right end, a little apart from the other folds'
            noises = np.array([*NOISES, 1.5]) * 1.04 ** (index - 1)
            shares = [int(str(row["solved"])) / NUM_SEEDS for row in own]
            ends = [(float(str(row["probability_low"])), float(str(row["probability_high"]))) for row in own]
            colour = COLOURS[folds]
            axes.vlines(noises, *zip(*ends, strict=True), color=colour, lw=1.5, alpha=0.45)
            axes.plot(noises[:-1], shares[:-1], "o-", ms=5, color=colour, label=f"{2**folds} pieces")
            axes.plot(noises[-1], shares[-1], "D", ms=5, color=colour)
        axes.set(xscale="log", ylim=(-0.03, 1.03), ylabel="share of seeds that come back")
        axes.set_title(f"Adam, rate {rate}", fontsize=11)
    for folds in FOLDS:
        own = [row for row in rows if row["folds"] == folds and row["rate"] == RATES[0] and row["noise"] in NOISES]
        before = [float(str(row["error_before"])) for row in own]
        right.plot(NOISES, before, "o-", ms=5, color=COLOURS[folds], label=f"{2**folds} pieces")
    right.axhline(4 / 3, color="#9a9a9a", lw=1, ls=":")
    right.text(0.05, 1.2, "variance of the target", color="#717581", fontsize=9, va="top")
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


def finish(axes: Axes) -> None:
    """What all axes share."""
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.title.set_fontsize(11)


def save(figure: Figure, name: str) -> None:
    """As a PNG, the same bytes each time."""
    figure.savefig(FOLDER / name, dpi=100, metadata={"Software": None})


def write(name: str, rows: Iterable[Row]) -> None:
    """A table as a CSV file."""
    table = list(rows)
    with (FOLDER / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
