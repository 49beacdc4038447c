"""Which way is better, deep or shallow? Sizes of parity circuits of every depth, checked, beside the bounds.

    dlcourse -m experiment=parity_circuits
    dlcourse -m experiment=parity_threshold
    dlcourse -m experiment=parity_networks
    python experiments/parity_circuits/report.py

Run from the root of the repository.
"""

import math
from collections.abc import Sequence
from pathlib import Path

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
from dlcourse.recording import Result
from experiments.shared import Colour, Row, fill, finish, measured, read_csv, save, table, write_csv

FOLDER = Path(__file__).parent
CURVES_OF_DEPTH = {2: Colour.RED, 3: Colour.ORANGE, 4: Colour.YELLOW, 5: Colour.BLUE, 10: Colour.VIOLET}
CURVES_OF_BITS = {4: Colour.CYAN, 8: Colour.BLUE, 16: Colour.DARK_BLUE, 32: Colour.VIOLET, 64: Colour.BLACK}
NETWORKS = {
    "normal_form": "normal form",
    "blocks_of_depth_3": "blocks of depth 3",
    "blocks_of_any_depth": "blocks of any depth",
    "xor_tree": "AND, OR, NOT of the XOR tree",
    "zigzag_of_the_sum": "zig-zag of the sum",
    "fewest_units_of_the_sum": "zig-zag of the sum, fewest units",
    "tents_of_the_sum": "tents of the sum",
}


def main() -> None:
    """Tables and figures into this folder."""
    write_csv(FOLDER / "sizes.csv", sizes())
    write_csv(FOLDER / "threshold.csv", thresholds())
    write_csv(FOLDER / "networks.csv", networks())
    save(gates_figure(sizes()), FOLDER / "gates.png")
    save(bounds_figure(), FOLDER / "bounds.png")
    save(circuits_figure(), FOLDER / "circuits.png", dpi=90)
    fill(FOLDER / "README.md", numbers())


def numbers() -> dict[str, str]:
    """What stands between the markers of the page."""
    rows = {(int(row["num_bits"]), int(row["depth_allowed"])): row for row in read_csv(FOLDER / "sizes.csv")}
    gates = {place: int(row["fewest_gates"]) for place, row in rows.items()}
    doublings = [gates[2 * d, k] / gates[d, k] for d, k in rows if k >= 4 and (2 * d, k) in rows]
    depths, built = read_csv(FOLDER / "threshold.csv"), read_csv(FOLDER / "networks.csv")
    units = {(int(row["num_bits"]), row["network"]): int(row["units"]) for row in built}
    parameters = {(int(row["num_bits"]), row["network"]): int(row["parameters"]) for row in built}
    fewest, tents = NETWORKS["fewest_units_of_the_sum"], NETWORKS["tents_of_the_sum"]
    return {
        "gates": table([_gates(d, rows) for d in (4, 8, 16, 24, 32, 64)]),
        "16_bits_depth_3": f"{gates[16, 3]}",
        "16_bits_depth_2": f"{gates[16, 2]:,}",
        "doubling": f"{min(doublings):.1f} to {max(doublings):.1f}",
        "16_bits_depth_4": f"{gates[16, 4]}",
        "fewest_for_4": f"{min(gates[4, k] for d, k in gates if d == 4)}",
        **{f"equal_{k}": rows[16, k]["equal_gates"] for k in (3, 4, 5)},
        "threshold": table([dict(zip(_THRESHOLD, row.values(), strict=True)) for row in depths]),
        "networks": table([_network(row) for row in built if row["num_bits"] == "12"]),
        "12_bits_fewest": f"{units[12, fewest]}",
        "12_bits_tents": f"{units[12, tents]}",
        "4_bits_fewest": f"{units[4, fewest]} units and {parameters[4, fewest]} parameters",
        "4_bits_tents": f"{units[4, tents]} and {parameters[4, tents]}",
    }


_THRESHOLD = ("bits", "needed (Håstad)", "log(d-1) / log log(d-1)", "enough (blocks)")


def _gates(num_bits: int, rows: dict[tuple[int, int], dict[str, str]]) -> Row:
    """A line of the page's first table."""

    def short(gates: str) -> str:
        return f"{int(gates):,}" if int(gates) < 1e9 else f"{int(gates):.1e}".replace("+0", "").replace("+", "")

    deepest = max(k for d, k in rows if d == num_bits)
    any_depth = rows[num_bits, deepest]
    return {
        "bits": num_bits,
        **{f"depth {k}": short(rows[num_bits, k]["fewest_gates"]) for k in (2, 3, 4, 5)},
        "any depth": short(any_depth["fewest_gates"]),
        "at depth": any_depth["depth"],
        "2d - 1: none has fewer": any_depth["any_depth_lower_bound"],
    }


def _network(row: dict[str, str]) -> Row:
    """A line of the page's table of networks."""
    return {
        "network": row["network"],
        "hidden layers": row["hidden_layers"],
        "units": f"{int(row['units']):,}",
        "parameters": f"{int(row['parameters']):,}",
    }


def sizes() -> list[Row]:
    """Gates of the best circuits of blocks."""
    return [
        {
            "num_bits": result.config["num_bits"],
            "depth_allowed": result.config["depth"],
            "equal_blocks": result.metrics.get("equal_blocks", ""),
            "equal_gates": result.metrics.get("equal_gates", ""),
            "fewest_gates": result.metrics["fewest_gates"],
            "depth": result.metrics["depth_reached"],
            "blocks": result.metrics["blocks"],
            "inputs_checked": result.metrics["inputs_checked"],
            "any_depth_lower_bound": result.metrics["any_depth_lower_bound"],
            "hastad_lower_bound": f"{2 ** result.metrics['hastad_exponent']:.4f}",
            "hastad_is_vacuous": result.metrics["hastad_is_vacuous"],
        }
        for result in measured("parity_circuits", "num_bits", "depth")
    ]


def thresholds() -> list[Row]:
    """Depths that d^2 gates need and that suffice for them, and the lecture's formula."""
    return [
        {
            "num_bits": f"10^{result.config['power_of_ten']}",
            "necessary_depth": result.metrics["necessary_depth"],
            "formula_of_the_slide": f"{result.metrics['formula_of_the_slide']:.2f}",
            "sufficient_depth": result.metrics["sufficient_depth"],
        }
        for result in measured("parity_threshold", "power_of_ten")
    ]


def networks() -> list[Row]:
    """ReLU networks that compute parity."""

    def place(result: Result) -> tuple[int, int]:
        return result.config["num_bits"], list(NETWORKS).index(result.config["construction"])

    return [
        {
            "num_bits": result.config["num_bits"],
            "network": NETWORKS[result.config["construction"]],
            "hidden_layers": result.metrics["num_hidden_layers"],
            "units": result.metrics["num_units"],
            "parameters": result.metrics["num_parameters"],
        }
        for result in sorted(measured("parity_networks"), key=place)
    ]


def gates_figure(circuits: Sequence[Row]) -> Figure:
    """Gates against depth, and against the number of bits."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for num_bits, colour in CURVES_OF_BITS.items():
        rows = [row for row in circuits if row["num_bits"] == num_bits]
        allowed_depths = [row["depth_allowed"] for row in rows]
        fewest_gates = [row["fewest_gates"] for row in rows]
        left.plot(allowed_depths, fewest_gates, "o-", ms=4, color=colour, label=f"{num_bits} bits")
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
        axes.legend(frameon=False, fontsize=9)
    return figure


def bounds_figure() -> Figure:
    """Håstad's bound and the upper bound that matches it, where the numbers of bits are large enough to see them."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    axes = figure.add_subplot()
    all_bits = [round(10 ** (0.3 + 0.05 * i)) for i in range(235)]  # from 2 to 10^12
    for allowed, colour in CURVES_OF_DEPTH.items():
        if allowed > 5:
            continue
        useful = hastad_says_something_from(allowed)
        upper = [(d, math.log2(upper_bound(d, allowed))) for d in all_bits if d ** (1 / (allowed - 1)) < 3e4]
        axes.plot(*zip(*upper, strict=True), color=colour, label=f"depth {allowed}: blocks are enough")
        for bits, style, line_width in (
            ([d for d in all_bits if d <= useful], ":", 1.0),
            ([d for d in all_bits if d >= useful], "--", 1.8),
        ):
            axes.plot(bits, [hastad_exponent(d, allowed) for d in bits], style, color=colour, lw=line_width)
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


if __name__ == "__main__":
    main()
