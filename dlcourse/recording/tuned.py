"""The tuned comparison: every architecture is judged at the setting that suits it, chosen on seeds of their own.

A sweep varies what is compared (depth, width, activation, ...), what is tuned (the rate, the initialisation) and the
seed. The seeds are sorted: those of even rank are one half, those of odd rank the other, the same everywhere. On each
half the best setting of an architecture is chosen, and its runs on the other half are those that count. Both halves'
runs together estimate what a new seed comes to at a setting that was tuned on half of the seeds.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlcourse.recording.over_seeds import places_in_order, quartiles_over_seeds
from dlcourse.recording.results import Result, setting_of, varied_settings

Places = Mapping[str, list[int]]  # by the repr of a setting's values: their places in the grid

TUNED = ("optimizer.rate", "model.initialization")
"""What is tuned if nothing is said."""

FEW_SEEDS = 8
"""With fewer seeds, half of them say little about which setting is the best."""

VALUES_WITH_ENDS = 4
"""Of fewer values than these, one is chosen at an end all the time."""


@dataclass(frozen=True, repr=False)
class Judged:
    """One architecture, and the runs by which it is judged.

    Attributes:
        compared: What it is, by the keys of the configuration that vary and are not tuned: `{"model.depth": 3, ...}`.
        example: Any of its runs.
        results: The runs by which it is judged, by seed.
        tuned: The keys that are tuned in this sweep.
        choices: Their values as chosen on the seeds of even and on those of odd rank; empty if there was no choice.
        num_candidates: How many settings there were to choose from.
        at_an_end: The tuned keys of numbers whose grid should be wider, with the value at its end.
        incomplete: How many settings were left out because they lack runs of some seeds.
    """

    compared: Mapping[str, Any]
    example: Result
    results: list[Result]
    tuned: tuple[str, ...] = ()
    choices: tuple[tuple[Any, ...], ...] = ()
    num_candidates: int = 1
    at_an_end: Mapping[str, float] = field(default_factory=dict)
    incomplete: int = 0

    def __repr__(self) -> str:
        what = ", ".join(f"{key}={value}" for key, value in self.compared.items())
        chosen = f", chosen {self.choice}" if self.choices else ""
        return f"Judged({what or 'all alike'}: {len(self.results)} run{'s' * (len(self.results) != 1)}{chosen})"

    @property
    def choice(self) -> str:
        """Both choices in words, that on the seeds of even rank first: "0.01 | 0.03", or "0.01" if they agree."""
        said = [" ".join(map(_said, choice)) for choice in self.choices]
        return " | ".join(dict.fromkeys(said))


def judged(results: Sequence[Result], tune: Sequence[str] = TUNED) -> list[Judged]:
    """The architectures among some runs of one task, in the order in which they come, each judged by its tuned runs.

    On each half of the seeds, the setting is chosen that solves the task with most of them; of these the one with the
    least median error (a run that diverged counts as the worst); of these the one nearest to the middle of the grid. A
    setting that lacks a run of a seed that others of the architecture have is no candidate.

    Nothing is tuned, and a setting is a part of the architecture, where there is only one seed.

    Args:
        results: Finished runs of one task.
        tune: The keys of the configuration that are tuned, if they vary.

    Returns:
        The architectures. One of which no setting has all seeds, or which has seeds of one half only, has no results.

    Cost: linear in the number of runs, but for sorting.
    """
    seeds = sorted({result.config.get("seed", 0) for result in results})
    keys, tuned = _compared_and_tuned(results, tune if len(seeds) > 1 else ())
    rank = {seed: index for index, seed in enumerate(seeds)}
    places = _places(results, tuned)
    found = []
    for runs in _architectures(results, keys):
        compared = {key: setting_of(runs[0], key) for key in keys}
        runs = sorted(runs, key=lambda run: rank[run.config.get("seed", 0)])
        found.append(
            _judged(compared, _Grid(runs, tuned, rank, places), tuned) if tuned else Judged(compared, runs[0], runs)
        )
    return found


def best_settings(results: Sequence[Result], num: int, tune: Sequence[str] = TUNED) -> list[Result]:
    """All runs of those settings of each architecture that are its best ones, by the same rule but on all seeds.

    Args:
        results: Finished runs of one task.
        num: How many settings an architecture keeps; it keeps all if it has no more.
        tune: The keys of the configuration that are tuned, if they vary.

    Returns:
        Their runs. A setting that lacks a run of a seed that others of the architecture have is none of the best.
    """
    keys, tuned = _compared_and_tuned(results, tune)
    rank = dict.fromkeys((result.config.get("seed", 0) for result in results), 0)  # one half
    places = _places(results, tuned)
    grids = [_Grid(runs, tuned, rank, places) for runs in _architectures(results, keys)]
    return [run for grid in grids for index in grid.in_order(0)[:num] for run in grid.halves[index][0]]


def _compared_and_tuned(results: Sequence[Result], tune: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The keys by which runs are compared, and those that are tuned; both vary, and the seed is neither."""
    varied = varied_settings(results)
    tuned = tuple(key for key in tune if key in varied)
    return [key for key in varied if key not in (*tuned, "seed")], tuned


def _architectures(results: Sequence[Result], compared: Sequence[str]) -> list[list[Result]]:
    """The runs of each architecture."""
    architectures: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        architectures[repr([setting_of(result, key) for key in compared])].append(result)
    return list(architectures.values())


def _places(results: Sequence[Result], tuned: Sequence[str]) -> Places:
    """Where each setting lies in the grid of the sweep, of which an architecture may have a part only."""
    settings = {repr(setting): setting for setting in (_setting(run, tuned) for run in results)}
    return dict(zip(settings, places_in_order(list(settings.values())), strict=True))


def _setting(run: Result, tuned: Sequence[str]) -> tuple[Any, ...]:
    """A run's values of the tuned keys."""
    return tuple(run.config.get(key) for key in tuned)


class _Grid:
    """The settings of one architecture that have runs of all its seeds.

    Attributes:
        example: Any of its runs.
        rank: The rank of each seed.
        settings: Each one's values of the tuned keys.
        halves: For each setting its runs with seeds of even, and those with seeds of odd rank.
        incomplete: How many settings lack runs.
        places: Where each setting lies in the grid of the sweep.
    """

    def __init__(self, runs: Sequence[Result], tuned: Sequence[str], rank: Mapping[Any, int], places: Places) -> None:
        self.example, self.rank = runs[0], rank
        gathered: dict[str, list[Result]] = defaultdict(list)
        for run in runs:
            gathered[repr(_setting(run, tuned))].append(run)
        seeds = {run.config.get("seed", 0) for run in runs}
        complete = [some for some in gathered.values() if {run.config.get("seed", 0) for run in some} == seeds]
        self.incomplete = len(gathered) - len(complete)
        self.settings = [_setting(some[0], tuned) for some in complete]
        self.halves = [
            tuple([run for run in some if rank[run.config.get("seed", 0)] % 2 == half] for half in (0, 1))
            for some in complete
        ]
        self.places = [places[repr(setting)] for setting in self.settings]
        self._num_values = [len(set(column)) for column in zip(*places.values(), strict=True)]

    def in_order(self, half: int) -> list[int]:
        """The indices of the settings, the best on the seeds of one half first."""

        def goodness(index: int) -> tuple[float, ...]:
            runs = self.halves[index][half]
            from_the_middle = sum(
                abs(place - (num - 1) / 2) for place, num in zip(self.places[index], self._num_values, strict=True)
            )
            return -float(sum(run.is_solved for run in runs)), _badness(runs), from_the_middle

        return sorted(range(len(self.settings)), key=goodness)

    def at_an_end(self, chosen: Sequence[int], tuned: Sequence[str]) -> dict[str, float]:
        """The keys of numbers that both halves choose at the same end of the grid, where there may be more to gain.

        That is so if some run solves the task there, or the median error falls towards that end.
        """
        found = {}
        for column, key in enumerate(tuned):
            ends = {self.places[index][column] for index in chosen}
            numbers: list[Any] = [
                value for value in (setting[column] for setting in self.settings) if _is_number(value)
            ]
            if len(numbers) < len(self.settings):
                continue
            last = self._num_values[column] - 1
            if last < VALUES_WITH_ENDS - 1 or len(ends) > 1 or not ends & {0, last}:
                continue
            runs = [run for index in chosen for half in self.halves[index] for run in half]
            if any(run.is_solved for run in runs) or any(
                self._falls_towards_the_end(index, column) for index in chosen
            ):
                found[key] = float(numbers[chosen[0]])
        return found

    def _falls_towards_the_end(self, index: int, column: int) -> bool:
        """Whether the median error is less than at the neighbouring value of one key."""
        here = self.places[index]
        inwards = [*here]
        inwards[column] += 1 if here[column] == 0 else -1
        if inwards not in self.places:
            return False
        neighbour = self.places.index(inwards)
        return _badness([*self.halves[index][0], *self.halves[index][1]]) < _badness(
            [*self.halves[neighbour][0], *self.halves[neighbour][1]]
        )


def _judged(compared: Mapping[str, Any], grid: _Grid, tuned: tuple[str, ...]) -> Judged:
    """One architecture, from all of its runs."""
    if not grid.settings or not all(grid.halves[0]):
        return Judged(compared, grid.example, [], tuned, incomplete=grid.incomplete)
    chosen = [grid.in_order(half)[0] for half in (0, 1)]
    pooled = [run for half, index in enumerate(chosen) for run in grid.halves[index][1 - half]]
    pooled.sort(key=lambda run: grid.rank[run.config.get("seed", 0)])
    choices = tuple(grid.settings[index] for index in chosen)
    at_an_end = grid.at_an_end(chosen, tuned)
    return Judged(compared, grid.example, pooled, tuned, choices, len(grid.settings), at_an_end, grid.incomplete)


def _badness(runs: Sequence[Result]) -> float:
    """The median of the task's metric, turned so that less is better; infinite where it lies among diverged runs."""
    task = runs[0].task
    if task is None:
        return math.inf
    found = quartiles_over_seeds(runs, task.metric)
    if found is None or math.isnan(found.median):
        return math.inf
    return -found.median if task.metric in task.higher_is_better else found.median


def _is_number(value: Any) -> bool:
    """Whether a setting's value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(value: Any) -> str:
    """A value of a setting as one says it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
