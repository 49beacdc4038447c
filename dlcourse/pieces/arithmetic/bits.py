"""Rows of flags as rows of 64-bit words: a comparison of a thousand units is then one of sixteen numbers."""

import numpy as np
from jaxtyping import Bool, Int, UInt64

Words = UInt64[np.ndarray, "rows words"]

ONE = np.uint64(1)
_FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93))
_HALF = np.uint64(32)


def num_words(num_flags: int) -> int:
    """Words that hold a row of so many flags."""
    return -(-num_flags // 64)


def pack(flags: Bool[np.ndarray, "rows flags"]) -> UInt64[np.ndarray, "rows words"]:
    """Flag j of a row becomes bit j % 64 of its word j // 64."""
    rows, num_flags = flags.shape
    words = num_words(num_flags)
    if num_flags < 64 * words:
        padded = np.zeros((rows, 64 * words), dtype=bool)
        padded[:, :num_flags] = flags
        flags = padded
    # NumPy packs and unpacks one long row several times as fast as many short ones.
    return np.packbits(flags.ravel(), bitorder="little").view("<u8").reshape(rows, words)


def unpack(words: UInt64[np.ndarray, "rows words"], num_flags: int) -> Bool[np.ndarray, "rows flags"]:
    """The flags that `pack` packed."""
    rows, num = words.shape
    flags = np.unpackbits(np.ascontiguousarray(words).view(np.uint8).ravel(), bitorder="little").view(np.bool_)
    return flags.reshape(rows, 64 * num)[:, :num_flags]


def positions(words: UInt64[np.ndarray, "rows words"]) -> tuple[Int[np.ndarray, " ones"], Int[np.ndarray, " ones"]]:
    """Row and bit of every bit that is set, in order."""
    eighths = np.ascontiguousarray(words).view(np.uint8).ravel()
    where = (eighths != 0).nonzero()[0]
    ones = np.unpackbits(eighths[where], bitorder="little").view(np.bool_).nonzero()[0]
    at = 8 * where[ones >> 3] + (ones & 7)
    row = at // (64 * words.shape[1])
    return row, at - 64 * words.shape[1] * row


def single(bits: Int[np.ndarray, " rows"], num_words: int) -> UInt64[np.ndarray, "rows words"]:
    """Rows with one bit set in each."""
    if num_words == 1:
        return (ONE << bits.view(np.uint64))[:, None]
    words = np.zeros(len(bits) * num_words, dtype=np.uint64)
    words[np.arange(0, len(words), num_words) + (bits >> 6)] = ONE << (bits & 63).view(np.uint64)
    return words.reshape(-1, num_words)


def has(
    words: UInt64[np.ndarray, "all_rows words"], rows: Int[np.ndarray, " some"], bits: Int[np.ndarray, " some"]
) -> Bool[np.ndarray, " some"]:
    """Whether a bit is set, for pairs of a row and a bit."""
    at = rows if words.shape[1] == 1 else words.shape[1] * rows + (bits >> 6)
    found: Bool[np.ndarray, " some"] = (words.ravel().take(at) >> (bits & 63).view(np.uint64)) & ONE == ONE
    return found


def union(
    words: UInt64[np.ndarray, "rows words"], groups: Int[np.ndarray, " rows"], num_groups: int
) -> UInt64[np.ndarray, "num_groups words"]:
    """For each group of rows the bits that any of them has."""
    together = np.zeros((num_groups, words.shape[1]), dtype=np.uint64)
    np.bitwise_or.at(together, groups, words)
    return together


def hashed(seeds: Int[np.ndarray, " rows"], words: UInt64[np.ndarray, "rows words"]) -> UInt64[np.ndarray, " rows"]:
    """A number for a seed and a row: equal for equal ones, and for others different but for one chance in 2^64."""
    numbers = seeds.astype(np.uint64) * _FACTORS[0]
    for column in range(words.shape[1]):
        if column > 0:
            # A product carries differences up, a shift brings them down: after two of each they are everywhere.
            for factor in _FACTORS:
                numbers ^= numbers >> _HALF
                numbers *= factor
        numbers ^= words[:, column]
    return numbers


def distinct(names: UInt64[np.ndarray, " rows"]) -> tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " names"]]:
    """What `hashed` gave, numbered: for each row the number of its name, for each number a row that has that name."""
    same = _same(names)
    is_first = same == np.arange(len(names))
    return (np.cumsum(is_first) - 1)[same], is_first.nonzero()[0]


def _same(names: UInt64[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """For each row one that has its name, the same one for all of that name.

    A table in the place of a sort: where names have one place in it, the one that was written last has it, and the
    others take part in a smaller table.
    """
    size = (2 * len(names)).bit_length()
    at = ((names * _FACTORS[1]) >> np.uint64(64 - size)).view(np.int64)
    table = np.empty(1 << size, dtype=np.int64)
    table[at] = np.arange(len(names))
    same = table[at]
    missed = (names[same] != names).nonzero()[0]
    if len(missed):
        same[missed] = missed[_same(names[missed])]
    return same
