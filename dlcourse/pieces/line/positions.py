"""Where vertices are on their lines: floats where these are proven to be near enough, else digits, else integers."""

from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK
from dlcourse.pieces.line.closer import closer_positions
from dlcourse.pieces.line.digit_functions import DigitFunctions
from dlcourse.pieces.line.intervals import Intervals

_FAR = 2.0**-20  # of a segment, or on whole lines of 1 + |t|


def positions(intervals: Intervals) -> tuple[Float[np.ndarray, " vertices"], Float[np.ndarray, " vertices"]]:
    """t of each vertex from 0 to 1, rounded, and bounds for how far off.

    They bound how far the float is from the vertex, and how far from the place that the vertex's values belong to
    (`Subdivision`). The place of a new vertex is t of the way between those of its ends, without an error. The zero
    itself may be t_error of that way farther; or twice that, where the value at an end is smaller than its bound.
    """
    position = np.array([0.0, 1.0] * len(intervals.last))
    error = np.zeros(len(position))
    for cut in intervals.cuts:
        new = np.flatnonzero(cut.is_new)
        left = cut.parent[new]
        start, width = position[left], position[left + 1] - position[left]
        furthest = np.maximum(error[left], error[left + 1])
        position, error = position[cut.parent], error[cut.parent]
        position[new] = start + cut.t * width
        with np.errstate(all="ignore"):  # a bound may be infinite, and then it is no bound
            error[new] = SLACK * (furthest + 2 * cut.t_error * (np.abs(width) + 2 * furthest) + 2 * EPS)
    return position, error


def on_segment(
    intervals: Intervals,
    functions: DigitFunctions,
    vertices: Int[np.ndarray, " some"],
    position: Float[np.ndarray, " some"],
    error: Float[np.ndarray, " some"],
) -> Float[np.ndarray, " some"]:
    """t of a segment's vertices, in order, no farther off than 2^-20."""
    position, far = _closer(intervals, functions, vertices, position, ~(error <= _FAR), half_line=False)
    if len(far):
        position[far] = [float(t) for t in intervals.exact_positions(vertices[far])]
    ascending: Float[np.ndarray, " some"] = np.maximum.accumulate(position)
    return ascending


def on_half_line(
    intervals: Intervals,
    functions: DigitFunctions,
    vertices: Int[np.ndarray, " some"],
    position: Float[np.ndarray, " some"],
    error: Float[np.ndarray, " some"],
) -> Float[np.ndarray, " some"]:
    """t = s / (1 - s) of vertices at s, in order, no farther off than 2^-20 (1 + t); infinity above the largest float.

    If s is off by e, t is off by e (1 + t) / (1 - s).
    """
    is_far = ~(error <= _FAR * (1 - position) / 2)
    position, far = _closer(intervals, functions, vertices, position, is_far, half_line=True)
    with np.errstate(divide="ignore"):
        position = position / (1 - position)
    if len(far):
        position[far] = [_rounded(s / (1 - s)) for s in intervals.exact_positions(vertices[far])]
    ascending: Float[np.ndarray, " some"] = np.maximum.accumulate(position)
    return ascending


def _closer(
    intervals: Intervals,
    functions: DigitFunctions,
    vertices: Int[np.ndarray, " some"],
    position: Float[np.ndarray, " some"],
    is_far: Bool[np.ndarray, " some"],
    *,
    half_line: bool,
) -> tuple[Float[np.ndarray, " some"], Int[np.ndarray, " far"]]:
    """Takes positions from digits where floats may be too far off, and tells where these may be so, too."""
    far = np.flatnonzero(is_far)
    if len(far) == 0:
        return position, far
    with np.errstate(all="ignore"):  # where digits fail there is no bound
        closer, error = closer_positions(functions, vertices[far])
        near = error <= _FAR * ((1 - closer) / 2 if half_line else 1)
    position[far[near]] = closer[near]
    return position, far[~near]


def _rounded(number: Fraction) -> float:
    """The nearest float, or infinity."""
    try:
        return float(number)
    except OverflowError:
        return np.inf
