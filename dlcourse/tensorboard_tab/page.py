"""The first screen, and what a click shows, as the content that `index.js` puts on the page."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlcourse.palette import DEPTH_SHADES
from dlcourse.recording import History, read_log
from dlcourse.recording.cells import left_out
from dlcourse.recording.over_seeds import in_words
from dlcourse.recording.table import notes_on, what_solves, what_was_tuned
from dlcourse.tensorboard_tab.axes import Figure
from dlcourse.tensorboard_tab.curves import COUNTED, DEPTH, PARAMETERS, PIECES, SIZE, WIDTH, curves
from dlcourse.tensorboard_tab.figures import heat_map, metric_over, metric_over_parameters, pieces_over, solved_over
from dlcourse.tensorboard_tab.folders import Found, LogFolder, Sweep, folder_of, regular
from dlcourse.tensorboard_tab.run_figures import on_their_way
from dlcourse.tensorboard_tab.sentence import caveats, sentence
from dlcourse.tensorboard_tab.view import Choice, View, view

SECONDS_OF_A_RUNNING_SWEEP = 180
"""If something was written not longer ago, there may soon be more: the page asks again by itself."""

SECONDS_TO_ASK_AGAIN = 10

MOST_ON_THEIR_WAY = 40
"""The curves of so many runs that are not finished are shown."""

NOTHING_TO_COMPARE = (
    "These runs make no comparison (yet): no setting has all of its seeds, or the widths differ from layer to layer."
)

SAME_SIZE = 1.2
"""Networks whose numbers of parameters differ by no larger factor are of one size."""

Content = dict[str, Any]


def page(log: LogFolder, asked: Mapping[str, str]) -> Content:
    """The first screen.

    Args:
        log: The log folder.
        asked: What the address says.

    Returns:
        What to show, and the `state`: all that is chosen and not the default.
    """
    sweeps = sorted(log.sweeps(), key=lambda sweep: sweep.name)
    sweep = chosen_sweep(sweeps, asked)
    if sweep is None:
        return {"title": "No sweeps", "sentence": "There are no runs of dlcourse in this folder.", "choices": []}
    found = log.read(sweep)
    names = {each.name: each.folder.name if each.name == "." else each.name for each in sweeps}
    choice = Choice("sweep", "sweep", names, sweep.name, chosen_sweep(sweeps, {}).name)  # type: ignore[union-attr]
    content: Content = {"title": names[sweep.name].replace("_", " "), "facts": [_counted(found)]}
    figures: dict[str, Figure | None] = {}
    choices = [choice] if len(sweeps) > 1 else []
    metric = None
    if found.results:
        shown = view(found.results, asked)
        choices += shown.choices
        metric = shown.task.metric
        figures = dict(_figures(shown))
        content["facts"] += [_what_solves(shown), *what_was_tuned(shown.cells)] if shown.cells else []
        content["warnings"] = [*caveats(shown.cells, metric), *_warnings(shown)]
        content["notes"] = [
            note for note in (notes_on(shown.cells) if shown.cells else []) if not note.startswith("* ")
        ]
        content["sentence"] = sentence(shown.cells, metric) if shown.cells else NOTHING_TO_COMPARE
        if len(shown.results) < len(found.results):
            content["facts"].insert(1, f"{len(shown.results)} of them on this task")
        if shown.cells and (note := left_out(shown.results)):
            content["sentence"] = f"Of networks with layers of one width: {content['sentence']}"
            content["warnings"].append(note)
    else:
        content["sentence"] = "No run is finished yet."
    if found.unfinished:
        histories = _histories(sweep, found.unfinished[:MOST_ON_THEIR_WAY])
        figures = {"on_their_way": on_their_way(histories, metric), **figures}
    content["facts"] = [fact for fact in content["facts"] if fact]
    content["figures"] = [{"name": name, "figure": each} for name, each in figures.items() if each is not None]
    content["choices"] = [_as_content(each) for each in choices]
    content["state"] = {each.name: each.value for each in choices if each.value != each.default}
    is_running = time.time() - found.changed < SECONDS_OF_A_RUNNING_SWEEP
    content["ask_again_in"] = SECONDS_TO_ASK_AGAIN if is_running else None
    return content


def chosen_sweep(sweeps: Sequence[Sweep], asked: Mapping[str, str]) -> Sweep | None:
    """The sweep that is asked for, or else the one that was written last; None if there is none."""
    for sweep in sweeps:
        if sweep.name == asked.get("sweep"):
            return sweep
    return max(sweeps, key=lambda sweep: _changed(sweep.folder), default=None)


def _changed(folder: Path) -> float:
    """When something was put into a folder last."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _figures(shown: View) -> dict[str, Figure]:
    """The figures of the first screen."""
    if not shown.cells or len(shown.results) == 1:
        return {}  # one run is shown below, all of it
    lines = curves(shown.cells, shown.x, shown.by, shown.varied)
    shades = {"shades": DEPTH_SHADES} if shown.by == DEPTH else {}
    seeds = shown.shows_seeds
    figures = {"metric": metric_over(lines, shown.metric, shown.x, shows_seeds=seeds, **shades)}
    sizes = [found.median for cell in shown.cells if (found := cell.quartiles(PARAMETERS))]
    if (shown.x, shown.by) != (PARAMETERS, DEPTH) and sizes and max(sizes) > SAME_SIZE * min(sizes):
        by_size = curves(shown.cells, PARAMETERS, DEPTH, shown.varied)
        figures["size"] = metric_over_parameters(by_size, shown.metric, shows_seeds=seeds)
    if all(cell.num_solved is not None for cell in shown.cells):
        figures["solved"] = solved_over(lines, shown.x, **shades)
    counted = [cell for cell in shown.cells if cell.quartiles(PIECES)]
    if counted:
        x = DEPTH if shown.x == PIECES else shown.x
        of_pieces = curves(counted, x, _size_of(shown) if x != shown.x else shown.by, shown.varied)
        figures["pieces"] = pieces_over(of_pieces, x, target=shown.target_pieces, shows_seeds=seeds, **shades)
    if len(shown.cells) > 1:
        x = DEPTH if shown.x in COUNTED else shown.x
        rows = curves(shown.cells, x, _size_of(shown) if x != shown.x else shown.by, shown.varied)
        figures["map"] = heat_map(rows, shown.metric, x)
    return figures


def _size_of(shown: View) -> str:
    """What says how large networks of one depth are."""
    return SIZE if all(cell.max_parameters is not None for cell in shown.cells) else WIDTH


def _counted(found: Found) -> str:
    """How many runs there are, and of what kind."""
    numbers = {
        "finished": len(found.results),
        "not finished": len(found.unfinished),
        "failed": found.num_failed,
        "damaged": found.num_damaged,
    }
    return ", ".join(
        f"{num} {('run ' if num == 1 else 'runs ') if kind == 'finished' else ''}{kind}"
        for kind, num in numbers.items()
        if num
    )


def _what_solves(shown: View) -> str:
    """What solving means: "solved: mean squared error below 0.0013"."""
    return what_solves(shown.cells)[2:-1].replace("solved: ", f"solved: {in_words(shown.task.metric)} ", 1)


def _warnings(shown: View) -> list[str]:
    """Ends of grids at which a setting was chosen."""
    ends = [item for cell in shown.cells for item in cell.at_an_end.items()]
    return [
        f"{key}={value:g} is the end of its grid, and chosen for {ends.count((key, value))} of {len(shown.cells)} "
        "networks: with a wider grid they may do better."
        for key, value in dict.fromkeys(ends)
    ]


def _histories(sweep: Sweep, runs: Sequence[str]) -> dict[str, History]:
    """The curves of runs that are on their way."""
    found = {}
    for run in runs:
        folder = folder_of(sweep, run)
        try:
            if regular(folder / "train.log"):
                found[run] = read_log(folder)
        except (OSError, ValueError, IndexError):  # it is just being replaced, or damaged
            continue
    return found


def _as_content(choice: Choice) -> Content:
    """A choice for the page."""
    options = [{"value": value, "label": label} for value, label in choice.options.items()]
    return {
        "name": choice.name, "label": choice.label, "options": options, "value": choice.value,
        "is_switch": choice.is_switch,
    }  # fmt: skip
