"""The zig-zag: the lecture's tents nested, a function whose number of pieces doubles with every fold."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.checks import check_whole
from dlcourse.tasks.curve import Curve

MAX_FOLDS = 20
MIN_GRID_INTERVALS_PER_PIECE = 4


@dataclass(kw_only=True)
class ZigZag(Curve):
    """Regression of the nested tents on [0, 2].

    f = tent[2] ( ... tent[2] (tent[1] (x))), `num_folds` tents in all, with
    tent[1](x) = max(0, x) - max(0, 2 (x - 1)) from [0, 2] to [0, 1] and
    tent[2](x) = max(0, 2 x) - max(0, 4 (x - 1/2)) from [0, 1] to [0, 1].
    On [0, 2] it has 2^num_folds linear pieces of equal length, of slopes +-2^(num_folds - 1), between 0 and 1.

    `centred` carries the same function to domain and range [-2, 2]: x -> 2 (x - 1), y -> 4 (y - 1/2). On [0, 2] most
    units of an ordinary initialisation bend outside the domain; around 0 all have a chance. Pieces stay pieces; slopes
    double and errors are in the new units. See `Curve` for the other fields.

    Args:
        num_folds: How many tents are nested, 1 to 20.
        centred: Carry domain and range to [-2, 2].

    Raises:
        TypeError, ValueError: If a field is out of range.

    Source: slides "Depth and piecewise linear functions", the two tents (their weights being w = [1, -1]) and "By
    nesting the two scalar functions".
    """

    name: ClassVar[str] = "zigzag"

    num_folds: int = 3
    centred: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_folds", self.num_folds, 1, MAX_FOLDS)

    @property
    def low(self) -> float:
        """Left end of the domain."""
        return -2.0 if self.centred else 0.0

    @property
    def high(self) -> float:
        """Right end of the domain."""
        return 2.0

    @property
    def num_pieces(self) -> int:
        """2^num_folds."""
        return int(2**self.num_folds)

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

    @property
    def num_grid_intervals(self) -> int:
        """At least 1,024, and 4 per piece: all ends of pieces are points of the grid.

        So there are 1,025 points up to 8 folds, and 4 * 2^num_folds + 1 beyond.
        """
        intervals: int = max(super().num_grid_intervals, MIN_GRID_INTERVALS_PER_PIECE * 2**self.num_folds)
        return intervals
