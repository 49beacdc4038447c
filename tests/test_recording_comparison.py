import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard_app import TensorBoard

from dlcourse.recording import Result, TaskFacts, compare, write_comparison


def run(depth: int, width: int, seed: int, error: float, pieces: int | None = None, **settings: str) -> Result:
    metrics: dict[str, int | float] = {"mean_squared_error": error, "num_parameters": 3 * width * depth}
    if pieces is not None:
        metrics["num_pieces"] = pieces
    config = {"model.depth": depth, "model.width": width, "seed": seed, **settings}
    return Result(f"{depth}-{width}-{seed}", config, metrics, None if math.isfinite(error) else 9, 1.0)


def points(board: TensorBoard, name: str, tag: str) -> list[tuple[int, float]]:
    return [(step, value) for _, step, value in board.scalars(name, tag)]


def test_the_step_is_the_depth(tmp_path: Path) -> None:
    errors = {(1, 4): [0.5, 0.25, 1.0], (3, 4): [0.125, 4.0, math.nan], (1, 16): [0.5], (3, 16): [math.nan]}
    results = [
        run(depth, width, seed, error, pieces=10 * depth + seed if math.isfinite(error) else None)
        for (depth, width), of_seeds in errors.items()
        for seed, error in enumerate(of_seeds)
    ]
    write_comparison(tmp_path, results, "mean_squared_error")
    board = TensorBoard(tmp_path)
    tags = {"comparison/mean_squared_error", "comparison/num_pieces", "comparison/num_parameters"}
    assert board.scalar_tags() == {"comparison/width=4": tags, "comparison/width=16": tags}
    assert points(board, "comparison/width=4", "comparison/mean_squared_error") == [(1, 0.5), (3, 4.0)]
    assert points(board, "comparison/width=4", "comparison/num_pieces") == [(1, 11), (3, 30.5)]
    assert points(board, "comparison/width=4", "comparison/num_parameters") == [(1, 12), (3, 36)]
    assert points(board, "comparison/width=16", "comparison/mean_squared_error") == [(1, 0.5), (3, "NaN")]
    assert points(board, "comparison/width=16", "comparison/num_pieces") == [(1, 10)]
    assert board.hparams_rows() == {}


def test_the_picture_is_a_file_and_an_image(tmp_path: Path) -> None:
    write_comparison(tmp_path, [run(1, 4, 0, 0.5), run(2, 4, 0, 0.25)], "mean_squared_error", title="zigzag")
    board = TensorBoard(tmp_path)
    assert board.image_tags() == {"comparison": {"comparison/depth_against_width"}}
    png = (tmp_path / "comparison" / "depth_against_width.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert board.image("comparison", "comparison/depth_against_width") == png


def test_networks_without_pieces(tmp_path: Path) -> None:
    write_comparison(tmp_path, [run(1, 4, 0, 0.5)], "mean_squared_error")
    tags = TensorBoard(tmp_path).scalar_tags()["comparison/width=4"]
    assert tags == {"comparison/mean_squared_error", "comparison/num_parameters"}


@pytest.mark.slow
def test_it_is_written_anew_each_time(tmp_path: Path) -> None:
    write_comparison(tmp_path, [run(1, width, 0, 0.5) for width in (4, 8)], "mean_squared_error")
    write_comparison(tmp_path, [run(depth, 4, 0, 0.25) for depth in (1, 2)], "mean_squared_error")
    board = TensorBoard(tmp_path)
    assert set(board.scalar_tags()) == {"comparison/width=4"}
    assert points(board, "comparison/width=4", "comparison/mean_squared_error") == [(1, 0.25), (2, 0.25)]
    files = sorted(path.name.split("tfevents.")[0] for path in (tmp_path / "comparison").rglob("*"))
    assert files == ["depth_against_width.png", "events.out.", "events.out.", "width=4"]


@pytest.mark.slow
def test_other_settings_have_their_own_runs_and_pictures(tmp_path: Path) -> None:
    results = [
        run(1, 4, seed, error, **{"model.activation": activation})
        for activation, errors in {"relu": (0.5, 0.5), "tanh": (0.25, 0.25)}.items()
        for seed, error in enumerate(errors)
    ]
    write_comparison(tmp_path, results, "mean_squared_error")
    board = TensorBoard(tmp_path)
    assert set(board.scalar_tags()) == {"comparison/width=4-relu", "comparison/width=4-tanh"}
    assert points(board, "comparison/width=4-relu", "comparison/mean_squared_error") == [(1, 0.5)]
    assert points(board, "comparison/width=4-tanh", "comparison/mean_squared_error") == [(1, 0.25)]
    pictures = {"comparison/depth_against_width-relu", "comparison/depth_against_width-tanh"}
    assert board.image_tags() == {"comparison": pictures}
    assert all((tmp_path / f"{picture}.png").is_file() for picture in pictures)


def test_the_curves_are_tuned_and_the_others_lie_beside_them(tmp_path: Path) -> None:
    # Width 4 has its least error at the large rate, width 8 at the small one.
    errors = {(4, 0.01): 0.5, (4, 0.1): 0.25, (8, 0.01): 0.125, (8, 0.1): 1.0}
    results = [
        run(1, width, seed, error, **{"optimizer.rate": str(rate)})
        for (width, rate), error in errors.items()
        for seed in range(2)
    ]
    facts = TaskFacts("mean_squared_error", solved=0.2)
    results = [replace(each, run=f"run {index}", task=facts) for index, each in enumerate(results)]
    compare(tmp_path, results)
    board = TensorBoard(tmp_path)
    assert set(board.scalar_tags()) == {
        *(f"comparison/width={width}" for width in (4, 8)),
        *(f"comparison/untuned/width={width}-{rate}" for width, rate in errors),
    }
    assert points(board, "comparison/width=4", "comparison/mean_squared_error") == [(1, 0.25)]
    assert points(board, "comparison/width=8", "comparison/mean_squared_error") == [(1, 0.125)]
    assert points(board, "comparison/width=8", "comparison/share_of_seeds_that_solve_it") == [(1, 1.0)]
    assert points(board, "comparison/untuned/width=4-0.01", "comparison/mean_squared_error") == [(1, 0.5)]
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    counted = {(int(row["model.width"]), float(row["optimizer.rate"])) for row in rows if row["judged"] == "True"}
    assert counted == {(4, 0.1), (8, 0.01)}
    assert {row["solved"] for row in rows if row["model.width"] == "8"} == {"True", "False"}
    compare(tmp_path, results, tune=())
    names = {f"comparison/width={width}-{rate}" for width, rate in errors}
    assert set(TensorBoard(tmp_path).scalar_tags()) == names


def test_equal_sizes_are_curves_over_the_depth_and_depths_over_the_size(tmp_path: Path) -> None:
    results = [
        replace(run(depth, 4, 0, depth / size), config={"model.depth": depth, "model.max_parameters": size, "seed": 0})
        for depth in (1, 2)
        for size in (64, 128)
    ]
    write_comparison(tmp_path, results, "mean_squared_error")
    board = TensorBoard(tmp_path)
    assert points(board, "comparison/max_parameters=64", "comparison/mean_squared_error") == [(1, 1 / 64), (2, 2 / 64)]
    over_size = points(board, "comparison/depth=2", "comparison over parameters/mean_squared_error")
    assert over_size == [(64, 2 / 64), (128, 2 / 128)]


@pytest.mark.parametrize("results", [[], [Result("a", {"model.depth": 1, "model.width": 4}, {"loss": 1.0}, None, 1.0)]])
def test_nothing_to_compare(tmp_path: Path, results: list[Result]) -> None:
    write_comparison(tmp_path, results, "accuracy")
    assert list((tmp_path / "comparison").iterdir()) == []
