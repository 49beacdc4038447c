"""A box in parts, slabs that are counted one by one, so that no more than one of them is in memory."""

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.box.box import cut, geometry
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.points import in_short
from dlcourse.pieces.progress import each


class _Part(NamedTuple):
    """What is kept of a slab: its counts, and the regions at its two ends by their patterns, with their pieces."""

    num_regions: int
    num_settled: int
    num_pieces: int  # 0 if they were not asked for
    lower: dict[bytes, int]
    upper: dict[bytes, int]


@dataclass(frozen=True, eq=False)
class _Slabs:
    """How a box is divided."""

    layers: list[UnitLayer]
    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]
    max_regions: int
    num_parts: int
    num_workers: int

    def counted(self, *, pieces: bool, attempt: int = 0) -> Iterator[_Part]:
        """The slabs across the longest side, from the lowest to the highest.

        Borders are moved a little from where the parts would be equal: at round numbers more units are zero than
        elsewhere, and there is another place for each attempt.
        """
        axis = int(np.argmax(self.high - self.low))
        shift = 0.1 * ((attempt + 1) * _GOLDEN % 1) - 0.05
        shares = (np.arange(1, self.num_parts) + shift) / self.num_parts
        inner = (1 - shares) * self.low[axis] + shares * self.high[axis]
        borders = [self.low[axis], *inner.tolist(), self.high[axis]]
        if not (np.diff(borders) > 0).all():
            raise ValueError(f"num_parts must leave each part some floats of x[{axis}], got {self.num_parts}")
        corners = []
        for first, last in itertools.pairwise(borders):
            low, high = self.low.copy(), self.high.copy()
            low[axis], high[axis] = first, last
            corners.append((low, high))
        of_part = partial(_counted, self.layers, self.max_regions, axis, pieces)
        if self.num_workers == 1:
            yield from (of_part(*ends) for ends in each(corners, "part"))
            return
        from loky import ProcessPoolExecutor  # only those who want workers wait for it

        executor = ProcessPoolExecutor(min(self.num_workers, self.num_parts), env=dict.fromkeys(_THREADS, "1"))
        try:
            # No more at a time than workers soon begin with, and not executor.map, which cancels what is left if a part
            # fails: loky's own thread fails on both, and then the workers never end.
            left = iter(corners)
            futures = deque(executor.submit(of_part, *ends) for ends in itertools.islice(left, 2 * self.num_workers))
            for _ in each(corners, "part"):
                yield futures.popleft().result()
                futures.extend(executor.submit(of_part, *ends) for ends in itertools.islice(left, 1))
        finally:
            executor.shutdown(kill_workers=True)


_GOLDEN = 0.618033988749895  # its multiples are far from all fractions with small denominators
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def _counted(
    layers: list[UnitLayer],
    max_regions: int,
    axis: int,
    pieces: bool,
    low: Float[np.ndarray, " d"],
    high: Float[np.ndarray, " d"],
) -> _Part:
    """One slab."""
    subdivision = cut(layers, low, high, max_regions)
    built = geometry(subdivision) if pieces else None
    ends = []
    for side in (2 * axis, 2 * axis + 1):
        words = subdivision.patterns_at(side)
        numbers = np.zeros(words.shape[1], dtype=np.int64)
        if built is not None:
            numbers = built.pieces[np.searchsorted(built.regions.names, subdivision.pattern_hashes(words))]
        ends.append(dict(zip((column.tobytes() for column in words.T), numbers.tolist(), strict=True)))
    num_pieces = 0 if built is None else int(built.pieces.max()) + 1
    return _Part(subdivision.num_regions, subdivision.num_settled, num_pieces, *ends)


@dataclass(frozen=True, eq=False, repr=False)
class InParts:
    """A network in a box low <= x <= high that was counted in parts.

    Attributes:
        num_regions: Number of activation regions.
        num_settled: Number of signs that floating point left open, so that exact arithmetic decided them, in all parts.
        low: The box's lowest corner.
        high: The highest one.
        num_regions_of_parts: Number of activation regions that each part meets.
    """

    num_regions: int
    num_settled: int
    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]
    num_regions_of_parts: Int[np.ndarray, " parts"]
    _slabs: _Slabs = field(repr=False)

    def __repr__(self) -> str:
        pieces = f", num_pieces={self.num_pieces}" if "num_pieces" in vars(self) else ""
        box = f"low={in_short(self.low)}, high={in_short(self.high)}, {len(self.num_regions_of_parts)} parts"
        return f"InParts(num_regions={self.num_regions}{pieces}, {box})"

    @cached_property
    def num_pieces(self) -> int:
        """Number of linear pieces: connected sets on which the function, all outputs together, is one affine map.

        All parts are counted anew when it is first asked for, this time with their geometry.
        """
        return next(found for found in map(self._num_pieces, itertools.count()) if found is not None)

    def _num_pieces(self, attempt: int) -> int | None:
        """The same; None if a border between parts is where a unit is zero, so that a facet may lie on it.

        Pieces of two parts are one if they have a region in common. There are no other ways to cross a border unless
        regions that meet there have different patterns.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        num, pairs, upper = 0, [(0, 0)], None
        for part in self._slabs.counted(pieces=True, attempt=attempt):
            if upper is not None:
                if upper.keys() != part.lower.keys():
                    return None
                pairs += [(piece, num + part.lower[pattern]) for pattern, piece in upper.items()]
            upper = {pattern: num + piece for pattern, piece in part.upper.items()}
            num += part.num_pieces
        one, other = np.array(pairs).T
        joined = coo_array((np.ones(len(one)), (one, other)), shape=(num, num))
        return int(connected_components(joined, directed=False)[0])


def count_in_parts(
    layers: list[UnitLayer],
    low: Float[np.ndarray, " d"],
    high: Float[np.ndarray, " d"],
    max_regions: int,
    num_parts: int,
    num_workers: int,
) -> InParts:
    """Counts the slabs of a box.

    A region is convex: it is met by slabs that follow one another, and was counted once too often for each border
    between them that it crosses. That it does is seen from its pattern, which then is found on both sides.
    """
    slabs = _Slabs(layers, low, high, max_regions, num_parts, num_workers)
    numbers, num_settled, twice, upper = [], 0, 0, dict[bytes, int]()
    for part in slabs.counted(pieces=False):
        numbers.append(part.num_regions)
        num_settled += part.num_settled
        twice += len(upper.keys() & part.lower.keys())
        upper = part.upper
    return InParts(sum(numbers) - twice, num_settled, low, high, np.array(numbers), slabs)
