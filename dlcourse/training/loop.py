"""The training loop: a stack of members in, snapshots of it out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dlcourse.layerwise import Sweep, beside_itself, is_layered, one_thread
from dlcourse.losses import Loss
from dlcourse.networks import Stack
from dlcourse.training.autograd import AutogradSweep, refuse_changing_modules
from dlcourse.training.batches import Batches
from dlcourse.training.optimizers import Optimizer


@dataclass(frozen=True)
class Snapshot:
    """The members as they are after `step` updates.

    Attributes:
        step: Updates done.
        members: The stack; its values go on changing once the next snapshot is asked for.
        rates: Each member's rate at this step.
        diverged: Which members hold values that are not finite; the others never see them.
    """

    step: int
    members: Stack
    rates: list[float]
    diverged: list[bool]


def train(
    members: Stack,
    batches: Batches,
    *,
    loss: Loss,
    optimizer: Optimizer,
    num_steps: int,
    rates: Sequence[float] | None = None,
    snapshot_every: int | None = None,
) -> Iterator[Snapshot]:
    """Trains all members at once, each as if it were alone.

    An `MLP` or `SoftmaxClassifier` is differentiated layer by layer (`layerwise.Sweep`), any other module through
    `torch.func`. On the CPU one torch thread is used (networks of this size gain nothing from more), and a layered
    member has the same bits whatever its companions.

    Args:
        members: Where to start; left unchanged.
        batches: What they see; its device and dtype must be the members'.
        loss: What to make small, averaged over the batch.
        optimizer: How.
        num_steps: Updates to do.
        rates: Each member's rate, if they differ from `optimizer.rate`.
        snapshot_every: Steps between two snapshots; by default only the first and the last are given.

    Yields:
        A snapshot before the first step, after every `snapshot_every` steps and after the last.

    Raises:
        ValueError: If the numbers do not fit each other, or a module changes its buffers or draws random numbers.
    """
    rates = [optimizer.rate] * members.num_members if rates is None else list(rates)
    if len(rates) != members.num_members or len(batches.seeds) != members.num_members:
        raise ValueError(
            f"{members.num_members} members need as many rates and seeds, "
            f"got {len(rates)} rates, {len(batches.seeds)} seeds"
        )
    if num_steps < 0:
        raise ValueError(f"num_steps must be at least 0, got {num_steps}")
    if snapshot_every is not None and snapshot_every < 1:
        raise ValueError(f"snapshot_every must be at least 1, got {snapshot_every}")
    # A lone member trains beside a copy of itself: products of a single matrix take another path, with other bits.
    company = beside_itself(members)
    sweep: Sweep | AutogradSweep
    without_autograd: type[torch.inference_mode] | type[torch.no_grad] = torch.no_grad
    if is_layered(members.architecture):
        sweep = Sweep(company, batches.num_items, loss=loss)
        without_autograd = torch.inference_mode  # saves a tenth of a lone member's step
    else:
        refuse_changing_modules(members, batches(0)[0][0])
        sweep = AutogradSweep(company, loss=loss)
    each_rate = sweep.parameters.zeros_like()
    for name, view in each_rate.views.items():
        if members.architecture.get_parameter(name).requires_grad:  # what is frozen keeps rate 0
            each = torch.tensor(rates, dtype=torch.float64).expand(company.num_members)
            view.copy_(each.view(-1, *[1] * (view.ndim - 1)))
    buffers = optimizer.buffers(sweep.parameters.vector)

    def snapshot(step: int) -> Snapshot:
        values = {name: view[: members.num_members] for name, view in sweep.parameters.views.items()}
        factor = optimizer.rate_factor(step, num_steps)
        return Snapshot(
            step, replace(members, parameters=values), [rate * factor for rate in rates], _not_finite(values)
        )

    def advance(first: int, last: int) -> None:
        for step in range(first, last):
            inputs, targets = batches(step)
            if company is not members:
                inputs, targets = inputs.expand(2, -1, -1), targets.expand(2, -1, -1)
            sweep.gradient_(inputs, targets)
            factor = optimizer.rate_factor(step, num_steps)
            optimizer.update_(sweep.parameters.vector, sweep.gradients.vector, buffers, each_rate.vector, step, factor)

    yield snapshot(0)
    step = 0
    while step < num_steps:
        following = num_steps if snapshot_every is None else min(num_steps, step + snapshot_every)
        with one_thread(), without_autograd():  # not around the yield: they would leak into the caller's code
            advance(step, following)
        step = following
        yield snapshot(step)


def _not_finite(values: Mapping[str, Tensor]) -> list[bool]:
    """Which members hold a value that is NaN or infinite."""
    finite = torch.stack([value.isfinite().reshape(len(value), -1).all(1) for value in values.values()]).all(0)
    return (~finite).tolist()
