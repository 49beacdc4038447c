"""How many pieces random networks have."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from dlcourse import pieces
from dlcourse.checks import check_number, check_whole, check_widths
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, stack
from dlcourse.pieces.bounds import hanin_rolnick, serra_upper
from dlcourse.streams import stream

NUM_AT_ONCE = 50


@dataclass(kw_only=True)
class RandomNetworks(Measurement):
    """Counts linear pieces on [-1, 1], or activation regions of [-1, 1]^2 or [-1, 1]^3, of networks drawn at random.

    Weights are N(0, 2 / n_in), biases N(0, bias^2). A network with biases c b at c x is c times the network with biases
    b at x: the smaller the biases, the more of the whole line, plane or space is seen.

    Attributes:
        widths: One width per hidden layer.
        in_features: 1 for the line, 2 for the plane, 3 for space.
        num_draws: Networks, at least 2; their seeds are 0, 1, ...
        bias: Standard deviation of the biases.

    Source: Hanin and Rolnick 2019, Complexity of linear regions in deep networks; Deep ReLU networks have surprisingly
    few activation patterns.
    """

    kind: ClassVar[str] = "random_networks"

    widths: list[int] = field(default_factory=lambda: [24])
    in_features: int = 1
    num_draws: int = 1000
    bias: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("in_features", self.in_features, 1, 3)
        check_whole("num_draws", self.num_draws, 2)
        check_number("bias", self.bias, 0.0, 1e9)
        self.widths = check_widths("widths", self.widths, fewest_layers=1)

    def measure(self) -> Row:
        """Mean, spread and extremes of the count, the published expectation, and the upper bound."""
        counts = self.counts()
        return {
            "mean": float(np.mean(counts)),
            "standard_deviation": float(np.std(counts, ddof=1)),
            "least": min(counts),
            "most": max(counts),
            "expected": float(hanin_rolnick(self.in_features, self.widths)),
            "upper_bound": serra_upper(self.in_features, self.widths),
        }

    def counts(self) -> list[int]:
        """The count of every draw."""
        counts: list[int] = []
        for first in range(0, self.num_draws, NUM_AT_ONCE):
            networks = [self.network(seed) for seed in range(first, min(first + NUM_AT_ONCE, self.num_draws))]
            if self.in_features == 1:
                line = pieces.on_lines(stack(networks), np.array([[-1.0]]), np.array([[1.0]]))
                counts += line.num_pieces[:, 0].tolist()
            elif self.in_features == 2:
                counts += [pieces.on_plane(network, -1, 1).num_regions for network in networks]
            else:
                corners = [-1.0] * self.in_features, [1.0] * self.in_features
                counts += [pieces.in_box(network, *corners).num_regions for network in networks]
        return counts

    def network(self, seed: int) -> MLP:
        """The draw of this seed."""
        return random_network(self.in_features, self.widths, self.bias, seed)


def random_network(in_features: int, widths: list[int], bias: float, seed: int) -> MLP:
    """He's weights and small biases, from a random stream of the seed's own."""
    generator = stream(seed, "random network", in_features, *widths)
    network = MLP(in_features, 1, width=widths, initialization="he", generator=generator, dtype=torch.float64)
    for layer in network.hidden.layers:
        assert isinstance(layer, nn.Linear)
        nn.init.normal_(layer.bias, 0, bias, generator=generator)
    return network
