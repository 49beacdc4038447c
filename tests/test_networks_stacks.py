import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dlcourse.networks import MLP, SoftmaxClassifier, Stack, corner, side_by_side, stack, unstack


def normalised() -> nn.Module:
    """A module with buffers of its own: running means and variances, and a counter of integers."""
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
    network(5 * torch.randn(20, 3) + torch.randn(3))  # the buffers take this batch in
    return network.eval()


def convolutional() -> nn.Module:
    body = nn.Sequential(nn.Unflatten(-1, (1, 3)), nn.Conv1d(1, 4, 2), nn.ReLU(), nn.Flatten(-2))
    return SoftmaxClassifier(3, 2, body=body, body_features=8)


class Positions(nn.Module):
    """Adds numbers that its state_dict does not show."""

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.register_buffer("positions", torch.randn(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.positions


class Tied(nn.Module):
    """The same weight twice."""

    def __init__(self, tied: bool = True) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)
        if tied:
            self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.output(torch.tanh(self.second(torch.tanh(self.first(x)))))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: MLP(3, 2, width=[5, 4]),
    "sigmoid": lambda: MLP(3, 2, width=4, depth=3, activation="sigmoid"),
    "affine": lambda: MLP(3, 2, width=1, depth=0),
    "float64": lambda: MLP(3, 2, width=5, depth=2, activation="tanh", dtype=torch.float64),
    "classifier": lambda: SoftmaxClassifier(3, 2, width=6, depth=1, activation="tanh"),
    "any body": convolutional,
    "buffers": normalised,
    "buffers that are not persistent": Positions,
    "tied": Tied,
}


@pytest.fixture(params=MODULES)
def modules(request: pytest.FixtureRequest) -> list[nn.Module]:
    """Four members of one architecture."""
    return [MODULES[request.param]() for _ in range(4)]


def bits(network: nn.Module) -> dict[str, bytes]:
    values = [*network.named_parameters(), *network.named_buffers()]
    return {name: value.detach().numpy().tobytes() for name, value in values}


class TestThereAndBack:
    def test_stack_bit_for_bit(self, modules: list[nn.Module]) -> None:
        with torch.no_grad():
            first = next(modules[2].parameters())
            first.flatten()[:2] = torch.tensor([-0.0, float("nan")])
        members = stack(modules)
        assert members.num_members == 4
        assert members.parameters.keys() == dict(modules[0].named_parameters()).keys()
        assert members.buffers.keys() == dict(modules[0].named_buffers()).keys()
        for index, module in enumerate(modules):
            laid = {**members.parameters, **members.buffers}
            assert {name: values[index].numpy().tobytes() for name, values in laid.items()} == bits(module)

    def test_unstack_bit_for_bit(self, modules: list[nn.Module]) -> None:
        with torch.no_grad():
            first = next(modules[2].parameters())
            first.flatten()[:2] = torch.tensor([-0.0, float("nan")])
        networks = unstack(stack(modules))
        assert len(networks) == 4
        for network, module in zip(networks, modules, strict=True):
            assert type(network) is type(module)
            assert bits(network) == bits(module)
            for (name, value), (other_name, other) in zip(
                network.state_dict().items(), module.state_dict().items(), strict=True
            ):
                assert name == other_name and value.dtype == other.dtype and value.device == other.device
            assert network.training == module.training

    def test_what_is_shared_stays_shared(self) -> None:
        for network in unstack(stack([Tied(), Tied()])):
            assert isinstance(network, Tied)
            assert network.second.weight is network.first.weight
            assert network.second.bias is not network.first.bias

    def test_stack_of_the_unstacked(self, modules: list[nn.Module]) -> None:
        members = stack(modules)
        again = stack(unstack(members))
        for name, values in {**members.parameters, **members.buffers}.items():
            assert torch.equal({**again.parameters, **again.buffers}[name], values)

    def test_unstacked_members_compute_the_same(self, modules: list[nn.Module]) -> None:
        x = torch.randn(6, 3, dtype=next(modules[0].parameters()).dtype)
        for network, module in zip(unstack(stack(modules)), modules, strict=True):
            assert torch.equal(network(x), module(x))

    def test_all_are_copies(self, modules: list[nn.Module]) -> None:
        before = [bits(module) for module in modules]
        members = stack(modules)
        networks = unstack(members)
        for values in members.parameters.values():
            values.fill_(7)
        assert [bits(module) for module in modules] == before
        assert [bits(network) for network in networks] == before
        with torch.no_grad():
            for parameter in networks[0].parameters():
                parameter.fill_(8)
        assert bits(networks[1]) == before[1]
        assert all((values == 7).all() for values in members.parameters.values())

    def test_modules_stay_what_they_are(self, modules: list[nn.Module]) -> None:
        stack(modules)
        for parameter in modules[0].parameters():
            assert parameter.requires_grad and parameter.is_leaf and parameter.device.type == "cpu"


class TestTraining:
    def test_unstacked_members_can_be_trained(self, modules: list[nn.Module]) -> None:
        x = torch.randn(6, 3, dtype=next(modules[0].parameters()).dtype)
        # torch itself, on copies made before, is the judge.
        for network, expected in zip(unstack(stack(modules)), copy.deepcopy(modules), strict=True):
            for each in (network, expected):
                assert all(isinstance(parameter, nn.Parameter) for parameter in each.parameters())
                optimizer = torch.optim.SGD(each.parameters(), lr=0.1)
                for _ in range(3):
                    optimizer.zero_grad()
                    each(x).square().sum().backward()
                    optimizer.step()
            assert bits(network) == bits(expected)

    def test_a_stack_holds_plain_numbers(self, modules: list[nn.Module]) -> None:
        members = stack(modules)
        assert not any(values.requires_grad for values in members.parameters.values())
        assert {parameter.device.type for parameter in members.architecture.parameters()} == {"meta"}

    def test_frozen_parameters_stay_frozen(self) -> None:
        modules = [MLP(3, 2, width=4, depth=1) for _ in range(2)]
        for module in modules:
            module.hidden.requires_grad_(False)
        for network in unstack(stack(modules)):
            assert [parameter.requires_grad for parameter in network.parameters()] == [False, False, True, True]

    def test_gradient_through_a_stack(self) -> None:
        """functional_call on the stack's own tensors, as foreign code may do."""
        modules = [MLP(3, 2, width=4, depth=1) for _ in range(3)]
        members = stack(modules)
        x = torch.randn(6, 3)
        parameters = {name: values.clone().requires_grad_() for name, values in members.parameters.items()}
        Stack(members.architecture, parameters, members.buffers)(x).square().sum().backward()
        for index, module in enumerate(modules):
            module(x).square().sum().backward()
            for name, parameter in module.named_parameters():
                torch.testing.assert_close(parameters[name].grad[index], parameter.grad)


class TestOutputs:
    # A batched product may add in another order: float32 outputs of order 1 after at most four layers of six terms.
    tolerance = 32 * torch.finfo(torch.float32).eps

    def test_shared_inputs(self, modules: list[nn.Module]) -> None:
        x = torch.randn(9, 3, dtype=next(modules[0].parameters()).dtype)
        outputs = stack(modules)(x)
        assert outputs.shape == (4, 9, 2)
        for output, module in zip(outputs, modules, strict=True):
            torch.testing.assert_close(output, module(x), rtol=self.tolerance, atol=self.tolerance)

    def test_inputs_of_their_own(self, modules: list[nn.Module]) -> None:
        x = torch.randn(4, 9, 3, dtype=next(modules[0].parameters()).dtype)
        outputs = stack(modules)(x)
        assert outputs.shape == (4, 9, 2)
        for output, module, own in zip(outputs, modules, x, strict=True):
            torch.testing.assert_close(output, module(own), rtol=self.tolerance, atol=self.tolerance)

    @pytest.mark.parametrize("num", [1, 2])
    def test_few_members(self, num: int) -> None:
        modules = [MLP(3, 2, width=4, depth=2) for _ in range(num)]
        x = torch.randn(num, 5, 3)
        members = stack(modules)
        for inputs in (x, x[0]):
            expected = torch.stack([module(inputs[i] if inputs is x else inputs) for i, module in enumerate(modules)])
            torch.testing.assert_close(members(inputs), expected, rtol=self.tolerance, atol=self.tolerance)

    def test_buffers_are_each_members_own(self) -> None:
        modules = [normalised() for _ in range(3)]
        means = stack(modules).buffers["1.running_mean"]
        assert not torch.equal(means[0], means[1])
        network = unstack(stack(modules))[1]
        assert isinstance(network[1], nn.BatchNorm1d)
        assert network[1].num_batches_tracked == 1 and network[1].num_batches_tracked.dtype == torch.int64

    def test_no_inputs(self) -> None:
        assert stack([MLP(3, 2, width=4, depth=1)] * 2)(torch.zeros(0, 3)).shape == (2, 0, 2)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh"])
def test_side_by_side_narrow_networks_compute_as_wide_ones(activation: str) -> None:
    narrow = [
        [MLP(3, 2, width=widths, activation=activation).double() for _ in range(2)] for widths in ([4, 7], [6, 1])
    ]
    stacks = [stack(networks) for networks in narrow]
    wide = stack([MLP(3, 2, width=[6, 7], activation=activation).double()])
    members = Stack(wide.architecture, side_by_side([each.parameters for each in stacks], wide.architecture), {})
    inputs = torch.randn(20, 3).double()
    outputs = members(inputs)
    for member, network in enumerate(network for networks in narrow for network in networks):
        # ten units of size about 1: a few roundings of eps
        torch.testing.assert_close(outputs[member], network(inputs), rtol=0, atol=1e-14)
        for name, parameter in network.named_parameters():
            assert corner(members.parameters[name][member], parameter.shape).equal(parameter)
            assert members.parameters[name][member].count_nonzero() == parameter.count_nonzero()


class TestErrors:
    @pytest.mark.parametrize(
        "other",
        [
            lambda: MLP(3, 2, width=[5, 3]),
            lambda: MLP(3, 2, width=5, depth=3),
            lambda: MLP(3, 1, width=5, depth=2),
            lambda: MLP(2, 2, width=5, depth=2),
            lambda: MLP(3, 2, width=5, depth=2, activation="tanh"),
            lambda: MLP(3, 2, width=5, depth=2, dtype=torch.float64),
            lambda: SoftmaxClassifier(3, 2, width=5, depth=2),
            lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2)),
        ],
    )
    def test_different_architectures(self, other: Callable[[], nn.Module]) -> None:
        module, odd = MLP(3, 2, width=5, depth=2), other()
        with pytest.raises(ValueError, match="must have one architecture, but member 2 is") as error:
            stack([module, copy.deepcopy(module), odd])
        assert repr(module) in str(error.value) and repr(odd) in str(error.value)

    def test_same_values_of_another_kind(self) -> None:
        relu, tanh = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        with pytest.raises(ValueError, match="must have one architecture"):
            stack([relu, tanh])

    def test_sizes_that_are_not_printed(self) -> None:
        assert repr(Positions(2)) == repr(Positions(1))
        with pytest.raises(ValueError, match="must have one architecture"):
            stack([Positions(2), Positions(1)])

    def test_tied_or_not(self) -> None:
        for modules in ([Tied(True), Tied(False)], [Tied(False), Tied(True)]):
            with pytest.raises(ValueError, match="must have one architecture"):
                stack(modules)

    def test_different_modes(self) -> None:
        evaluated, trained = normalised(), normalised()
        trained[1].train()
        message = "must have one mode, but 1 of member 2 has training, and of member 0 evaluation"
        with pytest.raises(ValueError, match=message):
            stack([evaluated, evaluated, trained])
        with pytest.raises(ValueError, match="but the network of member 1 has evaluation, and of member 0 training"):
            stack([normalised().train(), evaluated])

    def test_different_devices(self) -> None:
        here, elsewhere = MLP(3, 2, width=5, depth=1), MLP(3, 2, width=5, depth=1).to("meta")
        name = next(name for name, _ in here.named_parameters())
        with pytest.raises(ValueError, match=f"one device, but {name} of member 1 has meta, and of member 0 cpu"):
            stack([here, elsewhere])

    def test_no_module(self) -> None:
        with pytest.raises(ValueError, match="a stack needs at least one module, got none"):
            stack([])
