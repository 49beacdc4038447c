"""A network modulo a prime number, which proves that numbers differ, for the price of floats.

Stored numbers are integers over powers of two, and so is all that affine layers make of them. Modulo a prime other than
2 one can divide by powers of two, so that every such number has a remainder, sums and products of numbers have the sums
and products of their remainders, and equal numbers have equal ones. Numbers with different remainders are different,
therefore. Those with equal remainders may differ, too, by chance about once in 2 million.

Source: J. von zur Gathen, J. Gerhard, Modern Computer Algebra, chapters 4 and 5.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from dlcourse.pieces.layer import Step, UnitLayer, same_places

Remainders = Float[np.ndarray, "..."]  # whole numbers, PRIME / 2 + 1 in size at most

PRIME = 2**21 - 9
MOST_INPUTS = 2**12  # sums of so many products of remainders are below 2^53, which floats add without a rounding

_LEAST_EXPONENT = -1074 - 53
_POWERS_OF_TWO = np.array([pow(2, exponent, PRIME) for exponent in range(_LEAST_EXPONENT, 1025)])


def remainders(numbers: Float[np.ndarray, "..."]) -> Remainders:
    """The remainders of floats."""
    mantissa, exponent = np.frexp(numbers)
    whole = (mantissa * 2.0**53).astype(np.int64)
    return reduced(whole % PRIME * _POWERS_OF_TWO[exponent - 53 - _LEAST_EXPONENT])


def reduced(whole: Shaped[np.ndarray, "..."]) -> Remainders:
    """The remainders of whole numbers below 2^53. A quotient between two may be rounded to either: both are right."""
    return np.asarray(whole - PRIME * np.rint(whole / PRIME))


def differ(a: Remainders, b: Remainders) -> Bool[np.ndarray, "..."]:
    """Whether remainders prove that numbers are different."""
    return np.asarray(np.mod(a - b, PRIME) != 0)


def _of_weight(layer: UnitLayer, member: int) -> Any:
    """The remainders of a member's W, sparse if that is."""
    weight = layer.stored[member]
    return same_places(weight, remainders(weight.data)) if layer.is_sparse else remainders(weight)


def slopes_through(
    layers: list[UnitLayer], slopes: Remainders, steps: Iterable[Step], *, member: int = 0
) -> Remainders:
    """The outputs' slopes on pieces of an input space, `[out_features, pieces, ...]`; layers take at most MOST_INPUTS.

    Args:
        layers: The layers of all members of a stack.
        slopes: The inputs' slopes on the pieces that there are at first, `[in_features, pieces, ...]`, where any axes
            may follow, such as one for directions.
        steps: For each layer that bends, the pieces that it cuts those before it into.
        member: The member of the stack.
    """
    remaining = iter(steps)
    for layer in layers:
        products = _of_weight(layer, member) @ slopes.reshape(len(slopes), -1)
        slopes = reduced(products).reshape(-1, *slopes.shape[1:])
        if layer.bends:
            step = next(remaining)
            factor = np.where(step.positive, 1.0, remainders(layer.slope[member])[:, None])
            slopes = slopes.take(step.parent, axis=1)
            slopes *= factor.reshape(*factor.shape, *[1] * (slopes.ndim - 2))
            if not layer.gates:
                slopes = reduced(slopes)
    return slopes
