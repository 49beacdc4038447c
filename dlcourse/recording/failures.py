"""Why a job failed: `failure.json` in its folder, until it is finished."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from dlcourse.recording.results import read_json, write_json


@dataclass(frozen=True)
class Failed:
    """A job that could not be finished.

    Attributes:
        run: The name of its folder.
        reason: What went wrong.
        command: The command line that does it again.
    """

    run: str
    reason: str
    command: str


def write_failure(folder: Path, failed: Failed) -> None:
    """Notes in a job's folder why it failed; where that cannot be written, it is not noted."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "failure.json", {"reason": failed.reason, "command": failed.command})


def has_failed(folder: Path) -> bool:
    """Whether a job has failed, and has not been finished since."""
    return (folder / "failure.json").exists() and not (folder / "metrics.json").exists()


def read_failures(folder: Path) -> list[Failed]:
    """The jobs of `outputs/<name>` that have failed, and have not been finished since."""
    failures = []
    for path in sorted(folder.glob("[!.]*/failure.json")):
        if has_failed(path.parent):
            with contextlib.suppress(OSError, ValueError):
                content = read_json(path)
                failures.append(Failed(path.parent.name, str(content["reason"]), str(content["command"])))
    return failures
