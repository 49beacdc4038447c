"""What gradient descent feels of parity before its first step."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from dlcourse.checks import check_whole
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, Initialization
from dlcourse.streams import stream
from dlcourse.tasks import Parity
from dlcourse.tasks.parity import Encoding, PosedAs


@dataclass(kw_only=True)
class FirstGradient(Measurement):
    """Norms of the first gradient of a network that shall learn the parity of some of its bits.

    One hidden layer, weights from a truncated normal distribution, biases 0. The loss is -y y~, which the hinge is (up
    to a constant) while |y~| < 1, over all 2^num_bits inputs.

    Attributes:
        num_bits: Bits of an input.
        subset: How many of them count.
        width: Units of the hidden layer.
        seed: Source of the network and of the task's data.

    Source: Shalev-Shwartz, Shamir and Shammah 2017, Failures of gradient-based deep learning, Figure 1 (the setting).
    """

    kind: ClassVar[str] = "first_gradient"

    num_bits: int = 10
    subset: int = 1
    width: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("width", self.width, 1)
        self.task()  # raises if there is no such task, so num_bits and subset need no checks of their own

    def measure(self) -> Row:
        """Every parameter tensor's norm, and the share of inputs at which the hinge is linear."""
        data = self.task().data(self.seed, torch.float64)
        network = MLP(
            self.num_bits, 1, width=self.width, depth=1, initialization=Initialization.truncated,
            generator=stream(self.seed, "initialization"), dtype=torch.float32,
        ).double()  # fmt: skip
        outputs = network(data.test_inputs)
        (-data.test_targets * outputs).mean().backward()
        row: Row = {}
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None
            row[name] = parameter.grad.norm().item()
        return row | {"outputs_where_hinge_is_linear": (outputs.abs() < 1).double().mean().item()}

    def task(self) -> Parity:
        """What the network shall learn."""
        return Parity(
            num_bits=self.num_bits,
            subset=self.subset,
            encoding=Encoding.plus_minus,
            posed_as=PosedAs.hinge,
            fresh=True,
        )
