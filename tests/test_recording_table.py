import csv
import io
import math
from typing import Any

import pytest

from dlcourse.recording import Result, TaskFacts, cells, depth_width_table, row

FACTS = TaskFacts("mean_squared_error", solved=0.01, pieces_domain="[-2, 2]")


def run(
    depth: int, width: int | None, seed: int, error: float, pieces: int | None = None, *,
    task: TaskFacts | None = FACTS, steps: float | None = None, **settings: Any,
) -> Result:  # fmt: skip
    metrics: dict[str, int | float] = {"mean_squared_error": error, "num_parameters": 3 * (width or 5) * depth}
    if pieces is not None:
        metrics["num_pieces"] = pieces
    if steps is not None:
        metrics["steps_until_solved"] = steps
    config = {"model.depth": depth, "model.width": width, "seed": seed, "num_steps": 500, **settings}
    return Result(f"{depth}-{width}-{seed}", config, metrics, None if math.isfinite(error) else 9, 1.0, task)


def test_medians() -> None:
    errors = {(1, 4): [0.3, 0.1, 0.2], (2, 4): [1e-5, 3e-5, 0.5], (1, 16): [2000.0, 0.0, 1.0], (2, 16): [0, 0, 0.0]}
    results = [
        run(depth, width, seed, error, pieces=10 * depth + width + seed, steps=100 if error < 0.01 else math.inf)
        for (depth, width), of_seeds in errors.items()
        for seed, error in enumerate(of_seeds)
    ]
    # Intervals from scipy.stats.binomtest(..., 3).proportion_ci(method="wilson"); that of 1 in 3 is 73 points wide.
    assert depth_width_table(results, "mean_squared_error").splitlines() == [
        "mean squared error (solved: below 0.01), linear pieces on [-2, 2]",
        "medians over 3 seeds, nothing is tuned",
        "so few seeds leave a probability open by up to 73 points",
        "",
        "depth  width  parameters            error (quartiles)      solved (95%)  steps  pieces",
        "-----  -----  ----------  ---------------------------  ----------------  -----  ------",
        "    1      4          12    0.2000 (0.1500 to 0.2500)    0 of 3 (0-56%)  > 500      15",
        "    2      4          24  3.0e-05 (2.0e-05 to 0.2500)   2 of 3 (21-94%)    100      25",
        "    1     16          48   1.0000 (0.5000 to 1.0e+03)    1 of 3 (6-79%)  > 500      27",
        "    2     16          96                       0.0000  3 of 3 (44-100%)    100      37",
    ]


def test_what_was_tuned_and_the_end_of_a_grid() -> None:
    # Depth 1 has the least error at the least rate. Depth 2 has it at the least rate for even seeds and at the largest
    # but one for odd ones, because the largest rate lacks seed 7.
    rates = (0.001, 0.01, 0.1, 1.0)
    errors = {
        (depth, rate, seed): rate / 1000 if depth == 1 else 0.5 - i / 10 if seed % 2 else 0.01 + i / 10
        for depth in (1, 2)
        for i, rate in enumerate(rates)
        for seed in range(8)
    }
    del errors[2, 1.0, 7]
    results = [run(depth, 8, seed, error, **{"optimizer.rate": rate}) for (depth, rate, seed), error in errors.items()]
    # Depth 2 is judged by the odd seeds at 0.001, which come to 0.5, and the even ones at 0.1, which come to 0.21.
    assert depth_width_table(results, "mean_squared_error").splitlines() == [
        "mean squared error (solved: below 0.01)",
        "medians over 8 seeds, optimizer.rate chosen on half of them, judged on the other",
        "",
        "depth  width  parameters          error (quartiles)  solved (about 90%)         rate",
        "-----  -----  ----------  -------------------------  ------------------  -----------",
        "    1      8          24                    1.0e-06    8 of 8 (68-100%)       0.001*",
        "    2      8          48  0.3550 (0.2100 to 0.5000)      0 of 8 (0-32%)  0.001 | 0.1",
        "",
        "* optimizer.rate=0.001 is the end of its grid, and chosen for 1 of 2: widen it",
        "depth 2, width 8: 1 settings lack runs of some seeds and are left out",
    ]
    table = depth_width_table(results, "mean_squared_error", tune=())
    assert table.count("\ndepth  width") == 4
    assert "nothing is tuned" in table


def test_missing_cells_missing_seeds_runs_that_diverged_and_networks_without_pieces() -> None:
    results = [
        run(1, 4, 0, 0.3, task=None),
        run(1, 4, 1, 0.5, task=None),
        run(2, 8, 0, 0.1, pieces=4, task=None),
        run(2, 8, 1, math.nan, task=None),
        run(3, 8, 0, 0.2, pieces=7, task=None),
    ]
    assert depth_width_table(results, "mean_squared_error").splitlines() == [
        "mean squared error, linear pieces",
        "medians over 2 seeds, nothing is tuned",
        "so few seeds leave a probability open by up to 81 points",
        "",
        "depth  width  parameters          error (quartiles)  pieces",
        "-----  -----  ----------  -------------------------  ------",
        "    1      4          12  0.4000 (0.3500 to 0.4500)       -",
        "    2      8          48                        nan       4",
        "    3      8          72                     0.2000       7",
        "",
        "depth 2, width 8: 1 of 2 runs diverged (counted as the worst)",
        "depth 3, width 8: 1 of 2 seeds only",
    ]


def test_one_table_for_each_other_setting() -> None:
    results = [run(1, 4, 0, 0.25, task=None, **{"model.activation": name}) for name in ("relu", "tanh")]
    table = [
        "depth  width  parameters  error (quartiles)",
        "-----  -----  ----------  -----------------",
        "    1      4          12             0.2500",
    ]
    assert depth_width_table(results, "mean_squared_error").splitlines() == [
        "mean squared error",
        "one seed, nothing is tuned",
        "so few seeds leave a probability open by up to 79 points",
        *("", "relu", *table),
        *("", "tanh", *table),
    ]


def test_networks_of_equal_size_are_named_by_it() -> None:
    results = [
        run(len(widths), None, 0, 0.25, **{"model.max_parameters": 80, "model.widths": widths})
        for widths in ([26], [7, 7], [5, 5, 5])
    ]
    lines = depth_width_table(results, "mean_squared_error").splitlines()
    assert lines[4].split()[:3] == ["depth", "at", "most"]
    assert [line.split()[:2] for line in lines[6:]] == [["1", "80"], ["2", "80"], ["3", "80"]]
    assert [cell.curve for cell in cells(results)] == ["max_parameters=80"] * 3


def test_an_ordinary_sweep_fits_into_a_hundred_columns() -> None:
    results = [
        run(10, 100, seed, 0.123456 + seed, pieces=10**5, steps=math.inf, **{"optimizer.rate": rate})
        for rate in (0.003, 0.03)
        for seed in range(20)
    ]
    table = depth_width_table(results, "mean_squared_error")
    assert max(len(line) for line in table.splitlines()) <= 100


def test_a_row_of_numbers_is_what_the_table_says() -> None:
    found = row(cells([run(2, 4, seed, error, pieces=7, steps=90) for seed, error in enumerate([0.1, 0.001])])[0],
                "mean_squared_error")  # fmt: skip
    assert found["mean_squared_error"] == pytest.approx(0.0505)
    assert [found["solved"], found["seeds"], found["pieces"], found["steps_until_solved"]] == [1, 2, 7, 90]
    text = io.StringIO()
    csv.DictWriter(text, list(found)).writerow(found)
    assert "nan" not in text.getvalue()


def test_nothing_to_compare() -> None:
    assert depth_width_table([], "accuracy") == "no finished runs to compare"
    tapered = Result("run", {"model.depth": 2, "model.width": None, "model.widths": [8, 4]}, {"accuracy": 0.5}, None, 1)
    assert "results.csv" in depth_width_table([tapered], "accuracy")
