"""Tuples, lists, dictionaries and slices, as arguments and results of calls are made of them."""

from collections.abc import Callable, Iterator
from typing import Any

import torch


def leaves(value: Any) -> Iterator[Any]:
    """All that tuples, lists, dictionaries and slices hold."""
    if isinstance(value, tuple | list):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, dict):
        yield from leaves(tuple(value.values()))
    elif isinstance(value, slice):
        yield from leaves((value.start, value.stop, value.step))
    else:
        yield value


def mapped(function: Callable[[Any], Any], value: Any, only: type = object) -> Any:
    """The same tuples, lists, dictionaries and slices with a function of each of their leaves."""
    if isinstance(value, tuple | list):
        return _like(value, [mapped(function, each, only) for each in value])
    if isinstance(value, dict):
        return {key: mapped(function, each, only) for key, each in value.items()}
    if isinstance(value, slice):
        return slice(*(mapped(function, each, only) for each in (value.start, value.stop, value.step)))
    return function(value) if isinstance(value, only) else value


def _like(original: tuple[Any, ...] | list[Any], items: list[Any]) -> Any:
    """A tuple or a list of the same kind, such as the pair that torch.max returns."""
    if isinstance(original, list):
        return items
    if hasattr(original, "_fields"):
        return type(original)(*items)
    return tuple(items) if isinstance(original, torch.Size) else type(original)(items)
