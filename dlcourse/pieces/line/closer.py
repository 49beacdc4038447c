"""Pre-activations at vertices in numbers of several digits, which prove most signs that floats leave open."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.digits import Base, Digits
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.line.digit_functions import DigitFunctions, Lines

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


def look_closer(
    functions: DigitFunctions,
    vertices: Int[np.ndarray, " vertices"],
    known: Float[np.ndarray, "units vertices"],
    proven: Bool[np.ndarray, "units vertices"],
) -> Closer:
    """Works out in digits the pre-activations of the layer that is to cut the intervals next.

    Args:
        functions: The functions on the intervals.
        vertices: Some of their vertices, in order.
        known: The values there as floats.
        proven: Which of these have the right sign. If digits do not tell it, as where zeros are made of zeros, that
            float is kept, and is off by what digits differ from it and by their own error.
    """
    values, value_error, slopes, slope_error = _values_and_slopes(functions, vertices)
    sure = np.abs(values) > value_error
    all_proven = (sure | proven).all(axis=0) & np.isfinite(value_error).all(axis=0) & np.isfinite(slope_error)
    rows = np.where(sure, values, known)[:, all_proven]
    off = np.abs(rows - values[:, all_proven]) + value_error[:, all_proven]
    error = SLACK * math.sqrt(len(rows)) * off.max(axis=0) + TINY
    return Closer(all_proven, rows, error, slopes[:, all_proven], slope_error[all_proven])


def _values_and_slopes(
    functions: DigitFunctions, vertices: Int[np.ndarray, " some"]
) -> tuple[
    Float[np.ndarray, "units some"],
    Float[np.ndarray, "units some"],
    Float[np.ndarray, "units some"],
    Float[np.ndarray, " some"],
]:
    """Values and how far off each may be, slopes and how far off each vertex's are; infinity where digits fail."""
    intervals, num_cuts = functions.intervals, len(functions.intervals.cuts)
    num_units, num = intervals.layers[functions.bending[num_cuts]].bias.shape[1], len(vertices)
    found = *np.full((3, num_units, num), np.inf), np.full(num, np.inf)
    is_end = (intervals.last[intervals.line(vertices)] == vertices) & (not functions.goes_on)
    for part, member in intervals.parts(vertices, _PART):
        base = functions.base(num_cuts, member)
        if base is not None:
            beside, column = np.unique((vertices - is_end)[part], return_inverse=True)
            known = functions.before_cut(num_cuts, beside, member)
            last, zeros = known.taken(column)
            zeros = _with_ends(zeros, is_end[part])
            for of_all, of_part in zip(found, [*_at_zeros(base, last, zeros), *_slopes(base, last)], strict=True):
                of_all[..., part] = of_part
    return found


def closer_positions(
    functions: DigitFunctions, vertices: Int[np.ndarray, " some"]
) -> tuple[Float[np.ndarray, " some"], Float[np.ndarray, " some"]]:
    """t of some vertices of the finished subdivision, and how far off they may be; infinity or NaN where digits fail.

    At t = -i / s of functions s t + i. If s is off by ds and i by di at most, t is by (di + |t| ds) / (|s| - ds).
    """
    num_cuts = len(functions.intervals.cuts)
    position, error = np.full((2, len(vertices)), np.inf)
    for part, member in functions.intervals.parts(vertices, _PART):
        base = functions.base(num_cuts - 1, member)
        if base is not None:
            zeros = functions.starts(num_cuts, vertices[part], member)
            (slope,), (intercept,) = base.floats(zeros.slope), base.floats(zeros.intercept)
            position[part] = -intercept / slope
            steepness = np.abs(slope) * (1 - 4 * EPS) - SLACK * zeros.slope_error
            off = zeros.intercept_error + np.abs(position[part]) * zeros.slope_error
            error[part] = SLACK * off / np.where(steepness > 0, steepness, 0) + 8 * EPS * np.abs(position[part])
    return position, error


def _with_ends(starts: Lines, is_end: Bool[np.ndarray, " intervals"]) -> Lines:
    """The functions whose zeros vertices are: where intervals start, or t - 1 at the ends of lines."""
    slope, intercept, slope_error, intercept_error = starts
    first = (np.arange(len(slope)) == 0)[:, None, None]
    slope, intercept = np.where(is_end, first, slope), np.where(is_end, -1.0 * first, intercept)
    return Lines(slope, intercept, np.where(is_end, 0, slope_error), np.where(is_end, 0, intercept_error))


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
    base: Base, functions: Digits, zeros: Lines
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
