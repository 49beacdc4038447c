"""One stack of runs: its members trained side by side, measured, and each recorded as if it had run alone."""

import contextlib
import dataclasses
import io
import math
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.checkpoints import Checkpoint, History, read_checkpoint, write_checkpoint
from dlcourse.config import RunConfig
from dlcourse.job import run_folder
from dlcourse.layerwise import outputs
from dlcourse.networks import Activation, Stack, num_parameters, stack, unstack
from dlcourse.recording import Result, write_events, write_result
from dlcourse.recording.files import write_atomically
from dlcourse.recording.pictures import picture
from dlcourse.tasks import Data
from dlcourse.training import Batches, Snapshot, train

# Told what has been done since it was last told: updates, summed over the members, and the members' training losses.
Progress = Callable[[int, list[float]], None]


def run_stack(configs: Sequence[RunConfig], progress: Progress) -> list[Result]:
    """Trains runs that differ only in seed and rate, and writes each one's folder.

    If all members have a checkpoint at one step, they go on from there, else all start anew.

    Args:
        configs: The runs, none of them finished.
        progress: Told of what has been done.

    Returns:
        What each came to.
    """
    config = configs[0]  # for all that the members have in common
    started = time.time()
    place: dict[str, Any] = {"dtype": config.torch_dtype, "device": config.torch_device}
    members = stack([each.network() for each in configs])
    checkpoints = [read_checkpoint(run_folder(each)) for each in configs]
    resumed = [checkpoint for checkpoint in checkpoints if checkpoint is not None]
    if len({checkpoint.step for checkpoint in resumed}) > 1:
        resumed = []  # another process has gone on meanwhile
    first_step, moments, seconds = 0, None, 0.0
    histories: list[History] = [defaultdict(list) for _ in configs]
    diverged_at: list[int | None] = [None] * len(configs)
    if len(resumed) == len(configs):
        first_step, seconds = resumed[0].step, resumed[0].seconds
        members = dataclasses.replace(members, parameters=_beside([each.parameters for each in resumed]))
        moments = [_beside(list(each)) for each in zip(*(each.moments for each in resumed), strict=True)]
        histories = [defaultdict(list, each.history) for each in resumed]
        diverged_at = [each.diverged_at for each in resumed]
    members = dataclasses.replace(members, parameters={k: v.to(**place) for k, v in members.parameters.items()})
    data = Data(**_beside([vars(config.task.data(each.seed)) for each in configs]))
    batches = Batches(
        [each.seed for each in configs],
        data.train_inputs,
        data.train_targets,
        config.batch_size,
        draw=config.task.draw if config.task.fresh else None,
        **place,
    )
    data = Data(**{name: value.to(**place) for name, value in vars(data).items()})
    lines = [torch.stack(ends) for ends in zip(*(config.task.lines(each.seed) for each in configs), strict=True)]
    counts = config.count_pieces and config.model.activation is Activation.relu
    uncounted: list[Snapshot] = []
    step, saved = first_step, time.time()
    for snapshot in train(
        members,
        batches,
        loss=config.task.loss,
        optimizer=config.optimizer,
        num_steps=config.num_steps,
        rates=[each.optimizer.rate for each in configs],
        snapshot_every=config.log_every,
        first_step=first_step,
        moments=moments,
        compile=config.compile,
    ):
        if snapshot.step > first_step or first_step == 0:
            _measure(config, snapshot, data, histories)
            if counts:
                uncounted.append(_copy(snapshot))
        losses = [history["loss/train"][-1][1] for history in histories]
        for member, loss in enumerate(losses):
            if (snapshot.diverged[member] or not math.isfinite(loss)) and diverged_at[member] is None:
                diverged_at[member] = snapshot.step
        progress((snapshot.step - step) * len(configs), losses)
        step = snapshot.step
        is_checkpoint = time.time() - saved >= config.checkpoint_seconds and step < config.num_steps
        if is_checkpoint or len(uncounted) * len(configs) >= _COUNTED_AT_ONCE:
            _count_pieces(uncounted, lines, histories)
            uncounted.clear()
        if is_checkpoint:
            spent = seconds + (time.time() - started) / len(configs)
            _write_checkpoints(configs, snapshot, histories, diverged_at, spent)
            saved = time.time()
    _count_pieces(uncounted, lines, histories)
    seconds += (time.time() - started) / len(configs)
    trained = [network.cpu() for network in unstack(snapshot.members)]
    results = []
    for member, (each, network, history) in enumerate(zip(configs, trained, histories, strict=True)):
        result = _result(each, network, history, diverged_at[member], seconds)
        drawn = _picture(each, network, result) if each.pictures else None
        _write_folder(each, network, history, result, drawn, started)
        results.append(result)
    return results


def _beside(members: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The members' tensors of each name beside each other."""
    return {name: torch.stack([member[name] for member in members]) for name in members[0]}


def _write_checkpoints(
    configs: Sequence[RunConfig],
    snapshot: Snapshot,
    histories: list[History],
    diverged_at: list[int | None],
    seconds: float,
) -> None:
    """Writes every member's checkpoint."""
    for member, config in enumerate(configs):
        checkpoint = Checkpoint(
            step=snapshot.step,
            parameters=_of_member(snapshot.members.parameters, member),
            moments=[_of_member(moment, member) for moment in snapshot.moments],
            history=dict(histories[member]),
            diverged_at=diverged_at[member],
            seconds=seconds,
        )
        write_checkpoint(run_folder(config), checkpoint)


def _of_member(values: dict[str, Tensor], member: int) -> dict[str, Tensor]:
    """One member's tensors, in memory of their own (or the others would be saved with them)."""
    return {name: value[member].cpu().clone() for name, value in values.items()}


def _measure(config: RunConfig, snapshot: Snapshot, data: Data, histories: list[History]) -> None:
    """Adds a point to every curve of every member."""
    test_outputs = outputs(snapshot.members, data.test_inputs)

    def network(inputs: Tensor) -> Tensor:
        return test_outputs if inputs is data.test_inputs else outputs(snapshot.members, inputs)

    loss = config.task.loss
    values = {
        "loss/train": loss(network(data.train_inputs), data.train_targets).mean(1).tolist(),
        "loss/test": loss(test_outputs, data.test_targets).mean(1).tolist(),
        "rate": snapshot.rates,
    }
    for name, metric in config.task.metrics(network, data).items():
        values[f"metric/{name}"] = metric.tolist()
    for tag, points in values.items():
        for history, value in zip(histories, points, strict=True):
            history[tag].append((snapshot.step, value))


_COUNTED_AT_ONCE = 64  # networks: counting ten snapshots of a small stack one by one takes five times as long


def _copy(snapshot: Snapshot) -> Snapshot:
    """A snapshot of values that no longer change."""
    members = snapshot.members
    parameters = {name: value.clone() for name, value in members.parameters.items()}
    return dataclasses.replace(snapshot, members=dataclasses.replace(members, parameters=parameters))


def _count_pieces(snapshots: list[Snapshot], lines: list[Tensor], histories: list[History]) -> None:
    """Adds the numbers of pieces and regions of the members that have not diverged: mean and spread over the lines."""
    diverged = [each for snapshot in snapshots for each in snapshot.diverged]
    finite = [row for row, each in enumerate(diverged) if not each]
    if not finite:
        return
    parameters = _joined([snapshot.members.parameters for snapshot in snapshots])
    buffers = _joined([snapshot.members.buffers for snapshot in snapshots])
    members = Stack(
        snapshots[0].members.architecture,
        {name: value[finite] for name, value in parameters.items()},
        {name: value[finite] for name, value in buffers.items()},
    )
    starts, ends = (of_members.repeat(len(snapshots), 1, 1)[finite] for of_members in lines)
    counted = pieces.on_lines(members, starts, ends)
    for index, row in enumerate(finite):
        step, history = snapshots[row // len(histories)].step, histories[row % len(histories)]
        for tag, numbers in (("num_pieces", counted.num_pieces[index]), ("num_regions", counted.num_regions[index])):
            history[f"pieces/{tag}"].append((step, float(numbers.mean())))
            if len(numbers) > 1:
                history[f"pieces/{tag}_spread"].append((step, float(numbers.std())))


def _joined(stacks: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of each name, one stack's members after the other's."""
    return {name: torch.cat([members[name] for members in stacks]) for name in stacks[0]}


def _result(config: RunConfig, network: nn.Module, history: History, diverged_at: int | None, seconds: float) -> Result:
    """The last point of every curve, and the number of parameters."""
    metrics = {
        tag.removeprefix("metric/").removeprefix("pieces/"): points[-1][1]
        for tag, points in history.items()
        if tag != "rate"
    }
    metrics["num_parameters"] = num_parameters(network)
    return Result(config.run_name(), config.flat(), metrics, diverged_at, seconds)


def _picture(config: RunConfig, network: nn.Module, result: Result) -> tuple[str, bytes] | None:
    """What the network has learnt, as tag and PNG; None for one that has diverged."""
    if result.diverged_at is not None:
        return None
    sizes = f"depth {len(config.model.layer_widths)}, width {config.model.common_width or config.model.widths}"
    return picture(
        config.task,
        network,
        seed=config.seed,
        title=f"{config.task.name}: {sizes}, {config.model.activation}, seed {config.seed}",
        metrics={config.task.metric: result.metrics[config.task.metric]},
        count_pieces=config.model.activation is Activation.relu,
    )


def _write_folder(
    config: RunConfig,
    network: nn.Module,
    history: History,
    result: Result,
    drawn: tuple[str, bytes] | None,
    started: float,
) -> None:
    """Writes the run's folder; `metrics.json` comes last, as the mark of a finished run."""
    final_folder = run_folder(config)
    # under another name until it is whole, so that a run that `force` runs again is lost at no moment
    folder = final_folder.with_name(f".{final_folder.name}.{os.getpid()}.part")
    folder.mkdir(parents=True, exist_ok=True)  # a process of the same number may have been killed here
    try:
        _write_files(folder, config, network, history, result, drawn, started)
        shutil.rmtree(final_folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another process has just finished the same run
            folder.rename(final_folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_files(
    folder: Path,
    config: RunConfig,
    network: nn.Module,
    history: History,
    result: Result,
    drawn: tuple[str, bytes] | None,
    started: float,
) -> None:
    """Writes what a finished run leaves behind."""
    write_atomically(folder / "config.yaml", config.to_yaml().encode())
    write_atomically(folder / "train.log", _log(history).encode())
    model = io.BytesIO()
    torch.save(network.state_dict(), model)
    write_atomically(folder / "model.pt", model.getvalue())
    hparams: dict[str, bool | int | float | str] = {
        "task": config.task.name,
        "depth": len(config.model.layer_widths),
        "width": config.model.common_width or str(config.model.widths),
        "activation": config.model.activation.value,
        "parameters": int(result.metrics["num_parameters"]),
        "optimizer": type(config.optimizer).__name__.lower(),
        "rate": config.optimizer.rate,
        "seed": config.seed,
    }
    images = {drawn[0]: (config.num_steps, drawn[1])} if drawn else None
    last = {tag: points[-1][1] for tag, points in history.items() if tag != "rate"}
    write_events(
        folder, scalars=history, images=images, hparams=hparams, metrics=last, started=started, finished=time.time()
    )
    write_result(folder, result)


def _log(history: History) -> str:
    """All curves as a table of text, one line a logged step."""
    tags = list(history)
    rows: dict[int, dict[str, float]] = defaultdict(dict)
    for tag, points in history.items():
        for step, value in points:
            rows[step][tag] = value
    lines = ["  ".join(["    step", *(f"{tag:>14}" for tag in tags)])]
    for step, row in rows.items():
        lines.append(
            "  ".join([f"{step:>8}", *(f"{row.get(tag, float('nan')):>14.6g}".rjust(len(tag)) for tag in tags)])
        )
    return "\n".join(lines) + "\n"
