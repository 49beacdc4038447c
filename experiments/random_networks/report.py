"""Counts of the pieces of random networks on lines, on planes and in space, beside what is expected; and on slices.

    dlcourse -m experiment=random_networks
    dlcourse -m experiment=random_networks_planes
    dlcourse -m experiment=random_networks_boxes
    dlcourse -m experiment=random_networks_slices
    python experiments/random_networks/report.py

Run from the root of the repository.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dlcourse.pieces.bounds import zaslavsky
from dlcourse.recording import Result
from experiments.shared import Row, fill, measured, read_csv, save, table, write_csv

SWEEPS = ("random_networks", "random_networks_planes")
BOXES = "random_networks_boxes"
SLICES = "random_networks_slices"
DEPTHS = (1, 2, 3, 4, 6, 8)
# In all layers together, by the number of inputs; the table has others (published ones) after them.
NUM_UNITS = {1: (24, 48, 96, 192), 2: (24, 48, 96)}
# Lines of the page's table: units and depth.
SHOWN = ((96, 1), (96, 2), (96, 4), (96, 6), (96, 8), (48, 1), (48, 4), (48, 8), (24, 1), (24, 2), (24, 4), (24, 8))
PUBLISHED = {(60, 1): "[60]", (60, 2): "[30, 30]", (60, 3): "[20, 20, 20]", (40, 4): "four layers of 10"}
ON_SLICES = ("whole_line", "segment", "triangle")
WIDE, NARROW = 10, 6  # units a layer
FOLDER = Path(__file__).parent


def main() -> None:
    """The table and the figure into this folder, and numbers into its page."""
    rows = sorted((row(result) for sweep in SWEEPS for result in measured(sweep)), key=place)
    write_csv(FOLDER / "counts.csv", rows, line_end="\r\n")
    boxes = [row(result) for result in measured(BOXES)]
    boxes.sort(key=lambda box: (-box["units"], box["depth"]))
    write_csv(FOLDER / "boxes.csv", boxes, line_end="\r\n")
    slices = [slices_of(result) for result in measured(SLICES, "in_features")]
    slices.sort(key=lambda each: (each["in_features"], each["depth"]))
    write_csv(FOLDER / "slices.csv", slices)
    save(draw(rows), FOLDER / "random_networks.png")
    fill(FOLDER / "README.md", numbers())


def numbers() -> dict[str, str]:
    """What the page says, from the table beside it."""
    rows = read_csv(FOLDER / "counts.csv")
    found = {(int(row["in_features"]), int(row["units"]), int(row["depth"])): row for row in rows}
    lines = []
    for units, depth in SHOWN:
        line: Row = {"N": units, "depth": depth, "width": found[1, units, depth]["width"]}
        line["pieces on the line / N"] = ratio(found[1, units, depth])
        line["regions of the plane / (N² / 2)"] = ratio(found[2, units, depth])
        lines.append(line)
    boxes = read_csv(FOLDER / "boxes.csv")
    deepest = found[1, 96, 8]
    large = [row for row in rows if (row["in_features"], row["units"]) == ("1", "192")]
    return {
        "table": table(lines),
        "boxes": table([in_space(box) for box in boxes]),
        "cut": ", ".join(missed(box) for box in boxes if box["depth"] == "1"),
        "wide-3": f"{max(errors_off(box) for box in boxes if int(box['depth']) > 1 and int(box['width']) >= 8):.1f}",
        "narrow-3": " and ".join(
            in_space(box)["share"] for box in boxes if int(box["width"]) < 8 and int(box["depth"]) > 2
        ),
        **beside_one(rows, 1),
        **beside_one(rows, 2),
        "large": f"{max(abs(100 * (float(row['mean']) / 193 - 1)) for row in large):.1f}%",
        "spread": f"{float(large[0]['standard_deviation']):.1f} pieces (depth 1) to "
        f"{float(large[-1]['standard_deviation']):.0f} (depth 8)",
        "possible": f"{int(deepest['upper_bound']):,}",
        "most": f"{deepest['most']}",
        "published": ", ".join(f"{name} {ratio(found[2, *place])}" for place, name in PUBLISHED.items()),
        "single": ", ".join(
            f"{100 * float(found[2, *place]['standard_deviation']) / float(found[2, *place]['expected']):.0f}%"
            for place in PUBLISHED
            if place[1] > 1
        ),
        **on_slices(read_csv(FOLDER / "slices.csv"), rows, boxes),
    }


def ratio(row: dict[str, str]) -> str:
    """A mean count as a share of what is expected, with its standard error."""
    error = float(row["standard_error"])
    return f"{float(row['ratio']):.3f} ± {error:.3f}" if error >= 0.0005 else f"{float(row['ratio']):.3f}"


def in_space(row: dict[str, str]) -> Row:
    """The regions of [-1, 1]^3 beside those of one layer of as many units in the whole space, by the formula."""
    one, mean = zaslavsky(3, int(row["units"])), float(row["mean"])
    error = float(row["standard_deviation"]) / math.sqrt(int(row["draws"]))
    return {
        "N": row["units"],
        "depth": row["depth"],
        "width": row["width"],
        "regions": f"{mean:,.0f} ± {error:,.0f}",
        "1 + N + N(N-1)/2 + N(N-1)(N-2)/6": f"{one:,}",
        "share": f"{mean / one:.3f} ± {error / one:.3f}",
    }


def missed(row: dict[str, str]) -> str:
    """How many regions of the whole space lie outside of the box: the fewest and the most of the draws."""
    one = zaslavsky(3, int(row["units"]))
    return f"{one - int(row['most'])} to {one - int(row['least'])} of {one:,}"


def errors_off(row: dict[str, str]) -> float:
    """How many standard errors the mean in space is from what one layer has."""
    off = abs(float(row["mean"]) - zaslavsky(3, int(row["units"])))
    return off / (float(row["standard_deviation"]) / math.sqrt(int(row["draws"])))


def beside_one(rows: Sequence[dict[str, str]], in_features: int) -> dict[str, str]:
    """Networks of several layers beside what one layer of as many units has, 1 + N and 1 + N + N (N - 1) / 2."""
    of_kind = [row for row in rows if row["in_features"] == str(in_features)]
    shares, errors = [], []
    for row in of_kind:
        if int(row["depth"]) == 1 or int(row["width"]) < WIDE:
            continue
        one = sum(math.comb(int(row["units"]), k) for k in range(in_features + 1))
        difference = float(row["mean"]) - one
        shares.append(100 * difference / one)
        errors.append(abs(difference) / (float(row["standard_deviation"]) / math.sqrt(int(row["draws"]))))
    narrow = [float(row["ratio"]) for row in of_kind if int(row["width"]) <= NARROW]
    return {
        f"wide-{in_features}": f"{min(shares):+.1f}% to {max(shares):+.1f}%",
        f"num-{in_features}": str(len(shares)),
        f"errors-{in_features}": f"{max(errors):.1f}",
        f"narrow-{in_features}": f"{min(narrow):.2f} to {max(narrow):.2f}",
    }


def row(result: Result) -> Row:
    """One architecture."""
    widths, draws, metrics = result.config["widths"], result.config["num_draws"], result.metrics
    mean, deviation, expected = metrics["mean"], metrics["standard_deviation"], metrics["expected"]
    return {
        "in_features": result.config["in_features"],
        "units": sum(widths),
        "depth": len(widths),
        "width": widths[0],
        "draws": draws,
        "mean": round(mean, 2),
        "standard_deviation": round(deviation, 2),
        "least": metrics["least"],
        "most": metrics["most"],
        "expected": round(expected),
        "ratio": round(mean / expected, 4),
        "standard_error": round(deviation / math.sqrt(draws) / expected, 4),
        "upper_bound": metrics["upper_bound"],
    }


def slices_of(result: Result) -> Row:
    """One architecture with so many inputs, on lines, segments and triangles."""
    widths, draws, metrics = result.config["widths"], result.config["num_draws"], result.metrics
    found: Row = {"in_features": result.config["in_features"], "units": sum(widths), "depth": len(widths)}
    found.update(width=widths[0], draws=draws)
    for name in (*ON_SLICES, "in_the_box"):  # with one input there are no triangles
        has = name in metrics
        found[name] = round(metrics[name], 3) if has else ""
        error = metrics[f"{name}_standard_deviation"] / math.sqrt(draws) if has else ""
        found[f"{name}_error"] = round(error, 3) if has else ""
    return found


def on_slices(
    slices: Sequence[dict[str, str]], rows: Sequence[dict[str, str]], boxes: Sequence[dict[str, str]]
) -> dict[str, str]:
    """What is found on slices, beside what symmetry says of one layer and what the whole box holds."""
    whole = {
        tuple(int(row[key]) for key in ("in_features", "units", "depth")): float(row["mean"])
        for row in (*rows, *boxes)
        if row["in_features"] != "1"  # there, pieces are counted
    }
    lines, shares = [], {}
    for row in slices:
        inputs, units, depth = (int(row[key]) for key in ("in_features", "units", "depth"))
        in_box = float(row["in_the_box"]) if inputs == 1 else whole.get((inputs, units, depth))
        shares[inputs, depth] = [100 * float(row[name] or "nan") / (in_box or 1) for name in ("segment", "triangle")]
        line: Row = {"inputs": inputs, "depth": depth, "width": row["width"]}
        line.update({name.replace("_", " "): mean_and_error(row, name) for name in ON_SLICES})
        line["all of [-1, 1]^d"] = f"{in_box:,.0f}" if in_box else "not counted"
        lines.append(line)
    one = {name: [errors_beside(row, name) for row in slices if row["depth"] == "1"] for name in ON_SLICES[1:]}
    deep = {name: [errors_beside(row, name) for row in slices if row["depth"] != "1"] for name in ON_SLICES}
    of_interval = [row for row in slices if row["in_features"] == "1"]
    return {
        "slices": table(lines),
        "one-layer": " and ".join(f"{max(filter(None, errors)):.1f}" for errors in one.values()),
        "deep": ", ".join(f"{max(filter(None, errors)):.1f}" for errors in deep.values()),
        "outside": ", ".join(f"{float(row['whole_line']) - float(row['in_the_box']):.2f}" for row in of_interval),
        "line-spread": " and ".join(
            f"{float(row['whole_line_error']) * math.sqrt(int(row['draws'])):.0f}"
            for row in slices
            if row["in_features"] == "100" and row["depth"] != "1"
        ),
        "share-2": "{:.1f}% and {:.0f}%".format(*shares[2, 1]),
        "share-3": "{:.2f}% and {:.1f}%".format(*shares[3, 1]),
        "all-100": f"{zaslavsky(100, 48):,}",
    }


def by_symmetry(units: int) -> dict[str, float]:
    """The mean numbers of regions that one layer without biases has on slices."""
    return {"whole_line": 1 + units, "segment": 1 + units / 2, "triangle": 1 + units * (units + 5) / 8}


def errors_beside(row: dict[str, str], name: str) -> float | None:
    """How many standard errors a mean is from that; None if there is none, as for triangles of a line."""
    if not row[name]:
        return None
    return abs(float(row[name]) - by_symmetry(int(row["units"]))[name]) / float(row[f"{name}_error"])


def mean_and_error(row: dict[str, str], name: str) -> str:
    """A mean with its standard error, where it has one."""
    if not row[name]:
        return ""
    error = float(row[f"{name}_error"])
    return f"{float(row[name]):.1f} ± {error:.1f}" if error else f"{float(row[name]):.0f}"


def place(row: Row) -> tuple[int, bool, int, int]:
    """Where an architecture stands in the table: the line first, and those of the figure before the others."""
    in_figure = row["units"] in NUM_UNITS[row["in_features"]]
    return row["in_features"], not in_figure, row["units"] * in_figure, row["depth"]


def draw(rows: list[Row]) -> Figure:
    """Counts as shares of what is expected, and those of one number of units beside the most there can be."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    *panels, last = figure.subplots(1, 3)
    for in_features, axes in enumerate(panels, start=1):
        for num_units in NUM_UNITS[in_features]:
            chosen = select(rows, in_features, num_units)
            axes.errorbar(
                [row["depth"] for row in chosen],
                [row["ratio"] for row in chosen],
                yerr=[2 * row["standard_error"] for row in chosen],
                marker="o",
                capsize=3,
                label=f"{num_units} units",
            )
        axes.axhline(1, color="0.6", linewidth=1, zorder=0)
        axes.set(xlabel="depth", ylim=(0, 1.3), xticks=DEPTHS)
        axes.legend(loc="lower left")
    panels[0].set_title("pieces on the line / N")
    panels[1].set_title("regions of the plane / (N² / 2)")
    chosen = select(rows, 1, 96)
    depths = [row["depth"] for row in chosen]
    last.errorbar(
        depths,
        [row["mean"] for row in chosen],
        yerr=[row["standard_deviation"] for row in chosen],
        marker="o",
        capsize=3,
        label="random networks (bars: standard deviation)",
    )
    last.plot(depths, [row["upper_bound"] for row in chosen], "k--", label="the most there can be")
    last.set(yscale="log", ylim=(10, 1e12), xlabel="depth", xticks=DEPTHS, title="pieces on the line, 96 units in all")
    last.legend()
    return figure


def select(rows: list[Row], in_features: int, num_units: int) -> list[Row]:
    """The architectures of so many units in all their layers together."""
    return [row for row in rows if (row["in_features"], row["units"]) == (in_features, num_units)]


if __name__ == "__main__":
    main()
