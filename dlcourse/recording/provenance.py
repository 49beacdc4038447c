"""What a result was made with: it stands beside the result, and has no bearing on it."""

import functools
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

import dlcourse


def provenance(started: float, ended: float, device: torch.device | None = None) -> dict[str, str]:
    """Versions, machine and times of a job.

    Args:
        started: When it began, in seconds since 1970; what a clock that was set back says counts as no time at all.
        ended: When it ended, likewise.
        device: Where it computed; the CPU by default.

    Returns:
        `dlcourse`, `commit` (only in a working copy of the repository; ending in "+" if files differ from it), `torch`,
        `python`, `processor`, `started` and `ended` (UTC, ISO 8601).
    """
    is_cuda = device is not None and device.type == "cuda"
    return {
        "dlcourse": dlcourse.__version__,
        **({} if (commit := _commit()) is None else {"commit": commit}),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": torch.cuda.get_device_name(device) if is_cuda else _processor(),
        "started": _time(started),
        "ended": _time(max(started, ended)),
    }


@functools.cache
def _commit() -> str | None:
    """The commit of the repository that dlcourse is imported from; None if it is installed."""
    repository = Path(dlcourse.__file__).parent.parent
    if not (repository / ".git").exists():
        return None
    command = ["git", "-C", str(repository), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):  # no git
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@functools.cache
def _processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _time(seconds: float) -> str:
    """A time for people and programs."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
