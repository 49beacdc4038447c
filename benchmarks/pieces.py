"""How fast regions of ReLU networks on planes are counted, against regioncam, on one thread.

    python benchmarks/pieces.py

Every network is counted in turn by both programs, several times; the table has medians and their ratio. regioncam
(0.5.2, Rust, float32) always builds vertices, edges and faces. dlcourse (float64, exact) is timed for the count alone,
for the count with vertices, edges and polygons, and with every region's affine map and the linear pieces, too.
"""

import argparse
import importlib.metadata
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is loaded

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import regioncam
import torch
from torch import nn

from dlcourse import pieces

SIZES = [
    [2, 16, 16, 1],
    [2, 32, 32, 32, 1],
    [2, 64, 64, 64, 1],
    [2, 128, 128, 128, 1],
    [2, 256, 256, 1],
    [2, 512, 512, 1],
]
LEAST_SECONDS, LEAST_REPEATS = 2.0, 5


def default_network(sizes: list[int], seed: int) -> nn.Sequential:
    """As torch initialises it in float32, cast to float64."""
    torch.manual_seed(seed)
    modules = [module for a, b in pairwise(sizes) for module in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*modules[:-1]).double()


def count(network: nn.Sequential) -> int:
    return pieces.on_plane(network, -1.0, 1.0).num_regions


def geometry(network: nn.Sequential) -> int:
    """Vertices, edges, the regions' polygons: what regioncam has built."""
    plane = pieces.on_plane(network, -1.0, 1.0)
    assert len(plane.polygon_starts) == plane.num_regions + 1
    assert len(plane.edges) == len(plane.vertices) + plane.num_regions - 1
    return plane.num_regions


def geometry_and_maps(network: nn.Sequential) -> int:
    """All that, every region's affine map, and the linear pieces."""
    plane = pieces.on_plane(network, -1.0, 1.0)
    assert len(plane.polygon_starts) - 1 == len(plane.weights) == plane.num_regions >= plane.num_pieces
    return plane.num_regions


def theirs(network: nn.Sequential) -> int:
    plane = regioncam.Regioncam(1.0)
    for layer in network:
        if isinstance(layer, nn.Linear):
            plane.linear(layer.weight.T.float().detach().numpy(), layer.bias.float().detach().numpy())
        else:
            plane.relu()
    return int(plane.num_faces)


OURS = [count, geometry, geometry_and_maps]


def medians(functions: list[Callable[[nn.Sequential], int]], network: nn.Sequential) -> tuple[list[float], list[int]]:
    """Seconds of each function, called in turn, and what they return."""
    results = [function(network) for function in functions]
    seconds: list[list[float]] = [[] for _ in functions]
    begin = time.perf_counter()
    while len(seconds[0]) < LEAST_REPEATS or time.perf_counter() - begin < LEAST_SECONDS:
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function(network)
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in seconds], results


def peak_memory(function: Callable[[nn.Sequential], int], network: nn.Sequential) -> float:
    """Megabytes that a call takes at most, in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (function, network))


def _peak_memory(function: Callable[[nn.Sequential], int], network: nn.Sequential) -> float:
    function(default_network([2, 8, 8, 1], 0))
    before = _high_water()
    function(network)
    return _high_water() - before


def _high_water() -> float:
    """The most memory that this process has had, in megabytes (Linux)."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="networks of each size")
    parser.add_argument("--memory", action="store_true", help="also measure the peak memory of each call")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"regioncam {importlib.metadata.version('regioncam')}, torch {torch.__version__}, milliseconds, medians\n")
    print("| network | regions | regioncam | count | ratio | MB | geometry | ratio | MB | with maps | ratio | MB |")
    print(f"{'|---' * 12}|")
    for sizes in SIZES:
        for seed in range(arguments.seeds):
            network = default_network(sizes, seed)
            seconds, (regions, ours, *_) = medians([theirs, *OURS], network)
            note = "" if regions == ours else f" (regioncam: {regions:,})"
            cells = [f"{sizes} seed {seed}", f"{ours:,}{note}", f"{seconds[0] * 1e3:.2f}"]
            for function, mine in zip(OURS, seconds[1:], strict=True):
                cells += [f"{mine * 1e3:.2f}", f"{seconds[0] / mine:.1f}"]
                cells += [f"{peak_memory(function, network):.0f}"] if arguments.memory else [""]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
