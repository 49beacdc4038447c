"""Learning parity: steps until networks know it, and Figure 1 of Shalev-Shwartz et al.

    dlcourse -m experiment=learning_parity
    dlcourse -m experiment=first_gradient
    dlcourse -m experiment=published_parity_5
    dlcourse -m experiment=published_parity_10
    dlcourse -m experiment=published_parity_30
    python experiments/learning_parity/report.py

Run from the root of the repository.
"""

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcourse.recording import Result, quartiles, read_log
from experiments.shared import OUTPUTS, Colour, Row, finish, measured, save, write_csv

FOLDER = Path(__file__).parent
LEARNT = 0.99  # of all inputs; with a constant rate, all of them is a matter of luck
WIDTH_COLOURS = {16: Colour.YELLOW, 32: Colour.ORANGE, 64: Colour.RED}

# Shalev-Shwartz, Shamir & Shammah 2017, Fig. 1: their steps until accuracy 1, None where there is no learning.
PUBLISHED = {5: 2110, 10: 19_500, 30: None}
BITS_COLOURS = {5: Colour.BLUE, 10: Colour.VIOLET, 30: Colour.BLACK}
Curve = tuple[NDArray[Any], NDArray[Any]]  # logged steps, and the accuracy at each


def main() -> None:
    """Tables and figures into this folder."""
    rows = table_of_sweep()
    write_csv(FOLDER / "sweep.csv", rows, digits=5)
    save(figure_of_sweep(rows), FOLDER / "steps_against_bits.png", dpi=80)
    write_csv(FOLDER / "first_gradient.csv", first_gradients(), digits=5)
    curves = reproduced()
    write_csv(FOLDER / "figure_1.csv", table_of_figure_1(curves), digits=5)
    save(figure_1(curves), FOLDER / "figure_1.png", dpi=80)


def accuracy_curve(name: str, result: Result) -> Curve:
    """What one run of an experiment logged."""
    steps, accuracies = np.array(read_log(OUTPUTS / name / result.run)["metric/accuracy"]).T
    return steps, accuracies


def steps_until(accuracy: float, steps: NDArray[Any], accuracies: NDArray[Any]) -> float:
    """The first logged step with this accuracy; infinite if there is none."""
    reached = accuracies >= accuracy
    return float(steps[reached.argmax()]) if reached.any() else math.inf


def table_of_sweep() -> list[Row]:
    """For each number of bits, depth and width: how many seeds learn parity, and after how many steps."""
    results: dict[tuple[int, int, int], list[Result]] = defaultdict(list)
    for result in measured("learning_parity"):
        config = result.config
        results[config["task.num_bits"], config["model.depth"], config["model.width"]].append(result)
    rows = []
    for (num_bits, depth, width), members in sorted(results.items()):
        curves = [accuracy_curve("learning_parity", result) for result in members]
        steps_learnt = [steps_until(LEARNT, *curve) for curve in curves]
        spread = quartiles(steps_learnt)
        final_accuracies = [result.metrics["accuracy"] for result in members]
        rows.append(
            {
                "num_bits": num_bits,
                "depth": depth,
                "width": width,
                "parameters": members[0].metrics["num_parameters"],
                "seeds": len(members),
                "seeds_learnt": sum(map(math.isfinite, steps_learnt)),
                "seeds_exact": sum(math.isfinite(steps_until(1.0, *curve)) for curve in curves),
                "steps_lower_quartile": spread.lower,
                "steps_median": spread.median,
                "steps_upper_quartile": spread.upper,
                "final_accuracy_lowest": min(final_accuracies),
                "final_accuracy_median": quartiles(final_accuracies).median,
            }
        )
    return rows


def figure_of_sweep(rows: list[Row]) -> Figure:
    """Steps against bits, one panel a depth."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    depths = sorted({row["depth"] for row in rows})
    bits = sorted({row["num_bits"] for row in rows})
    for axes, depth in zip(figure.subplots(1, len(depths), sharey=True), depths, strict=True):
        for width, colour in WIDTH_COLOURS.items():
            curve = [row for row in rows if (row["depth"], row["width"]) == (depth, width)]
            median, lower, upper = (
                np.array([row[f"steps_{name}"] for row in curve])
                for name in ("median", "lower_quartile", "upper_quartile")
            )
            axes.errorbar(
                bits, median, [median - lower, upper - median], fmt="o-", ms=4, color=colour, label=f"width {width}"
            )
            for row in curve:
                if row["seeds_learnt"] < row["seeds"]:
                    place = {16: 0, 32: 1, 64: 2}[width]
                    text = f"{row['seeds_learnt']} of {row['seeds']}"
                    axes.text(row["num_bits"], 13_000 * 1.25**place, text, color=colour, ha="center", fontsize=8)
        axes.axhline(11_500, color="grey", lw=0.6)
        axes.set(yscale="log", xlabel="bits", xticks=bits, ylim=(150, 26_000), xlim=(3, 17.5))
        axes.set_title(f"{depth} hidden layer{'s' * (depth > 1)}", fontsize=10)
        finish(axes)
    figure.axes[0].set_ylabel("steps until 99% are right\n(on top: seeds that get there, where not all do)")
    figure.axes[0].legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def first_gradients() -> list[Row]:
    """Before the first step: norms of the gradient of -y y~, which the hinge is while |y~| < 1, over all inputs."""
    return [
        {"num_bits": result.config["num_bits"], "bits_that_count": result.config["subset"], **result.metrics}
        for result in measured("first_gradient", "subset")
    ]


def reproduced() -> dict[tuple[int, int], list[Curve]]:
    """For each number of bits and of those that count: every seed's curve."""
    curves = defaultdict(list)
    for num_bits in PUBLISHED:
        name = f"published_parity_{num_bits}"
        for result in measured(name, "task.subset"):
            curves[num_bits, result.config["task.subset"]].append(accuracy_curve(name, result))
    return curves


def table_of_figure_1(curves: dict[tuple[int, int], list[Curve]]) -> list[Row]:
    """For each number of bits and of those that count: steps until accuracy 1, and the accuracy in the end."""
    rows = []
    for (num_bits, subset), curves_of_seeds in curves.items():
        steps = sorted(steps_until(1.0, *curve) for curve in curves_of_seeds)
        late = np.concatenate([accuracies[len(accuracies) // 2 :] for _, accuracies in curves_of_seeds])
        rows.append(
            {
                "num_bits": num_bits,
                "bits_that_count": subset,
                "seeds": len(curves_of_seeds),
                "steps_fewest": steps[0],
                "steps_median": quartiles(steps).median,
                "steps_most": steps[-1],
                "published_steps": PUBLISHED[num_bits] or "",
                "accuracy_mean_of_second_half": float(late.mean()),
                "accuracy_deviation_of_second_half": float(late.std()),
            }
        )
    return rows


def figure_1(curves: dict[tuple[int, int], list[Curve]]) -> Figure:
    """Accuracy against steps, medians over the seeds, beside the published steps."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for (num_bits, subset), curves_of_seeds in curves.items():
        steps = curves_of_seeds[0][0]
        median = np.median([accuracies for _, accuracies in curves_of_seeds], axis=0)
        colour = BITS_COLOURS[num_bits]
        axes.plot(steps[1:], median[1:], "--" if subset % 2 == 0 else "-", lw=1.2, color=colour)
        risen = median > 0.75
        place = risen.argmax() if risen.any() else -1
        # 30 bits to the right of their curve, where 5 bits are to the left of theirs
        beside: dict[str, Any] = (
            {"ha": "left", "xytext": (5, 8)} if num_bits == 30 else {"ha": "right", "xytext": (-4, 1)}
        )
        axes.annotate(str(subset), (steps[place], median[place]), textcoords="offset points", color=colour, **beside)
    for num_bits, published in PUBLISHED.items():
        colour = BITS_COLOURS[num_bits]
        axes.plot([], [], color=colour, label=f"{num_bits} bits")
        if published:
            axes.axvline(published, color=colour, lw=5, alpha=0.25)
    axes.plot([], [], color="grey", lw=5, alpha=0.4, label="published: all right")
    axes.plot([], [], "-", color="grey", label="an odd number of bits counts")
    axes.plot([], [], "--", color="grey", label="an even number counts\n(the number stands at the curve)")
    axes.set(xscale="log", xlabel="steps of 128 fresh inputs", ylabel="fraction of inputs that are right")
    finish(axes)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


if __name__ == "__main__":
    main()
