"""The networks of a run at the steps whose weights it has kept; of one that has kept none, the last."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from dlcourse.recording.checkpoints import Checkpoint, read_checkpoint
from dlcourse.recording.loading import lectures_network, load
from dlcourse.tensorboard_tab.folders import regular


@dataclass(frozen=True)
class States:
    """A network in the course of its training.

    Attributes:
        steps: Updates done, in rising order.
        networks: The network at each of them.
        note: What there is to say if these are not all: one line, else nothing.
    """

    steps: list[int]
    networks: list[nn.Module]
    note: str = ""


def states(folder: Path, config: Mapping[str, Any], last_step: int) -> States:
    """Those of a run, finished or not.

    Args:
        folder: Its folder. Links in it are not followed.
        config: Its configuration by dotted keys.
        last_step: The last step of its log.

    Raises:
        ValueError: If there is no network to show; says why, in one line.
    """
    if regular(folder / "metrics.json"):
        return _finished(folder, last_step)
    return _unfinished(folder, config)


def _finished(folder: Path, last_step: int) -> States:
    """Those of a finished run."""
    if not regular(folder / "model.pt"):
        raise ValueError("This run has no model.pt, so there is no network to show.")
    try:
        run = load(folder)
    except Exception as error:  # torch raises whatever the damage leads to
        raise ValueError(f"The network cannot be read: {_first_line(error)}") from error
    if regular(folder / "weights.pt"):
        try:
            film = list(run.film())
            return States([step for step, _ in film], [network.eval() for _, network in film])
        except Exception as error:  # likewise
            note = f"The last state only: {_first_line(error)}"
    else:
        note = "This run has kept no weights (keep_weights=false), so the last state is all that there is."
    return States([last_step], [run.network], note)


def _unfinished(folder: Path, config: Mapping[str, Any]) -> States:
    """Those of a run that is on its way: what its checkpoint has."""
    if config.get("model.name") is not None:
        raise ValueError("A network of another package is shown when its run is finished.")
    checkpoint: Checkpoint | None = None
    if regular(folder / "checkpoint.pt"):
        try:
            checkpoint = read_checkpoint(folder, run=None)
        except ValueError as error:
            raise ValueError(f"The checkpoint cannot be read: {_first_line(error)}") from error
    if checkpoint is None:
        raise ValueError("This run has no checkpoint yet, so there is no network to show.")
    network = lectures_network(config, checkpoint.parameters)
    network.to(next(iter(checkpoint.parameters.values())).dtype).load_state_dict(checkpoint.parameters)
    if not checkpoint.weights.steps:
        note = "This run keeps no weights (keep_weights=false), so the state of its checkpoint is all that there is."
        return States([checkpoint.step], [network.eval()], note)
    networks = [each.eval() for each in checkpoint.weights.networks(network)]
    return States(checkpoint.weights.steps, networks, "Not finished: the steps up to the last checkpoint.")


def _first_line(error: Exception) -> str:
    """What went wrong, of which torch says more than one wants to know."""
    return str(error).partition("\n")[0]
