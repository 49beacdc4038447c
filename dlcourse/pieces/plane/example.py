"""The picture of the page about this room, drawn from what the stages return: two layers on a square.

`python -m dlcourse.pieces.plane.example` draws it anew.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from dlcourse.palette import CLASS_COLORS, DATA_COLOR, INK
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.arrangement import Arrangement, arrange
from dlcourse.pieces.plane.border import Border, border_of
from dlcourse.pieces.plane.chords import chords_across_faces
from dlcourse.pieces.plane.edges import points_on_edges, signs_along_edges
from dlcourse.pieces.plane.geometry import PlaneGeometry
from dlcourse.pieces.plane.inner import points_inside_faces
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.signs import signs_at_vertices
from dlcourse.pieces.plane.subdivision import Subdivision

PICTURE = Path(__file__).parent / "example.svg"
SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _layer(weight: list[list[float]], bias: list[float], slope: float = 0.0) -> UnitLayer:
    """A layer of ReLUs, or of something else."""
    return UnitLayer(np.array([weight]), np.array([bias]), np.full((1, len(bias)), slope))


# relu(x - 1/2) and relu(x - 2 y); two units that take these; the sum of both.
LAYERS = [
    _layer([[1.0, 0.0], [1.0, -2.0]], [-0.5, 0.0]),
    _layer([[1.0, 1.0], [-3.0, -1.0]], [-1.5, 2.0]),
    _layer([[1.0, 1.0]], [0.0], slope=1.0),
]
UNIT_COLORS = (CLASS_COLORS[0], CLASS_COLORS[6])


def draw() -> Figure:
    """A row for each layer: signs at vertices, points on edges, chords, and the new faces."""
    figure, axes = plt.subplots(2, 4, figsize=(11, 5.6), layout="constrained")
    for row, number in zip(axes.tolist(), (1, 2), strict=True):
        _draw_cut(row, Subdivision([*LAYERS[:number], LAYERS[2]], np.eye(2, 3), SQUARE, 100))
        row[0].set_ylabel(f"layer {number}", color=INK)
    for axis, title in zip(axes[0], ("signs", "points on edges", "chords", "new faces"), strict=True):
        axis.set_title(title, color=INK)
    for axis in axes.flat:
        axis.set(aspect="equal", xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


def _draw_cut(row: list[Axes], subdivision: Subdivision) -> None:
    """The stages of the last cut that a subdivision has yet to make."""
    layer, mesh = subdivision.layer, subdivision.mesh
    before = Preactivations(layer, mesh, subdivision.values.values, subdivision.values.error, subdivision.exact)
    signs, _ = signs_at_vertices(before, np.zeros(before.num_units, dtype=bool))
    along = signs_along_edges(mesh, signs)
    points = points_on_edges(before, along)
    border = border_of(before, signs, along, points)
    arrangement = arrange(border, chords_across_faces(border))
    vertices, _ = subdivision.history.points()
    ends = vertices[mesh.ends]
    for axes in row[:3]:
        axes.add_collection(LineCollection(ends, colors=DATA_COLOR, linewidths=1))
    _draw_signs(row[0], vertices, before)
    _draw_points(row[1], vertices, border)
    _draw_chords(row[2], vertices, border, arrangement)
    subdivision.finish()
    _draw_faces(row[3], PlaneGeometry(subdivision))


def _draw_signs(axes: Axes, vertices: np.ndarray, before: Preactivations) -> None:
    """A sign for each unit at each vertex; the floats are far from 0 here, or 0."""
    for (x, y), values in zip(vertices, before.values, strict=True):
        for unit, value in enumerate(values):
            sign = {1: "+", 0: "0", -1: "\N{MINUS SIGN}"}[int(np.sign(value))]
            at = x + 0.14 * (unit - 0.5), y
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axes.text(*at, sign, color=UNIT_COLORS[unit], ha="center", va="center", fontsize=13, bbox=box)


def _draw_points(axes: Axes, vertices: np.ndarray, border: Border) -> None:
    """Where units change their signs on edges, with the share t of the edge that lies before the point."""
    at = _border_points(vertices, border)[border.num_vertices :]
    points, mesh = border.points, border.before.mesh
    axes.scatter(at[:, 0], at[:, 1], c=[UNIT_COLORS[unit] for unit in points.unit], s=28, zorder=3)
    for (x, y), t, edge in zip(at, points.t, points.edge, strict=True):
        direction = vertices[mesh.ends[edge, 1]] - vertices[mesh.ends[edge, 0]]
        aside = np.array([0.22, 0.15]) * [direction[1], -direction[0]] / np.linalg.norm(direction)
        axes.text(x + aside[0], y + aside[1], f"{t:.2g}", color=INK, ha="center", va="center", fontsize=8)


def _draw_chords(axes: Axes, vertices: np.ndarray, border: Border, arrangement: Arrangement) -> None:
    """Arrows from each chord's start to its end: the unit is positive on the left. A ring where two cross."""
    at, chords = _border_points(vertices, border), arrangement.chords
    for unit, start, end in zip(chords.unit, at[chords.start], at[chords.end], strict=True):
        arrow = {"arrowstyle": "-|>", "color": UNIT_COLORS[unit], "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", end, start, arrowprops=arrow)
    inner = points_inside_faces(border, arrangement)
    start, end = at[chords.start[inner.chord]], at[chords.end[inner.chord]]
    x, y = (start + inner.t[:, None] * (end - start)).T
    axes.scatter(x, y, s=60, facecolors="none", edgecolors=INK, zorder=3)


def _draw_faces(axes: Axes, geometry: PlaneGeometry) -> None:
    """The new faces, each with 1 for every unit of the layer that is positive there and 0 for every other one."""
    starts, corners = geometry.polygons
    polygons = np.split(geometry.points[corners], starts[1:-1])
    patterns = geometry.positive(geometry.bending[-1], slice(None)).T.astype(int)
    axes.add_collection(PolyCollection(polygons, facecolors="#f2f2f2", edgecolors=INK, linewidths=1))
    for (x, y), pattern in zip(geometry.centres, patterns, strict=True):
        axes.text(x, y, "".join(map(str, pattern)), ha="center", va="center", fontsize=7, color=INK)


def _border_points(vertices: np.ndarray, border: Border) -> np.ndarray:
    """The coordinates of the border's points."""
    points = border.points
    start, end = vertices[points.start], vertices[points.end]
    return np.concatenate([vertices, start + points.t[:, None] * (end - start)])


def main() -> None:
    """Writes the picture."""
    # Whatever settings of their own people have, the picture is always the same.
    with plt.style.context("default"), matplotlib.rc_context({"svg.hashsalt": "dlcourse", "svg.fonttype": "none"}):
        draw().savefig(PICTURE, metadata={"Date": None, "Creator": "dlcourse"})


if __name__ == "__main__":
    main()
