"""How far a command is: a progress bar on a terminal, else a plain line now and then."""

import contextlib
import json
import math
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

# Without a terminal a line is written after so many seconds at the latest, and for every tenth of the work, but no
# sooner than after so many.
AT_THE_LATEST, AT_THE_SOONEST = 60.0, 10.0


class Progress:
    """How far some jobs are, shown on stderr.

    Args:
        num_jobs: How many jobs there are.
        total: How much work they are.
        unit: What the work is counted in.
        kind: What the jobs are: "runs".
        shown: Whether to show anything.
    """

    def __init__(self, num_jobs: int, total: int, *, unit: str, kind: str, shown: bool) -> None:
        from tqdm import tqdm  # takes a twentieth of a second to import

        is_terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total, unit=unit, unit_scale=True, disable=not (shown and total and is_terminal))
        self._writes_lines = shown and not is_terminal and num_jobs > 0
        self._num_jobs, self._total, self._kind = num_jobs, total, kind
        self._num_done = self._num_failed = 0
        self._started = self._written = time.monotonic()
        self.amount = 0
        """The work that is done."""
        self._tenth = 0
        if num_jobs > 1:
            self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, amount: int, losses: Sequence[float] = ()) -> None:
        """More work is done.

        Args:
            amount: How much; negative if some has to be done again.
            losses: The present training losses.
        """
        self.amount += amount
        finite = [loss for loss in losses if math.isfinite(loss)]
        if finite:
            self._bar.set_postfix_str(f"loss {min(finite):.2g} to {max(finite):.2g}", refresh=False)
        self._bar.update(amount)
        self._write_if_it_is_time()

    def done(self, *, has_failed: bool) -> None:
        """One more job is done."""
        self._num_done += 1
        self._num_failed += has_failed
        if self._num_failed:
            self._bar.set_description_str(f"{self._num_failed} failed")
        self._write_if_it_is_time()

    def _write_if_it_is_time(self) -> None:
        """Writes a line if a minute has gone by, or a tenth of the work, since the last one."""
        waited = time.monotonic() - self._written
        has_new_tenth = 10 * self.amount // max(self._total, 1) > self._tenth
        if waited > AT_THE_LATEST or (waited > AT_THE_SOONEST and has_new_tenth):
            self._write()

    def _write(self) -> None:
        """Writes a line."""
        if not self._writes_lines:
            return
        self._written = time.monotonic()
        self._tenth = 10 * self.amount // max(self._total, 1)
        words = [f"{self._num_done} of {self._num_jobs} {self._kind} done"]
        if self._num_failed:
            words.append(f"{self._num_failed} failed")
        if 0 < self.amount < self._total:
            left = (self._written - self._started) * (self._total - self.amount) / self.amount
            words.append(f"about {in_minutes(left)} left")
        print(", ".join(words), file=sys.stderr, flush=True)


@contextlib.contextmanager
def watched(notes: Path, shown: Progress) -> Iterator[None]:
    """Shows, four times a second, how far the workers say they are.

    Args:
        notes: A folder with a file of each stack that is trained: the work that is done, and the losses, as JSON.
        shown: Where it is shown.
    """
    stopped = threading.Event()

    def look() -> None:
        said = [json.loads(path.read_text()) for path in notes.glob("[0-9a-f]*")]
        losses = [loss for _, stack_losses in said for loss in stack_losses]
        shown.advance(sum(done for done, _ in said) - shown.amount, losses)

    def watch() -> None:
        while not stopped.wait(0.25):
            look()
        look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def in_minutes(seconds: float) -> str:
    """A time for people: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
