"""Stochastic gradient descent as on the slide, with momentum, and Adam, on whole stacks at once.

Every update is elementwise, so the parameters of all members lie in one flat buffer and are updated in a few passes,
whatever the architecture. Each member has its own rate; the schedule is common to all.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import torch
from torch import Tensor

from dlcourse.checks import check_whole


class Schedule(StrEnum):
    """How the rate eta changes with the step t = 0, 1, ...

    - `constant`: eta(t) = eta;
    - `inverse`: eta(t) = eta / (1 + t / decay_steps): the slide's eta -> 0, slowly enough that sum eta = infinity and
      fast enough that sum eta^2 < infinity (Robbins & Monro 1951);
    - `cosine`: eta(t) = eta (1 + cos(pi t / num_steps)) / 2 (Loshchilov & Hutter 2017, eq. 5).
    """

    constant = "constant"
    inverse = "inverse"
    cosine = "cosine"


@dataclass(kw_only=True)
class Optimizer(ABC):
    """What `SGD` and `Adam` share: the rate eta and its schedule.

    Attributes:
        name: The optimizer's name in configurations.
        rate: The rate eta at the first step, above 0.
        schedule: How it changes.
        decay_steps: Steps after which an `inverse` schedule has halved the rate.

    Raises:
        ValueError: If a value is out of range.
    """

    name: ClassVar[str]

    rate: float = 0.01
    schedule: Schedule = Schedule.constant
    decay_steps: int = 1000

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.schedule)
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise ValueError(f"optimizer.rate must be a finite number above 0, got {self.rate}")
        check_whole("optimizer.decay_steps", self.decay_steps, 1)

    def rate_factor(self, step: int, num_steps: int) -> float:
        """eta(t) / eta(0) for the update that leads from step t to t + 1."""
        match self.schedule:
            case Schedule.constant:
                return 1.0
            case Schedule.inverse:
                return 1 / (1 + step / self.decay_steps)
            case Schedule.cosine:
                return (1 + math.cos(math.pi * step / max(num_steps, 1))) / 2

    @property
    @abstractmethod
    def num_moments(self) -> int:
        """How many numbers are kept for each parameter from one step to the next."""

    @abstractmethod
    def buffers(self, parameters: Tensor) -> list[Tensor]:
        """Memory for `update_` before the first step; the first `num_moments` of it are the moments."""

    @abstractmethod
    def update_(
        self, parameters: Tensor, gradients: Tensor, buffers: list[Tensor], rates: Tensor, step: int, factor: float
    ) -> None:
        """One step, in place; all tensors flat and of one size, overwriting `gradients` as scratch.

        Args:
            parameters: All members' parameters.
            gradients: Their gradients.
            buffers: What `buffers` gave.
            rates: Each parameter's eta(0).
            step: Steps done before.
            factor: eta(t) / eta(0).
        """


@dataclass(kw_only=True)
class SGD(Optimizer):
    """theta <- theta - eta v with v <- momentum v + dL/dtheta.

    With a batch of one item, momentum 0 and the schedule `inverse` it is the slide's algorithm.

    Attributes:
        momentum: At least 0 and below 1; 0 is plain gradient descent.

    Source: slide "Training Feed-Forward Neural Networks", step 2; momentum as in `torch.optim.SGD`.
    """

    name: ClassVar[str] = "sgd"

    momentum: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ValueError(f"optimizer.momentum must be at least 0 and below 1, got {self.momentum}")

    @property
    def num_moments(self) -> int:
        """1, the velocity v, if there is momentum."""
        return 1 if self.momentum else 0

    def buffers(self, parameters: Tensor) -> list[Tensor]:
        """The velocity v, if there is momentum."""
        return [torch.zeros_like(parameters)] if self.momentum else []

    def update_(
        self, parameters: Tensor, gradients: Tensor, buffers: list[Tensor], rates: Tensor, step: int, factor: float
    ) -> None:
        """One step, in place (see `Optimizer`)."""
        velocity = buffers[0].mul_(self.momentum).add_(gradients) if self.momentum else gradients
        parameters.sub_(torch.mul(velocity, rates, out=gradients), alpha=factor)


@dataclass(kw_only=True)
class Adam(Optimizer):
    """theta <- theta - eta m^ / (sqrt(v^) + epsilon), with running means m of the gradient and v of its square.

    Attributes:
        beta1: Memory of m, at least 0 and below 1.
        beta2: Memory of v, at least 0 and below 1.
        epsilon: Above 0.

    Source: Kingma & Ba 2015, algorithm 1; not on the slides.
    """

    name: ClassVar[str] = "adam"

    rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, beta in (("beta1", self.beta1), ("beta2", self.beta2)):
            if not 0 <= beta < 1:
                raise ValueError(f"optimizer.{name} must be at least 0 and below 1, got {beta}")
        if not (self.epsilon > 0 and math.isfinite(self.epsilon)):
            raise ValueError(f"optimizer.epsilon must be a finite number above 0, got {self.epsilon}")

    @property
    def num_moments(self) -> int:
        """2: m and v."""
        return 2

    def buffers(self, parameters: Tensor) -> list[Tensor]:
        """m, v, the number of steps; room for the direction of a step, too, if the gradients' own will not do."""
        mean, square = torch.zeros_like(parameters), torch.zeros_like(parameters)
        direction = [] if self.schedule is Schedule.constant else [torch.zeros_like(parameters)]
        return [mean, square, parameters.new_zeros((), dtype=torch.float32), *direction]

    def update_(
        self, parameters: Tensor, gradients: Tensor, buffers: list[Tensor], rates: Tensor, step: int, factor: float
    ) -> None:
        """One step, in place (see `Optimizer`)."""
        mean, square, num_steps, *scratch = buffers
        num_steps.fill_(step + 1)
        # torch's fused kernel (behind `torch.optim.Adam(fused=True)`) does in one pass over memory what would take
        # eight, but with one rate for all parameters. So it updates zeros instead of the parameters, at the rate
        # eta(t) / eta(0). What it leaves there is each parameter's step, but for the factor eta(0): its own rate.
        # Where all members have one rate, the kernel could take it. But eta m^ / (...) and m^ / (...) times eta round
        # differently: a member's bits would depend on its companions' rates.
        if scratch:
            fused, direction, decay = torch._fused_adam_, scratch[0].zero_(), 0.0
        else:
            # The kernel of AdamW multiplies what it updates by 1 - rate decay, here 0, in the same pass, when it has
            # read the gradient: so the zeros need no memory of their own.
            assert factor == 1  # as of constant schedules, for which there is no other memory
            fused, direction, decay = torch._fused_adamw_, gradients, 1.0
        fused(
            [direction], [gradients], [mean], [square], [], [num_steps],
            lr=factor, beta1=self.beta1, beta2=self.beta2, weight_decay=decay, eps=self.epsilon,
            amsgrad=False, maximize=False,
        )  # fmt: skip
        parameters.addcmul_(direction, rates)
