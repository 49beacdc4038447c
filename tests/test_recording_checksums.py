"""Checksums of event files, beside the vectors of RFC 3720 and TensorBoard's own."""

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from dlcourse.recording.checksums import ROW, masked_crc32c


@pytest.mark.parametrize(
    ("content", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),  # the check value of CRC catalogues
        (bytes(32), 0x8A9136AA),  # these four: RFC 3720, section B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_checksums(content: bytes, crc: int) -> None:
    assert _unmasked(masked_crc32c(content)) == crc


@given(st.integers(0, 3 * ROW + 5), st.randoms(use_true_random=False))
@example(ROW, None)
@example(ROW + 1, None)
@example(3, None)
def test_any_bytes_have_tensorboards_checksum(size: int, random: Random | None) -> None:
    content = bytes(size) if random is None else random.randbytes(size)
    assert masked_crc32c(content) == pywrap_tensorflow.masked_crc32c(content)


def _unmasked(masked: int) -> int:
    """The inverse of the mask that the page on TFRecord gives."""
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF
