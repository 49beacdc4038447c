"""What a click shows: the runs of a network, and one run with its curves, its configuration and its command."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from dlcourse.recording import Cell, Result, read_log
from dlcourse.recording.events import EVENT_FILES, read_events
from dlcourse.recording.over_seeds import in_words
from dlcourse.recording.results import setting_of, varied_settings
from dlcourse.tensorboard_tab.axes import Figure
from dlcourse.tensorboard_tab.curves import name_of_metric
from dlcourse.tensorboard_tab.folders import Found, LogFolder, Sweep, folder_of, regular
from dlcourse.tensorboard_tab.page import Content, chosen_sweep
from dlcourse.tensorboard_tab.run_figures import pieces_in_training, training
from dlcourse.tensorboard_tab.view import View, view

PICTURES = ("fit", "decision_regions")
"""The tags of the pictures that runs draw at their end."""

MOST_BYTES_OF_EVENTS = 10**7
"""Of larger event files no picture is shown: TensorBoard's records are read at a megabyte a second."""


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
    run = _run_asked_for(found, asked)
    return {
        "cell": None if cell is None or shown is None else _cell(cell, shown),
        "run": None if run is None else _run(sweep, found, run),
    }


def recorded_picture(log: LogFolder, asked: Mapping[str, str]) -> bytes | None:
    """The picture that a run has drawn at its end, a PNG file; None if it has none."""
    sweep = chosen_sweep(list(log.sweeps()), asked)
    run = None if sweep is None else _run_asked_for(log.read(sweep), asked)
    if sweep is None or run is None:
        return None
    picture = None
    for path in sorted(folder_of(sweep, run).glob(EVENT_FILES)):
        written = regular(path)
        if written is not None and written.st_size <= MOST_BYTES_OF_EVENTS:
            for event, _ in read_events(path):
                for value in event.summary.value:
                    if value.tag in PICTURES:
                        picture = _png_of(value) or picture
    return picture


def _png_of(value: Any) -> bytes | None:
    """The picture in a value of an event file."""
    held = [value.image.encoded_image_string, *value.tensor.string_val]
    return next((bytes(content) for content in held if content.startswith(b"\x89PNG")), None)


def _run_asked_for(found: Found, asked: Mapping[str, str]) -> str | None:
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
    command, settings = _configuration(folder)
    content: Content = {"title": name, "command": command, "figures": _curves(folder, result), "picture": None}
    if result is None:
        content["facts"] = [["state", "not finished"]]
        content["settings"] = settings
        return content
    content["settings"] = [[key, _said(value)] for key, value in result.config.items()]
    content["facts"] = [[name_of_metric(key), _said(value)] for key, value in result.metrics.items()]
    content["facts"] += (
        [["solved", _solved(result)]] if result.task is not None and result.task.solved is not None else []
    )
    content["facts"] += [["seconds", _said(result.seconds)], *map(list, result.provenance.items())]
    content["picture"] = "picture?" + urlencode({"sweep": sweep.name, "run": name}) if _has_picture(folder) else None
    return content


def _has_picture(folder: Path) -> bool:
    """Whether a run may have drawn a picture, by the size of its event files: those without have a few kB of curves."""
    return any((found := regular(path)) and found.st_size > 20_000 for path in folder.glob(EVENT_FILES))


def _curves(folder: Path, result: Result | None) -> list[Figure]:
    """The curves of a run."""
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
    figures = [
        training(history, metric, is_better_higher=is_better_higher),
        pieces_in_training(history, target=target),
    ]
    return [figure for figure in figures if figure is not None]


def _configuration(folder: Path) -> tuple[str | None, list[list[str]]]:
    """The command that does a run again, and its settings, as `config.yaml` has them."""
    if not regular(folder / "config.yaml"):
        return None, []
    try:
        lines = (folder / "config.yaml").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None, []
    command = lines[0].removeprefix("# ") if lines and lines[0].startswith("# ") else None
    pairs: Sequence[tuple[str, str, str]] = [line.partition(":") for line in lines if not line.startswith("#")]
    return command, [[key.rstrip(), value.strip()] for key, _, value in pairs if key.strip()]


def _solved(run: Result) -> str:
    """Whether a run has solved its task."""
    return f"diverged at step {run.diverged_at}" if run.diverged_at is not None else "yes" if run.is_solved else "no"


def _said(value: Any) -> str:
    """A value in a table."""
    if isinstance(value, float):
        return "-" if math.isinf(value) else f"{value:.4g}"
    return "-" if value is None else str(value)
