"""The folder of a finished run, written whole or not at all."""

import contextlib
import io
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from dlcourse.recording.events import write_events
from dlcourse.recording.files import write_atomically
from dlcourse.recording.log import History, last_values, write_log
from dlcourse.recording.results import Result, write_result


def write_run(
    folder: Path,
    *,
    config: str,
    network: nn.Module,
    history: History,
    result: Result,
    hparams: Mapping[str, bool | int | float | str],
    num_steps: int,
    picture: tuple[str, bytes] | None,
    started: float,
) -> None:
    """Writes what a finished run leaves behind; `metrics.json` comes last, as the mark of a finished run.

    Args:
        folder: Where it shall be; what is there, a checkpoint or an older result, is replaced.
        config: The content of `config.yaml`.
        network: The trained network.
        history: Its curves.
        result: What it came to.
        hparams: Its row in TensorBoard's HPARAMS tab.
        num_steps: The step of the picture.
        picture: What the network has learnt, as tag and PNG, if there is a picture.
        started: When training began, in seconds since 1970.

    Raises:
        OSError: If something cannot be written.
    """
    # The folder is written under another name, and takes its own when it is complete: a run that `force` runs again
    # thus keeps its older result until then. The other name can exist already (exist_ok), left by a process that was
    # killed and had the same number.
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    unfinished.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(unfinished / "config.yaml", config.encode())
        write_log(unfinished, history)
        weights = io.BytesIO()
        torch.save(network.state_dict(), weights)
        write_atomically(unfinished / "model.pt", weights.getvalue())
        write_events(
            unfinished,
            scalars=history,
            images={picture[0]: (num_steps, picture[1])} if picture else None,
            hparams=hparams,
            metrics=last_values(history),
            started=started,
            finished=time.time(),
        )
        write_result(unfinished, result)
        shutil.rmtree(folder, ignore_errors=True)
        # Renaming fails if another process has just finished the same run and put it there, which is as good.
        with contextlib.suppress(OSError):
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
