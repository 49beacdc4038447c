"""Which numbers may be other than 0, told without the numbers."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from dlcourse.pieces.layer import same_places

_FEW = 16  # times as many flags as are set: from there on a sparse product is the faster one
_COLUMNS = 256  # that a sparse matrix meets at once: they stay in the cache


def support(weight: Any, nonzero: Bool[np.ndarray, "in_features columns"]) -> Bool[np.ndarray, "out_features columns"]:
    """Which entries of W x may be other than 0, given those of x.

    Args:
        weight: W, an array or a `scipy.sparse.csr_array` without zeros among its entries.
        nonzero: Which entries of x may be other than 0, for many x side by side.
    """
    if isinstance(weight, np.ndarray):
        pattern = (weight != 0).astype(np.float32)
        found: Bool[np.ndarray, "out_features columns"] = pattern @ nonzero.astype(np.float32) > 0
        return found
    pattern = same_places(weight, np.ones(len(weight.data), dtype=np.float32))
    if nonzero.shape[1] > 1 and _FEW * np.count_nonzero(nonzero) < nonzero.size:
        found = (pattern @ type(weight)(nonzero, dtype=np.float32)).toarray() > 0
    else:
        found = np.empty((weight.shape[0], nonzero.shape[1]), dtype=bool)
        for first in range(0, nonzero.shape[1], _COLUMNS):
            some = slice(first, first + _COLUMNS)
            found[:, some] = pattern @ nonzero[:, some].astype(np.float32) > 0
    return found
