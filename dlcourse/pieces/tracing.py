"""Any network as layers, read with torch.fx.

torch.fx writes down what a network's forward does: one call of torch after another. The calls are repeated here with
tensors whose entries are affine in the outputs of units (see `dlcourse.pieces.affine`). Three ideas cover them all:

- What bends makes units: |z| is one of slope -1, max(a, b) = b + relu(a - b), and clamp(z, low, high) = low
  + relu(z - low) - relu(z - high). The maximum of k entries, as of a pool, is a tournament of k - 1 comparisons.
- What is linear is called with the unit vectors, which gives its matrix: products with 1 and 0 are exact.
- What only moves entries is called with their numbers.
"""

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, fx, nn
from torch.nn import functional as F

from dlcourse.pieces import affine
from dlcourse.pieces.affine import Affine, Vector
from dlcourse.pieces.layer import UnitLayer

LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d),
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ReLU6, nn.Hardtanh, nn.Hardsigmoid),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
    *(nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.ZeroPad1d, nn.ZeroPad2d),
)


def trace(members: Sequence[nn.Module], input_shape: Sequence[int] | None) -> list[UnitLayer]:
    """The layers of networks of one architecture.

    Args:
        members: The networks, in evaluation mode.
        input_shape: The shape of one input; by default a vector of as many entries as the first affine layer takes.

    Returns:
        The layers, first to last, of which the last one does not bend. Inputs and outputs of more than one dimension
        are flattened.

    Raises:
        TypeError: If forward makes a call that is not understood, or its course depends on the input's values.
        ValueError: If a call is understood but cannot be counted, such as dropout in training mode or a product of two
            activations; if a parameter is infinite or NaN; or if the input has the wrong shape.
    """
    if _Tracer().is_leaf_module(members[0], ""):
        members = [nn.Sequential(member) for member in members]
    graph, constants = _graph(members[0])
    with torch.no_grad():
        shape = _vector_shape(graph, members[0]) if input_shape is None else tuple(input_shape)
        inputs = _Traced(affine.inputs(int(np.prod(shape))), (2, *shape))
        output = _Course(graph, members, constants).run(inputs)
    return affine.layers(inputs.entries, output.entries, len(members))


class _Tracer(fx.Tracer):
    """Looks into the layers that are understood, down to single calls of torch."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) or (
            type(m).__module__.startswith("torch.nn") and type(m) not in (*LAYERS, nn.Sequential, nn.ModuleList)
        )


def _graph(network: nn.Module) -> tuple[fx.Graph, dict[str, Tensor]]:
    """The calls that a network makes, and the constants that are written in its forward."""
    before = set(vars(network))
    try:
        graph = _Tracer().trace(network)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise TypeError(
            "pieces are counted of networks that make the same calls for all inputs; torch.fx cannot follow the "
            f"forward of a {type(network).__name__}: {error}"
        ) from error
    finally:
        constants = {name: vars(network).pop(name) for name in set(vars(network)) - before}
    return graph, constants


def _vector_shape(graph: fx.Graph, network: nn.Module) -> tuple[int]:
    """The shape of the inputs of a network that begins with an affine layer."""
    for node in graph.nodes:
        if node.op == "call_function" and node.target is F.linear:
            return (_attribute(network, node.args[1].target).shape[1],)
        if node.op == "call_module" or (node.op == "call_function" and "conv" in _name(node)):
            break
    raise ValueError(
        "input_shape must be given for a network that does not begin with an affine layer, for instance (1, 28, 28)"
    )


def _attribute(module: nn.Module, name: Any) -> Any:
    """A parameter, buffer or submodule."""
    return operator.attrgetter(name)(module)


@dataclass(frozen=True, eq=False)
class _Constants:
    """A tensor that does not depend on the input: one for each member, in float64."""

    members: list[Tensor]

    def map(self, function: Callable[[Tensor], Tensor]) -> "_Constants":
        """The same function of each of them."""
        return _Constants([function(member) for member in self.members])


def _constants(values: Sequence[Any], name: str) -> _Constants:
    """A parameter or buffer of all members."""
    members = []
    for member, value in enumerate(values):
        number = value.detach().cpu()
        number = number.double() if number.is_floating_point() else number
        if not torch.isfinite(number).all():
            found = number[~torch.isfinite(number)][0]
            raise ValueError(f"{name} must be finite, got {found} in member {member}")
        members.append(number)
    return _Constants(members)


@dataclass(frozen=True, eq=False)
class _Traced:
    """A tensor of the network's.

    Attributes:
        entries: Its entries for one input, flattened.
        shape: Its shape for a batch of two inputs, so that a call that mixes them cannot go unnoticed.
    """

    entries: Affine
    shape: tuple[int, ...]

    def __add__(self, other: "_Operand") -> "_Traced":
        tensor, term = _aligned(self, other)
        entries = tensor.entries.plus(term) if isinstance(term, Affine) else tensor.entries.shifted(term)
        return _Traced(entries, tensor.shape)

    def __mul__(self, other: "_Operand") -> "_Traced":
        tensor, factor = _aligned(self, other)
        if isinstance(factor, Affine):
            raise TypeError("the product of two tensors that depend on the input is not piecewise linear")
        return _Traced(tensor.entries.scaled(factor), tensor.shape)

    def __neg__(self) -> "_Traced":
        return self * -1

    def __sub__(self, other: "_Operand") -> "_Traced":
        return self + _negative(other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: "_Operand") -> "_Traced":
        return -self + other

    def bent(self, slope: "_Operand") -> "_Traced":
        """x where x >= 0, slope x elsewhere."""
        tensor, slopes = _aligned(self, slope)
        if isinstance(slopes, Affine):
            raise TypeError("a slope that depends on the input is not piecewise linear")
        return _Traced(tensor.entries.bent(slopes), tensor.shape)


_Operand = _Traced | _Constants | float | int


def _negative(operand: _Operand) -> _Operand:
    return operand.map(operator.neg) if isinstance(operand, _Constants) else -operand


def _aligned(tensor: _Traced, other: _Operand) -> tuple[_Traced, Affine | Vector]:
    """Two operands, broadcast to each other."""
    if isinstance(other, _Traced):
        pair = (tensor, other)
        if tensor.shape != other.shape:
            pair = _moved(torch.broadcast_tensors, pair, {})
        return pair[0], pair[1].entries
    members = other.members if isinstance(other, _Constants) else [torch.tensor(other, dtype=torch.float64)]
    shape = torch.broadcast_shapes(tensor.shape, members[0].shape)
    if shape != tensor.shape:
        tensor = _moved(torch.broadcast_to, (tensor, shape), {})
    values = torch.stack([member.double().broadcast_to(shape) for member in members], dim=1)
    if not torch.equal(values[0], values[1]):
        raise ValueError("constants must be the same for all inputs of a batch")
    if not torch.isfinite(values).all():
        raise ValueError(f"constants must be finite, got {values[~torch.isfinite(values)][0]}")
    return tensor, values[0].flatten(1).numpy()


# What only moves entries


def _moved(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call that leaves entries as they are: it is told by calling it with their numbers."""
    tensors: list[_Traced] = []
    fx.node.map_aggregate((args, kwargs), lambda value: tensors.append(value) if isinstance(value, _Traced) else None)
    whole = affine.joined([tensor.entries for tensor in tensors])
    total = whole.bias.shape[1]
    parts = iter(torch.arange(total).split([tensor.entries.bias.shape[1] for tensor in tensors]))

    def numbers(value: Any) -> Any:
        if not isinstance(value, _Traced):
            return value
        part = next(parts)
        return torch.stack([part, part + total]).reshape(value.shape)

    def entries(moved: Any) -> Any:
        if not isinstance(moved, Tensor):
            return moved
        if (
            moved.ndim == 0
            or len(moved) != 2
            or not torch.equal(moved[0] + total, moved[1])
            or (moved[0] >= total).any()
        ):
            raise ValueError(_BATCH)
        return _Traced(whole.rows(moved[0].flatten().numpy()), tuple(moved.shape))

    new_args, new_kwargs = fx.node.map_aggregate((args, kwargs), numbers)
    return fx.node.map_aggregate(function(*new_args, **new_kwargs), entries)


_ALIASES = {
    *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes", "movedim", "squeeze", "unsqueeze"),
    *("expand", "expand_as", "view_as", "reshape_as", "getitem", "select", "narrow", "chunk", "split", "unbind"),
    *("contiguous", "broadcast_to"),
}  # of the memory of their first argument
_MOVES = _ALIASES | {"cat", "concat", "concatenate", "stack", "clone", "repeat", "tile", "flip", "roll"}
_QUESTIONS = {"size", "dim", "ndimension"}  # about the shape


def _pad(input: _Traced, pad: Sequence[int], mode: str = "constant", value: float | int | None = None) -> _Traced:
    if mode != "constant" or value not in (None, 0):
        raise ValueError(f"padding must be with zeros, got mode {mode!r}, value {value}")
    numbers = F.pad(torch.arange(1, input.entries.bias.shape[1] + 1).reshape(input.shape[1:])[None], pad)
    return _Traced(input.entries.rows(numbers.flatten().numpy() - 1), (2, *numbers.shape[1:]))


# What is linear


def _linear_map(input: _Traced, function: Callable[..., Tensor], *constants: _Constants) -> _Traced:
    """The result of a call that is linear in the input: it is told by calling it with the unit vectors, and with 0."""
    size = input.entries.bias.shape[1]
    units = torch.eye(size + 1, size, dtype=torch.float64).reshape(size + 1, *input.shape[1:])
    each = zip(*(one.members for one in constants), strict=True) if constants else [()]
    images = [function(units, *values) for values in each]
    if images[0].ndim == 0 or len(images[0]) != size + 1:
        raise ValueError(_BATCH)
    matrix = np.stack([image[:size].flatten(1).T.numpy() if image.ndim > 1 else image[None, :size] for image in images])
    return _Traced(input.entries.times(matrix), (2, *images[0].shape[1:]))


def _linear(input: _Traced, weight: _Constants, bias: _Constants | None = None) -> _Traced:
    in_features = weight.members[0].shape[-1]
    if input.shape[-1] != in_features:
        raise ValueError(f"the input must have {in_features} features, got shape {input.shape[1:]}")
    output = _linear_map(input, F.linear, weight)
    return output if bias is None else output + bias


def _matmul(input: _Traced, other: _Constants) -> _Traced:
    if not (isinstance(input, _Traced) and isinstance(other, _Constants)):
        raise TypeError("only products x @ W of an input with a constant W are piecewise linear")
    return _linear_map(input, torch.matmul, other)


def _convolution(function: Callable[..., Tensor], num_dimensions: int) -> Callable[..., _Traced]:
    def convolution(
        input: _Traced,
        weight: _Constants,
        bias: _Constants | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> _Traced:
        if len(input.shape) != num_dimensions + 2:
            raise ValueError(f"one input must have {num_dimensions + 1} dimensions, got shape {input.shape[1:]}")
        output = _linear_map(input, lambda x, w: function(x, w, None, stride, padding, dilation, groups), weight)
        return output if bias is None else output + bias.map(lambda b: b.reshape(-1, *[1] * num_dimensions))

    return convolution


def _batch_norm(
    input: _Traced,
    running_mean: _Constants | None,
    running_var: _Constants | None,
    weight: _Constants | None = None,
    bias: _Constants | None = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
) -> _Traced:
    if training or running_mean is None or running_var is None:
        raise ValueError("batch normalization must be in evaluation mode, with running statistics: call eval()")
    scales, shifts = [], []
    for member, (mean, variance) in enumerate(zip(running_mean.members, running_var.members, strict=True)):
        scale = (variance + eps).rsqrt() if weight is None else weight.members[member] / (variance + eps).sqrt()
        scales.append(scale)
        shifts.append(-mean * scale if bias is None else bias.members[member] - mean * scale)
    shape = (-1, *[1] * (len(input.shape) - 2))
    return input * _Constants(scales).map(lambda c: c.reshape(shape)) + _Constants(shifts).map(
        lambda c: c.reshape(shape)
    )


def _averaging(function: Callable[..., Tensor]) -> Callable[..., _Traced]:
    return lambda input, *args, **kwargs: _linear_map(input, lambda x: function(x, *args, **kwargs))


# What bends


def _relu(input: _Traced, inplace: bool = False) -> _Traced:
    return input.bent(0)


def _leaky_relu(input: _Traced, negative_slope: float | int = 0.01, inplace: bool = False) -> _Traced:
    return input.bent(negative_slope)


def _prelu(input: _Traced, weight: _Constants) -> _Traced:
    return input.bent(weight.map(lambda slope: slope.reshape(-1, *[1] * (len(input.shape) - 2))))


def _absolute(input: _Traced) -> _Traced:
    return input.bent(-1)


def _maximum(input: Any, other: Any) -> _Traced:
    winner: _Traced = _relu(input - other) + other
    return winner


def _minimum(input: Any, other: Any) -> _Traced:
    winner: _Traced = -_relu(other - input) + other
    return winner


def _of_two(winner: Callable[[Any, Any], _Traced]) -> Callable[[Any, Any], _Traced]:
    """torch.max and torch.min have the same name for the winner of two tensors and for that along a dimension."""

    def of_two(input: Any, other: Any) -> _Traced:
        if not isinstance(other, _Traced | _Constants):
            raise TypeError("the largest and the smallest entry along a dimension are not understood, pools are")
        return winner(input, other)

    return of_two


def _clamp(input: _Traced, min: _Operand | None = None, max: _Operand | None = None) -> _Traced:
    if isinstance(min, _Traced) or isinstance(max, _Traced) or min is None or max is None:
        input = input if min is None else _maximum(input, min)
        return input if max is None else _minimum(input, max)
    low, high = _aligned(input, min)[1], _aligned(input, max)[1]
    if not (low <= high).all():  # type: ignore[operator]  # both are constant
        raise ValueError(f"min must be at most max, got {min} and {max}")
    return _relu(input - min) - _relu(input - max) + min


def _hardtanh(input: _Traced, min_val: float | int = -1, max_val: float | int = 1, inplace: bool = False) -> _Traced:
    return _clamp(input, min_val, max_val)


def _relu6(input: _Traced, inplace: bool = False) -> _Traced:
    return _clamp(input, 0, 6)


def _hardsigmoid(input: _Traced, inplace: bool = False) -> _Traced:
    return _clamp(input + 3, 0, 6) * (1 / 6)


def _max_pool(function: Callable[..., Tensor], num_dimensions: int) -> Callable[..., _Traced]:
    def max_pool(
        input: _Traced,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> _Traced:
        if return_indices:
            raise ValueError("return_indices must be False")
        if len(input.shape) != num_dimensions + 2:
            raise ValueError(f"one input must have {num_dimensions + 1} dimensions, got shape {input.shape[1:]}")
        output = function(torch.zeros(input.shape), kernel_size, stride, padding, dilation, ceil_mode)
        sizes = input.shape[2:]
        windows = []
        for i, (size, num) in enumerate(zip(sizes, output.shape[2:], strict=True)):
            parameters = (kernel_size, stride or kernel_size, padding, dilation)
            here = (value[i] if isinstance(value, tuple | list) else value for value in parameters)
            windows.append(_windows(size, num, *here))
        # The entries that each maximum is of: [window, output], -1 where the window sticks out.
        entries = np.arange(input.shape[1])[None, :]
        for size, window in zip(sizes, windows, strict=True):
            inside = (entries[:, None, :, None] >= 0) & (window[None, :, None, :] >= 0)
            entries = np.where(inside, entries[:, None, :, None] * size + window[None, :, None, :], -1)
            entries = entries.reshape(entries.shape[0] * entries.shape[1], -1)
        some = np.take_along_axis(entries, (entries >= 0).argmax(axis=0)[None], axis=0)
        stored = input.entries if input.entries.simple else input.entries.passed
        contestants = [stored.rows(row) for row in np.where(entries >= 0, entries, some)]
        while len(contestants) > 1:
            pairs = zip(contestants[::2], contestants[1::2], strict=False)
            winners = [b.plus(a.plus(b.scaled(-np.ones((1, 1)))).bent(np.zeros((1, 1)))) for a, b in pairs]
            contestants = winners + contestants[2 * len(winners) :]
        return _Traced(contestants[0], (2, *output.shape[1:]))

    return max_pool


def _windows(
    size: int, num: int, kernel_size: int, stride: int, padding: int, dilation: int
) -> Int[np.ndarray, "kernel_size num"]:
    """Where the windows of a pool are along one dimension; -1 for what is outside."""
    positions = np.arange(num) * stride - padding + np.arange(kernel_size)[:, None] * dilation
    return np.where((positions >= 0) & (positions < size), positions, -1)


def _dropout(input: _Traced, p: float | int = 0.5, training: bool = True, inplace: bool = False) -> _Traced:
    if training and p > 0:
        raise ValueError("dropout must be in evaluation mode: call eval()")
    return input


def _add(input: _Operand, other: _Operand, *, alpha: float | int = 1) -> Any:
    return input + (other if alpha == 1 else other * alpha)  # type: ignore[operator]


def _subtract(input: _Operand, other: _Operand, *, alpha: float | int = 1) -> Any:
    return input - (other if alpha == 1 else other * alpha)  # type: ignore[operator]


def _multiply(input: _Operand, other: _Operand) -> Any:
    return input * other  # type: ignore[operator]


def _divide(input: Any, other: _Operand) -> Any:
    if not isinstance(input, _Traced) or isinstance(other, _Traced):
        raise TypeError("a quotient is piecewise linear only if it is of an input and a constant")
    return input * (other.map(torch.reciprocal) if isinstance(other, _Constants) else 1 / other)


# By the names that torch gives the calls, whether they are functions, methods or operators.
_CALLS: dict[str, Callable[..., Any]] = {
    "linear": _linear,
    "matmul": _matmul,
    "conv1d": _convolution(F.conv1d, 1),
    "conv2d": _convolution(F.conv2d, 2),
    "batch_norm": _batch_norm,
    "avg_pool1d": _averaging(F.avg_pool1d),
    "avg_pool2d": _averaging(F.avg_pool2d),
    "adaptive_avg_pool1d": _averaging(F.adaptive_avg_pool1d),
    "adaptive_avg_pool2d": _averaging(F.adaptive_avg_pool2d),
    "mean": _averaging(torch.mean),
    "sum": _averaging(torch.sum),
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "relu6": _relu6,
    "hardtanh": _hardtanh,
    "hardsigmoid": _hardsigmoid,
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": lambda input, min: _clamp(input, min=min),
    "clamp_max": lambda input, max: _clamp(input, max=max),
    "abs": _absolute,
    "absolute": _absolute,
    "maximum": _maximum,
    "max": _of_two(_maximum),
    "minimum": _minimum,
    "min": _of_two(_minimum),
    "max_pool1d": _max_pool(F.max_pool1d, 1),
    "max_pool2d": _max_pool(F.max_pool2d, 2),
    "dropout": _dropout,
    "dropout1d": _dropout,
    "dropout2d": _dropout,
    "pad": _pad,
    "neg": operator.neg,
    "negative": operator.neg,
    "add": _add,
    "iadd": _add,
    "sub": _subtract,
    "subtract": _subtract,
    "isub": _subtract,
    "mul": _multiply,
    "multiply": _multiply,
    "imul": _multiply,
    "div": _divide,
    "divide": _divide,
    "truediv": _divide,
}


class _Course:
    """The calls of a network's forward, one after another."""

    def __init__(self, graph: fx.Graph, members: Sequence[nn.Module], constants: dict[str, Tensor]) -> None:
        self.members = members
        self.constants = constants
        self.nodes = {node: i for i, node in enumerate(graph.nodes)}

    def run(self, inputs: _Traced) -> _Traced:
        """The network's output."""
        values: dict[fx.Node, Any] = {}
        for node in self.nodes:
            where = _described(node, self.members[0])
            try:
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
                values[node] = self._value(node, args, kwargs, inputs, first=not values)
            except (TypeError, AttributeError, ValueError, RuntimeError, IndexError) as error:
                kind = TypeError if isinstance(error, TypeError | AttributeError) else ValueError
                raise kind(f"{error}, got {where}" if kind is TypeError else f"{where}: {error}") from error
        (output,) = (values[node] for node in self.nodes if node.op == "output")
        if not isinstance(output, _Traced):
            raise TypeError(f"forward must return one tensor that depends on its input, got {output}")
        return output

    def _value(
        self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: _Traced, *, first: bool
    ) -> Any:
        """What a node of the graph stands for."""
        match node.op:
            case "placeholder":
                if not first and not args:
                    raise TypeError("forward must take one input and no other")
                return inputs if first else args[0]
            case "output":
                return args[0]
            case "get_attr":
                name = str(node.target)
                if name in self.constants:
                    return _constants([self.constants[name]] * len(self.members), name)
                return _constants([_attribute(member, name) for member in self.members], name)
            case "call_module":
                layer = _attribute(self.members[0], node.target)
                if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                    raise TypeError(_ALLOWED)
                return self._batch_norm(layer, node.target, args[0])
        return self._call(node, args, kwargs)

    def _batch_norm(self, layer: nn.BatchNorm1d | nn.BatchNorm2d, name: Any, input: _Traced) -> _Traced:
        layer._check_input_dim(torch.empty(input.shape, device="meta"))
        values = {}
        for which in ("running_mean", "running_var", "weight", "bias"):
            of_members = [_attribute(member, f"{name}.{which}") for member in self.members]
            values[which] = None if of_members[0] is None else _constants(of_members, f"{name}.{which}")
        return _batch_norm(input, **values, training=layer.training, eps=layer.eps)  # type: ignore[arg-type]

    def _call(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a call of torch."""
        name, function = _name(node), _function(node)
        leaves: list[Any] = []
        fx.node.map_aggregate((args, kwargs), leaves.append)
        traced = any(isinstance(leaf, _Traced) for leaf in leaves)
        if traced and name == "getitem" and isinstance(args[0], tuple):
            return args[0][args[1]]
        if not traced:
            constants = [leaf for leaf in leaves if isinstance(leaf, _Constants)]
            if not constants:
                return function(*args, **kwargs)
            if name.endswith("_") and not name.endswith("__"):
                raise ValueError("a call that works in place must not change a parameter")
            results = []
            for member in range(len(self.members)):
                own_args, own_kwargs = fx.node.map_aggregate((args, kwargs), functools.partial(_of_member, member))
                results.append(function(*own_args, **own_kwargs))
            return _Constants(results) if isinstance(results[0], Tensor) else results[0]
        if name in _QUESTIONS or (name == "getattr" and args[1] in ("shape", "ndim")):
            return function(torch.empty(args[0].shape, device="meta"), *args[1:], **kwargs)
        if name in _MOVES:
            return _moved(function, args, kwargs)
        call = _CALLS.get(name.rstrip("_"))
        if call is None or (node.op == "call_function" and not str(function.__module__).startswith(_TORCH)):
            raise TypeError(_ALLOWED)
        given = inspect.signature(call).bind(*args, **kwargs)
        in_place = name.endswith("_") or name in _IN_PLACE or given.arguments.get("inplace", False)
        if in_place and self._needed_later(node):
            raise ValueError("a call that works in place changes a tensor that is needed later")
        return call(*args, **kwargs)

    def _needed_later(self, call: fx.Node) -> bool:
        """Whether the memory that a call writes to is read again by others than those that use its result."""
        start = call.args[0]
        while isinstance(start, fx.Node) and self._same_memory(start):
            start = start.args[0]
        waiting: list[Any] = [start]
        while waiting:
            node = waiting.pop()
            for user in node.users:
                if user is not call and self.nodes[user] > self.nodes[call]:
                    return True
                if user is not call and self._same_memory(user):
                    waiting.append(user)
        return False

    def _same_memory(self, node: fx.Node) -> bool:
        """Whether a call returns what it was given, or a view of it."""
        if node.op not in ("call_function", "call_method"):
            return False
        name = _name(node)
        return (
            name in _ALIASES | _IN_PLACE
            or "dropout" in name
            or (name.endswith("_") and not name.endswith("__"))
            or bool(node.kwargs.get("inplace"))
            or (len(node.args) > 1 and node.args[-1] is True)
        )


def _of_member(member: int, value: Any) -> Any:
    """A member's tensor, if the value is one."""
    return value.members[member] if isinstance(value, _Constants) else value


_ALLOWED = (
    f"pieces are counted of networks made of {', '.join(kind.__name__ for kind in LAYERS)}, calls of torch that do the "
    "same, abs, clamp, maximum, minimum, sums, multiples, concatenations and changes of shape"
)
_BATCH = "the first dimension, which numbers the inputs of a batch, must stay as it is"
_TORCH = ("torch", "_operator", "builtins")
_IN_PLACE = {"iadd", "isub", "imul"}
_DISPATCHED = {F.max_pool1d: "max_pool1d", F.max_pool2d: "max_pool2d"}  # functions that torch makes without a name


def _name(node: fx.Node) -> str:
    """What torch calls a function, method or operator."""
    target: Any = node.target
    return str(target) if isinstance(target, str) else _DISPATCHED.get(target) or str(target.__name__)


def _function(node: fx.Node) -> Callable[..., Any]:
    """What a node calls."""
    if isinstance(node.target, str):
        name = node.target
        return lambda input, *args, **kwargs: getattr(input, name)(*args, **kwargs)
    return node.target


def _described(node: fx.Node, network: nn.Module) -> str:
    """A call for an error message."""
    modules: list[tuple[str, type]] = [("", type(network)), *node.meta.get("nn_module_stack", {}).values()]
    name, kind = modules[-1]
    layer = f"layer '{name}', a {kind.__name__}" if name else f"a {kind.__name__}"
    if node.op == "call_module" or kind in LAYERS:
        return layer
    return f"{_name(node)} in {layer}"
