"""What lines, planes and boxes answer alike, of one network that is worked out by hand on all three."""

import numpy as np
import pytest
from networks import network_of

from dlcourse import pieces
from dlcourse.pieces.regions import Cells, Regions

# relu(x) + relu(y) + 3, and relu(x) - relu(-x), which is x and has no kink.
NETWORK = network_of(
    ([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [0.0, 0.0, 0.0]), ([[1.0, 1.0, 0.0], [1.0, 0.0, -1.0]], [3.0, 0.0])
)
# The same without the third unit, which is 0 where the first one is: a box in general position.
LAYERS = (([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [3.0]))
SQUARES = [
    lambda: pieces.on_plane(NETWORK, -1, 1),
    lambda: pieces.in_box(NETWORK, [-1, -1], [1, 1]),
    lambda: pieces.in_box(network_of(*LAYERS), [-1, -1], [1, 1]),
]


@pytest.mark.parametrize("counted", SQUARES)
def test_four_quadrants_of_a_square(counted: object) -> None:
    regions = counted()  # type: ignore[operator]
    assert isinstance(regions, Cells)
    assert (regions.num_regions, regions.num_pieces) == (4, 4)
    corners = np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, -0.5], [-0.5, 0.5]])
    right_top, right_low, left_low, left_top = regions.locate(corners).tolist()
    assert sorted(regions.neighbours(right_top).tolist()) == sorted([right_low, left_top])
    assert sorted(regions.neighbours(left_low).tolist()) == sorted([right_low, left_top])
    assert regions.weights[[right_top, right_low, left_low, left_top], 0].tolist() == [[1, 1], [1, 0], [0, 0], [0, 1]]
    assert (regions.biases[:, 0] == 3).all()
    assert regions.pattern(left_top)[0][:2].tolist() == [False, True]
    assert regions(corners)[..., 0].tolist() == [4.0, 3.5, 3.0, 3.5]
    assert len(set(regions.piece_of_region.tolist())) == 4
    with pytest.raises(ValueError, match="region must be between 0 and 3, got 4"):
        regions.pattern(4)
    with pytest.raises(ValueError, match=r"must have shape \[\.\.\., 2\], got \(3,\)"):
        regions.locate([0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"must be inside of the (box|domain), got"):
        regions.locate([[0.0, 0.0], [0.0, 1.5]])


def test_three_of_them_on_a_line() -> None:
    line = pieces.on_line(NETWORK, [-1.0, -0.5], [1.0, 1.5])  # y crosses zero at t = 1/4, x at 1/2
    assert isinstance(line, Regions)
    assert (line.num_regions, line.num_pieces) == (3, 3)
    assert line.weights[:, 0].tolist() == [[0, 0], [0, 1], [1, 1]]
    assert line.biases[:, 0].tolist() == [3, 3, 3]
    assert [line.pattern(region)[0].tolist() for region in range(3)] == [
        [False, False, True],
        [False, True, True],
        [True, True, False],
    ]
    assert line.neighbours(1).tolist() == [0, 2]
