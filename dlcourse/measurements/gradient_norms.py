"""How large the gradient is at each layer, before training."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from dlcourse.checks import check_choice, check_flag, check_whole
from dlcourse.layerwise import LayerwiseGradient
from dlcourse.losses import SquaredError
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.measurements.networks_that_die import drawn
from dlcourse.networks import MLP, Activation, Initialization
from dlcourse.tasks import ZigZag


@dataclass(kw_only=True)
class GradientNorms(Measurement):
    """Norms of the squared error's gradient by each layer's weights, of fresh networks on the centred zig-zag.

    Attributes:
        depth: Number of hidden layers.
        width: Units in each.
        activation: relu, leaky_relu, sigmoid or tanh.
        initialization: torch, he, xavier or truncated.
        skip: Whether hidden layers add their input to their output.
        num_networks: Networks; their seeds are 0, 1, ...

    Source: slide "Computing gradient (layerwise)": a product of as many matrices dh[i]/dh[i-1] as there are layers.
    """

    kind: ClassVar[str] = "gradient_norms"

    depth: int = 10
    width: int = 8
    activation: Activation = Activation.relu
    initialization: Initialization = Initialization.torch
    skip: bool = False
    num_networks: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        self.activation = check_choice("activation", self.activation, Activation)
        self.initialization = check_choice("initialization", self.initialization, Initialization)
        check_flag("skip", self.skip)
        for name in ("depth", "width", "num_networks"):
            check_whole(name, getattr(self, name), 1)

    def measure(self) -> Row:
        """For each layer the median norm of dL/dW over the networks, and how many of them it is 0 in."""
        task = ZigZag(num_folds=3, centred=True)
        inputs = task.grid()
        networks = drawn(self.network(), self.initialization, range(self.num_networks))
        batch = inputs.expand(self.num_networks, -1, -1)
        layerwise = LayerwiseGradient(networks, len(inputs), loss=SquaredError())
        layerwise.gradient_(batch, task.target(batch))
        weights = [name for name in networks.parameters if name.endswith(".weight")]
        row: Row = {}
        for layer, name in enumerate(weights, start=1):
            norms = layerwise.gradients.views[name].flatten(1).norm(dim=1)
            row[f"median_{layer}"] = norms.quantile(0.5).item()
            row[f"num_zero_{layer}"] = int((norms == 0).sum())
        return row

    def network(self) -> MLP:
        """A network of this shape, of any values."""
        return MLP(
            1,
            1,
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            skip=self.skip,
            dtype=torch.float64,
        )
