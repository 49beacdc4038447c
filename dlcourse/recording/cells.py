"""Depth against width: what a sweep has found at each depth and width."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlcourse.recording.over_seeds import Quartiles, is_better_higher, places_in_order, quartiles_over_seeds, wilson
from dlcourse.recording.results import Result
from dlcourse.recording.tuned import TUNED, Judged, judged


@dataclass(frozen=True, repr=False)
class Cell:
    """The runs by which one depth and width is judged, which differ in their seed and in what was tuned only.

    Attributes:
        depth: Number of hidden layers.
        width: Units per hidden layer; None if they differ, as for networks of a given size.
        setting: What else is compared in the sweep, readable and fit for a folder's name: "tanh-skip=True", or "".
        results: The runs, by seed.
        max_parameters: How many parameters the networks were allowed, where their widths follow from that.
        tuned: The keys of the configuration that are tuned.
        choice: What was chosen, on the seeds of even and of odd rank: "0.01 | 0.03", or "0.01" if they agree.
        num_candidates: How many settings there were to choose from.
        at_an_end: The tuned keys whose grid should be wider, with the value at its end.
        incomplete: How many settings were no candidates because they lack runs.
    """

    depth: int
    width: int | None
    setting: str
    results: list[Result]
    max_parameters: int | None = None
    tuned: tuple[str, ...] = ()
    choice: str = ""
    num_candidates: int = 1
    at_an_end: Mapping[str, float] = field(default_factory=dict)
    incomplete: int = 0

    def __repr__(self) -> str:
        solved = "" if self.num_solved is None else f", {self.num_solved} solve it"
        chosen = f", chosen {self.choice}" if self.is_tuned else ""
        return f"Cell({self.place!r}, {len(self.results)} run{'s' * (len(self.results) != 1)}{solved}{chosen})"

    @property
    def curve(self) -> str:
        """The networks of all depths that are compared with it: "width=8", or "max_parameters=320"."""
        return f"width={self.width}" if self.max_parameters is None else f"max_parameters={self.max_parameters}"

    @property
    def place(self) -> str:
        """Which networks these are, in words: "tanh, depth 3, width 8"."""
        size = f"width {self.width}" if self.max_parameters is None else f"at most {self.max_parameters} parameters"
        return ", ".join(part for part in (self.setting, f"depth {self.depth}", size) if part)

    @property
    def is_tuned(self) -> bool:
        """Whether there was something to choose from."""
        return self.num_candidates > 1

    @property
    def num_diverged(self) -> int:
        """How many of the runs diverged."""
        return sum(result.diverged_at is not None for result in self.results)

    @property
    def num_solved(self) -> int | None:
        """How many of the runs solve the task; None if the task does not say what that is."""
        if any(result.task is None or result.task.solved is None for result in self.results):
            return None
        return sum(result.is_solved for result in self.results)

    @property
    def solved_interval(self) -> tuple[float, float]:
        """The probability that a new seed solves the task: Wilson's interval.

        Its 95% hold for networks that were not tuned. For tuned ones they are about 90%, because runs at settings that
        were chosen on each other's seeds are not quite independent.
        """
        return wilson(self.num_solved or 0, len(self.results))

    def quartiles(self, metric: str) -> Quartiles | None:
        """The quartiles of one metric over the seeds: see `quartiles_over_seeds`."""
        return quartiles_over_seeds(self.results, metric)

    def is_better_higher(self, metric: str) -> bool:
        """Whether more of this metric is better."""
        return is_better_higher(self.results, metric)


def cells(results: Sequence[Result], tune: Sequence[str] = TUNED) -> list[Cell]:
    """What was found at each depth and width, sorted by setting, width (or number of parameters) and depth.

    Networks whose layers have different widths (`model.widths`) have no place in depth against width and are left out,
    but for those of a given size (`model.max_parameters`).

    Args:
        results: The runs of a sweep over one task.
        tune: The keys of the configuration that are tuned: see `judged`.
    """
    results = [result for result in results if _has_a_place(result)]
    found = judged(results, tune)
    names, order = _settings([each.compared for each in found])
    unsorted = [_cell(each, name) for each, name in zip(found, names, strict=True)]
    return sorted(
        unsorted, key=lambda cell: (order.index(cell.setting), cell.max_parameters or 0, cell.width or 0, cell.depth)
    )


def left_out(results: Sequence[Result]) -> str:
    """Which runs have no place in depth against width, as a sentence; nothing if there are none."""
    num = sum(not _has_a_place(result) for result in results)
    if num == 0:
        return ""
    runs = "1 run has" if num == 1 else f"{num} runs have"
    return f"{runs} layers of different widths, and no place in depth against width: results.csv lists all runs."


def _has_a_place(result: Result) -> bool:
    """Whether a run's network has a depth, and one width or a given number of parameters."""
    has_size = _max_parameters(result) is not None or _width(result) is not None
    return has_size and result.config.get("model.depth") is not None


def pieces_in_words(cells: Sequence[Cell]) -> str:
    """What is counted, and where: "linear pieces on [-2, 2]"."""
    tasks = [result.task for cell in cells for result in cell.results if "num_pieces" in result.metrics]
    domains = {None if task is None else task.pieces_domain for task in tasks}
    domain = domains.pop() if len(domains) == 1 else None
    return f"linear pieces on {domain}" if domain else "number of linear pieces"


def _cell(found: Judged, setting: str) -> Cell:
    """The cell of an architecture."""
    max_parameters = _max_parameters(found.example)
    return Cell(
        found.example.config["model.depth"],
        _width(found.example) if max_parameters is None else None,
        setting,
        found.results,
        max_parameters,
        found.tuned,
        found.choice,
        found.num_candidates,
        found.at_an_end,
        found.incomplete,
    )


def _max_parameters(result: Result) -> int | None:
    """How many parameters the network was allowed, if its widths follow from that."""
    most = result.config.get("model.max_parameters")
    return most if isinstance(most, int) else None


def _width(result: Result) -> int | None:
    """The units that each hidden layer has; None if they are not the same."""
    width, widths = result.config.get("model.width"), result.config.get("model.widths")
    if width is None and widths and len(set(widths)) == 1:
        width = widths[0]
    return width if isinstance(width, int) else None


def _settings(compared: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """For each architecture, what is compared besides its size, and all of these once, in their order.

    Words are as they are, other values with their key's end.
    """
    sizes = ("model.depth", "model.width", "model.widths", "model.max_parameters")
    values = [[(key, value) for key, value in each.items() if key not in sizes] for each in compared]
    names = [
        "-".join(
            value if isinstance(value, str) else f"{key.rpartition('.')[2]}={value}"
            for key, value in setting
            # A ".source" says where a class of another package comes from, whose name is there already.
            if value is not None and not key.endswith(".source")
        )
        for setting in values
    ]
    # If two settings would share a name, each is written out with whole keys.
    if len(set(names)) < len({repr(setting) for setting in values}):
        names = ["-".join(f"{key}={value!r}" for key, value in setting) for setting in values]
    names = [_fit_for_a_folder(name) for name in names]
    places = dict(zip(names, places_in_order([[value for _, value in setting] for setting in values]), strict=True))
    return names, sorted(places, key=lambda name: places[name])


def _fit_for_a_folder(name: str) -> str:
    """The name without characters that paths give a meaning to, and short enough for every file system."""
    name = re.sub(r"[^\w.,=+\-\[\]]", "_", name)
    if len(name) > 120:
        name = f"{name[:110]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
    return name
