"""Classes of other people's packages and scripts: which are announced, and where a class comes from."""

import hashlib
import inspect
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path


def announced(group: str) -> dict[str, EntryPoint]:
    """The classes that installed packages announce by entry points, by their names; none of them is loaded.

    Args:
        group: `tasks`, `models`, `optimizers` or `measurements`; the group of the entry points is `dlcourse.<group>`.

    Raises:
        ValueError: If two packages announce a class of one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"dlcourse.{group}"):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise ValueError(f"{point.name} must be one class in dlcourse.{group}, got {said(other)} and {said(point)}")
    return found


def load(point: EntryPoint, kind: type) -> type:
    """The class of an entry point.

    Args:
        point: What a package has announced.
        kind: What the class must be a child of.

    Raises:
        ValueError: If it cannot be loaded, is no child of `kind`, or has another name than the entry point.
    """
    try:
        loaded = point.load()
    except Exception as error:  # importing somebody else's module may raise anything
        raise ValueError(f"{said(point)} cannot be loaded: {type(error).__name__}: {error}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, kind)):
        raise ValueError(f"{said(point)} must be a child of {kind.__module__}.{kind.__name__}, got {loaded!r}")
    return loaded


def said(choice: EntryPoint | type) -> str:
    """How messages name a class."""
    if isinstance(choice, EntryPoint):
        package = choice.dist
        return choice.value if package is None else f"{choice.value} of the package {package.name} {package.version}"
    return f"{choice.__module__}:{choice.__qualname__}"


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
        kind.dlcourse_origin = f"{kind.__module__}.{kind.__qualname__}-{digest.hexdigest()[:10]}"  # type: ignore[attr-defined]
    known: str = vars(kind)["dlcourse_origin"]
    return known


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
