"""Parity circuits of any depth between shallow and deep: blocks of bits, each in normal form, and blocks of blocks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from dlcourse.checks import check_whole
from dlcourse.circuits.circuit import Circuit, Kind, and_, not_, or_


@dataclass(frozen=True)
class Block:
    """The parity of a few parts, in normal form.

    Attributes:
        parts: Inputs x_i, by their index i, and blocks; at least two.
        merged: The block's last gate is merged into the gates that it feeds, which are of the same kind: that saves a
            level, but the block is needed twice, as it is and negated, in 2^b gates for b parts. False: it has a last
            gate of its own and is negated by a NOT: two levels, 2^(b-1) + 1 gates. The block of all blocks has one.
    """

    parts: "tuple[int | Block, ...]"
    merged: bool = False

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError(f"parts must be at least two, got {self.parts}")


def equal_blocks(sizes: Sequence[int]) -> Block:
    """Blocks of b_1 neighbouring bits, of which b_2 are a block, and so on; all but the last are merged.

    Its circuit has depth m + 1 and 1 + 2^(b_m - 1) + sum_{i<m} 2^{b_i} d / (b_1 .. b_i) gates, where d = b_1 .. b_m.

    Args:
        sizes: b_1 .. b_m, from the bottom to the top, each at least 2. Equal sizes d^(1/m) are about the best.

    Raises:
        ValueError: If there are none, or one is below 2.

    Source: the construction that matches Håstad's bound, slide "Lower Bound (Hastad, 1986)".
    """
    if not sizes or min(sizes) < 2:
        raise ValueError(f"sizes must be at least one number, each at least 2, got {list(sizes)}")
    layer: list[int | Block] = list(range(1, math.prod(sizes) + 1))
    for size in sizes[:-1]:
        layer = [Block(tuple(layer[i : i + size]), merged=True) for i in range(0, len(layer), size)]
    return Block(tuple(layer))


def best_sizes(num_bits: int, depth: int) -> list[int]:
    """The sizes b_1 .. b_m of equal blocks with the fewest gates, m = depth - 1, by trying all.

    Args:
        num_bits: Number d of inputs.
        depth: Of the circuit, NOTs not counted, at least 2.

    Raises:
        ValueError: If d is not a product of m numbers of at least 2. `best_blocks` needs no product.
    """
    choices = list(_factorisations(num_bits, depth - 1)) if depth >= 2 else []
    if not choices:
        raise ValueError(f"num_bits must be a product of depth - 1 = {depth - 1} numbers of at least 2, got {num_bits}")
    return min(choices, key=lambda sizes: num_block_gates(equal_blocks(sizes)))


def best_blocks(num_bits: int, depth: int) -> Block:
    """The blocks with the fewest gates among all: of any sizes, equal or not, merged or not (dynamic programming).

    Among circuits of equally few gates, one of the least depth. Circuits that are not made of such blocks can have
    fewer: 12 gates are reported to do for 6 bits, where the best blocks have 13.

    Args:
        num_bits: Number d of inputs, at least 2.
        depth: The most that the circuit may have, NOTs not counted, at least 2.

    Raises:
        ValueError: If one of them is below 2.

    Cost: depth d^3 steps, seconds for 100 bits; the plans of a call serve the calls after it.
    """
    check_whole("num_bits", num_bits, 2)
    check_whole("depth", depth, 2)

    def laid_out(plan: _Plan, level: int, first: int) -> Block:
        """The plan for a block of so many levels whose first input is this."""
        level -= 1 if plan.merged else 2
        parts: list[int | Block] = []
        for size in plan.sizes:
            parts.append(first if size == 1 else laid_out(_cheapest(size, level), level, first))
            first += size
        return Block(tuple(parts), plan.merged)

    plan = _cheapest(num_bits, depth, merged=False)
    while depth > 2 and _cheapest(num_bits, depth - 1, merged=False).num_gates == plan.num_gates:
        depth, plan = depth - 1, _cheapest(num_bits, depth - 1, merged=False)
    return laid_out(plan, depth, 1)


def num_block_gates(block: Block) -> int:
    """The number of AND and OR gates, without building the circuit."""
    own = _num_own_gates(len(block.parts), block.merged)
    return own + sum(num_block_gates(part) for part in block.parts if isinstance(part, Block))


def block_parity(block: Block) -> Circuit:
    """The parity circuit of these blocks, of AND, OR and NOT; NOTs are free.

    A block is an OR of ANDs. A merged block that feeds ANDs is written as an AND of ORs instead, and one that feeds ORs
    as an OR of ANDs, so that two neighbouring layers are of the same kind and become one.

    Args:
        block: Such as `equal_blocks([2, 4])` or `best_blocks(8, depth=3)`.

    Raises:
        ValueError: If the block itself is merged: there is nothing that it could be merged into.
    """
    if block.merged:
        raise ValueError("the block of all blocks must not be merged")

    @cache
    def layer(block: Block, value: int, joined_by: Kind) -> list[Circuit]:
        """The gates whose OR (or AND) is 1 where the parity of the block's parts is this value."""
        gates = []
        for bits in product([0, 1], repeat=len(block.parts)):
            parts = list(zip(block.parts, bits, strict=True))
            # An OR needs one term for each choice of the parts' values that has this parity; an AND needs one clause
            # for each that has not, which excludes it.
            if joined_by is Kind.or_ and sum(bits) % 2 == value:
                gates.append(and_(*(gate for part, bit in parts for gate in says(part, bit, Kind.and_))))
            if joined_by is Kind.and_ and sum(bits) % 2 != value:
                gates.append(or_(*(gate for part, bit in parts for gate in says(part, 1 - bit, Kind.or_))))
        return gates

    def says(part: int | Block, value: int, joined_by: Kind) -> list[Circuit]:
        """The gates or inputs that, joined by AND (or OR), are 1 where a part has this value."""
        if isinstance(part, Block) and part.merged:
            return layer(part, value, joined_by)
        circuit = or_(*layer(part, 1, Kind.or_)) if isinstance(part, Block) else Circuit(Kind.input, (), part)
        return [circuit if value else not_(circuit)]

    return or_(*layer(block, 1, Kind.or_))


def _num_own_gates(num_parts: int, merged: bool) -> int:
    """The gates of a block without those of the blocks in it."""
    return int(2**num_parts if merged else 2 ** (num_parts - 1) + 1)


def _factorisations(number: int, num_factors: int) -> Iterator[list[int]]:
    """All ways to write a number as a product of so many factors of at least 2, in any order."""
    if num_factors == 0:
        if number == 1:
            yield []
        return
    for first in range(2, number + 1):
        if number % first == 0:
            for rest in _factorisations(number // first, num_factors - 1):
                yield [first, *rest]


@dataclass(frozen=True)
class _Plan:
    """How to make the parity of some bits with a number of levels: how many bits each part of the block has."""

    num_gates: int
    merged: bool
    sizes: tuple[int, ...]


@cache
def _cheapest(num_bits: int, level: int, merged: bool | None = None) -> _Plan:
    """The plan with the fewest gates, merged or not, or the better of the two."""
    if merged is None:
        plans = [_cheapest(num_bits, level, True)] + ([_cheapest(num_bits, level, False)] if level >= 2 else [])
        return min(plans, key=lambda plan: plan.num_gates)
    below = level - (1 if merged else 2)
    best: _Plan | None = None
    for num_parts in range(2, num_bits + 1):
        own = _num_own_gates(num_parts, merged)
        # More parts only need more gates of the block itself.
        if best is not None and own >= best.num_gates:
            break
        # With no level left below, the parts cannot be blocks: each is a single bit.
        if below or num_parts == num_bits:
            gates, sizes = _split(num_bits, num_parts, below)
            if best is None or own + gates < best.num_gates:
                best = _Plan(own + gates, merged, sizes)
    assert best is not None
    return best


@cache
def _split(num_bits: int, num_parts: int, level: int) -> tuple[int, tuple[int, ...]]:
    """The fewest gates for so many parts that together have these bits, and the parts' sizes."""
    if num_parts == num_bits:
        return 0, (1,) * num_parts
    if num_parts == 1:
        return _cheapest(num_bits, level).num_gates, (num_bits,)
    best: tuple[int, tuple[int, ...]] | None = None
    # The order of the parts does not matter, so the first may be the smallest one, which has at most the mean size.
    for first in range(1, num_bits // num_parts + 1):
        own = 0 if first == 1 else _cheapest(first, level).num_gates
        rest, sizes = _split(num_bits - first, num_parts - 1, level)
        if best is None or own + rest < best[0]:
            best = own + rest, (first, *sizes)
    assert best is not None
    return best
