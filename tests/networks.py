"""Networks that several test files need, and what these files do with them."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from dlcourse.losses import Hinge, Loss, SoftmaxCrossEntropy, SquaredError
from dlcourse.networks import MLP, Stack
from dlcourse.pieces.layer import UnitLayer

Layer = tuple[list[list[float]], list[float]]  # weight and bias
AnyModule = TypeVar("AnyModule", bound=nn.Module)

# --- from numbers, and back -------------------------------------------------------------------------------------------


def linear(weight: list[list[float]], bias: list[float]) -> nn.Linear:
    """The affine layer with this weight and this bias, in float64."""
    layer = nn.Linear(len(weight[0]), len(weight), dtype=torch.float64)
    layer.weight.data = torch.tensor(weight, dtype=torch.float64)
    layer.bias.data = torch.tensor(bias, dtype=torch.float64)
    return layer


def network_of(*layers: Layer, between: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Affine layers with these weights and biases in float64, and an activation between one and the next."""
    modules = [module for weight, bias in layers for module in (linear(weight, bias), between())]
    return nn.Sequential(*modules[:-1])


def layers_of(network: nn.Module) -> list[Layer]:
    """The weights and biases of all affine layers, from the first one to the last."""
    return [
        (module.weight.double().tolist(), module.bias.double().tolist())
        for module in network.modules()
        if isinstance(module, nn.Linear)
    ]


def with_values(network: AnyModule, *values: Any) -> AnyModule:
    """The network with these weights and biases, from the first layer to the last, in float64."""
    network = network.double()
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), values, strict=True):
            parameter.copy_(torch.as_tensor(value, dtype=torch.float64).view_as(parameter))
    return network


# --- by hand ----------------------------------------------------------------------------------------------------------


def hand_worked() -> tuple[MLP, Tensor, Tensor]:
    """A network, x and y in fractions that four digits hold: h = (1/2, 1/2, 0) and y~ = 3/2 - 1 + 1/4 = 3/4."""
    first = [[1, -1 / 2], [1 / 2, 1 / 4], [-1, 0]], [1 / 2, -1 / 2, 1 / 4]
    network = with_values(MLP(2, 1, width=3, depth=1), *first, [[3, -2, 5]], [1 / 4])
    return network, torch.tensor([1.0, 2.0]).double(), torch.tensor([0.5]).double()


TENT_ON_0_1: Layer = ([[2.0], [4.0]], [0.0, -2.0])  # relu(2x) - relu(4x - 2)
TENT_ON_0_2: Layer = ([[1.0], [2.0]], [0.0, -2.0])  # the slide's h~[1], relu(x) - relu(2x - 2)


def tents(k: int, first: Layer) -> nn.Sequential:
    """The lecture's tents on [0, 1], k - 1 of them, nested around the tent whose hidden layer comes first."""
    following = [([[2.0, -2.0], [4.0, -4.0]], [0.0, -2.0])] * (k - 1)
    return network_of(first, *following, ([[1.0, -1.0]], [0.0]))


# --- at random --------------------------------------------------------------------------------------------------------


def default_network(sizes: list[int], seed: int) -> nn.Sequential:
    """ReLU between affine layers as torch initializes them in float32, cast to float64."""
    torch.manual_seed(seed)
    modules = [module for n_in, n_out in pairwise(sizes) for module in (nn.Linear(n_in, n_out), nn.ReLU())]
    return nn.Sequential(*modules[:-1]).double()


def he_network(in_features: int, widths: list[int], seed: int, bias: float = 1.0) -> MLP:
    """Weights as He draws them, and normal biases with this standard deviation in the hidden layers."""
    generator = torch.Generator().manual_seed(seed)
    network = MLP(in_features, 1, width=widths, initialization="he", generator=generator, dtype=torch.float64)
    for layer in network.hidden.layers:
        nn.init.normal_(layer.bias, std=bias, generator=generator)
    return network


def random_unit_layers(
    widths: list[int], random: np.random.Generator, below: float, magnitude: float = 1.0
) -> list[UnitLayer]:
    """Layers as `dlcourse.pieces` reads them, with weights of this magnitude and the slope `below` below zero."""
    return [
        UnitLayer(magnitude * random.normal(size=(1, b, a)), random.normal(size=(1, b)), np.full((1, b), below))
        for a, b in pairwise(widths)
    ]


# --- degenerate: full of units that are zero at the same places -------------------------------------------------------


def integer_network() -> nn.Sequential:
    """Hidden layers of small integers, the first of which are the axes, the diagonals and their opposites."""
    network = default_network([2, 8, 8, 1], 3)
    torch.manual_seed(3)
    first = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]
    second = torch.randint(-2, 3, (8, 8)), torch.randint(-1, 2, (8,))
    return with_values(network, first, [0] * 8, *second, torch.randint(-2, 3, (1, 8)), [0])


def copied_network() -> nn.Sequential:
    """The second half of the first layer is a copy of the first half."""
    network = default_network([2, 16, 16, 1], 0)
    network[0].weight.data[8:] = network[0].weight.data[:8]
    network[0].bias.data[8:] = network[0].bias.data[:8]
    return network


def network_without_biases() -> nn.Sequential:
    """All units of the first layer are zero at the origin."""
    network = default_network([2, 16, 16, 1], 0)
    for module in network:
        if isinstance(module, nn.Linear):
            module.bias.data.zero_()
    return network


@st.composite
def integer_layers(draw: st.DrawFn, in_features: int, max_depth: int, max_outputs: int) -> list[Layer]:
    """Weights and biases of -2 ... 2: full of coincident, opposite, dead and parallel units."""
    hidden = draw(st.lists(st.integers(1, 4), min_size=1, max_size=max_depth))
    weights = st.integers(-2, 2).map(float)
    return [
        ([[draw(weights) for _ in range(n_in)] for _ in range(n_out)], [draw(weights) for _ in range(n_out)])
        for n_in, n_out in pairwise([in_features, *hidden, draw(st.integers(1, max_outputs))])
    ]


@st.composite
def degenerate_layers(draw: st.DrawFn, in_features: list[int]) -> list[Layer]:
    """Small integer weights; units that are copies, opposites or multiples of others, or always 0; rescaled units."""
    depth = draw(st.integers(1, 5))
    sizes = [draw(st.sampled_from(in_features)), *draw(st.lists(st.integers(1, 6), min_size=depth, max_size=depth))]
    sizes.append(draw(st.sampled_from([1, 1, 2])))
    with_bias = draw(st.booleans())
    layers = []
    for n_in, n_out in pairwise(sizes):
        row = st.lists(st.integers(-2, 2).map(float), min_size=n_in + 1, max_size=n_in + 1)
        rows = draw(st.lists(row, min_size=n_out, max_size=n_out))
        for unit in range(1, n_out):
            of_another = draw(st.sampled_from([None, None, None, None, 1.0, -1.0, 2.0, 0.0]))
            if of_another is not None:
                rows[unit] = [of_another * number for number in rows[draw(st.integers(0, unit - 1))]]
        layers.append(([r[:-1] for r in rows], [r[-1] if with_bias else 0.0 for r in rows]))
    if draw(st.booleans()):
        for (weight, bias), (following, _) in pairwise(layers):
            for unit in range(len(weight)):
                scale = draw(st.sampled_from([1.0, 1.0, 3.0, 0.1, 1 / 3, 1e-9]))
                weight[unit], bias[unit] = [w * scale for w in weight[unit]], bias[unit] * scale
                for row in following:
                    row[unit] /= scale
    return layers


# --- what networks compute, and from what -----------------------------------------------------------------------------


def positive_units(hidden: Iterable[nn.Module], x: Tensor) -> list[list[bool]]:
    """Which units are above zero at one input, for each of these affine layers with ReLU after them."""
    signs = []
    for layer in hidden:
        z: Tensor = layer(x)
        signs.append((z > 0).tolist())
        x = z.relu()
    return signs


def run(layers: list[UnitLayer], x: np.ndarray) -> tuple[np.ndarray, float]:
    """The first member's outputs, and a bound for how far rounding can take any way of computing them apart."""
    size, num_roundings = np.abs(x).max(), 0
    for layer in layers:
        weight, bias, slope = layer.weight[0], layer.bias[0], layer.slope[0]
        x = x @ weight.T + bias
        x = np.where(x >= 0, x, slope * x)
        size = (np.abs(weight).sum(axis=1) * size + np.abs(bias)).max() * max(1, np.abs(slope).max())
        num_roundings += weight.shape[1] + 3
    return x, 2 * num_roundings * 2.0**-53 * size


def targets_for(loss: Loss, *shape: int) -> Tensor:
    """Random targets of the kind that a loss is made for, in float64."""
    match loss:
        case SquaredError():
            return torch.randn(shape, dtype=torch.float64)
        case SoftmaxCrossEntropy():
            return F.one_hot(torch.randint(shape[-1], shape[:-1]), shape[-1]).double()
        case Hinge():
            return torch.randint(2, shape).double() * 2 - 1


# --- stacks and members in training -----------------------------------------------------------------------------------


def vector(network: nn.Module) -> Tensor:
    """All parameters of a network, one after the other."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def bits(members: Stack, member: int) -> dict[str, bytes]:
    """The bytes of one member's parameters."""
    return {name: values[member].numpy().tobytes() for name, values in members.parameters.items()}


def on_cuda(members: Stack) -> Stack:
    """The same stack on the GPU."""
    parameters, buffers = (
        {name: values.cuda() for name, values in tensors.items()} for tensors in (members.parameters, members.buffers)
    )
    return Stack(members.architecture, parameters, buffers)
