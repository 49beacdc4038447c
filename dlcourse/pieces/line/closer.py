"""Pre-activations at vertices in numbers of several digits, which prove most signs that floats leave open."""

import math
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.digit_network import DigitNetwork
from dlcourse.pieces.arithmetic.digits import Base, Digits
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.line.intervals import Intervals

_PART = 256  # intervals that are taken at once, so that they stay in the cache


class Closer(NamedTuple):
    """A layer's pre-activations at those of some vertices where digits prove all signs that floats did not.

    Attributes:
        proven: Which of the vertices these are.
        values: The values there, rounded to floats.
        error: How far off each vertex's values may be, in the 2-norm.
        slopes: Their slopes on the interval to the right of the vertex, or to the left where a line ends.
        slope_error: How far off each vertex's slopes may be, in the 2-norm.
    """

    proven: Bool[np.ndarray, " vertices"]
    values: Float[np.ndarray, "units some"]
    error: Float[np.ndarray, " some"]
    slopes: Float[np.ndarray, "units some"]
    slope_error: Float[np.ndarray, " some"]


class _Lines(NamedTuple):
    """A function s t + i for each interval, in digits whose place does not matter, with bounds."""

    slope: Float[np.ndarray, "1 digits intervals"]
    intercept: Float[np.ndarray, "1 digits intervals"]
    slope_error: Float[np.ndarray, " intervals"]
    intercept_error: Float[np.ndarray, " intervals"]


def look_closer(
    intervals: Intervals,
    network: DigitNetwork,
    vertices: Int[np.ndarray, " vertices"],
    known: Float[np.ndarray, "units vertices"],
    proven: Bool[np.ndarray, "units vertices"],
) -> Closer:
    """Works out in digits the pre-activations of the layer that is to cut the intervals next.

    Args:
        intervals: The intervals.
        network: Their layers, in digits.
        vertices: Some of their vertices, in order.
        known: The values there as floats.
        proven: Which of these have the right sign. If digits do not tell it, as where zeros are made of zeros, that
            float is kept, and is off by what digits differ from it and by their own error.
    """
    values, value_error, slopes, slope_error = _values_and_slopes(intervals, network, vertices)
    sure = np.abs(values) > value_error
    all_proven = (sure | proven).all(axis=0) & np.isfinite(value_error).all(axis=0) & np.isfinite(slope_error)
    rows = np.where(sure, values, known)[:, all_proven]
    off = np.abs(rows - values[:, all_proven]) + value_error[:, all_proven]
    error = SLACK * math.sqrt(len(rows)) * off.max(axis=0) + TINY
    return Closer(all_proven, rows, error, slopes[:, all_proven], slope_error[all_proven])


def _values_and_slopes(
    intervals: Intervals, network: DigitNetwork, vertices: Int[np.ndarray, " some"]
) -> tuple[
    Float[np.ndarray, "units some"],
    Float[np.ndarray, "units some"],
    Float[np.ndarray, "units some"],
    Float[np.ndarray, " some"],
]:
    """Values and how far off each may be, slopes and how far off each vertex's are; infinity where digits fail."""
    bends = [layer.bends for layer in intervals.layers]
    num_bends = np.cumsum(bends) - bends  # before each layer
    depth = int(np.searchsorted(num_bends, len(intervals.cuts), side="right"))
    num_units, num = intervals.layers[depth - 1].bias.shape[1], len(vertices)
    found = *np.full((3, num_units, num), np.inf), np.full(num, np.inf)
    beside = vertices - (intervals.last[intervals.line(vertices)] == vertices)
    for part, member in intervals.parts(beside, _PART):
        base = network.base(depth, member=member)
        if base is not None:
            lines, steps, columns = intervals.descent(beside[part])
            functions = network.along(base, intervals.starts[lines], intervals.ends[lines], steps, member=member)
            of_layers = [columns[before] for before in num_bends[:depth]]
            zeros, last = _functions(base, functions, of_layers, *intervals.born(vertices[part]))
            for of_all, of_part in zip(found, [*_at_zeros(base, last, zeros), *_slopes(base, last)], strict=True):
                of_all[..., part] = of_part
    return found


def closer_positions(
    intervals: Intervals, network: DigitNetwork, vertices: Int[np.ndarray, " some"]
) -> tuple[Float[np.ndarray, " some"], Float[np.ndarray, " some"]]:
    """t of some vertices of the finished subdivision, and how far off they may be; infinity or NaN where digits fail.

    At t = -i / s of functions s t + i. If s is off by ds and i by di at most, t is by (di + |t| ds) / (|s| - ds).
    """
    bends = [layer.bends for layer in intervals.layers]
    num_bends = np.cumsum(bends) - bends
    depth = 1 + max((index for index, layer in enumerate(intervals.layers) if layer.bends), default=0)
    position, error = np.full((2, len(vertices)), np.inf)
    for part, member in intervals.parts(vertices, _PART):
        base = network.base(depth, member=member)
        if base is not None:
            lines, steps, columns = intervals.descent(vertices[part])
            functions = network.along(base, intervals.starts[lines], intervals.ends[lines], steps, member=member)
            of_layers = [columns[before] for before in num_bends[:depth]]
            zeros, _ = _functions(base, islice(functions, depth), of_layers, *intervals.born(vertices[part]))
            (slope,), (intercept,) = base.floats(zeros.slope), base.floats(zeros.intercept)
            position[part] = -intercept / slope
            steepness = np.abs(slope) * (1 - 4 * EPS) - SLACK * zeros.slope_error
            off = zeros.intercept_error + np.abs(position[part]) * zeros.slope_error
            error[part] = SLACK * off / np.where(steepness > 0, steepness, 0) + 8 * EPS * np.abs(position[part])
    return position, error


def _functions(
    base: Base,
    functions: Iterable[Digits],
    columns: list[Int[np.ndarray, " intervals"]],
    layer: Int[np.ndarray, " intervals"],
    unit: Int[np.ndarray, " intervals"],
) -> tuple[_Lines, Digits]:
    """The functions whose zeros vertices are, picked from one layer after another, and all functions of the last layer.

    Of a line's start, which is unit 0 of layer -1, it is t, and of its end, which is unit 1, t - 1.

    Args:
        base: The base.
        functions: Each layer's slopes and intercepts on the intervals before it.
        columns: For each layer, which of these the intervals are parts of.
        layer: For each interval, the layer that made its vertex.
        unit: The unit that made it.
    """
    num = len(layer)
    found = _Lines(*np.zeros((2, 1, base.most, num)), *np.zeros((2, num)))
    found.slope[0, 0] = layer < 0
    found.intercept[0, 0] = np.where((layer < 0) & (unit == 1), -1, 0)
    for index, function in enumerate(functions):
        here = np.flatnonzero(layer == index)
        _, num_digits, num_columns = function.digits.shape
        for row, (numbers, error) in enumerate(zip(found[:2], found[2:], strict=True)):
            column = columns[index][here] + row * num_columns // 2
            numbers[0, :num_digits, here] = function.digits[unit[here], :, column]
            error[here] = function.error[column]
    last = np.concatenate([columns[-1], columns[-1] + num_columns // 2])
    return found, Digits(function.digits.take(last, axis=2), function.place, function.error[last])


def _slopes(
    base: Base, functions: Digits
) -> tuple[Float[np.ndarray, "units intervals"], Float[np.ndarray, " intervals"]]:
    """The slopes of functions as floats, and how far off they may be."""
    num = len(functions.error) // 2
    slopes = base.floats(functions.digits[:, :, :num])
    error = functions.error[:num] + math.sqrt(len(slopes)) * 2 * EPS * np.abs(slopes).max(axis=0)
    scale = base.bits * functions.place
    return np.ldexp(slopes, scale), SLACK * np.ldexp(error, scale) + TINY


def _at_zeros(
    base: Base, functions: Digits, zeros: _Lines
) -> tuple[Float[np.ndarray, "units intervals"], Float[np.ndarray, "units intervals"]]:
    """The values of functions s t + i where others, s' t + i', are zero, and how far off they may be.

    At t = -i' / s' the value is N / s', N = i s' - s i'. Be the numbers off by ds, di, ds' and di' at most. Then N is
    off by |i| ds' + |s'| di + di ds' + |s| di' + |i'| ds + ds di' and by what is lost in products, and N / s' by the
    sum of that and of |N / s'| ds', divided by |s'| - ds'. The floats that N and s' are rounded to, and their quotient,
    are off by less than 8 EPS of the value.
    """
    num = functions.digits.shape[2] // 2
    slopes, intercepts = functions.digits[:, :, :num], functions.digits[:, :, num:]
    slope_error, intercept_error = functions.error[:num], functions.error[num:]
    (sums, lost), (taken, _) = base.products(intercepts, zeros.slope), base.products(slopes, zeros.intercept)
    products = base.carried(sums - taken, 1, np.full(num, 2 * lost))
    above = np.ldexp(base.floats(products.digits), base.bits * products.place)
    slopes, intercepts = np.abs(base.floats(slopes)), np.abs(base.floats(intercepts))
    (slope,), (intercept,) = base.floats(zeros.slope), np.abs(base.floats(zeros.intercept))
    steepness = np.abs(slope)

    error = intercepts * zeros.slope_error + steepness * intercept_error + intercept_error * zeros.slope_error
    error += slopes * zeros.intercept_error + intercept * slope_error + slope_error * zeros.intercept_error
    error += np.ldexp(products.error, base.bits * products.place)
    values = above / slope
    flattest = steepness * (1 - 4 * EPS) - SLACK * zeros.slope_error
    error = (error + np.abs(values) * zeros.slope_error) / np.where(flattest > 0, flattest, 0) + 8 * EPS * np.abs(
        values
    )
    scale = base.bits * functions.place
    return np.ldexp(values, scale), SLACK * np.ldexp(error, scale) + TINY
