import json
import os
import time
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from sweeps import result, sweep, write_run, write_sweep

from dlcourse.recording import write_result
from dlcourse.tensorboard_tab import page as pages
from dlcourse.tensorboard_tab.folders import LogFolder
from dlcourse.tensorboard_tab.page import page


def shown(folder: Path, **asked: str) -> dict[str, Any]:
    content = page(LogFolder(folder), asked)
    json.dumps(content, allow_nan=False)  # NaN is no JSON
    for each in content.get("figures", []):
        go.Figure(each["figure"])
    return content


def figures(content: dict[str, Any]) -> list[str]:
    return [each["name"] for each in content["figures"]]


def test_the_first_screen_answers_the_question(tmp_path: Path) -> None:
    write_sweep(tmp_path / "depth_vs_width", sweep())
    content = shown(tmp_path)
    assert content["sentence"].startswith("3 layers of 8 units (169 parameters) solve it in 3 of 4 seeds at rate 0.01;")
    assert content["title"] == "depth vs width"
    assert content["facts"][:2] == ["32 runs finished", "solved: mean squared error below 0.01"]
    assert figures(content) == ["metric", "size", "solved", "pieces", "map"]
    assert [choice["name"] for choice in content["choices"]] == ["metric", "x", "tuned", "seeds"]
    assert content["state"] == {}


def test_what_has_no_place_is_said(tmp_path: Path) -> None:
    uneven = [result(2, 4, seed, 0.001, model__width=None, model__widths=[4, 8]) for seed in range(4)]
    write_sweep(tmp_path / "sweep", [*sweep(), *uneven])
    content = shown(tmp_path)
    assert content["sentence"].startswith("Of networks with layers of one width: 3 layers of 8 units")
    assert content["warnings"][-1].startswith("4 runs have layers of different widths, and no place in depth against")


def test_runs_of_other_tasks_are_told_apart(tmp_path: Path) -> None:
    write_sweep(
        tmp_path / "sweep", [result(1, 4, 0, 0.5), result(1, 4, 0, 0.5, task__name="moons"), result(1, 4, 1, 0.5)]
    )
    assert shown(tmp_path, task="moons")["facts"][:2] == ["3 runs finished", "1 of them on this task"]
    write_sweep(tmp_path / "single", [result(1, 4, 0, 0.5)])
    assert shown(tmp_path, sweep="single")["facts"][0] == "1 run finished"


def test_of_several_sweeps_the_one_that_is_asked_for_or_the_latest(tmp_path: Path) -> None:
    for age, name in enumerate(["new", "old"]):
        write_sweep(tmp_path / name, [result(1, 4, 0, 0.5), result(2, 4, 0, 0.25)])
        os.utime(tmp_path / name, (time.time() - 1000 * age,) * 2)
    assert shown(tmp_path)["title"] == "new"
    content = shown(tmp_path, sweep="old", metric="num_pieces")
    assert content["title"] == "old"
    assert content["state"] == {"sweep": "old", "metric": "num_pieces"}
    assert shown(tmp_path, sweep="../../etc")["title"] == "new"


def test_the_axis_and_the_curves_can_be_chosen(tmp_path: Path) -> None:
    write_sweep(tmp_path, sweep())
    by_depth = shown(tmp_path, x="num_parameters")
    assert figures(by_depth) == ["metric", "solved", "pieces", "map"]  # the metric against the size is there already
    names = {each["name"] for each in by_depth["figures"][0]["figure"]["data"]}
    assert names == {"depth 1", "depth 3"}
    over_pieces = shown(tmp_path, x="num_pieces")
    assert over_pieces["figures"][0]["figure"]["layout"]["xaxis"]["title"]["text"] == "linear pieces on [-2, 2]"


def test_networks_of_one_size_need_no_axis_for_it(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(depth, 4, 0, 0.5, pieces=4) for depth in (1,)] + [result(1, 4, 1, 0.5)])
    assert "size" not in figures(shown(tmp_path))
    assert "map" not in figures(shown(tmp_path))


def test_ends_of_grids_and_other_notes(tmp_path: Path) -> None:
    errors = {0.001: 0.9, 0.003: 0.8, 0.01: 0.7, 0.03: 0.6}
    runs = [
        result(depth, 4, seed, error, rate=rate, diverged_at=5 if depth == 2 and seed == 1 else None)
        for depth in (1, 2)
        for rate, error in errors.items()
        for seed in range(2)
    ]
    write_sweep(tmp_path, runs)
    content = shown(tmp_path)
    assert any(
        line.startswith("optimizer.rate=0.03 is the end of its grid, and chosen for 1 of 2")
        for line in content["warnings"]
    )
    assert any("1 of 2 runs diverged" in note for note in content["notes"])


def test_a_sweep_that_runs_shows_and_moves(tmp_path: Path) -> None:
    write_run(tmp_path / "zigzag-depth=1-seed=0-0123456789", {"seed": 0})
    content = shown(tmp_path)
    assert content["sentence"] == "No run is finished yet."
    assert figures(content) == ["on_their_way"]
    assert content["facts"] == ["1 not finished"]
    assert content["ask_again_in"] == pages.SECONDS_TO_ASK_AGAIN

    write_sweep(tmp_path, sweep())
    content = shown(tmp_path)
    assert content["facts"][0] == "32 runs finished, 1 not finished"
    assert figures(content)[:2] == ["on_their_way", "metric"]
    run = sweep()[0]
    log = LogFolder(tmp_path)
    before = page(log, {})["figures"][1]["figure"]
    write_result(tmp_path / run.run, result(1, 4, 0, 0.2))
    assert page(log, {})["figures"][1]["figure"] != before


def test_a_sweep_that_is_over_is_not_asked_for_again(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(1, 4, 0, 0.5)])
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() - 10_000,) * 2)
    assert shown(tmp_path)["ask_again_in"] is None


def test_one_run_is_shown_below_and_no_figure_of_one_point_above(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(3, 8, 0, 0.001)])
    content = shown(tmp_path)
    assert figures(content) == []
    assert content["sentence"] == "3 layers of 8 units (169 parameters) solve it with the only seed."


def test_runs_that_make_no_comparison(tmp_path: Path) -> None:
    write_sweep(tmp_path / "uneven", [result(2, 4, 0, 0.5, model__width=None, model__widths=[4, 8])])
    # Each rate lacks a seed that the other has.
    write_sweep(tmp_path / "begun", [result(2, 4, seed, 0.5, rate=rate) for seed, rate in ((0, 0.1), (1, 0.01))])
    for name in ("uneven", "begun"):
        content = shown(tmp_path, sweep=name)
        assert content["sentence"] == pages.NOTHING_TO_COMPARE
        assert figures(content) == []
    assert (
        shown(tmp_path, sweep="begun", tuned="0", **{"optimizer.rate": "all"})["sentence"] != pages.NOTHING_TO_COMPARE
    )


def test_nothing_of_ours(tmp_path: Path) -> None:
    content = shown(tmp_path)
    assert content["sentence"] == "There are no runs of dlcourse in this folder."
    assert content["choices"] == []
