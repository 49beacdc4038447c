"""The non-linear functions g of the lecture."""

from enum import StrEnum

import torch
from torch import Tensor


class Activation(StrEnum):
    """g(x): relu max(0, x), sigmoid 1 / (1 + e^-x), tanh.

    All three derivatives can be read off the output h = g(x), so a backward sweep keeps only the outputs.

    Source: slide "Feed-Forward Neural Network", popular choices for the non-linear function.
    """

    relu = "relu"
    sigmoid = "sigmoid"
    tanh = "tanh"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"activation must be one of {', '.join(cls)}, got {value}")

    def __call__(self, x: Tensor) -> Tensor:
        """g(x), elementwise."""
        match self:
            case Activation.relu:
                return torch.relu(x)
            case Activation.sigmoid:
                return torch.sigmoid(x)
            case Activation.tanh:
                return torch.tanh(x)

    def derivative(self, h: Tensor) -> Tensor:
        """g'(x), elementwise, from h = g(x): relu [h > 0] (0 at the kink, as torch), sigmoid h(1 - h), tanh 1 - h^2."""
        match self:
            case Activation.relu:
                return (h > 0).to(h.dtype)
            case Activation.sigmoid:
                return h * (1 - h)
            case Activation.tanh:
                return 1 - h * h

    def apply_(self, x: Tensor) -> Tensor:
        """Overwrites x by g(x)."""
        match self:
            case Activation.relu:
                return x.relu_()
            case Activation.sigmoid:
                return x.sigmoid_()
            case Activation.tanh:
                return x.tanh_()

    def multiply_derivative_(self, gradient: Tensor, h: Tensor) -> Tensor:
        """Overwrites dL/dh by dL/dx = dL/dh * g'(x): `gradient *= derivative(h)` in one pass over memory."""
        match self:
            case Activation.relu:
                torch.ops.aten.threshold_backward.grad_input(gradient, h, 0, grad_input=gradient)
            case Activation.sigmoid:
                torch.ops.aten.sigmoid_backward.grad_input(gradient, h, grad_input=gradient)
            case Activation.tanh:
                torch.ops.aten.tanh_backward.grad_input(gradient, h, grad_input=gradient)
        return gradient
