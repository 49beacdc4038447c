"""A network as the affine layers and ReLUs that it is made of, in float64."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from dlcourse.layerwise import layer_names
from dlcourse.networks import MLP, Activation, SoftmaxClassifier, Stack


@dataclass(frozen=True, eq=False)
class Layer:
    """x -> f(W x + b) for every member of a stack, where f(z) = z for z >= 0 and slope z for z < 0, unit by unit.

    Attributes:
        weight: W of each member: the numbers that the network stores, every one of which float64 holds exactly.
        bias: b of each member.
        slope: 0 for ReLU, 1 for a unit that passes its pre-activation through, -1 for the absolute value, anything else
            for leaky ReLU.
    """

    weight: Float[np.ndarray, "members out_features in_features"]
    bias: Float[np.ndarray, "members out_features"]
    slope: Float[np.ndarray, "members out_features"]

    @cached_property
    def bends(self) -> bool:
        """Whether some unit has a kink."""
        return bool((self.slope != 1).any())

    @cached_property
    def relu(self) -> bool:
        """Whether ReLU follows every unit."""
        return not self.slope.any()

    @cached_property
    def gates(self) -> bool:
        """Whether every unit's value is either kept or 0, so that nothing is rounded."""
        return bool(((self.slope == 0) | (self.slope == 1)).all())


_UNDERSTOOD = (MLP, SoftmaxClassifier, nn.Sequential, nn.Linear, nn.ReLU, nn.Identity, nn.Flatten, nn.Dropout)


def read(network: nn.Module | Stack) -> list[Layer]:
    """The layers of a network, or of all members of a stack; a network is read as a stack of one.

    Understood are `MLP` and `SoftmaxClassifier` with ReLU (a classifier is read up to its logits), and `nn.Sequential`,
    nested or not, of these and of `nn.Linear`, `nn.ReLU`, `nn.Identity`, `nn.Flatten` and, in evaluation mode,
    `nn.Dropout`.

    Args:
        network: In any floating-point type of at most 64 bits, on any device.

    Returns:
        The layers, first to last, as copies on the CPU. The last one never bends; the identity is added where it would.

    Raises:
        TypeError: If the network has a layer that is not understood; the message names it.
        ValueError: If an activation is not relu, a dropout is in training mode, a parameter is infinite or NaN, or the
            network does not begin with an affine layer.
    """
    architecture = network.architecture if isinstance(network, Stack) else network
    names = {module: name for name, module in architecture.named_modules()}
    layers: list[Layer] = []
    for step in _steps(architecture, ""):
        if isinstance(step, nn.Linear):
            layers.append(_affine(network, step, names[step]))
        elif layers:
            layers[-1] = replace(layers[-1], slope=np.zeros(layers[-1].bias.shape))
        else:
            raise ValueError(f"the network must have an affine layer before its first ReLU, got {architecture}")
    if not layers:
        raise ValueError(f"the network must have at least one affine layer, got {architecture}")
    if layers[-1].bends:
        members, out_features = layers[-1].bias.shape
        identity = np.broadcast_to(np.eye(out_features), (members, out_features, out_features))
        layers.append(Layer(identity, np.zeros((members, out_features)), np.ones((members, out_features))))
    return layers


def _steps(module: nn.Module, name: str) -> Iterator[nn.Linear | nn.ReLU]:
    """What a module does to its input: its affine layers and ReLUs, first to last."""
    if not any(type(module).forward is kind.forward for kind in _UNDERSTOOD):  # a subclass may do anything there
        raise TypeError(
            f"pieces are counted of networks made of {', '.join(kind.__name__ for kind in _UNDERSTOOD)}, "
            f"got {_described(module, name)}"
        )
    match module:
        case MLP() | SoftmaxClassifier():
            affine_names, activation = layer_names(module)
            if activation is not Activation.relu:
                raise ValueError(
                    f"activation must be relu to count pieces, got {activation} in {_described(module, name)}"
                )
            for i, affine_name in enumerate(affine_names):
                if i > 0:
                    yield nn.ReLU()
                affine = module.get_submodule(affine_name)
                assert isinstance(affine, nn.Linear)
                yield affine
        case nn.Sequential():
            for child_name, child in module._modules.items():  # named_children() leaves out a module's second use
                assert child is not None
                yield from _steps(child, f"{name}.{child_name}" if name else child_name)
        case nn.Linear() | nn.ReLU():
            yield module
        case nn.Flatten():
            if (module.start_dim, module.end_dim) != (1, -1):
                raise ValueError(f"nn.Flatten must keep the first dimension and no other, got {module}")
        case nn.Dropout():
            if module.training and module.p > 0:
                raise ValueError(
                    f"dropout must be in evaluation mode, but {_described(module, name)} is training: call eval()"
                )


def _described(module: nn.Module, name: str) -> str:
    """A layer for an error message."""
    return f"layer '{name}', a {type(module).__name__}" if name else f"a {type(module).__name__}"


def _affine(network: nn.Module | Stack, layer: nn.Linear, name: str) -> Layer:
    """The affine layer of that name, of all members; without a bias it has zeros."""
    weight, bias = (f"{name}.{parameter}".removeprefix(".") for parameter in ("weight", "bias"))
    if isinstance(network, Stack):
        weights = _numbers(network.parameters[weight], weight)
        biases = None if layer.bias is None else _numbers(network.parameters[bias], bias)
    else:
        weights = _numbers(layer.weight[None], weight)
        biases = None if layer.bias is None else _numbers(layer.bias[None], bias)
    shape = weights.shape[:2]
    return Layer(weights, np.zeros(shape) if biases is None else biases, np.ones(shape))


def _numbers(values: Tensor, name: str) -> Float[np.ndarray, "members *shape"]:
    """A parameter of all members, in float64."""
    if not values.is_floating_point():
        raise TypeError(f"{name} must be of a floating-point type, got {values.dtype}")
    if values.dtype is torch.bfloat16:  # which NumPy does not know
        values = values.float()
    numbers = values.detach().cpu().numpy().astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        raise ValueError(f"{name} must be finite, got {numbers[~finite][0]} in member {np.argwhere(~finite)[0, 0]}")
    return numbers
