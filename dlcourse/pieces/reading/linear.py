"""Calls that are linear in the input: called with the unit vectors, they give their matrix."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from dlcourse.pieces.reading.entries import Entries, assembled, entries_of
from dlcourse.pieces.reading.nested import leaves, mapped
from dlcourse.pieces.reading.shapes import check_dimensions
from dlcourse.pieces.reading.tensors import BATCH, Constants, Operand, Traced


def linear_map(input: Traced, function: Callable[..., Tensor], *constants: Constants) -> Traced:
    """The result of a call that is linear in the input: products with 1 and 0 are exact.

    Some unit vectors at a time, so that no large matrix is ever there with all its zeros.
    """
    each = [*zip(*(one.members for one in constants), strict=True)] if constants else [()]
    shape = tuple(function(torch.zeros(input.shape, dtype=torch.float64), *each[0]).shape)
    size = input.entries.bias.shape[1]
    at_once = max(1, _NUMBERS // max(1, size, math.prod(shape)))
    outs, images = [], []
    for first in range(0, max(size, 1), at_once):
        out, image = _images(input, function, each, shape, range(first, min(first + at_once, size)))
        outs.append(out)
        images.append((0, first, entries_of(image.transpose(0, 2, 1))))
    if len(set(outs)) > 1:
        raise ValueError(BATCH)
    num_rows = images[0][2].shape[0]
    return Traced(input.entries.times(assembled(images, (num_rows, size), len(each))), shape, outs[0])


def _images(
    input: Traced,
    function: Callable[..., Tensor],
    constants: Sequence[tuple[Tensor, ...]],
    shape: tuple[int, ...],
    units: range,
) -> tuple[int, Float[np.ndarray, "members units entries"]]:
    """What becomes of some unit vectors, and which dimension of the result numbers the inputs of a batch.

    Args:
        input: The call's input.
        function: The call.
        constants: Its constants, for each member.
        shape: The shape of its result for a batch of two.
        units: The places of the ones.
    """
    # More than the two of a batch, so that the dimension of the result that numbers them is known.
    num = max(len(units) + 1, 3)
    vectors = torch.zeros(num, input.entries.bias.shape[1], dtype=torch.float64)
    vectors[range(len(units)), units] = 1
    vectors = vectors.reshape(num, *input.own_shape).movedim(0, input.batch)
    images = [function(vectors, *values) for values in constants]
    changed = [d for d, (one, other) in enumerate(zip(shape, images[0].shape, strict=True)) if one != other]
    if len(changed) != 1 or images[0].shape[changed[0]] != num:
        raise ValueError(BATCH)
    images = [image.movedim(changed[0], 0).reshape(num, -1) for image in images]
    # What becomes of 0 is 0, unless other inputs of the batch play in.
    if any(image[len(units) :].any() for image in images):
        raise ValueError(BATCH)
    return changed[0], np.stack([image[: len(units)].numpy() for image in images])


_NUMBERS = 2**20  # that are worked on at once: 8 MB


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


def linear(input: Traced | Constants, weight: Constants | Traced, bias: Constants | None = None) -> Traced:
    """W x + b."""
    if not isinstance(input, Traced) or isinstance(weight, Traced):
        raise TypeError("the weight of an affine layer must not depend on the network's input")
    if input.batch == 0 and len(input.shape) == 2:  # the matrix is there already
        matrix = entries_of(np.stack([of_member.numpy() for of_member in weight.members]))
        output = Traced(input.entries.times(matrix), (2, matrix.shape[0]))
    else:
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


def convolution(
    function: Callable[..., Tensor], num_dimensions: int, *, transposed: bool = False
) -> Callable[..., Traced]:
    """A convolution over this many dimensions, or a transposed one; the settings are torch's: stride, padding, ..."""
    names = ["stride", "padding", "output_padding", "groups", "dilation"] if transposed else _SETTINGS

    def convolve(
        input: Traced, weight: Constants, bias: Constants | None = None, *settings: Any, **more: Any
    ) -> Traced:
        check_dimensions(input.shape, num_dimensions)
        if input.batch != 0:
            raise ValueError(BATCH)
        given = dict(zip(names, settings, strict=False)) | more
        # Torch says what it has against the shapes, in one call.
        whole = function(torch.zeros(input.shape, dtype=torch.float64), weight.members[0], None, **given)
        groups = given.pop("groups", 1)
        kernel = np.stack([of_member.numpy() for of_member in weight.members])
        if transposed:  # [in_channels, out_channels of a group, ...], as the input's gradient has it
            kernel = kernel.reshape(len(kernel), groups, -1, *kernel.shape[2:]).swapaxes(2, 3)
            kernel = kernel.reshape(len(kernel), -1, *kernel.shape[3:])
        places = _places(function, tuple(input.shape[2:]), kernel.shape[3:], given, transposed=transposed)
        matrix = _matrix_of_kernel(kernel, groups, places, math.prod(input.shape[2:]))
        output = Traced(input.entries.times(matrix), tuple(whole.shape))
        return output if bias is None else output + bias.map(lambda b: b.reshape(-1, *[1] * num_dimensions))

    return convolve


_SETTINGS = ["stride", "padding", "dilation", "groups"]


def _places(
    function: Callable[..., Tensor],
    shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    settings: dict[str, Any],
    *,
    transposed: bool,
) -> Int[np.ndarray, "weights outputs"]:
    """For each weight of a kernel and each place of the output the place of the input that the weight is for, or -1.

    The convolution itself tells, with kernels that have one 1 each, of an image of its places' numbers 1, 2, ....
    """
    num_weights, num_places = math.prod(kernel_shape), math.prod(shape)
    numbers = torch.arange(1, num_places + 1, dtype=torch.float64).reshape(1, 1, *shape)
    ones = torch.eye(num_weights, dtype=torch.float64).reshape(num_weights, 1, *kernel_shape)
    image = function(numbers, ones.movedim(1, 0) if transposed else ones, None, **settings)
    places: Int[np.ndarray, "weights outputs"] = image.reshape(num_weights, -1).numpy().astype(np.int64) - 1
    return places


def _matrix_of_kernel(
    kernel: Float[np.ndarray, "members out_channels group_channels *kernel_shape"],
    groups: int,
    places: Int[np.ndarray, "weights outputs"],
    num_places: int,
) -> Entries:
    """The matrix of a convolution between images with flattened places; output channels come in groups, as inputs."""
    members, out_channels, group_channels = kernel.shape[:3]
    output, weight = np.nonzero(places.T >= 0)  # by places of the output, as the matrix is by rows
    num_outputs = places.shape[1]
    channel = np.arange(out_channels)[:, None, None]  # [out_channels, places, channels of a group]
    within = np.arange(group_channels)
    in_channel = channel // (out_channels // groups) * group_channels + within
    row = np.broadcast_to(channel * num_outputs + output[:, None], (out_channels, len(output), group_channels))
    column = in_channel * num_places + places[weight, output][:, None]
    flat = kernel.reshape(members, out_channels, group_channels, -1)
    values = flat[:, :, :, weight].swapaxes(2, 3).reshape(members, -1)
    shape = out_channels * num_outputs, group_channels * groups * num_places
    return Entries(row.ravel(), column.ravel(), values, shape)


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
