"""Determinants: of integers, which are never rounded, and of floats, with a bound for what is."""

import itertools

import numpy as np
from jaxtyping import Float, Shaped

from dlcourse.pieces.arithmetic.rounding import EPS


def determinants(matrices: Shaped[np.ndarray, "n n matrices"]) -> Shaped[np.ndarray, " matrices"]:
    """Minors of the first rows, from those of one row less: n 2^n products."""
    size = len(matrices)
    minors: dict[tuple[int, ...], Shaped[np.ndarray, " matrices"]] = {(): np.ones_like(matrices[0, 0])}
    for row in range(size):
        minors = {
            columns: sum(
                (-1) ** (row + place) * matrices[row, column] * minors[columns[:place] + columns[place + 1 :]]
                for place, column in enumerate(columns)
            )
            for columns in itertools.combinations(range(size), row + 1)
        }
    return minors[tuple(range(size))]


def determinant_errors(
    matrices: Float[np.ndarray, "n n matrices"], off: Float[np.ndarray, "n matrices"]
) -> Float[np.ndarray, " matrices"]:
    """Bounds for how far off they are if the sizes of what the entries of each column are off by sum to so much.

    A determinant is a sum of n! products of an entry of each column. The sizes of all products together are no more
    than prod s, where s are the sums of the columns' sizes, and the products change by prod (s + off) - prod s at most.
    Each of them takes part in n multiplications and n (n + 1) / 2 additions.
    """
    n = len(matrices)
    sums = np.abs(matrices).sum(axis=0)
    return np.asarray(np.prod(sums + off, axis=0) - (1 - n * (n + 3) * EPS) * np.prod(sums, axis=0))
