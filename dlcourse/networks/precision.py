"""The number formats of networks and their data."""

from enum import StrEnum

import torch


class Precision(StrEnum):
    """The number format of a network and its data."""

    float32 = "float32"
    float64 = "float64"

    @property
    def dtype(self) -> torch.dtype:
        """What torch calls it."""
        return torch.float64 if self is Precision.float64 else torch.float32
