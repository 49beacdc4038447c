"""Points where d units are zero, and the units' values there, in exact arithmetic.

Only what floating point leaves undecided comes here.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.integers import IntegerNetwork, Integers, integers


@dataclass(eq=False)
class ExactBox:
    """Where the walls of a box meet, and what the network's units are there.

    Attributes:
        network: The network.
        first_wall: The number of each layer's first unit among all walls: sides of the box, then units.
        bounds: Where the sides are: side 2 i is x[i] = bounds[2 i], side 2 i + 1 is x[i] = bounds[2 i + 1].
    """

    network: IntegerNetwork
    first_wall: Int[np.ndarray, " layers_and_1"]
    bounds: Float[np.ndarray, " sides"]

    def at_vertex(
        self, walls: list[int], positive: list[Bool[np.ndarray, " _"]]
    ) -> tuple[list[Fraction], Integers, int]:
        """The point on d walls, and a layer's pre-activations there as integers over one denominator.

        Args:
            walls: The walls.
            positive: Which units of each layer before are positive there; that many layers come before. Any region at
                the vertex will do, because the units are continuous: those that are zero count as off.
        """
        dimensions = len(walls)
        inputs = np.eye(dimensions, dimensions + 1, dtype=np.int64).astype(object)
        equations = []
        for wall in walls:
            if wall < 2 * dimensions:
                above, below = float(self.bounds[wall]).as_integer_ratio()
                equations.append(np.array([*(below * inputs[wall // 2, :-1]), -above], dtype=object))
        patterns = [units for units, layer in zip(positive, self.network.layers, strict=False) if layer.bends]
        layers = list(islice(self.network.pre_activations(inputs, 1, patterns), len(positive) + 1))
        for (functions, _), (first, after) in zip(layers, pairwise(self.first_wall.tolist()), strict=False):
            equations += [functions[wall - first] for wall in walls if first <= wall < after]
        point = _solution(equations)
        common = math.lcm(*(x.denominator for x in point))
        homogeneous = np.array([*(int(x * common) for x in point), common], dtype=object)
        functions, denominator = layers[-1]
        return point, functions @ homogeneous, common * denominator

    def signs(self, point: Float[np.ndarray, " d"]) -> list[Int[np.ndarray, " units"]]:
        """The signs of all pre-activations at a point, for one layer after another."""
        return list(self.network.signs(*integers(point)))


def _solution(equations: list[Integers]) -> list[Fraction]:
    """The x of a x + c = 0 for all rows (a, c)."""
    for column in range(len(equations)):
        pivot = next(row for row in range(column, len(equations)) if equations[row][column] != 0)
        equations[column], equations[pivot] = equations[pivot], equations[column]
        own = equations[column]
        for row, other in enumerate(equations):
            if row != column and other[column] != 0:
                other = other * own[column] - own * other[column]
                equations[row] = other // math.gcd(*other.tolist())
    return [Fraction(-row[-1], row[column]) for column, row in enumerate(equations)]
