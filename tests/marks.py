"""Which cases of a parametrized test are slow."""

from collections.abc import Iterable
from typing import Any

import pytest


def slow_except(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """The same cases for `pytest.mark.parametrize`, of which only the quick ones are part of `make test-fast`."""
    return [
        case if case in quick else pytest.param(*(case if isinstance(case, tuple) else [case]), marks=pytest.mark.slow)
        for case in cases
    ]
