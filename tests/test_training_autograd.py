"""Other people's modules on the same loop: judged by `torch.optim` on autograd's gradients, one member at a time."""

import functools
from collections.abc import Callable

import pytest
import torch
from marks import slow_except
from networks import bits, on_cuda, vector
from torch import Tensor, nn
from torch.nn import functional as F

from dlcourse.layerwise import outputs
from dlcourse.losses import Loss, SoftmaxCrossEntropy, SquaredError
from dlcourse.networks import SoftmaxClassifier, Stack, stack, unstack
from dlcourse.training import SGD, Adam, Batches, Optimizer, Snapshot, train

NUM_STEPS = 50
NUM_ITEMS = 12
EPS = torch.finfo(torch.float64).eps

# Relative to the norm of a member's parameters: a few eps of new rounding a step, in another order of summation.
TOLERANCE = NUM_STEPS * 10 * EPS


def smooth() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 3))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 4, 2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


class Shifted(nn.Module):
    """Has a buffer that stays as it is, one of them not in the `state_dict`, and reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("shift", torch.rand(3))
        self.register_buffer("scale", torch.rand(4), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.tanh(self.linear(x * self.scale)) + self.shift
        return y


class Tied(nn.Module):
    """The same matrix twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.output(torch.tanh(self.second(torch.tanh(self.first(x)))))
        return y


class Residual(nn.Module):
    """A parameter without a layer, and one that scales all."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.weight = nn.Parameter(torch.randn(4, 3))
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * (x + F.silu(self.linear(x))) @ self.weight


def with_batch_norm_in_eval() -> nn.Module:
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(inplace=True), nn.Linear(5, 3))
    network[1].running_mean.normal_()  # type: ignore[union-attr, operator]
    return network.eval()


def with_dropout_in_eval() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), DropsInside(), nn.Linear(5, 3)).eval()


def with_dropout_of_nothing() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.0), nn.Linear(5, 3))


def classifier_on_another_body() -> nn.Module:
    return SoftmaxClassifier(4, 3, body=nn.Sequential(nn.Linear(4, 5), nn.GELU()), body_features=5)


def half_frozen() -> nn.Module:
    network = smooth()
    network[0].requires_grad_(False)  # type: ignore[index]
    return network


class DropsInside(nn.Module):
    """Calls dropout as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.linear(x), 0.5, training=self.training)


class Counts(nn.Module):
    """Counts its calls, the buffer replaced rather than overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("num_calls", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        self.num_calls = self.num_calls + 1
        y: Tensor = self.linear(x)
        return y


TRAINABLE: list[Callable[[], nn.Module]] = [
    smooth,
    convolutional,
    Shifted,
    Tied,
    Residual,
    with_batch_norm_in_eval,
    with_dropout_in_eval,
    with_dropout_of_nothing,
    classifier_on_another_body,
    half_frozen,
]


def networks_of(architecture: Callable[[], nn.Module], num_members: int) -> list[nn.Module]:
    return [architecture().double() for _ in range(num_members)]


def batches_for(num_members: int, *, device: str = "cpu") -> Batches:
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(num_members, NUM_ITEMS, 4, generator=generator, dtype=torch.float64)
    classes = torch.randint(3, (num_members, NUM_ITEMS), generator=generator)
    targets = F.one_hot(classes, 3).double()
    return Batches(range(num_members), inputs, targets, 5, dtype=torch.float64, device=device)


def last(
    members: Stack,
    batches: Batches,
    *,
    loss: Loss | None = None,
    optimizer: Optimizer | list[Optimizer] | None = None,
) -> Snapshot:
    *_, snapshot = train(
        members,
        batches,
        loss=loss or SquaredError(),
        optimizer=optimizer or SGD(rate=0.02),
        num_steps=NUM_STEPS,
    )
    return snapshot


def member_vector(members: Stack, member: int) -> Tensor:
    return torch.cat([values[member].flatten() for values in members.parameters.values()])


@pytest.mark.parametrize("num_members", slow_except([1, 3], 3))
@pytest.mark.parametrize("architecture", TRAINABLE, ids=lambda architecture: architecture.__name__)
def test_any_module_agrees_with_torch(architecture: Callable[[], nn.Module], num_members: int) -> None:
    networks, batches = networks_of(architecture, num_members), batches_for(num_members)
    members, rates = stack(networks), [0.05, 0.01, 0.002][:num_members]
    trained = last(members, batches, optimizer=[SGD(rate=rate, momentum=0.5) for rate in rates]).members
    for member, network in enumerate(networks):
        optimizer = torch.optim.SGD(network.parameters(), lr=rates[member], momentum=0.5)
        for step in range(NUM_STEPS):
            inputs, targets = batches(step)
            optimizer.zero_grad()
            (network(inputs[member]) - targets[member]).square().sum(1).mean().backward()
            optimizer.step()
        expected = vector(network)
        assert (member_vector(trained, member) - expected).norm() <= TOLERANCE * expected.norm()
        assert (member_vector(trained, member) - member_vector(members, member)).norm() > 0.001 * expected.norm()
    for name, values in trained.buffers.items():
        assert values.equal(members.buffers[name])


def test_agrees_with_torchs_adam_and_cross_entropy() -> None:
    networks, batches = networks_of(classifier_on_another_body, 2), batches_for(2)
    trained = last(stack(networks), batches, loss=SoftmaxCrossEntropy(), optimizer=Adam(rate=0.01)).members
    for member, network in enumerate(networks):
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for step in range(NUM_STEPS):
            inputs, targets = batches(step)
            optimizer.zero_grad()
            F.cross_entropy(network(inputs[member]), targets[member].argmax(1)).backward()
            optimizer.step()
        expected = vector(network)
        assert (member_vector(trained, member) - expected).norm() <= TOLERANCE * expected.norm()


def test_a_trained_member_is_a_module_again() -> None:
    networks, batches = networks_of(smooth, 2), batches_for(2)
    trained = last(stack(networks), batches).members
    inputs, _ = batches(0)
    for member, network in enumerate(unstack(trained)):
        assert network(inputs[member]).allclose(trained(inputs)[member], rtol=0, atol=100 * EPS)


def test_the_given_stack_stays() -> None:
    members = stack(networks_of(Shifted, 2))
    before = {name: values.clone() for name, values in {**members.parameters, **members.buffers}.items()}
    last(members, batches_for(2))
    assert all(values.equal(before[name]) for name, values in {**members.parameters, **members.buffers}.items())


def test_a_diverging_member_leaves_the_others_alone() -> None:
    members, batches = stack(networks_of(smooth, 3)), batches_for(3)
    sound, broken = (
        last(members, batches, optimizer=[SGD(rate=each) for each in (0.01, rate, 0.01)]) for rate in (0.01, 1e300)
    )
    assert sound.diverged == [False] * 3
    assert broken.diverged == [False, True, False]
    for member in (0, 2):
        assert member_vector(sound.members, member).equal(member_vector(broken.members, member))


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.3), nn.Linear(5, 3)), "Dropout\\(p=0.3"),
        (lambda: nn.Sequential(nn.Linear(4, 5), nn.AlphaDropout(0.1), nn.Linear(5, 3)), "AlphaDropout\\(p=0.1"),
        (lambda: nn.Sequential(nn.Linear(4, 5), DropsInside(), nn.Linear(5, 3)), "DropsInside"),
        (lambda: nn.Sequential(nn.Linear(4, 5), nn.RReLU(), nn.Linear(5, 3)), "RReLU"),
    ],
)
@pytest.mark.parametrize("num_members", [1, 3])
def test_modules_that_draw_random_numbers_are_refused(
    architecture: Callable[[], nn.Module], message: str, num_members: int
) -> None:
    members, batches = stack(networks_of(architecture, num_members)), batches_for(num_members)
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match=f"draw random numbers in training[^$]*{message}"):
        last(members, batches)
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (
            lambda: nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)),
            "1.running_mean, 1.running_var, 1.num_batches_tracked of\nSequential",
        ),
        (Counts, "num_calls of\nCounts"),
    ],
)
@pytest.mark.parametrize("num_members", [1, 3])
def test_modules_that_change_their_buffers_are_refused(
    architecture: Callable[[], nn.Module], message: str, num_members: int
) -> None:
    members, batches = stack(networks_of(architecture, num_members)), batches_for(num_members)
    before = {name: values.clone() for name, values in members.buffers.items()}
    with pytest.raises(ValueError, match=f"buffers change in training cannot train in a stack: {message}"):
        last(members, batches)
    assert all(values.equal(before[name]) for name, values in members.buffers.items())


def test_a_member_that_has_diverged_trains_on_and_leaves_the_others_alone() -> None:
    architecture = functools.partial(plain, 7, nn.Tanh)
    networks, batches = networks_of(architecture, 3), batches_for(3)
    expected = last(stack(networks), batches).members
    with torch.no_grad():
        for value in networks[0].parameters():
            value.fill_(torch.nan)
    found = last(stack(networks), batches)
    assert found.diverged == [True, False, False]
    assert member_vector(found.members, 0).isnan().all()
    for member in (1, 2):
        assert member_vector(found.members, member).equal(member_vector(expected, member))


def plain(width: int, activation: type[nn.Module]) -> nn.Module:
    """Odd sizes: a member's numbers would stand at other places of a vector in other company."""
    return nn.Sequential(
        nn.Linear(4, width), activation(), nn.Linear(width, width), activation(), nn.Linear(width, 3)
    )  # fmt: skip


@pytest.mark.parametrize("batch_size", slow_except([1, 9], 9))
@pytest.mark.parametrize(
    "architecture",
    [
        *(
            pytest.param(
                functools.partial(plain, width, activation),
                id=f"{width}-{activation.__name__}",
                marks=() if width == 7 else pytest.mark.slow,
            )
            for width in (1, 3, 7, 16)
            for activation in (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU)
        ),
        *(pytest.param(other, id=other.__name__) for other in (smooth, convolutional, Shifted, Tied, Residual)),
    ],
)
def test_a_member_has_the_same_bits_in_every_company(architecture: Callable[[], nn.Module], batch_size: int) -> None:
    networks = [network.float() for network in networks_of(architecture, 5)]
    generator = torch.Generator().manual_seed(3)
    inputs, targets = torch.randn(5, 40, 4, generator=generator), torch.randn(5, 40, 3, generator=generator)

    def trained(seeds: list[int]) -> tuple[list[dict[str, bytes]], list[bytes]]:
        batches = Batches(seeds, inputs[seeds], targets[seeds], batch_size)
        members = stack([networks[seed] for seed in seeds])
        *_, snapshot = train(members, batches, loss=SquaredError(), optimizer=Adam(rate=0.01), num_steps=8)
        values = [bits(snapshot.members, member) for member in range(len(seeds))]
        evaluated = outputs(snapshot.members, inputs[seeds, :13])
        return values, [of_member.numpy().tobytes() for of_member in evaluated]

    alone = [trained([seed]) for seed in range(5)]
    for seeds in ([0, 1], [4, 3, 2], [1, 0, 2, 4, 3]):
        for member, (value, evaluated) in enumerate(zip(*trained(seeds), strict=True)):
            assert value == alone[seeds[member]][0][0], seeds
            assert evaluated == alone[seeds[member]][1][0], seeds


def test_outputs_of_another_shape_than_the_targets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"outputs must have the targets' shape \(\d+, 3\) .*, got \(\d+, 2\) from"):
        last(stack([nn.Linear(4, 2).double()]), batches_for(1))


def test_the_global_generator_is_left_alone() -> None:
    members, batches = stack(networks_of(smooth, 2)), batches_for(2)
    before = torch.get_rng_state()
    last(members, batches)
    assert torch.get_rng_state().equal(before)


def test_the_callers_modes_change_nothing() -> None:
    members = stack(networks_of(smooth, 2))
    outside = last(members, batches_for(2)).members
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            inside = last(members, batches_for(2)).members
        assert all(values.equal(inside.parameters[name]) for name, values in outside.parameters.items())


@pytest.mark.cuda
@pytest.mark.parametrize("architecture", TRAINABLE, ids=lambda architecture: architecture.__name__)
def test_cuda_agrees_with_cpu(architecture: Callable[[], nn.Module]) -> None:
    members = stack(networks_of(architecture, 3))
    cpu = last(members, batches_for(3)).members
    cuda = last(on_cuda(members), batches_for(3, device="cuda")).members
    for member in range(3):
        expected = member_vector(cpu, member)
        assert (member_vector(cuda, member).cpu() - expected).norm() <= TOLERANCE * expected.norm()


@pytest.mark.cuda
@pytest.mark.parametrize("dropout", [lambda: nn.Dropout(0.3), DropsInside])
def test_random_numbers_on_cuda_are_refused_too(dropout: Callable[[], nn.Module]) -> None:
    members = stack(networks_of(lambda: nn.Sequential(nn.Linear(4, 5), dropout(), nn.Linear(5, 3)), 2))
    before, before_on_cuda = torch.get_rng_state(), torch.cuda.get_rng_state()
    with pytest.raises(ValueError, match="draw random numbers in training"):
        last(on_cuda(members), batches_for(2, device="cuda"))
    assert torch.get_rng_state().equal(before)
    assert torch.cuda.get_rng_state().equal(before_on_cuda)
