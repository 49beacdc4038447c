"""How fast regions of ReLU networks on planes and lines are counted, against regioncam, on one thread.

    python benchmarks/pieces.py [--lines | --deep]

Every network is counted in turn by both programs, several times; the table has medians and their ratio. regioncam
(0.5.2, Rust, float32) always builds vertices, edges and faces. dlcourse (float64, exact) is timed for the count alone,
for the count with vertices, edges and polygons, and with every region's affine map and the linear pieces, too. With
--deep, residual and deep networks are counted on lines by dlcourse alone, beside plain ones with as many units.
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


def tents(num_tents: int) -> nn.Sequential:
    """The lecture's tents on [0, 1], nested: 2^num_tents regions there, and one more on [-1, 0]."""
    modules = [module for _ in range(num_tents) for module in (nn.Linear(2, 2), nn.ReLU())]
    modules[0] = nn.Linear(1, 2)
    network = nn.Sequential(*modules, nn.Linear(2, 1)).double()
    for layer in network[::2]:
        layer.weight.data = torch.tensor([[2.0, -2.0], [4.0, -4.0]], dtype=torch.float64)
        layer.bias.data = torch.tensor([0.0, -2.0], dtype=torch.float64)
    network[0].weight.data = torch.tensor([[2.0], [4.0]], dtype=torch.float64)
    network[-1].weight.data, network[-1].bias.data = torch.tensor([[1.0, -1.0]]).double(), torch.zeros(1).double()
    return network


def count_on_line(network: nn.Sequential) -> int:
    return pieces.on_line(network, -1.0, 1.0).num_regions


def theirs_on_line(network: nn.Sequential) -> int:
    line = regioncam.Regioncam1D(2.0)  # the length: from -1 to 1
    for layer in network:
        if isinstance(layer, nn.Linear):
            line.linear(layer.weight.T.float().detach().numpy(), layer.bias.float().detach().numpy())
        else:
            line.relu()
    return int(line.num_edges)


def lines() -> None:
    """Networks of one input, on [-1, 1]."""
    networks = {f"{sizes} seed 0": default_network(sizes, 0) for sizes in ([1, 64, 64, 64, 1], [1, 256, 256, 256, 1])}
    networks |= {f"{num_tents} tents": tents(num_tents) for num_tents in (8, 12, 16, 20)}
    print("| network | regions | regioncam | on_line | ratio | MB |\n|---|---|---|---|---|---|")
    for name, network in networks.items():
        (their_seconds, our_seconds), (theirs, ours) = medians([theirs_on_line, count_on_line], network)
        note = "" if theirs == ours else f" (regioncam: {theirs:,})"
        cells = [name, f"{ours:,}{note}", f"{their_seconds * 1e3:.2f}", f"{our_seconds * 1e3:.2f}"]
        cells += [f"{their_seconds / our_seconds:.1f}", f"{peak_memory(count_on_line, network):.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


class Residual(nn.Module):
    """x + linear(relu(linear(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x)  # type: ignore[no-any-return]


def residual_network(num_blocks: int) -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    """Blocks of 64 units between 16 inputs and 5 outputs, as torch initialises them, and a random line."""
    torch.manual_seed(0)
    blocks = [Residual(64) for _ in range(num_blocks)]
    network = nn.Sequential(nn.Linear(16, 64), *blocks, nn.Linear(64, 5)).double()
    start, end = 1.5 * torch.randn(2, 16, dtype=torch.float64)
    return network, start, end


def he_network(width: int, depth: int) -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    """One input; weights as He draws them, biases N(0, 1/4); the line from -2 to 2."""
    network = default_network([1, *[width] * depth, 1], 0)
    for layer in network[:-1:2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.normal_(layer.bias, std=0.5)
    return network, torch.tensor([-2.0]), torch.tensor([2.0])


def deep() -> None:
    """Residual and deep networks on lines, beside networks of three layers with as many units."""
    networks = {f"residual, {n} blocks of 64": (64 * n, residual_network(n)) for n in (4, 6, 8, 10, 20, 40)}
    networks |= {f"He, {depth} x 64": (64 * depth, he_network(64, depth)) for depth in (8, 16, 20, 30, 40, 60)}
    pieces.on_line(*residual_network(1))  # what is imported for the first of them
    print("| network | regions | settled | CPU s | us per region and unit | plain, 3 layers | times as much |")
    print(f"{'|---' * 7}|")
    for name, (num_units, arguments) in networks.items():
        seconds, counted = cpu_seconds(arguments)
        plain_seconds, plain = cpu_seconds(he_network(num_units // 3, 3))
        price = 1e6 * seconds / counted.num_regions / num_units
        plain_price = 1e6 * plain_seconds / plain.num_regions / num_units
        cells = [name, f"{counted.num_regions:,}", f"{counted.num_settled:,}", f"{seconds:.2f}", f"{price:.2f}"]
        print(f"| {' | '.join([*cells, f'{plain_price:.2f}', f'{price / plain_price:.1f}'])} |", flush=True)


def cpu_seconds(arguments: tuple[nn.Sequential, torch.Tensor, torch.Tensor]) -> tuple[float, pieces.OnLine]:
    """What a count takes of the processor, the least of three, and the count."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        counted = pieces.on_line(*arguments)
        seconds.append(time.process_time() - start)
    return min(seconds), counted


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
    function(default_network([network[0].in_features, 8, 8, 1], 0))
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
    parser.add_argument("--lines", action="store_true", help="count on lines instead")
    parser.add_argument("--deep", action="store_true", help="count residual and deep networks on lines instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.deep:
        deep()
        return
    print(f"regioncam {importlib.metadata.version('regioncam')}, torch {torch.__version__}, milliseconds, medians\n")
    if arguments.lines:
        lines()
        return
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
