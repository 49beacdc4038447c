"""What the reports of the experiments share."""

import colorsys
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from dlcourse.recording import Result, wilson, write_result
from experiments import shared


def write_run(name: str, run: str, **config: Any) -> Result:
    """A finished run in outputs/<name>/<run>."""
    result = Result(run, config, {"loss": 0.25}, None, 1.5)
    folder = Path("outputs", name, run)
    folder.mkdir(parents=True)
    write_result(folder, result)
    return result


def test_a_table_is_written_as_one_writes_it_by_hand(tmp_path: Path) -> None:
    rows = [
        {"depth": 2, "network": "2 x 16, he", "error": 1 / 3, "is_best": True, "pieces": ""},
        {"depth": 10, "network": 'a "tent"', "error": np.float64(0.000123456), "is_best": False, "pieces": 123456789},
    ]
    shared.write_csv(tmp_path / "table.csv", rows, digits=3)
    by_hand = (
        b"depth,network,error,is_best,pieces\n"
        b'2,"2 x 16, he",0.333,True,\n'
        b'10,"a ""tent""",0.000123,False,123456789\n'
    )  # fmt: skip
    assert (tmp_path / "table.csv").read_bytes() == by_hand


def test_a_table_keeps_all_digits_unless_told_and_ends_its_lines_as_told(tmp_path: Path) -> None:
    shared.write_csv(tmp_path / "table.csv", [{"error": 0.1 + 0.2, "pieces": 8}], line_end="\r\n")
    assert (tmp_path / "table.csv").read_bytes() == b"error,pieces\r\n0.30000000000000004,8\r\n"


def test_a_row_with_a_column_that_the_table_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="width"):
        shared.write_csv(tmp_path / "table.csv", [{"depth": 1}, {"depth": 2, "width": 8}])


def test_results_are_sorted_by_settings_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = {"a": (10, 4), "b": (2, 8), "c": (2, 16), "d": (10, 2)}
    for run, (depth, width) in runs.items():
        write_run("sweep", run, depth=depth, width=width)
    write_run("another", "e", depth=1, width=1)
    assert "".join(result.run for result in shared.measured("sweep", "depth", "width")) == "bcda"
    assert "".join(result.run for result in shared.measured("sweep", "width", "depth")) == "dabc"
    assert "".join(result.run for result in shared.measured("sweep")) == "abcd"


def test_no_results_are_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="dlcourse -m experiment=sweep"):
        shared.measured("sweep", "depth")


def test_a_trained_network_has_the_parameters_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = write_run("sweep", "run")
    state = {"weight": torch.tensor([[2.0, -1.0]]), "bias": torch.tensor([0.5])}
    torch.save(state, Path("outputs", "sweep", "run", "model.pt"))
    network = shared.trained(nn.Linear(2, 1), "sweep", result)
    assert network(torch.tensor([[3.0, 4.0]])).item() == 2.5


def test_finished_axes_have_a_grid_and_half_a_frame() -> None:
    axes = Figure().add_subplot()
    shared.finish(axes, grid_width=0.8)
    seen = {name for name, spine in axes.spines.items() if spine.get_visible()}
    assert seen == {"left", "bottom"}
    assert {(line.get_visible(), line.get_linewidth()) for line in axes.get_xgridlines()} == {(True, 0.8)}


def figure_of_many_colours() -> Figure:
    """All reds and greens in a square, two inches wide and without margins."""
    figure = Figure(figsize=(2, 1))
    axes = figure.add_axes((0, 0, 1, 1))
    levels = np.linspace(0, 1, 100)
    red, green = np.meshgrid(levels, levels)
    axes.imshow(np.stack([red, green, 0 * red], axis=-1), aspect="auto")
    axes.set_axis_off()
    return figure


def test_a_figure_is_saved_without_the_version_of_the_software(tmp_path: Path) -> None:
    shared.save(figure_of_many_colours(), tmp_path / "figure.png", dpi=50)
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.size == (100, 50)
        assert "Software" not in picture.info
    assert b"Matplotlib" not in (tmp_path / "figure.png").read_bytes()


@pytest.mark.parametrize("method", [Image.Quantize.MAXCOVERAGE, Image.Quantize.MEDIANCUT])
def test_256_colours_look_nearly_the_same(tmp_path: Path, method: Image.Quantize) -> None:
    shared.save(figure_of_many_colours(), tmp_path / "many.png")
    shared.save_in_256_colours(figure_of_many_colours(), tmp_path / "few.png", method=method)
    with Image.open(tmp_path / "many.png") as many, Image.open(tmp_path / "few.png") as few:
        assert len(many.getcolors(100_000)) > 1000
        assert few.mode == "P"  # one byte a pixel, the place of its colour in a table
        assert few.size == many.size
        before, after = (np.asarray(picture.convert("RGB"), dtype=float) for picture in (many, few))
    # 16 x 16 colours would stand 16 apart in the square of reds and greens: on average 4 from what they stand for.
    assert np.abs(before - after)[..., :2].mean() < 8


def test_colours_are_called_what_they_look_like() -> None:
    hues = {
        "RED": (0, 15), "ORANGE": (20, 35), "YELLOW": (36, 60), "CYAN": (170, 195),
        "BLUE": (200, 220), "DARK_BLUE": (200, 220), "VIOLET": (260, 290),
    }  # fmt: skip
    for name, (low, high) in hues.items():
        hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(getattr(shared.Colour, name)))
        assert low <= 360 * hue <= high, name
        assert lightness > 0.3, name
        assert saturation > 0.4, name
    for name in ("GREY", "SLATE", "REFERENCE", "BLACK"):
        assert np.ptp(to_rgb(getattr(shared.Colour, name))) < 0.08, name


@pytest.mark.parametrize(
    ("num", "num_trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_is_the_published_one(num: int, num_trials: int, low: float, high: float) -> None:
    # Newcombe 1998, Two-sided confidence intervals for the single proportion, Table I, method 3: to four decimals.
    assert wilson(num, num_trials) == pytest.approx((low, high), rel=0, abs=0.5e-4)
    assert wilson(num_trials - num, num_trials) == pytest.approx((1 - high, 1 - low), rel=0, abs=0.5e-4)


def test_numbers_go_between_their_markers_and_nothing_else_changes() -> None:
    page = "It solves <!--solved-->3 of 20<!--/--> (<!--error-->?<!--/-->), not <!--solved--><!--/-->.\n"
    by_hand = (
        r"It solves <!--solved-->4 of 20<!--/--> (<!--error-->1e-6 \\1<!--/-->), not <!--solved-->4 of 20<!--/-->."
    )
    numbers = {"solved": "4 of 20", "error": r"1e-6 \\1"}
    comment = "<!-- a note -->\n<!--/-->"
    assert shared.filled(page + comment, numbers) == by_hand + "\n" + comment
    assert shared.filled(by_hand, numbers) == by_hand


@pytest.mark.parametrize("numbers", [{}, {"solved": "4", "eror": "5"}, {"solved": "4", "error": "5", "more": "6"}])
def test_markers_and_numbers_that_do_not_fit_are_refused(numbers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"not so (error|error, solved|eror, error|more)$"):
        shared.filled("<!--solved-->4<!--/--> <!--error-->5<!--/-->", numbers)


def test_a_table_in_markdown_fills_its_lines(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("Above\n<!--sizes-->\nold\n<!--/-->\nbelow\n")
    shared.fill(page, {"sizes": shared.table([{"depth": 1, "solved": "4 of 20"}, {"depth": 2, "solved": "9 of 20"}])})
    rows = "| depth | solved |\n| --- | --- |\n| 1 | 4 of 20 |\n| 2 | 9 of 20 |\n"
    assert page.read_text() == f"Above\n<!--sizes-->\n{rows}<!--/-->\nbelow\n"


def test_the_row_is_the_one_that_has_these_values() -> None:
    rows = [{"depth": "1", "rate": "0.01"}, {"depth": "1", "rate": "0.03"}, {"depth": "2", "rate": "0.03"}]
    assert shared.the_row(rows, depth=1, rate="0.03") is rows[1]
    assert shared.the_row(rows, depth=2) is rows[2]


@pytest.mark.parametrize(("depth", "num"), [(1, 2), (3, 0)])
def test_a_row_that_is_not_the_only_one_is_refused(depth: int, num: int) -> None:
    with pytest.raises(ValueError, match=f"got {num}"):
        shared.the_row([{"depth": "1"}, {"depth": "1"}, {"depth": "2"}], depth=depth)


def test_choices_are_parted_by_a_comma_and_marked_at_the_end_of_a_grid() -> None:
    assert shared.chosen({"chosen": "0.01 he | 0.03 torch", "at_an_end": ""}) == "0.01 he, 0.03 torch"
    assert shared.chosen({"chosen": "0.1", "at_an_end": "optimizer.rate"}) == "0.1*"


REPORTS = sorted(Path(shared.__file__).parent.glob("*/report.py"))


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.parent.name)
def test_the_numbers_of_a_page_are_those_of_the_tables_beside_it(report: Path) -> None:
    module = importlib.import_module(f"experiments.{report.parent.name}.report")
    page = (report.parent / "README.md").read_text(encoding="utf-8")
    numbers = module.numbers() if hasattr(module, "numbers") else {}
    assert shared.filled(page, numbers) == page
