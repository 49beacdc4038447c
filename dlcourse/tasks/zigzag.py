"""The zig-zag: the lecture's tents nested, a function whose number of pieces doubles with every fold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from dlcourse.losses import SquaredError
from dlcourse.streams import stream
from dlcourse.tasks.task import Data, Task, check_number, check_whole

MAX_FOLDS = 20
MAX_NOISE = 1000.0
MIN_GRID_INTERVALS = 2**10
MIN_GRID_INTERVALS_PER_PIECE = 4
GRID_POINTS_AT_ONCE = 2**14


@dataclass(kw_only=True)
class ZigZag(Task):
    """Regression of the nested tents on [0, 2].

    f = tent[2] ( ... tent[2] (tent[1] (x))), `num_folds` tents in all, with
    tent[1](x) = max(0, x) - max(0, 2 (x - 1)) from [0, 2] to [0, 1] and
    tent[2](x) = max(0, 2 x) - max(0, 4 (x - 1/2)) from [0, 1] to [0, 1].
    On [0, 2] it has 2^num_folds linear pieces of equal length, of slopes +-2^(num_folds - 1), between 0 and 1.

    Training and test inputs are uniform on the domain, from separate random streams.

    `centred` carries the same function to domain and range [-2, 2]: x -> 2 (x - 1), y -> 4 (y - 1/2). On [0, 2] most
    units of an ordinary initialisation bend outside the domain; around 0 all have a chance. Pieces stay pieces; slopes
    double and errors are in the new units.

    Args:
        num_folds: How many tents are nested, 1 to 20.
        noise: Standard deviation of the Gaussian noise on training and test targets; the metrics are free of it.
        num_train: Number of training items.
        num_test: Number of test items.
        fresh: Train on new items at every step.
        centred: Carry domain and range to [-2, 2].

    Raises:
        TypeError, ValueError: If a field is out of range.

    Source: slides "Depth and piecewise linear functions", the two tents (their weights being w = [1, -1]) and "By
    nesting the two scalar functions".
    """

    name: ClassVar[str] = "zigzag"
    metric: ClassVar[str] = "mean_squared_error"

    num_folds: int = 3
    noise: float = 0.0
    num_train: int = 1000
    num_test: int = 1000
    fresh: bool = False
    centred: bool = False

    def __post_init__(self) -> None:
        check_whole("num_folds", self.num_folds, 1, MAX_FOLDS)
        check_number("noise", self.noise, 0.0, MAX_NOISE)
        check_whole("num_train", self.num_train, 1)
        check_whole("num_test", self.num_test, 1)

    @property
    def in_features(self) -> int:
        """1: x."""
        return 1

    @property
    def out_features(self) -> int:
        """1: y."""
        return 1

    @property
    def low(self) -> float:
        """Left end of the domain."""
        return -2.0 if self.centred else 0.0

    @property
    def high(self) -> float:
        """Right end of the domain."""
        return 2.0

    @property
    def loss(self) -> SquaredError:
        """Squared error."""
        return SquaredError()

    def target(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """f(x), elementwise.

        Exact, without any rounding, for every floating-point x in [0, 2]: multiplying by 2 rounds nothing, and where
        max cuts nothing off, each difference is a multiple of the last bit of its larger term and not larger than it.
        Centred, it is exact where x / 2 + 1 is, and draws and grid points are such x.
        """
        if self.centred:
            x = x / 2 + 1
        y = torch.relu(x) - torch.relu(2 * (x - 1))
        for _ in range(self.num_folds - 1):
            y = torch.relu(2 * y) - torch.relu(4 * (y - 0.5))
        return 4 * (y - 0.5) if self.centred else y

    def grid(self) -> Float64[Tensor, "num 1"]:
        """Evenly spaced points of the domain, with all ends of pieces: at least 1,024 steps, and 4 per piece."""
        num_intervals: int = max(MIN_GRID_INTERVALS, MIN_GRID_INTERVALS_PER_PIECE * 2**self.num_folds)
        # Powers of two: every point is a floating-point number, in float32 too.
        steps = torch.arange(num_intervals + 1, dtype=torch.float64)[:, None]
        return self.low + (self.high - self.low) / num_intervals * steps

    def draw(self, num: int, generator: torch.Generator) -> tuple[Float64[Tensor, "num 1"], Float64[Tensor, "num 1"]]:
        """Fresh items: x uniform on the domain, y = f(x) + noise."""
        x = self.low + (self.high - self.low) * torch.rand(num, 1, generator=generator, dtype=torch.float64)
        y = self.target(x)
        if self.noise:
            y += self.noise * torch.randn(num, 1, generator=generator, dtype=torch.float64)
        return x, y

    def data(self, seed: int) -> Data:
        """Training and test items of the member with this seed."""
        train = self.draw(self.num_train, stream(seed, "training data"))
        test = self.draw(self.num_test, stream(seed, "test data"))
        return Data(*train, *test)

    @torch.no_grad()
    def metrics(self, network: Callable[[Tensor], Tensor], data: Data) -> dict[str, Float64[Tensor, "members"]]:
        """Mean squared error and largest absolute error on `grid()`, against f without noise.

        Cost: 1,025 points up to 8 folds, 4 * 2^num_folds + 1 beyond, sent through the network 16,384 at a time.
        """
        grid = self.grid()
        sums, maxima = [], []
        for points in grid.split(GRID_POINTS_AT_ONCE):
            outputs = network(points.to(data.test_inputs))[..., 0].double()
            errors = outputs - self.target(points)[:, 0].to(outputs)
            sums.append(errors.square().sum(-1))
            maxima.append(errors.abs().amax(-1))
        return {
            "mean_squared_error": torch.stack(sums).sum(0) / len(grid),
            "largest_error": torch.stack(maxima).amax(0),
        }

    def lines(self, seed: int) -> tuple[Float64[Tensor, "1 1"], Float64[Tensor, "1 1"]]:
        """The whole domain, whatever the seed."""
        return torch.tensor([[self.low]], dtype=torch.float64), torch.tensor([[self.high]], dtype=torch.float64)
