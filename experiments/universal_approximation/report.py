"""One hidden layer: error against width, beside what the best function of so many pieces or steps could do.

    dlcourse -m experiment=universal_approximation
    dlcourse -m experiment=universal_approximation_zigzag
    python experiments/universal_approximation/report.py

Run from the root of the repository.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.recording import Result, quartiles
from dlcourse.tasks import Smooth, ZigZag
from dlcourse.tasks.curve import Curve
from experiments.shared import Colour, Row, finish, measured, save, write_csv

FOLDER = Path(__file__).parent
SWEEPS = {"universal_approximation": "sine", "universal_approximation_zigzag": "zig-zag of 8 pieces"}
TARGETS: dict[str, Curve] = {"sine": Smooth(), "zig-zag of 8 pieces": ZigZag(centred=True)}
COLOURS = {"relu": Colour.RED, "tanh": Colour.BLUE, "sigmoid": Colour.VIOLET}
EXACT = 1e-12  # an error below this is rounding


def main() -> None:
    """The table and the figure into this folder."""
    check_bound()
    rows = [row for sweep, target in SWEEPS.items() for row in table(measured(sweep), target)]
    write_csv(FOLDER / "errors.csv", rows, digits=3)
    figure = Figure(figsize=(12, 5), layout="constrained")
    for axes, target in zip(figure.subplots(1, 2, sharey=True), TARGETS, strict=True):
        draw(axes, [row for row in rows if row["target"] == target])
        axes.set_title(target)
    figure.axes[0].set_ylabel("mean squared error")
    figure.axes[0].legend(frameon=False, fontsize=9, loc="lower left")
    save(figure, FOLDER / "error_against_width.png", dpi=90)


def table(results: Sequence[Result], target: str) -> Iterator[Row]:
    """For each activation, width and rate: quartiles of the error, and whether that rate is the best of its width."""
    runs: dict[tuple[str, int], dict[float, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        config = result.config
        runs[config["model.activation"], config["model.width"]][config["optimizer.rate"]].append(result)
    most = 1 + max(width for _, width in runs)
    best_linear_pieces, best_steps = (best_errors(TARGETS[target], degree, most) for degree in (1, 0))
    for activation, width in sorted(runs):
        members_by_rate = runs[activation, width]
        errors = {
            rate: quartiles([result.metrics["mean_squared_error"] for result in members])
            for rate, members in members_by_rate.items()
        }
        best = min(errors, key=lambda rate: errors[rate].median)
        for rate, members in sorted(members_by_rate.items()):
            pieces = [result.metrics["num_pieces"] for result in members if "num_pieces" in result.metrics]
            yield {
                "target": target,
                "activation": activation,
                "width": width,
                "rate": rate,
                "is_best_rate": rate == best,
                "seeds": len(members),
                "error_lower_quartile": errors[rate].lower,
                "error_median": errors[rate].median,
                "error_upper_quartile": errors[rate].upper,
                "pieces_median": quartiles(pieces).median if pieces else "",
                # `width` units make up to width + 1 pieces or steps, whose error stands at the place `width`.
                "best_linear_pieces": best_linear_pieces[width],
                "best_steps": best_steps[width],
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


def draw(axes: Axes, rows: Sequence[Row]) -> None:
    """Median and quartiles at the best rate, the medians at the smallest rate, and the bounds."""
    smallest = min(row["rate"] for row in rows)

    def curve(rows: Sequence[Row], key: str) -> list[tuple[int, float]]:
        return sorted({(row["width"], row[key]) for row in rows})

    for activation, colour in COLOURS.items():
        rows_of_activation = [row for row in rows if row["activation"] == activation]
        best = [row for row in rows_of_activation if row["is_best_rate"]]
        axes.plot(*zip(*curve(best, "error_median"), strict=True), "o-", ms=4, color=colour, label=activation)
        widths, lower = zip(*curve(best, "error_lower_quartile"), strict=True)
        _, upper = zip(*curve(best, "error_upper_quartile"), strict=True)
        axes.fill_between(widths, lower, upper, color=colour, alpha=0.2, lw=0)
        slow = curve([row for row in rows_of_activation if row["rate"] == smallest], "error_median")
        axes.plot(*zip(*slow, strict=True), ":", lw=1, color=colour)
    for key, style in (("best_linear_pieces", "--"), ("best_steps", "-.")):
        bound = [(width, error) for width, error in curve(rows, key) if error > EXACT]
        label = f"the {key.replace('_', ' ')}, h + 1 of them"
        axes.plot(*zip(*bound, strict=True), style, lw=1.2, color=Colour.BLACK, label=label)
    axes.plot([], [], ":", lw=1, color="grey", label=f"at rate {smallest:g} (else: at the best rate)")
    axes.set(yscale="log", xlabel="width h: units of the hidden layer", ylim=(2e-8, 3))
    axes.set_xscale("log", base=2)
    axes.set_xticks(widths, [str(width) for width in widths])
    finish(axes)


if __name__ == "__main__":
    main()
