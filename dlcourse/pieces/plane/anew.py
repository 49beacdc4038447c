"""Pre-activations at vertices worked out anew from the inputs in floats, which proves most signs that are open.

A vertex lies between two others, and inherits what their values are off by, some times over: after many layers little
is proven. But its lines are the zeros of two functions u and v, whose coefficients are worked out on faces layer by
layer, as are those of a function f, and off by what `arithmetic/reach.py` says. In homogeneous coordinates the vertex
is p = u x v, and f is f . p / p[2] there. Let u and v be off by du and dv, one number for each coefficient; every p[k]
is a difference of two products, of the other coefficients of u and v, and S(a, b)[k] be the sum of the products of
sizes. Then p is off by S(|u| + du, dv) + S(du, |v|) at most, and by EPS S(|u|, |v|) for rounding. If f is off by df and
p by dp, f . p is off by the sum of |f| dp + (|p| + dp) df over the coefficients, and by 2 EPS times that of |f| |p|;
and the quotient by that and |f(p)| dp[2], divided by |p[2]| - dp[2], and by rounding.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.reach import Errors
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, TINY_LENGTH, roundings_by_length
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.closer import LAST, NEXT, Closer
from dlcourse.pieces.plane.history import History, Lines
from dlcourse.pieces.plane.not_zero import NotZero, OnPolygon

_NUMBERS = 2**21  # of functions that are there at once: 16 MB


class _Functions(NamedTuple):
    """One function for each of some vertices, with bounds for every coefficient."""

    values: Float[np.ndarray, "3 vertices"]
    error: Float[np.ndarray, "3 vertices"]

    def scaled(self) -> "_Functions":
        """Those of each vertex divided by a power of two, so that the largest is about 1."""
        exponent = np.frexp(np.abs(self.values).max(axis=0))[1]
        return _Functions(np.ldexp(self.values, -exponent), np.ldexp(self.error, -exponent) + TINY)


@dataclass(frozen=True, eq=False)
class Anew:
    """The pre-activations of a network on a plane, worked out layer by layer.

    Attributes:
        not_zero: The network's layers without what is 0 everywhere.
        frame: The plane's origin and two directions, as columns x direction, y direction, origin.
        history: What the layers that are done have made of the domain.
    """

    not_zero: NotZero
    frame: Float[np.ndarray, "in_features 3"]
    history: History
    _roundings: dict[UnitLayer, tuple[float, float]] = field(default_factory=dict)

    def at(self, layer: int, lines: Lines, faces: Int[np.ndarray, " points"]) -> Closer:
        """A layer's pre-activations at points, given the lines that cross there and a face beside each."""
        on_polygon = self.not_zero.until(layer)
        layers = on_polygon.network.layers
        num_units = layers[-1].bias.shape[1]
        closer = Closer(np.zeros((len(faces), num_units)), np.full((len(faces), num_units), np.inf))
        widest = max(max(each.in_features, each.bias.shape[1]) for each in layers)
        at_once = max(1, _NUMBERS // (3 * widest))
        beside_each_other = np.argsort(faces)  # of few earlier faces parts are
        for first in range(0, len(faces), at_once):
            part = beside_each_other[first : first + at_once]
            values, error = _at_crossings(*self._functions(layer, on_polygon, lines.taken(part), faces[part]))
            closer.values[part], closer.error[part] = values.T, error.T
        return closer

    def _functions(
        self, layer: int, on_polygon: OnPolygon, lines: Lines, faces: Int[np.ndarray, " points"]
    ) -> tuple[Float[np.ndarray, "units 3 points"], Float[np.ndarray, "units 3"], _Functions, _Functions]:
        """A layer's functions on faces, how far off they may be, and those that are zero on the points' two lines."""
        on_sides, *of_layers = lines.of_sides_and_layers(layer + 1)
        face, unit = lines.face.ravel(), lines.unit.ravel()
        wanted = self.history.with_parents([*(face[some] for some in of_layers[:layer]), faces])
        reach, errors = self.not_zero.reach(layer), Errors.none(3)
        zeros, error = np.empty((2, 3, len(unit)))
        sides = _sides(self.history.corners)
        zeros[:, on_sides], error[:, on_sides] = sides.values[:, unit[on_sides]], sides.error[:, unit[on_sides]]
        known, rounded = np.repeat(self.frame[:, :, None], len(wanted[0]), axis=2), np.zeros(3)
        for index, some in enumerate(of_layers):
            if index > 0:
                known, rounded = self._bent(index - 1, on_polygon, known, wanted)
                rounded = on_polygon.network.stretch(index, 0) * rounded
            known, by_product = self._affine(on_polygon.network.layers[index], known)
            errors = errors.after(reach[index], rounded + by_product)
            if len(some):
                number = on_polygon.number(index, unit[some])
                zeros[:, some] = known[number, :, np.searchsorted(wanted[index], face[some])].T
                error[:, some] = errors.units[number].T
        last = known.take(np.searchsorted(wanted[layer], faces), axis=2)
        num = len(faces)
        one, other = (_Functions(zeros[:, at], error[:, at]) for at in (slice(num), slice(num, None)))
        return last, errors.units, one, other

    def _affine(
        self, layer: UnitLayer, inputs: Float[np.ndarray, "in_features 3 faces"]
    ) -> tuple[Float[np.ndarray, "units 3 faces"], Float[np.ndarray, " 3"]]:
        """A layer's pre-activations, and what is rounded on the way."""
        bias = layer.bias[0]
        if layer not in self._roundings:
            (by_inputs,), (by_biases,) = roundings_by_length(layer.stored, layer.bias)
            self._roundings[layer] = float(by_inputs), float(by_biases)
        of_inputs, of_biases = self._roundings[layer]
        rounded = of_inputs * _longest(inputs) + of_biases
        functions = (layer.stored[0] @ inputs.reshape(len(inputs), -1)).reshape(len(bias), *inputs.shape[1:])
        functions[:, 2] += bias[:, None]
        return functions, SLACK * rounded + TINY

    def _bent(
        self,
        index: int,
        on_polygon: OnPolygon,
        known: Float[np.ndarray, "units 3 faces"],
        wanted: list[Int[np.ndarray, " _"]],
    ) -> tuple[Float[np.ndarray, "units 3 parts"], Float[np.ndarray, " 3"]]:
        """What a layer makes of its pre-activations on parts of faces, where its units keep their signs."""
        layer = on_polygon.network.layers[index]
        if not layer.bends:
            return known, np.zeros(3)
        slope = layer.slope[0]
        column = np.searchsorted(wanted[index], self.history.parents[index][wanted[index + 1]])
        functions = known.take(column, axis=2)
        factor = np.where(on_polygon.positive(index, self.history, wanted[index + 1]), 1.0, slope[:, None])
        functions *= factor[:, None]
        return functions, np.zeros(3) if layer.gates else SLACK * EPS * _longest(functions) + TINY


def _longest(functions: Float[np.ndarray, "units 3 faces"]) -> Float[np.ndarray, " 3"]:
    """The largest 2-norm of all functions' coefficients, for each of the three."""
    return np.asarray(np.sqrt(np.einsum("ukf,ukf->kf", functions, functions).max(axis=1)) + TINY_LENGTH)


def _crossed(
    one: Float[np.ndarray, "3 vertices"], other: Float[np.ndarray, "3 vertices"]
) -> Float[np.ndarray, "3 vertices"]:
    """S, as derived above."""
    sums: Float[np.ndarray, "3 vertices"] = one[NEXT] * other[LAST] + one[LAST] * other[NEXT]
    return sums


def _crossings(one: _Functions, other: _Functions) -> _Functions:
    """p = u x v, as derived above."""
    (u, du), (v, dv) = one, other
    point = u[NEXT] * v[LAST] - u[LAST] * v[NEXT]
    u, v = np.abs(u), np.abs(v)
    off = _crossed(u + du, dv) + _crossed(du, v) + EPS * _crossed(u, v)
    return _Functions(point, SLACK * off + TINY)


def _sides(corners: Float[np.ndarray, "corners 2"]) -> _Functions:
    """Functions that are zero on the sides of the domain."""
    points, exact = np.append(corners, np.ones((len(corners), 1)), axis=1).T, np.zeros((3, len(corners)))
    return _crossings(_Functions(points, exact), _Functions(np.roll(points, -1, axis=1), exact))


def _at_crossings(
    functions: Float[np.ndarray, "units 3 vertices"],
    off: Float[np.ndarray, "units 3"],
    one: _Functions,
    other: _Functions,
) -> tuple[Float[np.ndarray, "units vertices"], Float[np.ndarray, "units vertices"]]:
    """The values of functions where two others are zero, and how far off they may be, as derived above."""
    exponent = np.frexp(np.abs(functions).max(axis=(0, 1)))[1]
    f, (p, dp) = np.ldexp(functions, -exponent), _crossings(one.scaled(), other.scaled())
    values = np.einsum("ukn,kn->un", f, p) / p[2]
    f, p = np.abs(f), np.abs(p)
    error = np.einsum("ukn,kn->un", f, dp + 2 * EPS * p) + np.ldexp(off @ (p + dp), -exponent) + np.abs(values) * dp[2]
    below = p[2] * (1 - 4 * EPS) - SLACK * dp[2]
    error = SLACK * (error + TINY) / np.where(below > 0, below, 0) + 4 * EPS * np.abs(values) + TINY
    return np.ldexp(values, exponent), SLACK * np.ldexp(error, exponent) + TINY
