"""Points and affine functions of a plane, in exact arithmetic.

On a face of the subdivision every pre-activation is affine in the plane's two coordinates. Its coefficients are
integers over one denominator, which all faces share; a vertex is where two such functions are zero, hence a point with
rational coordinates: three integers, the third of which divides the first two. Python's integers are never rounded.
What comes here is only what floating point leaves undecided.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, Shaped

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.alike import Alike
from dlcourse.pieces.arithmetic.integers import IntegerNetwork, integers
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.anew import Anew
from dlcourse.pieces.plane.history import Birth, History
from dlcourse.pieces.plane.not_zero import NotZero

Function = Shaped[np.ndarray, " 3"]  # f(x, y) = (f[0] x + f[1] y + f[2]) / denominator, in Python integers
HomogeneousPoint = Shaped[np.ndarray, " 3"]  # (p[0] / p[2], p[1] / p[2]), in Python integers, p[2] > 0

_MOST_KEPT = 20_000  # functions: enough for a layer's undecided faces, and memory stays bounded


@dataclass(eq=False)
class ExactPlane:
    """The exact functions on the faces of a subdivision, worked out when they are first needed.

    Attributes:
        layers: The network's layers.
        frame: The plane's origin and two directions, as columns x direction, y direction, origin.
        history: What the layers that are done have made of the domain.
    """

    layers: list[UnitLayer]
    frame: Float[np.ndarray, "in_features 3"]
    history: History
    _functions: dict[tuple[int, int], Shaped[np.ndarray, "units 3"]] = field(default_factory=dict)
    _denominators: dict[int, int] = field(default_factory=dict)
    _points: dict[Birth, HomogeneousPoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network, self.not_zero = IntegerNetwork(self.layers), NotZero(self.layers, self.history)
        self.anew = Anew(self.not_zero, self.frame, self.history)

    @cached_property
    def alike(self) -> Alike:
        """Which units are alike all over the plane."""
        return Alike(self.layers, 0, self.frame)

    def functions(self, layer: int, faces: Sequence[int]) -> list[Shaped[np.ndarray, "units 3"]]:
        """All pre-activations of a layer on some of the faces before that layer's cuts."""
        missing = sorted({face for face in faces if (layer, face) not in self._functions})
        if missing:
            inputs, denominator = self._inputs(layer, missing)
            outputs, self._denominators[layer] = self.network.affine(layer, inputs, denominator)
            for index, face in enumerate(missing):
                self._functions[layer, face] = outputs[:, index]
        return [self._functions[layer, face] for face in faces]

    def forget(self) -> None:
        """Lets go of functions if there are too many of them."""
        if len(self._functions) > _MOST_KEPT:
            self._functions.clear()

    def denominator(self, layer: int) -> int:
        """What the integers of a layer's functions are to be divided by, on any face."""
        return self._denominators[layer]

    def line(self, line: tuple[int, int], layer: int, face: int) -> Function:
        """A function that is zero on a line beside a face as numbered before the cuts of a layer."""
        index, unit = line
        if index < 0:
            corners = self.history.corners
            a, b = (_point(corners[corner]) for corner in (unit, (unit + 1) % len(corners)))
            return np.cross(a, b)
        function: Function = self.functions(index, [self.history.face_before(layer, face, index)])[0][unit]
        return function

    def point(self, vertex: int) -> HomogeneousPoint:
        """Where a vertex is."""
        if vertex < len(self.history.corners):
            return _point(self.history.corners[vertex])
        birth = self.history.birth(vertex)
        if birth not in self._points:
            one, other = (self.line(line, birth.layer, birth.face) for line in birth.lines)
            self._points[birth] = crossing(one, other)
        return self._points[birth]

    def signs(self, coordinates: Float[np.ndarray, " 2"]) -> Iterator[Int[np.ndarray, " units"]]:
        """The signs of all pre-activations at a point, layer after layer."""
        frame, denominator = integers(self.frame)
        point = _point(coordinates)
        return self.network.signs(frame @ point, denominator * int(point[2]))

    def _inputs(self, layer: int, faces: list[int]) -> tuple[Shaped[np.ndarray, "in_features faces 3"], int]:
        """What arrives at a layer, on some faces."""
        if layer == 0:
            frame, denominator = integers(self.frame)
            return np.repeat(frame[:, None], len(faces), axis=1), denominator
        before = self.functions(layer - 1, self.history.parents[layer - 1][faces].tolist())
        positive = bits.unpack(self.history.patterns[layer - 1][faces], self.layers[layer - 1].bias.shape[1])
        return self.network.bend(layer - 1, np.stack(before, axis=1), self.denominator(layer - 1), positive.T)


def crossing(one: Function, other: Function) -> HomogeneousPoint:
    """Where two functions are zero."""
    x, y, below = np.cross(one, other).tolist()
    assert below != 0, "lines that cross must not be parallel"
    divisor = math.gcd(x, y, below) * (1 if below > 0 else -1)
    return np.array([x // divisor, y // divisor, below // divisor], dtype=object)


def order_along(
    line: Function, functions: Shaped[np.ndarray, "functions 3"], *, rising: bool
) -> list[tuple[Fraction, int]]:
    """The functions' zeros along a line, in order, each with the index of its function; equal zeros have equal keys.

    Args:
        line: A function that is zero on the line.
        functions: Functions that change their signs along the line.
        rising: Whether the first of them goes from - to + in the direction that counts.
    """
    (a, b, c), (x, y, z) = line.tolist(), functions.T
    crossings = np.stack([b * z - c * y, c * x - a * z, a * y - b * x])
    values = (functions[0] @ crossings).tolist()
    sign = 1 if rising else -1
    keys = [Fraction(sign * value, below) for value, below in zip(values, crossings[2].tolist(), strict=True)]
    return sorted(zip(keys, range(len(keys)), strict=True))


def _point(coordinates: Float[np.ndarray, " 2"]) -> HomogeneousPoint:
    """A point given by floats."""
    whole, denominator = integers(coordinates)
    return np.array([*whole.tolist(), denominator], dtype=object)
