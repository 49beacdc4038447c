"""Narrow deep networks with and without skip connections: who lives, and who solves the zig-zag.

    dlcourse -m experiment=skip_connections
    python experiments/skip_connections/report.py

Run from the root of the repository.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure

from dlcourse import pieces
from dlcourse.recording import Cell, Result, cells, row
from dlcourse.recording.loading import load
from dlcourse.tasks import ZigZag
from experiments.shared import OUTPUTS, Colour, Row, fill, finish, measured, read_csv, save, share, table, write_csv

FOLDER = Path(__file__).parent
NAME = "skip_connections"
TASK = ZigZag(num_folds=3, centred=True)
LARGEST_RATE = 0.1
KINDS = {"skip=False": ("plain", Colour.RED, "o--"), "skip=True": ("with skip connections", Colour.DARK_BLUE, "s-")}
Field = dict[str, str]


def main() -> None:
    """The table and the figure into this folder, and the numbers into the page."""
    results = measured(NAME)
    constant = [result for result in results if is_constant(result)]
    rows = [cell_row(cell, constant, results) for cell in cells(results)]
    write_csv(FOLDER / "results.csv", rows, digits=4)
    save(draw(read_csv(FOLDER / "results.csv")), FOLDER / "skip_connections.png")
    fill(FOLDER / "README.md", numbers())


def is_constant(result: Result) -> bool:
    """Whether a trained network is constant on the task's domain: one piece, of slope 0."""
    if result.metrics.get("num_pieces") != 1:
        return False
    line = pieces.on_line(load(OUTPUTS / NAME / result.run).network, TASK.low, TASK.high)
    return not line.slopes.any()


def is_off_at_first(result: Result) -> bool:
    """Whether no unit of a trained network's first layer is on anywhere on the task's domain: at both of its ends."""
    first = load(OUTPUTS / NAME / result.run).network.hidden.layers[0]
    return not bool((first(torch.tensor([[TASK.low], [TASK.high]])) > 0).any())


def cell_row(cell: Cell, constant: Sequence[Result], results: Sequence[Result]) -> Row:
    """One depth and width with or without skip connections: the tuned comparison, and how many are constant."""

    def alike(result: Result) -> bool:
        config = result.config
        is_skipping = config.get("model.skip", False) == (cell.setting == "skip=True")
        return is_skipping and (config["model.depth"], config["model.width"]) == (cell.depth, cell.width)

    here = [result for result in constant if alike(result)]
    runs = {result.run for result in here}
    return {
        **row(cell, "mean_squared_error"),
        "constant": sum(result.run in runs for result in cell.results),
        "constant at all rates": len(here),
        "runs at all rates": sum(map(alike, results)),
        "constant at the largest rate": sum(result.config["optimizer.rate"] == LARGEST_RATE for result in here),
        "first layer off": sum(map(is_off_at_first, here)),
    }


def draw(rows: list[Field]) -> Figure:
    """Who solves the task and who is constant, against depth."""
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for column, width in enumerate(("4", "8")):
        for setting, (label, colour, style) in KINDS.items():
            chosen = [each for each in rows if each["width"] == width and each["setting"] == setting]
            depths = [int(each["depth"]) for each in chosen]
            solved = [int(each["solved"]) / int(each["seeds"]) for each in chosen]
            low, high = ([float(each[f"solved_{end}"]) for each in chosen] for end in ("low", "high"))
            panels[0, column].plot(depths, solved, style, color=colour, label=label)
            panels[0, column].fill_between(depths, low, high, color=colour, alpha=0.15, lw=0)
            constant = [int(each["constant at all rates"]) / int(each["runs at all rates"]) for each in chosen]
            panels[1, column].plot(depths, constant, style, color=colour, label=label)
        panels[0, column].set(title=f"width {width}", ylim=(-0.03, 1.03))
        panels[1, column].set(xlabel="depth", xticks=depths)
        for axes in panels[:, column]:
            finish(axes)
    panels[0, 0].set_ylabel("solve the zig-zag (tuned rate)")
    panels[1, 0].set_ylabel("constant after training (all rates)")
    panels[0, 0].legend(loc="upper left")
    return figure


def numbers() -> dict[str, str]:
    """What the page says, from the table beside it."""
    rows = read_csv(FOLDER / "results.csv")
    found = {"table": table([shown(each) for each in rows])}
    for each in rows:
        kind = "skip" if each["setting"] == "skip=True" else "plain"
        place = f"{kind}_{each['width']}_{each['depth']}"
        if each["depth"] in ("8", "12"):
            found[f"solved_{place}"] = share(each)
        if each["depth"] == "12":
            found[f"constant_{place}"] = f"{each['constant at all rates']} of {each['runs at all rates']}"
    deep = [each for each in rows if each["setting"] == "skip=True" and each["depth"] != "1"]
    num_constant = sum(int(each["constant at all rates"]) for each in deep)
    for name, column in (("first_off", "first layer off"), ("largest_rate", "constant at the largest rate")):
        found[name] = f"{sum(int(each[column]) for each in deep)} of {num_constant}"
    for kind, setting in (("plain", "skip=False"), ("skip", "skip=True")):
        for width in ("4", "8"):
            best = max(
                (each for each in rows if each["setting"] == setting and each["width"] == width),
                key=lambda each: int(each["solved"]),
            )
            found[f"best_{kind}_{width}"] = f"{share(best)} at depth {best['depth']}"
    return found


def shown(each: Field) -> dict[str, str]:
    """A row as the page shows it."""
    return {
        "width": each["width"],
        "depth": each["depth"],
        "skip": "yes" if each["setting"] == "skip=True" else "no",
        "parameters": f"{float(each['parameters']):g}",
        "solved (about 90%)": share(each),
        "median error": f"{float(each['mean_squared_error']):.2g}",
        "pieces": f"{float(each['pieces']):g}",
        "rate": each["chosen"].replace(" | ", ", "),
        "constant, of all rates": f"{each['constant at all rates']} of {each['runs at all rates']}",
    }


if __name__ == "__main__":
    main()
