"""How fast regions are counted beside relucent (linear programs) in boxes, and affinitree (decision trees) everywhere.

All on one thread. relucent is under the AGPL and wanted for nothing else: the two get an environment of their own.

    python -m venv .venv-peers
    .venv-peers/bin/pip install torch==2.13.0 relucent==1.0.0 affinitree==0.23.0 jaxtyping
    PYTHONPATH=. .venv-peers/bin/python benchmarks/peers.py

Each of relucent's counts is one call in a process of its own, which is ended after three minutes; dlcourse's times are
medians of several calls.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is loaded

import contextlib
import importlib.metadata
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.queues import Queue
from queue import Empty

import torch
from torch import nn

from dlcourse import pieces

SIZES = [[2, 16, 16, 1], [2, 32, 32, 32, 1], [3, 8, 8, 1], [3, 16, 16, 1], [4, 6, 6, 1]]
MOST_SECONDS = 180
WHOLE_SPACE = [[2, 8, 8, 1], [2, 16, 16, 1], [3, 8, 8, 1], [3, 12, 12, 1], [4, 6, 6, 1]]
FAR = 2.0**30  # the box from -FAR to FAR stands for the whole space; one of a quarter of that must have as many regions


def default_network(sizes: list[int], seed: int) -> nn.Sequential:
    """As torch initialises it in float32, cast to float64."""
    torch.manual_seed(seed)
    modules = [module for a, b in pairwise(sizes) for module in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*modules[:-1]).double()


def ours(sizes: list[int]) -> tuple[float, float, int]:
    """Seconds in a box, seconds on a plane if it is one, and regions."""
    network, d = default_network(sizes, 0), sizes[0]
    box, plane = [], []
    for _ in range(9):
        start = time.perf_counter()
        counted = pieces.in_box(network, [-1.0] * d, [1.0] * d)
        box.append(time.perf_counter() - start)
        if d == 2:
            start = time.perf_counter()
            pieces.on_plane(network, -1.0, 1.0)
            plane.append(time.perf_counter() - start)
    return statistics.median(box), statistics.median(plane or [float("nan")]), counted.num_regions


def theirs(sizes: list[int], answers: "Queue[tuple[float, int] | str]") -> None:
    """Puts seconds and regions into the queue, or what went wrong."""
    from relucent import Complex

    torch.set_num_threads(1)
    network = default_network(sizes, 0)
    start = time.perf_counter()
    complex_ = Complex(network)
    try:
        complex_.bfs(cube_radius=1.0, cube_mode="intersect", nworkers=1, verify=False, verbose=0)
    except (RuntimeError, ValueError) as error:
        answers.put(type(error).__name__)
    else:
        answers.put((time.perf_counter() - start, len(complex_)))


def within_limit(sizes: list[int]) -> tuple[float, int] | str:
    """relucent's seconds and regions, or why there are none."""
    context = get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=theirs, args=(sizes, answers))
    process.start()
    try:
        return answers.get(timeout=MOST_SECONDS)
    except Empty:
        return f"more than {MOST_SECONDS * 1000:,}"
    finally:
        process.kill()
        process.join()


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keeps away what affinitree's Rust code prints."""
    sys.stdout.flush()
    before, nowhere = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for number, kept in enumerate(before, start=1):
            os.dup2(kept, number)
            os.close(kept)
        os.close(nowhere)


def whole_space() -> None:
    """Prints a table: the regions of all of R^d as the leaves of a decision tree, and those of a large box."""
    from affinitree import builder, extract_pytorch_architecture

    print(f"\naffinitree {importlib.metadata.version('affinitree')}, milliseconds of processor time\n")
    print("| network | regions | leaves | affinitree | in_box | ratio |")
    print(f"{'|---' * 6}|")
    for sizes in WHOLE_SPACE:
        network, d = default_network(sizes, 0), sizes[0]
        box, tree = [], []
        for _ in range(5):  # in turns
            start = time.process_time()
            with silenced():
                leaves = builder.from_layers(extract_pytorch_architecture(d, network)).num_terminals()
            tree.append(time.process_time() - start)
            start = time.process_time()
            regions = pieces.in_box(network, [-FAR] * d, [FAR] * d).num_regions
            box.append(time.process_time() - start)
        if pieces.in_box(network, [-FAR / 4] * d, [FAR / 4] * d).num_regions != regions:
            raise ValueError(f"FAR must be larger for {sizes}")
        theirs, ours = (1e3 * statistics.median(seconds) for seconds in (tree, box))
        print(f"| {sizes} | {regions:,} | {leaves:,} | {theirs:,.0f} | {ours:.1f} | {theirs / ours:,.0f} |", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    print(f"relucent {importlib.metadata.version('relucent')}, torch {torch.__version__}, milliseconds\n")
    print("| network | regions | relucent | in_box | ratio | on_plane | ratio |")
    print(f"{'|---' * 7}|")
    for sizes in SIZES:
        box, plane, regions = ours(sizes)
        found = within_limit(sizes)
        cells = [str(sizes), f"{regions:,}"]
        if isinstance(found, str):
            cells += [found, f"{box * 1e3:.1f}", "", "" if sizes[0] > 2 else f"{plane * 1e3:.1f}", ""]
        else:
            seconds, their_regions = found
            note = "" if their_regions == regions else f" ({their_regions:,} regions)"
            cells += [f"{seconds * 1e3:,.0f}{note}", f"{box * 1e3:.1f}", f"{seconds / box:,.0f}"]
            cells += [f"{plane * 1e3:.1f}", f"{seconds / plane:,.0f}"] if sizes[0] == 2 else ["", ""]
        print(f"| {' | '.join(cells)} |", flush=True)
    whole_space()


if __name__ == "__main__":
    main()
