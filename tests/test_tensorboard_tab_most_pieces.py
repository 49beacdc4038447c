import subprocess
import sys
from dataclasses import replace

import pytest
from sweeps import result

from dlcourse.recording import TaskFacts
from dlcourse.tensorboard_tab.most_pieces import most_pieces

PLANE = TaskFacts("accuracy", ("accuracy",), 2, 2, None, 0.95, "[-1, 1] x [-1, 1]")


@pytest.mark.parametrize(
    ("depth", "width", "most"),
    [(0, 8, 1), (1, 8, 9), (3, 4, 125), (5, 10, 161_051)],  # the last one: Prince, Understanding Deep Learning, 4.5
)
def test_on_the_line_every_layer_multiplies(depth: int, width: int, most: int) -> None:
    assert most_pieces(result(depth, width, 0, 0.1)) == most
    assert most_pieces(result(depth, width, 0, 0.1, model__skip=True)) == most


def test_along_segments_it_is_as_on_the_line() -> None:
    facts = replace(PLANE, pieces_domain="a segment, mean of 20")
    assert most_pieces(result(2, 4, 0, 0.1, facts=facts)) == 25


def test_on_the_plane_it_is_serras_bound() -> None:
    assert most_pieces(result(1, 3, 0, 0.1, facts=PLANE)) == 7  # three lines
    assert most_pieces(result(2, 4, 0, 0.1, facts=PLANE)) == 121  # Serra et al. 2018
    assert most_pieces(result(2, 4, 0, 0.1, facts=PLANE, model__skip=True)) is None


def test_unequal_layers() -> None:
    assert most_pieces(result(2, 4, 0, 0.1, model__width=None, model__widths=[3, 2])) == 12


def test_what_is_not_known_has_no_bound() -> None:
    assert most_pieces(result(2, 4, 0, 0.1, model__name="maxout")) is None
    assert most_pieces(result(2, 4, 0, 0.1, model__width=None)) is None
    smooth = result(2, 4, 0, 0.1)
    del smooth.metrics["num_pieces"]
    assert most_pieces(smooth) is None
    assert most_pieces(replace(result(2, 4, 0, 0.1), task=None)) is None


def test_the_formulas_are_those_of_pieces_and_need_no_torch() -> None:
    code = (
        "import sys; from dlcourse.tensorboard_tab.most_pieces import _bounds; found = _bounds(); "
        "print(found.serra_upper(2, [6, 6]), 'torch' in sys.modules, found is _bounds())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["484", "False", "True"]  # Serra et al. 2018
