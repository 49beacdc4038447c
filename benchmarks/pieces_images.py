"""How long and with how much memory networks on images are counted, and pieces of a deep network: one thread.

    python benchmarks/pieces_images.py [CASE ...]

Every case has a process of its own. Prints a table of processor time (user, system) with reading the network, and of
the most memory that the process had beyond what it has after a network of one convolution is counted.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is loaded

import argparse
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import nn

from dlcourse import pieces


def images(num: int, *shape: int) -> list[torch.Tensor]:
    """Random ones, the same at each call."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(num)]


def network(shape: tuple[int, int, int], channels: list[int], width: int, pool: type[nn.Module]) -> nn.Sequential:
    """Convolutions of 3 x 3, each with ReLU and a pool of 2 x 2, and two affine layers, as torch initialises them."""
    torch.manual_seed(0)
    modules: list[nn.Module] = []
    for before, after in zip([shape[0], *channels], channels, strict=False):
        modules += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), pool(2)]
    size = channels[-1] * (shape[1] // 2 ** len(channels)) * (shape[2] // 2 ** len(channels))
    modules += [nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, 10)]
    return nn.Sequential(*modules).double()


def on_plane(pool: type[nn.Module]) -> tuple[int, int]:
    counted = pieces.on_plane(network((1, 8, 8), [8], 32, pool), through=images(3, 1, 8, 8))
    return counted.num_regions, counted.num_settled


def on_line(shape: tuple[int, int, int], channels: list[int], width: int) -> tuple[int, int]:
    counted = pieces.on_line(network(shape, channels, width, nn.MaxPool2d), *images(2, *shape))
    return counted.num_regions, counted.num_settled


def deep(*, with_pieces: bool) -> tuple[int, int]:
    """He 5-(6x50)-5 with biases N(0, 1/100) on a random plane."""
    generator = torch.Generator().manual_seed(1)
    modules: list[nn.Module] = []
    for before, after in zip([5] + [50] * 6, [50] * 6 + [5], strict=True):
        layer = nn.Linear(before, after, dtype=torch.float64)
        layer.weight.data = torch.randn(after, before, generator=generator, dtype=torch.float64) * (2 / before) ** 0.5
        layer.bias.data = torch.randn(after, generator=generator, dtype=torch.float64) / 10
        modules += [layer, nn.ReLU()]
    origin, *directions = images(3, 5)
    counted = pieces.on_plane(nn.Sequential(*modules[:-1]), -1, 1, origin=origin, directions=torch.stack(directions))
    assert not with_pieces or counted.num_pieces <= counted.num_regions
    return counted.num_regions, counted.num_settled


CASES: dict[str, Callable[[], tuple[int, int]]] = {
    "conv8-maxpool-32-10, plane of 1x8x8": lambda: on_plane(nn.MaxPool2d),
    "conv8-avgpool-32-10, plane of 1x8x8": lambda: on_plane(nn.AvgPool2d),
    "conv8-maxpool-conv12-maxpool-32-10, line of 1x28x28": lambda: on_line((1, 28, 28), [8, 12], 32),
    "conv16-maxpool-conv32-maxpool-64-10, line of 3x32x32": lambda: on_line((3, 32, 32), [16, 32], 64),
    "He 5-(6x50)-5, plane, count": lambda: deep(with_pieces=False),
    "He 5-(6x50)-5, plane, count and pieces": lambda: deep(with_pieces=True),
}


def measured(case: str) -> list[str]:
    """A row of the table, in this process."""
    on = images(2, 1, 8, 8)
    pieces.on_line(network((1, 8, 8), [8], 32, nn.MaxPool2d), *on)  # what a first call loads
    before, memory = os.times(), _high_water()
    num_regions, num_settled = CASES[case]()
    after = os.times()
    seconds = f"{after.user - before.user:.2f} | {after.system - before.system:.2f}"
    return [case, f"{num_regions:,}", f"{num_settled:,}", seconds, f"{_high_water() - memory:.0f}"]


def _high_water() -> float:
    """The most memory that this process has had, in megabytes (Linux)."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="words that a case's name begins with or contains")
    wanted = parser.parse_args().cases
    torch.set_num_threads(1)
    print("| network | regions | settled | user s | system s | MB |\n|---|---|---|---|---|---|")
    for case in CASES:
        if not wanted or any(word in case for word in wanted):
            with get_context("spawn").Pool(1) as pool:
                print(f"| {' | '.join(pool.apply(measured, (case,)))} |", flush=True)


if __name__ == "__main__":
    main()
