import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.pieces.arithmetic import bits

ROWS = st.lists(st.lists(st.booleans(), min_size=70, max_size=70), min_size=1, max_size=8)


@pytest.mark.slow
@given(ROWS)
def test_positions_and_has_find_the_flags_that_pack_packed(rows: list[list[bool]]) -> None:
    flags = np.array(rows)
    words = bits.pack(flags)
    row, bit = bits.positions(words)
    assert list(zip(row.tolist(), bit.tolist(), strict=True)) == [tuple(at) for at in np.argwhere(flags).tolist()]
    all_rows, all_bits = (at.ravel() for at in np.indices(flags.shape))
    assert (bits.has(words, all_rows, all_bits).reshape(flags.shape) == flags).all()


@given(st.lists(st.integers(0, 129), max_size=9))
def test_single_sets_one_bit(chosen: list[int]) -> None:
    row, bit = bits.positions(bits.single(np.array(chosen, dtype=np.int64), 3))
    assert row.tolist() == list(range(len(chosen)))
    assert bit.tolist() == chosen


@pytest.mark.parametrize("shift", [0, 30, 60])  # names that differ only in some of their bits share places in the table
@given(st.lists(st.integers(0, 15), max_size=60))
def test_distinct_numbers_the_names(shift: int, small: list[int]) -> None:
    names = np.array(small, dtype=np.uint64) << np.uint64(shift)
    number, row = bits.distinct(names)
    assert (names[row][number] == names).all()
    assert sorted(names[row].tolist()) == sorted({name << shift for name in small})


def test_hashed_tells_seeds_and_rows_apart() -> None:
    seeds, low, high = (of.ravel() for of in np.indices((20, 20, 20)))
    words = np.stack([low, high], axis=1).astype(np.uint64)
    assert len(np.unique(bits.hashed(seeds, words))) == 20**3
    assert len(np.unique(bits.hashed(seeds, words[:, :1] << np.uint64(50)))) == 20**2
