"""Which way is better, deep or shallow? Sizes of parity circuits of every depth, checked, beside the bounds.

    dlcourse -m experiment=parity_circuits
    dlcourse -m experiment=parity_threshold
    dlcourse -m experiment=parity_networks
    python experiments/parity_circuits/report.py

Run from the root of the repository.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.circuits import (
    best_blocks,
    block_parity,
    depth,
    equal_blocks,
    equivalent,
    num_block_gates,
    num_gates,
    parity_dnf,
    parity_tree,
    without_xor,
)
from dlcourse.circuits.bounds import (
    any_depth_lower_bound,
    hastad_exponent,
    hastad_says_something_from,
    upper_bound,
)
from dlcourse.circuits.drawing import draw
from dlcourse.recording import results_of

FOLDER = Path(__file__).parent
OUTPUTS = Path("outputs")
CURVES_OF_DEPTH = {2: "#bd1f01", 3: "#e76300", 4: "#ffa90e", 5: "#3f90da", 10: "#832db6"}
CURVES_OF_BITS = {4: "#92dadd", 8: "#3f90da", 16: "#0b5fa5", 32: "#832db6", 64: "#222222"}
NETWORKS = {
    "normal_form": "normal form",
    "blocks_of_depth_3": "blocks of depth 3",
    "blocks_of_any_depth": "blocks of any depth",
    "xor_tree": "AND, OR, NOT of the XOR tree",
    "zigzag_of_the_sum": "zig-zag of the sum",
    "tents_of_the_sum": "tents of the sum",
}
Row = dict[str, Any]


def main() -> None:
    """Tables and figures into this folder."""
    table = sizes()
    write("sizes.csv", table)
    write("threshold.csv", thresholds())
    write("networks.csv", networks())
    gates_figure(table).savefig(FOLDER / "gates.png", dpi=100, metadata={"Software": None})
    bounds_figure().savefig(FOLDER / "bounds.png", dpi=100, metadata={"Software": None})
    circuits_figure().savefig(FOLDER / "circuits.png", dpi=90, metadata={"Software": None})


def measured(name: str, *settings: str) -> list[Row]:
    """What an experiment measured: its settings and results, sorted by some of them."""
    rows = [{**result.config, **result.metrics} for result in results_of(OUTPUTS / name)]
    return sorted(rows, key=lambda row: [row[setting] for setting in settings])


def sizes() -> list[Row]:
    """Gates of the best circuits of blocks."""
    return [
        {
            "num_bits": row["num_bits"],
            "depth_allowed": row["depth"],
            "equal_blocks": row.get("equal_blocks", ""),
            "equal_gates": row.get("equal_gates", ""),
            "fewest_gates": row["fewest_gates"],
            "depth": row["depth_reached"],
            "blocks": row["blocks"],
            "inputs_checked": row["inputs_checked"],
            "any_depth_lower_bound": row["any_depth_lower_bound"],
            "hastad_lower_bound": f"{2 ** row['hastad_exponent']:.4f}",
            "hastad_is_vacuous": row["hastad_is_vacuous"],
        }
        for row in measured("parity_circuits", "num_bits", "depth")
    ]


def thresholds() -> list[Row]:
    """Depths that d^2 gates need and that suffice for them, and the lecture's formula."""
    return [
        {
            "num_bits": f"10^{row['power_of_ten']}",
            "necessary_depth": row["necessary_depth"],
            "formula_of_the_slide": f"{row['formula_of_the_slide']:.2f}",
            "sufficient_depth": row["sufficient_depth"],
        }
        for row in measured("parity_threshold", "power_of_ten")
    ]


def networks() -> list[Row]:
    """ReLU networks that compute parity."""
    rows = measured("parity_networks", "num_bits")
    rows.sort(key=lambda row: (row["num_bits"], list(NETWORKS).index(row["construction"])))
    return [
        {
            "num_bits": row["num_bits"],
            "network": NETWORKS[row["construction"]],
            "hidden_layers": row["num_hidden_layers"],
            "units": row["num_units"],
            "parameters": row["num_parameters"],
        }
        for row in rows
    ]


def gates_figure(table: Sequence[Row]) -> Figure:
    """Gates against depth, and against the number of bits."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for num_bits, colour in CURVES_OF_BITS.items():
        rows = [row for row in table if row["num_bits"] == num_bits]
        allowed_depths = [row["depth_allowed"] for row in rows]
        left.plot(
            allowed_depths, [row["fewest_gates"] for row in rows], "o-", ms=4, color=colour, label=f"{num_bits} bits"
        )
        left.axhline(any_depth_lower_bound(num_bits), color=colour, lw=1, ls=":")
        equal = [(row["depth_allowed"], row["equal_gates"]) for row in rows if row["equal_gates"]]
        left.plot(*zip(*equal, strict=True), "s", ms=8, mfc="none", color=colour)
    left.plot([], [], "s", ms=8, mfc="none", color="grey", label="equal blocks, all merged")
    left.plot([], [], ":", lw=1, color="grey", label="2d - 1: no circuit has fewer")
    left.set(yscale="log", xlabel="depth allowed (NOTs free)", ylabel="AND and OR gates", ylim=(5, 1e5))
    left.set_title("Gates against depth (32 and 64 bits in depth 2: 2.1e9 and 9.2e18)", fontsize=10)
    bits = range(2, 65)
    for allowed, colour in CURVES_OF_DEPTH.items():
        gates = [num_block_gates(best_blocks(num_bits, allowed)) for num_bits in bits]
        right.plot(bits, gates, color=colour, label=f"depth {allowed}")
    right.plot(bits, [any_depth_lower_bound(d) for d in bits], ":", color="grey", label="2d - 1: no circuit has fewer")
    hastad = [2 ** hastad_exponent(num_bits, 2) for num_bits in bits]
    right.plot(
        bits, hastad, "--", color=CURVES_OF_DEPTH[2], label="Håstad, depth 2: vacuous here,\nas for every other depth"
    )
    right.set(yscale="log", xlabel="bits d", ylabel="AND and OR gates", ylim=(0.8, 1e5))
    right.set_title("Gates against bits", fontsize=10)
    for axes in (left, right):
        finish(axes)
    return figure


def bounds_figure() -> Figure:
    """Håstad's bound and the upper bound that matches it, where the numbers of bits are large enough to see them."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    axes = figure.add_subplot()
    exponents = [0.3 + 0.05 * i for i in range(235)]
    for allowed, colour in CURVES_OF_DEPTH.items():
        if allowed > 5:
            continue
        useful = hastad_says_something_from(allowed)
        all_bits = [round(10**exponent) for exponent in exponents]
        upper = [(d, math.log2(upper_bound(d, allowed))) for d in all_bits if d ** (1 / (allowed - 1)) < 3e4]
        axes.plot(*zip(*upper, strict=True), color=colour, label=f"depth {allowed}: blocks are enough")
        for bits, style, width in (
            ([d for d in all_bits if d <= useful], ":", 1.0),
            ([d for d in all_bits if d >= useful], "--", 1.8),
        ):
            axes.plot(bits, [hastad_exponent(d, allowed) for d in bits], style, color=colour, lw=width)
        axes.plot(useful, hastad_exponent(useful, allowed), "o", color=colour, ms=6)
    axes.plot(
        all_bits,
        [math.log2(any_depth_lower_bound(d)) for d in all_bits if d > 1],
        color="grey",
        label="2d - 1: no circuit has fewer",
    )
    axes.plot([], [], "k--", lw=1.8, label="Håstad: so many are needed")
    axes.plot([], [], "k:", lw=1, label="Håstad, vacuous: below 2d - 1\n(dot: where that ends)")
    axes.set(xscale="log", yscale="log", xlabel="bits d", ylabel="base-2 logarithm of the gates", ylim=(0.5, 3e4))
    axes.set_title("Between the bounds lies a factor of 10^(k/(k-1)) in the exponent, k the depth", fontsize=10)
    finish(axes)
    axes.get_legend().remove()
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def circuits_figure() -> Figure:
    """The pictures of the slides, and two circuits between them."""
    figure = Figure(figsize=(13, 9.5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])
    tree, expanded, fewest = left.subplots(3, 1)
    normal_form, merged = right.subplots(1, 2)
    for axes, circuit, title in (
        (tree, parity_tree(4), "XOR components"),
        (expanded, without_xor(parity_tree(4)), "AND, OR and NOT"),
        (fewest, block_parity(best_blocks(4, 4)), "The fewest gates"),
        (normal_form, parity_dnf(4), "Disjunctive normal form"),
        (merged, block_parity(equal_blocks([2, 2])), "Blocks [2, 2], merged"),
    ):
        draw(circuit, axes)
        assert equivalent(circuit, parity_tree(4))
        axes.set_title(f"{title}: {num_gates(circuit)} gates, depth {depth(circuit)}", fontsize=11)
    return figure


def finish(axes: Axes) -> None:
    """What all axes share."""
    axes.grid(color="#dddddd", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def write(name: str, rows: Sequence[Row]) -> None:
    """A table as a CSV file."""
    with (FOLDER / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
