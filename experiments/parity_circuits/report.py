"""Which way is better, deep or shallow? Sizes of parity circuits of every depth, checked, beside the bounds.

Run from the root of the repository: python experiments/parity_circuits/report.py
"""

import csv
import math
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse.circuits import (
    Block,
    best_blocks,
    best_sizes,
    block_parity,
    depth,
    equal_blocks,
    equivalent,
    evaluate,
    num_block_gates,
    num_gates,
    parity_by_tents,
    parity_dnf,
    parity_of_sum,
    parity_tree,
    to_mlp,
    without_xor,
)
from dlcourse.circuits.bounds import (
    any_depth_lower_bound,
    hastad_exponent,
    hastad_is_vacuous,
    hastad_says_something_from,
    necessary_depth,
    sufficient_depth,
    threshold_depth,
    upper_bound,
)
from dlcourse.circuits.drawing import draw
from dlcourse.networks import num_parameters

FOLDER = Path(__file__).parent
BITS = [4, 8, 9, 16, 24, 32, 64]
DEPTHS = range(2, 11)
CURVES_OF_DEPTH = {2: "#bd1f01", 3: "#e76300", 4: "#ffa90e", 5: "#3f90da", 10: "#832db6"}
CURVES_OF_BITS = {4: "#92dadd", 8: "#3f90da", 16: "#0b5fa5", 32: "#832db6", 64: "#222222"}
LARGE_BITS = [10**3, 10**6, 10**9, 10**12, 10**30, 10**100]
NETWORK_BITS = [4, 8, 12]
MOST_BITS_CHECKED, MOST_GATES_CHECKED, NUM_RANDOM_INPUTS = (
    24,
    50_000,
    10_000,
)  # more would take minutes, or more memory than there is


def main() -> None:
    """Tables and figures into this folder."""
    write("sizes.csv", sizes())
    write("threshold.csv", thresholds())
    write("networks.csv", networks())
    gates_figure().savefig(FOLDER / "gates.png", dpi=100, metadata={"Software": None})
    bounds_figure().savefig(FOLDER / "bounds.png", dpi=100, metadata={"Software": None})
    circuits_figure().savefig(FOLDER / "circuits.png", dpi=90, metadata={"Software": None})


def sizes() -> Iterable[dict[str, object]]:
    """Gates of the best circuits of blocks, each built, counted and compared with the XOR tree on every input."""
    for num_bits, allowed in product(BITS, DEPTHS):
        row: dict[str, object] = {"num_bits": num_bits, "depth_allowed": allowed}
        try:
            sizes = best_sizes(num_bits, allowed)
            equal = equal_blocks(sizes)
            row |= {"equal_blocks": "x".join(map(str, sizes)), "equal_gates": num_block_gates(equal)}
            checked_on(equal, num_bits)
        except ValueError:  # no product of so many sizes
            row |= {"equal_blocks": "", "equal_gates": ""}
        best = best_blocks(num_bits, allowed)
        yield row | {
            "fewest_gates": num_block_gates(best),
            "depth": block_depth(best),
            "blocks": layout(best),
            "inputs_checked": checked_on(best, num_bits),
            "any_depth_lower_bound": any_depth_lower_bound(num_bits),
            "hastad_lower_bound": f"{2 ** hastad_exponent(num_bits, allowed):.4f}",
            "hastad_is_vacuous": hastad_is_vacuous(num_bits, allowed),
        }


def checked_on(block: Block, num_bits: int) -> str:
    """Builds the circuit, counts its gates and compares it with parity: on which inputs."""
    if num_block_gates(block) > MOST_GATES_CHECKED:
        return "not built"
    circuit = block_parity(block)
    assert num_gates(circuit) == num_block_gates(block)
    if num_bits <= MOST_BITS_CHECKED:
        assert equivalent(circuit, parity_tree(num_bits))
        return "all"
    bits = np.random.default_rng(0).integers(2, size=(NUM_RANDOM_INPUTS, num_bits))
    assert np.array_equal(evaluate(circuit, bits), bits.sum(1) % 2)
    return f"{NUM_RANDOM_INPUTS} at random"


def block_depth(block: Block) -> int:
    """The depth of a circuit of blocks, without building it."""
    below = max((block_depth(part) for part in block.parts if isinstance(part, Block)), default=0)
    return below + (1 if block.merged else 2)


def layout(block: Block) -> str:
    """The blocks' sizes, nested: (2m 2m) is a block of two merged blocks of two bits."""
    whole = all(isinstance(part, int) for part in block.parts)
    inside = str(len(block.parts)) if whole else " ".join("1" if isinstance(p, int) else layout(p) for p in block.parts)
    return (inside if whole else f"({inside})") + ("m" if block.merged else "")


def thresholds() -> Iterable[dict[str, object]]:
    """Depths that d^2 gates need and that suffice for them, and the lecture's formula."""
    for num_bits in LARGE_BITS:
        yield {
            "num_bits": f"10^{round(math.log10(num_bits))}",
            "necessary_depth": necessary_depth(num_bits, num_bits**2),
            "formula_of_the_slide": f"{threshold_depth(num_bits):.2f}",
            "sufficient_depth": sufficient_depth(num_bits, num_bits**2),
        }


def networks() -> Iterable[dict[str, object]]:
    """ReLU networks that compute parity, each compared with the truth table on every input."""
    for num_bits in NETWORK_BITS:
        bits = torch.tensor(list(product([0.0, 1.0], repeat=num_bits)))
        for name, network in {
            "normal form": to_mlp(parity_dnf(num_bits), num_bits),
            "blocks of depth 3": to_mlp(block_parity(best_blocks(num_bits, 3)), num_bits),
            "blocks of any depth": to_mlp(block_parity(best_blocks(num_bits, 10)), num_bits),
            "AND, OR, NOT of the XOR tree": to_mlp(parity_tree(num_bits), num_bits),
            "zig-zag of the sum": parity_of_sum(num_bits),
            "tents of the sum": parity_by_tents(num_bits),
        }.items():
            assert torch.equal(network(bits)[:, 0], bits.sum(1) % 2)
            yield {
                "num_bits": num_bits,
                "network": name,
                "hidden_layers": len(network.hidden.layers),
                "units": sum(layer.out_features for layer in network.hidden.layers),
                "parameters": num_parameters(network),
            }


def gates_figure() -> Figure:
    """Gates against depth, and against the number of bits."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for num_bits, colour in CURVES_OF_BITS.items():
        gates = [num_block_gates(best_blocks(num_bits, allowed)) for allowed in DEPTHS]
        left.plot(DEPTHS, gates, "o-", ms=4, color=colour, label=f"{num_bits} bits")
        left.axhline(any_depth_lower_bound(num_bits), color=colour, lw=1, ls=":")
        equal = [(allowed, equal_gates(num_bits, allowed)) for allowed in DEPTHS if equal_gates(num_bits, allowed)]
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


def equal_gates(num_bits: int, allowed: int) -> int | None:
    """Gates of the best equal blocks, if the bits can be cut so."""
    try:
        return num_block_gates(equal_blocks(best_sizes(num_bits, allowed)))
    except ValueError:
        return None


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


def write(name: str, rows: Iterable[dict[str, object]]) -> None:
    """A table as a CSV file."""
    table: Sequence[dict[str, object]] = list(rows)
    with (FOLDER / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
