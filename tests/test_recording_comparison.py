import csv
import functools
import html
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tensorboard_app import TensorBoard

from dlcourse.recording import Result, TaskFacts, compare, depth_width_table, figures, write_comparison


@pytest.fixture(autouse=True)
def white_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made of all, but drawn for the one test that looks at them: that takes as long as the rest."""
    if request.function is not test_the_picture_is_a_file_and_an_image:
        monkeypatch.setattr(figures, "to_png", lambda figure, **_: blank())


@functools.cache
def blank() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (10, 10), "white").save(content, "png")
    return content.getvalue()


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
    names = ("mean_squared_error", "log10_of_mean_squared_error", "num_pieces")
    tags = {f"comparison (step = depth)/{name}" for name in (*names, "num_parameters")}
    tags |= {f"quartiles over depth/{name}, {edge}" for name in names for edge in ("lower", "median", "upper")}
    assert board.scalar_tags() == {"comparison/width=4": tags, "comparison/width=16": tags}
    logarithms = points(board, "comparison/width=4", "comparison (step = depth)/log10_of_mean_squared_error")
    assert logarithms == [(1, pytest.approx(-0.30103)), (3, pytest.approx(0.60206))]  # of 1/2 and of 4
    # Of 10, 11 and 12 pieces the quartiles lie halfway between neighbours.
    for edge, value in {"lower": 10.5, "median": 11, "upper": 11.5}.items():
        assert points(board, "comparison/width=4", f"quartiles over depth/num_pieces, {edge}")[0] == (1, value)
    assert points(board, "comparison/width=4", "comparison (step = depth)/mean_squared_error") == [(1, 0.5), (3, 4.0)]
    assert points(board, "comparison/width=4", "comparison (step = depth)/num_pieces") == [(1, 11), (3, 30.5)]
    assert points(board, "comparison/width=4", "comparison (step = depth)/num_parameters") == [(1, 12), (3, 36)]
    assert points(board, "comparison/width=16", "comparison (step = depth)/mean_squared_error") == [
        (1, 0.5),
        (3, "NaN"),
    ]
    assert points(board, "comparison/width=16", "comparison (step = depth)/num_pieces") == [(1, 10)]
    assert board.hparams_rows() == {}


def test_the_picture_is_a_file_and_an_image(tmp_path: Path) -> None:
    write_comparison(tmp_path, [run(1, 4, 0, 0.5), run(2, 4, 0, 0.25)], "mean_squared_error", title="zigzag")
    board = TensorBoard(tmp_path)
    assert board.image_tags() == {"comparison": {"comparison/error", "comparison/size"}}
    whole = Image.open(tmp_path / "comparison" / "depth_against_width.png").convert("RGB")
    for index, name in enumerate(("error", "size")):
        square = Image.open(io.BytesIO(board.image("comparison", f"comparison/{name}"))).convert("RGB")
        assert square.width == square.height
        part = whole.crop((index * square.width, 0, (index + 1) * square.width, square.height))
        assert part.tobytes() == square.tobytes()


def test_the_table_is_a_text(tmp_path: Path) -> None:
    results = [run(depth, 4, seed, 0.5**depth, pieces=depth) for depth in (1, 2) for seed in range(2)]
    write_comparison(tmp_path, results, "mean_squared_error")
    shown = TensorBoard(tmp_path).text("comparison", "comparison/table")
    assert depth_width_table(results, "mean_squared_error") in html.unescape(shown)
    assert "<pre>" in shown


def test_custom_scalars_have_medians_in_their_bands(tmp_path: Path) -> None:
    facts = TaskFacts("mean_squared_error", solved=0.3)
    results = [replace(run(depth, 4, 0, 0.5**depth, pieces=depth), task=facts) for depth in (1, 2)]
    write_comparison(tmp_path, results, "mean_squared_error")
    board = TensorBoard(tmp_path)
    charts = board.custom_scalars()
    assert list(charts) == [
        "log10 of mean squared error against depth", "num pieces against depth", "share of seeds that solve it",
    ]  # fmt: skip
    tags = board.scalar_tags()["comparison/width=4"]
    for chart in charts.values():
        named = [tag for series in chart.get("margin", {}).get("series", []) for tag in series.values()]
        patterns = chart.get("multiline", {}).get("tag", [])
        matched = [tag for tag in tags if any(re.search(pattern, tag) for pattern in patterns)]
        assert len(named) == 3 or len(matched) == 1
        assert set(named + matched) <= tags
        assert not any("(" in tag for tag in named + matched)  # the tab would show nothing of them


def test_an_accuracy_has_no_logarithm(tmp_path: Path) -> None:
    facts = TaskFacts("accuracy", ("accuracy",))
    results = [
        Result("a", {"model.depth": 1, "model.width": 4}, {"accuracy": 0.5, "num_parameters": 9}, None, 1.0, facts)
    ]
    write_comparison(tmp_path, results, "accuracy")
    board = TensorBoard(tmp_path)
    assert not any("log10" in tag for tag in board.scalar_tags()["comparison/width=4"])
    assert list(board.custom_scalars()) == ["accuracy against depth"]


def test_networks_without_pieces(tmp_path: Path) -> None:
    write_comparison(tmp_path, [run(1, 4, 0, 0.5)], "mean_squared_error")
    tags = TensorBoard(tmp_path).scalar_tags()["comparison/width=4"]
    assert "comparison (step = depth)/mean_squared_error" in tags
    assert not any("pieces" in tag for tag in tags)


@pytest.mark.slow
def test_it_is_written_anew_each_time(tmp_path: Path) -> None:
    write_comparison(tmp_path, [run(1, width, 0, 0.5) for width in (4, 8)], "mean_squared_error")
    write_comparison(tmp_path, [run(depth, 4, 0, 0.25) for depth in (1, 2)], "mean_squared_error")
    board = TensorBoard(tmp_path)
    assert set(board.scalar_tags()) == {"comparison/width=4"}
    assert points(board, "comparison/width=4", "comparison (step = depth)/mean_squared_error") == [(1, 0.25), (2, 0.25)]
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
    assert points(board, "comparison/width=4-relu", "comparison (step = depth)/mean_squared_error") == [(1, 0.5)]
    assert points(board, "comparison/width=4-tanh", "comparison (step = depth)/mean_squared_error") == [(1, 0.25)]
    pictures = {f"comparison/{name}-{setting}" for name in ("error", "size") for setting in ("relu", "tanh")}
    assert board.image_tags() == {"comparison": pictures}
    for setting in ("relu", "tanh"):
        assert (tmp_path / "comparison" / f"depth_against_width-{setting}.png").is_file()


@pytest.mark.slow
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
    assert points(board, "comparison/width=4", "comparison (step = depth)/mean_squared_error") == [(1, 0.25)]
    assert points(board, "comparison/width=8", "comparison (step = depth)/mean_squared_error") == [(1, 0.125)]
    assert points(board, "comparison/width=8", "comparison (step = depth)/share_of_seeds_that_solve_it") == [(1, 1.0)]
    assert points(board, "comparison/untuned/width=4-0.01", "comparison (step = depth)/mean_squared_error") == [
        (1, 0.5)
    ]
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    counted = {(int(row["model.width"]), float(row["optimizer.rate"])) for row in rows if row["judged"] == "True"}
    assert counted == {(4, 0.1), (8, 0.01)}
    assert {row["solved"] for row in rows if row["model.width"] == "8"} == {"True", "False"}
    compare(tmp_path, results, tune=())
    names = {f"comparison/width={width}-{rate}" for width, rate in errors}
    assert set(TensorBoard(tmp_path).scalar_tags()) == names


def test_a_comparison_is_written_only_where_something_is_new(tmp_path: Path) -> None:
    facts = TaskFacts("mean_squared_error", solved=0.2)
    results = [replace(run(depth, 4, 0, 0.5), run=f"run {depth}", task=facts) for depth in (1, 2)]

    def is_written(results: list[Result], tune: tuple[str, ...] = (), *, anew: bool = False) -> bool:
        before = files(tmp_path)
        compare(tmp_path, results, tune, anew=anew)
        assert (tmp_path / "results.csv").exists()
        assert (tmp_path / "comparison" / "depth_against_width.png").exists()
        return files(tmp_path) != before

    assert is_written(results)
    assert not is_written(results)
    assert is_written(results, anew=True)
    assert not is_written(results)
    changed = [results[0], replace(results[1], metrics=results[1].metrics | {"mean_squared_error": 0.1})]
    assert is_written(changed)
    assert not is_written(changed)
    assert is_written(changed, ("optimizer.rate",))
    assert is_written(results[:1])
    for lost in ("results.csv", "comparison/depth_against_width.png", "comparison/.made_of"):
        (tmp_path / lost).unlink()
        assert is_written(results[:1])
        assert not is_written(results[:1])
    (tmp_path / "results.csv").write_bytes(b"")
    assert is_written(results[:1])


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_equal_sizes_are_curves_over_the_depth_and_depths_over_the_size(tmp_path: Path) -> None:
    results = [
        replace(run(depth, 4, 0, depth / size), config={"model.depth": depth, "model.max_parameters": size, "seed": 0})
        for depth in (1, 2)
        for size in (64, 128)
    ]
    write_comparison(tmp_path, results, "mean_squared_error")
    board = TensorBoard(tmp_path)
    assert points(board, "comparison/max_parameters=64", "comparison (step = depth)/mean_squared_error") == [
        (1, 1 / 64),
        (2, 2 / 64),
    ]
    over_size = points(board, "comparison/depth=2", "comparison (step = parameters)/mean_squared_error")
    assert over_size == [(64, 2 / 64), (128, 2 / 128)]


@pytest.mark.parametrize("results", [[], [Result("a", {"model.depth": 1, "model.width": 4}, {"loss": 1.0}, None, 1.0)]])
def test_nothing_to_compare(tmp_path: Path, results: list[Result]) -> None:
    write_comparison(tmp_path, results, "accuracy")
    assert list((tmp_path / "comparison").iterdir()) == []
