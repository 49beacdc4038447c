import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import with_values
from torch import Tensor, nn

from dlcourse.networks import SoftmaxClassifier


def images(num: int) -> Tensor:
    return torch.randn(num, 1, 6, 6)


def vectors(num: int) -> Tensor:
    return torch.randn(num, 5)


def convolutional() -> SoftmaxClassifier:
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten())
    return SoftmaxClassifier(36, 3, body=body, body_features=64)


def foreign() -> SoftmaxClassifier:
    body = nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.GELU())
    return SoftmaxClassifier(5, 3, body=body, body_features=8)


CLASSIFIERS: dict[str, tuple[Callable[[], SoftmaxClassifier], Callable[[int], Tensor]]] = {
    "hidden layers": (lambda: SoftmaxClassifier(5, 3, width=[6, 4], activation="tanh"), vectors),
    "no hidden layer": (lambda: SoftmaxClassifier(5, 3, width=6, depth=0), vectors),
    "convolutional": (convolutional, images),
    "foreign": (foreign, vectors),
    "identity": (lambda: SoftmaxClassifier(5, 3, body=nn.Identity(), body_features=5), vectors),
}


def with_logits(*logits: float) -> SoftmaxClassifier:
    """A classifier that gives these logits for x = 1."""
    return with_values(SoftmaxClassifier(1, len(logits), width=1, depth=0), logits, [0] * len(logits))


ONE = torch.ones(1, dtype=torch.float64)


class TestHandWorked:
    def test_probabilities(self) -> None:
        # e^0 : e^ln2 : e^ln5 = 1 : 2 : 5
        classifier = with_logits(0, math.log(2), math.log(5))
        expected = torch.tensor([1 / 8, 2 / 8, 5 / 8], dtype=torch.float64)
        torch.testing.assert_close(classifier.probabilities(ONE), expected, rtol=1e-15, atol=0)
        torch.testing.assert_close(classifier.log_probabilities(ONE), expected.log(), rtol=1e-15, atol=0)
        assert classifier.predict(ONE) == 2
        # x = -1 turns the odds around, 1 : 1/2 : 1/5 = 10 : 5 : 2
        expected = torch.tensor([10 / 17, 5 / 17, 2 / 17], dtype=torch.float64)
        torch.testing.assert_close(classifier.probabilities(-ONE), expected, rtol=1e-15, atol=0)
        assert classifier.predict(-ONE) == 0

    def test_logits_through_a_hidden_layer(self) -> None:
        values = [[1, -1], [2, 0]], [0, -1], [[1, 2], [-1, 3]], [0.5, 0]
        classifier = with_values(SoftmaxClassifier(2, 2, width=2, depth=1), *values)
        # x = (1, 2): h = max(0, (1-2, 2-1)) = (0, 1);  logits (0+2+1/2, 0+3) = (5/2, 3)
        assert classifier(torch.tensor([1.0, 2.0]).double()).tolist() == [2.5, 3]

    @pytest.mark.parametrize("size", [1e4, -1e4])
    def test_large_logits(self, size: float) -> None:
        classifier = with_logits(size, 0, size)
        assert classifier.probabilities(ONE).tolist() == ([0.5, 0, 0.5] if size > 0 else [0, 1, 0])
        # 1/2, e^-10000 / 2 and 1/2; e^-10000, 1 and e^-10000
        half = math.log(2)
        expected = [-half, -1e4 - half, -half] if size > 0 else [-1e4, 0, -1e4]
        expected_logs = torch.tensor(expected, dtype=torch.float64)
        torch.testing.assert_close(classifier.log_probabilities(ONE), expected_logs, rtol=1e-15, atol=0)

    @given(st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=6))
    def test_log_probabilities_agree_with_probabilities(self, logits: list[float]) -> None:
        classifier = with_logits(*logits)
        p, log_p = classifier.probabilities(ONE), classifier.log_probabilities(ONE)
        # log p = -10^4 is rounded to 10^4 eps, which p has as a relative error
        torch.testing.assert_close(log_p.exp(), p, rtol=1e-11, atol=0)
        assert abs(p.sum().item() - 1) <= 1e-15 * len(logits)
        lowest = math.log(torch.finfo(torch.float64).tiny)  # below, p is 0 or has lost digits
        normal = log_p > lowest
        torch.testing.assert_close(p[normal].log(), log_p[normal], rtol=1e-11, atol=1e-15)

    def test_of_equal_classes_the_first_is_predicted(self) -> None:
        assert with_logits(1, 3, 3).predict(ONE) == 1
        assert with_logits(-1, -1).predict(ONE) == 0


@pytest.mark.parametrize("name", CLASSIFIERS)
class TestAnyBody:
    def test_agrees_with_torch(self, name: str) -> None:
        make, inputs = CLASSIFIERS[name]
        classifier, x = make(), inputs(7)
        logits = nn.functional.linear(classifier.body(x), classifier.softmax.weight, classifier.softmax.bias)
        assert logits.shape == (7, 3)
        assert torch.equal(classifier(x), logits)
        assert torch.equal(classifier.probabilities(x), nn.functional.softmax(logits, dim=1))
        assert torch.equal(classifier.log_probabilities(x), nn.functional.log_softmax(logits, dim=1))
        assert torch.equal(classifier.predict(x), logits.max(dim=1).indices)

    def test_trains_with_cross_entropy(self, name: str) -> None:
        make, inputs = CLASSIFIERS[name]
        classifier, x, classes = make(), inputs(12), torch.arange(12) % 3
        optimizer = torch.optim.Adam(classifier.parameters(), lr=0.05)
        losses = []
        for _ in range(100):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(classifier(x), classes)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.9 * losses[0]

    def test_copies(self, name: str) -> None:
        make, inputs = CLASSIFIERS[name]
        classifier, x = make(), inputs(4)
        other = make()
        other.load_state_dict(classifier.state_dict())
        for copied in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier)), other):
            assert torch.equal(copied(x), classifier(x))

    @pytest.mark.slow
    def test_compile_export_and_trace(self, name: str) -> None:
        make, inputs = CLASSIFIERS[name]
        classifier, x = make(), inputs(4)
        compiled = torch.compile(classifier, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), classifier(x))
        program = torch.export.export(classifier, (x,))
        torch.testing.assert_close(program.module()(x), classifier(x))
        assert torch.equal(torch.fx.symbolic_trace(classifier)(x), classifier(x))


def test_any_leading_dimensions() -> None:
    classifier = SoftmaxClassifier(5, 3, width=4, depth=1)
    x = torch.randn(2, 6, 5)
    assert (
        classifier(x).shape == classifier.probabilities(x).shape == classifier.log_probabilities(x).shape == (2, 6, 3)
    )
    assert classifier.predict(x).shape == (2, 6)
    torch.testing.assert_close(classifier.probabilities(x).sum(-1), torch.ones(2, 6))


def test_same_seed_same_bits_as_sequential() -> None:
    torch.manual_seed(3)
    classifier = SoftmaxClassifier(5, 3, width=[6, 4], activation="sigmoid")
    torch.manual_seed(3)
    expected = nn.Sequential(nn.Linear(5, 6), nn.Sigmoid(), nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 3))
    assert all(map(torch.equal, classifier.parameters(), expected.parameters()))
    x = vectors(9)
    assert torch.equal(classifier(x), expected(x))


@pytest.mark.parametrize("initialization", ["torch", "he", "xavier"])
def test_a_given_body_keeps_its_values(initialization: str) -> None:
    body = nn.Linear(5, 4)
    before = body.weight.clone()
    classifier = SoftmaxClassifier(
        5,
        3,
        body=body,
        body_features=4,
        initialization=initialization,
        generator=torch.Generator().manual_seed(1),
    )
    assert classifier.body is body and torch.equal(body.weight, before)
    again = SoftmaxClassifier(
        5,
        3,
        body=nn.Linear(5, 4),
        body_features=4,
        initialization=initialization,
        generator=torch.Generator().manual_seed(1),
    )
    assert torch.equal(again.softmax.weight, classifier.softmax.weight)  # a given body takes no random numbers either


@pytest.mark.parametrize(
    ("num_classes", "options", "message"),
    [
        (1, {"width": 3, "depth": 1}, "num_classes must be at least 2, got 1"),
        (2, {}, "give either width and depth, or body and body_features"),
        (
            2,
            {"width": 3, "depth": 1, "body": nn.Identity(), "body_features": 5},
            "give either width and depth, or body and body_features",
        ),
        (2, {"body": nn.Identity()}, "body and body_features must be given together, got body_features=None"),
        (2, {"width": 3, "depth": 1, "body_features": 4}, "body and body_features must be given together"),
        (2, {"width": -3, "depth": 1}, "width must be at least 1, got -3"),
        (2, {"width": 3}, "depth must be at least 0, got None"),
        (
            2,
            {"width": 3, "depth": 1, "activation": "step"},
            "activation must be one of relu, leaky_relu, sigmoid, tanh, got step",
        ),
        (
            2,
            {"body": nn.Identity(), "body_features": 5, "initialization": "ones"},
            "initialization must be one of torch, he, xavier, truncated, got ones",
        ),
    ],
)
def test_errors(num_classes: int, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        SoftmaxClassifier(5, num_classes, **options)
    assert str(error.value).startswith(message)
