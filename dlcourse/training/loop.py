"""The training loop: a stack of members in, snapshots of it out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dlcourse.checks import check_whole
from dlcourse.layerwise import LayerwiseGradient, in_company, is_layered, one_thread
from dlcourse.losses import Loss
from dlcourse.networks import Stack, corner
from dlcourse.training.autograd import AutogradGradient, refuse_what_cannot_train
from dlcourse.training.batches import Batches
from dlcourse.training.optimizers import Optimizer


@dataclass(frozen=True, repr=False)
class Snapshot:
    """The members as they are after `step` updates.

    Attributes:
        step: Updates done.
        members: The stack; its values go on changing once the next snapshot is asked for.
        rates: Each member's rate at this step.
        diverged: Which members hold values that are not finite; these have no effect on the other members.
        moments: What the optimizer remembers, moment after moment, in the shape of the members' parameters; these
            values, too, go on changing.
    """

    step: int
    members: Stack
    rates: list[float]
    diverged: list[bool]
    moments: list[dict[str, Tensor]]

    def __repr__(self) -> str:
        return f"Snapshot(step={self.step}, members={self.members}, {sum(self.diverged)} diverged)"

    def part(self, first: int, members: Stack) -> "Snapshot":
        """That of some members, which train as members of a wider architecture (see `networks.side_by_side`).

        Args:
            first: Where the first of them stands.
            members: As they were before, in their own architecture.
        """
        rows = slice(first, first + members.num_members)
        shapes = {name: value.shape for name, value in members.parameters.items()}

        def own(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: corner(value[rows], shapes[name]) for name, value in values.items()}

        parameters = own(self.members.parameters)
        return Snapshot(
            step=self.step,
            members=replace(members, parameters=parameters),
            rates=self.rates[rows],
            diverged=_not_finite(parameters),
            moments=[own(moment) for moment in self.moments],
        )


def train(
    members: Stack,
    batches: Batches,
    *,
    loss: Loss,
    optimizer: Optimizer | Sequence[Optimizer],
    num_steps: int,
    snapshot_every: int | None = None,
    first_step: int = 0,
    moments: Sequence[Mapping[str, Tensor]] | None = None,
    compile: bool = False,
) -> Iterator[Snapshot]:
    """Trains all members at once, each as if it were alone.

    An `MLP` or `SoftmaxClassifier` is differentiated layer by layer (`LayerwiseGradient`), any other module by
    autograd, one member after another. On the CPU one torch thread is used (networks of this size gain nothing from
    more), and a member has the same bits whatever its companions.

    Args:
        members: Where to start; left unchanged.
        batches: What they see; its device and dtype must be the members'.
        loss: What to make small, averaged over the batch.
        optimizer: How: one for all members, or one for each, which may differ in their rates only.
        num_steps: Updates to do.
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
    optimizers = [optimizer] * members.num_members if isinstance(optimizer, Optimizer) else list(optimizer)
    check_whole("num_steps", num_steps, 0)
    check_whole("first_step", first_step, 0, num_steps)
    if snapshot_every is not None:
        check_whole("snapshot_every", snapshot_every, 1)
    _check_one_for_each_member(members, batches, optimizers)
    num_moments = optimizers[0].num_moments
    if len(moments or []) != num_moments and (moments is not None or first_step > 0):
        raise ValueError(
            f"the optimizer remembers {num_moments} moments at step {first_step}, got {len(moments or [])}"
        )
    trainer = _Trainer(members, batches, loss, optimizers, num_steps, compile)
    trainer.remember(moments)
    step = first_step
    yield trainer.snapshot(step)
    while step < num_steps:
        following = num_steps
        if snapshot_every is not None:
            following = min(num_steps, (step // snapshot_every + 1) * snapshot_every)
        # Not around the yield, where the caller's code would run under these settings.
        with one_thread(), trainer.without_autograd():
            trainer.advance(step, following)
        step = following
        yield trainer.snapshot(step)


def _check_one_for_each_member(members: Stack, batches: Batches, optimizers: Sequence[Optimizer]) -> None:
    """Refuses optimizers and seeds that are not one a member, and optimizers that differ in more than their rates."""
    if len(optimizers) != members.num_members or len(batches.seeds) != members.num_members:
        raise ValueError(
            f"{members.num_members} members need as many optimizers and seeds, "
            f"got {len(optimizers)} optimizers, {len(batches.seeds)} seeds"
        )
    for optimizer in optimizers:
        if replace(optimizer, rate=optimizers[0].rate) != optimizers[0]:
            raise ValueError(
                f"the optimizers of a stack must differ in their rates only, got {optimizers[0]} and {optimizer}"
            )


class _Trainer:
    """The members, their gradients and their optimizer's memory, laid out once for all steps.

    Args:
        members: Where to start.
        batches: What they see.
        loss: What to make small.
        optimizers: Each member's, all of one kind.
        num_steps: Updates in all, which schedules depend on.
        compile: Whether the gradient is compiled.
    """

    def __init__(
        self,
        members: Stack,
        batches: Batches,
        loss: Loss,
        optimizers: Sequence[Optimizer],
        num_steps: int,
        compile: bool,
    ) -> None:
        self._members, self._batches, self._num_steps = members, batches, num_steps
        self._optimizer, self._rates = optimizers[0], [optimizer.rate for optimizer in optimizers]
        self._gradient: LayerwiseGradient | AutogradGradient
        self.without_autograd: type[torch.inference_mode] | type[torch.no_grad]
        if is_layered(members.architecture):
            _check_sizes(members, batches)
            self._company = in_company(members, batches.num_items, loss)
            if self._company is not members:
                # A lone member trains beside a copy of itself, which needs batches as well.
                seeds, data = [*batches.seeds] * 2, (batches.inputs, batches.targets)
                inputs, targets = (values.expand(2, -1, -1) for values in data)
                self._batches = replace(batches, seeds=seeds, inputs=inputs, targets=targets)
            self._gradient = LayerwiseGradient(self._company, batches.num_items, loss=loss)
            self._gradient_ = _made_fast(self._gradient, compile)
            # Faster than no_grad: it saves a tenth of a lone member's step.
            self.without_autograd = torch.inference_mode
        else:
            inputs, targets = batches(0)
            refuse_what_cannot_train(members, inputs[0], targets[0])
            self._company = members
            self._gradient = AutogradGradient(members, loss=loss, compile=compile)
            self._gradient_ = self._gradient.gradient_
            self.without_autograd = torch.no_grad
        self._each_rate = self._rate_of_each_parameter()
        self._memory = self._optimizer.buffers(self._gradient.parameters.vector)
        self._moments = [
            self._gradient.parameters.over(buffer) for buffer in self._memory[: self._optimizer.num_moments]
        ]

    def remember(self, moments: Sequence[Mapping[str, Tensor]] | None) -> None:
        """Takes up what the optimizer remembered of the members when it was left."""
        for views, values in zip(self._moments, moments or [], strict=moments is not None):
            for name, view in views.items():
                view.copy_(values[name])

    def advance(self, first: int, last: int) -> None:
        """The updates from step `first` to step `last`."""
        batches, gradient_, optimizer = self._batches, self._gradient_, self._optimizer
        parameters, gradients = self._gradient.parameters.vector, self._gradient.gradients.vector
        for step in range(first, last):
            gradient_(*batches(step))
            factor = optimizer.rate_factor(step, self._num_steps)
            optimizer.update_(parameters, gradients, self._memory, self._each_rate, step, factor)

    def snapshot(self, step: int) -> Snapshot:
        """The members as they are now."""
        values = self._without_companions(self._gradient.parameters.views)
        factor = self._optimizer.rate_factor(step, self._num_steps)
        return Snapshot(
            step=step,
            members=replace(self._members, parameters=values),
            rates=[rate * factor for rate in self._rates],
            diverged=_not_finite(values),
            moments=[self._without_companions(views) for views in self._moments],
        )

    def _without_companions(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The values of the members that were asked for."""
        return {name: view[: self._members.num_members] for name, view in views.items()}

    def _rate_of_each_parameter(self) -> Tensor:
        """Every parameter's first rate, in the layout of the parameters; parameters that are frozen have rate 0."""
        rates = self._gradient.parameters.zeros_like()
        company_rates = torch.tensor(self._rates, dtype=torch.float64).expand(self._company.num_members)
        for name, view in rates.views.items():
            if self._members.architecture.get_parameter(name).requires_grad:
                view.copy_(company_rates.view(-1, *[1] * (view.ndim - 1)))
        return rates.vector


def _check_sizes(members: Stack, batches: Batches) -> None:
    """Refuses batches whose items do not fit a layered architecture."""
    first_weight, *_, last_bias = (value.shape for value in members.parameters.values())
    sizes = (batches.inputs.shape[2], batches.targets.shape[2])
    if sizes != (first_weight[2], last_bias[1]):
        raise ValueError(
            f"the members map {first_weight[2]} inputs to {last_bias[1]} outputs, "
            f"got batches of {sizes[0]} inputs and {sizes[1]} targets"
        )


def _made_fast(gradient: LayerwiseGradient, compile: bool) -> Callable[[Tensor, Tensor], None]:
    """The computation of a gradient, compiled where that is asked for, captured as one launch where that pays."""
    if compile:
        # torch.compile makes eight versions of one function and then gives up on it. Earlier stacks of other shapes
        # have used some of them, so they are thrown away first.
        torch.compiler.reset()
        return torch.compile(gradient.gradient_, dynamic=False, options={"cpp_wrapper": True})
    if gradient.parameters.vector.is_cuda:
        return _one_launch(gradient.gradient_)
    return gradient.gradient_


def _one_launch(gradient_: Callable[[Tensor, Tensor], None]) -> Callable[[Tensor, Tensor], None]:
    """The same on a CUDA device, captured as a graph at its first call: launching kernels one by one takes longer."""
    graph = torch.cuda.CUDAGraph()
    # Inputs and targets in the memory that the graph reads at every replay; empty until the first call.
    captured: list[Tensor] = []

    def replay_(inputs: Tensor, targets: Tensor) -> None:
        if not captured:
            captured.extend((inputs.clone(), targets.clone()))
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            # A first call that is not captured: in it, libraries choose and load their kernels, which they could not do
            # during the capture.
            with torch.cuda.stream(aside):
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
