"""Depth against width in TensorBoard: one run a width, whose step is the depth."""

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import dlcourse
from dlcourse.recording.cells import Cell, cells
from dlcourse.recording.events import write_events
from dlcourse.recording.files import write_atomically
from dlcourse.recording.over_seeds import Quartiles, in_words
from dlcourse.recording.results import Result, by_task, write_csv
from dlcourse.recording.scales import LOG10, log10
from dlcourse.recording.summaries import layout, text, verbatim
from dlcourse.recording.table import depth_width_table
from dlcourse.recording.tuned import TUNED, judged

Points = list[tuple[int, float]]

BANDS = "quartiles over depth"
"""The tags that Custom Scalars lays out begin with this: it shows nothing of tags with parentheses in them."""

SOLVED = "share_of_seeds_that_solve_it"

SIDE = 560
"""Pixels of a square picture's side."""


MADE_OF = ".made_of"
"""The file of a comparison that says what it was made of."""


def compare(folder: Path, results: Sequence[Result], tune: Sequence[str] = TUNED, *, anew: bool = True) -> None:
    """Writes `results.csv` and `comparison/` of a folder of runs, or what of it there is to write.

    Args:
        folder: `outputs/<name>`.
        results: Its finished runs.
        tune: The keys of the configuration that are tuned: see `judged`.
        anew: Whether to write them where they are there already, made of the same results by the same version.
    """
    if not results:
        return
    made_of = folder / "comparison" / MADE_OF
    if not anew and made_of.exists() and made_of.read_text(encoding="utf-8") == _made_of(folder, results, tune):
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
    if made_of.parent.exists():
        write_atomically(made_of, _made_of(folder, results, tune).encode())


def _made_of(folder: Path, results: Sequence[Result], tune: Sequence[str]) -> str:
    """A hash of all that a comparison is made of, and of the names and sizes of the files that it consists of."""
    there = [path for path in [folder / "results.csv", *folder.glob("comparison/**/*")] if path.is_file()]
    files = sorted((str(path.relative_to(folder)), path.stat().st_size) for path in there if path.name != MADE_OF)
    # The text of a list of all this, the last of it a list of the results; in pieces, because all of it would be larger
    # than the results.
    found = hashlib.sha256(f"[{dlcourse.__version__!r}, {folder.name!r}, {list(tune)!r}, {files!r}, [".encode())
    for number, result in enumerate(results):
        content = {each.name: getattr(result, each.name) for each in fields(result)}
        found.update(f"{', ' if number else ''}{content!r}".encode())
    found.update(b"]]")
    return found.hexdigest()


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
    """Writes `folder/comparison` anew: scalars over the depth for each width, and pictures of it all.

    The Scalars tab then shows, for each width (`comparison/width=8`), the metric, the share of seeds that solve the
    task, and the number of linear pieces and of parameters against the depth: medians over the seeds, tuned for each
    architecture. An error is there as its decimal logarithm, too, because that tab has no logarithmic axis for steps as
    few as these. Where something was tuned, the curves of every single setting lie below `comparison/untuned`. Networks
    of equal size are curves over the depth (`comparison/max_parameters=320`), and those of one depth over the number of
    parameters (`comparison/depth=3`). What else is compared has runs (`comparison/width=8-tanh`) and pictures apart.
    The Text tab has the table that stands on the terminal after a sweep, Custom Scalars the medians in the band between
    the quartiles.

    Args:
        folder: `outputs/<name>`.
        results: Its finished runs; those without the metric, of another task, are left out.
        metric: The task's headline metric.
        title: What was swept, for the pictures: "zigzag, 3 folds".
        target_pieces: How many linear pieces the target has, for the pictures.
        task: Where a folder holds runs of several tasks, the one of these results: it has `comparison/<task>`.
        tune: The keys of the configuration that are tuned: see `judged`.
    """
    # matplotlib takes half a second to import
    from dlcourse.recording.figures import side_by_side, squares, to_png

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

    images: dict[str, list[tuple[int, bytes]]] = {}
    for setting in dict.fromkeys(cell.setting for cell in found):
        ending = f"-{setting}" if setting else ""
        headline = ", ".join(part for part in (title, setting) if part)
        chosen = [cell for cell in found if cell.setting == setting]
        drawn = squares(chosen, metric, title=headline, target_pieces=target_pieces)
        pngs = {name: to_png(figure, width=SIDE) for name, figure in drawn.items()}
        images |= {f"comparison/{name}{ending}": [(0, png)] for name, png in pngs.items()}
        whole = comparison / f"depth_against_width{ending}.png"
        write_atomically(whole, side_by_side(list(pngs.values())))
        kept.add(whole.name)
    if found:
        table = text("comparison/table", verbatim(depth_width_table(results, metric, tune)))
        events = write_events(comparison, scalars={}, images=images, summaries=[table, _layout(found, metric)])
        kept.add(events.name)

    # That comes last, so that an interruption leaves curves too many rather than none.
    _remove_all_but(comparison, kept)


def _curves(found: Sequence[Cell], metric: str) -> dict[str, Mapping[str, Points]]:
    """The runs of a comparison, by their folders: the scalars of each."""
    curves: dict[str, dict[str, Points]] = defaultdict(lambda: defaultdict(list))
    for cell in found:
        ending = f"-{cell.setting}" if cell.setting else ""
        run = cell.curve + ending
        for tag, value in _values(cell, metric).items():
            curves[run][f"comparison (step = depth)/{tag}"].append((cell.depth, value))
            if cell.max_parameters is not None:
                tag = f"comparison (step = parameters)/{tag}"
                curves[f"depth={cell.depth}{ending}"][tag].append((cell.max_parameters, value))
        for tag, value in _bands(cell, metric).items():
            curves[run][f"{BANDS}/{tag}"].append((cell.depth, value))
    return {run: dict(scalars) for run, scalars in curves.items()}


def _values(cell: Cell, metric: str) -> dict[str, float]:
    """What is shown of a cell: medians."""
    values = {tag: found.median for tag, found in _quartiles(cell, metric).items()}
    if parameters := cell.quartiles("num_parameters"):
        values["num_parameters"] = parameters.median
    if cell.num_solved is not None:
        values[SOLVED] = cell.num_solved / len(cell.results)
    return values


def _bands(cell: Cell, metric: str) -> dict[str, float]:
    """What Custom Scalars lays out: medians once more, with the quartiles around them."""
    values: dict[str, float] = {}
    for tag, found in _quartiles(cell, metric).items():
        values |= {f"{tag}, {edge}": getattr(found, edge) for edge in ("lower", "median", "upper")}
    if cell.num_solved is not None:
        values[SOLVED] = cell.num_solved / len(cell.results)
    return values


def _quartiles(cell: Cell, metric: str) -> dict[str, Quartiles]:
    """The metric, its logarithm if it is an error, and the pieces."""
    domain = next((result.task.pieces_domain for result in cell.results if result.task is not None), None)
    found = {}
    if edges := cell.quartiles(metric):
        found[metric] = edges
        if not cell.is_better_higher(metric):
            found[f"{LOG10}{metric}"] = Quartiles(log10(edges.lower), log10(edges.median), log10(edges.upper))
    if pieces := cell.quartiles("num_pieces"):
        found[f"num_pieces on {domain}" if domain else "num_pieces"] = pieces
    return found


def _layout(found: Sequence[Cell], metric: str) -> Any:
    """The charts of Custom Scalars: medians in their bands, and the share of seeds that solve the task."""
    tags = dict.fromkeys(tag for cell in found for tag in _quartiles(cell, metric))
    shown = [tag for tag in tags if f"{LOG10}{tag}" not in tags]  # the logarithm says it better
    charts: dict[str, list[str]] = {
        f"{in_words(tag)} against depth": [f"{BANDS}/{tag}, {edge}" for edge in ("median", "lower", "upper")]
        for tag in shown
    }
    if any(cell.num_solved is not None for cell in found):
        charts["share of seeds that solve it"] = [f"{BANDS}/{SOLVED}"]
    return layout(charts, "medians in the band of the quartiles, against depth (the step)")


def _remove_all_but(comparison: Path, kept: Collection[str]) -> None:
    """Deletes what an earlier comparison, of other runs, has left."""
    for path in comparison.iterdir():
        if path.name in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
