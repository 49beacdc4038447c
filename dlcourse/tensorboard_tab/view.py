"""What is looked at: the sweep and what the address asks for, with all that there is to choose from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlcourse.recording import TUNED, Cell, Result, TaskFacts, by_task, cells
from dlcourse.recording.over_seeds import places_in_order
from dlcourse.tensorboard_tab.curves import (
    COUNTED,
    DEPTH,
    PARAMETERS,
    PIECES,
    SIZE,
    WIDTH,
    coordinate,
    curves,
    differing,
    dimensions,
    label_of,
    name_of_metric,
    said_of,
    splitting,
)

ALL = "all"
"""Chosen for a setting that is neither on the axis nor makes the curves: there is a curve for each of its values."""

MOST_CURVES = 6
"""More curves are a tangle: if nothing else is said, one value of a setting is shown."""

ON, OFF = "1", "0"


@dataclass(frozen=True)
class Choice:
    """Something to choose.

    Attributes:
        name: What it is called in the address.
        label: What stands before it.
        options: Its values, each with what is shown for it.
        value: The one that is chosen.
        default: The one that is chosen if the address says nothing.
        is_switch: Whether it is on or off.
    """

    name: str
    label: str
    options: dict[str, str]
    value: str
    default: str
    is_switch: bool = False


@dataclass(frozen=True)
class View:
    """What is looked at.

    Attributes:
        choices: All that there is to choose, but for the sweep.
        results: All finished runs of the task.
        cells: The networks that are shown, each with the runs by which it is judged.
        task: What there is to know of the task.
        metric: The metric.
        x: What is on the axis.
        by: What makes the curves.
        varied: In what the networks that are shown differ.
        is_tuned: Whether each network is judged at the setting that suits it.
        shows_seeds: Whether every seed is a point.
        target_pieces: How many linear pieces the target has.
    """

    choices: list[Choice]
    results: list[Result]
    cells: list[Cell]
    task: TaskFacts
    metric: str
    x: str
    by: str
    varied: list[str]
    is_tuned: bool
    shows_seeds: bool
    target_pieces: int | None


def view(results: Sequence[Result], asked: Mapping[str, str]) -> View:
    """What the address asks for. What a sweep does not have is not chosen: then its default is.

    Args:
        results: All finished runs of a sweep, at least one of a task.
        asked: The values of choices, by their names.
    """
    tasks = by_task(results)
    task = _choice("task", "task", {name: name for name in tasks}, asked)
    results = tasks[task.value]
    (facts, *_) = [result.task for result in results if result.task is not None]
    tuned = _switch("tuned", "tuned", asked)
    found = [cell for cell in cells(results, TUNED if tuned.value == ON else ()) if cell.results]
    can_tune = tuned.value == OFF or any(cell.is_tuned for cell in found)
    varied = dimensions(found, results)

    metrics = dict.fromkeys(name for result in results for name in result.metrics)
    metric = _choice("metric", "metric", {name: _metric_in_words(name, found) for name in metrics}, asked, facts.metric)
    x, by = _axes(found, varied, metrics, asked)
    others = splitting(found, x.value, by.value, varied)
    fixed = [_fixed(key, found, asked, shows_all=_shows_all(key, x.value, by.value, found)) for key in others]
    chosen = [choice for choice in fixed if choice.value != ALL]
    shown = [
        cell
        for cell in found
        if all(_written(coordinate(cell, choice.name)) == choice.value for choice in chosen)
        and cell.quartiles(metric.value)
    ]
    seeds = _switch("seeds", "seeds as points", asked)
    offered = [task, metric, x, by, *fixed]
    targets = {cell.results[0].task.num_pieces for cell in shown if cell.results[0].task is not None}
    return View(
        [*(choice for choice in offered if len(choice.options) > 1), *([tuned] if can_tune else []), seeds],
        results,
        shown,
        facts,
        metric.value,
        x.value,
        by.value,
        differing(shown, varied),
        tuned.value == ON,
        seeds.value == ON,
        targets.pop() if len(targets) == 1 else None,
    )


def _axes(
    found: Sequence[Cell], varied: Sequence[str], metrics: Mapping[str, Any], asked: Mapping[str, str]
) -> tuple[Choice, Choice]:
    """What is on the axis, and what makes the curves: depth and size, if they vary."""
    sized = [key for key in (WIDTH, SIZE) if any(coordinate(cell, key) is not None for cell in found)]
    settings = dict.fromkeys([DEPTH, *sized, *varied])
    counted = [key for key in COUNTED if key in metrics]
    default = next((key for key in settings if key in varied), DEPTH)
    x = _choice("x", "x axis", {key: label_of(key, found) for key in (*settings, *counted)}, asked, default)
    others = [key for key in settings if key != x.value] or [DEPTH]
    # Tasks are no alternatives to each other, as activations are: of them one is chosen.
    sized = [DEPTH, *sized] if x.value in COUNTED else [*sized, DEPTH]
    order = [
        *(key for key in sized if key in varied),
        *(key for key in varied if not key.startswith("task.")),
        *(key for key in sized if key not in varied),
        *others,
    ]
    candidates = [key for key in order if key in others]
    joins = (key for key in candidates if any(len(line.points) > 1 for line in curves(found, x.value, key, varied)))
    first = next(joins, candidates[0])  # the first that joins any networks by a line
    return x, _choice("by", "a curve for each", {key: label_of(key, found) for key in others}, asked, first)


def _shows_all(key: str, x: str, by: str, found: Sequence[Cell]) -> bool:
    """Whether all values of a setting are shown if nothing is said: of depth and size, where that is no tangle."""
    if key not in (DEPTH, WIDTH, SIZE):
        return False
    return x in COUNTED or len({repr((coordinate(cell, by), coordinate(cell, key))) for cell in found}) <= MOST_CURVES


def _fixed(key: str, found: Sequence[Cell], asked: Mapping[str, str], *, shows_all: bool) -> Choice:
    """Which of a setting's values is shown."""
    values = list({_written(value): value for cell in found if (value := coordinate(cell, key)) is not None}.values())
    places = places_in_order([[value] for value in values])
    ordered = [value for _, value in sorted(zip(places, values, strict=True), key=lambda each: each[0])]
    options = {_written(value): said_of(key, value) for value in ordered} | {ALL: "all"}
    default = ALL if shows_all else next(iter(options))
    return _choice(key, label_of(key, found), options, asked, default)


def _choice(
    name: str, label: str, options: dict[str, str], asked: Mapping[str, str], default: str | None = None
) -> Choice:
    """A choice, at what is asked for if there is such a value."""
    default = default if default in options else next(iter(options))
    value = asked.get(name, default)
    return Choice(name, label, options, value if value in options else default, default)


def _switch(name: str, label: str, asked: Mapping[str, str]) -> Choice:
    """Something that is on unless the address switches it off."""
    return Choice(name, label, {ON: "on", OFF: "off"}, OFF if asked.get(name) == OFF else ON, ON, True)


def _written(value: Any) -> str:
    """A setting's value in an address."""
    return value if isinstance(value, str) else json.dumps(value)


def _metric_in_words(name: str, found: Sequence[Cell]) -> str:
    """A metric in the list of metrics."""
    return label_of(name, found) if name in (PIECES, PARAMETERS) else name_of_metric(name)
