import pytest
from sweeps import ERRORS, parameters, result, sweep

from dlcourse.recording import Result, cells
from dlcourse.tensorboard_tab.curves import (
    DEPTH,
    PARAMETERS,
    PIECES,
    SIZE,
    WIDTH,
    Curve,
    coordinate,
    curves,
    differing,
    dimensions,
    label_of,
    name_of_metric,
    said_of,
    splitting,
    values_of,
)


def lines(results: list[Result], x: str, by: str, tune: tuple[str, ...] = ("optimizer.rate",)) -> list[Curve]:
    found = cells(results, tune)
    return curves(found, x, by, dimensions(found, results))


def shape(found: list[Curve]) -> dict[str, list[object]]:
    return {line.name: [value for value, _ in line.points] for line in found}


def test_curves_over_the_depth_for_each_width_and_the_other_way_round() -> None:
    assert shape(lines(sweep(), DEPTH, WIDTH)) == {"width 4": [1, 3], "width 8": [1, 3]}
    assert shape(lines(sweep(), WIDTH, DEPTH)) == {"depth 1": [4, 8], "depth 3": [4, 8]}
    for line in lines(sweep(), DEPTH, WIDTH):
        assert [f"{line.name} {value}" for value, _ in line.points] == [
            f"width {c.width} {c.depth}" for _, c in line.points
        ]


def test_over_what_is_counted_a_curve_runs_through_the_sizes() -> None:
    sizes = {depth: [parameters(depth, width) for width in (4, 8)] for depth in (1, 3)}
    assert shape(lines(sweep(), PARAMETERS, DEPTH)) == {"depth 1": sizes[1], "depth 3": sizes[3]}
    by_width = {f"width {width}": [parameters(depth, width) for depth in (1, 3)] for width in (4, 8)}
    assert shape(lines(sweep(), PARAMETERS, WIDTH)) == by_width
    # depth * width + seed pieces: the median of seeds 0 to 3 is 1.5 more.
    assert shape(lines(sweep(), PIECES, DEPTH)) == {"depth 1": [5.5, 9.5], "depth 3": [13.5, 25.5]}


def test_what_is_not_tuned_is_a_setting_like_others() -> None:
    found = cells(sweep(), ())
    varied = dimensions(found, sweep())
    assert varied == [DEPTH, WIDTH, "optimizer.rate"]
    over_rates = shape(curves(found, "optimizer.rate", WIDTH, varied))
    assert over_rates == {f"width {width}, depth {depth}": [0.01, 0.1] for width in (4, 8) for depth in (1, 3)}
    assert splitting(found, "optimizer.rate", WIDTH, varied) == [DEPTH]
    assert dimensions(cells(sweep()), sweep()) == [DEPTH, WIDTH]
    assert differing([cell for cell in found if cell.depth == 1], varied) == [WIDTH, "optimizer.rate"]


def test_what_follows_from_the_others_splits_nothing() -> None:
    # At equal size every depth has a width of its own.
    runs = [
        result(depth, width, 0, 0.5, task__num_folds=folds)
        for depth, width in ((1, 16), (2, 4), (3, 3))
        for folds in (2, 3)
    ]
    assert shape(lines(runs, DEPTH, "task.num_folds")) == {"num folds 2": [1, 2, 3], "num folds 3": [1, 2, 3]}


def test_names_of_networks_of_a_size() -> None:
    runs = [
        result(depth, 4, 0, 0.5, model__width=None, model__widths=[4] * depth, model__max_parameters=size)
        for depth in (1, 2)
        for size in (100, 50)
    ]
    assert shape(lines(runs, DEPTH, SIZE)) == {"≤ 50 parameters": [1, 2], "≤ 100 parameters": [1, 2]}


def test_numbers_and_words_in_their_order() -> None:
    runs = [result(1, width, 0, 0.5, model__activation=word) for word in ("tanh", "relu") for width in (16, 4, 8)]
    over_words = lines(runs, "model.activation", WIDTH)
    assert shape(over_words) == {f"width {width}": ["tanh", "relu"] for width in (4, 8, 16)}
    assert values_of(over_words) == ["tanh", "relu"]
    assert values_of(lines(runs, WIDTH, "model.activation")) == [4, 8, 16]
    assert [(line.index, line.num) for line in over_words] == [(0, 3), (1, 3), (2, 3)]


def test_one_network_is_a_curve() -> None:
    assert shape(lines([result(3, 8, 0, 0.5)], DEPTH, WIDTH)) == {"width 8": [3]}
    assert coordinate(cells([result(3, 8, 0, 0.5)])[0], "model.activation") == "relu"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("model.width", 8, "width 8"), ("model.activation", "tanh", "tanh"), ("model.skip", True, "skip=True"),
        ("optimizer.rate", 1e-05, "rate 1e-05"), ("num_parameters", 169, "169 parameters"),
        ("model.max_parameters", 320, "≤ 320 parameters"), ("batch_size", None, "batch size=None"),
    ],
)  # fmt: skip
def test_settings_in_words(key: str, value: object, said: str) -> None:
    assert said_of(key, value) == said


def test_labels_of_axes() -> None:
    found = cells(sweep())
    assert [label_of(key, found) for key in (DEPTH, PIECES, "num_steps", "loss/train")] == [
        "depth (hidden layers)", "linear pieces on [-2, 2]", "number of steps", "train loss",
    ]  # fmt: skip
    assert name_of_metric("mean_squared_error") == "mean squared error"
    assert len(ERRORS) == len(found)
