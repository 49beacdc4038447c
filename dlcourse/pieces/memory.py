"""How much memory there is: what will take more is refused before it is asked for."""

import math
from pathlib import Path

import numpy as np

# A count frees what the next one takes. But glibc gives more than 128 kB of it back to the system, which hands it out
# again page by page: that took up to a quarter of a count's time. Once a program has freed an array of nearly 32 MB, it
# keeps 64 MB (mallopt(3), M_MMAP_THRESHOLD). So here is one; as nobody writes to it, it takes no memory.
np.empty(2**25 - 2**16, dtype=np.uint8)

_LITTLE = 2.0**27  # bytes: nobody needs to look what is free for that


def check_limits(max_regions: object, max_gigabytes: object = None) -> None:
    """Refuses limits of a count that are none.

    Raises:
        TypeError: If they are no numbers.
        ValueError: If they are too small.
    """
    if not isinstance(max_regions, int | np.integer):
        raise TypeError(f"max_regions must be a whole number of at least 1, got {max_regions!r}")
    if max_regions < 1:
        raise ValueError(f"max_regions must be at least 1, got {max_regions}")
    if max_gigabytes is None:
        return
    if not isinstance(max_gigabytes, int | float | np.number):
        raise TypeError(f"max_gigabytes must be a number greater than 0, got {max_gigabytes!r}")
    if not max_gigabytes > 0:
        raise ValueError(f"max_gigabytes must be greater than 0, got {max_gigabytes}")


def check_memory(needed: float, max_gigabytes: float | int | None, what: str) -> None:
    """Refuses what takes more memory than is allowed.

    Args:
        needed: An estimate, in bytes.
        max_gigabytes: What is allowed, in 10^9 bytes; None for what is free.
        what: What takes it, for the message.

    Raises:
        ValueError: If it takes more.
    """
    if max_gigabytes is None and needed < _LITTLE:
        return
    allowed = free_bytes() if max_gigabytes is None else 1e9 * max_gigabytes
    if needed > allowed:
        free = ", which is what is free," if max_gigabytes is None else ""
        enough = f"{1.01 * needed / 1e9:.3g}"  # rounded, but not below what is needed
        raise ValueError(
            f"max_gigabytes must be at least {enough}, the memory that it takes, got {allowed / 1e9:.3g}"
            f"{free} but {what}"
        )


def free_bytes() -> float:
    """The bytes that this process can still ask for: of the machine, and of the control group that it runs in.

    Infinity where the system (Linux) does not tell.
    """
    found = math.inf
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            found = 1024.0 * int(line.split()[1])
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit and used and limit[0] != "max":
        found = min(found, float(limit[0]) - float(used[0]))
    return found


def _lines(path: str) -> list[str]:
    """A file's lines; none if it cannot be read."""
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
