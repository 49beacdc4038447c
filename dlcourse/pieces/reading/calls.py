"""The calls of torch that are understood, by the names that torch gives them: functions, methods or operators."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlcourse.pieces.reading import bends, cases, linear
from dlcourse.pieces.reading.cases import Condition
from dlcourse.pieces.reading.tensors import Constants, Operand, Traced, as_constant, moved

LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ReLU6),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.Softshrink, nn.Threshold, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.Flatten, nn.Unflatten, nn.Identity),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d),
    *(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d, nn.ReplicationPad1d, nn.ReplicationPad2d),
    *(nn.ReplicationPad3d, nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
    *(nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d, nn.PixelShuffle, nn.PixelUnshuffle),
)

JOINS = {"cat", "concat", "concatenate", "stack", "hstack", "vstack"}
MOVES = {
    *JOINS,
    *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"),
    *("squeeze", "unsqueeze", "expand", "expand_as", "view_as", "reshape_as", "getitem", "select", "narrow", "chunk"),
    *("split", "tensor_split", "unbind", "contiguous", "broadcast_to"),
    *("clone", "repeat", "repeat_interleave", "tile", "flip", "fliplr", "flipud", "rot90", "roll", "T", "mT"),
    *("t", "adjoint", "H", "mH", "index_select", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "tril", "triu"),
    *("detach", "data", "diagonal", "unfold", "broadcast_tensors", "requires_grad_", "alias", "ravel", "gather"),
}
CREATES = {
    *("new_zeros", "new_ones", "new_full", "new_tensor", "zeros_like", "ones_like", "full_like"),
}  # constants in the shape of a tensor, or of its type


def _pad(input: Traced, pad: Sequence[int], mode: str = "constant", value: float | int | None = None) -> Traced:
    output: Traced = moved(lambda x: F.pad(x, pad, mode), (input,), {})
    if not value:
        return output
    inside = torch.zeros(input.shape, dtype=torch.float64)
    return output + Constants([F.pad(inside, pad, mode, value)])


def _set(input: Traced | Constants, index: Any, value: Operand) -> Traced:
    """Entries that have been written over."""

    def written(numbers: Tensor, new: Tensor) -> Tensor:
        numbers = numbers.clone()
        numbers[index] = new
        return numbers

    if isinstance(index, Condition):
        return cases.where(index, value, input)
    new = value if isinstance(value, Traced) else as_constant(value)
    return moved(written, (input, new), {})  # type: ignore[no-any-return]


def _fill(input: Traced | Constants, value: Operand) -> Traced:
    return _set(input, ..., value)


def _dropout(input: Traced, p: float | int = 0.5, training: bool = True, inplace: bool = False) -> Traced:
    if training and p > 0:
        raise ValueError("dropout must be in evaluation mode: call eval()")
    return input


def _add(input: Operand, other: Operand, *, alpha: float | int = 1) -> Any:
    return input + (other if alpha == 1 else other * alpha)  # type: ignore[operator]


def _subtract(input: Any, other: Any, *, alpha: float | int = 1) -> Any:
    return input - (other if alpha == 1 else other * alpha)


def _multiply(input: Any, other: Any) -> Any:
    return other * input if isinstance(other, Condition) or isinstance(input, Constants) else input * other


def _divide(input: Any, other: Operand, *, rounding_mode: str | None = None) -> Any:
    if not isinstance(input, Traced) or isinstance(other, Traced) or rounding_mode is not None:
        raise TypeError("a quotient is piecewise linear only if it is of an input and a constant")
    return input * as_constant(other).map(torch.reciprocal)


def _same(input: Any) -> Any:
    return input


CALLS: dict[str, Callable[..., Any]] = {
    # linear
    "linear": linear.linear,
    "matmul": linear.linear_in_one(torch.matmul),
    "rmatmul": lambda input, other: linear.linear_in_one(torch.matmul)(other, input),
    "mm": linear.linear_in_one(torch.mm),
    "bmm": linear.linear_in_one(torch.bmm),
    "mv": linear.linear_in_one(torch.mv),
    "einsum": linear.linear_in_one(torch.einsum),
    "addmm": linear.addmm,
    "conv1d": linear.convolution(F.conv1d, 1),
    "conv2d": linear.convolution(F.conv2d, 2),
    "conv3d": linear.convolution(F.conv3d, 3),
    "conv_transpose1d": linear.convolution(F.conv_transpose1d, 1, transposed=True),
    "conv_transpose2d": linear.convolution(F.conv_transpose2d, 2, transposed=True),
    "conv_transpose3d": linear.convolution(F.conv_transpose3d, 3, transposed=True),
    "batch_norm": linear.batch_norm,
    "avg_pool1d": linear.averaging(F.avg_pool1d),
    "avg_pool2d": linear.averaging(F.avg_pool2d),
    "avg_pool3d": linear.averaging(F.avg_pool3d),
    "adaptive_avg_pool1d": linear.averaging(F.adaptive_avg_pool1d),
    "adaptive_avg_pool2d": linear.averaging(F.adaptive_avg_pool2d),
    "adaptive_avg_pool3d": linear.averaging(F.adaptive_avg_pool3d),
    "interpolate": linear.averaging(F.interpolate),
    "mean": linear.averaging(torch.mean),
    "sum": linear.averaging(torch.sum),
    "cumsum": linear.averaging(torch.cumsum),
    # bends
    "relu": bends.relu,
    "leaky_relu": bends.leaky_relu,
    "prelu": bends.prelu,
    "rrelu": bends.rrelu,
    "relu6": bends.relu6,
    "hardtanh": bends.hardtanh,
    "hardsigmoid": bends.hardsigmoid,
    "softshrink": bends.softshrink,
    "threshold": bends.threshold,
    "clamp": bends.clamp,
    "clip": bends.clamp,
    "clamp_min": lambda input, min: bends.clamp(input, min=min),
    "clamp_max": lambda input, max: bends.clamp(input, max=max),
    "abs": bends.absolute,
    "absolute": bends.absolute,
    "maximum": bends.maximum,
    "max": bends.of_two_or_along(bends.maximum, bends.largest),
    "amax": bends.largest,
    "minimum": bends.minimum,
    "min": bends.of_two_or_along(bends.minimum, bends.smallest),
    "amin": bends.smallest,
    "max_pool1d": bends.max_pool(F.max_pool1d, 1),
    "max_pool2d": bends.max_pool(F.max_pool2d, 2),
    "max_pool3d": bends.max_pool(F.max_pool3d, 3),
    "adaptive_max_pool1d": bends.adaptive_max_pool(1),
    "adaptive_max_pool2d": bends.adaptive_max_pool(2),
    "adaptive_max_pool3d": bends.adaptive_max_pool(3),
    # cases
    "gt": cases.comparison(above=True),
    "greater": cases.comparison(above=True),
    "ge": cases.comparison(above=True),
    "greater_equal": cases.comparison(above=True),
    "lt": cases.comparison(above=False),
    "less": cases.comparison(above=False),
    "le": cases.comparison(above=False),
    "less_equal": cases.comparison(above=False),
    "logical_not": operator.invert,
    "bitwise_not": operator.invert,
    "invert": operator.invert,
    "where": cases.where,
    "masked_fill": cases.masked_fill,
    "double": _same,  # of a comparison: 1 or 0
    # what only moves or keeps entries
    "pad": _pad,
    "setitem": _set,
    "fill": _fill,
    "zero": lambda input: _fill(input, 0),
    "copy": lambda input, source: _set(input, ..., source),
    "positive": _same,
    "pos": _same,
    "dropout": _dropout,
    "dropout1d": _dropout,
    "dropout2d": _dropout,
    "dropout3d": _dropout,
    "alpha_dropout": _dropout,
    "feature_alpha_dropout": _dropout,
    # arithmetic
    "neg": operator.neg,
    "negative": operator.neg,
    "add": _add,
    "sub": _subtract,
    "subtract": _subtract,
    "rsub": lambda input, other: _subtract(other, input),
    "mul": _multiply,
    "multiply": _multiply,
    "div": _divide,
    "divide": _divide,
    "true_divide": _divide,
    "truediv": _divide,
    "rdiv": lambda input, other: _divide(other, input),
}
