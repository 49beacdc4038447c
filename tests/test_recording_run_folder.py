"""A run's folder while it trains: what shows, who may write, and what becomes of a result without a place."""

import itertools
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard_app import TensorBoard

from dlcourse.networks import MLP
from dlcourse.recording import History, Result, TaskFacts, read_log, read_result, read_results
from dlcourse.recording import run_folder as module
from dlcourse.recording.checkpoints import Checkpoint, read_checkpoint
from dlcourse.recording.events import append_events, read_events
from dlcourse.recording.files import remove_what_the_dead_left, unfinished
from dlcourse.recording.graph import graph_of
from dlcourse.recording.run_folder import KeptAsideError, RunFolder, move_in, saved_beside
from dlcourse.recording.weights import Weights

NETWORK = torch.nn.Linear(1, 1)


def history(last_step: int) -> History:
    steps = range(0, last_step + 1, 10)
    return {
        "loss/train": [(step, 1 / (1 + step)) for step in steps],
        "pieces/num_pieces": [(step, 3.0) for step in steps],
        "rate": [(step, 0.5) for step in steps],
    }


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"weight": torch.zeros(2)}, [], history(step), Weights(), None, 0.0)


def opened(folder: Path, *, anew: bool = True, again: bool = False, error: str | None = None) -> RunFolder:
    return RunFolder(
        folder,
        config="seed: 0\n",
        run="this",
        hparams={"depth": 1},
        pieces_domain="[0, 2]",
        error=error,
        started=time.time(),
        anew=anew,
        again=again,
    )


def finish(run: RunFolder, note: str = "first") -> None:
    facts = TaskFacts("num_parameters", in_features=1, out_features=1)
    result = Result("run", {"task.name": "none", "note": note}, {"num_parameters": 2}, None, 1.0, facts)
    run.finish(network=NETWORK, history=history(50), weights=None, result=result, pictures={})


def points(folder: Path) -> list[tuple[int, float, float]]:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return [(each.step, each.value, each.wall_time) for each in found.Scalars("loss/train")]


def expected(last_step: int) -> list[tuple[int, float]]:
    return [(step, pytest.approx(value)) for step, value in history(last_step)["loss/train"]]


def test_the_number_of_pieces_says_where_it_was_counted(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.save(checkpoint(10))
        finish(run)
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert [(each.step, each.value) for each in found.Scalars("pieces on [0, 2]/num_pieces")][:2] == [(0, 3), (10, 3)]
    assert sorted(found.Tags()["scalars"]) == ["loss/train", "pieces on [0, 2]/num_pieces", "rate"]
    assert "pieces/num_pieces" in read_log(tmp_path)


def test_an_error_is_there_as_its_logarithm_too(tmp_path: Path) -> None:
    curve = [(0, 100.0), (10, 0.01), (20, 0.0), (30, math.nan)]
    with opened(tmp_path / "run", error="mean_squared_error") as run:
        run.save(replace(checkpoint(0), history={"metric/mean_squared_error": curve[:2]}))
        result = Result("run", {"task.name": "none"}, {"num_parameters": 2}, None, 1.0, None)
        history = {"metric/mean_squared_error": curve, "loss/train": curve[:1]}
        run.finish(network=NETWORK, history=history, weights=None, result=result, pictures={})
    board = TensorBoard(tmp_path)
    names = {"metric/mean_squared_error", "metric/log10_of_mean_squared_error", "loss/train"}
    assert board.scalar_tags()["run"] == names
    logarithms = [value for _, _, value in board.scalars("run", "metric/log10_of_mean_squared_error")]
    assert logarithms == [2, -2, "-Infinity", "NaN"]
    assert read_log(tmp_path / "run").keys() == history.keys()
    # The HPARAMS tab makes a column of every curve.
    assert board.hparams_rows()["run"][1].keys() == names


def test_the_network_is_a_graph_once(tmp_path: Path) -> None:
    result = Result("run", {"task.name": "none"}, {"num_parameters": 2}, None, 1.0, None)
    graph = graph_of(MLP(1, 1, width=[5], activation="relu"))
    with opened(tmp_path / "run") as run:
        run.save(checkpoint(10))
        run.finish(network=NETWORK, history=history(50), weights=None, result=result, pictures={}, graph=graph)
    shown = TensorBoard(tmp_path).graph("run")
    assert 'name: "layer_1/relu"' in shown and "size: 5" in shown
    (events,) = (tmp_path / "run").glob("events*")
    append_events(events, scalars={}, hparams={}, started=0.0, graph=graph)
    assert sum(bool(event.graph_def) for event, _ in read_events(events)) == 1


def shown(folder: Path) -> list[tuple[int, float]]:
    times = [wall_time for _, _, wall_time in points(folder)]
    assert times == sorted(times)
    return [(step, value) for step, value, _ in points(folder)]


def test_log_and_events_grow_with_every_checkpoint_in_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    inodes = set()
    with opened(folder) as run:
        for step in (0, 10, 30):
            run.save(checkpoint(step))
            assert read_checkpoint(folder, run="this") is not None
            assert [each for each, _ in read_log(folder)["loss/train"]] == list(range(0, step + 1, 10))
            assert shown(folder) == expected(step)
            inodes |= {path.stat().st_ino for path in folder.glob("events*")}
        finish(run)
    assert shown(folder) == expected(50)
    assert len(inodes | {path.stat().st_ino for path in folder.glob("events*")}) == 1
    names = sorted(path.name.partition(".out")[0] for path in folder.iterdir())
    assert names == ["config.yaml", "events", "metrics.json", "model.pt", "train.log"]


@given(cut=st.integers(0, 2000), further=st.sampled_from([20, 40]))
def test_a_torn_event_is_cut_off_and_nothing_is_missing_or_twice(
    tmp_path_factory: pytest.TempPathFactory, cut: int, further: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    with opened(folder) as run:
        run.save(checkpoint(20))
    (events,) = folder.glob("events*")
    content = events.read_bytes()
    events.write_bytes(content[: cut % (len(content) + 1)])
    with opened(folder, anew=False) as run:
        run.save(checkpoint(further))
        finish(run)
    assert shown(folder) == expected(50)
    assert len(list(folder.glob("events*"))) == 1
    # As if it had never been disturbed: every tag and step once.
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    with opened(undisturbed) as run:
        finish(run)
    assert tags_and_steps(folder) == tags_and_steps(undisturbed)


def tags_and_steps(folder: Path) -> list[tuple[str, int]]:
    (events,) = folder.glob("events*")
    from dlcourse.recording.events import read_events

    return sorted((value.tag, event.step) for event, _ in read_events(events) for value in event.summary.value)


def test_what_started_anew_does_not_go_on_with_an_earlier_attempts_events(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.save(checkpoint(40))
    (before,) = tmp_path.glob("events*")
    with opened(tmp_path) as run:
        run.save(checkpoint(10))
    (after,) = tmp_path.glob("events*")
    assert after != before
    assert shown(tmp_path) == expected(10)


def test_wall_times_rise_although_the_clock_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(2e9, -3600.0)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    path = tmp_path / "events.out.tfevents.1"
    for step in (10, 20, 30):
        append_events(path, scalars=history(step), hparams={}, started=2e9)
    append_events(path, scalars=history(30), hparams={}, started=2e9, metrics={"loss/train": 0.1}, is_finished=True)
    assert shown(tmp_path) == expected(30)


def test_only_one_process_writes_and_the_other_puts_a_whole_folder_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with opened(folder) as first, opened(folder) as second:  # two descriptors lock each other out in one process, too
        first.save(checkpoint(10))
        second.save(checkpoint(30))
        assert shown(folder) == expected(10)
        finish(second, "second")
        first.save(checkpoint(20))  # its folder is gone, and the finished one is left alone
        finish(first)
    assert read_result(folder).config["note"] == "second"
    assert shown(folder) == expected(50)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_comes_late_does_not_get_into_a_folder_that_has_been_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process is about to write its events at the moment at which another puts its finished folder there."""
    folder = tmp_path / "run"
    with opened(folder) as slow:
        slow.save(checkpoint(10))

        def just_then(*arguments: Any, **more: Any) -> None:
            monkeypatch.setattr(module, "append_events", append_events)
            with opened(folder) as fast:
                finish(fast, "fast")
            append_events(*arguments, **more)

        monkeypatch.setattr(module, "append_events", just_then)
        finish(slow, "slow")
    assert read_result(folder).config["note"] in ("fast", "slow")
    assert len(list(folder.glob("events*"))) == 1
    assert shown(folder) == expected(50)


def test_a_folder_that_was_written_to_while_it_was_replaced_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with opened(folder) as slow:
        slow.save(checkpoint(10))
        with monkeypatch.context() as patch, opened(folder) as fast:
            patch.setattr(module.shutil, "rmtree", lambda *_, **__: None)  # as if there always were a new file
            finish(fast, "fast")
        assert len(list(tmp_path.iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert read_result(folder).config["note"] == "fast"


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    lock = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(); input()"
    with subprocess.Popen([sys.executable, "-c", lock, str(tmp_path)], stdin=-1, stdout=-1) as other:
        assert other.stdout is not None
        other.stdout.readline()  # it has the lock
        with opened(tmp_path) as run:
            run.save(checkpoint(10))
            assert list(tmp_path.iterdir()) == []
            other.kill()
            other.wait()
            run.save(checkpoint(20))
    assert shown(tmp_path) == expected(20)


def test_a_run_that_is_done_again_shows_nothing_until_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with opened(folder) as run:
        finish(run)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with opened(folder, again=True) as run:
        run.save(checkpoint(20))
        assert {path: path.read_bytes() for path in folder.iterdir() if path.name != "checkpoint.pt"} == before
        assert not list(tmp_path.glob(".*"))
        finish(run, "again")
    assert read_result(folder).config["note"] == "again"
    assert not (folder / "checkpoint.pt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.fixture
def cannot_be_replaced(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A folder that cannot be renamed, as another user's in a folder with the sticky bit."""
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "run":
            raise PermissionError(1, "Operation not permitted", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    return monkeypatch


def test_a_result_that_cannot_take_its_place_is_kept_and_moved_in_later(
    tmp_path: Path, cannot_be_replaced: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with opened(folder) as run:
        finish(run)
    with opened(folder, again=True) as run, pytest.raises(KeptAsideError, match=r"is kept in .*run\.saved"):
        finish(run, "again")
    assert read_result(folder).config["note"] == "first"
    assert read_result(saved_beside(folder)).config["note"] == "again"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.saved"]
    remove_what_the_dead_left(tmp_path)
    with pytest.raises(KeptAsideError, match="stays in"):
        move_in(folder)
    assert [result.config["note"] for result in read_results(tmp_path)] == ["first"]
    assert "left out" in capsys.readouterr().err
    cannot_be_replaced.undo()
    move_in(folder)
    assert read_result(folder).config["note"] == "again"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_full_disk_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_result", no_space)
    with opened(tmp_path / "run") as run, pytest.raises(OSError, match="No space"):
        finish(run)
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_the_dead_left_is_removed_and_what_the_living_write_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        child = process.pid
    mine = unfinished(tmp_path / "run")
    theirs = mine.with_name(mine.name.replace(str(os.getpid()), str(child)))
    elsewhere = mine.with_name(f".run.another_machine-{child}.part")
    for path in (mine, theirs, elsewhere):
        path.mkdir()
        (path / "metrics.json").write_text(json.dumps({}))
    (tmp_path / f".{theirs.name.rpartition('.run.')[2]}").touch()  # a file that was being written
    remove_what_the_dead_left(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, elsewhere])
