"""Agreement of the layerwise gradients with autograd's, in digits, and their time. See README.md beside this file."""

import csv
import itertools
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from joblib import Parallel, delayed
from matplotlib.figure import Figure
from torch import Tensor

from dlcourse.layerwise import Sweep, jacobians
from dlcourse.losses import SquaredError
from dlcourse.networks import MLP, Activation, stack

FOLDER = Path(__file__).parent
DEPTHS, WIDTHS, SEEDS = (1, 2, 4, 8), (4, 16, 32), range(20)
IN_FEATURES, OUT_FEATURES, BATCH_SIZE = 4, 2, 4
DTYPES = {"float32": torch.float32, "float64": torch.float64}
# Sizes whose time is taken, as (depth, width), and how often: the methods take turns, the median counts.
TIMED, REPEATS = ((1, 8), (2, 8), (4, 8), (2, 32), (4, 32)), 41
STACK = 50


def network(depth: int, width: int, activation: str, seed: int) -> MLP:
    generator = torch.Generator().manual_seed(seed)
    initialization = "he" if activation == "relu" else "xavier"
    return MLP(
        IN_FEATURES,
        OUT_FEATURES,
        width=width,
        depth=depth,
        activation=activation,
        initialization=initialization,
        generator=generator,
        dtype=torch.float64,
    )


def data(seed: int, num: int = BATCH_SIZE) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1000 + seed)
    inputs = torch.randn(num, IN_FEATURES, generator=generator, dtype=torch.float64)
    return inputs, torch.randn(num, OUT_FEATURES, generator=generator, dtype=torch.float64)


def by_autograd(module: MLP, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    loss = SquaredError()(module(inputs), targets).sum()
    return list(torch.autograd.grad(loss, list(module.parameters())))


def by_sweep(module: MLP, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    sweep = Sweep(stack([module]), len(inputs), loss=SquaredError(), reduction="sum")
    sweep.gradient_(inputs[None], targets[None])
    return [gradient[0] for gradient in sweep.gradients.views.values()]


def by_jacobians(module: MLP, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    with torch.no_grad():
        derivatives = SquaredError().derivative(module(inputs), targets)
    items = [
        torch.cat([derivative @ matrix for matrix in jacobians(module, x)])
        for x, derivative in zip(inputs, derivatives, strict=True)
    ]
    gradient = torch.stack(items).sum(0)
    parameters = list(module.parameters())
    sizes = [parameter.numel() for parameter in parameters]
    return [each.view_as(parameter) for each, parameter in zip(gradient.split(sizes), parameters, strict=True)]


METHODS: dict[str, Callable[[MLP, Tensor, Tensor], list[Tensor]]] = {
    "jacobians": by_jacobians,
    "Sweep": by_sweep,
    "autograd": by_autograd,
}


def digits(actual: list[Tensor], expected: list[Tensor]) -> float:
    """Decimal digits in which the two agree, in the parameter tensor where they agree least."""
    errors = [
        (one.double() - other.double()).norm() / other.double().norm() if other.any() else one.double().norm()
        for one, other in zip(actual, expected, strict=True)
    ]
    return -math.log10(max(max(errors).item(), 1e-17))


def agreement(activation: str, depth: int, width: int, dtype: str) -> list[dict[str, object]]:
    """Every method's digits against autograd in the same precision and, where that is float32, in float64."""
    torch.set_num_threads(1)
    found: dict[tuple[str, str], list[float]] = {}
    for seed in SEEDS:
        module = network(depth, width, activation, seed).to(DTYPES[dtype])
        inputs, targets = (each.to(DTYPES[dtype]) for each in data(seed))
        gradients = {name: method(module, inputs, targets) for name, method in METHODS.items()}
        references = {dtype: gradients["autograd"]}
        if dtype == "float32":  # the same network, taken as exact
            references["float64"] = by_autograd(module.double(), inputs.double(), targets.double())
        for name, reference in itertools.product(METHODS, references):
            if (name, reference) != ("autograd", dtype):
                agreed = digits(gradients[name], references[reference])
                found.setdefault((name, reference), []).append(agreed)
    return [
        {
            "activation": activation,
            "depth": depth,
            "width": width,
            "dtype": dtype,
            "method": name,
            "autograd in": reference,
            "median": round(statistics.median(values), 2),
            "worst": round(min(values), 2),
        }
        for (name, reference), values in found.items()
    ]


def seconds(function: Callable[[], object], num: int) -> float:
    start = time.perf_counter()
    for _ in range(num):
        function()
    return (time.perf_counter() - start) / num


def timing(depth: int, width: int) -> list[dict[str, object]]:
    """Time of one network's gradient, in microseconds: of one item, of a batch, and as one of a stack."""
    module = network(depth, width, "relu", 0).float()
    inputs, targets = (each.float() for each in data(0, 64))
    one = Sweep(stack([module]), 1, loss=SquaredError())
    batch = Sweep(stack([module]), 64, loss=SquaredError())
    many = Sweep(stack([module] * STACK), 64, loss=SquaredError())
    of_many = inputs.expand(STACK, -1, -1).contiguous(), targets.expand(STACK, -1, -1).contiguous()
    tasks: dict[str, tuple[Callable[[], object], int, int]] = {
        "jacobians, 1 item": (lambda: by_jacobians(module, inputs[:1], targets[:1]), 5, 1),
        "Sweep, 1 item": (lambda: one.gradient_(inputs[None, :1], targets[None, :1]), 20, 1),
        "autograd, 1 item": (lambda: by_autograd(module, inputs[:1], targets[:1]), 10, 1),
        "Sweep, 64 items": (lambda: batch.gradient_(inputs[None], targets[None]), 20, 1),
        "autograd, 64 items": (lambda: by_autograd(module, inputs, targets), 10, 1),
        f"Sweep, 64 items, stack of {STACK}": (lambda: many.gradient_(*of_many), 2, STACK),
    }
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(REPEATS):
        for name, (function, num, share) in tasks.items():
            taken[name].append(1e6 * seconds(function, num) / share)
    return [
        {
            "depth": depth,
            "width": width,
            "method": name,
            "microseconds": f"{statistics.median(values):.3g}",
            "of autograd": f"{statistics.median(values) / statistics.median(taken[autograd]):.2g}",
        }
        for name, values in taken.items()
        for autograd in ["autograd, 1 item" if "1 item" in name else "autograd, 64 items"]
    ]


def write(rows: list[dict[str, object]], name: str) -> None:
    with open(FOLDER / name, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw(rows: list[dict[str, object]]) -> Figure:
    """Digits against depth: the median over seeds and widths, and the worst, a panel an activation."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = figure.subplots(1, len(Activation), sharey=True)
    curves = {
        ("Sweep", "float64", "float64"): ("Sweep against autograd, both float64", "#0b5fa5", "o"),
        ("jacobians", "float64", "float64"): ("jacobians against autograd, both float64", "#832db6", "s"),
        ("Sweep", "float32", "float64"): ("float32 Sweep against float64 autograd", "#e76300", "^"),
        ("autograd", "float32", "float64"): ("float32 autograd against float64 autograd", "#94a4a2", "v"),
    }
    for axes, activation in zip(panels, Activation, strict=True):
        for shift, (curve, (label, color, marker)) in enumerate(curves.items()):
            for statistic, style in (("median", "-"), ("worst", ":")):
                middle = statistics.median if statistic == "median" else min
                points = [
                    middle(
                        float(str(row[statistic]))
                        for row in rows
                        if (row["method"], row["dtype"], row["autograd in"]) == curve
                        and (row["activation"], row["depth"]) == (activation, depth)
                    )
                    for depth in DEPTHS
                ]
                moved = [depth * 1.03 ** (shift - 1.5) for depth in DEPTHS]  # or equal curves would hide each other
                axes.plot(moved, points, style, color=color, marker=marker, ms=4, label=f"{label}, {statistic}")
        axes.set_xscale("log", base=2)
        axes.set_xticks(DEPTHS, [str(depth) for depth in DEPTHS])
        axes.set_xlabel("depth (hidden layers)")
        axes.set_title(str(activation))
        axes.grid(color="#dddddd", lw=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("decimal digits that agree")
    panels[0].set_ylim(0, 17)
    panels[0].set_yticks(range(0, 17, 4))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def main() -> None:
    torch.set_num_threads(1)
    settings = itertools.product(map(str, Activation), DEPTHS, WIDTHS, DTYPES)
    rows = [row for part in Parallel(n_jobs=-1)(delayed(agreement)(*setting) for setting in settings) for row in part]
    write(rows, "agreement.csv")
    draw(rows).savefig(FOLDER / "agreement.png", dpi=100, metadata={"Software": None})
    for dtype, reference in (("float64", "float64"), ("float32", "float32"), ("float32", "float64")):
        for method in METHODS:
            chosen = [r for r in rows if (r["dtype"], r["autograd in"], r["method"]) == (dtype, reference, method)]
            if chosen:
                median = statistics.median(float(str(row["median"])) for row in chosen)
                worst = min(chosen, key=lambda row: float(str(row["worst"])))
                where = f"{worst['worst']} ({worst['activation']}, depth {worst['depth']}, width {worst['width']})"
                print(f"{dtype} {method} against {reference} autograd: median {median:.1f}, worst {where}")
    times = [row for depth, width in TIMED for row in timing(depth, width)]
    write(times, "time.csv")
    for row in times:
        print(*row.values(), sep="  ")


if __name__ == "__main__":
    main()
