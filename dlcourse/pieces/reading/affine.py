"""Vectors that are affine in the outputs of a network's units, without a rounding; and the layers that compute them.

Two affine maps in a row are one, but its matrix, a product, would have to be rounded. So a product or a sum is formed
only where floats hold it exactly, which they do for all that merely selects, adds up or halves. Everywhere else the
vector is first passed through units of slope 1: they store it as it is, and the next map begins at them.

Matrices are lists of the entries that may be other than 0, from the first to the layers that come out: those of a
convolution and a pool of small images would take gigabytes otherwise.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.layer import SparseWeight, UnitLayer
from dlcourse.pieces.reading.entries import Entries, assembled, identity, in_the_same_places

Vector = Float[np.ndarray, "_ _"]  # [members, rows], of whatever all members share there is but one

_MANY = 2**14  # entries of a matrix: with fewer, zeros do not matter
_MOSTLY_ZERO = 16  # times as many entries as are not 0: from there on a product without zeros is the faster one


@dataclass(frozen=True, eq=False)
class Units:
    """f(z) for every entry z of a vector, f(z) = z for z >= 0 and slope z for z < 0; or a network's inputs.

    Attributes:
        inputs: The vector; None for a network's inputs.
        slope: The slopes, `[members, units]`.
    """

    inputs: "Affine | None"
    slope: Vector

    @property
    def num_units(self) -> int:
        """How many they are."""
        return int(self.slope.shape[1])

    @cached_property
    def depth(self) -> int:
        """How many layers it takes to compute them."""
        return 0 if self.inputs is None else 1 + self.inputs.depth

    @cached_property
    def outputs(self) -> "Affine":
        """Their values, as a vector."""
        return Affine({self: identity(self.num_units)}, np.zeros((1, self.num_units)))


def inputs(num: int) -> "Affine":
    """A network's inputs."""
    return Units(None, np.ones((1, num))).outputs


@dataclass(frozen=True, eq=False)
class Affine:
    """The vector b + sum of A u over some groups u of units.

    Attributes:
        matrices: A for each group.
        bias: b.
    """

    matrices: dict[Units, Entries]
    bias: Vector

    @property
    def depth(self) -> int:
        """How many layers it takes to compute the units."""
        return max((units.depth for units in self.matrices), default=0)

    def bent(self, slope: Vector) -> "Affine":
        """f of every entry, with one slope or with one for each."""
        return Units(self, np.broadcast_to(slope, (len(slope), self.bias.shape[1]))).outputs

    @cached_property
    def passed(self) -> "Affine":
        """The same vector, stored by units of slope 1."""
        return self.bent(np.ones((1, 1)))

    @cached_property
    def simple(self) -> bool:
        """Whether b = 0 and every unit is in one entry at most, there times a power of two: products are exact then."""
        return not self.bias.any() and all(
            len(matrix.values) == 1
            and _powers_of_two(matrix.values)
            and bool((np.bincount(matrix.column[matrix.values[0] != 0]) <= 1).all())
            for matrix in self.matrices.values()
        )

    def rows(self, index: Int[np.ndarray, " rows"]) -> "Affine":
        """Some of the entries, in this order; -1 stands for a 0."""
        matrices = {units: matrix.rows(index) for units, matrix in self.matrices.items()}
        return Affine(matrices, self.bias[:, index] * (index >= 0))

    def plus(self, other: "Affine") -> "Affine":
        """The sum of two vectors, one of which may have to wait for the units of the other."""
        if self.depth != other.depth:
            first, deeper = (self, other) if self.depth < other.depth else (other, self)
            waiting = first._waiting
            if waiting is not first:
                return waiting.plus(deeper)
        bias, exact = _sum(self.bias, other.bias)
        matrices = {**self.matrices, **other.matrices}
        for units in self.matrices.keys() & other.matrices.keys():
            matrices[units], exact_too = _sum_of_matrices(self.matrices[units], other.matrices[units])
            exact = exact and exact_too
        if exact:
            return Affine(matrices, bias)
        return self.passed.plus(other) if other.simple else self.plus(other.passed)

    @property
    def _waiting(self) -> "Affine":
        """The vector as later layers carry it on: stored, if it is already or that takes less than what it is made of.

        Without that every block of a residual network would carry the units of all blocks before it.
        """
        num_units = sum(int(_used(units, [self]).sum()) for units in self.matrices)
        return self.passed if "passed" in self.__dict__ or num_units > self.bias.shape[1] else self

    def shifted(self, shift: Vector) -> "Affine":
        """The vector plus a constant one."""
        bias, exact = _sum(self.bias, shift)
        return Affine(self.matrices, bias) if exact else self.passed.shifted(shift)

    def scaled(self, factor: Vector) -> "Affine":
        """Every entry times a number of its own."""
        bias, exact = _product(self.bias, factor)
        factor = np.broadcast_to(factor, (len(factor), bias.shape[1]))
        matrices = {}
        for units, matrix in self.matrices.items():
            values, exact_too = _product(matrix.values, factor[:, matrix.row])
            matrices[units], exact = matrix.with_values(values), exact and exact_too
        return Affine(matrices, bias) if exact else self.passed.scaled(factor)

    def times(self, matrix: Entries) -> "Affine":
        """A matrix times the vector."""
        for units in self.matrices:
            if units.outputs is self:  # as after most activations
                return Affine({units: matrix}, np.zeros((1, matrix.shape[0])))
        if not self.simple:
            return self.passed.times(matrix)
        matrices = {}
        for units, selection in self.matrices.items():
            # Entry e of the matrix meets the units in row column[e] of the vector, which are in no other row. Zeros may
            # be in several: without them no place has two entries.
            met = selection.without_zeros().rows(matrix.column)
            values, exact = _product(matrix.values[:, met.row], met.values)
            if not exact:
                return self.passed.times(matrix)
            shape = matrix.shape[0], units.num_units
            matrices[units] = Entries(matrix.row[met.row], met.column, values, shape)
        return Affine(matrices, np.zeros((1, matrix.shape[0])))


def joined(parts: list[Affine]) -> Affine:
    """The entries of several vectors, one vector after the other."""
    ends = np.cumsum([part.bias.shape[1] for part in parts]).tolist()
    firsts = [0, *ends[:-1]]
    members = max(len(array) for part in parts for array in (part.bias, *(m.values for m in part.matrices.values())))
    bias = np.concatenate([np.broadcast_to(part.bias, (members, part.bias.shape[1])) for part in parts], axis=1)
    blocks: dict[Units, list[tuple[int, int, Entries]]] = {}
    for part, first in zip(parts, firsts, strict=True):
        for units, matrix in part.matrices.items():
            blocks.setdefault(units, []).append((first, 0, matrix))
    return Affine(
        {units: assembled(of_units, (ends[-1], units.num_units), members) for units, of_units in blocks.items()}, bias
    )


def layers(network_inputs: Affine, output: Affine, members: int) -> list[UnitLayer]:
    """The layers that compute a vector from a network's inputs, the last of which does not bend.

    Units that a later layer needs are passed through the layers between. Layers of many weights most of which are zeros
    are stored without these.
    """
    groups = _groups(output)
    vectors: dict[int, list[Affine]] = {depth: [] for depth in range(output.depth + 1)} | {output.depth + 1: [output]}
    for group in groups:
        if group.inputs is not None:
            vectors[group.depth].append(group.inputs)
    (source,) = network_inputs.matrices
    state = [(source, np.arange(source.num_units))]
    found = []
    for depth in range(1, output.depth + 2):
        here = [group for group in groups if group.depth == depth]
        later = [vector for d in range(depth + 1, output.depth + 2) for vector in vectors[d]]
        carried = [(units, columns[_used(units, later)[columns]]) for units, columns in state]
        carried = [(units, columns) for units, columns in carried if len(columns)]
        rows = [*vectors[depth], *(units.outputs.rows(columns) for units, columns in carried)]
        slopes = [*(group.slope for group in here), *(np.ones((1, len(columns))) for _, columns in carried)]
        if depth > output.depth:
            slopes = [np.ones((1, output.bias.shape[1]))]
        found.append(_layer(state, rows, slopes, members))
        state = [*((group, np.arange(group.num_units)) for group in here), *carried]
    return found


def _groups(output: Affine) -> list[Units]:
    """All units that a vector depends on, a group once."""
    groups: dict[Units, None] = {}
    waiting = [output]
    while waiting:
        for units in waiting.pop().matrices:
            if units not in groups:
                groups[units] = None
                if units.inputs is not None:
                    waiting.append(units.inputs)
    return list(groups)


def _used(units: Units, vectors: list[Affine]) -> Bool[np.ndarray, " num_units"]:
    """Which of the units some vectors need."""
    used = np.zeros(units.num_units, dtype=bool)
    for vector in vectors:
        if units in vector.matrices:
            matrix = vector.matrices[units]
            used[matrix.column[matrix.values.any(axis=0)]] = True
    return used


def _layer(
    state: list[tuple[Units, Int[np.ndarray, " _"]]], rows: list[Affine], slopes: list[Vector], members: int
) -> UnitLayer:
    """The layer from the state before it to some vectors, which all begin there."""
    num_rows = sum(vector.bias.shape[1] for vector in rows)
    bias, slope = np.zeros((members, num_rows)), np.zeros((members, num_rows))
    blocks = []
    first_row = 0
    for vector, slope_of_vector in zip(rows, slopes, strict=True):
        here = slice(first_row, first_row + vector.bias.shape[1])
        bias[:, here], slope[:, here] = vector.bias, slope_of_vector
        first_column = 0
        for units, columns in state:
            if units in vector.matrices:
                blocks.append((first_row, first_column, vector.matrices[units].columns(columns)))
            first_column += len(columns)
        first_row = here.stop
    return UnitLayer(_stored(assembled(blocks, (num_rows, first_column), members)), bias, slope)


def _stored(matrix: Entries) -> Float[np.ndarray, "members rows columns"] | SparseWeight:
    """A matrix as layers have it, without its zeros if these abound."""
    size = matrix.shape[0] * matrix.shape[1]
    if size < _MANY or size < _MOSTLY_ZERO * len(matrix.row):
        dense = np.zeros((len(matrix.values), *matrix.shape))
        dense[:, matrix.row, matrix.column] = matrix.values
        return dense
    from scipy.sparse import csr_array  # only those who have such layers wait for it

    sparse = [csr_array((values, (matrix.row, matrix.column)), shape=matrix.shape) for values in matrix.values]
    for of_member in sparse:
        of_member.eliminate_zeros()
    return tuple(sparse)


def _powers_of_two(numbers: Float[np.ndarray, "..."]) -> bool:
    """Whether all numbers are 0 or a power of two, up to the sign."""
    mantissa = np.abs(np.frexp(numbers)[0])
    return bool(((mantissa == 0.5) | (mantissa == 0)).all())


def _sum(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> tuple[Float[np.ndarray, "..."], bool]:
    """a + b, and whether it is exact (Knuth, The Art of Computer Programming, volume 2, section 4.2.2, theorem B)."""
    with np.errstate(all="ignore"):
        total = a + b
        of_b = total - a
        error = (a - (total - of_b)) + (b - of_b)
    return total, bool((error == 0).all())  # not so where there is an overflow: that makes it NaN


def _sum_of_matrices(a: Entries, b: Entries) -> tuple[Entries, bool]:
    """A + B, and whether it is exact."""
    a, b = in_the_same_places(a, b)
    values, exact = _sum(a.values, b.values)
    return a.with_values(values), exact


def _product(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> tuple[Float[np.ndarray, "..."], bool]:
    """a b, and whether it is sure to be exact: one of the two is made of powers of two, and nothing underflows."""
    with np.errstate(all="ignore"):
        product = a * b
        undone = (product / b == a) | (b == 0)
    return product, (_powers_of_two(a) or _powers_of_two(b)) and bool(undone.all())
