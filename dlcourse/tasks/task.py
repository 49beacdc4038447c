"""What every task is: data, a loss, a metric, and the lines on which a network's pieces are counted."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from dlcourse.losses import Loss, one_hot
from dlcourse.streams import stream

NUM_LINES = 20
"""Lines between data points on which pieces are counted where the inputs have more than one feature."""


@dataclass(frozen=True, repr=False)
class Data:
    """The data items of one member, or of a whole stack (then with a leading `members` axis).

    Attributes:
        train_inputs: What is trained on.
        train_targets: The values wanted there.
        test_inputs: What the network is judged by.
        test_targets: The values wanted there.
    """

    train_inputs: Float[Tensor, "*members num_train in_features"]
    train_targets: Float[Tensor, "*members num_train out_features"]
    test_inputs: Float[Tensor, "*members num_test in_features"]
    test_targets: Float[Tensor, "*members num_test out_features"]

    def __repr__(self) -> str:
        *members, num_train, in_features = self.train_inputs.shape
        sizes = f"in_features={in_features}, out_features={self.train_targets.shape[-1]}"
        of_each = f"{members[0]} members, each " if members else ""
        return f"Data({of_each}{num_train} to train on, {self.test_inputs.shape[-2]} to test by, {sizes})"

    def to(self, dtype: torch.dtype, device: torch.device | str = "cpu") -> "Data":
        """The same items in another number format, on another device."""
        return Data(*(values.to(device, dtype) for values in vars(self).values()))


@dataclass(kw_only=True)
class Task(ABC):
    """A task to train on; its children are schema, documentation and constructor in one.

    Attributes:
        name: The task's name in configurations and folders.
        metric: The key of the most telling entry of `metrics`, in words joined by underscores.
        higher_is_better: The entries of `metrics` of which more is better; of all others less is.
    """

    name: ClassVar[str]
    metric: ClassVar[str]
    higher_is_better: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def in_features(self) -> int:
        """Size of one input."""

    @property
    @abstractmethod
    def out_features(self) -> int:
        """Size of one target."""

    @property
    @abstractmethod
    def loss(self) -> Loss:
        """What training makes small."""

    @property
    def fresh(self) -> bool:
        """Whether training takes new items from `draw` at every step instead of picking from the training data."""
        return False

    @property
    def num_pieces(self) -> int | None:
        """How many linear pieces the function to be learnt has; None if it has none or they are not known."""
        return None

    @property
    def solved(self) -> float | None:
        """Where the headline metric counts as solved: at this value and above if more is better, below it if less is.

        None if the task does not say; then nobody solves it.
        """
        return None

    @property
    def rectangle(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Lower and upper corner of the part of the plane on which pieces are counted, for a task of two inputs.

        None where they are counted on `lines`.
        """
        return None

    @property
    def pieces_domain(self) -> str:
        """Where pieces are counted, as one says it: "linear pieces on [-2, 2]"."""
        if self.rectangle is not None:
            low, high = self.rectangle
            return " x ".join(f"[{start:g}, {end:g}]" for start, end in zip(low, high, strict=True))
        return f"a segment, mean of {NUM_LINES}"

    @property
    def num_items(self) -> int:
        """How many data items a member has, by which the memory of a run is estimated before any is made."""
        return sum(getattr(self, field, 0) for field in ("num_train", "num_test"))

    @abstractmethod
    def data(self, seed: int, dtype: torch.dtype = torch.float32) -> Data:
        """The data of the member with this seed: a pure function of the task and the seed.

        Args:
            seed: The member's seed.
            dtype: The number format; the items are drawn in float64 and converted.

        Returns:
            Tensors on the CPU, without a members axis. For a fresh task the training part is a sample on which the
            training loss can be measured.
        """

    def draw(
        self, num: int, generator: torch.Generator
    ) -> tuple[Float64[Tensor, "num in_features"], Float64[Tensor, "num out_features"]]:
        """Fresh data items.

        Args:
            num: How many.
            generator: Where they come from.

        Returns:
            Inputs and targets.

        Raises:
            NotImplementedError: If the task has a fixed stock of data; such a task is never `fresh`.
        """
        raise NotImplementedError(f"{self.name} has a fixed stock of data items and no source of fresh ones")

    @abstractmethod
    def metrics(self, network: Callable[[Tensor], Tensor], data: Data) -> dict[str, Float64[Tensor, "members"]]:
        """How well each member solves the task.

        Args:
            network: Maps `[num, in_features]` (the same items for all members) or `[members, num, in_features]` to
                `[members, num, out_features]`. It is called with the dtype and on the device of `data.test_inputs`.
            data: The members' data, stacked, or without a members axis if all share it.

        Returns:
            One value per member for every metric.
        """

    def lines(
        self, seed: int, data: Data | None = None
    ) -> tuple[Float64[Tensor, "num_lines in_features"], Float64[Tensor, "num_lines in_features"]]:
        """Starts and ends of the segments on which pieces are counted: lines between two training inputs.

        Args:
            seed: Chooses the inputs, and their data where the task's data depends on a seed.
            data: `data(seed, torch.float64)`, where that is at hand already.
        """
        data = self.data(seed, torch.float64) if data is None else data
        return lines_between(data.train_inputs, NUM_LINES, stream(seed, "lines"))


def lines_between(
    points: Float[Tensor, "num in_features"], num_lines: int, generator: torch.Generator
) -> tuple[Float[Tensor, "num_lines in_features"], Float[Tensor, "num_lines in_features"]]:
    """Lines between two different points, chosen uniformly: first the start, then an end that differs from it.

    Returns:
        Starts and ends.

    Raises:
        ValueError: If all points are the same.
    """
    starts = points[torch.randint(len(points), (num_lines,), generator=generator)]
    differs = (starts[:, None] != points).any(-1)
    if not differs.any(-1).all():
        raise ValueError(f"a line needs two different points, but all {len(points)} are the same")
    ends = points[torch.multinomial(differs.double(), 1, generator=generator)[:, 0]]
    return starts, ends


def one_hot_data(data: Data, num_classes: int) -> Data:
    """The slide's D = {(x, y)}, y a class, as D = {(x, y)} with each y in the 'one hot' representation.

    Args:
        data: Inputs, and as targets one number an item, its class, counted from 0 (the slides count from 1).
        num_classes: How many classes there are.

    Returns:
        The same inputs; targets `[*members, num, num_classes]`, 1 at the class and 0 elsewhere, of the inputs' dtype.

    Raises:
        ValueError: If there is more than one target an item, or one is not a whole number of a class.

    Source: slide "Cross-entropy for Softmax", "the dataset has to be transformed in the 'one hot' representation".
    """
    rows = []
    for targets in (data.train_targets, data.test_targets):
        if targets.shape[-1] != 1:
            raise ValueError(f"targets must be one class an item, got {targets.shape[-1]} numbers an item")
        wrong = targets[targets != targets.round()]
        if len(wrong):
            raise ValueError(f"targets must be whole numbers, got {wrong[0].item()}")
        rows.append(one_hot(targets[..., 0].long(), num_classes, data.train_inputs.dtype))
    return Data(data.train_inputs, rows[0], data.test_inputs, rows[1])


def one_hot_accuracy(
    outputs: Float[Tensor, "members num classes"], targets: Float[Tensor, "*members num classes"]
) -> Float64[Tensor, "members"]:
    """Fraction of items whose largest output is the target's class; an item with a NaN among its outputs is wrong."""
    right = outputs.argmax(-1) == targets.argmax(-1)
    return (right & ~outputs.isnan().any(-1)).double().mean(-1)
