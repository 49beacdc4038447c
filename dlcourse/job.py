"""A job: what a sweep is made of, be it a run that trains a network or a measurement that trains none.

A job is a function of its configuration, and so is its folder.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcourse.recording import Result, read_result

# What does not bear on a job's result, and so not on its folder: the one list of them.
WITHOUT_BEARING = ("name", "device", "outputs", "force", "pictures", "checkpoint_seconds")


class FolderTakenError(ValueError):
    """A job's folder holds a job of another configuration."""


class Job(ABC):
    """A configuration that says what to do, where the result goes, and which command does it again.

    Attributes:
        name: The folder below `outputs`.
        outputs: The folder of all results.
        force: Whether a finished job is done again.
    """

    name: str | None
    outputs: str
    force: bool

    @property
    @abstractmethod
    def title(self) -> str:
        """The part of the folder's name that says what is inside."""

    @abstractmethod
    def flat(self) -> dict[str, Any]:
        """All values that bear on the result, by dotted keys."""

    @abstractmethod
    def overrides(self) -> dict[str, Any]:
        """What the command line sets to do the job again: every value."""

    def run_name(self) -> str:
        """The job's folder below `outputs/<name>`: readable, and unique by a hash of all that bears on the result."""
        digest = hashlib.sha256(json.dumps(self.flat(), sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.title}-{digest}"

    def to_yaml(self) -> str:
        """All values that bear on the result as YAML, headed by the command that does the job again."""
        lines = [f"# {self.command()}"]
        group = ""
        for key, value in self.flat().items():
            first, _, rest = key.partition(".")
            if rest and first != group:
                lines.append(f"{first}:")
            group = first
            lines.append(f"  {rest}: {json.dumps(value)}" if rest else f"{key}: {json.dumps(value)}")
        return "\n".join(lines) + "\n"

    def command(self) -> str:
        """The command line that does the job again, with every value spelled out."""
        words = ["dlcourse", f"name={self.name}"]
        for key, value in self.overrides().items():
            words.append(f"{key}={json.dumps(value)}" if not isinstance(value, str) else f"{key}={value}")
        return " ".join(words).replace(", ", ",")


@dataclass(frozen=True)
class Failure:
    """A job that could not be finished.

    Attributes:
        config: Its configuration.
        reason: What went wrong.
    """

    config: Job
    reason: str


def check_name(name: str | None) -> None:
    """Refuses what cannot be the name of one folder.

    Raises:
        ValueError: If it is none.
    """
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        raise ValueError(f"name must be the name of one folder, got {name!r}")


def run_folder(job: Job) -> Path:
    """`outputs/<name>/<run>`, a function of the configuration."""
    assert job.name is not None  # every job has found its own
    return Path(job.outputs, job.name, job.run_name())


def finished_result(job: Job) -> Result | None:
    """The result that the job's folder holds, if the job need not be done (again).

    Raises:
        FolderTakenError: If it is another job's.
    """
    folder = run_folder(job)
    if job.force or not (folder / "metrics.json").exists():
        return None
    result = read_result(folder)
    # by way of JSON, as the file has it
    if result.config != json.loads(json.dumps(job.flat())):
        raise FolderTakenError(f"{folder} holds a run of another configuration; move it, or choose another name")
    return result
