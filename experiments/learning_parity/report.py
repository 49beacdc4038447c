"""Learning parity: which networks come to know it, and Figure 1 of Shalev-Shwartz et al.

    dlcourse -m experiment=learning_parity
    dlcourse -m experiment=parity
    dlcourse -m experiment=first_gradient
    dlcourse -m experiment=published_parity_5
    dlcourse -m experiment=published_parity_10
    dlcourse -m experiment=published_parity_30
    python experiments/learning_parity/report.py

Run from the root of the repository.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcourse.networks.model import widths_of_size
from dlcourse.recording import TUNED, Result, quartiles, read_log
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
    share,
    table,
    the_row,
    tuned_rows,
    with_pilots,
    write_csv,
)

FOLDER = Path(__file__).parent
BITS, DEPTHS, SIZES = (12, 16), (1, 2, 3), (300, 1200)
RATES = ("0.001", "0.003", "0.01", "0.03", "0.1")
STARTS = {"torch": "-", "he": "--"}  # the initialisations, with the lines of the figure
DEPTH_COLOURS = {1: Colour.BLUE, 2: Colour.ORANGE, 3: Colour.VIOLET}

# Shalev-Shwartz, Shamir & Shammah 2017, Fig. 1: their steps until accuracy 1, None where there is no learning.
PUBLISHED = {5: 2110, 10: 19_500, 30: None}
BITS_COLOURS = {5: Colour.BLUE, 10: Colour.VIOLET, 30: Colour.BLACK}
Curve = tuple[NDArray[Any], NDArray[Any]]  # logged steps, and the accuracy at each
Read = Mapping[str, str]


def main() -> None:
    """Tables and figures into this folder, and numbers into its page."""
    results = measured("learning_parity")
    write_csv(FOLDER / "sweep.csv", tuned_rows(results, "accuracy", "task.num_bits"), digits=5)
    by_rate = tuned_rows(with_pilots("learning_parity"), "accuracy", "task.num_bits", *TUNED, tune=[])
    write_csv(FOLDER / "sweep_by_rate.csv", by_rate, digits=5)
    write_csv(FOLDER / "truth_table.csv", tuned_rows(measured("parity"), "accuracy"), digits=5)
    save(figure_of_sweep(read_csv(FOLDER / "sweep_by_rate.csv")), FOLDER / "who_learns_parity.png", dpi=80)
    write_csv(FOLDER / "first_gradient.csv", first_gradients(), digits=5)
    curves = reproduced()
    write_csv(FOLDER / "figure_1.csv", table_of_figure_1(curves), digits=5)
    save(figure_1(curves), FOLDER / "figure_1.png", dpi=80)
    fill(FOLDER / "README.md", numbers())


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    names = ("sweep", "sweep_by_rate", "truth_table", "figure_1", "first_gradient")
    sweep, by_rate, truth_table, published, gradients = (read_csv(FOLDER / f"{name}.csv") for name in names)
    said = {
        "sweep": table(
            [
                {
                    "at most": size,
                    "bits": bits,
                    **{
                        layers(depth): entry(the_row(sweep, num_bits=bits, depth=depth, max_parameters=size))
                        for depth in DEPTHS
                    },
                }
                for size in SIZES
                for bits in BITS
            ]
        ),
        "rates": table(
            [
                {
                    "at most": size,
                    "from": start,
                    "depth": depth,
                    **{
                        f"rate {row['rate']}": f"{row['solved']} ({float(row['accuracy']):.3f})"
                        for row in at_every_rate(by_rate, 16, depth, size, start)
                    },
                }
                for size in SIZES
                for start in STARTS
                for depth in DEPTHS
            ]
        ),
        "truth-table": table([truth_table_row(row) for row in truth_table]),
        "figure-1": table([published_row(row) for row in published]),
    }
    for bits in BITS:
        for size in SIZES:
            rows = [the_row(sweep, num_bits=bits, depth=depth, max_parameters=size) for depth in DEPTHS]
            said[f"accuracy-{bits}-{size}"] = ", ".join(f"{float(row['accuracy']):.3f}" for row in rows)
    for depth in DEPTHS:
        said[f"solved-{depth}"] = share(the_row(sweep, num_bits=12, depth=depth, max_parameters=1200))
    at_16 = [row for row in by_rate if row["num_bits"] == "16"]
    said["exact-16"] = f"{sum(int(row['solved']) for row in at_16)} of {sum(int(row['seeds']) for row in at_16)}"
    slow = [at_every_rate(by_rate, 16, depth, 1200, "torch")[0] for depth in DEPTHS]
    said["slow"] = ", ".join(f"{float(row['accuracy']):.3f}" for row in slow)
    shallow = the_row(truth_table, depth=1, max_parameters=200)
    said["table-shallow"] = f"{shallow['solved']} of {shallow['seeds']}"
    said["table-deep"] = str(max(int(row["solved"]) for row in truth_table if row["depth"] != "1"))
    return {**said, **published_numbers(published, gradients)}


def at_every_rate(by_rate: Sequence[Read], bits: int, depth: int, size: int, start: str) -> list[Read]:
    """The rows of one network from one initialisation, one a rate."""
    wanted = {"num_bits": bits, "depth": depth, "max_parameters": size, "initialization": start}
    return [the_row(by_rate, **wanted, rate=rate) for rate in RATES]


def layers(depth: int) -> str:
    """In words: "1 layer"."""
    return f"{depth} {'layer' if depth == 1 else 'layers'}"


def entry(row: Read) -> str:
    """Who is right on every input, the median accuracy, and the rates and initialisations that were chosen."""
    return f"{share(row)}; {float(row['accuracy']):.4f}; {chosen(row)}"


def truth_table_row(row: Read) -> Row:
    """One network on the truth table of 8 bits, as the page has it."""
    widths = widths_of_size(int(row["max_parameters"]), int(row["depth"]), 8, 1)
    return {
        "at most": row["max_parameters"],
        "layers": ", ".join(map(str, widths)),
        "all 256 rows right": share(row),
        "median accuracy": f"{float(row['accuracy']):.3f}",
        "rate and initialisation": chosen(row),
    }


def published_row(row: Read) -> Row:
    """One line of the published figure, as the page has it."""
    fewest, median, most = (row[f"steps_{name}"] for name in ("fewest", "median", "most"))
    if median in ("nan", "inf"):
        steps = (
            f"never within 50,000: accuracy {float(row['accuracy_mean_of_second_half']):.3f} +- "
            f"{float(row['accuracy_deviation_of_second_half']):.3f}"
        )
    else:
        spread = f" ({float(fewest):,.0f} to {float(most):,.0f})" if fewest != most else ""
        steps = f"{float(median):,.0f}{spread}"
    return {"bits": row["num_bits"], "that count": row["bits_that_count"], "seeds": row["seeds"], "steps": steps}


def published_numbers(published: Sequence[Read], gradients: Sequence[Read]) -> dict[str, str]:
    """What the page says of the published figure and of the gradient before the first step."""
    steps = {
        (int(row["num_bits"]), int(row["bits_that_count"])): f"{float(row['steps_median']):,.0f}"
        for row in published
        if row["steps_median"] not in ("nan", "inf")
    }
    (hopeless,) = [row for row in published if (row["num_bits"], row["bits_that_count"]) == ("30", "15")]
    norms = {int(row["bits_that_count"]): float(row["hidden.layers.0.weight"]) for row in gradients}
    return {
        "steps-5-3": steps[5, 3],
        "steps-10-5": steps[10, 5],
        "steps-30-3": steps[30, 3],
        "deviation": f"{float(hopeless['accuracy_deviation_of_second_half']):.3f}",
        "linear": f"{100 * float(gradients[0]['outputs_where_hinge_is_linear']):.1f}%",
        "norm-4": f"{norms[4]:.2f}",
        "norm-6": f"{norms[6]:.2f}",
        "norm-odd": f"{max(norms[count] for count in (3, 5, 7, 9)):.0g}",
    }


def accuracy_curve(name: str, result: Result) -> Curve:
    """What one run of an experiment logged."""
    steps, accuracies = np.array(read_log(OUTPUTS / name / result.run)["metric/accuracy"]).T
    return steps, accuracies


def steps_until(accuracy: float, steps: NDArray[Any], accuracies: NDArray[Any]) -> float:
    """The first logged step with this accuracy; infinite if there is none."""
    reached = accuracies >= accuracy
    return float(steps[reached.argmax()]) if reached.any() else math.inf


def figure_of_sweep(by_rate: Sequence[Read]) -> Figure:
    """The accuracy after training, against the rate: median and quartiles, for each number of bits and size."""
    figure = Figure(figsize=(12, 6.6), layout="constrained")
    panels = figure.subplots(len(SIZES), len(BITS), sharex=True, sharey=True)
    for line, size in zip(panels, SIZES, strict=True):
        for axes, bits in zip(line, BITS, strict=True):
            for index, (depth, colour) in enumerate(DEPTH_COLOURS.items()):
                for start, line_style in STARTS.items():
                    rows = at_every_rate(by_rate, bits, depth, size, start)
                    lower, median, upper = (
                        np.array([float(row[f"accuracy{end}"]) for row in rows]) for end in ("_lower", "", "_upper")
                    )
                    places = np.arange(len(RATES)) + 0.07 * (index - 1)
                    axes.vlines(places, lower, upper, color=colour, alpha=0.4)
                    label = f"{layers(depth)}, from {start}"
                    axes.plot(places, median, f"o{line_style}", color=colour, ms=5, lw=1.2, label=label)
            axes.axhline(0.5, color=Colour.SLATE, lw=1, ls=":")
            axes.set_xticks(range(len(RATES)), RATES)
            axes.set_title(f"{bits} bits, at most {size:,} parameters", fontsize=10)
            finish(axes)
        line[0].set_ylabel("fraction of all inputs that are right")
    for axes in panels[-1]:
        axes.set_xlabel("rate")
    panels[1, 0].legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 0.08))
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
