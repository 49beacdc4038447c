"""Where the pieces of networks in training are counted: on a rectangle of the plane, at a few steps."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.jobs import counts
from dlcourse.jobs.counts import NUM_PLANES, Rectangle
from dlcourse.networks import MLP, stack


def due(num_steps: int, log_every: int) -> list[int]:
    """The logged steps at which pieces are counted."""
    rectangle = Rectangle((0.0, 0.0), (1.0, 1.0), num_steps, log_every)
    logged = sorted({*range(0, num_steps + 1, log_every), num_steps})
    return [step for step in logged if rectangle.is_due(step)]


def test_steps_by_hand() -> None:
    assert due(10000, 100) == [0, 2500, 5000, 7500, 10000]
    assert due(1000, 300) == [0, 300, 600, 900, 1000]
    assert due(3, 1) == [0, 1, 2, 3]
    assert due(100, 1000) == [0, 100]
    assert due(0, 100) == [0]


@given(st.integers(0, 5000), st.integers(1, 700))
def test_the_first_and_the_last_step_and_few_between(num_steps: int, log_every: int) -> None:
    found = due(num_steps, log_every)
    assert (found[0], found[-1]) == (0, num_steps)
    assert len(found) <= NUM_PLANES + 1  # a last step that is no multiple can come right after one that is


def three_lines() -> MLP:
    """max(0, x) + max(0, y) + max(0, x + y - 1): three lines in general position make 7 regions of one map each."""
    network = MLP(2, 1, width=3, depth=1)
    with torch.no_grad():
        network.hidden.layers[0].weight[:] = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        network.hidden.layers[0].bias[:] = torch.tensor([0.0, 0.0, -1.0])
        network.output.weight[:] = 1.0
        network.output.bias[:] = 0.0
    return network


def test_regions_of_the_plane_by_hand() -> None:
    whole = Rectangle((-1.0, -1.0), (2.0, 2.0), 10, 1).counts(stack([three_lines(), three_lines()]), [0, 1])
    assert {name: count.tolist() for name, count in whole.items()} == {
        "num_pieces": [[7], [7]],
        "num_regions": [[7], [7]],
    }
    # In the square between 0 and 1, only the line x + y = 1 cuts.
    inside = Rectangle((0.0, 0.0), (1.0, 1.0), 10, 1).counts(stack([three_lines()]), [0])
    assert inside["num_pieces"].tolist() == [[2]]


def test_too_many_regions_are_not_counted_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(counts, "MAX_REGIONS", 3)
    found = Rectangle((-1.0, -1.0), (2.0, 2.0), 10, 1).counts(stack([three_lines()]), [0])
    assert math.isnan(found["num_pieces"][0, 0])
    assert capsys.readouterr().err.startswith("pieces are not counted: ")
