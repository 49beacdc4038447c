"""The picture of the room's page shows what the code makes of its network now, and the page's numbers are right."""

import re
from pathlib import Path

import numpy as np
import pytest

from dlcourse.pieces.plane import example
from dlcourse.pieces.plane.polygon import count

PAGE = example.PICTURE.parent / "README.md"


def test_the_page_s_numbers_of_regions() -> None:
    # By hand: the lines x = 1/2 and x = 2 y make four faces. Where both units are off, and where only x - 1/2 is
    # positive, neither unit of layer 2 changes its sign: h1 <= 1/2 there. Where h1 = 0 both do, along the parallels
    # x - 2 y = 3/2 and x - 2 y = 2, which makes 3 of that face; where both are on, along x - y = 1 and 4 x - 2 y = 7/2,
    # which cross in (3/4, -1/4): 4. In all 1 + 1 + 3 + 4.
    regions = [
        count([*example.LAYERS[:number], example.LAYERS[2]], np.eye(2, 3), example.SQUARE, 100).num_regions
        for number in (1, 2)
    ]
    assert regions == [4, 9]
    assert "= 4 faces" in PAGE.read_text()
    assert "= 9 regions" in PAGE.read_text()


@pytest.mark.slow
def test_the_picture_is_the_one_that_the_code_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = example.PICTURE.read_text()
    assert len(committed) < 60_000
    monkeypatch.setattr(example, "PICTURE", tmp_path / "example.svg")
    example.main()
    labels = [re.findall(r"<text [^>]*>([^<]*)</text>", text) for text in (committed, example.PICTURE.read_text())]
    assert labels[0] == labels[1]
    assert {"+", "0.75", "0.33", "00", "11"} <= set(labels[0])


def test_the_page_names_every_file_of_the_room() -> None:
    named = set(re.findall(r"`(\w+\.py)`", PAGE.read_text().partition("| file |")[2]))
    assert named == {path.name for path in PAGE.parent.glob("*.py")} - {"__init__.py"}
