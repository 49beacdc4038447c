"""How many networks are constant, before and after training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.checks import check_choice, check_flag, check_number, check_whole
from dlcourse.losses import SquaredError
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, Initialization, Stack, initialize_, stack
from dlcourse.streams import stream
from dlcourse.tasks import ZigZag
from dlcourse.training import Adam, Batches, train

NUM_AT_ONCE = 50


class Target(StrEnum):
    """What is learnt on [-2, 2].

    `zigzag`: the centred zig-zag of 8 pieces. `absolute`: |x|. `wave`: x sin(5 x). The last two are those of Lu et al.
    """

    zigzag = "zigzag"
    absolute = "absolute"
    wave = "wave"

    def __call__(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """f(x), elementwise."""
        match self:
            case Target.zigzag:
                return ZigZag(num_folds=3, centred=True).target(x)
            case Target.absolute:
                return x.abs()
            case Target.wave:
                return x * torch.sin(5 * x)


@dataclass(kw_only=True)
class NetworksThatDie(Measurement):
    """Counts the ReLU networks with one input that are constant on [-2, 2], as drawn and after training.

    A network is constant if it has one linear piece there, of slope 0: some layer has no unit that is on anywhere. One
    piece alone is not enough, and one unit that is on is: its slope is 0 with probability 0.

    Attributes:
        depth: Number of hidden layers.
        width: Units in each.
        initialization: torch, he, xavier or truncated.
        skip: Whether hidden layers add their input to their output.
        num_networks: Networks; their seeds are 0, 1, ...
        num_steps: Updates, 0 for none.
        target: What is learnt: zigzag, absolute or wave.
        rate: Adam's rate.
        batch_size: Data items per update, of 1,000.

    Source: Lu, Shin, Su and Karniadakis 2019, Dying ReLU and initialization: theory and numerical examples.
    """

    kind: ClassVar[str] = "networks_that_die"

    depth: int = 2
    width: int = 2
    initialization: Initialization = Initialization.he
    skip: bool = False
    num_networks: int = 2000
    num_steps: int = 0
    target: Target = Target.zigzag
    rate: float = 0.01
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        self.initialization = check_choice("initialization", self.initialization, Initialization)
        self.target = check_choice("target", self.target, Target)
        check_flag("skip", self.skip)
        for name in ("depth", "width", "num_networks", "batch_size"):
            check_whole(name, getattr(self, name), 1)
        check_whole("num_steps", self.num_steps, 0)
        check_number("rate", self.rate, 0.0, 1e9)

    def measure(self) -> Row:
        """How many networks are constant before and after training, and how many of one piece are not; two bounds."""
        before, after, one_piece = 0, 0, 0
        for first in range(0, self.num_networks, NUM_AT_ONCE):
            seeds = range(first, min(first + NUM_AT_ONCE, self.num_networks))
            members = drawn(self.network(), self.initialization, seeds)
            constant, single = constants(members)
            before += int(constant.sum())
            one_piece += int((single & ~constant).sum())
            if self.num_steps:
                # A constant network stays constant: units that are off on all of [-2, 2] have no gradient, nor have
                # the layers before them.
                after += int(constant.sum())
                alive = np.flatnonzero(~constant)
                if len(alive):
                    of_alive = {name: values[torch.from_numpy(alive)] for name, values in members.parameters.items()}
                    living = replace(members, parameters=of_alive)
                    after += int(constants(self.trained(living, [seeds[i] for i in alive.tolist()]))[0].sum())
        row: Row = {
            "num_constant": before,
            "num_one_piece_with_slope": one_piece,
            "most": most_constant(self.depth, self.width),
            "least": least_constant(self.depth, self.width),
        }
        return row | ({"num_constant_after": after} if self.num_steps else {})

    def network(self) -> MLP:
        """A network of this shape, of any values."""
        return MLP(1, 1, width=self.width, depth=self.depth, skip=self.skip, dtype=torch.float64)

    def trained(self, members: Stack, seeds: Sequence[int]) -> Stack:
        """The members after training, each on inputs of its own that are uniform on [-2, 2]."""
        inputs = torch.stack(
            [
                4 * torch.rand(1000, 1, generator=stream(seed, "training data"), dtype=torch.float64) - 2
                for seed in seeds
            ]
        )
        batches = Batches(seeds, inputs, self.target(inputs), self.batch_size)
        optimizer = Adam(rate=self.rate)
        *_, last = train(members, batches, loss=SquaredError(), optimizer=optimizer, num_steps=self.num_steps)
        return last.members


def drawn(network: nn.Module, initialization: Initialization, seeds: range) -> Stack:
    """Networks of one shape with the initial values of their seeds: those of the network given are overwritten."""
    values = {
        name: torch.empty(len(seeds), *value.shape, dtype=value.dtype) for name, value in network.named_parameters()
    }
    for member, seed in enumerate(seeds):
        initialize_(network, initialization, stream(seed, "initialization"))
        for name, value in network.named_parameters():
            values[name][member] = value.detach()
    return Stack(stack([network]).architecture, values, {})


def constants(members: Stack) -> tuple[Bool[np.ndarray, " members"], Bool[np.ndarray, " members"]]:
    """Which members are constant on [-2, 2], and which have one linear piece there, whatever its slope."""
    counted = pieces.on_lines(members, np.array([[-2.0]]), np.array([[2.0]]))
    single = counted.num_pieces[:, 0] == 1
    constant = np.zeros(len(single), dtype=bool)
    for member in np.flatnonzero(single).tolist():
        constant[member] = not counted.line(member, 0).slopes.any()
    return constant, single


def most_constant(depth: int, width: int) -> float:
    """1 - (1 - 2^-h)^k: a network of k layers of h units is constant with at most this probability.

    For weights that are symmetric about 0 and biases that are symmetric or 0, on any domain: a layer is off on all of
    it only if it is off at a point where the layer before is not 0, and there a unit is off with probability 1/2.

    Args:
        depth: k.
        width: h.

    Source: Lu, Shin, Su and Karniadakis 2019, Dying ReLU and initialization, the upper bound; derived anew above.
    """
    return 1 - (1 - 2.0**-width) ** depth


def least_constant(depth: int, width: int) -> float:
    """The least probability for one input, biases that are 0, normal weights, and a domain on both sides of 0.

    Such a network is |x| f(1) for x > 0 and |x| f(-1) for x < 0: two networks of the same weights. With q = 2^-h, layer
    1 is off on one side with probability 2 q and never on both. On a side that is on, a further layer is off with
    probability q. Were the two sides independent, both would be off after m = k - 1 further layers with probability
    (1 - (1 - q)^m)^2. They are not, but that is the least: of two inputs that are not negative, and so at most 90
    degrees apart, both leave all h units off with probability q^2 or more; and the likelier both sides die together,
    the fewer networks live, because at most twice as many live as do on one given side.

        (1 - 2 q) (1 - (1 - q)^m)^2 + 2 q (1 - (1 - q)^m)

    Args:
        depth: k.
        width: h.

    Source: derived for this page in the manner of Lu et al., who give a lower bound for one input, too.
    """
    q = 2.0**-width
    one_side = 1 - (1 - q) ** (depth - 1)
    return (1 - 2 * q) * one_side**2 + 2 * q * one_side
