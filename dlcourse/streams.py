"""Random streams: every random number of dlcourse is a pure function of (seed, purpose)."""

import hashlib

import torch


def stream(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator that depends on nothing but `seed` and `purpose`.

    The two are hashed (BLAKE2b), so that streams of neighbouring seeds or purposes share nothing, and a stream can be
    opened again in the middle of a run knowing only its purpose, for instance `stream(seed, "batch", block)`.

    Args:
        seed: The member's seed, any integer.
        *purpose: What the numbers are for, as words and counters.

    Returns:
        A fresh `torch.Generator` on the CPU.
    """
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
