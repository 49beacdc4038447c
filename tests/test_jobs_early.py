"""Which sweeps are sure to need worker processes, before any of their jobs has been composed."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.cli.schemas import schema
from dlcourse.jobs.config import Compare, RunConfig
from dlcourse.jobs.early import least_seconds, num_early
from dlcourse.jobs.estimate import num_seconds
from dlcourse.jobs.workers import Workers
from dlcourse.measurements import PiecesByDesign
from dlcourse.networks import MLPModel
from dlcourse.tasks import ZigZag
from dlcourse.training import Adam

FOUR = Workers(num=4)


@pytest.fixture
def run(tmp_path: Path) -> RunConfig:
    """2,000 of these take 8 seconds: 4 milliseconds each, and nearly nothing for their one step."""
    return RunConfig(task=ZigZag(), optimizer=Adam(), num_steps=1, device="cpu", outputs=str(tmp_path))


def finish(folder: Path, num: int) -> None:
    """Leaves as many finished jobs there."""
    for number in range(num):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "metrics.json").touch()


def test_many_short_runs_need_workers_and_few_do_not(run: RunConfig) -> None:
    assert num_early([run], 2000, FOUR) == 4
    assert num_early([run], 1000, FOUR) == 0


def test_long_runs_need_them_too(run: RunConfig) -> None:
    assert num_early([replace(run, num_steps=10**6)], 8, FOUR) == 4
    assert num_early([replace(run, num_steps=10**6)], 3, FOUR) == 3  # one each
    assert num_early([run, replace(run, num_steps=10**6)], 8, FOUR) == 4  # half of them are long


def test_what_is_finished_is_no_work(run: RunConfig, tmp_path: Path) -> None:
    finish(tmp_path / "zigzag", 1000)
    assert num_early([run], 2000, FOUR) == 0
    assert num_early([run], 3000, FOUR) == 4
    assert num_early([replace(run, force=True)], 2000, FOUR) == 4
    assert num_early([replace(run, name="elsewhere")], 2000, FOUR) == 4


def test_folders_that_are_not_finished_are_work(run: RunConfig, tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / "zigzag" / str(number)).mkdir(parents=True)
    assert num_early([run], 2000, FOUR) == 4


@pytest.mark.parametrize("changes", [{"plan": True}, {"only": "failed"}, {"compare": Compare(pilots=4)}])
def test_what_may_not_be_done_at_all_is_not_prepared(run: RunConfig, changes: dict[str, Any]) -> None:
    assert num_early([replace(run, **changes)], 2000, FOUR) == 0


def test_measurements_say_nothing_of_their_work() -> None:
    assert num_early([PiecesByDesign()], 10**6, FOUR) == 0


@pytest.mark.parametrize(
    "workers", [Workers(1), Workers(None, "dask", "tcp://localhost:1"), Workers(4, "dask", "tcp://localhost:1")]
)
def test_workers_that_are_not_processes_of_this_machine_are_not_started(run: RunConfig, workers: Workers) -> None:
    assert num_early([run], 2000, workers) == 0


def test_a_cuda_device_is_left_to_this_process(run: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlcourse.jobs.workers._num_cores", lambda: 3)
    of_device = {device: replace(run) for device in ("auto", "cpu")}
    of_device["auto"].device = "auto"  # type: ignore[assignment]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert {device: num_early([each], 2000, Workers(None)) for device, each in of_device.items()} == {
        "auto": 3,
        "cpu": 3,
    }
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi" if name == "nvidia-smi" else None)
    assert {device: num_early([each], 2000, Workers(None)) for device, each in of_device.items()} == {
        "auto": 0,
        "cpu": 3,
    }
    assert num_early([of_device["auto"]], 2000, FOUR) == 4  # who says how many gets them


def test_schemas_are_enough(tmp_path: Path) -> None:
    task, optimizer = schema("dlcourse.tasks.zigzag", "ZigZag"), schema("dlcourse.training", "Adam")
    run = schema("dlcourse.jobs.config", "RunConfig")(task=task(), optimizer=optimizer(), outputs=str(tmp_path))
    assert run.num_steps == 5000
    assert num_early([run], 1000, FOUR) == 4
    finish(tmp_path / "zigzag", 1000)
    assert num_early([run], 1000, FOUR) == 0


@given(
    depth=st.integers(0, 5),
    width=st.integers(1, 100),
    num_steps=st.integers(0, 10**6),
    batch_size=st.none() | st.integers(1, 10**4),
    num=st.integers(1, 64),
)
def test_no_stack_is_taken_to_be_shorter(
    depth: int, width: int, num_steps: int, batch_size: int | None, num: int
) -> None:
    model = MLPModel(depth=depth, width=width)
    run = RunConfig(task=ZigZag(), model=model, optimizer=Adam(), num_steps=num_steps, batch_size=batch_size)
    assert num * least_seconds(num_steps, batch_size) <= num_seconds([run] * num) * (1 + 1e-12)
