import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

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


def test_each_part_is_a_square_of_its_own() -> None:
    parts = figures.depth_against_width(sweep(), "mean_squared_error", title="zigzag", target_pieces=8).axes
    squares = figures.squares(sweep(), "mean_squared_error", title="zigzag", target_pieces=8)
    assert list(squares) == ["error", "pieces", "size"]
    for part, square in zip(parts, squares.values(), strict=True):
        (axes,) = square.axes
        assert (axes.get_xlim(), axes.get_ylim()) == (part.get_xlim(), part.get_ylim())
        said = [text.get_text() for text in square.texts]
        assert said == [part.get_title(), "zigzag\nmedians and quartiles over 3 seeds"]
        for one, other in zip(axes.lines, part.lines, strict=True):
            np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())
        picture = Image.open(io.BytesIO(figures.to_png(square, width=300)))
        assert picture.size == (300, 300)
        box = axes.get_tightbbox()  # nothing is cut off, and nothing runs into the names above
        assert box is not None and box.x0 >= 0 and box.y0 >= 0 and box.x1 <= square.bbox.x1
        assert box.y1 <= square.texts[1].get_window_extent().y0


def test_squares_stand_side_by_side_and_four_in_two_rows() -> None:
    def square(shade: int) -> bytes:
        content = io.BytesIO()
        Image.new("RGB", (4, 4), (shade, 0, 0)).save(content, "png")
        return content.getvalue()

    for num, size in {1: (4, 4), 2: (8, 4), 3: (12, 4), 4: (8, 8)}.items():
        whole = Image.open(io.BytesIO(figures.side_by_side([square(shade) for shade in range(num)])))
        assert whole.size == size
        for shade in range(num):
            columns = size[0] // 4
            assert whole.getpixel((4 * (shade % columns) + 1, 4 * (shade // columns) + 1)) == (shade, 0, 0)


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
    drawn = [figures.depth_against_width(sweep(), "mean_squared_error") for _ in range(2)]
    first, second = (figures.to_png(figure, width=width) for figure in drawn)
    assert first == second
    assert len(first) < 200_000
    picture = Image.open(io.BytesIO(first))
    picture.load()
    assert picture.format == "PNG"
    assert picture.size[0] == width


@pytest.mark.slow
def test_no_panel_runs_into_another() -> None:
    figure = figures.depth_against_width(sweep(diverged=True), "mean_squared_error", title="zigzag", target_pieces=8)
    figures.to_png(figure)  # lays it out
    for left, right in pairwise(axes.get_tightbbox() for axes in figure.axes):
        assert left is not None
        assert right is not None
        assert left.x1 < right.x0
