"""An unfinished run's way back: what one member needs in order to go on as if nothing had happened."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dlcourse.recording.files import write_atomically
from dlcourse.recording.log import History
from dlcourse.recording.weights import Weights

# What a file begins with: the kind of file, the run that it belongs to, and the hash of the rest.
_KIND = b"dlcourse checkpoint 3"


class UnfitCheckpointError(ValueError):
    """A checkpoint that its run cannot go on from; the text says why."""


@dataclass(frozen=True)
class Checkpoint:
    """One member after `step` updates; random numbers are a function of seed and step, so no generator is kept.

    Attributes:
        step: Updates done.
        parameters: The network's values.
        moments: What the optimizer remembers, moment after moment.
        history: The curves so far.
        weights: Those of the logged points so far, if they are kept.
        diverged_at: The step at which it was found to have diverged, or None.
        seconds: Time spent so far.
    """

    step: int
    parameters: dict[str, Tensor]
    moments: list[dict[str, Tensor]]
    history: History
    weights: Weights
    diverged_at: int | None
    seconds: float


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, run: str) -> None:
    """Writes `checkpoint.pt` into a run's folder, whole or not at all.

    Args:
        folder: The run's folder, which must exist.
        checkpoint: What is written.
        run: What tells the run from all others, in one line: it is not read as another run's.
    """
    content = io.BytesIO()
    torch.save({**vars(checkpoint), "weights": vars(checkpoint.weights)}, content)
    header = b" ".join([_KIND, run.encode(), _hash(content.getvalue())])
    write_atomically(folder / "checkpoint.pt", header + b"\n" + content.getvalue())


def read_checkpoint(folder: Path, *, run: str | None) -> Checkpoint | None:
    """The checkpoint in a run's folder; None if there is none.

    Args:
        folder: The run's folder.
        run: What tells the run from all others; None for those who only look on, whichever run it is.

    Raises:
        UnfitCheckpointError: If it cannot be read, is damaged, or is another run's.
    """
    try:
        header, _, content = (folder / "checkpoint.pt").read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnfitCheckpointError(f"it cannot be read ({error.strerror})") from error
    if not header.startswith(_KIND):
        raise UnfitCheckpointError("it is no checkpoint of this version of dlcourse")
    written_for, _, checksum = header.removeprefix(_KIND + b" ").rpartition(b" ")
    if checksum != _hash(content):
        raise UnfitCheckpointError("it is damaged")
    if run is not None and written_for != run.encode():
        raise UnfitCheckpointError(f"it is that of another run, {written_for.decode(errors='replace')}")
    saved = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    return Checkpoint(**{**saved, "weights": Weights(**saved["weights"])})


def _hash(content: bytes) -> bytes:
    """What changes if any bit does."""
    return hashlib.sha256(content).hexdigest().encode()
