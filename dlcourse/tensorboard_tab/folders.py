"""The log folder: which sweeps lie in it, and what their runs came to. Nothing outside of it is read."""

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlcourse.recording import Result, read_result

MOST_FOLDERS = 2000
"""So many folders are looked into for sweeps; a log folder that holds more (say, `/`) is not ours."""

MOST_LEVELS = 5
"""So far below the log folder sweeps are found."""

MOST_TRIED = 20
"""If none of so many runs of a folder is a training run of ours, the folder is not a sweep of ours."""

MOST_BYTES = 10**8
"""Larger files are not ours."""


@dataclass(frozen=True)
class Sweep:
    """A folder of runs.

    Attributes:
        name: Its path below the log folder, with slashes; "." if it is the log folder itself.
        folder: Where it is.
    """

    name: str
    folder: Path


@dataclass(frozen=True)
class Found:
    """What a sweep's folder holds.

    Attributes:
        results: Its finished training runs, by name.
        unfinished: The names of the runs that have begun.
        num_failed: How many runs have failed, and have not been finished since.
        num_damaged: How many results cannot be read.
        changed: When something was written last, in seconds since 1970; 0 if there is nothing.
    """

    results: list[Result]
    unfinished: list[str]
    num_failed: int
    num_damaged: int
    changed: float


class LogFolder:
    """The folder that TensorBoard was given. What has been read is kept until the file changes.

    Links are not followed: they could lead out of the folder.

    Args:
        folder: The folder, which itself may be a link.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._read: dict[Path, tuple[tuple[int, int], Result | None]] = {}
        self._lock = threading.Lock()

    def sweeps(self) -> Iterator[Sweep]:
        """The sweeps of training runs, by name; a folder of another project is none."""
        visited = 0
        waiting = [(self._folder, 0)]
        while waiting and visited < MOST_FOLDERS:
            folder, level = waiting.pop()
            visited += 1
            if self._is_sweep(folder):
                yield Sweep(folder.relative_to(self._folder).as_posix(), folder)
            elif level < MOST_LEVELS:
                inside = sorted(_folders_in(folder), key=lambda entry: entry.name, reverse=True)
                waiting += [(Path(entry.path), level + 1) for entry in inside]

    def read(self, sweep: Sweep) -> Found:
        """What the sweep's folder holds now. Of several who ask at once, the first reads for all."""
        with self._lock:
            return self._found(sweep)

    def _found(self, sweep: Sweep) -> Found:
        """The same, for one at a time."""
        results, unfinished, num_failed, num_damaged, changed = [], [], 0, 0, 0.0
        for folder, files in _runs_in(sweep.folder):
            if "metrics.json" in files and (written := regular(folder / "metrics.json")):
                result = self._result(folder, written)
                num_damaged += result is None
                if result is not None and result.task is not None:
                    results.append(result)
                    changed = max(changed, written.st_mtime)
            elif "failure.json" in files:
                num_failed += 1
            elif _has_begun(files) and (written := regular(folder / "train.log")):
                unfinished.append(folder.name)
                changed = max(changed, written.st_mtime)
        results.sort(key=lambda result: result.run)
        return Found(results, sorted(unfinished), num_failed, num_damaged, changed)

    def _is_sweep(self, folder: Path) -> bool:
        """Whether training runs of ours, finished or not, lie directly in a folder, or the folder is one itself."""
        for number, (run, files) in enumerate(_runs_in(folder)):
            if number >= MOST_TRIED:
                return False
            written = regular(run / "metrics.json")
            if written is None and _has_begun(files):
                return True
            result = self._result(run, written) if written else None
            if result is not None and result.task is not None:
                return True
        return False

    def _result(self, folder: Path, written: os.stat_result) -> Result | None:
        """The result of a finished run, from its file or as it was read before; None if it is damaged or not ours."""
        stamp = (written.st_mtime_ns, written.st_size)
        known = self._read.get(folder)
        if known is None or known[0] != stamp:
            result = None
            with contextlib.suppress(OSError, ValueError):
                result = read_result(folder)
            known = (stamp, result)
            self._read[folder] = known
        return known[1]


def regular(path: Path) -> os.stat_result | None:
    """What there is to know of a file; None unless it is an ordinary file, no link, and no larger than ours are."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= MOST_BYTES:
            return found
    return None


def folder_of(sweep: Sweep, run: str) -> Path:
    """Where a run of a sweep lies, one of those that `LogFolder.read` has found."""
    return sweep.folder if _is_run(_names_in(sweep.folder)) else sweep.folder / run


def _runs_in(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """The runs that lie directly in a folder, with the names of their files; or the folder itself, if it is a run."""
    if _is_run(files := _names_in(folder)):
        yield folder, files
        return
    for entry in _folders_in(folder):
        if _is_run(files := _names_in(Path(entry.path))):
            yield Path(entry.path), files


def _is_run(files: set[str]) -> bool:
    """Whether these are the files of a run that is finished, or has failed, or has shown something."""
    return "metrics.json" in files or "failure.json" in files or _has_begun(files)


def _has_begun(files: set[str]) -> bool:
    """Whether these are the files of a training run that is on its way."""
    return "config.yaml" in files and "train.log" in files


def _folders_in(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """The folders in a folder, but hidden ones, links, and results that could not take their place (`RUN.saved`)."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and not entry.name.endswith(".saved"):
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        yield entry


def _names_in(folder: Path) -> set[str]:
    """The names of all that is in a folder."""
    with contextlib.suppress(OSError):
        return set(os.listdir(folder))
    return set()
