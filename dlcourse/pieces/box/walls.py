"""The walls of a box, which are its sides and the zeros of units, and what all ways of cutting along them share."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.integers import IntegerNetwork
from dlcourse.pieces.box.exact import ExactBox
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.memory import free_bytes

_MOST_VERTICES = 8  # for each region that is allowed: in many dimensions, few regions can have many


class Walls(ABC):
    """The walls of a box, numbered, and which units are positive at the vertices that they make.

    Side 2 i is x[i] >= low[i], side 2 i + 1 is x[i] <= high[i], then come all units, layer by layer. A region is to one
    side of every wall: its hash is the sum of the random numbers of these sides.

    Attributes:
        layers: The network's layers.
        d: The box's dimensions.
        max_regions: More regions are refused.
        bounds: Where the sides are: side 2 i is x[i] = bounds[2 i], side 2 i + 1 is x[i] = bounds[2 i + 1].
        first_wall: The number of each layer's first unit among all walls.
        first_word: Where each layer's words start in `positive`.
        numbers: The random numbers, two for each wall: one for its negative side and one for its positive one.
        exact: The same in integers.
        bytes_of_vertex: What a vertex takes before the end, at least, for each layer that is reached.
        memory: The bytes that are free.
        num_vertices, num_regions: How many there are.
        num_settled: How many signs exact arithmetic decided.
        positive: Which units are positive at a vertex, packed; every layer begins with a word of its own.
    """

    bytes_of_value: int  # what a vertex takes for each unit of a layer
    num_vertices: int
    num_regions: int
    num_settled: int
    positive: UInt64[np.ndarray, "words vertices"]

    def __init__(
        self, layers: list[UnitLayer], low: Float[np.ndarray, " d"], high: Float[np.ndarray, " d"], max_regions: int
    ) -> None:
        self.layers, self.max_regions = layers, max_regions
        self.d = d = len(low)
        if 2**d > max_regions:
            raise ValueError(
                f"a box of {d} dimensions has 2^{d} corners, which takes a max_regions of {2**d}, got {max_regions}"
            )
        widths = [layer.bias.shape[1] for layer in layers]
        self.first_wall = np.cumsum([2 * d, *widths])
        self.first_word = np.cumsum([0, *(bits.num_words(width) for width in widths)])
        self.bounds = np.stack([low, high], axis=1).ravel()
        self.exact = ExactBox(IntegerNetwork(layers), self.first_wall, self.bounds)
        self.numbers = np.random.default_rng(0).integers(2**64, size=2 * self.first_wall[-1], dtype=np.uint64)
        self.num_vertices, self.num_regions, self.num_settled = 2**d, 1, 0
        widest = np.maximum.accumulate(widths[::-1])[::-1]  # from each layer on
        self.bytes_of_vertex = [self.bytes_of_value * width + 50 * d for width in widest.tolist()]
        self.memory = free_bytes()
        self.check_size(0, 1, 2**d)
        self.positive = np.zeros((self.first_word[-1], 2**d), dtype=np.uint64)

    def unpacked(self, index: int, vertices: Int[np.ndarray, " some"] | slice) -> Bool[np.ndarray, "units some"]:
        """Which units of a layer are positive at some vertices."""
        words = self.positive[self.first_word[index] : self.first_word[index + 1], vertices]
        return bits.unpack(words.T, self.layers[index].bias.shape[1]).T

    def found(self) -> str:
        """What has been found so far."""
        return f"{self.num_regions:,} regions"

    @abstractmethod
    def patterns_at(self, side: int) -> UInt64[np.ndarray, "words some"]:
        """The packed patterns of the regions that have a facet on a side of the box, each of them once."""

    def pattern_hashes(self, words: UInt64[np.ndarray, "words patterns"]) -> UInt64[np.ndarray, " patterns"]:
        """The hashes of regions, by their packed patterns."""
        hashes = np.full(words.shape[1], self.numbers[1 : 4 * self.d : 2].sum())
        for index, layer in enumerate(self.layers[:-1]):
            of_layer = words[self.first_word[index] : self.first_word[index + 1]]
            positive = bits.unpack(of_layer.T, layer.bias.shape[1]).T
            for unit in np.flatnonzero(layer.slope[0] != 1).tolist():
                below, above = self.numbers[2 * (self.first_wall[index] + unit) :][:2]
                hashes += np.where(positive[unit], above, below)
        return hashes

    def check_size(self, index: int, num_regions: int, num_vertices: int) -> None:
        """Refuses more regions than are allowed, many more vertices, and what takes more memory than is free."""
        if num_regions > self.max_regions or num_vertices > _MOST_VERTICES * self.max_regions:
            raise ValueError(
                f"there are more than max_regions = {self.max_regions} regions, or {_MOST_VERTICES} times as many "
                f"vertices: {num_regions} and {num_vertices} when layer {index + 1} of {len(self.layers)} was reached; "
                "with num_parts, that many are allowed in each part"
            )
        needed = num_vertices * self.bytes_of_vertex[index]
        if needed > self.memory:
            raise ValueError(
                f"{num_vertices} vertices in layer {index + 1} of {len(self.layers)} take about {needed / 2**30:.1f} "
                f"GiB with the widest layer to come, and {self.memory / 2**30:.1f} are free: take a smaller box, or "
                "num_parts to count it in parts"
            )
