"""What is measured of a stack in training: losses, the task's metrics and the numbers of pieces, member by member."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dlcourse.jobs.counts import Rectangle, Segments
from dlcourse.layerwise import Outputs
from dlcourse.networks import Stack
from dlcourse.recording import History
from dlcourse.recording.log import RATE
from dlcourse.tasks import Data, Task
from dlcourse.training import Snapshot

# The pieces of so many networks (members times snapshots) are counted in one call: snapshot by snapshot, ten snapshots
# of a small stack would take five times as long.
COUNTED_AT_ONCE = 64


class Curves:
    """The curves of all members of a stack, which grow with every snapshot.

    Args:
        task: What the members learn.
        data: Their data, stacked, as the members compute with it.
        domain: Where each member's pieces are counted; None counts none.
        histories: The members' curves so far.
        diverged_at: At which step each was found to have diverged, if it was.

    Attributes:
        histories: One history a member; pieces are missing in them until `count` is called.
        diverged_at: Likewise one step a member, or None.
    """

    def __init__(
        self,
        task: Task,
        data: Data,
        domain: Segments | Rectangle | None,
        histories: Sequence[History],
        diverged_at: Sequence[int | None],
    ) -> None:
        self._task, self._data, self._domain = task, data, domain
        self._outputs = Outputs()
        # They are for a parity, say, whose truth table is both: then it is evaluated once.
        self._same_inputs = data.train_inputs.equal(data.test_inputs)
        self._uncounted: list[Snapshot] = []
        self.histories: list[History] = [defaultdict(list, history) for history in histories]
        self.diverged_at = list(diverged_at)

    @property
    def training_losses(self) -> list[float]:
        """Each member's loss on its training data at the last snapshot."""
        return [history["loss/train"][-1][1] for history in self.histories]

    def add(self, snapshot: Snapshot) -> None:
        """Adds a point to every curve of every member; pieces are counted later, those of many snapshots at once."""
        test_outputs = self._outputs(snapshot.members, self._data.test_inputs)

        def network(inputs: Tensor) -> Tensor:
            # Most metrics ask for the outputs on the test inputs, which are there already for the loss.
            is_there = inputs is self._data.test_inputs or (self._same_inputs and inputs is self._data.train_inputs)
            return test_outputs if is_there else self._outputs(snapshot.members, inputs)

        loss = self._task.loss
        values = {
            "loss/train": loss(network(self._data.train_inputs), self._data.train_targets).mean(1).tolist(),
            "loss/test": loss(test_outputs, self._data.test_targets).mean(1).tolist(),
            RATE: snapshot.rates,
        }
        for name, metric in self._task.metrics(network, self._data).items():
            values[f"metric/{name}"] = metric.tolist()
        for tag, points in values.items():
            for history, value in zip(self.histories, points, strict=True):
                history[tag].append((snapshot.step, value))
        if self._domain is not None and self._domain.is_due(snapshot.step):
            self._uncounted.append(_copied(snapshot))
            if len(self._uncounted) * len(self.histories) >= COUNTED_AT_ONCE:
                self.count()

    def note_divergence(self, snapshot: Snapshot) -> None:
        """Notes which members have diverged by now: their values or their training loss are not finite."""
        for member, loss in enumerate(self.training_losses):
            if (snapshot.diverged[member] or not math.isfinite(loss)) and self.diverged_at[member] is None:
                self.diverged_at[member] = snapshot.step

    def count(self) -> None:
        """Adds numbers of pieces and regions, mean and spread over the lines, of the members that had not diverged."""
        snapshots, self._uncounted = self._uncounted, []
        diverged = [has_diverged for snapshot in snapshots for has_diverged in snapshot.diverged]
        finite = [row for row, has_diverged in enumerate(diverged) if not has_diverged]
        if self._domain is None or not finite:
            return
        parameters = _joined([snapshot.members.parameters for snapshot in snapshots])
        buffers = _joined([snapshot.members.buffers for snapshot in snapshots])
        networks = Stack(
            snapshots[0].members.architecture,
            {name: value[finite] for name, value in parameters.items()},
            {name: value[finite] for name, value in buffers.items()},
        )
        counts = self._domain.counts(networks, [row % len(self.histories) for row in finite])
        for index, row in enumerate(finite):
            step = snapshots[row // len(self.histories)].step
            history = self.histories[row % len(self.histories)]
            for tag, counted in counts.items():
                numbers = counted[index]
                history[f"pieces/{tag}"].append((step, float(numbers.mean())))
                if len(numbers) > 1:
                    history[f"pieces/{tag}_spread"].append((step, float(numbers.std())))


def _copied(snapshot: Snapshot) -> Snapshot:
    """The snapshot with a copy of its parameters, which training would overwrite."""
    parameters = {name: value.clone() for name, value in snapshot.members.parameters.items()}
    return replace(snapshot, members=replace(snapshot.members, parameters=parameters))


def _joined(stacks: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of each name, one stack's members after the other's."""
    return {name: torch.cat([members[name] for members in stacks]) for name in stacks[0]}
