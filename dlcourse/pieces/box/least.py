"""What a box has at least: too much is refused before the box is cut."""

import math

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.box.corners import num_corners
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.domain import rectangle
from dlcourse.pieces.plane.polygon import count

_SHARE = 0.5123  # where the plane meets the other sides: near the middle, but at no round number, where units tie


def check_least(
    layers: list[UnitLayer], low: Float[np.ndarray, " d"], high: Float[np.ndarray, " d"], max_regions: int
) -> None:
    """Refuses a box if a plane through it alone has more regions than are allowed, or the first layer makes more.

    The regions on a plane through the inner of a box are parts of as many regions of the box: two that are parts of one
    would have its pattern both, and be one, since it is convex. The plane along the two longest sides is counted before
    the box, and so are the corners of the first layer's regions in the space along the three longest ones, if n units
    have it in them at all: n planes cut a space of d dimensions into

        C(n, 0) + C(n, 1) + ... + C(n, d)

    regions at most, and more than are allowed, as a guess at what is worth the time. Counting a plane refuses what is
    too much before it is made.

    Source: R. C. Buck, Partition of space, American Mathematical Monthly 50 (1943): the sum.
    """
    d, num_units = len(low), sum(int(np.count_nonzero(layer.slope[0] != 1)) for layer in layers[:-1])
    if d < 2 or sum(math.comb(num_units, j) for j in range(d + 1)) <= max_regions:
        return
    longest = np.argsort(low - high, kind="stable")
    if d > 2:
        num = num_corners(layers[0], low[longest[:3]], high[longest[:3]], _through(low, high, longest[:3]), max_regions)
        if num > max_regions:
            raise ValueError(
                f"there are more than max_regions = {max_regions} regions, since layer 1 of {len(layers)} alone makes "
                "more than that; with num_parts, that many are allowed in each part"
            )
    sides = longest[:2]
    try:
        count(layers, _through(low, high, sides), rectangle(low[sides], high[sides]), max_regions)
    except ValueError as error:
        if not str(error).startswith("max_regions"):
            return  # what is too much on the plane for other reasons may be none of the box's
        raise ValueError(
            f"there are more than max_regions = {max_regions} regions, since on a plane through the box alone {error}; "
            "with num_parts, that many are allowed in each part"
        ) from error


def _through(
    low: Float[np.ndarray, " d"], high: Float[np.ndarray, " d"], sides: Int[np.ndarray, " some"]
) -> Float[np.ndarray, "d some_and_1"]:
    """A plane or a space through a box along some of its sides: their directions, and the point at their zeros."""
    frame = np.zeros((len(low), len(sides) + 1))
    frame[:, -1] = low + _SHARE * (high - low)
    frame[sides] = np.eye(len(sides), len(sides) + 1)
    return frame
