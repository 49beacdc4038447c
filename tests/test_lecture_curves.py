import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from dlcourse.lecture import curves, draw_activation, draw_activation_derivatives, draw_curve, draw_piecewise
from dlcourse.networks import Activation
from dlcourse.networks.constructions import nested_tents, tent
from dlcourse.tasks import Smooth, ZigZag

ROUNDING = 1e-12


def curve(axes: Axes, index: int = 0) -> tuple[list[float], list[float]]:
    x, y = (np.asarray(values, dtype=float).tolist() for values in axes.lines[index].get_data())
    return x, y


@pytest.mark.parametrize(
    ("name", "function"),
    [("relu", lambda x: max(0.0, x)), ("leaky_relu", lambda x: max(x / 100, x)), ("tanh", math.tanh),
     ("sigmoid", lambda x: 1 / (1 + math.exp(-x)))],
)  # fmt: skip
def test_activations_are_drawn(name: str, function: object) -> None:
    x, y = curve(draw_activation(name))
    assert (x[0], x[-1]) == (-4, 4) and 0.0 in x
    assert y == pytest.approx([function(each) for each in x], abs=ROUNDING)  # type: ignore[operator]


def test_derivatives_are_slopes_of_the_functions() -> None:
    lines = {str(line.get_label()): line for line in draw_activation_derivatives().lines}
    step = 1e-5
    for name, label in (("relu", "ReLU"), ("tanh", "Hyperbolic Tangent"), ("sigmoid", "Sigmoid")):
        x, drawn = (torch.from_numpy(np.asarray(values, dtype=float)) for values in lines[label].get_data())
        g = Activation(name)
        slopes = (g(x + step) - g(x - step)) / (2 * step)
        away = ~drawn.isnan() & (x != 0)
        assert torch.allclose(drawn[away], slopes[away], rtol=0, atol=1e-8)  # step^2 and rounding / step
        assert drawn[x == 0].item() == {"relu": 0.0, "tanh": 1.0, "sigmoid": 0.25}[name]
    jumps = np.isnan(np.asarray(lines["ReLU"].get_ydata(), dtype=float))
    assert jumps.sum() == 1  # no line joins 0 and 1


def zigzag(x: Fraction, num_folds: int) -> Fraction:
    """The distance to the nearest even multiple of the pieces' length, in pieces."""
    position = x * 2 ** (num_folds - 1) % 2
    return min(position, 2 - position)


@pytest.mark.parametrize("num_folds", [1, 2, 3, 5])
def test_zigzag_is_drawn_by_its_corners(num_folds: int) -> None:
    x, y = curve(draw_curve(ZigZag(num_folds=num_folds)))
    num = 2**num_folds
    assert x == [2 * i / num for i in range(num + 1)]
    assert [Fraction(each) for each in y] == [zigzag(Fraction(each), num_folds) for each in x]


def test_a_smooth_curve_is_drawn_by_its_grid() -> None:
    task = Smooth()
    x, y = curve(draw_curve(task))
    assert len(x) > 1000
    assert y == task.target(torch.tensor(x, dtype=torch.float64)).tolist()


def test_tents_by_hand() -> None:
    axes = draw_piecewise(tent(0.0, 2.0), 0.0, 2.0, "h", beside=[(lambda x: torch.relu(x), "first")])
    assert curve(axes, 1) == ([0, 1, 2], [0, 1, 0])
    x, y = curve(axes, 0)
    assert x == y and len(x) > 100
    # x against h~, not "t" and "output".
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()) == ("$x$", "$h$", (0, 2))
    assert curve(draw_piecewise(tent(0.0, 1.0), 0.0, 1.0, "h")) == ([0, 0.5, 1], [0, 1, 0])


def test_nested_tents_by_hand() -> None:
    assert curve(draw_piecewise(nested_tents(2), 0.0, 2.0, "h")) == ([0, 0.5, 1, 1.5, 2], [0, 1, 0, 1, 0])
    assert curve(draw_piecewise(nested_tents(2), 0.5, 1.25, "h")) == ([0.5, 1, 1.25], [1, 0, 0.5])


def test_an_activation_that_the_slides_do_not_have_is_named_by_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "FORMULAS", {})
    assert draw_activation("tanh").get_title() == "tanh\n$g(x) = \\tanh(x)$"
