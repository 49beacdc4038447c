"""The calls of a network once more, with tensors whose entries are affine in the outputs of units."""

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.reading import affine
from dlcourse.pieces.reading.calls import CALLS, CREATES, JOINS, MOVES
from dlcourse.pieces.reading.cases import Condition
from dlcourse.pieces.reading.nested import leaves, mapped
from dlcourse.pieces.reading.recording import Call, Slot, Tape
from dlcourse.pieces.reading.tensors import Constants, Traced, as_constant, moved


def replay(tapes: Sequence[Tape], shape: tuple[int, ...]) -> list[UnitLayer]:
    """The layers of networks of one architecture.

    Args:
        tapes: What each of them calls.
        shape: The shape of one input.

    Returns:
        The layers, first to last, of which the last one does not bend. Inputs and outputs of more than one dimension
        are flattened.

    Raises:
        TypeError: If a call is not understood.
        ValueError: If a call is understood but cannot be counted, such as dropout in training mode, or if the networks
            make different calls.
    """
    inputs = Traced(affine.inputs(int(np.prod(shape))), (2, *shape))
    values: dict[Slot, Any] = {Slot(0): inputs}
    failed = [tape.output for tape in tapes if not isinstance(tape.output, Slot)]
    if not failed and len({len(tape.calls) for tape in tapes}) > 1:
        raise ValueError("the members of a stack must make the same calls")
    for calls in zip(*(tape.calls for tape in tapes), strict=not failed):
        first: Call = calls[0]
        try:
            if any(call.name != first.name for call in calls):
                raise ValueError("the members of a stack must make the same calls")
            args, kwargs = _together([(call.args, call.kwargs) for call in calls], values)
            result = _called(first, args, kwargs, len(tapes))
        except (TypeError, AttributeError, ValueError, RuntimeError, IndexError) as error:
            last = first.outputs[0] == tapes[0].output
            raise _refusal(first, error, last=last) from error
        values.update(zip(first.outputs, [result] if first.name == "setitem" else leaves(result), strict=True))
    for failure in failed:
        raise failure
    output = values[tapes[0].output]  # type: ignore[index]
    if not isinstance(output, Traced) or output.batch != 0:
        raise TypeError("forward must return one tensor that depends on its input, a row for each input")
    return affine.layers(inputs.entries, output.entries, len(tapes))


def _called(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], num_members: int) -> Any:
    """The result of a call."""
    given = [*leaves((args, kwargs))]
    name = call.name if call.name in MOVES else call.name.rstrip("_")
    if name in CREATES:
        like = torch.zeros(args[0].shape if isinstance(args[0], Traced) else 0, dtype=torch.float64)
        if isinstance(args[0], Constants):
            like = args[0].members[0]
        return Constants([call.function(like, *args[1:], **kwargs).double()] * num_members)
    if not any(isinstance(leaf, Traced | Condition) for leaf in given):
        results = [
            call.function(*_of_member(member, args), **_of_member(member, kwargs)) for member in range(num_members)
        ]
        return _zipped(results)
    if name in JOINS:  # what else is whole numbers there is indices
        args, kwargs = mapped(as_constant, (args, kwargs), only=Constants)
    if name in MOVES:
        return moved(call.function, args, kwargs)
    function = CALLS.get(name)
    if function is None:
        raise TypeError(_NOT_UNDERSTOOD)
    _signature(function).bind(*args, **kwargs)
    return function(*args, **kwargs)


_signature = cache(inspect.signature)  # of the functions in CALLS, which are few


def _together(members: Sequence[Any], values: dict[Slot, Any]) -> Any:
    """The same argument of all members: what slots stand for, and constants of each of them."""
    first = members[0]
    if isinstance(first, Slot):
        return values[first]
    if isinstance(first, Tensor):
        return Constants([_number(member) for member in members])
    if isinstance(first, tuple | list):
        return _like_first(first, [_together(each, values) for each in zip(*members, strict=True)])
    if isinstance(first, dict):
        return {key: _together([member[key] for member in members], values) for key in first}
    if isinstance(first, slice):
        parts = [(member.start, member.stop, member.step) for member in members]
        return slice(*(_together(each, values) for each in zip(*parts, strict=True)))
    if any(member is not first and member != first for member in members):  # NaN equals nothing
        if all(isinstance(member, float) for member in members):
            return Constants([torch.tensor(member, dtype=torch.float64) for member in members])
        raise ValueError("the members of a stack must make the same calls")
    return first


def _like_first(first: tuple[Any, ...] | list[Any], items: list[Any]) -> Any:
    return items if isinstance(first, list) else tuple(items)


def _number(value: Tensor) -> Tensor:
    """A constant on the CPU, in float64 if it is a floating-point number."""
    value = value.cpu()
    return value.double() if value.is_floating_point() else value


def _of_member(member: int, values: Any) -> Any:
    return mapped(lambda value: value.members[member] if isinstance(value, Constants) else value, values)


def _zipped(results: list[Any]) -> Any:
    """What all members' calls return, tensor by tensor."""
    first = results[0]
    if isinstance(first, Tensor):
        return Constants(results)
    if isinstance(first, tuple | list):
        return [_zipped([*each]) for each in zip(*results, strict=True)]
    return first


_NOT_UNDERSTOOD = "is not understood"
_ALLOWED = (
    "pieces are counted of affine and convolutional layers, batch normalization, ReLU and its kin, pools, padding, "
    "sums, multiples, maxima, clamps, cases that agree where they meet, concatenations and changes of shape"
)
_LAST = {"sigmoid", "softmax", "log_softmax", "softmin", "logsigmoid", "tanh"}


def _refusal(call: Call, error: Exception, *, last: bool) -> Exception:
    """An error that says first what is wrong, and where."""
    if str(error) == _NOT_UNDERSTOOD:
        advice = ""
        if last and call.name in _LAST:
            advice = "leave it out, for instance as net[:-1], for it bends no piece of what comes before; "
        return TypeError(f"{call.where} is not understood: {advice}{_ALLOWED}")
    if isinstance(error, TypeError | AttributeError):
        return TypeError(f"{error}, got {call.where}")
    return ValueError(f"{call.where}: {error}")
