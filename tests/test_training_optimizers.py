"""The optimizers, judged by `torch.optim` and torch's schedulers on autograd's gradients, and by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from marks import slow_except
from networks import vector
from torch import nn

from dlcourse.losses import SquaredError
from dlcourse.networks import MLP, stack, unstack
from dlcourse.streams import stream
from dlcourse.training import SGD, Adam, Batches, Optimizer, Schedule, train

NUM_STEPS = 60
NUM_ITEMS = 24
DECAY_STEPS = 30
EPS = torch.finfo(torch.float64).eps

# The members' rates differ by more than a power of ten.
RATES = [0.05, 0.004]

# Relative to the norm of a member's parameters: each step rounds them and their gradients (sums over 8 items and 8
# units) anew, by a few eps, and these rates are small enough not to amplify that. It makes 5e-14.
TOLERANCE = NUM_STEPS * 4 * EPS

# Each of our optimizers, and torch's own.
OPTIMIZERS: dict[str, tuple[Callable[..., Optimizer], Callable[..., torch.optim.Optimizer]]] = {
    "sgd": (SGD, torch.optim.SGD),
    "momentum": (
        lambda **options: SGD(momentum=0.9, **options),
        lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    ),
    "adam": (Adam, torch.optim.Adam),
    "adam with other constants": (
        lambda **options: Adam(beta1=0.5, beta2=0.9, epsilon=1e-3, **options),
        lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, betas=(0.5, 0.9), eps=1e-3),
    ),
}

ARCHITECTURES: list[dict[str, Any]] = [
    {"depth": 0},
    *({"depth": depth, "activation": name} for depth in (1, 2, 3) for name in ("relu", "sigmoid", "tanh")),
]


def torch_scheduler(schedule: Schedule, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    match schedule:
        case Schedule.constant:
            return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
        case Schedule.inverse:
            return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: DECAY_STEPS / (DECAY_STEPS + step))
        case Schedule.cosine:
            return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=NUM_STEPS)


def members_and_batches(**architecture: Any) -> tuple[list[nn.Module], Batches]:
    networks: list[nn.Module] = [
        MLP(2, 3, width=8, generator=stream(seed, "start"), dtype=torch.float64, **architecture) for seed in range(2)
    ]
    generator = stream(0, "data")
    inputs = torch.randn(2, NUM_ITEMS, 2, generator=generator, dtype=torch.float64)
    targets = torch.randn(2, NUM_ITEMS, 3, generator=generator, dtype=torch.float64)
    return networks, Batches([3, 4], inputs, targets, 8, dtype=torch.float64)


def assert_agreement_with_torch(name: str, schedule: Schedule, **architecture: Any) -> None:
    ours, torchs = OPTIMIZERS[name]
    networks, batches = members_and_batches(**architecture)
    start, *snapshots = train(
        stack(networks),
        batches,
        loss=SquaredError(),
        optimizer=[ours(rate=rate, schedule=schedule, decay_steps=DECAY_STEPS) for rate in RATES],
        num_steps=NUM_STEPS,
        snapshot_every=10,
    )
    for member, (network, rate) in enumerate(zip(networks, RATES, strict=True)):
        before = vector(network)
        optimizer = torchs(network.parameters(), lr=rate)
        scheduler = torch_scheduler(schedule, optimizer)
        assert start.rates[member] == rate
        for step in range(NUM_STEPS):
            inputs, targets = batches(step)
            optimizer.zero_grad()
            (network(inputs[member]) - targets[member]).square().sum(1).mean().backward()
            optimizer.step()
            scheduler.step()
            if (step + 1) % 10 == 0:
                snapshot = snapshots[step // 10]
                assert snapshot.step == step + 1
                # torch computes the cosine schedule from one step to the next, which adds up roundings of eps
                assert snapshot.rates[member] == pytest.approx(scheduler.get_last_lr()[0], rel=1e-12, abs=100 * EPS)
        trained = vector(unstack(snapshots[-1].members)[member])
        assert (trained - vector(network)).norm() <= TOLERANCE * vector(network).norm()
        assert (trained - before).norm() > 0.01 * before.norm()  # training has moved them


@pytest.mark.parametrize(
    "architecture",
    ARCHITECTURES,
    ids=lambda a: "-".join(map(str, a.values())),
)
@pytest.mark.parametrize("name", slow_except(["sgd", "momentum", "adam"], "adam"))
def test_agrees_with_torch_for_every_architecture(name: str, architecture: dict[str, Any]) -> None:
    assert_agreement_with_torch(name, Schedule.constant, **architecture)


@pytest.mark.parametrize("schedule", Schedule)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_agrees_with_torch_for_every_schedule(name: str, schedule: Schedule) -> None:
    assert_agreement_with_torch(name, schedule, depth=2, activation="tanh")


def test_one_member_has_its_own_rate() -> None:
    networks, batches = members_and_batches(depth=1)
    single = Batches([3], batches.inputs[:1], batches.targets[:1], 8, dtype=torch.float64)
    given, default = (
        list(train(stack(networks[:1]), single, loss=SquaredError(), optimizer=optimizer, num_steps=9))[-1]
        for optimizer in ([SGD(rate=0.02)], SGD(rate=0.02))
    )
    assert given.rates == default.rates == [0.02]
    assert vector(unstack(given.members)[0]).equal(vector(unstack(default.members)[0]))


def updated(optimizer: Optimizer, gradients: list[list[float]], rates: list[float], factor: float = 1.0) -> list[float]:
    """Where these gradients lead from zero, one parameter a column."""
    parameters = torch.zeros(len(rates), dtype=torch.float64)
    buffers = optimizer.buffers(parameters)
    for step, gradient in enumerate(gradients):
        gradient_now = torch.tensor(gradient, dtype=torch.float64)
        optimizer.update_(parameters, gradient_now, buffers, torch.tensor(rates, dtype=torch.float64), step, factor)
    return parameters.tolist()


def test_gradient_descent_by_hand() -> None:
    # Every step adds -eta g.
    assert updated(SGD(), [[1.0, 4.0], [2.0, -8.0]], [0.5, 0.25]) == [-1.5, 1.0]
    assert updated(SGD(), [[1.0, 4.0], [2.0, -8.0]], [0.5, 0.25], factor=0.5) == [-0.75, 0.5]


def test_momentum_by_hand() -> None:
    # a gradient of 1 three times, with momentum 1/2: velocities 1, 3/2, 7/4
    assert updated(SGD(momentum=0.5), [[1.0]] * 3, [1.0]) == [-(1 + 1.5 + 1.75)]
    # a push, then none: velocities 1, 1/2, 1/4
    assert updated(SGD(momentum=0.5), [[1.0], [0.0], [0.0]], [1.0]) == [-1.75]


def test_adam_by_hand() -> None:
    # The first step of algorithm 1 is eta g / (|g| + epsilon): eta itself, whatever the gradient's size.
    first = updated(Adam(epsilon=1e-8), [[3.0, -2e-3, 0.0]], [0.5, 0.25, 1.0])
    assert first == pytest.approx([-0.5 * 3 / (3 + 1e-8), 0.25 * 2e-3 / (2e-3 + 1e-8), 0.0], rel=10 * EPS)
    # Second step, gradients 1 and 0, beta1 = 1/2, beta2 = 3/4: m = 1/4, m^ = 1/4 / (3/4); v = 3/16, v^ = 3/16 / (7/16).
    two = updated(Adam(beta1=0.5, beta2=0.75, epsilon=1e-300), [[1.0], [0.0]], [1.0])
    assert two == pytest.approx([-1 - (1 / 3) / (3 / 7) ** 0.5], rel=10 * EPS)


@pytest.mark.parametrize("size", [1, 7, 8, 33, 1000])  # whole vectors of the processor's, and what is left
def test_adam_needs_no_memory_for_its_direction_and_gives_the_same_bits(size: int) -> None:
    random = torch.Generator().manual_seed(size)
    rates = 10 ** (-1 - 4 * torch.rand(size, generator=random))
    given = torch.randn(20, size, generator=random) * 10 ** (30 * torch.rand(20, size, generator=random) - 20)
    given[:, ::3] = 0
    given[10:, ::5] = torch.finfo(torch.float32).tiny / 4  # denormal
    # A schedule that is not constant leaves the gradients alone: zeros of their own are updated there.
    with_memory, without = Adam(schedule=Schedule.cosine), Adam()
    trained = []
    for optimizer in (with_memory, without):
        parameters = torch.linspace(-1, 1, size)
        buffers = optimizer.buffers(parameters)
        for step, gradients in enumerate(given.clone()):
            optimizer.update_(parameters, gradients, buffers, rates, step, 1.0)
        trained.append(torch.stack([parameters, *buffers[: optimizer.num_moments]]).view(torch.int32))
    assert len(without.buffers(rates)) == len(with_memory.buffers(rates)) - 1
    assert trained[0].equal(trained[1])


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1]),
        ("inverse", [1, 4 / 5, 2 / 3, 1 / 2]),
        ("cosine", [1, (2 + 2**0.5) / 4, 1 / 2, 0]),
    ],
)
def test_schedules_by_hand(schedule: str, factors: list[float]) -> None:
    optimizer = SGD(schedule=Schedule(schedule), decay_steps=100)
    assert [optimizer.rate_factor(step, 100) for step in (0, 25, 50, 100)] == pytest.approx(
        factors, rel=4 * EPS, abs=EPS
    )


def test_inverse_decays_to_zero_but_its_sum_does_not_converge() -> None:
    optimizer = SGD(schedule=Schedule.inverse, decay_steps=1)  # the harmonic series
    factors = [optimizer.rate_factor(step, 1000) for step in range(1000)]
    assert optimizer.rate_factor(10**9, 10**9) < 1e-8
    # H_1000 = 7.485470860550345 and the sum of squares stays below pi^2 / 6
    assert sum(factors) == pytest.approx(7.485470860550345, rel=1e-13)
    assert sum(factor**2 for factor in factors) < torch.pi**2 / 6


@pytest.mark.parametrize("schedule", Schedule)
def test_no_steps_have_a_rate_too(schedule: Schedule) -> None:
    assert SGD(schedule=schedule).rate_factor(0, 0) == 1


@pytest.mark.parametrize(
    ("optimizer", "options", "message"),
    [
        (SGD, {"rate": 0.0}, "optimizer.rate must be a finite number above 0, got 0.0"),
        (SGD, {"rate": -0.1}, "optimizer.rate must be a finite number above 0, got -0.1"),
        (Adam, {"rate": float("nan")}, "optimizer.rate must be a finite number above 0, got nan"),
        (Adam, {"rate": float("inf")}, "optimizer.rate must be a finite number above 0, got inf"),
        (SGD, {"decay_steps": 0}, "optimizer.decay_steps must be at least 1, got 0"),
        (SGD, {"momentum": 1.0}, "optimizer.momentum must be at least 0 and below 1, got 1.0"),
        (SGD, {"momentum": -0.1}, "optimizer.momentum must be at least 0 and below 1, got -0.1"),
        (Adam, {"beta1": 1.0}, "optimizer.beta1 must be at least 0 and below 1, got 1.0"),
        (Adam, {"beta2": -0.5}, "optimizer.beta2 must be at least 0 and below 1, got -0.5"),
        (Adam, {"epsilon": 0.0}, "optimizer.epsilon must be a finite number above 0, got 0.0"),
    ],
)
def test_values_out_of_range_are_refused(
    optimizer: Callable[..., Optimizer], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        optimizer(**options)
