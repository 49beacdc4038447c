"""What the README says, done as it says."""

import csv
import re

import pytest

from dlcourse.cli.door import CONFIGS

README = (CONFIGS.parent / "README.md").read_text()


def test_library_lines_run_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"0 \[\d+(, \d+){4}\]", first)
    assert re.fullmatch(r"2000 \[\d+(, \d+){4}\]", last)
    pieces = [eval(line.split(" ", 1)[1]) for line in (first, last)]
    assert sum(pieces[1]) > sum(pieces[0])  # training folds the line


def test_the_first_table_is_that_of_the_experiment() -> None:
    with (CONFIGS.parent / "experiments/depth_vs_width_zigzag/results.csv").open() as file:
        rows = {(row["depth"], row["width"]): row for row in csv.DictReader(file)}
    lines = re.findall(
        r"^ +(\d) +(\d+) +(\d+) +(\S+) \(.*?\) +(\d+) of (\d+) .* ([\d.]+) +([\d.]+(?: \| [\d.]+)?)$", README, re.M
    )
    assert {line[:2] for line in lines} == set(rows)
    for depth, width, parameters, error, solved, seeds, pieces, rate in lines:
        row = rows[depth, width]
        assert [parameters, solved, seeds, rate] == [row[key] for key in ("parameters", "solved", "seeds", "chosen")]
        # The table rounds to four decimals, or to two digits below 0.001.
        assert float(error) == pytest.approx(float(row["mean_squared_error"]), rel=0.05)
        assert float(pieces) == float(row["pieces"])
    of_seeds = {key: f"{row['solved']} of {row['seeds']}" for key, row in rows.items()}
    said = " ".join(README.split())
    assert f"finds the zig-zag of 8 with {of_seeds['1', '16']} seeds" in said
    assert (of_seeds["3", "8"], of_seeds["3", "16"]) == ("8 of 10", "10 of 10")
    assert "three layers of 8 with 8, three of 16 with all ten" in said


def test_the_first_answer_is_that_of_the_experiment() -> None:
    with (CONFIGS.parent / "experiments/what_depth_buys/surface.csv").open() as file:
        rows = {
            tuple(int(row[key]) for key in ("num_folds", "max_parameters", "num_steps", "depth")): row
            for row in csv.DictReader(file)
        }
    with (CONFIGS.parent / "experiments/what_depth_buys/batches.csv").open() as file:
        whole = {row["depth"]: row["solved"] for row in csv.DictReader(file) if row["batch_size"] == "1000"}
    solved = {key: f"{row['solved']} of {row['seeds']}" for key, row in rows.items()}
    errors = {key: f"{float(row['mean_squared_error']):.2f}" for key, row in rows.items()}
    said = " ".join(README.split())
    surely, fast, hard = (3, 240, 10000), (3, 720, 1000), (4, 720, 10000)
    assert f"{solved[*surely, 1]} seeds, three layers {rows[*surely, 3]['solved']})" in said
    assert f"three layers {solved[*fast, 3]}, one layer {rows[*fast, 1]['solved']}; of all 1,000 points:" in said
    assert f"of all 1,000 points: {whole['3']} and {whole['1']})" in said
    assert f"five layers leave a median error of {errors[*hard, 5]}, one layer {errors[*hard, 1]})" in said


def test_files_it_links_to_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 8
    for link in links:
        assert (CONFIGS.parent / link).exists(), link


def test_it_says_how_to_install_without_make_and_without_cuda() -> None:
    said = " ".join(README.split())
    for words in (
        "pip install . ",
        "build for CUDA, several gigabytes",
        "https://download.pytorch.org/whl/cpu make run",
    ):
        assert words in said


def test_a_newcomer_reads_it_in_two_minutes() -> None:
    prose = re.sub(r"```.*?```|\]\(.*?\)", "", README, flags=re.DOTALL)
    assert len(re.findall(r"\w\w+", prose)) < 500  # 250 words a minute
