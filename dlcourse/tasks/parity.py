"""Parity: is the number of 1s in the input odd? What circuits need depth for, and SGD cannot learn at many bits."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from dlcourse.checks import check_choice, check_whole
from dlcourse.losses import Hinge, Loss, SoftmaxCrossEntropy, SquaredError, one_hot
from dlcourse.streams import stream
from dlcourse.tasks.task import Data, Task, one_hot_accuracy

MAX_TABLE_BITS = 16
MAX_BITS = 1000


class Encoding(StrEnum):
    """How the bits 0 and 1 are written as inputs: as 0 and 1, or as -1 and +1."""

    zero_one = "zero_one"
    plus_minus = "plus_minus"


class PosedAs(StrEnum):
    """How the question is posed to the network.

    `regression`: one output, the value 0 or 1, squared error. `classification`: two outputs, the logits of the classes
    even and odd, softmax cross-entropy. `hinge`: one output, -1 for even and +1 for odd, hinge loss.
    """

    regression = "regression"
    classification = "classification"
    hinge = "hinge"


@dataclass(kw_only=True)
class Parity(Task):
    """y = 1 if the number of 1s among the bits (or among a fixed subset of them) is odd, else 0.

    The training and test data are both the full truth table, up to 16 bits. Beyond, the table is too long: only fresh
    samples can be trained on, and the data are uniform samples, training and test from separate random streams.

    Args:
        num_bits: Number of bits, 1 to 16 for the full truth table, 1 to 1,000 for fresh samples.
        subset: How many bits count; which ones is chosen at random. None: all of them.
        subset_seed: Chooses which; the same bits count for every member.
        encoding: `zero_one` or `plus_minus`, the two values of an input.
        posed_as: `regression`, `classification` or `hinge`.
        fresh: Train on new uniform samples at every step instead of the truth table.
        num_test: Number of samples that stand for the truth table where it is too long.

    Raises:
        TypeError, ValueError: If a field is out of range.

    Source: slides "Parity Circuits"; random subsets, fresh samples and the hinge loss as in Shalev-Shwartz, Shamir,
    Shammah 2017, Failures of Gradient-Based Deep Learning, section 2.
    """

    name: ClassVar[str] = "parity"
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[tuple[str, ...]] = ("accuracy",)

    num_bits: int = 4
    subset: int | None = None
    subset_seed: int = 0
    encoding: Encoding = Encoding.zero_one
    posed_as: PosedAs = PosedAs.regression
    fresh: bool = False
    num_test: int = 1000

    def __post_init__(self) -> None:
        check_whole("num_bits", self.num_bits, 1, MAX_BITS)
        if self.num_bits > MAX_TABLE_BITS and not self.fresh:
            raise ValueError(
                f"num_bits must be between 1 and {MAX_TABLE_BITS} for the full truth table, got {self.num_bits} "
                f"(fresh=true trains on fresh samples instead and allows up to {MAX_BITS})"
            )
        if self.subset is not None:
            check_whole("subset", self.subset, 1, self.num_bits)
        check_whole("subset_seed", self.subset_seed, 0)
        self.encoding = check_choice("encoding", self.encoding, Encoding)
        self.posed_as = check_choice("posed_as", self.posed_as, PosedAs)
        check_whole("num_test", self.num_test, 1)

    @property
    def in_features(self) -> int:
        """One per bit."""
        return self.num_bits

    @property
    def out_features(self) -> int:
        """2 logits as a classification, else 1."""
        return 2 if self.posed_as is PosedAs.classification else 1

    @property
    def loss(self) -> Loss:
        """Squared error, softmax cross-entropy or hinge, as posed."""
        match self.posed_as:
            case PosedAs.regression:
                return SquaredError()
            case PosedAs.classification:
                return SoftmaxCrossEntropy()
            case PosedAs.hinge:
                return Hinge()

    @property
    def solved(self) -> float:
        """An accuracy of 1: every row of the truth table, or every sample that stands for it."""
        return 1.0

    @property
    def rectangle(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """The square whose corners are the inputs, if there are two bits."""
        low = 0.0 if self.encoding is Encoding.zero_one else -1.0
        return ((low, low), (1.0, 1.0)) if self.num_bits == 2 else None

    @property
    def relevant_bits(self) -> list[int]:
        """The positions, from 0, of the bits that count."""
        if self.subset is None:
            return list(range(self.num_bits))
        order = torch.randperm(self.num_bits, generator=stream(self.subset_seed, "parity subset"))
        return sorted(order[: self.subset].tolist())

    def parity(self, bits: Int64[Tensor, "num num_bits"]) -> Int64[Tensor, "num"]:
        """1 where the number of 1s among the bits that count is odd, else 0."""
        relevant = bits if self.subset is None else bits[:, self.relevant_bits]
        return relevant.sum(-1) % 2

    def draw(
        self, num: int, generator: torch.Generator
    ) -> tuple[Float64[Tensor, "num num_bits"], Float64[Tensor, "num out_features"]]:
        """Fresh items: every bit 0 or 1 with probability 1/2."""
        return self._items(torch.randint(2, (num, self.num_bits), generator=generator))

    def data(self, seed: int, dtype: torch.dtype = torch.float32) -> Data:
        """The truth table twice, rows counting up in binary (first bit highest); samples where it is too long."""
        if self.num_bits <= MAX_TABLE_BITS:
            shifts = torch.arange(self.num_bits).flip(0)
            table = self._items(torch.arange(2**self.num_bits)[:, None] >> shifts & 1)
            return Data(*table, *table).to(dtype)
        train = self.draw(self.num_test, stream(seed, "training data"))
        test = self.draw(self.num_test, stream(seed, "test data"))
        return Data(*train, *test).to(dtype)

    @torch.no_grad()
    def metrics(self, network: Callable[[Tensor], Tensor], data: Data) -> dict[str, Float64[Tensor, "members"]]:
        """Accuracy on the test data: outputs above 1/2 (regression) or 0 (hinge) mean odd; NaN is always wrong."""
        outputs, targets = network(data.test_inputs), data.test_targets
        if self.posed_as is PosedAs.classification:
            return {"accuracy": one_hot_accuracy(outputs, targets)}
        threshold = 0.5 if self.posed_as is PosedAs.regression else 0.0
        right = (outputs > threshold) == (targets > threshold)
        return {"accuracy": (right & ~outputs.isnan())[..., 0].double().mean(-1)}

    def _items(self, bits: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs as encoded and targets as posed."""
        inputs = bits if self.encoding is Encoding.zero_one else 2 * bits - 1
        parity = self.parity(bits)
        match self.posed_as:
            case PosedAs.regression:
                targets = parity[:, None]
            case PosedAs.classification:
                targets = one_hot(parity, 2)
            case PosedAs.hinge:
                targets = 2 * parity[:, None] - 1
        return inputs.double(), targets.double()
