"""Many runs: what is finished is skipped, the rest is put into stacks, and the stacks go to worker processes."""

import contextlib
import dataclasses
import json
import math
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dlcourse.checkpoints import read_checkpoint
from dlcourse.config import RunConfig
from dlcourse.job import Failure, finished_result, run_folder
from dlcourse.recording import Result
from dlcourse.recording.files import write_atomically
from dlcourse.run_stack import Progress, run_stack
from dlcourse.workers import HERE, KILLED, Workers, in_workers

# Members beyond this number gain no more from company, and their activations and batches leave the cache.
MAX_MEMBERS = 64
# Seconds of work below which starting worker processes (each imports torch) takes longer than it saves.
WORTH_WORKERS = 6.0


def run(configs: Sequence[RunConfig], *, workers: Workers = HERE, progress: bool = True) -> list[Result | Failure]:
    """Makes sure that every run is finished, and returns what each came to.

    Runs that differ only in seed and rate are trained as stacks; a member's result depends neither on its company nor
    on the workers. A run whose folder says that it is finished is not run again, unless its configuration says `force`;
    one that was broken off goes on from its checkpoint. A run that fails leaves the others alone.

    Args:
        configs: The runs; the same configuration may come several times.
        workers: Who does the work.
        progress: Whether to show a progress bar on stderr, if that is a terminal.

    Returns:
        One result or failure a configuration, in their order.

    Raises:
        FolderTakenError: If a folder holds a finished run of another configuration.
    """
    done: dict[Path, Result | Failure] = {}
    pending: dict[Path, RunConfig] = {}
    for config in _pictured_once(configs):
        folder = run_folder(config)
        if finished := finished_result(config):
            done[folder] = finished
        else:
            pending.setdefault(folder, config)
    stacks = _stacks(list(pending.values()), workers.num_processes)
    total = sum(config.num_steps for config in pending.values())
    num_failed = 0
    with tqdm(total=total, unit="step", unit_scale=True, disable=None if progress and total else True) as bar:
        for members, outcomes in _outcomes(stacks, workers, bar):
            for config, outcome in zip(members, outcomes, strict=True):
                done[run_folder(config)] = outcome
                num_failed += isinstance(outcome, Failure) or outcome.diverged_at is not None
            if num_failed:
                bar.set_description_str(f"{num_failed} failed")
    return [done[run_folder(config)] for config in configs]


def _pictured_once(configs: Sequence[RunConfig]) -> Iterator[RunConfig]:
    """The same runs; of those that differ in their seed only, the first keeps its picture.

    Not the best one or the median: which it is must not depend on the results, or a sweep that was interrupted would
    picture another run than an undisturbed one.
    """
    pictured: set[str] = set()
    for config in configs:
        kind = json.dumps([config.name, {**config.flat(), "seed": None}], sort_keys=True)
        yield config if kind not in pictured else dataclasses.replace(config, pictures=False)
        pictured.add(kind)


def _stacks(configs: Sequence[RunConfig], num_workers: int) -> list[list[RunConfig]]:
    """The runs in groups that train as one stack, longest first.

    What is common to a group is all but seed and rate, and the step that its members have reached. A group that is too
    large for the cache, or longer than a worker's share of the work, is divided.
    """
    groups: dict[str, list[RunConfig]] = defaultdict(list)
    for config in configs:
        common = {key: value for key, value in config.flat().items() if key not in ("seed", "optimizer.rate")}
        checkpoint = read_checkpoint(run_folder(config))
        step = 0 if checkpoint is None else checkpoint.step
        groups[json.dumps([common, config.torch_device.type, step], sort_keys=True)].append(config)
    share = sum(map(_seconds, groups.values())) / num_workers
    stacks = []
    for group in groups.values():
        num_parts = max(-(-len(group) // MAX_MEMBERS), round(_seconds(group) / share) if share else 0, 1)
        size = -(-len(group) // num_parts)
        stacks += [group[first : first + size] for first in range(0, len(group), size)]
    return sorted(stacks, key=_seconds, reverse=True)


def _seconds(configs: Sequence[RunConfig]) -> float:
    """Roughly how long a stack takes: 12 microseconds a product, and 20 GFLOP/s, as measured on one core."""
    config = configs[0]
    sizes = [config.task.in_features, *config.model.layer_widths, config.task.out_features]
    filled = [-(-size // 16) * 16 for size in sizes]
    flops = 6 * sum(a * b for a, b in pairwise(filled)) * (config.batch_size or 1000)
    return config.num_steps * (12e-6 * 3 * len(sizes) + len(configs) * flops / 20e9)


def _outcomes(
    stacks: list[list[RunConfig]], workers: Workers, bar: Any
) -> Iterator[tuple[list[RunConfig], list[Result | Failure]]]:
    """Every stack with what its members came to, in the order in which they are done."""
    num = min(workers.num_processes, len(stacks))
    if workers.backend == "loky" and (num <= 1 or sum(map(_seconds, stacks)) < WORTH_WORKERS):
        for members in stacks:
            yield members, _run_safely(members, lambda steps, losses: show_progress(bar, steps, losses))
        return
    with tempfile.TemporaryDirectory(prefix="dlcourse-") as folder, _watched(Path(folder), bar):
        noted = [(Path(folder, str(index)), _placed(members)) for index, members in enumerate(stacks)]
        for index, outcomes in in_workers(_work, noted, workers):
            members = stacks[index]
            yield members, outcomes or [Failure(config, KILLED) for config in members]


def _placed(members: Sequence[RunConfig]) -> list[RunConfig]:
    """The runs with the whole path of their folder: a worker may have been started elsewhere."""
    return [dataclasses.replace(config, outputs=str(Path(config.outputs).absolute())) for config in members]


def _work(noted: tuple[Path, list[RunConfig]]) -> list[Result | Failure]:
    """What a worker process does: it runs a stack, and leaves a note on how far it is."""
    (note, members), done = noted, 0

    def progress(num_steps: int, losses: list[float]) -> None:
        nonlocal done
        done += num_steps
        with contextlib.suppress(OSError):  # a worker on another machine has no such folder
            write_atomically(note, json.dumps([done, losses]).encode())

    return _run_safely(members, progress)


def _run_safely(members: Sequence[RunConfig], progress: Progress) -> list[Result | Failure]:
    """What the members of a stack came to; where it fails, each is tried alone, to find out whose fault it was."""
    try:
        return list(run_stack(members, progress))
    except OSError as error:  # the disk (full, read-only): no fault of one of them, so trying each again is no use
        return [finished_result(member) or Failure(member, str(error)) for member in members]
    except Exception as error:  # whatever it is, the other runs shall go on
        if len(members) == 1:
            return [Failure(members[0], f"{type(error).__name__}: {error}")]
    return [outcome for member in members for outcome in _run_safely([member], lambda num_steps, losses: None)]


@contextlib.contextmanager
def _watched(folder: Path, bar: Any) -> Iterator[None]:
    """Shows, four times a second, how far the workers say they are."""
    stopped = threading.Event()

    def look() -> None:
        notes = [json.loads(path.read_text()) for path in folder.glob("[0-9]*")]
        show_progress(bar, sum(done for done, _ in notes) - bar.n, [loss for _, losses in notes for loss in losses])

    def watch() -> None:
        while not stopped.wait(0.25):
            look()
        look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def show_progress(bar: Any, num_steps: int, losses: list[float]) -> None:
    """Moves the progress bar on."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    if finite:
        bar.set_postfix_str(f"loss {min(finite):.2g} to {max(finite):.2g}", refresh=False)
    bar.update(num_steps)
