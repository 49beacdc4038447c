"""A sweep's results, gathered: what runs that differ only in their seed have in common."""

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from dlcourse.recording.results import Result, setting, varied_settings


@dataclass(frozen=True)
class Quartiles:
    """The median and the lower and upper quartile of some numbers."""

    lower: float
    median: float
    upper: float


@dataclass(frozen=True)
class Cell:
    """The runs of one depth and width that differ in their seed only.

    Attributes:
        depth: Number of hidden layers.
        width: Units per hidden layer.
        setting: What else varies in the sweep, readable and fit for a folder's name: "tanh-rate=0.01", or "".
        results: The runs.
    """

    depth: int
    width: int
    setting: str
    results: list[Result]

    @property
    def num_diverged(self) -> int:
        """How many of the runs diverged."""
        return sum(result.diverged_at is not None for result in self.results)

    def quartiles(self, metric: str) -> Quartiles | None:
        """The quartiles of one metric over the seeds: see `quartiles_over_seeds`."""
        return quartiles_over_seeds(self.results, metric)

    def is_better_higher(self, metric: str) -> bool:
        """Whether more of this metric is better."""
        return is_better_higher(self.results, metric)


def cells(results: Sequence[Result]) -> list[Cell]:
    """Gathers the runs that differ in their seed only, sorted by setting, width and depth.

    Runs whose layers have different widths (`model.widths`) have no place in depth against width and are left out.
    """
    results = [result for result in results if _width(result) is not None]
    names, order = _settings(results)
    gathered: dict[tuple[int, Any, int], list[Result]] = defaultdict(list)
    for result, name in zip(results, names, strict=True):
        gathered[order.index(name), _width(result), result.config["model.depth"]].append(result)
    return [
        Cell(depth, width, order[index], runs)
        for (index, width, depth), runs in sorted(gathered.items(), key=itemgetter(0))
    ]


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


def is_better_higher(results: Sequence[Result], metric: str) -> bool:
    """Whether more of a metric is better, as the tasks of these runs say."""
    return any(result.task is not None and metric in result.task.higher_is_better for result in results)


def in_words(metric: str) -> str:
    """A metric's name as one says it: "mean squared error"."""
    return metric.replace("_", " ")


def _width(result: Result) -> int | None:
    """The units that each hidden layer has; None if they are not the same."""
    width, widths = result.config.get("model.width"), result.config.get("model.widths")
    if width is None and widths and len(set(widths)) == 1:
        width = widths[0]
    return width if isinstance(width, int) else None


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


def _settings(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """For each run, what varies besides depth, width and seed, and all of these once, in their order.

    Words are as they are, other values with their key's end.
    """
    sizes = ("model.depth", "model.width", "model.widths")
    keys = [key for key in varied_settings(results) if key not in (*sizes, "seed")]
    values = [[(key, setting(result, key)) for key in keys] for result in results]
    names = [
        "-".join(
            value if isinstance(value, str) else f"{key.rpartition('.')[2]}={value}"
            for key, value in each
            # A ".source" says where a class of another package comes from, whose name is there already.
            if value is not None and not key.endswith(".source")
        )
        for each in values
    ]
    # If two settings would share a name, each is written out with whole keys.
    if len(set(names)) < len({repr(each) for each in values}):
        names = ["-".join(f"{key}={value!r}" for key, value in each) for each in values]
    names = [_fit_for_a_folder(name) for name in names]
    places = dict(zip(names, places_in_order([[value for _, value in each] for each in values]), strict=True))
    return names, sorted(places, key=lambda name: places[name])


def _fit_for_a_folder(name: str) -> str:
    """The name without characters that paths give a meaning to, and short enough for every file system."""
    name = re.sub(r"[^\w.,=+\-\[\]]", "_", name)
    if len(name) > 120:
        name = f"{name[:110]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
    return name
