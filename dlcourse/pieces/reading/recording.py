"""What a network does to its input, written down: it is run as it is, on a tensor that records what becomes of it.

Everything that torch would run is run: hooks, also global ones and those of the network itself, replaced forwards,
loops, tests of shapes. The recorded tensor knows its shape but no values, so a forward whose course depends on values
cannot go unnoticed.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dlcourse.pieces.reading.layers import Layers
from dlcourse.pieces.reading.nested import leaves, mapped
from dlcourse.pieces.reading.own_dtype import CONVERSIONS, bits, check_conversion, copies
from dlcourse.pieces.reading.shapes import check_shapes


@dataclass(frozen=True)
class Slot:
    """A tensor that depends on the network's input: the number of it."""

    number: int


@dataclass(frozen=True, eq=False)
class Call:
    """A call of torch.

    Attributes:
        name: What torch calls the function, method or operator, without underscores around it.
        function: What was called.
        args: Its arguments; slots stand for tensors that depend on the input, other tensors are constants.
        kwargs: Those given by name.
        outputs: The tensors that it returned, or wrote to.
        shapes: Their shapes, for a batch of two inputs.
        where: The call and the layer that makes it, for error messages.
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Slot]
    shapes: list[tuple[int, ...]]
    where: str


@dataclass(frozen=True, eq=False)
class Tape:
    """All calls that a network makes, first to last; slot 0 is its input.

    Attributes:
        calls: The calls.
        output: What it returns; or the error that it ended with, which an earlier call may explain better.
    """

    calls: list[Call]
    output: Slot | TypeError | ValueError


def record(network: nn.Module, values: dict[str, Tensor], shape: tuple[int, ...], member: int = 0) -> Tape:
    """The calls that a network makes of torch.

    Args:
        network: The network, with nothing in it that must not change.
        values: What its parameters and buffers are, by name.
        shape: The shape of one input.
        member: Which one of a stack it is.

    Returns:
        The calls up to its output; or up to an error: a TypeError if it does not return one tensor that depends on the
        input, a ValueError if a layer refuses the input.

    Raises:
        TypeError: If its course depends on the input's values.
    """
    recorder = _Recorder(network, {name: value.clone() for name, value in values.items()}, member)
    try:
        return Tape(recorder.calls, recorder.output(shape))
    except _AskedForValuesError:
        raise
    except (TypeError, ValueError) as error:
        return Tape(recorder.calls, error)


def num_inputs(network: nn.Module, values: dict[str, Tensor]) -> int:
    """How many numbers the affine layer takes that a network begins with.

    Raises:
        ValueError: If it begins with none.
    """
    recorder = _Recorder(network, {name: value.clone() for name, value in values.items()}, scouts=True)
    try:
        recorder.run((_ANY_SIZE,))
    except (TypeError, ValueError) as error:
        if recorder.found is not None:
            return recorder.found
        if isinstance(error, TypeError):
            raise
    raise ValueError(
        "input_shape must be given for a network that does not begin with an affine layer, for instance (1, 28, 28)"
    )


_CPU = torch.device("cpu")
_ABOUT_SHAPES = {
    *("shape", "size", "dim", "ndim", "ndimension", "numel", "nelement", "len", "stride", "is_contiguous"),
    *("is_same_size", "dtype", "element_size", "is_floating_point", "is_complex", "requires_grad", "is_leaf", "grad"),
    *("grad_fn", "layout", "is_cuda", "is_cpu", "is_mps", "is_sparse", "is_quantized", "is_meta", "get_device"),
    *("names", "_version", "retains_grad"),
}  # what a forward may ask a tensor
_ANY_SIZE = 55440  # of an input whose size is not known yet: most slices and splits of it can be made


class _Recorded(Tensor):
    """A tensor that depends on the network's input; it has a shape but no values."""

    recorder: "_Recorder"
    slot: Slot
    stand_in: Tensor  # zeros of its shape, of which nobody is told the values
    since: int  # the number of calls before it was made

    @staticmethod
    def __new__(cls: type["_Recorded"], recorder: "_Recorder", slot: Slot, stand_in: Tensor) -> "_Recorded":
        made: _Recorded = torch.Tensor._make_wrapper_subclass(cls, stand_in.shape, dtype=stand_in.dtype, device=_CPU)
        made.recorder, made.slot, made.stand_in, made.since = recorder, slot, stand_in, len(recorder.calls)
        return made

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        recorder = next(leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, _Recorded)).recorder
        return recorder.call(func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's stub has no cls
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise TypeError(f"{func} cannot be followed")


class _AskedForValuesError(TypeError):
    """The course of a forward depends on the input's values."""


class _Recorder:
    """Runs a network once."""

    def __init__(self, network: nn.Module, values: dict[str, Tensor], member: int = 0, *, scouts: bool = False) -> None:
        self.network = network
        self.values = values
        self.value_names = {id(value): name for name, value in values.items()}
        self.member = member
        self.own_bits = bits(network)
        self.layers = Layers(network)
        self.calls: list[Call] = []
        self.num_slots = 0
        self.written: dict[int, int] = {}  # memory -> the number of calls before it was last written to
        self.refused: Exception | None = None
        self.scouts = scouts
        self.found: int | None = None

    def output(self, shape: tuple[int, ...]) -> Slot:
        """The network's output, which must be one tensor."""
        versions = {name: self.values[name]._version for name, _ in self.network.named_parameters()}
        output = self.run(shape)
        network = self.layers.described(self.network)
        for name, version in versions.items():
            if self.values[name]._version != version:
                raise ValueError(f"forward must not change a parameter, but that of {network} changes {name}")
        if isinstance(output, tuple | dict | list):
            raise TypeError(
                f"forward must return one tensor, got a {type(output).__name__} of {len(output)} of {network}; put a "
                "module around it that picks one"
            )
        if not isinstance(output, _Recorded) or not output.stand_in.is_floating_point():
            raise TypeError(f"forward must return one tensor of numbers that depends on its input; {network} does not")
        self.check_unchanged(output)
        return output.slot

    def run(self, shape: tuple[int, ...]) -> Any:
        """What the network returns for an input of this shape."""
        self._check_one_input()
        inputs = self._recorded(torch.zeros((2, *shape), dtype=torch.float64))
        try:
            with torch.no_grad():
                return functional_call(self.network, self.values, (inputs,))
        except Exception as error:
            if self.refused is not None:
                raise self.refused from self.refused.__cause__
            where = self.layers.of_error(error.__traceback__)
            if isinstance(error, TypeError | AttributeError):
                raise TypeError(f"pieces cannot be counted: {error}, got {where}") from error
            raise ValueError(f"{where}: {str(error) or type(error).__name__}") from error

    def _check_one_input(self) -> None:
        try:
            signature = inspect.signature(self.network.forward)
        except (TypeError, ValueError):  # a forward that is not written in Python
            return
        try:
            signature.bind(None)
        except TypeError as error:
            raise TypeError(
                f"forward must take one input and no other, got {signature} in {self.layers.described(self.network)}"
            ) from error

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a call of torch returns, which is written down if it is a tensor."""
        name = call_name(function)
        if name == "iter":
            return iter(args[0].unbind(0))
        if name == "device":
            return _CPU
        try:
            if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
                raise ValueError("torch.autocast rounds the network's numbers")
            if name in CONVERSIONS and isinstance(args[0], _Recorded):
                if args[0].stand_in.is_floating_point():
                    check_conversion(name, args, kwargs, self.own_bits)
                    return self._converted(args, kwargs)
                name, function, args, kwargs = "double", Tensor.double, args[:1], {}
            if self.scouts:
                self._look_for_size(name, args)
            return self._called(name, function, args, kwargs)
        except (TypeError, AttributeError, ValueError, RuntimeError, IndexError, NotImplementedError) as error:
            if self.refused is None:
                self.refused = self._refusal(name, error)
            raise self.refused from error

    def _converted(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same numbers, since nothing is rounded before the network is counted.

        Whether torch copies them depends on their type in the network, which is not followed. So where one is changed
        in place and the other one is needed later, that is refused, as of a tensor and its views.
        """
        if copies(args, kwargs):
            return self._called("clone", Tensor.clone, args[:1], {})
        self.check_unchanged(args[0])
        same = _Recorded(self, args[0].slot, args[0].stand_in)
        same.since = args[0].since
        return same

    def _refusal(self, name: str, error: Exception) -> Exception:
        """The error for a call that went wrong."""
        if isinstance(error, _AskedForValuesError):
            module = self.layers.running(sys._getframe())[0]
            return _AskedForValuesError(
                "pieces are counted of networks that make the same calls for all inputs; the forward of "
                f"{self.layers.described(module)} asks a tensor for its values ({name}), as control flow does"
            )
        where = self.layers.of_call(name, sys._getframe())
        if isinstance(error, TypeError | AttributeError):
            return TypeError(f"{error}, got {where}")
        return ValueError(f"{where}: {error}")

    def _called(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls torch with the shapes."""
        recorded = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, _Recorded)]
        for each in recorded:
            self.check_unchanged(each)
        writes = name == "setitem" or (name.endswith("_") and not name.endswith("__")) or kwargs.get("out") is not None
        if writes and (not isinstance(args[0], _Recorded) or kwargs.get("out") is not None):
            raise ValueError("a call writes to a tensor that does not depend on the input: make it with x.new_zeros")
        check_shapes(name, args)
        if name.startswith("__"):
            raise _AskedForValuesError(name)
        indexes = name in ("getitem", "setitem")

        def shape_of(value: Any) -> Any:
            if isinstance(value, _Recorded):
                return value.stand_in
            if not isinstance(value, Tensor) or (indexes and not value.is_floating_point()):
                return value
            return value.detach().to(_CPU, torch.float64 if value.is_floating_point() else value.dtype)

        versions = [each.stand_in._version for each in recorded]
        result = function(*mapped(shape_of, args), **mapped(shape_of, kwargs))
        if any(each.stand_in._version != version for each, version in zip(recorded, versions, strict=True)):
            return self._write(name, function, args, kwargs)
        if not any(isinstance(leaf, Tensor) for leaf in leaves(result)):
            if name not in _ABOUT_SHAPES:
                raise _AskedForValuesError(name)
            return result
        if isinstance(result, Tensor):
            for each in recorded:
                if result is each.stand_in:  # as contiguous() returns what is contiguous
                    return each
        frozen_args, frozen_kwargs = self._frozen((args, kwargs))
        outputs: list[_Recorded] = []

        def recorded_output(stand_in: Tensor) -> _Recorded:
            outputs.append(self._recorded(stand_in))
            return outputs[-1]

        returned = mapped(recorded_output, result, only=Tensor)
        self._write_down(name, function, frozen_args, frozen_kwargs, outputs)
        return returned

    def _write(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Writes down a call that changes its first argument: from here on that stands for what it has become."""
        target = args[0]
        frozen_args, frozen_kwargs = self._frozen((args, kwargs))
        target.slot = Slot(self.num_slots)
        self.num_slots += 1
        self._write_down(name, function, frozen_args, frozen_kwargs, [target])
        self.written[_memory(target)] = target.since = len(self.calls)
        return None if name == "setitem" else target

    def _write_down(
        self, name: str, function: Callable[..., Any], args: Any, kwargs: Any, outputs: list[_Recorded]
    ) -> None:
        shapes = [tuple(output.stand_in.shape) for output in outputs]
        where = self.layers.of_call(name, sys._getframe())
        self.calls.append(Call(name, function, args, kwargs, [output.slot for output in outputs], shapes, where))
        for output in outputs:
            output.since = len(self.calls)

    def _frozen(self, values: Any) -> Any:
        """Arguments as they are now."""

        def frozen(value: Any) -> Any:
            if isinstance(value, _Recorded):
                return value.slot
            if not isinstance(value, Tensor):
                return value
            if value.is_floating_point() and not torch.isfinite(value).all():
                name, found = self.value_names.get(id(value), "a constant"), value[~torch.isfinite(value)][0]
                raise ValueError(f"{name} must be finite, got {found} in member {self.member}")
            return value.detach().clone()

        return mapped(frozen, values)

    def _recorded(self, stand_in: Tensor) -> _Recorded:
        """The next tensor that depends on the input."""
        self.num_slots += 1
        return _Recorded(self, Slot(self.num_slots - 1), stand_in)

    def check_unchanged(self, tensor: _Recorded) -> None:
        """Refuses a tensor whose memory another one has been used to write to."""
        if self.written.get(_memory(tensor), -1) > tensor.since:
            raise ValueError("a call that works in place has changed a tensor that is needed later")

    def _look_for_size(self, name: str, args: tuple[Any, ...]) -> None:
        """Stops at the first affine layer."""
        if name == "linear":
            self.found = int(args[1].shape[1])
        if name == "linear" or "conv" in name or "norm" in name:
            raise ValueError(name)


def call_name(function: Callable[..., Any]) -> str:
    """What torch calls a function, method, operator or attribute."""
    name = str(getattr(function, "__name__", function))
    if name == "__get__":
        name = str(function.__self__.__name__)  # type: ignore[attr-defined]
    if name in ("__bool__", "__float__", "__int__", "__index__"):  # not Tensor.bool() and its like
        return name
    return name[2:-2] if name.startswith("__") and name.endswith("__") else name.lstrip("_")


def _memory(tensor: _Recorded) -> int:
    """The number of the memory that a tensor and its views lie in."""
    return int(tensor.stand_in.untyped_storage()._cdata)
