"""Constant networks: how many there are before and after training, beside two bounds; and how gradients fade.

    dlcourse -m experiment=networks_that_die
    dlcourse -m experiment=networks_that_die_training
    dlcourse -m experiment=networks_that_die_zigzag
    dlcourse -m experiment=gradient_norms
    python experiments/networks_that_die/report.py

Run from the root of the repository.
"""

from pathlib import Path

from matplotlib.figure import Figure

from dlcourse.measurements.networks_that_die import least_constant, most_constant
from dlcourse.recording import Result, wilson
from experiments.shared import Colour, Row, fill, finish, measured, read_csv, save, table, write_csv

FOLDER = Path(__file__).parent
WIDTHS = {2: Colour.BLUE, 3: Colour.ORANGE, 4: Colour.RED, 8: Colour.VIOLET}
ACTIVATIONS = {"sigmoid": Colour.ORANGE, "tanh": Colour.BLUE, "relu": Colour.RED}
DEEPEST = 20
Field = dict[str, str]


def main() -> None:
    """Tables and figures into this folder, and the numbers into the page."""
    fresh = measured("networks_that_die", "initialization", "width", "depth")
    write_csv(FOLDER / "fresh.csv", [fresh_row(result) for result in fresh], digits=5)
    trained = measured("networks_that_die_training", "initialization", "target")
    trained += measured("networks_that_die_zigzag", "depth")
    write_csv(FOLDER / "trained.csv", [trained_row(result) for result in trained], digits=5)
    norms = measured("gradient_norms", "activation", "initialization", "skip", "depth")
    write_csv(FOLDER / "gradients.csv", [row for result in norms for row in norm_rows(result)], digits=4)
    save(fresh_figure(read_csv(FOLDER / "fresh.csv")), FOLDER / "constant_networks.png")
    save(gradient_figure(read_csv(FOLDER / "gradients.csv")), FOLDER / "gradients.png")
    fill(FOLDER / "README.md", numbers())


def fresh_row(result: Result) -> Row:
    """Fresh networks of one shape."""
    config, metrics = result.config, result.metrics
    num, constant = config["num_networks"], metrics["num_constant"]
    low, high = wilson(constant, num)
    return {
        **{name: config[name] for name in ("initialization", "width", "depth")},
        "networks": num,
        "constant": constant,
        "one piece with a slope": metrics["num_one_piece_with_slope"],
        "share": constant / num,
        "low": low,
        "high": high,
        "least": metrics["least"],
        "most": metrics["most"],
    }


def trained_row(result: Result) -> Row:
    """Networks of one shape that were trained on one target."""
    config, metrics = result.config, result.metrics
    low, high = wilson(metrics["num_constant_after"], config["num_networks"])
    return {
        **{name: config[name] for name in ("target", "initialization", "width", "depth", "num_steps", "rate")},
        "networks": config["num_networks"],
        "constant before": metrics["num_constant"],
        "constant after": metrics["num_constant_after"],
        "low": low,
        "high": high,
    }


def norm_rows(result: Result) -> list[Row]:
    """The layers of fresh networks of one kind."""
    config, metrics = result.config, result.metrics
    return [
        {
            **{name: config[name] for name in ("activation", "initialization", "skip", "depth")},
            "layer": layer,
            "median": metrics[f"median_{layer}"],
            "zero": metrics[f"num_zero_{layer}"],
            "networks": config["num_networks"],
        }
        for layer in range(1, config["depth"] + 2)
    ]


def fresh_figure(rows: list[Field]) -> Figure:
    """The share of constant networks against depth, and the bounds."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"he": "He: biases 0, two bounds (shaded between)", "torch": "torch: uniform biases, upper bound only"}
    for axes, (initialization, title) in zip(panels, titles.items(), strict=True):
        for width, colour in WIDTHS.items():
            chosen = select(rows, initialization=initialization, width=str(width))
            depths = [int(row["depth"]) for row in chosen]
            shares, low, high = ([float(row[name]) for row in chosen] for name in ("share", "low", "high"))
            all_depths = range(1, DEEPEST + 1)
            most = [most_constant(depth, width) for depth in all_depths]
            axes.plot(all_depths, most, "--", color=colour, lw=1)
            if initialization == "he":
                least = [least_constant(depth, width) for depth in all_depths]
                axes.fill_between(all_depths, least, most, color=colour, alpha=0.18, lw=0)
            errors = [
                [s - a for s, a in zip(shares, low, strict=True)],
                [b - s for s, b in zip(shares, high, strict=True)],
            ]
            axes.errorbar(depths, shares, errors, fmt="o", ms=4, capsize=2, color=colour, label=f"width {width}")
        axes.set(title=title, xlabel="depth", xticks=depths)
        finish(axes)
    panels[0].set_ylabel("share of fresh networks that are constant")
    panels[1].plot([], [], "k--", lw=1, label=r"at most $1 - (1 - 2^{-h})^k$")
    panels[1].legend(loc="lower right", bbox_to_anchor=(1.0, 0.13))
    return figure


def gradient_figure(rows: list[Field]) -> Figure:
    """The median norm of the gradient by each layer's weights, of networks of 20 layers."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, skip in zip(panels, ("False", "True"), strict=True):
        for activation, colour in ACTIVATIONS.items():
            for initialization, style in (("torch", "o-"), ("he", "s--")):
                chosen = select(
                    rows, activation=activation, initialization=initialization, skip=skip, depth=str(DEEPEST)
                )
                axes.plot(
                    [int(row["layer"]) for row in chosen],
                    # Where most networks have none, the logarithm has nothing to show.
                    [float(row["median"]) or float("nan") for row in chosen],
                    style, ms=3, lw=1.2, color=colour, label=f"{activation}, {initialization}",
                )  # fmt: skip
        axes.set(title="with skip connections" if skip == "True" else "plain", xlabel="layer (21: the output)")
        axes.set(yscale="log", xticks=[1, 5, 10, 15, 20])
        finish(axes)
    panels[0].set_ylabel("median norm of dL/dW")
    panels[0].legend(loc="lower right", fontsize=8)
    return figure


def select(rows: list[Field], **values: str) -> list[Field]:
    """The rows with these values."""
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    fresh, trained, gradients = (read_csv(FOLDER / f"{name}.csv") for name in ("fresh", "trained", "gradients"))
    inside = {
        "he": [row for row in select(fresh, initialization="he") if float(row["low"]) <= float(row["most"])],
        "torch": [row for row in select(fresh, initialization="torch") if float(row["low"]) <= float(row["most"])],
    }
    above_least = [row for row in select(fresh, initialization="he") if float(row["high"]) >= float(row["least"])]
    below_least = [row for row in select(fresh, initialization="torch") if float(row["high"]) < float(row["least"])]
    above_most = [row for row in fresh if float(row["share"]) > float(row["most"])]
    found = {
        "networks": fresh[0]["networks"],
        "cells": str(len(fresh)),
        "he_below": f"{len(inside['he'])} of {len(select(fresh, initialization='he'))}",
        "he_above": f"{len(above_least)} of {len(select(fresh, initialization='he'))}",
        "torch_below": f"{len(inside['torch'])} of {len(select(fresh, initialization='torch'))}",
        "torch_below_least": f"{len(below_least)} of {len(select(fresh, initialization='torch'))}",
        "shares_above": str(len(above_most)),
        "with_slope": str(sum(int(row["one piece with a slope"]) for row in fresh)),
        "fresh_table": table([shown(row) for row in fresh if int(row["depth"]) in (1, 5, 10, 20)]),
        "trained_table": table([shown_trained(row) for row in trained]),
    }
    for initialization in ("he", "torch"):
        for width, depth in ((2, 10), (8, 20)):
            (row,) = select(fresh, initialization=initialization, width=str(width), depth=str(depth))
            found[f"{initialization}_{width}_{depth}"] = percent(row["share"])
    (of_the_main_job,) = select(fresh, initialization="torch", width="4", depth="5")
    found["torch_4_5"] = percent(of_the_main_job["share"])
    for activation in ACTIVATIONS:
        for skip in ("False", "True"):
            chosen = select(gradients, activation=activation, initialization="torch", skip=skip, depth=str(DEEPEST))
            ratio = float(chosen[0]["median"]) / float(chosen[-1]["median"])
            found[f"{activation}_{'skip' if skip == 'True' else 'plain'}"] = f"{ratio:.0e}"
    for width_4 in select(trained, target="zigzag"):
        found[f"zigzag_{width_4['depth']}"] = f"{width_4['constant after']} of {width_4['networks']}"
    return found


def shown(row: Field) -> dict[str, str]:
    """A row of fresh networks as the page shows it."""
    return {
        "initialisation": row["initialization"],
        "width": row["width"],
        "depth": row["depth"],
        "constant": f"{percent(row['share'])} ({percent(row['low'])} to {percent(row['high'])})",
        "at least": percent(row["least"]) if row["initialization"] == "he" else "",
        "at most": percent(row["most"]),
    }


def shown_trained(row: Field) -> dict[str, str]:
    """A row of trained networks as the page shows it."""
    after = int(row["constant after"]) / int(row["networks"])
    return {
        "target": {"absolute": "\\|x\\|", "wave": "x sin(5 x)", "zigzag": "zig-zag"}[row["target"]],
        "initialisation": row["initialization"],
        "depth x width": f"{row['depth']} x {row['width']}",
        "constant before": percent(str(int(row["constant before"]) / int(row["networks"]))),
        "after": f"{percent(str(after))} ({percent(row['low'])} to {percent(row['high'])})",
    }


def percent(share: str) -> str:
    """A share as a percentage."""
    value = 100 * float(share)
    return f"{value:.1f}%" if value < 99.95 else "100%"


if __name__ == "__main__":
    main()
