"""What every measurement is: settings, and a row of results computed from them."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from dlcourse.job import NOT_IN_THE_FOLDER, Job, check_name, values_of
from dlcourse.outside import origin

Row = dict[str, int | float | str]


@dataclass(kw_only=True)
class Measurement(Job):
    """A job that is no training run; its children are schema, documentation and constructor in one.

    Attributes:
        kind: What is measured; the experiment of this name measures it.
        name: The folder below `outputs` (by default the kind); an experiment sets its own.
        outputs: The folder of all results.
        force: Whether a finished measurement is done again.
        plan: Whether to say what the command would do, and do nothing.
        only: `failed` does those of a sweep again that have failed, and no others; null does what is unfinished.
    """

    kind: ClassVar[str]

    name: str | None = None
    outputs: str = "outputs"
    force: bool = False
    plan: bool = False
    only: str | None = None

    def __post_init__(self) -> None:
        if self.name is None:
            self.name = self.kind
        check_name(self.name)
        if self.only not in (None, "failed"):
            raise ValueError(f"only must be failed, or null for all jobs, got {self.only!r}")

    @abstractmethod
    def measure(self) -> Row:
        """What is found: a pure function of the settings (but for times)."""

    @property
    def title(self) -> str:
        """The kind, and the settings that are not the usual ones."""
        usual = type(self)().fields()
        return "-".join([self.kind, *(f"{k}={_readable(v)}" for k, v in self.fields().items() if v != usual[k])])

    def fields(self) -> dict[str, Any]:
        """The values of the fields that the result depends on."""
        return values_of(self, without=NOT_IN_THE_FOLDER)

    def settings(self) -> dict[str, Any]:
        """The same, the kind, and where a class of another package comes from."""
        source = origin(type(self))
        return {"measurement": self.kind, **self.fields(), **({} if source is None else {"source": source})}

    def overrides(self) -> dict[str, Any]:
        """What the command line sets to measure it again: the experiment, and every value."""
        return {"experiment": self.kind, **self.fields()}


def _readable(value: Any) -> str:
    """A setting as part of a folder's name."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
