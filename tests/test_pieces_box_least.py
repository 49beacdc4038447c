"""Boxes that are refused for what a plane through them has alone."""

from typing import Any

import numpy as np
import pytest
from networks import default_network, network_of

from dlcourse.pieces.box import in_box
from dlcourse.pieces.box.subdivision import EdgeSubdivision
from dlcourse.pieces.plane import on_plane


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The units that have cut boxes."""
    found, cut = [], EdgeSubdivision._cut

    def noted(self: Any, index: int, unit: int) -> None:
        found.append(unit)
        cut(self, index, unit)

    monkeypatch.setattr(EdgeSubdivision, "_cut", noted)
    return found


def lines(num: int) -> Any:
    """Units that are zero where x = y + c and where x = c - y, on planes for any z: every two of both kinds meet."""
    bias = np.linspace(-0.3, 0.3, num)
    weight = np.concatenate([np.tile([1.0, -1.0, 0.0], (num, 1)), np.tile([1.0, 1.0, 0.0], (num, 1))])
    return network_of((weight.tolist(), [*bias.tolist(), *(bias + 0.001).tolist()]), ([[1.0] * (2 * num)], [0.0]))


def test_a_box_is_refused_for_what_a_plane_through_it_has(cuts: list[int]) -> None:
    # 20 and 20 lines make 21^2 cells; the long sides are those of x and y.
    low, high = [-2, -2, -1], [2, 2, 1]
    message = "more than max_regions = 440 regions, since on a plane through the box alone max_regions must be at least"
    with pytest.raises(ValueError, match=f"{message}.* but layer 1 of 2 cuts 1 regions into 441"):
        in_box(lines(20), low, high, max_regions=440)
    assert cuts == []
    assert in_box(lines(20), low, high, max_regions=441).num_regions == 441
    assert len(cuts) == 40


def test_one_huge_layer_is_refused_before_it_cuts(cuts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"more than max_regions = 10000 regions, since layer 1 of 2 alone"):
        in_box(default_network([3, 600, 1], 0), [-1] * 3, [1] * 3, max_regions=10_000)
    assert cuts == []


def test_many_lines_through_one_point_make_few_regions() -> None:
    # 9 lines through 0 cut the plane into 18 parts, not into 1 + 9 + 36 as they would if they met two by two.
    network = default_network([2, 9, 1], 0)
    network[0].bias.data.zero_()
    assert on_plane(network, -1.0, 1.0, max_regions=18).num_regions == 18
    assert in_box(network, [-1.0] * 2, [1.0] * 2, max_regions=18).num_regions == 18
    with pytest.raises(ValueError, match="but layer 1 of 2 cuts 1 regions into 18"):
        on_plane(network, -1.0, 1.0, max_regions=17)


@pytest.mark.parametrize("d", [2, 3, 4])
@pytest.mark.parametrize("biases", [True, False])
def test_what_has_few_enough_regions_is_counted(d: int, biases: bool) -> None:
    network = default_network([d, 9, 7, 1], d)
    if not biases:
        network[0].bias.data.zero_()
        network[2].bias.data.zero_()
    expected = in_box(network, [-1.0] * d, [1.0] * d).num_regions
    assert in_box(network, [-1.0] * d, [1.0] * d, max_regions=expected).num_regions == expected
    with pytest.raises(ValueError, match=f"more than max_regions = {expected - 1} regions"):
        in_box(network, [-1.0] * d, [1.0] * d, max_regions=expected - 1)
