"""What larger and larger sweeps take: processor time, and the memory of each process at its peak.

    python benchmarks/sweeps.py --growth
    TMPDIR=/dev/shm python benchmarks/growth.py [--runs 2 1000 3000 10000 30000]

The second trains each network for one step, so that all there is to see is what a run costs besides: composition,
files, table and comparison; then what it takes to give the same command again, to group the results, and to show them
in TensorBoard's tab. Linux only: the memory is read in /proc.
"""

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SWEEP = ["-m", "dlcourse", "-m", "pictures=false"]
ONE_STEP = [*SWEEP, "model.depth=1", "model.width=4", "num_steps=1", "events=false"]
AGAIN = {
    "the same command again": None,
    "`dlcourse-results`": ["-c", "from dlcourse.cli.results import main; main()", "outputs/zigzag"],
    "the tab's first screen": [
        "-c",
        "import json; from pathlib import Path; from dlcourse.tensorboard_tab.folders import LogFolder; "
        "from dlcourse.tensorboard_tab.page import page; json.dumps(page(LogFolder(Path('outputs')), {}))",
    ],
}


@dataclass(frozen=True)
class Taken:
    """What a command took.

    Attributes:
        seconds: By the clock.
        core_seconds: Of all its processes, in user and system mode.
        megabytes: Of memory, the first process at its peak.
        megabytes_of_a_worker: Likewise the largest of its child processes; 0 if it had none.
    """

    seconds: float
    core_seconds: float
    megabytes: float
    megabytes_of_a_worker: float


def peaks(process: int) -> dict[int, float]:
    """The memory of a process and of its child processes at their peaks so far, in MB."""
    found = {}
    with contextlib.suppress(OSError):  # it has ended
        status = Path(f"/proc/{process}/status").read_text().split()
        if "VmHWM:" in status:
            found[process] = int(status[status.index("VmHWM:") + 1]) / 1024
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            found |= peaks(int(child))
    return found


def taken(options: Sequence[str], folder: str) -> Taken:
    """Runs Python with these options in a folder; it must succeed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    running = subprocess.Popen(
        [sys.executable, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    memory: dict[int, float] = {}
    while running.poll() is None:
        memory |= peaks(running.pid)
        time.sleep(0.05)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, options)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    core_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    workers = (memory[process] for process in memory if process != running.pid)
    return Taken(seconds, core_seconds, memory.get(running.pid, 0), max(workers, default=0))


def in_training() -> None:
    """Sweeps that train for a thousand steps."""
    print("\n| runs | seconds | ms a run | this process, MB | largest worker, MB |\n|---|---|---|---|---|")
    for runs in (100, 300, 1000, 3000):
        with tempfile.TemporaryDirectory() as folder:
            options = ["model.depth=3", "num_steps=1000", "log_every=500", f"seed=range({runs})"]
            found = taken([*SWEEP, *options], folder)
        print(
            f"| {runs} | {found.seconds:.1f} | {1e3 * found.seconds / runs:.1f} | {found.megabytes:.0f} "
            f"| {found.megabytes_of_a_worker:.0f} |",
            flush=True,
        )


def besides_training(numbers_of_runs: Sequence[int]) -> None:
    """Sweeps that train for one step; the first of them counts as the start."""
    heading = [
        "runs",
        "core-seconds",
        "core-ms a run beyond the start",
        "this process, MB",
        "largest worker, MB",
        *AGAIN,
    ]
    print("| " + " | ".join(heading) + " |\n" + "|---" * len(heading) + "|", flush=True)
    start: tuple[int, Taken] | None = None
    for runs in numbers_of_runs:
        with tempfile.TemporaryDirectory() as folder:
            command = [*ONE_STEP, f"seed=range({runs})"]
            found = taken(command, folder)
            reading = [taken(each or command, folder) for each in AGAIN.values()]
        if start is None:
            start, beyond = (runs, found), ""
        else:
            beyond = f"{1e3 * (found.core_seconds - start[1].core_seconds) / (runs - start[0]):.1f}"
        memory = [f"{found.megabytes:.0f}", f"{found.megabytes_of_a_worker:.0f}"]
        again = [f"{each.core_seconds:.1f} s, {each.megabytes:.0f} MB" for each in reading]
        print(f"| {' | '.join([str(runs), f'{found.core_seconds:.1f}', beyond, *memory, *again])} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[2, 1000, 3000, 10_000, 30_000], help="how many, each")
    besides_training(parser.parse_args().runs)


if __name__ == "__main__":
    main()
