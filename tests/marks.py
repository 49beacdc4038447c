"""Which cases of a parametrized test are slow, and how many examples a property needs."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings


def slow_except(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """The same cases for `pytest.mark.parametrize`, of which only the quick ones are part of `make test-fast`."""
    return [
        case if case in quick else pytest.param(*(case if isinstance(case, tuple) else [case]), marks=pytest.mark.slow)
        for case in cases
    ]


def volume(num: int) -> int:
    """So many of cases that are alike; five times as many with `pytest --hypothesis-profile=thorough`."""
    return num * (5 if settings().max_examples >= 1000 else 1)


def examples(num: int) -> settings:
    """The same for a property."""
    return settings(max_examples=volume(num), deadline=None)
