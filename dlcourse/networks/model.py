"""What a configuration says of a network. `MLPModel` is the lecture's; other packages bring models of their own."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import nn

from dlcourse.checks import check_flag, check_whole, check_widths
from dlcourse.losses import Loss, SoftmaxCrossEntropy
from dlcourse.networks.activations import Activation
from dlcourse.networks.initialization import Initialization
from dlcourse.networks.mlp import MLP
from dlcourse.networks.softmax import SoftmaxClassifier
from dlcourse.streams import stream

MAX_DEPTH = 10_000
"""The most hidden layers: more would take minutes to build, and seconds a step."""


@dataclass(kw_only=True)
class Model(ABC):
    """All of a network but the sizes of its input and its output, which come from the task.

    Its children are schema, documentation and constructor in one. A child has a `name`, fields for whatever can be set,
    and builds networks. Besides it has `depth`, the number of hidden layers, and `width`, the units in each of them, as
    fields or as properties: comparisons of depth and width put its networks there (a width of None leaves them out).

    Where the task's loss is the softmax cross-entropy, a network's outputs are logits. The loss applies the softmax, so
    the network must not.

    Attributes:
        name: The model's name in configurations and folders.
        has_pieces: Whether its networks are piecewise linear, so that their linear pieces are counted.
    """

    name: ClassVar[str]
    has_pieces: ClassVar[bool] = False

    # For type checkers only. If these properties really existed, dataclasses would take them for the default values of
    # a child's fields `depth` and `width`.
    if TYPE_CHECKING:

        @property
        def depth(self) -> int | None:
            """Number of hidden layers."""

        @property
        def width(self) -> int | None:
            """Units per hidden layer."""

    @abstractmethod
    def network(self, in_features: int, out_features: int) -> nn.Module:
        """A network with initial values drawn from torch's global generator, which is seeded before each call.

        Args:
            in_features: Size of one input.
            out_features: Size of one output.

        Returns:
            A module that maps `[..., in_features]` to `[..., out_features]`.
        """

    def initialized(
        self, in_features: int, out_features: int, *, loss: Loss, seed: int, dtype: torch.dtype
    ) -> nn.Module:
        """The network that training starts from: a pure function of the model and these arguments, on the CPU.

        Args:
            in_features: Size of one input.
            out_features: Size of one output.
            loss: What it will be trained to make small.
            seed: Source of its initial values.
            dtype: The number format.

        Raises:
            TypeError: If the model builds something else than a torch module.
        """
        # torch modules draw their initial values from the global generator: it is seeded for this network alone, and
        # goes on afterwards as if nothing had been drawn.
        with torch.random.fork_rng(devices=[]), _default_dtype(dtype):
            torch.default_generator.manual_seed(stream(seed, "initialization").initial_seed())
            network = self.network(in_features, out_features)
        if not isinstance(network, nn.Module):
            raise TypeError(f"model {self.name} must build a torch module, got {type(network).__name__}")
        return network.to("cpu", dtype)

    def sized_for(self, in_features: int, out_features: int) -> Self:
        """The model for a task of these sizes, on which its own may depend; most models are the same for all.

        Raises:
            ValueError: If there is no such network.
        """
        return self

    @property
    def layer_widths(self) -> list[int]:
        """The width of each hidden layer, by which the time of a run is estimated."""
        return [self.width or 1] * (self.depth or 0)

    @property
    def title(self) -> str:
        """The part of a run's folder that says which network it is."""
        return f"{self.name}-depth={self.depth}-width={self.width}"

    @property
    def label(self) -> str:
        """The same for people: "residual, depth 3, width 8"."""
        return f"{self.name}, depth {self.depth}, width {self.width}"

    @property
    def hparams(self) -> dict[str, str]:
        """What the HPARAMS tab of TensorBoard says of it besides depth and width."""
        return {"model": self.name}


@dataclass(kw_only=True)
class MLPModel(Model):
    """The lecture's network: an `MLP`, or a `SoftmaxClassifier` where the loss is the softmax cross-entropy.

    Attributes:
        depth: Number of hidden layers, at least 0 (2 if nothing is said).
        width: Units per hidden layer, at least 1 (8 if nothing is said); None where `widths` is given.
        widths: One width per hidden layer, instead of depth and width.
        max_parameters: The most parameters, instead of width: the largest network of this depth that has no more, whose
            layers differ by at most one unit, the wider ones first. So networks of any depth have equal sizes.
        activation: relu, leaky_relu, sigmoid or tanh.
        initialization: torch, he, xavier or truncated.
        skip: Whether every hidden layer adds its input to its output where both have one size (the first one's input is
            x). Settings leave it out where it is false, as they did before it was there.
    """

    name: ClassVar[str] = "mlp"

    depth: int | None = None
    width: int | None = None
    widths: list[int] | None = None
    max_parameters: int | None = None
    activation: Activation = Activation.relu
    initialization: Initialization = Initialization.torch
    skip: bool = False

    def __post_init__(self) -> None:
        check_flag("model.skip", self.skip)
        self.activation = Activation(self.activation)
        self.initialization = Initialization(self.initialization)
        self._widths: list[int] | None = None  # of a network of a given size, known when the task is
        if self.max_parameters is not None:
            check_whole("model.max_parameters", self.max_parameters, 1)
            self.depth = 2 if self.depth is None else self.depth
            check_whole("model.depth", self.depth, 0, MAX_DEPTH)
            if self.width is not None or self.widths is not None:
                raise ValueError(
                    "model.max_parameters is given instead of model.width and model.widths, "
                    f"got max_parameters={self.max_parameters}, width={self.width}, widths={self.widths}"
                )
            return
        if self.widths is None:
            # The defaults are filled in here, so that a run that relies on them has the same settings, and the same
            # folder, as one that spells them out.
            self.depth = 2 if self.depth is None else self.depth
            self.width = 8 if self.width is None else self.width
            check_whole("model.depth", self.depth, 0, MAX_DEPTH)
            check_whole("model.width", self.width, 1)
            return
        self.widths = check_widths("model.widths", self.widths)
        check_whole("the number of layers in model.widths", len(self.widths), 0, MAX_DEPTH)
        if self.width is not None or self.depth not in (None, len(self.widths)):
            raise ValueError(
                "model.widths is given instead of model.depth and model.width, "
                f"got widths={self.widths}, depth={self.depth}, width={self.width}"
            )
        self.depth = len(self.widths)

    @property
    def has_pieces(self) -> bool:  # type: ignore[override]
        """Whether its networks are piecewise linear."""
        return self.activation.slope is not None

    def network(self, in_features: int, out_features: int) -> MLP:
        """An MLP with initial values from torch's global generator."""
        return MLP(
            in_features,
            out_features,
            width=self.layer_widths,
            activation=self.activation,
            skip=self.skip,
            initialization=self.initialization,
        )

    def initialized(
        self, in_features: int, out_features: int, *, loss: Loss, seed: int, dtype: torch.dtype
    ) -> MLP | SoftmaxClassifier:
        """The network that training starts from (see `Model`); its values come from a random stream of its own."""
        kind = SoftmaxClassifier if isinstance(loss, SoftmaxCrossEntropy) else MLP
        return kind(
            in_features,
            out_features,
            width=self.layer_widths,
            activation=self.activation,
            skip=self.skip,
            initialization=self.initialization,
            generator=stream(seed, "initialization"),
            dtype=dtype,
        )

    def sized_for(self, in_features: int, out_features: int) -> Self:
        """The model whose widths are known, where they follow from the number of parameters.

        Raises:
            ValueError: If not even a network of one unit a layer is so small.
        """
        if self.max_parameters is None:
            return self
        sized = replace(self)
        assert self.depth is not None
        sized._widths = widths_of_size(self.max_parameters, self.depth, in_features, out_features)
        return sized

    @property
    def layer_widths(self) -> list[int]:
        """The width of each hidden layer."""
        if self.max_parameters is not None:
            if self._widths is None:
                raise ValueError(f"model.max_parameters={self.max_parameters} gives no widths before sized_for")
            return self._widths
        if self.widths is not None:
            return self.widths
        assert self.width is not None and self.depth is not None
        return [self.width] * self.depth

    @property
    def title(self) -> str:
        """The part of a run's folder that says which network it is."""
        if self.max_parameters is not None:
            sizes = f"depth={self.depth}-max_parameters={self.max_parameters}"
        elif self.widths is not None:
            sizes = f"widths={_listed(self.widths)}"
        else:
            sizes = f"depth={self.depth}-width={self.width}"
        return f"{sizes}-{self.activation}" + ("-skip" if self.skip else "")

    @property
    def label(self) -> str:
        """The same for people: "depth 3, width 8, relu"."""
        return f"depth {self.depth}, width {self.width or self.layer_widths}, {self.activation}" + (
            ", skip" if self.skip else ""
        )

    @property
    def hparams(self) -> dict[str, str]:
        """What the HPARAMS tab of TensorBoard says of it besides depth and width."""
        return {"activation": self.activation.value, **({"skip": "true"} if self.skip else {})}


def widths_of_size(max_parameters: int, depth: int, in_features: int, out_features: int) -> list[int]:
    """The hidden layers of the largest network of some depth that has at most so many parameters.

    They differ by at most one unit, the wider ones first: (12, 11, 11) for 320 parameters, 3 layers, one input and one
    output, which are 311.

    Args:
        max_parameters: The most parameters, weights and biases.
        depth: Number of hidden layers.
        in_features: Size of an input.
        out_features: Size of an output.

    Raises:
        ValueError: If not even a network of one unit a layer is so small.

    Cost: some 30 networks are tried.
    """

    def widths(num_units: int) -> list[int]:
        return [num_units // depth + (layer < num_units % depth) for layer in range(depth)]

    def size(num_units: int) -> int:
        sizes = [in_features, *(widths(num_units) if depth else []), out_features]
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))

    if size(depth) > max_parameters:
        raise ValueError(
            f"model.max_parameters must be at least {size(depth)} for {depth} hidden layers, {in_features} inputs and "
            f"{out_features} outputs, got {max_parameters}"
        )
    if depth == 0:
        return []
    # Every unit adds parameters, so the largest number of units that fits is found by bisection.
    fits, too_large = depth, max_parameters + 1
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        fits, too_large = (middle, too_large) if size(middle) <= max_parameters else (fits, middle)
    return widths(fits)


def _listed(widths: list[int]) -> str:
    """Widths as part of a folder's name."""
    return ",".join(map(str, widths)) or "none"


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """What torch makes without being told a number format has this one."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
