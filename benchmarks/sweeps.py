"""What a sweep of 300 networks costs, beside Hydra's launchers over an eager loop, and beside JAX.

    python benchmarks/sweeps.py [--jax-python .venv-jax/bin/python] [--growth]

The reference sweep is `dlcourse -m experiment=reference_sweep pictures=false`. All contestants have the same number of
cores: ours by its worker processes, Hydra's joblib launcher by its own, JAX by as many processes as there are cores,
each with one thread and its share of the architectures, Hydra's basic launcher by torch's threads (or one, whichever is
faster). What would take hours is measured on one seed an architecture and scaled by the number of seeds.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product
from pathlib import Path

import torch
from training import Case, seconds, stacked_training

HERE = Path(__file__).resolve().parent
DEPTHS, WIDTHS, NUM_SEEDS, NUM_STEPS, BATCH_SIZE = (1, 2, 3, 4, 5, 6), (4, 8, 16, 32, 64), 10, 5000, 64
NUM_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
GRID = [f"depth={','.join(map(str, DEPTHS))}", f"width={','.join(map(str, WIDTHS))}"]


def timed(command: Sequence[str], **environment: str) -> float:
    """Seconds of a command, in an empty folder; it must succeed."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(
            command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(HERE.parent), **environment},
        )  # fmt: skip
        return time.perf_counter() - started


def ours(*options: str) -> float:
    return timed([sys.executable, "-m", "dlcourse", "-m", "pictures=false", *options])


def eager(*options: str) -> float:
    return timed([sys.executable, str(HERE / "eager_app.py"), "-m", *options])


def jax(python: str) -> float:
    """All architectures dealt out to one process a core, so that all have about the same work."""
    architectures = [f"{depth}x{width}" for depth, width in product(DEPTHS, WIDTHS)]
    architectures.sort(key=lambda each: -flops(*map(int, each.split("x"))))
    script = [python, str(HERE / "jax_training.py"), "--repetitions", "0"]
    started = time.perf_counter()
    with ThreadPoolExecutor(NUM_CORES) as pool:
        list(pool.map(lambda core: timed([*script, *architectures[core::NUM_CORES]]), range(NUM_CORES)))
    return time.perf_counter() - started


def flops(depth: int, width: int) -> int:
    """Of a step of one network: forwards, and backwards twice; products only."""
    return 6 * BATCH_SIZE * sum(a * b for a, b in pairwise([1, *[width] * depth, 1]))


def peak() -> float:
    """Multiplications and additions a second of a large product of matrices, on all cores."""
    torch.set_num_threads(NUM_CORES)
    a = torch.randn(2048, 2048)
    times = []
    for _ in range(10):
        started = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(times)


def reference(jax_python: str | None) -> None:
    seeds = f"seed=range({NUM_SEEDS})"
    sweep = ours("experiment=reference_sweep")
    start = ours("model.depth=1", "seed=0", "num_steps=0")
    outside = ours("experiment=reference_sweep", "num_steps=1") - start
    print(f"reference sweep, {len(DEPTHS) * len(WIDTHS) * NUM_SEEDS} runs: {sweep:.1f} s")
    total = NUM_SEEDS * NUM_STEPS * sum(flops(depth, width) for depth, width in product(DEPTHS, WIDTHS))
    highest = peak()
    print(f"{total / sweep / 1e9:.1f} GFLOP/s of {highest / 1e9:.0f}: {total / sweep / highest:.0%} of the peak")
    runs = len(DEPTHS) * len(WIDTHS) * NUM_SEEDS
    print(f"outside of training (one step a run): {1e3 * outside / runs:.1f} ms a run; the start {start:.1f} s")
    one = [*GRID, "seed=0", f"num_steps={NUM_STEPS}"]
    # the start of an empty application comes once, all the rest with every job
    empty = eager("depth=1", "width=4", "seed=0", "num_steps=1")
    serial = min(eager(*one, "threads=1"), eager(*one, f"threads={NUM_CORES}")) - empty
    joblib = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={NUM_CORES}"]
    parallel = eager(*one, *joblib) - empty
    print(f"\n| contestant, {seeds} | seconds | ours is faster by | goal |\n|---|---|---|---|")
    rows = [
        ("Hydra basic, eager loop (scaled)", empty + NUM_SEEDS * serial, 25),
        ("Hydra joblib, eager loop (scaled)", empty + NUM_SEEDS * parallel, 14),
    ]
    if jax_python:
        rows.append(("JAX: vmap, scan, jit", jax(jax_python), 3))
    for name, spent, goal in rows:
        print(f"| {name} | {spent:.0f} | {spent / sweep:.1f} | {goal} |")
    print(f"| dlcourse | {sweep:.1f} | | |", flush=True)


def steady(jax_python: str) -> None:
    """Microseconds a step and member of 50 members, depth 3, width 32, on one core, compilation excluded."""
    torch.set_num_threads(1)
    run = stacked_training(Case(32, 3, BATCH_SIZE, 50), 2000, torch.device("cpu"))
    command = [
        jax_python,
        str(HERE / "jax_training.py"),
        "3x32",
        "--seeds",
        "50",
        "--steps",
        "2000",
        "--repetitions",
        "1",
    ]
    mine, its = [], []
    for _ in range(5):
        mine.append(seconds(run, torch.device("cpu")))
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        its.append(json.loads(said)["seconds"][-1])
    per = [1e6 * sorted(each)[len(each) // 2] / 2000 / 50 for each in (mine, its)]
    print(f"50 members, depth 3, width 32: ours {per[0]:.1f}, JAX {per[1]:.1f} us a step and member", flush=True)


def growth() -> None:
    """Seconds and memory of larger and larger sweeps."""
    print("\n| runs | seconds | ms a run | largest process, MB |\n|---|---|---|---|")
    for runs in (100, 300, 1000, 3000):
        spent = ours("model.depth=3", "num_steps=1000", "log_every=500", f"seed=range({runs})")
        # of all children so far; the sweeps grow
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"| {runs} | {spent:.1f} | {1e3 * spent / runs:.1f} | {largest:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jax-python", help="the Python of an environment that has JAX")
    parser.add_argument("--growth", action="store_true", help="sweeps of 100 to 3,000 runs instead")
    options = parser.parse_args()
    if options.growth:
        growth()
        return
    reference(options.jax_python)
    if options.jax_python:
        steady(options.jax_python)


if __name__ == "__main__":
    main()
