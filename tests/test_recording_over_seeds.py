import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.recording import Cell, Quartiles, Result, TaskFacts, cells, quartiles
from dlcourse.recording.over_seeds import difference

finite = st.floats(-1e6, 1e6)


def result(depth: int, width: int | None, seed: int = 0, *, error: float = 0.5, **config: Any) -> Result:
    config = {"model.depth": depth, "model.width": width, **config, "seed": seed}
    return Result(f"depth={depth}-width={width}-seed={seed}", config, {"mean_squared_error": error}, None, 1.0)


def cell(*errors: float, metric: str = "mean_squared_error", diverged: int = 0) -> Cell:
    """A cell of runs with these errors, the last of which diverged."""
    task = TaskFacts(metric, higher_is_better=("accuracy",))
    runs = [Result("run", {}, {metric: error}, None, 1.0, task) for error in errors]
    runs[len(runs) - diverged :] = [replace(run, diverged_at=5) for run in runs[len(runs) - diverged :]]
    return Cell(1, 4, "", runs)


def same(found: Quartiles | None, lower: float, median: float, upper: float) -> bool:
    assert found is not None
    return [found.lower, found.median, found.upper] == pytest.approx([lower, median, upper], rel=1e-12, nan_ok=True)


def test_quartiles_by_hand() -> None:
    assert same(quartiles([7]), 7, 7, 7)
    assert same(quartiles([4, 0]), 1, 2, 3)
    assert same(quartiles([5, 1, 3, 2, 4]), 2, 3, 4)
    assert same(quartiles([40, 10, 30, 20]), 17.5, 25, 32.5)


@given(st.lists(finite, min_size=1, max_size=12))
def test_quartiles_are_those_of_numpy(values: list[float]) -> None:
    expected = np.quantile(values, [0.25, 0.5, 0.75])
    found = quartiles(values)
    # One rounding of a difference and one of a sum, at 1e6.
    np.testing.assert_allclose([found.lower, found.median, found.upper], expected, rtol=0, atol=1e-9)


def test_quartiles_among_infinite_values_are_nan() -> None:
    assert same(quartiles([1, math.inf, 2, 3, math.inf]), 2, 3, math.nan)
    assert same(quartiles([1, math.inf]), math.nan, math.nan, math.nan)
    assert same(quartiles([1, 2, math.inf]), 1.5, 2, math.nan)
    assert same(quartiles([-math.inf, 1, 2]), math.nan, 1, 1.5)


def test_runs_that_diverged_count_as_the_worst() -> None:
    error, accuracy = "mean_squared_error", "accuracy"
    # With 0.1 for the run that diverged, or without it, the median would be 0.2 or 0.25.
    assert same(cell(0.2, 0.3, 0.1, diverged=1).quartiles(error), 0.25, 0.3, math.nan)
    assert same(cell(0.8, 0.7, 0.9, metric=accuracy, diverged=1).quartiles(accuracy), math.nan, 0.7, 0.75)
    assert same(cell(0.2, math.nan, 0.3).quartiles(error), 0.25, 0.3, math.nan)
    assert same(cell(0.2, 0.3, diverged=2).quartiles(error), math.nan, math.nan, math.nan)
    assert cell(0.2, 0.3, 0.4, diverged=2).num_diverged == 2


def test_counts_are_of_the_runs_that_have_them() -> None:
    runs = [*cell(3, 9, 6, math.nan, metric="num_pieces", diverged=1).results, result(1, 4)]
    assert same(Cell(1, 4, "", runs).quartiles("num_pieces"), 4.5, 6, 7.5)
    assert cell(math.nan, metric="num_pieces").quartiles("num_pieces") is None


def test_a_run_without_the_metric_counts_as_the_worst_among_others() -> None:
    runs = [result(1, 4, error=0.2), result(1, 4, error=0.4), Result("run", {}, {}, None, 1.0)]
    assert same(Cell(1, 4, "", runs).quartiles("mean_squared_error"), 0.3, 0.4, math.nan)


def test_no_run_has_it() -> None:
    assert cell(0.2, 0.3).quartiles("num_pieces") is None
    assert cell(0.2, 0.3).quartiles("accuracy") is None


def test_cells_of_depth_and_width() -> None:
    runs = [result(depth, width, seed) for seed in range(3) for width in (16, 4) for depth in (10, 2)]
    found = cells(runs)
    assert [(c.width, c.depth, c.setting) for c in found] == [(4, 2, ""), (4, 10, ""), (16, 2, ""), (16, 10, "")]
    assert [run.config["seed"] for run in found[0].results] == [0, 1, 2]
    assert all(run.config["model.depth"] == c.depth for c in found for run in c.results)


def test_equal_widths_are_a_width() -> None:
    equal = [result(2, None, seed, **{"model.widths": [7, 7]}) for seed in range(2)]
    shallow = result(1, None, **{"model.widths": [19]})
    found = cells([*equal, shallow, result(2, None, **{"model.widths": [7, 8]})])
    assert [(c.depth, c.width, c.setting, len(c.results)) for c in found] == [(2, 7, "", 2), (1, 19, "", 1)]


def test_runs_without_one_width_are_left_out() -> None:
    assert cells([result(1, None)]) == []


def test_nothing_is_averaged_over_other_settings() -> None:
    runs = [
        result(1, 4, seed, **{"optimizer.rate": rate, "model.activation": activation, "num_steps": 10})
        for rate in (2.0, 10.0)
        for activation in ("tanh", "relu")
        for seed in range(2)
    ]
    found = cells(runs, tune=())
    assert [c.setting for c in found] == ["rate=2.0-tanh", "rate=2.0-relu", "rate=10.0-tanh", "rate=10.0-relu"]
    assert [len(c.results) for c in found] == [2, 2, 2, 2]


def test_settings_that_would_share_a_name_get_longer_ones() -> None:
    # Without keys, both would be "x-y".
    runs = [result(1, 4, **{"a": "x", "b": "y"}), result(1, 4, **{"a": "x-y", "b": None})]
    assert [c.setting for c in cells(runs)] == ["a=_x_-b=_y_", "a=_x-y_-b=None"]


@pytest.mark.parametrize("value", ["../../up", "with space", "x" * 1000, "a:b*c?"])
def test_settings_are_fit_for_a_folder(value: str) -> None:
    name = cells([result(1, 4, a=value), result(1, 4, a="other")])[0].setting
    assert len(name) < 200
    assert not set(name) & set('/\\ :*?"<>|')


def test_long_settings_stay_apart() -> None:
    first, second = cells([result(1, 4, a="x" * 500 + end) for end in "ab"])
    assert first.setting != second.setting


@pytest.mark.parametrize(
    ("first", "second", "low", "high"), [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090)]
)
def test_difference_of_shares_is_newcombes(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    # Newcombe 1998, table II, method 10.
    assert difference(*first, *second) == pytest.approx((low, high), abs=5e-5)
    assert difference(*second, *first) == pytest.approx((-high, -low), abs=5e-5)
