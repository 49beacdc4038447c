"""Worker processes: who does the work of a sweep, and how it gets there and back."""

import atexit
import contextlib
import gc
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

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
        if self.scheduler is not None and not _is_address(self.scheduler):
            raise ValueError(f"scheduler must be an address like tcp://HOST:8786, got {self.scheduler!r}")

    @property
    def num_processes(self) -> int:
        """How many there are."""
        return self.num or _num_cores()

    def on_devices(self, devices: set[str]) -> "Workers":
        """The same, but if their number is open, this process alone where all work is for a CUDA device.

        It keeps the device busy; several would each open it for themselves, and wait for each other.
        """
        return replace(self, num=1) if devices == {"cuda"} and self.num is None and self.backend == "loky" else self


def _is_address(text: str) -> bool:
    """Whether Dask can look for a scheduler there: at a port of a host."""
    found = re.fullmatch(r"((tcp|tls|ucx|wss?)://)?(\[[^\s\]]+\]|[^\s:/]+):([0-9]{1,5})/?", text)
    return found is not None and 0 < int(found[4]) < 2**16


HERE = Workers()
"""This process alone."""


@dataclass(frozen=True)
class Died:
    """A worker process ended before its work was done, or what came of it could not be brought back.

    Attributes:
        reason: What there is to say of it.
    """

    reason: str


def in_workers(
    function: Callable[[Item], Outcome],
    items: Sequence[Item],
    workers: Workers,
    *,
    parts: Callable[[Item], list[Item]] = lambda item: [item],
    reached: Callable[[Item], int] = lambda item: 0,
    stops_itself: bool = False,
) -> Iterator[tuple[Item, Outcome | Died]]:
    """Calls the function with every item, in worker processes.

    What a worker was doing when it was killed is tried again when all else is done, with the machine to itself: it may
    have been killed for the memory that others took. If it dies alone as well, it is tried once more for as long as it
    gets on; then it is divided, and each part is tried alone. Only what cannot be divided is given up.

    Args:
        function: What to do; it must not raise.
        items: With what.
        workers: Who does it.
        parts: Divides an item; a list of one says that it cannot be divided.
        reached: How far an item has come, so that one that gets on is told from one that does not.
        stops_itself: Whether the function ends by itself where `is_orphaned()` says so. Else its process is ended as
            soon as this one has been.

    Yields:
        What was done, an item or a part of one, with what came of it, in the order in which they are done.
    """
    call = partial(_call, function, stops_itself)
    suspects: list[Item] = []
    for item, outcome in _in_parallel(call, items, workers):
        if isinstance(outcome, Died):
            suspects.append(item)
        else:
            yield item, outcome
    while suspects:
        suspect = suspects.pop(0)
        before = reached(suspect)
        ((_, outcome),) = _in_parallel(call, [suspect], workers)
        if not isinstance(outcome, Died):
            yield suspect, outcome
        elif reached(suspect) > before:
            suspects.insert(0, suspect)
        elif len(divided := parts(suspect)) > 1:
            suspects[:0] = divided
        else:
            yield suspect, outcome


def _in_parallel(
    function: Callable[[Item], Outcome], items: Sequence[Item], workers: Workers
) -> Iterator[tuple[Item, Outcome | Died]]:
    """Every item and what came of it."""
    waiting = list(items)
    at_work: dict[Future[Outcome], tuple[Item, _Submits]] = {}
    num = min(workers.num_processes, len(items))
    with _of_cluster(workers.scheduler, len(items)) if workers.backend == "dask" else _hired(num) as idle:
        while waiting or at_work:
            while waiting and idle:
                item, worker = waiting.pop(0), idle.pop(0)
                at_work[worker.submit(function, item)] = item, worker
            for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                item, worker = at_work.pop(future)
                idle.append(worker)
                yield item, _outcome(future)


def _outcome(future: "Future[Any]") -> Any:
    """What came of a call, or that the process died."""
    try:
        return future.result()
    except BrokenExecutor:
        return Died(KILLED)
    except Exception as error:  # say, if what came of it cannot be sent; Dask has errors of its own for killed workers
        return Died(f"{type(error).__name__}: {error}")


class _Submits(Protocol):
    """What work can be given to."""

    def submit(self, function: Callable[[Item], Outcome], item: Item, /) -> "Future[Outcome]":
        """Starts a call."""


class _Worker:
    """A pool of one process, so that one that is killed takes nothing with it but what it was doing."""

    def __init__(self) -> None:
        self._pool = _new_pool()
        self._preparing: Future[None] | None = None

    def submit(self, function: Callable[[Item], Outcome], item: Item) -> "Future[Outcome]":
        """Starts a call."""
        # The process inherits that Ctrl-C, which goes to all processes of a terminal, does not reach it: it is this
        # process that is told, and ends the other.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            try:
                future: Future[Outcome] = self._pool.submit(function, item)
            except BrokenExecutor:  # it was killed while it had nothing to do, or with its last work
                self._pool = _new_pool()
                future = self._pool.submit(function, item)
            return future
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def prepare(self, module: str) -> None:
        """Starts the process, and lets it import a module."""
        self._preparing = self.submit(_import, module)

    @property
    def is_ready(self) -> bool:
        """Whether the process has nothing to do, not even something to import."""
        return self._preparing is None or self._preparing.done()

    def kill(self) -> None:
        """Ends the process at once."""
        self._pool.shutdown(wait=True, kill_workers=True)


# Workers that have nothing to do. They stay for the next sweep, as a sweeper like Optuna has many small ones, and end
# with this process.
_spare: list[_Worker] = []


@atexit.register  # before Python takes its modules apart: a pool that goes after those that it uses complains on stderr
def _end_spare() -> None:
    """Lets the workers end that have nothing to do, and ends those at once that import what nobody will need."""
    for worker in _spare:
        if not worker.is_ready:
            worker.kill()
    _spare.clear()


def prepare(num: int, module: str) -> None:
    """Starts worker processes that will be needed soon, as many as there are not yet.

    Args:
        num: How many will be needed.
        module: What they import already.
    """
    while len(_spare) < num:
        worker = _Worker()
        worker.prepare(module)
        _spare.append(worker)


@contextlib.contextmanager
def _hired(num: int) -> Iterator[list[_Submits]]:
    """So many workers; they are killed if something goes wrong here, and else kept."""
    hired = [_spare.pop() if _spare else _Worker() for _ in range(num)]
    try:
        yield list(hired)
    except BaseException:
        for worker in hired:
            worker.kill()
        raise
    _spare.extend(hired)


@contextlib.contextmanager
def _of_cluster(scheduler: str | None, num: int) -> Iterator[list[_Submits]]:
    """The same, of a Dask cluster, which keeps its own queue: it is given everything at once."""
    from distributed import Client  # takes a second to import

    try:
        client = Client(scheduler)
    except (TypeError, ValueError, RuntimeError) as error:  # no certificate for tls, say
        raise OSError(f"the scheduler {scheduler} cannot be asked: {error}") from error
    with client:
        yield [client.get_executor(pure=False)] * num


def _new_pool() -> "ProcessPoolExecutor":
    """A pool of one process that computes on one thread."""
    from loky import ProcessPoolExecutor  # takes a tenth of a second to import

    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = dict.fromkeys(variables, "1")
    return ProcessPoolExecutor(1, timeout=300, env=environment, initializer=_watch_parent, initargs=(os.getpid(),))


class _ThisWorker:
    """What a worker process knows of itself.

    Attributes:
        parent: The process that has started it; None in that process, and on a cluster.
        may_be_ended: Whether it does nothing that would not end by itself.
    """

    parent: int | None = None
    may_be_ended = True


def is_orphaned() -> bool:
    """Whether this is a worker process, and the process that has started it has ended: nobody waits for an answer."""
    return _ThisWorker.parent is not None and os.getppid() != _ThisWorker.parent


def _import(module: str) -> None:
    """Imports a module in a worker process."""
    import_module(module)


def _call(function: Callable[[Item], Outcome], stops_itself: bool, item: Item) -> Outcome:
    """Calls a function in a worker process."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    _ThisWorker.may_be_ended = not stops_itself
    try:
        return function(item)
    finally:
        _ThisWorker.may_be_ended = True


def _watch_parent(parent: int) -> None:
    """Lets a worker process end when the one that has started it has ended, which it would not notice by itself.

    Until its first call it does not look for garbage: all that happens there is that torch is imported.
    """

    def watch() -> None:
        while not (is_orphaned() and _ThisWorker.may_be_ended):
            time.sleep(0.5)
        os._exit(1)

    gc.disable()
    _ThisWorker.parent = parent
    threading.Thread(target=watch, daemon=True).start()


def _num_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
