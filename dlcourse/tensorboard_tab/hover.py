"""What the pointer shows: a network, and one of its runs, in a few lines."""

import math
from html import escape

from dlcourse.recording import Cell, Result
from dlcourse.recording.over_seeds import in_words
from dlcourse.recording.results import setting_of
from dlcourse.tensorboard_tab.curves import PIECES
from dlcourse.tensorboard_tab.most_pieces import most_pieces


def said_of_cell(cell: Cell, metric: str | None = None) -> str:
    """What a network has come to, as the pointer shows it.

    Args:
        cell: The network.
        metric: A metric; the task's if nothing is said.
    """
    task = cell.results[0].task
    names = dict.fromkeys(name for name in (task.metric if task else None, metric) if name)
    said = [f"<b>{escape(cell.place)}</b>"]
    for name in names:
        if found := cell.quartiles(name):
            quartiles = f" ({number(found.lower)} to {number(found.upper)})" if len(cell.results) > 1 else ""
            said.append(f"{in_words(name)} {number(found.median)}{quartiles}")
    if cell.num_solved is not None:
        low, high = cell.solved_interval
        said.append(f"solved by {cell.num_solved} of {len(cell.results)} seeds ({100 * low:.0f}-{100 * high:.0f}%)")
    if pieces := cell.quartiles(PIECES):
        most = most_of(cell)
        said.append(f"{pieces.median:.10g} linear pieces{'' if most is None else f' of at most {most}'}")
    if parameters := cell.quartiles("num_parameters"):
        said.append(f"{parameters.median:.10g} parameters")
    if cell.choice:
        names_of_tuned = " ".join(key.rpartition(".")[2] for key in cell.tuned)
        said.append(f"{names_of_tuned} {escape(cell.choice)}, chosen on half of the seeds for the other")
    said += [f"{key.rpartition('.')[2]} {end:g} is an end of its grid: widen it" for key, end in cell.at_an_end.items()]
    if cell.num_diverged:
        said.append(f"{cell.num_diverged} of {len(cell.results)} runs diverged")
    return "<br>".join(said)


def said_of_run(run: Result, metric: str, cell: Cell) -> str:
    """What one run of a network has come to."""
    value = run.metrics.get(metric, math.nan)
    end = "diverged" if run.diverged_at is not None else f"{in_words(metric)} {number(value)}"
    tuned = "".join(f", {key.rpartition('.')[2]} {setting_of(run, key)}" for key in cell.tuned)
    return f"{escape(cell.place)}, seed {run.config.get('seed', 0)}: {end}{escape(tuned)}"


def most_of(cell: Cell) -> int | None:
    """The most pieces that a network can have."""
    found = [most_pieces(run) for run in cell.results]
    return found[0] if found and len({*found}) == 1 else None


def number(value: int | float) -> str:
    """Three digits."""
    return "diverged" if math.isnan(value) else f"{value:.3g}"
