"""What a command would do, for `plan=true`: said, and not done."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dlcourse.cli import say
from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.estimate import BYTES_OF_A_WORKER, num_bytes, num_bytes_on_disk, num_seconds
from dlcourse.jobs.pilots import as_many_as_left, left_to_run, pilots
from dlcourse.jobs.runs import stacks
from dlcourse.jobs.unfinished import Outcome, finished_results
from dlcourse.jobs.workers import Workers
from dlcourse.measurements import Measurement


def tell_plan_of_sweep(
    jobs: Sequence[RunConfig | Measurement], finished: Mapping[Path, Outcome], workers: Workers
) -> None:
    """Says what a sweep would do; it may have pilots, too."""
    configs = [job for job in jobs if isinstance(job, RunConfig)]
    if first := pilots(configs):
        known = finished_results(first)
        say.plan_of_pilots(first[0].folder.parent)
        tell_plan(first, known, workers, is_all=False)
        left = left_to_run(configs, known.values()) if len(known) == len(first) else as_many_as_left(configs)
        say.left_out(sum(config.folder not in left for config in configs), len(configs), first[0])
        jobs = [job for job in jobs if not isinstance(job, RunConfig) or job.folder in left]
    tell_plan(jobs, finished, workers)


def tell_plan(
    jobs: Sequence[RunConfig | Measurement], finished: Mapping[Path, Outcome], workers: Workers, *, is_all: bool = True
) -> None:
    """Says what a command would do: how many jobs, in how many stacks, how long, and how much room they take."""
    to_do = {job.folder: job for job in jobs if job.folder not in finished}
    pending = [job for job in to_do.values() if isinstance(job, RunConfig)]
    num_pending = len(to_do) - len(pending)
    say.plan(len(jobs), len(jobs) - len(to_do))
    if num_pending:
        say.plan_of_measurements(num_pending, min(workers.num_processes, num_pending))
    if pending:
        work = stacks(pending, workers.num_processes)
        num_workers = min(workers.num_processes, len(work))
        largest = sorted((sum(map(num_bytes, members)) for members in work), reverse=True)[:num_workers]
        say.plan_of_runs(
            len(pending),
            num_stacks=len(work),
            num_workers=num_workers,
            seconds=sum(map(num_seconds, work)) / num_workers,
            num_bytes=sum(largest) + (num_workers + (num_workers > 1)) * BYTES_OF_A_WORKER,
            num_bytes_on_disk=sum(map(num_bytes_on_disk, pending)),
        )
    if is_all:
        say.nothing_was_done()
