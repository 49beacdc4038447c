"""The lecture's softmax layer, on any body."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlcourse.checks import check_whole
from dlcourse.networks.activations import Activation
from dlcourse.networks.initialization import Initialization, initialize_
from dlcourse.networks.mlp import HiddenLayers


class SoftmaxClassifier(nn.Module):
    """P(y = i | x) = exp(w_i . h + b_i) / sum_j exp(w_j . h + b_j), where h is the output of a body.

    By default the body is the hidden layers of an `MLP`; as the slide says, "h can be anything": any module that maps
    `[..., in_features]` to `[..., body_features]` can be given instead, and keeps its own initial values.

    Args:
        in_features: Size of x.
        num_classes: Number of classes, at least 2.
        width: Units per hidden layer of the default body: one integer, or one per layer.
        depth: Number of hidden layers of the default body.
        activation: An `Activation` or its name, of the default body.
        skip: Whether the default body's layers add their input to their output where both have one size.
        body: A module that computes h, instead of width, depth and activation.
        body_features: Size of h, if a body is given.
        initialization: An `Initialization` or its name, for the softmax layer and the default body.
        generator: Where the initial values come from; torch's global generator by default.

    Raises:
        ValueError: If a size is out of range, if both or neither of `body` and `width` are given, or `body` and `skip`.

    Source: slides "Softmax as a layer" and "Classification: Softmax" (h := g(W x + b), "yet, more in general, h can be
    anything").
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        width: int | Sequence[int] | None = None,
        depth: int | None = None,
        activation: Activation | str = Activation.relu,
        skip: bool = False,
        body: nn.Module | None = None,
        body_features: int | None = None,
        initialization: Initialization | str = Initialization.torch,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_whole("num_classes", num_classes, 2)
        if (body is None) == (width is None):
            raise ValueError("give either width and depth, or body and body_features")
        if (body is None) != (body_features is None):
            raise ValueError(f"body and body_features must be given together, got body_features={body_features}")
        if body is not None and skip:
            raise ValueError("skip must be False where a body is given, which may have its own, got True")
        if body is None:
            assert width is not None
            body = HiddenLayers(
                in_features, width=width, depth=depth, activation=activation, skip=skip, device=device, dtype=dtype
            )
            body_features = body.out_features
        assert body_features is not None
        self.body = body
        self.softmax = nn.Linear(body_features, num_classes, device=device, dtype=dtype)
        # By torch's scheme and from torch's global generator, nn.Linear has drawn the values already.
        if generator is not None or initialization != Initialization.torch:
            initialize_(self.softmax if width is None else self, initialization, generator)

    def forward(self, x: Tensor) -> Tensor:
        """The logits W_S h + b_S, `[..., num_classes]`."""
        logits: Tensor = self.softmax(self.body(x))
        return logits

    def probabilities(self, x: Tensor) -> Tensor:
        """P(y = i | x) for each class, `[..., num_classes]`."""
        return self(x).softmax(-1)  # type: ignore[no-any-return]

    def log_probabilities(self, x: Tensor) -> Tensor:
        """log P(y = i | x) for each class, `[..., num_classes]`; finite for finite logits, however far apart."""
        return self(x).log_softmax(-1)  # type: ignore[no-any-return]

    def predict(self, x: Tensor) -> Tensor:
        """The most probable class, `[...]` (the first of several)."""
        return self(x).argmax(-1)  # type: ignore[no-any-return]
