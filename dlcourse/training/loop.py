"""The training loop: a stack of members in, snapshots of it out."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        moments: What the optimizer remembers, moment after moment, in the shape of the members' parameters; these
            values, too, go on changing.
    """

    step: int
    members: Stack
    rates: list[float]
    diverged: list[bool]
    moments: list[dict[str, Tensor]]


def train(
    members: Stack,
    batches: Batches,
    *,
    loss: Loss,
    optimizer: Optimizer,
    num_steps: int,
    rates: Sequence[float] | None = None,
    snapshot_every: int | None = None,
    first_step: int = 0,
    moments: Sequence[Mapping[str, Tensor]] | None = None,
    compile: bool = False,
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
        first_step: Updates that the members have behind them, where a run is taken up again.
        moments: What the optimizer remembers of them (`Snapshot.moments`); needed with `first_step`, if there are any.
        compile: Compile the gradient by `torch.compile`, which takes some seconds, needs a C++ compiler, and may give
            a member other bits in other company.

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
    if not 0 <= first_step <= num_steps:
        raise ValueError(f"first_step must be between 0 and num_steps ({num_steps}), got {first_step}")
    if len(moments or []) != optimizer.num_moments and (moments is not None or first_step > 0):
        raise ValueError(
            f"the optimizer remembers {optimizer.num_moments} moments at step {first_step}, got {len(moments or [])}"
        )
    if not all(rate > 0 and math.isfinite(rate) for rate in rates):
        raise ValueError(f"rates must be finite numbers above 0, got {rates}")
    if snapshot_every is not None and snapshot_every < 1:
        raise ValueError(f"snapshot_every must be at least 1, got {snapshot_every}")
    # A lone member trains beside a copy of itself: products of a single matrix take another path, with other bits.
    company = beside_itself(members)
    sweep: Sweep | AutogradSweep
    without_autograd: type[torch.inference_mode] | type[torch.no_grad] = torch.no_grad
    if is_layered(members.architecture):
        shapes = [value.shape for value in members.parameters.values()]  # first W[1], last the output's b
        sizes = (batches.inputs.shape[2], batches.targets.shape[2])
        if sizes != (shapes[0][2], shapes[-1][1]):
            raise ValueError(
                f"the members map {shapes[0][2]} inputs to {shapes[-1][1]} outputs, "
                f"got batches of {sizes[0]} inputs and {sizes[1]} targets"
            )
        sweep = Sweep(company, batches.num_items, loss=loss)
        without_autograd = torch.inference_mode  # saves a tenth of a lone member's step
    else:
        refuse_changing_modules(members, batches(0)[0][0])
        sweep = AutogradSweep(company, loss=loss)
    gradient_: Callable[[Tensor, Tensor], None] = sweep.gradient_
    if compile:
        torch.compiler.reset()  # what earlier stacks left: it compiles eight forms of a function, then no more
        gradient_ = torch.compile(gradient_, dynamic=False, options={"cpp_wrapper": True})
    elif isinstance(sweep, Sweep) and sweep.parameters.vector.is_cuda:
        gradient_ = _one_launch(gradient_)
    each_rate = sweep.parameters.zeros_like()
    for name, view in each_rate.views.items():
        if members.architecture.get_parameter(name).requires_grad:  # what is frozen keeps rate 0
            each = torch.tensor(rates, dtype=torch.float64).expand(company.num_members)
            view.copy_(each.view(-1, *[1] * (view.ndim - 1)))
    buffers = optimizer.buffers(sweep.parameters.vector)
    kept = [sweep.parameters.over(buffer) for buffer in buffers[: optimizer.num_moments]]
    for views, values in zip(kept, moments or [], strict=moments is not None):
        for name, view in views.items():
            view.copy_(values[name])

    def snapshot(step: int) -> Snapshot:
        values = without_copies(sweep.parameters.views)
        factor = optimizer.rate_factor(step, num_steps)
        return Snapshot(
            step=step,
            members=replace(members, parameters=values),
            rates=[rate * factor for rate in rates],
            diverged=_not_finite(values),
            moments=[without_copies(views) for views in kept],
        )

    def without_copies(views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: view[: members.num_members] for name, view in views.items()}  # without a lone member's copy

    def advance(first: int, last: int) -> None:
        for step in range(first, last):
            inputs, targets = batches(step)
            if company is not members:
                inputs, targets = inputs.expand(2, -1, -1), targets.expand(2, -1, -1)
            gradient_(inputs, targets)
            factor = optimizer.rate_factor(step, num_steps)
            optimizer.update_(sweep.parameters.vector, sweep.gradients.vector, buffers, each_rate.vector, step, factor)

    step = first_step
    yield snapshot(step)
    while step < num_steps:
        following = (
            num_steps if snapshot_every is None else min(num_steps, (step // snapshot_every + 1) * snapshot_every)
        )
        with one_thread(), without_autograd():  # not around the yield: they would leak into the caller's code
            advance(step, following)
        step = following
        yield snapshot(step)


def _one_launch(gradient_: Callable[[Tensor, Tensor], None]) -> Callable[[Tensor, Tensor], None]:
    """The same on a CUDA device, captured as a graph at its first call: launching kernels one by one takes longer."""
    graph = torch.cuda.CUDAGraph()
    captured: list[Tensor] = []  # the batch that the graph reads

    def replay_(inputs: Tensor, targets: Tensor) -> None:
        if not captured:
            captured.extend((inputs.clone(), targets.clone()))
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):  # libraries choose and load their kernels before anything is captured
                gradient_(*captured)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(graph):
                gradient_(*captured)
        for kept, given in zip(captured, (inputs, targets), strict=True):
            kept.copy_(given)
        graph.replay()

    return replay_


def _not_finite(values: Mapping[str, Tensor]) -> list[bool]:
    """Which members hold a value that is NaN or infinite."""
    finite = torch.stack([value.isfinite().reshape(len(value), -1).all(1) for value in values.values()]).all(0)
    return (~finite).tolist()
