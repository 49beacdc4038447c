"""The tables of a report: the best runs, what was set, and what the runs were made with, as texts."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dlcourse.recording import Result
from dlcourse.recording.over_seeds import places_in_order
from dlcourse.recording.results import setting_of, varied_settings
from dlcourse.tensorboard_tab.curves import name_of_metric

MOST_VALUES = 30
"""Of a setting with more values than these, the first and the last are shown."""

_OF_ALL_RUNS = ("dlcourse", "commit", "torch", "python", "processor")


def best_first(results: Sequence[Result], metric: str) -> list[Result]:
    """The runs that did not diverge, the best first; of equals the one with the fewest parameters.

    Args:
        results: Finished runs of one task.
        metric: The task's headline metric.
    """
    known = [run for run in results if run.diverged_at is None and math.isfinite(run.metrics.get(metric, math.nan))]
    more_is_better = any(run.task is not None and metric in run.task.higher_is_better for run in results)
    sign = -1 if more_is_better else 1
    return sorted(known, key=lambda run: (sign * run.metrics[metric], run.metrics.get("num_parameters", 0)))


def runs_table(runs: Sequence[Result], among: Sequence[Result], metrics: Sequence[str]) -> list[list[str]]:
    """A row a run: its values of the settings that vary, and what it came to; the headings come first.

    The hash at the end of a run's name is enough to find it.

    Args:
        runs: The runs.
        among: All runs, which say what varies.
        metrics: Names of metrics; those that no run has are left out.
    """
    metrics = [name for name in dict.fromkeys(metrics) if any(name in run.metrics for run in runs)]
    varied = [key for key in varied_settings(among) if not key.endswith(".source")]
    named = [metric_name(name).removeprefix("number of ") for name in metrics]
    rows = [[*map(_short, varied), *named, "seconds", "name ends with"]]
    for run in runs:
        values = [setting_said(setting_of(run, key)) for key in varied]
        values += [metric_said(run.metrics.get(name)) for name in metrics]
        rows.append([*values, metric_said(run.seconds), run.run[-10:]])
    return rows


def settings(results: Sequence[Result]) -> tuple[list[list[str]], list[list[str]]]:
    """What was varied, with all its values, and what was the same in all runs, with its value."""
    keys = list(dict.fromkeys(key for run in results for key in run.config))
    varied = [key for key in varied_settings(results) if not key.endswith(".source")]
    swept = [[key, _values([setting_of(run, key) for run in results])] for key in varied]
    same = [[key, setting_said(results[0].config.get(key))] for key in keys if key not in varied]
    return swept, same


def made_with(results: Sequence[Result]) -> list[list[str]]:
    """Versions, machines and times of the runs, as each has written them down."""
    found = []
    for key in _OF_ALL_RUNS:
        counts = Counter(run.provenance[key] for run in results if key in run.provenance)
        if counts:
            some = [
                f"{value} ({num} run{'s' * (num > 1)})" if len(counts) > 1 else value
                for value, num in counts.most_common()
            ]
            found.append([key, ", ".join(some)])
    for key, choose in (("started", min), ("ended", max)):
        if times := [run.provenance[key] for run in results if key in run.provenance]:
            found.append([f"{'first' if key == 'started' else 'last'} {key}", choose(times)])
    return [*found, ["seconds, all runs together", metric_said(math.fsum(run.seconds for run in results))]]


def without_folders(reason: str) -> str:
    """What went wrong, with only the last part of every absolute path: others need not know this machine."""
    return re.sub(r"(?<![\w.:/~-])/(?:[^\s/'\"]+/)+", ".../", reason)


def metric_name(name: str) -> str:
    """A metric's name in words: "number of pieces"."""
    return name_of_metric(name).replace("num ", "number of ")


def metric_said(value: Any) -> str:
    """What was measured, in a table; what is not there, or never came, is "-"."""
    if isinstance(value, float):
        return "-" if math.isinf(value) else f"{value:.4g}"
    return "-" if value is None else str(value)


def setting_said(value: Any) -> str:
    """What was set, as one writes it on the command line."""
    return str(value) if isinstance(value, str) else json.dumps(value)


def _values(values: Sequence[Any]) -> str:
    """All values of a setting, numbers in their order."""
    known = list({repr(value): value for value in values}.values())
    places = places_in_order([[value] for value in known])
    ordered = [setting_said(value) for _, value in sorted(zip(places, known, strict=True), key=lambda each: each[0])]
    if len(ordered) > MOST_VALUES:
        return f"{ordered[0]}, {ordered[1]}, ..., {ordered[-1]} ({len(ordered)} values)"
    return ", ".join(ordered)


def _short(key: str) -> str:
    """The end of a setting's name, which tells it from the others well enough: "depth"."""
    return key.rpartition(".")[2] if not key.endswith(".name") else key.partition(".")[0]
