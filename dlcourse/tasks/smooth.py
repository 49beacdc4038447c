"""Smooth functions of one number, which no finite number of linear pieces can match."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.checks import check_choice
from dlcourse.tasks.curve import Curve


class Function(StrEnum):
    """A function on [-2, 2].

    `sine`: sin(pi x), two whole waves. `square`: x^2, whose best approximation by n pieces is known (Yarotsky 2017).
    `bump`: exp(-4 x^2), flat but for the middle.
    """

    sine = "sine"
    square = "square"
    bump = "bump"


@dataclass(kw_only=True)
class Smooth(Curve):
    """Regression of a smooth function on [-2, 2]. See `Curve` for the other fields.

    Args:
        function: `sine`, `square` or `bump`.

    Source: slide "Feed-Forward Neural Network": y = f*(x), to be approximated.
    """

    name: ClassVar[str] = "smooth"

    function: Function = Function.sine

    def __post_init__(self) -> None:
        super().__post_init__()
        self.function = check_choice("function", self.function, Function)

    @property
    def low(self) -> float:
        """Left end of the domain."""
        return -2.0

    @property
    def high(self) -> float:
        """Right end of the domain."""
        return 2.0

    def target(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """f(x), elementwise."""
        match self.function:
            case Function.sine:
                return torch.sin(math.pi * x)
            case Function.square:
                return x.square()
            case Function.bump:
                return torch.exp(-4 * x.square())
