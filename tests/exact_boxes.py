"""The regions of small networks in boxes, by brute force in fractions: what the counts in boxes are compared with.

A region is a list of half-spaces, and has a corner where d of their borders meet in one point that is in all of them.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from dlcourse.pieces.layer import UnitLayer

Row = tuple[Fraction, ...]  # a and c of a x + c
Point = tuple[Fraction, ...]


class ExactCell(NamedTuple):
    """A region: which units with a kink are positive somewhere in it, layer by layer; its affine map; its corners."""

    pattern: tuple[tuple[bool, ...], ...]
    outputs: tuple[Row, ...]
    corners: frozenset[Point]


def value(row: Row, point: Point) -> Fraction:
    return sum((a * x for a, x in zip(row, point, strict=False)), row[-1])


def reduced(rows: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    """The rows in reduced echelon form, without those that are 0."""
    left, found, column = [list(row) for row in rows], [], 0
    width = len(left[0]) if left else 0
    while left and column < width:
        pivot = next((row for row in left if row[column] != 0), None)
        if pivot is not None:
            left.remove(pivot)
            pivot = [number / pivot[column] for number in pivot]
            left, found = (
                [[b - row[column] * a for a, b in zip(pivot, row, strict=True)] for row in rows]
                for rows in (left, found)
            )
            found.append(pivot)
        column += 1
    return found


def dimension(points: Sequence[Point]) -> int:
    """Of what the points span."""
    first, *others = points
    return len(reduced([[a - b for a, b in zip(point, first, strict=True)] for point in others]))


def corners_of(halfspaces: list[Row], d: int) -> frozenset[Point]:
    found = set()
    for rows in combinations(halfspaces, d):
        solved = reduced(rows)
        if len(solved) == d and all(row[i] == 1 for i, row in enumerate(solved)):
            point = tuple(-row[-1] for row in solved)
            if point not in found and all(value(row, point) >= 0 for row in halfspaces):
                found.add(point)
    return frozenset(found)


def needed(halfspaces: list[Row], corners: frozenset[Point], d: int) -> list[Row]:
    """Those that have a facet."""
    touching = [(row, [point for point in corners if value(row, point) == 0]) for row in halfspaces]
    return [row for row, points in touching if len(points) >= d and dimension(points) == d - 1]


def exact_cells(layers: list[UnitLayer], low: Sequence[float], high: Sequence[float]) -> list[ExactCell]:
    """All regions of a box: each unit in turn cuts those in which it is positive somewhere and negative elsewhere."""
    d = len(low)
    unit = [tuple(Fraction(int(i == j)) for j in range(d)) for i in range(d)]
    box = [(*axis, -Fraction(bound)) for axis, bound in zip(unit, low, strict=True)]
    box += [(*(-x for x in axis), Fraction(bound)) for axis, bound in zip(unit, high, strict=True)]
    inputs = [(*axis, Fraction(0)) for axis in unit]
    cells = [(box, corners_of(box, d), inputs, ())]
    for index, layer in enumerate(layers):
        weight, bias, slope = (
            [[Fraction(x) for x in row] for row in numbers]
            for numbers in (layer.weight[0].tolist(), layer.bias.tolist(), layer.slope.tolist())
        )
        grown = []
        for halfspaces, corners, arriving, pattern in cells:
            rows = [
                (*(sum(w * row[i] for w, row in zip(ws, arriving, strict=True)) for i in range(d)),
                 sum((w * row[d] for w, row in zip(ws, arriving, strict=True)), b))
                for ws, b in zip(weight, bias[0], strict=True)
            ]  # fmt: skip
            for parts in divided(halfspaces, corners, rows, slope[0], d):
                halfspaces_, corners_, signs = parts
                made = [
                    row if sign is not False else tuple(s * x for x in row)
                    for row, sign, s in zip(rows, signs, slope[0], strict=True)
                ]
                kept = tuple(sign for sign in signs if sign is not None)
                grown.append((halfspaces_, corners_, made, (*pattern, kept) if index < len(layers) - 1 else pattern))
        cells = grown
    return [ExactCell(pattern, tuple(outputs), corners) for _, corners, outputs, pattern in cells]


def divided(
    halfspaces: list[Row], corners: frozenset[Point], rows: list[Row], slope: list[Fraction], d: int
) -> list[tuple[list[Row], frozenset[Point], tuple[bool | None, ...]]]:
    """The parts that units cut a region into, and whether each unit is positive there; None for one without a kink."""
    parts: list[tuple[list[Row], frozenset[Point], tuple[bool | None, ...]]] = [(halfspaces, corners, ())]
    for row, s in zip(rows, slope, strict=True):
        next_parts = []
        for sides, points, signs in parts:
            values = [value(row, point) for point in points]
            if s == 1:
                next_parts.append((sides, points, (*signs, None)))
            elif max(values) > 0 > min(values):
                for sign in (1, -1):
                    more = [*sides, tuple(sign * x for x in row)]
                    found = corners_of(more, d)
                    next_parts.append((needed(more, found, d), found, (*signs, sign > 0)))
            else:
                next_parts.append((sides, points, (*signs, max(values) > 0)))
        parts = next_parts
    return parts


def are_neighbours(one: ExactCell, other: ExactCell, d: int) -> bool:
    """Whether two regions share a facet, whose corners both have."""
    common = list(one.corners & other.corners)
    return len(common) >= d and dimension(common) == d - 1


def num_pieces(cells: list[ExactCell], d: int) -> int:
    """Connected sets of regions that have one affine map."""
    piece = list(range(len(cells)))
    for (i, one), (j, other) in combinations(enumerate(cells), 2):
        if one.outputs == other.outputs and are_neighbours(one, other, d):
            piece = [piece[i] if number == piece[j] else number for number in piece]
    return len(set(piece))
