"""Calls that bend: each of them is made of units with one kink.

|z| is a unit of slope -1, max(a, b) = b + relu(a - b), and clamp(z, low, high) = low + relu(z - low) - relu(z - high).
The maximum of k entries, as of a pool, is a tournament of k - 1 comparisons.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from dlcourse.pieces.reading.affine import Affine
from dlcourse.pieces.reading.shapes import check_dimensions
from dlcourse.pieces.reading.tensors import BATCH, Constants, Operand, Traced, as_constant, moved


def relu(input: Traced, inplace: bool = False) -> Traced:  # noqa: D103
    return input.bent(0)


def leaky_relu(input: Traced, negative_slope: float | int = 0.01, inplace: bool = False) -> Traced:  # noqa: D103
    return input.bent(negative_slope)


def prelu(input: Traced, weight: Constants) -> Traced:
    """A slope left of 0 for each channel."""
    return input.bent(weight.map(lambda slope: slope.reshape(-1, *[1] * (len(input.shape) - 2))))


def rrelu(
    input: Traced, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Traced:
    """In evaluation mode a leaky ReLU, whose slope is worked out once."""
    if training:
        raise ValueError("RReLU must be in evaluation mode: call eval()")
    return input.bent((lower + upper) / 2)


def absolute(input: Traced) -> Traced:  # noqa: D103
    return input.bent(-1)


def maximum(input: Any, other: Any) -> Traced:
    """b + relu(a - b)."""
    if _is_no_bound(other, -1):
        return input  # type: ignore[no-any-return]
    winner: Traced = relu(input - other) + other
    return winner


def minimum(input: Any, other: Any) -> Traced:
    """b - relu(b - a)."""
    if _is_no_bound(other, 1):
        return input  # type: ignore[no-any-return]
    winner: Traced = -relu(other - input) + other
    return winner


def _is_no_bound(bound: Any, sign: int) -> bool:
    """Whether a number stands for no bound, as the largest one of a type does, or infinity."""
    if isinstance(bound, Constants):
        return all(member.numel() == 1 and sign * float(member) in _LARGEST for member in bound.members)
    return isinstance(bound, int | float) and sign * bound in _LARGEST


_LARGEST = {math.inf, *(torch.finfo(each).max for each in (torch.float64, torch.float32, torch.bfloat16))}


def clamp(input: Traced, min: Operand | None = None, max: Operand | None = None) -> Traced:
    """min(max(z, low), high).

    Not low + relu(z - low) - relu(z - high): what is high or low for many z alike is then a difference of two numbers
    that only exact sums tell from others.
    """
    if min is not None and not _is_no_bound(min, -1):
        input = maximum(input, min) if _is_met(min) else maximum(min, input)
    if max is not None and not _is_no_bound(max, 1):
        input = minimum(input, max) if _is_met(max) else minimum(max, input)
    return input


def _is_met(bound: Operand) -> bool:
    """Whether a bound is of a size that numbers may have: beside others, floats would lose z.

    max(z, low) is low + relu(z - low), and z + relu(low - z) as well.
    """
    if isinstance(bound, Traced):
        return True
    return all(float(member.abs().max()) <= _MOST_MET for member in as_constant(bound).members)


_MOST_MET = 2.0**10


def hardtanh(input: Traced, min_val: float | int = -1, max_val: float | int = 1, inplace: bool = False) -> Traced:  # noqa: D103
    return clamp(input, min_val, max_val)


def relu6(input: Traced, inplace: bool = False) -> Traced:  # noqa: D103
    return clamp(input, 0, 6)


def hardsigmoid(input: Traced, inplace: bool = False) -> Traced:
    """clamp(z + 3, 0, 6) / 6; the reciprocal is rounded once."""
    return clamp(input + 3, 0, 6) * (1 / 6)


def softshrink(input: Traced, lambd: float | int = 0.5) -> Traced:
    """relu(z - lambda) - relu(-z - lambda)."""
    return relu(input - lambd) - relu(-input - lambd)


def threshold(input: Traced, threshold: float | int, value: float | int, inplace: bool = False) -> Traced:
    """Z where it is above the threshold, elsewhere the value: continuous only if the two are one number."""
    if threshold != value:
        raise ValueError(f"value must be the threshold, {threshold}, or the function jumps there, got {value}")
    return relu(input - threshold) + threshold


# The largest of many entries


def tournament(contestants: Sequence[Affine]) -> Affine:
    """The larger of two entries, b + relu(a - b), in rounds until one is left."""
    left = list(contestants)
    while len(left) > 1:
        pairs = zip(left[::2], left[1::2], strict=False)
        winners = [b.plus(a.plus(b.scaled(-np.ones((1, 1)))).bent(np.zeros((1, 1)))) for a, b in pairs]
        left = winners + left[2 * len(winners) :]
    return left[0]


def largest(input: Traced, dim: int | Sequence[int], keepdim: bool = False) -> Traced:
    """The largest entry along some dimensions."""
    dims = [d % len(input.shape) for d in ([dim] if isinstance(dim, int) else dim or range(len(input.shape)))]
    if input.batch in dims:
        raise ValueError(BATCH)
    last = list(range(-len(dims), 0))
    flat = moved(lambda x: x.movedim(dims, last).flatten(-len(dims)), (input,), {})
    entries = np.arange(flat.entries.bias.shape[1]).reshape(-1, flat.shape[-1])
    shape = tuple(size for d, size in enumerate(input.shape) if d not in dims)
    batch = input.batch - sum(d < input.batch for d in dims)
    output = Traced(tournament([_stored(flat.entries).rows(column) for column in entries.T]), shape, batch)
    if keepdim:
        kept = tuple(1 if d in dims else size for d, size in enumerate(input.shape))
        output = Traced(output.entries, kept, input.batch)
    return output


def smallest(input: Traced, dim: int | Sequence[int], keepdim: bool = False) -> Traced:
    """The smallest entry along some dimensions."""
    return -largest(-input, dim, keepdim)


class WhichEntry:
    """Where the largest entry is, which torch.max returns beside it: no piecewise linear function of the input."""


def of_two_or_along(
    of_two: Callable[[Any, Any], Traced], along: Callable[[Traced, Any, bool], Traced]
) -> Callable[..., Any]:
    """torch.max and torch.min have the same name for the winner of two tensors and for that along a dimension."""

    def called(input: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
        other = dim if isinstance(dim, Traced | Constants) else other
        if other is not None:
            return of_two(input, other)
        if dim is None:
            raise ValueError(BATCH)
        return along(input, dim, keepdim), WhichEntry()

    return called


def max_pool(function: Callable[..., Tensor], num_dimensions: int) -> Callable[..., Traced]:
    """A pool whose windows are all of one size."""

    def pool(
        input: Traced,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Traced:
        if return_indices:
            raise ValueError("return_indices must be False")
        check_dimensions(input.shape, num_dimensions)
        output = function(torch.zeros(input.shape), kernel_size, stride, padding, dilation, ceil_mode)
        windows = []
        for i, (size, num) in enumerate(zip(input.shape[2:], output.shape[2:], strict=True)):
            parameters = (kernel_size, stride or kernel_size, padding, dilation)
            here = (value[i] if isinstance(value, tuple | list) else value for value in parameters)
            windows.append(_windows(size, num, *here))
        return _pooled(input, windows)

    return pool


def adaptive_max_pool(num_dimensions: int) -> Callable[..., Traced]:
    """A pool with so many windows: the i-th of n goes from floor(i size / n) to ceil((i + 1) size / n)."""

    def pool(input: Traced, output_size: Any, return_indices: bool = False) -> Traced:
        check_dimensions(input.shape, num_dimensions)
        sizes = output_size if isinstance(output_size, tuple | list) else [output_size] * num_dimensions
        windows = []
        for size, wanted in zip(input.shape[2:], sizes, strict=True):
            num = size if wanted is None else wanted
            spans = [range(i * size // num, math.ceil((i + 1) * size / num)) for i in range(num)]
            longest = max(len(span) for span in spans)
            windows.append(np.array([[*span, *[-1] * (longest - len(span))] for span in spans]).T)
        return _pooled(input, windows)

    return pool


def _pooled(input: Traced, windows: list[Int[np.ndarray, "kernel_size num"]]) -> Traced:
    """The largest entry of each window."""
    # The entries that each maximum is of: [window, output], -1 where the window sticks out.
    entries = np.arange(input.shape[1])[None, :]
    for size, window in zip(input.shape[2:], windows, strict=True):
        inside = (entries[:, None, :, None] >= 0) & (window[None, :, None, :] >= 0)
        entries = np.where(inside, entries[:, None, :, None] * size + window[None, :, None, :], -1)
        entries = entries.reshape(entries.shape[0] * entries.shape[1], -1)
    if not (entries >= 0).any(axis=0).all():
        raise ValueError("every window must meet an entry, but one lies in the padding, where torch gives -inf")
    some = np.take_along_axis(entries, (entries >= 0).argmax(axis=0)[None], axis=0)
    stored = _stored(input.entries)
    contestants = [stored.rows(row) for row in np.where(entries >= 0, entries, some)]
    return Traced(tournament(contestants), (2, input.shape[1], *(window.shape[1] for window in windows)))


def _stored(entries: Affine) -> Affine:
    """Entries that are the outputs of units, as many contests are between them."""
    return entries if entries.simple else entries.passed


def _windows(
    size: int, num: int, kernel_size: int, stride: int, padding: int, dilation: int
) -> Int[np.ndarray, "kernel_size num"]:
    """Where the windows of a pool are along one dimension; -1 for what is outside."""
    positions = np.arange(num) * stride - padding + np.arange(kernel_size)[:, None] * dilation
    return np.where((positions >= 0) & (positions < size), positions, -1)
