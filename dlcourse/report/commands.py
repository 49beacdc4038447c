"""The commands that do all runs of a folder again: those of single runs put together, as one sweep if they are one."""

import contextlib
import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from dlcourse.recording.failures import read_failures
from dlcourse.tensorboard_tab.settings import read_settings


@dataclass(frozen=True)
class _Grid:
    """Runs that one command does.

    Attributes:
        program: How the command begins: `("python", "-m", "dlcourse")`.
        values: For each key the values it is swept over, as they are written on the command line.
    """

    program: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]


def commands_of(folder: Path) -> list[str]:
    """The commands that do all runs of a folder again: the finished, those on their way, and those that failed.

    Args:
        folder: `outputs/<name>`, or the folder of a single run.
    """
    lines = []
    for path in [folder / "config.yaml", *sorted(folder.glob("[!.]*/config.yaml"))]:
        if path.parent.suffix != ".saved" and (command := read_settings(path.parent)[0]):
            lines.append(command)
    return put_together([*lines, *(failed.command for failed in read_failures(folder))])


def put_together(lines: Sequence[str]) -> list[str]:
    """Commands that do exactly the runs of some commands, each run once.

    Runs that differ in one key only become one command that sweeps over it; so do such commands in turn. Runs that are
    all combinations of some values thereby become a single command.

    Args:
        lines: The commands of single runs, every value spelled out: `dlcourse model.depth=2 seed=0`.
    """
    grids = list({line: _grid(line) for line in lines}.values())
    keys = list(dict.fromkeys(key for grid in grids for key in grid.values))
    varied = [key for key in keys if len({grid.values.get(key) for grid in grids}) > 1]
    for key in reversed(varied):  # the seed comes last in the configuration
        alike: dict[object, list[_Grid]] = defaultdict(list)
        for grid in grids:
            others = tuple((each, grid.values.get(each)) for each in varied if each != key)
            alike[grid.program, others, key in grid.values].append(grid)
        grids = [_joined(some, key) for some in alike.values()]
    return [_as_command(grid) for grid in grids]


def _grid(line: str) -> _Grid:
    """A single run."""
    words = shlex.split(line) if re.search(r"['\"\\]", line) else line.split()  # shlex takes 4 ms for such a line
    program = tuple(takewhile(lambda word: not re.match(r"[\w./@+~]+=", word), words))
    pairs = [word.partition("=") for word in words[len(program) :]]
    return _Grid(program, {key: (value,) for key, _, value in pairs})


def _joined(grids: Sequence[_Grid], key: str) -> _Grid:
    """Grids that differ in one key only as one."""
    if len(grids) == 1:
        return grids[0]
    values = {value for grid in grids for value in grid.values[key]}
    return _Grid(grids[0].program, {**grids[0].values, key: tuple(sorted(values, key=_place))})


def _place(value: str) -> tuple[bool, float, str]:
    """Numbers are in their order, before everything else."""
    with contextlib.suppress(ValueError):
        return False, float(value), value
    return True, 0.0, value


def _as_command(grid: _Grid) -> str:
    """What can be pasted into a shell."""
    is_sweep = any(len(values) > 1 for values in grid.values.values())
    words = [f"{key}={','.join(values)}" for key, values in grid.values.items()]
    return shlex.join([*grid.program, *(["-m"] if is_sweep else []), *words])
