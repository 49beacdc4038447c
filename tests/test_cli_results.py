"""The console script `dlcourse-results`."""

import math
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dlcourse.cli.results import grouped, main
from dlcourse.jobs import runs
from dlcourse.jobs.config import RunConfig
from dlcourse.recording import Result, TaskFacts, read_json, write_json, write_result
from dlcourse.recording.failures import Failed, write_failure
from dlcourse.tasks import ZigZag
from dlcourse.training import SGD


def result(width: int, seed: int, error: float, **more: Any) -> Result:
    config = {"model.depth": 2, "model.width": width, "seed": seed}
    task = TaskFacts("error", higher_is_better=("accuracy",), in_features=1, out_features=1)
    return Result(f"run-{width}-{seed}", config, {"error": error, "accuracy": 1 - error}, more.get("at"), 1.0, task)


RESULTS = [result(4, 0, 0.1), result(4, 1, 0.2), result(4, 2, 0.4), result(8, 0, 0.01), result(8, 1, 0.03)]


def test_medians_and_quartiles_by_hand() -> None:
    heading, *rows = grouped(RESULTS, metrics=["error"])
    assert heading == ["model.width", "runs", "solved", "error (quartiles)"]
    # 0.1, 0.2, 0.4: the quartiles lie halfway between the neighbours; 0.01, 0.03: a quarter and three quarters between
    assert rows == [["4", "3", "-", "0.2 (0.15 to 0.3)"], ["8", "2", "-", "0.02 (0.015 to 0.025)"]]


def tuned(rate: float, seed: int, error: float) -> Result:
    """A run of one depth and two rates, which solves its task below 0.05."""
    config = {"task.name": "zigzag", "model.depth": 2, "optimizer.rate": rate, "seed": seed}
    facts = TaskFacts("error", solved=0.05, pieces_domain="[-2, 2]")
    return Result(f"{rate}-{seed}", config, {"error": error, "num_pieces": 4}, None, 1.0, facts)


# Seeds 0 and 2 choose 0.1, where both solve the task; seeds 1 and 3 choose 0.01, whose median is the least.
TUNED_RUNS = [
    *(tuned(0.01, seed, error) for seed, error in enumerate([0.3, 0.1, 0.2, 0.1])),
    *(tuned(0.1, seed, error) for seed, error in enumerate([0.01, 0.4, 0.02, 0.8])),
]


def test_what_is_tuned_is_no_group() -> None:
    heading, row = grouped(TUNED_RUNS, metrics=["error", "num_pieces"], tune=["optimizer.rate"])
    assert heading == ["runs", "solved", "error (quartiles)", "num_pieces on [-2, 2] (quartiles)", "chosen"]
    # Judged by seeds 1 and 3 at rate 0.1, and by 0 and 2 at 0.01: 0.4, 0.8, 0.3, 0.2.
    assert row == ["4", "0 (0-49%)", "0.35 (0.275 to 0.5)", "4", "0.1 | 0.01"]
    heading, *rows = grouped(TUNED_RUNS, metrics=["error"])
    assert heading[0] == "optimizer.rate"
    # Wilson's interval of 2 in 4, from scipy.stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert rows[1] == ["0.1", "4", "2 (15-85%)", "0.21 (0.0175 to 0.5)"]
    (row,) = grouped(TUNED_RUNS, metrics=["error"], by=["optimizer.rate"], apart=True)[1:2]
    assert row[:5] == ["0.01", "4", "0", "0", "0.4899"]


def test_the_end_of_a_grid_has_a_star() -> None:
    runs = [tuned(rate, seed, 0.4 - rate) for rate in (0.01, 0.03, 0.1, 0.3) for seed in range(4)]
    assert grouped(runs, metrics=["error"], tune=["optimizer.rate"])[1][-1] == "0.3*"


def test_groups_as_asked() -> None:
    (row,) = grouped(RESULTS, metrics=["error"], by=["model.depth"])[1:]
    assert row[:2] == ["2", "5"]
    assert row[3].startswith("0.1 ")


def test_diverged_runs_count_as_worst() -> None:
    diverged = [*RESULTS[:2], result(4, 2, 0.0, at=10)]
    (row,) = grouped(diverged, metrics=["error", "accuracy"])[1:]
    # errors 0.1, 0.2, worst: median 0.2, upper quartile unknown; accuracies worst, 0.8, 0.9: lower quartile unknown
    assert " ".join(row) == "3 - 0.2 (0.15 to nan) 0.8 (nan to 0.85)"


def test_counts_of_diverged_runs_are_those_of_the_table() -> None:
    # One of three diverged: its number of parameters is known, its pieces are not; nothing of it is NaN.
    task = TaskFacts("error")
    metrics = [{"error": 0.1, "num_pieces": 6, "num_parameters": 33}] * 2 + [{"error": math.nan, "num_parameters": 33}]
    runs = [
        Result(f"run-{seed}", {"seed": seed}, each, 5 if seed == 2 else None, 1.0, task)
        for seed, each in enumerate(metrics)
    ]
    (row,) = grouped(runs, metrics=["num_parameters", "num_pieces"])[1:]
    assert " ".join(row) == "3 - 33 6"
    (row,) = grouped(runs[2:], by=["seed"], metrics=["num_parameters"])[1:]
    assert " ".join(row) == "2 1 - 33"


def test_a_setting_that_is_named_twice_is_one_column() -> None:
    assert grouped(RESULTS, by=["model.width", "seed", "model.width"]) == grouped(RESULTS, by=["model.width", "seed"])


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
        (["{}", "--tune", "depth"], "tune must be one of model.depth, model.width, got depth"),
        (["{}", "--tune", "model.depth,seed"], "tune must be one of model.depth, model.width, got seed"),
        (["{}", "--where", "model.width=7"], "model.width must be one of 4, got 7"),
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


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A folder of three real runs, one of which has diverged, and of one that failed."""
    configs = [
        RunConfig(
            task=ZigZag(), optimizer=SGD(rate=rate), num_steps=4, log_every=2, outputs=str(tmp_path), pictures=False
        )
        for rate in (0.01, 0.1, 1e30)
    ]
    runs.run(configs, progress=False)
    folder = configs[0].folder.parent
    write_failure(folder / "other", Failed("other", "ArithmeticError: no", "dlcourse seed=7"))
    return folder


def said(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["dlcourse-results", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    output = capsys.readouterr()
    return int(exit_.value.code or 0), output.out + output.err


def test_damage_is_found_and_named(sweep: Path, monkeypatch: Any, capsys: Any) -> None:
    assert said([str(sweep), "--check"], monkeypatch, capsys) == (0, "3 finished, all as they were written\n")
    first, second, third = sorted(path.parent for path in sweep.glob("*/metrics.json"))
    network = bytearray((first / "model.pt").read_bytes())
    with zipfile.ZipFile(first / "model.pt") as archive:
        part = max(archive.infolist(), key=lambda info: info.file_size)
        network[network.index(archive.read(part))] ^= 1
    (first / "model.pt").write_bytes(network)
    (events,) = second.glob("events*")
    content = bytearray(events.read_bytes())
    content[-40] ^= 1
    events.write_bytes(content)
    result = read_json(third / "metrics.json")
    result["provenance"]["torch"] = "1.0"
    write_json(third / "metrics.json", result)
    code, text = said([str(sweep), "--check"], monkeypatch, capsys)
    assert code == 1
    assert f"{second / events.name}: the record at byte" in text
    assert "more than one torch: " in text
    assert "1.0 (1)" in text
    assert f"{first / 'model.pt'}: " in text
    (third / "train.log").unlink()
    assert f"{third / 'train.log'}: it cannot be read" in said([str(sweep), "--check"], monkeypatch, capsys)[1]


def test_runs_are_picked_and_failures_listed(sweep: Path, monkeypatch: Any, capsys: Any) -> None:
    code, text = said([str(sweep), "--where", "optimizer.rate=1e-2", "--csv"], monkeypatch, capsys)
    assert code == 0
    assert [line.split(",")[0] for line in text.splitlines()] == ["runs", "1"]
    code, text = said([str(sweep), "--markdown"], monkeypatch, capsys)
    assert [line.split("|")[1].strip() for line in text.splitlines()] == [
        "optimizer.rate",
        "---:",
        "0.01",
        "0.1",
        "1e+30",
    ]
    code, text = said([str(sweep), "--failed"], monkeypatch, capsys)
    assert "other: ArithmeticError: no\n  dlcourse seed=7\n" in text
    assert text.count("diverged by step") == 1
    assert said([str(sweep), "--where", "rate=1"], monkeypatch, capsys)[0] == 2
    code, text = said([str(sweep.parent)], monkeypatch, capsys)
    assert code == 2
    assert f"there are some in {sweep}" in text


@pytest.mark.slow
def test_a_folder_is_compared_after_the_fact(sweep: Path, monkeypatch: Any, capsys: Any) -> None:
    assert not (sweep / "comparison").exists()
    assert said([str(sweep), "--compare"], monkeypatch, capsys)[0] == 0
    assert (sweep / "results.csv").exists()
    assert list((sweep / "comparison").glob("*.png"))
