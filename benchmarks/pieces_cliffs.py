"""What networks cost to count that floats alone do not decide, beside plain ones with as many units, on one thread.

    python benchmarks/pieces_cliffs.py [NAME ...]

Residual, deep, convolutional and pooled networks, each in a process of its own, which tells its peak memory. Beside
each stands a plain network of three layers with as many units in all, on the same domain: *times plain* is the ratio of
the times for each region. Not so for images, whose plain networks would have a thousand million weights. Times are
processor time, the least of three (of one, above 20 seconds). Names, or beginnings of names, choose some of the cases.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is loaded

import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.reading import read

LONG = 20.0  # seconds
MOST_UNITS = 6_000  # of plain networks
DEPTHS = (8, 16, 20, 30, 40, 60)


class Residual(nn.Module):
    """x + W relu(V x + b) + c."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = x + self.block(x)
        return y


def plain(in_features: int, widths: list[int]) -> nn.Sequential:
    """ReLU layers as He draws them, with biases from N(0, 1/4)."""
    modules = [module for a, b in pairwise([in_features, *widths]) for module in (nn.Linear(a, b), nn.ReLU())]
    for layer in modules[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.normal_(layer.bias, std=0.5)
    return nn.Sequential(*modules, nn.Linear(widths[-1], 1))


def residual(num_blocks: int, in_features: int = 16, width: int = 64) -> nn.Sequential:
    first, *blocks = nn.Linear(in_features, width), *(Residual(width, width) for _ in range(num_blocks))
    return nn.Sequential(first, *blocks, nn.Linear(width, 1))


def pooled() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 1))


def saturated() -> nn.Sequential:
    """Hardtanh, so narrow that most entries are at one of its ends, where pools tie."""
    first = nn.Conv2d(4, 4, 3, padding=1), nn.Hardtanh(-0.1, 0.1), nn.MaxPool2d(3, 1, 1)
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(4 * 144, 3))


def convolutional(channels: int, one: int, other: int, size: int) -> nn.Sequential:
    layers = [nn.Conv2d(channels, one, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(one, other, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(other * (size // 4) ** 2, 10))


class Block(nn.Module):
    """relu(s(x) + f(x)): f is two convolutions with batch normalisation, s the identity, or 1x1 and half as large."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        stride = 1 if channels == out_channels else 2
        first = nn.Conv2d(channels, out_channels, 3, stride, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU()
        self.block = nn.Sequential(*first, nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.skip = nn.Identity() if stride == 1 else nn.Conv2d(channels, out_channels, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.skip(x) + self.block(x))


def resnet() -> nn.Sequential:
    """Three stages of a block each, 3x16x16 to 32 channels of 4x4."""
    blocks = [Block(8, 8), Block(8, 16), Block(16, 32)]
    first = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()
    found = nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5))
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return found


def stacked(num_layers: int) -> nn.Sequential:
    """Convolutions of 8 channels on 16x16, as He draws them."""
    sizes = [1] + [8] * num_layers
    modules = [each for a, b in pairwise(sizes) for each in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU())]
    for layer in modules[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.normal_(layer.bias, std=0.3)
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(8 * 256, 3))


def on_line(network: nn.Module, points: np.ndarray) -> pieces.OnLine:
    return pieces.on_line(network, points[0], points[1])


def on_whole_line(network: nn.Module, points: np.ndarray) -> pieces.OnWholeLine:
    return pieces.on_line(network, origin=points[0], direction=points[1])


def on_plane(network: nn.Module, points: np.ndarray) -> pieces.OnPlane:
    return pieces.on_plane(network, through=tuple(points))


def pieces_on_plane(network: nn.Module, points: np.ndarray) -> pieces.OnPlane:
    plane = on_plane(network, points)
    assert plane.num_pieces > 0
    return plane


def on_scattered_line(network: nn.Module, points: np.ndarray) -> pieces.OnLine:
    """Between images four fifths of whose pixels are 0."""
    return on_line(network, np.where(np.abs(points) < np.quantile(np.abs(points), 0.8), 0, points))


def on_blank_line(network: nn.Module, points: np.ndarray) -> pieces.OnLine:
    """Between images that are 0 outside of a square in the middle, half as high."""
    size = points.shape[-1]
    middle = slice(size // 4, size // 4 + size // 2)
    blank = np.zeros_like(points)
    blank[..., middle, middle] = points[..., middle, middle]
    return on_line(network, blank)


Case = tuple[Callable[[], nn.Module], tuple[int, ...], Callable[[nn.Module, np.ndarray], Any]]
CASES: dict[str, Case] = {
    **{f"residual, {n} blocks of 64, line": (lambda n=n: residual(n), (16,), on_line) for n in (4, 6, 8, 10, 20, 40)},
    **{
        f"deep, {n} layers of 64, line": (lambda n=n: plain(1, [64] * n), (1,), on_line)
        for n in (8, 16, 20, 30, 40, 60)
    },
    **{
        f"planes, residual, {n} blocks of 32": (lambda n=n: residual(n, 5, 32), (5,), on_plane) for n in (6, 12, 24, 48)
    },
    **{f"planes, deep, {n} layers of 32": (lambda n=n: plain(5, [32] * n), (5,), on_plane) for n in (6, 12, 24, 48)},
    "pooled, conv4-max-fc of 8x8 images, plane": (pooled, (1, 8, 8), on_plane),
    "pooled, conv4-max-fc of 8x8 images, plane: pieces": (pooled, (1, 8, 8), pieces_on_plane),
    **{f"images, {n} conv8 of 16x16, line": (lambda n=n: stacked(n), (1, 16, 16), on_line) for n in (4, 8, 12)},
    "images, ResNet of 3x16x16, line": (resnet, (3, 16, 16), on_line),
    "images, conv8-max-conv12-max-fc of 28x28, whole line": (
        lambda: convolutional(1, 8, 12, 28),
        (1, 28, 28),
        on_whole_line,
    ),
    "images, conv8-max-conv12-max-fc of 28x28, line": (lambda: convolutional(1, 8, 12, 28), (1, 28, 28), on_line),
    "images, conv16-max-conv32-max-fc of 3x32x32, line": (lambda: convolutional(3, 16, 32, 32), (3, 32, 32), on_line),
    "images, conv4-hardtanh-max-fc of 4x12x12, line": (saturated, (4, 12, 12), on_line),
    "images of 28x28, four fifths of the pixels 0, line": (
        lambda: convolutional(1, 8, 12, 28),
        (1, 28, 28),
        on_scattered_line,
    ),
    "images of 28x28, blank but for the middle, line": (
        lambda: convolutional(1, 8, 12, 28),
        (1, 28, 28),
        on_blank_line,
    ),
    "images of 3x32x32, blank but for the middle, line": (
        lambda: convolutional(3, 16, 32, 32),
        (3, 32, 32),
        on_blank_line,
    ),
    "pieces, 6 layers of 50, plane in 5 inputs: regions": (lambda: plain(5, [50] * 6), (5,), on_plane),
    "pieces, 6 layers of 50, plane in 5 inputs: pieces": (lambda: plain(5, [50] * 6), (5,), pieces_on_plane),
    "pieces, 24 layers of 32, plane in 5 inputs: pieces": (lambda: plain(5, [32] * 24), (5,), pieces_on_plane),
    "pieces, 36 layers of 32, plane in 5 inputs: regions": (lambda: plain(5, [32] * 36), (5,), on_plane),
    "pieces, 36 layers of 32, plane in 5 inputs: pieces": (lambda: plain(5, [32] * 36), (5,), pieces_on_plane),
    "pieces, residual, 30 blocks of 32, plane: regions": (lambda: residual(30, 5, 32), (5,), on_plane),
    "pieces, residual, 30 blocks of 32, plane: pieces": (lambda: residual(30, 5, 32), (5,), pieces_on_plane),
}


def measured(name: str, widths: list[int] | None) -> tuple[float, int, int, int, float]:
    """Seconds, regions, signs settled in integers, units that bend, and megabytes.

    Args:
        name: The case.
        widths: If given, a plain network of these widths takes the place of the case's.
    """
    make, shape, count = CASES[name]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    size = int(np.prod(shape))
    network = (make() if widths is None else nn.Sequential(nn.Flatten(), plain(size, widths))).double().eval()
    points = np.random.default_rng(0).normal(size=(3, *shape)) * (2 if size == 1 else 1)
    num_units = sum(int((layer.slope != 1).sum()) for layer in read(network, shape))
    seconds: list[float] = []
    while len(seconds) < (1 if seconds and seconds[0] > LONG else 3):
        start = time.process_time()
        found = count(network, points)
        seconds.append(time.process_time() - start)
        counts = found.num_regions, found.num_settled
        del found  # which holds what it is made of, and has no part in the next one's memory
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return min(seconds), *counts, num_units, peak


def main() -> None:
    chosen = [name for name in CASES if not sys.argv[1:] or name.startswith(tuple(sys.argv[1:]))]
    print("| network and domain | units | regions | settled | seconds | MB | us a region | times plain |")
    print(f"{'|---' * 8}|")
    for name in chosen:
        with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            seconds, regions, settled, units, peak = pool.apply(measured, (name, None))
        ratio = ""
        if units <= MOST_UNITS:
            with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                plain_seconds, plain_regions, *_ = pool.apply(measured, (name, [max(1, round(units / 3))] * 3))
            ratio = f"{(seconds / regions) / (plain_seconds / plain_regions):.1f}"
        cells = [name, f"{units:,}", f"{regions:,}", f"{settled:,}", f"{seconds:.2f}", f"{peak:,.0f}"]
        print(f"| {' | '.join([*cells, f'{seconds / regions * 1e6:,.1f}', ratio])} |", flush=True)


if __name__ == "__main__":
    main()
