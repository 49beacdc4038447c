"""Does training that starts near the exact solution come back to it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from dlcourse import pieces
from dlcourse.checks import check_number, check_whole
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, Stack, stack
from dlcourse.networks.constructions import nested_tents
from dlcourse.streams import stream
from dlcourse.tasks import ZigZag
from dlcourse.training import Adam, Batches, Schedule, train


@dataclass(kw_only=True)
class NearTheSolution(Measurement):
    """Trains the lecture's tents plus noise on the zig-zag that the tents are, many seeds side by side.

    The zig-zag is centred; the network has two units a layer and `num_folds` layers, and is without error before the
    noise: normal on every parameter, relative to the root mean square of its layer's weights or biases. Adam's rate
    falls to 0 as a cosine.

    Attributes:
        num_folds: Tents in the target, which has 2^num_folds pieces.
        rate: Adam's first rate.
        noise: Its relative size; null starts from a random network of the same architecture instead.
        num_seeds: Networks; their seeds are 0, 1, ...
        num_steps: Updates.
        batch_size: Data items per update.

    Source: slide "Depth and piecewise linear functions".
    """

    kind: ClassVar[str] = "near_the_solution"

    num_folds: int = 3
    rate: float = 0.01
    noise: float | None = 0.002
    num_seeds: int = 20
    num_steps: int = 6_000
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_folds", self.num_folds, 1, 20)
        check_number("rate", self.rate, 0.0, 1e9)
        if self.noise is not None:
            check_number("noise", self.noise, 0.0, 1e9)
        for field in ("num_seeds", "num_steps", "batch_size"):
            check_whole(field, getattr(self, field), 1)

    def measure(self) -> Row:
        """Medians of the error before and after and of the pieces; how many seeds solve it before, after, exactly."""
        task = ZigZag(num_folds=self.num_folds, centred=True)
        assert errors(task, stack([centred_tents(self.num_folds)])) == 0
        networks = [self.start(seed) for seed in range(self.num_seeds)]
        last = trained(task, networks, self.rate, self.num_steps, self.batch_size)
        before, after = errors(task, stack(networks)), errors(task, last)
        counts = pieces.on_lines(last, *task.lines(0)).num_pieces[:, 0]
        solved = after < task.solved
        return {
            "error_before": float(np.median(before)),
            "error_after": float(np.median(after)),
            "num_solved_before": int((before < task.solved).sum()),
            "num_solved": int(solved.sum()),
            "median_pieces": float(np.median(counts)),
            "num_solved_exactly": int((counts[solved] == 2**self.num_folds).sum()),
        }

    def start(self, seed: int) -> MLP:
        """The network that training starts from."""
        generator = stream(seed, "start")
        if self.noise is None:
            return MLP(1, 1, width=2, depth=self.num_folds, generator=generator)
        network = centred_tents(self.num_folds)
        disturb_(network, self.noise, generator)
        return network


def centred_tents(num_folds: int) -> MLP:
    """The lecture's tents as the network that is `ZigZag(num_folds, centred=True)` without any error."""
    network = nested_tents(num_folds, -2.0, 2.0)
    # The tents have values in [0, 1], the centred zig-zag in [-2, 2]: 4 (y - 1/2) = 4 y - 2.
    with torch.no_grad():
        network.output.weight.mul_(4)
        network.output.bias.mul_(4).sub_(2)
    return network


def disturb_(network: MLP, noise: float, generator: torch.Generator) -> None:
    """Adds normal noise to every parameter, relative to the root mean square of its layer's weights or biases."""
    with torch.no_grad():
        for parameter in network.parameters():
            size = parameter.square().mean().sqrt()
            parameter.add_(noise * size * torch.randn(parameter.shape, generator=generator))


def trained(task: ZigZag, networks: Sequence[MLP], rate: float, num_steps: int, batch_size: int) -> Stack:
    """The networks after some steps of Adam, each on the data of its seed, 0, 1, ...; the rate falls as a cosine."""
    seeds = range(len(networks))
    data = [task.data(seed) for seed in seeds]
    *_, last = train(
        stack(networks),
        Batches(
            seeds,
            torch.stack([member_data.train_inputs for member_data in data]),
            torch.stack([member_data.train_targets for member_data in data]),
            batch_size,
        ),
        loss=task.loss,
        optimizer=Adam(rate=rate, schedule=Schedule.cosine),
        num_steps=num_steps,
    )
    return last.members


def errors(task: ZigZag, networks: Stack) -> NDArray[np.float64]:
    """The mean squared error of every member."""
    data = task.data(0)
    errors: NDArray[np.float64] = task.metrics(networks, data)["mean_squared_error"].numpy()
    return errors
