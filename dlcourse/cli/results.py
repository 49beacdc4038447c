"""The console script `dlcourse-results`: a sweep's results, grouped, with medians and quartiles over the seeds."""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from dlcourse.recording import Result, quartiles_over_seeds, read_results
from dlcourse.recording.results import varied_settings


def main() -> None:
    """Prints the table; exits with 2 and one line on a user's mistake."""
    parser = argparse.ArgumentParser(prog="dlcourse-results", description=__doc__.split(": ", 1)[1])
    parser.add_argument("folder", type=Path, help="outputs/<name>, the folder of a sweep")
    parser.add_argument("--metric", action="append", help="what to show (may be given several times); default: all")
    parser.add_argument("--by", help="settings to group by, separated by commas; default: all that vary, but the seed")
    arguments = parser.parse_args()
    try:
        print(grouped(read_results(arguments.folder), arguments.metric, arguments.by and arguments.by.split(",")))
    except ValueError as error:
        parser.error(f"{arguments.folder}: {error}")


def grouped(results: Sequence[Result], metrics: Sequence[str] | None = None, by: Sequence[str] | None = None) -> str:
    """One line a group of runs: how many, and for each metric the median with the lower and the upper quartile.

    Runs that diverged count as in the table of depth against width: see `quartiles_over_seeds`.

    Args:
        results: Finished runs.
        metrics: Names of metrics; by default all that any run has.
        by: Dotted names of settings; by default all that vary, but the seed.

    Returns:
        Lines of text.

    Raises:
        ValueError: If there is no finished run, or no such metric or setting.
    """
    if not results:
        raise ValueError("no finished runs here")
    values = {name: value for result in results for name, value in result.metrics.items()}
    # Measurements can have words among their metrics, of which there are no quartiles.
    known = [name for name, value in values.items() if not isinstance(value, str)]
    metrics = _among("metric", metrics, known) if metrics else known
    settings = list(dict.fromkeys(name for result in results for name in result.config))
    by = _among("setting", by, settings) if by else [name for name in varied_settings(results) if name != "seed"]
    groups: dict[tuple[object, ...], list[Result]] = defaultdict(list)
    for result in results:
        groups[tuple(result.config.get(name) for name in by)].append(result)
    rows = [[*by, "runs", *(f"{name} (quartiles)" for name in metrics)]]
    for group, members in groups.items():
        rows.append([*map(str, group), str(len(members)), *(_spread(members, name) for name in metrics)])
    sizes = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(f"{entry:>{size}}" for entry, size in zip(row, sizes, strict=True)) for row in rows)


def _spread(results: Sequence[Result], metric: str) -> str:
    """Median and quartiles of a group; `-` if none of its runs has the metric."""
    found = quartiles_over_seeds(results, metric)
    return "-" if found is None else f"{found.median:.4g} ({found.lower:.4g} to {found.upper:.4g})"


def _among(kind: str, names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The names, if all of them are known."""
    for name in names:
        if name not in known:
            raise ValueError(f"{kind} must be one of {', '.join(known)}, got {name}")
    return list(names)
