"""Points as they are given: numbers, lists, tensors or arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

MOST_SHOWN = 4
"""So many coordinates of a point are written out."""


def finite(name: str, values: float | int | Sequence[Any] | Tensor | np.ndarray) -> Float[np.ndarray, "..."]:
    """The numbers in float64.

    Raises:
        TypeError: If they are no numbers.
        ValueError: If they are not as many in each row, or one of them is infinite or NaN.
    """
    numbers = _numbers(name, values)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite, got {numbers[~np.isfinite(numbers)][0]}")
    return numbers


def point(name: str, coordinates: float | int | Sequence[Any] | Tensor | np.ndarray) -> Float[np.ndarray, "..."]:
    """Coordinates in float64, finite or not; a lone number has one coordinate.

    Raises:
        TypeError: If they are no numbers.
        ValueError: If they are not as many in each row.
    """
    return np.atleast_1d(_numbers(name, coordinates))


def _numbers(name: str, values: float | int | Sequence[Any] | Tensor | np.ndarray) -> Float[np.ndarray, "..."]:
    """A copy in float64."""
    try:
        if isinstance(values, Tensor):
            values = values.detach().to("cpu", torch.complex128 if values.is_complex() else torch.float64).numpy()
        if not np.iscomplexobj(values):
            return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        what = "as many numbers in each row" if "inhomogeneous" in str(error) else "numbers"
        raise type(error)(f"{name} must be {what}, got {str(values)[:60]}") from error
    raise TypeError(f"{name} must be real numbers, got {str(values)[:60]}")


def in_short(point: Float[np.ndarray, "*shape"]) -> str:
    """A point in a few characters: "[-2, 0.5]", or the shape of one of many coordinates, "<1 x 28 x 28>"."""
    if point.size > MOST_SHOWN:
        return f"<{' x '.join(map(str, point.shape))}>"
    return f"[{', '.join(f'{value:.4g}' for value in point.flat)}]"


def existing_region(region: int, num_regions: int) -> int:
    """A region's number.

    Raises:
        ValueError: If there is no such region.
    """
    if not 0 <= region < num_regions:
        raise ValueError(f"region must be between 0 and {num_regions - 1}, got {region}")
    return region
