"""Counts that say how far they are, and stop at Ctrl-C."""

import re
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from networks import he_network
from torch import nn
from tqdm import tqdm

from dlcourse import pieces
from dlcourse.networks import MLP, stack
from dlcourse.pieces import progress
from dlcourse.pieces.box.cells import CellSubdivision
from dlcourse.pieces.box.subdivision import EdgeSubdivision
from dlcourse.pieces.line.subdivision import Subdivision as OfLines
from dlcourse.pieces.plane.subdivision import Subdivision as OfPlanes

Count = Callable[..., Any]
COUNTS: dict[str, tuple[Count, list[str]]] = {
    "line": (partial(pieces.on_line, start=[-1, -1], end=[1, 1]), ["4layer"]),
    "whole line": (partial(pieces.on_line, origin=[0, 1], direction=[1, 2]), ["5layer"]),  # one takes x to (v, v t)
    "plane": (partial(pieces.on_plane, low=-1, high=1), ["2layer"]),
    "box": (partial(pieces.in_box, low=[-1, -1], high=[1, 1]), ["3layer", "6unit"]),
    "parts": (partial(pieces.in_box, low=[-1, -1], high=[1, 1], num_parts=2), ["2part", "3layer", "6unit"]),
}


@pytest.fixture
def network() -> MLP:
    return he_network(2, [6] * 3, 0, bias=0.5)


@pytest.mark.parametrize("name", COUNTS)
def test_bars_are_shown_to_those_who_ask(name: str, network: MLP, capsys: pytest.CaptureFixture[str]) -> None:
    count, steps = COUNTS[name]
    silent = count(network)
    assert capsys.readouterr() == ("", "")
    assert count(network, progress=True).num_regions == silent.num_regions > 1
    out, err = capsys.readouterr()
    assert out == ""
    bars = {total + unit for total, unit in re.findall(r"0/(\d+) \[\S+<\S*, +\S*?([a-z]+)/s", err)}
    assert bars == set(steps)
    assert not tqdm._instances, "all bars are closed"


def test_segments_of_a_stack_have_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    members = stack([he_network(1, [4, 4], seed) for seed in range(2)])
    pieces.on_lines(members, np.array([[-1.0]]), np.array([[1.0]]), progress=True)
    assert "0/3" in capsys.readouterr().err


def test_a_bar_says_what_has_been_found(monkeypatch: pytest.MonkeyPatch, network: MLP) -> None:
    said: list[str] = []
    monkeypatch.setattr(tqdm, "set_postfix_str", lambda self, words, refresh: said.append(words))
    line = pieces.on_line(network, [-1, -1], [1, 1], progress=True)
    assert said[-1] == f"{line.num_regions} regions"
    numbers = [int(words.split()[0]) for words in said]
    assert len(numbers) == 4
    assert numbers[0] > 1
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("name", COUNTS)
def test_an_interrupted_bar_ends_the_count(name: str, network: MLP, monkeypatch: pytest.MonkeyPatch) -> None:
    count, _ = COUNTS[name]
    with monkeypatch.context() as patch:
        patch.setattr(tqdm, "update", lambda _: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            count(network, progress=True)
    assert not tqdm._instances
    assert progress._open_bars.get() is None
    assert count(network).num_regions > 1


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("line", OfLines),
        ("whole line", OfLines),
        ("plane", OfPlanes),
        ("box", EdgeSubdivision),
        ("parts", EdgeSubdivision),
    ],
)
def test_ctrl_c_ends_a_count_at_once(name: str, where: Any, network: MLP, monkeypatch: pytest.MonkeyPatch) -> None:
    check_interrupted(COUNTS[name][0], network, where, monkeypatch)


def test_ctrl_c_ends_a_count_in_integers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ties = he_network(2, [4, 4], 0, bias=0.0)  # all units are zero at 0
    check_interrupted(COUNTS["box"][0], ties, CellSubdivision, monkeypatch)


def check_interrupted(count: Count, network: nn.Module, where: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes in the middle of the second cut; nothing may be cut afterwards."""
    name = "_cut" if hasattr(where, "_cut") else "cut"
    calls, cut = [], getattr(where, name)

    def interrupted(self: Any, *arguments: Any, **named: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        cut(self, *arguments, **named)

    monkeypatch.setattr(where, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        count(network)
    assert len(calls) == 2
