"""What does it cost to make a deep network shallow, and can the shallow one be trained?

    dlcourse -m experiment=deep_to_shallow
    dlcourse -m experiment=shallow_training
    dlcourse -m experiment=shallow_from_scratch
    python experiments/deep_to_shallow/report.py

Run from the root of the repository.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.recording import Result
from experiments.shared import Colour, Row, fill, finish, measured, read_csv, save_in_256_colours, table, write_csv

FOLDER = Path(__file__).parent
SHAPES = {
    "tents": Colour.BLACK,
    "8 8": Colour.CYAN,
    "16 16": Colour.BLUE,
    "8 8 8": Colour.ORANGE,
    "16 16 16": Colour.RED,
}
STARTS = {  # start and noise
    ("made shallow", "0.0"): (Colour.GREY, "o:", "made shallow, no noise"),
    ("made shallow", "0.01"): (Colour.BLUE, "s-", "made shallow, 1% of noise"),
    ("made shallow", "0.1"): (Colour.VIOLET, "^-", "made shallow, 10% of noise"),
    ("torch", ""): (Colour.ORANGE, "D--", "from scratch, torch's start"),
    ("he", ""): (Colour.RED, "v--", "from scratch, He's start"),
}
Records = Sequence[dict[str, str]]


def main() -> None:
    """Tables, the figure and the numbers of the page."""
    write_csv(FOLDER / "units.csv", [units_row(result) for result in sorted(measured("deep_to_shallow"), key=_shape)])
    results = [*measured("shallow_training"), *measured("shallow_from_scratch")]
    write_csv(FOLDER / "training.csv", [training_row(result) for result in sorted(results, key=_start)])
    picture = figure(read_csv(FOLDER / "units.csv"), read_csv(FOLDER / "training.csv"))
    save_in_256_colours(picture, FOLDER / "deep_to_shallow.png")
    fill(FOLDER / "README.md", numbers())


def numbers() -> dict[str, str]:
    """What stands between the markers of the page."""
    units, training = read_csv(FOLDER / "units.csv"), read_csv(FOLDER / "training.csv")
    trained = [row for row in units if row["widths"] != "tents"]
    networks = sum(int(row["networks"]) for row in trained)
    least, most = min(int(row["fewest_units"]) for row in trained), max(int(row["most_units"]) for row in trained)
    per_unit = [float(row["median_units"]) / int(row["deep_units"]) for row in trained]
    within = sum(int(row["within_the_bound"]) for row in units)
    all_networks = sum(int(row["networks"]) for row in units)
    return {
        "tents": table([_tents_line(row) for row in units if row["widths"] == "tents"]),
        "trained": table([_trained_line(shape, trained) for shape in list(SHAPES)[1:]]),
        "networks": f"{networks}",
        "range": f"{least} to {most}",
        "per_unit": f"{min(per_unit):.1f} to {max(per_unit):.1f}",
        "per_unit_most": f"{max(int(row['most_units']) / int(row['deep_units']) for row in trained):.1f}",
        "within": f"{within} of {all_networks}",
        "lost": f"{sum(int(row['that_lost_pieces']) for row in units)}",
        "difference": f"{max(float(row['largest_difference']) for row in units):.1e}",
        "bound": f"{max(float(row['largest_bound']) for row in units):.1e}",
        "solved": f"{sum(int(row['solved']) for row in trained)} of {networks}",
        "solved_shallow": f"{sum(int(row['solved_shallow']) for row in trained)}",
        "from_tents": table(_training_lines("tents", training)),
        "from_trained": table(_training_lines("trained", training)),
        "units_of_trained": next(row["units"] for row in training if row["source"] == "trained"),
        "best_scratch_8": _best("tents", "", training),
        "best_scratch_trained": _best("trained", "", training),
        "next_scratch_trained": _next_best_from_scratch(training),
        "deep_solved": _row("trained", "0.0", training)["solved_before"],
        "back_from_10": _best("tents", "0.1", training),
        "back_from_10_before": f"{float(_row('tents', '0.1', training)['error_before']):.0f}",
        "stays": _best("tents", "0.0", training),
        "leaves": f"{_row('tents', '0.0', training, '0.1')['solved']} of {_row('tents', '0.0', training)['seeds']}",
    }


def _shape(result: Result) -> tuple[int, str]:
    return result.config["num_folds"], _widths(result)


def _widths(result: Result) -> str:
    widths = result.config["widths"]
    if widths is None:
        return "tents"
    return " ".join(map(str, json.loads(widths) if isinstance(widths, str) else widths))


def _start(result: Result) -> tuple[object, ...]:
    config = result.config
    return config["source"], _kind(result), -1.0 if config["noise"] is None else config["noise"], config["rate"]


def _kind(result: Result) -> str:
    return result.config["initialization"] if result.config["noise"] is None else "made shallow"


def units_row(result: Result) -> Row:
    """One target and shape, over its seeds."""
    metrics = result.metrics
    return {
        "folds": result.config["num_folds"],
        "widths": _widths(result),
        "networks": metrics["num_networks"],
        "deep_units": metrics["deep_units"],
        "fewest_units": metrics["fewest_units"],
        "median_units": metrics["median_units"],
        "most_units": metrics["most_units"],
        "that_lost_pieces": metrics["num_that_lost_pieces"],
        "within_the_bound": metrics["num_within_the_bound"],
        "largest_difference": f"{metrics['largest_difference']:.2e}",
        "largest_bound": f"{metrics['largest_bound']:.2e}",
        "solved": metrics["num_solved"],
        "solved_shallow": metrics["num_solved_shallow"],
        "median_error": f"{metrics['median_error']:.3g}",
        "median_error_shallow": f"{metrics['median_error_shallow']:.3g}",
    }


def training_row(result: Result) -> Row:
    """One start, noise and rate, over its seeds."""
    config, metrics = result.config, result.metrics
    return {
        "source": config["source"],
        "start": _kind(result),
        "noise": "" if config["noise"] is None else config["noise"],
        "rate": config["rate"],
        "units": metrics["num_units"],
        "seeds": config["num_seeds"],
        "error_before": f"{metrics['error_before']:.3g}",
        "error_after": f"{metrics['error_after']:.3g}",
        "solved_before": metrics["num_solved_before"],
        "solved": metrics["num_solved"],
    }


def _tents_line(row: dict[str, str]) -> Row:
    return {
        "layers": row["folds"],
        "units of the tents": row["deep_units"],
        "units of one layer": row["most_units"],
        "difference": "none" if float(row["largest_difference"]) == 0 else row["largest_difference"],
    }


def _trained_line(shape: str, trained: Records) -> Row:
    rows = {int(row["folds"]): row for row in trained if row["widths"] == shape}
    line = {"widths": shape.replace(" ", ", "), "units": next(iter(rows.values()))["deep_units"]}
    for folds, row in sorted(rows.items()):
        line[f"{2**folds} pieces"] = f"{float(row['median_units']):g} ({row['fewest_units']}-{row['most_units']})"
    return line


def _training_lines(source: str, training: Records) -> list[Row]:
    lines = []
    for (start, noise), (_, _, label) in STARTS.items():
        rows = [row for row in training if (row["source"], row["start"], row["noise"]) == (source, start, noise)]
        line: Row = {"start": label, "error before": f"{float(rows[0]['error_before']):.2g}"}
        line |= {f"rate {row['rate']}": f"{row['solved']} of {row['seeds']}" for row in rows}
        lines.append(line)
    return lines


def _row(source: str, noise: str, training: Records, rate: str | None = None) -> dict[str, str]:
    return next(
        row for row in training if (row["source"], row["noise"]) == (source, noise) and rate in (None, row["rate"])
    )


def _best(source: str, noise: str, training: Records) -> str:
    rows = [row for row in training if (row["source"], row["noise"]) == (source, noise)]
    best = max(rows, key=lambda row: int(row["solved"]))
    return f"{best['solved']} of {best['seeds']}"


def _next_best_from_scratch(training: Records) -> str:
    """As many units as trained networks take, from torch's start at the rate that is the best but one."""
    rows = [row for row in training if (row["source"], row["start"]) == ("trained", "torch")]
    second = sorted(rows, key=lambda row: int(row["solved"]))[-2]
    return f"{second['solved']} of {second['seeds']}"


def figure(units: Records, training: Records) -> Figure:
    """Units against units, and who solves the zig-zag at which rate."""
    figure = Figure(figsize=(13, 4.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for beside, (shape, colour) in zip((1, 0.92, 0.97, 1.03, 1.08), SHAPES.items(), strict=True):
        rows = [row for row in units if row["widths"] == shape]
        pieces = [beside * 2 ** int(row["folds"]) for row in rows]  # side by side, so that no bar covers another
        medians = [float(row["median_units"]) for row in rows]
        low = [m - float(row["fewest_units"]) for m, row in zip(medians, rows, strict=True)]
        high = [float(row["most_units"]) - m for m, row in zip(medians, rows, strict=True)]
        label = "tents" if shape == "tents" else f"trained, widths {shape.replace(' ', ', ')}"
        left.errorbar(pieces, medians, yerr=[low, high], fmt="o-", ms=4, capsize=3, color=colour, label=label)
    left.set(xscale="log", yscale="log", xlabel="pieces of the target", ylabel="units of the one hidden layer")
    left.set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
    left.set_yticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
    left.minorticks_off()
    left.set_title("Made shallow: median, fewest and most of the seeds", fontsize=10)
    for axes, source, title in ((middle, "tents", "Tents, 8 units"), (right, "trained", "Trained networks")):
        _solved(axes, [row for row in training if row["source"] == source])
        axes.set_title(f"{title}: one layer trained on 8 pieces", fontsize=10)
    left.legend(frameon=False, fontsize=8)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, loc="outside lower right", ncols=5)
    for axes in (left, middle, right):
        finish(axes)
    return figure


def _solved(axes: Axes, rows: Records) -> None:
    """How many seeds solve it, against the rate."""
    for (start, noise), (colour, style, label) in STARTS.items():
        some = [row for row in rows if (row["start"], row["noise"]) == (start, noise)]
        axes.plot(
            [float(row["rate"]) for row in some],
            [int(row["solved"]) for row in some],
            style,
            ms=5,
            color=colour,
            label=label,
        )
    axes.set(
        xscale="log",
        xlabel="Adam's first rate",
        ylabel="seeds of 10 that solve it (error below 0.0013)",
        ylim=(-0.2, 10.4),
    )


if __name__ == "__main__":
    main()
