"""Regression of a function of one number: what `ZigZag` and `Smooth` share."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from dlcourse.checks import check_number, check_whole
from dlcourse.losses import SquaredError
from dlcourse.streams import stream
from dlcourse.tasks.task import Data, Task

MAX_NOISE = 1000.0
MIN_GRID_INTERVALS = 2**10
GRID_POINTS_AT_ONCE = 2**14


@dataclass(kw_only=True)
class Curve(Task):
    """Regression of y = f(x), x uniform on an interval: squared error, exact or with noise.

    Training and test inputs come from separate random streams.

    Args:
        noise: Standard deviation of the Gaussian noise on training and test targets; the metrics are free of it.
        num_train: Number of training items.
        num_test: Number of test items.
        fresh: Train on new items at every step.

    Raises:
        TypeError, ValueError: If a field is out of range.
    """

    metric: ClassVar[str] = "mean_squared_error"

    noise: float = 0.0
    num_train: int = 1000
    num_test: int = 1000
    fresh: bool = False

    def __post_init__(self) -> None:
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
    @abstractmethod
    def low(self) -> float:
        """Left end of the domain."""

    @property
    @abstractmethod
    def high(self) -> float:
        """Right end of the domain."""

    @property
    def loss(self) -> SquaredError:
        """Squared error."""
        return SquaredError()

    @abstractmethod
    def target(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """f(x), elementwise."""

    @property
    def solved(self) -> float:
        """A mean squared error below a thousandth of the target's variance on `grid()`."""
        return 0.001 * float(self.target(self.grid()).var(correction=0))

    @property
    def pieces_domain(self) -> str:
        """The whole domain."""
        return f"[{self.low:g}, {self.high:g}]"

    @property
    def num_grid_intervals(self) -> int:
        """Steps between the points of `grid`, a power of two."""
        return MIN_GRID_INTERVALS

    def grid(self) -> Float64[Tensor, "num 1"]:
        """Evenly spaced points of the domain, both ends among them."""
        # The number of steps is a power of two, as is the length of the domains [0, 2] and [-2, 2]: so every point is
        # exactly a floating-point number, in float32 too.
        steps = torch.arange(self.num_grid_intervals + 1, dtype=torch.float64)[:, None]
        return self.low + (self.high - self.low) / self.num_grid_intervals * steps

    def draw(self, num: int, generator: torch.Generator) -> tuple[Float64[Tensor, "num 1"], Float64[Tensor, "num 1"]]:
        """Fresh items: x uniform on the domain, y = f(x) + noise."""
        x = self.low + (self.high - self.low) * torch.rand(num, 1, generator=generator, dtype=torch.float64)
        y = self.target(x)
        if self.noise:
            y = y + self.noise * torch.randn(num, 1, generator=generator, dtype=torch.float64)
        return x, y

    def data(self, seed: int, dtype: torch.dtype = torch.float32) -> Data:
        """Training and test items of the member with this seed."""
        train = self.draw(self.num_train, stream(seed, "training data"))
        test = self.draw(self.num_test, stream(seed, "test data"))
        return Data(*train, *test).to(dtype)

    @torch.no_grad()
    def metrics(self, network: Callable[[Tensor], Tensor], data: Data) -> dict[str, Float64[Tensor, "members"]]:
        """Mean squared error and largest absolute error on `grid()`, against f without noise.

        Cost: the points of the grid, sent through the network 16,384 at a time.
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

    def lines(self, seed: int, data: Data | None = None) -> tuple[Float64[Tensor, "1 1"], Float64[Tensor, "1 1"]]:
        """The whole domain, whatever the seed and the data."""
        return torch.tensor([[self.low]], dtype=torch.float64), torch.tensor([[self.high]], dtype=torch.float64)
