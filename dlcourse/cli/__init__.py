"""The command line. `main` is the command `dlcourse`; scripts with tasks and networks of their own call it, too."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcourse.cli.door import main

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    """Imports `main` when it is asked for: `dlcourse.cli.results` needs neither Hydra nor torch."""
    if name == "main":
        try:
            from dlcourse.cli.door import main
        except KeyboardInterrupt:  # it takes two seconds, in which people change their minds
            print("\ninterrupted", file=sys.stderr)
            raise SystemExit(130) from None

        return main
    raise AttributeError(f"module {__name__} has no attribute {name!r}")
