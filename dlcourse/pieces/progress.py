"""How far a count is, as bars on stderr: for those who ask for them, and at no cost for others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

_Step = TypeVar("_Step")

_open_bars: ContextVar[list[Any] | None] = ContextVar("open_bars", default=None)  # None: none are shown


@contextmanager
def bars(shown: bool) -> Iterator[None]:
    """Shows bars for what is counted in here, or none.

    All of them are closed at the end, also if an error or Ctrl-C is what ends it.
    """
    opened: list[Any] = []
    token = _open_bars.set(opened if shown else None)
    try:
        yield
    finally:
        _open_bars.reset(token)
        for bar in reversed(opened):
            bar.close()


def each(steps: Sequence[_Step], unit: str, found: Callable[[], str] | None = None) -> Iterable[_Step]:
    """Steps one after another, under a bar if bars are shown.

    Args:
        steps: The steps.
        unit: What a step is: "layer".
        found: Tells in a few words what has been found so far.
    """
    opened = _open_bars.get()
    return steps if opened is None else _under_a_bar(steps, unit, found, opened)


def _under_a_bar(
    steps: Sequence[_Step], unit: str, found: Callable[[], str] | None, opened: list[Any]
) -> Iterator[_Step]:
    """Steps one after another, under a bar that is gone when they are done."""
    from tqdm import tqdm  # takes a twentieth of a second to import

    bar = tqdm(total=len(steps), unit=unit, leave=False)
    opened.append(bar)
    for step in steps:
        yield step
        if found is not None:
            bar.set_postfix_str(found(), refresh=False)
        bar.update()
    opened.remove(bar)
    bar.close()
