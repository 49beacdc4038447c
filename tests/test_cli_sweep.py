"""A sweep's jobs, besides what its command shows (test_cli.py, test_launcher.py)."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from dlcourse.cli.sweep import Sweep
from dlcourse.jobs import runs
from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.workers import HERE
from dlcourse.networks import MLPModel
from dlcourse.tasks import ZigZag
from dlcourse.training import Adam


def jobs(outputs: Path) -> list[RunConfig]:
    first = RunConfig(
        task=ZigZag(), model=MLPModel(depth=1, width=2), optimizer=Adam(), num_steps=1, pictures=False, events=False,
        outputs=str(outputs),
    )  # fmt: skip
    return [replace(first, seed=seed) for seed in range(4)]


@pytest.mark.parametrize("searches", [False, True])
def test_jobs_that_are_done_are_kept_only_for_a_search(tmp_path: Path, searches: bool) -> None:
    sweep = Sweep(searches=searches)
    asked = jobs(tmp_path)
    waiting = [weakref.ref(job) for job in asked]
    values = sweep.launch(asked, [[f"seed={job.seed}"] for job in asked], HERE)
    assert all(isinstance(value, float) for value in values)
    del asked
    gc.collect()
    alive = [each for each in waiting if each() is not None]
    assert len(alive) == (len(waiting) if searches else 1)  # one stands for all of a folder
    sweep.conclude()
    assert (tmp_path / "zigzag" / "results.csv").read_text().count("\n") == 1 + len(values)


def test_each_run_is_given_once_and_what_is_finished_first(tmp_path: Path) -> None:
    first, *others = jobs(tmp_path)
    runs.run([first])
    given = list(runs.each_run([*others, first, *others], progress=False))
    assert [config.seed for config, _ in given] == [0, 1, 2, 3]
    assert runs.run([others[0], first, others[0]]) == [given[1][1], given[0][1], given[1][1]]
