"""One stack of runs, from configurations to trained networks and their curves; where files go is not told here."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.counts import Rectangle, Segments
from dlcourse.jobs.curves import Curves
from dlcourse.jobs.kept import KeptWeights
from dlcourse.networks import stack, unstack
from dlcourse.recording import History
from dlcourse.recording.checkpoints import Checkpoint
from dlcourse.recording.weights import Weights
from dlcourse.tasks import Data
from dlcourse.training import Batches, Snapshot, train


class StoppedError(Exception):
    """Training was stopped, and a checkpoint saved."""


@dataclass(frozen=True)
class Trained:
    """What became of one run.

    Attributes:
        network: The trained network, on the CPU.
        data: What it was trained and tested on, in float64, if the run is to be pictured.
        history: Its curves.
        weights: Those of its logged points, if they are kept.
        diverged_at: The step at which it was found to have diverged, or None.
        seconds: Its share of the time, that before its checkpoint included.
    """

    network: nn.Module
    data: Data | None
    history: History
    weights: Weights
    diverged_at: int | None
    seconds: float


def train_stack(
    configs: Sequence[RunConfig],
    checkpoints: Sequence[Checkpoint],
    *,
    progress: Callable[[int, list[float]], None],
    save: Callable[[list[Checkpoint]], None],
    stop: Callable[[], bool] = lambda: False,
) -> list[Trained]:
    """Trains runs that differ only in seed and rate, measures them, and offers checkpoints on the way.

    Args:
        configs: The runs.
        checkpoints: One a run, all at one step, from which they go on; none to start anew.
        progress: Called at every logged point with the number of updates since the last one, summed over the members,
            and with each member's present training loss.
        save: Given one checkpoint a run, `checkpoint_seconds` after the last time or later.
        stop: Asked at every logged point whether to save and stop there.

    Returns:
        What became of each.

    Raises:
        StoppedError: If it was stopped.
    """
    # The members differ in seed and rate only: in all other respects, the first one's configuration stands for all.
    config = configs[0]
    started = time.monotonic()
    first_step = checkpoints[0].step if checkpoints else 0
    seconds_before = checkpoints[0].seconds if checkpoints else 0.0
    all_data = [config.task.data(run.seed, torch.float64) for run in configs]
    data = Data(**_stacked([vars(run_data) for run_data in all_data])).to(config.dtype.dtype)
    curves = _curves(configs, all_data, data, checkpoints)
    pictured = [run_data if run.pictures else None for run, run_data in zip(configs, all_data, strict=True)]
    # The float64 data can be large, and is needed from here on only by the members that will be pictured.
    del all_data
    kept = KeptWeights(configs, [checkpoint.weights for checkpoint in checkpoints])
    step, saved = first_step, time.monotonic()
    for snapshot in _snapshots(configs, data, checkpoints):
        # Where training goes on from checkpoints, their curves have a point for the first snapshot already.
        if snapshot.step > first_step or not checkpoints:
            curves.add(snapshot)
        kept.add(snapshot)
        curves.note_divergence(snapshot)
        progress((snapshot.step - step) * len(configs), curves.training_losses)
        step = snapshot.step
        is_stopped = step < config.num_steps and stop()
        if is_stopped or (time.monotonic() - saved >= config.checkpoint_seconds and step < config.num_steps):
            curves.count()
            save(_checkpoints(snapshot, curves, kept, seconds_before + (time.monotonic() - started) / len(configs)))
            saved = time.monotonic()
        if is_stopped:
            raise StoppedError
    curves.count()
    seconds = seconds_before + (time.monotonic() - started) / len(configs)
    networks = [network.cpu() for network in unstack(snapshot.members)]
    return [
        Trained(network, run_data, history, weights, diverged_at, seconds)
        for network, run_data, history, weights, diverged_at in zip(
            networks, pictured, curves.histories, kept.of_each(), curves.diverged_at, strict=True
        )
    ]


def _curves(
    configs: Sequence[RunConfig], all_data: Sequence[Data], data: Data, checkpoints: Sequence[Checkpoint]
) -> Curves:
    """The members' curves, empty or as their checkpoints have them."""
    config = configs[0]
    return Curves(
        config.task,
        data.to(config.dtype.dtype, config.torch_device),
        _domain(configs, all_data) if config.pieces_are_counted else None,
        [checkpoint.history for checkpoint in checkpoints] or [{} for _ in configs],
        [checkpoint.diverged_at for checkpoint in checkpoints] or [None for _ in configs],
    )


def _domain(configs: Sequence[RunConfig], all_data: Sequence[Data]) -> Segments | Rectangle:
    """Where the members' pieces are counted."""
    config = configs[0]
    if config.task.rectangle is not None:
        return Rectangle(*config.task.rectangle, config.num_steps, config.log_every)
    segments = [config.task.lines(run.seed, run_data) for run, run_data in zip(configs, all_data, strict=True)]
    return Segments(*(torch.stack(points) for points in zip(*segments, strict=True)))


def _snapshots(configs: Sequence[RunConfig], data: Data, checkpoints: Sequence[Checkpoint]) -> Iterator[Snapshot]:
    """The members in training, from their initial values or from their checkpoints."""
    config = configs[0]
    dtype, device = config.dtype.dtype, config.torch_device
    members = stack([run.network() for run in configs])
    moments = None
    if checkpoints:
        members = replace(members, parameters=_stacked([checkpoint.parameters for checkpoint in checkpoints]))
        moments = [_stacked(moment) for moment in zip(*(checkpoint.moments for checkpoint in checkpoints), strict=True)]
    return train(
        replace(
            members,
            parameters={name: value.to(device, dtype) for name, value in members.parameters.items()},
            buffers={name: value.to(device) for name, value in members.buffers.items()},
        ),
        Batches(
            [run.seed for run in configs],
            data.train_inputs,
            data.train_targets,
            config.batch_size,
            draw=config.task.draw if config.task.fresh else None,
            dtype=dtype,
            device=device,
        ),
        loss=config.task.loss,
        optimizer=[run.optimizer for run in configs],
        num_steps=config.num_steps,
        snapshot_every=config.log_every,
        first_step=checkpoints[0].step if checkpoints else 0,
        moments=moments,
        compile=config.compile,
    )


def _checkpoints(snapshot: Snapshot, curves: Curves, kept: KeptWeights, seconds: float) -> list[Checkpoint]:
    """One checkpoint a member, from which it can go on after this snapshot."""
    return [
        Checkpoint(
            step=snapshot.step,
            parameters=_of_member(snapshot.members.parameters, member),
            moments=[_of_member(moment, member) for moment in snapshot.moments],
            history=dict(history),
            weights=weights,
            diverged_at=diverged_at,
            seconds=seconds,
        )
        for member, (history, weights, diverged_at) in enumerate(
            zip(curves.histories, kept.of_each(), curves.diverged_at, strict=True)
        )
    ]


def _stacked(members: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The members' tensors of each name beside each other."""
    return {name: torch.stack([member[name] for member in members]) for name in members[0]}


def _of_member(values: dict[str, Tensor], member: int) -> dict[str, Tensor]:
    """One member's tensors, in memory of their own (or the others would be saved with them)."""
    return {name: value[member].cpu().clone() for name, value in values.items()}
