"""A job: what a sweep is made of, be it a run that trains a network or a measurement that trains none.

A job is a function of its configuration, and so is its folder.
"""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

# The one list of the values that say how and where a job is done, but change nothing about its result, and so do not
# change its folder either.
NOT_IN_THE_FOLDER = ("name", "device", "outputs", "force", "pictures", "checkpoint_seconds")


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
    def settings(self) -> dict[str, Any]:
        """All values that the result depends on, by dotted keys."""

    @abstractmethod
    def overrides(self) -> dict[str, Any]:
        """What the command line sets to do the job again: every value."""

    @property
    def run_name(self) -> str:
        """The job's folder below `outputs/<name>`: readable, and unique by a hash of the settings."""
        digest = hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.title}-{digest}"

    @property
    def folder(self) -> Path:
        """`outputs/<name>/<run>`, a function of the configuration."""
        assert self.name is not None  # where none was given, the constructor has chosen one
        return Path(self.outputs, self.name, self.run_name)

    def to_yaml(self, program: str = "dlcourse") -> str:
        """The settings as YAML, headed by the command that does the job again.

        Args:
            program: How the command begins.
        """
        lines = [f"# {self.command(program)}"]
        group = ""
        for key, value in self.settings().items():
            first, _, rest = key.partition(".")
            if rest and first != group:
                lines.append(f"{first}:")
            group = first
            lines.append(f"  {rest}: {json.dumps(value)}" if rest else f"{key}: {json.dumps(value)}")
        return "\n".join(lines) + "\n"

    def command(self, program: str = "dlcourse") -> str:
        """The command line that does the job again, with every value spelled out.

        Args:
            program: How it begins: "dlcourse", or "python lab.py" for a script that calls `dlcourse.cli.main`.
        """
        words = [program, f"name={self.name}"]
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


def values_of(config: Any, *, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass as JSON can hold them, those of dataclasses inside it by dotted keys.

    Args:
        config: The dataclass.
        without: Fields to leave out.
    """
    return {
        key: value
        for field in dataclasses.fields(config)
        if field.name not in without
        for key, value in _written(field.name, getattr(config, field.name)).items()
    }


def _written(key: str, value: Any) -> dict[str, Any]:
    """A field's value under its key, or several under longer keys."""
    if dataclasses.is_dataclass(value):
        return {f"{key}.{inner}": each for inner, each in values_of(value).items()}
    if isinstance(value, Enum):
        return {key: value.name}
    if isinstance(value, Path):
        return {key: str(value)}
    if isinstance(value, Mapping):
        return {key: dict(value)}
    if isinstance(value, list | tuple):
        return {key: list(value)}
    return {key: value}
