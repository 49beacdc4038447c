"""An unfinished run's way back: what one member needs in order to go on as if nothing had happened."""

import contextlib
import dataclasses
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dlcourse.recording.files import write_atomically
from dlcourse.recording.log import History


@dataclass(frozen=True)
class Checkpoint:
    """One member after `step` updates; random numbers are a function of seed and step, so no generator is kept.

    Attributes:
        step: Updates done.
        parameters: The network's values.
        moments: What the optimizer remembers, moment after moment.
        history: The curves so far.
        diverged_at: The step at which it was found to have diverged, or None.
        seconds: Time spent so far.
    """

    step: int
    parameters: dict[str, Tensor]
    moments: list[dict[str, Tensor]]
    history: History
    diverged_at: int | None
    seconds: float


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes `checkpoint.pt` into a run's folder, whole or not at all."""
    content = io.BytesIO()
    torch.save({field.name: getattr(checkpoint, field.name) for field in dataclasses.fields(checkpoint)}, content)
    folder.mkdir(parents=True, exist_ok=True)
    # If another process has just finished the same run and is replacing the folder, no checkpoint is needed any more.
    with contextlib.suppress(FileNotFoundError):
        write_atomically(folder / "checkpoint.pt", content.getvalue())


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in a run's folder; None, with a line on stderr, if it cannot be read: the run then starts anew."""
    path = folder / "checkpoint.pt"
    try:
        return Checkpoint(**torch.load(path, weights_only=True, map_location="cpu"))
    except FileNotFoundError:
        return None
    except Exception as error:  # a broken file can make torch.load raise almost anything
        print(f"{path} cannot be read, the run starts anew: {error}", file=sys.stderr)
        return None
