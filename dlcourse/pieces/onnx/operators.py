"""ONNX's operators as functions of torch, by ONNX's names: their inputs, and then their attributes.

What an earlier version takes as an attribute and a later one as an input, such as the axes of Squeeze, has one name
here, and one function serves all versions. Whole numbers that say a shape, an axis or an index are never computed from
a network's input, only from its shape. An attribute that is no argument here is not read.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dlcourse.pieces.onnx.windows import average_pool, conv, conv_transpose, max_pool

Whole = Sequence[int] | Tensor


def _ints(numbers: Whole) -> list[int]:
    """Whole numbers, given as an attribute or as an input."""
    return numbers.tolist() if isinstance(numbers, Tensor) else list(numbers)


# affine


def gemm(
    A: Tensor, B: Tensor, C: Tensor | None = None, alpha: float = 1, beta: float = 1, transA: int = 0, transB: int = 0
) -> Tensor:
    """Alpha A B + beta C, the matrices transposed if need be."""
    product = (A.mT if transA else A) @ (B.mT if transB else B)
    scaled = product if alpha == 1 else alpha * product  # a product with 1 would pass for a layer of its own
    if C is None:
        return scaled
    return scaled + (C if beta == 1 else beta * C)


def divide(A: Tensor, B: Tensor) -> Tensor:
    """A / B, towards zero if they are whole numbers."""
    return A / B if A.is_floating_point() else torch.div(A, B, rounding_mode="trunc")


def batch_normalization(
    X: Tensor,
    scale: Tensor,
    B: Tensor,
    input_mean: Tensor,
    input_var: Tensor,
    epsilon: float,
    momentum: float = 0.9,
    training_mode: int = 0,
    spatial: int = 1,
) -> Tensor:
    """A scale and a shift for each channel."""
    if training_mode or not spatial:
        raise ValueError(f"training_mode must be 0 and spatial 1, got {training_mode} and {spatial}")
    return F.batch_norm(X, input_mean, input_var, scale, B, False, 0.0, epsilon)


def dropout(data: Tensor, ratio: object = None, training_mode: Tensor | None = None, seed: int = 0) -> Tensor:
    """The data: files hold networks that are trained."""
    if training_mode is not None and training_mode:
        raise ValueError("training_mode must be false, got true")
    return data


def _reduced(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction along some axes; along all of them if none are named."""

    def reduced(data: Tensor, axes: Whole | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
        named = [] if axes is None else _ints(axes)
        if not named and noop_with_empty_axes:
            return data
        return function(data, named or list(range(data.dim())), bool(keepdims))

    return reduced


def _over_places(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction over all places of each channel."""
    return lambda X: function(X, list(range(2, X.dim())), True)


# bends


def clip(input: Tensor, min: Tensor | float | None = None, max: Tensor | float | None = None) -> Tensor:
    """The input, but at least min and at most max; the type's largest number stands for no limit."""
    low, high = _limit(min, input.dtype), _limit(max, input.dtype)
    return input if low is None and high is None else torch.clamp(input, low, high)


def _limit(limit: Tensor | float | None, dtype: torch.dtype) -> float | None:
    number = None if limit is None else float(limit)
    largest = torch.finfo(limit.dtype if isinstance(limit, Tensor) else torch.float32).max
    return None if number is None or abs(number) >= largest else number


def prelu(X: Tensor, slope: Tensor) -> Tensor:
    """X where it is positive, elsewhere slope X."""
    return torch.where(X > 0, X, slope * X)


# what only moves or keeps entries


def reshape(data: Tensor, shape: Whole, allowzero: int = 0) -> Tensor:
    """In a shape, in which 0 stands for as many as there are."""
    sizes = _ints(shape)
    return data.reshape([data.shape[d] if size == 0 and not allowzero else size for d, size in enumerate(sizes)])


def flatten(input: Tensor, axis: int = 1) -> Tensor:
    """As a matrix, whose rows are numbered by the dimensions before an axis."""
    return input.reshape(math.prod(input.shape[: axis if axis >= 0 else input.dim() + axis]), -1)


def transpose(data: Tensor, perm: Whole | None = None) -> Tensor:
    """The dimensions in another order; by default backwards."""
    return data.permute(list(range(data.dim()))[::-1] if perm is None else _ints(perm))


def concat(*inputs: Tensor, axis: int) -> Tensor:
    """One after the other; a constant that was made for a batch of one is repeated for each input."""
    axis %= inputs[0].dim()
    others = np.broadcast_shapes(*((*x.shape[:axis], 1, *x.shape[axis + 1 :]) for x in inputs))
    return torch.cat([x.expand(*others[:axis], x.shape[axis], *others[axis + 1 :]) for x in inputs], axis)


def split(input: Tensor, split: Whole | None = None, axis: int = 0, num_outputs: int | None = None) -> Any:
    """Parts of these sizes, or so many equal ones, of which the last may be smaller."""
    if split is not None:
        return input.split(_ints(split), axis)
    assert num_outputs is not None  # the number of names for them, where the file does not say
    return input.split(-(-input.shape[axis] // num_outputs), axis)


def slice_(data: Tensor, starts: Whole, ends: Whole, axes: Whole | None = None, steps: Whole | None = None) -> Tensor:
    """Every step-th entry from start to before end, along some axes."""
    first, last = _ints(starts), _ints(ends)
    for index, axis in enumerate(range(len(first)) if axes is None else _ints(axes)):
        step = 1 if steps is None else _ints(steps)[index]
        size = data.shape[axis]
        chosen = range(*slice(first[index], last[index], step).indices(size))
        if chosen != range(size):
            data = data.index_select(axis, torch.tensor(chosen, dtype=torch.int64, device=data.device))
    return data


def gather(data: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
    """The entries with these indices along an axis."""
    axis %= data.dim()
    found = data.index_select(axis, indices.flatten().remainder(data.shape[axis]))
    return found.reshape([*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]])


def pad(
    data: Tensor,
    pads: Whole,
    constant_value: Tensor | None = None,
    axes: Whole | None = None,
    mode: str = "constant",
    value: float = 0,
) -> Tensor:
    """More entries at both ends: a constant, or what ONNX calls edge, reflect and wrap."""
    numbers = _ints(pads)
    ends = [(0, 0)] * data.dim()
    for axis, begin, end in zip(
        range(data.dim()) if axes is None else _ints(axes),
        numbers[: len(numbers) // 2],
        numbers[len(numbers) // 2 :],
        strict=True,
    ):
        ends[axis] = begin, end
    if mode == "constant":
        padded = [number for pair in reversed(ends) for number in pair]  # torch begins with the last dimension
        return F.pad(data, padded, value=value if constant_value is None else float(constant_value))
    for axis, (begin, end) in enumerate(ends):
        if begin or end:
            kept = np.arange(max(0, -begin), data.shape[axis] - max(0, -end))
            entries = np.pad(kept, (max(0, begin), max(0, end)), mode)  # type: ignore[call-overload]  # NumPy's names
            data = data.index_select(axis, torch.from_numpy(entries))
    return data


def squeeze(data: Tensor, axes: Whole | None = None) -> Tensor:
    """Without some dimensions of size 1; by default without all of them."""
    return data.squeeze() if axes is None else data.squeeze(_ints(axes))


def unsqueeze(data: Tensor, axes: Whole) -> Tensor:
    """With more dimensions of size 1, at these places of the result."""
    named = _ints(axes)
    for axis in sorted(axis % (data.dim() + len(named)) for axis in named):
        data = data.unsqueeze(axis)
    return data


def expand(input: Tensor, shape: Whole) -> Tensor:
    """Repeated along dimensions of size 1."""
    return input.expand(np.broadcast_shapes(input.shape, tuple(_ints(shape))))


# what is known when the shapes are


DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}  # by the numbers of TensorProto.DataType


def cast(input: Tensor, to: int, saturate: int = 1, round_mode: str = "up") -> Tensor:
    """In another type; saturate and round_mode are about types of 8 bits and fewer, which are not read."""
    if to not in DTYPES:
        raise ValueError(f"to must be one of {', '.join(map(str, DTYPES))}, got {to}")
    return input.to(DTYPES[to])


def constant(**value: Any) -> Tensor:
    """The only attribute, as a tensor."""
    ((name, given),) = value.items()
    if name not in _CONSTANTS:
        raise ValueError(f"a constant must be given as {', '.join(_CONSTANTS)}, got {name}")
    return given if isinstance(given, Tensor) else torch.tensor(given, dtype=_CONSTANTS[name])


_CONSTANTS = {
    "value": None,
    "value_float": torch.float32,
    "value_floats": torch.float32,
    "value_int": torch.int64,
    "value_ints": torch.int64,
}


def constant_of_shape(input: Tensor, value: Tensor | None = None) -> Tensor:
    """A tensor of one number, by default 0."""
    return torch.zeros(_ints(input)) if value is None else value.reshape(()).expand(_ints(input))


def shape(data: Tensor, start: int = 0, end: int | None = None) -> Tensor:
    """The sizes of the dimensions."""
    return torch.tensor(data.shape[start:end], dtype=torch.int64)


OPERATORS: dict[str, Callable[..., Any]] = {
    # affine
    "Gemm": gemm,
    "MatMul": lambda A, B: A @ B,
    "Add": lambda A, B: A + B,
    "Sub": lambda A, B: A - B,
    "Mul": lambda A, B: A * B,
    "Div": divide,
    "Neg": lambda X: -X,
    "Sum": lambda *data_0: reduce(torch.add, data_0),
    "Mean": lambda *data_0: reduce(torch.add, data_0) / len(data_0),
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "BatchNormalization": batch_normalization,
    "AveragePool": average_pool,
    "GlobalAveragePool": _over_places(torch.mean),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Dropout": dropout,
    # bends
    "Relu": lambda X: torch.relu(X),
    "LeakyRelu": lambda X, alpha: F.leaky_relu(X, alpha),
    "PRelu": prelu,
    "HardSigmoid": lambda X, alpha, beta: torch.clamp(alpha * X + beta, 0, 1),
    "Abs": lambda X: X.abs(),
    "Clip": clip,
    "Max": lambda *data_0: reduce(torch.maximum, data_0),
    "Min": lambda *data_0: reduce(torch.minimum, data_0),
    "MaxPool": max_pool,
    "GlobalMaxPool": _over_places(torch.amax),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMin": _reduced(torch.amin),
    # cases
    "Where": lambda condition, X, Y: torch.where(condition, X, Y),
    "Greater": lambda A, B: A > B,
    "GreaterOrEqual": lambda A, B: A >= B,
    "Less": lambda A, B: A < B,
    "LessOrEqual": lambda A, B: A <= B,
    # what only moves or keeps entries
    "Identity": lambda input: input,
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
    "Pad": pad,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Expand": expand,
    # what is known when the shapes are
    "Cast": cast,
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Shape": shape,
}
