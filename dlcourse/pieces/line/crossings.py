"""Where units change their signs on intervals, as floats tell."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK


class Crossings(NamedTuple):
    """Changes of units' signs on intervals, from left to right."""

    unit: Int[np.ndarray, " crossings"]
    interval: Int[np.ndarray, " crossings"]
    t: Float[np.ndarray, " crossings"]  # 0 < t < 1 from one end of the interval to the other
    t_error: Float[np.ndarray, " crossings"]  # how far off that may be
    number: Int[np.ndarray, " crossings"]  # of the point that it is at: 0, 1, ...; several may share it


def from_left_to_right(
    unit: Int[np.ndarray, " crossings"],
    interval: Int[np.ndarray, " crossings"],
    values: Float[np.ndarray, "units vertices"],
    error: Float[np.ndarray, " vertices"] | None,
) -> tuple[Crossings, Bool[np.ndarray, " crossings_less_1"]]:
    """Crossings in the order of their t, each at a point of its own, and which ones are proven to follow those before.

    Args:
        unit: The units that cross.
        interval: Where they do, in ascending order.
        values: All units' values at the vertices.
        error: How far off these may be, in the 2-norm; None if they are exact.
    """
    place, values = unit * values.shape[1] + interval, values.ravel()
    before, after = np.abs(values.take(place)), np.abs(values.take(place + 1))
    whole = before + after
    t = before / whole
    t_error = 2 * EPS * t
    if error is not None:
        t_error += np.maximum(error[interval], error[interval + 1]) / whole
    t_error *= SLACK
    number = np.arange(len(unit))
    apart = interval[1:] > interval[:-1]
    if not apart.all():
        order = np.lexsort((t, interval))
        unit, interval, t, t_error = unit[order], interval[order], t[order], t_error[order]
        apart = (interval[1:] > interval[:-1]) | (t[1:] - t[:-1] > SLACK * (t_error[1:] + t_error[:-1]))
    return Crossings(unit, interval, t, t_error, number), apart
