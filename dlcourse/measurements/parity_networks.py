"""How large the networks are that compute parity."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import ClassVar

import torch

from dlcourse.checks import check_choice, check_whole
from dlcourse.circuits import (
    best_blocks,
    block_parity,
    parity_by_tents,
    parity_dnf,
    parity_of_sum,
    parity_tree,
    smallest_parity_of_sum,
    to_mlp,
)
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, num_parameters


class Construction(StrEnum):
    """Where a network comes from: the first four are circuits, gate by gate."""

    normal_form = "normal_form"
    blocks_of_depth_3 = "blocks_of_depth_3"
    blocks_of_any_depth = "blocks_of_any_depth"
    xor_tree = "xor_tree"
    zigzag_of_the_sum = "zigzag_of_the_sum"
    fewest_units_of_the_sum = "fewest_units_of_the_sum"
    tents_of_the_sum = "tents_of_the_sum"


@dataclass(kw_only=True)
class ParityNetworks(Measurement):
    """The size of a ReLU network that computes parity, compared with the truth table on every input.

    Attributes:
        num_bits: Bits, 2 to 16.
        construction: Where the network comes from.
    """

    kind: ClassVar[str] = "parity_networks"

    num_bits: int = 4
    construction: Construction = Construction.normal_form

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_bits", self.num_bits, 2, 16)
        self.construction = check_choice("construction", self.construction, Construction)

    def measure(self) -> Row:
        """Hidden layers, units and parameters."""
        network = self.network()
        bits = torch.tensor(list(product([0.0, 1.0], repeat=self.num_bits)))
        assert torch.equal(network(bits)[:, 0], bits.sum(1) % 2)
        return {
            "num_hidden_layers": len(network.hidden.layers),
            "num_units": sum(len(bias) for name, bias in network.hidden.named_parameters() if name.endswith("bias")),
            "num_parameters": num_parameters(network),
        }

    def network(self) -> MLP:
        """The network."""
        match self.construction:
            case Construction.normal_form:
                return to_mlp(parity_dnf(self.num_bits), self.num_bits)
            case Construction.blocks_of_depth_3:
                return to_mlp(block_parity(best_blocks(self.num_bits, 3)), self.num_bits)
            case Construction.blocks_of_any_depth:
                return to_mlp(block_parity(best_blocks(self.num_bits, 10)), self.num_bits)
            case Construction.xor_tree:
                return to_mlp(parity_tree(self.num_bits), self.num_bits)
            case Construction.zigzag_of_the_sum:
                return parity_of_sum(self.num_bits)
            case Construction.fewest_units_of_the_sum:
                return smallest_parity_of_sum(self.num_bits)
            case Construction.tents_of_the_sum:
                return parity_by_tents(self.num_bits)
