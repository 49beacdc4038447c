"""How many parts and holes the decision regions of random networks have."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from dlcourse import pieces
from dlcourse.checks import check_choice, check_number, check_whole
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, Initialization, num_parameters
from dlcourse.networks.model import widths_of_size
from dlcourse.streams import stream

NUM_POINTS = 1_000


@dataclass(kw_only=True)
class RandomTopology(Measurement):
    """Counts the components and holes of the part of [-1, 1]^2 where a random network of one output is positive.

    From the output its median over 1,000 uniform points of the square is taken away, since most networks have one sign
    everywhere. So about half of the square is positive, unless the network is constant on a large part of it.

    Attributes:
        depth: Number of hidden layers.
        max_parameters: The most parameters; the network is the largest one of this depth that has no more.
        initialization: How weights and biases are drawn.
        bias: Standard deviation of the biases, for initialisations that have them 0; torch's keeps its own biases.
        num_draws: Networks, at least 2; their seeds are 0, 1, ...

    Source: Bianchini & Scarselli 2014, *On the Complexity of Neural Network Classifiers*, measure networks by the sum
    of these numbers.
    """

    kind: ClassVar[str] = "random_topology"

    depth: int = 1
    max_parameters: int = 100
    initialization: Initialization = Initialization.he
    bias: float = 0.5
    num_draws: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("depth", self.depth, 1)
        check_whole("max_parameters", self.max_parameters, 1)
        self.initialization = check_choice("initialization", self.initialization, Initialization)
        check_number("bias", self.bias, 0.0, 1e9)
        check_whole("num_draws", self.num_draws, 2)

    def measure(self) -> Row:
        """Mean, spread and most of the components, of the holes and of their sum."""
        found = np.array([self.found(seed) for seed in range(self.num_draws)])
        row: Row = {"num_parameters": num_parameters(self.network(0))}
        for name, counts in zip(("components", "holes", "sum"), [*found.T, found.sum(axis=1)], strict=True):
            row |= {
                f"{name}/mean": float(counts.mean()),
                f"{name}/standard_deviation": float(counts.std(ddof=1)),
                f"{name}/most": int(counts.max()),
            }
        return row

    def found(self, seed: int) -> tuple[int, int]:
        """Components and holes of the positive part of one draw."""
        found = pieces.on_plane(self.network(seed), -1, 1).decision_topology()
        return int(found.num_components[1]), int(found.num_holes[1])

    def network(self, seed: int) -> MLP:
        """The draw of this seed."""
        widths = widths_of_size(self.max_parameters, self.depth, 2, 1)
        generator = stream(seed, "random topology", *widths)
        network = MLP(2, 1, width=widths, initialization=self.initialization, generator=generator, dtype=torch.float64)
        if self.initialization is not Initialization.torch:
            for layer in network.hidden.layers:
                assert isinstance(layer, nn.Linear)
                nn.init.normal_(layer.bias, 0, self.bias, generator=generator)
        points = 2 * torch.rand(NUM_POINTS, 2, generator=generator, dtype=torch.float64) - 1
        with torch.no_grad():
            network.output.bias.sub_(network(points).median())
        return network
