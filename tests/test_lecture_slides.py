"""All pictures of the slides, and those of docs/ among them: whole and readable."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from dlcourse.lecture import Picture, pictures
from dlcourse.lecture.svg import same_look

SHOWN = Path(__file__).parent.parent / "docs" / "figures"


@pytest.fixture(scope="module")
def drawn() -> dict[str, Picture]:
    return {each.name: each for each in pictures()}


def symbols(figure: Figure) -> Counter[str]:
    return Counter(text.get_text() for text in figure.axes[0].texts)


def test_names_are_those_of_the_page(drawn: dict[str, Picture]) -> None:
    assert set(drawn) == {path.stem for path in SHOWN.iterdir()}


@pytest.mark.parametrize(
    ("name", "gates", "bubbles"),
    [
        ("xor_gate", {"⊕": 1}, 0),
        ("xor_tree", {"⊕": 4 - 1}, 0),  # d - 1 for d bits
        ("and_or_not", {"∧": 6, "∨": 3}, 6),
        ("dnf", {"∧": 2 ** (4 - 1), "∨": 1}, 16),  # each of the 16 negated literals of its 8 terms
    ],
)
def test_circuits_have_the_slides_gates(
    drawn: dict[str, Picture], name: str, gates: dict[str, int], bubbles: int
) -> None:
    figure = drawn[name].figure
    assert {sign: num for sign, num in symbols(figure).items() if sign in "⊕∧∨"} == gates
    assert sum(isinstance(patch, Circle) for patch in figure.axes[0].patches) == bubbles


@pytest.mark.slow
def test_nothing_is_cut_off_or_written_over_other_words(drawn: dict[str, Picture]) -> None:
    with same_look():
        for name, picture in drawn.items():
            figure = picture.figure
            renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
            figure.draw_without_rendering()
            (axes,) = figure.axes
            legend = axes.get_legend()
            words = [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label, *(legend.texts if legend else [])]
            texts = [word.get_window_extent(renderer) for word in words if word.get_text()]
            for number, box in enumerate(texts):
                assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, name
                assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, name
                assert not any(box.overlaps(other) for other in texts[:number]), name


def test_files_of_the_page_are_valid_small_and_without_date_or_version(drawn: dict[str, Picture]) -> None:
    # That the command writes these very bytes: tests/test_cli_figures.py.
    for name, picture in drawn.items():
        content = (SHOWN / f"{name}.svg").read_bytes()
        root = ElementTree.fromstring(content)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.findtext("{http://www.w3.org/2000/svg}title") == picture.title
        assert b"dc:date" not in content and matplotlib.__version__.encode() not in content
        assert len(content) < 60_000
    assert sum(path.stat().st_size for path in SHOWN.iterdir()) < 600_000


def test_sizes_are_those_asked_for() -> None:
    figure = next(pictures(in_features=5, width=7)).figure
    assert {"5 inputs", "7 units"} <= set(symbols(figure))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"in_features": 0}, "in_features must be between 1 and 16, got 0"),
        ({"width": 17}, "width must be between 1 and 16, got 17"),
        ({"num_classes": 1}, "num_classes must be between 2 and 16, got 1"),
    ],
)
def test_sizes_out_of_range(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(pictures(**sizes))
