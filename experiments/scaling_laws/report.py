"""Scaling laws: the error of tuned networks against their number of parameters, by depth, beside what is possible.

    dlcourse -m experiment=scaling_laws
    python experiments/scaling_laws/report.py

Run from the root of the repository.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.networks.constructions import square
from dlcourse.recording import Cell, cells
from dlcourse.tasks import Function
from experiments.shared import Colour, Row, fill, finish, measured, read_csv, save, table, write_csv

FOLDER = Path(__file__).parent
FUNCTIONS = {Function.square: "x^2", Function.sine: "sin(pi x)"}
COLOURS = {1: Colour.RED, 2: Colour.ORANGE, 4: Colour.VIOLET, 6: Colour.BLUE}  # by depth
MOST_LAYERS = 8  # of Yarotsky's construction
NUM_RESAMPLES = 2000
SMALLEST, NUM_SIZES = 40, 4  # the most parameters of the smallest networks; each size has twice as many


def main() -> None:
    """Tables, figure and page into this folder."""
    results = measured("scaling_laws")
    by_function = {
        function: cells([result for result in results if result.config["task.function"] == function])
        for function in FUNCTIONS
    }
    errors = [row for function, found in by_function.items() for row in error_rows(function, found)]
    exponents = [row for function, found in by_function.items() for row in exponent_rows(function, found)]
    write_csv(FOLDER / "errors.csv", errors, digits=4)
    write_csv(FOLDER / "exponents.csv", exponents, digits=4)
    write_csv(FOLDER / "yarotsky.csv", list(yarotsky_rows()), digits=4)
    save(figure(), FOLDER / "scaling_laws.png")
    fill(FOLDER / "README.md", numbers())


# --- what is possible -------------------------------------------------------------------------------------------------


def best_error(function: Function, num_pieces: float) -> float:
    """The least mean squared error of n linear pieces, for many of them; for x^2 for any number.

    (integral of |f''|^(2/5))^5 / (720 n^4), divided by the length of the domain: on a short piece the best line errs by
    f''^2 length^5 / 720, and the pieces are so long that all err by the same. For x^2 on [-2, 2] it is
    256 / (180 n^4), for on [0, 1] it is the known 1 / (180 n^4).
    """
    x = np.linspace(-2, 2, 100_001)
    bend = np.full_like(x, 2.0) if function is Function.square else math.pi**2 * np.abs(np.sin(math.pi * x))
    integral = np.trapezoid(bend**0.4, x)
    return float(integral**5 / (720 * num_pieces**4) / 4)


def best_of_one_layer(function: Function, num_parameters: float) -> float:
    """`best_error` for one hidden layer of h units, which has 3 h + 1 parameters and h + 1 pieces."""
    return best_error(function, (num_parameters + 2) / 3)


def yarotsky_rows() -> Iterator[Row]:
    """x^2 on [-2, 2], carried from Yarotsky's network on [0, 1]: x = 4 u - 2, x^2 = 16 u^2 - 16 u + 4.

    The affine terms cost nothing, so errors grow 16 times. `square` interpolates between 2^depth + 1 points: on a piece
    of length 1 / n, the mean of ((u - a) (b - u))^2 is 1 / (30 n^4).
    """
    for depth in range(1, MOST_LAYERS + 1):
        yield {
            "depth": depth,
            "parameters": sum(parameter.numel() for parameter in square(depth).parameters()),
            "pieces": 2**depth,
            "error": 256 / (30 * 2 ** (4 * depth)),
        }


# --- the tables -------------------------------------------------------------------------------------------------------


def errors_of(cell: Cell) -> np.ndarray:
    """The error of each of its runs, by seed; infinite for one that diverged."""
    return np.array(
        [
            math.inf if result.diverged_at is not None else result.metrics["mean_squared_error"]
            for result in cell.results
        ]
    )


def parameters_of(cell: Cell) -> int:
    return int(cell.results[0].metrics["num_parameters"])


def error_rows(function: Function, found: Sequence[Cell]) -> Iterator[Row]:
    """One size and depth, tuned and over its seeds."""
    for cell in found:
        errors, counts = cell.quartiles("mean_squared_error"), cell.quartiles("num_pieces")
        assert errors is not None and counts is not None
        yield {
            "function": FUNCTIONS[function],
            "depth": cell.depth,
            "parameters": parameters_of(cell),
            "rates": cell.choice,
            "seeds": len(cell.results),
            "error_lower": errors.lower,
            "error_median": errors.median,
            "error_upper": errors.upper,
            "pieces_median": counts.median,
            "best_of_one_layer": best_of_one_layer(function, parameters_of(cell)),
        }


def exponent_rows(function: Function, found: Sequence[Cell]) -> Iterator[Row]:
    """For each depth the exponent, and its interval: 95% of what other seeds, drawn from these, would have given.

    A seed is drawn with all of its sizes, which have the same training data.
    """
    for depth in sorted({cell.depth for cell in found}):
        of_depth = [cell for cell in found if cell.depth == depth]
        sizes = [parameters_of(cell) for cell in of_depth]
        errors = np.array([errors_of(cell) for cell in of_depth])
        generator = np.random.default_rng(0)
        drawn = generator.integers(errors.shape[1], size=(NUM_RESAMPLES, errors.shape[1]))
        exponents = [exponent(sizes, np.median(errors[:, seeds], axis=1)) for seeds in drawn]
        low, high = np.percentile(exponents, [2.5, 97.5])
        yield {
            "function": FUNCTIONS[function],
            "depth": depth,
            "exponent": exponent(sizes, np.median(errors, axis=1)),
            "low": float(low),
            "high": float(high),
            "seeds": errors.shape[1],
            "best_of_one_layer": exponent(sizes, [best_of_one_layer(function, size) for size in sizes]),
        }


def exponent(sizes: Sequence[float], errors: Sequence[float] | np.ndarray) -> float:
    """a of the line log(error) = a log(parameters) + b with the least squares."""
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


# --- the page and the figure, from the tables -------------------------------------------------------------------------


def numbers() -> dict[str, str]:
    """What stands between the markers of the page."""
    errors, exponents = read_csv(FOLDER / "errors.csv"), read_csv(FOLDER / "exponents.csv")
    yarotsky = read_csv(FOLDER / "yarotsky.csv")
    one_layer = {row["function"]: row for row in exponents if row["depth"] == "1"}
    by_place = [by_size(errors, function, place) for function in FUNCTIONS.values() for place in range(NUM_SIZES)]
    return {
        "square-exponent": two_digits(one_layer[FUNCTIONS[Function.square]]["exponent"]),
        "sine-exponent": two_digits(one_layer[FUNCTIONS[Function.sine]]["exponent"]),
        "one-layer-best": f"{sum(min(found, key=found.__getitem__) == 1 for found in by_place)} of {len(by_place)}",
        "square-gap": gap(errors, Function.square),
        "sine-gap": gap(errors, Function.sine),
        "square-deeper": deeper(errors, Function.square),
        "sine-deeper": deeper(errors, Function.sine),
        "constant": str(sum(float(row["pieces_median"]) == 1 for row in errors)),
        "errors": table(list(error_lines(errors))),
        "exponents": table([exponent_line(row) for row in exponents]),
        "yarotsky": table(
            [
                {key: row[key] for key in ("depth", "parameters", "pieces")} | {"error": f"{float(row['error']):.2g}"}
                for row in yarotsky
            ]
        ),
        "seeds": exponents[0]["seeds"],
    }


def of_size(rows: Sequence[dict[str, str]], function: str, depth: int, place: int) -> dict[str, str]:
    """The row of the smallest networks (0) to the largest."""
    of_depth = [row for row in rows if row["function"] == function and int(row["depth"]) == depth]
    return sorted(of_depth, key=lambda row: int(row["parameters"]))[place]


def by_size(rows: Sequence[dict[str, str]], function: str, place: int) -> dict[int, float]:
    """The median error at each depth."""
    return {depth: float(of_size(rows, function, depth, place)["error_median"]) for depth in COLOURS}


def gap(rows: Sequence[dict[str, str]], function: Function) -> str:
    """How many times as much as it must the largest network of one layer errs."""
    row = of_size(rows, FUNCTIONS[function], 1, -1)
    return f"{float(row['error_median']) / float(row['best_of_one_layer']):.0f}"


def deeper(rows: Sequence[dict[str, str]], function: Function) -> str:
    """How many times as much as one layer the largest deeper networks err."""
    one_layer, *others = by_size(rows, FUNCTIONS[function], -1).values()
    return f"{min(others) / one_layer:.2g} to {max(others) / one_layer:.2g}"


def two_digits(number: str) -> str:
    return f"{float(number):.2f}"


def error_lines(rows: Sequence[dict[str, str]]) -> Iterator[Row]:
    """One line a function and depth; a column for each of the sizes."""
    for function in FUNCTIONS.values():
        for depth in COLOURS:
            found = [of_size(rows, function, depth, place) for place in range(NUM_SIZES)]
            errors = {
                f"at most {SMALLEST * 2**place} parameters": f"{float(row['error_median']):.2g}"
                for place, row in enumerate(found)
            }
            yield {"function": function, "hidden layers": depth} | errors


def exponent_line(row: dict[str, str]) -> Row:
    return {
        "function": row["function"],
        "hidden layers": row["depth"],
        "exponent": two_digits(row["exponent"]),
        "95% over seeds": f"{two_digits(row['low'])} to {two_digits(row['high'])}",
    }


def figure() -> Figure:
    """Error against parameters for both functions, trained and possible."""
    drawing = Figure(figsize=(12, 5), layout="constrained")
    rows = read_csv(FOLDER / "errors.csv")
    for axes, (function, name) in zip(drawing.subplots(1, 2), FUNCTIONS.items(), strict=True):
        draw(axes, function, [row for row in rows if row["function"] == name])
        axes.set_title(f"{name} on [-2, 2]")
    drawing.axes[0].set_ylabel("mean squared error")
    drawing.axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    return drawing


def draw(axes: Axes, function: Function, rows: Sequence[dict[str, str]]) -> None:
    """Medians and quartiles by depth, the best of one layer, and Yarotsky's network."""
    for depth, colour in COLOURS.items():
        of_depth = sorted((row for row in rows if int(row["depth"]) == depth), key=lambda row: int(row["parameters"]))
        sizes = [int(row["parameters"]) for row in of_depth]
        lower, median, upper = (
            [float(row[f"error_{which}"]) for row in of_depth] for which in ("lower", "median", "upper")
        )
        axes.plot(sizes, median, "o-", ms=4, color=colour, label=f"{depth} hidden layers" if depth > 1 else "1 layer")
        axes.fill_between(sizes, lower, upper, color=colour, alpha=0.2, lw=0)
    sizes = np.geomspace(19, 320, 50)
    best = [best_of_one_layer(function, size) for size in sizes]
    axes.plot(sizes, best, "--", color=Colour.BLACK, label="the best of one layer: parameters^-4")
    if function is Function.square:
        yarotsky = [(int(row["parameters"]), float(row["error"])) for row in read_csv(FOLDER / "yarotsky.csv")]
        axes.plot(*zip(*yarotsky, strict=True), "k*", ms=8, label="Yarotsky's network, 3 units a layer")
    axes.set(xscale="log", yscale="log", xlabel="parameters", xlim=(17, 380))
    axes.set_xticks([20, 40, 80, 160, 320], ["20", "40", "80", "160", "320"])
    axes.minorticks_off()
    finish(axes)


if __name__ == "__main__":
    main()
