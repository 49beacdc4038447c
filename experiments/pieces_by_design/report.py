"""Pieces by design: errors and numbers of pieces against depth, beside plain networks of as many parameters.

    dlcourse -m experiment=pieces_by_design
    python experiments/pieces_by_design/report.py

Run from the root of the repository.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.measurements.pieces_by_design import widths_for
from dlcourse.recording import Result
from experiments.shared import Colour, Row, fill, finish, measured, read_csv, save_in_256_colours, table, write_csv

FOLDER = Path(__file__).parent
NAMES = {"cube": "x³", "eleventh": "x¹¹", "sine": "sin πx", "quarter_circle": "√(1 - x²)"}
DEPTHS = (2, 3, 5, 7)
DESIGNS = ("start", "first", "second", "without_first")
STATISTICS = ("median", "low", "high", "least", "mean")
Table = dict[tuple[str, int], list[dict[str, str]]]


def main() -> None:
    """The table, the figure, and the numbers of the page."""
    results = measured("pieces_by_design", "depth")
    rows = [
        row for target in NAMES for result in results if result.config["target"] == target for row in rows_of(result)
    ]
    write_csv(FOLDER / "errors.csv", rows, digits=4)
    save_in_256_colours(draw(read()), FOLDER / "pieces_by_design.png")
    fill(FOLDER / "README.md", numbers())


def rows_of(result: Result) -> list[Row]:
    """One target at one depth: a row for each kind of network."""
    config, metrics = result.config, result.metrics
    depth, rows = config["depth"], []
    plain = [f"plain/{layers}/{start}" for layers in range(1, depth + 1) for start in ("torch", "he")]
    for kind in (*DESIGNS, *plain):
        _, layers, initialization = kind.split("/") if kind in plain else ("", depth, "")
        widths = widths_for(metrics["num_parameters"], int(layers)) if kind in plain else [3] * depth
        rows.append(
            {
                "target": config["target"],
                "depth": depth,
                "network": kind.split("/")[0],
                "initialization": initialization,
                "widths": " ".join(map(str, widths)),
                "rate_of_even_seeds": metrics.get(f"{kind}/rate_even", ""),
                "rate_of_odd_seeds": metrics.get(f"{kind}/rate_odd", ""),
                **{f"error_{name}": metrics[f"{kind}/error_{name}"] for name in STATISTICS},
                "largest_error_median": metrics[f"{kind}/largest_error_median"],
                "pieces_median": metrics[f"{kind}/pieces_median"],
                "long_pieces_median": metrics[f"{kind}/long_pieces_median"],
            }
        )
    return rows


def best_error(target: str, num_pieces: int) -> float:
    """The least mean squared error of n pieces of any lengths, for large n.

    On a short piece of length h the best line misses f by f''^2 h^5 / 720. The sum is least if every piece has the same
    share, which is (integral of |f''|^(2/5))^5 / (720 n^4): 1 / (180 n^4) for x^2. The integrals are, for x^m,
    (m (m - 1))^(2/5) / (1 + 2 (m - 2) / 5), and for the other two beta functions.
    """

    def beta(a: float, b: float) -> float:
        return math.gamma(a) * math.gamma(b) / math.gamma(a + b)

    integral = {
        "cube": 6**0.4 / 1.4,
        "eleventh": 110**0.4 / 4.6,
        "sine": math.pi**0.8 * beta(0.7, 0.5) / math.pi,  # |f''| = pi^2 sin(pi x)
        "quarter_circle": beta(0.5, 0.4) / 2,  # |f''| = (1 - x^2)^(-3/2)
    }[target]
    return integral**5 / (720 * num_pieces**4)


def read() -> Table:
    """Target and depth -> the rows of the table."""
    groups: Table = {(target, depth): [] for target in NAMES for depth in DEPTHS}
    for row in read_csv(FOLDER / "errors.csv"):
        groups[row["target"], int(row["depth"])].append(row)
    return groups


def named(rows: Sequence[dict[str, str]], network: str) -> dict[str, str]:
    """The design at one point of its training."""
    return next(row for row in rows if row["network"] == network)


def best_plain(rows: Sequence[dict[str, str]], depth: int | None = None) -> dict[str, str]:
    """The plain network with the least median error, of all shapes and initialisations or of one number of layers."""
    plain = [row for row in rows if row["network"] == "plain" and depth in (None, len(row["widths"].split()))]
    return min(plain, key=lambda row: float(row["error_median"]))


def shown(rows: Sequence[dict[str, str]], depth: int) -> dict[str, dict[str, str]]:
    """What the page and the figure compare, under the names that they have there."""
    return {
        "before": named(rows, "start"),
        "after stage one": named(rows, "first"),
        "after stage two": named(rows, "second"),
        "stage two only": named(rows, "without_first"),
        "best plain": best_plain(rows),
        "plain, same shape": best_plain(rows, depth),
    }


def numbers() -> dict[str, str]:
    """What stands in README.md, by the names of its markers."""
    groups = read()
    cells = {key: shown(rows, key[1]) for key, rows in groups.items()}
    return {
        "errors": table([error_row(*key, kinds) for key, kinds in cells.items()]),
        "pieces": table([piece_row(*key, kinds) for key, kinds in cells.items()]),
        **claims(cells),
        **beside_theirs(cells),
    }


def error_row(target: str, depth: int, kinds: dict[str, dict[str, str]]) -> Row:
    """One line of the first table of the page."""
    medians = {name: number(row["error_median"]) for name, row in kinds.items()}
    for name in ("after stage two", "best plain"):
        medians[name] += " ({} to {})".format(*(number(kinds[name][f"error_{end}"]) for end in ("low", "high")))
    medians["best plain"] += f", {short(kinds['best plain']['widths'])}, {kinds['best plain']['initialization']}"
    best = f"{best_error(target, 2**depth):.1e}"
    return {"target": NAMES[target], "depth k": depth} | medians | {"best 2^k pieces": best}


def piece_row(target: str, depth: int, kinds: dict[str, dict[str, str]]) -> Row:
    """One line of the second."""
    counts = {
        name: f"{float(row['pieces_median']):g} ({float(row['long_pieces_median']):g})" for name, row in kinds.items()
    }
    return {"target": NAMES[target], "depth k": depth, "2^k": 2**depth} | counts


def claims(cells: dict[tuple[str, int], dict[str, dict[str, str]]]) -> dict[str, str]:
    """What the text counts and compares over all targets and depths."""
    found = {"cells": str(len(cells))}
    for name, marker in (("before", "kept_before"), ("after stage one", "kept_between")):
        found[marker] = str(sum(float(kinds[name]["long_pieces_median"]) == 2**k for (_, k), kinds in cells.items()))
    stored = [float(kinds["after stage one"]["pieces_median"]) / 2**k for (_, k), kinds in cells.items()]
    found["stored"] = f"{100 * (min(stored) - 1):.0f} to {100 * (max(stored) - 1):.0f}%"
    after = [float(kinds["after stage two"]["pieces_median"]) / 2**k for (_, k), kinds in cells.items()]
    found["after"] = f"{min(after):.2f} to {max(after):.2f}"
    pairs = {
        "over_same": ("plain, same shape", (5,)),
        "over_plain": ("best plain", DEPTHS),
        "over_without": ("stage two only", DEPTHS),
        "over_first": ("after stage one", (2, 5, 7)),
    }
    for marker, (name, depths) in pairs.items():
        for depth in depths:
            of_depth = [kinds for (_, k), kinds in cells.items() if k == depth]
            ratios = [error(kinds[name]) / error(kinds["after stage two"]) for kinds in of_depth]
            found[f"{marker}.{depth}"] = span(ratios)
    ratios = [error(kinds["best plain"]) / error(kinds["after stage two"]) for kinds in cells.values()]
    found["over_plain.all"] = span(ratios)
    for marker, name in (("over_plain", "best plain"), ("over_without", "stage two only")):
        second = [kinds["after stage two"] for kinds in cells.values()]
        others = [kinds[name] for kinds in cells.values()]
        apart = [float(ours["error_high"]) < float(row["error_low"]) for ours, row in zip(second, others, strict=True)]
        found[f"{marker}.apart"] = str(sum(apart))
    edges = [
        {kinds["after stage one"][f"rate_of_{half}_seeds"] for half in ("even", "odd")} for kinds in cells.values()
    ]
    found["edge"] = str(sum("0.1" in rates for rates in edges))
    found["one_layer"] = str(sum(" " not in kinds["best plain"]["widths"] for kinds in cells.values()))
    possible = [error(kinds["after stage two"]) / best_error(t, 2**k) for (t, k), kinds in cells.items() if k == 5]
    found["over_possible"] = span(possible)
    second = {key: error(kinds["after stage two"]) for key, kinds in cells.items()}
    found["worse"] = str(sum(second[target, 7] > second[target, 5] for target in NAMES))
    for target in NAMES:
        found[f"still.{target}"] = ", ".join(
            number(cells[target, k]["after stage one"]["error_median"]) for k in DEPTHS
        )
    return found


def beside_theirs(cells: dict[tuple[str, int], dict[str, dict[str, str]]]) -> dict[str, str]:
    """The least and the mean error of ten seeds at depth 5, as their table has them of thirty."""
    found = {}
    for target in ("cube", "eleventh"):
        for name, marker in (("plain, same shape", "same"), ("after stage two", "design")):
            for statistic in ("least", "mean"):
                found[f"{target}.{marker}.{statistic}"] = number(cells[target, 5][name][f"error_{statistic}"])
    return found


def error(row: dict[str, str]) -> float:
    return float(row["error_median"])


def span(values: Sequence[float]) -> str:
    """The least and the largest, to two digits."""
    return " to ".join(f"{float(f'{value:.2g}'):,g}" for value in (min(values), max(values)))


def number(text: str) -> str:
    """Two digits are enough for the page."""
    return f"{float(text):.1e}"


def short(widths: str) -> str:
    """3 3 3 as 3 x 3 layers."""
    sizes = widths.split()
    return f"{len(sizes)} x {sizes[0]}" if len(set(sizes)) == 1 else "-".join(sizes)


STYLES = {
    "before": (Colour.GREY, "o:"),
    "after stage one": (Colour.BLUE, "s-"),
    "after stage two": (Colour.RED, "o-"),
    "stage two only": (Colour.ORANGE, "^--"),
    "best plain": (Colour.VIOLET, "D-"),
    "plain, same shape": (Colour.SLATE, "v--"),
}


def draw(groups: Table) -> Figure:
    """Errors above, numbers of pieces below, a column for each target."""
    figure = Figure(figsize=(14, 7.2), layout="constrained")
    axes = figure.subplots(2, len(NAMES), sharex=True, sharey="row")
    for target, (above, below) in zip(NAMES, axes.T, strict=True):
        plot(above, below, {depth: shown(groups[target, depth], depth) for depth in DEPTHS})
        above.plot(
            DEPTHS, [best_error(target, 2**k) for k in DEPTHS], "k--", lw=1, label="best 2^k pieces (for large k)"
        )
        above.plot(
            DEPTHS, [1 / (30 * 16**k) for k in DEPTHS], "k:", lw=1, label="Yarotsky's rate: 1 / (30 · 16^k) for x²"
        )
        below.plot(DEPTHS, [2**k for k in DEPTHS], "k--", lw=1, label="2^k")
        above.set(title=NAMES[target], yscale="log")
        below.set(xlabel="depth k of the design", yscale="log", xticks=DEPTHS)
        for each in (above, below):
            finish(each)
    axes[0, 0].set_ylabel("mean squared error")
    axes[1, 0].set_ylabel("linear pieces on [0, 1], of any length")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def plot(above: Axes, below: Axes, by_depth: dict[int, dict[str, dict[str, str]]]) -> None:
    """Medians as lines, the intervals of the medians of errors as bars."""
    for index, (name, (colour, style)) in enumerate(STYLES.items()):
        depths = [depth + 0.08 * (index - 2.5) for depth in by_depth]  # side by side, so that no bar hides another
        rows = [kinds[name] for kinds in by_depth.values()]
        medians, low, high = ([float(row[f"error_{key}"]) for row in rows] for key in ("median", "low", "high"))
        bars = [[m - v for m, v in zip(medians, low, strict=True)], [v - m for m, v in zip(medians, high, strict=True)]]
        above.errorbar(depths, medians, yerr=bars, fmt=style, color=colour, ms=4, lw=1.4, capsize=2, label=name)
        below.plot(depths, [float(row["pieces_median"]) for row in rows], style, color=colour, ms=4, lw=1.4)


if __name__ == "__main__":
    main()
