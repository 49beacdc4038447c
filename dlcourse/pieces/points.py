"""Points as they are given: numbers, lists, tensors or arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def finite(name: str, values: float | int | Sequence[Any] | Tensor | np.ndarray) -> Float[np.ndarray, "..."]:
    """The numbers in float64.

    Raises:
        ValueError: If one of them is infinite or NaN.
    """
    if isinstance(values, Tensor):
        values = values.detach().to("cpu", torch.float64).numpy()
    numbers = np.array(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite, got {numbers[~np.isfinite(numbers)][0]}")
    return numbers
