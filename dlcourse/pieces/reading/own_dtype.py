"""The type of a network's numbers, and calls that change types."""

from typing import Any

import torch
from torch import nn

_DTYPES = {
    "double": torch.float64,
    "float": torch.float32,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "int": torch.int32,
    "long": torch.int64,
    "bool": torch.bool,
}
CONVERSIONS = {*_DTYPES, "cpu", "cuda", "to", "type", "type_as"}


def bits(network: nn.Module) -> int:
    """The bits of the widest floating-point number in a network; those of torch's default type if it has none."""
    values = [*network.parameters(), *network.buffers()]
    dtypes = [value.dtype for value in values if value.is_floating_point()] or [torch.get_default_dtype()]
    return max(torch.finfo(dtype).bits for dtype in dtypes)


def check_conversion(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], own_bits: int) -> None:
    """Refuses a conversion to a type that does not hold all numbers of a network.

    Raises:
        ValueError: If it has fewer bits.
        TypeError: If it is no floating-point type.
    """
    given = [_DTYPES[name]] if name in _DTYPES else [*args[1:], *kwargs.values()]
    for value in given:
        named = getattr(torch, value.rpartition(".")[2], None) if name == "type" and isinstance(value, str) else value
        dtype = getattr(named, "dtype", named)  # of "torch.HalfTensor", too
        if name == "type" and not isinstance(dtype, torch.dtype | bool):
            raise TypeError(f"a conversion to {value!r} is not understood")
        if isinstance(dtype, torch.dtype):
            if not dtype.is_floating_point:
                raise TypeError(f"a conversion to {dtype} is not piecewise linear")
            if torch.finfo(dtype).bits < own_bits:
                raise ValueError(f"a conversion to {dtype} rounds the network's numbers of {own_bits} bits")


def copies(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether `Tensor.to` is told to copy, as its second truth value."""
    flags = [value for value in args[1:] if isinstance(value, bool)]
    return bool(kwargs.get("copy", flags[1] if len(flags) > 1 else False))
