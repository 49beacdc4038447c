"""The lecture's form, to be read: a layer and its two derivatives as matrices, multiplied upwards from the input."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dlcourse.networks import MLP, Activation, HiddenLayers, SoftmaxClassifier


def layer_names(network: nn.Module) -> tuple[list[str], Activation, list[bool]]:
    """The layers of an `MLP` or of a `SoftmaxClassifier` on hidden layers, first to last, and what follows them.

    Returns:
        The affine layers' names in the `state_dict` (`name + ".weight"`, `name + ".bias"`), the function g between
        them, and for each layer whether its input is added to its output.

    Raises:
        TypeError: If the network is neither, or a layer is no plain `nn.Linear`.
    """
    names: list[str] = []
    body: HiddenLayers
    # Only these very classes: a subclass may compute something else.
    match network:
        case MLP() if type(network) is MLP:
            body = network.hidden
            names = [*(f"hidden.layers.{i}" for i in range(len(body.layers))), "output"]
        case SoftmaxClassifier(body=HiddenLayers() as body) if type(network) is SoftmaxClassifier:
            if type(body) is HiddenLayers:
                names = [*(f"body.layers.{i}" for i in range(len(body.layers))), "softmax"]
    if not names or any(type(network.get_submodule(name)) is not nn.Linear for name in names):
        raise TypeError(
            "layers can be told apart only in an MLP or a SoftmaxClassifier on hidden layers of nn.Linear, "
            f"got {type(network).__name__}"
        )
    return names, body.activation, [*body.skips, False]


def is_layered(network: nn.Module) -> bool:
    """Whether a network can be differentiated layer by layer."""
    try:
        layer_names(network)
    except TypeError:
        return False
    return True


@dataclass(frozen=True, repr=False)
class Layer:
    """h[i] = g(W h[i-1] + b), with theta[i] = (W row by row, then b) and g the identity for the last layer.

    With a skip connection h[i] = h[i-1] + g(W h[i-1] + b): then the derivative by the input gains the identity.

    Attributes:
        weight: W, `[n_out, n_in]`.
        bias: b, `[n_out]`.
        activation: g, or None for the identity.
        skip: Whether h[i-1] is added.
    """

    weight: Float[Tensor, "n_out n_in"]
    bias: Float[Tensor, " n_out"]
    activation: Activation | None
    skip: bool = False

    def __repr__(self) -> str:
        n_out, n_in = self.weight.shape
        name = None if self.activation is None else str(self.activation)
        return f"Layer(n_in={n_in}, n_out={n_out}, activation={name}{', skip=True' if self.skip else ''})"

    def output(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, " n_out"]:
        """h[i] from h[i-1]."""
        return h + self._units(h) if self.skip else self._units(h)

    def by_input(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, "n_out n_in"]:
        """dh[i]/dh[i-1] = diag(g') W, with a skip connection I + diag(g') W."""
        by_input = self.slope(h)[:, None] * self.weight
        return torch.eye(len(h), dtype=h.dtype, device=h.device) + by_input if self.skip else by_input

    def by_parameters(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, "n_out num_parameters"]:
        """dh[i]/dtheta[i] = diag(g') (I (x) h[i-1]^T, I)."""
        identity = torch.eye(len(self.bias), dtype=h.dtype, device=h.device)
        return self.slope(h)[:, None] * torch.cat([torch.kron(identity, h[None, :]), identity], dim=1)

    def slope(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, " n_out"]:
        """g'(W h[i-1] + b), one number a unit."""
        units = self._units(h)
        return torch.ones_like(units) if self.activation is None else self.activation.derivative(units)

    def _units(self, h: Tensor) -> Tensor:
        """g(W h + b)."""
        affine = self.weight @ h + self.bias
        return affine if self.activation is None else self.activation(affine)


def layers(network: nn.Module) -> list[Layer]:
    """The network as the slides see it: one function after another.

    Raises:
        TypeError: If the network is neither an MLP nor a SoftmaxClassifier on hidden layers.
    """
    names, activation, skips = layer_names(network)
    values = {name: value.detach() for name, value in network.state_dict().items()}
    return [
        Layer(values[f"{name}.weight"], values[f"{name}.bias"], None if name == names[-1] else activation, skip)
        for name, skip in zip(names, skips, strict=True)
    ]


@runtime_checkable  # beartype checks arguments of this type by isinstance
class Differentiable(Protocol):
    """A layer: its function and the two derivatives that it needs to know, as matrices, at its input h[i-1]."""

    def output(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, " n_out"]:
        """h[i]."""

    def by_input(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, "n_out n_in"]:
        """dh[i]/dh[i-1]."""

    def by_parameters(self, h: Float[Tensor, " n_in"]) -> Float[Tensor, "n_out num_parameters"]:
        """dh[i]/dtheta[i]."""


def upwards(
    functions: Sequence[Differentiable], x: Float[Tensor, " in_features"]
) -> Iterator[tuple[Float[Tensor, " n_out"], list[Float[Tensor, "n_out _"]]]]:
    """The lecture's recursion: for every layer i its output h[i], and dh[i]/dtheta[j] for the layers j = 1 .. i.

    dh[i]/dtheta[j] = dh[i]/dh[i-1] dh[i-1]/dtheta[j] for j < i, and the layer's own derivative for j = i.

    Args:
        functions: The layers, first to last.
        x: One input, h[0].

    Source: slide "Computing gradient (layerwise)". Cost: one product of full matrices for every pair of layers.
    """
    derivatives: list[Tensor] = []
    h = x
    for layer in functions:
        by_input = layer.by_input(h)
        derivatives = [*(by_input @ derivative for derivative in derivatives), layer.by_parameters(h)]
        h = layer.output(h)
        yield h, derivatives


def jacobians(network: nn.Module, x: Float[Tensor, " in_features"]) -> list[Float[Tensor, "out_features _"]]:
    """dy/dtheta[j] for every layer j, by the lecture's recursion upwards.

    Args:
        network: An MLP or a SoftmaxClassifier on hidden layers (y are then the logits).
        x: One input.

    Returns:
        One matrix a layer, first to last; its columns are the entries of W row by row, then those of b.

    Source: slide "Computing gradient (layerwise)". Cost: that of `upwards`.
    """
    *_, (_, derivatives) = upwards(layers(network), x)
    return derivatives
