"""A network while it is read: nothing that is done to it then stays."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

_CACHES = (WeightNorm, SpectralNorm, prune.BasePruningMethod)


@contextmanager
def borrowed(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Lends a network out: its own tensors are put away, and copies in their place take what happens to them.

    Weights that the network works out of others, by a parametrization or before each call as `weight_norm`,
    `spectral_norm` and `prune` do, are worked out once, by the network's own code and in its own type. They are plain
    tensors for the time being.

    Yields:
        The values of all parameters, buffers and such weights in float64 on the CPU, by name.
    """
    modules = [*network.named_modules()]
    saved = [(module, type(module), *_state(module)) for _, module in modules]
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    python, numpy = random.getstate(), np.random.get_state(legacy=False)
    with torch.random.fork_rng(devices), torch.no_grad():
        try:
            _put_copies([module for _, module in modules])
            derived = [name for name, module in modules for name in _settle(name, module)]
            yield _values(network, derived)
        finally:
            for module, kind, attributes, contents in saved:
                _give_back(module, kind, attributes, contents)
            random.setstate(python)
            if not _same_state(numpy, np.random.get_state(legacy=False)):  # setting it takes longer than all the rest
                np.random.set_state(numpy)


def _state(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """A module's attributes, and the contents of those of them that can change."""
    attributes = dict(vars(module))
    contents = {name: value.copy() for name, value in attributes.items() if isinstance(value, dict | list | set)}
    return attributes, contents


def _give_back(module: nn.Module, kind: type[nn.Module], attributes: dict[str, Any], contents: dict[str, Any]) -> None:
    """Makes a module what it was."""
    module.__class__ = kind
    vars(module).clear()
    vars(module).update(attributes)
    for name, content in contents.items():
        value = attributes[name]
        value.clear()
        if isinstance(value, list):
            value.extend(content)
        else:
            value.update(content)


def _put_copies(modules: list[nn.Module]) -> None:
    """Copies in place of all tensors; what modules share, they share in the copies, too."""
    copies: dict[int, Tensor] = {}
    for module in modules:
        for owned in (module._parameters, module._buffers):
            for name, value in owned.items():
                if value is not None:
                    copies.setdefault(id(value), _copy(value))
                    owned[name] = copies[id(value)]  # type: ignore[assignment]  # of a parameter it is one
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                vars(module)[name] = value.detach().clone()
        _run_uncompiled(module)


def _same_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether NumPy's generator has drawn nothing."""
    state, now = one["state"], other["state"]
    return bool(state["pos"] == now["pos"] and (state["key"] == now["key"]).all() and one["gauss"] == other["gauss"])


def _run_uncompiled(module: nn.Module) -> None:
    """Makes a module that torch.compile has been asked for run what it would compile."""
    if vars(module).get("_compiled_call_impl") is not None:
        vars(module)["_compiled_call_impl"] = None
    if type(module).__name__ == "OptimizedModule":
        vars(module)["forward"] = module.get_submodule("_orig_mod").__call__


def _copy(value: Tensor) -> Tensor:
    """A copy of a parameter or a buffer."""
    copy = value.detach().clone()
    return nn.Parameter(copy, value.requires_grad) if isinstance(value, nn.Parameter) else copy


def _settle(name: str, module: nn.Module) -> list[str]:
    """Makes plain tensors of the weights that a module works out, and tells their names."""
    derived: list[str] = []
    if parametrize.is_parametrized(module):
        parametrized = {each: getattr(module, each) for each in module.parametrizations}  # type: ignore[union-attr]
        module.__class__ = parametrize.type_before_parametrizations(module)
        vars(module).update(parametrized)
        derived += parametrized
    for key, hook in [*module._forward_pre_hooks.items()]:
        if isinstance(hook, _CACHES):
            hook(module, ())
            derived.append(hook._tensor_name if isinstance(hook, prune.BasePruningMethod) else hook.name)
            del module._forward_pre_hooks[key]
    prefix = f"{name}." if name else ""
    return [prefix + each for each in derived]


def _values(network: nn.Module, derived: list[str]) -> dict[str, Tensor]:
    """All values in float64 on the CPU; what is shared comes once."""
    values = dict([*network.named_parameters(), *network.named_buffers()])
    for name in derived:
        module, _, own = name.rpartition(".")
        values[name] = getattr(network.get_submodule(module), own)
    return {name: _in_float64(value.detach()) for name, value in values.items()}


def _in_float64(value: Tensor) -> Tensor:
    value = value.to("cpu", copy=True)
    return value.double() if value.is_floating_point() else value
