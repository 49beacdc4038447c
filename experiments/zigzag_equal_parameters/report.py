"""Depth against width at equal numbers of parameters, and training that starts near the exact solution.

    dlcourse -m experiment=zigzag_equal_parameters
    dlcourse -m experiment=near_the_solution
    python experiments/zigzag_equal_parameters/report.py

Run from the root of the repository.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcourse.networks.model import widths_of_size
from dlcourse.recording import Result, quartiles, wilson
from experiments.shared import (
    Colour,
    Row,
    chosen,
    fill,
    finish,
    measured,
    read_csv,
    save,
    share,
    table,
    the_row,
    tuned_rows,
    write_csv,
)

TARGETS, DEPTHS, SIZE = (3, 4), (1, 2, 3, 5, 8), 320  # folds of the sweep's targets (8 and 16 pieces), and its networks
INITIALIZATIONS = {"torch": "torch", "he": "He"}
RATES_OF_SWEEP = ("0.001", "0.003", "0.01", "0.03", "0.1")

FOLDS = (3, 4, 5)
NOISES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5)
SHOWN_NOISES = ("0.002", "0.01", "0.02", "0.03", "0.05", "0.07", "0.1", "0.2", "random start")
RATES = (0.01, 0.001)
NUM_SEEDS = 20

FOLDER = Path(__file__).parent
METRIC = "mean_squared_error"
COLOURS = {3: Colour.BLUE, 4: Colour.RED, 5: Colour.VIOLET}  # by folds
LOOKS = {"torch": (Colour.BLUE, "o-"), "he": (Colour.RED, "^--")}

Read = Mapping[str, str]


def main() -> None:
    """Tables and figures into this folder, and numbers into its page."""
    results = measured("zigzag_equal_parameters")
    start, rate = "model.initialization", "optimizer.rate"
    write_csv(FOLDER / "tuned.csv", tuned_rows(results, METRIC, "task.num_folds"), digits=4)
    by_start = tuned_rows(results, METRIC, "task.num_folds", start, tune=[rate])
    write_csv(FOLDER / "by_initialization.csv", by_start, digits=4)
    by_rate = tuned_rows(results, METRIC, "task.num_folds", start, rate, tune=[])
    write_csv(FOLDER / "by_rate.csv", by_rate, digits=4)
    write_csv(FOLDER / "pieces_of_solved.csv", pieces_of_solved(results))
    rows = [noise_row(result) for result in sorted(measured("near_the_solution"), key=by_noise)]
    write_csv(FOLDER / "near_the_solution.csv", rows)
    save(
        shapes_figure(read_csv(FOLDER / "by_initialization.csv"), read_csv(FOLDER / "by_rate.csv")),
        FOLDER / "equal_parameters.png",
    )
    save(noise_figure(rows), FOLDER / "near_the_solution.png")
    fill(FOLDER / "README.md", numbers())


def pieces_of_solved(results: Sequence[Result]) -> list[Row]:
    """For each target and depth: how many pieces the networks have that solve it, from all settings."""
    counts: dict[tuple[int, int], list[int]] = defaultdict(list)
    for result in results:
        if result.is_solved:
            place = result.config["task.num_folds"], result.config["model.depth"]
            counts[place].append(int(result.metrics["num_pieces"]))
    return [
        {
            "num_folds": folds,
            "depth": depth,
            "solved": len(found),
            "fewest": min(found),
            "median": quartiles(found).median,
            "most": max(found),
            "exactly_2^folds": found.count(2**folds),
        }
        for (folds, depth), found in sorted(counts.items())
    ]


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    tuned, starts, rates, pieces = (
        read_csv(FOLDER / f"{name}.csv") for name in ("tuned", "by_initialization", "by_rate", "pieces_of_solved")
    )
    said = {f"table-{2**folds}": shapes_table(tuned, starts, folds) for folds in TARGETS}
    said["rates"] = table(
        [
            {
                "layers": depth,
                "from": name,
                **{
                    f"rate {rate}": f"{row['solved']}"
                    for rate in RATES_OF_SWEEP
                    if (row := the_row(rates, num_folds=3, initialization=start, depth=depth, rate=rate))
                },
            }
            for depth in (1, 3)
            for start, name in INITIALIZATIONS.items()
        ]
    )
    for depth in DEPTHS:
        said[f"tuned-{depth}"] = share(the_row(tuned, num_folds=3, depth=depth))
        said[f"error-{depth}"] = f"{float(the_row(tuned, num_folds=4, depth=depth)[METRIC]):.2f}"
    one_at = {rate: the_row(rates, num_folds=3, initialization="he", depth=1, rate=rate) for rate in RATES_OF_SWEEP}
    three_at = {
        rate: the_row(rates, num_folds=3, initialization="torch", depth=3, rate=rate) for rate in RATES_OF_SWEEP
    }
    said["one-slow"] = " and ".join(one_at[rate]["solved"] for rate in ("0.003", "0.01"))
    said["one-fast"] = " and ".join(one_at[rate]["solved"] for rate in ("0.03", "0.1"))
    said["one-error"] = f"{float(one_at['0.03'][METRIC]):.0e}"
    said["three-slow"] = " and ".join(three_at[rate]["solved"] for rate in ("0.003", "0.01"))
    said["three-fast"] = " and ".join(three_at[rate]["solved"] for rate in ("0.03", "0.1"))
    for start in INITIALIZATIONS:
        said[f"eight-{start}"] = share(the_row(starts, num_folds=3, initialization=start, depth=8))
    said["five-he"] = share(the_row(starts, num_folds=3, initialization="he", depth=5))
    said["solved-16"] = str(sum(int(row["solved"]) for row in rates if row["num_folds"] == "4"))
    said["runs-16"] = str(sum(int(row["seeds"]) for row in rates if row["num_folds"] == "4"))
    of_eight = [row for row in pieces if row["num_folds"] == "3"]
    said["fewest"] = min((row["fewest"] for row in of_eight), key=int)
    said["medians"] = ", ".join(f"{float(row['median']):g}" for row in of_eight)
    said["exactly"] = f"{sum(int(row['exactly_2^folds']) for row in pieces)} of {sum(int(r['solved']) for r in pieces)}"
    return {**said, **noise_numbers(read_csv(FOLDER / "near_the_solution.csv"))}


def shapes_table(tuned: Sequence[Read], starts: Sequence[Read], folds: int) -> str:
    """Each shape on one target, tuned over rate and initialisation, and over the rate for each initialisation.

    Of 8 pieces the table says who solves it, of 16 pieces, which hardly anybody solves, how large the error is.
    """
    entry = share if folds == TARGETS[0] else error
    rows = []
    for depth in DEPTHS:
        both = the_row(tuned, num_folds=folds, depth=depth)
        row = {
            "layers": ", ".join(map(str, widths_of_size(SIZE, depth, 1, 1))) if depth < 5 else shape_name(depth),
            "parameters": both["parameters"],
            "rate and initialisation tuned": f"{entry(both)} at {chosen(both)}",
        }
        for start, name in INITIALIZATIONS.items():
            one = the_row(starts, num_folds=folds, depth=depth, initialization=start)
            row[f"from {name}, rate tuned"] = f"{entry(one)} at {chosen(one)}"
        rows.append(row)
    return table(rows)


def error(row: Read) -> str:
    """Median and quartiles: "0.80 (0.71 to 0.91)"."""
    median, lower, upper = (float(row[f"{METRIC}{end}"]) for end in ("", "_lower", "_upper"))
    return f"{median:.2f} ({lower:.2f} to {upper:.2f})"


def shape_name(depth: int) -> str:
    """Layers x units, from the first width to the last where they differ: "3 x 12-11"."""
    widths = widths_of_size(SIZE, depth, 1, 1)
    name = f"{depth} x {widths[0]}"
    return name if len(set(widths)) == 1 else f"{name}-{widths[-1]}"


def noise_numbers(rows: Sequence[Read]) -> dict[str, str]:
    """What the page says of training that starts near the solution."""

    def row_of(folds: int, rate: str, noise: str) -> Read:
        return the_row(rows, folds=folds, rate=rate, noise=noise)

    said = {
        "noise": table(
            [
                {
                    "noise": noise if noise == "random start" else f"{100 * float(noise):g}%",
                    **{
                        f"{2**folds} pieces (k = {folds})": " / ".join(
                            row_of(folds, rate, noise)["solved"] for rate in ("0.001", "0.01")
                        )
                        for folds in FOLDS
                    },
                }
                for noise in SHOWN_NOISES
            ]
        )
    }
    for folds in FOLDS:
        most = max(noise for noise in NOISES if int(row_of(folds, "0.001", f"{noise:g}")["solved"]) >= NUM_SEEDS / 2)
        said[f"half-{2**folds}"] = f"{100 * most:g}%"
        back = [row for row in rows if row["folds"] == str(folds) and int(row["solved"]) >= NUM_SEEDS / 2]
        medians = [float(row["median_pieces"]) for row in back]
        said[f"pieces-{2**folds}"] = " to ".join(f"{end:g}" for end in sorted({min(medians), max(medians)}))
        said[f"exact-{2**folds}"] = str(max(int(row["solved_with_exactly_2^folds_pieces"]) for row in back))
    said["before"] = ", ".join(row_of(folds, "0.01", "0.002")["error_before"] for folds in FOLDS)
    said["lost"] = str(NUM_SEEDS - int(row_of(5, "0.01", "0.002")["solved"]))
    said["lost-slow"] = str(NUM_SEEDS - int(row_of(5, "0.001", "0.002")["solved"]))
    starts = [row for row in rows if row["noise"] == "random start"]
    said["random"] = f"{sum(int(row['solved']) for row in starts)} of {NUM_SEEDS * len(starts)}"
    far = row_of(5, "0.001", "0.01")
    said["far"] = f"{float(far['error_before']):.2g}"
    said["far-back"] = far["solved"]
    return said


def by_noise(result: Result) -> tuple[object, ...]:
    """The most pieces first, then the larger rate; the random start after all sizes of noise."""
    config = result.config
    return -config["num_folds"], -config["rate"], math.inf if config["noise"] is None else config["noise"]


def noise_row(result: Result) -> Row:
    """One size of noise, over its seeds."""
    config, metrics = result.config, result.metrics
    low, high = wilson(metrics["num_solved"], config["num_seeds"])
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


def shapes_figure(starts: Sequence[Read], rates: Sequence[Read]) -> Figure:
    """Who solves 8 pieces at each depth, and the error on 16, at the best rate of each; and 8 pieces at every rate."""
    figure = Figure(figsize=(14.5, 4.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for index, (start, name) in enumerate(INITIALIZATIONS.items()):
        colour, style = LOOKS[start]
        places = np.arange(len(DEPTHS)) + 0.12 * (index - 0.5)
        easy, hard = (
            [the_row(starts, num_folds=folds, depth=depth, initialization=start) for depth in DEPTHS]
            for folds in TARGETS
        )
        draw_shares(left, places, easy, colour, style, f"from {name}")
        lower, median, upper = ([float(row[f"{METRIC}{end}"]) for row in hard] for end in ("_lower", "", "_upper"))
        middle.vlines(places, lower, upper, color=colour, alpha=0.35)
        middle.plot(places, median, style, color=colour, ms=5, lw=1.2)
    for axes in (left, middle):
        axes.set_xticks(range(len(DEPTHS)), [shape_name(depth) for depth in DEPTHS])
        axes.set(xlabel="hidden layers x units")
    left.set(title="8 pieces, each at its best rate")
    left.legend(frameon=False, fontsize=9, loc="lower left")
    middle.axhline(4 / 3, color=Colour.SLATE, lw=1, ls=":")
    middle.set(ylim=(0, 1.45), ylabel="mean squared error", title="16 pieces: error (quartiles; dots: variance)")
    for index, depth in enumerate((1, 3)):
        for start, name in INITIALIZATIONS.items():
            shown = [
                the_row(rates, num_folds=3, initialization=start, depth=depth, rate=rate) for rate in RATES_OF_SWEEP
            ]
            places = np.arange(len(RATES_OF_SWEEP)) + 0.06 * (2 * index + (start == "he") - 1.5)
            label = f"{depth} {'layer' if depth == 1 else 'layers'}, from {name}"
            draw_shares(right, places, shown, LOOKS[start][0], ("o-", "s:")[index], label)
    right.set_xticks(range(len(RATES_OF_SWEEP)), RATES_OF_SWEEP)
    right.set(xlabel="rate", title="8 pieces, at every rate")
    figure.legend(*right.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    for axes in (left, right):
        axes.set(ylim=(-0.03, 1.03), ylabel=f"share of {rates[0]['seeds']} seeds that solve it")
    for axes in (left, middle, right):
        axes.title.set_fontsize(11)
        finish(axes)
    return figure


def draw_shares(axes: Axes, places: NDArray[Any], rows: Sequence[Read], colour: str, style: str, label: str) -> None:
    """How many of the seeds solve it, with the intervals of the probability."""
    ends = [(float(row["solved_low"]), float(row["solved_high"])) for row in rows]
    axes.vlines(places, *zip(*ends, strict=True), color=colour, alpha=0.35)
    shares = [int(row["solved"]) / int(row["seeds"]) for row in rows]
    axes.plot(places, shares, style, color=colour, ms=5, lw=1.2, label=label)


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
