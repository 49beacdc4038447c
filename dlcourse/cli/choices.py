"""What can be chosen by name: the classes of dlcourse, those given to `main`, and those that packages announce."""

import inspect
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from types import ModuleType

from dlcourse import measurements, networks, outside, tasks, training
from dlcourse.measurements import Measurement
from dlcourse.networks import Model
from dlcourse.tasks import Task
from dlcourse.training import Optimizer

# What is chosen -> the class that every choice is a child of, the room whose classes are choices, and the attribute
# that holds a class's name.
KINDS: dict[str, tuple[type, ModuleType, str]] = {
    "task": (Task, tasks, "name"),
    "model": (Model, networks, "name"),
    "optimizer": (Optimizer, training, "name"),
    "measurement": (Measurement, measurements, "kind"),
}


class Choices:
    """All choices of every kind, by their names.

    Args:
        tasks: Tasks besides those of dlcourse and of packages that announce some.
        models: Networks, likewise.
        optimizers: Optimizers, likewise.
        measurements: Measurements, likewise.

    Raises:
        ValueError: If one is no child of the class that it should be, has no name, or a name that is taken.
    """

    def __init__(
        self,
        *,
        tasks: Sequence[type[Task]] = (),
        models: Sequence[type[Model]] = (),
        optimizers: Sequence[type[Optimizer]] = (),
        measurements: Sequence[type[Measurement]] = (),
    ) -> None:
        given: dict[str, Sequence[type]] = {
            "task": tasks, "model": models, "optimizer": optimizers, "measurement": measurements
        }  # fmt: skip
        self._classes = {what: _ours(what) for what in KINDS}
        for what, classes in given.items():
            for kind in classes:
                name = _name(what, kind)
                other = self._classes[what].setdefault(name, kind)
                if other is not kind:
                    raise _taken(what, name, other, kind)
                outside.origin(kind)  # refuses a class without a source now rather than in the middle of a sweep
        self._announced: dict[str, dict[str, EntryPoint]] = {}

    def names(self, what: str) -> list[str]:
        """The names of one kind: `task`, `model`, `optimizer` or `measurement`; nothing is loaded for them."""
        return sorted({*self._classes[what], *self._points(what)})

    def load(self, what: str, name: str) -> type:
        """The class of this name, imported only now if a package has announced it.

        Raises:
            ValueError: If it cannot be loaded, is no child of the class that it should be, calls itself otherwise, or
                the name is taken.
        """
        point = self._points(what).get(name)
        if point is None:
            return self._classes[what][name]
        if name in self._classes[what]:
            raise _taken(what, name, self._classes[what][name], point)
        kind = outside.load(point, KINDS[what][0])
        if _name(what, kind) != name:
            raise ValueError(
                f"{outside.said(point)} must have the name of its entry point, {name}, got {_name(what, kind)}"
            )
        return kind

    def _points(self, what: str) -> dict[str, EntryPoint]:
        """What packages have announced of one kind."""
        if what not in self._announced:
            self._announced[what] = outside.announced(f"{what}s")
        return self._announced[what]


def _ours(what: str) -> dict[str, type]:
    """The classes of one kind that dlcourse has: all that can be made of those that the room exports."""
    base, room, _ = KINDS[what]
    return {
        _name(what, kind): kind
        for kind in vars(room).values()
        if isinstance(kind, type) and issubclass(kind, base) and not inspect.isabstract(kind) and kind is not base
        and getattr(kind, KINDS[what][2], None)
    }  # fmt: skip


def _name(what: str, kind: type) -> str:
    """What a class is called on the command line."""
    base, _, attribute = KINDS[what]
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ValueError(f"a {what} must be a child of {base.__module__}.{base.__name__}, got {kind!r}")
    name = getattr(kind, attribute, None)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"{outside.said(kind)} must have a {attribute} made of letters, digits and _, got {name!r}")
    return name


def _taken(what: str, name: str, one: type | EntryPoint, other: type | EntryPoint) -> ValueError:
    """What there is to say of two choices of one name."""
    return ValueError(f"the {what} {name} must be one class, got {outside.said(one)} and {outside.said(other)}")
