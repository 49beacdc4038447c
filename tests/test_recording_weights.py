"""Which weights a run keeps, and that they come back as they were."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dlcourse.recording.weights import Weights, evenly, kept_steps, read_weights, write_weights

WEIGHTS = Weights([0, 10, 25], {"weight": torch.tensor([[[1.0]], [[2.0]], [[4.0]]]), "bias": torch.zeros(3, 1)})


def test_few_logged_points_are_all_kept() -> None:
    assert kept_steps(0, 100, 400) == [0]
    assert kept_steps(250, 100, 400) == [0, 100, 200, 250]
    assert kept_steps(4900, 100, 400) == list(range(0, 5000, 100))  # 50 points


def test_of_51_points_the_middle_one_is_left_out() -> None:
    assert kept_steps(5000, 100, 400) == [step for step in range(0, 5001, 100) if step != 2500]


def test_large_networks_keep_fewer_points() -> None:
    assert kept_steps(1000, 10, 2**19) == [0, 330, 670, 1000]  # 4 times half a MiB
    assert kept_steps(1000, 10, 2**30) == [0, 1000]


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.integers(1, 10**9))
def test_kept_steps_are_logged_points_spread_evenly(num_steps: int, log_every: int, size: int) -> None:
    steps = kept_steps(num_steps, log_every, size)
    assert steps[0] == 0 and steps[-1] == num_steps
    assert steps == sorted(set(steps))
    assert len(steps) <= 50
    assert len(steps) * size <= 2 * 2**20 or len(steps) <= 2
    assert all(step % log_every == 0 or step == num_steps for step in steps)
    points = [-(-step // log_every) for step in steps]
    gaps = {later - earlier for earlier, later in pairwise(points)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_evenly() -> None:
    assert evenly(21, 5) == [0, 5, 10, 15, 20]
    assert evenly(3, 5) == [0, 1, 2]
    assert evenly(0, 5) == []


def test_weights_are_read_as_they_were_written_and_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_weights(tmp_path, WEIGHTS)
    content = (tmp_path / "weights.pt").read_bytes()
    found = read_weights(tmp_path)
    assert found.steps == WEIGHTS.steps
    assert all(found.parameters[name].equal(value) for name, value in WEIGHTS.parameters.items())
    write_weights(tmp_path, found)
    assert (tmp_path / "weights.pt").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pt"]


def test_networks_are_those_of_the_steps_and_the_given_one_stays_as_it_is() -> None:
    network = nn.Linear(1, 1).eval()
    before = network.weight.item()
    networks = WEIGHTS.networks(network)
    assert [each(torch.ones(1, 1)).item() for each in networks] == [1.0, 2.0, 4.0]
    assert not any(each.training for each in networks)
    (alone,) = WEIGHTS.at(10).networks(network)
    assert alone(torch.ones(1, 1)).item() == 2.0
    networks[0].weight.data.fill_(7)
    assert WEIGHTS.parameters["weight"][0].item() == 1.0
    assert network.weight.item() == before
    assert Weights().networks(network) == []


def test_a_step_that_is_not_kept_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"must be one of those whose weights are kept \(0, 10, 25\), got 20"):
        WEIGHTS.at(20)
    many = Weights(list(range(0, 1000, 100)), {"bias": torch.zeros(10, 1)})
    with pytest.raises(ValueError, match=r"\(0, 100, 200, 300, \.\.\., 800, 900\), got -1"):
        many.at(-1)


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"unless keep_weights is false .* force=true writes one; got "):
        read_weights(tmp_path)
    write_weights(tmp_path, WEIGHTS)
    path = tmp_path / "weights.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"weights\.pt is damaged: "):
        read_weights(tmp_path)
