"""Pre-activations at vertices in numbers of several digits, which prove most signs that floats leave open.

A vertex is where two functions u and v are zero, in homogeneous coordinates p = u x v, and f is f . p / p[2] there. If
the coefficients of u and v are off by du and dv, those of p are off by at most 2 (|u| dv + |v| du + du dv), |u| and |v|
being the largest ones, and by what is lost in products. If f is off by df in every coefficient and p by dp, f . p is
off by at most 3 (|f| dp + |p| df + df dp) and by what is lost; and the quotient by the sum of that and of |f(p)| dp,
divided by |p[2]| - dp. The floats that both are rounded to, and their quotient, are off by less than 8 EPS of it.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.digit_network import on_plane
from dlcourse.pieces.arithmetic.digits import Base, Digits
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.layer import Step
from dlcourse.pieces.plane.history import History, Lines
from dlcourse.pieces.plane.not_zero import OnPolygon

_PART = 512  # vertices that are taken at once
NEXT, LAST = [1, 2, 0], [2, 0, 1]  # of three coordinates: p[k] = u[k + 1] v[k + 2] - u[k + 2] v[k + 1]


class Closer(NamedTuple):
    """A layer's pre-activations at some vertices or other points.

    Attributes:
        values: The values there, as floats.
        error: How far off each of them may be; infinity or NaN where they cannot be told.
    """

    values: Float[np.ndarray, "vertices units"]
    error: Float[np.ndarray, "vertices units"]


class _Zeros(NamedTuple):
    """Functions for some vertices, in digits whose place does not matter, with bounds for every coefficient."""

    digits: Float[np.ndarray, "digits 3 vertices"]
    error: Float[np.ndarray, " vertices"]


def look_closer(
    on_polygon: OnPolygon,
    frame: Float[np.ndarray, "in_features 3"],
    history: History,
    lines: Lines,
    faces: Int[np.ndarray, " points"],
) -> Closer:
    """Works out in digits the last layer's pre-activations at points, given two lines and a face at each of them."""
    num_layers, num_units = len(on_polygon.units), len(on_polygon.units[-1])
    closer = Closer(np.zeros((len(faces), num_units)), np.full((len(faces), num_units), np.inf))
    bases = on_polygon.network.bases(num_layers)
    if bases is None:
        return closer
    beside_each_other = np.argsort(faces)  # of few earlier faces parts are
    for first in range(0, len(faces), _PART):
        part = beside_each_other[first : first + _PART]
        found = _functions(on_polygon, bases, frame, history, lines.taken(part), faces[part])
        values, error = _at_crossings(bases[-1], *found)
        closer.values[part], closer.error[part] = values.T, error.T
    return closer


def _functions(
    on_polygon: OnPolygon,
    bases: list[Base],
    frame: Float[np.ndarray, "in_features 3"],
    history: History,
    lines: Lines,
    faces: Int[np.ndarray, " vertices"],
) -> tuple[Digits, _Zeros, _Zeros]:
    """The last layer's functions on faces, and those that are zero at the vertices' two lines."""
    network, layer, num = on_polygon.network, len(bases) - 1, len(faces)
    on_sides, *of_layers = lines.of_sides_and_layers(layer + 1)
    face, unit = lines.face.ravel(), lines.unit.ravel()
    wanted = history.with_parents([*(face[some] for some in of_layers[:layer]), faces])
    digits, error = np.zeros((bases[0].most, 3, 2 * num)), np.zeros(2 * num)
    sides = _sides(bases[0], history.corners)
    digits[: len(sides.digits), :, on_sides] = sides.digits[:, :, unit[on_sides]]
    error[on_sides] = sides.error[unit[on_sides]]
    functions = on_plane(bases[0], frame)
    for index, some in enumerate(of_layers):
        if index > 0:
            parent = np.searchsorted(wanted[index - 1], history.parents[index - 1][wanted[index]])
            step = Step(parent, on_polygon.positive(index - 1, history, wanted[index]))
            functions = network.bend(bases[index - 1], index - 1, functions, step, num_slopes=2)
        functions = network.affine(bases[index], index, functions, num_slopes=2)
        of_faces = functions.digits.reshape(*functions.digits.shape[:2], 3, -1)
        column = np.searchsorted(wanted[index], face[some])
        of_units = of_faces[:, on_polygon.number(index, unit[some]), :, column]  # [some, digits, 3]
        digits[: len(of_faces), :, some] = of_units.transpose(1, 2, 0)
        error[some] = functions.error.reshape(3, -1).max(axis=0)[column]
    column = np.searchsorted(wanted[layer], faces)
    columns = np.concatenate([column + k * len(wanted[layer]) for k in range(3)])
    one, other = (_Zeros(digits[:, :, at], error[at]) for at in (slice(num), slice(num, None)))
    return functions.taken(columns), one, other


def _sides(base: Base, corners: Float[np.ndarray, "corners 2"]) -> _Zeros:
    """Functions that are zero on the sides of the domain."""
    digits, _, left = base.split(np.append(corners, np.ones((len(corners), 1)), axis=1).T, base.most)
    points = np.stack(digits)
    off = np.full(len(corners), float(np.abs(left).max()) * base.below(len(digits)) + TINY)
    return _crossings(base, _Zeros(points, off), _Zeros(np.roll(points, -1, axis=2), off))


def _crossings(base: Base, one: _Zeros, other: _Zeros) -> _Zeros:
    """p = u x v, as derived above."""
    (sums, lost), (taken, _) = (
        base.products(one.digits[:, a], other.digits[:, b]) for a, b in ((NEXT, LAST), (LAST, NEXT))
    )
    largest, of_other = (np.abs(base.floats(line.digits)).max(axis=0) for line in (one, other))
    off = np.ldexp(largest * other.error + of_other * one.error + one.error * other.error, -base.bits) + lost
    point = base.carried(sums - taken, 1, SLACK * 2 * off + TINY)
    return _Zeros(point.digits, point.error)


def _at_crossings(
    base: Base, functions: Digits, one: _Zeros, other: _Zeros
) -> tuple[Float[np.ndarray, "units vertices"], Float[np.ndarray, "units vertices"]]:
    """The values of functions where two others are zero, and how far off they may be, as derived above."""
    num = len(one.error)
    point = _crossings(base, one, other)
    coordinates, off = np.abs(base.floats(point.digits)), point.error

    f = functions.digits.reshape(*functions.digits.shape[:2], 3, num)
    products = [base.products(f[:, :, k], point.digits[:, None, k]) for k in range(3)]
    sums = np.sum([of_one for of_one, _ in products], axis=0)
    summed = base.carried(sums, 1, np.full(num, 3 * math.sqrt(len(f[0])) * products[0][1]))
    above = np.ldexp(base.floats(summed.digits), base.bits * summed.place)
    f_error = functions.error.reshape(3, num).max(axis=0)
    sizes = np.abs(base.floats(functions.digits)).reshape(-1, 3, num).max(axis=1)
    error = 3 * (sizes * off + coordinates.max(axis=0) * f_error + f_error * off)
    error += np.ldexp(summed.error, base.bits * summed.place)

    values = above / base.floats(point.digits)[2]
    below = coordinates[2] * (1 - 4 * EPS) - SLACK * off
    error = (error + np.abs(values) * off + TINY) / np.where(below > 0, below, 0) + 8 * EPS * np.abs(values)
    scale = base.bits * functions.place
    return np.ldexp(values, scale), SLACK * np.ldexp(error, scale) + TINY
