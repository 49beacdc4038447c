"""Pictures of linear regions."""

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.tri import Triangulation
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from dlcourse.palette import CLASS_COLORS
from dlcourse.pieces.box.box import InBox
from dlcourse.pieces.line.along import Along
from dlcourse.pieces.line.segment import OnLine
from dlcourse.pieces.plane.polygon import OnPlane


def plot_output(plane: OnPlane, axes: Axes | None = None) -> Axes:
    """Draws a network of one output: the output as colour, and the edges of its regions."""
    axes = axes or _new_axes()
    starts, corners = plane.polygon_starts, plane.polygon_vertices
    sizes = np.diff(starts)
    # Each region is a fan of triangles, on which colours are interpolated as the affine map does.
    fan = np.repeat(starts[:-1], sizes - 2)
    within = np.arange(len(fan)) - np.repeat(np.cumsum(sizes - 2) - (sizes - 2), sizes - 2)
    triangles = np.stack([fan, fan + within + 1, fan + within + 2], axis=1)
    region = np.repeat(np.arange(plane.num_regions), sizes)
    points = plane.vertices[corners]
    values = np.einsum("ci,ci->c", plane.weights[region, 0], plane.points(points)) + plane.biases[region, 0]
    triangulation = Triangulation(points[:, 0], points[:, 1], triangles)
    axes.tripcolor(triangulation, values, shading="gouraud", cmap="cividis")
    return _finished(plane, axes)


def plot_classes(
    plane: OnPlane,
    polygons: list[Float[np.ndarray, "_ 2"]],
    classes: Int[np.ndarray, " polygons"],
    regions: Int[np.ndarray, " polygons"],
    axes: Axes | None = None,
) -> Axes:
    """Draws a classifier: its classes as colours, its regions as shades of them, and the decision boundary."""
    axes = axes or _new_axes()
    fills = _shades(classes, regions)
    axes.add_collection(PolyCollection(polygons, facecolors=fills, edgecolors=fills, linewidths=0.3))
    _finished(plane, axes)
    boundary = plane.decision_boundary()
    axes.add_collection(LineCollection(list(boundary), colors="black", linewidths=1.8, capstyle="round"))
    return axes


def plot_line(line: Along, axes: Axes | None = None) -> Axes:
    """Draws the outputs along a line, with a dot at every breakpoint of the function."""
    axes = axes or _new_axes()
    low, high = (0.0, 1.0) if isinstance(line, OnLine) else _around(line.breakpoints)
    t = np.concatenate([[low], line.breakpoints, [high]])
    # at a breakpoint both maps agree: the piece to its left serves as well
    piece = np.minimum(np.arange(len(t)), line.num_pieces - 1)
    for output in range(line.slopes.shape[1]):
        y = line.slopes[piece, output] * t + line.intercepts[piece, output]
        (curve,) = axes.plot(t, y, color=CLASS_COLORS[output % len(CLASS_COLORS)], linewidth=1.5)
        axes.plot(t[1:-1], y[1:-1], ".", color=curve.get_color(), markersize=5)
    axes.set(xlim=(low, high), xlabel="t", ylabel="output")
    axes.set_title(f"{line.num_regions:,} regions, {line.num_pieces:,} linear pieces", fontsize=10)
    return axes


def _around(breakpoints: Float[np.ndarray, " breakpoints"]) -> tuple[float, float]:
    """Limits with some room on either side."""
    near = breakpoints[np.isfinite(breakpoints)]
    low, high = (float(near[0]), float(near[-1])) if len(near) else (0.0, 0.0)
    room = 0.1 * (high - low) or 1.0
    return low - room, high + room


def plot_solid(
    box: InBox, sides: list[OnPlane], between: list[Float[np.ndarray, "corners 3"]], axes: Axes | None = None
) -> Axes:
    """Draws a box of three dimensions: sides of it, coloured by piece, and facets between pieces inside of it."""
    axes = axes or plt.figure(figsize=(6, 6), layout="constrained").add_subplot(projection="3d")
    if axes.name != "3d":
        raise ValueError(f"axes must have projection '3d', got {axes.name!r}")
    for side in sides:
        polygons = [side.polygon(region) for region in range(side.num_regions)]
        centres = np.array([polygon.mean(axis=0) for polygon in polygons])
        pieces = box.piece_of_region[box.locate(np.clip(side.points(centres), box.low, box.high))]
        fills = _shades(pieces, pieces)
        corners = [side.points(polygon) for polygon in polygons]
        axes.add_collection(Poly3DCollection(corners, facecolors=fills, edgecolors="white", linewidths=0.4))
    alpha = min(0.4, 20 / max(1, len(between)))  # the more there are, the lighter
    faces, edges = to_rgba("black", alpha / 5), to_rgba("black", alpha)
    axes.add_collection(Poly3DCollection(between, facecolors=faces, edgecolors=edges, linewidths=0.6))
    ranges = zip("xyz", box.low, box.high, strict=True)
    axes.set(**{f"{axis}{what}": (low, high) for axis, low, high in ranges for what in ("lim", "ticks")})
    axes.set_box_aspect(box.high - box.low)
    axes.set_title(f"{box.num_regions:,} regions, {box.num_pieces:,} linear pieces", fontsize=10)
    return axes


def _shades(
    colours: Int[np.ndarray, " regions"], numbers: Int[np.ndarray, " regions"]
) -> Float[np.ndarray, "regions 3"]:
    """Colours by their number, with more or less white: how much differs by multiples of the golden ratio."""
    whole = np.array([to_rgb(colour) for colour in CLASS_COLORS])[colours % len(CLASS_COLORS)]
    white = 0.45 + 0.3 * (numbers * 0.6180339887 % 1)[:, None]
    shades: Float[np.ndarray, "regions 3"] = whole + white * (1 - whole)
    return shades


def _new_axes() -> Axes:
    """Axes in a figure of their own."""
    return plt.figure(figsize=(6, 6), layout="constrained").add_subplot()


def _finished(plane: OnPlane, axes: Axes) -> Axes:
    """The edges, wider for early layers than for late ones, and what stands around them."""
    layer = plane.edge_units[:, 0]
    inner = layer >= 0
    widths = min(1.0, (300 / plane.num_regions) ** 0.3) * (1.1 - 0.7 * layer[inner] / max(1, layer.max()))
    segments = list(plane.vertices[plane.edges[inner]])
    axes.add_collection(LineCollection(segments, colors="white", linewidths=widths, alpha=0.8, capstyle="round"))
    low, high = plane.corners.min(axis=0), plane.corners.max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set_title(f"{plane.num_regions:,} regions, {plane.num_pieces:,} linear pieces", fontsize=10)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes
