"""The command line. `main` is the command `dlcourse`; scripts with tasks and networks of their own call it, too."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcourse.cli.door import main

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    """Imports `main` when it is asked for: `dlcourse.cli.results` needs neither Hydra nor torch."""
    if name == "main":
        from dlcourse.cli.door import main

        return main
    raise AttributeError(f"module {__name__} has no attribute {name!r}")
