"""How the time of a count grows with the number of regions, on planes and in boxes of three dimensions, on one thread.

    python benchmarks/pieces_scaling.py

Two networks as torch initialises them, on squares and cubes around 0 that grow from a hundred regions to most of those
that there are: the units stay the same, so that only regions become more. And networks of growing width on one domain.
Prints a table of processor time, which other programs on the machine disturb less than they do a clock, and draws
benchmarks/pieces_scaling.png.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is loaded

import statistics
import time
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

from dlcourse import pieces

HALF_WIDTHS = [0.03, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 4.0]
PLANE, BOX = [2, 256, 256, 1], [3, 64, 64, 1]
PLANES = [[2, width, width, 1] for width in (16, 32, 64, 128, 256, 512)]
BOXES = [[3, width, width, 1] for width in (8, 12, 16, 24, 32, 48, 64, 96)]
SERIES = [  # name, networks, half-widths of the domain, colour, marker
    (f"plane, {PLANE}, growing square", [PLANE] * len(HALF_WIDTHS), HALF_WIDTHS, "#0072B2", "o"),
    ("plane, growing width", PLANES, [1.0] * len(PLANES), "#56B4E9", "s"),
    (f"box, {BOX}, growing cube", [BOX] * len(HALF_WIDTHS), HALF_WIDTHS, "#D55E00", "o"),
    ("box, growing width", BOXES, [1.0] * len(BOXES), "#E69F00", "s"),
]
LEAST_SECONDS, LEAST_REPEATS = 1.0, 3


def default_network(sizes: list[int], seed: int) -> nn.Sequential:
    """As torch initialises it in float32, cast to float64."""
    torch.manual_seed(seed)
    modules = [module for a, b in pairwise(sizes) for module in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*modules[:-1]).double()


def count(network: nn.Sequential, d: int, half_width: float) -> int:
    if d == 2:
        return pieces.on_plane(network, -half_width, half_width).num_regions
    return pieces.in_box(network, [-half_width] * d, [half_width] * d).num_regions


def median_seconds(network: nn.Sequential, d: int, half_width: float) -> tuple[float, int]:
    num_regions = count(network, d, half_width)
    seconds: list[float] = []
    while len(seconds) < LEAST_REPEATS or sum(seconds) < LEAST_SECONDS:
        start = time.process_time()
        count(network, d, half_width)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), num_regions


def main() -> None:
    torch.set_num_threads(1)
    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    print("| domain | network | half-width | regions | ms | us a region |")
    print(f"{'|---' * 6}|")
    for name, networks, half_widths, colour, marker in SERIES:
        regions, times = [], []
        for sizes, half_width in zip(networks, half_widths, strict=True):
            seconds, num_regions = median_seconds(default_network(sizes, 0), sizes[0], half_width)
            regions.append(num_regions)
            times.append(seconds)
            domain = "plane" if sizes[0] == 2 else "box"
            cells = [domain, str(sizes), f"{half_width:g}", f"{num_regions:,}", f"{seconds * 1e3:.1f}"]
            print(f"| {' | '.join([*cells, f'{seconds / num_regions * 1e6:.1f}'])} |", flush=True)
        axes.loglog(regions, times, color=colour, marker=marker, markersize=4, label=name)
    axes.axline((1e3, 2e-3), (1e5, 2e-1), color="grey", linestyle=":", linewidth=1, label="2 us a region")
    axes.set(xlabel="activation regions", ylabel="seconds of processor time", title="Time of a count, one thread")
    axes.legend(fontsize=8)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
