"""What a finished run came to: `metrics.json` in its folder, all runs of a folder, and one table of them as CSV."""

import csv
import json
import math
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any

from dlcourse.recording.files import write_atomically
from dlcourse.recording.sharing import with_shared_keys


@dataclass(frozen=True)
class TaskFacts:
    """What tables and `load` need to know of a run's task, so that the task's class need not be there.

    Attributes:
        metric: The most telling of the metrics.
        higher_is_better: The metrics of which more is better; of all others less is.
        in_features: Size of one input; None for runs of version 0.1, which did not write it down.
        out_features: Size of one output, likewise.
        num_pieces: How many linear pieces the target has; None if it has none.
        solved: Where the metric counts as solved: at this value and above if more is better, below it if less is. None
            if the task does not say.
        pieces_domain: Where a network's linear pieces are counted: "[-2, 2]". None for runs before version 0.4.
    """

    metric: str
    higher_is_better: tuple[str, ...] = ()
    in_features: int | None = None
    out_features: int | None = None
    num_pieces: int | None = None
    solved: float | None = None
    pieces_domain: str | None = None

    def is_solved(self, value: int | float) -> bool:
        """Whether the task is solved where its metric has this value; NaN never is, and no task that does not say."""
        if self.solved is None:
            return False
        return value >= self.solved if self.metric in self.higher_is_better else value < self.solved

    def steps_until_solved(self, curve: Sequence[tuple[int, int | float]]) -> int | float:
        """The first logged step from which on the task stays solved; infinite if it is not solved at the end.

        Args:
            curve: The metric's (step, value).
        """
        since: int | float = math.inf
        for step, value in reversed(curve):
            if not self.is_solved(value):
                break
            since = step
        return since


@dataclass(frozen=True, repr=False)
class Result:
    """One finished run.

    Attributes:
        run: The name of its folder.
        config: Its configuration, flat: `{"task.name": "zigzag", "model.depth": 3, ..., "seed": 0}`.
        metrics: What was measured at its end: `{"loss/test": 0.01, "num_pieces": 8, "num_parameters": 97, ...}`.
            A run's are numbers, a measurement's may be words, too.
        diverged_at: The step at which a loss or a parameter was no longer finite; None if that never was.
        seconds: How long it took.
        task: What there is to know of its task; a measurement has none.
        provenance: What it was made with: see `dlcourse.recording.provenance`. Version 0.1 did not say it.
    """

    run: str
    config: dict[str, Any]
    metrics: dict[str, Any]
    diverged_at: int | None
    seconds: int | float
    task: TaskFacts | None = None
    provenance: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        end = "" if self.diverged_at is None else f", diverged by step {self.diverged_at}"
        return f"Result({self.run!r}, {in_short(self.metrics)}{end})"

    @property
    def is_solved(self) -> bool:
        """Whether its network solves the task."""
        if self.task is None or self.diverged_at is not None:
            return False
        return self.task.is_solved(self.metrics.get(self.task.metric, math.nan))


def in_short(metrics: Mapping[str, Any]) -> str:
    """The first few metrics but the losses: "mean_squared_error=0.01, largest_error=0.2, num_pieces=8"."""
    names = [name for name in metrics if "/" not in name][:3]
    said = (metrics[name] for name in names)
    numbers = (f"{value:.4g}" if isinstance(value, float) else str(value)[:20] for value in said)
    return ", ".join(f"{name}={number}" for name, number in zip(names, numbers, strict=True)) or "no metrics"


def write_result(folder: Path, result: Result) -> None:
    """Writes `metrics.json`, the mark of a finished run, in the run's folder."""
    content = vars(result) | {"task": result.task and vars(result.task)}
    del content["run"]  # `read_result` takes it from the folder, which may have been renamed
    content = {key: value for key, value in content.items() if value or key not in ("task", "provenance")}
    write_json(folder / "metrics.json", content)


def read_result(folder: Path) -> Result:
    """The finished run of this folder.

    Raises:
        OSError: If there is no `metrics.json` that can be read.
        ValueError: If it is not one of ours, or damaged.
    """
    try:
        content = read_json(folder / "metrics.json")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    match content:
        case {
            "config": dict() as config,
            "metrics": dict() as metrics,
            "diverged_at": int() | None as diverged_at,
            "seconds": int() | float() as seconds,
            **more,
        }:
            task = _task_facts(config, metrics, more)
            words = [name for name, value in metrics.items() if not isinstance(value, int | float)]
            if task is not None and (words or task.metric not in metrics):
                raise ValueError(f"metrics must be numbers, {', '.join(words or [task.metric])} is none")
            if task is not None:
                _check_sizes(config)
            # There can be tens of thousands of results, many of them made in the same second.
            provenance = more.get("provenance")
            known = _shared_words(
                tuple((key, str(value)) for key, value in provenance.items()) if isinstance(provenance, dict) else ()
            )
            config, metrics = with_shared_keys(config), with_shared_keys(metrics)
            return Result(sys.intern(folder.name), config, metrics, diverged_at, seconds, task, known)
    raise ValueError("config, metrics, diverged_at and seconds are not all there")


def _check_sizes(config: Mapping[str, Any]) -> None:
    """Refuses a run whose seed, steps or sizes are there, but no whole numbers."""
    widths = config.get("model.widths")
    sizes = [(key, config.get(key)) for key in ("model.depth", "model.width", "num_steps", "seed")]
    sizes += [("model.widths", width) for width in (widths if isinstance(widths, list) else [widths])]
    for key, value in sizes:
        if type(value) not in (int, NoneType):
            raise ValueError(f"config must have a whole number as {key}, got {value!r}")


@lru_cache(maxsize=100)
def _shared_words(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """A dictionary that is the same object for all who ask for the same."""
    return dict(items)


# Of thousands of runs of one task, one is enough.
_shared_facts = lru_cache(maxsize=100, typed=True)(TaskFacts)


def _task_facts(config: dict[str, Any], metrics: dict[str, Any], more: dict[Any, Any]) -> TaskFacts | None:
    """What a file says of the task; version 0.1 did not say it, and had two headline metrics."""
    match more.get("task"):
        case {
            "metric": str() as metric,
            "higher_is_better": list() as higher_is_better,
            "in_features": int() as in_features,
            "out_features": int() as out_features,
            "num_pieces": int() | None as num_pieces,
            **later,
        }:
            solved, domain = later.get("solved"), later.get("pieces_domain")
            return _shared_facts(
                metric,
                tuple(map(str, higher_is_better)),
                in_features,
                out_features,
                num_pieces,
                float(solved) if isinstance(solved, int | float) else None,
                domain if isinstance(domain, str) else None,
            )
    if "task.name" not in config:
        return None
    return TaskFacts("accuracy" if "accuracy" in metrics else "mean_squared_error", ("accuracy",))


def read_results(folder: Path, known: Mapping[Path, Result] | None = None) -> list[Result]:
    """All finished runs of `outputs/<name>`, by name, where numbers count as numbers: depth=2 before depth=10.

    A file that cannot be read, or is no `metrics.json` of ours, is left out with a line on stderr.

    Args:
        folder: `outputs/<name>`.
        known: Results that have been read already, by their folders: they are not read again.
    """
    known = known or {}
    results = []
    for path in folder.glob("[!.]*/metrics.json"):
        if path.parent.suffix == ".saved":
            print(f"left out {path.parent}, which could not take its place; repeat the command", file=sys.stderr)
            continue
        try:
            results.append(known.get(path.parent) or read_result(path.parent))
        except (OSError, ValueError) as error:
            print(f"left out {path}: {error}", file=sys.stderr)
    return sorted(results, key=lambda result: _natural_order(result.run))


def by_task(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The runs of each task, by its name; measurements, which have none, are left out."""
    found: dict[str, list[Result]] = {}
    for result in results:
        if result.task is not None:
            found.setdefault(str(result.config.get("task.name")), []).append(result)
    return found


def results_of(folder: Path) -> list[Result]:
    """`read_results` for a report, which has nothing to say without results.

    Args:
        folder: `outputs/<name>` of an experiment that has this name.

    Raises:
        SystemExit: If there are none; it says which command makes them.
    """
    results = read_results(folder)
    if not results:
        raise SystemExit(f"no finished runs in {folder}; this makes them: dlcourse -m experiment={folder.name}")
    return results


def write_csv(results: Sequence[Result], path: Path, *, judged: Collection[str] | None = None) -> None:
    """One row a run: the settings that vary, the metrics, what follows from them, then all the rest.

    What a run does not have is an empty field; NaN and infinity read `nan` and `inf`.

    Args:
        results: Finished jobs.
        path: The file.
        judged: Of runs that train, the names of those by which their architectures are judged.
    """
    settings = list(dict.fromkeys(key for result in results for key in result.config))
    metrics = list(dict.fromkeys(key for result in results for key in result.metrics))
    varied = varied_settings(results)
    constant = [key for key in settings if key not in varied]
    of_runs = ["pieces_domain", "solved", "judged"] if judged is not None else []

    def rows() -> Iterator[list[Any]]:
        yield ["run", *varied, *metrics, *of_runs, "diverged_at", "seconds", *constant]
        for result in results:
            yield [
                result.run,
                *(setting_of(result, key) for key in varied),
                *(result.metrics.get(key) for key in metrics),
                *([] if judged is None else _of_run(result, judged)),
                result.diverged_at,
                result.seconds,
                *(result.config.get(key) for key in constant),
            ]

    write_atomically(path, _lines(rows()))


class _Line:
    """What a CSV writer has written last."""

    def write(self, text: str) -> None:
        """Takes a line in place of the last one."""
        self.content = text.encode()


def _lines(rows: Iterator[list[Any]]) -> Iterator[bytes]:
    """Rows as comma-separated values, one at a time."""
    line = _Line()
    writer = csv.writer(line, lineterminator="\n")
    for row in rows:
        writer.writerow(row)
        yield line.content


def _of_run(result: Result, judged: Collection[str]) -> list[str | bool | None]:
    """Where a run's pieces were counted, whether it solves its task, and whether its architecture is judged by it."""
    task = result.task
    is_solved = None if task is None or task.solved is None else result.is_solved
    return [None if task is None else task.pieces_domain, is_solved, result.run in judged]


def setting_of(result: Result, key: str) -> Any:
    """A run's value of a setting; None where it has none.

    Runs of the lecture's network say nothing of `model.skip` where it is false.
    """
    return result.config.get(key, False if key == "model.skip" and "model.activation" in result.config else None)


def varied_settings(results: Sequence[Result]) -> list[str]:
    """The configuration's keys that have more than one value among the runs, in the configuration's order."""
    keys = dict.fromkeys(key for result in results for key in result.config)
    # Compared by their repr, because 1 and True are equal, and because lists have no hash.
    return [key for key in keys if len({repr(result.config.get(key)) for result in results}) > 1]


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, atomically and waiting for the disk.

    JSON has no NaN and no infinity: they are written as the strings "NaN", "Infinity" and "-Infinity" (as Protocol
    Buffers do), which `read_json` makes numbers again. A string of that spelling is therefore refused.

    Raises:
        ValueError: If the content holds one of these three strings.
        TypeError: If it holds something that is neither a dict, a list, a string, a number, a bool nor None.
    """
    text = json.dumps(_written(content), indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode(), sync=True)


def read_json(path: Path) -> Any:
    """Reads what `write_json` wrote.

    Raises:
        ValueError: If it is not JSON.
    """
    return _read(_DECODER.decode(path.read_text(encoding="utf-8")))


# Most settings are the same in every run of a sweep: their numbers are in memory once for thousands of runs.
_DECODER = json.JSONDecoder(parse_float=lru_cache(maxsize=1000)(float), parse_int=lru_cache(maxsize=1000)(int))

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _written(content: Any) -> Any:
    """The content with strings in place of NaN and infinity."""
    match content:
        case dict():
            return {key: _written(value) for key, value in content.items()}
        case list() | tuple():
            return [_written(value) for value in content]
        case float() if math.isnan(content):
            return "NaN"
        case float() if math.isinf(content):
            return "Infinity" if content > 0 else "-Infinity"
        case str() if content in _NOT_FINITE:
            raise ValueError(f"a string must not be one of {', '.join(_NOT_FINITE)}, got {content!r}")
    return content


def _read(content: Any) -> Any:
    """The content with NaN and infinity in place of their strings."""
    match content:
        case dict():  # likewise their strings
            return {sys.intern(key): _read(value) for key, value in content.items()}
        case list():
            return [_read(value) for value in content]
        case str():
            return _NOT_FINITE[content] if content in _NOT_FINITE else sys.intern(content)
    return content


def _natural_order(name: str) -> str:
    """A sorting key in which "depth=2" comes before "depth=10": before each number stands how long it is.

    The zero byte in front of it, which no name has, makes the end of a text come before all that could follow.
    """
    return re.sub("0*([0-9]+)", lambda number: f"\0{chr(len(number[1]))}{number[1]}", name)
