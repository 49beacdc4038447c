"""Which networks make a curve, and where on an axis each of them lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlcourse.recording import Cell, Result
from dlcourse.recording.cells import pieces_in_words
from dlcourse.recording.over_seeds import in_words, places_in_order
from dlcourse.recording.results import setting_of, varied_settings

DEPTH, WIDTH, SIZE = "model.depth", "model.width", "model.max_parameters"
PARAMETERS, PIECES = "num_parameters", "num_pieces"

COUNTED = (PARAMETERS, PIECES)
"""What can be on an axis, but is no setting: it is counted for each network."""

_NO_SETTINGS = ("seed", "model.widths", DEPTH, WIDTH, SIZE)


@dataclass(frozen=True)
class Curve:
    """Networks that are joined by a line.

    Attributes:
        name: What they have in common: "width 8", or "tanh, depth 3".
        points: Each network's value on the axis and the network, in the axis' order.
        index: The number of the curve, from 0: its colour.
        num: How many curves there are.
    """

    name: str
    points: list[tuple[Any, Cell]]
    index: int
    num: int


def dimensions(found: Sequence[Cell], results: Sequence[Result]) -> list[str]:
    """The settings in which some networks differ: depth and size first, then the others by their keys.

    Args:
        found: The networks. What was tuned is no difference between them.
        results: All runs of the sweep.
    """
    # A ".source" says where a class of another package comes from, whose name differs, too.
    others = [key for key in varied_settings(results) if key not in _NO_SETTINGS and not key.endswith(".source")]
    tuned = {key for cell in found for key in cell.tuned}
    return differing(found, [DEPTH, WIDTH, SIZE, *(key for key in others if key not in tuned)])


def differing(found: Sequence[Cell], keys: Sequence[str]) -> list[str]:
    """Those of some settings in which some networks differ."""
    return [key for key in keys if len({repr(coordinate(cell, key)) for cell in found}) > 1]


def coordinate(cell: Cell, key: str) -> Any:
    """Where a network lies on an axis; None if it has no place there."""
    match key:
        case "model.depth":
            return cell.depth
        case "model.width":
            return cell.width
        case "model.max_parameters":
            return cell.max_parameters
        case "num_parameters" | "num_pieces":
            found = cell.quartiles(key)
            return None if found is None else found.median
    return setting_of(cell.results[0], key)


def curves(found: Sequence[Cell], x: str, by: str, varied: Sequence[str]) -> list[Curve]:
    """The curves over an axis.

    Networks of one curve have the same value of `by`, and of every other setting that varies: see `splitting`.

    Args:
        found: The networks.
        x: What is on the axis.
        by: What makes the curves.
        varied: The settings in which the networks differ: see `dimensions`.
    """
    keys = [by, *splitting(found, x, by, varied)]
    placed = [(value, cell) for cell in found if cell.results and (value := coordinate(cell, x)) is not None]
    values = [[coordinate(cell, key) for key in keys] for _, cell in placed]
    lines: dict[tuple[int, ...], list[tuple[Any, Cell]]] = {}
    for place, point in zip(places_in_order(values), placed, strict=True):
        lines.setdefault(tuple(place), []).append(point)
    return [
        Curve(name_of(lines[place][0][1], keys), _in_order(lines[place]), index, len(lines))
        for index, place in enumerate(sorted(lines))
    ]


def splitting(found: Sequence[Cell], x: str, by: str, varied: Sequence[str]) -> list[str]:
    """The settings, besides what makes the curves, in which networks of one curve must not differ.

    Over what is counted, they may differ in their size, or in their depth if the size makes the curves. What follows
    from the others, as the width does from the depth at equal size, splits nothing.

    Args:
        found: The networks.
        x: What is on the axis.
        by: What makes the curves.
        varied: The settings in which the networks differ: see `dimensions`.
    """
    along = [x, by]
    if x in COUNTED:
        sizes = [key for key in (WIDTH, SIZE) if key in varied and key != by]
        along += sizes or [DEPTH]
    keys = [key for key in varied if key not in along]
    for key in keys if x not in COUNTED else []:
        others = [other for other in keys if other != key]
        if _are_told_apart(found, [x, by, *others]):
            keys = others
    return keys


def _are_told_apart(found: Sequence[Cell], keys: Sequence[str]) -> bool:
    """Whether no two networks have the same values of some settings."""
    return len({repr([coordinate(cell, key) for key in keys]) for cell in found}) == len(found)


def _in_order(points: Sequence[tuple[Any, Cell]]) -> list[tuple[Any, Cell]]:
    """The points of a curve, from left to right."""
    places = places_in_order([[value] for value, _ in points])
    return [point for _, point in sorted(zip(places, points, strict=True), key=lambda each: each[0])]


def values_of(lines: Sequence[Curve]) -> list[Any]:
    """Every value that some curves have on the axis once, in the axis' order."""
    values = list({repr(value): value for line in lines for value, _ in line.points}.values())
    places = places_in_order([[value] for value in values])
    return [value for _, value in sorted(zip(places, values, strict=True), key=lambda each: each[0])]


def name_of(cell: Cell, keys: Sequence[str]) -> str:
    """What tells a curve from the others: "width 8", "tanh, depth 3"; "all" if nothing does."""
    said = [said_of(key, value) for key in keys if (value := coordinate(cell, key)) is not None]
    return ", ".join(said) or "all"


def said_of(key: str, value: Any) -> str:
    """A setting with its value as one says it."""
    if isinstance(value, str):
        return value
    number = f"{value:g}" if isinstance(value, float) else str(value)
    match key:
        case "model.max_parameters":
            return f"≤ {number} parameters"
        case "num_parameters":
            return f"{number} parameters"
    name = in_words(key.rpartition(".")[2])
    return f"{name} {number}" if isinstance(value, int | float) and not isinstance(value, bool) else f"{name}={number}"


def label_of(key: str, found: Sequence[Cell]) -> str:
    """What stands on an axis: a setting, or a metric in words.

    Args:
        key: What is on the axis.
        found: The networks.
    """
    match key:
        case "model.depth":
            return "depth (hidden layers)"
        case "model.width":
            return "width (units per hidden layer)"
        case "model.max_parameters":
            return "most parameters allowed"
        case "num_pieces":
            return pieces_in_words(found)
    return name_of_metric(key) if "/" in key else in_words(key.rpartition(".")[2]).replace("num ", "number of ")


def name_of_metric(name: str) -> str:
    """A metric's name as one says it: "mean squared error", "train loss"."""
    whole, _, part = name.partition("/")
    return in_words(f"{part} {whole}".strip())
