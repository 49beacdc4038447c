"""What a click shows: the runs of a network, and one run with its curves, its configuration and its command."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlcourse.recording import Cell, Result, read_log
from dlcourse.recording.over_seeds import in_words
from dlcourse.recording.results import setting_of, varied_settings
from dlcourse.tensorboard_tab.curves import name_of_metric
from dlcourse.tensorboard_tab.folders import Found, LogFolder, Sweep, folder_of, regular
from dlcourse.tensorboard_tab.page import Content, chosen_sweep
from dlcourse.tensorboard_tab.run_figures import pieces_in_training, training
from dlcourse.tensorboard_tab.settings import read_settings
from dlcourse.tensorboard_tab.view import View, view

LOSSES, PIECES_IN_TRAINING = "losses", "pieces_in_training"
"""The names of a run's figures, over which the cursor of its film goes."""


def detail(log: LogFolder, asked: Mapping[str, str]) -> Content:
    """The runs of the network `cell`, and the run `run`, of which the end of its name is enough.

    The only network of a sweep is shown whatever is asked for, and so is the only run.

    Args:
        log: The log folder.
        asked: What the address says: what `page` takes, `cell` and `run`.

    Returns:
        `cell` and `run`, each None if it is not asked for or not there.
    """
    sweep = chosen_sweep(list(log.sweeps()), asked)
    if sweep is None:
        return {"cell": None, "run": None}
    found = log.read(sweep)
    shown = view(found.results, asked) if found.results else None
    cell = None
    if shown is not None:
        cell = next((cell for cell in shown.cells if cell.place == asked.get("cell")), None)
        if len(shown.cells) == 1 and len(found.results) > 1:
            (cell,) = shown.cells
    run = run_asked_for(found, asked)
    return {
        "cell": None if cell is None or shown is None else _cell(cell, shown),
        "run": None if run is None else _run(sweep, found, run),
    }


def run_asked_for(found: Found, asked: Mapping[str, str]) -> str | None:
    """The name of the run; None if there is none, or more than one, that ends like this."""
    runs = [*(result.run for result in found.results), *found.unfinished]
    if len(runs) == 1:
        return runs[0]
    end = asked.get("run")
    fitting = [run for run in runs if run == end] or [run for run in runs if end and run.endswith(end)]
    return fitting[0] if len(fitting) == 1 else None


def _cell(cell: Cell, shown: View) -> Content:
    """The runs by which a network is judged, as a table."""
    varied = [key for key in cell.tuned if key in varied_settings(cell.results)]
    metric = shown.task.metric
    names = list(dict.fromkeys([metric, shown.metric, "num_pieces", "num_regions", "steps_until_solved"]))
    names = [name for name in names if any(name in run.metrics for run in cell.results)]
    solves = ["solved"] if cell.num_solved is not None else []
    head = [
        "seed",
        *(key.rpartition(".")[2] for key in varied),
        *(in_words(name.removeprefix("num_")) for name in names),
        *solves,
        "seconds",
    ]
    rows = []
    for run in cell.results:
        values = [run.config.get("seed"), *(setting_of(run, key) for key in varied)]
        values += [run.metrics.get(name) for name in names]
        values += [_solved(run)] if solves else []
        rows.append({"run": run.run, "entries": [_said(value) for value in [*values, run.seconds]]})
    notes = []
    if cell.is_tuned:
        others = cell.num_candidates - len(set(cell.choice.split(" | ")))
        notes.append(
            f"{' and '.join(cell.tuned)}: {cell.choice}, of {cell.num_candidates} settings. Chosen on one half of the "
            f"seeds, the other half's runs count: these. Untick 'tuned' to see those of the other {others}."
        )
    return {
        "title": f"{cell.place}: {len(rows)} {'run' if len(rows) == 1 else 'runs'}",
        "head": head,
        "rows": rows,
        "notes": notes,
    }


def _run(sweep: Sweep, found: Found, name: str) -> Content:
    """One run."""
    folder = folder_of(sweep, name)
    result = next((result for result in found.results if result.run == name), None)
    command, settings = read_settings(folder)
    content: Content = {"title": name, "command": command, "figures": _curves(folder, result)}
    if result is None:
        content["facts"] = [["state", "not finished"]]
        content["settings"] = [[key, _said(value)] for key, value in settings.items()]
        return content
    content["settings"] = [[key, _said(value)] for key, value in result.config.items()]
    content["facts"] = [[name_of_metric(key), _said(value)] for key, value in result.metrics.items()]
    content["facts"] += (
        [["solved", _solved(result)]] if result.task is not None and result.task.solved is not None else []
    )
    content["facts"] += [["seconds", _said(result.seconds)], *map(list, result.provenance.items())]
    return content


def _curves(folder: Path, result: Result | None) -> list[Content]:
    """The curves of a run, each with its name."""
    if not regular(folder / "train.log"):
        return []
    try:
        history = read_log(folder)
    except (OSError, ValueError, IndexError):  # it is just being replaced, or damaged
        return []
    task = None if result is None else result.task
    metrics = [tag.removeprefix("metric/") for tag in history if tag.startswith("metric/")]
    metric = task.metric if task is not None else next(iter(metrics), "")
    is_better_higher = task is not None and metric in task.higher_is_better
    target = None if task is None else task.num_pieces
    figures = {
        LOSSES: training(history, metric, is_better_higher=is_better_higher),
        PIECES_IN_TRAINING: pieces_in_training(history, target=target),
    }
    return [{"name": name, "figure": figure} for name, figure in figures.items() if figure is not None]


def _solved(run: Result) -> str:
    """Whether a run has solved its task."""
    return f"diverged at step {run.diverged_at}" if run.diverged_at is not None else "yes" if run.is_solved else "no"


def _said(value: Any) -> str:
    """A value in a table."""
    if isinstance(value, float):
        return "-" if math.isinf(value) else f"{value:.4g}"
    return "-" if value is None else str(value)
