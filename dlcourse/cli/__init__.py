"""The command line. `main` is the command `dlcourse`; scripts with tasks and networks of their own call it, too."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcourse.cli.door import main

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    """Imports `main` when it is asked for: `dlcourse.cli.results` needs no Hydra."""
    if name == "main":
        from dlcourse.cli.interrupts import ends_at_once

        with ends_at_once():
            from dlcourse.cli.door import main

        return main
    raise AttributeError(f"module {__name__} has no attribute {name!r}")
