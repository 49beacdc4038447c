"""What runs that differ only in their seed have in common: quartiles, and how probable what some of them did is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlcourse.recording.results import Result


@dataclass(frozen=True)
class Quartiles:
    """The median and the lower and upper quartile of some numbers."""

    lower: float
    median: float
    upper: float


def quartiles(values: Sequence[int | float]) -> Quartiles:
    """The quartiles of at least one value, interpolated linearly between neighbours; NaN where a neighbour is infinite.

    Source: Hyndman and Fan 1996, Sample Quantiles in Statistical Packages, definition 7 (numpy's and R's default).
    """
    ordered = sorted(float(value) for value in values)

    def quantile(fraction: float) -> float:
        place = fraction * (len(ordered) - 1)
        below = math.floor(place)
        # Where nothing is to be interpolated, the next value is left alone: it may not exist, or be infinite, and
        # 0 * infinity is NaN.
        if place == below:
            value = ordered[below]
        else:
            value = ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])
        return value if math.isfinite(value) else math.nan

    return Quartiles(quantile(0.25), quantile(0.5), quantile(0.75))


def quartiles_over_seeds(results: Sequence[Result], metric: str) -> Quartiles | None:
    """The quartiles of one metric over runs; None if no run has it, as sigmoid networks have no pieces.

    A run that diverged, or whose metric is not finite, is not left out, which would flatter the others: it counts as
    worse than every number, and a quartile that lies among such runs is NaN. Counts (`num_...`) know no worse and
    better: for them, the runs that have the metric stand alone.

    Args:
        results: The runs, which differ in their seed only.
        metric: The metric's name.
    """
    if all(metric not in result.metrics for result in results):
        return None
    values = [result.metrics.get(metric, math.nan) for result in results]
    if metric.startswith("num_"):
        counts = [value for value in values if math.isfinite(value)]
        return quartiles(counts) if counts else None
    worst = -math.inf if is_better_higher(results, metric) else math.inf
    return quartiles(
        [
            value if math.isfinite(value) and result.diverged_at is None else worst
            for value, result in zip(values, results, strict=True)
        ]
    )


def wilson(num: int, num_trials: int) -> tuple[float, float]:
    """The interval of the probability of what came `num` times in so many trials, at 95% confidence.

    ((n + z^2/2) -+ z sqrt(n (N - n) / N + z^2/4)) / (N + z^2) with z = 1.96.

    Raises:
        ValueError: If there is no trial.

    Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    if num_trials < 1:
        raise ValueError(f"num_trials must be at least 1, got {num_trials}")
    z = 1.96
    centre, half = num + z**2 / 2, z * math.sqrt(num * (num_trials - num) / num_trials + z**2 / 4)
    return max(0.0, (centre - half) / (num_trials + z**2)), min(1.0, (centre + half) / (num_trials + z**2))


def difference(num: int, num_trials: int, other: int, other_trials: int) -> tuple[float, float]:
    """The interval of the difference of two probabilities, p1 - p2, at 95% confidence.

    p1 - p2 - sqrt((p1 - l1)^2 + (u2 - p2)^2) and p1 - p2 + sqrt((u1 - p1)^2 + (p2 - l2)^2), where l and u are the ends
    of Wilson's intervals.

    Args:
        num: How often the one came.
        num_trials: Of so many trials.
        other: How often the other came.
        other_trials: Of so many trials.

    Raises:
        ValueError: If there is no trial.

    Source: Newcombe 1998, Interval Estimation for the Difference between Independent Proportions, method 10.
    """
    (low1, high1), (low2, high2) = wilson(num, num_trials), wilson(other, other_trials)
    share1, share2 = num / num_trials, other / other_trials
    below = math.hypot(share1 - low1, high2 - share2)
    above = math.hypot(high1 - share1, share2 - low2)
    return share1 - share2 - below, share1 - share2 + above


def is_better_higher(results: Sequence[Result], metric: str) -> bool:
    """Whether more of a metric is better, as the tasks of these runs say."""
    return any(result.task is not None and metric in result.task.higher_is_better for result in results)


def in_words(metric: str) -> str:
    """A metric's name as one says it: "mean squared error"."""
    return metric.replace("_", " ")


def places_in_order(settings: Sequence[Sequence[Any]]) -> list[list[int]]:
    """For each setting, the places of its values among those of the same column: a key to sort by.

    Numbers are in their order, before everything else, which is in the order in which it comes.
    """
    columns = []
    for column in zip(*settings, strict=True):
        values = list({repr(value): value for value in column}.values())  # lists have no hash; 1 and True are equal
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        others = [value for value in values if value not in numbers or isinstance(value, bool)]
        place = {repr(value): index for index, value in enumerate([*sorted(numbers), *others])}
        columns.append([place[repr(value)] for value in column])
    return [list(places) for places in zip(*columns, strict=True)] if columns else [[] for _ in settings]
