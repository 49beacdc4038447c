"""Agreement of the layerwise gradients with autograd's, in digits, and their time.

    dlcourse -m experiment=layerwise_gradients
    dlcourse -m experiment=layerwise_time
    python experiments/layerwise_gradients/report.py

Run from the root of the repository.
"""

import statistics
from pathlib import Path

from matplotlib.figure import Figure

from dlcourse.networks import Activation
from dlcourse.recording import Result
from experiments.shared import Colour, Row, finish, measured, save, write_csv

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
    """Tables and the figure into this folder, and a summary on the screen."""
    settings = measured("layerwise_gradients", "activation", "depth", "width", "dtype")
    sizes = measured("layerwise_time", "width", "depth")
    rows = [row for result in settings for row in agreement(result)]
    times = [row for result in sizes for row in timing(result)]
    write_csv(FOLDER / "agreement.csv", rows)
    write_csv(FOLDER / "time.csv", times)
    save(draw(rows), FOLDER / "agreement.png")
    summarise(rows)
    for row in times:
        print(*row.values(), sep="  ")


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


def timing(result: Result) -> list[Row]:
    """Every method's time at one size, in microseconds, and in autograd's."""
    config, metrics = result.config, result.metrics
    return [
        {
            "depth": config["depth"],
            "width": config["width"],
            "method": name.format(**config),
            "microseconds": f"{metrics[key]:.3g}",
            "of autograd": f"{metrics[key] / metrics['autograd/item' if 'item' in key else 'autograd/batch']:.2g}",
        }
        for key, name in TIMED.items()
    ]


def draw(rows: list[Row]) -> Figure:
    """Digits against depth: the median over seeds and widths, and the worst, a panel an activation."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = figure.subplots(1, len(Activation), sharey=True)
    curves = {
        ("Sweep", "float64", "float64"): ("Sweep against autograd, both float64", Colour.DARK_BLUE, "o"),
        ("jacobians", "float64", "float64"): ("jacobians against autograd, both float64", Colour.VIOLET, "s"),
        ("Sweep", "float32", "float64"): ("float32 Sweep against float64 autograd", Colour.ORANGE, "^"),
        ("autograd", "float32", "float64"): ("float32 autograd against float64 autograd", Colour.GREY, "v"),
    }
    for axes, activation in zip(panels, Activation, strict=True):
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


def summarise(rows: list[Row]) -> None:
    """Prints every method's median over all settings, and where it is worst."""
    for dtype, reference in (("float64", "float64"), ("float32", "float32"), ("float32", "float64")):
        for method in METHODS:
            compared = (dtype, reference, method)
            chosen = [row for row in rows if (row["dtype"], row["autograd in"], row["method"]) == compared]
            if chosen:
                median = statistics.median(row["median"] for row in chosen)
                worst = min(chosen, key=lambda row: row["worst"])
                where = f"{worst['worst']} ({worst['activation']}, depth {worst['depth']}, width {worst['width']})"
                print(f"{dtype} {method} against {reference} autograd: median {median:.1f}, worst {where}")


if __name__ == "__main__":
    main()
