"""Whether a folder of finished runs is as it was written, and all of it made with the same versions."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from dlcourse.recording.events import EVENT_FILES, read_events
from dlcourse.recording.log import read_log
from dlcourse.recording.results import Result, read_result

SAME_FOR_ALL = ("dlcourse", "commit", "torch", "python", "processor")
"""What should be the same for all results that are compared: see `dlcourse.recording.provenance`."""


def faults(folder: Path) -> list[str]:
    """What is wrong with the finished runs of `outputs/<name>`: a line for each file that is damaged or missing.

    Args:
        folder: The folder of the runs.

    Returns:
        Nothing, if all is well. Files that are not a run's own (tables, comparisons) are not looked at.

    Cost: about 0.2 ms for each kB of curves, and 0.01 ms for each kB of images.
    """
    found: list[str] = []
    results: list[Result] = []
    for path in sorted(folder.glob("[!.]*/metrics.json")):
        try:
            result = read_result(path.parent)
        except (OSError, ValueError) as error:
            found.append(f"{path}: {error}")
            continue
        results.append(result)
        if result.task is not None:
            found += [f"{path.parent / name}: {fault}" for name, fault in _faults_of_run(path.parent)]
    return found + _mixtures(results)


def _faults_of_run(folder: Path) -> list[tuple[str, str]]:
    """The files of a run that are damaged or missing, each with what is wrong with it."""
    found = []
    for name in ("model.pt", "weights.pt"):
        is_there = name == "model.pt" or (folder / name).exists()  # not every run keeps its weights
        if is_there and (fault := _fault_of_network(folder / name)) is not None:
            found.append((name, fault))
    try:
        steps = {step for points in read_log(folder).values() for step, _ in points}
    except (OSError, ValueError, IndexError) as error:
        return [*found, ("train.log", f"it cannot be read: {error}")]
    files = list(folder.glob(EVENT_FILES))
    if len(files) != 1:
        found.append(("events.out.tfevents.*", f"there must be one such file, there are {len(files)}"))
    for path in files:
        try:
            recorded = _steps_of_events(path)
        except (OSError, ValueError) as error:
            found.append((path.name, str(error)))
            continue
        if missing := sorted(steps - recorded):
            found.append((path.name, f"step {missing[0]} and {len(missing) - 1} more are missing"))
    return found


def _fault_of_network(path: Path) -> str | None:
    """What is wrong with a file of torch, which is a zip archive with a checksum for every part."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile, EOFError) as error:
        return f"it cannot be read: {error}"
    return None if damaged is None else f"its part {damaged} is damaged"


def _steps_of_events(path: Path) -> set[int]:
    """The steps that a file has events of.

    Raises:
        ValueError: If a record is damaged or not whole.
    """
    steps: set[int] = set()
    place = 0
    for event, end in read_events(path, checks_all=True):
        if event.summary.value:
            steps.add(event.step)
        place = end
    if place != path.stat().st_size:
        raise ValueError(f"the record at byte {place} is damaged")
    return steps


def _mixtures(results: Sequence[Result]) -> list[str]:
    """What the results were made with, where that is not the same for all."""
    lines = []
    for key in SAME_FOR_ALL:
        values: dict[str, int] = {}
        for result in results:
            value = str(result.provenance.get(key, "not said"))
            values[value] = values.get(value, 0) + 1
        if len(values) > 1:
            said = ", ".join(f"{value} ({num})" for value, num in values.items())
            lines.append(f"these results were made with more than one {key}: {said}")
    return lines
