"""The non-linear functions g of the lecture."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# dL/dh where h is above a threshold, else 0. Looked up once, since each look-up costs half of a small call.
_threshold_backward = torch.ops.aten.threshold_backward.grad_input


@dataclass(frozen=True, kw_only=True)
class Definition:
    """All that the rest of the package asks of an activation.

    Attributes:
        name: What configurations call it.
        function: g(x), elementwise.
        derivative: g'(x) in terms of the output h = g(x), so that a backward pass keeps only the outputs.
        latex: The function's name in LaTeX.
        slope: Where g is x for x >= 0 and slope x for x < 0, that slope: such networks have linear pieces. None for a
            function that bends everywhere.
        function_in_place: Overwrites x by g(x), where torch can.
        times_derivative_in_place: Overwrites dL/dh by dL/dh g'(x), given dL/dh and h, where torch can in one pass.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    latex: str
    slope: float | None = None
    function_in_place: Callable[[Tensor], object] | None = None
    times_derivative_in_place: Callable[[Tensor, Tensor], object] | None = None


class Activation(StrEnum):
    """g(x): relu max(0, x), leaky_relu max(0.01 x, x), sigmoid 1 / (1 + e^-x), tanh.

    A new activation is one entry here; the layerwise engine, its explanations and the counts of pieces read it.

    Source: slide "Feed-Forward Neural Network", popular choices for the non-linear function. leaky_relu: Maas, Hannun
    and Ng 2013, Rectifier Nonlinearities Improve Neural Network Acoustic Models, section 2; not on the slides.
    """

    relu = Definition(
        name="relu",
        function=torch.relu,
        derivative=lambda h: (h > 0).to(h.dtype),  # 0 at the kink, as torch has it
        latex=r"\mathrm{relu}",
        slope=0.0,
        function_in_place=torch.relu_,
        times_derivative_in_place=lambda gradient, h: _threshold_backward(gradient, h, 0, grad_input=gradient),
    )
    leaky_relu = Definition(
        name="leaky_relu",
        function=lambda x: F.leaky_relu(x, 0.01),
        derivative=lambda h: torch.where(h > 0, torch.ones_like(h), 0.01),
        latex=r"\mathrm{LeakyReLU}",
        slope=0.01,
    )
    sigmoid = Definition(
        name="sigmoid",
        function=torch.sigmoid,
        derivative=lambda h: h * (1 - h),
        latex=r"\mathrm{sigmoid}",
        function_in_place=torch.sigmoid_,
        times_derivative_in_place=lambda gradient, h: torch.ops.aten.sigmoid_backward.grad_input(
            gradient, h, grad_input=gradient
        ),
    )
    tanh = Definition(
        name="tanh",
        function=torch.tanh,
        derivative=lambda h: 1 - h * h,
        latex=r"\tanh",
        function_in_place=torch.tanh_,
        times_derivative_in_place=lambda gradient, h: torch.ops.aten.tanh_backward.grad_input(
            gradient, h, grad_input=gradient
        ),
    )

    definition: Definition

    def __new__(cls, definition: Any) -> "Activation":
        """The name with its definition. Not typed: calling the class looks a name up."""
        activation = str.__new__(cls, definition.name)
        activation._value_ = definition.name
        activation.definition = definition
        return activation

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"activation must be one of {', '.join(cls)}, got {value}")

    @property
    def slope(self) -> float | None:
        """Where g is x for x >= 0 and slope x for x < 0, that slope; None where networks have no linear pieces."""
        return self.definition.slope

    @property
    def keeps_zero(self) -> bool:
        """Whether g(0) = 0, so that a unit without inputs has the output 0."""
        return self(torch.zeros(())).item() == 0

    def __call__(self, x: Tensor) -> Tensor:
        """g(x), elementwise."""
        return self.definition.function(x)

    def derivative(self, h: Tensor) -> Tensor:
        """g'(x), elementwise, from h = g(x): relu [h > 0] (0 at the kink, as torch), sigmoid h(1 - h), tanh 1 - h^2."""
        return self.definition.derivative(h)

    @property
    def in_place(self) -> Callable[[Tensor], object]:
        """A function that overwrites x by g(x)."""
        return self.definition.function_in_place or (lambda x: x.copy_(self(x)))

    @property
    def times_derivative_in_place(self) -> Callable[[Tensor, Tensor], object]:
        """A function that overwrites dL/dh by dL/dx = dL/dh * g'(x), given dL/dh and h; in one pass where torch can."""
        return self.definition.times_derivative_in_place or (lambda gradient, h: gradient.mul_(self.derivative(h)))
