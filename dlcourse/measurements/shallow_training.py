"""Can the shallow network that a deep one was made into be trained, from there or from scratch?"""

import warnings
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from dlcourse import pieces
from dlcourse.checks import check_choice, check_number, check_whole
from dlcourse.measurements.deep_to_shallow import DeepToShallow
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.measurements.near_the_solution import disturb_, errors, trained
from dlcourse.networks import MLP, Initialization, stack
from dlcourse.streams import stream
from dlcourse.tasks import ZigZag


class Source(StrEnum):
    """What was made shallow: the lecture's tents, or networks of three layers of 16 units trained on that target."""

    tents = "tents"
    trained = "trained"


@dataclass(kw_only=True)
class ShallowTraining(Measurement):
    """Trains one hidden layer on the zig-zag: a deep network made shallow, plus noise; or as many units from scratch.

    The noise is normal on every parameter, relative to the root mean square of its layer's weights or biases. The
    networks of one measurement are trained side by side, so those with fewer units than others get more that bend at
    the end of the interval: they are 0 on all of it, and no gradient reaches them.

    Attributes:
        num_folds: Tents in the target, which has 2^num_folds pieces.
        source: What was made shallow.
        noise: Its relative size; null starts from random networks of as many units instead.
        initialization: Of the random networks.
        rate: Adam's first rate, which falls to 0 as a cosine.
        num_seeds: Networks; their seeds are 0, 1, ...
        num_steps: Updates.
        batch_size: Data items per update.

    Source: slides "Shallow vs. Deep Feed-Forward Neural Networks" and "Depth and piecewise linear functions".
    """

    kind: ClassVar[str] = "shallow_training"

    num_folds: int = 3
    source: Source = Source.tents
    noise: float | None = 0.0
    initialization: Initialization = Initialization.torch
    rate: float = 0.01
    num_seeds: int = 10
    num_steps: int = 6_000
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_folds", self.num_folds, 1, 10)
        self.source = check_choice("source", self.source, Source)
        self.initialization = check_choice("initialization", self.initialization, Initialization)
        if self.noise is not None:
            check_number("noise", self.noise, 0.0, 1e9)
        check_number("rate", self.rate, 0.0, 1e9)
        for field in ("num_seeds", "num_steps", "batch_size"):
            check_whole(field, getattr(self, field), 1)

    def measure(self) -> Row:
        """Units, medians of the error before and after, and how many seeds solve it before and after."""
        task = ZigZag(num_folds=self.num_folds, centred=True)
        networks = self.starts()
        last = trained(task, networks, self.rate, self.num_steps, self.batch_size)
        before, after = errors(task, stack(networks)), errors(task, last)
        return {
            "num_units": networks[0].hidden.out_features,
            "error_before": float(np.median(before)),
            "error_after": float(np.median(after)),
            "largest_error_after": float(after.max()),
            "num_solved_before": int((before < task.solved).sum()),
            "num_solved": int((after < task.solved).sum()),
        }

    def starts(self) -> list[MLP]:
        """The networks that training starts from."""
        task = ZigZag(num_folds=self.num_folds, centred=True)
        widths = None if self.source is Source.tents else [16, 16, 16]
        deep = DeepToShallow(
            num_folds=self.num_folds, widths=widths, num_seeds=self.num_seeds, num_steps=self.num_steps
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* pieces are left")
            shallow = [pieces.shallow(network, task.low, task.high) for network in deep.networks()]
        shallow *= self.num_seeds if self.source is Source.tents else 1
        width = max(network.hidden.out_features for network in shallow)
        return [self._start(seed, network, width) for seed, network in enumerate(shallow)]

    def _start(self, seed: int, shallow: MLP, width: int) -> MLP:
        """One of them."""
        generator = stream(seed, "start")
        if self.noise is None:
            return MLP(1, 1, width=width, depth=1, initialization=self.initialization, generator=generator)
        network = deepcopy(shallow)
        disturb_(network, self.noise, generator)
        return with_more_units(network, width, ZigZag(centred=True).high)


def with_more_units(network: MLP, width: int, end: float) -> MLP:
    """A copy of a network of one input and one hidden layer with more units, which are 0 before the end."""
    (old,) = network.hidden.layers
    wider = MLP(1, network.output.out_features, width=width, depth=1, generator=torch.Generator())
    (new,) = wider.hidden.layers
    assert isinstance(old, nn.Linear)
    assert isinstance(new, nn.Linear)
    num_units = old.out_features
    with torch.no_grad():
        new.weight.fill_(1)
        new.bias.fill_(-end)
        wider.output.weight.fill_(0)
        new.weight[:num_units], new.bias[:num_units] = old.weight, old.bias
        wider.output.weight[:, :num_units] = network.output.weight
        wider.output.bias.copy_(network.output.bias)
    return wider
