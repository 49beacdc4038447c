"""Which axis suits the values of a metric, in all figures alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LOG10 = "log10_of_"
"""What the name of an error begins with where its decimal logarithm is shown."""


def log10(value: float) -> float:
    """The decimal logarithm; -infinity of 0, and NaN of what is negative or NaN: TensorBoard draws no such point."""
    if value == 0:
        return -math.inf
    return math.log10(value) if value > 0 else math.nan


@dataclass(frozen=True)
class Scale:
    """An axis.

    Attributes:
        is_log: Whether it is logarithmic.
        low: Its lower end.
        high: Its upper end.
        worst: Where NaN is drawn, the value of what diverged: beyond the worst of the values.
    """

    is_log: bool
    low: float
    high: float
    worst: float


def scale(values: Sequence[int | float], metric: str, *, is_better_higher: bool) -> Scale:
    """The axis for some values of a metric: counts are on a log axis, errors too if they span more than a decade.

    Args:
        values: The values, NaN for what diverged.
        metric: The metric's name.
        is_better_higher: Whether more of it is better.
    """
    finite = [float(value) for value in values if math.isfinite(value)] or [1.0]
    low, high = min(finite), max(finite)
    # How many margins there are beyond the worst value: three if something must be drawn there in place of NaN.
    room = 3 if len(finite) < len(values) else 1
    # The least of all numbers has no place for a margin below it.
    if 0 < low / 1.4 < low and (metric.startswith("num_") or (high > 10 * low and not is_better_higher)):
        return Scale(True, low / 1.4, high * 1.4**room, high * 1.4 ** (room - 1))
    if is_better_higher:
        margin = 0.06 * ((high - low) or 1)
        return Scale(False, low - margin * room, high + margin, low - margin * (room - 1))
    margin = 0.06 * (high or 1)
    return Scale(False, min(0.0, low), high + margin * room, high + margin * (room - 1))
