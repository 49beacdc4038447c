"""In how many digits the layerwise gradients agree with autograd's."""

import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.checks import check_choice, check_whole
from dlcourse.layerwise import LayerwiseGradient, jacobians
from dlcourse.losses import SquaredError
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, Activation, Initialization, Precision, stack


@dataclass(kw_only=True)
class LayerwiseGradients(Measurement):
    """Decimal digits in which gradients of the squared error agree, over networks and items of many seeds.

    Three methods: `jacobians`, `LayerwiseGradient` ("Sweep" in the results, since it sweeps from the loss downwards)
    and autograd; each against autograd in the same precision and, in float32, in float64 on the same numbers. Piecewise
    linear networks start as He's, others as Xavier's.

    Attributes:
        activation: relu, leaky_relu, sigmoid or tanh.
        depth: Number of hidden layers.
        width: Units per hidden layer.
        dtype: float32 or float64.
        num_seeds: Networks; their seeds are 0, 1, ...
        in_features: Size of an input.
        out_features: Size of an output.
        batch_size: Items, over which the loss is summed.

    Source: slides "Computing gradient (layerwise)".
    """

    kind: ClassVar[str] = "layerwise_gradients"

    activation: Activation = Activation.relu
    depth: int = 1
    width: int = 4
    dtype: Precision = Precision.float32
    num_seeds: int = 20
    in_features: int = 4
    out_features: int = 2
    batch_size: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self.activation = check_choice("activation", self.activation, Activation)
        self.dtype = check_choice("dtype", self.dtype, Precision)
        check_whole("depth", self.depth, 0)
        for field in ("width", "num_seeds", "in_features", "out_features", "batch_size"):
            check_whole(field, getattr(self, field), 1)

    def measure(self) -> Row:
        """`<method>/<precision of autograd>/median` and `.../worst` over the seeds."""
        dtype = self.dtype.dtype
        found: dict[str, list[float]] = {}
        for seed in range(self.num_seeds):
            network = self.network(seed).to(dtype)
            drawn = items(self.batch_size, self.in_features, self.out_features, seed)
            inputs, targets = (values.to(dtype) for values in drawn)
            gradients = {name: method(network, inputs, targets) for name, method in METHODS.items()}
            references = {str(self.dtype): gradients["autograd"]}
            # The reference in float64 has the very same numbers, already rounded to float32, for parameters and items:
            # so the methods differ from it only by what their own computation rounds.
            if self.dtype is Precision.float32:
                references["float64"] = by_autograd(network.double(), inputs.double(), targets.double())
            for name, reference in itertools.product(METHODS, references):
                if (name, reference) != ("autograd", self.dtype):
                    agreed = digits(gradients[name], references[reference])
                    found.setdefault(f"{name}/{reference}", []).append(agreed)
        return {
            f"{key}/{statistic}": compute(values)
            for key, values in found.items()
            for statistic, compute in (("median", statistics.median), ("worst", min))
        }

    def network(self, seed: int) -> MLP:
        """A random network in float64."""
        return MLP(
            self.in_features,
            self.out_features,
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            initialization=Initialization.xavier if self.activation.slope is None else Initialization.he,
            generator=torch.Generator().manual_seed(seed),
            dtype=torch.float64,
        )


def items(
    num: int, in_features: int, out_features: int, seed: int
) -> tuple[Float[Tensor, "num in_features"], Float[Tensor, "num out_features"]]:
    """Random inputs and targets, in float64."""
    generator = torch.Generator().manual_seed(1000 + seed)
    inputs = torch.randn(num, in_features, generator=generator, dtype=torch.float64)
    return inputs, torch.randn(num, out_features, generator=generator, dtype=torch.float64)


def by_autograd(network: MLP, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    """The gradient of the summed loss, by autograd."""
    loss = SquaredError()(network(inputs), targets).sum()
    return list(torch.autograd.grad(loss, list(network.parameters())))


def by_layers(network: MLP, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    """The same, layer by layer from the loss downwards."""
    gradient = LayerwiseGradient(stack([network]), len(inputs), loss=SquaredError(), reduction="sum")
    gradient.gradient_(inputs[None], targets[None])
    return [gradient[0] for gradient in gradient.gradients.views.values()]


def by_jacobians(network: MLP, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    """The same, by the slides' matrices, item by item."""
    with torch.no_grad():
        derivatives = SquaredError().derivative(network(inputs), targets)
    item_gradients = [
        torch.cat([derivative @ matrix for matrix in jacobians(network, x)])
        for x, derivative in zip(inputs, derivatives, strict=True)
    ]
    gradient = torch.stack(item_gradients).sum(0)
    parameters = list(network.parameters())
    sizes = [parameter.numel() for parameter in parameters]
    return [part.view_as(parameter) for part, parameter in zip(gradient.split(sizes), parameters, strict=True)]


METHODS: dict[str, Callable[[MLP, Tensor, Tensor], list[Tensor]]] = {
    "jacobians": by_jacobians,
    "Sweep": by_layers,
    "autograd": by_autograd,
}


def digits(actual: list[Tensor], expected: list[Tensor]) -> float:
    """Decimal digits in which the two agree, in the parameter tensor where they agree least; 17 at most."""
    errors = [
        (one.double() - other.double()).norm() / other.double().norm() if other.any() else one.double().norm()
        for one, other in zip(actual, expected, strict=True)
    ]
    return -math.log10(max(max(errors).item(), 1e-17))
