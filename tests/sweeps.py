"""Small sweeps, made up by hand: their results, and their folders as runs leave them behind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlcourse.networks import MLP
from dlcourse.recording import History, Result, TaskFacts, write_log, write_result
from dlcourse.recording.weights import Weights, write_weights

FACTS = TaskFacts("mean_squared_error", (), 1, 1, 8, 0.01, "[-2, 2]")

# (depth, width) -> rate -> the errors of seeds 0, 1, 2, 3. Solved is below 0.01; width 4 solves it nowhere but once, in
# depth 3; the seeds of even and of odd rank agree on the rate of each.
ERRORS: dict[tuple[int, int], dict[float, list[float]]] = {
    (1, 4): {0.01: [0.8, 0.6, 0.7, 0.5], 0.1: [0.9, 0.9, 0.9, 0.9]},
    (1, 8): {0.01: [0.9, 0.9, 0.9, 0.9], 0.1: [0.4, 0.3, 0.5, 0.001]},
    (3, 4): {0.01: [0.2, 0.1, 0.3, 0.002], 0.1: [0.9, 0.9, 0.9, 0.9]},
    (3, 8): {0.01: [0.001, 0.002, 0.0005, 0.3], 0.1: [0.9, 0.9, 0.9, 0.9]},
}


def parameters(depth: int, width: int) -> int:
    """The parameters of a network of one input and one output."""
    return 2 * width + (depth - 1) * width * (width + 1) + width + 1


def result(
    depth: int,
    width: int,
    seed: int,
    error: float,
    *,
    rate: float = 0.01,
    pieces: int | None = None,
    diverged_at: int | None = None,
    facts: TaskFacts | None = FACTS,
    **more: Any,
) -> Result:
    """A finished run of the zig-zag."""
    config = {
        "task.name": "zigzag", "model.depth": depth, "model.width": width, "model.widths": None,
        "model.activation": "relu", "optimizer.rate": rate, "num_steps": 100, "seed": seed,
    }  # fmt: skip
    config |= {key.replace("__", "."): value for key, value in more.items()}
    metrics: dict[str, float] = {facts.metric if facts else "mean_squared_error": error}
    metrics |= {"num_pieces": depth * width + seed if pieces is None else pieces}
    metrics |= {"num_parameters": parameters(depth, width)}
    name = "-".join(f"{key.rpartition('.')[2]}={value}" for key, value in config.items())
    return Result(f"zigzag-{name}-0123456789", config, metrics, diverged_at, 1.5, facts)


def sweep() -> list[Result]:
    """The runs of `ERRORS`."""
    return [
        result(depth, width, seed, error, rate=rate)
        for (depth, width), rates in ERRORS.items()
        for rate, errors in rates.items()
        for seed, error in enumerate(errors)
    ]


HISTORY: History = {
    "loss/train": [(0, 1.0), (50, 0.5), (100, 0.25)],
    "metric/mean_squared_error": [(0, 1.5), (50, 0.75), (100, 0.3)],
    "pieces/num_pieces": [(0, 2.0), (50, 9.0), (100, 8.0)],
}


def write_sweep(folder: Path, results: Sequence[Result]) -> None:
    """The folders of finished runs, without networks and events."""
    for each in results:
        write_run(folder / each.run, each.config)
        write_result(folder / each.run, each)


def write_run(folder: Path, config: Mapping[str, Any]) -> None:
    """The folder of a run that is on its way."""
    folder.mkdir(parents=True)
    lines = ["# dlcourse name=made_up " + " ".join(f"{key}={value}" for key, value in config.items())]
    lines += [f"{key}: {value}" for key, value in config.items()]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")
    write_log(folder, HISTORY)


def ramps(*slopes: float, offset: float = 0.0) -> MLP:
    """slopes[0] relu(x) + slopes[1] relu(x - 1) + ... + offset: it bends at 0, 1, 2, ..."""
    network = MLP(1, 1, width=[len(slopes)], activation="relu")
    values = [
        torch.ones(len(slopes), 1), -torch.arange(len(slopes)).float(), torch.tensor([slopes]), torch.tensor([offset]),
    ]  # fmt: skip
    for parameter, value in zip(network.parameters(), values, strict=True):
        parameter.data = value.to(torch.float32)
    return network


def weights_of(networks: Mapping[int, nn.Module]) -> Weights:
    """The weights of networks at some steps."""
    states = [network.state_dict() for network in networks.values()]
    return Weights(list(networks), {name: torch.stack([state[name] for state in states]) for name in states[0]})


def write_networks(folder: Path, networks: Mapping[int, nn.Module], *, keeps_weights: bool = True) -> None:
    """The networks of a finished run at some steps."""
    torch.save(networks[max(networks)].state_dict(), folder / "model.pt")
    if keeps_weights:
        write_weights(folder, weights_of(networks))
