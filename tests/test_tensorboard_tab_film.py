import json
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from sweeps import HISTORY, ramps, result, weights_of, write_networks, write_run, write_sweep

from dlcourse.recording.checkpoints import Checkpoint, write_checkpoint
from dlcourse.tensorboard_tab import film as films
from dlcourse.tensorboard_tab.film import film
from dlcourse.tensorboard_tab.folders import LogFolder

NETWORKS = {step: ramps(*slopes) for step, slopes in {0: (0.0, 0.0), 50: (1.0, 0.0), 100: (1.0, -2.0)}.items()}


def shown(folder: Path, **asked: str) -> dict[str, Any]:
    content = film(LogFolder(folder), asked)
    json.dumps(content, allow_nan=False)  # NaN is no JSON
    return content


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A finished run that learns a tent."""
    run = result(1, 2, 0, 0.5, task__num_folds=1)
    write_sweep(tmp_path, [run])
    write_networks(tmp_path / run.run, NETWORKS)
    return tmp_path


def changes(content: dict[str, Any], place: int) -> dict[str, Any]:
    """What a frame changes, by figure."""
    return {change["figure"]: change for change in content["frames"][str(place)]["changes"]}


def test_the_last_step_comes_first_with_all_that_stands_still(log: Path) -> None:
    content = shown(log)
    assert (content["steps"], content["index"], content["note"], content["next"]) == ([0, 50, 100], 2, "", 0)
    assert [each["name"] for each in content["figures"]] == ["fit", "network"]
    for each in content["figures"]:
        go.Figure(each["figure"])
    assert list(content["frames"]) == ["2"]
    # The tent's corner, and the cursor in the curves.
    assert changes(content, 2)["fit"]["data"] == {"x": [[0, 1, 2], [1]], "y": [[0, 1, 0], [1]]}
    for name in ("losses", "pieces_in_training"):
        (cursor,) = changes(content, 2)[name]["layout"]["shapes"]
        assert (cursor["x0"], cursor["x1"]) == (100, 100)
    said = content["frames"]["2"]["said"].split(" · ")
    assert said[:4] == ["step 100", "2 linear pieces", "2 activation regions", "0 of 2 units silent"]
    assert set(said[4:]) == {"train loss 0.25", "mean squared error 0.3"}


def test_the_step_that_is_asked_for_is_the_nearest_one(log: Path) -> None:
    for asked, index in {"0": 0, "60": 1, "10000": 2, "x": 2, "-1": 2, "": 2}.items():
        assert shown(log, step=asked)["index"] == index


def test_the_others_follow_as_many_as_there_is_time_for(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shown(log, **{"from": "0"})
    assert list(whole["frames"]) == ["0", "1", "2"] and whole["next"] is None
    assert changes(whole, 1)["fit"]["data"] == {"x": [[0, 2], []], "y": [[0, 2], []]}
    assert whole["frames"]["0"]["said"].startswith("step 0 · 1 linear piece · ")
    monkeypatch.setattr(films, "SECONDS_AN_ANSWER", -1.0)
    found, place = {}, 0
    while place is not None:
        part = shown(log, **{"from": str(place)})
        assert len(part["frames"]) == 1
        found |= part["frames"]
        place = part["next"]
    assert found == whole["frames"]
    assert shown(log, **{"from": "7"}) == {"frames": {}, "next": None}


def test_one_state_has_no_others(log: Path) -> None:
    (folder,) = log.iterdir()
    (folder / "weights.pt").unlink()
    content = shown(log)
    assert (content["steps"], content["next"]) == ([100], None)
    assert "kept no weights" in content["note"]


def test_a_run_without_a_network_says_why(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(1, 2, 0, 0.5)])
    content = shown(tmp_path)
    assert content["figures"] == [] and content["steps"] == []
    assert content["note"] == "This run has no model.pt, so there is no network to show."


def test_a_run_that_is_not_there_has_no_film(log: Path, tmp_path: Path) -> None:
    write_sweep(log, [result(1, 2, 1, 0.5)])
    assert shown(log, run="../x") == films.NO_FILM
    assert shown(tmp_path / "nothing") == films.NO_FILM


def test_a_task_that_is_not_known_leaves_the_network(tmp_path: Path) -> None:
    run = result(1, 2, 0, 0.5, task__name="lab")
    write_sweep(tmp_path, [run])
    write_networks(tmp_path / run.run, NETWORKS)
    content = shown(tmp_path)
    assert [each["name"] for each in content["figures"]] == ["network"]
    assert content["note"].startswith("What it has learnt cannot be drawn: the run's task must be one of those")
    assert "silent" not in content["frames"]["2"]["said"]


def test_a_run_on_its_way_shows_its_weights_so_far(tmp_path: Path) -> None:
    config = {"task.name": "zigzag", "task.num_folds": 1, "model.activation": "relu", "seed": 0}
    folder = tmp_path / "zigzag-seed=0-0123456789"
    write_run(folder, config)
    so_far = weights_of({step: NETWORKS[step] for step in (0, 50)})
    values = {name: value.clone() for name, value in NETWORKS[50].state_dict().items()}
    write_checkpoint(folder, Checkpoint(60, values, [], HISTORY, so_far, None, 1.0), run="x")
    content = shown(tmp_path)
    assert content["steps"] == [0, 50]
    assert changes(content, 1)["fit"]["data"]["y"][0] == [0, 2]
    assert content["note"].startswith("Not finished")


def test_a_run_that_diverges_is_seen_until_then(tmp_path: Path) -> None:
    run = result(1, 2, 0, float("nan"), task__num_folds=1, diverged_at=50)
    write_sweep(tmp_path, [run])
    write_networks(tmp_path / run.run, {0: ramps(1.0), 50: ramps(float("nan"))})
    content = shown(tmp_path, **{"from": "0"})
    assert changes(content, 0)["fit"]["data"]["y"][0] == [0, 2]
    assert changes(content, 1)["fit"]["data"]["y"] == [[], []]
    assert "not finite" in content["frames"]["1"]["said"]
