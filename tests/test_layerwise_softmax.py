import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import with_values
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F

from dlcourse.layerwise import LayerwiseGradient, LogSoftmax, data_gradient, layers, log_probability_jacobians
from dlcourse.losses import SoftmaxCrossEntropy
from dlcourse.networks import Activation, SoftmaxClassifier, stack

TOLERANCE = 1e-12  # of a tensor's norm, in float64


def softmax_layer(weight: Tensor, bias: Tensor) -> LogSoftmax:
    """The last layer of a classifier without a body."""
    classifier = SoftmaxClassifier(weight.shape[1], weight.shape[0], width=1, depth=0)
    (logits,) = layers(with_values(classifier, weight, bias))
    return LogSoftmax(logits)


def random_layer(num_classes: int, n_in: int) -> tuple[LogSoftmax, Tensor]:
    return softmax_layer(torch.randn(num_classes, n_in), torch.randn(num_classes)), torch.randn(n_in).double()


def assert_equal(actual: Tensor, expected: Tensor, size: float = 0.0) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).norm() <= TOLERANCE * max(size, expected.norm())


class TestHandWorked:
    """p = (1, 2, 5) / 8 at h = (4, -2): every number is a fraction, with its rounding error in p alone."""

    h = torch.tensor([4.0, -2.0]).double()
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]]).double()
    # W h = (4, -2, 10); the biases lift the logits to log 1, log 2, log 5
    layer = softmax_layer(weight, torch.tensor([0, math.log(2), math.log(5)], dtype=torch.float64) - weight @ h)
    y = torch.tensor([0.0, 1.0, 0.0]).double()

    def close(self, actual: Tensor, *expected: float | list[float]) -> None:
        # logits of about 10 are good to 10 eps
        torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=1e-14)

    def test_probabilities(self) -> None:
        self.close(self.layer.probabilities(self.h), 1 / 8, 2 / 8, 5 / 8)
        self.close(self.layer.output(self.h), -3 * math.log(2), -2 * math.log(2), math.log(5 / 8))

    def test_contribution_of_the_logit(self) -> None:
        # case 1: h where r = j, else 0; 1 where r = j, else 0
        self.close(
            self.layer.logits.by_parameters(self.h),
            [*[4, -2], *[0, 0], *[0, 0], *[1, 0, 0]],
            [*[0, 0], *[4, -2], *[0, 0], *[0, 1, 0]],
            [*[0, 0], *[0, 0], *[4, -2], *[0, 0, 1]],
        )
        # case 2: w_j, to be multiplied by dh/dtheta
        self.close(self.layer.logits.by_input(self.h), [1, 0], [0, 1], [2, -1])

    def test_contribution_of_the_log_of_the_sum(self) -> None:
        # case 1: p_r h and p_r;  case 2: 1/8 (1, 0) + 2/8 (0, 1) + 5/8 (2, -1) = (11, -3) / 8
        p_h = [*[4 / 8, -2 / 8], *[8 / 8, -4 / 8], *[20 / 8, -10 / 8]]
        self.close(self.layer.log_sum_by_parameters(self.h), *p_h, *[1 / 8, 2 / 8, 5 / 8])
        self.close(self.layer.log_sum_by_input(self.h), 11 / 8, -3 / 8)

    def test_both_together(self) -> None:
        self.close(
            self.layer.by_parameters(self.h),
            [*[28 / 8, -14 / 8], *[-1, 4 / 8], *[-20 / 8, 10 / 8], *[7 / 8, -2 / 8, -5 / 8]],
            [*[-4 / 8, 2 / 8], *[3, -12 / 8], *[-20 / 8, 10 / 8], *[-1 / 8, 6 / 8, -5 / 8]],
            [*[-4 / 8, 2 / 8], *[-1, 4 / 8], *[12 / 8, -6 / 8], *[-1 / 8, -2 / 8, 3 / 8]],
        )
        self.close(self.layer.by_input(self.h), [-3 / 8, 3 / 8], [-11 / 8, 11 / 8], [5 / 8, -5 / 8])

    def test_put_together(self) -> None:
        gradient = self.layer.gradient(self.h, self.y)
        self.close(gradient.by_bias, 1 / 8, -6 / 8, 5 / 8)
        self.close(gradient.by_weight, [4 / 8, -2 / 8], [-3, 12 / 8], [20 / 8, -10 / 8])
        self.close(gradient.by_input, 11 / 8, -11 / 8)  # 1/8 (1, 0) - 6/8 (0, 1) + 5/8 (2, -1)


sizes = {"num_classes": st.integers(2, 6), "n_in": st.integers(1, 6)}


class TestAgainstAutograd:
    @given(**sizes)
    def test_contributions(self, num_classes: int, n_in: int) -> None:
        layer, h = random_layer(num_classes, n_in)

        def log_sum(weight: Tensor, bias: Tensor, h: Tensor) -> Tensor:
            return torch.logsumexp(weight @ h + bias, 0)

        by_weight, by_bias, by_input = jacrev(log_sum, (0, 1, 2))(layer.logits.weight, layer.logits.bias, h)
        assert_equal(layer.log_sum_by_parameters(h), torch.cat([by_weight.flatten(), by_bias]))
        assert_equal(layer.log_sum_by_input(h), by_input)

    @given(**sizes, one_hot=st.booleans())
    def test_gradient(self, num_classes: int, n_in: int, one_hot: bool) -> None:
        layer, h = random_layer(num_classes, n_in)
        y = torch.eye(num_classes).double()[0] if one_hot else torch.randn(num_classes).double().softmax(0)
        leaves = [value.clone().requires_grad_() for value in (layer.logits.weight, layer.logits.bias, h)]
        expected = torch.autograd.grad(F.cross_entropy(leaves[0] @ leaves[2] + leaves[1], y), leaves)
        gradient = layer.gradient(h, y)
        for actual, each in zip((gradient.by_weight, gradient.by_bias, gradient.by_input), expected, strict=True):
            assert_equal(actual, each, size=1)  # p - y may nearly vanish, its terms do not

    @pytest.mark.slow
    @given(
        activation=st.sampled_from(Activation),
        widths=st.lists(st.integers(1, 6), max_size=3),
        num_classes=st.integers(2, 5),
    )
    def test_matrix_of_a_whole_network(self, activation: Activation, widths: list[int], num_classes: int) -> None:
        classifier = SoftmaxClassifier(3, num_classes, width=widths, activation=activation).double()
        x = torch.randn(3).double()
        values = {name: value.detach() for name, value in classifier.named_parameters()}
        each = jacrev(lambda values: F.log_softmax(functional_call(classifier, values, (x,)), 0))(values)
        flat = [jacobian.flatten(1) for jacobian in each.values()]
        expected = [torch.cat([weight, bias], 1) for weight, bias in zip(flat[::2], flat[1::2], strict=True)]
        actual = log_probability_jacobians(classifier, x)
        assert len(actual) == len(expected)
        for matrix, jacobian in zip(actual, expected, strict=True):
            assert_equal(matrix, jacobian, size=1)

    def test_h_can_be_anything(self) -> None:
        """Case 2 with a body that nothing else here can differentiate."""
        body = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU()).double()
        layer, _ = random_layer(5, 4)
        x, values = torch.randn(3).double(), dict(body.named_parameters())
        dh = jacrev(lambda values: functional_call(body, values, (x,)))(values)
        expected = jacrev(lambda values: layer.output(functional_call(body, values, (x,))))(values)
        for name, jacobian in expected.items():
            assert_equal(layer.by_input(body(x)) @ dh[name].flatten(1), jacobian.flatten(1))


class TestInvariants:
    @given(**sizes)
    def test_the_mean_of_d_log_p_is_zero(self, num_classes: int, n_in: int) -> None:
        """sum_j p_j d log p_j = d sum_j p_j = d 1."""
        layer, h = random_layer(num_classes, n_in)
        p = layer.probabilities(h)
        for derivative in (layer.by_parameters(h), layer.by_input(h)):
            assert (p @ derivative).norm() <= TOLERANCE * max(1, derivative.norm())

    @given(**sizes)
    def test_the_gradient_vanishes_where_p_is_the_target(self, num_classes: int, n_in: int) -> None:
        layer, h = random_layer(num_classes, n_in)
        gradient = layer.gradient(h, layer.probabilities(h))
        assert not any(each.any() for each in vars(gradient).values())

    @given(**sizes, shift=st.floats(-1e4, 1e4))
    def test_only_differences_of_logits_matter(self, num_classes: int, n_in: int, shift: float) -> None:
        layer, h = random_layer(num_classes, n_in)
        shifted = softmax_layer(layer.logits.weight, layer.logits.bias + shift)
        # a logit of size 10^4 is rounded to 10^4 eps
        torch.testing.assert_close(shifted.output(h), layer.output(h), rtol=0, atol=1e-11)
        torch.testing.assert_close(shifted.by_parameters(h), layer.by_parameters(h), rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_large_logits(size: float) -> None:
    layer = softmax_layer(torch.tensor([[size], [0.0], [size]]), torch.zeros(3))
    one, y = torch.ones(1).double(), torch.tensor([0.0, 1.0, 0.0]).double()
    p = [0.5, 0, 0.5] if size > 0 else [0, 1, 0]
    assert layer.probabilities(one).tolist() == p
    assert layer.output(one).isfinite().all()
    assert layer.log_sum_by_input(one).tolist() == [max(size, 0)]
    gradient = layer.gradient(one, y)
    assert gradient.by_bias.tolist() == ([0.5, -1, 0.5] if size > 0 else [0, 0, 0])
    assert gradient.by_weight[:, 0].tolist() == gradient.by_bias.tolist()
    assert gradient.by_input.tolist() == [max(size, 0)]
    assert layer.by_parameters(one).tolist() == [[(r == j) - p[r] for r in range(3)] * 2 for j in range(3)]


class TestDataGradient:
    def make(self, num: int) -> tuple[SoftmaxClassifier, Tensor, Tensor]:
        classifier = SoftmaxClassifier(3, 4, width=[5, 2], activation="tanh").double()
        return classifier, torch.randn(num, 3).double(), F.one_hot(torch.arange(num) % 4, 4).double()

    def test_against_autograd(self) -> None:
        classifier, inputs, targets = self.make(9)
        loss = F.cross_entropy(classifier(inputs), targets.argmax(1), reduction="sum")
        of_data = SoftmaxCrossEntropy()(classifier(inputs), targets).sum()
        assert abs(of_data.item() - loss.item()) <= TOLERANCE * loss.item()
        flat = [each.flatten() for each in torch.autograd.grad(loss, list(classifier.parameters()))]
        actual = data_gradient(classifier, inputs, targets)
        assert len(actual) == 3
        for gradient, weight, bias in zip(actual, flat[::2], flat[1::2], strict=True):
            assert_equal(gradient, torch.cat([weight, bias]))

    def test_is_what_training_computes(self) -> None:
        classifier, inputs, targets = self.make(6)
        gradient = LayerwiseGradient(stack([classifier]), 6, loss=SoftmaxCrossEntropy(), reduction="sum")
        gradient.gradient_(inputs[None], targets[None])
        flat = torch.cat([gradient.flatten() for gradient in gradient.gradients.views.values()])
        assert_equal(torch.cat(data_gradient(classifier, inputs, targets)), flat)

    def test_is_a_sum_over_the_items(self) -> None:
        classifier, inputs, targets = self.make(8)
        parts = [data_gradient(classifier, inputs[a:b], targets[a:b]) for a, b in pairwise([0, 1, 3, 8])]
        for whole, *each in zip(data_gradient(classifier, inputs, targets), *parts, strict=True):
            assert_equal(torch.stack(each).sum(0), whole)

    def test_errors(self) -> None:
        classifier, inputs, targets = self.make(1)
        with pytest.raises(ValueError, match="inputs must hold at least one item, got 0"):
            data_gradient(classifier, inputs[:0], targets[:0])
        foreign = SoftmaxClassifier(3, 4, body=nn.Identity(), body_features=3).double()
        with pytest.raises(TypeError, match="got SoftmaxClassifier"):
            log_probability_jacobians(foreign, inputs[0])
