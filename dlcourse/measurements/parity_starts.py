"""Does training find a hidden layer of few units that is the parity?"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dlcourse.checks import check_number, check_whole
from dlcourse.circuits.one_layer import bits, solve
from dlcourse.losses import SquaredError
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, Stack, stack, unstack
from dlcourse.streams import stream
from dlcourse.training import Adam, Batches, Schedule, train


@dataclass(kw_only=True)
class ParityStarts(Measurement):
    """Trains one hidden layer from many starts on all inputs, and looks for an exact network beside each that it finds.

    Where a trained network's units are on and what signs they have is kept, and all else is solved for, in rationals
    (`circuits.one_layer.solve`): so an exact network that training only comes near is found, and one that is not there
    is refuted. The inputs are -1 and 1 in training, which changes weights and biases but no function. Adam's rate falls
    to 0 as a cosine; the starts take the rates in turn.

    Attributes:
        num_bits: Bits, 2 to 8.
        num_units: Units of the hidden layer.
        num_starts: Networks, all trained side by side.
        rates: First rates.
        num_steps: Updates, each on all inputs.
        solved: A mean squared error below it counts as solved (the target's variance is 1/4).

    Source: slide "Parity Circuits", "Which way is better?", asked of networks.
    """

    kind: ClassVar[str] = "parity_starts"

    num_bits: int = 5
    num_units: int = 3
    num_starts: int = 400
    rates: list[float] = field(default_factory=lambda: [0.01, 0.03, 0.1])
    num_steps: int = 2_000
    solved: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_bits", self.num_bits, 2, 8)
        for name in ("num_units", "num_starts", "num_steps"):
            check_whole(name, getattr(self, name), 1)
        if not self.rates:
            raise ValueError("rates must be at least one number, got none")
        for rate in self.rates:
            check_number("rates", rate, 0.0, 1e9)

    def measure(self) -> Row:
        """The least and the median error, how many starts solve it, and how many kinds of networks are exact."""
        inputs = torch.tensor(2 * bits(self.num_bits) - 1).float()
        targets = (inputs > 0).sum(dim=1, keepdim=True).float() % 2
        members = self.trained(inputs, targets)
        with torch.no_grad():
            outputs = torch.stack([member(inputs) for member in unstack(members)])
        error = (outputs - targets).square().mean(dim=(1, 2))
        kinds = {kind(member, inputs) for member in unstack(members)}
        exact = [solve(np.array(on), signs) is not None for on, signs in kinds]
        return {
            "least_error": float(error.min()),
            "median_error": float(error.median()),
            "num_solved": int((error < self.solved).sum()),
            "num_kinds": len(kinds),
            "num_exact_kinds": sum(exact),
        }

    def trained(self, inputs: Tensor, targets: Tensor) -> Stack:
        """All starts after training."""
        seeds = range(self.num_starts)
        starts = [
            MLP(self.num_bits, 1, width=self.num_units, depth=1, generator=stream(seed, "start")) for seed in seeds
        ]
        of_each = (self.num_starts, -1, -1)
        batches = Batches(seeds, inputs.expand(of_each), targets.expand(of_each), batch_size=None)
        optimizers = [Adam(rate=self.rates[seed % len(self.rates)], schedule=Schedule.cosine) for seed in seeds]
        *_, last = train(stack(starts), batches, loss=SquaredError(), optimizer=optimizers, num_steps=self.num_steps)
        return last.members


def kind(network: nn.Module, inputs: Tensor) -> tuple[tuple[tuple[bool, ...], ...], tuple[int, ...]]:
    """Where each unit is on, and the sign of its weight in the output; their order makes no difference."""
    assert isinstance(network, MLP)
    (hidden,) = network.hidden.layers
    on = (hidden(inputs) > 0).T.tolist()
    signs = [1 if weight > 0 else -1 for weight in network.output.weight[0].tolist()]
    units = sorted((tuple(where), sign) for where, sign in zip(on, signs, strict=True))
    return tuple(where for where, _ in units), tuple(sign for _, sign in units)
