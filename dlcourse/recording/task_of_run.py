"""The task of a run, made again from its configuration: its data and its target stand in no file."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

from dlcourse import outside, tasks
from dlcourse.tasks import Task


def task_of(config: Mapping[str, Any], *, others: Sequence[type[Task]] = ()) -> Task:
    """The task that a run was trained on, with all of its settings.

    Args:
        config: The run's configuration by dotted keys: `{"task.name": "zigzag", "task.num_folds": 3, ...}`.
        others: Classes of tasks that are not part of dlcourse; those that packages announce are found without.

    Raises:
        ValueError: If there is no such task here, it is another one of the same name, or a setting is out of range.
    """
    name = config.get("task.name")
    known: dict[Any, type[Task]] = {kind.name: kind for kind in [*_ours(), *others]}
    if name not in known:
        (announced,) = outside.announced("tasks")
        if name not in announced:
            allowed = ", ".join(sorted({*known, *announced}))
            raise ValueError(f"the run's task must be one of those that are known here ({allowed}), got {name!r}")
        known[name] = outside.load(outside.the_only("task", name, announced[name]), Task)
    kind = known[name]
    if outside.origin(kind) != config.get("task.source"):
        raise ValueError(f"the run's task was {config.get('task.source') or name}, here it is {outside.said(kind)}")
    settings = {key.removeprefix("task."): value for key, value in config.items() if key.startswith("task.")}
    given = [field for field in fields(kind) if field.name in settings]
    return kind(**{field.name: _value(field.type, settings[field.name]) for field in given})


def _value(kind: Any, value: Any) -> Any:
    """A value as its field has it: files know of no enumerations."""
    return kind(value) if isinstance(kind, type) and issubclass(kind, Enum) else value


def _ours() -> list[type[Task]]:
    """The classes of dlcourse's own tasks."""
    return [
        kind
        for kind in vars(tasks).values()
        if isinstance(kind, type) and issubclass(kind, Task) and hasattr(kind, "name")
    ]
