"""The console script `dlcourse-results`: a sweep's results, grouped, with medians and quartiles over the seeds."""

import argparse
import csv
import io
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from dlcourse.recording import (
    TUNED,
    Judged,
    Quartiles,
    Result,
    by_task,
    compare,
    judged,
    quartiles_over_seeds,
    read_results,
    wilson,
)
from dlcourse.recording.checking import faults
from dlcourse.recording.failures import read_failures
from dlcourse.recording.over_seeds import places_in_order
from dlcourse.recording.results import setting_of, varied_settings


def main() -> None:
    """Prints the table; exits with 2 and one line on a user's mistake, with 1 if `--check` finds something."""
    parser = argparse.ArgumentParser(prog="dlcourse-results", description=__doc__.split(": ", 1)[1])
    parser.add_argument("folder", type=Path, help="outputs/<name>, the folder of a sweep")
    parser.add_argument(
        "--metric", action="append", help="what to show (may be given several times); default: the task's"
    )
    parser.add_argument("--all", action="store_true", help="show all metrics")
    parser.add_argument("--by", help="settings to group by, separated by commas; default: all that vary, but the seed")
    parser.add_argument(
        "--tune",
        metavar="SETTINGS",
        help=f"settings to tune rather than to group by, separated by commas, '' for none; default: {','.join(TUNED)}, "
        "but none with --by",
    )
    parser.add_argument("--where", action="append", default=[], metavar="SETTING=VALUE", help="only these runs")
    parser.add_argument("--csv", action="store_true", help="as comma-separated values")
    parser.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    parser.add_argument("--failed", action="store_true", help="which runs failed or diverged, and why")
    parser.add_argument("--check", action="store_true", help="whether all files are as they were written")
    parser.add_argument("--compare", action="store_true", help="write results.csv and comparison/ anew")
    arguments = parser.parse_args()
    try:
        sys.exit(_answer(arguments))
    except ValueError as error:
        parser.error(f"{arguments.folder}: {error}")
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has enough of it. What is still to be flushed goes to /dev/null, since Python
            # would complain of the same pipe once more when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        parser.error(f"{arguments.folder}: {error.strerror or error}")


def _answer(arguments: argparse.Namespace) -> int:
    """Does what the options say; the exit code."""
    results = where(read_results(arguments.folder), arguments.where)
    if arguments.check:
        _refuse_none(results, arguments.folder)
        found = faults(arguments.folder)
        print("\n".join(found) if found else f"{len(results)} finished, all as they were written", flush=True)
        return 1 if found else 0
    if arguments.failed:
        print(failed(arguments.folder, results), flush=True)
        return 0
    _refuse_none(results, arguments.folder)
    tune = _tune(arguments.tune, results, TUNED if arguments.by is None else ())
    if arguments.compare:
        compare(arguments.folder, results, tune)
        print(f"written: {arguments.folder / 'results.csv'}, {arguments.folder / 'comparison'}", flush=True)
        return 0
    known = _numbers(results)
    metrics = arguments.metric or (known if arguments.all else _usual(results, known))
    rows = grouped(results, metrics, arguments.by and arguments.by.split(","), tune=tune, apart=arguments.csv)
    print((_as_csv if arguments.csv else _as_markdown if arguments.markdown else _as_text)(rows), flush=True)
    return 0


MOST_SAID = 20
"""So many values of a setting are named."""


def where(results: Sequence[Result], conditions: Sequence[str]) -> list[Result]:
    """The results whose settings are these.

    Args:
        results: Finished runs.
        conditions: `"optimizer.rate=0.01"`; numbers that are equal count as equal, however they are written.

    Raises:
        ValueError: If there is no such setting.
    """
    chosen = list(results)
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if not equals:
            raise ValueError(f"where must be SETTING=VALUE, got {condition}")
        _among("setting", [key], _settings(results))
        there = dict.fromkeys(str(setting_of(result, key)) for result in chosen)
        chosen = [result for result in chosen if _is_value(setting_of(result, key), value)]
        if there and not chosen:
            raise ValueError(f"{key} must be one of {', '.join([*there][:MOST_SAID])}, got {value}")
    return chosen


def failed(folder: Path, results: Sequence[Result]) -> str:
    """The runs of a folder that failed, and those among the results that diverged."""
    lines = []
    for each in read_failures(folder):
        lines += [f"{each.run}: {each.reason}", f"  {each.command}"]
    lines += [
        f"{result.run}: diverged by step {result.diverged_at}" for result in results if result.diverged_at is not None
    ]
    return "\n".join(lines or ["none has failed"])


def grouped(
    results: Sequence[Result],
    metrics: Sequence[str] | None = None,
    by: Sequence[str] | None = None,
    *,
    tune: Sequence[str] = (),
    apart: bool = False,
) -> list[list[str]]:
    """One row a group of runs: how many, how many solve the task, median and quartiles of metrics, what was chosen.

    Runs that diverged count as in the table of depth against width: see `quartiles_over_seeds`.

    Args:
        results: Finished runs.
        metrics: Names of metrics; by default all that any run has.
        by: Dotted names of settings; by default all that vary, but the seed and what is tuned.
        tune: Dotted names of the settings that are tuned, if they vary: see `judged`.
        apart: Whether median and quartiles have columns of their own.

    Returns:
        The heading and the rows.

    Raises:
        ValueError: If there is no finished run, or no such metric or setting.
    """
    if not results:
        raise ValueError("no finished runs here")
    known = _numbers(results)
    metrics = _among("metric", metrics, known) if metrics else known
    tasks = by_task(results)
    found = [each for of_task in tasks.values() for each in judged(of_task, tune)] or judged(results, ())
    tuned = {key for each in found for key in each.tuned}
    varied = [key for key in varied_settings(results) if key != "seed" and key not in tuned]
    by = _among("setting", list(dict.fromkeys(by)), _settings(results)) if by else varied
    columns = ("", ": lower quartile", ": upper quartile") if apart else (" (quartiles)",)
    solved = (["solved", "solved: low", "solved: high"] if apart else ["solved"]) if tasks else []
    heading = [f"{_with_domain(name, results)}{column}" for name in metrics for column in columns]
    rows = [[*by, "runs", *solved, *heading, *(["chosen"] if tuned else [])]]
    groups = _groups(found, by)
    places = dict(zip(groups, places_in_order(list(groups)), strict=True))
    for group, members in sorted(groups.items(), key=lambda item: places[item[0]]):
        runs = [run for run, _ in members]
        choices = list(dict.fromkeys(choice for _, choice in members))
        spreads = [quartiles_over_seeds(runs, name) for name in metrics]
        rows.append(
            [
                *map(str, group),
                str(len(runs)),
                *(_solved(runs, apart=apart) if tasks else []),
                *(entry for each in spreads for entry in (_apart(each) if apart else [_spread(each)])),
                *((choices if len(choices) == 1 else ["several"]) if tuned else []),
            ]
        )
    return rows


def _groups(found: Sequence[Judged], by: Sequence[str]) -> dict[tuple[object, ...], list[tuple[Result, str]]]:
    """The runs by which architectures are judged, by some settings, each with what was chosen for its architecture.

    A star marks the end of a grid that should be wider.
    """
    groups: dict[tuple[object, ...], list[tuple[Result, str]]] = defaultdict(list)
    for each in found:
        for run in each.results:
            # A list, as of widths, has no hash, and is shown as the text that it becomes here.
            values = [setting_of(run, name) for name in by]
            group = tuple(str(value) if isinstance(value, list) else value for value in values)
            groups[group].append((run, each.choice + ("*" if each.at_an_end else "")))
    return groups


def _with_domain(metric: str, results: Sequence[Result]) -> str:
    """The metric's name; that of a number of pieces says where they were counted, if that is one place."""
    domains = {result.task.pieces_domain for result in results if result.task is not None}
    domain = domains.pop() if len(domains) == 1 else None
    return f"{metric} on {domain}" if metric in ("num_pieces", "num_regions") and domain else metric


def _solved(runs: Sequence[Result], *, apart: bool) -> list[str]:
    """How many runs solve their task, and the interval of the probability; `-` if a task does not say what that is."""
    if any(run.task is None or run.task.solved is None for run in runs):
        return ["", "", ""] if apart else ["-"]
    num = sum(run.is_solved for run in runs)
    low, high = wilson(num, len(runs))
    return [str(num), f"{low:.4g}", f"{high:.4g}"] if apart else [f"{num} ({100 * low:.0f}-{100 * high:.0f}%)"]


def _tune(given: str | None, results: Sequence[Result], usual: Sequence[str]) -> list[str]:
    """The settings that are tuned.

    Raises:
        ValueError: If one is no setting.
    """
    if given is None:
        return list(usual)
    known = [key for key in _settings(results) if key != "seed"]
    return _among("tune", [key for key in given.split(",") if key], known)


def _refuse_none(results: Sequence[Result], folder: Path) -> None:
    """Refuses a folder without results; names those below it that have some.

    Raises:
        ValueError: If there are none.
    """
    if results:
        return
    below = sorted({path.parent.parent for path in folder.glob("[!.]*/[!.]*/metrics.json")})
    raise ValueError(f"no finished runs here{'; there are some in ' + ', '.join(map(str, below)) if below else ''}")


def _usual(results: Sequence[Result], known: Sequence[str]) -> list[str]:
    """The metrics that are shown if nothing is said: the tasks' own, and the number of pieces; a measurement's all."""
    tasks = by_task(results)
    if not tasks:
        return list(known)
    wanted = [*(of_task[0].task.metric for of_task in tasks.values() if of_task[0].task is not None), "num_pieces"]
    return [name for name in dict.fromkeys(wanted) if name in known]


def _numbers(results: Sequence[Result]) -> list[str]:
    """The metrics that are numbers: measurements can have words among them, of which there are no quartiles."""
    values = {name: value for result in results for name, value in result.metrics.items()}
    return [name for name, value in values.items() if not isinstance(value, str)]


def _settings(results: Sequence[Result]) -> list[str]:
    """The names of all settings."""
    return list(dict.fromkeys(name for result in results for name in result.config))


def _is_value(value: object, text: str) -> bool:
    """Whether a setting has the value that the text says."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(text) == value
        except ValueError:
            return False
    return text.lower() == str(value).lower() or (value is None and text == "null")


def _spread(found: Quartiles | None) -> str:
    """Median and quartiles, which are left out where all three are the same; `-` if no run has the metric."""
    if found is None:
        return "-"
    median, lower, upper = _apart(found)
    return median if median == lower == upper else f"{median} ({lower} to {upper})"


def _apart(found: Quartiles | None) -> list[str]:
    """Median, lower and upper quartile; nothing if no run has the metric."""
    return ["", "", ""] if found is None else [f"{value:.4g}" for value in (found.median, found.lower, found.upper)]


def _as_text(rows: Sequence[Sequence[str]]) -> str:
    """The rows with columns that stand below each other."""
    sizes = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(f"{entry:>{size}}" for entry, size in zip(row, sizes, strict=True)) for row in rows)


def _as_csv(rows: Sequence[Sequence[str]]) -> str:
    """The rows as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().rstrip("\n")


def _as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a table in Markdown."""
    heading, *others = [f"| {' | '.join(entry.replace('|', chr(92) + '|') for entry in row)} |" for row in rows]
    return "\n".join([heading, "|" + "---:|" * len(rows[0]), *others])


def _among(kind: str, names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The names, if all of them are known."""
    for name in names:
        if name not in known:
            raise ValueError(f"{kind} must be one of {', '.join(known)}, got {name}")
    return list(names)
