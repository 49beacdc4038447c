"""Pictures of regions, pieces and decision boundaries, drawn from arrays: nothing here knows how they are counted."""

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.tri import Triangulation
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from dlcourse.palette import CLASS_COLORS


def plot_pieces(
    breakpoints: Float[np.ndarray, " breakpoints"],
    slopes: Float[np.ndarray, "num_pieces out_features"],
    intercepts: Float[np.ndarray, "num_pieces out_features"],
    limits: tuple[float, float],
    num_regions: int,
    where: str,
    axes: Axes | None = None,
) -> Axes:
    """Draws the outputs slope t + intercept along a line, with a dot at every breakpoint.

    Args:
        breakpoints: Where one piece ends and the next begins, num_pieces - 1 values of t, in order.
        slopes: dy/dt on each piece.
        intercepts: What the affine map of each piece is at t = 0.
        limits: The least and the largest t; where the line has no ends, what is around the breakpoints is drawn.
        num_regions: For the title.
        where: What t is, for the axis: "t (x from [-2] to [2])".
        axes: Where to draw; by default in a figure of its own, with a legend where there are several outputs.
    """
    is_alone, axes = axes is None, axes or _new_axes()
    low, high = limits if np.isfinite(limits).all() else _around(breakpoints)
    t = np.concatenate([[low], breakpoints, [high]])
    # at a breakpoint both maps agree: the piece to its left serves as well
    piece = np.minimum(np.arange(len(t)), len(slopes) - 1)
    for output in range(slopes.shape[1]):
        y = slopes[piece, output] * t + intercepts[piece, output]
        name, color = f"output {output}", CLASS_COLORS[output % len(CLASS_COLORS)]
        (curve,) = axes.plot(t, y, color=color, linewidth=1.5, label=name if slopes.shape[1] > 1 else None)
        axes.plot(t[1:-1], y[1:-1], ".", color=curve.get_color(), markersize=5)
    axes.set(xlim=(low, high), xlabel=where, ylabel="output")
    _name(axes, num_regions, len(slopes))
    if is_alone and 1 < slopes.shape[1] <= len(CLASS_COLORS):
        _add_legend(axes)
    return axes


def plot_output(
    corners: Float[np.ndarray, "corners 2"],
    values: Float[np.ndarray, " corners"],
    starts: Int[np.ndarray, " polygons_and_1"],
    axes: Axes | None = None,
) -> Axes:
    """Draws a function as colour that is affine on each of many convex polygons.

    Args:
        corners: Those of all polygons, counterclockwise, polygon after polygon.
        values: The function at these corners, continued from inside of the polygon.
        starts: Where each polygon's corners start, and at the end their number.
        axes: Where to draw; by default in a figure of its own, with a bar that says which colour is which value.
    """
    is_alone, axes = axes is None, axes or _new_axes()
    sizes = np.diff(starts)
    # Each polygon is a fan of triangles, on which colours are interpolated as the affine map does.
    fan = np.repeat(starts[:-1], sizes - 2)
    within = np.arange(len(fan)) - np.repeat(np.cumsum(sizes - 2) - (sizes - 2), sizes - 2)
    triangles = np.stack([fan, fan + within + 1, fan + within + 2], axis=1)
    triangulation = Triangulation(corners[:, 0], corners[:, 1], triangles)
    colours = axes.tripcolor(triangulation, values, shading="gouraud", cmap="viridis")
    if is_alone:
        axes.figure.colorbar(colours, ax=axes, label="output", location="bottom", shrink=0.7)
    return axes


def plot_classes(
    polygons: list[Float[np.ndarray, "_ 2"]],
    classes: Int[np.ndarray, " polygons"],
    regions: Int[np.ndarray, " polygons"],
    axes: Axes | None = None,
) -> Axes:
    """Draws polygons in the colours of their classes, and in a shade of them for each region.

    Args:
        polygons: The corners of each one.
        classes: The class of each one.
        regions: The region that each one is part of.
        axes: Where to draw, `axes.legend()` adds the classes; by default in a figure of its own, with a legend.
    """
    is_alone, axes = axes is None, axes or _new_axes()
    fills = _shades(classes, regions)
    axes.add_collection(PolyCollection(polygons, facecolors=fills, edgecolors=fills, linewidths=0.3))
    for number in np.unique(classes):
        color = CLASS_COLORS[number % len(CLASS_COLORS)]
        axes.plot([], [], "s", color=color, markersize=9, label=f"class {number}")
    if is_alone:
        _add_legend(axes)
    return axes


def draw_edges(
    axes: Axes,
    segments: Float[np.ndarray, "edges 2 2"],
    layers: Int[np.ndarray, " edges"],
    domain: Float[np.ndarray, "corners 2"],
    num_regions: int,
    num_pieces: int,
    names: tuple[str, str],
) -> None:
    """Draws the edges between regions, wider for early layers than for late ones, and what stands around them.

    Args:
        axes: Where the regions have been drawn.
        segments: The ends of each edge inside of the domain.
        layers: The layer that made each edge, from 0.
        domain: The corners of the domain.
        num_regions: The more there are, the thinner are all edges; and for the title.
        num_pieces: For the title.
        names: Those of the plane's coordinates.
    """
    widths = min(1.0, (300 / num_regions) ** 0.3) * (1.1 - 0.7 * layers / layers.max(initial=1))
    axes.add_collection(LineCollection(list(segments), colors="white", linewidths=widths, alpha=0.8, capstyle="round"))
    low, high = domain.min(axis=0), domain.max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=names[0], ylabel=names[1], aspect="equal")
    _name(axes, num_regions, num_pieces)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_boundary(axes: Axes, segments: Float[np.ndarray, "segments 2 2"]) -> None:
    """Draws a decision boundary."""
    axes.add_collection(LineCollection(list(segments), colors="black", linewidths=1.8, capstyle="round"))


def plot_solid(
    sides: list[tuple[list[Float[np.ndarray, "_ 3"]], Int[np.ndarray, " _"]]],
    between: list[Float[np.ndarray, "_ 3"]],
    low: Float[np.ndarray, " 3"],
    high: Float[np.ndarray, " 3"],
    num_regions: int,
    num_pieces: int,
    axes: Axes | None = None,
) -> Axes:
    """Draws a box low <= x <= high: sides of it, coloured by piece, and facets between pieces inside of it.

    Args:
        sides: For each side its polygons, given by their corners, and the piece that each one is part of.
        between: The corners of each facet, in order.
        low: The box's lowest corner.
        high: The highest one.
        num_regions: For the title.
        num_pieces: Likewise.
        axes: Where to draw; by default in a figure of its own.

    Raises:
        ValueError: If the axes are flat.
    """
    axes = axes or plt.figure(figsize=(6, 6), layout="constrained").add_subplot(projection="3d")
    if axes.name != "3d":
        raise ValueError(f"axes must have projection '3d', got {axes.name!r}")
    for polygons, pieces in sides:
        fills = _shades(pieces, pieces)
        axes.add_collection(Poly3DCollection(polygons, facecolors=fills, edgecolors="white", linewidths=0.4))
    alpha = min(0.4, 20 / max(1, len(between)))  # the more there are, the lighter
    faces, edges = to_rgba("black", alpha / 5), to_rgba("black", alpha)
    axes.add_collection(Poly3DCollection(between, facecolors=faces, edgecolors=edges, linewidths=0.6))
    ranges = zip("xyz", low, high, strict=True)
    axes.set(**{f"{axis}{what}": ends for axis, *ends in ranges for what in ("lim", "ticks")})
    axes.set(xlabel="x₁", ylabel="x₂", zlabel="x₃")
    axes.set_box_aspect(high - low)
    _name(axes, num_regions, num_pieces)
    return axes


def _around(breakpoints: Float[np.ndarray, " breakpoints"]) -> tuple[float, float]:
    """Limits with some room on either side."""
    near = breakpoints[np.isfinite(breakpoints)]
    low, high = (float(near[0]), float(near[-1])) if len(near) else (0.0, 0.0)
    room = 0.1 * (high - low) or 1.0
    return low - room, high + room


def _shades(
    colours: Int[np.ndarray, " regions"], numbers: Int[np.ndarray, " regions"]
) -> Float[np.ndarray, "regions 3"]:
    """Colours by their number, with some white: how much differs by multiples of the golden ratio."""
    whole = np.array([to_rgb(colour) for colour in CLASS_COLORS])[colours % len(CLASS_COLORS)]
    white = 0.2 + 0.35 * (numbers * 0.6180339887 % 1)[:, None]
    shades: Float[np.ndarray, "regions 3"] = whole + white * (1 - whole)
    return shades


def _new_axes() -> Axes:
    """Axes in a figure of their own."""
    return plt.figure(figsize=(6, 6), layout="constrained").add_subplot()


def _add_legend(axes: Axes) -> None:
    """What has which colour, below the picture."""
    axes.figure.legend(loc="outside lower center", ncols=4, frameon=False)


def _name(axes: Axes, num_regions: int, num_pieces: int) -> None:
    """The counts as the title."""
    axes.set_title(f"{num_regions:,} regions, {num_pieces:,} linear pieces", fontsize=10)
