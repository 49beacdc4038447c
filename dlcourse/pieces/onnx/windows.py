"""ONNX's convolutions and pools, as functions of torch: windows that step over some dimensions."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_Ints = Sequence[int]


def conv(
    X: Tensor,
    W: Tensor,
    B: Tensor | None = None,
    auto_pad: str = "NOTSET",
    dilations: _Ints | None = None,
    group: int = 1,
    kernel_shape: _Ints | None = None,
    pads: _Ints | None = None,
    strides: _Ints | None = None,
) -> Tensor:
    """A convolution."""
    kernel = list(W.shape[2:])
    ends = _ends(X, kernel, auto_pad, pads, strides, dilations)
    steps, spread = _each(strides, len(kernel)), _each(dilations, len(kernel))
    return _CONV[len(kernel)](_padded(X, ends), W, B, steps, 0, spread, group)


def conv_transpose(
    X: Tensor,
    W: Tensor,
    B: Tensor | None = None,
    auto_pad: str = "NOTSET",
    dilations: _Ints | None = None,
    group: int = 1,
    kernel_shape: _Ints | None = None,
    output_padding: _Ints | None = None,
    output_shape: _Ints | None = None,
    pads: _Ints | None = None,
    strides: _Ints | None = None,
) -> Tensor:
    """A transposed convolution; pads are cut off from its result."""
    num = W.dim() - 2
    if output_shape is not None or auto_pad != "NOTSET":
        raise ValueError(
            f"auto_pad must be NOTSET or VALID, without an output_shape, got {auto_pad} and {output_shape}"
        )
    more = [0] * num if output_padding is None else output_padding
    output = _CONV_TRANSPOSE[num](X, W, B, _each(strides, num), 0, more, group, _each(dilations, num))
    cut = [-size for size in pads or [0] * 2 * num]
    return _padded(output, [*zip(cut[:num], cut[num:], strict=True)])


def max_pool(
    X: Tensor,
    kernel_shape: _Ints,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: _Ints | None = None,
    pads: _Ints | None = None,
    storage_order: int = 0,
    strides: _Ints | None = None,
) -> Tensor:
    """The largest entry of each window; the second output, where it is, is not read."""
    num = len(kernel_shape)
    ends = _ends(X, kernel_shape, auto_pad, pads, strides, dilations)
    steps, spread = _each(strides, num), _each(dilations, num)
    if _fits(ends, kernel_shape):
        begin = [begin for begin, _ in ends]
        return _MAX_POOL[num](X, list(kernel_shape), steps, begin, spread, bool(ceil_mode))
    if ceil_mode or any(size != 1 for size in spread) or not _within(ends, kernel_shape):
        raise ValueError(f"pads of different sizes must come without ceil_mode and dilations, got {ends}")
    # A window without gaps that sticks out has the entry at that end in it: a copy of this changes no maximum.
    flat = [size for pair in reversed(ends) for size in pair]
    return _MAX_POOL[num](F.pad(X, flat, "replicate"), list(kernel_shape), steps)


def average_pool(
    X: Tensor,
    kernel_shape: _Ints,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: _Ints | None = None,
    pads: _Ints | None = None,
    strides: _Ints | None = None,
) -> Tensor:
    """The mean of each window, of what is inside or, with `count_include_pad`, of the padding's zeros too."""
    num = len(kernel_shape)
    if any(size != 1 for size in dilations or ()):
        raise ValueError(f"dilations must be 1, got {dilations}")
    ends = _ends(X, kernel_shape, auto_pad, pads, strides, None)
    steps, pool, kernel = _each(strides, num), _AVG_POOL[num], list(kernel_shape)
    if _fits(ends, kernel_shape):
        begin = [begin for begin, _ in ends]
        return pool(X, kernel, steps, begin, bool(ceil_mode), bool(count_include_pad))
    if ceil_mode:
        raise ValueError(f"pads of different sizes must come without ceil_mode, got {ends}")
    means = pool(_padded(X, ends), kernel, steps)
    if count_include_pad:
        return means
    inside = torch.ones((1, 1, *X.shape[2:]), dtype=X.dtype, device=X.device)
    return means / pool(_padded(inside, ends), kernel, steps)


def _each(sizes: _Ints | None, num: int) -> list[int]:
    return [1] * num if sizes is None else list(sizes)


def _ends(
    X: Tensor,
    kernel: _Ints,
    auto_pad: str,
    pads: _Ints | None,
    strides: _Ints | None,
    dilations: _Ints | None,
) -> list[tuple[int, int]]:
    """How much is put in before and behind, along each of the dimensions."""
    num = len(kernel)
    if X.dim() != num + 2:
        raise ValueError(f"one input must have {num + 1} dimensions, got shape {tuple(X.shape[1:])}")
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        sizes = pads if pads and auto_pad == "NOTSET" else [0] * 2 * num
        return [*zip(sizes[:num], sizes[num:], strict=True)]
    ends = []
    for size, width, step, spread in zip(X.shape[2:], kernel, _each(strides, num), _each(dilations, num), strict=True):
        total = max((math.ceil(size / step) - 1) * step + (width - 1) * spread + 1 - size, 0)
        less, more = total // 2, total - total // 2
        ends.append((less, more) if auto_pad == "SAME_UPPER" else (more, less))
    return ends


def _padded(X: Tensor, ends: list[tuple[int, int]]) -> Tensor:
    """With zeros at the ends; negative numbers cut off."""
    return F.pad(X, [size for pair in reversed(ends) for size in pair]) if any(map(any, ends)) else X


def _fits(ends: list[tuple[int, int]], kernel: _Ints) -> bool:
    """Whether torch's pools pad like this: the same at both ends, at most half of a window."""
    return all(begin == end and 2 * begin <= size for (begin, end), size in zip(ends, kernel, strict=True))


def _within(ends: list[tuple[int, int]], kernel: _Ints) -> bool:
    """Whether every window has an entry in it."""
    return all(max(pair) < size for pair, size in zip(ends, kernel, strict=True))
