"""What Hydra does for every command, and none of ours needs: it is left out, which halves the time of a short one."""

from collections.abc import Callable
from typing import Any

from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore


def leave_out_the_unneeded() -> None:
    """Makes Hydra quicker in this process; what it answers stays the same."""
    ConfigStore.__deepcopy__ = _uncopied  # type: ignore[attr-defined]
    Hydra.format_config_groups = _listed_when_shown  # type: ignore[assignment]


def _uncopied(store: ConfigStore, _: dict[int, Any]) -> ConfigStore:
    """Its copy. Hydra copies all of its stored configurations for each group it lists, and again what it takes."""
    return store


class _WhenShown:
    """A text that is made when it is shown.

    Args:
        text: Makes it.
    """

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text()


_list_groups = Hydra.format_config_groups


def _listed_when_shown(hydra: Hydra, predicate: Callable[[str], bool], compact: bool = True) -> _WhenShown:
    """The groups and their choices. Hydra lists them for every help, and that of dlcourse shows a list of its own."""
    return _WhenShown(lambda: _list_groups(hydra, predicate, compact))
