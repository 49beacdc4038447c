"""Depth against width in TensorBoard: one run a width, whose step is the depth."""

import shutil
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from dlcourse.recording.cells import Cell, cells
from dlcourse.recording.events import write_events
from dlcourse.recording.files import write_atomically
from dlcourse.recording.results import Result, by_task, write_csv
from dlcourse.recording.tuned import TUNED, judged

Points = list[tuple[int, float]]


def compare(folder: Path, results: Sequence[Result], tune: Sequence[str] = TUNED) -> None:
    """Writes `results.csv` and `comparison/` of a folder of runs, or what of it there is to write.

    Args:
        folder: `outputs/<name>`.
        results: Its finished runs.
        tune: The keys of the configuration that are tuned: see `judged`.
    """
    if not results:
        return
    tasks = by_task(results)
    counted = {run.run for of_task in tasks.values() for each in judged(of_task, tune) for run in each.results}
    write_csv(results, folder / "results.csv", judged=counted if tasks else None)
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
            tune=tune,
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
    tune: Sequence[str] = TUNED,
) -> None:
    """Writes `folder/comparison` anew: scalars over the depth for each width, and the picture of it all.

    The Scalars tab then shows, for each width (`comparison/width=8`), the metric, the share of seeds that solve the
    task, and the number of linear pieces and of parameters against the depth: medians over the seeds, tuned for each
    architecture. Where something was tuned, the curves of every single setting lie below `comparison/untuned`. Networks
    of equal size are curves over the depth (`comparison/max_parameters=320`), and those of one depth over the number of
    parameters (`comparison/depth=3`). What else is compared has runs (`comparison/width=8-tanh`) and pictures apart.

    Args:
        folder: `outputs/<name>`.
        results: Its finished runs; those without the metric, of another task, are left out.
        metric: The task's headline metric.
        title: What was swept, for the pictures: "zigzag, 3 folds".
        target_pieces: How many linear pieces the target has, for the pictures.
        task: Where a folder holds runs of several tasks, the one of these results: it has `comparison/<task>`.
        tune: The keys of the configuration that are tuned: see `judged`.
    """
    from dlcourse.recording.figures import depth_against_width, to_png  # matplotlib takes half a second to import

    comparison = folder / "comparison" / (task or "")
    comparison.mkdir(parents=True, exist_ok=True)
    found = [cell for cell in cells(results, tune) if cell.quartiles(metric)]
    kept: set[str] = set()
    for run, scalars in _curves(found, metric).items():
        write_events(comparison / run, scalars=scalars)
        kept.add(run)
    if any(cell.is_tuned for cell in found):
        untuned = _curves([cell for cell in cells(results, ()) if cell.quartiles(metric)], metric)
        for run, scalars in untuned.items():
            write_events(comparison / "untuned" / run, scalars=scalars)
        _remove_all_but(comparison / "untuned", list(untuned))
        kept.add("untuned")

    images = {}
    for setting in dict.fromkeys(cell.setting for cell in found):
        picture = f"depth_against_width-{setting}" if setting else "depth_against_width"
        headline = ", ".join(part for part in (title, setting) if part)
        chosen = [cell for cell in found if cell.setting == setting]
        png = to_png(depth_against_width(chosen, metric, title=headline, target_pieces=target_pieces))
        write_atomically(comparison / f"{picture}.png", png)
        images[f"comparison/{picture}"] = [(0, png)]
        kept.add(f"{picture}.png")
    if images:
        kept.add(write_events(comparison, scalars={}, images=images).name)

    # That comes last, so that an interruption leaves curves too many rather than none.
    _remove_all_but(comparison, kept)


def _curves(found: Sequence[Cell], metric: str) -> dict[str, Mapping[str, Points]]:
    """The runs of a comparison, by their folders: the scalars of each."""
    curves: dict[str, dict[str, Points]] = defaultdict(lambda: defaultdict(list))
    for cell in found:
        ending = f"-{cell.setting}" if cell.setting else ""
        for tag, value in _values(cell, metric).items():
            curves[cell.curve + ending][f"comparison/{tag}"].append((cell.depth, value))
            if cell.max_parameters is not None:
                curves[f"depth={cell.depth}{ending}"][f"comparison over parameters/{tag}"].append(
                    (cell.max_parameters, value)
                )
    return {run: dict(scalars) for run, scalars in curves.items()}


def _values(cell: Cell, metric: str) -> dict[str, float]:
    """What is shown of a cell."""
    domain = next((result.task.pieces_domain for result in cell.results if result.task is not None), None)
    names = {
        metric: metric,
        "num_pieces": f"num_pieces on {domain}" if domain else "num_pieces",
        "num_parameters": "num_parameters",
    }
    values = {tag: quartiles.median for name, tag in names.items() if (quartiles := cell.quartiles(name))}
    if cell.num_solved is not None:
        values["share_of_seeds_that_solve_it"] = cell.num_solved / len(cell.results)
    return values


def _remove_all_but(comparison: Path, kept: Collection[str]) -> None:
    """Deletes what an earlier comparison, of other runs, has left."""
    for path in comparison.iterdir():
        if path.name in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
