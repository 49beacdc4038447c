"""A figure that moves: what stands still in it, and what changes with the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import nn

from dlcourse.tensorboard_tab.axes import Figure


@dataclass(frozen=True)
class Moment:
    """A network in a scene.

    Attributes:
        data: What changes in some traces: attribute -> a value for each of them.
        traces: Which traces these are, by their numbers.
        layout: What changes in the layout: attribute -> value.
        said: What is said of the network: "8 linear pieces".
    """

    data: dict[str, list[Any]] = field(default_factory=dict)
    traces: Sequence[int] = ()
    layout: dict[str, Any] = field(default_factory=dict)
    said: Sequence[str] = ()


@dataclass(frozen=True)
class Scene:
    """A figure that moves.

    Attributes:
        name: What the page calls it.
        figure: What stands still.
        at: A network -> what it changes.
    """

    name: str
    figure: Figure
    at: Callable[[nn.Module], Moment]


def counted(num: int, what: str) -> str:
    """A number of things: "1 linear piece", "8 linear pieces"."""
    return f"{num} {what}{'' if num == 1 else 's'}"


def short(values: Sequence[float] | Float[np.ndarray, " values"]) -> list[float]:
    """Numbers to five digits, more than a screen has pixels."""
    return [float(f"{value:.5g}") for value in values]
