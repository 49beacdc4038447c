"""Files of torch whose pickle is not made again are those that `torch.save` writes."""

import io
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from dlcourse.networks import MLP
from dlcourse.recording import torch_files
from dlcourse.recording.torch_files import MAX_KNOWN, torch_bytes


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_files, "_known", {})


def by_torch(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def test_networks_of_one_architecture_have_the_bytes_of_torch_and_one_pickle() -> None:
    for _ in range(3):
        network = MLP(2, 1, width=4, depth=2)
        assert torch_bytes(network.state_dict()) == by_torch(network.state_dict())
    assert len(torch_files._known) == 1


def test_what_is_read_are_the_values_of_the_second() -> None:
    first, second = (MLP(1, 1, width=3, depth=1).state_dict() for _ in range(2))
    torch_bytes(first)
    read = torch.load(io.BytesIO(torch_bytes(second)), weights_only=True)
    assert list(read) == list(second) and all(read[name].equal(value) for name, value in second.items())
    assert not any(read[name].equal(first[name]) for name in first)


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.zeros(2, 3), "b": torch.ones(3)},  # another shape
        {"a": torch.zeros(3, 2, dtype=torch.float64), "b": torch.ones(3)},  # another type
        {"a": torch.zeros(3, 2, requires_grad=True), "b": torch.ones(3)},
        {"b": torch.zeros(3, 2), "a": torch.ones(3)},  # another name
        OrderedDict({"a": torch.zeros(3, 2), "b": torch.ones(3)}),  # another kind of dictionary
        {"a": [torch.zeros(3, 2)], "b": torch.ones(3)},
        {"a": torch.zeros(3, 2), "b": torch.ones(3), "c": True},  # 1 == True == 1.0
        {"a": torch.zeros(3, 2), "b": torch.ones(3), "c": 1.0},
        {"a": torch.zeros(3, 2), "b": torch.ones(3), "c": 0.0},  # 0.0 == -0.0
        {"a": torch.zeros(3, 2), "b": torch.ones(3), "c": -0.0},
        # what is not looked at closely, and is pickled by torch alone
        {"a": torch.zeros(2, 3).T, "b": torch.ones(3)},
        {"a": torch.zeros(4, 2)[:3], "b": torch.ones(3)},
        {"a": (value := torch.zeros(3, 2)), "b": value[0, :]},
        {"a": (value := torch.zeros(3, 2)), "b": value},
        {"a": nn.Parameter(torch.zeros(3, 2)), "b": torch.ones(3)},
        {"a": torch.zeros(3, 2), "b": (1, 2)},
        {"a": torch.zeros(0), "b": torch.zeros(0)},
    ],
)
def test_what_is_no_more_than_similar_is_told_apart(other: Any) -> None:
    known = {"a": torch.zeros(3, 2), "b": torch.ones(3)}
    for more in ({}, {"c": 1}, {"c": 0.0}):
        torch_bytes(known | more)
    for _ in range(2):
        assert torch_bytes(other) == by_torch(other)


def test_layers_of_other_versions_are_told_apart() -> None:
    network = nn.BatchNorm1d(2)
    later, earlier = network.state_dict(), network.state_dict()
    earlier._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    torch_bytes(later)
    assert torch_bytes(earlier) == by_torch(earlier) != by_torch(later)


def test_no_more_pickles_are_kept_than_said() -> None:
    for size in range(3 * MAX_KNOWN):
        content = {"a": torch.arange(size)}
        assert torch_bytes(content) == by_torch(content)
        assert len(torch_files._known) <= MAX_KNOWN
