"""Points where d units are zero, and the units' values there, in exact arithmetic.

Only what floating point leaves undecided comes here.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.integers import Integers, integers
from dlcourse.pieces.layer import UnitLayer


@dataclass(eq=False)
class ExactBox:
    """A network's layers as integers; each is converted when it is first needed.

    Attributes:
        layers: The layers.
        first_wall: The number of each layer's first unit among all walls: sides of the box, then units.
        bounds: Where the sides are: side 2 i is x[i] = bounds[2 i], side 2 i + 1 is x[i] = bounds[2 i + 1].
    """

    layers: list[UnitLayer]
    first_wall: Int[np.ndarray, " layers_and_1"]
    bounds: Float[np.ndarray, " sides"]
    _converted: dict[int, tuple[Integers, int, Integers, int]] = field(default_factory=dict)

    def at_vertex(
        self, walls: list[int], positive: list[Bool[np.ndarray, " _"]]
    ) -> tuple[list[Fraction], Integers, int]:
        """The point on d walls, and a layer's pre-activations there as integers over one denominator.

        Args:
            walls: The walls.
            positive: Which units of each layer before are positive there; that many layers come before.
        """
        dimensions = len(walls)
        # Functions a x + c are rows (a, c) of integers, over one denominator for all.
        functions, denominator = np.eye(dimensions, dimensions + 1, dtype=np.int64).astype(object), 1
        equations = []
        for wall in walls:
            if wall < 2 * dimensions:
                above, below = float(self.bounds[wall]).as_integer_ratio()
                equations.append(np.array([*(below * functions[wall // 2, :-1]), -above], dtype=object))
        for index in range(len(positive) + 1):
            functions, denominator = self._affine(index, functions, denominator)
            first, after = self.first_wall[index : index + 2].tolist()
            equations += [functions[wall - first] for wall in walls if first <= wall < after]
            if index < len(positive):
                # Any region at the vertex will do, because the units are continuous: those that are zero count as off.
                slope, slope_denominator = integers(self.layers[index].slope[0])
                functions = functions * np.where(positive[index], slope_denominator, slope)[:, None]
                denominator *= slope_denominator
        point = _solution(equations)
        common = math.lcm(*(x.denominator for x in point))
        homogeneous = np.array([*(int(x * common) for x in point), common], dtype=object)
        return point, functions @ homogeneous, common * denominator

    def signs(self, point: Float[np.ndarray, " d"]) -> list[Int[np.ndarray, " units"]]:
        """The signs of all pre-activations at a point, for one layer after another."""
        values, denominator = integers(point)
        values = values[:, None]
        signs = []
        for index, layer in enumerate(self.layers):
            values, denominator = self._affine(index, values, denominator)
            signs.append(np.sign(values[:, 0]).astype(np.int64))
            slope, slope_denominator = integers(layer.slope[0])
            values = values * np.where(signs[-1] > 0, slope_denominator, slope)[:, None]
            denominator *= slope_denominator
        return signs

    def weight(self, index: int) -> Integers:
        """A layer's weight, times its denominator."""
        return self._layer(index)[0]

    def _affine(self, index: int, inputs: Integers, denominator: int) -> tuple[Integers, int]:
        """W h + b for functions, or numbers, h; the last column is where constants are."""
        weight, weight_denominator, bias, bias_denominator = self._layer(index)
        denominator *= weight_denominator
        finer = bias_denominator // math.gcd(bias_denominator, denominator)
        outputs, denominator = weight @ inputs * finer, denominator * finer
        outputs[:, -1] += bias * (denominator // bias_denominator)
        return outputs, denominator

    def _layer(self, index: int) -> tuple[Integers, int, Integers, int]:
        """Weight and bias of a layer in integers, each with its denominator."""
        if index not in self._converted:
            layer = self.layers[index]
            self._converted[index] = (*integers(layer.weight[0]), *integers(layer.bias[0]))
        return self._converted[index]


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
