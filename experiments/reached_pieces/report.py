"""How many pieces do constructions, search and training reach? python experiments/reached_pieces/report.py"""

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import torch

from dlcourse import pieces
from dlcourse.networks import MLP, Stack, num_parameters, stack, unstack
from dlcourse.networks.constructions import montufar, nested_tents, nested_valleys, nested_zigzags, serra
from dlcourse.pieces.bounds import montufar_lower, most_on_line, serra_lower, serra_upper
from dlcourse.streams import stream
from dlcourse.tasks import ZigZag
from dlcourse.training import Adam, Batches, Schedule, train

WIDTHS, DEPTHS = (2, 3, 4, 8, 16), (1, 2, 3, 4, 5)  # on the line
PLANE_WIDTHS, PLANE_DEPTHS = (4, 6, 8), (1, 2, 3)
FAR = 1e4  # [-FAR, FAR] stands for the whole line: biases are about 1 or less
NUM_DRAWS = {1: 10_000, 2: 1_000}  # of each of the two initialisations
NUM_CLIMBERS = {1: 50, 2: 10}  # start from as many of the best draws
NUM_STEPS = {1: 1_500, 2: 200}
NUM_AT_ONCE = 1_000
FOLDS = (3, 6)  # trained on zig-zags of 8 and of 64 pieces
NUM_SEEDS = 16
TRAINING_STEPS = 3_000
SOLVED = 0.001  # mean squared error; the targets' variance is 4/3
MOST_COUNTED = 200_000  # larger constructions are not counted here; tests count up to 161,051

FOLDER = Path(__file__).parent
Parameters = dict[str, torch.Tensor]


def draw(initialization: str, in_features: int, widths: list[int], num: int, generator: torch.Generator) -> Stack:
    """Networks drawn at random: `torch` as nn.Linear does it, `he` He's weights with biases N(0, 1)."""
    architecture = MLP(in_features, 1, width=widths, device="meta", dtype=torch.float64)
    parameters = {}
    sizes = [in_features, *widths]
    for index, (name, parameter) in enumerate(architecture.named_parameters()):
        shape, num_inputs = (num, *parameter.shape), sizes[index // 2]
        if initialization == "torch":
            values = (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) / math.sqrt(num_inputs)
        else:
            scale = 1 if name.endswith("bias") else math.sqrt(2 / num_inputs)
            values = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        parameters[name] = values
    return Stack(architecture, parameters, {})


def count(networks: Stack) -> np.ndarray:
    """Linear pieces on the line, activation regions of the plane."""
    if next(iter(networks.parameters.values())).shape[2] == 1:
        return pieces.on_lines(networks, np.array([[-FAR]]), np.array([[FAR]])).num_pieces[:, 0]
    return np.array([pieces.on_plane(network, -FAR, FAR).num_regions for network in unstack(networks)])


def mutate(networks: Stack, generator: torch.Generator) -> Stack:
    """Normal noise of any size from 0.001 to 1, in one layer or in all."""
    num, num_layers = networks.num_members, len(networks.parameters) // 2
    size = 10 ** (-3 * torch.rand(num, generator=generator, dtype=torch.float64))
    layer = torch.randint(num_layers + 1, (num,), generator=generator)  # num_layers: all
    changed = {}
    for index, (name, values) in enumerate(networks.parameters.items()):
        each = size * ((layer == index // 2) | (layer == num_layers))
        noise = torch.randn(values.shape, generator=generator, dtype=torch.float64)
        changed[name] = values + noise * each.view(-1, *[1] * (values.ndim - 1))
    return replace(networks, parameters=changed)


def climb(networks: Stack, num_steps: int, generator: torch.Generator) -> np.ndarray:
    """Every member on its own takes each mutation that makes no fewer pieces."""
    counts = count(networks)
    for _ in range(num_steps):
        mutants = mutate(networks, generator)
        found = count(mutants)
        taken = torch.from_numpy(found >= counts)
        for name, values in networks.parameters.items():
            values[taken] = mutants.parameters[name][taken]
        counts = np.maximum(counts, found)
    return counts


def search(in_features: int, widths: list[int]) -> dict[str, np.ndarray]:
    """Draws at random, then climbs from the best of them."""
    generator = stream(0, "search", in_features, *widths)
    draws, counts = [], {}
    for initialization in ("torch", "he"):
        some = [
            draw(initialization, in_features, widths, NUM_AT_ONCE, generator)
            for _ in range(NUM_DRAWS[in_features] // NUM_AT_ONCE)
        ]
        counts[f"random {initialization}"] = np.concatenate([count(networks) for networks in some])
        draws += some
    best = np.argsort(-np.concatenate(list(counts.values())), kind="stable")[: NUM_CLIMBERS[in_features]]
    start = {name: torch.cat([networks.parameters[name] for networks in draws])[best] for name in draws[0].parameters}
    counts["climbing"] = climb(replace(draws[0], parameters=start), NUM_STEPS[in_features], generator)
    return counts


def training(widths: list[int]) -> dict[str, np.ndarray]:
    """Adam on zig-zags of [-2, 2]: pieces of the trained networks, and which of them solve the task."""
    counts = {}
    for num_folds in FOLDS:
        task = ZigZag(num_folds=num_folds, centred=True)
        data = [task.data(seed) for seed in range(NUM_SEEDS)]
        inputs = torch.stack([one.train_inputs for one in data])
        targets = torch.stack([one.train_targets for one in data])
        networks = [MLP(1, 1, width=widths, generator=stream(seed, "initialization")) for seed in range(NUM_SEEDS)]
        optimizer = Adam(rate=0.01, schedule=Schedule.cosine)
        batches = Batches(range(NUM_SEEDS), inputs, targets, batch_size=64)
        for snapshot in train(stack(networks), batches, loss=task.loss, optimizer=optimizer, num_steps=TRAINING_STEPS):
            trained = snapshot.members
        counts[f"trained on {2**num_folds} pieces"] = count(trained)
        in_float32 = replace(data[0], test_inputs=data[0].test_inputs.float())
        errors = task.metrics(trained, in_float32)["mean_squared_error"].numpy()
        counts[f"solved {2**num_folds} pieces"] = errors < SOLVED
    return counts


def constructions(in_features: int, widths: list[int]) -> dict[str, int]:
    """The pieces of the networks by hand, counted."""
    if in_features == 2:
        side = 1 if len(widths) == 1 else 2 * (widths[0] // 2) + 1
        counted = {"montufar": pieces.on_plane(montufar(2, widths), 0, 1).num_regions}
        if widths[0] >= 6:
            counted["serra"] = pieces.on_plane(serra(2, widths), 0, side).num_regions
        return counted
    counted = {}
    if montufar_lower(1, widths) <= MOST_COUNTED:
        counted["montufar"] = pieces.on_line(montufar(1, widths), 0, 1).num_pieces
    if widths[0] == 2:
        counted["tents"] = pieces.on_line(nested_tents(len(widths)), -FAR, FAR).num_pieces
        counted["valleys"] = pieces.on_line(nested_valleys(len(widths)), -FAR, FAR).num_pieces
    elif most_on_line(widths) <= MOST_COUNTED:
        counted["zigzags"] = pieces.on_line(nested_zigzags(widths), -FAR, FAR).num_pieces
    return counted


def row(in_features: int, widths: list[int], results: dict[str, np.ndarray]) -> dict[str, object]:
    """One line of the table."""
    columns: dict[str, object] = {
        "in_features": in_features,
        "width": widths[0],
        "depth": len(widths),
        "parameters": num_parameters(MLP(in_features, 1, width=widths)),
        "upper_bound": serra_upper(in_features, widths),
        "montufar_lower": montufar_lower(in_features, widths),
        "serra_lower": serra_lower(in_features, widths) if widths[0] >= 3 * in_features else "",
    }
    counted = constructions(in_features, widths)
    columns |= {
        f"{name}_counted": counted.get(name, "") for name in ("montufar", "serra", "zigzags", "tents", "valleys")
    }
    for name in (
        "random torch",
        "random he",
        "climbing",
        *(f"trained on {2**num_folds} pieces" for num_folds in FOLDS),
    ):
        for statistic, compute in STATISTICS.items():
            columns[f"{name}: {statistic}"] = int(compute(results[name])) if name in results else ""
    for num_folds in FOLDS if in_features == 1 else ():
        columns[f"solved {2**num_folds} pieces"] = int(results[f"solved {2**num_folds} pieces"].sum())
    return columns


STATISTICS: dict[str, Callable] = {
    "lower quartile": lambda counts: np.percentile(counts, 25),
    "median": np.median,
    "upper quartile": lambda counts: np.percentile(counts, 75),
    "most": np.max,
}


def plot(axes: plt.Axes, rows: list[dict], x: str) -> None:
    """Bounds and the most that was reached as lines; medians dotted, with the quartiles as bars."""
    at = [r[x] for r in rows]
    axes.plot(at, [r["upper_bound"] for r in rows], "k--", label="upper bound")
    if rows[0]["in_features"] == 2:
        axes.plot(at, [r["serra_lower"] for r in rows], color="0.3", marker="s", label="Serra's construction")
    axes.plot(at, [r["montufar_lower"] for r in rows], color="0.6", marker="s", label="Montúfar's construction")
    names = {"climbing": "local search", "random he": "random search", "trained on 8 pieces": "training"}
    for name, label in names.items():
        low, middle, high, most = ([r[f"{name}: {statistic}"] for r in rows] for statistic in STATISTICS)
        if "" in most:  # not trained on the plane
            continue
        (line,) = axes.plot(at, most, marker="o", label=f"{label}: the most")
        bars = np.abs(np.array([low, high]) - middle)
        axes.errorbar(at, middle, yerr=bars, color=line.get_color(), linestyle=":", capsize=3)
    axes.set(yscale="log", xlabel=x)


def main() -> None:
    line = [(1, [width] * depth) for width in WIDTHS for depth in DEPTHS]
    plane = [(2, [width] * depth) for width in PLANE_WIDTHS for depth in PLANE_DEPTHS]
    jobs = [(search, architecture) for architecture in reversed(line + plane)]
    jobs += [(training, (widths,)) for _, widths in reversed(line)]
    found = joblib.Parallel(n_jobs=2, batch_size=1)(joblib.delayed(job)(*arguments) for job, arguments in jobs)
    results: dict[tuple[int, ...], dict] = {}
    for (job, arguments), counts in zip(jobs, found, strict=True):
        in_features, widths = arguments if job is search else (1, *arguments)
        results.setdefault((in_features, *widths), {}).update(counts)
    rows = [row(in_features, widths, results[in_features, *widths]) for in_features, widths in line + plane]
    with (FOLDER / "pieces.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

    figure, panels = plt.subplots(1, 3, figsize=(13, 4.5), layout="constrained")
    plot(panels[0], [r for r in rows if (r["in_features"], r["width"]) == (1, 8)], "depth")
    panels[0].set(title="pieces on the line, 8 units a layer", xticks=DEPTHS)
    plot(panels[1], [r for r in rows if (r["in_features"], r["depth"]) == (1, 3)], "width")
    panels[1].set(title="pieces on the line, 3 layers", xscale="log")
    panels[1].set_xticks(WIDTHS, labels=WIDTHS)
    panels[1].minorticks_off()
    plot(panels[2], [r for r in rows if (r["in_features"], r["width"]) == (2, 6)], "depth")
    panels[2].set(title="regions of the plane, 6 units a layer", xticks=PLANE_DEPTHS)
    for axes in panels:
        axes.legend(fontsize="small", loc="upper left")
    figure.savefig(FOLDER / "reached_pieces.png", dpi=100)


if __name__ == "__main__":
    main()
