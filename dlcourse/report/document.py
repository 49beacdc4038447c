"""The report of a folder of runs: what it came to, the tab's figures, tables, commands and versions, as one file."""

import importlib.metadata
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dlcourse
from dlcourse.recording import Result, by_task, cells, read_results
from dlcourse.recording.failures import Failed, read_failures
from dlcourse.recording.table import entries
from dlcourse.report import html, tables
from dlcourse.report.commands import commands_of
from dlcourse.report.sections import ON_THEIR_WAY, sections
from dlcourse.tensorboard_tab.detail import detail
from dlcourse.tensorboard_tab.folders import Found, LogFolder, Sweep, folder_of
from dlcourse.tensorboard_tab.page import Content, page

NUM_BEST = 10
"""So many of the best runs are shown."""

MOST_ROWS = 40
"""Of more runs that failed or diverged, and of more commands, the first are shown."""

MOST_MEASUREMENTS = 400
"""Of more measurements, the first are shown."""


@dataclass(frozen=True)
class Runs:
    """What lies in the folder.

    Attributes:
        folder: Where it is.
        log: The same as the tab reads it.
        results: Its finished training runs.
        num_unfinished: How many runs are on their way.
        measurements: Its finished measurements.
        failures: The jobs that have failed.
    """

    folder: Path
    log: "Snapshot"
    results: list[Result]
    num_unfinished: int
    measurements: list[Result]
    failures: list[Failed]


class Snapshot(LogFolder):
    """A folder of runs as it is now, so that a report is of one moment, and the folder is read once.

    Args:
        folder: The folder.

    Attributes:
        found: What it holds.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._sweep = Sweep(".", folder)
        self.found = super().read(self._sweep)

    def sweeps(self) -> Iterator[Sweep]:
        """The folder itself."""
        yield self._sweep

    def read(self, sweep: Sweep) -> Found:
        """What it held."""
        return self.found


def runs_in(folder: Path) -> Runs:
    """What there is to report of a folder.

    Args:
        folder: `outputs/<name>`, or the folder of a single run.

    Raises:
        OSError: If it is no folder that can be read.
        ValueError: If no run and no measurement lies in it; names the folders below it that have some.
    """
    num_results = sum(1 for name in os.listdir(folder) if (folder / name / "metrics.json").exists())
    folder = folder.resolve()
    log = Snapshot(folder)
    found = log.found
    measurements = []
    if num_results > len(found.results) + found.num_damaged:
        measurements = [result for result in read_results(folder) if result.task is None]
    runs = Runs(folder, log, found.results, len(found.unfinished), measurements, read_failures(folder))
    if not (runs.results or runs.num_unfinished or measurements or runs.failures):
        below = sorted({path.parent.parent.name for path in folder.glob("[!.]*/[!.]*/metrics.json")})
        raise ValueError(f"no runs of dlcourse here{'; there are some in its ' + ', '.join(below) if below else ''}")
    return runs


def document(runs: Runs) -> str:
    """The report as HTML."""
    title = runs.folder.name.replace("_", " ")
    tasks = by_task(runs.results)
    shown = sections(runs.log, list(tasks))
    parts = [html.said("h1", title)]
    if not tasks:
        parts += _without_results(runs)
    for index, (name, results) in enumerate(tasks.items()):
        parts += [html.said("h2", f"task {name}")] if len(tasks) > 1 else []
        of_task = shown[name]
        parts += _answer(of_task.whole)
        if index == 0:
            parts.append(_figures("", [each for each in of_task.whole["figures"] if each["name"] == ON_THEIR_WAY]))
        parts += [_figures(heading, figures) for heading, figures in of_task.sections]
        if of_task.left_out:
            parts.append(html.said("p", f"{of_task.left_out} more such views are in TensorBoard's tab.", "facts"))
        parts += [*_networks(results), *_best(runs, results)]
    if runs.measurements:
        parts += _measurements(runs.measurements)
    parts += [*_failed(runs), *_again(runs.folder), *_made([*runs.results, *runs.measurements])]
    return html.whole(title, parts)


def _without_results(runs: Runs) -> Iterator[str]:
    """What there is to say where no network is trained."""
    if runs.num_unfinished:
        content = page(runs.log, {})
        yield from _answer(content)
        yield _figures("", content["figures"])
    elif runs.measurements:
        num = len(runs.measurements)
        yield html.said("p", f"{num} measurement{'s' if num > 1 else ''}: no networks were trained here.", "answer")
    else:
        num = len(runs.failures)
        yield html.said("p", f"No run is finished: {num} {'has' if num == 1 else 'have'} failed.", "answer")


def _answer(content: Content) -> Iterator[str]:
    """What stands on top of the tab's page."""
    yield html.said("p", content["sentence"], "answer")
    yield html.said("p", " · ".join(content["facts"]), "facts")
    for warning in content.get("warnings", []):
        yield html.said("p", warning, "warning")
    yield html.listed(content.get("notes", []))


def _figures(heading: str, figures: Sequence[Content]) -> str:
    """The figures of a view, two in a row; the last one takes a whole row if it would be alone in it."""
    if not figures:
        return ""
    places = []
    for index, each in enumerate(figures):
        is_alone = index % 2 == 0 and index == len(figures) - 1
        places.append(html.figure("wide" if is_alone else "", each["name"], each["figure"]))
    return (html.said("h3", heading) if heading else "") + html.element("div", *places, kind="figures")


def _networks(results: Sequence[Result]) -> Iterator[str]:
    """The tuned comparison as a table."""
    facts = results[0].task
    assert facts is not None  # those of measurements are not among them
    found = [cell for cell in cells(results) if cell.quartiles(facts.metric)]
    if not found or len(results) == 1:
        return
    tuned = [key for key in found[0].tuned if found[0].is_tuned]
    yield html.said("h2", "Networks")
    for setting in dict.fromkeys(cell.setting for cell in found):
        yield html.said("h3", setting) if setting else ""
        head, *rows = entries([cell for cell in found if cell.setting == setting], facts.metric)
        yield html.element("div", html.table(head, rows), kind="table")
    if tuned:
        yield html.said(
            "p",
            f"{' and '.join(tuned)}: chosen on one half of the seeds, and the other half's runs count. Where the "
            "halves choose differently, both choices are named (a | b). A star marks an end of the grid, which should "
            "be wider.",
            "facts",
        )


def _best(runs: Runs, results: Sequence[Result]) -> Iterator[str]:
    """The best runs of a task as a table, and the best of all with its curves, its picture and its command."""
    facts = results[0].task
    assert facts is not None
    ordered = tables.best_first(results, facts.metric)
    if not ordered:
        return
    if len(results) > 1:
        yield html.said("h2", "Best runs")
        metrics = [facts.metric, "num_pieces", "num_regions", "num_parameters", "steps_until_solved"]
        head, *rows = tables.runs_table(ordered[:NUM_BEST], results, metrics)
        yield html.element("div", html.table(head, rows), kind="table")
    best = ordered[0]
    run = detail(runs.log, {"run": best.run})["run"]
    yield html.said("h2", "The best of them" if len(results) > 1 else "The run")
    yield html.said("p", best.run, "facts")
    came_to = [[tables.metric_name(name), tables.metric_said(value)] for name, value in best.metrics.items()]
    yield html.element("div", html.table([], came_to, "pairs"), kind="columns")
    yield _figures("", run["figures"])
    if (folder_of(Sweep(".", runs.folder), best.run) / "model.pt").is_file():
        yield from _learnt(runs.log, best.run)
    if len(results) > 1 and run["command"]:
        yield html.said("p", "This does it again:")
        yield html.said("pre", run["command"])


def _learnt(log: LogFolder, run: str) -> Iterator[str]:
    """What a run's network has learnt, and the network: the last picture of the tab's film."""
    from dlcourse.tensorboard_tab.film import film  # torch takes seconds to import

    found = film(log, {"run": run})
    for frame in found["frames"].values():
        yield html.said("p", frame["said"], "facts")
        changes = {change["figure"]: change for change in frame["changes"]}
        places = [
            html.figure("tall", each["name"], each["figure"], changes.get(each["name"])) for each in found["figures"]
        ]
        yield html.element("div", *places, kind="figures")
    if found["note"] and len(found["figures"]) < 2:  # else it only says that there are no earlier steps to show
        yield html.said("p", found["note"], "facts")


def _measurements(results: Sequence[Result]) -> Iterator[str]:
    """Measurements as a table, one row each."""
    metrics = list(dict.fromkeys(name for result in results for name in result.metrics))
    head, *rows = tables.runs_table(results[:MOST_MEASUREMENTS], results, metrics)
    yield html.said("h2", "Measurements")
    if len(results) > MOST_MEASUREMENTS:
        yield html.said("p", f"The first {MOST_MEASUREMENTS} of {len(results)}; results.csv has all.", "facts")
    yield html.element("div", html.table(head, rows), kind="table")


def _failed(runs: Runs) -> Iterator[str]:
    """What failed, with the reason and the command, and what diverged."""
    if runs.failures:
        yield html.said("h2", f"Failed: {len(runs.failures)}")
        for each in runs.failures[:MOST_ROWS]:
            yield html.said("p", f"{each.run}: {tables.without_folders(each.reason)}")
            yield html.said("pre", each.command)
        yield from _more(len(runs.failures))
    diverged = [run for run in runs.results if run.diverged_at is not None]
    if diverged:
        yield html.said("h2", f"Diverged: {len(diverged)} of {len(runs.results)}")
        yield html.listed(f"{run.run}: by step {run.diverged_at}" for run in diverged[:MOST_ROWS])
        yield from _more(len(diverged))


def _again(folder: Path) -> Iterator[str]:
    """How to do all runs again."""
    commands = commands_of(folder)
    if not commands:
        return
    yield html.said("h2", "To do it again")
    what = "This command does" if len(commands) == 1 else f"These {len(commands)} commands do"
    yield html.said("p", f"{what} all runs; with force=true, or in another folder, those that are finished, too.")
    yield from (html.said("pre", command) for command in commands[:MOST_ROWS])
    yield from _more(len(commands))


def _more(num: int) -> Iterator[str]:
    """What a list leaves out."""
    if num > MOST_ROWS:
        yield html.said("p", f"and {num - MOST_ROWS} more", "facts")


def _made(results: Sequence[Result]) -> Iterator[str]:
    """What was set, and what the runs and this report were made with."""
    if results:
        swept, same = tables.settings(results)
        if swept:
            yield html.said("h2", "Varied")
            yield html.table([], swept, "pairs")
        yield html.said("h2", "The same in all runs" if len(results) > 1 else "Settings")
        yield html.element("div", html.table([], same, "pairs"), kind="columns")
        yield html.said("h2", "Made with")
        yield html.table([], tables.made_with(results), "pairs")
    plotly = importlib.metadata.version("plotly")
    yield html.said("p", f"Written by dlcourse-report {dlcourse.__version__}; figures by plotly {plotly}.", "facts")
