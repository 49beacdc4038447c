"""How much of the main job's training time the counts of linear pieces at every logged step take.

    python benchmarks/share_of_counting.py

Runs the sweep of `make run` in this process, without pictures, into a folder that is deleted, and times two parts of
it: training, and counting.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before NumPy is loaded

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from dlcourse import pieces
from dlcourse.cli import main
from dlcourse.jobs import stack

seconds = {"train": 0.0, "on_lines": 0.0}


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds[function.__name__] += time.perf_counter() - started

    return call


def timed_train(*arguments: Any, **options: Any) -> Iterator[Any]:
    """The snapshots; only the steps between them are timed."""

    def train() -> Any:
        return next(snapshots, None)

    snapshots = iter(original_train(*arguments, **options))
    yield from iter(timed(train), None)


original_train = stack.train
stack.train = timed_train
pieces.on_lines = timed(pieces.on_lines)

with tempfile.TemporaryDirectory() as folder:
    options = ["pictures=false", "hydra.launcher.num_workers=1", f"outputs={folder}"]
    sys.argv[1:] = ["-m", "experiment=depth_vs_width_zigzag", *options]
    main()
print(f"training {seconds['train']:.1f} s, counting {seconds['on_lines']:.2f} s: ", end="")
print(f"{seconds['on_lines'] / seconds['train']:.1%} of the training time")
