"""What every measurement is: settings, and a row of results computed from them."""

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from dlcourse.job import WITHOUT_BEARING, Job, check_name

Row = dict[str, int | float | str]


@dataclass(kw_only=True)
class Measurement(Job):
    """A job that is no training run; its children are schema, documentation and constructor in one.

    Attributes:
        kind: What is measured; the experiment of this name measures it.
        name: The folder below `outputs` (by default the kind); an experiment sets its own.
        outputs: The folder of all results.
        force: Whether a finished measurement is done again.
    """

    kind: ClassVar[str]

    name: str | None = None
    outputs: str = "outputs"
    force: bool = False

    def __post_init__(self) -> None:
        if self.name is None:
            self.name = self.kind
        check_name(self.name)

    @abstractmethod
    def measure(self) -> Row:
        """What is found: a pure function of the settings (but for times)."""

    @property
    def title(self) -> str:
        """The kind, and the settings that are not the usual ones."""
        usual = type(self)().settings()
        return "-".join([self.kind, *(f"{k}={_readable(v)}" for k, v in self.settings().items() if v != usual[k])])

    def settings(self) -> dict[str, Any]:
        """All values that bear on the result."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in WITHOUT_BEARING}

    def flat(self) -> dict[str, Any]:
        """The same, and the kind."""
        return {"measurement": self.kind, **self.settings()}

    def overrides(self) -> dict[str, Any]:
        """What the command line sets to measure it again: the experiment, and every value."""
        return {"experiment": self.kind, **self.settings()}


def _readable(value: Any) -> str:
    """A setting as part of a folder's name."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
