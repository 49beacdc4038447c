"""What can be chosen by name: the classes of dlcourse, those given to `main`, and those that packages announce."""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

from dlcourse import outside
from dlcourse.cli import schemas

if TYPE_CHECKING:  # these rooms import torch
    from dlcourse.measurements import Measurement
    from dlcourse.networks import Model
    from dlcourse.tasks import Task
    from dlcourse.training import Optimizer

# What is chosen -> the room whose classes are choices, the one that every choice is a child of, and the attribute that
# holds a class's name.
KINDS = {
    "task": ("dlcourse.tasks", "Task", "name"),
    "model": ("dlcourse.networks", "Model", "name"),
    "optimizer": ("dlcourse.training", "Optimizer", "name"),
    "measurement": ("dlcourse.measurements", "Measurement", "kind"),
}


# In a wheel the files of values lie inside the package, in the repository beside it.
CONFIGS = next(path for path in (schemas.PACKAGE / "configs", schemas.PACKAGE.parent / "configs") if path.is_dir())


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
        tasks: "Sequence[type[Task]]" = (),
        models: "Sequence[type[Model]]" = (),
        optimizers: "Sequence[type[Optimizer]]" = (),
        measurements: "Sequence[type[Measurement]]" = (),
    ) -> None:
        given: dict[str, Sequence[type]] = {
            "task": tasks, "model": models, "optimizer": optimizers, "measurement": measurements
        }  # fmt: skip
        self._ours = {what: schemas.named(room, attribute) for what, (room, _, attribute) in KINDS.items()}
        self._given: dict[str, dict[str, list[type]]] = {what: {} for what in KINDS}
        self._announced = dict(zip(KINDS, outside.announced(*(f"{what}s" for what in KINDS)), strict=True))
        for what, classes in given.items():
            for kind in classes:
                name = _name(what, kind)
                self._given[what].setdefault(name, []).append(kind)
                self._the_only(what, name)
                outside.origin(kind)  # refuses a class without a source now rather than in the middle of a sweep

    def names(self, what: str) -> list[str]:
        """The names of one kind: `task`, `model`, `optimizer` or `measurement`; nothing is loaded for them."""
        return sorted({*self._ours[what], *self._foreign_names(what)})

    def without_file(self) -> list[str]:
        """The measurements that no file in `configs/experiment/` chooses, or that are not dlcourse's."""
        files = {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")}
        return sorted({*self.names("measurement")} - files | self._foreign_names("measurement"))

    def load(self, what: str, name: str) -> type:
        """The class of this name.

        Raises:
            ValueError: See `schema`.
        """
        kind: type = schemas.real(self.schema(what, name))
        return kind

    def schema(self, what: str, name: str) -> type:
        """What Hydra composes a choice of: the class's schema; the class itself if it belongs to another package.

        One that a package has announced is imported only now.

        Raises:
            ValueError: If it cannot be loaded, is no child of the class that it should be, calls itself otherwise, or
                the name is taken.
        """
        choice = self._the_only(what, name)
        if isinstance(choice, type):
            return choice
        # A file of values is the choice only where no class has the name, and then Hydra reads it without asking here.
        assert not isinstance(choice, Path)
        kind = outside.load(choice, _parent(what))
        if _name(what, kind) != name:
            raise ValueError(
                f"{outside.said(choice)} must have the name of its entry point, {name}, got {_name(what, kind)}"
            )
        return kind

    def _the_only(self, what: str, name: str) -> type | EntryPoint | Path:
        """The only choice of a name: a class, an entry point or a file of values."""
        ours = [schemas.schema(*self._ours[what][name])] if name in self._ours[what] else []
        choices: list[type | EntryPoint | Path] = [
            *ours, *self._given[what].get(name, []), *self._announced[what].get(name, [])
        ]  # fmt: skip
        file = CONFIGS / ("experiment" if what == "measurement" else what) / f"{name}.yaml"
        # With a measurement of dlcourse, a file of the same name is no conflict: it is the experiment that chooses it.
        if file.exists() and (what != "measurement" or name in self._foreign_names(what)):
            choices.append(file)
        return outside.the_only(what, name, choices)

    def _foreign_names(self, what: str) -> set[str]:
        """The names of classes that are not dlcourse's."""
        return {*self._given[what], *self._announced[what]}


def _parent(what: str) -> type:
    """The class that every choice of a kind is a child of."""
    room, parent, _ = KINDS[what]
    kind: type = getattr(import_module(room), parent)
    return kind


def _name(what: str, kind: type) -> str:
    """What a class is called on the command line."""
    base, attribute = _parent(what), KINDS[what][2]
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ValueError(f"a {what} must be a child of {base.__module__}.{base.__name__}, got {kind!r}")
    name = getattr(kind, attribute, None)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"{outside.said(kind)} must have a {attribute} made of letters, digits and _, got {name!r}")
    return name
