"""The weights of a run's logged points, `weights.pt` in its folder: what a film of its training is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlcourse.networks import Stack, stack, unstack
from dlcourse.recording.files import write_atomically
from dlcourse.recording.torch_files import torch_bytes

MAX_POINTS = 50
"""The most logged points whose weights are kept."""

MAX_BYTES = 2 * 2**20
"""The most bytes that they take: larger networks keep fewer points, down to the first and the last."""


@dataclass(frozen=True, repr=False)
class Weights:
    """The weights of one network at some steps of its training.

    Attributes:
        steps: Updates done, in rising order.
        parameters: Name -> the values at each of these steps, `[steps, ...]`.
    """

    steps: list[int] = field(default_factory=list)
    parameters: dict[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        when = f"at {len(self.steps)} steps from {self.steps[0]} to {self.steps[-1]}" if self.steps else "at no step"
        return f"Weights({sum(values[:1].numel() for values in self.parameters.values())} parameters {when})"

    def networks(self, network: nn.Module) -> list[nn.Module]:
        """The network as it was at each step; copies that can be trained.

        Args:
            network: The network with whatever values; what it holds besides parameters, it has held from the beginning.
        """
        alone = stack([network])
        buffers = {name: value.expand(len(self.steps), *value.shape[1:]) for name, value in alone.buffers.items()}
        return unstack(Stack(alone.architecture, self.parameters, buffers)) if self.steps else []

    def at(self, step: int) -> "Weights":
        """Those of one step.

        Raises:
            ValueError: If the step is none of those that are kept.
        """
        if step not in self.steps:
            raise ValueError(f"step must be one of those whose weights are kept ({_said(self.steps)}), got {step!r}")
        return self._those([self.steps.index(step)])

    def some(self, most: int) -> "Weights":
        """Those of so many steps, evenly apart, the first and the last among them."""
        return self._those(evenly(len(self.steps), most))

    def _those(self, indices: list[int]) -> "Weights":
        """Those at some places."""
        parameters = {name: value[indices] for name, value in self.parameters.items()}
        return Weights([self.steps[index] for index in indices], parameters)


def kept_steps(num_steps: int, log_every: int, bytes_a_point: int) -> list[int]:
    """The logged points whose weights are kept: all of them, or so many that are spread evenly over them.

    The first and the last are always among them.

    Args:
        num_steps: Updates in all.
        log_every: Steps between two logged points.
        bytes_a_point: The size of the network.
    """
    most = min(max(MAX_BYTES // bytes_a_point, 2), MAX_POINTS)
    return [min(point * log_every, num_steps) for point in evenly(-(-num_steps // log_every) + 1, most)]


def evenly(num: int, most: int) -> list[int]:
    """So many of `num` things, evenly apart, as indices, the first and the last among them; all if there are few."""
    if num <= most:
        return list(range(num))
    # In whole numbers: `index * (num - 1) / (most - 1)`, rounded.
    return [(2 * index * (num - 1) + most - 1) // (2 * (most - 1)) for index in range(most)]


def write_weights(folder: Path, weights: Weights) -> None:
    """Writes `weights.pt` into a run's folder: `{"steps": [...], "parameters": {name: [steps, ...]}}`.

    Raises:
        OSError: If it cannot be written.
    """
    write_atomically(folder / "weights.pt", torch_bytes(vars(weights)))


def read_weights(folder: Path) -> Weights:
    """What `weights.pt` holds.

    Raises:
        FileNotFoundError: If there is none; says why, and how to get one.
        ValueError: If it cannot be read.
    """
    path = folder / "weights.pt"
    if not path.is_file():
        raise FileNotFoundError(
            f"folder must hold a weights.pt, which runs write unless keep_weights is false (and those of dlcourse 0.4 "
            f"and before never do); the run's command with force=true writes one; got {folder}"
        )
    try:
        content: Mapping[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        return Weights(**content)
    except Exception as error:  # torch raises whatever the damage leads to
        raise ValueError(f"{path} is damaged: {error}") from error


def _said(steps: list[int]) -> str:
    """Steps in words: all of a few, else the first and the last ones."""
    return ", ".join(map(str, steps if len(steps) <= 8 else [*steps[:4], "...", *steps[-2:]])) or "none"
