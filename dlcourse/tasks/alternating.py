"""Alternating points: labels 0, 1, 0, 1, ... along a line, which tell apart how many pieces a function can have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from dlcourse.checks import check_whole
from dlcourse.losses import SquaredError
from dlcourse.networks.constructions import alternating_points
from dlcourse.tasks.task import Data, Task

LOW, HIGH = -2.0, 2.0
MAX_POINTS = 2**20


@dataclass(kw_only=True)
class Alternating(Task):
    """Telgarsky's points i / n, i = 0, ..., n - 1, labelled 0, 1, 0, 1, ...: all n are training and test data.

    For training they are carried to [-2, 2], x -> 4 (x - 1/2), as on [0, 1] most units of an ordinary initialisation
    bend outside; and the labels to -1 and +1, y -> 2 (y - 1/2), so that 1/2, which parts 0 from 1, becomes 0; the loss
    is the squared error. The lecture's tents, carried likewise, go through all points if n is a power of two: of 2^k
    points, each is 0 or 1 in `networks.constructions.nested_tents(k, -2, 2)`. How many points a network must get wrong
    follows from its number of pieces: `pieces.bounds.alternating_points_wrong`.

    Args:
        num_points: n, at least 2 and at most 2^20.

    Raises:
        TypeError, ValueError: If num_points is out of range.

    Source: Telgarsky 2015, Representation benefits of deep feedforward networks, the n-alternating-point problem; the
    tents are those of the slide "Depth and piecewise linear functions".
    """

    name: ClassVar[str] = "alternating"
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[tuple[str, ...]] = ("accuracy",)

    num_points: int = 8

    def __post_init__(self) -> None:
        check_whole("num_points", self.num_points, 2, MAX_POINTS)

    @property
    def in_features(self) -> int:
        """1: the place on the line."""
        return 1

    @property
    def out_features(self) -> int:
        """1: above 0 it means the label 1."""
        return 1

    @property
    def loss(self) -> SquaredError:
        """Squared error."""
        return SquaredError()

    @property
    def solved(self) -> float:
        """An accuracy of 1: every point."""
        return 1.0

    @property
    def pieces_domain(self) -> str:
        """The interval of the points."""
        return f"[{LOW:g}, {HIGH:g}]"

    @property
    def num_pieces(self) -> int:
        """n - 1: a function of fewer pieces gets a point wrong."""
        return self.num_points - 1

    @property
    def num_items(self) -> int:
        """All points twice, as training and as test data."""
        return 2 * self.num_points

    def data(self, seed: int, dtype: torch.dtype = torch.float32) -> Data:
        """All points, twice, whatever the seed."""
        points, labels = alternating_points(self.num_points, dtype=torch.float64)
        items = LOW + (HIGH - LOW) * points, 2 * labels - 1
        return Data(*items, *items).to(dtype)

    @torch.no_grad()
    def metrics(self, network: Callable[[Tensor], Tensor], data: Data) -> dict[str, Float64[Tensor, "members"]]:
        """Accuracy: the fraction of points that are right, where outputs of at least 0 mean 1; NaN is always wrong."""
        outputs = network(data.test_inputs)
        right = (outputs >= 0) == (data.test_targets > 0)
        return {"accuracy": (right & ~outputs.isnan())[..., 0].double().mean(-1)}

    def lines(self, seed: int, data: Data | None = None) -> tuple[Float64[Tensor, "1 1"], Float64[Tensor, "1 1"]]:
        """From -2 to 2, whatever the seed and the data."""
        return torch.tensor([[LOW]], dtype=torch.float64), torch.tensor([[HIGH]], dtype=torch.float64)
