"""One stack of runs, from configurations to trained networks and their curves; where files go is not told here.

Its members are of one architecture, or of several whose widths are filled up to the same.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor, nn

from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.counts import Rectangle, Segments
from dlcourse.jobs.curves import Curves
from dlcourse.jobs.kept import KeptWeights
from dlcourse.layerwise import UNITS
from dlcourse.networks import MLPModel, Stack, side_by_side, stack
from dlcourse.recording import History
from dlcourse.recording.checkpoints import Checkpoint
from dlcourse.recording.weights import Weights
from dlcourse.tasks import Data
from dlcourse.training import Batches, Drawn, Snapshot, train


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


def in_common(config: RunConfig) -> dict[str, Any]:
    """What runs that train as one stack have in common: all settings but seed and rate, and mostly the widths.

    `LayerwiseGradient` fills widths up to multiples of 16: there 4, 8 and 16 units are the same work, and side by side
    a third of the calls. The units that fill up stay zero, so nothing changes for a network; but not where g(0) is not
    0, or where it depends on the widths which layers have a skip connection.
    """
    common = {key: value for key, value in config.settings().items() if key not in ("seed", "optimizer.rate")}
    model = config.model
    if type(model) is not MLPModel or not model.activation.keeps_zero or model.skip:
        return common
    if config.compile or config.torch_device.type != "cpu":  # their bits depend on more
        return common
    widths = {"model.width", "model.widths", "model.max_parameters"}
    filled = [-(-width // UNITS) for width in model.layer_widths]
    return {key: value for key, value in common.items() if key not in widths} | {"filled widths": filled}


def train_stack(
    configs: Sequence[RunConfig],
    checkpoints: Sequence[Checkpoint],
    *,
    progress: Callable[[int, list[float]], None],
    save: Callable[[list[Checkpoint]], None],
    stop: Callable[[], bool] = lambda: False,
) -> list[Trained]:
    """Trains runs that can train as one stack (`in_common`), measures them, and offers checkpoints on the way.

    Args:
        configs: The runs; those of one width come one after another.
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
    # The members differ in seed, rate and widths only: in all other respects, the first one stands for all.
    config = configs[0]
    started = time.monotonic()
    first_step = checkpoints[0].step if checkpoints else 0
    seconds_before = checkpoints[0].seconds if checkpoints else 0.0
    parts = _parts(configs, checkpoints)
    step, saved = first_step, time.monotonic()
    for snapshots in _snapshots(parts, first_step):
        # Where training goes on from checkpoints, their curves have a point for the first snapshot already.
        is_new = snapshots[0].step > first_step or not checkpoints
        for part, snapshot in zip(parts, snapshots, strict=True):
            part.add(snapshot, is_new=is_new)
        losses = [loss for part in parts for loss in part.curves.training_losses]
        progress((snapshots[0].step - step) * len(configs), losses)
        step = snapshots[0].step
        is_stopped = step < config.num_steps and stop()
        if is_stopped or (time.monotonic() - saved >= config.checkpoint_seconds and step < config.num_steps):
            seconds = seconds_before + (time.monotonic() - started) / len(configs)
            each = zip(parts, snapshots, strict=True)
            save([checkpoint for part, snapshot in each for checkpoint in part.checkpoints(snapshot, seconds)])
            saved = time.monotonic()
        if is_stopped:
            raise StoppedError
    for part in parts:
        part.curves.count()
    seconds = seconds_before + (time.monotonic() - started) / len(configs)
    each = zip(parts, snapshots, strict=True)
    return [trained for part, snapshot in each for trained in part.trained(snapshot, seconds)]


class _Part:
    """Runs of one architecture in training: where they start, what they see, what is measured and kept of them.

    Args:
        configs: The runs, which differ in seed and rate only.
        checkpoints: One a run, or none.
    """

    def __init__(self, configs: Sequence[RunConfig], checkpoints: Sequence[Checkpoint]) -> None:
        self.configs, config = configs, configs[0]
        dtype, device = config.dtype.dtype, config.torch_device
        by_seed = {seed: config.task.data(seed, torch.float64) for seed in {run.seed for run in configs}}
        all_data = [by_seed[run.seed] for run in configs]
        as_trained = {seed: data.to(dtype) for seed, data in by_seed.items()}
        self.data = _beside_each_other([as_trained[run.seed] for run in configs])
        self.curves = Curves(
            config.task,
            self.data.to(dtype, device),
            _domain(configs, all_data) if config.pieces_are_counted else None,
            [checkpoint.history for checkpoint in checkpoints] or [{} for _ in configs],
            [checkpoint.diverged_at for checkpoint in checkpoints] or [None for _ in configs],
        )
        self._kept = KeptWeights(configs, [checkpoint.weights for checkpoint in checkpoints])
        # The float64 data can be large, and is needed from here on only by the members that will be pictured.
        self._pictured = [run_data if run.pictures else None for run, run_data in zip(configs, all_data, strict=True)]
        self._networks = [run.network() for run in configs]  # which take up the trained values in the end
        members = stack(self._networks)
        parameters, moments = members.parameters, None
        if checkpoints:
            parameters = _stacked([checkpoint.parameters for checkpoint in checkpoints])
            each = zip(*(checkpoint.moments for checkpoint in checkpoints), strict=True)
            moments = [_stacked(moment) for moment in each]
        self.moments = moments
        self.members = replace(
            members,
            parameters={name: value.to(device, dtype) for name, value in parameters.items()},
            buffers={name: value.to(device) for name, value in members.buffers.items()},
        )

    def add(self, snapshot: Snapshot, *, is_new: bool) -> None:
        """Measures the members, unless their curves have this point already, and keeps what of them is kept."""
        if is_new:
            self.curves.add(snapshot)
        self._kept.add(snapshot)
        self.curves.note_divergence(snapshot)

    def checkpoints(self, snapshot: Snapshot, seconds: float) -> list[Checkpoint]:
        """One checkpoint a member, from which it can go on after this snapshot."""
        self.curves.count()
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
                zip(self.curves.histories, self._kept.of_each(), self.curves.diverged_at, strict=True)
            )
        ]

    def trained(self, snapshot: Snapshot, seconds: float) -> list[Trained]:
        """What became of each run."""
        values = {**snapshot.members.parameters, **snapshot.members.buffers}
        for member, network in enumerate(self._networks):
            _take(network, {name: value[member] for name, value in values.items()})
        return [
            Trained(network, data, history, weights, diverged_at, seconds)
            for network, data, history, weights, diverged_at in zip(
                self._networks,
                self._pictured,
                self.curves.histories,
                self._kept.of_each(),
                self.curves.diverged_at,
                strict=True,
            )
        ]


def _parts(configs: Sequence[RunConfig], checkpoints: Sequence[Checkpoint]) -> list[_Part]:
    """The runs of each architecture."""
    parts, first = [], 0
    for _, group in groupby(configs, key=lambda config: config.model.layer_widths):
        runs = list(group)
        parts.append(_Part(runs, checkpoints[first : first + len(runs)]))
        first += len(runs)
    return parts


def _domain(configs: Sequence[RunConfig], all_data: Sequence[Data]) -> Segments | Rectangle:
    """Where the members' pieces are counted."""
    config = configs[0]
    if config.task.rectangle is not None:
        return Rectangle(*config.task.rectangle, config.num_steps, config.log_every)
    segments = [config.task.lines(run.seed, run_data) for run, run_data in zip(configs, all_data, strict=True)]
    return Segments(*(torch.stack(points) for points in zip(*segments, strict=True)))


def _snapshots(parts: Sequence[_Part], first_step: int) -> Iterator[list[Snapshot]]:
    """The members in training, one snapshot a part, from their initial values or from their checkpoints."""
    configs = [config for part in parts for config in part.configs]
    config = configs[0]
    members, moments = _together(parts)
    for snapshot in train(
        members,
        Batches(
            [run.seed for run in configs],
            _one_after_another([part.data.train_inputs for part in parts]),
            _one_after_another([part.data.train_targets for part in parts]),
            config.batch_size,
            draw=config.task.draw if config.task.fresh else None,
            dtype=config.dtype.dtype,
            device=config.torch_device,
            drawn=_drawn(json.dumps({key: each for key, each in config.settings().items() if key.startswith("task.")})),
        ),
        loss=config.task.loss,
        optimizer=[run.optimizer for run in configs],
        num_steps=config.num_steps,
        snapshot_every=config.log_every,
        first_step=first_step,
        moments=moments,
        compile=config.compile,
    ):
        if len(parts) == 1:
            yield [snapshot]
            continue
        firsts = accumulate((len(part.configs) for part in parts), initial=0)
        yield [snapshot.part(first, part.members) for first, part in zip(firsts, parts, strict=False)]


@lru_cache(maxsize=1)
def _drawn(task: str) -> Drawn:
    """What stacks of a task, said by its settings, have drawn in this process; what others drew is forgotten."""
    return Drawn()


def _together(parts: Sequence[_Part]) -> tuple[Stack, list[dict[str, Tensor]] | None]:
    """All members as one stack with what the optimizer remembers of them; narrow ones as members of a wider network."""
    if len(parts) == 1:
        return parts[0].members, parts[0].moments
    config = parts[0].configs[0]
    assert isinstance(config.model, MLPModel)  # or its widths would be in common
    widths = [max(each) for each in zip(*(part.configs[0].model.layer_widths for part in parts), strict=True)]
    model = replace(config.model, depth=None, width=None, max_parameters=None, widths=widths)
    wide = stack([replace(config, model=model).network()])
    parameters = side_by_side([part.members.parameters for part in parts], wide.architecture)
    remembered = [part.moments for part in parts if part.moments is not None]
    each = zip(*remembered, strict=True)
    moments = [side_by_side(moment, wide.architecture) for moment in each] if remembered else None
    return replace(wide, parameters=parameters), moments


def _beside_each_other(all_data: Sequence[Data]) -> Data:
    """The members' data, stacked; in memory once where all have the same, as every seed has of a truth table."""
    first, *others = {id(data): data for data in all_data}.values()
    if all(torch.equal(value, vars(first)[name]) for other in others for name, value in vars(other).items()):
        return Data(**{name: value.expand(len(all_data), *value.shape) for name, value in vars(first).items()})
    return Data(**_stacked([vars(data) for data in all_data]))


def _one_after_another(of_parts: Sequence[Tensor]) -> Tensor:
    """The data of all parts' members; those of a single part as they are, since copies can be large."""
    return of_parts[0] if len(of_parts) == 1 else torch.cat(list(of_parts))


def _take(network: nn.Module, values: dict[str, Tensor]) -> None:
    """Overwrites all parameters and buffers."""
    with torch.no_grad():
        for name, value in (*network.named_parameters(), *network.named_buffers()):
            value.copy_(values[name])


def _stacked(members: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The members' tensors of each name beside each other."""
    return {name: torch.stack([member[name] for member in members]) for name in members[0]}


def _of_member(values: dict[str, Tensor], member: int) -> dict[str, Tensor]:
    """One member's tensors, in memory of their own (or the others would be saved with them)."""
    return {name: value[member].cpu().clone() for name, value in values.items()}
