"""What a network is trained to make small: squared error, softmax cross-entropy, hinge; each with its derivative.

A loss maps outputs and targets of shape `[..., features]` to one value per data item, `[...]`. Targets are always float
tensors of the outputs' shape: the values themselves, classes in the slides' 'one hot' representation, or -1/+1.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@runtime_checkable  # beartype looks at it
class Loss(Protocol):
    """What training asks of a loss: its value and its derivative by the outputs, which is where layers take over."""

    def __call__(
        self, outputs: Float[Tensor, "*items features"], targets: Float[Tensor, "*items features"]
    ) -> Float[Tensor, "*items"]:
        """The loss of each item."""

    def derivative(
        self, outputs: Float[Tensor, "*items features"], targets: Float[Tensor, "*items features"]
    ) -> Float[Tensor, "*items features"]:
        """dL/dy~ of each item."""


@dataclass(frozen=True)
class SquaredError:
    """L(y~, y) = |y~ - y|^2, summed over the outputs.

    Source: slide "Generalizing Deep Feed-Forward Neural Networks", L(y~, y) = (y~ - y)^2.
    """

    def __call__(
        self, outputs: Float[Tensor, "*items features"], targets: Float[Tensor, "*items features"]
    ) -> Float[Tensor, "*items"]:
        """The loss of each item."""
        return (outputs - targets).square().sum(-1)

    def derivative(
        self, outputs: Float[Tensor, "*items features"], targets: Float[Tensor, "*items features"]
    ) -> Float[Tensor, "*items features"]:
        """dL/dy~ = 2 (y~ - y)."""
        difference = outputs - targets
        return difference + difference  # sooner done than a product with a number of Python


def one_hot(
    classes: Int64[Tensor, "*items"], num_classes: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "*items num_classes"]:
    """The 'one hot' representation of classes: y_j = 1 for j = y, else 0.

    Args:
        classes: Counted from 0 (the slides count from 1).
        num_classes: How many there are.
        dtype: The number format of the rows.

    Returns:
        A row for each class, whose dot product with log p is log p_y.

    Raises:
        ValueError: If a class is not between 0 and num_classes - 1.

    Source: slide "Cross-entropy for Softmax", y_j := delta(y = j). `tasks.one_hot_data` does it to a whole data set.
    """
    wrong = classes[(classes < 0) | (classes >= num_classes)]
    if len(wrong):
        raise ValueError(f"classes must be between 0 and {num_classes - 1}, got {wrong[0].item()}")
    return torch.nn.functional.one_hot(classes, num_classes).to(dtype)


def cross_entropy(
    q: Float[Tensor, "*items classes"], log_p: Float[Tensor, "*items classes"]
) -> Float[Tensor, "*items"]:
    """H(Q, P) = -sum_j Q(y = j) log P(y~ = j) in nats, of any two distributions on the same classes.

    For a 'one hot' Q it is -log P of its class; H(Q, Q) is the entropy of Q, below which no H(Q, P) lies.

    Args:
        q: Probabilities.
        log_p: Log-probabilities: where P is a softmax they stay finite, although P itself may round to 0.

    Source: slide "Cross-entropy in general".
    """
    # A class with Q = 0 adds nothing even where its log-probability is -inf.
    return -torch.where(q == 0, 0, q * log_p).sum(-1)


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """L(h, y) = -y . log p with p = softmax(logits): the cross-entropy H(Q, P) of the target distribution y and p.

    Logits of any finite size are safe: the largest is subtracted before any exponential.

    Source: slides "Cross-entropy in general" and "Cross-entropy for Softmax".
    """

    def __call__(
        self, outputs: Float[Tensor, "*items features"], targets: Float[Tensor, "*items features"]
    ) -> Float[Tensor, "*items"]:
        """The loss of each item; `outputs` are logits, `targets` rows of probabilities ('one hot' as a rule)."""
        return cross_entropy(targets, outputs.log_softmax(-1))

    def derivative(
        self, outputs: Float[Tensor, "*items features"], targets: Float[Tensor, "*items features"]
    ) -> Float[Tensor, "*items features"]:
        """dL/dlogits = p - y.

        The slides compute the two terms of d log p_j apart (delta_rj and p_r) and never put them together; summed over
        j with weights y_j, sum_j y_j = 1, they give p_r - y_r.
        """
        return outputs.softmax(-1) - targets


@dataclass(frozen=True)
class Hinge:
    """L(y~, y) = max(0, 1 - y y~) for y = -1 or +1, summed over the outputs.

    Source: Shalev-Shwartz, Shamir, Shammah 2017, Failures of Gradient-Based Deep Learning, section 2 (the loss with
    which parities are learnt); not on the slides.
    """

    def __call__(
        self, outputs: Float[Tensor, "*items features"], targets: Float[Tensor, "*items features"]
    ) -> Float[Tensor, "*items"]:
        """The loss of each item."""
        return torch.relu(1 - targets * outputs).sum(-1)

    def derivative(
        self, outputs: Float[Tensor, "*items features"], targets: Float[Tensor, "*items features"]
    ) -> Float[Tensor, "*items features"]:
        """dL/dy~ = -y where y y~ < 1, else 0 (at the kink 0, torch's convention for relu)."""
        return -targets * (targets * outputs < 1)
