"""Classes of other people's packages and scripts: which are announced, and where a class comes from."""

import hashlib
import inspect
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TypeVar

Choice = TypeVar("Choice", bound=EntryPoint | type | Path)


def announced(*groups: str) -> list[dict[str, list[EntryPoint]]]:
    """The classes that installed packages announce by entry points, by their names; none of them is loaded.

    Args:
        *groups: `tasks`, `models`, `optimizers` or `measurements`; the group of the entry points is `dlcourse.<group>`.

    Returns:
        Those of each group.
    """
    points = entry_points()  # reads a file of every installed package
    found: list[dict[str, list[EntryPoint]]] = [{} for _ in groups]
    for group, of_group in zip(groups, found, strict=True):
        for point in points.select(group=f"dlcourse.{group}"):
            of_group.setdefault(point.name, []).append(point)
    return found


def load(point: EntryPoint, kind: type) -> type:
    """The class of an entry point.

    Args:
        point: What a package has announced.
        kind: What the class must be a child of.

    Raises:
        ValueError: If it cannot be loaded, or is no child of `kind`.
    """
    try:
        loaded = point.load()
    except Exception as error:  # importing somebody else's module may raise anything
        raise ValueError(f"{said(point)} cannot be loaded: {type(error).__name__}: {error}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, kind)):
        raise ValueError(f"{said(point)} must be a child of {kind.__module__}.{kind.__name__}, got {loaded!r}")
    return loaded


def the_only(what: str, name: str, choices: Sequence[Choice]) -> Choice:
    """The only choice of a name.

    Args:
        what: What is chosen: "task".
        name: Its name.
        choices: All that have this name, at least one.

    Raises:
        ValueError: If there are several; names them all.
    """
    if len(choices) > 1:
        raise ValueError(f"{what} {name} must be one choice, got {' and '.join(map(said, choices))}")
    return choices[0]


def said(choice: EntryPoint | type | Path) -> str:
    """How messages name a class, an entry point or a file of values."""
    if isinstance(choice, Path):
        return str(choice)
    if isinstance(choice, type):
        return f"{choice.__module__}:{choice.__qualname__}"
    # Not asked whether it is an EntryPoint: where importlib_metadata is imported, as by Dask, it is one of that kind.
    package = choice.dist
    return choice.value if package is None else f"{choice.value} of the package {package.name} {package.version}"


def origin(kind: type) -> str | None:
    """What tells a class of another package from others of the same name: module, qualified name, hash of the source.

    The source is all of the file that defines the class, and the files of its parents that do not belong to dlcourse or
    to Python. It is read once and kept with the class, so that a class that is sent to a worker process keeps it.

    Args:
        kind: Any class.

    Returns:
        For instance "lab.Sawtooth-3f2a90c1d4"; None for a class of dlcourse, which its name is enough for.

    Raises:
        ValueError: If the class is not defined in a file.
    """
    if _is_ours(kind):
        return None
    if "dlcourse_origin" not in vars(kind):
        digest = hashlib.sha256()
        for parent in kind.__mro__:
            if not _is_ours(parent):
                digest.update(_source(parent))
        kind.dlcourse_origin = f"{_module(kind)}.{kind.__qualname__}-{digest.hexdigest()[:10]}"  # type: ignore[attr-defined]
    known: str = vars(kind)["dlcourse_origin"]
    return known


def _module(kind: type) -> str:
    """The module of a class; for a script that is run, the name by which it would be imported."""
    if kind.__module__ != "__main__":
        return kind.__module__
    main = sys.modules["__main__"]
    if main.__spec__ is not None:  # started by `python -m module`, which leaves the module's name here
        return main.__spec__.name
    return Path(inspect.getsourcefile(kind) or "").stem


def _is_ours(kind: type) -> bool:
    """Whether a class belongs to dlcourse or to Python itself."""
    package = kind.__module__.partition(".")[0]
    return package == "dlcourse" or (package in sys.stdlib_module_names and package != "__main__")


def _source(kind: type) -> bytes:
    """The file that defines a class."""
    try:
        path = inspect.getsourcefile(kind)
        content = None if path is None else Path(path).read_bytes()
    except (OSError, TypeError):  # a class that was typed in, say at a prompt
        content = None
    if content is None:
        raise ValueError(f"{said(kind)} must be defined in a file: the names of its results depend on the source")
    return content
