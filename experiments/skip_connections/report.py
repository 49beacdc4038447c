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
from experiments.shared import Colour, Row, fill, finish, folder_of, measured, read_csv, save, share, table, write_csv

FOLDER = Path(__file__).parent
NAME = "skip_connections"
TASK = ZigZag(num_folds=3, centred=True)
LARGEST_RATE = 0.1
STARTS = ("torch", "he", "tuned")
KINDS = {"no": ("plain", Colour.RED, "o--"), "yes": ("with skip connections", Colour.DARK_BLUE, "s-")}
Field = dict[str, str]


def main() -> None:
    """The table and the figure into this folder, and the numbers into the page."""
    results, at_all_rates = measured(NAME), measured(f"{NAME}_pilots")
    constant = [result for result in at_all_rates if is_constant(result)]
    apart, tuned = cells(results, tune=["optimizer.rate"]), cells(results)
    rows = [cell_row(cell, constant, at_all_rates) for cell in [*apart, *tuned]]
    write_csv(FOLDER / "results.csv", rows, digits=4)
    save(draw(read_csv(FOLDER / "results.csv")), FOLDER / "skip_connections.png")
    fill(FOLDER / "README.md", numbers())


def is_constant(result: Result) -> bool:
    """Whether a trained network is constant on the task's domain: one piece, of slope 0."""
    if result.metrics.get("num_pieces") != 1:
        return False
    line = pieces.on_line(load(folder_of(NAME, result)).network, TASK.low, TASK.high)
    return not line.slopes.any()


def is_off_at_first(result: Result) -> bool:
    """Whether no unit of a trained network's first layer is on anywhere on the task's domain: at both of its ends."""
    first = load(folder_of(NAME, result)).network.hidden.layers[0]
    return not bool((first(torch.tensor([[TASK.low], [TASK.high]])) > 0).any())


def cell_row(cell: Cell, constant: Sequence[Result], at_all_rates: Sequence[Result]) -> Row:
    """One depth and width, with or without skip connections, from one initialisation or that which suits it.

    Args:
        cell: The runs by which it is judged.
        constant: Those pilots that ended as constants.
        at_all_rates: All pilots: of the sweep's own runs, only those at the best rates were trained.
    """
    initialization, _, skip = cell.setting.rpartition("skip=")
    start = initialization.rstrip("-") or "tuned"

    def alike(result: Result) -> bool:
        config = result.config
        return (
            str(config.get("model.skip", False)) == skip
            and start in ("tuned", config["model.initialization"])
            and (config["model.depth"], config["model.width"]) == (cell.depth, cell.width)
        )

    here = [result for result in constant if alike(result)]
    return {
        "initialization": start,
        "skip": "yes" if skip == "True" else "no",
        **{key: value for key, value in row(cell, "mean_squared_error").items() if key != "setting"},
        "constant at all rates": len(here),
        "runs at all rates": sum(map(alike, at_all_rates)),
        "constant at the largest rate": sum(result.config["optimizer.rate"] == LARGEST_RATE for result in here),
        "first layer off": sum(map(is_off_at_first, here)),
    }


def of(rows: Sequence[Field], start: str, skip: str, width: int) -> list[Field]:
    """The rows of one initialisation and width, with or without skip connections, by depth."""
    wanted = (start, skip, str(width))
    return [each for each in rows if (each["initialization"], each["skip"], each["width"]) == wanted]


def draw(rows: list[Field]) -> Figure:
    """Who solves the task and who is constant, against depth, for each initialisation and for the better one."""
    figure = Figure(figsize=(12, 9), layout="constrained")
    panels = figure.subplots(3, 3, sharex=True, sharey=True)
    for column, start in enumerate(STARTS):
        for skip, (label, colour, style) in KINDS.items():
            for line, width in enumerate((4, 8)):
                chosen = of(rows, start, skip, width)
                depths = [int(each["depth"]) for each in chosen]
                solved = [int(each["solved"]) / int(each["seeds"]) for each in chosen]
                low, high = ([float(each[f"solved_{end}"]) for each in chosen] for end in ("low", "high"))
                panels[line, column].plot(depths, solved, style, color=colour, label=label)
                panels[line, column].fill_between(depths, low, high, color=colour, alpha=0.15, lw=0)
            constant = [int(each["constant at all rates"]) / int(each["runs at all rates"]) for each in chosen]
            panels[2, column].plot(depths, constant, style, color=colour, label=label)
        name = {"torch": "from torch's", "he": "from He's", "tuned": "initialisation tuned, too"}[start]
        panels[0, column].set(title=name, ylim=(-0.03, 1.03))
        panels[2, column].set(xlabel="depth", xticks=depths)
        for axes in panels[:, column]:
            finish(axes)
    for axes, label in zip(
        panels[:, 0], ("width 4: solve it", "width 8: solve it", "width 8: constant, all rates"), strict=True
    ):
        axes.set_ylabel(label)
    panels[0, 0].legend(loc="upper left")
    return figure


def numbers() -> dict[str, str]:
    """What the page says, from the table beside it."""
    rows = read_csv(FOLDER / "results.csv")
    found = {f"table_{width}": table(shown(rows, width)) for width in (4, 8)}
    for skip, kind in (("no", "plain"), ("yes", "skip")):
        for start in STARTS:
            deepest = of(rows, start, skip, 8)[-1]
            found[f"solved_{start}_{kind}"] = share(deepest)
            if start != "tuned":
                found[f"constant_{start}_{kind}"] = (
                    f"{deepest['constant at all rates']} of {deepest['runs at all rates']}"
                )
        best = max(of(rows, "tuned", skip, 4), key=lambda each: int(each["solved"]))
        found[f"best_{kind}"] = f"{share(best)} at depth {best['depth']}"
    deep = [
        each for each in rows if each["skip"] == "yes" and each["depth"] != "1" and each["initialization"] != "tuned"
    ]
    num_constant = sum(int(each["constant at all rates"]) for each in deep)
    for name, column in (("first_off", "first layer off"), ("largest_rate", "constant at the largest rate")):
        found[name] = f"{sum(int(each[column]) for each in deep)} of {num_constant}"
    return found


def shown(rows: Sequence[Field], width: int) -> list[dict[str, str]]:
    """The seeds that solve it, by depth, as the page shows them."""
    kinds = [(start, skip) for start in STARTS for skip in KINDS]
    return [
        {
            "depth": depth,
            **{
                f"{start}, {KINDS[skip][0]}": share(
                    next(each for each in of(rows, start, skip, width) if each["depth"] == depth)
                )
                for start, skip in kinds
            },
        }
        for depth in dict.fromkeys(each["depth"] for each in rows)
    ]


if __name__ == "__main__":
    main()
