"""Calls that are linear in the input: called with the unit vectors, they give their matrix."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dlcourse.pieces.reading.nested import leaves, mapped
from dlcourse.pieces.reading.shapes import check_dimensions
from dlcourse.pieces.reading.tensors import BATCH, Constants, Operand, Traced


def linear_map(input: Traced, function: Callable[..., Tensor], *constants: Constants) -> Traced:
    """The result of a call that is linear in the input: products with 1 and 0 are exact."""
    size, batch = input.entries.bias.shape[1], input.batch
    num = max(
        size + 1, 3
    )  # more than the two of a batch, so that the dimension of the result that numbers them is known
    units = torch.eye(num, size, dtype=torch.float64).reshape(num, *input.own_shape).movedim(0, batch)
    each = [*zip(*(one.members for one in constants), strict=True)] if constants else [()]
    images = [function(units, *values) for values in each]
    shape = tuple(function(torch.zeros(input.shape, dtype=torch.float64), *each[0]).shape)
    changed = [d for d, (one, other) in enumerate(zip(shape, images[0].shape, strict=True)) if one != other]
    if len(changed) != 1 or images[0].shape[changed[0]] != num:
        raise ValueError(BATCH)
    (out,) = changed
    images = [image.movedim(out, 0).reshape(num, -1) for image in images]
    if any(image[size:].any() for image in images):  # what becomes of 0 is 0, unless other inputs of the batch play in
        raise ValueError(BATCH)
    return Traced(input.entries.times(np.stack([image[:size].T.numpy() for image in images])), shape, out)


def linear_in_one(function: Callable[..., Tensor]) -> Callable[..., Traced]:
    """A call of several tensors, linear in each of them, one of which depends on the input."""

    def in_one(*args: Any, **kwargs: Any) -> Traced:
        traced = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Traced)]
        constants = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Constants)]
        if len(traced) > 1:
            raise TypeError("the product of two tensors that depend on the input is not piecewise linear")

        def called(units: Tensor, *values: Tensor) -> Tensor:
            given = iter(values)
            put = lambda leaf: units if leaf is traced[0] else next(given) if isinstance(leaf, Constants) else leaf  # noqa: E731
            return function(*mapped(put, args), **mapped(put, kwargs))

        return linear_map(traced[0], called, *constants)

    return in_one


def linear(input: Traced, weight: Constants, bias: Constants | None = None) -> Traced:
    """W x + b."""
    output = linear_map(input, F.linear, weight)
    return output if bias is None else output + bias


def addmm(input: Operand, mat1: Any, mat2: Any, *, beta: float | int = 1, alpha: float | int = 1) -> Traced:
    """beta input + alpha mat1 mat2."""
    traced = isinstance(mat1, Traced) or isinstance(mat2, Traced)
    product: Any = linear_in_one(torch.matmul)(mat1, mat2) if traced else _constant_product(mat1, mat2)
    total: Traced = product * alpha + input * beta
    return total


def _constant_product(mat1: Constants, mat2: Constants) -> Constants:
    return Constants([a @ b for a, b in zip(mat1.members, mat2.members, strict=True)])


def convolution(function: Callable[..., Tensor], num_dimensions: int) -> Callable[..., Traced]:
    """A convolution over this many dimensions, or a transposed one; the settings are torch's: stride, padding, ..."""

    def convolve(
        input: Traced, weight: Constants, bias: Constants | None = None, *settings: Any, **more: Any
    ) -> Traced:
        check_dimensions(input.shape, num_dimensions)
        output = linear_map(input, lambda x, w: function(x, w, None, *settings, **more), weight)
        return output if bias is None else output + bias.map(lambda b: b.reshape(-1, *[1] * num_dimensions))

    return convolve


def batch_norm(
    input: Traced,
    running_mean: Constants | None,
    running_var: Constants | None,
    weight: Constants | None = None,
    bias: Constants | None = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
) -> Traced:
    """A scale and a shift for each channel, worked out once in float64."""
    if training or running_mean is None or running_var is None:
        raise ValueError("batch normalization must be in evaluation mode, with running statistics: call eval()")
    scales, shifts = [], []
    for member, (mean, variance) in enumerate(zip(running_mean.members, running_var.members, strict=True)):
        scale = (variance + eps).rsqrt() if weight is None else weight.members[member] / (variance + eps).sqrt()
        scales.append(scale)
        shifts.append(-mean * scale if bias is None else bias.members[member] - mean * scale)
    shape = (-1, *[1] * (len(input.shape) - 2))
    return input * Constants(scales).map(lambda c: c.reshape(shape)) + Constants(shifts).map(lambda c: c.reshape(shape))


def averaging(function: Callable[..., Tensor]) -> Callable[..., Traced]:
    """A call without constants, such as a mean."""
    return lambda input, *args, **kwargs: linear_map(input, lambda x: function(x, *args, **kwargs))
