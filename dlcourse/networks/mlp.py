"""The lecture's feed-forward network, shallow and deep."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from dlcourse.checks import check_flag, check_whole, check_widths
from dlcourse.networks.activations import Activation
from dlcourse.networks.initialization import Initialization, initialize_


class HiddenLayers(nn.Module):
    """h[k] = g(W[k] ... g(W[1] x + b[1]) ... + b[k]): everything of a feed-forward network but its output layer.

    Args:
        in_features: Size d of x.
        width: Units per hidden layer: one integer for all, or one per layer.
        depth: Number k of hidden layers, 0 for none (h = x); may be left out if `width` has one entry per layer.
        activation: The function g.
        skip: Whether h[i] = h[i-1] + g(W[i] h[i-1] + b[i]) where both have one size, h[0] being x.

    Attributes:
        skips: For each layer, whether its input is added to its output.

    Shapes: `[..., in_features]` to `[..., out_features]`, where `out_features` is the width of the last layer.

    Raises:
        ValueError: If a size is out of range, or width and depth contradict each other.

    Source: slide "Shallow vs. Deep Feed-Forward Neural Networks"; skip: He, Zhang, Ren and Sun 2015, Deep residual
    learning for image recognition, equation 1, with one layer in place of two. Not on the slides.
    """

    def __init__(
        self,
        in_features: int,
        *,
        width: int | Sequence[int],
        depth: int | None = None,
        activation: Activation | str = Activation.relu,
        skip: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        widths = layer_widths(width, depth)
        check_flag("skip", skip)
        check_whole("in_features", in_features, 1)
        self.activation = Activation(activation)
        sizes = [in_features, *widths]
        self.layers = nn.ModuleList(
            nn.Linear(n_in, n_out, device=device, dtype=dtype) for n_in, n_out in pairwise(sizes)
        )
        self.in_features, self.out_features = sizes[0], sizes[-1]
        self.skips = [skip and n_in == n_out for n_in, n_out in pairwise(sizes)]

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        g = self.activation.definition.function  # before torch 2.13, torch.compile refuses to call an enum's member
        for layer, skips in zip(self.layers, self.skips, strict=True):
            h = g(layer(x))
            x = x + h if skips else h
        return x

    def extra_repr(self) -> str:  # noqa: D102
        return f"activation={self.activation}" + (", skip=True" if any(self.skips) else "")


class MLP(nn.Module):
    """y = w . h[k] + b with h[k] = g(W[k] ... g(W[1] x + b[1]) ... + b[k]): the lecture's network.

    Depth 0 is affine, depth 1 the shallow network of the universal approximation theorem. The output is never squashed.

    Args:
        in_features: Size of x.
        out_features: Size of y.
        width: Units per hidden layer: one integer for all, or one per layer.
        depth: Number of hidden layers; may be left out if `width` has one entry per layer.
        activation: An `Activation` or its name.
        skip: Whether h[i] = h[i-1] + g(W[i] h[i-1] + b[i]) where both have one size (the first layer's, too: h[0] = x).
        initialization: An `Initialization` or its name.
        generator: Where the initial values come from; torch's global generator by default.

    Shapes: `[..., in_features]` to `[..., out_features]`.

    Raises:
        ValueError: If a size is out of range, a name unknown, or width and depth contradict each other.

    Source: slide "Depth and piecewise linear functions", y~ = w . max(0, W[k] ... max(0, W[1]x + b[1]) ... + b[k]) + b.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        width: int | Sequence[int],
        depth: int | None = None,
        activation: Activation | str = Activation.relu,
        skip: bool = False,
        initialization: Initialization | str = Initialization.torch,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_whole("out_features", out_features, 1)
        self.hidden = HiddenLayers(
            in_features, width=width, depth=depth, activation=activation, skip=skip, device=device, dtype=dtype
        )
        self.output = nn.Linear(self.hidden.out_features, out_features, device=device, dtype=dtype)
        # By torch's scheme and from torch's global generator, nn.Linear has drawn the values already.
        if generator is not None or initialization != Initialization.torch:
            initialize_(self, initialization, generator)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        y: Tensor = self.output(self.hidden(x))
        return y


def layer_widths(width: int | Sequence[int], depth: int | None) -> list[int]:
    """The width of each hidden layer, from one number for all or one per layer.

    Raises:
        ValueError: If a width is below 1, depth is negative or missing, or the two contradict each other.
    """
    if isinstance(width, int):
        if depth is None or depth < 0:
            raise ValueError(f"depth must be at least 0, got {depth}")
        check_whole("width", width, 1)
        return [width] * depth
    widths = check_widths("width", width)
    if depth is not None and depth != len(widths):
        raise ValueError(f"depth must be the number of widths, {len(widths)} for {widths}, got {depth}")
    return widths


def num_parameters(network: nn.Module) -> int:
    """The number of trained numbers in a network (3 layers of 10 units, 1 input, 1 output: 251).

    Source: Prince, Understanding Deep Learning, section 4.5 counts 471 for depth 5, width 10, one input and output.
    """
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
