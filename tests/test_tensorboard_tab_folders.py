import os
from pathlib import Path

import pytest
from sweeps import result, sweep, write_run, write_sweep

from dlcourse.recording import write_json, write_result
from dlcourse.tensorboard_tab import folders
from dlcourse.tensorboard_tab.folders import LogFolder, folder_of, regular


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in LogFolder(folder).sweeps())


def test_sweeps_are_found_wherever_they_lie(tmp_path: Path) -> None:
    write_sweep(tmp_path / "first", [result(1, 4, 0, 0.5)])
    write_sweep(tmp_path / "more" / "second", [result(1, 4, 0, 0.5)])
    write_run(tmp_path / "begun" / "a run", {"seed": 0})
    (tmp_path / "empty").mkdir()
    assert names(tmp_path) == ["begun", "first", "more/second"]
    assert names(tmp_path / "first") == ["."]


def test_a_run_itself_may_be_the_log_folder(tmp_path: Path) -> None:
    run = result(1, 4, 0, 0.5)
    write_sweep(tmp_path, [run])
    log = LogFolder(tmp_path / run.run)
    (only,) = log.sweeps()
    assert [each.run for each in log.read(only).results] == [run.run]
    assert folder_of(only, run.run) == tmp_path / run.run


def test_folders_of_others_are_ignored(tmp_path: Path) -> None:
    for index in range(30):
        (tmp_path / "other" / str(index)).mkdir(parents=True)
        write_json(tmp_path / "other" / str(index) / "metrics.json", {"accuracy": 0.9})
    measurement = result(1, 4, 0, 0.5, facts=None)
    del measurement.config["task.name"]
    (tmp_path / "measured" / "one").mkdir(parents=True)
    write_result(tmp_path / "measured" / "one", measurement)
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "events.out.tfevents.1").write_bytes(b"")
    (tmp_path / "failed" / "run").mkdir(parents=True)
    (tmp_path / "failed" / "run" / "failure.json").write_text("{}")
    assert names(tmp_path) == []


def test_what_is_in_a_sweep_is_counted(tmp_path: Path) -> None:
    write_sweep(tmp_path, sweep())
    write_run(tmp_path / "on its way", {"seed": 0})
    for name, file in {"failed": "failure.json", "damaged": "metrics.json"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{")
    (tmp_path / "comparison" / "width=4").mkdir(parents=True)
    log = LogFolder(tmp_path)
    found = log.read(next(log.sweeps()))
    assert {run.run for run in found.results} == {run.run for run in sweep()}
    assert (found.unfinished, found.num_failed, found.num_damaged) == (["on its way"], 1, 1)
    assert found.changed == pytest.approx((tmp_path / "on its way" / "train.log").stat().st_mtime, abs=60)


def test_what_has_changed_is_read_again_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sweep(tmp_path, [result(1, 4, seed, 0.5) for seed in range(3)])
    log = LogFolder(tmp_path)
    (only,) = log.sweeps()
    log.read(only)
    read = []
    original = folders.read_result
    monkeypatch.setattr(folders, "read_result", lambda folder: read.append(folder) or original(folder))
    assert len(log.read(only).results) == 3
    assert read == []
    again = result(1, 4, 1, 0.25)
    write_result(tmp_path / again.run, again)
    assert sorted(run.metrics["mean_squared_error"] for run in log.read(only).results) == [0.25, 0.5, 0.5]
    assert read == [tmp_path.resolve() / again.run]


def test_links_are_not_followed(tmp_path: Path) -> None:
    write_sweep(tmp_path / "outside" / "secret", sweep())
    log = tmp_path / "log"
    write_sweep(log / "ours", [result(1, 4, 0, 0.5)])
    (log / "linked").symlink_to(tmp_path / "outside" / "secret")
    stolen = next((tmp_path / "outside" / "secret").iterdir())
    (log / "ours" / "linked run").symlink_to(stolen)
    (log / "ours" / "linked file").mkdir()
    (log / "ours" / "linked file" / "metrics.json").symlink_to(stolen / "metrics.json")
    assert names(log) == ["ours"]
    found = LogFolder(log).read(next(LogFolder(log).sweeps()))
    assert len(found.results) == 1
    (tmp_path / "link to log").symlink_to(log)  # the log folder itself may be one
    assert names(tmp_path / "link to log") == ["ours"]


def test_only_ordinary_files_of_a_sensible_size_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("four")
    assert regular(file) is not None
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    assert regular(tmp_path / "pipe") is None
    assert regular(tmp_path) is None
    assert regular(tmp_path / "nothing") is None
    monkeypatch.setattr(folders, "MOST_BYTES", 3)
    assert regular(file) is None


def test_hidden_and_saved_folders_are_left_out(tmp_path: Path) -> None:
    runs = [result(1, 4, seed, 0.5) for seed in range(3)]
    write_sweep(tmp_path, runs)
    (tmp_path / runs[1].run).rename(tmp_path / f".{runs[1].run}.part")
    (tmp_path / runs[2].run).rename(tmp_path / f"{runs[2].run}.saved")
    log = LogFolder(tmp_path)
    assert [run.run for run in log.read(next(log.sweeps())).results] == [runs[0].run]


def test_a_large_tree_of_others_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_FOLDERS", 10)
    for index in range(30):
        (tmp_path / f"{index:02d}").mkdir()
    write_sweep(tmp_path / "zz", [result(1, 4, 0, 0.5)])
    assert names(tmp_path) == []
    monkeypatch.setattr(folders, "MOST_LEVELS", 0)
    assert names(tmp_path) == []
