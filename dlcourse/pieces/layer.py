"""What a network is read as: layers of units, each with at most one kink."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

SparseWeight = tuple[Any, ...]
"""W of each member as a `scipy.sparse.csr_array` of float64, without zeros among its entries."""


_COLUMNS = 256  # that a sparse matrix meets at once: they stay in the cache


@dataclass(frozen=True, eq=False, repr=False)
class UnitLayer:
    """x -> f(W x + b) for every member of a stack, where f(z) = z for z >= 0 and slope z for z < 0, unit by unit.

    Attributes:
        stored: W of each member: the numbers that the network stores, every one of which float64 holds exactly. Sparse
            where zeros abound, as in convolutions.
        bias: b of each member.
        slope: 0 for ReLU, 1 for a unit that passes its pre-activation through, -1 for the absolute value, anything else
            for leaky ReLU.
    """

    stored: Float[np.ndarray, "members out_features in_features"] | SparseWeight
    bias: Float[np.ndarray, "members out_features"]
    slope: Float[np.ndarray, "members out_features"]

    def __repr__(self) -> str:
        members, out_features = self.bias.shape
        return f"UnitLayer(members={members}, in_features={self.in_features}, out_features={out_features})"

    @property
    def in_features(self) -> int:
        """How many numbers it takes."""
        return int(self.stored[0].shape[1])

    @property
    def numbers(self) -> Float[np.ndarray, " numbers"]:
        """All that is stored of W, in any order; what is not stored is 0."""
        if isinstance(self.stored, np.ndarray):
            return self.stored.reshape(-1)
        return np.concatenate([of_member.data for of_member in self.stored])

    @property
    def is_sparse(self) -> bool:
        """Whether W is stored without its zeros."""
        return isinstance(self.stored, tuple)

    @cached_property
    def weight(self) -> Float[np.ndarray, "members out_features in_features"]:
        """W of each member with all its zeros, which may take a thousand times as much memory as without."""
        if isinstance(self.stored, np.ndarray):
            return self.stored
        return np.stack([of_member.toarray() for of_member in self.stored])

    def product(
        self,
        columns: Float[np.ndarray, "*rows in_features columns"],
        out: Float[np.ndarray, "*rows out_features columns"],
        member: int = 0,
    ) -> None:
        """A sparse W of a member times columns, put where `out` says, which may be where the columns are."""
        weight = self.stored[member]
        for row in np.ndindex(columns.shape[:-2]):
            for first in range(0, columns.shape[-1], _COLUMNS):
                some = (*row, slice(None), slice(first, first + _COLUMNS))
                out[some] = weight @ columns[some]

    def entries(
        self, units: Int[np.ndarray, " units"], member: int = 0
    ) -> tuple[Int[np.ndarray, " entries"], Int[np.ndarray, " entries"], Float[np.ndarray, " entries"]]:
        """What is not 0 in some columns of a member's W: the row, which of these columns, and the number."""
        if isinstance(self.stored, np.ndarray):
            columns = self.stored[member][:, units]
            row, which = columns.nonzero()
            return row, which, columns[row, which]
        by_columns = self.by_columns[member]
        starts = by_columns.indptr[units].astype(np.int64)
        num = by_columns.indptr[units + 1] - starts
        which = np.repeat(np.arange(len(units)), num)
        at = np.arange(len(which)) + (starts - np.cumsum(num) + num)[which]
        return by_columns.indices[at].astype(np.int64), which, by_columns.data[at]

    def num_entries(self, units: Int[np.ndarray, " units"], member: int = 0) -> int:
        """How many numbers `entries` would give, or more."""
        if isinstance(self.stored, np.ndarray):
            return len(units) * int(self.bias.shape[1])
        first = self.by_columns[member].indptr
        return int((first[units + 1] - first[units]).sum())

    @cached_property
    def by_columns(self) -> SparseWeight:
        """A sparse W of each member as `csc_array`."""
        return tuple(of_member.tocsc() for of_member in self.stored)

    @cached_property
    def row_sums(self) -> Float[np.ndarray, "members out_features"]:
        """The sums of the rows' sizes |W|."""
        if isinstance(self.stored, np.ndarray):
            return np.asarray(np.abs(self.stored).sum(axis=2))
        return np.stack([abs(of_member).sum(axis=1) for of_member in self.stored])

    @cached_property
    def bends(self) -> bool:
        """Whether some unit has a kink."""
        return bool((self.slope != 1).any())

    @cached_property
    def relu(self) -> bool:
        """Whether ReLU follows every unit."""
        return not self.slope.any()

    @cached_property
    def gates(self) -> bool:
        """Whether every unit's value is either kept or 0, so that nothing is rounded."""
        return bool(((self.slope == 0) | (self.slope == 1)).all())


def same_places(weight: Any, numbers: Float[np.ndarray, " numbers"]) -> Any:
    """A sparse matrix with other numbers where a member's sparse W has its own."""
    from scipy.sparse import csr_array

    return csr_array((numbers, weight.indices, weight.indptr), shape=weight.shape)


def of_member(layers: list[UnitLayer], member: int) -> list[UnitLayer]:
    """The layers of one member of a stack, as a stack of one."""
    one = slice(member, member + 1)
    return [UnitLayer(layer.stored[one], layer.bias[one], layer.slope[one]) for layer in layers]


class Step(NamedTuple):
    """How a layer that bends cuts pieces of its input space into parts where its units keep their signs.

    Attributes:
        parent: For each part, the number of the piece that it comes from.
        positive: Which units keep their values on each part; the others are multiplied by their slopes.
    """

    parent: Int[np.ndarray, " parts"]
    positive: Bool[np.ndarray, "units parts"]
