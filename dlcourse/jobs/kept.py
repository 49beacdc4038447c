"""The weights that a stack of runs keeps while it trains."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlcourse.jobs.config import RunConfig
from dlcourse.recording.weights import Weights, kept_steps
from dlcourse.training import Snapshot


class KeptWeights:
    """The weights of the logged points so far, of those members that keep them.

    Args:
        configs: The runs, which differ in seed and rate only, and in what of them is kept.
        before: What their checkpoints have kept; nothing to start anew.
    """

    def __init__(self, configs: Sequence[RunConfig], before: Sequence[Weights]) -> None:
        # A picture of an earlier step, too, needs its weights.
        self._is_kept = [config.keep_weights or config.pictures for config in configs]
        self._num_steps, self._log_every = configs[0].num_steps, configs[0].log_every
        self._before = list(before)
        self._due: list[int] = []
        # Name -> `[members, steps that are due, ...]`; there from the first snapshot on, which says how large they are.
        self._values: dict[str, Tensor] = {}
        self._steps: list[list[int]] = [[] for _ in configs]

    def add(self, snapshot: Snapshot) -> None:
        """Takes the weights of a snapshot, if its step is one of those that are kept; of the same step only once."""
        if not any(self._is_kept):
            return
        if not self._values:
            self._begin(snapshot.members.parameters)
        if snapshot.step not in self._due:
            return
        index = self._due.index(snapshot.step)
        for name, value in snapshot.members.parameters.items():
            self._values[name][:, index] = value
        for is_kept, steps in zip(self._is_kept, self._steps, strict=True):
            if is_kept and snapshot.step not in steps:
                steps.append(snapshot.step)

    def of_each(self) -> list[Weights]:
        """Those of each member, in memory of their own; nothing for a member that keeps none."""
        found = []
        for member, steps in enumerate(self._steps):
            indices = self._indices(steps)
            values = {name: value[member, indices] for name, value in self._values.items()} if steps else {}
            found.append(Weights(list(steps), values))
        return found

    def _begin(self, parameters: dict[str, Tensor]) -> None:
        """Makes room for all that will be kept, and puts there what was kept before."""
        size = sum(value[0].numel() * value.element_size() for value in parameters.values())
        self._due = kept_steps(self._num_steps, self._log_every, size)
        self._values = {
            name: torch.empty(len(value), len(self._due), *value.shape[1:], dtype=value.dtype)
            for name, value in parameters.items()
        }
        for member, weights in enumerate(self._before):
            if self._is_kept[member]:
                self._steps[member] = list(weights.steps)
                indices = self._indices(weights.steps)
                for name, value in weights.parameters.items():
                    self._values[name][member, indices] = value

    def _indices(self, steps: Sequence[int]) -> Tensor:
        """Where the values of these steps are."""
        return torch.tensor([self._due.index(step) for step in steps], dtype=torch.long)
