"""What a configuration says of a network. `MLPModel` is the lecture's; other packages bring models of their own."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

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
        activation: relu, leaky_relu, sigmoid or tanh.
        initialization: torch, he, xavier or truncated.
        skip: Whether every hidden layer adds its input to its output where both have one size (the first one's input is
            x). Settings leave it out where it is false, as they did before it was there.
    """

    name: ClassVar[str] = "mlp"

    depth: int | None = None
    width: int | None = None
    widths: list[int] | None = None
    activation: Activation = Activation.relu
    initialization: Initialization = Initialization.torch
    skip: bool = False

    def __post_init__(self) -> None:
        check_flag("model.skip", self.skip)
        self.activation = Activation(self.activation)
        self.initialization = Initialization(self.initialization)
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

    @property
    def layer_widths(self) -> list[int]:
        """The width of each hidden layer."""
        if self.widths is not None:
            return self.widths
        assert self.width is not None and self.depth is not None
        return [self.width] * self.depth

    @property
    def title(self) -> str:
        """The part of a run's folder that says which network it is."""
        sizes = f"depth={self.depth}-width={self.width}" if self.widths is None else f"widths={_listed(self.widths)}"
        return f"{sizes}-{self.activation}" + ("-skip" if self.skip else "")

    @property
    def label(self) -> str:
        """The same for people: "depth 3, width 8, relu"."""
        return f"depth {self.depth}, width {self.width or self.widths}, {self.activation}" + (
            ", skip" if self.skip else ""
        )

    @property
    def hparams(self) -> dict[str, str]:
        """What the HPARAMS tab of TensorBoard says of it besides depth and width."""
        return {"activation": self.activation.value, **({"skip": "true"} if self.skip else {})}


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
