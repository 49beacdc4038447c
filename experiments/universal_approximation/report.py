"""One hidden layer: error against width, beside what the best function of so many pieces or steps could do.

    dlcourse -m experiment=universal_approximation
    dlcourse -m experiment=universal_approximation_zigzag
    dlcourse -m experiment=universal_approximation_long
    python experiments/universal_approximation/report.py

Run from the root of the repository.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.recording import Result, quartiles_over_seeds
from dlcourse.tasks import Smooth, ZigZag
from dlcourse.tasks.curve import Curve
from experiments.shared import (
    Colour,
    Row,
    fill,
    finish,
    measured,
    read_csv,
    save,
    share,
    table,
    tuned_rows,
    with_pilots,
    write_csv,
)

FOLDER = Path(__file__).parent
SINE, ZIGZAG = "sine", "zig-zag of 8 pieces"
SWEEPS = {
    "universal_approximation": SINE,
    "universal_approximation_zigzag": ZIGZAG,
    "universal_approximation_long": ZIGZAG,
}
TARGETS: dict[str, Curve] = {SINE: Smooth(), ZIGZAG: ZigZag(centred=True)}
COLOURS = {"relu": Colour.RED, "tanh": Colour.BLUE, "sigmoid": Colour.VIOLET}
WIDTHS, LONG_WIDTHS = (4, 8, 16, 32, 64, 128), (16, 32, 64)
SHORT, LONG = "10000", "40000"  # steps
USUAL_RATE = "0.01"  # the default, which suits relu
EXACT = 1e-12  # an error below this is rounding

Read = dict[str, str]


def main() -> None:
    """The tables and the figure into this folder, and numbers into its page."""
    check_bound()
    write_csv(FOLDER / "errors.csv", [row for sweep in SWEEPS for row in errors(sweep)], digits=3)
    write_csv(FOLDER / "rates.csv", [row for sweep in SWEEPS for row in by_rate(sweep)], digits=3)
    rows, rates = read_csv(FOLDER / "errors.csv"), read_csv(FOLDER / "rates.csv")
    figure = Figure(figsize=(12, 5), layout="constrained")
    for axes, target in zip(figure.subplots(1, 2, sharey=True), TARGETS, strict=True):
        draw(axes, [row for row in rows if row["target"] == target], [row for row in rates if row["target"] == target])
        axes.set_title(target)
    figure.axes[0].set_ylabel("mean squared error")
    figure.legend(*figure.axes[1].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    save(figure, FOLDER / "error_against_width.png", dpi=90)
    fill(FOLDER / "README.md", numbers())


def errors(sweep: str) -> list[Row]:
    """The tuned comparison of a sweep, and what the best pieces and steps could do."""
    results, target = measured(sweep), SWEEPS[sweep]
    (num_steps,) = {result.config["num_steps"] for result in results}
    linear, steps = (best_errors(TARGETS[target], degree, 1 + max(WIDTHS)) for degree in (1, 0))
    return [
        {
            "target": target,
            "num_steps": num_steps,
            **row,
            # `width` units make up to width + 1 pieces or steps, whose error stands at the place `width`.
            "best_linear_pieces": linear[row["width"]],
            "best_steps": steps[row["width"]],
        }
        for row in tuned_rows(results, "mean_squared_error", "model.activation")
    ]


def by_rate(sweep: str) -> list[Row]:
    """Medians at every rate, and how many seeds solve the task there."""
    groups: dict[tuple[int, str, int, float], list[Result]] = defaultdict(list)
    for result in with_pilots(sweep):
        keys = ("num_steps", "model.activation", "model.width", "optimizer.rate")
        groups[tuple(result.config[key] for key in keys)].append(result)
    rows: list[Row] = []
    for (num_steps, activation, width, rate), results in sorted(groups.items()):
        error = quartiles_over_seeds(results, "mean_squared_error")
        assert error is not None
        rows.append(
            {
                "target": SWEEPS[sweep],
                "num_steps": num_steps,
                "activation": activation,
                "width": width,
                "rate": rate,
                "seeds": len(results),
                "error_median": error.median,
                "solved": sum(result.is_solved for result in results),
            }
        )
    return rows


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    rows, rates = read_csv(FOLDER / "errors.csv"), read_csv(FOLDER / "rates.csv")

    def cell(target: str, activation: str, width: int, num_steps: str = SHORT) -> Read:
        wanted = (target, activation, str(width), num_steps)
        (row,) = [row for row in rows if (row["target"], row["activation"], row["width"], row["num_steps"]) == wanted]
        return row

    said = {
        "errors": table(
            [
                {
                    "width h": width,
                    **{
                        f"{activation}: {target.split()[0]}": f"{error(cell(target, activation, width)):#.2g}"
                        for target in TARGETS
                        for activation in COLOURS
                    },
                }
                for width in WIDTHS
            ]
        ),
        "solved": table(
            [
                {
                    "width h": width,
                    **{activation: solved(cell(ZIGZAG, activation, width)) for activation in COLOURS},
                    **{
                        f"{activation}, 40,000 steps": solved(cell(ZIGZAG, activation, width, LONG))
                        if width in LONG_WIDTHS
                        else ""
                        for activation in ("tanh", "sigmoid")
                    },
                }
                for width in WIDTHS
            ]
        ),
    }
    return said | on_sine({(a, w): cell(SINE, a, w) for a in COLOURS for w in WIDTHS}) | on_zigzag(rows, rates)


def error(row: Read) -> float:
    """The median error of a network."""
    return float(row["mean_squared_error"])


def solved(row: Read) -> str:
    """How many seeds solve it, at which rates, and whether these are the end of the grid."""
    return f"{share(row)}, {row['chosen'].replace(' | ', '/')}{'*' if row['at_an_end'] else ''}"


def on_sine(cells: dict[tuple[str, int], Read]) -> dict[str, str]:
    """How far trained networks are from what their pieces allow, and what wider ones gain."""
    relu = {width: cells["relu", width] for width in WIDTHS}
    wide = [width for width in WIDTHS if width >= 16]
    smooth = [error(cells[activation, width]) for activation in ("tanh", "sigmoid") for width in wide]
    gains = [error(relu[a]) / error(relu[b]) for a, b in pairwise(wide)]
    nine = float(relu[8]["best_linear_pieces"])
    eight = sorted(nine / error(cells[activation, 8]) for activation in ("tanh", "sigmoid"))
    return {
        "relu-over-best": ", ".join(two_digits(error(relu[w]) / float(relu[w]["best_linear_pieces"])) for w in wide),
        "relu-gains": f"{min(gains):.2g} to {max(gains):.2g}",
        "eight-smooth": " and ".join(f"{factor:.0f}" for factor in eight),
        "smooth-floor": f"{min(smooth):.1e} and {max(smooth):.1e}",
    }


def two_digits(factor: float) -> str:
    """A factor of more than ten, rounded: "1,300"."""
    return f"{float(f'{factor:.2g}'):,.0f}"


def on_zigzag(rows: Sequence[Read], rates: Sequence[Read]) -> dict[str, str]:
    """Who solves the zig-zag, where the grid of rates ends, and what the usual rate comes to."""
    zigzag = [row for row in rows if row["target"] == ZIGZAG and row["num_steps"] == SHORT]
    relu = [row for row in zigzag if row["activation"] == "relu"]
    smooth = [row for row in zigzag if row["activation"] != "relu"]
    long = [row for row in rows if row["num_steps"] == LONG]
    at_rate = [row for row in rates if row["target"] == ZIGZAG and row["num_steps"] == SHORT]

    def medians(activation: str, rate: str) -> str:
        values = [
            float(row["error_median"]) for row in at_rate if (row["activation"], row["rate"]) == (activation, rate)
        ]
        low, high = f"{min(values):.2g}", f"{max(values):.2g}"
        return low if low == high else f"{low} to {high}"

    def most(rows: Sequence[Read]) -> str:
        best = max(rows, key=lambda row: int(row["solved"]))
        return f"{share(best)}, {best['activation']}, {best['width']} units"

    eight = [row for row in at_rate if (row["activation"], row["width"]) == ("relu", "8")]
    return {
        **{f"relu-{row['width']}": share(row) for row in relu if row["width"] != "4"},
        "relu-half": min((row["width"] for row in relu if int(row["solved"]) > int(row["seeds"]) / 2), key=int),
        "relu-8-any-rate": f"{sum(int(row['solved']) for row in eight)} of {sum(int(row['seeds']) for row in eight)}",
        "smooth-short": f"{sum(int(row['solved']) for row in smooth)} of {sum(int(row['seeds']) for row in smooth)}",
        "smooth-long-best": most(long),
        "smooth-long": f"{sum(int(row['solved']) for row in long)} of {sum(int(row['seeds']) for row in long)}",
        "ends": f"{sum(bool(row['at_an_end']) for row in rows)} of {len(rows)}",
        "sigmoid-usual": medians("sigmoid", USUAL_RATE),
        "sigmoid-large": medians("sigmoid", "0.3"),
        "relu-large": medians("relu", "0.3"),
    }


def best_errors(task: Curve, degree: int, most: int) -> list[float]:
    """The least mean squared error on the grid of any function of 1, 2, ..., `most` pieces of this degree, 0 or 1.

    The pieces need not meet, so for degree 1 no continuous function of so many linear pieces does better; for degree 0
    it is what sigmoid units come as near as one likes to as they grow steep. Dynamic programming over the last piece:
    e_n(j) = min_i e_{n-1}(i) + error of the best line through the points i, ..., j - 1.
    """
    grid = task.grid()
    x, y = grid[:, 0].numpy(), task.target(grid)[:, 0].numpy()

    def sums(values: np.ndarray) -> np.ndarray:
        running = np.concatenate([[0.0], np.cumsum(values)])
        return running[None, :] - running[:, None]  # [i, j]: over the points i, ..., j - 1

    count = np.maximum(sums(np.ones_like(x)), 1)
    error = sums(y * y) - sums(y) ** 2 / count
    if degree == 1:
        spread = sums(x * x) - sums(x) ** 2 / count
        together = sums(x * y) - sums(x) * sums(y) / count
        error = error - np.divide(together**2, spread, out=np.zeros_like(error), where=spread > 1e-12)
    error = np.where(sums(np.ones_like(x)) > 0, np.maximum(error, 0), math.inf)
    least, errors = error[0], []
    for _ in range(most):
        errors.append(float(least[-1]) / len(x))
        least = (least[:, None] + error).min(axis=0)
    return errors


def check_bound() -> None:
    """The bound must give what is known: 1 / (180 n^4) for x^2 on [0, 1], so 256 times that on [-2, 2]."""
    for n, found in enumerate(best_errors(Smooth(function="square"), 1, 16), start=1):
        assert math.isclose(found, 256 / (180 * n**4), rel_tol=0.02), (n, found)


def draw(axes: Axes, rows: Sequence[Read], rates: Sequence[Read]) -> None:
    """Tuned medians and quartiles, also after more steps; the medians at the usual rate; the bounds."""
    for activation, colour in COLOURS.items():
        for num_steps, style in ((SHORT, "o-"), (LONG, "s--")):
            chosen = [row for row in rows if (row["activation"], row["num_steps"]) == (activation, num_steps)]
            if not chosen:
                continue
            widths = [int(row["width"]) for row in chosen]
            low, middle, high = (
                [float(row[f"mean_squared_error{end}"]) for row in chosen] for end in ("_lower", "", "_upper")
            )
            label = activation if num_steps == SHORT else f"{activation}, 40,000 steps"
            axes.plot(widths, middle, style, ms=4, color=colour, label=label)
            axes.fill_between(widths, low, high, color=colour, alpha=0.15, lw=0)
            ends = [(int(row["width"]), error(row)) for row in chosen if row["at_an_end"]]
            if ends:
                axes.plot(*zip(*ends, strict=True), "o", ms=11, mfc="none", color=colour)
        usual = [
            row
            for row in rates
            if (row["activation"], row["rate"], row["num_steps"]) == (activation, USUAL_RATE, SHORT)
        ]
        places = [(int(row["width"]), float(row["error_median"])) for row in usual]
        axes.plot(*zip(*places, strict=True), ":", lw=1, color=colour)
    for key, style in (("best_linear_pieces", "--"), ("best_steps", "-.")):
        bound = sorted({(int(row["width"]), float(row[key])) for row in rows if float(row[key]) > EXACT})
        label = f"the {key.replace('_', ' ')}, h + 1 of them"
        axes.plot(*zip(*bound, strict=True), style, marker=".", ms=3, lw=1.2, color=Colour.BLACK, label=label)
    axes.plot([], [], ":", lw=1, color="grey", label=f"at rate {USUAL_RATE} (else: tuned)")
    axes.plot([], [], "o", ms=11, mfc="none", color="grey", label="the rate is the grid's end")
    axes.set(yscale="log", xlabel="width h: units of the hidden layer", ylim=(2e-8, 3))
    axes.set_xscale("log", base=2)
    axes.set_xticks(WIDTHS, list(map(str, WIDTHS)))
    finish(axes)


if __name__ == "__main__":
    main()
