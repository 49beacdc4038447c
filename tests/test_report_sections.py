from pathlib import Path

import pytest
from sweeps import result, write_run, write_sweep

from dlcourse.report import sections as module
from dlcourse.report.sections import OfTask, sections
from dlcourse.tensorboard_tab.folders import LogFolder


def shown(folder: Path, *tasks: str) -> dict[str, OfTask]:
    return sections(LogFolder(folder), tasks or ["zigzag"])


def write(folder: Path) -> None:
    """Two activations, two depths, two widths, three seeds; tanh is better."""
    write_sweep(
        folder,
        [
            result(depth, width, seed, error / depth + 0.01 * seed, model__activation=activation)
            for activation, error in (("relu", 0.8), ("tanh", 0.4)) for depth in (1, 2) for width in (4, 8)
            for seed in range(3)
        ],
    )  # fmt: skip


def test_each_value_of_a_setting_has_a_section(tmp_path: Path) -> None:
    write(tmp_path)
    found = shown(tmp_path)["zigzag"]
    assert [title for title, _ in found.sections] == ["relu", "tanh"]
    assert found.left_out == 0
    for _, figures in found.sections:
        assert [each["name"] for each in figures] == ["metric", "size", "solved", "pieces", "map"]
    # The medians over seeds 0, 1, 2 are those of seed 1.
    (relu, tanh) = (figures[0]["figure"]["data"] for _, figures in found.sections)
    lines = [[trace["y"] for trace in data if trace["mode"] == "lines+markers"] for data in (relu, tanh)]
    assert lines == [[pytest.approx([0.81, 0.41])] * 2, [pytest.approx([0.41, 0.21])] * 2]
    # The sentence is of all of them, so that it finds the better one.
    assert "tanh" in found.whole["sentence"]


def test_a_sweep_over_depth_and_width_has_one(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(depth, width, 0, 0.5) for depth in (1, 2) for width in (4, 8)])
    found = shown(tmp_path)["zigzag"]
    assert [title for title, _ in found.sections] == [""]
    assert all("customdata" not in trace for each in found.sections[0][1] for trace in each["figure"]["data"])


def test_runs_on_their_way_are_of_no_section(tmp_path: Path) -> None:
    write(tmp_path)
    write_run(tmp_path / "zigzag-depth=9-seed=0-0123456789", {"seed": 0})
    found = shown(tmp_path)["zigzag"]
    assert found.whole["figures"][0]["name"] == module.ON_THEIR_WAY
    assert {each["name"] for _, figures in found.sections for each in figures} == {
        "metric", "size", "solved", "pieces", "map",
    }  # fmt: skip


@pytest.mark.slow
def test_what_would_be_too_large_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    all_of_it = shown(tmp_path)["zigzag"].sections
    large = sum(module._size(figures) for _, figures in all_of_it)

    monkeypatch.setattr(module, "MOST_BYTES", large - 1)
    without_seeds = shown(tmp_path)["zigzag"]
    assert [title for title, _ in without_seeds.sections] == ["relu", "tanh"]
    assert without_seeds.left_out == 0
    modes = [trace["mode"] for trace in without_seeds.sections[0][1][0]["figure"]["data"]]
    assert "markers" not in modes
    assert "lines+markers" in modes

    monkeypatch.setattr(module, "MOST_BYTES", module._size(without_seeds.sections[0][1]))
    first = shown(tmp_path)["zigzag"]
    assert ([title for title, _ in first.sections], first.left_out) == (["relu"], 1)

    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_SECTIONS", 1)
    first = shown(tmp_path)["zigzag"]
    assert ([title for title, _ in first.sections], first.left_out) == (["relu"], 1)


def test_each_task_has_its_own(tmp_path: Path) -> None:
    of_one = [result(depth, 4, 0, 0.5) for depth in (1, 2)]
    of_another = [result(depth, 4, 1, 0.25, task__name="tents") for depth in (1, 3)]
    write_sweep(tmp_path, [*of_one, *of_another])
    found = shown(tmp_path, "zigzag", "tents")
    depths = {task: each.sections[0][1][0]["figure"]["layout"]["xaxis"]["tickvals"] for task, each in found.items()}
    assert depths == {"zigzag": [1, 2], "tents": [1, 3]}
