"""That calls are checked at all: nothing else would tell if they no longer were."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from checking import checked
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from dlcourse.circuits import Circuit, inputs
from dlcourse.losses import SquaredError
from dlcourse.pieces.layer import UnitLayer
from dlcourse.training import Batches


def product(a: Float[Tensor, "rows inner"], b: Float[Tensor, "inner columns"]) -> Float[Tensor, "rows columns"]:
    return a @ b


def transposed(a: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    return a.T


def rows(a: Float[Tensor, "rows columns"], b: Float[Tensor, "rows"]) -> Iterator[Tensor]:
    yield from a * b[:, None]


def nested(pairs: list[tuple[int, Float[Tensor, "n n"]]] | None) -> int:
    return inner(torch.zeros(4)) if pairs is None else pairs[0][0]


@checked
def inner(a: Float[Tensor, "rows"]) -> int:
    return len(a)


@checked
def outer(a: Float[Tensor, "rows"], b: Float[Tensor, "rows"], called: Callable[..., int]) -> Float[Tensor, "rows"]:
    assert called(torch.zeros(len(a) + 1)) == len(a) + 1  # its rows are not these
    return a + b


@checked
@dataclasses.dataclass
class Pair:
    one: Float[np.ndarray, "n"]
    other: Float[np.ndarray, "n"]


def test_each_call_has_sizes_of_its_own() -> None:
    for num_rows in (2, 3):
        assert checked(product)(torch.ones(num_rows, 5), torch.ones(5, 4)).shape == (num_rows, 4)
        assert outer(torch.ones(num_rows), torch.ones(num_rows), inner).tolist() == [2] * num_rows
        assert len(list(checked(rows)(torch.ones(num_rows, 2), torch.ones(num_rows)))) == num_rows
        assert len(Pair(np.ones(num_rows), np.ones(num_rows)).one) == num_rows
    assert checked(transposed)(torch.ones(2, 2)).shape == (2, 2)
    assert checked(nested)([(7, torch.ones(2, 2))]) == 7
    assert checked(nested)(None) == 4


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (checked(product), (torch.ones(2, 3), torch.ones(4, 5))),
        (checked(product), (torch.ones(2, 3), torch.ones(3))),
        (checked(product), (torch.ones(2, 3), torch.ones(3, 4, dtype=torch.int64))),
        (checked(product), (torch.ones(2, 3), np.ones((3, 4)))),
        (checked(transposed), (torch.ones(2, 3),)),
        (checked(rows), (torch.ones(2, 3), torch.ones(3))),  # before the first of them is asked for
        (checked(nested), ([(7, torch.ones(2, 3))],)),
        (outer, (torch.ones(2), torch.ones(3), inner)),
        (Pair, (np.ones(2), np.ones(3))),
        (Pair, (np.ones(2), [1.0, 1.0])),
    ],
)
def test_what_does_not_fit_is_refused(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeCheckError):
        function(*arguments)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [  # methods, dataclasses, a function; with shapes and without
        (SquaredError(), (torch.ones(1, 4, 2), torch.ones(1, 4, 3))),
        (SquaredError().derivative, (torch.ones(1, 4, 2), torch.ones(1, 5, 2))),
        (UnitLayer, (np.ones((1, 2, 3)), np.ones((1, 3)), np.ones((1, 2)))),
        (Batches, ([0], torch.ones(1, 4, 2), torch.ones(1, 5, 2), 3)),
        (inputs, ("4",)),
        (Circuit.__and__, (inputs(1)[0], 3)),
    ],
)
def test_the_library_is_checked(
    request: pytest.FixtureRequest, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    if request.config.getoption("--hypothesis-profile") == "fast":
        pytest.skip("`make test-fast` does without")
    with pytest.raises(TypeCheckError):
        function(*arguments)
