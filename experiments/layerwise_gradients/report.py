"""Agreement of the layerwise gradients with autograd's, in digits, and their time.

    dlcourse -m experiment=layerwise_gradients
    dlcourse -m experiment=layerwise_time
    python experiments/layerwise_gradients/report.py

Run from the root of the repository.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dlcourse.recording import Result
from experiments.shared import Colour, Row, fill, finish, measured, read_csv, save, table, write_csv

FOLDER = Path(__file__).parent
DEPTHS = (1, 2, 4, 8)
METHODS = ("jacobians", "Sweep", "autograd")
TIMED = {
    "jacobians/item": "jacobians, 1 item",
    "Sweep/item": "Sweep, 1 item",
    "autograd/item": "autograd, 1 item",
    "Sweep/batch": "Sweep, {batch_size} items",
    "autograd/batch": "autograd, {batch_size} items",
    "Sweep/stack": "Sweep, {batch_size} items, stack of {num_members}",
}


def main() -> None:
    """Tables and the figure into this folder, and numbers into its page."""
    settings = measured("layerwise_gradients", "activation", "depth", "width", "dtype")
    rows = [row for result in settings for row in agreement(result)]
    write_csv(FOLDER / "agreement.csv", rows)
    write_csv(FOLDER / "time.csv", times(measured("layerwise_time", "width", "depth", "repetition")), digits=4)
    save(draw(rows), FOLDER / "agreement.png")
    fill(FOLDER / "README.md", numbers())


def agreement(result: Result) -> list[Row]:
    """Every method's digits in one setting."""
    config, metrics = result.config, result.metrics
    return [
        {
            **{setting: config[setting] for setting in ("activation", "depth", "width", "dtype")},
            "method": method,
            "autograd in": reference,
            "median": round(metrics[f"{method}/{reference}/median"], 2),
            "worst": round(metrics[f"{method}/{reference}/worst"], 2),
        }
        for method in METHODS
        for reference in ("float32", "float64")
        if f"{method}/{reference}/median" in metrics
    ]


def times(results: Sequence[Result]) -> list[Row]:
    """Every method's time at each size over the repetitions, in microseconds, and in autograd's of the same one."""
    sizes: dict[tuple[int, int], list[Result]] = defaultdict(list)
    for result in results:
        sizes[result.config["width"], result.config["depth"]].append(result)
    rows: list[Row] = []
    for (width, depth), repetitions in sizes.items():
        for key, name in TIMED.items():
            reference = "autograd/item" if "item" in key else "autograd/batch"
            taken = [float(result.metrics[key]) for result in repetitions]
            shares = [float(result.metrics[key] / result.metrics[reference]) for result in repetitions]
            row: Row = {"depth": depth, "width": width, "method": name.format(**repetitions[0].config)}
            row |= {"repetitions": len(repetitions)}
            for what, values in (("microseconds", taken), ("of autograd", shares)):
                row |= {what: statistics.median(values), f"{what}, least": min(values), f"{what}, most": max(values)}
            rows.append(row)
    return rows


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    return of_digits(read_csv(FOLDER / "agreement.csv")) | of_time(read_csv(FOLDER / "time.csv"))


def of_digits(rows: Sequence[dict[str, str]]) -> dict[str, str]:
    """Every method's median over all settings, where it is worst, and what depth, width and activation change."""
    lines: list[Row] = []
    single: list[float] = []
    spans: dict[str, list[float]] = defaultdict(list)
    for dtype, method in (*(("float64", name) for name in METHODS[:2]), *(("float32", name) for name in METHODS)):
        compared = (dtype, "float64", method)
        chosen = [row for row in rows if (row["dtype"], row["autograd in"], row["method"]) == compared]
        worst = min(chosen, key=lambda row: float(row["worst"]))
        where = f"{worst['activation']}, depth {worst['depth']}, width {worst['width']}"
        line: Row = {"gradient": f"{method}, {dtype}", "autograd in": "float64"}
        median = statistics.median(float(row["median"]) for row in chosen)
        line["median"] = f"{median:.1f}"
        line["worst"] = f"{float(worst['worst']):.1f} ({where})"
        lines.append(line)
        if dtype == "float32":
            single.append(median)
        for setting in ("depth", "width", "activation"):
            medians = [
                statistics.median(float(row["median"]) for row in chosen if row[setting] == value)
                for value in dict.fromkeys(row[setting] for row in chosen)
            ]
            # Of depth what the deepest lose; of the others how far apart they are.
            spans[setting].append(medians[0] - medians[-1] if setting == "depth" else max(medians) - min(medians))
    return {
        "digits": table(lines),
        "depth-costs": f"{min(spans['depth']):.1f} to {max(spans['depth']):.1f}",
        "width-changes": f"{max(spans['width']):.1f}",
        "activation-changes": f"{max(spans['activation']):.1f}",
        "float32-apart": f"{max(single) - min(single):.2f}",
    }


def of_time(rows: Sequence[dict[str, str]]) -> dict[str, str]:
    """Microseconds and shares of autograd's by size; and how far the repetitions scatter."""
    sizes: dict[str, Row] = defaultdict(dict)
    for row in rows:
        size = f"{row['depth']}, {row['width']}"
        sizes[size] |= {"depth, width": size}
        ends = f" ({float(row['of autograd']):#.2g})" if "autograd" not in row["method"] else ""
        taken = float(row["microseconds"])
        sizes[size][row["method"]] = f"{taken:.{0 if taken >= 100 else 1}f}{ends}"

    def shares(method: str, place: str = "of autograd") -> list[float]:
        return [float(row[place]) for row in rows if row["method"].startswith(method) and "stack" not in row["method"]]

    stacked = [1 / float(row["of autograd"]) for row in rows if "stack" in row["method"]]
    scatter = [float(row["microseconds, most"]) / float(row["microseconds, least"]) for row in rows]
    moved = [
        float(row["of autograd, most"]) / float(row["of autograd, least"])
        for row in rows
        if "autograd" not in row["method"]
    ]
    by_depth = {
        method: {(int(row["width"]), int(row["depth"])): row for row in rows if row["method"].startswith(method)}
        for method in ("jacobians", "Sweep, 1", "autograd, 1")
    }
    return {
        "time": table(list(sizes.values())),
        "repetitions": rows[0]["repetitions"],
        "jacobians": span(shares("jacobians")),
        "sweep": span(shares("Sweep")),
        "sweep-ends": span([share for end in ("least", "most") for share in shares("Sweep", f"of autograd, {end}")]),
        "stack": f"{min(stacked):.0f} to {max(stacked):.0f}",
        "scatter": f"{statistics.median(scatter):.1f}",
        "scatter-most": f"{max(scatter):.1f}",
        "share-scatter": f"{statistics.median(moved):.1f}",
        "slower": slower(by_depth.values()),
    }


def slower(methods: Iterable[Mapping[tuple[int, int], Mapping[str, str]]]) -> str:
    """How often the deeper of two networks that are neighbours in depth takes longer."""
    pairs = [
        float(found[width, deep]["microseconds"]) > float(found[width, shallow]["microseconds"])
        for found in methods
        for width, shallow in found
        for deep in (2 * shallow,)
        if (width, deep) in found
    ]
    return f"{sum(pairs)} of {len(pairs)}"


def span(values: Sequence[float]) -> str:
    """The least and the largest: "0.23 to 0.31"."""
    return f"{min(values):.2f} to {max(values):.2f}"


def draw(rows: list[Row]) -> Figure:
    """Digits against depth: the median over seeds and widths, and the worst, a panel an activation."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    activations = list(dict.fromkeys(row["activation"] for row in rows))
    panels = figure.subplots(1, len(activations), sharey=True)
    curves = {
        ("Sweep", "float64", "float64"): ("Sweep against autograd, both float64", Colour.DARK_BLUE, "o"),
        ("jacobians", "float64", "float64"): ("jacobians against autograd, both float64", Colour.VIOLET, "s"),
        ("Sweep", "float32", "float64"): ("float32 Sweep against float64 autograd", Colour.ORANGE, "^"),
        ("autograd", "float32", "float64"): ("float32 autograd against float64 autograd", Colour.GREY, "v"),
    }
    for axes, activation in zip(panels, activations, strict=True):
        for shift, (curve, (label, color, marker)) in enumerate(curves.items()):
            for statistic, style in (("median", "-"), ("worst", ":")):
                over_settings = statistics.median if statistic == "median" else min
                points = [
                    over_settings(
                        row[statistic]
                        for row in rows
                        if (row["method"], row["dtype"], row["autograd in"]) == curve
                        and (row["activation"], row["depth"]) == (activation, depth)
                    )
                    for depth in DEPTHS
                ]
                places = [depth * 1.03 ** (shift - 1.5) for depth in DEPTHS]  # or equal curves would hide each other
                axes.plot(places, points, style, color=color, marker=marker, ms=4, label=f"{label}, {statistic}")
        axes.set_xscale("log", base=2)
        axes.set_xticks(DEPTHS, [str(depth) for depth in DEPTHS])
        axes.set_xlabel("depth (hidden layers)")
        axes.set_title(str(activation))
        finish(axes, grid_width=0.8)
    panels[0].set_ylabel("decimal digits that agree")
    panels[0].set_ylim(0, 17)
    panels[0].set_yticks(range(0, 17, 4))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main()
