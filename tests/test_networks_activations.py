import math

import pytest
import torch
from torch import Tensor

from dlcourse.networks import Activation

LN2, LN3 = math.log(2), math.log(3)

# x, g(x), g'(x): with e^ln3 = 3, sigmoid(ln 3) = 3/4; tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 3/5.
HAND_WORKED = {
    Activation.relu: [(-2, 0, 0), (-0.0, 0, 0), (0, 0, 0), (1e-300, 1e-300, 1), (3, 3, 1)],
    Activation.leaky_relu: [(-2, -0.02, 0.01), (0, 0, 0.01), (1e-300, 1e-300, 1), (3, 3, 1)],
    Activation.sigmoid: [(-LN3, 1 / 4, 3 / 16), (0, 1 / 2, 1 / 4), (LN3, 3 / 4, 3 / 16), (-1e4, 0, 0), (1e4, 1, 0)],
    Activation.tanh: [(-LN2, -3 / 5, 16 / 25), (0, 0, 1), (LN3, 4 / 5, 9 / 25), (-1e4, -1, 0), (1e4, 1, 0)],
}


@pytest.fixture(params=list(Activation))
def activation(request: pytest.FixtureRequest) -> Activation:
    return request.param


def column(activation: Activation, index: int) -> Tensor:
    return torch.tensor([row[index] for row in HAND_WORKED[activation]], dtype=torch.float64)


def test_hand_worked(activation: Activation) -> None:
    x, g, derivative = (column(activation, i) for i in range(3))
    torch.testing.assert_close(activation(x), g, rtol=1e-15, atol=0)
    torch.testing.assert_close(activation.derivative(g), derivative, rtol=1e-15, atol=0)


def test_derivative_is_autograds_also_at_the_kink(activation: Activation) -> None:
    x = torch.cat([torch.linspace(-20, 20, 401), torch.tensor([-0.0, 1e-40, -1e-40])]).double().requires_grad_()
    h = activation(x)
    (expected,) = torch.autograd.grad(h.sum(), x)
    rounding = torch.finfo(torch.float64).eps  # of h^2 in 1 - h^2
    torch.testing.assert_close(activation.derivative(h.detach()), expected, rtol=0, atol=rounding)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_in_place_forms(activation: Activation, dtype: torch.dtype) -> None:
    x = torch.cat([torch.randn(64), torch.zeros(3)]).to(dtype).requires_grad_()
    gradient = torch.randn(67, dtype=dtype)
    h = activation(x)
    (expected,) = torch.autograd.grad(h, x, gradient)

    overwritten = x.detach().clone()
    activation.in_place(overwritten)
    assert torch.equal(overwritten, h)

    given = gradient.clone()
    activation.times_derivative_in_place(given, h.detach())
    assert torch.equal(given, expected)


def test_names() -> None:
    assert [str(activation) for activation in Activation] == ["relu", "leaky_relu", "sigmoid", "tanh"]
    assert Activation("tanh") is Activation.tanh
    with pytest.raises(ValueError, match=r"^activation must be one of relu, leaky_relu, sigmoid, tanh, got swish$"):
        Activation("swish")


def test_what_the_definition_says_of_linear_pieces_is_so(activation: Activation) -> None:
    x = torch.linspace(-5, 5, 11, dtype=torch.float64)
    if activation.slope is None:  # it bends everywhere but at 0: tanh is odd, and so is sigmoid less its 1/2
        assert activation(x).diff().diff().abs()[[3, 5]].min() > 1e-3
    else:
        assert activation(x).equal(torch.where(x < 0, activation.slope * x, x))
    assert activation.keeps_zero == (activation(torch.zeros(3)) == 0).all()
