"""Where the time of training goes in the reference sweep: the profile beside benchmarks/sweeps.py.

    python benchmarks/shares_of_training.py [--steps 320]

All stacks of the sweep (depth 1 to 6; widths 4, 8 and 16 as one of 16, then 32 and 64; ten seeds, fresh items) take so
many steps each on one core, while `perf` looks two thousand times a second of the core which function of which library
is at work. Every such sample belongs to one row, by these names. Linux, with `perf` installed.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from sweeps import BATCH_SIZE, DEPTHS, FILLED

from dlcourse.losses import SquaredError
from dlcourse.networks import MLP, stack
from dlcourse.tasks import ZigZag
from dlcourse.training import Adam, Batches, train

NUM_SEEDS = 10
# The first that fits, in the library or in the function's name. torch's own functions are those of libtorch_cpu that
# compute (loops over elements, sums, copies), and the rest of that library is what leads to them.
ROWS = {
    "products of matrices": r"gemm|gemv|mkl_blas",
    "Adam": r"fused_adam",
    "random numbers": r"mt19937|uniform|random_from_to|CPUGenerator",
    "relu and its derivative": r"threshold|clamp_min",
    "sums": r"_sum<|sum_kernel|cascade_sum",
    "other passes over elements": r"VectorizedLoop|basic_loop|serial_for_each|memcpy|memmove|memset|cat_",
    "Python": r"libpython",
    "torch on its way": r"libtorch|libc10|libc\.so|ld-linux|libstdc|libgomp",
    "the system": r"",
}


def training(depth: int, width: int, num_members: int, num_steps: int) -> Callable[[], None]:
    """So many steps of a stack."""
    task = ZigZag(num_folds=4, fresh=True)
    members = stack([MLP(1, 1, width=width, depth=depth) for _ in range(num_members)])
    data = task.data(0, torch.float32)
    seeds = [number % NUM_SEEDS for number in range(num_members)]
    inputs, targets = (each.expand(num_members, -1, -1) for each in (data.train_inputs, data.train_targets))

    def run() -> None:
        batches = Batches(seeds, inputs, targets, BATCH_SIZE, draw=task.draw)
        for _ in train(members, batches, loss=SquaredError(), optimizer=Adam(rate=0.001), num_steps=num_steps):
            pass

    return run


def samples(runs: Sequence[Callable[[], None]]) -> tuple[Counter[str], float]:
    """How often each row was met, and the seconds of the core that it took."""
    with tempfile.NamedTemporaryFile() as file:
        options = ["-e", "task-clock", "-F", "1999", "-o", file.name, "-p", str(os.getpid())]
        recorder = subprocess.Popen(["perf", "record", *options], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(0.5)  # until it looks
        started = time.process_time()
        for run in runs:
            run()
        seconds = time.process_time() - started
        recorder.send_signal(2)
        recorder.wait()
        command = ["perf", "script", "-i", file.name, "-F", "ip,sym,dso"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    met = Counter(next(row for row, names in ROWS.items() if re.search(names, line)) for line in said.splitlines())
    return met, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=320, help="of each stack")
    num_steps = parser.parse_args().steps
    torch.set_num_threads(1)
    columns: dict[str, tuple[Counter[str], float]] = {}
    for width, widths in FILLED.items():
        runs = [training(depth, width, widths * NUM_SEEDS, num_steps) for depth in DEPTHS]
        runs[0]()  # for warming up
        columns[f"width {width}"] = samples(runs)
    together: Counter[str] = sum((met for met, _ in columns.values()), Counter())
    columns["all"] = together, sum(seconds for _, seconds in columns.values())
    print(f"| % of the samples | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row in ROWS:
        shares = [100 * met[row] / met.total() for met, _ in columns.values()]
        print(f"| {row} | {' | '.join(f'{share:.0f}' for share in shares)} |")
    steps = [num_steps * len(DEPTHS)] * len(FILLED) + [num_steps * len(DEPTHS) * len(FILLED)]
    per_step = [1e6 * seconds / num for (_, seconds), num in zip(columns.values(), steps, strict=True)]
    print(f"| microseconds a step and stack | {' | '.join(f'{each:.0f}' for each in per_step)} |")
    print(f"\n{together.total()} samples")


if __name__ == "__main__":
    main()
