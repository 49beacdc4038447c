"""The answer of a sweep in words: "3 layers of 8 units solve it in 13 of 20 seeds; no single layer in more than 4"."""

import math
from collections.abc import Sequence
from fractions import Fraction

from dlcourse.recording import Cell
from dlcourse.recording.over_seeds import difference, in_words

DIVERGED = "diverged"
"""What is said in place of a median that lies among runs that diverged."""


def sentence(found: Sequence[Cell], metric: str) -> str:
    """Which network does best, and how much better it is than the best of the other kind: one layer, or more.

    The best is the one that solves the task with the largest share of its seeds; of these, and where nobody solves it
    or the task does not say what that is, the one with the best median; of these the one with the fewest parameters.
    It is compared with networks of the same setting (activation, task) only, and where sizes are given, of its size.

    Args:
        found: The networks, each with its runs.
        metric: The task's headline metric.
    """
    found = [cell for cell in found if cell.quartiles(metric)]
    if not found:
        return "No finished runs yet."
    best = _best(found, metric)
    kind, rivals = _rivals(best, found)
    if not best.num_solved and _median(best, metric) == DIVERGED:
        return "Every network diverged with at least half of its seeds."
    if not best.num_solved:
        return _by_median(best, kind, rivals, metric)
    size = " of that size" if best.max_parameters is not None else ""
    said = f"{_named(best)} {_plural(best, 'solve')} it {_seeds(best)}{_where(best)}"
    if not rivals:
        return f"{said}."
    rival = _best(rivals, metric)
    if _share(rival) == _share(best):
        return f"{said}, and so {_plural(rival, 'do')} {_lower(_named(rival))}{_where(rival)}."
    if not rival.num_solved:
        return f"{said}; no {kind}{size}{_range(rivals)} in any."
    return f"{said}; no {kind}{size}{_range(rivals)} in more than {rival.num_solved} of {len(rival.results)}."


def caveats(found: Sequence[Cell], metric: str) -> list[str]:
    """What the sentence must not hide: that the difference may be chance, or one of size."""
    found = [cell for cell in found if cell.quartiles(metric)]
    if not found:
        return []
    best = _best(found, metric)
    _, rivals = _rivals(best, found)
    said = []
    if best.num_solved and rivals and _share(rival := _best(rivals, metric)) < _share(best):
        points = 100 * float(_share(best) - _share(rival))
        low, high = difference(best.num_solved, len(best.results), rival.num_solved or 0, len(rival.results))
        if low <= 0:
            said.append(
                f"That may be chance: the difference of {points:.0f} points could be anything from {100 * low:.0f} to "
                f"{100 * high:.0f}."
            )
    sizes = {is_deep: [_size(cell) for cell in found if (cell.depth > 1) == is_deep] for is_deep in (False, True)}
    if sizes[False] and sizes[True] and min(sizes[True]) > max(sizes[False]):
        said.append(
            "Every deeper network here has more parameters than every single layer; model.max_parameters compares them "
            "at equal size."
        )
    return said


def _best(found: Sequence[Cell], metric: str) -> Cell:
    """The network that does best."""

    def badness(cell: Cell) -> tuple[float, float, float, int]:
        quartiles = cell.quartiles(metric)
        median = math.nan if quartiles is None else quartiles.median
        if math.isnan(median):
            median = math.inf  # where it diverged
        elif cell.is_better_higher(metric):
            median = -median
        # Of networks that solve it alike the smallest is the best; where none does, the one that comes closest.
        by_median = 0.0 if cell.num_solved else median
        return -float(_share(cell)), by_median, _size(cell), cell.depth

    return min(found, key=badness)


def _rivals(best: Cell, found: Sequence[Cell]) -> tuple[str, list[Cell]]:
    """What the best network is compared with, and how that is called: networks that are like it but for their size."""
    found = [cell for cell in found if (cell.max_parameters, cell.setting) == (best.max_parameters, best.setting)]
    single = [cell for cell in found if cell.depth <= 1]
    deeper = [cell for cell in found if cell.depth > 1]
    if best.depth > 1 and single:
        return "single layer", single
    if best.depth <= 1 and deeper:
        return "deeper network", deeper
    return "other network", [cell for cell in found if cell is not best]


def _by_median(best: Cell, kind: str, rivals: Sequence[Cell], metric: str) -> str:
    """The answer where nobody solves the task, or the task does not say what that is."""
    begin = "" if best.num_solved is None else "No network solves it. "
    article = "an" if metric[0] in "aeiou" else "a"
    over = f"{article} " if len(best.results) == 1 else "a median "
    comes = f"{_plural(best, 'come')} {'closest, with' if begin else 'to'}"
    said = f"{begin}{_named(best)} {comes} {over}{in_words(metric)} of {_median(best, metric)}{_where(best)}"
    if not rivals:
        return f"{said}."
    rival = _best(rivals, metric)
    if _median(rival, metric) == _median(best, metric):
        return f"{said}, and so does the best {kind}{_range([rival])}."
    comes = _median(rival, metric)
    return f"{said}; the best {kind}{_range([rival])} {comes if comes == DIVERGED else f'comes to {comes}'}."


def _named(cell: Cell) -> str:
    """A network with its size: "3 layers of 8 units (169 parameters)"."""
    if cell.depth == 0:
        layers = "A network without hidden layers"
    else:
        units = "" if cell.width is None else f" of {cell.width} {'unit' if cell.width == 1 else 'units'}"
        layers = f"{cell.depth} {'layer' if cell.depth == 1 else 'layers'}{units}"
    return f"{layers}{f', {cell.setting}' if cell.setting else ''}{_range([cell])}"


def _lower(name: str) -> str:
    """A name in the middle of a sentence."""
    return name[0].lower() + name[1:]


def _plural(cell: Cell, verb: str) -> str:
    """The verb as it fits so many layers."""
    if cell.depth > 1:
        return verb
    return "does" if verb == "do" else f"{verb}s"


def _seeds(cell: Cell) -> str:
    """With how many seeds it is solved."""
    return "with the only seed" if len(cell.results) == 1 else f"in {cell.num_solved} of {len(cell.results)} seeds"


def _where(cell: Cell) -> str:
    """The setting that was chosen: " at rate 0.01 or 0.03"."""
    if not cell.choice or not cell.is_tuned:
        return ""
    names = [key.rpartition(".")[2] for key in cell.tuned]
    choices = [choice.split(" ") for choice in cell.choice.split(" | ")]
    if any(len(choice) != len(names) for choice in choices):  # a value that has a space in it
        return f" at {cell.choice}"
    values = [" or ".join(dict.fromkeys(column)) for column in zip(*choices, strict=True)]
    return " at " + ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def _range(found: Sequence[Cell]) -> str:
    """How many parameters some networks have: " (25 to 49 parameters)"."""
    sizes = [size for cell in found if math.isfinite(size := _size(cell))]
    if not sizes:
        return ""
    low, high = min(sizes), max(sizes)
    return f" ({low:.10g} parameters)" if low == high else f" ({low:.10g} to {high:.10g} parameters)"


def _size(cell: Cell) -> float:
    """The number of parameters; infinite if it is not known."""
    found = cell.quartiles("num_parameters")
    return math.inf if found is None else found.median


def _share(cell: Cell) -> Fraction:
    """The share of seeds that solve the task; 0 if the task does not say what that is."""
    return Fraction(cell.num_solved or 0, len(cell.results))


def _median(cell: Cell, metric: str) -> str:
    """The median of the metric."""
    found = cell.quartiles(metric)
    return DIVERGED if found is None or math.isnan(found.median) else f"{found.median:.3g}"
