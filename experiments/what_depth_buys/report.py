"""What depth buys: the share of seeds that solve zig-zags, by depth, number of parameters and steps.

    dlcourse -m experiment=what_depth_buys
    dlcourse -m experiment=what_depth_buys_long
    dlcourse -m experiment=what_depth_buys_batches
    python experiments/what_depth_buys/report.py

Run from the root of the repository.
"""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.networks.model import widths_of_size
from experiments.shared import Colour, fill, finish, measured, read_csv, save, share, table, tuned_rows, write_csv

FOLDER = Path(__file__).parent
FOLDS, DEPTHS, SIZES, BUDGETS = (2, 3, 4, 5), (1, 2, 3, 5), (80, 240, 720), (1000, 10000)
BATCH_SIZE = 64
INITIALIZATION = re.compile("torch|he")
COLOURS = {1: Colour.BLUE, 2: Colour.ORANGE, 3: Colour.VIOLET, 5: Colour.RED}  # by depth

Row = dict[str, str]


def main() -> None:
    """Tables and figures into this folder, and numbers into its page."""
    metric, compared = "mean_squared_error", ("task.num_folds", "num_steps")
    both = [measured("what_depth_buys"), measured("what_depth_buys_long")]
    rows = [row for results in both for row in tuned_rows(results, metric, *compared)]
    batches = tuned_rows(measured("what_depth_buys_batches"), metric, *compared, "batch_size")
    write_csv(FOLDER / "batches.csv", batches, digits=4)
    write_csv(FOLDER / "surface.csv", rows, digits=4)
    read = read_csv(FOLDER / "surface.csv")
    save(surface_figure(read), FOLDER / "surface.png")
    save(compute_figure(read), FOLDER / "compute.png")
    fill(FOLDER / "README.md", numbers())


def numbers() -> dict[str, str]:
    """What the page says, from the table beside it."""
    rows = read_csv(FOLDER / "surface.csv")
    said = {
        "edges": f"{sum(bool(row['at_an_end']) for row in rows)} of {len(rows)}",
        "work": table(
            [
                {"pieces": 2**folds, **{layers(depth): least_work(rows, folds, depth) for depth in DEPTHS}}
                for folds in FOLDS[:2]
            ]
        ),
        "long": table(
            [
                {
                    "depth": depth,
                    **{f"{steps} steps": share(of(rows, 4, depth, 240, steps)) for steps in (*BUDGETS, 40000)},
                    "median error after 40000": error(of(rows, 4, depth, 240, 40000)),
                }
                for depth in DEPTHS
            ]
        ),
        "batches": table(
            [
                {"batch": size, **{layers(depth): f"{share(row)}; {error(row)}" for depth, row in of_batch.items()}}
                for size, of_batch in by_batch(rows).items()
            ]
        ),
        "batch-one": by_batch(rows)[256][1]["solved"],
        "full-one": by_batch(rows)[1000][1]["solved"],
        "full-three": by_batch(rows)[1000][3]["solved"],
        "full-steps": ", ".join(by_batch(rows)[1000][depth]["steps_until_solved"] for depth in (1, 2, 3)),
        "fast": ", ".join(share(of(rows, 3, depth, 720, 1000)) for depth in DEPTHS),
        "slow": ", ".join(share(of(rows, 3, depth, 720, 10000)) for depth in DEPTHS),
        "fast-error": ", ".join(error(of(rows, 3, depth, 720, 1000)) for depth in DEPTHS),
    }
    for folds in FOLDS:
        said[f"table-{2**folds}"] = table(
            [
                {"parameters": size, **{layers(depth): entry(of(rows, folds, depth, size, 10000)) for depth in DEPTHS}}
                for size in SIZES
            ]
        )
    deep = [row for row in rows if row["depth"] != "1"]
    for start in ("torch", "he"):
        by_both = sum(set(INITIALIZATION.findall(row["chosen"])) == {start} for row in deep)
        said[f"chosen-{start}"] = f"{by_both} of {len(deep)}"
    return {**said, **against_one_layer(rows)}


def against_one_layer(rows: Sequence[Row]) -> dict[str, str]:
    """How often deeper networks do better, or worse, than one layer of as many parameters."""
    said = {}
    for steps in BUDGETS:
        pairs = [
            (of(rows, folds, 1, size, steps), of(rows, folds, depth, size, steps))
            for folds in FOLDS
            for size in SIZES
            for depth in DEPTHS[1:]
        ]
        said[f"surely-worse-{steps}"] = f"{sum(is_above(shallow, deep) for shallow, deep in pairs)} of {len(pairs)}"
        said[f"surely-better-{steps}"] = f"{sum(is_above(deep, shallow) for shallow, deep in pairs)} of {len(pairs)}"
    hard = [[of(rows, folds, depth, size, 10000) for depth in DEPTHS] for folds in FOLDS[2:] for size in SIZES]
    nearer = sum(min(map(error_of, deeper)) < error_of(shallow) for shallow, *deeper in hard)
    said["nearer"] = f"{nearer} of {len(hard)}"
    return said


def by_batch(rows: Sequence[Row]) -> dict[int, dict[int, Row]]:
    """Batches and depths: 8 pieces, 720 parameters, 1,000 steps."""
    others = read_csv(FOLDER / "batches.csv")
    tables = {
        size: [row for row in others if row["batch_size"] == str(size)] if size != BATCH_SIZE else rows
        for size in (16, BATCH_SIZE, 256, 1000)
    }
    return {size: {depth: of(some, 3, depth, 720, 1000) for depth in DEPTHS} for size, some in tables.items()}


def error_of(row: Row) -> float:
    """The median error over the seeds."""
    return float(row["mean_squared_error"])


def error(row: Row) -> str:
    """The same in words: two decimals, or two digits of what is smaller."""
    return f"{error_of(row):.2f}" if error_of(row) > 0.1 else f"{error_of(row):.2g}"


def entry(row: Row) -> str:
    """Who solves it, and the median error where fewer than half do."""
    return share(row) if solves_it(row) else f"{share(row)}; {error(row)}"


def solves_it(row: Row) -> bool:
    """Whether half of the seeds solve it."""
    return int(row["solved"]) >= int(row["seeds"]) / 2


def of(rows: Sequence[Row], folds: int, depth: int, size: int, steps: int) -> Row:
    """The row of one target, network and budget."""
    wanted = tuple(map(str, (folds, depth, size, steps)))
    (row,) = [
        row for row in rows if (row["num_folds"], row["depth"], row["max_parameters"], row["num_steps"]) == wanted
    ]
    return row


def is_above(row: Row, other: Row) -> bool:
    """Whether the interval of the one lies wholly above that of the other."""
    return float(row["solved_low"]) > float(other["solved_high"])


def layers(depth: int) -> str:
    """In words: "1 layer"."""
    return f"{depth} {'layer' if depth == 1 else 'layers'}"


def surface_figure(rows: Sequence[Row]) -> Figure:
    """A table of depth and size for each target and budget, coloured by the share of seeds that solve it."""
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    panels = figure.subplots(len(BUDGETS), len(FOLDS))
    for line, steps in enumerate(BUDGETS):
        for column, folds in enumerate(FOLDS):
            axes: Axes = panels[line, column]
            shares = np.array(
                [
                    [
                        int(row["solved"]) / int(row["seeds"])
                        for size in SIZES
                        if (row := of(rows, folds, depth, size, steps))
                    ]
                    for depth in DEPTHS
                ]
            )
            image = axes.imshow(shares, vmin=0, vmax=1, cmap="viridis", aspect="auto")
            for y, depth in enumerate(DEPTHS):
                for x, size in enumerate(SIZES):
                    row = of(rows, folds, depth, size, steps)
                    text = row["solved"] if solves_it(row) else f"{row['solved']}\nerror {error(row)}"
                    colour = "white" if shares[y, x] < 0.6 else Colour.BLACK
                    axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=9)
            axes.set_xticks(range(len(SIZES)), list(map(str, SIZES)))
            axes.set_yticks(range(len(DEPTHS)), list(map(str, DEPTHS)))
            axes.set_title(f"{2**folds} pieces, {steps:,} steps", fontsize=11)
            axes.spines[:].set_visible(False)
            if line == len(BUDGETS) - 1:
                axes.set_xlabel("parameters, at most")
            if column == 0:
                axes.set_ylabel("hidden layers")
    seeds = rows[0]["seeds"]
    figure.colorbar(image, ax=panels, label=f"share of seeds that solve it (numbers: of {seeds})", shrink=0.8)
    figure.suptitle("What depth buys at equal size: seeds that find the zig-zag (and the median error)", fontsize=13)
    return figure


def work_of(row: Row, num_steps: float) -> float:
    """The multiply-adds of so many steps: each item goes once forwards and twice backwards through every weight."""
    sizes = [1, *widths_of_size(int(row["max_parameters"]), int(row["depth"]), 1, 1), 1]
    return 3 * BATCH_SIZE * num_steps * sum(a * b for a, b in pairwise(sizes))


def least_work(rows: Sequence[Row], folds: int, depth: int) -> str:
    """The fewest multiply-adds until half of the seeds solve it, over all sizes and budgets, and the size."""
    work = {
        row["max_parameters"]: work_of(row, float(row["steps_until_solved"]))
        for row in sorted(rows, key=lambda row: -float(row["steps_until_solved"]))  # the fewest steps of a size last
        if row["num_folds"] == str(folds) and row["depth"] == str(depth)
    }
    size = min(work, key=work.__getitem__)
    return f"{work[size] / 1e6:,.0f} ({size})" if math.isfinite(work[size]) else "-"


def compute_figure(rows: Sequence[Row]) -> Figure:
    """The share of seeds that solve it against the multiply-adds that their training took."""
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    panels = figure.subplots(1, len(FOLDS), sharey=True)
    for axes, folds in zip(panels, FOLDS, strict=True):
        for depth in DEPTHS:
            chosen = [row for row in rows if row["num_folds"] == str(folds) and row["depth"] == str(depth)]
            chosen.sort(key=lambda row: work_of(row, float(row["num_steps"])))
            work = [work_of(row, float(row["num_steps"])) for row in chosen]
            shares = [int(row["solved"]) / int(row["seeds"]) for row in chosen]
            ends = [(float(row["solved_low"]), float(row["solved_high"])) for row in chosen]
            axes.vlines(work, *zip(*ends, strict=True), color=COLOURS[depth], alpha=0.3, lw=2)
            axes.plot(
                work, np.maximum.accumulate(shares), color=COLOURS[depth], lw=1, alpha=0.6, drawstyle="steps-post"
            )
            axes.plot(work, shares, "o", ms=5, color=COLOURS[depth], label=layers(depth))
        axes.set(xscale="log", ylim=(-0.03, 1.03), title=f"{2**folds} pieces", xlabel="multiply-adds of the training")
        finish(axes)
    panels[0].set_ylabel("share of seeds that solve it")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


if __name__ == "__main__":
    main()
