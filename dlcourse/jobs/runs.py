"""Many runs: what is finished is skipped, the rest is put into stacks, and the stacks go to worker processes."""

import contextlib
import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dlcourse.job import Failure
from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.early import WORTH_WORKERS
from dlcourse.jobs.estimate import num_seconds
from dlcourse.jobs.progress import Progress, watched
from dlcourse.jobs.result import facts_of, hparams_of, pictures_of, result_of
from dlcourse.jobs.stack import StoppedError, in_common, train_stack
from dlcourse.jobs.unfinished import Outcome, do_unfinished, finished_result
from dlcourse.jobs.workers import HERE, Died, Workers, in_workers, is_orphaned
from dlcourse.recording import Result
from dlcourse.recording.checkpoints import Checkpoint, UnfitCheckpointError, read_checkpoint
from dlcourse.recording.files import scratch_folder, write_atomically
from dlcourse.recording.graph import graph_of
from dlcourse.recording.run_folder import KeptAsideError, RunFolder

# Larger stacks are not faster per member, and their activations and batches no longer fit into the cache.
MAX_MEMBERS = 64
# So many threads write the folders of a stack's members.
WRITERS = 4


def run(
    configs: Sequence[RunConfig],
    *,
    workers: Workers = HERE,
    finished: Mapping[Path, Outcome] | None = None,
    progress: bool = True,
    program: str = "dlcourse",
) -> list[Outcome]:
    """Makes sure that every run is finished, and returns what each came to.

    Runs that differ only in seed, rate and width are trained as stacks; a member's result depends neither on its
    company nor on the workers. A run whose folder says that it is finished is not run again, unless its configuration
    says `force`; one that was broken off goes on from its checkpoint. A run that fails leaves the others alone.

    Args:
        configs: The runs; the same configuration may come several times.
        workers: Who does the work.
        finished: What `finished_results` has found, if that is known already.
        progress: Whether to show on stderr how far they are.
        program: How the commands begin that are written into the folders.

    Returns:
        One result or failure a configuration, in their order.

    Raises:
        FolderTakenError: If a folder holds a finished run of another configuration.
    """
    done = each_run(configs, workers=workers, finished=finished, progress=progress, program=program)
    outcomes = {config.folder: outcome for config, outcome in done}
    return [outcomes[config.folder] for config in configs]


def each_run(
    configs: Sequence[RunConfig],
    *,
    workers: Workers = HERE,
    finished: Mapping[Path, Outcome] | None = None,
    progress: bool = True,
    program: str = "dlcourse",
) -> Iterator[tuple[RunConfig, Outcome]]:
    """The same for callers that need not keep tens of thousands of results: gives each run once, as it is done."""

    def do(pending: list[RunConfig], shown: Progress) -> Iterator[tuple[RunConfig, Outcome]]:
        who = workers.on_devices({config.torch_device.type for config in pending})
        work = stacks(_pictured_once(pending, configs), who.num_processes)
        for members, outcomes in _outcomes(work, who, shown, program):
            yield from zip(members, outcomes, strict=True)

    return do_unfinished(
        list(configs),
        do,
        finished=finished,
        size=lambda config: config.num_steps,
        unit="step",
        kind="runs",
        program=program,
        progress=progress,
    )


def _pictured_once(pending: Sequence[RunConfig], configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The runs that are to be done; of all runs that differ in their seed only, the first keeps its picture.

    Not the best one or the median: which it is must not depend on the results, or a sweep that was interrupted would
    picture another run than an undisturbed one. For the same reason it may be one that is finished.
    """
    if not any(config.pictures for config in pending):
        return [*pending]
    kinds = (json.dumps([each.name, each.settings() | {"seed": None}], sort_keys=True) for each in reversed(configs))
    pictured = {*dict(zip(kinds, (each.folder for each in reversed(configs)), strict=True)).values()}
    return [each if each.folder in pictured else replace(each, pictures=False) for each in pending]


def stacks(configs: Sequence[RunConfig], num_workers: int) -> list[list[RunConfig]]:
    """The runs in groups that train as one stack, longest first.

    What is common to a group is said by `in_common`, and the step that its members have reached. A group that is too
    large for the cache, or longer than a worker's share of the work, is divided, so that a part has few widths, and few
    seeds: each one's batches are drawn once a part.
    """
    groups: dict[str, list[RunConfig]] = defaultdict(list)
    for config in configs:
        step = _step_reached(config, Path(), is_said=True)
        groups[json.dumps([in_common(config), config.torch_device.type, step], sort_keys=True)].append(config)
    share = sum(map(num_seconds, groups.values())) / num_workers
    divided = []
    for group in groups.values():
        num_parts = max(-(-len(group) // MAX_MEMBERS), round(num_seconds(group) / share) if share else 0, 1)
        size = -(-len(group) // num_parts)
        group.sort(key=lambda config: (config.model.layer_widths, config.seed))
        divided += [group[first : first + size] for first in range(0, len(group), size)]
    return sorted(divided, key=num_seconds, reverse=True)


def _outcomes(
    work: list[list[RunConfig]], workers: Workers, shown: Progress, program: str
) -> Iterator[tuple[list[RunConfig], list[Outcome]]]:
    """Every stack, or a part of one, with what its members came to, in the order in which they are done."""
    num = min(workers.num_processes, len(work))
    if workers.backend == "loky" and (num <= 1 or sum(map(num_seconds, work)) < WORTH_WORKERS):
        for members in work:
            yield members, _run_safely(members, _Here(Path(), shown.advance), program)
        return
    here = Path.cwd()
    notes = scratch_folder()
    try:
        with watched(notes, shown):
            train = partial(_work, program=program, directory=here, notes=notes)
            done = in_workers(train, work, workers, parts=_halves, reached=partial(_reached, here), stops_itself=True)
            for members, outcome in done:
                if isinstance(outcome, Died):
                    yield members, [Failure(config, outcome.reason) for config in members]
                else:
                    yield members, outcome
    finally:
        shutil.rmtree(notes, ignore_errors=True)


def _halves(members: list[RunConfig]) -> list[list[RunConfig]]:
    """A stack as two; one member cannot be divided."""
    middle = len(members) // 2
    return [members[:middle], members[middle:]] if middle else [members]


def _reached(directory: Path, members: list[RunConfig]) -> int:
    """How many steps the members of a stack have behind them that need not be done again."""
    finished = [_finished_already(member, directory) is not None for member in members]
    steps = [_step_reached(member, directory, is_said=False) for member in members]
    return sum(
        member.num_steps if is_finished else step
        for member, is_finished, step in zip(members, finished, steps, strict=True)
    )


@dataclass(frozen=True)
class _Here:
    """What a stack needs to know of the process that trains it.

    Attributes:
        directory: What relative paths begin from.
        progress: Told of what has been done.
        stop: Whether to stop at the next logged point.
    """

    directory: Path
    progress: Callable[[int, list[float]], None] = lambda num_steps, losses: None
    stop: Callable[[], bool] = lambda: False


def _work(members: list[RunConfig], program: str, directory: Path, notes: Path) -> list[Outcome]:
    """What a worker process does: it runs a stack, and keeps a file, the note, on how far it is."""
    note = notes / members[0].digest
    done = 0

    def progress(num_steps: int, losses: list[float]) -> None:
        nonlocal done
        done += num_steps
        # A Dask worker may be on another machine, which has no folder for the notes: its progress is not shown.
        with contextlib.suppress(OSError):
            write_atomically(note, json.dumps([done, losses]).encode())

    try:
        return _run_safely(members, _Here(directory, progress, is_orphaned), program)
    except StoppedError:
        os._exit(1)  # there is nobody left who waits for an answer


def _run_safely(members: Sequence[RunConfig], here: _Here, program: str) -> list[Outcome]:
    """What the members of a stack came to; where it fails, each is tried alone, to find out whose fault it was."""
    # Since this command looked, some may have been finished, and others have come further than the rest: a worker may
    # have been killed while it wrote one after the other, or another process be at work.
    outcomes: dict[int, Outcome] = {}
    reached: dict[int, list[int]] = defaultdict(list)
    for index, member in enumerate(members):
        if (result := _finished_already(member, here.directory)) is not None:
            outcomes[index] = result
        else:
            reached[_step_reached(member, here.directory, is_said=False)].append(index)
    for indices in reached.values():
        trained = _train_safely([members[index] for index in indices], here, program)
        outcomes.update(zip(indices, trained, strict=True))
    return [outcomes[index] for index in range(len(members))]


def _train_safely(members: Sequence[RunConfig], here: _Here, program: str) -> list[Outcome]:
    """The same for members that are not finished."""
    try:
        return run_stack(members, here, program)
    except StoppedError:
        raise
    except OSError as error:
        # The disk is full, say, or read-only. That is no fault of a single member, so trying each one alone would only
        # fail again; those whose folders were written before are finished.
        return [
            _finished_already(member, here.directory) or Failure(member, f"{member.folder}: {error.strerror or error}")
            for member in members
        ]
    except Exception as error:  # whatever it is, the other runs shall go on
        if len(members) == 1:
            return [Failure(members[0], f"{type(error).__name__}: {error}")]
    alone = replace(here, progress=lambda num_steps, losses: None)
    return [outcome for member in members for outcome in _run_safely([member], alone, program)]


def _finished_already(config: RunConfig, directory: Path) -> Result | None:
    """A run's result, if it has been finished since this command looked; one to be done again never is."""
    try:
        return finished_result(config, directory)
    except (OSError, ValueError):
        return None


def _checkpoint(config: RunConfig, directory: Path) -> Checkpoint | None:
    """What a run can go on from.

    Raises:
        UnfitCheckpointError: If there is something that it cannot go on from.
    """
    checkpoint = read_checkpoint(directory / config.folder, run=config.digest)
    if checkpoint is not None and not 0 <= checkpoint.step < config.num_steps:
        raise UnfitCheckpointError(f"its step is {checkpoint.step}, of {config.num_steps}")
    return checkpoint


def _step_reached(config: RunConfig, directory: Path, *, is_said: bool) -> int:
    """The step of a run's checkpoint; 0 if it has none from which it can go on, which may be said on stderr."""
    try:
        checkpoint = _checkpoint(config, directory)
    except UnfitCheckpointError as error:
        if is_said:
            print(f"{config.folder / 'checkpoint.pt'} is of no use, the run starts anew: {error}", file=sys.stderr)
        return 0
    return 0 if checkpoint is None else checkpoint.step


def _checkpoints(configs: Sequence[RunConfig], directory: Path) -> list[Checkpoint]:
    """One checkpoint a run, all at one step; none if not all have one, or not at the same step.

    `stacks` only puts runs together that have reached the same step, but another process may have saved or finished one
    of them since. A stack can go on from one step only, so then all of its members start anew.
    """
    try:
        read = [_checkpoint(config, directory) for config in configs]
    except UnfitCheckpointError:
        return []
    checkpoints = [checkpoint for checkpoint in read if checkpoint is not None]
    is_one_step = len(checkpoints) == len(configs) and len({checkpoint.step for checkpoint in checkpoints}) == 1
    return checkpoints if is_one_step else []


def run_stack(configs: Sequence[RunConfig], here: _Here, program: str = "dlcourse") -> list[Outcome]:
    """Trains runs that can train as one stack, and writes each one's folder.

    If all members have a checkpoint at one step, they go on from there, else all start anew.

    Args:
        configs: The runs, none of them finished.
        here: What there is to know of this process.
        program: How the commands begin that are written into the folders.

    Returns:
        What each came to.

    Raises:
        StoppedError: If it was stopped.
    """
    started = time.time()
    checkpoints = _checkpoints(configs, here.directory)
    with contextlib.ExitStack() as context:
        folders = [
            context.enter_context(
                RunFolder(
                    here.directory / config.folder,
                    config=config.to_yaml(program),
                    run=config.digest,
                    hparams=hparams_of(config) if config.events else None,
                    pieces_domain=config.task.pieces_domain,
                    error=None if config.task.metric in config.task.higher_is_better else config.task.metric,
                    started=started,
                    anew=not checkpoints,
                    again=config.force,
                )
            )
            for config in configs
        ]

        def save(reached: list[Checkpoint]) -> None:
            for folder, checkpoint in zip(folders, reached, strict=True):
                folder.save(checkpoint)

        trained = train_stack(configs, checkpoints, progress=here.progress, save=save, stop=here.stop)
        facts = facts_of(configs[0])  # all members learn one task
        # A finished run waits until its result is on the disk: several wait together, and others are written meanwhile.
        with ThreadPoolExecutor(WRITERS) as writers:
            written = []
            for config, folder, member in zip(configs, folders, trained, strict=True):
                result = result_of(config, member, facts, started)
                finish = partial(
                    folder.finish,
                    network=member.network,
                    history=member.history,
                    weights=member.weights if config.keep_weights else None,
                    result=result,
                    pictures=pictures_of(config, member),
                    graph=graph_of(member.network) if config.pictures else None,
                )
                written.append(writers.submit(_finished, config, result, finish))
            return [outcome.result() for outcome in written]


def _finished(config: RunConfig, result: Result, finish: Callable[[], None]) -> Outcome:
    """Has a run's folder written."""
    try:
        finish()
    except KeptAsideError as error:
        return Failure(config, str(error))
    return result
