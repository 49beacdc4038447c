"""Depth against width as a table, for the terminal and as rows of numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dlcourse.recording.cells import Cell, cells, left_out
from dlcourse.recording.over_seeds import Quartiles, in_words, wilson
from dlcourse.recording.results import Result
from dlcourse.recording.tuned import FEW_SEEDS, TUNED


def depth_width_table(results: Sequence[Result], metric: str, tune: Sequence[str] = TUNED) -> str:
    """One row a depth and width: the metric, who solves the task and when, linear pieces, and what was chosen.

    Numbers are medians over the seeds, each architecture at the rate (and whatever else is tuned) that suits it. A
    sweep over further settings (say, activations) gets one table for each.

    Args:
        results: The runs of a sweep.
        metric: The task's headline metric, for instance "mean_squared_error".
        tune: The keys of the configuration that are tuned: see `judged`.

    Returns:
        Lines of text, some hundred characters wide.
    """
    found = cells(results, tune)
    if not found:
        return (
            "widths differ from layer to layer: results.csv has all runs" if results else "no finished runs to compare"
        )
    blocks = ["\n".join([f"{in_words(metric)}{what_solves(found)}{_where_pieces_are(found)}", *what_was_tuned(found)])]
    for setting in dict.fromkeys(cell.setting for cell in found):
        lines = _lines([cell for cell in found if cell.setting == setting], metric)
        blocks.append("\n".join([setting, *lines] if setting else lines))
    if notes := [*notes_on(found), *filter(None, [left_out(results)])]:
        blocks.append("\n".join(notes))
    return "\n\n".join(blocks)


def row(cell: Cell, metric: str) -> dict[str, Any]:
    """One depth and width as numbers, for a table that is kept; what there is not is an empty string.

    Args:
        cell: Its runs.
        metric: The task's headline metric.
    """
    parameters, pieces = cell.quartiles("num_parameters"), cell.quartiles("num_pieces")
    steps, error = cell.quartiles("steps_until_solved"), cell.quartiles(metric)
    is_known = cell.num_solved is not None and bool(cell.results)
    low, high = cell.solved_interval if is_known else ("", "")
    return {
        "setting": cell.setting,
        "depth": cell.depth,
        "width": "" if cell.width is None else cell.width,
        "max_parameters": "" if cell.max_parameters is None else cell.max_parameters,
        "parameters": "" if parameters is None else parameters.median,
        "seeds": len(cell.results),
        **{f"{metric}{name}": value for name, value in _three(error).items()},
        "solved": cell.num_solved if is_known else "",
        "solved_low": low,
        "solved_high": high,
        "steps_until_solved": "" if steps is None else math.inf if math.isnan(steps.median) else steps.median,
        **{f"pieces{name}": value for name, value in _three(pieces).items()},
        "chosen": cell.choice,
        "at_an_end": " ".join(cell.at_an_end),
        "diverged": cell.num_diverged,
    }


def _three(found: Quartiles | None) -> dict[str, float | str]:
    """Median and quartiles for three columns."""
    if found is None:
        return {"": "", "_lower": "", "_upper": ""}
    return {"": found.median, "_lower": found.lower, "_upper": found.upper}


def what_solves(found: Sequence[Cell]) -> str:
    """What solving means: " (solved: below 0.0013)"; nothing if the task does not say."""
    tasks = [result.task for cell in found for result in cell.results if result.task is not None]
    said = [
        f"{'from' if task.metric in task.higher_is_better else 'below'} {task.solved:.2g}"
        for task in tasks
        if task.solved is not None
    ]
    return f" (solved: {' or '.join(dict.fromkeys(said))})" if said else ""


def _where_pieces_are(found: Sequence[Cell]) -> str:
    """Where pieces are counted: ", linear pieces on [-2, 2]"; nothing if they are not."""
    tasks = [result.task for cell in found for result in cell.results if "num_pieces" in result.metrics]
    domains = {task.pieces_domain for task in tasks if task is not None}
    if not tasks:
        return ""
    domain = domains.pop() if len(domains) == 1 else None
    return f", linear pieces on {domain}" if domain else ", linear pieces"


def what_was_tuned(found: Sequence[Cell]) -> list[str]:
    """How many seeds there are, what was tuned on them, and what so many cannot tell."""
    most = max(len(cell.results) for cell in found)
    tuned = list(dict.fromkeys(key for cell in found if cell.is_tuned for key in cell.tuned))
    over = "one seed" if most == 1 else f"medians over {most} seeds"
    what = f"{' and '.join(tuned)} chosen on half of them, judged on the other" if tuned else "nothing is tuned"
    if most >= FEW_SEEDS:
        return [f"{over}, {what}"]
    low, high = wilson(most // 2, max(most, 1))
    return [f"{over}, {what}", f"so few seeds leave a probability open by up to {100 * (high - low):.0f} points"]


def _lines(found: Sequence[Cell], metric: str) -> list[str]:
    """The table of one setting."""
    table = entries(found, metric)
    sizes = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * size for size in sizes])
    return ["  ".join(entry.rjust(size) for entry, size in zip(line, sizes, strict=True)).rstrip() for line in table]


def entries(found: Sequence[Cell], metric: str) -> list[list[str]]:
    """The table of some networks: the headings, then a row a network; columns that all would leave empty are not there.

    Args:
        found: The networks.
        metric: The task's headline metric.
    """
    headings = {
        "depth": "depth",
        "width": "width",
        "max_parameters": "at most",
        "parameters": "parameters",
        "error": "error (quartiles)" if metric.endswith("_error") else f"{in_words(metric)} (quartiles)",
        "solved": "solved (about 90%)" if any(cell.is_tuned for cell in found) else "solved (95%)",
        "steps": "steps",
        "pieces": "pieces",
        "choice": ", ".join(key.rpartition(".")[2] for key in next((c.tuned for c in found if c.choice), ())),
    }
    rows = [_entries(cell, metric) for cell in found]
    shown = [name for name in headings if any(row[name] not in ("", "-") for row in rows)]
    return [[headings[name] for name in shown], *([row[name] for name in shown] for row in rows)]


def _entries(cell: Cell, metric: str) -> Mapping[str, str]:
    """What a row says; `-` for what its runs do not have."""
    error, steps = cell.quartiles(metric), cell.quartiles("steps_until_solved")
    counts = {name: cell.quartiles(f"num_{name}") for name in ("parameters", "pieces")}
    return {
        "depth": str(cell.depth),
        "width": "" if cell.width is None else str(cell.width),
        "max_parameters": "" if cell.max_parameters is None else str(cell.max_parameters),
        **{name: "-" if count is None else f"{count.median:.10g}" for name, count in counts.items()},
        "error": "-" if error is None else _with_quartiles(error),
        "solved": _solved(cell),
        "steps": "-" if steps is None else _steps(cell, steps.median),
        "choice": cell.choice + ("*" if cell.at_an_end else ""),
    }


def _solved(cell: Cell) -> str:
    """How many seeds solve the task, and the interval of the probability."""
    if cell.num_solved is None or not cell.results:
        return "-"
    low, high = cell.solved_interval
    return f"{cell.num_solved} of {len(cell.results)} ({100 * low:.0f}-{100 * high:.0f}%)"


def _steps(cell: Cell, median: float) -> str:
    """Steps until half of the seeds have solved the task; more than there were, if fewer do."""
    if math.isfinite(median):
        return f"{median:.0f}"
    return f"> {max(result.config.get('num_steps', 0) for result in cell.results)}"


def notes_on(found: Sequence[Cell]) -> list[str]:
    """What the medians do not show: ends of grids, runs that diverged, seeds and settings that are missing."""
    most = max(len(cell.results) for cell in found)
    notes = []
    for key, value in dict.fromkeys(item for cell in found for item in cell.at_an_end.items()):
        num = sum((key, value) in cell.at_an_end.items() for cell in found)
        notes.append(f"* {key}={value:g} is the end of its grid, and chosen for {num} of {len(found)}: widen it")
    for cell in found:
        num = len(cell.results)
        if cell.num_diverged:
            notes.append(f"{cell.place}: {cell.num_diverged} of {num} runs diverged (counted as the worst)")
        if cell.incomplete:
            notes.append(f"{cell.place}: {cell.incomplete} settings lack runs of some seeds and are left out")
        if num < most:
            notes.append(f"{cell.place}: {num} of {most} seeds only")
    return notes


def _with_quartiles(found: Quartiles) -> str:
    """Median and quartiles; without these where all three are the same."""
    median, lower, upper = (_number(value) for value in (found.median, found.lower, found.upper))
    return median if median == lower == upper else f"{median} ({lower} to {upper})"


def _number(value: float) -> str:
    """Four decimals, so that the points stand below each other, unless they would hide what there is."""
    if math.isnan(value) or value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.4f}"
    return f"{value:.1e}"
