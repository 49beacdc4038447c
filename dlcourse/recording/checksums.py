"""The checksums of TensorBoard's event files, CRC-32C, of many bytes at once: TensorBoard's own goes byte by byte."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
"""Castagnoli's, its bits in reverse."""

ROW = 256
"""So many bytes are taken together."""


def masked_crc32c(content: bytes) -> int:
    """The CRC-32C of some bytes, masked as records of event files have it.

    It is linear over the field of two elements: the exclusive or of what each byte adds, which depends on the byte's
    value and on how many come after it. So the bytes of a row are looked up together, and what came of the rows before
    acts like other values of the row's first four bytes.

    Source: RFC 3720, section 12.1 (the polynomial, the start and the end); the mask:
    https://www.tensorflow.org/tutorials/load_data/tfrecord.

    Cost: some 10 microseconds, and 10 more for each kB; a few milliseconds once for the table.
    """
    size = len(content)
    data = np.zeros(max(-(-size // ROW), 1) * ROW, np.uint8)  # zeros that come first add nothing
    given = data[len(data) - size :]
    given[:] = np.frombuffer(content, np.uint8)
    given[:4] ^= 0xFF  # it starts from ones in place of zeros
    places, added, first_four = _table()
    crc = 0
    for row in np.bitwise_xor.reduce(added[places + data.reshape(-1, ROW)], axis=1).tolist():
        for value in first_four:
            row ^= value[crc & 0xFF]
            crc >>= 8
        crc = row
    crc ^= 0xFFFFFFFF ^ (0xFFFFFFFF >> 8 * size)  # of fewer than four bytes, some of these ones are left
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _table() -> tuple[NDArray[np.int64], NDArray[np.uint32], list[list[int]]]:
    """What each value of each byte of a row adds: where a byte's 256 begin, all of them, and those of the first four.

    With every byte that comes after, it goes through eight more divisions by the polynomial.
    """
    last = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        last = np.where(last & 1, (last >> 1) ^ np.uint32(POLYNOMIAL), last >> 1)
    rows = [last]
    while len(rows) < ROW:
        rows.append(last[rows[-1] & 0xFF] ^ (rows[-1] >> 8))
    return 256 * np.arange(ROW), np.concatenate(rows[::-1]), [row.tolist() for row in rows[:-5:-1]]
