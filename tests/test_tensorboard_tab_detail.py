import json
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from sweeps import ERRORS, HISTORY, result, sweep, write_run, write_sweep

from dlcourse.tensorboard_tab.detail import detail
from dlcourse.tensorboard_tab.folders import LogFolder


def shown(folder: Path, **asked: str) -> dict[str, Any]:
    content = detail(LogFolder(folder), asked)
    json.dumps(content, allow_nan=False)
    return content


def test_a_network_has_its_runs_with_what_was_chosen(tmp_path: Path) -> None:
    write_sweep(tmp_path, sweep())
    cell = shown(tmp_path, cell="depth 3, width 8")["cell"]
    assert cell["title"] == "depth 3, width 8: 4 runs"
    assert cell["head"] == ["seed", "mean squared error", "pieces", "solved", "seconds"]
    # The errors of seeds 0 to 3 at the rate that both halves choose; 24 pieces and one more for every seed.
    expected = [
        [str(seed), f"{error:.4g}", str(24 + seed), "yes" if error < 0.01 else "no", "1.5"]
        for seed, error in enumerate(ERRORS[3, 8][0.01])
    ]
    assert [row["entries"] for row in cell["rows"]] == expected
    assert cell["notes"][0].startswith("optimizer.rate: 0.01, of 2 settings.")
    runs = {run.run: run for run in sweep()}
    assert [runs[row["run"]].config["seed"] for row in cell["rows"]] == [0, 1, 2, 3]


def test_rates_that_differ_stand_in_the_table(tmp_path: Path) -> None:
    errors = {0.01: [0.5, 0.2, 0.5, 0.2], 0.1: [0.1, 0.9, 0.1, 0.9]}
    runs = [
        result(depth, 4, seed, error, rate=rate)
        for depth in (1, 2)
        for rate, of_seeds in errors.items()
        for seed, error in enumerate(of_seeds)
    ]
    write_sweep(tmp_path, runs)
    cell = shown(tmp_path, cell="depth 1, width 4")["cell"]
    assert cell["head"][:2] == ["seed", "rate"]
    # Those of even rank have chosen 0.1, by which the others are judged, and the other way round.
    assert [row["entries"][1] for row in cell["rows"]] == ["0.01", "0.1", "0.01", "0.1"]


def test_a_run_has_its_command_its_configuration_and_its_curves(tmp_path: Path) -> None:
    write_sweep(tmp_path, sweep())
    name = sweep()[5].run
    run = shown(tmp_path, run=name)["run"]
    assert run["title"] == name
    assert run["command"].startswith("dlcourse name=made_up task.name=zigzag model.depth=1")
    assert ["model.width", "4"] in run["settings"]
    assert ["mean squared error", "0.9"] in run["facts"] and ["solved", "no"] in run["facts"]
    assert [each["name"] for each in run["figures"]] == ["losses", "pieces_in_training"]
    training, pieces = (go.Figure(each["figure"]) for each in run["figures"])
    assert list(training.data[0].y) == [value for _, value in HISTORY["metric/mean_squared_error"]]
    assert list(pieces.data[1].y) == [8, 8]


def test_the_end_of_a_name_is_enough_if_it_is_the_only_one(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(1, 4, seed, 0.5) for seed in range(2)])
    names = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / names[0]).rename(tmp_path / "zigzag-aaaaaaaaaa")
    assert shown(tmp_path, run="aaaaaaaaaa")["run"]["title"] == "zigzag-aaaaaaaaaa"
    for asked in ("", "zigzag", "../outside", "no such"):
        assert shown(tmp_path, run=asked)["run"] is None


def test_the_only_run_and_the_only_network_are_shown_unasked(tmp_path: Path) -> None:
    write_sweep(tmp_path / "one", [result(1, 4, 0, 0.5)])
    assert shown(tmp_path / "one")["run"] is not None
    write_sweep(tmp_path / "two", [result(1, 4, seed, 0.5) for seed in range(2)])
    content = shown(tmp_path / "two")
    assert content["cell"]["title"] == "depth 1, width 4: 2 runs"
    assert content["run"] is None


def test_a_run_on_its_way(tmp_path: Path) -> None:
    write_run(tmp_path / "zigzag-seed=0-0123456789", {"seed": 0, "model.width": 4})
    run = shown(tmp_path)["run"]
    assert run["facts"] == [["state", "not finished"]]
    assert ["model.width", "4"] in run["settings"]
    assert len(run["figures"]) == 2


def test_files_that_are_missing_or_damaged_take_nothing_else_along(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(1, 4, 0, 0.5)])
    (folder,) = tmp_path.iterdir()
    (folder / "train.log").write_text("nonsense\n1 2 3\n")
    (folder / "config.yaml").unlink()
    run = shown(tmp_path)["run"]
    assert (run["figures"], run["command"]) == ([], None)
    assert ["model.depth", "1"] in run["settings"]


def test_links_inside_a_run_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("# secret command\nsecret: 1\n")
    write_sweep(tmp_path / "log", [result(1, 4, 0, 0.5)])
    (folder,) = (tmp_path / "log").iterdir()
    for name in ("config.yaml", "train.log"):
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / "secret")
    run = shown(tmp_path / "log")["run"]
    assert "secret" not in json.dumps(run)


def test_of_nothing_there_is_no_detail(tmp_path: Path) -> None:
    assert detail(LogFolder(tmp_path / "nothing"), {}) == {"cell": None, "run": None}
