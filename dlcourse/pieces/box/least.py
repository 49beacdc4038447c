"""What a box has at least: too much is refused before the box is cut."""

import math

import numpy as np
from jaxtyping import Float

from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.domain import rectangle
from dlcourse.pieces.plane.polygon import count

_SHARE = 0.5123  # where the plane meets the other sides: near the middle, but at no round number, where units tie


def check_least(
    layers: list[UnitLayer], low: Float[np.ndarray, " d"], high: Float[np.ndarray, " d"], max_regions: int
) -> None:
    """Refuses a box if a plane through it alone has more regions than are allowed.

    The regions on a plane through the inner of a box are parts of as many regions of the box: two that are parts of one
    would have its pattern both, and be one, since it is convex. The plane along the two longest sides is counted before
    the box, if n units have it in them at all: n planes cut a space of d dimensions into

        C(n, 0) + C(n, 1) + ... + C(n, d)

    regions at most, and more than are allowed, as a guess at what is worth the time. Counting a plane refuses what is
    too much before it is made.

    Source: R. C. Buck, Partition of space, American Mathematical Monthly 50 (1943): the sum.
    """
    d, num_units = len(low), sum(int(np.count_nonzero(layer.slope[0] != 1)) for layer in layers[:-1])
    if d < 2 or sum(math.comb(num_units, j) for j in range(d + 1)) <= max_regions:
        return
    longest = np.argsort(low - high, kind="stable")[:2]
    frame = np.zeros((d, 3))
    frame[:, 2] = low + _SHARE * (high - low)
    frame[longest] = np.eye(2, 3)
    try:
        count(layers, frame, rectangle(low[longest], high[longest]), max_regions)
    except ValueError as error:
        if not str(error).startswith("max_regions"):
            return  # what is too much on the plane for other reasons may be none of the box's
        raise ValueError(
            f"there are more than max_regions = {max_regions} regions, since on a plane through the box alone {error}; "
            "with num_parts, that many are allowed in each part"
        ) from error
