"""What can be chosen by name: the classes of dlcourse, those given to `main`, and those that packages announce."""

import inspect
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
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


# In a wheel the files of values lie inside the package, in the repository beside it.
_PACKAGE = Path(__file__).resolve().parent.parent
CONFIGS = next(path for path in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if path.is_dir())


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
        self._classes: dict[str, dict[str, list[type]]] = {what: _ours(what) for what in KINDS}
        self._given: dict[str, set[str]] = {what: set() for what in KINDS}
        self._announced = {what: outside.announced(f"{what}s") for what in KINDS}
        for what, classes in given.items():
            for kind in classes:
                name = _name(what, kind)
                self._classes[what].setdefault(name, []).append(kind)
                self._given[what].add(name)
                self._the_only(what, name)
                outside.origin(kind)  # refuses a class without a source now rather than in the middle of a sweep

    def names(self, what: str) -> list[str]:
        """The names of one kind: `task`, `model`, `optimizer` or `measurement`; nothing is loaded for them."""
        return sorted({*self._classes[what], *self._announced[what]})

    def without_file(self) -> list[str]:
        """The measurements that no file in `configs/experiment/` chooses, or that are not dlcourse's."""
        files = {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")}
        return sorted({*self.names("measurement")} - files | self._foreign_names("measurement"))

    def load(self, what: str, name: str) -> type:
        """The class of this name, imported only now if a package has announced it.

        Raises:
            ValueError: If it cannot be loaded, is no child of the class that it should be, calls itself otherwise, or
                the name is taken.
        """
        choice = self._the_only(what, name)
        if isinstance(choice, type):
            return choice
        # A file of values is the choice only where no class has the name, and then Hydra reads it without asking here.
        assert isinstance(choice, EntryPoint)
        kind = outside.load(choice, KINDS[what][0])
        if _name(what, kind) != name:
            raise ValueError(
                f"{outside.said(choice)} must have the name of its entry point, {name}, got {_name(what, kind)}"
            )
        return kind

    def _the_only(self, what: str, name: str) -> type | EntryPoint | Path:
        """The only choice of a name: a class, an entry point or a file of values."""
        choices: list[type | EntryPoint | Path] = [
            *self._classes[what].get(name, []), *self._announced[what].get(name, [])
        ]  # fmt: skip
        file = CONFIGS / ("experiment" if what == "measurement" else what) / f"{name}.yaml"
        # With a measurement of dlcourse, a file of the same name is no conflict: it is the experiment that chooses it.
        if file.exists() and (what != "measurement" or name in self._foreign_names(what)):
            choices.append(file)
        return outside.the_only(what, name, choices)

    def _foreign_names(self, what: str) -> set[str]:
        """The names of classes that are not dlcourse's."""
        return {*self._given[what], *self._announced[what]}


def _ours(what: str) -> dict[str, list[type]]:
    """The classes of one kind that dlcourse has: all that can be made of those that the room exports."""
    base, room, attribute = KINDS[what]
    return {
        getattr(kind, attribute): [kind]
        for kind in vars(room).values()
        if isinstance(kind, type) and issubclass(kind, base) and not inspect.isabstract(kind) and kind is not base
    }


def _name(what: str, kind: type) -> str:
    """What a class is called on the command line."""
    base, _, attribute = KINDS[what]
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ValueError(f"a {what} must be a child of {base.__module__}.{base.__name__}, got {kind!r}")
    name = getattr(kind, attribute, None)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"{outside.said(kind)} must have a {attribute} made of letters, digits and _, got {name!r}")
    return name
