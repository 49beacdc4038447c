"""Many runs: what is finished is skipped, the rest is put into stacks, and the stacks go to worker processes."""

import contextlib
import dataclasses
import json
import math
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from dlcourse.job import Failure
from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.stack import Progress, Trained, train_stack
from dlcourse.jobs.unfinished import Outcome, do_unfinished, finished_result
from dlcourse.jobs.workers import HERE, KILLED, Workers, in_workers, with_whole_paths
from dlcourse.networks import MLPModel, num_parameters
from dlcourse.recording import Result, TaskFacts, last_values
from dlcourse.recording.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from dlcourse.recording.files import write_atomically
from dlcourse.recording.pictures import picture
from dlcourse.recording.run_folder import write_run

# Larger stacks are not faster per member, and their activations and batches no longer fit into the cache.
MAX_MEMBERS = 64
# Seconds of work below which starting worker processes (each imports torch) takes longer than it saves.
WORTH_WORKERS = 6.0


def run(
    configs: Sequence[RunConfig], *, workers: Workers = HERE, progress: bool = True, program: str = "dlcourse"
) -> list[Outcome]:
    """Makes sure that every run is finished, and returns what each came to.

    Runs that differ only in seed and rate are trained as stacks; a member's result depends neither on its company nor
    on the workers. A run whose folder says that it is finished is not run again, unless its configuration says `force`;
    one that was broken off goes on from its checkpoint. A run that fails leaves the others alone.

    Args:
        configs: The runs; the same configuration may come several times.
        workers: Who does the work.
        progress: Whether to show a progress bar on stderr, if that is a terminal.
        program: How the commands begin that are written into the folders.

    Returns:
        One result or failure a configuration, in their order.

    Raises:
        FolderTakenError: If a folder holds a finished run of another configuration.
    """

    def do(pending: list[RunConfig], bar: Any) -> Iterator[tuple[RunConfig, Outcome]]:
        for members, outcomes in _outcomes(_stacks(pending, workers.num_processes), workers, bar, program):
            yield from zip(members, outcomes, strict=True)

    pictured_once = list(_pictured_once(configs))
    return do_unfinished(pictured_once, do, size=lambda config: config.num_steps, unit="step", progress=progress)


def _pictured_once(configs: Sequence[RunConfig]) -> Iterator[RunConfig]:
    """The same runs; of those that differ in their seed only, the first keeps its picture.

    Not the best one or the median: which it is must not depend on the results, or a sweep that was interrupted would
    picture another run than an undisturbed one.
    """
    pictured: set[str] = set()
    for config in configs:
        kind = json.dumps([config.name, {**config.settings(), "seed": None}], sort_keys=True)
        yield config if kind not in pictured else dataclasses.replace(config, pictures=False)
        pictured.add(kind)


def _stacks(configs: Sequence[RunConfig], num_workers: int) -> list[list[RunConfig]]:
    """The runs in groups that train as one stack, longest first.

    What is common to a group is all but seed and rate, and the step that its members have reached. A group that is too
    large for the cache, or longer than a worker's share of the work, is divided.
    """
    groups: dict[str, list[RunConfig]] = defaultdict(list)
    for config in configs:
        common = {key: value for key, value in config.settings().items() if key not in ("seed", "optimizer.rate")}
        checkpoint = read_checkpoint(config.folder)
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
    """Roughly how long a stack takes: 12 microseconds a product, and 20 GFLOP/s, as measured on one core.

    Models of other packages take half a millisecond a step and member besides.
    """
    config = configs[0]
    sizes = [config.task.in_features, *config.model.layer_widths, config.task.out_features]
    # `LayerwiseGradient` fills every layer up to a multiple of 16 units, and needs 6 flops per weight and item. A full
    # batch is taken for 1000 items, as most tasks have by default.
    filled = [-(-size // 16) * 16 for size in sizes]
    flops = 6 * sum(a * b for a, b in pairwise(filled)) * (config.batch_size or 1000)
    overhead = 12e-6 * 3 * len(sizes) if isinstance(config.model, MLPModel) else 5e-4 * len(configs)
    return config.num_steps * (overhead + len(configs) * flops / 20e9)


def _outcomes(
    stacks: list[list[RunConfig]], workers: Workers, bar: Any, program: str
) -> Iterator[tuple[list[RunConfig], list[Outcome]]]:
    """Every stack with what its members came to, in the order in which they are done."""
    num = min(workers.num_processes, len(stacks))
    if workers.backend == "loky" and (num <= 1 or sum(map(_seconds, stacks)) < WORTH_WORKERS):
        for members in stacks:
            yield members, _run_safely(members, lambda steps, losses: _show_progress(bar, steps, losses), program)
        return
    with tempfile.TemporaryDirectory(prefix="dlcourse-") as folder, _watched(Path(folder), bar):
        notes_and_members = [
            (Path(folder, str(index)), with_whole_paths(members)) for index, members in enumerate(stacks)
        ]
        for index, outcomes in in_workers(partial(_work, program=program), notes_and_members, workers):
            members = stacks[index]
            yield members, outcomes or [Failure(config, KILLED) for config in members]


def _work(note_and_members: tuple[Path, list[RunConfig]], program: str) -> list[Outcome]:
    """What a worker process does: it runs a stack, and keeps a file, the note, on how far it is."""
    (note, members), done = note_and_members, 0

    def progress(num_steps: int, losses: list[float]) -> None:
        nonlocal done
        done += num_steps
        # A Dask worker may be on another machine, which has no folder for the notes: its progress is not shown.
        with contextlib.suppress(OSError):
            write_atomically(note, json.dumps([done, losses]).encode())

    return _run_safely(members, progress, program)


def _run_safely(members: Sequence[RunConfig], progress: Progress, program: str) -> list[Outcome]:
    """What the members of a stack came to; where it fails, each is tried alone, to find out whose fault it was."""
    try:
        return list(run_stack(members, progress, program))
    except OSError as error:
        # The disk is full, say, or read-only. That is no fault of a single member, so trying each one alone would only
        # fail again; those whose folders were written before are finished.
        return [finished_result(member) or Failure(member, str(error)) for member in members]
    except Exception as error:  # whatever it is, the other runs shall go on
        if len(members) == 1:
            return [Failure(members[0], f"{type(error).__name__}: {error}")]
    return [outcome for member in members for outcome in _run_safely([member], lambda num_steps, losses: None, program)]


def run_stack(configs: Sequence[RunConfig], progress: Progress, program: str = "dlcourse") -> list[Result]:
    """Trains runs that differ only in seed and rate, and writes each one's folder.

    If all members have a checkpoint at one step, they go on from there, else all start anew.

    Args:
        configs: The runs, none of them finished.
        progress: Told of what has been done.
        program: How the commands begin that are written into the folders.

    Returns:
        What each came to.
    """
    started = time.time()
    read = [read_checkpoint(config.folder) for config in configs]
    checkpoints = [checkpoint for checkpoint in read if checkpoint is not None]
    # `_stacks` only puts runs together that have reached the same step, but another process may have saved or finished
    # one of them since. A stack can go on from one step only, so then all of its members start anew.
    if len(checkpoints) < len(configs) or len({checkpoint.step for checkpoint in checkpoints}) > 1:
        checkpoints = []

    def save(reached: list[Checkpoint]) -> None:
        for config, checkpoint in zip(configs, reached, strict=True):
            write_checkpoint(config.folder, checkpoint)

    results = []
    for config, trained in zip(configs, train_stack(configs, checkpoints, progress=progress, save=save), strict=True):
        result = _result(config, trained)
        write_run(
            config.folder,
            config=config.to_yaml(program),
            network=trained.network,
            history=trained.history,
            result=result,
            hparams=_hparams(config, result),
            num_steps=config.num_steps,
            picture=_picture(config, trained, result),
            started=started,
        )
        results.append(result)
    return results


def _result(config: RunConfig, trained: Trained) -> Result:
    """The last point of every curve, and the number of parameters."""
    metrics = {
        tag.removeprefix("metric/").removeprefix("pieces/"): value
        for tag, value in last_values(trained.history).items()
    }
    metrics["num_parameters"] = num_parameters(trained.network)
    task = config.task
    facts = TaskFacts(task.metric, tuple(task.higher_is_better), task.in_features, task.out_features, task.num_pieces)
    return Result(config.run_name, config.settings(), metrics, trained.diverged_at, trained.seconds, facts)


def _hparams(config: RunConfig, result: Result) -> dict[str, bool | int | float | str]:
    """The run's row in TensorBoard's HPARAMS tab."""
    return {
        "task": config.task.name,
        "depth": "" if config.model.depth is None else config.model.depth,
        "width": config.model.width or str(config.model.layer_widths),
        **config.model.hparams,
        "parameters": int(result.metrics["num_parameters"]),
        "optimizer": config.optimizer.name,
        "rate": config.optimizer.rate,
        "seed": config.seed,
    }


def _picture(config: RunConfig, trained: Trained, result: Result) -> tuple[str, bytes] | None:
    """What the network has learnt, as tag and PNG; None if it has diverged, or no picture is wanted."""
    if trained.data is None or trained.diverged_at is not None:
        return None
    return picture(
        config.task,
        trained.network,
        trained.data,
        title=config.label,
        metrics={config.task.metric: result.metrics[config.task.metric]},
        count_pieces=config.model.has_pieces,
    )


@contextlib.contextmanager
def _watched(folder: Path, bar: Any) -> Iterator[None]:
    """Shows, four times a second, how far the workers say they are."""
    stopped = threading.Event()

    def look() -> None:
        notes = [json.loads(path.read_text()) for path in folder.glob("[0-9]*")]
        losses = [loss for _, stack_losses in notes for loss in stack_losses]
        _show_progress(bar, sum(done for done, _ in notes) - bar.n, losses)

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


def _show_progress(bar: Any, num_steps: int, losses: list[float]) -> None:
    """Moves the progress bar on."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    if finite:
        bar.set_postfix_str(f"loss {min(finite):.2g} to {max(finite):.2g}", refresh=False)
    bar.update(num_steps)
