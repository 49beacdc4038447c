"""Blocks of a line, and cuts of two of them put together, worked by hand."""

import numpy as np
import pytest

from dlcourse.pieces.line import blocks
from dlcourse.pieces.line.intervals import Cut


def test_blocks_share_the_vertices_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_NUMBERS", 100)
    parts = blocks.blocks(10, 41)  # 410 numbers
    assert [(part.start, part.stop) for part in parts] == [(0, 11), (10, 21), (20, 31), (30, 41)]
    assert len(blocks.blocks(1000, 41)) == 5  # of 8 intervals, no fewer
    assert blocks.blocks(1, 41) == [slice(0, 41)]
    assert blocks.blocks(10**9, 2) == [slice(0, 2)]


def test_two_blocks_are_one_line_again() -> None:
    # Old vertices 0 and 1; units 0, 1 and 2 make the points a < b < c between them, and the blocks meet in b.
    # The next layer has one unit, which cuts the second interval of the left block.
    flags = np.array
    left = [
        Cut(0, flags([0, 0, 0]), flags([False, True, True]), flags([0, 1]), flags([0.2, 0.5]), flags([1e-3, 2e-3]),
            flags([[False, True, True], [True, True, True], [False, False, False]])),
        Cut(1, flags([0, 1, 1, 2]), flags([False, False, True, False]), flags([0]), flags([0.5]), flags([4e-3]),
            flags([[False, False, True, False]])),
    ]  # fmt: skip
    right = [
        Cut(0, flags([0, 0, 1]), flags([True, True, False]), flags([1, 2]), flags([0.5, 0.8]), flags([2e-3, 3e-3]),
            flags([[True, True, False], [False, False, False], [False, True, False]])),
        Cut(1, flags([0, 1, 2]), flags([False, False, False]), flags([], dtype=int), flags([]), flags([]),
            flags([[True, True, False]])),
    ]  # fmt: skip
    parts = [
        blocks.done(left, flags([[1.0, 2.0, 3.0, -9.0]]), flags([0.1, 0.2, 0.3, -9.0]), 0.5),
        blocks.done(right, flags([[4.0, 5.0, 6.0]]), flags([0.4, 0.5, 0.6]), 0.25),
    ]
    (first, second), slopes, error, shared = blocks.joined(parts, [3, 1])
    assert first.parent.tolist() == [0, 0, 0, 0, 1]
    assert first.is_new.tolist() == [False, True, True, True, False]
    assert first.unit.tolist() == [0, 1, 2]
    assert first.t.tolist() == [0.2, 0.5, 0.8]
    assert first.t_error.tolist() == [1e-3, 2e-3, 3e-3]
    assert first.active.astype(int).tolist() == [[0, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert second.parent.tolist() == [0, 1, 1, 2, 3, 4]
    assert second.is_new.tolist() == [False, False, True, False, False, False]
    assert second.unit.tolist() == [0]
    assert second.active.astype(int).tolist() == [[0, 0, 1, 1, 1, 0]]
    assert slopes.tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
    assert error.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert shared == 0.25
