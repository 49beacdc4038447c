"""Functions of one number: activations, targets, and networks with the corners of their pieces."""

from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from torch import Tensor, nn

from dlcourse.networks import Activation
from dlcourse.palette import CLASS_COLORS, FAINT, INK, NETWORK_COLOR, TARGET_COLOR
from dlcourse.pieces import on_line
from dlcourse.tasks import Curve

END = 4.0
"""Activations are drawn from -4 to 4, beyond which sigmoid and tanh are flat to the eye."""

FORMULAS = {
    Activation.relu: ("ReLU", r"g(x) = \max(0,\, x)"),
    Activation.leaky_relu: ("Leaky ReLU", r"g(x) = \max(0.01\, x,\, x)"),
    Activation.sigmoid: ("Sigmoid", r"g(x) = \sigma(x) = \dfrac{1}{1 + e^{-x}}"),
    Activation.tanh: ("Hyperbolic Tangent", r"g(x) = \tanh(x)"),
}
"""What the slides call an activation, and how they write it; others are called what their definition says."""


def draw_activation(activation: Activation | str, axes: Axes | None = None) -> Axes:
    """Draws g on [-4, 4], with its name and formula.

    Args:
        activation: An `Activation` or its name.
        axes: Where to draw; a new figure by default (`axes.figure.savefig(...)`).

    Raises:
        ValueError: If there is no such activation.

    Source: slide "Feed-Forward Neural Network", "Popular choices for the non-linear function".
    """
    activation = Activation(activation)
    axes = axes or _new_axes(3.4, 2.9, head=0.75)
    x = torch.linspace(-END, END, 129, dtype=torch.float64)  # 0, where ReLU has its corner, is one of the points
    axes.plot(x, activation(x), color=NETWORK_COLOR, lw=2.2, zorder=3)
    others = (str(activation), f"g(x) = {activation.definition.latex}(x)")
    name, formula = FORMULAS.get(activation, others)
    axes.set_title(f"{name}\n${formula}$", fontsize=11, color=INK)
    if activation.slope is None:
        axes.set(ylim=(-1.15, 1.15))
        axes.yaxis.set_major_locator(MultipleLocator(0.5))
    return _finished(axes, "$x$", "$g(x)$")


def draw_activation_derivatives(axes: Axes | None = None) -> Axes:
    """Draws g' of the slides' three activations: 0 or 1 for ReLU, at most 1 for tanh and 1/4 for the sigmoid.

    Args:
        axes: Where to draw; a new figure by default.

    Source: not on the slides, where ReLU is said to be "somewhat special".
    """
    axes = axes or _new_axes(5.4, 2.5, right=1.75)
    x = torch.linspace(-END, END, 129, dtype=torch.float64)
    for activation, color in zip((Activation.relu, Activation.tanh, Activation.sigmoid), CLASS_COLORS, strict=False):
        slope = activation.derivative(activation(x))
        # ReLU's derivative jumps: no line joins its two values, and the one taken at 0 is a dot.
        jump = (slope.diff().abs() > 0.5).nonzero()[:, 0] + 1
        drawn = slope.clone()
        drawn[jump] = torch.nan
        axes.plot(x, drawn, color=color, lw=2, label=FORMULAS[activation][0])
        for index in jump.tolist():
            axes.plot(x[index - 1], slope[index - 1], "o", color=color, ms=4.5, zorder=4)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.yaxis.set_major_locator(MultipleLocator(0.25))
    return _finished(axes, "$x$", r"$g^{\,\prime}(x)$")


def draw_curve(task: Curve, axes: Axes | None = None) -> Axes:
    """Draws the function that a task of one number asks for.

    Args:
        task: `ZigZag` or another one.
        axes: Where to draw; a new figure by default.

    Source: slide "Depth and piecewise linear functions", "a zig-zag target function".
    """
    axes = axes or _new_axes(4.6, 2.4)
    x = task.grid()[:, 0]
    y = task.target(x)
    # Grid points on the straight line between their neighbours are left out: a zig-zag is drawn by its corners alone.
    bends = torch.ones(len(x), dtype=torch.bool)
    bends[1:-1] = y.diff(n=2) != 0
    axes.plot(x[bends], y[bends], color=TARGET_COLOR, lw=2.2, zorder=3, clip_on=False)
    axes.set_xlim(task.low, task.high)
    return _finished(axes, "$x$", r"$f^{\,*}(x)$")


def draw_piecewise(
    network: nn.Module,
    low: float,
    high: float,
    label: str,
    *,
    beside: Sequence[tuple[Callable[[Tensor], Tensor], str]] = (),
    axes: Axes | None = None,
) -> Axes:
    """Draws a ReLU network of one input and output on [low, high], with a dot at each end of a linear piece.

    Args:
        network: Any network that `pieces.on_line` reads.
        low: Left end.
        high: Right end.
        label: What the function is called, in LaTeX without dollar signs.
        beside: More functions, `[num, 1]` to `[num, 1]`, drawn faintly, and what they are called.
        axes: Where to draw; a new figure by default.

    Source: slides "Depth and piecewise linear functions", the two scalar functions and "By nesting".
    """
    axes = axes or _new_axes(4.6, 2.5, right=1.35 if beside else 0.25)
    between = torch.from_numpy(on_line(network, low, high).breakpoints)
    x = torch.cat([torch.zeros(1), between, torch.ones(1)]) * (high - low) + low
    grid = torch.cat([torch.linspace(low, high, 129, dtype=x.dtype), x]).sort().values
    like = next(network.parameters())
    with torch.no_grad():
        for number, (function, name) in enumerate(beside):
            values = function(grid.to(like)[:, None])[:, 0]
            dashes = ((4, 2.5), (1, 1.5))[number % 2]
            axes.plot(grid, values, color=INK, lw=1.1, ls=(0, dashes), alpha=0.75, label=f"${name}$")
        y = network(x.to(like)[:, None])[:, 0]
    (curve,) = axes.plot(x, y, "o-", color=NETWORK_COLOR, lw=2.2, ms=5, mfc="white", mew=1.5, label=f"${label}$")
    curve.set(zorder=3, clip_on=False)  # dots at the ends are drawn whole
    axes.set_xlim(low, high)
    if beside:
        axes.legend(frameon=False, fontsize=10, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _finished(axes, "$x$", f"${label}$")


def _new_axes(width: float, height: float, *, head: float = 0.15, right: float = 0.25) -> Axes:
    """Axes in a figure of their own, sizes in inches, with fixed room for what stands around them.

    A layout that matplotlib finds depends on whether the figure has been drawn before, and so would the file's bytes.
    """
    left, bottom = 0.75, 0.55
    place = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + head) / height)
    return Figure(figsize=(width, height)).add_axes(place)


def _finished(axes: Axes, x: str, y: str) -> Axes:
    """What stands around a curve; the axes go through the origin where it is inside."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(color=FAINT, lw=0.7)
    axes.set_axisbelow(True)
    axes.axhline(0, color=INK, lw=0.8, zorder=1)
    axes.set_xlabel(x, fontsize=12)
    axes.set_ylabel(y, fontsize=12)
    return axes
