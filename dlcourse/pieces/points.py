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
        ValueError: If one of them is infinite or NaN.
    """
    numbers = _numbers(values)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite, got {numbers[~np.isfinite(numbers)][0]}")
    return numbers


def point(coordinates: float | int | Sequence[Any] | Tensor | np.ndarray) -> Float[np.ndarray, "..."]:
    """Coordinates in float64, finite or not; a lone number has one coordinate."""
    return np.atleast_1d(_numbers(coordinates))


def _numbers(values: float | int | Sequence[Any] | Tensor | np.ndarray) -> Float[np.ndarray, "..."]:
    """A copy in float64."""
    if isinstance(values, Tensor):
        values = values.detach().to("cpu", torch.float64).numpy()
    return np.array(values, dtype=np.float64)


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
