"""How much of random networks of many inputs is seen on lines, segments and triangles."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from dlcourse import pieces
from dlcourse.checks import check_number, check_whole, check_widths
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.measurements.random_networks import random_network
from dlcourse.streams import stream


@dataclass(kw_only=True)
class RandomSlices(Measurement):
    """Counts activation regions of the networks of `RandomNetworks` where it is possible with any number of inputs.

    That is on whole lines through two random points of the box [-1, 1]^d, on the part of them that lies in the box, and
    on random segments and triangles between points of the box. A region is convex, so that none is met twice: what is
    found is never more than what there is.

    For one layer of N units without biases it is known what is found. A line meets every hyperplane, and makes N + 1
    regions. A segment has its ends on two sides of a hyperplane with probability 1/2, a triangle its corners with 3/4,
    and two hyperplanes cross inside of it with 1/4: means of 1 + N / 2 and 1 + 3 N / 4 + N (N - 1) / 8.

    Attributes:
        widths: One width per hidden layer.
        in_features: d; there are triangles from two on.
        num_draws: Networks, at least 2, and lines, one for each; their seeds are 0, 1, ...
        num_samples: Segments, and triangles, for each network.
        bias: Standard deviation of the biases.

    Source: Wendel 1962, A problem in geometric probability (the 1/4: three points whose distribution is symmetric);
    Hanin and Rolnick 2019, Complexity of linear regions in deep networks.
    """

    kind: ClassVar[str] = "random_slices"

    widths: list[int] = field(default_factory=lambda: [24])
    in_features: int = 2
    num_draws: int = 100
    num_samples: int = 10
    bias: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("in_features", self.in_features, 1)
        check_whole("num_draws", self.num_draws, 2)
        check_whole("num_samples", self.num_samples, 10)
        check_number("bias", self.bias, 0.0, 1e9)
        self.widths = check_widths("widths", self.widths, fewest_layers=1)

    def measure(self) -> Row:
        """Mean and spread, over the networks, of what is found on each kind of slice."""
        draws = [self.found(seed) for seed in range(self.num_draws)]
        row: Row = {}
        for slices in draws[0]:
            counts = [found[slices] for found in draws]
            row[slices] = float(np.mean(counts))
            row[f"{slices}_standard_deviation"] = float(np.std(counts, ddof=1))
        return row

    def found(self, seed: int) -> dict[str, float]:
        """The regions of one network on a line, and their mean over segments and over triangles."""
        network = random_network(self.in_features, self.widths, self.bias, seed)
        generator = stream(seed, "random slices", self.in_features)
        origin, other = 2 * torch.rand(2, self.in_features, dtype=torch.float64, generator=generator).numpy() - 1
        line = pieces.on_line(network, origin=origin, direction=other - origin)
        bends = origin + line.region_breakpoints[:, None] * (other - origin)
        found: dict[str, float] = {
            "whole_line": line.num_regions,
            "in_the_box": 1 + int((abs(bends) < 1).all(axis=1).sum()),
        }
        corners: dict[str, Any] = {"low": -1.0, "high": 1.0, "num_samples": self.num_samples, "generator": generator}
        found["segment"] = float(pieces.sample(network, **corners).mean)
        if self.in_features > 1:
            found["triangle"] = float(pieces.sample(network, on="planes", **corners).mean)
        return found
