"""Networks of our own and of torch's plain layers, read off directly; and what plain means."""

from collections.abc import Iterator, Sequence
from enum import Enum

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn.modules import module as all_modules

from dlcourse.layerwise import layer_names
from dlcourse.networks import MLP, Activation, HiddenLayers, SoftmaxClassifier, Stack
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.reading.calls import LAYERS
from dlcourse.pieces.reading.refusals import FLOATS, check_values

_PLAIN = {MLP, SoftmaxClassifier, HiddenLayers, nn.Sequential, nn.ModuleList, *LAYERS}


def runs_as_written(network: nn.Module) -> bool:
    """Whether a network's layers run their own forward and nothing else, on parameters and buffers that are stored.

    Not so with hooks (only those that see gradients do no harm), a forward or a weight of the instance's own, a
    parametrization, or torch.compile.
    """
    if all_modules._global_forward_hooks or all_modules._global_forward_pre_hooks:
        return False
    return not any(
        module._forward_hooks
        or module._forward_pre_hooks
        or "parametrizations" in module._modules
        or not vars(module).keys().isdisjoint(_IN_PLACE_OF_THE_CLASS)
        or type(module).__call__ is not nn.Module.__call__
        for module in network.modules()
    )


_IN_PLACE_OF_THE_CLASS = {"forward", "weight", "bias", "_compiled_call_impl"}


def is_plain(network: nn.Module) -> bool:
    """Whether all its layers are exactly ours and torch's, so that what is read of them was compared by the tests."""
    return all(type(module) in _PLAIN for module in network.modules())


def read_plain(network: nn.Module | Stack, input_shape: Sequence[int] | None) -> list[UnitLayer] | None:
    """The layers of an `MLP`, a `SoftmaxClassifier` on hidden layers, or an `nn.Sequential` of affine layers and ReLU.

    Args:
        network: The network, which runs as written, or a stack of such.
        input_shape: The shape of one input; None for a vector.

    Returns:
        The layers, or None if it is another network.

    Raises:
        ValueError: If an activation is not piecewise linear, or a parameter is infinite or NaN.
    """
    architecture = network.architecture if isinstance(network, Stack) else network
    is_vector = input_shape is None or len(input_shape) == 1
    steps = list(_steps(architecture, "", is_vector))
    if not steps or not isinstance(steps[0], nn.Linear) or None in steps:
        return None
    if not is_vector:
        raise ValueError(f"a point must be a vector of {steps[0].in_features} numbers, got shape {input_shape}")
    layers: list[UnitLayer] = []
    num_summands = 1  # parts of the last layer's units whose sum is what comes next
    for step in steps:
        if isinstance(step, nn.Linear):
            affine = _affine(network, step)
            layers.append(affine)
            if num_summands > 1:
                layers[-1] = UnitLayer(np.tile(affine.weight, num_summands), affine.bias, affine.slope)
            num_summands = 1
        elif step is _ADDS_ITS_INPUT:
            layers[-1], num_summands = _beside_its_input(layers[-1]), 2
        else:
            assert isinstance(step, float)  # the slope left of 0 of what follows the layer
            layers[-1] = UnitLayer(layers[-1].weight, layers[-1].bias, np.full(layers[-1].bias.shape, step))
    assert num_summands == 1  # no network ends with hidden layers
    if layers[-1].bends:
        members, out_features = layers[-1].bias.shape
        identity = np.broadcast_to(np.eye(out_features), (members, out_features, out_features))
        layers.append(UnitLayer(identity, np.zeros((members, out_features)), np.ones((members, out_features))))
    return layers


class _Step(Enum):
    """What is neither an affine layer nor a slope."""

    adds_its_input = "adds_its_input"


_ADDS_ITS_INPUT = _Step.adds_its_input


def _steps(module: nn.Module, name: str, is_vector: bool) -> Iterator[nn.Linear | float | _Step | None]:
    """What a module does to its input, first to last: affine layers, slopes left of 0, and None for anything else.

    After a slope can come that the affine layer's input is added.
    """
    if type(module).forward not in _UNDERSTOOD:  # a subclass may do anything there
        yield None
        return
    match module:
        case MLP() | SoftmaxClassifier(body=HiddenLayers()):
            affine_names, activation, skips = layer_names(module)
            if activation.slope is None:
                layer = f"layer '{name}', a {type(module).__name__}" if name else f"a {type(module).__name__}"
                allowed = " or ".join(each for each in Activation if each.slope is not None)
                raise ValueError(f"activation must be {allowed} to count pieces, got {activation} in {layer}")
            for affine_name, skip in zip(affine_names, skips, strict=True):
                affine = module.get_submodule(affine_name)
                assert isinstance(affine, nn.Linear)
                yield affine
                if affine_name != affine_names[-1]:
                    yield activation.slope
                if skip:
                    yield _ADDS_ITS_INPUT
        case nn.Sequential():
            for child_name, child in module._modules.items():  # named_children() leaves out a module's second use
                assert child is not None
                yield from _steps(child, f"{name}.{child_name}" if name else child_name, is_vector)
        case nn.Linear():
            yield module
        case nn.ReLU():
            yield 0.0
        case nn.Identity():
            pass
        case nn.Dropout() if not module.training:
            pass
        case nn.Flatten(start_dim=1, end_dim=-1) if is_vector:
            pass
        case _:
            yield None


_UNDERSTOOD = [
    kind.forward
    for kind in (MLP, SoftmaxClassifier, nn.Sequential, nn.Linear, nn.ReLU, nn.Identity, nn.Flatten, nn.Dropout)
]


def _affine(network: nn.Module | Stack, layer: nn.Linear) -> UnitLayer:
    """An affine layer, of all members; without a bias it has zeros."""
    weights = _numbers(network, layer, "weight")
    biases = np.zeros(weights.shape[:2]) if layer.bias is None else _numbers(network, layer, "bias")
    return UnitLayer(weights, biases, np.ones(biases.shape))


def _beside_its_input(layer: UnitLayer) -> UnitLayer:
    """The layer with as many units more, of slope 1, that hold its input; halves of that are added up."""
    members, num_units, num_inputs = layer.weight.shape
    held = np.tile(np.eye(num_units), num_inputs // num_units)
    return UnitLayer(
        np.concatenate([layer.weight, np.broadcast_to(held, (members, *held.shape))], axis=1),
        np.concatenate([layer.bias, np.zeros((members, num_units))], axis=1),
        np.concatenate([layer.slope, np.ones((members, num_units))], axis=1),
    )


def _numbers(network: nn.Module | Stack, layer: nn.Linear, parameter: str) -> Float[np.ndarray, "members *shape"]:
    """A parameter of a layer, of all members, in float64."""
    if isinstance(network, Stack):
        values = network.parameters[_name(network, layer, parameter)]
    else:
        values = getattr(layer, parameter)
    if values.dtype not in FLOATS or values.is_meta:
        name = _name(network, layer, parameter)
        check_values(name, values)
        raise TypeError(f"{name} must be of a floating-point type, got {values.dtype}")
    if values.dtype is torch.bfloat16:  # which NumPy does not know
        values = values.float()
    numbers = values.numpy(force=True).astype(np.float64)
    if not isinstance(network, Stack):
        numbers = numbers[None]
    finite = np.isfinite(numbers)
    if not finite.all():
        name = _name(network, layer, parameter)
        raise ValueError(f"{name} must be finite, got {numbers[~finite][0]} in member {np.argwhere(~finite)[0, 0]}")
    return numbers


def _name(network: nn.Module | Stack, layer: nn.Linear, parameter: str) -> str:
    """What the network calls a parameter of one of its layers."""
    architecture = network.architecture if isinstance(network, Stack) else network
    name = next(name for name, module in architecture.named_modules() if module is layer)
    return f"{name}.{parameter}".removeprefix(".")
