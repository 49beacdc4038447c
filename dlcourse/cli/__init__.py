"""The command line. `main` is the command `dlcourse`; scripts with tasks and networks of their own call it, too."""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcourse.cli.door import main

__all__ = ["main"]


def _end(number: int, frame: Any) -> None:
    """Ends the process at once, with a line."""
    print("\ninterrupted", file=sys.stderr, flush=True)
    os._exit(130)


def __getattr__(name: str) -> Any:
    """Imports `main` when it is asked for: `dlcourse.cli.results` needs neither Hydra nor torch."""
    if name == "main":
        # The import takes half a second, in which people change their minds. An exception in the middle of it would be
        # turned into others by the modules that it goes through.
        before = signal.getsignal(signal.SIGINT)
        is_heard = threading.current_thread() is threading.main_thread() and before is signal.default_int_handler
        if is_heard:  # not so in a job in the background
            signal.signal(signal.SIGINT, _end)
        try:
            from dlcourse.cli.door import main
        finally:
            if is_heard:
                signal.signal(signal.SIGINT, before)

        return main
    raise AttributeError(f"module {__name__} has no attribute {name!r}")
