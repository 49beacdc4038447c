"""What the figures show, checked against numbers worked out here; that plotly takes them is part of every check."""

import math
import statistics
from typing import Any

import plotly.graph_objects as go
import pytest
from sweeps import ERRORS, parameters, result, sweep

from dlcourse.recording import Result, TaskFacts, cells
from dlcourse.tensorboard_tab.axes import Figure
from dlcourse.tensorboard_tab.curves import DEPTH, PARAMETERS, WIDTH, Curve, curves, dimensions
from dlcourse.tensorboard_tab.figures import heat_map, metric_over, metric_over_parameters, pieces_over, solved_over

METRIC = "mean_squared_error"

# The rate that both halves of the seeds choose for each network of `ERRORS`, by hand: the one with more seeds below
# 0.01, and then with the lower median.
CHOSEN = {(1, 4): 0.01, (1, 8): 0.1, (3, 4): 0.01, (3, 8): 0.01}


def lines(results: list[Result], x: str = DEPTH, by: str = WIDTH) -> list[Curve]:
    found = cells(results)
    return curves(found, x, by, dimensions(found, results))


def trace(figure: Figure, name: str, mode: str = "lines+markers") -> dict[str, Any]:
    go.Figure(figure)
    (found,) = (each for each in figure["data"] if each["name"] == name and each["mode"] == mode)
    return found


def medians(width: int) -> list[float]:
    return [statistics.median(ERRORS[depth, width][CHOSEN[depth, width]]) for depth in (1, 3)]


def test_medians_over_the_depth_a_curve_a_width() -> None:
    figure = metric_over(lines(sweep()), METRIC, DEPTH)
    for width in (4, 8):
        found = trace(figure, f"width {width}")
        assert found["x"] == [1, 3]
        assert found["y"] == pytest.approx(medians(width))
        assert found["customdata"] == [[f"depth {depth}, width {width}"] for depth in (1, 3)]
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert figure["layout"]["xaxis"]["title"]["text"] == "depth (hidden layers)"
    assert figure["layout"]["title"]["text"] == "mean squared error"


def test_bands_lie_between_the_quartiles() -> None:
    band = trace(metric_over(lines(sweep()), METRIC, DEPTH), "width 8", "lines")
    # Inclusive quartiles, those of Python's statistics: to the right along the upper ones, and back along the lower.
    quartiles = [statistics.quantiles(ERRORS[depth, 8][CHOSEN[depth, 8]], n=4, method="inclusive") for depth in (1, 3)]
    (low1, _, high1), (low3, _, high3) = quartiles
    assert band["x"] == [1, 3, 3, 1]
    assert band["y"] == pytest.approx([high1, high3, low3, low1])
    assert band["fill"] == "toself"


def test_every_seed_is_a_point_that_knows_its_run() -> None:
    figure = metric_over(lines(sweep()), METRIC, DEPTH)
    seeds = trace(figure, "width 4", "markers")
    assert seeds["y"] == [*ERRORS[1, 4][0.01], *ERRORS[3, 4][0.01]]
    assert all(abs(x - depth) < 0.2 for x, depth in zip(seeds["x"], [1] * 4 + [3] * 4, strict=True))
    runs = {run.run: run for run in sweep()}
    for (place, run), y in zip(seeds["customdata"], seeds["y"], strict=True):
        assert runs[run].metrics[METRIC] == y
        assert place == f"depth {runs[run].config['model.depth']}, width 4"
    without = metric_over(lines(sweep()), METRIC, DEPTH, shows_seeds=False)
    assert {each["mode"] for each in without["data"]} == {"lines", "lines+markers"}


def test_the_pointer_tells_what_was_chosen_and_how_many_solve_it() -> None:
    text = trace(metric_over(lines(sweep()), METRIC, DEPTH), "width 8")["hovertext"][1]
    assert text.split("<br>") == [
        "<b>depth 3, width 8</b>",
        "mean squared error 0.0015 (0.000875 to 0.0765)",
        "solved by 3 of 4 seeds (30-95%)",
        "25.5 linear pieces of at most 729",
        "169 parameters",
        "rate 0.01, chosen on half of the seeds for the other",
    ]


def test_the_end_of_a_grid_is_said() -> None:
    errors = {0.001: 0.9, 0.003: 0.8, 0.01: 0.7, 0.03: 0.6}
    runs = [result(1, 4, seed, error, rate=rate) for rate, error in errors.items() for seed in range(2)]
    text = trace(metric_over(lines(runs), METRIC, DEPTH), "width 4")["hovertext"][0]
    assert "rate 0.03 is an end of its grid: widen it" in text


def test_what_diverged_is_a_hollow_marker_beyond_the_worst() -> None:
    runs = [result(1, 4, 0, 0.5), result(2, 4, 0, math.nan, diverged_at=3), result(3, 4, 0, 0.001)]
    figure = metric_over(lines(runs), METRIC, DEPTH)
    assert trace(figure, "width 4")["y"] == [0.5, None, 0.001]
    (lost,) = (each for each in figure["data"] if each["mode"] == "markers" and "open" in each["marker"]["symbol"])
    assert lost["x"] == [2]
    assert lost["y"][0] > 0.5
    assert math.log10(lost["y"][0]) <= figure["layout"]["yaxis"]["range"][1]


def test_an_error_of_zero_lies_on_the_edge_of_the_log_axis() -> None:
    runs = [result(1, 4, seed, error) for seed, error in enumerate([0.5, 0.4, 0.001, 0.3, 0.0])]
    figure = metric_over(lines(runs), METRIC, DEPTH)
    low = figure["layout"]["yaxis"]["range"][0]
    assert math.log10(min(trace(figure, "width 4", "markers")["y"])) == pytest.approx(low)


def test_more_is_better_on_a_linear_axis() -> None:
    facts = TaskFacts("accuracy", ("accuracy",), 2, 2, None, 0.95, None)
    runs = [result(depth, 4, seed, value, facts=facts) for depth, value in ((1, 0.2), (2, 0.99)) for seed in range(2)]
    figure = metric_over(lines(runs), "accuracy", DEPTH)
    assert trace(figure, "width 4")["y"] == [0.2, 0.99]
    assert "type" not in figure["layout"]["yaxis"]


def test_over_parameters_every_disc_has_its_depth_and_bars_for_the_quartiles() -> None:
    figure = metric_over_parameters(lines(sweep(), PARAMETERS, DEPTH), METRIC)
    found = trace(figure, "depth 3", "lines+markers+text")
    assert found["x"] == [parameters(3, 4), parameters(3, 8)]
    assert found["text"] == ["3", "3"]
    assert found["y"] == pytest.approx([medians(4)[1], medians(8)[1]])
    quartiles = [statistics.quantiles(ERRORS[3, width][0.01], n=4, method="inclusive") for width in (4, 8)]
    ups, downs = found["error_y"]["array"], found["error_y"]["arrayminus"]
    assert ups == pytest.approx([high - median for _, median, high in quartiles])
    assert downs == pytest.approx([median - low for low, median, _ in quartiles])
    seeds = trace(figure, "depth 3", "markers")
    assert set(seeds["x"]) == {parameters(3, 4), parameters(3, 8)}


def test_shares_with_wilsons_intervals() -> None:
    figure = solved_over(lines(sweep()), DEPTH)
    found = trace(figure, "width 8")
    assert found["y"] == [0.25, 0.75]
    # Wilson 1927, from the roots of (share - p)^2 = z^2 p (1 - p) / n.
    z, n = 1.96, 4
    for share, up, down in zip(found["y"], found["error_y"]["array"], found["error_y"]["arrayminus"], strict=True):
        for end in (share + up, share - down):
            assert (share - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / n)
    assert "90%" in figure["layout"]["title"]["text"]
    assert "95%" in solved_over(lines([result(1, 4, seed, 0.5) for seed in range(3)]), DEPTH)["layout"]["title"]["text"]


def test_pieces_with_the_target_and_the_most_that_are_possible() -> None:
    figure = pieces_over(lines(sweep()), DEPTH, target=8)
    found = trace(figure, "width 4")
    assert found["y"] == [5.5, 13.5]
    dotted = [each for each in figure["data"] if each.get("line", {}).get("dash") == "dot"]
    assert {each["name"]: each["y"] for each in dotted} == {"width 4": [5, 125], "width 8": [9, 729]}
    (target,) = figure["layout"]["shapes"]
    assert target["y0"] == target["y1"] == 8
    assert figure["layout"]["annotations"][0]["text"] == "target: 8"
    # The axis ends before 17^5, so that what there is remains to be seen.
    deep = [result(depth, 16, seed, 0.5, pieces=20) for depth in (1, 5) for seed in range(2)]
    high = pieces_over(lines(deep), DEPTH)["layout"]["yaxis"]["range"][1]
    assert 20 < 10**high < 1000


def test_the_heat_map_has_a_row_a_curve_and_the_numbers_in_it() -> None:
    figure = heat_map(lines(sweep()), METRIC, DEPTH)
    (found,) = go.Figure(figure).data
    assert list(found.x) == ["1", "3"]
    assert list(found.y) == ["width 4", "width 8"]
    assert [list(row) for row in found.text] == [
        ["0.65<br>0 of 4", "0.15<br>1 of 4"],
        ["0.35<br>1 of 4", "0.0015<br>3 of 4"],
    ]
    colors = [value for row in found.z for value in row]
    assert max(colors) == colors[3] and min(colors) == colors[0]  # dark is the least error
    assert list(found.customdata[1][1]) == ["depth 3, width 8"]


@pytest.mark.parametrize(
    ("facts", "values", "palest", "darkest"),
    [
        (TaskFacts("error"), [1.5e-4, 1e-4], -2e-4, -1e-4),  # twice the best, on a linear scale
        (TaskFacts("error"), [0.01, 1e-4], 2.0, 4.0),  # a log scale: -log10(0.01), -log10(0.0001)
        (TaskFacts("accuracy", ("accuracy",)), [0.98, 1.0], 0.9, 1.0),
        (TaskFacts("accuracy", ("accuracy",)), [0.5, 1.0], 0.5, 1.0),
        (TaskFacts("num_things"), [10.0, 20.0], math.log10(2.0), math.log10(20.0)),  # a factor of ten
    ],
)
def test_small_differences_do_not_fill_the_colours(
    facts: TaskFacts, values: list[float], palest: float, darkest: float
) -> None:
    runs = [result(depth, 4, 0, value, facts=facts) for depth, value in enumerate(values, start=1)]
    (found,) = heat_map(lines(runs), facts.metric, DEPTH)["data"]
    assert (found["zmin"], found["zmax"]) == pytest.approx((palest, darkest))


def test_holes_and_diverged_networks_of_the_heat_map() -> None:
    runs = [result(1, 4, 0, 0.5), result(2, 4, 0, 0.5, diverged_at=3), result(1, 8, 0, 0.25)]
    (found,) = heat_map(lines(runs), METRIC, DEPTH)["data"]
    assert found["text"] == [["0.5<br>0 of 1", "diverged<br>0 of 1"], ["0.25<br>0 of 1", ""]]
    assert found["z"][0][1] is None and found["z"][1][1] is None


def test_names_are_escaped() -> None:
    runs = [result(1, 4, 0, 0.5, model__activation=word) for word in ("relu", "<img src=x>")]
    figure = metric_over(lines(runs, by="model.activation"), METRIC, DEPTH)
    assert "<img" not in str(figure)
    assert "&lt;img src=x&gt;" in {each["name"] for each in figure["data"]}
