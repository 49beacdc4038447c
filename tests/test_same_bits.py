"""A network's bits do not depend on its company: 100 float32 steps of every task with every activation.

The optimizers take turns, so that each meets every task and every activation. `python tests/test_same_bits.py` tries
all of them with all tasks and activations, for 1,000 steps (5 minutes).
"""

from itertools import product

import pytest
import torch
from networks import bits

from dlcourse.cli.choices import Choices
from dlcourse.jobs.config import RunConfig
from dlcourse.networks import Activation, MLPModel, Stack, stack
from dlcourse.tasks import Task
from dlcourse.training import SGD, Adam, Batches, Optimizer, train

OPTIMIZERS = {"sgd": SGD(rate=0.01), "momentum": SGD(rate=0.01, momentum=0.9), "adam": Adam(rate=0.01)}
OURS = Choices()
TASKS = [OURS.load("task", name)() for name in OURS.names("task")]
NUM_STEPS = 100  # bits that part once do not meet again


def trained(task: Task, optimizer: Optimizer, activation: Activation, seeds: list[int], *, skip: bool = False) -> Stack:
    """The members with these seeds after training side by side."""
    model = MLPModel(depth=2, width=7, activation=activation, skip=skip)
    configs = [RunConfig(task=task, model=model, optimizer=optimizer, seed=seed) for seed in seeds]
    data = [task.data(seed) for seed in seeds]
    inputs, targets = (torch.stack([getattr(each, f"train_{name}") for each in data]) for name in ("inputs", "targets"))
    batches = Batches(seeds, inputs, targets, 9, draw=task.draw if task.fresh else None)
    members = stack([config.network() for config in configs])
    *_, last = train(members, batches, loss=task.loss, optimizer=optimizer, num_steps=NUM_STEPS)
    return last.members


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "activation", "optimizer"),
    [
        pytest.param(task, activation, OPTIMIZERS[name], id=f"{task.name}-{activation}-{name}")
        for row, task in enumerate(TASKS)
        for column, activation in enumerate(Activation)
        for name in [list(OPTIMIZERS)[(row + column) % len(OPTIMIZERS)]]
    ],
)
def test_a_member_trains_alone_as_in_company(task: Task, activation: Activation, optimizer: Optimizer) -> None:
    together = trained(task, optimizer, activation, [0, 1, 2])
    alone = trained(task, optimizer, activation, [1])
    assert all(value.isfinite().all() for value in alone.parameters.values())
    assert bits(alone, 0) == bits(together, 1)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [Activation.relu, Activation.sigmoid])
def test_with_skip_connections_too(activation: Activation) -> None:
    task = OURS.load("task", "zigzag")()
    together = trained(task, OPTIMIZERS["adam"], activation, [0, 1, 2], skip=True)
    assert bits(trained(task, OPTIMIZERS["adam"], activation, [1], skip=True), 0) == bits(together, 1)
    assert bits(trained(task, OPTIMIZERS["adam"], activation, [1]), 0) != bits(together, 1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    NUM_STEPS = 1000
    combinations = list(product(TASKS, Activation, OPTIMIZERS.values()))
    for combination in combinations:
        test_a_member_trains_alone_as_in_company(*combination)
    print(f"{len(combinations)} of {len(combinations)} have the same bits alone and in company")
