"""dlcourse: what does depth buy over width? The lecture "Deep Neural Networks" as modules, counts and experiments.

`import dlcourse` takes no time: each room below is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcourse import circuits, layerwise, lecture, losses, networks, pieces, tasks, training
    from dlcourse.recording.loading import load, load_results

__version__ = "0.6.0"

_ROOMS = ("circuits", "layerwise", "lecture", "losses", "networks", "pieces", "tasks", "training")

__all__ = [
    "__version__", "circuits", "layerwise", "lecture", "load", "load_results", "losses", "networks", "pieces", "tasks",
    "training",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imports a room, or the way back from a run's folder, when it is first asked for."""
    if name in _ROOMS:
        return import_module(f"dlcourse.{name}")
    if name in ("load", "load_results"):
        return getattr(import_module("dlcourse.recording.loading"), name)
    raise AttributeError(f"module {__name__} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is, imported or not."""
    return __all__
