"""Worker processes: who does the work of a sweep, and how it gets there and back."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dlcourse.job import Job

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
SomeJob = TypeVar("SomeJob", bound=Job)

KILLED = "the worker process was killed (out of memory?)"


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes:
        num: Worker processes; None for one a core. 1 is this process.
        backend: `loky` for processes on this machine, `dask` for a Dask cluster.
        scheduler: Address of the cluster's scheduler.
    """

    num: int | None = 1
    backend: str = "loky"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.num is not None and self.num < 1:
            raise ValueError(f"num_workers must be at least 1, or null for one a core, got {self.num}")
        if self.backend not in ("loky", "dask"):
            raise ValueError(f"backend must be loky or dask, got {self.backend!r}")
        if (self.backend == "dask") != (self.scheduler is not None):
            raise ValueError(f"scheduler must be given with backend=dask and only there, got {self.scheduler!r}")

    @property
    def num_processes(self) -> int:
        """How many there are."""
        return self.num or _num_cores()


HERE = Workers()
"""This process alone."""


def with_whole_paths(jobs: Sequence[SomeJob]) -> list[SomeJob]:
    """The jobs with the absolute path of `outputs`: a worker may have been started in another directory."""
    return [dataclasses.replace(job, outputs=str(Path(job.outputs).absolute())) for job in jobs]  # type: ignore[type-var]


def in_workers(
    function: Callable[[Item], Outcome], items: Sequence[Item], workers: Workers
) -> Iterator[tuple[int, Outcome | None]]:
    """Calls the function with every item, in worker processes.

    Args:
        function: What to do; it must not raise.
        items: With what.
        workers: Who does it.

    Yields:
        An item's number and what came of it, in the order in which they are done; None if its worker was killed.
    """
    remaining = dict(enumerate(items))
    # A worker that is killed takes the whole pool with it, so what is left goes to a new pool. A pool that broke before
    # it had finished anything costs an attempt: without that, an item that kills its worker would be tried for ever.
    attempts_left = 2
    while remaining and attempts_left:
        before = len(remaining)
        try:
            for index, outcome in _in_parallel(function, remaining, workers):
                del remaining[index]
                yield index, outcome
        except BrokenExecutor:
            if len(remaining) == before:
                attempts_left -= 1
    for index in remaining:
        yield index, None


def _in_parallel(
    function: Callable[[Item], Outcome], items: Mapping[int, Item], workers: Workers
) -> Iterator[tuple[int, Outcome]]:
    """Every item's number and outcome, from one pool of worker processes."""
    # Imported only where they are needed: joblib takes a tenth of a second, dask.distributed a second.
    import joblib

    with contextlib.ExitStack() as context:
        num = min(workers.num_processes, len(items))
        settings: dict[str, Any] = {"backend": "loky", "n_jobs": num, "inner_max_num_threads": 1}
        if workers.backend == "dask":
            from distributed import Client

            context.enter_context(Client(workers.scheduler))
            settings = {"backend": "dask"}
        context.enter_context(joblib.parallel_config(**settings))
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        # A list of its own: joblib fetches the items one by one, while the caller already deletes the finished ones
        # from the mapping, and a mapping must not change while it is iterated over.
        work = list(items.items())
        yield from parallel(joblib.delayed(_numbered)(function, index, item) for index, item in work)


def _numbered(function: Callable[[Item], Outcome], index: int, item: Item) -> tuple[int, Outcome]:
    """Calls the function in a worker process; the number tells which item it was, as outcomes come in any order."""
    return index, function(item)


def _num_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
