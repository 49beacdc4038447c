"""Files of torch into which other values were put are those that `torch.save` writes."""

import io
import math
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_networks_of_one_architecture_have_the_bytes_of_torch(dtype: torch.dtype) -> None:
    for depth in range(3):
        for _ in range(5):
            network = MLP(2, 1, width=4, depth=depth, dtype=dtype)
            assert torch_bytes(network.state_dict()) == by_torch(network.state_dict())
    assert [known.is_proven for known in torch_files._known.values()] == [True] * 3


def test_torch_writes_no_more_than_the_first_two(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [MLP(1, 1, width=3, depth=1).state_dict() for _ in range(6)]
    expected = [by_torch(content) for content in contents]
    calls: list[Any] = []
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda content, file: (calls.append(content), save(content, file)))
    assert [torch_bytes(content) for content in contents] == expected
    assert calls == contents[:2]


def test_what_is_read_are_the_values_of_each() -> None:
    networks = [MLP(1, 1, width=3, depth=1).state_dict() for _ in range(4)]
    for network in networks:
        read = torch.load(io.BytesIO(torch_bytes(network)), weights_only=True)
        assert list(read) == list(network) and all(read[name].equal(value) for name, value in network.items())


def test_layers_with_whole_numbers_and_numbers_that_are_none() -> None:
    for value in (0.0, -0.0, math.nan, math.inf):
        network = nn.BatchNorm1d(2)
        nn.init.constant_(network.weight, value)
        network(torch.rand(4, 2))
        assert torch_bytes(network.state_dict()) == by_torch(network.state_dict())
    (known,) = torch_files._known.values()
    assert known.is_proven


def test_where_torch_gives_the_parts_other_names_it_writes_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_files, "ID", "another name")
    for _ in range(5):
        network = MLP(1, 1, width=3, depth=1)
        assert torch_bytes(network.state_dict()) == by_torch(network.state_dict())


def test_where_torch_writes_other_files_it_writes_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    filled = torch_files._Archive.filled
    monkeypatch.setattr(torch_files._Archive, "filled", lambda known, values: filled(known, values) + b"something new")
    for _ in range(5):
        network = MLP(1, 1, width=3, depth=1)
        assert torch_bytes(network.state_dict()) == by_torch(network.state_dict())
    (known,) = torch_files._known.values()
    assert not known.is_proven


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
        # what is not looked at closely, and is written by torch alone
        {"a": torch.zeros(3, 2, dtype=torch.bfloat16), "b": torch.ones(3)},
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
    for more in [{}, {"c": 1}, {"c": 0.0}] * 3:
        torch_bytes(known | more)
    for _ in range(4):
        assert torch_bytes(other) == by_torch(other)


def test_layers_of_other_versions_are_told_apart() -> None:
    network = nn.BatchNorm1d(2)
    later, earlier = network.state_dict(), network.state_dict()
    earlier._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    for _ in range(3):
        torch_bytes(later)
    assert torch_bytes(earlier) == by_torch(earlier) != by_torch(later)


def test_no_more_files_are_kept_than_said() -> None:
    for size in range(3 * MAX_KNOWN):
        content = {"a": torch.arange(size)}
        assert torch_bytes(content) == by_torch(content)
        assert len(torch_files._known) <= MAX_KNOWN
