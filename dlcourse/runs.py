"""Runs, from configuration to folder: train members side by side, measure them, record each as if it had run alone."""

import dataclasses
import json
import math
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from dlcourse import pieces
from dlcourse.config import RunConfig
from dlcourse.layerwise import outputs
from dlcourse.networks import Activation, Stack, num_parameters, stack, unstack
from dlcourse.recording import Result, read_result, write_events, write_result
from dlcourse.recording.files import write_atomically
from dlcourse.tasks import Data, Planar, ZigZag
from dlcourse.training import Batches, Snapshot, train

# Members beyond this number gain no more from company, and their activations and batches leave the cache.
MAX_MEMBERS = 64


class FolderTakenError(ValueError):
    """A run's folder holds a run of another configuration."""


# Name of a curve -> its points (step, value).
History = dict[str, list[tuple[int, float]]]


def run(configs: Sequence[RunConfig], *, progress: bool = True) -> list[Result]:
    """Makes sure that every run is finished, and returns what each came to.

    Runs that differ only in seed and rate are trained as one stack; a member's result does not depend on its company.
    A run whose folder says that it is finished is not run again, unless its configuration says `force`.

    Args:
        configs: The runs; the same configuration may come several times.
        progress: Whether to show a progress bar on stderr, if that is a terminal.

    Returns:
        One result a configuration, in their order.

    Raises:
        FolderTakenError: If a folder holds a finished run of another configuration.
    """
    results: dict[Path, Result] = {}
    pending: dict[Path, RunConfig] = {}
    for config in configs:
        folder = run_folder(config)
        if finished := _finished(config):
            results[folder] = finished
        else:
            pending[folder] = config
    stacks = _stacks(list(pending.values()))
    total = sum(config.num_steps for config in pending.values())
    with tqdm(total=total, unit="step", unit_scale=True, disable=None if progress and total else True) as bar:
        for members in stacks:
            for config, result in zip(members, _train_and_record(members, bar.update), strict=True):
                results[run_folder(config)] = result
    return [results[run_folder(config)] for config in configs]


def run_folder(config: RunConfig) -> Path:
    """`outputs/<name>/<run>`, a function of the configuration."""
    return Path(config.outputs, config.name or config.task.name, config.run_name())


def is_finished(config: RunConfig) -> bool:
    """Whether the run need not be run (again)."""
    return _finished(config) is not None


def _finished(config: RunConfig) -> Result | None:
    """The result that the run's folder holds, if it need not be run (again)."""
    folder = run_folder(config)
    if config.force or not (folder / "metrics.json").exists():
        return None
    result = read_result(folder)
    # by way of JSON, as the file has it
    if result.config != json.loads(json.dumps(config.flat())):
        raise FolderTakenError(f"{folder} holds a run of another configuration; move it, or choose another name")
    return result


def _stacks(configs: Sequence[RunConfig]) -> list[list[RunConfig]]:
    """The runs in groups that train as one stack: all but seed and rate in common."""
    groups: dict[str, list[RunConfig]] = defaultdict(list)
    for config in configs:
        common = {key: value for key, value in config.flat().items() if key not in ("seed", "optimizer.rate")}
        groups[json.dumps([common, config.torch_device.type], sort_keys=True)].append(config)
    return [group[i : i + MAX_MEMBERS] for group in groups.values() for i in range(0, len(group), MAX_MEMBERS)]


def _train_and_record(configs: list[RunConfig], advance: Callable[[int], Any]) -> list[Result]:
    """Trains one stack and writes each member's folder."""
    config = configs[0]  # for all that the members have in common
    started = time.time()
    place: dict[str, Any] = {"dtype": config.torch_dtype, "device": config.torch_device}
    members = stack([each.network() for each in configs])
    members = dataclasses.replace(members, parameters={k: v.to(**place) for k, v in members.parameters.items()})
    data = _stacked([config.task.data(each.seed) for each in configs])
    batches = Batches(
        [each.seed for each in configs],
        data.train_inputs,
        data.train_targets,
        config.batch_size,
        draw=config.task.draw if config.task.fresh else None,
        **place,
    )
    data = Data(*(getattr(data, field.name).to(**place) for field in dataclasses.fields(data)))
    lines = [torch.stack(ends) for ends in zip(*(config.task.lines(each.seed) for each in configs), strict=True)]
    histories: list[History] = [defaultdict(list) for _ in configs]
    diverged_at: list[int | None] = [None] * len(configs)
    done = 0
    for snapshot in train(
        members,
        batches,
        loss=config.task.loss,
        optimizer=config.optimizer,
        num_steps=config.num_steps,
        rates=[each.optimizer.rate for each in configs],
        snapshot_every=config.log_every,
    ):
        _measure(config, snapshot, data, lines, histories)
        for member, history in enumerate(histories):
            lost = snapshot.diverged[member] or not math.isfinite(history["loss/train"][-1][1])
            if lost and diverged_at[member] is None:
                diverged_at[member] = snapshot.step
        advance((snapshot.step - done) * len(configs))
        done = snapshot.step
    seconds = (time.time() - started) / len(configs)
    trained = [network.cpu() for network in unstack(snapshot.members)]
    drawn = _medians(configs, [history[f"metric/{config.task.metric}"][-1][1] for history in histories])
    results = []
    for member, (each, network, history) in enumerate(zip(configs, trained, histories, strict=True)):
        metrics = {
            tag.removeprefix("metric/").removeprefix("pieces/"): points[-1][1] for tag, points in history.items()
        }
        metrics["num_parameters"] = num_parameters(network)
        del metrics["rate"]
        result = Result(each.run_name(), each.flat(), metrics, diverged_at[member], seconds)
        picture = _picture(each, network, result) if each.pictures and member in drawn else None
        _write_folder(each, network, history, result, picture, started)
        results.append(result)
    return results


def _stacked(data: Sequence[Data]) -> Data:
    """The members' data beside each other."""
    return Data(*(torch.stack([getattr(each, f.name) for each in data]) for f in dataclasses.fields(Data)))


def _measure(config: RunConfig, snapshot: Snapshot, data: Data, lines: list[Tensor], histories: list[History]) -> None:
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
    if config.count_pieces and config.model.activation is Activation.relu:
        _count_pieces(snapshot, lines, histories)


def _count_pieces(snapshot: Snapshot, lines: list[Tensor], histories: list[History]) -> None:
    """Adds the numbers of pieces and regions of the members that have not diverged: mean and spread over the lines."""
    finite = [member for member, diverged in enumerate(snapshot.diverged) if not diverged]
    if not finite:
        return
    members = Stack(
        snapshot.members.architecture,
        {name: value[finite] for name, value in snapshot.members.parameters.items()},
        {name: value[finite] for name, value in snapshot.members.buffers.items()},
    )
    counts = pieces.on_lines(members, lines[0][finite], lines[1][finite])
    for row, member in enumerate(finite):
        for tag, numbers in (("num_pieces", counts.num_pieces[row]), ("num_regions", counts.num_regions[row])):
            histories[member][f"pieces/{tag}"].append((snapshot.step, float(numbers.mean())))
            if len(numbers) > 1:
                histories[member][f"pieces/{tag}_spread"].append((snapshot.step, float(numbers.std())))


def _medians(configs: list[RunConfig], metric: list[float]) -> set[int]:
    """The members worth a picture: of those that differ in their seed only, the one with the median result."""
    cells: dict[float, list[int]] = defaultdict(list)
    for member, config in enumerate(configs):
        cells[config.optimizer.rate].append(member)
    order = [math.inf if math.isnan(value) else value for value in metric]
    return {sorted(cell, key=lambda member: order[member])[len(cell) // 2] for cell in cells.values()}


def _picture(config: RunConfig, network: torch.nn.Module, result: Result) -> tuple[str, bytes] | None:
    """What a network of one or two inputs has learnt, as tag and PNG; None for others and for one that has diverged."""
    if result.diverged_at is not None:
        return None
    task, data = config.task, config.task.data(config.seed)
    # matplotlib takes half a second to import, which runs without a picture need not pay
    from dlcourse.recording import figures

    def values(inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return network(inputs.to(config.torch_dtype))  # type: ignore[no-any-return]

    sizes = f"depth {len(config.model.layer_widths)}, width {config.model.common_width or config.model.widths}"
    title = f"{task.name}: {sizes}, {config.model.activation}, seed {config.seed}"
    metrics = {task.metric: result.metrics[task.metric]}
    if isinstance(task, ZigZag):
        found = pieces.on_line(network, task.low, task.high) if config.model.activation is Activation.relu else None
        figure = figures.fit(
            values,
            target=task.target,
            train_inputs=data.train_inputs,
            train_targets=data.train_targets,
            start=task.low,
            end=task.high,
            title=title,
            breakpoints=() if found is None else found.points(found.breakpoints)[:, 0],
            num_pieces=None if found is None else found.num_pieces,
            metrics=metrics,
        )
        return "fit", figures.to_png(figure)
    if isinstance(task, Planar):
        low, high = data.train_inputs.amin(0), data.train_inputs.amax(0)
        margin = 0.1 * (high - low)
        figure = figures.decision_regions(
            values,
            inputs=data.test_inputs,
            classes=data.test_targets.argmax(1),
            low=tuple((low - margin).tolist()),
            high=tuple((high + margin).tolist()),
            title=title,
            metrics=metrics,
        )
        return "decision_regions", figures.to_png(figure)
    return None


def _write_folder(
    config: RunConfig,
    network: torch.nn.Module,
    history: History,
    result: Result,
    picture: tuple[str, bytes] | None,
    started: float,
) -> None:
    """Writes the run's folder; `metrics.json` comes last, as the mark of a finished run."""
    final_folder = run_folder(config)
    # under another name until it is whole, so that a run that `force` runs again is lost at no moment
    folder = final_folder.with_name(f".{final_folder.name}.{os.getpid()}.part")
    folder.mkdir(parents=True)
    write_atomically(folder / "config.yaml", config.to_yaml().encode())
    write_atomically(folder / "train.log", _log(history).encode())
    torch.save(network.state_dict(), folder / "model.pt")
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
    images = {picture[0]: (config.num_steps, picture[1])} if picture else None
    last = {tag: points[-1][1] for tag, points in history.items() if tag != "rate"}
    write_events(
        folder, scalars=history, images=images, hparams=hparams, metrics=last, started=started, finished=time.time()
    )
    write_result(folder, result)
    if final_folder.exists():
        shutil.rmtree(final_folder)
    folder.rename(final_folder)


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
