"""The training loop: the slide's algorithm re-enacted, members alone and in company, divergence, and manners."""

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from marks import slow_except
from networks import bits, on_cuda, vector
from torch import Tensor, nn

from dlcourse.losses import Hinge, Loss, SoftmaxCrossEntropy, SquaredError
from dlcourse.networks import MLP, SoftmaxClassifier, Stack, stack, unstack
from dlcourse.streams import stream
from dlcourse.training import SGD, Adam, Batches, Optimizer, Schedule, Snapshot, train

EPS = torch.finfo(torch.float64).eps

# Against a re-enactment in float64, relative to the norm of all parameters: each step rounds by a few eps.
STEP_TOLERANCE = 4 * EPS


def members_of(
    seeds: Sequence[int],
    *,
    width: int = 8,
    depth: int = 2,
    activation: str = "relu",
    in_features: int = 2,
    out_features: int = 1,
    classifier: bool = False,
    dtype: torch.dtype = torch.float64,
) -> Stack:
    architecture: type[nn.Module] = SoftmaxClassifier if classifier else MLP
    return stack(
        [
            architecture(
                in_features,
                out_features,
                width=width,
                depth=depth,
                activation=activation,
                generator=stream(seed, "start"),
                dtype=dtype,
            )
            for seed in seeds
        ]
    )


def batches_for(
    seeds: Sequence[int],
    batch_size: int | None,
    *,
    in_features: int = 2,
    out_features: int = 1,
    num_items: int = 10,
    classifier: bool = False,
    dtype: torch.dtype = torch.float64,
    device: str = "cpu",
) -> Batches:
    """Each seed's own data: normal inputs, normal targets or random classes."""
    inputs, targets = [], []
    for seed in seeds:
        generator = stream(seed, "data")
        inputs.append(torch.randn(num_items, in_features, generator=generator, dtype=torch.float64))
        targets.append(torch.randn(num_items, out_features, generator=generator, dtype=torch.float64))
    if classifier:
        targets = [nn.functional.one_hot(target.argmax(1), out_features).double() for target in targets]
    return Batches(seeds, torch.stack(inputs), torch.stack(targets), batch_size, dtype=dtype, device=device)


def last(snapshots: Iterator[Snapshot]) -> Snapshot:
    *_, snapshot = snapshots
    return snapshot


# --- the algorithms of the slides, re-enacted -------------------------------------------------------------------------


@pytest.mark.parametrize("depth", slow_except([0, 1, 3], 1))
def test_is_the_slides_stochastic_gradient_descent(depth: int) -> None:
    rate, decay_steps, num_steps = 0.05, 40, 300
    members, batches = members_of([0, 1], depth=depth), batches_for([0, 1], 1)
    decaying = SGD(rate=rate, schedule=Schedule.inverse, decay_steps=decay_steps)
    trained = last(train(members, batches, loss=SquaredError(), optimizer=decaying, num_steps=num_steps))
    for member, network in enumerate(unstack(members)):
        data = list(zip(batches.inputs[member], batches.targets[member], strict=True))
        for step in range(num_steps):
            x, y = (tensor[member, 0] for tensor in batches(step))
            assert any(x.equal(x_i) and y.equal(y_i) for x_i, y_i in data)  # step 2 draws (x(i), y(i)) from D
            eta = rate / (1 + step / decay_steps)
            loss = (network(x) - y) ** 2
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for theta, gradient in zip(network.parameters(), gradients, strict=True):
                    theta -= eta * gradient
        expected = vector(network)
        assert (vector(unstack(trained.members)[member]) - expected).norm() <= (
            num_steps * STEP_TOLERANCE * expected.norm()
        )


@pytest.mark.parametrize(
    ("loss", "classifier"), [(SquaredError(), False), (Hinge(), False), (SoftmaxCrossEntropy(), True)], ids=repr
)
def test_full_batch_is_plain_gradient_descent(loss: Loss, classifier: bool) -> None:
    num_steps, sizes = 100, {"in_features": 3, "out_features": 4, "classifier": classifier}
    members, batches = members_of([5], activation="tanh", **sizes), batches_for([5], None, **sizes)
    trained = last(train(members, batches, loss=loss, optimizer=SGD(rate=0.1), num_steps=num_steps))
    (network,) = unstack(members)
    for _ in range(num_steps):
        outputs, targets = network(batches.inputs[0]), batches.targets[0]
        match loss:
            case SquaredError():
                mean = ((outputs - targets) ** 2).sum() / len(targets)
            case Hinge():
                mean = (1 - targets * outputs).clamp(min=0).sum() / len(targets)
            case SoftmaxCrossEntropy():
                mean = nn.functional.cross_entropy(outputs, targets)
        gradients = torch.autograd.grad(mean, list(network.parameters()))
        with torch.no_grad():
            for theta, gradient in zip(network.parameters(), gradients, strict=True):
                theta -= 0.1 * gradient
    expected = vector(network)
    assert (vector(unstack(trained.members)[0]) - expected).norm() <= num_steps * STEP_TOLERANCE * expected.norm()


def test_an_affine_network_finds_the_least_squares_solution() -> None:
    # The loss falls by (1 - rate * curvature)^2 a step; the data's smallest curvature (about 1) leaves e^-60 of it.
    members, batches = (
        members_of([2], depth=0, in_features=3, out_features=2),
        batches_for([2], None, in_features=3, out_features=2),
    )
    x, y = batches.inputs[0], batches.targets[0]
    with_ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    curvatures = torch.linalg.eigvalsh(2 * with_ones.T @ with_ones / len(x))
    optimizer = SGD(rate=1 / curvatures.max().item())
    num_steps = int(40 * curvatures.max() / curvatures.min())
    losses = []
    for snapshot in train(
        members, batches, loss=SquaredError(), optimizer=optimizer, num_steps=num_steps, snapshot_every=5
    ):
        losses.append(SquaredError()(snapshot.members(x)[0], y).mean().item())
    solution = torch.linalg.lstsq(with_ones, y).solution  # [in + 1, out]
    weight, bias = (values[0] for values in snapshot.members.parameters.values())
    distance = (torch.cat([weight, bias[:, None]], 1).T - solution).norm()
    assert distance <= 1000 * EPS * solution.norm()
    least = (with_ones @ solution - y).square().sum(1).mean().item()
    assert losses[-1] == pytest.approx(least, rel=100 * EPS)
    assert losses[0] > 2 * least
    assert all(after <= before * (1 + 10 * EPS) for before, after in itertools.pairwise(losses))


# --- the same bits alone and in company -------------------------------------------------------------------------------

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(rate=0.02, schedule=Schedule.inverse),
    "momentum": SGD(rate=0.002, momentum=0.9, schedule=Schedule.cosine),
    "adam": Adam(rate=0.003),
}

# Most sizes are odd: vector instructions then have numbers left over, and matrices begin between their boundaries.
COMPANIES: dict[str, dict[str, Any]] = {
    "one unit": {"width": 1, "in_features": 1, "batch_size": 3},
    "5 wide, one item": {"width": 5, "depth": 1, "in_features": 1, "batch_size": 1},
    "5 wide, deep": {"width": 5, "depth": 3, "in_features": 3, "out_features": 3, "batch_size": 7},
    "17 wide, full batch": {"width": 17, "batch_size": None, "activation": "tanh"},
    "33 wide, 64 items": {"width": 33, "in_features": 1, "batch_size": 64},
    "sigmoid": {"width": 8, "out_features": 3, "batch_size": 7, "activation": "sigmoid"},
    "affine": {"depth": 0, "in_features": 3, "batch_size": 7},
    "affine, one to one": {"depth": 0, "in_features": 1, "batch_size": None},
    "classifier": {"width": 7, "out_features": 3, "batch_size": 7, "classifier": True},
    "classifier, one item": {
        "width": 16,
        "depth": 1,
        "in_features": 5,
        "out_features": 2,
        "batch_size": 1,
        "classifier": True,
    },
}


def trained_in_company(
    seeds: Sequence[int],
    optimizer: Optimizer,
    *,
    batch_size: int | None,
    num_steps: int = 100,
    dtype: torch.dtype = torch.float32,
    snapshot_every: int | None = None,
    **architecture: Any,
) -> Snapshot:
    """One seed, one start, one data set, one rate."""
    data = {key: architecture[key] for key in ("in_features", "out_features", "classifier") if key in architecture}
    return last(
        train(
            members_of(seeds, dtype=dtype, **architecture),
            batches_for(seeds, batch_size, dtype=dtype, num_items=13, **data),
            loss=SoftmaxCrossEntropy() if architecture.get("classifier") else SquaredError(),
            optimizer=[replace(optimizer, rate=optimizer.rate * (1 + seed / 10)) for seed in seeds],
            num_steps=num_steps,
            snapshot_every=snapshot_every,
        )
    )


# The optimizers work on one vector, whatever the architecture: two of them see all three, the others take turns.
IN_COMPANY = [
    *itertools.product(["5 wide, deep", "classifier"], OPTIMIZERS),
    *zip([name for name in COMPANIES if name not in ("5 wide, deep", "classifier")], itertools.cycle(OPTIMIZERS)),
]


@pytest.mark.parametrize(("company", "optimizer"), slow_except(IN_COMPANY, ("5 wide, one item", "momentum")))
def test_same_bits_alone_and_in_company(company: str, optimizer: str) -> None:
    def trained(seeds: Sequence[int]) -> Stack:
        snapshot = trained_in_company(seeds, OPTIMIZERS[optimizer], **COMPANIES[company])
        assert not any(snapshot.diverged)
        return snapshot.members

    twenty, seven = list(range(20)), [19, 3, 11, 0, 8, 14, 5]
    in_twenty, in_seven = trained(twenty), trained(seven)
    for position, seed in enumerate(seven):
        assert bits(in_seven, position) == bits(in_twenty, seed)
    alone = 11
    assert bits(trained([alone]), 0) == bits(in_twenty, alone)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_same_seed_same_bits_twice(optimizer: str) -> None:
    def trained(snapshot_every: int | None) -> Stack:
        return trained_in_company(
            [3, 1], OPTIMIZERS[optimizer], width=9, batch_size=5, num_steps=200, snapshot_every=snapshot_every
        ).members

    once = trained(None)
    torch.manual_seed(99)  # random numbers that others draw make no difference
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # the caller's threads make no difference
    try:
        again = trained(7)  # snapshots in between make no difference
    finally:
        torch.set_num_threads(threads)
    assert [bits(once, member) for member in range(2)] == [bits(again, member) for member in range(2)]


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_taken_up_again_it_goes_on_with_the_same_bits(optimizer: str, activation: str) -> None:
    def snapshots(seeds: Sequence[int], **options: Any) -> Iterator[Snapshot]:
        return train(
            options.pop("members", members_of(seeds, width=9, activation=activation, dtype=torch.float32)),
            batches_for(seeds, 5, dtype=torch.float32),
            loss=SquaredError(),
            optimizer=OPTIMIZERS[optimizer],
            num_steps=100,
            **options,
        )

    unbroken = {snapshot.step: copy.deepcopy(snapshot) for snapshot in snapshots([3, 1], snapshot_every=35)}
    assert list(unbroken) == [0, 35, 70, 100]
    for step in (35, 70, 100):
        broken = unbroken[step]
        again = list(
            snapshots([3, 1], members=broken.members, first_step=step, moments=broken.moments, snapshot_every=35)
        )
        assert [snapshot.step for snapshot in again] == [after for after in unbroken if after >= step]
        for member in range(2):
            assert bits(again[-1].members, member) == bits(unbroken[100].members, member)
    # A member also goes on without the companion that it had before.
    members = replace(broken.members, parameters=first_of(unbroken[35].members.parameters))
    moments = [first_of(moment) for moment in unbroken[35].moments]
    alone = last(snapshots([3], members=members, first_step=35, moments=moments))
    assert bits(alone.members, 0) == bits(unbroken[100].members, 0)


def first_of(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value[:1] for name, value in values.items()}


def test_different_seeds_give_different_members() -> None:
    members = trained_in_company([0, 1, 2], SGD(), batch_size=3, num_steps=10).members
    assert len({tuple(bits(members, member).values()) for member in range(3)}) == 3


# --- divergence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_diverging_member_is_recorded_and_leaves_the_others_alone(optimizer: str, activation: str) -> None:
    def snapshots(rates: list[float]) -> list[tuple[list[bool], list[dict[str, bytes]]]]:
        members = members_of(range(4), width=5, activation=activation, dtype=torch.float32)
        batches = batches_for(range(4), 3, dtype=torch.float32)
        return [
            (snapshot.diverged, [bits(snapshot.members, member) for member in range(4)])
            for snapshot in train(
                members,
                batches,
                loss=SquaredError(),
                optimizer=[replace(OPTIMIZERS[optimizer], rate=rate) for rate in rates],
                num_steps=60,
                snapshot_every=20,
            )
        ]

    sound, broken = snapshots([0.01] * 4), snapshots([0.01, 0.01, 1e38, 0.01])
    assert [diverged for diverged, _ in sound] == [[False] * 4] * 4
    assert [diverged for diverged, _ in broken] == [[False] * 4] + [[False, False, True, False]] * 3
    for (_, one), (_, other) in zip(sound, broken, strict=True):
        assert [one[member] for member in (0, 1, 3)] == [other[member] for member in (0, 1, 3)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_data_of_one_member_are_its_own_affair(bad: float) -> None:
    def trained(value: float) -> Snapshot:
        batches = batches_for([0, 1, 2], None)
        batches.targets[1, 4] = value
        return last(train(members_of([0, 1, 2]), batches, loss=SquaredError(), optimizer=Adam(), num_steps=5))

    sound, broken = trained(0.0), trained(bad)
    assert broken.diverged == [False, True, False]
    assert [bits(sound.members, member) for member in (0, 2)] == [bits(broken.members, member) for member in (0, 2)]


def test_a_lone_member_can_diverge() -> None:
    snapshot = last(
        train(members_of([0]), batches_for([0], 3), loss=SquaredError(), optimizer=SGD(rate=1e300), num_steps=9)
    )
    assert snapshot.diverged == [True]


# --- manners ----------------------------------------------------------------------------------------------------------


def a_training(members: Stack | None = None, batches: Batches | None = None, **options: Any) -> Iterator[Snapshot]:
    return train(
        members or members_of([0, 1]),
        batches or batches_for([0, 1], 3),
        **{"loss": SquaredError(), "optimizer": Adam(), "num_steps": 10, **options},
    )


@pytest.mark.parametrize(
    ("num_steps", "every", "steps"),
    [
        (10, None, [0, 10]),
        (10, 4, [0, 4, 8, 10]),
        (10, 5, [0, 5, 10]),
        (10, 1, list(range(11))),
        (10, 100, [0, 10]),
        (0, None, [0]),
        (0, 3, [0]),
    ],
)
@pytest.mark.parametrize("schedule", Schedule)
def test_snapshots_come_first_every_so_often_and_last(
    num_steps: int, every: int | None, steps: list[int], schedule: Schedule
) -> None:
    optimizer = SGD(rate=0.5, schedule=schedule)
    snapshots = a_training(num_steps=num_steps, snapshot_every=every, optimizer=optimizer)
    assert [snapshot.step for snapshot in snapshots] == steps


def test_rates_of_the_snapshots() -> None:
    optimizers = [SGD(rate=rate, schedule=Schedule.cosine) for rate in (0.5, 0.25)]
    snapshots = a_training(num_steps=4, snapshot_every=2, optimizer=optimizers)
    for snapshot, factor in zip(snapshots, [1, 1 / 2, 0], strict=True):
        assert snapshot.rates == pytest.approx([0.5 * factor, 0.25 * factor], rel=4 * EPS, abs=EPS)


@pytest.mark.parametrize("num_members", [1, 2])
def test_the_given_stack_stays_and_the_first_snapshot_is_it(num_members: int) -> None:
    members = members_of(range(num_members))
    start = copy.deepcopy(members.parameters)
    snapshots = a_training(members=members, batches=batches_for(range(num_members), 3))
    first = copy.deepcopy(next(snapshots).members.parameters)
    final = last(snapshots).members
    assert final.num_members == num_members
    for name, values in start.items():
        assert first[name].equal(values)
        assert members.parameters[name].equal(values)
        assert not final.parameters[name].equal(values)


def test_frozen_parameters_stay() -> None:
    networks = unstack(members_of([0, 1]))
    for network in networks:
        network.hidden.layers[0].weight.requires_grad_(False)  # type: ignore[union-attr, operator, index]
    members = stack(networks)
    trained = last(a_training(members=members)).members
    for name, values in members.parameters.items():
        assert trained.parameters[name].equal(values) == (name == "hidden.layers.0.weight")


def test_the_caller_keeps_its_modes_and_threads() -> None:
    members, batches = members_of([0, 1]), batches_for([0, 1], 3)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    random = torch.get_rng_state()
    try:
        for snapshot in a_training(members=members, batches=batches, snapshot_every=3):
            assert torch.get_num_threads() == 2
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
            # The snapshot's network can be differentiated.
            network, (inputs, targets) = unstack(snapshot.members)[0], batches(snapshot.step)
            SquaredError()(network(inputs[0]), targets[0]).mean().backward()
            assert all(parameter.grad is not None for parameter in network.parameters())
        with torch.no_grad():
            for _ in a_training(members=members, snapshot_every=3):
                assert not torch.is_grad_enabled()
        with torch.inference_mode():
            for _ in a_training(members=members, snapshot_every=3):
                assert torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled()
        assert torch.get_rng_state().equal(random)
    finally:
        torch.set_num_threads(threads)


def test_steps_are_computed_on_one_thread() -> None:
    seen = set()

    def draw(num_items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        seen.add(torch.get_num_threads())
        inputs = torch.randn(num_items, 2, generator=generator, dtype=torch.float64)
        return inputs, inputs[:, :1]

    batches = Batches([0], torch.zeros(1, 1, 2), torch.zeros(1, 1, 1), 3, draw=draw, dtype=torch.float64)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        last(a_training(members=members_of([0]), batches=batches))
    finally:
        torch.set_num_threads(threads)
    assert seen == {1}


def test_the_callers_inference_mode_changes_nothing() -> None:
    outside = last(a_training()).members
    with torch.inference_mode():
        inside = last(a_training()).members
    assert [bits(outside, member) for member in range(2)] == [bits(inside, member) for member in range(2)]


def test_stopping_early_is_clean() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        snapshots = a_training(snapshot_every=2)
        assert [next(snapshots).step, next(snapshots).step] == [0, 2]
        snapshots.close()  # type: ignore[attr-defined]
        assert list(snapshots) == []
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled()
    finally:
        torch.set_num_threads(threads)


def test_an_interrupt_leaves_what_is_finished_valid() -> None:
    blocks = 0

    def draw(num_items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        nonlocal blocks
        blocks += 1
        if blocks > 2:  # Ctrl-C, in the midst of some step after the first
            raise KeyboardInterrupt
        inputs = torch.randn(num_items, 2, generator=generator, dtype=torch.float64)
        return inputs, inputs[:, :1]

    empty = torch.zeros(1, 1, 2), torch.zeros(1, 1, 1)
    batches = Batches([0], *empty, batch_size=3, draw=draw, dtype=torch.float64)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen = []
        with pytest.raises(KeyboardInterrupt):
            for snapshot in a_training(members=members_of([0]), batches=batches, num_steps=10_000, snapshot_every=10):
                seen.append(snapshot.step)
                finished = copy.deepcopy(snapshot)
        assert seen == list(range(0, seen[-1] + 1, 10))
        assert len(seen) > 1
        assert finished.diverged == [False]
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    finally:
        torch.set_num_threads(threads)
    blocks = -1000
    same = last(a_training(members=members_of([0]), batches=batches, num_steps=seen[-1]))
    assert bits(same.members, 0) == bits(finished.members, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": [Adam()]}, "2 members need as many optimizers and seeds, got 1 optimizers, 2 seeds"),
        ({"optimizer": [Adam()] * 3}, "2 members need as many optimizers and seeds, got 3 optimizers, 2 seeds"),
        ({"batches": batches_for([0], 3)}, "2 members need as many optimizers and seeds, got 2 optimizers, 1 seeds"),
        ({"batches": batches_for([0, 1, 2], 3)}, "need as many optimizers and seeds, got 2 optimizers, 3 seeds"),
        ({"optimizer": [Adam(), SGD()]}, "must differ in their rates only, got Adam.* and SGD"),
        ({"optimizer": [SGD(momentum=0.9), SGD()]}, "must differ in their rates only, got SGD.*0.9.* and SGD.*0.0"),
        ({"num_steps": -1}, "num_steps must be at least 0, got -1"),
        ({"snapshot_every": 0}, "snapshot_every must be at least 1, got 0"),
        ({"first_step": 11}, "first_step must be between 0 and 10, got 11"),
        ({"first_step": -1}, "first_step must be between 0 and 10, got -1"),
        ({"moments": []}, "the optimizer remembers 2 moments at step 0, got 0"),
        ({"first_step": 3}, "the optimizer remembers 2 moments at step 3, got 0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(a_training(**options))


@dataclass(frozen=True)
class LogCosh:
    """A loss that dlcourse does not have."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).cosh().log().sum(-1)

    def derivative(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).tanh()


def test_any_loss_with_a_value_and_a_derivative_trains() -> None:
    members, batches = members_of([0, 1]), batches_for([0, 1], 5)
    trained = last(train(members, batches, loss=LogCosh(), optimizer=SGD(rate=0.05), num_steps=20))
    for member, network in enumerate(unstack(members)):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
        for step in range(20):
            inputs, targets = (values[member] for values in batches(step))
            optimizer.zero_grad()
            LogCosh()(network(inputs), targets).mean().backward()  # autograd needs no derivative
            optimizer.step()
        for name, parameter in network.named_parameters():
            difference = (trained.members.parameters[name][member] - parameter).norm()
            assert difference <= 1000 * EPS * parameter.norm(), name  # some roundings a step


# --- on a GPU ---------------------------------------------------------------------------------------------------------


@pytest.mark.cuda
@pytest.mark.parametrize("num_members", [1, 3])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_cuda_agrees_with_cpu(optimizer: str, activation: str, num_members: int) -> None:
    # Sums in another order, and other elementary functions, differ by a few eps a step.
    num_steps, seeds = 100, range(num_members)
    results = []
    for device in ("cpu", "cuda"):
        members = members_of(seeds, width=9, activation=activation, out_features=3)
        batches = batches_for(seeds, 7, out_features=3, device=device)
        snapshot = last(
            train(
                members if device == "cpu" else on_cuda(members),
                batches,
                loss=SquaredError(),
                optimizer=OPTIMIZERS[optimizer],
                num_steps=num_steps,
            )
        )
        assert all(values.device.type == device for values in snapshot.members.parameters.values())
        assert snapshot.diverged == [False] * num_members
        results.append(torch.cat([values.cpu().flatten(1) for values in snapshot.members.parameters.values()], 1))
    cpu, cuda = results
    assert ((cpu - cuda).norm(dim=1) <= num_steps * 10 * EPS * cpu.norm(dim=1)).all()


@pytest.mark.cuda
@pytest.mark.parametrize("architecture", [{"depth": 0}, {"depth": 2, "classifier": True}], ids=["affine", "classifier"])
@pytest.mark.parametrize("in_features", [1, 3])
def test_cuda_agrees_with_cpu_in_float32(in_features: int, architecture: dict[str, Any]) -> None:
    # 20 steps only, so that the roundings have no time to grow
    num_steps, sizes = 20, {"in_features": in_features, "out_features": 2, "dtype": torch.float32}
    classifier = architecture.get("classifier", False)
    results = []
    for device in ("cpu", "cuda"):
        members = members_of(range(3), **sizes, **architecture)
        snapshot = last(
            train(
                members if device == "cpu" else on_cuda(members),
                batches_for(range(3), 7, classifier=classifier, device=device, **sizes),
                loss=SoftmaxCrossEntropy() if classifier else SquaredError(),
                optimizer=SGD(rate=0.02),
                num_steps=num_steps,
            )
        )
        results.append(torch.cat([values.cpu().flatten(1) for values in snapshot.members.parameters.values()], 1))
    cpu, cuda = results
    eps = torch.finfo(torch.float32).eps
    assert ((cpu - cuda).norm(dim=1) <= num_steps * 10 * eps * cpu.norm(dim=1)).all()


@pytest.mark.cuda
def test_a_diverging_member_on_cuda_leaves_the_others_alone() -> None:
    def trained(rates: list[float]) -> Snapshot:
        members = on_cuda(members_of(range(3), dtype=torch.float32))
        batches = batches_for(range(3), 7, dtype=torch.float32, device="cuda")
        optimizers = [Adam(rate=rate) for rate in rates]
        return last(train(members, batches, loss=SquaredError(), optimizer=optimizers, num_steps=50))

    sound, broken = trained([0.01] * 3), trained([0.01, 1e38, 0.01])
    assert sound.diverged == [False] * 3
    assert broken.diverged == [False, True, False]
    for name, values in sound.members.parameters.items():
        assert values[[0, 2]].equal(broken.members.parameters[name][[0, 2]])


@pytest.mark.parametrize(("in_features", "out_features"), [(3, 1), (1, 2)])
def test_batches_of_another_size_are_refused(in_features: int, out_features: int) -> None:
    batches = Batches([0], torch.zeros(1, 5, 1), torch.zeros(1, 5, 1), batch_size=2)
    members = stack([MLP(in_features, out_features, width=4, depth=1)])
    message = f"the members map {in_features} inputs to {out_features} outputs, got batches of 1 inputs and 1 targets"
    with pytest.raises(ValueError, match=message):
        list(train(members, batches, loss=SquaredError(), optimizer=SGD(), num_steps=1))
