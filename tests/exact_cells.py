"""An exact counter of regions and pieces that has nothing in common with dlcourse's: all numbers are fractions.

A cell is a convex polytope of the domain, of one to three dimensions: its corners, each with the walls that it lies on.
Every module of a network splits the cells where one of its units changes its sign, one unit after another; what the
module gives out is an affine function on each part. What is left at the end are the activation regions. Two of them
that have the same outputs and share more than a border of a border are parts of one piece.

It is slow, and simple enough to be believed: two corners are joined by an edge if the walls that both lie on leave one
dimension, which elimination tells.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

Point = tuple[Fraction, ...]
Function = tuple[Fraction, ...]  # f(x) = f[0] x[0] + ... + f[-1]
Functions = np.ndarray  # of fractions, [*shape, d + 1]: a tensor whose entries are affine functions


class Cell(NamedTuple):
    """A convex polytope: the points where none of its walls is negative."""

    walls: tuple[Function, ...]
    corners: dict[Point, frozenset[int]]  # each with the walls that it lies on; on lines they may be infinite


# Domains: a cell, and the network's inputs as functions on it


def segment(start: np.ndarray, end: np.ndarray) -> tuple[Cell, Functions]:
    """x(t) = start + t (end - start), 0 <= t <= 1."""
    start, end = fractions(start), fractions(end)
    zero, one = Fraction(0), Fraction(1)
    cell = Cell(((one, zero), (-one, one)), {(zero,): frozenset({0}), (one,): frozenset({1})})
    return cell, np.stack([end - start, start], axis=-1)


def whole_line(origin: np.ndarray, direction: np.ndarray) -> tuple[Cell, Functions]:
    """x(t) = origin + t direction for all t."""
    cell = Cell((), {(sign * math.inf,): frozenset() for sign in (-1, 1)})
    return cell, np.stack([fractions(direction), fractions(origin)], axis=-1)


def polygon(corners: np.ndarray, origin: np.ndarray, directions: np.ndarray) -> tuple[Cell, Functions]:
    """x(u, v) = origin + u directions[0] + v directions[1] in a convex polygon, its corners counterclockwise."""
    points = [tuple(point) for point in fractions(corners).tolist()]
    sides = list(zip(points, points[1:] + points[:1], strict=True))
    walls = tuple((y - next_y, next_x - x, x * next_y - y * next_x) for (x, y), (next_x, next_y) in sides)
    cell = Cell(walls, {point: frozenset({i, (i - 1) % len(points)}) for i, point in enumerate(points)})
    return cell, np.stack([*fractions(directions), fractions(origin)], axis=-1)


def box(low: np.ndarray, high: np.ndarray) -> tuple[Cell, Functions]:
    """low <= x <= high."""
    d, bounds = len(low), list(zip(fractions(low), fractions(high), strict=True))
    inputs = fractions(np.eye(d, d + 1))
    walls = [wall for x, (a, b) in zip(inputs[:, :-1], bounds, strict=True) for wall in ((*x, -a), (*-x, b))]
    sides = product((0, 1), repeat=d)
    corners = {
        tuple(bounds[i][side] for i, side in enumerate(at)): frozenset(2 * i + side for i, side in enumerate(at))
        for at in sides
    }
    return Cell(tuple(walls), corners), inputs


# Networks


class Absolute(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.abs()


class Residual(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = x + self.block(x)
        return y


def run(network: nn.Module, cell: Cell, inputs: Functions) -> Iterator[tuple[Cell, Functions]]:
    """The parts that a network splits a cell into, and what it gives out on each of them."""
    match network:
        case nn.Sequential():
            parts = [(cell, inputs)]
            for module in network:
                parts = [after for part in parts for after in run(module, *part)]
            yield from parts
        case Residual():
            for part, outputs in run(network.block, cell, inputs):
                yield part, inputs + outputs
        case nn.Flatten():
            yield cell, inputs.reshape(-1, inputs.shape[-1])
        case nn.Unflatten():
            yield cell, inputs.reshape(*network.unflattened_size, inputs.shape[-1])
        case nn.Linear():
            yield cell, shifted(fractions(network.weight) @ inputs, fractions(network.bias))
        case nn.Conv1d() | nn.Conv2d():
            weight = fractions(network.weight)
            sums = [[(kernel[..., None] * window).sum(axis=tuple(range(window.ndim - 1))) for kernel in weight]
                    for window in windows(inputs, network.kernel_size, network.stride)]  # fmt: skip
            outputs = in_place(np.array(sums, dtype=object), inputs, network.kernel_size, network.stride)
            yield cell, shifted(outputs, fractions(network.bias))
        case nn.AvgPool1d() | nn.AvgPool2d():
            taken = network.kernel_size, network.stride
            means = [entries(window).sum(axis=1) / math.prod(window.shape[1:-1]) for window in windows(inputs, *taken)]
            yield cell, in_place(np.array(means, dtype=object), inputs, *taken)
        case nn.MaxPool1d() | nn.MaxPool2d():
            taken = network.kernel_size, network.stride
            contestants = np.stack([entries(window) for window in windows(inputs, *taken)])
            for part, winners in largest(cell, list(np.moveaxis(contestants, 2, 0))):
                yield part, in_place(winners, inputs, *taken)
        case nn.ReLU():
            yield from bent(cell, inputs, 0)
        case nn.LeakyReLU():
            yield from bent(cell, inputs, network.negative_slope)
        case Absolute():
            yield from bent(cell, inputs, -1)
        case nn.Hardtanh():  # ReLU6 is one, too: low + relu(z - low) - relu(z - high)
            low, high = Fraction(network.min_val), Fraction(network.max_val)
            for part, above_low in bent(cell, shifted(inputs, -low), 0):
                for smaller, above_high in bent(part, shifted(inputs, -high), 0):
                    yield smaller, shifted(above_low - above_high, low)
        case _:
            raise TypeError(f"no rule for {network}")


def bent(cell: Cell, inputs: Functions, slope: float) -> Iterator[tuple[Cell, Functions]]:
    """f(z) = z for z >= 0 and slope z for z < 0."""
    parts: list[tuple[Cell, list[Function]]] = [(cell, [])]
    for function in map(tuple, inputs.reshape(-1, inputs.shape[-1])):
        negative = tuple(Fraction(slope) * number for number in function)
        parts = [
            (smaller, [*outputs, function if sign > 0 else negative])
            for part, outputs in parts
            for smaller, sign in (split(part, function) if slope != 1 else [(part, 1)])
        ]
    for part, outputs in parts:
        yield part, np.array(outputs, dtype=object).reshape(inputs.shape)


def largest(cell: Cell, contestants: list[Functions]) -> Iterator[tuple[Cell, Functions]]:
    """The largest of some tensors, entry by entry: b + relu(a - b) of neighbours, in rounds until one is left."""
    if len(contestants) == 1:
        yield cell, contestants[0]
        return
    pairs = list(zip(contestants[::2], contestants[1::2], strict=False))
    for part, leads in bent(cell, np.stack([a - b for a, b in pairs]), 0):
        winners = [b + lead for (_, b), lead in zip(pairs, leads, strict=True)]
        yield from largest(part, winners + contestants[2 * len(pairs) :])


def windows(inputs: Functions, sizes: int | tuple[int, ...], strides: int | tuple[int, ...]) -> Iterator[Functions]:
    """What a kernel or a pool sees of all channels, place after place."""
    sizes, strides = along(sizes, inputs), along(strides, inputs)
    for place in np.ndindex(*places(inputs, sizes, strides)):
        spans = (slice(i * step, i * step + size) for i, step, size in zip(place, strides, sizes, strict=True))
        yield inputs[(slice(None), *spans)]


def in_place(
    outputs: Functions, inputs: Functions, sizes: int | tuple[int, ...], strides: int | tuple[int, ...]
) -> Functions:
    """What was made of each window, `[places, channels, d + 1]`, as a tensor."""
    shape = places(inputs, along(sizes, inputs), along(strides, inputs))
    return np.moveaxis(outputs, 0, 1).reshape(outputs.shape[1], *shape, inputs.shape[-1])


def places(inputs: Functions, sizes: tuple[int, ...], strides: tuple[int, ...]) -> list[int]:
    """How many places a window has in each dimension."""
    return [(n - size) // step + 1 for n, size, step in zip(inputs.shape[1:-1], sizes, strides, strict=True)]


def along(number: int | tuple[int, ...], inputs: Functions) -> tuple[int, ...]:
    """A size for each dimension of an image."""
    return number if isinstance(number, tuple) else (number,) * (inputs.ndim - 2)


def entries(window: Functions) -> Functions:
    """A window as `[channels, entries, d + 1]`."""
    return window.reshape(len(window), -1, window.shape[-1])


def shifted(inputs: Functions, by: Functions | Fraction) -> Functions:
    """Functions plus a constant, which may be one for each channel."""
    outputs = inputs.copy()
    outputs[..., -1] += by.reshape(-1, *[1] * (inputs.ndim - 2)) if isinstance(by, np.ndarray) else by
    return outputs


# Cells


def split(cell: Cell, function: Function) -> list[tuple[Cell, int]]:
    """The parts where a function is positive and where it is negative, with its sign; all, with 0, if it is 0."""
    values = {corner: value(function, corner) for corner in cell.corners}
    above, below = ([corner for corner, v in values.items() if sign * v > 0] for sign in (1, -1))
    if not above or not below:
        return [(cell, bool(above) - bool(below))]
    new = len(cell.walls)
    at_zero = {corner: cell.corners[corner] | {new} for corner, v in values.items() if v == 0}
    for a, b in product(above, below):
        walls = cell.corners[a] & cell.corners[b]
        if rank([cell.walls[wall][:-1] for wall in walls]) == len(a) - 1:
            at_zero[zero_between(function, a, b, values)] = walls | {new}
    parts = []
    for sign, corners in ((1, above), (-1, below)):
        walls = (*cell.walls, tuple(sign * number for number in function))
        parts.append((Cell(walls, {corner: cell.corners[corner] for corner in corners} | at_zero), sign))
    return parts


def value(function: Function, corner: Point) -> Fraction:
    """f at a corner; at an infinite end something of the sign that it has in the end."""
    if isinstance(corner[0], float):
        return function[0] * (1 if corner[0] > 0 else -1) or function[1]
    return dot(function, corner) + function[-1]


def zero_between(function: Function, a: Point, b: Point, values: dict[Point, Fraction]) -> Point:
    """Where a function is zero on an edge."""
    if len(a) == 1:
        return (-function[1] / function[0],)
    t = values[a] / (values[a] - values[b])
    return tuple(x + t * (y - x) for x, y in zip(a, b, strict=True))


def rank(rows: list[Function]) -> int:
    """How many of some vectors of at most three entries are linearly independent, if they are at most two."""
    for one, other in combinations(rows, 2):
        if any(one[i] * other[j] != one[j] * other[i] for i, j in combinations(range(len(one)), 2)):
            return 2
    return min(1, len(rows))


# The counts


def counts(network: nn.Module, cell: Cell, inputs: Functions) -> tuple[int, int]:
    """The numbers of regions and of pieces."""
    regions = list(run(network, cell, inputs))
    outputs = [tuple(functions.ravel()) for _, functions in regions]
    piece = list(range(len(regions)))
    for sides in facets([region for region, _ in regions]).values():
        for (one, corners), (other, other_corners) in product(sides[1], sides[-1]):
            if piece[one] != piece[other] and outputs[one] == outputs[other] and overlap(corners, other_corners):
                piece = [piece[one] if number == piece[other] else number for number in piece]
    return len(regions), len(set(piece))


def facets(cells: list[Cell]) -> dict[Function, dict[int, list[tuple[int, list[Point]]]]]:
    """For each hyperplane the cells at its two sides, 1 and -1, with their corners on it."""
    found: dict[Function, dict[int, list[tuple[int, list[Point]]]]] = defaultdict(lambda: {1: [], -1: []})
    for number, cell in enumerate(cells):
        for index, wall in enumerate(cell.walls):
            corners = [corner for corner, walls in cell.corners.items() if index in walls]
            if len(corners) >= len(wall) - 1:  # no three corners of a polytope are on one line
                first = next(entry for entry in wall if entry != 0)
                found[tuple(entry / first for entry in wall)][1 if first > 0 else -1].append((number, corners))
    return found


def overlap(one: list[Point], other: list[Point]) -> bool:
    """Whether two facets that lie in one hyperplane, given by their corners, have inner points in common."""
    if len(one[0]) == 1:
        return True
    if len(one[0]) == 2:  # along a line points are in lexicographic order, or in its opposite
        return max(min(one), min(other)) < min(max(one), max(other))
    # Two polygons that have none in common are on different sides of a line along a side of one of them.
    normal = cross(minus(one[1], one[0]), minus(one[2], one[0]))
    for a, b in [*combinations(one, 2), *combinations(other, 2)]:
        across = cross(normal, minus(b, a))
        here, there = ([dot(across, minus(point, a)) for point in corners] for corners in (one, other))
        if max(here) <= 0 <= min(there) or max(there) <= 0 <= min(here):
            return False
    return True


# Arithmetic


def fractions(numbers: torch.Tensor | np.ndarray) -> np.ndarray:
    """Floats as they are, as fractions."""
    if isinstance(numbers, torch.Tensor):
        numbers = numbers.detach().double().numpy()
    flat = [Fraction(number) for number in np.asarray(numbers, dtype=np.float64).ravel().tolist()]
    return np.array([*flat, None], dtype=object)[:-1].reshape(np.shape(numbers))


def minus(one: Point, other: Point) -> Point:
    return tuple(a - b for a, b in zip(one, other, strict=True))


def dot(one: Function, other: Point) -> Fraction:
    """The sum of products, for as many numbers as the second one has."""
    return sum((a * b for a, b in zip(one, other, strict=False)), Fraction(0))


def cross(one: Point, other: Point) -> Point:
    return tuple(one[i] * other[j] - one[j] * other[i] for i, j in ((1, 2), (2, 0), (0, 1)))
