"""The film of a run's training: its network at every step whose weights it has kept, counted and drawn when asked for.

Answers are made within a time, and say what to ask for next: the step that is looked at comes first, the others follow.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from dlcourse.layerwise import one_thread
from dlcourse.palette import INK
from dlcourse.recording import History, read_log
from dlcourse.recording.over_seeds import in_words
from dlcourse.recording.task_of_run import task_of
from dlcourse.tasks import Curve
from dlcourse.tensorboard_tab.along_scene import fit, segment
from dlcourse.tensorboard_tab.detail import LOSSES, PIECES_IN_TRAINING, run_asked_for
from dlcourse.tensorboard_tab.diagram_scene import diagram
from dlcourse.tensorboard_tab.folders import LogFolder, folder_of, regular
from dlcourse.tensorboard_tab.page import Content, chosen_sweep
from dlcourse.tensorboard_tab.plane_scene import plane
from dlcourse.tensorboard_tab.scene import Scene
from dlcourse.tensorboard_tab.settings import read_settings
from dlcourse.tensorboard_tab.states import States, states

SECONDS_AN_ANSWER = 0.4
"""An answer has as many steps as are drawn in this time, at least one."""

NO_FILM: Content = {"note": "", "steps": [], "figures": [], "frames": {}, "next": None}


@one_thread()
def film(log: LogFolder, asked: Mapping[str, str]) -> Content:
    """The film of a run, or a part of it.

    Args:
        log: The log folder.
        asked: What the address says: `sweep`, `run`, and `step`, the one that is looked at. With `from`, the steps from
            that place on.

    Returns:
        `frames`: by the place of their step what each changes in the figures, and what is said of it; `next`: what to
        give as `from` for more of them, None if there are no more. Without `from`, before that: `note`, `steps`,
        `index`, the place of the step that is looked at, and `figures`, each with its name.
    """
    sweep = chosen_sweep(list(log.sweeps()), asked)
    if sweep is None:
        return NO_FILM
    found = log.read(sweep)
    run = run_asked_for(found, asked)
    if run is None:
        return NO_FILM
    folder = folder_of(sweep, run)
    result = next((result for result in found.results if result.run == run), None)
    config = read_settings(folder)[1] if result is None else result.config
    history = _history(folder)
    try:
        shown = states(folder, config, max((points[-1][0] for points in history.values() if points), default=0))
    except ValueError as error:
        return {**NO_FILM, "note": str(error)}
    scenes, note = _scenes(config, shown.networks)
    place = asked.get("from", "")
    if place.isdigit():
        return _frames(range(int(place), len(shown.steps)), shown, scenes, history)
    index = _nearest(shown.steps, asked.get("step", ""))
    return {
        "note": " ".join(filter(None, [shown.note, note])),
        "steps": shown.steps,
        "index": index,
        "figures": [{"name": scene.name, "figure": scene.figure} for scene in scenes],
        "frames": _frames([index], shown, scenes, history)["frames"],
        "next": 0 if len(shown.steps) > 1 else None,
    }


def _frames(places: Sequence[int], shown: States, scenes: Sequence[Scene], history: History) -> Content:
    """As many frames as there is time for."""
    begun = time.monotonic()
    frames: Content = {}
    for place in places:
        if frames and time.monotonic() - begun > SECONDS_AN_ANSWER:
            return {"frames": frames, "next": place}
        frames[str(place)] = _frame(shown.steps[place], shown.networks[place], scenes, history)
    return {"frames": frames, "next": None}


def _frame(step: int, network: nn.Module, scenes: Sequence[Scene], history: History) -> Content:
    """What a step changes: in the figures that move, and the cursor in the others."""
    said = [f"step {step}"]
    changes: list[dict[str, Any]] = []
    for scene in scenes:
        moment = scene.at(network)
        said += moment.said
        moved = {"data": moment.data, "traces": list(moment.traces), "layout": moment.layout}
        changes.append({"figure": scene.name, **moved})
    cursor = {
        "type": "line",
        "x0": step,
        "x1": step,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": INK, "width": 1},
    }
    for name in (LOSSES, PIECES_IN_TRAINING):
        changes.append({"figure": name, "data": {}, "traces": [], "layout": {"shapes": [cursor]}})
    for tag, points in history.items():
        value = dict(points).get(step)
        if tag.startswith(("metric/", "loss/train")) and value is not None:
            said.append(
                f"{in_words(tag.removeprefix('metric/')) if tag.startswith('metric/') else 'train loss'} {value:.3g}"
            )
    return {"changes": changes, "said": " · ".join(said)}


def _scenes(config: Mapping[str, Any], networks: Sequence[nn.Module]) -> tuple[list[Scene], str]:
    """The figures that move, and what there is to say if one is missing."""
    try:
        task = task_of(config)
        seed = int(config.get("seed", 0))
        dtype = next(networks[0].parameters()).dtype
        data = task.data(seed)
        inputs = data.train_inputs.to(dtype)
        if isinstance(task, Curve):
            learnt = fit(task, data)
        elif task.rectangle is not None:
            learnt = plane(task, data)
        else:
            learnt = segment(task, seed, networks)
    except (ValueError, TypeError) as error:
        drawn = diagram(networks, None)
        return [drawn] if drawn else [], f"What it has learnt cannot be drawn: {error}"
    drawn = diagram(networks, inputs)
    return [learnt, drawn] if drawn else [learnt], ""


def _nearest(steps: Sequence[int], asked: str) -> int:
    """The place of the step that is nearest to one; the last if none is asked for."""
    wanted = int(asked) if asked.isdigit() and len(asked) < 16 else steps[-1]
    return min(range(len(steps)), key=lambda place: abs(steps[place] - wanted))


def _history(folder: Path) -> History:
    """The curves of a run; none if there is no log that can be read."""
    try:
        return read_log(folder) if regular(folder / "train.log") else {}
    except (OSError, ValueError, IndexError):
        return {}
