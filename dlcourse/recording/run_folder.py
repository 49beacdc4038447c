"""The folder of a run: it fills while the run trains, and a finished one is whole."""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import nn

from dlcourse.recording.checkpoints import Checkpoint, write_checkpoint
from dlcourse.recording.events import EVENT_FILES, append_events, event_file, new_event_file
from dlcourse.recording.files import unfinished, write_atomically
from dlcourse.recording.log import History, last_values, write_log
from dlcourse.recording.results import Result, write_result
from dlcourse.recording.scales import LOG10, log10
from dlcourse.recording.torch_files import torch_bytes
from dlcourse.recording.weights import Weights, write_weights

try:
    import fcntl
except ImportError:  # where there is no such lock, two processes must not do the same run at the same time
    fcntl = None  # type: ignore[assignment]


class KeptAsideError(OSError):
    """A result that could not take its place, and lies beside it."""


class RunFolder:
    """A run's folder while the run trains.

    With every checkpoint its log and its events grow by what is new. Only one process writes into it, the one that has
    locked it. Another that does the same run meanwhile, and one that does a finished run again, show nothing until the
    end: they write a folder under another name, which takes the place of this one when it is whole.

    Args:
        folder: Where it is.
        config: The content of `config.yaml`.
        run: What tells the run from all others, for its checkpoints.
        hparams: Its row in TensorBoard's HPARAMS tab, but for the number of parameters; None writes no event file.
        pieces_domain: Where its pieces are counted, which TensorBoard says.
        error: The task's metric if it is an error, which TensorBoard shows as its decimal logarithm, too.
        started: When training began, in seconds since 1970.
        anew: Whether the run started from its beginning: what is left there of an earlier attempt is not gone on with.
        again: Whether a finished run is done again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: str,
        run: str,
        hparams: Mapping[str, bool | int | float | str] | None,
        pieces_domain: str,
        error: str | None = None,
        started: float,
        anew: bool,
        again: bool,
    ) -> None:
        self._folder, self._config, self._run, self._hparams = folder, config, run, hparams
        self._started, self._anew, self._domain, self._error = started, anew, pieces_domain, error
        self._hidden = again and is_finished(folder)
        self._lock: int | None = None

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self._unlock()

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, and then what the log and the events do not have yet.

        Raises:
            OSError: If something cannot be written.
        """
        if not self._is_mine():
            return
        # If another process is just putting its finished run in the folder's place, there is nothing left to write.
        with contextlib.suppress(FileNotFoundError):
            write_checkpoint(self._locked_folder, checkpoint, run=self._run)
            if not self._hidden:
                size = sum(values.numel() for values in checkpoint.parameters.values())
                write_atomically(self._locked_folder / "config.yaml", self._config.encode())
                write_log(self._locked_folder, checkpoint.history)
                if self._hparams is not None:
                    append_events(
                        event_file(self._locked_folder),
                        scalars=self._with_logarithm(checkpoint.history),
                        hparams={**self._hparams, "parameters": size},
                        started=self._started,
                    )

    def finish(
        self,
        *,
        network: nn.Module,
        history: History,
        weights: Weights | None,
        result: Result,
        pictures: Mapping[str, Sequence[tuple[int, bytes]]],
        graph: bytes | None = None,
    ) -> None:
        """Writes what a finished run leaves behind; `metrics.json` comes last, as the mark of a finished run.

        Args:
            network: The trained network.
            history: Its curves.
            weights: Those of its logged points; None writes none.
            result: What it came to.
            pictures: What the network has learnt: tag -> (step, content of a PNG file) pairs.
            graph: The network for TensorBoard's Graphs tab: see `graph_of`; None shows none.

        Raises:
            OSError: If something cannot be written.
            KeptAsideError: If the folder cannot be written to or replaced.
        """

        def write(folder: Path, events: Path) -> None:
            write_atomically(folder / "config.yaml", self._config.encode())
            write_log(folder, history)
            write_atomically(folder / "model.pt", torch_bytes(network.state_dict()))
            if weights is not None:
                write_weights(folder, weights)
            if self._hparams is not None:
                append_events(
                    events,
                    scalars=self._with_logarithm(history),
                    images=pictures,
                    hparams={**self._hparams, "parameters": int(result.metrics["num_parameters"])},
                    metrics=last_values(self._with_domain(history)),
                    graph=graph,
                    started=self._started,
                    is_finished=True,
                )
            write_result(folder, result)

        if not self._hidden and self._is_mine():
            with contextlib.suppress(FileNotFoundError):  # as above
                folder = self._locked_folder
                write(folder, event_file(folder))
                (folder / "checkpoint.pt").unlink(missing_ok=True)
        if self._hidden or not is_finished(self._folder):

            def write_hidden(folder: Path) -> None:
                events = folder / "events"  # a name that TensorBoard does not read
                write(folder, events)
                if self._hparams is not None:
                    events.rename(new_event_file(folder))

            write_beside(self._folder, write_hidden)

    @property
    def _locked_folder(self) -> Path:
        """The folder that this process has locked, even while another process puts a finished one in its place.

        By its name, files would get into the other one. Where the system has no names for open folders, they may.
        """
        opened = Path(f"/proc/self/fd/{self._lock}")
        return opened if self._lock is not None and opened.exists() else self._folder

    def _with_domain(self, history: History) -> History:
        """The curves as TensorBoard names them: the number of pieces says where they were counted."""
        return {tag.replace("pieces/", f"pieces on {self._domain}/"): points for tag, points in history.items()}

    def _with_logarithm(self, history: History) -> History:
        """The same, and the decimal logarithm of the error: over the steps TensorBoard has no such axis by itself."""
        curves = self._with_domain(history)
        if f"metric/{self._error}" in curves:
            points = curves[f"metric/{self._error}"]
            curves[f"metric/{LOG10}{self._error}"] = [(step, log10(value)) for step, value in points]
        return curves

    def _is_mine(self) -> bool:
        """Whether this process may write into the folder; it locks it, where nobody else has."""
        if self._lock is not None and not _is_same(self._lock, self._folder):
            self._unlock()  # another process has put a finished run in the folder's place
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self._folder, os.W_OK | os.X_OK) or (is_finished(self._folder) and not self._hidden):
                return False
            self._lock = _locked(self._folder)
            if self._lock is not None and self._anew and not self._hidden:
                for path in self._folder.glob(EVENT_FILES):
                    path.unlink(missing_ok=True)
        return self._lock is not None

    def _unlock(self) -> None:
        """Leaves the folder to others.

        If another process has put a finished run in its place, it could not delete this one while it was written to.
        """
        if self._lock is not None:
            if is_finished(self._folder) and not _is_same(self._lock, self._folder):
                with contextlib.suppress(OSError):  # no names for open folders
                    replaced = Path(os.readlink(self._locked_folder))
                    if replaced.name.startswith(f".{self._folder.name}.old."):
                        shutil.rmtree(replaced, ignore_errors=True)
            os.close(self._lock)
            self._lock = None


def is_finished(folder: Path) -> bool:
    """Whether a folder has the mark of a finished job."""
    return os.path.exists(f"{folder}/metrics.json")


def write_beside(folder: Path, write: Callable[[Path], None]) -> None:
    """Has a folder written under another name, and puts it in place when it is whole.

    Args:
        folder: What is replaced.
        write: Writes into the folder that it is given.

    Raises:
        OSError: If something cannot be written.
        KeptAsideError: If the folder cannot be replaced.
    """
    hidden = unfinished(folder)
    hidden.mkdir(parents=True, exist_ok=True)  # it can be there, left by a process that had the same number
    try:
        write(hidden)
        if not _replaced(folder, hidden):
            saved = saved_beside(folder)
            shutil.rmtree(saved, ignore_errors=True)
            hidden.rename(saved)
            raise KeptAsideError(
                f"{folder} cannot be replaced, so the result is kept in {saved}; the next command moves it"
            )
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def saved_beside(folder: Path) -> Path:
    """Where a result lies that could not take its place."""
    return folder.with_name(f"{folder.name}.saved")


def move_in(folder: Path) -> None:
    """Puts a result that lies beside its folder in place, if there is one.

    Raises:
        KeptAsideError: If the folder still cannot be replaced.
    """
    saved = saved_beside(folder)
    if is_finished(saved) and not _replaced(folder, saved):
        raise KeptAsideError(f"{folder} cannot be replaced, so the result stays in {saved}")


def _replaced(folder: Path, new: Path) -> bool:
    """Whether the new folder could be put in place of the old one, which is there until then."""
    old = unfinished(folder.with_name(f"{folder.name}.old"))
    try:
        folder.rename(old)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    try:
        new.rename(folder)
    except OSError:
        try:
            old.rename(folder)
        except OSError:  # another process has just put its own there, which is as good
            return is_finished(folder)
        return False
    shutil.rmtree(old, ignore_errors=True)
    return True


def _locked(folder: Path) -> int | None:
    """An open folder that this process has locked; None if another one has. The lock ends with the process."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:  # a file system without locks
        return descriptor
    return descriptor


def _is_same(descriptor: int, folder: Path) -> bool:
    """Whether an open folder is still the one that has the name."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except OSError:
        return False
