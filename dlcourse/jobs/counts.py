"""Where the linear pieces of networks in training are counted: on segments, or on a rectangle of the plane."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.networks import Stack, unstack

NUM_PLANES = 5
"""At so many logged points, evenly apart, pieces are counted on a rectangle: a hundred times the work of a segment."""

MAX_REGIONS = 100_000
"""The most regions of a rectangle that are counted in training: more would take longer than the training."""

Corner = tuple[float, float]


@dataclass(frozen=True)
class Segments:
    """Segments of each member's own.

    Attributes:
        starts: `[members, num_lines, in_features]`.
        ends: Likewise.
    """

    starts: Tensor
    ends: Tensor

    def is_due(self, step: int) -> bool:
        """At every logged point."""
        return True

    def counts(self, networks: Stack, members: Sequence[int]) -> dict[str, np.ndarray]:
        """Numbers of pieces and regions, `[networks, num_lines]`.

        Args:
            networks: Any number of networks.
            members: Which member each of them is.
        """
        counted = pieces.on_lines(networks, self.starts[members], self.ends[members])
        return {"num_pieces": counted.num_pieces, "num_regions": counted.num_regions}


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of the plane, the same for all members.

    Attributes:
        low: Its lower corner.
        high: Its upper corner.
        num_steps: Updates in all.
        log_every: Steps between two logged points.
    """

    low: Corner
    high: Corner
    num_steps: int
    log_every: int

    def is_due(self, step: int) -> bool:
        """At the first and the last logged point, and at some between: each first one of a further quarter."""
        quarters = NUM_PLANES - 1
        before = (step - self.log_every) * quarters // max(self.num_steps, 1)
        return step == self.num_steps or step * quarters // max(self.num_steps, 1) > before

    def counts(self, networks: Stack, members: Sequence[int]) -> dict[str, np.ndarray]:
        """Numbers of pieces and regions, `[networks, 1]`; NaN for a network with too many, which is said on stderr.

        Args:
            networks: Any number of networks.
            members: Which member each of them is: of no importance here.
        """
        counted = [self._count(network) for network in unstack(networks)]
        return {
            name: np.array([[count[index]] for count in counted])
            for index, name in enumerate(("num_pieces", "num_regions"))
        }

    def _count(self, network: nn.Module) -> tuple[float, float]:
        """Pieces and regions of one network."""
        try:
            plane = pieces.on_plane(network, self.low, self.high, max_regions=MAX_REGIONS)
            return plane.num_pieces, plane.num_regions
        except ValueError as error:
            print(f"pieces are not counted: {error}", file=sys.stderr)
            return math.nan, math.nan
