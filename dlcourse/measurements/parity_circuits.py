"""How many gates parity takes at each depth."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dlcourse.checks import check_whole
from dlcourse.circuits import (
    Block,
    best_blocks,
    best_sizes,
    block_parity,
    equal_blocks,
    equivalent,
    evaluate,
    num_block_gates,
    num_gates,
    parity_tree,
)
from dlcourse.circuits.bounds import any_depth_lower_bound, hastad_exponent, hastad_is_vacuous
from dlcourse.measurements.measurement import Measurement, Row


@dataclass(kw_only=True)
class ParityCircuits(Measurement):
    """Gates of the best parity circuits made of blocks, each built, counted and compared with the tree of XORs.

    Attributes:
        num_bits: Bits d, at least 2.
        depth: Depth allowed, at least 2 (NOTs are free).
        most_bits_checked: Up to so many bits circuits are compared on all 2^d inputs, beyond on random ones.
        most_gates_checked: Larger circuits are not built.
        num_random_inputs: How many inputs beyond.
        seed: Source of the random inputs.

    Source: slides "Parity Circuits".
    """

    kind: ClassVar[str] = "parity_circuits"

    num_bits: int = 4
    depth: int = 2
    most_bits_checked: int = 24
    most_gates_checked: int = 50_000
    num_random_inputs: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_bits", self.num_bits, 2)
        check_whole("depth", self.depth, 2)
        check_whole("most_bits_checked", self.most_bits_checked, 0, 24)
        check_whole("most_gates_checked", self.most_gates_checked, 0)
        check_whole("num_random_inputs", self.num_random_inputs, 1)
        check_whole("seed", self.seed, 0)

    def measure(self) -> Row:
        """The best circuit of equal blocks (if the bits can be cut so), the best of all, and the lower bounds."""
        row: Row = {}
        try:
            sizes = best_sizes(self.num_bits, self.depth)
        except ValueError:  # num_bits is no product of as many block sizes as this depth takes
            pass
        else:
            equal = equal_blocks(sizes)
            row |= {"equal_blocks": "x".join(map(str, sizes)), "equal_gates": num_block_gates(equal)}
            self.inputs_checked(equal)
        best = best_blocks(self.num_bits, self.depth)
        return row | {
            "fewest_gates": num_block_gates(best),
            "depth_reached": block_depth(best),
            "blocks": layout(best),
            "inputs_checked": self.inputs_checked(best),
            "any_depth_lower_bound": any_depth_lower_bound(self.num_bits),
            "hastad_exponent": hastad_exponent(self.num_bits, self.depth),
            "hastad_is_vacuous": hastad_is_vacuous(self.num_bits, self.depth),
        }

    def inputs_checked(self, block: Block) -> str:
        """Builds the circuit, counts its gates and compares it with parity: on which inputs."""
        if num_block_gates(block) > self.most_gates_checked:
            return "not built"
        circuit = block_parity(block)
        assert num_gates(circuit) == num_block_gates(block)
        if self.num_bits <= self.most_bits_checked:
            assert equivalent(circuit, parity_tree(self.num_bits))
            return "all"
        bits = np.random.default_rng(self.seed).integers(2, size=(self.num_random_inputs, self.num_bits))
        assert np.array_equal(evaluate(circuit, bits), bits.sum(1) % 2)
        return f"{self.num_random_inputs} at random"


def block_depth(block: Block) -> int:
    """The depth of a circuit of blocks, without building it."""
    below = max((block_depth(part) for part in block.parts if isinstance(part, Block)), default=0)
    return below + (1 if block.merged else 2)


def layout(block: Block) -> str:
    """The blocks' sizes, nested: (2m 2m) is a block of two merged blocks of two bits."""
    whole = all(isinstance(part, int) for part in block.parts)
    inside = str(len(block.parts)) if whole else " ".join("1" if isinstance(p, int) else layout(p) for p in block.parts)
    return (inside if whole else f"({inside})") + ("m" if block.merged else "")
