"""What is given in place of a network, and networks without numbers that can be counted: one clear line for each."""

import os
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dlcourse.networks import Stack

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_network(network: object) -> None:
    """Refuses what is no network, or one whose stored numbers do not say what it computes.

    Raises:
        TypeError: The message says what to pass in its place.
    """
    if isinstance(network, Stack):
        for name, values in {**network.parameters, **network.buffers}.items():
            check_values(name, values)
        return
    if not isinstance(network, nn.Module):
        raise TypeError(f"{_instead(network)}; pieces are counted of an nn.Module or a Stack, got {_kind(network)}")
    for name, module in network.named_modules():
        _check_layer(name, module)
        for own, value in [*module._parameters.items(), *module._buffers.items()]:
            if value is not None:
                check_values(f"{name}.{own}".removeprefix("."), value)


def _kind(value: object) -> str:
    """What something is, in a few words."""
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def _instead(network: object) -> str:
    """What to pass in place of something else."""
    if isinstance(network, type):
        return f"make a network of the class: {network.__name__}(...)"
    if isinstance(network, Mapping):
        return "load the state_dict into a network, network.load_state_dict(...), and pass the network"
    if isinstance(network, str | os.PathLike):
        return "load the network from its file and pass the network"
    if type(network).__name__ == "ExportedProgram":
        return "pass the network that was exported"
    if callable(network):
        return "put the function into the forward of an nn.Module"
    return "pass a network"


def _check_layer(name: str, module: nn.Module) -> None:
    layer = f"layer '{name}', a {type(module).__name__}" if name else f"a {type(module).__name__}"
    if isinstance(module, torch.jit.ScriptModule):
        raise TypeError(f"pass the nn.Module that was scripted or traced: torch does not run {layer} call by call")
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise TypeError(f"pass .module: {layer} spreads its input over devices")
    if isinstance(module, torch.optim.swa_utils.AveragedModel):
        raise TypeError(f"pass .module: {layer} holds the averaged network there")
    if type(module).__module__.startswith(("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")):
        raise TypeError(f"pass the network before it was quantized: {layer} of {type(module).__module__} rounds values")


def check_values(name: str, value: Tensor) -> None:
    """Refuses a parameter or buffer without numbers, or of a type that float64 does not hold.

    Raises:
        TypeError: The message says what to do.
    """
    if is_lazy(value):
        raise TypeError(f"run the network once: {name} has no shape before that, it is an {type(value).__name__}")
    if value.is_meta:
        raise TypeError(f"load the network's values: {name} is on the meta device and has none")
    if value.is_quantized:
        raise TypeError(f"pass the network before it was quantized: {name} must be of a type in {_names()}")
    if (value.is_floating_point() or value.is_complex()) and value.dtype not in FLOATS:
        raise TypeError(
            f"convert the network, for instance with .float(): {name} must be of a type in {_names()}, "
            f"got {value.dtype}"
        )


def _names() -> str:
    return ", ".join(str(dtype) for dtype in FLOATS)
