import csv
import json
import math
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.recording import (
    Result,
    TaskFacts,
    read_json,
    read_result,
    read_results,
    write_csv,
    write_json,
    write_result,
)
from dlcourse.recording.results import _natural_order

CSV_BUFFERS = 2**17 + 2**13
"""Bytes that a CSV writer and an open file take, however many rows there are."""


def result(run: str = "run", **config: Any) -> Result:
    return Result(run, config, {"loss/test": 0.25, "num_pieces": 8}, None, 1.5)


def same(a: Any, b: Any) -> bool:
    """Equality in which NaN equals NaN and 1 is not 1.0."""
    return repr(a) == repr(b)


contents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text().filter(lambda text: "N" not in text[:2]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).filter(lambda content: "Infinity" not in repr(content))


@pytest.mark.slow
@given(content=contents)
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "content.json"
    write_json(path, content)
    assert same(read_json(path), content)


def test_json_is_valid_json(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"a": math.nan, "b": [math.inf, -math.inf, 1.5], "c": "größer"})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert content == {"a": "NaN", "b": ["Infinity", "-Infinity", 1.5], "c": "größer"}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_strings_that_would_come_back_as_numbers_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=f"must not be one of NaN, Infinity, -Infinity, got '{text}'"):
        write_json(tmp_path / "content.json", {"name": [text]})
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        write_json(tmp_path / "content.json", {"a": {1, 2}})
    assert list(tmp_path.iterdir()) == []


def test_results_come_back_in_natural_order(tmp_path: Path) -> None:
    written = [
        Result("zigzag-depth=1", {"model.depth": 1, "widths": [4, 8]}, {"loss": math.nan}, 7, 2.0),
        Result("zigzag-depth=2", {"model.depth": 2, "widths": None}, {"loss": 0.5, "num_pieces": 9}, None, 3.25),
        Result("zigzag-depth=10", {"model.depth": 10, "widths": None}, {"loss": math.inf}, 0, 4.0),
    ]
    for each in reversed(written):
        (tmp_path / each.run).mkdir()
        write_result(tmp_path / each.run, each)
    assert same(read_results(tmp_path), written)


def test_metrics_json_is_as_documented(tmp_path: Path) -> None:
    write_result(tmp_path, Result("run", {"task.name": "zigzag", "seed": 0}, {"num_pieces": 8}, None, 1.5))
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "config": {"task.name": "zigzag", "seed": 0},
        "metrics": {"num_pieces": 8},
        "diverged_at": None,
        "seconds": 1.5,
    }


@pytest.mark.parametrize(
    "broken",
    ["", '{"config": {"a"', "[]", '"text"', '{"config": {}, "metrics": {}}', b"\xff\xfe", None],
    ids=["empty", "cut off", "list", "string", "incomplete", "binary", "folder"],
)
def test_broken_files_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str | bytes | None
) -> None:
    for name in ("broken", "whole", "unfinished"):
        (tmp_path / name).mkdir()
    path = tmp_path / "broken" / "metrics.json"
    if broken is None:
        path.mkdir()
    else:
        path.write_bytes(broken.encode() if isinstance(broken, str) else broken)
    write_result(tmp_path / "whole", result("whole"))
    assert [each.run for each in read_results(tmp_path)] == ["whole"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"left out {path}: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", "x", "config must have a whole number as seed, got 'x'"),
        ("seed", [0], r"config must have a whole number as seed, got \[0\]"),
        ("num_steps", 2.5, "config must have a whole number as num_steps, got 2.5"),
        ("model.depth", "2", "config must have a whole number as model.depth, got '2'"),
        ("model.width", True, "config must have a whole number as model.width, got True"),
        ("model.widths", [4, "a"], "config must have a whole number as model.widths, got 'a'"),
        ("model.widths", 4.0, "config must have a whole number as model.widths, got 4.0"),
    ],
)
def test_sizes_that_are_no_numbers_are_refused(tmp_path: Path, key: str, value: Any, message: str) -> None:
    task = TaskFacts("error", in_features=1, out_features=1)
    config: dict[str, Any] = {"model.depth": 2, "model.width": 4, "seed": 0}
    whole = Result("run", config, {"error": 0.5}, None, 1.5, task)
    write_result(tmp_path, whole)
    assert read_result(tmp_path).config == config
    config[key] = value
    write_result(tmp_path, whole)
    with pytest.raises(ValueError, match=message):
        read_result(tmp_path)
    write_result(tmp_path, replace(whole, task=None))  # a measurement may have any
    assert read_result(tmp_path).config == config


@given(st.lists(st.text(alphabet="a=-01279.", min_size=1), min_size=2, max_size=2))
def test_numbers_in_names_are_in_order(names: list[str]) -> None:
    # Texts and numbers in turn, which Python compares one after another.
    first, second = ([int(part) if part.isdigit() else part for part in re.split("([0-9]+)", each)] for each in names)
    assert (_natural_order(names[0]) < _natural_order(names[1])) == (first < second)


def test_of_many_results_only_what_differs_takes_memory(tmp_path: Path) -> None:
    """What a sweep's runs have alike is in memory once; nor is more needed while their table is written."""
    num = 100
    for seed in range(num):
        folder = tmp_path / f"zigzag-seed={seed}"
        folder.mkdir()
        config = {f"setting{key}": f"value {key}" for key in range(12)} | {f"rate{key}": key + 0.5 for key in range(12)}
        metrics = {f"metric{key}": key + 1 / (seed + 3) for key in range(7)}
        facts = TaskFacts("metric0", ("metric1",), 1, 1, 8, 0.125, "[0, 2]")
        made_with = {f"version{key}": "2.13.0" for key in range(6)}
        write_result(folder, Result(folder.name, config | {"seed": seed}, metrics, None, seed / 7, facts, made_with))
    read_results(tmp_path)
    tracemalloc.start()
    try:
        results = read_results(tmp_path)
        kept, while_reading = (amount / num for amount in tracemalloc.get_traced_memory())
        tracemalloc.reset_peak()
        write_csv(results, tmp_path / "results.csv", judged=())
        while_writing = (tracemalloc.get_traced_memory()[1] - CSV_BUFFERS) / num
    finally:
        tracemalloc.stop()
    # Three dictionaries that share their keys, of 40 values (test_recording_sharing.py); seven metrics and the seconds,
    # 24 bytes each; the name, 80; an object of seven fields with its headers, 200; and a tenth for lists of them.
    expected = 1.1 * ((8 + 1) * (40 + 3 * 4) + 3 * 3 * 64 + 8 * 24 + 80 + 200)
    assert kept < expected
    assert while_reading < expected + 2 * 200  # the keys by which they are sorted; the file that is being read
    assert while_writing < expected + 200  # each value of a setting as a text, to see which of them vary


def test_no_folder_no_results(tmp_path: Path) -> None:
    assert read_results(tmp_path / "none") == []


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    results = [
        Result("a", {"task.name": "zigzag", "model.depth": 1, "rate": 0.1, "seed": 0}, {"loss": 0.5}, None, 2.0),
        Result("b, c", {"task.name": "zigzag", "model.depth": 2, "rate": 0.1}, {"loss": math.nan, "n": 3}, 40, 3.0),
    ]
    write_csv(results, path)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["run", "model.depth", "seed", "loss", "n", "diverged_at", "seconds", "task.name", "rate"],
        ["a", "1", "0", "0.5", "", "", "2.0", "zigzag", "0.1"],
        ["b, c", "2", "", "nan", "3", "40", "3.0", "zigzag", "0.1"],
    ]


def test_csv_tells_a_one_from_true(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_csv([result("a", flag=1, same=2), result("b", flag=True, same=2)], path)
    assert path.read_text().splitlines()[0].split(",")[:2] == ["run", "flag"]
