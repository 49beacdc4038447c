import math

from dlcourse.recording import Result, depth_width_table


def run(depth: int, width: int, seed: int, error: float, pieces: int | None = None, **settings: str) -> Result:
    metrics: dict[str, int | float] = {"mean_squared_error": error, "num_parameters": 3 * width * depth}
    if pieces is not None:
        metrics["num_pieces"] = pieces
    config = {"model.depth": depth, "model.width": width, "seed": seed, **settings}
    return Result(f"{depth}-{width}-{seed}", config, metrics, None if math.isfinite(error) else 9, 1.0)


def test_medians() -> None:
    errors = {(1, 4): [0.3, 0.1, 0.2], (2, 4): [1e-5, 3e-5, 0.5], (1, 16): [2000.0, 0.0, 1.0], (2, 16): [0, 0, 0.0]}
    results = [
        run(depth, width, seed, error, pieces=10 * depth + width + seed)
        for (depth, width), of_seeds in errors.items()
        for seed, error in enumerate(of_seeds)
    ]
    assert depth_width_table(results, "mean_squared_error").splitlines() == [
        "mean squared error, linear pieces, parameters: medians over 3 seeds",
        "",
        "                            width 4                      width 16",
        "depth     error  pieces  parameters     error  pieces  parameters",
        "-----   ---------------------------   ---------------------------",
        "    1    0.2000      15          12    1.0000      27          48",
        "    2   3.0e-05      25          24    0.0000      37          96",
    ]


def test_missing_cells_missing_seeds_runs_that_diverged_and_networks_without_pieces() -> None:
    results = [
        run(1, 4, 0, 0.3),
        run(1, 4, 1, 0.5),
        run(2, 8, 0, 0.1, pieces=4),
        run(2, 8, 1, math.nan),
        run(3, 8, 0, 0.2, pieces=7),
    ]
    assert depth_width_table(results, "mean_squared_error").splitlines() == [
        "mean squared error, linear pieces, parameters: medians over 2 seeds",
        "",
        "                           width 4                      width 8",
        "depth    error  pieces  parameters    error  pieces  parameters",
        "-----   --------------------------   --------------------------",
        "    1   0.4000       -          12",
        "    2                                   nan       4          48",
        "    3                                0.2000       7          72",
        "",
        "depth 2, width 8: 1 of 2 runs diverged (counted as the worst)",
        "depth 3, width 8: 1 of 2 seeds only",
    ]


def test_one_table_for_each_other_setting() -> None:
    results = [run(1, 4, 0, 0.25, **{"model.activation": name}) for name in ("relu", "tanh")]
    table = [
        "                           width 4",
        "depth    error  pieces  parameters",
        "-----   --------------------------",
        "    1   0.2500       -          12",
    ]
    assert depth_width_table(results, "mean_squared_error").splitlines() == [
        "mean squared error, linear pieces, parameters: one seed",
        *("", "relu", *table),
        *("", "tanh", *table),
    ]


def test_three_widths_fit_into_a_hundred_columns() -> None:
    results = [run(10, width, 0, 0.123456, pieces=10**5 + width) for width in (100, 200, 300)]
    table = depth_width_table(results, "mean_squared_error")
    assert max(len(line) for line in table.splitlines()) == 92
    accuracies = [Result("run", each.config, {"accuracy": 0.5}, None, 1.0) for each in results]
    table = depth_width_table(accuracies, "accuracy")
    assert max(len(line) for line in table.splitlines()) == 98


def test_nothing_to_compare() -> None:
    assert depth_width_table([], "accuracy") == "no finished runs to compare"
    tapered = Result("run", {"model.depth": 2, "model.width": None, "model.widths": [8, 4]}, {"accuracy": 0.5}, None, 1)
    assert "results.csv" in depth_width_table([tapered], "accuracy")
