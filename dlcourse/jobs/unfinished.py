"""What runs and measurements have in common: what is finished is skipped, and the rest is done."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from dlcourse.job import Failure, FolderTakenError, Job
from dlcourse.jobs.progress import Progress
from dlcourse.recording import Result, read_result
from dlcourse.recording.failures import Failed, write_failure
from dlcourse.recording.files import remove_what_the_dead_left
from dlcourse.recording.run_folder import KeptAsideError, is_finished, move_in

SomeJob = TypeVar("SomeJob", bound=Job)
Outcome = Result | Failure

# The name of a `metrics.json` that cannot be read, until the job is done again.
DAMAGED = "metrics.damaged.json"


def finished_results(jobs: Iterable[Job]) -> dict[Path, Result | Failure]:
    """What the folders of the jobs hold, of those jobs that need not be done (again).

    A result that could not take its place is put there now, or counts as failed. One that is damaged is left out, with
    a line on stderr: the job will be done again.

    Raises:
        FolderTakenError: If a folder holds another job's.
    """
    found: dict[Path, Result | Failure] = {}
    for folder, job in {job.folder: job for job in jobs}.items():
        try:
            move_in(folder)
            result = finished_result(job)
        except KeptAsideError as error:
            found[folder] = Failure(job, str(error))
            continue
        except (OSError, ValueError) as error:
            if isinstance(error, FolderTakenError):
                raise
            print(f"{folder / 'metrics.json'} is damaged, so this is done again: {error}", file=sys.stderr)
            with contextlib.suppress(OSError):  # put aside, it is no longer the mark of a finished job
                (folder / "metrics.json").rename(folder / DAMAGED)
            continue
        if result is not None:
            found[folder] = result
    return found


def finished_result(job: Job, directory: Path = Path()) -> Result | None:
    """The result that the job's folder holds, if the job need not be done (again).

    Args:
        job: The job.
        directory: What relative paths begin from.

    Raises:
        FolderTakenError: If it is another job's.
        OSError: If it cannot be read.
        ValueError: If it is damaged.
    """
    folder = directory / job.folder
    if job.force or not is_finished(folder):
        return None
    result = read_result(folder)
    settings = job.settings()
    # Those in the file were turned into JSON and back, which can make lists of tuples, for example.
    if result.config != settings and result.config != json.loads(json.dumps(settings)):
        raise FolderTakenError(f"{folder} holds a run of another configuration; move it, or choose another name")
    return result


def reason_of_failure(outcome: Outcome) -> str | None:
    """Why a job counts as failed: it could not be finished, or its network diverged. None if it does not."""
    if isinstance(outcome, Failure):
        return outcome.reason
    return None if outcome.diverged_at is None else f"diverged by step {outcome.diverged_at}"


def do_unfinished(
    jobs: Sequence[SomeJob],
    do: Callable[[list[SomeJob], Progress], Iterator[tuple[SomeJob, Outcome]]],
    *,
    finished: Mapping[Path, Outcome] | None,
    size: Callable[[SomeJob], int],
    unit: str,
    kind: str,
    program: str,
    progress: bool,
) -> Iterator[tuple[SomeJob, Outcome]]:
    """Makes sure that every job is finished.

    Args:
        jobs: The jobs; the same one may come several times.
        do: Does the unfinished ones, each once, and gives them with their outcomes as they are done. It moves the
            progress on, its second argument.
        finished: What `finished_results` has found, if that is known already.
        size: How much work a job is.
        unit: What the work is counted in.
        kind: What the jobs are: "runs".
        program: How the commands begin that are written into the folders.
        progress: Whether to show on stderr how far they are.

    Yields:
        Each job, but once only where the same one comes several times, and what it came to: first those that were
        finished, then the others as they are done. None of them is kept here.

    Raises:
        FolderTakenError: If a folder holds a finished job of another configuration.
    """
    finished = finished_results(jobs) if finished is None else finished
    for folder in finished:  # a process that was killed just before this would have been its last act
        with contextlib.suppress(OSError):  # it is not there, or not ours to delete
            (folder / "checkpoint.pt").unlink()
    once: dict[Path, SomeJob] = {}
    for job in jobs:
        once.setdefault(job.folder, job)
    yield from ((job, finished[folder]) for folder, job in once.items() if folder in finished)
    pending = {folder: job for folder, job in once.items() if folder not in finished}
    remove_what_the_dead_left(*{folder.parent for folder in once}, *pending)
    total = sum(map(size, pending.values()))
    with Progress(len(pending), total, unit=unit, kind=kind, shown=progress) as shown:
        for job, outcome in do(list(pending.values()), shown):
            if isinstance(outcome, Failure):
                write_failure(job.folder, Failed(job.run_name, outcome.reason, job.command(program)))
            else:
                for name in ("failure.json", DAMAGED):
                    with contextlib.suppress(OSError):
                        (job.folder / name).unlink()
            shown.done(has_failed=reason_of_failure(outcome) is not None)
            yield job, outcome
