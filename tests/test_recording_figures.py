import io
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from dlcourse.recording import Cell, Result, TaskFacts, cells, figures

X_TEXT = "depth (hidden layers)"


def texts(figure: Figure) -> list[str]:
    """All that one can read in a figure's title, legend, axes titles and labels and notes."""
    found = [figure.get_suptitle()]
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
    return found


def line(axes: object, label: str) -> np.ndarray:
    """The points of the line of that label, [n, 2]."""
    (found,) = (line for line in axes.lines if line.get_label() == label)
    return np.asarray(found.get_xydata())


def tent(x: Tensor) -> Tensor:
    return 1 - (x - 1).abs()


def fit(**changes: object) -> Figure:
    arguments: dict[str, object] = {
        "target": lambda x: x,
        "train_inputs": torch.tensor([[0.5], [1.5]]),
        "train_targets": torch.tensor([[0.25], [2.0]]),
        "start": 0.0,
        "end": 2.0,
        "title": "depth 3, width 8",
        "breakpoints": [1.0],
        "num_pieces": 2,
        "metrics": {"mean_squared_error": 0.001234},
    }
    return figures.fit(tent, **(arguments | changes))


def test_fit_shows_what_it_says() -> None:
    figure = fit()
    (axes,) = figure.axes
    assert figure.get_suptitle() == "depth 3, width 8\n2 linear pieces, mean squared error 0.00123"
    network, target = line(axes, "network"), line(axes, "target")
    assert network[0].tolist() == [0, 0]
    assert network[-1].tolist() == [2, 0]
    assert (np.diff(network[:, 0]) >= 0).all()
    np.testing.assert_allclose(target[:, 1], target[:, 0], rtol=1e-6)  # computed in float32
    assert line(axes, "breakpoints").tolist() == [[1, 1]]
    (points,) = (c for c in axes.collections if c.get_label() == "train points")
    assert points.get_offsets().tolist() == [[0.5, 0.25], [1.5, 2.0]]


def test_fit_has_every_corner_in_the_curve() -> None:
    corner = 1 / 3  # between two points of the grid
    figure = figures.fit(
        lambda x: (x - corner).abs(),
        target=None,
        train_inputs=torch.zeros(1, 1, dtype=torch.float64),
        train_targets=torch.zeros(1, 1, dtype=torch.float64),
        start=0.0,
        end=1.0,
        title="",
        breakpoints=np.array([corner]),
    )
    assert line(figure.axes[0], "network")[:, 1].min() == 0


def test_fit_without_pieces_and_target() -> None:
    figure = fit(target=None, breakpoints=[], num_pieces=None, metrics=None)
    assert figure.get_suptitle() == "depth 3, width 8"
    assert {"target", "breakpoints"}.isdisjoint(texts(figure))
    assert "1 linear piece\n" in fit(num_pieces=1, metrics=None).get_suptitle() + "\n"


def test_networks_are_called_in_the_type_of_the_data() -> None:
    network = nn.Linear(1, 1, dtype=torch.float32)
    fit_of_float32 = figures.fit(
        network,
        target=None,
        train_inputs=torch.zeros(1, 1),
        train_targets=torch.zeros(1, 1),
        start=0.0,
        end=1.0,
        title="",
    )
    curve = line(fit_of_float32.axes[0], "network")
    assert curve[-1, 1] == network(torch.ones(1, 1)).item()


@pytest.mark.parametrize("single", [False, True], ids=["logits", "one output"])
def test_decision_regions_have_the_colours_of_their_classes(single: bool) -> None:
    def classifier(x: Tensor) -> Tensor:  # class 1 where x[2] > 0.25
        logit = x[:, 1:] - 0.25
        return logit if single else torch.cat([-logit, logit], -1)

    figure = figures.decision_regions(
        classifier,
        inputs=torch.tensor([[0.0, 0.5], [0.0, -0.5], [0.5, -0.5]]),
        classes=torch.tensor([1, 0, 0]),
        low=(-1.0, -1.0),
        high=(1.0, 1.0),
        title="spirals",
        metrics={"accuracy": 1.0},
    )
    (axes,) = figure.axes
    picture = axes.images[0].get_array()
    assert picture is not None
    colours = [1 - 0.3 * (1 - np.array(to_rgb(colour))) for colour in figures.CLASS_COLORS]
    np.testing.assert_allclose(picture[0, 0], colours[0])  # the first row is the lowest: origin="lower"
    np.testing.assert_allclose(picture[-1, -1], colours[1])
    assert (picture == picture[:, :1]).all()  # x[1] makes no difference
    share = np.isclose(picture[:, 0], colours[1]).all(-1).mean()
    assert share == pytest.approx(0.375, abs=1 / 300)
    boundaries = [
        path
        for c in axes.collections
        if c.get_label() is None or "class" not in c.get_label()
        for path in c.get_paths()
    ]
    heights = np.concatenate([path.vertices[:, 1] for path in boundaries])
    np.testing.assert_allclose(heights, 0.25, atol=1e-6)  # float32 logits
    assert {"class 0", "class 1"} <= set(texts(figure))
    assert figure.get_suptitle() == "spirals\naccuracy 1"


def test_decision_regions_of_many_classes() -> None:
    angles = torch.arange(12) * math.tau / 12
    directions = torch.stack([angles.cos(), angles.sin()], 1)
    figure = figures.decision_regions(
        lambda x: x @ directions.T,
        inputs=directions,
        classes=torch.arange(12),
        low=(-1.0, -1.0),
        high=(1.0, 1.0),
        title="",
    )
    assert {f"class {index}" for index in range(12)} <= set(texts(figure))


def sweep(*, pieces: bool = True, metric: str = "mean_squared_error", diverged: bool = False) -> list[Cell]:
    results = []
    for depth in (1, 2, 3):
        for width in (4, 8):
            for seed, factor in enumerate((1, 2, 4)):
                value = factor * width * 10.0**-depth
                metrics: dict[str, int | float] = {metric: value, "num_parameters": 10 * depth * width}
                if pieces:
                    metrics["num_pieces"] = width * depth * factor
                config = {"model.depth": depth, "model.width": width, "seed": seed}
                lost = diverged and depth == 3 and width == 8 and seed > 0
                task = TaskFacts(metric, higher_is_better=("accuracy",))
                results.append(Result("run", config, metrics, 5 if lost else None, 1.0, task))
    return cells(results)


def test_depth_against_width_shows_medians_and_quartiles() -> None:
    figure = figures.depth_against_width(sweep(), "mean_squared_error", title="zigzag", target_pieces=8)
    errors, pieces, sizes = figure.axes
    assert figure.get_suptitle() == "zigzag\nmedians and quartiles over 3 seeds"
    assert [errors.get_title(), pieces.get_title()] == ["mean squared error", "number of linear pieces"]
    np.testing.assert_allclose(line(errors, "width 4"), [[1, 0.8], [2, 0.08], [3, 0.008]])
    np.testing.assert_allclose(line(errors, "width 8"), [[1, 1.6], [2, 0.16], [3, 0.016]])
    assert line(pieces, "width 8").tolist() == [[1, 16], [2, 32], [3, 48]]
    band = errors.collections[0].get_paths()[0].vertices
    # Of width 4 at depth 1, the errors are 0.4, 0.8 and 1.6: the quartiles lie halfway between neighbours.
    assert sorted(set(band[np.isclose(band[:, 0], 1), 1])) == pytest.approx([0.6, 1.2])
    assert errors.get_yscale() == pieces.get_yscale() == sizes.get_xscale() == "log"
    assert errors.get_xticks().tolist() == [1, 2, 3]
    assert "target: 8" in texts(figure)
    assert {"width 4", "width 8", X_TEXT, "number of parameters"} <= set(texts(figure))
    discs = {(text.get_text(), *(float(f"{number:.6g}") for number in text.xy)) for text in sizes.texts}
    assert discs == {
        *(("1", 40, 0.8), ("1", 80, 1.6)),
        *(("2", 80, 0.08), ("2", 160, 0.16)),
        *(("3", 120, 0.008), ("3", 240, 0.016)),
    }


def test_the_target_is_always_in_sight() -> None:
    for target in (1, 100_000):
        pieces = figures.depth_against_width(sweep(), "mean_squared_error", target_pieces=target).axes[1]
        low, high = pieces.get_ylim()
        assert low < target < high


def test_without_pieces_there_are_two_panels() -> None:
    figure = figures.depth_against_width(sweep(pieces=False), "mean_squared_error")
    assert [axes.get_title() for axes in figure.axes] == ["mean squared error", "mean squared error against size"]


def test_accuracies_are_on_a_linear_axis() -> None:
    axes = figures.depth_against_width(sweep(metric="accuracy"), "accuracy").axes[0]
    assert axes.get_yscale() == "linear"


@pytest.mark.parametrize("metric", ["mean_squared_error", "accuracy"])
def test_medians_that_diverged_are_drawn_hollow_beyond_the_worst(metric: str) -> None:
    figure = figures.depth_against_width(sweep(metric=metric, diverged=True), metric)
    assert "2 of 18 runs diverged (counted as the worst; hollow where they are the median)" in figure.get_suptitle()
    axes = figure.axes[0]
    values = np.concatenate([line(axes, "width 4"), line(axes, "width 8")])[:, 1]
    assert np.isnan(values).sum() == 1
    (hollow,) = (drawn for drawn in axes.lines if drawn.get_markerfacecolor() == "white" and len(drawn.get_xdata()))
    ((depth, value),) = np.asarray(hollow.get_xydata())
    low, high = axes.get_ylim()
    assert depth == 3
    assert low < value < high
    assert value < np.nanmin(values) if metric == "accuracy" else value > np.nanmax(values)


def test_one_run_is_enough() -> None:
    (cell, *_) = sweep()
    figure = figures.depth_against_width([Cell(1, 4, "", cell.results[:1])], "mean_squared_error")
    assert figure.get_suptitle() == "depth against width\none seed"
    figures.to_png(figure)


def test_cells_of_several_settings_are_refused() -> None:
    (cell, *_) = sweep()
    both = [Cell(1, 4, "relu", cell.results), Cell(1, 4, "tanh", cell.results)]
    with pytest.raises(ValueError, match=r"must be of one setting, got \['relu', 'tanh'\]"):
        figures.depth_against_width(both, "mean_squared_error")
    with pytest.raises(ValueError, match=r"'accuracy' must be of one setting, got \[\]"):
        figures.depth_against_width([cell], "accuracy")


@pytest.mark.parametrize("width", [1000, 640])
@pytest.mark.slow
def test_png(width: int) -> None:
    first, second = (figures.to_png(fit(), width=width) for _ in range(2))
    assert first == second
    assert len(first) < 200_000
    picture = Image.open(io.BytesIO(first))
    picture.load()
    assert picture.format == "PNG"
    assert picture.size == (width, width // 2)


@pytest.mark.slow
def test_no_panel_runs_into_another() -> None:
    figure = figures.depth_against_width(sweep(diverged=True), "mean_squared_error", title="zigzag", target_pieces=8)
    figures.to_png(figure)  # lays it out
    for left, right in pairwise(axes.get_tightbbox() for axes in figure.axes):
        assert left is not None
        assert right is not None
        assert left.x1 < right.x0
