"""A job: what a sweep is made of, be it a run that trains a network or a measurement that trains none.

A job is a function of its configuration, and so is its folder.
"""

import dataclasses
import hashlib
import json
import math
import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

# The one list of the values that say how and where a job is done, but change nothing about its result, and so do not
# change its folder either.
NOT_IN_THE_FOLDER = (
    "name", "device", "outputs", "force", "pictures", "keep_weights", "events", "checkpoint_seconds", "plan", "only",
    "compare",
)  # fmt: skip

MAX_NAME = 200
"""The most bytes that the name of a folder has."""


class FolderTakenError(ValueError):
    """A job's folder holds a job of another configuration."""


class Job(ABC):
    """A configuration that says what to do, where the result goes, and which command does it again.

    Attributes:
        name: The folder below `outputs`.
        outputs: The folder of all results.
        force: Whether a finished job is done again.
        plan: Whether to say what the command would do, and do nothing.
        only: Which jobs of a sweep are done: `failed`, or None for all that are not finished.
    """

    name: str | None
    outputs: str
    force: bool
    plan: bool
    only: str | None

    # What is made once of a job, for nothing changes one. Tens of thousands can wait at the same time, and their values
    # share the keys of one `__dict__`: with these as further entries, each would need 1.3 kB for one of its own.
    __slots__ = ("_digest", "_folder", "_run_name", "_settings")

    _digest: str
    _folder: Path
    _run_name: str
    _settings: dict[str, Any]

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
    def digest(self) -> str:
        """A hash of the settings, which tells the job from all others."""
        if not hasattr(self, "_digest"):
            self._digest = hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()
        return self._digest

    @property
    def run_name(self) -> str:
        """The job's folder below `outputs/<name>`: readable, and unique by a hash of the settings."""
        if not hasattr(self, "_run_name"):
            title = self.title
            # File systems allow names of 255 bytes, and what is being written has a longer one for a while.
            if len(title.encode()) > MAX_NAME - 11:
                title = title.encode()[: MAX_NAME - 14].decode(errors="ignore") + "..."
            self._run_name = f"{title}-{self.digest[:10]}"
        return self._run_name

    @property
    def folder(self) -> Path:
        """`outputs/<name>/<run>`, a function of the configuration."""
        if not hasattr(self, "_folder"):
            assert self.name is not None  # where none was given, the constructor has chosen one
            self._folder = Path(self.outputs, self.name, self.run_name)
        return self._folder

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
            text = (_as_json if _can_be_kept(value) else json.dumps)(value)
            lines.append(f"  {rest}: {text}" if rest else f"{key}: {text}")
        return "\n".join(lines) + "\n"

    def command(self, program: str = "dlcourse", **more: Any) -> str:
        """The command line that does the job again, with every value spelled out; it can be pasted into a shell.

        Args:
            program: How it begins: "dlcourse", or "python lab.py" for a script that calls `dlcourse.cli.main`.
            **more: Further values to set.
        """
        values = {"name": self.name, **self.overrides(), **self.elsewhere(), **more}
        words = [
            (_word if _can_be_kept(value) else _word.__wrapped__)(key, value)  # the latter keeps nothing
            for key, value in values.items()
        ]
        return " ".join([program, *words])

    def elsewhere(self) -> dict[str, Any]:
        """What says where the job is done and where its result goes, if that is not the usual."""
        fields = {field.name: field for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        values = {key: getattr(self, key) for key in ("outputs", "device") if key in fields}
        return {key: value for key, value in values.items() if value != fields[key].default}


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
    if not name or name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise ValueError(f"name must be the name of one folder, without control characters, got {name!r}")
    if len(name.encode()) > MAX_NAME:
        raise ValueError(f"name must have at most {MAX_NAME} bytes, got {len(name.encode())}: {name[:40]}...")


def _can_be_kept(value: Any) -> bool:
    """Whether a value is told from all that are equal to it by its type: a list cannot be asked, and 0.0 == -0.0."""
    return type(value) in (str, int, bool, type(None)) or (type(value) is float and value != 0)


@lru_cache(4096, typed=True)  # most runs of a sweep have the same values
def _as_json(value: Any) -> str:
    """A value in a line of YAML."""
    return json.dumps(value)


@lru_cache(4096, typed=True)
def _word(key: str, value: Any) -> str:
    """A word of a command line."""
    return shlex.quote(f"{key}={_in_hydras_grammar(value)}")


def _in_hydras_grammar(value: Any) -> str:
    """A value as Hydra reads it, source: hydra.cc/docs/advanced/override_grammar/basic."""
    if type(value) is int:  # as many are; what follows takes its time
        return str(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        if re.fullmatch(r"[A-Za-z_/.][\w/.\-]*", value, re.ASCII) and value.lower() not in _NO_STRINGS:
            return value
        # In quotes, only a quote, the backslashes before one, and interpolations have a meaning.
        escaped = re.sub(r"(\\+)$", r"\1\1", re.sub(r'(\\*)"', r'\1\1\\"', value))
        return '"' + escaped.replace("${", r"\${") + '"'
    if isinstance(value, Mapping):
        entries = [f"{_in_hydras_grammar(key)}:{_in_hydras_grammar(each)}" for key, each in value.items()]
        return "{" + ",".join(entries) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_in_hydras_grammar, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value)


_NO_STRINGS = ("true", "false", "null", "nan", "inf")


def values_of(config: Any, *, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass as JSON can hold them, those of dataclasses inside it by dotted keys.

    Args:
        config: The dataclass.
        without: Fields to leave out.
    """
    found: dict[str, Any] = {}
    kind: Any = type(config)
    for name in _names_of_fields(kind):
        if name not in without:
            _write(found, name, getattr(config, name))
    return found


@cache
def _names_of_fields(kind: Any) -> list[str]:
    """The names of a dataclass's fields."""
    return [field.name for field in dataclasses.fields(kind)]


def _write(found: dict[str, Any], key: str, value: Any) -> None:
    """Adds a field's value under its key, or several under longer keys."""
    if value is None or type(value) in (bool, int, float, str):  # most are: to ask what else they are takes its time
        found[key] = value
    elif dataclasses.is_dataclass(value):
        for inner, each in values_of(value).items():
            found[f"{key}.{inner}"] = each
    elif isinstance(value, Enum):
        found[key] = value.name
    elif isinstance(value, Path):
        found[key] = str(value)
    elif isinstance(value, Mapping):
        found[key] = dict(value)
    elif isinstance(value, list | tuple):
        found[key] = list(value)
    else:
        found[key] = value
