"""What training makes of networks whose many pieces are there by design, beside plain ones of the same size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import grad

from dlcourse import pieces
from dlcourse.checks import check_choice, check_number, check_whole
from dlcourse.layerwise import one_thread
from dlcourse.layerwise.flat import Flat
from dlcourse.losses import SquaredError
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, Initialization, Stack, num_parameters, stack, unstack
from dlcourse.networks.skewed_tents import SkewedTents, sum_of_waves
from dlcourse.streams import stream
from dlcourse.training import Adam, Batches, Schedule, train

NUM_TRAINING_POINTS = 1_024
NUM_GRID_INTERVALS = 4_096  # between the points on which errors are measured, both ends among them
PLAIN = (Initialization.torch, Initialization.he)
LONG = 1e-6  # of the interval: shorter pieces are counted apart

Errors = NDArray[np.float64]


class Target(StrEnum):
    """A function on [0, 1]: x^2, x^3, x^11 (convex), sin(pi x), sqrt(1 - x^2) (concave)."""

    square = "square"
    cube = "cube"
    eleventh = "eleventh"
    sine = "sine"
    quarter_circle = "quarter_circle"

    def __call__(self, x: Tensor) -> Tensor:
        """f(x), elementwise."""
        match self:
            case Target.square:
                return x**2
            case Target.cube:
                return x**3
            case Target.eleventh:
                return x**11
            case Target.sine:
                return torch.sin(math.pi * x)
            case Target.quarter_circle:
                return torch.sqrt(1 - x**2)


@dataclass(kw_only=True)
class PiecesByDesign(Measurement):
    """Errors and pieces of `SkewedTents` before training, between its two stages and after them; of plain networks.

    The first stage trains peaks, s_1, A and B, the second all weights of the MLP that this gives. Besides: all weights
    from the start, without a first stage; and plain networks of every depth up to that of the design, with as many
    parameters, from torch's and from He's initialisation. All have `num_steps` steps in all; Adam's rate falls to 0 as
    a cosine, in either stage.

    Every rate is tried with every seed, in either stage. Which one counts is chosen on the other half of the seeds
    (even, odd): the least median error, of equal ones the nearest to the middle of the rates. So each seed is reported
    once, at a rate in whose choice it had no part.

    Attributes:
        target: The function on [0, 1] that is to be approximated.
        depth: Tents of the design, layers of three units.
        rates: Adam's first rates.
        num_seeds: Networks of each kind and rate; their seeds are 0, 1, ...
        num_steps: Updates in all.
        num_steps_of_first_stage: How many of them the first stage has.
        batch_size: Data items per update, out of 1,024 evenly spaced ones.

    Source: Milkert, Hyde and Laine 2025, Compelling ReLU networks to exhibit exponentially many linear regions at
    initialization and during training (there of width 4).
    """

    kind: ClassVar[str] = "pieces_by_design"

    target: Target = Target.cube
    depth: int = 5
    rates: list[float] = field(default_factory=lambda: [0.001, 0.003, 0.01, 0.03, 0.1])
    num_seeds: int = 10
    num_steps: int = 3_000
    num_steps_of_first_stage: int = 1_000
    batch_size: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        self.target = check_choice("target", self.target, Target)
        check_whole("depth", self.depth, 1, 20)
        check_whole("num_seeds", self.num_seeds, 2)
        check_whole("num_steps", self.num_steps, 0)
        check_whole("num_steps_of_first_stage", self.num_steps_of_first_stage, 0, self.num_steps)
        check_whole("batch_size", self.batch_size, 1)
        if not self.rates:
            raise ValueError("rates must be one or more numbers, got none")
        for rate in self.rates:
            check_number("rates", rate, 1e-9, 1e9)

    def measure(self) -> Row:
        """Of every kind of network the errors, the pieces, and the rates that were chosen."""
        seeds = range(self.num_seeds)
        designs = [SkewedTents(self.depth, generator=stream(seed, "peaks"), dtype=torch.float64) for seed in seeds]
        start = [design.network(torch.float32) for design in designs]
        row: Row = {"num_parameters": num_parameters(start[0])} | self.statistics("start", stack(start))
        row |= self.tuned("without_first", self.train(start, self.num_steps))[1]
        between, of_first = self.tuned("first", self.first_stage(designs))
        row |= of_first
        second = self.train(unstack(between), self.num_steps - self.num_steps_of_first_stage)
        row |= self.tuned("second", second)[1]
        for depth in range(1, self.depth + 1):
            # Both initialisations in one stack, which takes less time than two.
            plain = [network for initialization in PLAIN for network in self.plain(depth, initialization)]
            trained = self.train(plain, self.num_steps)
            numbers = np.arange(trained.num_members).reshape(len(self.rates), len(PLAIN), self.num_seeds)
            for index, initialization in enumerate(PLAIN):
                row |= self.tuned(f"plain/{depth}/{initialization}", some(trained, numbers[:, index].ravel()))[1]
        return row

    def plain(self, depth: int, initialization: Initialization) -> list[MLP]:
        """Networks of this depth with about as many parameters as the design: one for each seed."""
        widths = widths_for(num_parameters(MLP(1, 1, width=3, depth=self.depth, device="meta")), depth)
        return [
            MLP(1, 1, width=widths, initialization=initialization, generator=stream(seed, "plain", *widths))
            for seed in range(self.num_seeds)
        ]

    def batches(self, num_members: int, dtype: torch.dtype) -> Batches:
        """What the members see: the seeds 0, 1, ... over and over, each with the same batches for all rates."""
        seeds = [member % self.num_seeds for member in range(num_members)]
        x = ((torch.arange(NUM_TRAINING_POINTS, dtype=torch.float64) + 0.5) / NUM_TRAINING_POINTS)[:, None]
        inputs, targets = (values.expand(len(seeds), -1, -1) for values in (x, self.target(x)))
        return Batches(seeds, inputs, targets, self.batch_size, dtype=dtype)

    def optimizers(self, num_networks: int) -> list[Adam]:
        """One for each rate and network."""
        return [Adam(rate=rate, schedule=Schedule.cosine) for rate in self.rates for _ in range(num_networks)]

    def train(self, networks: Sequence[nn.Module], num_steps: int) -> Stack:
        """All weights, of networks of the seeds 0, 1, ... (over and over): all of them at the first rate, and so on."""
        members = stack([*networks] * len(self.rates))
        *_, last = train(
            members,
            self.batches(members.num_members, torch.float32),
            loss=SquaredError(),
            optimizer=self.optimizers(len(networks)),
            num_steps=num_steps,
        )
        return last.members

    def first_stage(self, designs: Sequence[SkewedTents]) -> Stack:
        """Peaks, s_1, A and B, in float64, by autograd on all members at once; as MLPs in float32, as `train` is."""
        start = stack([*designs] * len(self.rates))
        members = Flat.by_member(start.parameters)
        gradients, rates = members.zeros_like(), members.zeros_like()
        optimizers, loss = self.optimizers(len(designs)), SquaredError()
        batches = self.batches(len(optimizers), torch.float64)
        for view in rates.views.values():
            each = torch.tensor([optimizer.rate for optimizer in optimizers], dtype=torch.float64)
            view.copy_(each.view(-1, *[1] * (view.ndim - 1)))
        memory = optimizers[0].buffers(members.vector)
        # The sum over members is the loss of each by its own parameters.
        gradient = grad(lambda parameters, x, y: loss(sum_of_waves(x, **parameters), y).mean(1).sum())
        with one_thread():
            for step in range(self.num_steps_of_first_stage):
                for name, values in gradient(members.views, *batches(step)).items():
                    gradients.views[name].copy_(values)
                factor = optimizers[0].rate_factor(step, self.num_steps_of_first_stage)
                optimizers[0].update_(members.vector, gradients.vector, memory, rates.vector, step, factor)
        trained = unstack(Stack(start.architecture, members.views, {}))
        return stack([design.network(torch.float32) for design in trained if isinstance(design, SkewedTents)])

    def tuned(self, name: str, members: Stack) -> tuple[Stack, Row]:
        """Each seed's network at the rate chosen for it, with their statistics and the rates of even and odd seeds."""
        errors = self.errors(members)[0].reshape(len(self.rates), self.num_seeds)
        rate = rate_of_each_seed(errors)
        networks = some(members, rate * self.num_seeds + np.arange(self.num_seeds))
        rates: Row = {f"{name}/rate_even": self.rates[rate[0]], f"{name}/rate_odd": self.rates[rate[1]]}
        return networks, rates | self.statistics(name, networks)

    def statistics(self, name: str, networks: Stack) -> Row:
        """Errors and pieces, of one network for each seed."""
        mean_squared, largest = self.errors(networks)
        counts = pieces.on_lines(networks, np.array([[0.0]]), np.array([[1.0]]))
        ends = [np.array([0, *counts.line(member, 0).breakpoints, 1]) for member in range(self.num_seeds)]
        low, high = interval_of_median(mean_squared)
        return {
            f"{name}/error_median": float(np.median(mean_squared)),
            f"{name}/error_low": low,
            f"{name}/error_high": high,
            f"{name}/error_least": float(mean_squared.min()),
            f"{name}/error_mean": float(mean_squared.mean()),
            f"{name}/largest_error_median": float(np.median(largest)),
            f"{name}/pieces_median": float(np.median(counts.num_pieces)),
            f"{name}/long_pieces_median": float(np.median([(np.diff(each) > LONG).sum() for each in ends])),
        }

    def errors(self, networks: Stack) -> tuple[Errors, Errors]:
        """Mean squared and largest absolute error of every member on a fine grid, computed in float64."""
        grid = torch.arange(NUM_GRID_INTERVALS + 1, dtype=torch.float64)[:, None] / NUM_GRID_INTERVALS
        exact = {name: values.double() for name, values in networks.parameters.items()}
        errors = (Stack(networks.architecture, exact, {})(grid) - self.target(grid))[..., 0]
        return errors.square().mean(1).nan_to_num(nan=math.inf, posinf=math.inf).numpy(), errors.abs().amax(1).numpy()


def some(members: Stack, numbers: NDArray[np.int64]) -> Stack:
    """Those members of a stack."""
    chosen = torch.from_numpy(numbers)
    return Stack(members.architecture, {name: values[chosen] for name, values in members.parameters.items()}, {})


def widths_for(parameters: int, depth: int) -> list[int]:
    """Widths, equal or the first ones larger by 1, that make the nearest number of parameters (1 input, 1 output)."""
    shapes = [
        [width + 1] * num_wider + [width] * (depth - num_wider)
        for width in range(1, parameters)
        for num_wider in range(depth)
    ]
    sizes = [sum((n_in + 1) * n_out for n_in, n_out in pairwise([1, *shape, 1])) for shape in shapes]
    return min(zip(shapes, sizes, strict=True), key=lambda each: abs(each[1] - parameters))[0]


def rate_of_each_seed(errors: Errors) -> NDArray[np.int64]:
    """Which rate counts for each seed, chosen on the seeds of the other half.

    Args:
        errors: `[rates, seeds]`.

    Returns:
        Indices of rates, `[seeds]`.
    """
    num_rates, num_seeds = errors.shape
    middle = (num_rates - 1) / 2
    best = [
        min(range(num_rates), key=lambda rate: (np.median(errors[rate, half::2]), abs(rate - middle)))
        for half in (0, 1)
    ]
    return np.array([best[1 - seed % 2] for seed in range(num_seeds)])


def interval_of_median(values: Errors) -> tuple[float, float]:
    """The narrowest interval between the j-th least and the j-th largest value that covers the median in 95% of cases.

    The median is below the j-th least of n values if fewer than j are below it: with probability
    sum_{i < j} C(n, i) / 2^n, and likewise above. Of 10 values it is the second and the ninth (97.9%); of 5 or less
    even the least and the largest cover less than 95%.

    Source: Hahn and Meeker 1991, Statistical intervals, section 5.2 (distribution-free, for a percentile).
    """
    ordered, n = np.sort(values), len(values)
    j = 1
    while 2 * sum(math.comb(n, i) for i in range(j + 1)) <= 0.05 * 2**n:
        j += 1
    return float(ordered[j - 1]), float(ordered[n - j])
