"""Random streams: every random number of dlcourse is a pure function of (seed, purpose)."""

import hashlib
import operator

import torch


def stream(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator that depends on nothing but `seed` and `purpose`.

    The two are hashed (BLAKE2b), so that streams of neighbouring seeds or purposes have nothing to do with each other,
    and a stream can be opened again in the middle of a run knowing only its purpose: `stream(seed, "batch", block)`.
    torch's CPU generator has 2^32 starting states: any two streams are the same with probability 2^-32.

    Args:
        seed: The member's seed, any integer.
        *purpose: What the numbers are for, as words and counters.

    Returns:
        A fresh `torch.Generator` on the CPU.
    """
    digest = hashlib.blake2b(repr((operator.index(seed), *purpose)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
