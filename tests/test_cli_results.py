"""The console script `dlcourse-results`."""

import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from dlcourse.cli.results import grouped, main
from dlcourse.recording import Result, TaskFacts, write_result


def result(width: int, seed: int, error: float, **more: Any) -> Result:
    config = {"model.depth": 2, "model.width": width, "seed": seed}
    task = TaskFacts("error", higher_is_better=("accuracy",))
    return Result(f"run-{width}-{seed}", config, {"error": error, "accuracy": 1 - error}, more.get("at"), 1.0, task)


RESULTS = [result(4, 0, 0.1), result(4, 1, 0.2), result(4, 2, 0.4), result(8, 0, 0.01), result(8, 1, 0.03)]


def test_medians_and_quartiles_by_hand() -> None:
    heading, *rows = grouped(RESULTS, metrics=["error"])
    assert heading == ["model.width", "runs", "error (quartiles)"]
    # 0.1, 0.2, 0.4: the quartiles lie halfway between the neighbours; 0.01, 0.03: a quarter and three quarters between
    assert rows == [["4", "3", "0.2 (0.15 to 0.3)"], ["8", "2", "0.02 (0.015 to 0.025)"]]


def test_groups_as_asked() -> None:
    (row,) = grouped(RESULTS, metrics=["error"], by=["model.depth"])[1:]
    assert row[:2] == ["2", "5"]
    assert row[2].startswith("0.1 ")


def test_diverged_runs_count_as_worst() -> None:
    diverged = [*RESULTS[:2], result(4, 2, 0.0, at=10)]
    (row,) = grouped(diverged, metrics=["error", "accuracy"])[1:]
    # errors 0.1, 0.2, worst: median 0.2, upper quartile unknown; accuracies worst, 0.8, 0.9: lower quartile unknown
    assert " ".join(row) == "3 0.2 (0.15 to nan) 0.8 (nan to 0.85)"


def test_counts_of_diverged_runs_are_those_of_the_table() -> None:
    # One of three diverged: its number of parameters is known, its pieces are not; nothing of it is NaN.
    task = TaskFacts("error")
    metrics = [{"error": 0.1, "num_pieces": 6, "num_parameters": 33}] * 2 + [{"error": math.nan, "num_parameters": 33}]
    runs = [
        Result(f"run-{seed}", {"seed": seed}, each, 5 if seed == 2 else None, 1.0, task)
        for seed, each in enumerate(metrics)
    ]
    (row,) = grouped(runs, metrics=["num_parameters", "num_pieces"])[1:]
    assert " ".join(row) == "3 33 6"
    (row,) = grouped(runs[2:], by=["seed"], metrics=["num_parameters"])[1:]
    assert " ".join(row) == "2 1 33"


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for each in RESULTS:
        (tmp_path / each.run).mkdir()
        write_result(tmp_path / each.run, each)
    monkeypatch.setattr(sys, "argv", ["dlcourse-results", str(tmp_path), "--metric", "error"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [re.split(" {2,}", line.strip()) for line in lines] == grouped(RESULTS, metrics=["error"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/nothing"], "no finished runs here"),
        (["{}", "--metric", "loss"], "metric must be one of error, accuracy, got loss"),
        (["{}", "--by", "depth"], "setting must be one of model.depth, model.width, seed, got depth"),
    ],
)
def test_mistakes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (tmp_path / "run").mkdir()
    write_result(tmp_path / "run", RESULTS[0])
    monkeypatch.setattr(sys, "argv", ["dlcourse-results", *(each.format(tmp_path) for each in arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_words_have_no_quartiles() -> None:
    measured = [
        Result(f"m-{bits}", {"num_bits": bits}, {"gates": 2 * bits, "blocks": "(1 3)"}, None, 0.1) for bits in (4, 8)
    ]
    heading, *rows = grouped(measured, by=["num_bits"])
    assert heading == ["num_bits", "runs", "gates (quartiles)"]
    assert [row[2] for row in rows] == ["8", "16"]
    with pytest.raises(ValueError, match="metric must be one of gates, got blocks"):
        grouped(measured, metrics=["blocks"])
