"""How far floats may be from the exact numbers: derived bounds, so that a sign is believed only where it is proven.

The sum of n products in float64, in whatever order, is off by at most n u / (1 - n u) times the sum of their sizes,
u = 2^-53 (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). And it is not off at all if all the
products are integer multiples of one power of two, the quantum, and their sizes sum to less than 2^53 quanta: then no
partial sum needs more than the 53 bits that there are. The second fact proves the zeros of networks with small integers
for weights, such as nested tents, for the price of a few operations on floats.
"""

import numpy as np
from jaxtyping import Float

EPS = 2.0**-52  # 2 u; bounds written with it are twice what they have to be
SLACK = 1 + 2.0**-30  # a bound times this is a bound although it was itself rounded, up to 2^20 times
EXACT = 2.0**52  # quanta; half of what is allowed, since sizes are rounded too
TINY = 2.0**-1000  # more than all that is lost where products fall below the smallest float, 2^-1074


def lowest_bit(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The largest power of two of which each number is an integer multiple; infinity for 0."""
    bits = values.view(np.int64)
    fraction = bits & (2**52 - 1)
    # Clearing the lowest set bit of a fraction takes the lowest binary digit from the number.
    shorter = (bits & (bits - 1)).view(np.float64)
    lowest = np.abs(values - np.where(fraction != 0, shorter, 0))
    return np.where(lowest == 0, np.inf, lowest)
