"""Depth against width in TensorBoard: one run a width, whose step is the depth."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from dlcourse.recording.events import write_events
from dlcourse.recording.files import write_atomically
from dlcourse.recording.over_seeds import cells
from dlcourse.recording.results import Result, by_task, write_csv


def compare(folder: Path, results: Sequence[Result]) -> None:
    """Writes `results.csv` and `comparison/` of a folder of runs, or what of it there is to write.

    Args:
        folder: `outputs/<name>`.
        results: Its finished runs.
    """
    if not results:
        return
    write_csv(results, folder / "results.csv")
    tasks = by_task(results)
    is_one = len(tasks) == 1
    for name, of_task in tasks.items():
        facts = [result.task for result in of_task if result.task is not None]
        targets = {each.num_pieces for each in facts}
        write_comparison(
            folder,
            of_task,
            facts[0].metric,
            title=(folder.name if is_one else f"{folder.name}, {name}").replace("_", " "),
            target_pieces=targets.pop() if len(targets) == 1 else None,
            task=None if is_one else name,
        )
    if not is_one:
        _remove_all_but(folder / "comparison", list(tasks))


def write_comparison(
    folder: Path,
    results: Sequence[Result],
    metric: str,
    *,
    title: str = "",
    target_pieces: int | None = None,
    task: str | None = None,
) -> None:
    """Writes `folder/comparison` anew: scalars over the depth for each width, and the picture of it all.

    The Scalars tab then shows, for each width (`comparison/width=8`), the metric, the number of linear pieces and of
    parameters against the depth: medians over the seeds. If a sweep varies more than depth, width and seed, nothing is
    averaged over that: each further setting has runs (`comparison/width=8-tanh`) and a picture of its own.

    Args:
        folder: `outputs/<name>`.
        results: Its finished runs; those without the metric, of another task, are left out.
        metric: The task's headline metric.
        title: What was swept, for the pictures: "zigzag, 3 folds".
        target_pieces: How many linear pieces the target has, for the pictures.
        task: Where a folder holds runs of several tasks, the one of these results: it has `comparison/<task>`.
    """
    from dlcourse.recording.figures import depth_against_width, to_png  # matplotlib takes half a second to import

    comparison = folder / "comparison" / (task or "")
    comparison.mkdir(parents=True, exist_ok=True)
    gathered = [cell for cell in cells(results) if cell.quartiles(metric)]
    kept: set[str] = set()

    for setting, width in dict.fromkeys((cell.setting, cell.width) for cell in gathered):
        curves: dict[str, list[tuple[int, float]]] = {}
        for cell in gathered:
            if (cell.setting, cell.width) == (setting, width):
                for name in (metric, "num_pieces", "num_parameters"):
                    if found := cell.quartiles(name):
                        curves.setdefault(f"comparison/{name}", []).append((cell.depth, found.median))
        run = f"width={width}-{setting}" if setting else f"width={width}"
        write_events(comparison / run, scalars=curves)
        kept.add(run)

    images = {}
    for setting in dict.fromkeys(cell.setting for cell in gathered):
        picture = f"depth_against_width-{setting}" if setting else "depth_against_width"
        headline = ", ".join(part for part in (title, setting) if part)
        chosen = [cell for cell in gathered if cell.setting == setting]
        png = to_png(depth_against_width(chosen, metric, title=headline, target_pieces=target_pieces))
        write_atomically(comparison / f"{picture}.png", png)
        images[f"comparison/{picture}"] = (0, png)
        kept.add(f"{picture}.png")
    if images:
        kept.add(write_events(comparison, scalars={}, images=images).name)

    # That comes last, so that an interruption leaves curves too many rather than none.
    _remove_all_but(comparison, kept)


def _remove_all_but(comparison: Path, kept: Collection[str]) -> None:
    """Deletes what an earlier comparison, of other runs, has left."""
    for path in comparison.iterdir():
        if path.name in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
