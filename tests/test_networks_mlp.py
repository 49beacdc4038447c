import copy
import io
import itertools
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from networks import with_values
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from dlcourse.networks import MLP, HiddenLayers, num_parameters, stack

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def sequential(in_features: int, widths: list[int], out_features: int, activation: str) -> nn.Sequential:
    """The same network as one writes it in torch."""
    parts: list[nn.Module] = []
    sizes = [in_features, *widths]
    for n_in, n_out in itertools.pairwise(sizes):
        parts += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*parts, nn.Linear(sizes[-1], out_features))


class TestHandWorked:
    def test_depth_0_is_affine(self) -> None:
        network = with_values(MLP(2, 1, width=7, depth=0), [2, -1], [3])
        # 2 * 1 - 4 + 3 = 1;  -2 * 5 - 0.5 + 3 = -7.5: nothing is cut off
        assert network(torch.tensor([[1, 4], [-5, 0.5]], dtype=torch.float64)).tolist() == [[1], [-7.5]]

    def test_depth_1_is_the_tent_of_the_lecture(self) -> None:
        # max(0, x) - max(0, 2 x - 2): the tent over [0, 2] with its tip at (1, 1)
        network = with_values(MLP(1, 1, width=2, depth=1), [1, 2], [0, -2], [1, -1], [0])
        x = torch.tensor([[-1.0], [0.0], [0.25], [1.0], [1.5], [2.0], [4.0]]).double()
        assert network(x).flatten().tolist() == [0, 0, 0.25, 1, 0.5, 0, -2]

    def test_depth_2_with_a_width_for_each_layer(self) -> None:
        network = with_values(
            MLP(2, 2, width=[2, 3]),
            [[1, -2], [0, 1]],
            [1, -1],
            [[1, 1], [1, -1], [-1, 0]],
            [0, -1, 2],
            [[1, 2, 3], [0, -1, 1]],
            [-1, 0.5],
        )
        # x = (3, 1): h[1] = max(0, (3-2+1, 1-1)) = (2, 0);  h[2] = max(0, (2+0, 2-0-1, -2+2)) = (2, 1, 0);
        #             y = (2+2+0-1, 0-1+0+1/2) = (3, -1/2)
        # x = (0, 2): h[1] = max(0, (-4+1, 2-1)) = (0, 1);    h[2] = max(0, (1, -1-1, 2)) = (1, 0, 2);
        #             y = (1+0+6-1, 0-0+2+1/2) = (6, 5/2)
        assert network(torch.tensor([[3.0, 1.0], [0.0, 2.0]]).double()).tolist() == [[3, -0.5], [6, 2.5]]

    def test_sigmoid(self) -> None:
        # sigmoid(ln 3) = 3/4, sigmoid(-ln 3) = 1/4, sigmoid(0) = 1/2. x = 1:
        # h[1] = (3/4, 1/4);  h[2] = sigmoid((3/4 + 1/4) ln 3 - 2 ln 3) = sigmoid(-ln 3) = 1/4;  y = 8/4 + 1 = 3
        ln3 = math.log(3)
        network = with_values(
            MLP(1, 1, width=[2, 1], activation="sigmoid"), [ln3, -ln3], [0, 0], [ln3, ln3], [-2 * ln3], [8], [1]
        )
        y = network(torch.tensor([[1.0], [0.0]]).double())
        # x = 0: h[1] = (1/2, 1/2), the same sum
        torch.testing.assert_close(y, torch.tensor([[3.0], [3.0]]).double(), rtol=1e-15, atol=0)

    def test_tanh(self) -> None:
        # tanh(ln 2) = 3/5, tanh(ln 3) = 4/5. x = 1:
        # h[1] = 3/5;  h[2] = tanh(5/3 ln 3 * 3/5) = 4/5;  y = 10 * 4/5 - 1 = 7
        network = with_values(
            MLP(1, 1, width=1, depth=2, activation="tanh"), [math.log(2)], [0], [5 / 3 * math.log(3)], [0], [10], [-1]
        )
        y = network(torch.tensor([[1.0], [-1.0], [0.0]]).double())
        torch.testing.assert_close(y, torch.tensor([[7.0], [-9.0], [-1.0]]).double(), rtol=1e-15, atol=0)

    def test_skip_connections_where_sizes_agree(self) -> None:
        network = with_values(
            MLP(2, 1, width=[2, 3, 3], skip=True),
            [[1, 1], [0, -1]], [0, 0],
            [[1, 0], [0, 1], [1, 1]], [0, -3, -5],
            [[-1, 0, 0], [0, 2, 0], [1, 0, 1]], [0, 1, -10],
            [1, 1, 1], [0],
        )  # fmt: skip
        # x = (1, 2): h[1] = (1, 2) + max(0, (3, -2)) = (4, 2);  h[2] = max(0, (4, 2 - 3, 6 - 5)) = (4, 0, 1);
        #             h[3] = (4, 0, 1) + max(0, (-4, 1, 4 + 1 - 10)) = (4, 1, 1)
        assert network.hidden.skips == [True, False, True]
        assert network(torch.tensor([1.0, 2.0]).double()).tolist() == [6]
        assert "skip=True" in repr(network)

    def test_hidden_layers_alone(self) -> None:
        x = torch.randn(4, 3)
        nothing = HiddenLayers(3, width=5, depth=0)
        assert nothing.out_features == 3 and nothing(x) is x and not list(nothing.parameters())
        network = with_values(HiddenLayers(2, width=[2, 1]), [[1, 0], [0, -1]], [0, 0], [1, 1], [-1])
        assert network.out_features == 1
        # h[1] = (max(0, 3), max(0, -(-2))) = (3, 2);  h[2] = max(0, 3 + 2 - 1): the last layer is activated, too
        assert network(torch.tensor([[3.0, -2.0], [0.5, 1.0]]).double()).tolist() == [[4], [0]]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [[], [4], [5, 3], [2, 7, 4], [6] * 6])
def test_same_seed_same_bits_as_sequential(activation: str, widths: list[int]) -> None:
    torch.manual_seed(5)
    network = MLP(3, 2, width=widths, activation=activation)
    torch.manual_seed(5)
    expected = sequential(3, widths, 2, activation)
    for parameter, other in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(parameter, other)
    for shape in [(3,), (11, 3), (2, 5, 3), (0, 3)]:
        x = torch.randn(shape)
        assert torch.equal(network(x), expected(x))

    given = MLP(3, 2, width=widths, activation=activation, generator=torch.Generator().manual_seed(5))
    assert all(map(torch.equal, given.parameters(), expected.parameters()))


def test_skip_connections_take_no_random_numbers_and_where_no_sizes_agree_they_change_nothing() -> None:
    x = torch.randn(5, 2)
    for widths in ([2, 2], [3, 4]):
        plain, skipping = (
            MLP(2, 1, width=widths, skip=skip, generator=torch.Generator().manual_seed(0)) for skip in (False, True)
        )
        assert all(map(torch.equal, plain.parameters(), skipping.parameters()))
        assert torch.equal(plain(x), skipping(x)) == (widths == [3, 4])
        assert (repr(plain) == repr(skipping)) == (widths == [3, 4])
    with pytest.raises(ValueError, match="one architecture"):
        stack([MLP(2, 1, width=2, depth=1), MLP(2, 1, width=2, depth=1, skip=True)])


def test_one_width_for_all_layers() -> None:
    torch.manual_seed(0)
    network = MLP(2, 1, width=5, depth=3)
    torch.manual_seed(0)
    assert all(map(torch.equal, network.parameters(), MLP(2, 1, width=(5, 5, 5), depth=3).parameters()))
    assert [tuple(parameter.shape) for parameter in network.parameters()] == [
        *[(5, 2), (5,), (5, 5), (5,), (5, 5), (5,)],
        *[(1, 5), (1,)],
    ]


def test_device_and_dtype() -> None:
    network = MLP(2, 1, width=3, depth=1, dtype=torch.float64)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float64}
    network = MLP(2, 1, width=3, depth=1, device="meta")
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


class TestNumParameters:
    # Prince, Understanding Deep Learning, section 4.5, counts 471 and 10,801. The others by hand:
    # 20 + 110 + 110 + 11;  9 + 20 + 24;  an affine function of five numbers;  the widest shallow net of 3 inputs
    @pytest.mark.parametrize(
        ("network", "expected"),
        [
            (lambda: MLP(1, 1, width=10, depth=5), 471),
            (lambda: MLP(10, 1, width=50, depth=5), 10_801),
            (lambda: MLP(1, 1, width=10, depth=3), 251),
            (lambda: MLP(2, 4, width=[3, 5]), 53),
            (lambda: MLP(5, 1, width=9, depth=0), 6),
            (lambda: MLP(3, 2, width=1000, depth=1), 6002),
        ],
    )
    def test_counts(self, network: Callable[[], nn.Module], expected: int) -> None:
        assert num_parameters(network()) == expected

    def test_counts_what_is_trained(self) -> None:
        network = MLP(2, 4, width=[3, 5])
        network.hidden.layers[0].requires_grad_(False)
        assert num_parameters(network) == 53 - 9
        assert num_parameters(nn.BatchNorm1d(4)) == 8  # weights and biases, without the running statistics


class TestErrors:
    @pytest.mark.parametrize(
        ("sizes", "options", "message"),
        [
            ((0, 1), {"width": 3, "depth": 1}, "in_features must be at least 1, got 0"),
            ((1, -2), {"width": 3, "depth": 1}, "out_features must be at least 1, got -2"),
            ((1, 1), {"width": 0, "depth": 2}, "width must be at least 1, got 0"),
            ((1, 1), {"width": -8, "depth": 0}, "width must be at least 1, got -8"),
            ((1, 1), {"width": [3, 0, 3]}, "width must be at least 1 in every layer, got [3, 0, 3]"),
            ((1, 1), {"width": 3, "depth": -1}, "depth must be at least 0, got -1"),
            ((1, 1), {"width": 3}, "depth must be at least 0, got None"),
            ((1, 1), {"width": [3, 4], "depth": 3}, "depth must be the number of widths, 2 for [3, 4], got 3"),
            (
                (1, 1),
                {"width": 3, "depth": 1, "activation": "gelu"},
                "activation must be one of relu, leaky_relu, sigmoid, tanh, got gelu",
            ),
            (
                (1, 1),
                {"width": 3, "depth": 1, "initialization": "zeros"},
                "initialization must be one of torch, he, xavier, truncated, got zeros",
            ),
        ],
    )
    def test_name_the_field_the_value_and_what_is_allowed(
        self, sizes: tuple[int, int], options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError) as error:
            MLP(*sizes, **options)
        assert str(error.value) == message

    def test_skip_is_true_or_false(self) -> None:
        with pytest.raises(TypeError, match="skip must be true or false, got 1"):
            MLP(1, 1, width=2, depth=1, skip=1)  # type: ignore[arg-type]

    def test_options_have_names(self) -> None:
        with pytest.raises(TypeError):
            MLP(1, 1, 3, 2)  # type: ignore[misc]


@pytest.fixture(params=ACTIVATIONS)
def network(request: pytest.FixtureRequest) -> MLP:
    return MLP(2, 3, width=[4, 5], activation=request.param)


@pytest.mark.slow
def test_skip_connections_compile_export_and_are_traced() -> None:
    network, x = MLP(4, 3, width=4, depth=2, skip=True), torch.randn(6, 4)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x))
    program = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    torch.testing.assert_close(program.module()(x[:5]), network(x[:5]))
    assert torch.equal(torch.fx.symbolic_trace(network)(x), network(x))
    assert torch.equal(copy.deepcopy(network)(x), network(x))
    assert torch.equal(pickle.loads(pickle.dumps(network))(x), network(x))


class TestInForeignCode:
    def test_data_loader_and_optimizer(self, network: MLP) -> None:
        expected = sequential(2, [4, 5], 3, str(network.hidden.activation))
        for parameter, other in zip(network.parameters(), expected.parameters(), strict=True):
            other.data.copy_(parameter.data)
        inputs = torch.randn(60, 2)
        data = DataLoader(TensorDataset(inputs, torch.stack([inputs[:, 0], inputs[:, 1], inputs.sum(1)], 1)), 20)
        losses: dict[nn.Module, list[float]] = {network: [], expected: []}
        for each in losses:
            optimizer = torch.optim.Adam(each.parameters(), lr=0.01)
            for _ in range(20):
                for x, y in data:
                    optimizer.zero_grad()
                    loss = nn.functional.mse_loss(each(x), y)
                    loss.backward()
                    optimizer.step()
                    losses[each].append(loss.item())
        assert losses[network] == losses[expected]  # what torch's own network does, bit for bit
        assert losses[network][-1] < losses[network][0]

    def test_state_dict(self, network: MLP) -> None:
        assert list(network.state_dict()) == [
            *["hidden.layers.0.weight", "hidden.layers.0.bias", "hidden.layers.1.weight", "hidden.layers.1.bias"],
            *["output.weight", "output.bias"],
        ]
        file = io.BytesIO()
        torch.save(network.state_dict(), file)
        file.seek(0)
        other = MLP(2, 3, width=[4, 5], activation=network.hidden.activation)
        x = torch.randn(6, 2)
        assert not torch.equal(other(x), network(x))
        other.load_state_dict(torch.load(file))
        assert torch.equal(other(x), network(x))

    def test_to_float64(self, network: MLP) -> None:
        x = torch.randn(6, 2)
        rounded = network(x)
        exact = network.to(torch.float64)(x.double())
        assert exact.dtype == torch.float64
        # outputs below 3, three layers of at most 6 roundings each
        assert (rounded.double() - exact).abs().max() <= 3 * 18 * torch.finfo(torch.float32).eps

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
    def test_copies_are_independent(self, network: MLP, copied: Callable[[MLP], MLP]) -> None:
        x = torch.randn(6, 2)
        before = network(x)
        other = copied(network)
        assert torch.equal(other(x), before)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        assert not other(x).any()
        assert torch.equal(network(x), before)

    def test_functional_call(self, network: MLP) -> None:
        values = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
        values["output.bias"] = torch.tensor([1.0, 2.0, 3.0])
        outputs = torch.func.functional_call(network, values, (torch.randn(2, 2),))
        assert outputs.tolist() == [[1, 2, 3], [1, 2, 3]]

    def test_compile(self, network: MLP) -> None:
        x = torch.randn(6, 2)
        expected = torch.autograd.grad(network(x).square().sum(), list(network.parameters()))
        compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), network(x))
        gradients = torch.autograd.grad(compiled(x).square().sum(), list(network.parameters()))
        torch.testing.assert_close(gradients, expected)

    def test_export(self, network: MLP) -> None:
        any_number = {0: torch.export.Dim.DYNAMIC}
        program = torch.export.export(network, (torch.randn(4, 2),), dynamic_shapes=(any_number,))
        x = torch.randn(9, 2)
        torch.testing.assert_close(program.module()(x), network(x))

    def test_symbolic_trace(self, network: MLP) -> None:
        traced = torch.fx.symbolic_trace(network)
        x = torch.randn(6, 2)
        assert torch.equal(traced(x), network(x))
        called = [node.target for node in traced.graph.nodes if node.op == "call_module"]
        assert called == ["hidden.layers.0", "hidden.layers.1", "output"]

    def test_inside_another_module(self, network: MLP) -> None:
        whole = nn.Sequential(nn.LayerNorm(2), network, nn.Softplus())
        x = torch.randn(6, 2)
        assert torch.equal(whole(x), nn.functional.softplus(network(nn.functional.layer_norm(x, (2,)))))

    def test_vmap_of_gradients(self, network: MLP) -> None:
        def outputs(values: dict[str, Tensor], x: Tensor) -> Tensor:
            return torch.func.functional_call(network, values, (x,)).sum()

        x = torch.randn(6, 2)
        values = {name: value.detach() for name, value in network.named_parameters()}
        each = torch.func.vmap(torch.func.grad(outputs), in_dims=(None, 0))(values, x)
        network(x).sum().backward()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(each[name].sum(0), parameter.grad)


def test_repr_names_sizes_and_activation() -> None:
    text = repr(MLP(2, 3, width=4, depth=1, activation="tanh"))
    assert "activation=tanh" in text and "in_features=2, out_features=4" in text and "out_features=3" in text
