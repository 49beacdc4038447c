"""Which views of a sweep a report shows: where the tab shows one value of a setting, there is a section for each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

from dlcourse.tensorboard_tab.folders import LogFolder
from dlcourse.tensorboard_tab.page import Content, page
from dlcourse.tensorboard_tab.view import ALL, OFF

MOST_BYTES = 900_000
"""So large are all figures at most: with plotly's script of 4.8 MB, tables and a picture, that is less than 6 MB."""

MOST_SECTIONS = 24
"""So many sections a task has at most: more are read by nobody."""

ON_THEIR_WAY = "on_their_way"
"""The tab's name for the figure of runs that are not finished."""

_OF_EVERY_VIEW = ("sweep", "task", "metric", "x", "by", "tuned", "seeds")


@dataclass
class OfTask:
    """What a report shows of a task.

    Attributes:
        whole: The tab's page for all networks: its sentence holds for all of them.
        sections: For each section its heading and its figures.
        left_out: How many sections there would be more.
    """

    whole: Content
    sections: list[tuple[str, list[Content]]] = field(default_factory=list)
    left_out: int = 0


def sections(log: LogFolder, tasks: Sequence[str]) -> dict[str, OfTask]:
    """What a report shows of each task.

    If the figures would be too large, the seeds are no points in them; if they still are, the last are left out.

    Args:
        log: The folder.
        tasks: The tasks' names.
    """
    found = {task: _of_task(log, {"task": task}) for task in tasks}
    if sum(_size(figures) for each in found.values() for _, figures in each.sections) > MOST_BYTES:
        found = {task: _of_task(log, {"task": task, "seeds": OFF}) for task in tasks}
    room = MOST_BYTES
    for each in found.values():
        kept = []
        for title, figures in each.sections:
            room -= _size(figures)
            if room >= 0:
                kept.append((title, figures))
        each.left_out += len(each.sections) - len(kept)
        each.sections = kept
    return found


def _of_task(log: LogFolder, asked: Mapping[str, str]) -> OfTask:
    """All sections of a task."""
    first = page(log, asked)
    fixed = [each for each in first["choices"] if each["name"] not in _OF_EVERY_VIEW and each["value"] != ALL]
    if not fixed:
        return OfTask(first, [("", _kept(first["figures"]))])
    found = OfTask(page(log, {**asked, **{choice["name"]: ALL for choice in fixed}}))
    values = [[option for option in choice["options"] if option["value"] != ALL] for choice in fixed]
    combinations = product(*values)
    for options in islice(combinations, MOST_SECTIONS):
        chosen = {choice["name"]: option["value"] for choice, option in zip(fixed, options, strict=True)}
        shown = _kept(page(log, {**asked, **chosen})["figures"])
        if shown:  # not all combinations need have runs
            found.sections.append((", ".join(option["label"] for option in options), shown))
    found.left_out = sum(1 for _ in combinations)
    return found


def _kept(figures: Sequence[Content]) -> list[Content]:
    """Figures without runs that are on their way, which belong to no section, and without what a click asks for."""
    kept = []
    for each in figures:
        if each["name"] != ON_THEIR_WAY:
            traces = [
                {key: value for key, value in trace.items() if key != "customdata"} for trace in each["figure"]["data"]
            ]
            kept.append({**each, "figure": {**each["figure"], "data": traces}})
    return kept


def _size(figures: Sequence[Content]) -> int:
    """How many bytes figures take in the file."""
    return len(json.dumps(figures, separators=(",", ":")))
