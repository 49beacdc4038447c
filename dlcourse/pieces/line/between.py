"""Values at new vertices, put among those at the old ones: some units at a time, which stay in the cache."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_NUMBERS = 2**17  # that are worked on at once


class Sizes(NamedTuple):
    """How large the floats are that values at new vertices are made of."""

    values: Float[np.ndarray, " points"]  # the largest of these values
    changes: Float[np.ndarray, " points"]  # the largest change from one end of the interval to the other


def put_between(
    values: Float[np.ndarray, "units vertices"],
    interval: Int[np.ndarray, " points"],
    t: Float[np.ndarray, " points"],
    order: Int[np.ndarray, " more_vertices"],
    out: Float[np.ndarray, "units more_vertices"],
) -> Sizes:
    """Puts the values at old vertices and at points between them where `out` says.

    Args:
        values: The values at the old vertices.
        interval: The interval that each point is in.
        t: Where it is there, from 0 at the one end to 1 at the other.
        order: For each column of `out` the old vertex, or their number plus that of a point.
        out: Where all values go.
    """
    sizes = Sizes(np.zeros(len(t)), np.zeros(len(t)))
    at_once = max(1, _NUMBERS // out.shape[1])
    for first in range(0, len(values), at_once):
        here = values[first : first + at_once]
        start = here.take(interval, axis=1)
        change = here.take(interval + 1, axis=1) - start
        new = start + t * change
        np.concatenate([here, new], axis=1).take(order, axis=1, out=out[first : first + at_once], mode="clip")
        for size, numbers in zip(sizes, (new, change), strict=True):
            np.maximum(size, np.abs(numbers).max(axis=0), out=size)
    return sizes
