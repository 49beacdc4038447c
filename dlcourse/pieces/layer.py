"""What a network is read as: layers of units, each with at most one kink."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, eq=False, repr=False)
class UnitLayer:
    """x -> f(W x + b) for every member of a stack, where f(z) = z for z >= 0 and slope z for z < 0, unit by unit.

    Attributes:
        weight: W of each member: the numbers that the network stores, every one of which float64 holds exactly.
        bias: b of each member.
        slope: 0 for ReLU, 1 for a unit that passes its pre-activation through, -1 for the absolute value, anything else
            for leaky ReLU.
    """

    weight: Float[np.ndarray, "members out_features in_features"]
    bias: Float[np.ndarray, "members out_features"]
    slope: Float[np.ndarray, "members out_features"]

    def __repr__(self) -> str:
        members, out_features, in_features = self.weight.shape
        return f"UnitLayer(members={members}, in_features={in_features}, out_features={out_features})"

    @cached_property
    def bends(self) -> bool:
        """Whether some unit has a kink."""
        return bool((self.slope != 1).any())

    @cached_property
    def relu(self) -> bool:
        """Whether ReLU follows every unit."""
        return not self.slope.any()

    @cached_property
    def gates(self) -> bool:
        """Whether every unit's value is either kept or 0, so that nothing is rounded."""
        return bool(((self.slope == 0) | (self.slope == 1)).all())


def of_member(layers: list[UnitLayer], member: int) -> list[UnitLayer]:
    """The layers of one member of a stack, as a stack of one."""
    one = slice(member, member + 1)
    return [UnitLayer(layer.weight[one], layer.bias[one], layer.slope[one]) for layer in layers]


class Step(NamedTuple):
    """How a layer that bends cuts pieces of its input space into parts where its units keep their signs.

    Attributes:
        parent: For each part, the number of the piece that it comes from.
        positive: Which units keep their values on each part; the others are multiplied by their slopes.
    """

    parent: Int[np.ndarray, " parts"]
    positive: Bool[np.ndarray, "units parts"]
