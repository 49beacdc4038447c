"""The softmax layer as the slides differentiate it: two contributions, two cases, a matrix, and what they come to."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.layerwise.layer import Layer, layers, upwards
from dlcourse.networks import SoftmaxClassifier


@dataclass(frozen=True, repr=False)
class SoftmaxGradient:
    """The derivatives of one item's loss L = -y . log p at the softmax layer.

    Attributes:
        by_weight: dL/dW_S = (p - y) h^T, row r being dL/dw_r = (p_r - y_r) h.
        by_bias: dL/db_S = p - y.
        by_input: dL/dh = W_S^T (p - y), which goes on downwards.
    """

    by_weight: Float[Tensor, "num_classes n_in"]
    by_bias: Float[Tensor, " num_classes"]
    by_input: Float[Tensor, " n_in"]

    def __repr__(self) -> str:
        return f"SoftmaxGradient(num_classes={len(self.by_bias)}, n_in={len(self.by_input)})"


@dataclass(frozen=True)
class LogSoftmax:
    """log p_j = (w_j . h + b_j) - log sum_l exp(w_l . h + b_l): the softmax layer as one more function.

    The slides compute two contributions separately: that of the logit w_j . h + b_j, which is the affine layer's own
    (`logits.by_parameters`, `logits.by_input`), and that of the log of the sum (`log_sum_by_parameters`,
    `log_sum_by_input`). Case 1, a parameter w_r or b_r of this layer, and case 2, a parameter that h depends on, are
    the two derivatives that every layer needs to know: `by_parameters`, and `by_input` times dh/dtheta.

    Attributes:
        logits: W_S h + b_S, the last affine layer.

    Source: slides "Gradient of Softmax (layerwise)".
    """

    logits: Layer

    def output(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, " num_classes"]:
        """log p; finite for finite logits, however far apart."""
        return self.logits.output(h).log_softmax(-1)

    def probabilities(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, " num_classes"]:
        """p."""
        return self.logits.output(h).softmax(-1)

    def by_parameters(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, "num_classes num_parameters"]:
        """Case 1: row j holds d log p_j/dw_r = (delta_rj - p_r) h for all r, then d log p_j/db_r = delta_rj - p_r."""
        return self.logits.by_parameters(h) - self.log_sum_by_parameters(h)

    def by_input(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, "num_classes n_in"]:
        """Case 2 but for the factor dh/dtheta: d log p_j/dh = w_j^T - sum_l p_l w_l^T."""
        return self.logits.by_input(h) - self.log_sum_by_input(h)

    def log_sum_by_parameters(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, " num_parameters"]:
        """d/dw_r log sum_l exp(w_l . h + b_l) = p_r h for all r, then d/db_r of it = p_r."""
        p = self.probabilities(h)
        return torch.cat([torch.kron(p, h), p])

    def log_sum_by_input(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, " n_in"]:
        """d/dh log sum_l exp(w_l . h + b_l) = sum_l p_l w_l^T."""
        return self.probabilities(h) @ self.logits.weight

    def gradient(self, h: Float[Tensor, " n_in"], y: Float[Tensor, " num_classes"]) -> SoftmaxGradient:
        """What the slides never put together: the gradient of L = -y . log p.

        dL/dw_r = -sum_j y_j (delta_rj - p_r) h = (p_r - y_r) h, because sum_j y_j = 1; the others likewise.

        Args:
            h: The layer's input.
            y: The target, a distribution ('one hot' as a rule).
        """
        difference = self.probabilities(h) - y
        return SoftmaxGradient(torch.outer(difference, h), difference, difference @ self.logits.weight)


def log_probability_jacobians(
    classifier: SoftmaxClassifier, x: Float[Tensor, " in_features"]
) -> list[Float[Tensor, "num_classes _"]]:
    """d log p/dtheta[j] for every layer j: side by side the slide's matrix, a row a class and a column a parameter.

    Args:
        classifier: A SoftmaxClassifier on hidden layers.
        x: One input.

    Returns:
        One matrix a layer, first to last; its columns are the entries of W row by row, then those of b.

    Raises:
        TypeError: If the classifier's body is not hidden layers.

    Source: slide "Gradient of Softmax (layerwise)", "This is a matrix" (whose d counts parameters, not inputs).
    """
    *hidden, logits = layers(classifier)
    *_, (_, derivatives) = upwards([*hidden, LogSoftmax(logits)], x)
    return derivatives


def data_gradient(
    classifier: SoftmaxClassifier,
    inputs: Float[Tensor, "num in_features"],
    targets: Float[Tensor, "num num_classes"],
) -> list[Float[Tensor, " _"]]:
    """dL(D)/dtheta[j] = -sum_i y^(i) . d log p^(i)/dtheta[j], summed over the data items as on the slide.

    L(D) itself is `SoftmaxCrossEntropy()(classifier(inputs), targets).sum()`; `LayerwiseGradient` with
    `reduction="sum"` comes to the same gradient without the matrices.

    Args:
        classifier: A SoftmaxClassifier on hidden layers.
        inputs: At least one item.
        targets: Their classes in the 'one hot' representation, or any distributions.

    Returns:
        One vector a layer, first to last: the entries of W row by row, then those of b.

    Raises:
        ValueError: If there are no items.

    Source: slide "Gradient of Softmax (layerwise)", L(D).
    """
    if len(inputs) == 0:
        raise ValueError("inputs must hold at least one item, got 0")
    items = [
        [-y @ derivative for derivative in log_probability_jacobians(classifier, x)]
        for x, y in zip(inputs, targets, strict=True)
    ]
    return [torch.stack(layer_gradients).sum(0) for layer_gradients in zip(*items, strict=True)]
