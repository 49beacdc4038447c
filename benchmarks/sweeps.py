"""What a sweep of 300 networks costs, beside Hydra's launchers over an eager loop, beside JAX, and beside its products.

    python benchmarks/sweeps.py [--jax-python .venv-jax/bin/python] [--rounds 3] [--steps 5000] [--seeds 10]
    python benchmarks/sweeps.py --quick [--jax-python .venv-jax/bin/python]
    python benchmarks/sweeps.py --growth

The reference sweep is `dlcourse -m experiment=reference_sweep pictures=false`. All contestants have the same number of
cores: ours by its worker processes, Hydra's joblib launcher by its own, JAX by as many processes as there are cores,
each with one thread and its share of the architectures, Hydra's basic launcher by torch's threads (or one, whichever is
faster). What would take hours is measured on one seed an architecture and scaled by the number of seeds. In every round
each contestant has its turn, and the ratios are those of one round; the table shows medians. On a machine with other
work to do, core-seconds say more than seconds.

With `--quick` there is one round of some five minutes on two cores: Hydra's joblib launcher is left out, and of 300
jobs its basic launcher runs every twentieth, one seed of every second architecture, scaled by twenty.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import torch
from growth import in_training
from training import Case, seconds, stacked_training

HERE = Path(__file__).resolve().parent
DEPTHS, WIDTHS, BATCH_SIZE = (1, 2, 3, 4, 5, 6), (4, 8, 16, 32, 64), 64
# Stacks as `dlcourse` makes them: widths of one size when filled up, and of how many widths they are.
FILLED = {16: 3, 32: 1, 64: 1}
NUM_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# Every second architecture: each width at three of the six depths, which are 3.47 on average (3.5 for all).
SAMPLE = [("1,3,6", "4,16,64"), ("2,4,5", "8,32")]
GRID = [f"depth={','.join(map(str, DEPTHS))}", f"width={','.join(map(str, WIDTHS))}"]


@dataclass(frozen=True)
class Cost:
    """What something takes.

    Attributes:
        seconds: By the clock.
        core_seconds: Of all processes, in user and system mode.
    """

    seconds: float
    core_seconds: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.seconds + other.seconds, self.core_seconds + other.core_seconds)

    def __mul__(self, factor: float) -> "Cost":
        return Cost(factor * self.seconds, factor * self.core_seconds)


def core_seconds() -> float:
    """Those of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(*commands: Sequence[str], **environment: str) -> Cost:
    """Commands side by side, each in an empty folder; they must succeed."""

    def run(command: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(HERE.parent), **environment},
            )  # fmt: skip

    started, before = time.perf_counter(), core_seconds()
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(run, commands))
    return Cost(time.perf_counter() - started, core_seconds() - before)


def ours(*options: str) -> Cost:
    return timed([sys.executable, "-m", "dlcourse", "-m", "pictures=false", *options])


def eager(*options: str) -> Cost:
    return timed([sys.executable, str(HERE / "eager_app.py"), "-m", *options])


def jax(python: str, num_steps: int, num_seeds: int) -> Cost:
    """All architectures dealt out to one process a core, so that all have about the same work."""
    architectures = [f"{depth}x{width}" for depth, width in product(DEPTHS, WIDTHS)]
    architectures.sort(key=lambda each: -flops(*map(int, each.split("x"))))
    sizes = ["--repetitions", "0", "--steps", str(num_steps), "--seeds", str(num_seeds)]
    script = [python, str(HERE / "jax_training.py"), *sizes]
    return timed(*([*script, *architectures[core::NUM_CORES]] for core in range(NUM_CORES)))


def products(num_steps: int, num_seeds: int) -> Cost:
    """All stacks one after another on one core, scaled to all steps, as if they were dealt out to all cores evenly."""
    stacks = [f"{depth}x{width}x{widths * num_seeds}" for depth in DEPTHS for width, widths in FILLED.items()]
    command = [sys.executable, str(HERE / "products.py"), "--steps", str(min(num_steps, 100)), *stacks]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    total = num_steps * sum(json.loads(line)["seconds"] for line in said.splitlines())
    return Cost(total / NUM_CORES, total)


def flops(depth: int, width: int) -> int:
    """Of a step of one network: forwards, and backwards twice; products only."""
    return 6 * BATCH_SIZE * sum(a * b for a, b in pairwise([1, *[width] * depth, 1]))


def basic_of_a_sample(num_steps: int, num_seeds: int) -> Cost:
    """Hydra's basic launcher over one seed of every second architecture, scaled to all jobs.

    It has as many threads as are faster at a fiftieth of the steps.
    """
    empty = eager("depth=1", "width=4", "seed=0", "num_steps=1")  # its start comes once

    def sample(threads: int, steps: int) -> Cost:
        fixed = ["seed=0", f"num_steps={steps}", f"threads={threads}"]
        costs = [eager(f"depth={depths}", f"width={widths}", *fixed) + empty * -1 for depths, widths in SAMPLE]
        return costs[0] + costs[1]

    threads = min({1, NUM_CORES}, key=lambda threads: sample(threads, num_steps // 50).seconds)
    return empty + sample(threads, num_steps) * (2 * num_seeds)


def contest(num_steps: int, num_seeds: int, jax_python: str | None, *, is_quick: bool) -> dict[str, Cost]:
    """One round: what each contestant takes."""
    sizes = [f"num_steps={num_steps}", f"seed=range({num_seeds})"]
    costs = {"dlcourse": ours("experiment=reference_sweep", *sizes)}
    costs["products alone"] = products(num_steps, num_seeds)
    if jax_python:
        costs["JAX: vmap, scan, jit"] = jax(jax_python, num_steps, num_seeds)
    if is_quick:
        costs[f"Hydra basic, eager loop (every {2 * num_seeds}th job, scaled)"] = basic_of_a_sample(
            num_steps, num_seeds
        )
        return costs
    # the start of an empty application comes once, all the rest with every job
    one, empty = [*GRID, "seed=0", f"num_steps={num_steps}"], eager("depth=1", "width=4", "seed=0", "num_steps=1")
    joblib = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={NUM_CORES}"]
    either = [eager(*one, f"threads={threads}") for threads in sorted({1, NUM_CORES})]
    basic = min(either, key=lambda cost: cost.seconds)
    for name, cost in (("Hydra joblib", eager(*one, *joblib)), ("Hydra basic", basic)):
        costs[f"{name}, eager loop (scaled)"] = empty + (cost + empty * -1) * num_seeds
    return costs


def reference(num_rounds: int, num_steps: int, num_seeds: int, jax_python: str | None, *, is_quick: bool) -> None:
    """The table, and what else there is to say of the sweep."""
    rounds = [contest(num_steps, num_seeds, jax_python, is_quick=is_quick) for _ in range(num_rounds)]
    num_runs = len(DEPTHS) * len(WIDTHS) * num_seeds
    print(f"reference sweep, {num_runs} runs of {num_steps} steps, {NUM_CORES} cores, medians of {num_rounds} rounds\n")
    print("| contestant | seconds | core-seconds | over ours, seconds | over ours, core-seconds | goal |")
    print("|---|---|---|---|---|---|")
    goals = {"products alone": "0.70", "JAX": "3", "Hydra joblib": "14", "Hydra basic": "40"}
    for name in rounds[0]:
        goal = next((goals[start] for start in goals if name.startswith(start)), "")
        of_ours = [(costs[name], costs["dlcourse"]) for costs in rounds]
        numbers = (
            statistics.median(its.seconds for its, _ in of_ours),
            statistics.median(its.core_seconds for its, _ in of_ours),
            statistics.median(its.seconds / mine.seconds for its, mine in of_ours),
            statistics.median(its.core_seconds / mine.core_seconds for its, mine in of_ours),
        )
        print(f"| {name} | {' | '.join(f'{number:.3g}' for number in numbers)} | {goal} |", flush=True)
    if is_quick:
        return
    start = ours("model.depth=1", "seed=0", "num_steps=0")
    outside = ours("experiment=reference_sweep", f"seed=range({num_seeds})", "num_steps=1") + start * -1
    print(f"\noutside of training (one step a run): {1e3 * outside.seconds / num_runs:.1f} ms a run, "
          f"{1e3 * outside.core_seconds / num_runs:.1f} of a core; the start {start.seconds:.1f} s")  # fmt: skip


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jax-python", help="the Python of an environment that has JAX")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant has its turn")
    parser.add_argument("--steps", type=int, default=5000, help="updates of each network")
    parser.add_argument("--seeds", type=int, default=10, help="networks of each architecture")
    parser.add_argument("--quick", action="store_true", help="one round, with a sample of the jobs of Hydra's launcher")
    parser.add_argument("--growth", action="store_true", help="sweeps of 100 to 3,000 runs instead")
    options = parser.parse_args()
    if options.growth:
        in_training()
        return
    rounds = 1 if options.quick else options.rounds
    reference(rounds, options.steps, options.seeds, options.jax_python, is_quick=options.quick)
    if options.jax_python and not options.quick:
        steady(options.jax_python)


if __name__ == "__main__":
    main()
