"""The zig-zag in two dimensions: the plane folded twice onto a quarter, and the quarter's diagonal by tents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from dlcourse.checks import check_whole
from dlcourse.losses import SquaredError
from dlcourse.streams import stream
from dlcourse.tasks.task import Data, Task
from dlcourse.tasks.zigzag import MAX_FOLDS, ZigZag

SIDE = 2.0


@dataclass(kw_only=True)
class FoldedTents(Task):
    """Regression of f(x) = zigzag(|x_1| + |x_2|), x uniform on the square [-2, 2]^2: squared error, exact.

    The zig-zag is the lecture's, centred (`ZigZag`): |x_1| + |x_2|, from 0 to 4, is carried to [-2, 2], where it has
    2^num_folds pieces and values between -2 and 2. So f is constant on squares that stand on a corner, one around the
    other: it is radial for the norm |x_1| + |x_2|. Training and test inputs come from separate random streams.

    Two hidden layers are enough for f: four units make |x_1| and |x_2|, and 2^num_folds the zig-zag of their sum; more
    layers take two units each (`absolute_sum` and `nested_tents` of `networks.constructions`). One hidden layer is
    enough for one fold, with eight units, but from two folds on never, however wide: where a unit bends, the gradient
    of w . max(0, W x + b) jumps all along a line, from one side of the domain to the other; that of f jumps along the
    edges of the square |x_1| + |x_2| = 1, say, and not where the lines through them go on. How near wide layers come is
    another matter. That one layer needs very many units is known for many inputs only: exponentially many in d for a
    radial function of d inputs (Eldan & Shamir), which says nothing for two.

    Args:
        num_folds: How many tents are nested, 1 to 20.
        num_train: Number of training items.
        num_test: Number of test items, on which the error is measured.
        fresh: Train on new items at every step.

    Raises:
        TypeError, ValueError: If a field is out of range.

    Source: slides "Depth and piecewise linear functions"; Eldan & Shamir 2016, The power of depth for feedforward
    neural networks, Theorem 1.
    """

    name: ClassVar[str] = "folded_tents"
    metric: ClassVar[str] = "mean_squared_error"

    num_folds: int = 2
    num_train: int = 1000
    num_test: int = 1000
    fresh: bool = False

    def __post_init__(self) -> None:
        check_whole("num_folds", self.num_folds, 1, MAX_FOLDS)
        check_whole("num_train", self.num_train, 1)
        check_whole("num_test", self.num_test, 1)

    @property
    def in_features(self) -> int:
        """2: the plane."""
        return 2

    @property
    def out_features(self) -> int:
        """1: f(x)."""
        return 1

    @property
    def loss(self) -> SquaredError:
        """Squared error."""
        return SquaredError()

    @property
    def solved(self) -> float:
        """A mean squared error below a thousandth of the variance: 4/3, as of any zig-zag, but 8/9 with one fold."""
        # The sum is likeliest to be 2. With one fold that is the peak; with more, ups and downs even out.
        return 0.001 * (8 / 9 if self.num_folds == 1 else 4 / 3)

    @property
    def rectangle(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The domain."""
        return (-SIDE, -SIDE), (SIDE, SIDE)

    def target(self, x: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape"]:
        """f(x), for points of the square."""
        return ZigZag(num_folds=self.num_folds, centred=True).target(x.abs().sum(-1) - SIDE)

    def draw(self, num: int, generator: torch.Generator) -> tuple[Float64[Tensor, "num 2"], Float64[Tensor, "num 1"]]:
        """Fresh items: x uniform on the square."""
        x = SIDE * (2 * torch.rand(num, 2, generator=generator, dtype=torch.float64) - 1)
        return x, self.target(x)[:, None]

    def data(self, seed: int, dtype: torch.dtype = torch.float32) -> Data:
        """Training and test items of the member with this seed."""
        train = self.draw(self.num_train, stream(seed, "training data"))
        test = self.draw(self.num_test, stream(seed, "test data"))
        return Data(*train, *test).to(dtype)

    @torch.no_grad()
    def metrics(self, network: Callable[[Tensor], Tensor], data: Data) -> dict[str, Float64[Tensor, "members"]]:
        """Mean squared error on the test data."""
        outputs = network(data.test_inputs)
        return {"mean_squared_error": self.loss(outputs, data.test_targets.expand_as(outputs)).double().mean(-1)}
