"""What runs and measurements have in common: what is finished is skipped, the rest is done, with a progress bar."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from dlcourse.job import Failure, FolderTakenError, Job
from dlcourse.recording import Result, read_result

SomeJob = TypeVar("SomeJob", bound=Job)
Outcome = Result | Failure


def finished_result(job: Job) -> Result | None:
    """The result that the job's folder holds, if the job need not be done (again).

    Raises:
        FolderTakenError: If it is another job's.
    """
    folder = job.folder
    if job.force or not (folder / "metrics.json").exists():
        return None
    result = read_result(folder)
    # The settings are turned into JSON and back, as those in the file were: that can make lists of tuples, for example.
    if result.config != json.loads(json.dumps(job.settings())):
        raise FolderTakenError(f"{folder} holds a run of another configuration; move it, or choose another name")
    return result


def reason_of_failure(outcome: Outcome) -> str | None:
    """Why a job counts as failed: it could not be finished, or its network diverged. None if it does not."""
    if isinstance(outcome, Failure):
        return outcome.reason
    return None if outcome.diverged_at is None else f"diverged by step {outcome.diverged_at}"


def do_unfinished(
    jobs: Sequence[SomeJob],
    do: Callable[[list[SomeJob], Any], Iterator[tuple[SomeJob, Outcome]]],
    *,
    size: Callable[[SomeJob], int],
    unit: str,
    progress: bool,
) -> list[Outcome]:
    """Makes sure that every job is finished, and returns what each came to.

    Args:
        jobs: The jobs; the same one may come several times.
        do: Does the unfinished ones, each once, and gives them with their outcomes as they are done. It moves the
            progress bar, its second argument.
        size: How far a job moves the bar.
        unit: What the bar counts.
        progress: Whether to show the bar on stderr, if that is a terminal.

    Returns:
        One outcome a job, in their order.

    Raises:
        FolderTakenError: If a folder holds a finished job of another configuration.
    """
    outcomes: dict[Path, Outcome] = {}
    pending: dict[Path, SomeJob] = {}
    folders = [job.folder for job in jobs]
    for job, folder in zip(jobs, folders, strict=True):
        if (result := finished_result(job)) is not None:
            outcomes[folder] = result
        else:
            pending.setdefault(folder, job)
    total = sum(map(size, pending.values()))
    num_failed = 0
    # With disable=None, tqdm shows the bar only on a terminal.
    with tqdm(total=total, unit=unit, unit_scale=True, disable=None if progress and total else True) as bar:
        for job, outcome in do(list(pending.values()), bar):
            outcomes[job.folder] = outcome
            num_failed += reason_of_failure(outcome) is not None
            if num_failed:
                bar.set_description_str(f"{num_failed} failed")
    return [outcomes[folder] for folder in folders]
