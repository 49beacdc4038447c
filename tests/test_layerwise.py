import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from marks import slow_except
from networks import hand_worked, targets_for, with_values
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap

from dlcourse.layerwise import (
    LayerwiseGradient,
    Outputs,
    in_company,
    is_layered,
    jacobians,
    layer_names,
    layers,
    outputs,
)
from dlcourse.layerwise.flat import Flat
from dlcourse.losses import Hinge, Loss, SoftmaxCrossEntropy, SquaredError
from dlcourse.networks import MLP, Activation, SoftmaxClassifier, Stack, stack, unstack

LOSSES: list[Loss] = [SquaredError(), SoftmaxCrossEntropy(), Hinge()]
DEPTHS = range(7)
TOLERANCE = 1e-12  # of a tensor's norm, in float64


def make(
    num: int, in_features: int, out_features: int, widths: list[int], activation: Activation | str = "relu"
) -> list[nn.Module]:
    """Members with random values in float64; every other test gets by with MLPs, see test_classifiers."""
    return [MLP(in_features, out_features, width=widths, activation=activation).double() for _ in range(num)]


def put_on_kinks_(modules: list[nn.Module]) -> None:
    """Rounds the hidden layers' weights and biases to -1, 0, +1 times a power of two a layer.

    With small integers as inputs their sums are exact in any order, and many pre-activations are exactly zero.
    """
    with torch.no_grad():
        for layer in (layer for module in modules for layer in module.hidden.layers):
            size = 0.5 ** round(math.log2(layer.in_features) / 2)
            layer.weight.copy_(size * torch.randint(-1, 2, layer.weight.shape))
            layer.bias.copy_(size * torch.randint(-1, 2, layer.bias.shape))


def swept(
    modules: list[nn.Module], inputs: Tensor, targets: Tensor, loss: Loss, reduction: str = "sum"
) -> dict[str, Tensor]:
    """The gradients that the code under test computes."""
    gradient = LayerwiseGradient(stack(modules), inputs.shape[1], loss=loss, reduction=reduction)
    gradient.gradient_(inputs, targets)
    return gradient.gradients.views


def by_autograd(module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, reduction: str) -> dict[str, Tensor]:
    parameters = dict(module.named_parameters())
    values = loss(module(inputs), targets)
    total = values.mean() if reduction == "mean" else values.sum()
    return dict(zip(parameters, torch.autograd.grad(total, list(parameters.values())), strict=True))


def assert_gradients(
    modules: list[nn.Module], inputs: Tensor, targets: Tensor, loss: Loss, reduction: str = "sum"
) -> None:
    """Compares each tensor of each member with autograd, to TOLERANCE of its norm."""
    actual = swept(modules, inputs, targets, loss, reduction)
    assert actual.keys() == dict(modules[0].named_parameters()).keys()
    for i, module in enumerate(modules):
        for name, expected in by_autograd(module, inputs[i], targets[i], loss, reduction).items():
            assert actual[name][i].shape == expected.shape
            assert (actual[name][i] - expected).norm() <= TOLERANCE * expected.norm(), name


class TestHandWorked:
    def test_two_layers(self) -> None:
        """y~ = w . max(0, W x + b) + b: all numbers are fractions that floating point holds exactly."""
        module, x, y = hand_worked()
        # W x + b = (1 - 1 + 1/2, 1/2 + 1/2 - 1/2, -1 + 1/4) = (1/2, 1/2, -3/4), so h = (1/2, 1/2, 0), g' = (1, 1, 0)
        # y~ = 3/2 - 2/2 + 0 + 1/4 = 3/4
        hidden, output = layers(module)
        h = hidden.output(x)
        assert h.tolist() == [1 / 2, 1 / 2, 0]
        assert output.output(h).tolist() == [3 / 4]
        # What each layer needs to know, and nothing else:
        assert hidden.by_input(x).tolist() == [[1, -1 / 2], [1 / 2, 1 / 4], [0, 0]]  # diag(g') W
        assert hidden.by_parameters(x).tolist() == [
            [*[1, 2], *[0, 0], *[0, 0], *[1, 0, 0]],  # dh_1 by W row by row, then by b
            [*[0, 0], *[1, 2], *[0, 0], *[0, 1, 0]],
            [*[0, 0], *[0, 0], *[0, 0], *[0, 0, 0]],
        ]
        assert output.by_input(h).tolist() == [[3, -2, 5]]
        assert output.by_parameters(h).tolist() == [[1 / 2, 1 / 2, 0, 1]]
        # dy~/dtheta[1] = dy~/dh dh/dtheta[1]
        first, last = jacobians(module, x)
        assert first.tolist() == [[*[3, 6], *[-2, -4], *[0, 0], *[3, -2, 0]]]
        assert last.tolist() == [[1 / 2, 1 / 2, 0, 1]]
        # L = (3/4 - 1/2)^2, so dL/dy~ = 2 (y~ - y) = 1/2 times all of these
        gradients = swept([module], x.view(1, 1, 2), y.view(1, 1, 1), SquaredError())
        assert {name: gradient[0].tolist() for name, gradient in gradients.items()} == {
            "hidden.layers.0.weight": [[3 / 2, 3], [-1, -2], [0, 0]],
            "hidden.layers.0.bias": [3 / 2, -1, 0],
            "output.weight": [[1 / 4, 1 / 4, 0]],
            "output.bias": [1 / 2],
        }

    def test_three_layers_of_one_sigmoid(self) -> None:
        ln3 = math.log(3)
        module = with_values(MLP(1, 1, width=1, depth=2, activation="sigmoid"), ln3, 0, 4 / 3 * ln3, 0, 8, -1)
        # x = 1: h[1] = sigmoid(ln 3) = 3/4, h[2] = sigmoid(4/3 ln 3 * 3/4) = 3/4, y~ = 8 * 3/4 - 1 = 5; both g' = 3/16
        # dy~/dtheta[2] = 8 * 3/16 (h[1], 1) = (9/8, 3/2);  dh[2]/dh[1] = 3/16 * 4/3 ln 3 = ln 3 / 4
        # dy~/dtheta[1] = 8 * ln 3 / 4 * 3/16 (x, 1) = 3/8 ln 3 (1, 1)
        expected = [[3 / 8 * ln3, 3 / 8 * ln3], [9 / 8, 3 / 2], [3 / 4, 1]]
        for jacobian, numbers in zip(jacobians(module, torch.ones(1).double()), expected, strict=True):
            assert jacobian.flatten().tolist() == pytest.approx(numbers, rel=1e-14)
        # two items, both x = 1, with y = 4 and y = 3: dL/dy~ = 2 * 1 + 2 * 2 = 6, the mean is 3
        for reduction, factor in (("sum", 6), ("mean", 3)):
            targets = torch.tensor([4.0, 3.0]).double().view(1, 2, 1)
            gradients = swept([module], torch.ones(1, 2, 1).double(), targets, SquaredError(), reduction)
            for gradient, number in zip(gradients.values(), itertools.chain(*expected), strict=True):
                assert gradient.item() == pytest.approx(factor * number, rel=1e-14)

    def test_skip_connections(self) -> None:
        """Two layers of 2 units on 2 inputs, h[i] = h[i-1] + max(0, W h[i-1] + b); units 2 and 1 are off."""
        module = with_values(
            MLP(2, 1, width=2, depth=2, skip=True),
            [[1, 1], [0, -1]], [0, 0], [[-1, 0], [2, 1]], [1, 0], [1, 2], [3],
        )  # fmt: skip
        x, y = torch.tensor([1.0, 2.0]).double(), torch.tensor([24.0]).double()
        # h[1] = (1, 2) + max(0, (3, -2)) = (4, 2);  h[2] = (4, 2) + max(0, (-3, 10)) = (4, 12);  y~ = 4 + 24 + 3 = 31
        first, second, output = layers(module)
        assert first.output(x).tolist() == [4, 2]
        assert second.output(first.output(x)).tolist() == [4, 12]
        assert output.output(second.output(first.output(x))).tolist() == [31]
        # I + diag(g') W: the unit that is off passes its input on all the same.
        assert first.by_input(x).tolist() == [[2, 1], [0, 1]]
        assert second.by_input(first.output(x)).tolist() == [[1, 0], [2, 2]]
        assert first.by_parameters(x).tolist() == [[1, 2, 0, 0, 1, 0], [0] * 6]
        # dy~/dh[1] = (1, 2) (I + diag(g') W) = (5, 4), so dy~/dtheta[1] = 5 times the first row
        assert [each.tolist() for each in jacobians(module, x)] == [
            [[5, 10, 0, 0, 5, 0]],
            [[0, 0, 8, 4, 0, 2]],
            [[4, 12, 1]],
        ]
        # dL/dy~ = 2 (31 - 24) = 14 times all of these
        gradients = swept([module], x.view(1, 1, 2), y.view(1, 1, 1), SquaredError())
        assert [gradient[0].tolist() for gradient in gradients.values()] == [
            [[70, 140], [0, 0]], [70, 0], [[0, 0], [112, 56]], [0, 28], [[56, 168]], [14],
        ]  # fmt: skip

    def test_softmax_layer(self) -> None:
        """dL/dw_r = (p_r - y_r) h and dL/db_r = p_r - y_r, as shared by all bodies."""
        classifier = with_values(
            SoftmaxClassifier(2, 3, width=1, depth=0), [[0, 0], [0, 0], [0, 0]], [0, math.log(2), math.log(5)]
        )
        # p = (1, 2, 5) / 8, y = (0, 1, 0), h = (4, -2)
        inputs, targets = torch.tensor([[[4.0, -2.0]]]).double(), torch.tensor([[[0.0, 1.0, 0.0]]]).double()
        gradients = swept([classifier], inputs, targets, SoftmaxCrossEntropy())
        expected = torch.tensor([[1 / 2, -1 / 4], [-3, 3 / 2], [5 / 2, -5 / 4]], dtype=torch.float64)
        torch.testing.assert_close(gradients["softmax.weight"][0], expected, rtol=1e-15, atol=0)
        expected = torch.tensor([1 / 8, -3 / 4, 5 / 8], dtype=torch.float64)
        torch.testing.assert_close(gradients["softmax.bias"][0], expected, rtol=1e-15, atol=0)


class TestJacobians:
    @staticmethod
    def assert_jacobians(module: nn.Module, x: Tensor) -> None:
        values = {name: value.detach() for name, value in module.named_parameters()}
        each = jacrev(lambda values: functional_call(module, values, (x,)))(values)
        num_outputs = len(module(x))
        flat = [jacobian.reshape(num_outputs, -1) for jacobian in each.values()]
        actual = jacobians(module, x)
        assert len(actual) == len(flat) / 2
        for jacobian, by_weight, by_bias in zip(actual, flat[::2], flat[1::2], strict=True):
            expected = torch.cat([by_weight, by_bias], dim=1)
            assert jacobian.shape == expected.shape
            assert (jacobian - expected).norm() <= TOLERANCE * expected.norm()

    @pytest.mark.parametrize("depth", slow_except(DEPTHS, 0, 1, 3))
    @pytest.mark.parametrize("activation", list(Activation))
    def test_against_jacrev(self, activation: Activation, depth: int) -> None:
        module = MLP(3, 2, width=[4, 7, 2, 5, 3, 6][:depth], activation=activation).double()
        self.assert_jacobians(module, torch.randn(3).double())
        classifier = SoftmaxClassifier(3, 4, width=5, depth=depth, activation=activation).double()
        self.assert_jacobians(classifier, torch.randn(3).double())

    @given(st.sampled_from(Activation), st.lists(st.integers(1, 12), max_size=6), st.integers(1, 5), st.integers(1, 5))
    def test_any_shape(self, activation: Activation, widths: list[int], in_features: int, out_features: int) -> None:
        [module] = make(1, in_features, out_features, widths, activation)
        self.assert_jacobians(module, torch.randn(in_features).double())
        if activation is Activation.relu:
            put_on_kinks_([module])
            self.assert_jacobians(module, torch.randint(-2, 3, (in_features,)).double())

    def test_no_graph_is_left(self) -> None:
        [module] = make(1, 2, 1, [3])
        assert not any(jacobian.requires_grad for jacobian in jacobians(module, torch.ones(2).double()))
        assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())


class TestGradients:
    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("depth", slow_except(DEPTHS, 0, 1, 3))
    @pytest.mark.parametrize("activation", list(Activation))
    def test_against_autograd(self, activation: Activation, depth: int, loss: Loss) -> None:
        for in_features, out_features, widths in [(3, 2, [5, 4, 17, 3, 6, 8]), (1, 1, [9, 1, 4, 16, 2, 5])]:
            modules = make(3, in_features, out_features, widths[:depth], activation)
            inputs = torch.randn(3, 11, in_features).double()
            targets = targets_for(loss, 3, 11, out_features)
            for reduction in ("mean", "sum"):
                assert_gradients(modules, inputs, targets, loss, reduction)

    @pytest.mark.slow
    @given(
        loss=st.sampled_from(LOSSES),
        activation=st.sampled_from(Activation),
        widths=st.lists(st.integers(1, 40), max_size=6),
        num_members=st.integers(1, 5),
        batch_size=st.integers(1, 17),
        in_features=st.integers(1, 5),
        out_features=st.integers(1, 5),
        mean=st.booleans(),
        on_kinks=st.booleans(),
    )
    def test_any_shape(
        self,
        loss: Loss,
        activation: Activation,
        widths: list[int],
        num_members: int,
        batch_size: int,
        in_features: int,
        out_features: int,
        mean: bool,
        on_kinks: bool,
    ) -> None:
        modules = make(num_members, in_features, out_features, widths, activation)
        inputs = torch.randn(num_members, batch_size, in_features).double()
        targets = targets_for(loss, num_members, batch_size, out_features)
        if on_kinks and activation is Activation.relu:
            put_on_kinks_(modules)
            inputs = inputs.round()
        actual = swept(modules, inputs, targets, loss, "mean" if mean else "sum")

        def item_loss(values: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return loss(functional_call(modules[0], values, (x[None],)), y[None]).sum()

        each_item = vmap(vmap(grad(item_loss), in_dims=(None, 0, 0)))(stack(modules).parameters, inputs, targets)
        for name, gradients in each_item.items():
            expected = gradients.sum(1) / (batch_size if mean else 1)
            # The items' gradients may cancel (those of the hinge even exactly), so the norm is that of the terms.
            norms = gradients.flatten(2).norm(dim=2).sum(1) / (batch_size if mean else 1)
            distances = (actual[name] - expected).flatten(1).norm(dim=1)
            assert (distances <= TOLERANCE * norms).all(), name

    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("depth", [0, 1, 4])
    def test_classifiers(self, depth: int, loss: Loss) -> None:
        for activation in Activation:
            modules: list[nn.Module] = [
                SoftmaxClassifier(3, 4, width=6, depth=depth, activation=activation).double() for _ in range(2)
            ]
            assert_gradients(modules, torch.randn(2, 7, 3).double(), targets_for(loss, 2, 7, 4), loss)

    @pytest.mark.parametrize("activation", list(Activation))
    @pytest.mark.parametrize("loss", LOSSES)
    def test_float32(self, activation: Activation, loss: Loss) -> None:
        """At worst every term of every sum is rounded, forwards and backwards, and all errors point one way."""
        depth, width, batch_size = 3, 20, 16
        num_roundings = 2 * (depth + 1) * width + batch_size
        modules = [MLP(2, 3, width=width, depth=depth, activation=activation) for _ in range(3)]
        inputs, targets = torch.randn(3, batch_size, 2), targets_for(loss, 3, batch_size, 3)
        actual = swept(modules, inputs, targets.float(), loss)
        for i, module in enumerate(modules):
            for name, expected in by_autograd(module.double(), inputs[i].double(), targets[i], loss, "sum").items():
                assert actual[name].dtype == torch.float32
                tolerance = num_roundings * torch.finfo(torch.float32).eps
                assert (actual[name][i].double() - expected).norm() <= tolerance * expected.norm()

    def test_finite_differences(self) -> None:
        """An oracle without any rule of differentiation: the loss itself, a step to either side."""
        modules = make(2, 2, 2, [4, 3], "tanh")
        inputs, targets = torch.randn(2, 5, 2).double(), torch.randn(2, 5, 2).double()
        gradients = swept(modules, inputs, targets, SquaredError())
        members, step = stack(modules), 1e-5
        for name, gradient in gradients.items():
            direction = torch.randn_like(gradient)
            higher, lower = (
                SquaredError()(
                    Stack(
                        members.architecture,
                        {**members.parameters, name: members.parameters[name] + sign * step * direction},
                        {},
                    )(inputs),
                    targets,
                ).sum(1)
                for sign in (1, -1)
            )
            slopes = (gradient * direction).flatten(1).sum(1)
            torch.testing.assert_close((higher - lower) / (2 * step), slopes, rtol=1e-7, atol=1e-7)


# Inputs and widths: all layers add their input, some do, one of a single unit does, none does.
SKIPPED = [(3, [3, 3, 3]), (2, [5, 5, 4, 4, 1, 1]), (1, [1, 17, 17]), (1, [1]), (2, [3])]


class TestSkipConnections:
    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("activation", list(Activation))
    def test_gradients_are_autograds(self, activation: Activation, loss: Loss) -> None:
        for in_features, widths in SKIPPED:
            modules: list[nn.Module] = [
                MLP(in_features, 2, width=widths, activation=activation, skip=True).double() for _ in range(3)
            ]
            assert_gradients(modules, torch.randn(3, 9, in_features).double(), targets_for(loss, 3, 9, 2), loss, "mean")

    @pytest.mark.parametrize("activation", list(Activation))
    def test_jacobians_are_autograds(self, activation: Activation) -> None:
        for in_features, widths in SKIPPED:
            for kind in (MLP, SoftmaxClassifier):
                module = kind(in_features, 2, width=widths, activation=activation, skip=True).double()
                TestJacobians.assert_jacobians(module, torch.randn(in_features).double())

    def test_many_units_at_the_kink(self) -> None:
        modules: list[nn.Module] = [MLP(3, 2, width=3, depth=4, skip=True).double() for _ in range(4)]
        put_on_kinks_(modules)
        inputs = torch.randint(-2, 3, (4, 9, 3)).double()
        assert_gradients(modules, inputs, targets_for(SquaredError(), 4, 9, 2), SquaredError())

    def test_outputs_are_the_modules(self) -> None:
        for activation in Activation:
            for in_features, widths in SKIPPED:
                modules = [MLP(in_features, 2, width=widths, activation=activation, skip=True) for _ in range(3)]
                inputs = torch.randn(300, in_features).double()
                modules = [module.double() for module in modules]
                expected = torch.stack([module(inputs) for module in modules])
                torch.testing.assert_close(outputs(stack(modules), inputs), expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("activation", list(Activation))
    def test_same_bits_alone_and_in_company(self, activation: Activation) -> None:
        for in_features, widths in SKIPPED:
            modules = [MLP(in_features, 2, width=widths, activation=activation, skip=True) for _ in range(5)]
            inputs, targets = torch.randn(5, 7, in_features), torch.randn(5, 7, 2)
            own, company = outputs(stack(modules), inputs), swept(modules, inputs, targets, SquaredError(), "mean")
            for i in (0, 4):
                assert torch.equal(outputs(stack([modules[i]]), inputs[i]), own[i : i + 1])
                lone = in_company(stack([modules[i]]), 7, SquaredError())
                gradient = LayerwiseGradient(lone, 7, loss=SquaredError())
                places = [i] * lone.num_members
                gradient.gradient_(inputs[places], targets[places])
                for name, gradients in company.items():
                    assert torch.equal(gradient.gradients.views[name][0], gradients[i])

    def test_where_no_sizes_agree_nothing_changes(self) -> None:
        inputs, targets = torch.randn(1, 5, 1), torch.randn(1, 5, 1)
        plain, skipping = (
            MLP(1, 1, width=[3, 4], skip=skip, generator=torch.Generator().manual_seed(0)) for skip in (False, True)
        )
        for one, other in zip(
            swept([plain], inputs, targets, SquaredError()).values(),
            swept([skipping], inputs, targets, SquaredError()).values(),
            strict=True,
        ):
            assert torch.equal(one, other)


class TestKinks:
    """torch's convention: the slope of max(0, x) at 0 is 0."""

    def test_all_units_at_the_kink(self) -> None:
        [module] = make(1, 2, 1, [3, 4, 2])
        with torch.no_grad():
            for layer in module.hidden.layers:
                layer.bias.zero_()
            module.output.bias.fill_(0.5)
        inputs, targets = torch.zeros(1, 4, 2).double(), torch.full((1, 4, 1), 2.0).double()
        gradients = swept([module], inputs, targets, SquaredError())
        # y~ = 1/2 whatever the weights; only the last bias moves it: 4 items, 2 (1/2 - 2) each
        assert gradients.pop("output.bias").tolist() == [[-12]]
        assert not any(gradient.any() for gradient in gradients.values())
        assert_gradients([module], inputs, targets, SquaredError())
        assert not any(jacobian.any() for jacobian in jacobians(module, torch.zeros(2).double())[:-1])

    def test_one_unit_at_the_kink(self) -> None:
        module = with_values(MLP(2, 1, width=2, depth=1), [[1, -1], [1, 0]], [0, 0], [[1, 1]], [0])
        # x = (3, 3): W x + b = (0, 3), y~ = 3; y = 2: dL/dy~ = 2, and only the second unit passes it on
        gradients = swept(
            [module], torch.full((1, 1, 2), 3.0).double(), torch.tensor([[[2.0]]]).double(), SquaredError()
        )
        assert gradients["hidden.layers.0.weight"].tolist() == [[[0, 0], [6, 6]]]
        assert gradients["hidden.layers.0.bias"].tolist() == [[0, 2]]
        assert gradients["output.weight"].tolist() == [[[0, 6]]]

    def test_dead_units(self) -> None:
        modules = make(3, 3, 2, [6, 5])
        with torch.no_grad():
            modules[0].hidden.layers[0].bias[:4] = -100
            modules[1].hidden.layers[1].bias[:] = -100  # a dead layer: nothing before it is reached
        inputs, targets = torch.randn(3, 9, 3).double(), torch.randn(3, 9, 2).double()
        assert_gradients(modules, inputs, targets, SquaredError())
        gradients = swept(modules, inputs, targets, SquaredError())
        weight, bias = gradients["hidden.layers.0.weight"], gradients["hidden.layers.0.bias"]
        assert not weight[0, :4].any() and not bias[0, :4].any() and weight[0, 4:].any()
        assert not weight[1].any() and not bias[1].any() and gradients["output.bias"][1].any()

    @pytest.mark.parametrize("depth", DEPTHS)
    def test_many_units_at_the_kink(self, depth: int) -> None:
        modules = make(4, 3, 2, [7] * depth)
        put_on_kinks_(modules)
        inputs = torch.randint(-2, 3, (4, 9, 3)).double()
        met = 0
        for module, h in zip(modules, inputs, strict=True):
            for layer in module.hidden.layers:
                met += int((layer(h) == 0).sum())
                h = torch.relu(layer(h))
        assert met >= 10 * depth
        for loss in LOSSES:
            assert_gradients(modules, inputs, targets_for(loss, 4, 9, 2), loss)

    def test_hinge_at_its_kink(self) -> None:
        module = with_values(MLP(1, 1, width=1, depth=0), [[1]], [0])
        inputs = torch.tensor([1.0, -1.0, 0.5, 3.0]).double().view(1, 4, 1)
        targets = torch.tensor([1.0, -1.0, 1.0, 1.0]).double().view(1, 4, 1)
        # Margins 1, 1, 1/2, 3: only the third item counts, with -y x and -y.
        gradients = swept([module], inputs, targets, Hinge())
        assert gradients["output.weight"].tolist() == [[[-0.5]]] and gradients["output.bias"].tolist() == [[-1]]


class Shifted(MLP):
    """An MLP that computes something else."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 100


def filling(flat: Flat) -> Tensor:
    """Where the vector holds nothing that belongs to a tensor."""
    marked = flat.zeros_like()
    for view in marked.views.values():
        view.fill_(1)
    return marked.vector == 0


class TestLayerwiseGradient:
    @pytest.mark.parametrize("activation", list(Activation))
    @pytest.mark.parametrize(("in_features", "out_features", "widths"), [(3, 2, [5, 9]), (1, 1, [3]), (2, 1, [1, 17])])
    def test_filling_stays_zero_in_training(
        self, activation: Activation, in_features: int, out_features: int, widths: list[int]
    ) -> None:
        modules = make(3, in_features, out_features, widths, activation)
        inputs = torch.randn(3, 8, in_features).double()
        targets = torch.randn(3, 8, out_features).double()
        gradient = LayerwiseGradient(stack(modules), 8, loss=SquaredError())
        unused = filling(gradient.parameters)
        assert unused.any() and not unused.all()
        for _ in range(30):
            gradient.gradient_(inputs, targets)
            assert not gradient.gradients.vector[unused].any()
            gradient.parameters.vector.add_(gradient.gradients.vector, alpha=-0.05)
        assert not gradient.parameters.vector[unused].any()
        # What the whole vector has gone through is plain gradient descent on each member.
        for i, module in enumerate(modules):
            optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
            for _ in range(30):
                optimizer.zero_grad()
                SquaredError()(module(inputs[i]), targets[i]).mean().backward()
                optimizer.step()
            for name, parameter in module.named_parameters():
                assert (gradient.parameters.views[name][i] - parameter).norm() <= TOLERANCE * parameter.norm()

    @pytest.mark.parametrize("activation", list(Activation))
    def test_nothing_is_left_of_the_call_before(self, activation: Activation) -> None:
        members = stack(make(2, 3, 2, [5, 4], activation))
        gradient = LayerwiseGradient(members, 6, loss=SquaredError())
        batches = [(torch.randn(2, 6, 3).double(), torch.randn(2, 6, 2).double()) for _ in range(2)]
        results = []
        for inputs, targets in [batches[0], batches[0], batches[1], batches[0]]:
            gradient.gradient_(inputs, targets)
            results.append(gradient.gradients.vector.clone())
        assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[3])
        assert not torch.equal(results[0], results[2])

    def test_values_are_copied(self) -> None:
        members = stack(make(2, 3, 2, [5]))
        before = {name: values.clone() for name, values in members.parameters.items()}
        gradient = LayerwiseGradient(members, 4)
        assert gradient.parameters.views.keys() == before.keys()
        assert all(torch.equal(gradient.parameters.views[name], values) for name, values in before.items())
        gradient.parameters.vector.fill_(1)
        assert all(torch.equal(members.parameters[name], values) for name, values in before.items())

    def test_changed_values_count_from_the_next_call_on(self) -> None:
        modules = make(2, 3, 2, [5, 4])
        gradient = LayerwiseGradient(stack(make(2, 3, 2, [5, 4])), 4)
        inputs = torch.randn(2, 4, 3).double()
        gradient.forward(inputs)
        for name, values in stack(modules).parameters.items():
            gradient.parameters.views[name].copy_(values)
        expected = torch.stack([module(x) for module, x in zip(modules, inputs, strict=True)])
        torch.testing.assert_close(gradient.forward(inputs), expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("spoilt", [math.nan, math.inf])
    @pytest.mark.parametrize("activation", list(Activation))
    def test_a_diverged_member_leaves_the_others_alone(self, activation: Activation, spoilt: float) -> None:
        modules = [MLP(3, 2, width=[5, 4], activation=activation) for _ in range(3)]
        inputs, targets = torch.randn(3, 6, 3), torch.randn(3, 6, 2)
        expected = {name: values.clone() for name, values in swept(modules, inputs, targets, SquaredError()).items()}
        with torch.no_grad():
            modules[1].hidden.layers[0].weight.fill_(spoilt)
        gradients = swept(modules, inputs, targets, SquaredError())
        for name, values in expected.items():
            assert torch.equal(gradients[name][0], values[0]) and torch.equal(gradients[name][2], values[2])
        assert not torch.equal(gradients["output.weight"][1], expected["output.weight"][1])

    def test_no_autograd_is_involved(self) -> None:
        modules = make(2, 3, 2, [5])
        gradients = swept(modules, torch.randn(2, 4, 3).double(), torch.randn(2, 4, 2).double(), SquaredError())
        assert not any(gradient.requires_grad for gradient in gradients.values())
        assert all(parameter.grad is None for module in modules for parameter in module.parameters())

    def test_errors(self) -> None:
        with pytest.raises(ValueError, match=r"^reduction must be mean or sum, got max$"):
            LayerwiseGradient(stack(make(2, 3, 2, [5])), 4, loss=Hinge(), reduction="max")
        with pytest.raises(TypeError, match="got Linear"):
            LayerwiseGradient(stack([nn.Linear(3, 2), nn.Linear(3, 2)]), 4, loss=Hinge())


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: MLP(3, 2, width=[5, 33, 4]),
    "one input, one output": lambda: MLP(1, 1, width=[17, 3], activation="tanh"),
    "affine": lambda: MLP(3, 2, width=1, depth=0),
    "affine in one number": lambda: MLP(1, 1, width=1, depth=0),
    "classifier": lambda: SoftmaxClassifier(3, 2, width=[8, 1], activation="sigmoid"),
    "subclass": lambda: Shifted(3, 2, width=4, depth=1),
    "foreign": lambda: nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 2)),
}


class TestOutputs:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("num_members", [1, 2, 5])
    @pytest.mark.parametrize("n", [0, 1, 7, 256, 600])
    def test_equal_the_modules(self, name: str, num_members: int, n: int) -> None:
        modules = [NETWORKS[name]().double() for _ in range(num_members)]
        in_features = next(modules[0].parameters()).shape[1]
        inputs = torch.randn(num_members, n, in_features).double()
        with torch.no_grad():
            own = torch.stack([module(x) for module, x in zip(modules, inputs, strict=True)])
            shared = torch.stack([module(inputs[0]) for module in modules])
        for given_inputs, expected in ((inputs, own), (inputs[0], shared)):
            actual = outputs(stack(modules), given_inputs)
            assert actual.shape == expected.shape and not actual.requires_grad
            assert (actual - expected).norm() <= TOLERANCE * expected.norm()

    def test_are_in_memory_of_their_own(self) -> None:
        members, inputs = stack(make(2, 3, 2, [5])), torch.randn(4, 3).double()
        first = outputs(members, inputs)
        kept = first.clone()
        outputs(members, -inputs)
        assert torch.equal(first, kept)
        first.zero_()
        assert torch.equal(outputs(members, inputs), kept)

    @pytest.mark.parametrize("num_members", [1, 3])
    def test_memory_that_is_kept_leaves_no_traces(self, num_members: int) -> None:
        kept = Outputs()
        for n in (300, 7, 300, 256, 7):
            members, inputs = stack(make(num_members, 3, 2, [5, 4])), torch.randn(num_members, n, 3).double()
            first = kept(members, inputs)
            assert torch.equal(first, outputs(members, inputs))
            copied = first.clone()
            kept(members, -inputs)
            assert torch.equal(first, copied)

    @pytest.mark.parametrize("activation", list(Activation))
    @pytest.mark.parametrize("width", slow_except([1, 3, 5, 8, 16, 17, 33], 3))
    def test_same_bits_alone_and_in_company(self, activation: Activation, width: int) -> None:
        sizes = [(1, 2, 1), (1, 1, 3), (3, 1, 1), (3, 5, 2)] + [(0, 1, 1), (0, 5, 2)] * (width == 1)
        for depth, in_features, out_features in sizes:
            modules = [
                MLP(in_features, out_features, width=width, depth=depth, activation=activation) for _ in range(5)
            ]
            company, few = stack(modules), stack([modules[4], modules[3]])
            alone = {i: stack([modules[i]]) for i in (0, 4)}
            for n in (1, 7, 300):
                inputs = torch.randn(5, n, in_features)
                own = outputs(company, inputs)
                shared = outputs(company, inputs[3])
                for i, lone in alone.items():
                    assert torch.equal(outputs(lone, inputs[i]), own[i : i + 1])
                assert torch.equal(outputs(few, inputs[3]), shared[[4, 3]])

    def test_same_bits_on_any_number_of_threads(self) -> None:
        members, inputs = stack([MLP(5, 2, width=64, depth=3) for _ in range(7)]), torch.randn(300, 5)
        expected = outputs(members, inputs)
        assert torch.get_num_threads() == 1  # see conftest.py
        torch.set_num_threads(2)
        try:
            actual = outputs(members, inputs)
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(1)
        assert torch.equal(actual, expected)

    def test_on_a_stack_of_one(self) -> None:
        """A lone member's inputs may come with or without its axis."""
        members, inputs = stack(make(1, 3, 2, [5])), torch.randn(1, 4, 3).double()
        assert torch.equal(outputs(members, inputs), outputs(members, inputs[0]))


@pytest.mark.parametrize("activation", list(Activation))
@pytest.mark.parametrize("width", slow_except([1, 3, 5, 8, 16, 17, 33], 3))
def test_gradients_have_the_same_bits_in_any_company(activation: Activation, width: int) -> None:
    sizes = [(1, 5, 2), (3, 1, 1)] + [(0, 1, 1), (0, 5, 2)] * (width == 1)
    for depth, in_features, out_features in sizes:
        modules = [MLP(in_features, out_features, width=width, depth=depth, activation=activation) for _ in range(7)]
        members = stack(modules)
        for loss, n in itertools.product(LOSSES, (1, 64)):
            inputs, targets = torch.randn(7, n, in_features), targets_for(loss, 7, n, out_features).float()
            company = LayerwiseGradient(members, n, loss=loss)
            company.gradient_(inputs, targets)
            for i in (0, 6):
                lone = in_company(stack([modules[i]]), n, loss)
                gradient, places = LayerwiseGradient(lone, n, loss=loss), [i] * lone.num_members
                gradient.gradient_(inputs[places], targets[places])
                for name, gradients in company.gradients.views.items():
                    for own in gradient.gradients.views[name]:
                        assert torch.equal(own, gradients[i])


class TestLayers:
    def test_names(self) -> None:
        assert layer_names(MLP(2, 1, width=[3, 4], activation="tanh")) == (
            ["hidden.layers.0", "hidden.layers.1", "output"],
            Activation.tanh,
            [False, False, False],
        )
        assert layer_names(MLP(2, 1, width=3, depth=0)) == (["output"], Activation.relu, [False])
        assert layer_names(SoftmaxClassifier(2, 3, width=3, depth=1, activation="sigmoid")) == (
            ["body.layers.0", "softmax"],
            Activation.sigmoid,
            [False, False],
        )

    def test_input_is_added_where_sizes_agree(self) -> None:
        assert layer_names(MLP(2, 4, width=[2, 3, 3, 4], skip=True))[2] == [True, False, True, False, False]
        assert layer_names(SoftmaxClassifier(1, 3, width=[3, 3], skip=True))[2] == [False, True, False]

    @pytest.mark.parametrize("name", ["mlp", "classifier"])
    def test_one_after_another_they_are_the_network(self, name: str) -> None:
        module = NETWORKS[name]().double()
        x = torch.randn(3).double()
        h = x
        for layer in layers(module):
            h = layer.output(h)
        torch.testing.assert_close(h, module(x), rtol=1e-12, atol=1e-12)
        assert [layer.activation for layer in layers(module)][-1] is None

    @pytest.mark.parametrize(
        "module",
        [
            nn.Linear(2, 1),
            nn.Sequential(nn.Linear(2, 1)),
            SoftmaxClassifier(2, 3, body=nn.Linear(2, 4), body_features=4),
            MLP(2, 1, width=3, depth=1).hidden,
            Shifted(2, 1, width=3, depth=1),
        ],
    )
    def test_other_modules_are_refused(self, module: nn.Module) -> None:
        assert not is_layered(module)
        for refusing in (layer_names, layers, lambda module: jacobians(module, torch.ones(2))):
            with pytest.raises(TypeError, match=f"only in an MLP or a SoftmaxClassifier.*got {type(module).__name__}$"):
                refusing(module)

    def test_is_layered(self) -> None:
        assert is_layered(MLP(2, 1, width=3, depth=2)) and is_layered(SoftmaxClassifier(2, 3, width=3, depth=0))
        assert is_layered(stack([MLP(2, 1, width=3, depth=2)]).architecture)


class TestInCompany:
    def test_two_stay_as_they_are(self) -> None:
        two = stack(make(2, 3, 2, [5]))
        assert in_company(two, 4) is two and in_company(two, 4, SquaredError()) is two

    @pytest.mark.parametrize("loss", [None, SquaredError()])
    def test_one_gets_a_copy_where_it_is_rounded_otherwise_alone(
        self, loss: SquaredError | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on a machine whose products of one matrix have other bits than those of two."""
        exact, lone = torch.baddbmm, stack(make(1, 3, 2, [5]))

        def product(bias: Tensor, h: Tensor, weight: Tensor, *, out: Tensor) -> Tensor:
            result: Tensor = exact(bias, h, weight, out=out)
            return result.mul_(1 + 2**-50) if len(h) == 1 else result

        monkeypatch.setattr(torch, "baddbmm", product)
        company = in_company(lone, 4, loss)
        assert company.num_members == 2
        for name, value in lone.parameters.items():
            assert torch.equal(company.parameters[name], value.expand(2, *value.shape[1:]))
        inputs = torch.randn(300, 3).double()
        beside = outputs(stack([*unstack(lone), *make(1, 3, 2, [5])]), inputs)
        assert torch.equal(outputs(lone, inputs), beside[:1])

    @pytest.mark.parametrize("loss", [None, SquaredError()])
    def test_one_stays_alone_where_its_bits_are_the_same(
        self, loss: SquaredError | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exact, lone = torch.bmm, stack(make(1, 3, 2, [5]))

        def one_by_one(left: Tensor, right: Tensor, *, out: Tensor) -> Tensor:
            for row, (one, other) in enumerate(zip(left, right, strict=True)):
                exact(one[None], other[None], out=out[row : row + 1])
            return out

        def with_bias(bias: Tensor, h: Tensor, weight: Tensor, *, out: Tensor) -> Tensor:
            return one_by_one(h, weight, out=out).add_(bias)

        monkeypatch.setattr(torch, "bmm", one_by_one)
        monkeypatch.setattr(torch, "baddbmm", with_bias)
        assert in_company(lone, 4, loss) is lone
