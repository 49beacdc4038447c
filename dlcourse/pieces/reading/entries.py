"""Matrices as lists of their entries: of most convolutions and pools hardly any is not 0."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

Values = Float[np.ndarray, "_ entries"]  # [members, entries], of whatever all members share there is but one


@dataclass(frozen=True, eq=False)
class Entries:
    """A matrix for every member of a stack, all of them with their entries in the same places; all others are 0.

    Attributes:
        row: The entries' rows, ascending.
        column: Their columns; no place has two entries.
        values: The entries themselves.
        shape: How many rows and columns there are.
    """

    row: Int[np.ndarray, " entries"]
    column: Int[np.ndarray, " entries"]
    values: Values
    shape: tuple[int, int]

    @cached_property
    def _starts(self) -> Int[np.ndarray, " rows_and_1"]:
        """Row i has the entries starts[i] to starts[i + 1]."""
        return np.searchsorted(self.row, np.arange(self.shape[0] + 1))

    def rows(self, index: Int[np.ndarray, " rows"]) -> "Entries":
        """Some of the rows, in this order; -1 stands for a row of zeros."""
        first = self._starts[index]
        num = np.where(index >= 0, self._starts[index + 1] - first, 0)
        row = np.repeat(np.arange(len(index)), num)
        at = np.arange(len(row)) + np.repeat(first - (np.cumsum(num) - num), num)
        return Entries(row, self.column[at], self.values[:, at], (len(index), self.shape[1]))

    def columns(self, index: Int[np.ndarray, " columns"]) -> "Entries":
        """Some of the columns, in this order; each once at most."""
        number = np.full(self.shape[1], -1)
        number[index] = np.arange(len(index))
        kept = number[self.column] >= 0
        return Entries(self.row[kept], number[self.column[kept]], self.values[:, kept], (self.shape[0], len(index)))

    def without_zeros(self) -> "Entries":
        """The same matrix without entries that are 0 in all members, as a convolution's weights may be."""
        kept = self.values.any(axis=0)
        return self if kept.all() else Entries(self.row[kept], self.column[kept], self.values[:, kept], self.shape)

    def with_values(self, values: Values) -> "Entries":
        """Others in the same places."""
        return Entries(self.row, self.column, values, self.shape)


def identity(num: int) -> Entries:
    """The identity."""
    return Entries(np.arange(num), np.arange(num), np.ones((1, num)), (num, num))


def entries_of(matrix: Float[np.ndarray, "members rows columns"]) -> Entries:
    """The entries that are not 0 in all members."""
    row, column = np.nonzero(matrix.any(axis=0))
    return Entries(row, column, matrix[:, row, column], matrix.shape[1:])


def in_the_same_places(one: Entries, other: Entries) -> tuple[Entries, Entries]:
    """Two matrices with entries wherever one of them has some."""
    numbers = [each.row * each.shape[1] + each.column for each in (one, other)]
    places, where = np.unique(np.concatenate(numbers), return_inverse=True)
    row, column = np.divmod(places, max(one.shape[1], 1))
    both = []
    for each, at in zip((one, other), np.split(where, [len(numbers[0])]), strict=True):
        values = np.zeros((len(each.values), len(places)))
        values[:, at] = each.values
        both.append(Entries(row, column, values, one.shape))
    return both[0], both[1]


def equal(one: Entries, other: Entries) -> bool:
    """Whether all entries are the same."""
    one, other = in_the_same_places(one, other)
    return np.array_equal(one.values, other.values)


def assembled(parts: list[tuple[int, int, Entries]], shape: tuple[int, int], members: int) -> Entries:
    """A matrix of several that have no place in common, each given after its first row and its first column."""
    row = np.concatenate([first + part.row for first, _, part in parts] or [np.arange(0)])
    column = np.concatenate([first + part.column for _, first, part in parts] or [np.arange(0)])
    values = [np.broadcast_to(part.values, (members, part.values.shape[1])) for *_, part in parts]
    order = np.argsort(row, kind="stable")
    return Entries(
        row[order], column[order], np.concatenate(values or [np.zeros((members, 0))], axis=1)[:, order], shape
    )
