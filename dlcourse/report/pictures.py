"""The figure of a sweep for papers and slides, by matplotlib: a browser is not needed."""

import re
from collections.abc import Sequence

from dlcourse.recording import Result, by_task, cells
from dlcourse.recording.figures import depth_against_width, to_png, to_svg

WIDTH = 2400
"""Of a PNG file, in pixels: 300 a inch in a figure as wide as a page."""


def pictures(results: Sequence[Result], name: str, kind: str) -> dict[str, bytes]:
    """One figure for each task, and for each setting that is compared, by the name of its file.

    Args:
        results: Finished training runs.
        name: What the sweep is called.
        kind: "png" or "svg".

    Raises:
        ValueError: If the runs make no comparison.
    """
    found = {}
    tasks = by_task(results)
    for task, of_task in tasks.items():
        facts = [run.task for run in of_task if run.task is not None]
        metric, targets = facts[0].metric, {each.num_pieces for each in facts}
        known = [cell for cell in cells(of_task) if cell.quartiles(metric)]
        for setting in dict.fromkeys(cell.setting for cell in known):
            parts = [part for part in (task if len(tasks) > 1 else "", setting) if part]
            title = ", ".join([name.replace("_", " "), *parts])
            chosen = [cell for cell in known if cell.setting == setting]
            target = next(iter(targets)) if len(targets) == 1 else None
            figure = depth_against_width(chosen, metric, title=title, target_pieces=target)
            file = re.sub(r"[^\w.,=+\-\[\]]", "_", "-".join(["report", *parts])) + f".{kind}"
            found[file] = to_png(figure, width=WIDTH) if kind == "png" else to_svg(figure, title)
    if not found:
        raise ValueError(f"no runs here that make a comparison, which {kind} would show; html has what there is")
    return found
