import plotly.graph_objects as go
from sweeps import HISTORY

from dlcourse.tensorboard_tab.run_figures import on_their_way, pieces_in_training, training


def test_training_shows_the_metric_and_the_losses() -> None:
    figure = training(HISTORY, "mean_squared_error", is_better_higher=False)
    found = {each.name: (list(each.x), list(each.y)) for each in go.Figure(figure).data}
    assert found == {
        "mean squared error": ([0, 50, 100], [1.5, 0.75, 0.3]),
        "train loss": ([0, 50, 100], [1.0, 0.5, 0.25]),
    }


def test_pieces_with_the_target() -> None:
    figure = pieces_in_training(HISTORY, target=8)
    assert figure is not None
    found = {each.name: list(each.y) for each in go.Figure(figure).data}
    assert found == {"pieces": [2, 9, 8], "target": [8, 8]}
    assert pieces_in_training({}, target=8) is None
    assert pieces_in_training({"pieces/num_pieces": [(0, float("nan"))]}, target=None) is None


def test_pieces_that_were_counted_at_some_steps_are_joined_by_a_line() -> None:
    nan = float("nan")
    figure = pieces_in_training({"pieces/num_pieces": [(0, 2.0), (50, nan), (100, 8.0)]}, target=None)
    assert figure is not None
    (line,) = go.Figure(figure).data
    assert (list(line.x), list(line.y)) == ([0, 100], [2, 8])


def test_runs_on_their_way_share_a_colour_if_they_differ_in_the_seed() -> None:
    names = ["zigzag-depth=1-seed=0-0123456789", "zigzag-depth=1-seed=1-1123456789", "zigzag-depth=2-seed=0-2123456789"]
    figure = on_their_way(dict.fromkeys(names, HISTORY), "mean_squared_error")
    assert figure is not None
    shown = go.Figure(figure).data
    assert [each.name for each in shown] == ["zigzag-depth=1", "zigzag-depth=1", "zigzag-depth=2"]
    assert shown[0].line.color == shown[1].line.color != shown[2].line.color
    assert [each.showlegend for each in shown] == [True, False, True]
    assert figure["data"][1]["customdata"][0] == ["", names[1]]
    assert "mean squared error" in figure["layout"]["title"]["text"]


def test_without_a_finished_run_the_first_metric_is_shown() -> None:
    figure = on_their_way({"a-0123456789": HISTORY}, None)
    assert figure is not None and figure["data"][0]["y"] == [1.5, 0.75, 0.3]
    assert on_their_way({}, None) is None
    assert on_their_way({"a": {"loss/train": []}}, "accuracy") is None
