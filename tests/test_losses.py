import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import targets_for
from scipy.special import entr, rel_entr
from torch import Tensor
from torch.nn import functional as F

from dlcourse.losses import Hinge, Loss, SoftmaxCrossEntropy, SquaredError, cross_entropy, one_hot

LOSSES: list[Loss] = [SquaredError(), SoftmaxCrossEntropy(), Hinge()]
TOLERANCE = 1e-12  # of a tensor's norm, in float64


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).norm() <= TOLERANCE * expected.norm()


class TestHandWorked:
    def test_squared_error(self) -> None:
        outputs, targets = rows([3, -1], [0.5, 2]), rows([1, 1], [0.5, 5])
        # 2^2 + (-2)^2;  0 + (-3)^2
        assert SquaredError()(outputs, targets).tolist() == [8, 9]
        assert SquaredError().derivative(outputs, targets).tolist() == [[4, -4], [0, -6]]

    def test_softmax_cross_entropy(self) -> None:
        # e^0 : e^ln2 : e^ln5 = 1 : 2 : 5
        outputs = rows([0, math.log(2), math.log(5)]).expand(3, 3)
        targets = rows([0, 1, 0], [0, 0, 1], [0.5, 0.25, 0.25])
        # log 8/2;  log 8/5;  1/2 log 8 + 1/4 log 4 + 1/4 log 8/5
        expected = torch.tensor([4, 8 / 5, 8**0.5 * 4**0.25 * 1.6**0.25], dtype=torch.float64).log()
        assert_equal(SoftmaxCrossEntropy()(outputs, targets), expected)
        # p - y with p = (1, 2, 5) / 8
        expected = rows([1, -6, 5], [1, 2, -3], [-3, 0, 3]) / 8
        assert_equal(SoftmaxCrossEntropy().derivative(outputs, targets), expected)

    def test_hinge(self) -> None:
        outputs, targets = rows([3.0], [0.5], [-2.0], [-2.0], [0.0]), rows([1], [1], [1], [-1], [-1])
        assert Hinge()(outputs, targets).tolist() == [0, 0.5, 3, 0, 1]
        assert Hinge().derivative(outputs, targets).tolist() == [[0], [-1], [-1], [0], [1]]
        # several outputs add up: 0.5 + 0 + 3
        assert Hinge()(rows([0.5, -4, 2]), rows([1, -1, -1])).tolist() == [3.5]
        assert Hinge().derivative(rows([0.5, -4, 2]), rows([1, -1, -1])).tolist() == [[-1, 0, 1]]


shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)
scales = st.sampled_from([1e-3, 1.0, 30.0])


class TestAgainstTorch:
    @given(shapes, scales)
    def test_squared_error(self, shape: tuple[int, ...], scale: float) -> None:
        outputs, targets = scale * torch.randn(shape).double(), torch.randn(shape).double()
        assert_equal(SquaredError()(outputs, targets), F.mse_loss(outputs, targets, reduction="none").sum(-1))

    @given(shapes, scales)
    def test_softmax_cross_entropy(self, shape: tuple[int, ...], scale: float) -> None:
        logits = scale * torch.randn(shape).double().view(-1, shape[-1])
        classes = torch.randint(shape[-1], logits.shape[:1])
        targets = F.one_hot(classes, shape[-1]).double()
        expected = F.cross_entropy(logits, classes, reduction="none")
        actual = SoftmaxCrossEntropy()(logits.view(shape), targets.view(shape))
        assert actual.shape == shape[:-1]
        assert_equal(actual.flatten(), expected)

        probabilities = torch.rand(logits.shape).double()
        probabilities /= probabilities.sum(1, keepdim=True)
        expected = F.cross_entropy(logits, probabilities, reduction="none")
        assert_equal(SoftmaxCrossEntropy()(logits, probabilities), expected)

    @given(shapes, scales)
    def test_hinge(self, shape: tuple[int, ...], scale: float) -> None:
        outputs, targets = scale * torch.randn(shape).double(), targets_for(Hinge(), *shape)
        # torch's loss of a pair: max(0, 1 - y (first - second))
        zeros = torch.zeros(shape).double()
        each = F.margin_ranking_loss(outputs, zeros, targets, margin=1, reduction="none")
        assert_equal(Hinge()(outputs, targets), each.sum(-1))


class TestOneHot:
    def test_hand_worked(self) -> None:
        assert one_hot(torch.tensor([1, 0]), 2).tolist() == [[0, 1], [1, 0]]
        assert one_hot(torch.tensor(2), 4).tolist() == [0, 0, 1, 0]
        assert one_hot(torch.tensor([[0, 1]]), 2, torch.float64).dtype == torch.float64
        assert one_hot(torch.zeros(0, dtype=torch.long), 3).shape == (0, 3)

    @given(shapes)
    def test_picks_the_log_probability_of_its_class(self, shape: tuple[int, ...]) -> None:
        log_p = torch.randn(shape).double().log_softmax(-1)
        classes = torch.randint(shape[-1], shape[:-1])
        picked = log_p.gather(-1, classes[..., None])[..., 0]
        assert cross_entropy(one_hot(classes, shape[-1], torch.float64), log_p).equal(-picked)

    @pytest.mark.parametrize("wrong", [-1, 3])
    def test_other_classes_are_refused(self, wrong: int) -> None:
        with pytest.raises(ValueError, match=f"classes must be between 0 and 2, got {wrong}"):
            one_hot(torch.tensor([0, wrong]), 3)


class TestCrossEntropy:
    def test_hand_worked(self) -> None:
        q, p = rows([1 / 2, 1 / 4, 1 / 4]), rows([1 / 4, 1 / 2, 1 / 4])
        # in bits: 1/2 * 2 + 1/4 * 1 + 1/4 * 2 = 7/4 of one from the other; 1/2 * 1 + 1/4 * 2 + 1/4 * 2 = 3/2 of itself
        assert_equal(cross_entropy(q, p.log()), torch.tensor([7 / 4 * math.log(2)], dtype=torch.float64))
        assert_equal(cross_entropy(q, q.log()), torch.tensor([3 / 2 * math.log(2)], dtype=torch.float64))
        certain = rows([0, 1, 0])
        assert_equal(
            cross_entropy(certain, p.log()), torch.tensor([math.log(2)], dtype=torch.float64)
        )  # -log P of its class
        assert cross_entropy(certain, certain.log()).tolist() == [0]  # 0 log 0 adds nothing
        assert cross_entropy(q, certain.log()).tolist() == [math.inf]  # Q does what P rules out

    @given(shapes, scales)
    def test_against_scipy(self, shape: tuple[int, ...], scale: float) -> None:
        q = (scale * torch.randn(shape).double()).softmax(-1)
        log_p = (scale * torch.randn(shape).double()).log_softmax(-1)
        expected = torch.from_numpy(np.asarray((entr(q.numpy()) + rel_entr(q.numpy(), log_p.exp().numpy())).sum(-1)))
        torch.testing.assert_close(cross_entropy(q, log_p), expected, rtol=1e-12, atol=1e-12)

    @given(st.integers(2, 6))
    def test_least_where_both_are_the_same(self, num_classes: int) -> None:
        q, log_p = torch.randn(num_classes).double().softmax(0), torch.randn(num_classes).double().log_softmax(0)
        assert cross_entropy(q, log_p) >= cross_entropy(q, q.log()) - TOLERANCE


@given(st.integers(2, 8), st.floats(0, 1e4))
def test_large_logits_against_torch(num_classes: int, size: float) -> None:
    logits = size * (2 * torch.rand(num_classes, num_classes).double() - 1)  # every class once
    actual = SoftmaxCrossEntropy()(logits, torch.eye(num_classes).double())
    assert_equal(actual, F.cross_entropy(logits, torch.arange(num_classes), reduction="none"))


@given(st.sampled_from(LOSSES), shapes, scales)
def test_derivative_is_autograds(loss: Loss, shape: tuple[int, ...], scale: float) -> None:
    outputs = (scale * torch.randn(shape).double()).requires_grad_()
    targets = targets_for(loss, *shape)
    (expected,) = torch.autograd.grad(loss(outputs, targets).sum(), outputs)
    actual = loss.derivative(outputs.detach(), targets)
    # Of two probabilities near 1 and 0 only the rounding differs, so the size of the loss's own terms counts, 1.
    assert actual.shape == shape
    assert (actual - expected).norm() <= TOLERANCE * max(1, expected.norm())


@given(shapes, scales)
def test_derivative_is_the_difference_quotient(shape: tuple[int, ...], scale: float) -> None:
    outputs, step = scale * torch.randn(shape).double(), 1e-5
    direction = torch.randn(shape).double()
    for loss in (SquaredError(), SoftmaxCrossEntropy()):
        targets = targets_for(loss, *shape)
        higher, lower = (loss(outputs + sign * step * direction, targets) for sign in (1, -1))
        slope = (loss.derivative(outputs, targets) * direction).sum(-1)
        # The third derivative's part is step^2 / 6, rounding costs eps * value / step; values are below 10^5.
        torch.testing.assert_close((higher - lower) / (2 * step), slope, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_large_logits(dtype: torch.dtype, size: float) -> None:
    loss = SoftmaxCrossEntropy()
    logits = torch.tensor([[size, -size, 0], [size, -size, 0], [size, size, -size]], dtype=dtype, requires_grad=True)
    targets = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 0, 0]], dtype=dtype)
    expected = torch.tensor([0, 2 * size, math.log(2)], dtype=dtype)
    torch.testing.assert_close(loss(logits, targets), expected, rtol=4 * torch.finfo(dtype).eps, atol=0)
    derivative = [[0, 0, 0], [1, -1, 0], [-0.5, 0.5, 0]]
    assert loss.derivative(logits.detach(), targets).tolist() == derivative
    assert torch.autograd.grad(loss(logits, targets).sum(), logits)[0].tolist() == derivative


def test_a_class_that_is_ruled_out_costs_nothing_where_its_target_is_zero() -> None:
    # A logit of -inf is a probability of 0; the largest float32 logits are infinitely far apart.
    largest = torch.finfo(torch.float32).max
    logits = torch.tensor([[0, -math.inf], [largest, -largest]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    values = SoftmaxCrossEntropy()(logits, targets)
    assert values.tolist() == [0, 0]
    assert torch.autograd.grad(values.sum(), logits)[0].tolist() == [[0, 0], [0, 0]]
    assert SoftmaxCrossEntropy().derivative(logits.detach(), targets).tolist() == [[0, 0], [0, 0]]
    assert SoftmaxCrossEntropy()(logits, targets.flip(1)).tolist() == [math.inf, math.inf]


def test_large_outputs_of_the_hinge() -> None:
    outputs, targets = rows([1e4], [-1e4], [1e4], [-1e4]), rows([1], [1], [-1], [-1])
    assert Hinge()(outputs, targets).tolist() == [0, 10_001, 10_001, 0]
    assert Hinge().derivative(outputs, targets).tolist() == [[0], [-1], [1], [0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hinge_at_and_beside_its_kink(dtype: torch.dtype) -> None:
    ones = torch.ones(3, 1, dtype=dtype)
    eps = torch.finfo(dtype).eps
    margins = ones + torch.tensor([[-eps], [0], [eps]], dtype=dtype)
    for sign in (1, -1):
        outputs, targets = (sign * margins).requires_grad_(), sign * ones
        value = Hinge()(outputs, targets)
        assert value.tolist() == [eps, 0, 0]
        derivative = Hinge().derivative(outputs.detach(), targets)
        assert derivative.tolist() == [[-sign], [0], [0]]
        assert derivative.dtype == dtype
        assert torch.equal(torch.autograd.grad(value.sum(), outputs)[0], derivative)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_is_its_items(loss: Loss) -> None:
    outputs, targets = torch.randn(2, 5, 3).double(), targets_for(loss, 2, 5, 3)
    values, derivatives = loss(outputs, targets), loss.derivative(outputs, targets)
    assert values.shape == (2, 5)
    for i in range(2):
        for j in range(5):
            assert_equal(values[i, j], loss(outputs[i, j], targets[i, j]))
            assert_equal(derivatives[i, j], loss.derivative(outputs[i, j], targets[i, j]))


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_values(loss: Loss) -> None:
    assert loss == type(loss)() and hash(loss) == hash(type(loss)())
    assert [other for other in LOSSES if other == loss] == [loss]
