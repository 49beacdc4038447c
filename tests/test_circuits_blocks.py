import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marks import slow_except

from dlcourse.circuits import (
    Block,
    Circuit,
    Kind,
    best_blocks,
    best_sizes,
    block_parity,
    depth,
    equal_blocks,
    equivalent,
    inputs,
    num_block_gates,
    num_gates,
    parity_dnf,
    sub_circuits,
    xor,
)

# Depth and gates of equal blocks: worked out apart from this code, their circuits checked by truth tables.
EQUAL = {
    (4,): (2, 9),
    (2, 2): (3, 11),
    (8,): (2, 129),
    (2, 4): (3, 25),
    (2, 2, 2): (4, 27),
    (3, 3): (3, 29),
    (4, 4): (3, 73),
    (2, 2, 4): (4, 57),
    (2, 2, 2, 2): (5, 59),
}


@pytest.mark.parametrize("sizes", EQUAL)
def test_equal_blocks(sizes: tuple[int, ...]) -> None:
    block = equal_blocks(sizes)
    circuit = block_parity(block)
    assert (depth(circuit), num_gates(circuit)) == EQUAL[sizes] == (len(sizes) + 1, num_block_gates(block))
    assert equivalent(circuit, xor(*inputs(math.prod(sizes))))


def test_sixteen_bits_in_depth_2() -> None:
    assert num_block_gates(equal_blocks([16])) == 32_769


def test_one_block_is_the_disjunctive_normal_form() -> None:
    assert block_parity(equal_blocks([5])) is parity_dnf(5)


def test_merged_layers_alternate_between_and_and_or() -> None:
    circuit = block_parity(equal_blocks([2, 3, 2]))
    levels: list[list[Circuit]] = [[circuit]]
    while any(each.parts for each in levels[-1]):
        below = {part.parts[0] if part.kind is Kind.not_ else part for each in levels[-1] for part in each.parts}
        levels.append(list(below))
    kinds = [{each.kind for each in level} for level in levels]
    assert kinds == [{Kind.or_}, {Kind.and_}, {Kind.or_}, {Kind.and_}, {Kind.input}]
    assert {each.kind for each in sub_circuits(circuit)} == {Kind.input, Kind.not_, Kind.and_, Kind.or_}
    # NOTs stand at the inputs only: nothing is merged across one
    assert all(each.parts[0].kind is Kind.input for each in sub_circuits(circuit) if each.kind is Kind.not_)


@pytest.mark.parametrize(
    ("num_bits", "depth", "sizes"),
    [(4, 2, [4]), (4, 3, [2, 2]), (8, 3, [2, 4]), (9, 3, [3, 3]), (16, 3, [4, 4]), (16, 4, [2, 2, 4]), (7, 2, [7])],
)
def test_best_sizes(num_bits: int, depth: int, sizes: list[int]) -> None:
    assert best_sizes(num_bits, depth) == sizes


@pytest.mark.parametrize("num_bits", slow_except(range(2, 13), *range(2, 9)))
def test_best_blocks(num_bits: int) -> None:
    gates = []
    for allowed in range(2, 9):
        block = best_blocks(num_bits, allowed)
        circuit = block_parity(block)
        assert num_gates(circuit) == num_block_gates(block) and depth(circuit) <= allowed
        assert equivalent(circuit, xor(*inputs(num_bits)))
        gates.append(num_gates(circuit))
    assert gates[0] == 2 ** (num_bits - 1) + 1
    assert all(fewer <= more for more, fewer in pairwise(gates))
    # stacked normal forms of three bits: floor(5d/2) - 2, Theoretical Computer Science Stack Exchange 26026
    assert gates[-1] == 5 * num_bits // 2 - 2


def every_block(parts: tuple[int, ...], levels: int, merged: bool) -> list[int]:
    """The gates of every way to make a block of these inputs, by trying all ways to cut and nest."""

    def cuts(rest: tuple[int, ...]) -> list[list[tuple[int, ...]]]:
        return [[rest]] + [[rest[:i], *more] for i in range(1, len(rest)) for more in cuts(rest[i:])]

    below = levels - (1 if merged else 2)
    found = []
    for pieces in cuts(parts) if below >= 0 else []:
        if len(pieces) < 2:
            continue
        totals = [2 ** len(pieces) if merged else 2 ** (len(pieces) - 1) + 1]
        for piece in pieces:
            ways = [0] if len(piece) == 1 else every_block(piece, below, True) + every_block(piece, below, False)
            totals = sorted({total + way for total in totals for way in ways})
        found += totals
    return found


@pytest.mark.parametrize("num_bits", range(2, 9))
@pytest.mark.parametrize("levels", range(2, 7))
def test_best_blocks_against_brute_force(num_bits: int, levels: int) -> None:
    fewest = min(every_block(tuple(range(num_bits)), levels, merged=False))
    assert num_block_gates(best_blocks(num_bits, levels)) == fewest


def test_unequal_blocks_need_fewer_gates() -> None:
    assert num_block_gates(best_blocks(16, 3)) == 65  # 5 blocks of 4, 3, 3, 3, 3: 1 + 16 + 16 + 4 * 8, against 73
    assert num_block_gates(best_blocks(8, 4)) == 18  # 2, 3, 3 with NOTs: 3 + 5 + 5 + 5, against 27


@st.composite
def block_plans(draw: st.DrawFn, first: int, num_bits: int, merged: bool) -> tuple[list[Any], bool]:
    """Parts and kind of any block of the inputs first .. first + num_bits - 1."""
    parts: list[Any] = []
    end = first + num_bits
    while first < end:
        size = draw(st.integers(1, min(4, end - first, num_bits - 1)))
        parts.append(first if size == 1 else draw(block_plans(first, size, draw(st.booleans()))))
        first += size
    return parts, merged


def built(parts: list[Any], merged: bool) -> Block:
    return Block(tuple(part if isinstance(part, int) else built(*part) for part in parts), merged)


@pytest.mark.slow
@given(st.data())
def test_any_blocks_are_parity(data: st.DataObject) -> None:
    num_bits = data.draw(st.integers(2, 8))
    block = built(*data.draw(block_plans(1, num_bits, False)))
    circuit = block_parity(block)
    assert equivalent(circuit, xor(*inputs(num_bits)))
    assert num_gates(circuit) == num_block_gates(block)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"sizes must be at least one number, each at least 2, got \[\]"):
        equal_blocks([])
    with pytest.raises(ValueError, match=r"sizes must be at least one number, each at least 2, got \[3, 1\]"):
        equal_blocks([3, 1])
    with pytest.raises(ValueError, match="num_bits must be a product of depth - 1 = 2 numbers of at least 2, got 7"):
        best_sizes(7, 3)
    with pytest.raises(ValueError, match="num_bits must be at least 2, got 1"):
        best_blocks(1, 3)
    with pytest.raises(ValueError, match="depth must be at least 2, got 1"):
        best_blocks(4, 1)
    with pytest.raises(ValueError, match=r"parts must be at least two, got \(3,\)"):
        Block((3,))
    with pytest.raises(ValueError, match="the block of all blocks must not be merged"):
        block_parity(Block((1, 2), merged=True))
