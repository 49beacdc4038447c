"""What a step of `train` costs, beside the same step by `nn.Sequential`, autograd and torch's fused Adam.

    python benchmarks/training.py [--device cuda] [--members 1]

Everything is measured in one run, the contestants taking turns, so that the ratios do not depend on the machine's mood.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from dlcourse.losses import SquaredError
from dlcourse.networks import MLP, stack
from dlcourse.streams import stream
from dlcourse.training import Adam, Batches, train

NUM_ITEMS = 512
RATE = 0.001


@dataclass(frozen=True)
class Case:
    """An architecture, the batch it is trained with, and how many members train side by side."""

    width: int
    depth: int
    batch_size: int
    num_members: int
    in_features: int = 1
    out_features: int = 1
    goal: float | None = None


CASES = [
    Case(32, 3, 64, 1, goal=0.25),
    Case(32, 3, 64, 5),
    Case(32, 3, 64, 20),
    Case(32, 3, 64, 50, goal=0.07),
    Case(8, 3, 64, 1),
    Case(8, 3, 64, 50),
    Case(16, 6, 32, 1),
    Case(16, 6, 32, 50),
    Case(64, 2, 128, 1, in_features=64, out_features=10),
    Case(64, 2, 128, 50, in_features=64, out_features=10),
]


def batches_for(case: Case, num_members: int, device: torch.device) -> Batches:
    generator = stream(0, "benchmark")
    inputs = torch.randn(num_members, NUM_ITEMS, case.in_features, generator=generator)
    targets = torch.randn(num_members, NUM_ITEMS, case.out_features, generator=generator)
    return Batches(range(num_members), inputs, targets, case.batch_size, device=device)


def stacked_training(case: Case, num_steps: int, device: torch.device) -> Callable[[], None]:
    """All of `train`: laying out the memory, drawing the batches, the steps, the first and the last snapshot."""
    sizes = {"width": case.width, "depth": case.depth, "device": device}
    members = stack([MLP(case.in_features, case.out_features, **sizes) for _ in range(case.num_members)])
    batches, optimizer = batches_for(case, case.num_members, device), Adam(rate=RATE)

    def run() -> None:
        for _ in train(members, batches, loss=SquaredError(), optimizer=optimizer, num_steps=num_steps):
            pass

    return run


def eager_training(case: Case, num_steps: int, device: torch.device) -> Callable[[], None]:
    """The same steps of one network by autograd, with its batches drawn in the same way."""
    layers: list[nn.Module] = []
    for layer in range(case.depth):
        layers += [nn.Linear(case.width if layer else case.in_features, case.width), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(case.width, case.out_features)).to(device)
    batches, optimizer = batches_for(case, 1, device), torch.optim.Adam(network.parameters(), lr=RATE, fused=True)

    def run() -> None:
        for step in range(num_steps):
            inputs, targets = batches(step)
            loss = nn.functional.mse_loss(network(inputs[0]), targets[0])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def seconds(run: Callable[[], None], device: torch.device) -> float:
    """By the clock on a GPU; else those of the core, on which one thread works: other programs do not count."""
    clock = time.perf_counter if device.type == "cuda" else time.thread_time
    started = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def measured(
    chosen: list[Case], num_steps: int, num_repetitions: int, device: torch.device
) -> Iterator[tuple[Case, float, float]]:
    """For each case the median seconds of an eager step, and of a step of `train` per member."""
    architectures: dict[tuple[int, ...], list[Case]] = {}
    for case in chosen:
        architectures.setdefault((case.width, case.depth, case.batch_size, case.in_features), []).append(case)
    for cases in architectures.values():
        runs = [
            eager_training(cases[0], num_steps, device),
            *(stacked_training(case, num_steps, device) for case in cases),
        ]
        times: list[list[float]] = [[] for _ in runs]
        for repetition in range(num_repetitions + 1):
            for run, its_times in zip(runs, times, strict=True):
                elapsed = seconds(run, device)
                if repetition > 0:  # the first is for warming up
                    its_times.append(elapsed / num_steps)
        eager, *stacked = map(statistics.median, times)
        for case, step in zip(cases, stacked, strict=True):
            yield case, eager, step / case.num_members


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=torch.device, default="cpu")
    parser.add_argument("--steps", type=int, default=256, help="updates in one repetition")
    parser.add_argument("--repetitions", type=int, default=9, help="repetitions whose median counts")
    parser.add_argument("--members", type=int, help="only the rows of so many members")
    options = parser.parse_args()
    chosen = [case for case in CASES if options.members in (None, case.num_members)]
    torch.set_num_threads(1)
    print(
        "| features | width | depth | batch | members | eager, us a step | train, us a step and member | ratio | goal |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for case, eager, ours in measured(chosen, options.steps, options.repetitions, options.device):
        goal = "" if case.goal is None else f"{case.goal:.2f}"
        print(
            f"| {case.in_features} -> {case.out_features} | {case.width} | {case.depth} | {case.batch_size} "
            f"| {case.num_members} | {eager * 1e6:.0f} | {ours * 1e6:.0f} | {ours / eager:.3f} | {goal} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
