"""Third stage of a cut: the parts of edges, and what is known at all points of the faces' borders."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.plane.edges import EdgePoints, EdgeSigns
from dlcourse.pieces.plane.history import Lines
from dlcourse.pieces.plane.mesh import layers_and_units
from dlcourse.pieces.plane.parts import Parts, parts_between
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.signs import Signs


class Border(NamedTuple):
    """The borders of all faces. Their points are the vertices and, numbered on from these, the points on edges.

    Attributes:
        before: The pre-activations.
        vertices: The signs at the vertices.
        along: The signs along the edges.
        points: The points on edges.
        parts: The parts of edges between these.
        positive: Which units are positive along each part.
        positive_on_edges: Which units are positive at each point on an edge.
        changed: Which units change their signs there.
    """

    before: Preactivations
    vertices: Signs
    along: EdgeSigns
    points: EdgePoints
    parts: Parts
    positive: UInt64[np.ndarray, "parts words"]
    positive_on_edges: UInt64[np.ndarray, "points words"]
    changed: UInt64[np.ndarray, "points words"]

    @property
    def num_vertices(self) -> int:
        """How many of the points are vertices."""
        return self.before.mesh.num_vertices

    @property
    def has_ties(self) -> bool:
        """Whether lines may meet in one point of the border, or lie on an edge: then there is more to look at."""
        return self.vertices.zero is not None or self.points.coincide

    def positive_at(self, which: Int[np.ndarray, " some"]) -> UInt64[np.ndarray, "some words"]:
        """Which units are positive at some points; unless a unit is zero at a vertex, these are points on edges."""
        return self._at(self.vertices.positive, self.positive_on_edges, which)

    def zero_at(self, which: Int[np.ndarray, " some"]) -> UInt64[np.ndarray, "some words"]:
        """Which units are zero at some points; unless a unit is zero at a vertex, these are points on edges."""
        if self.vertices.zero is None or self.along.zero is None:
            return self._at(self.changed, self.changed, which)
        return self._at(self.vertices.zero, self.changed | self.along.zero[self.points.edge], which)

    def _at(
        self,
        at_vertices: UInt64[np.ndarray, "vertices words"],
        on_edges: UInt64[np.ndarray, "points words"],
        which: Int[np.ndarray, " some"],
    ) -> UInt64[np.ndarray, "some words"]:
        """The rows of some points."""
        if self.vertices.zero is None:
            on_edge: UInt64[np.ndarray, "some words"] = on_edges.take(which - self.num_vertices, axis=0)
            return on_edge
        everywhere: UInt64[np.ndarray, "some words"] = np.concatenate([at_vertices, on_edges]).take(which, axis=0)
        return everywhere

    def lines(self, which: Int[np.ndarray, " some"], faces: Int[np.ndarray, " some"]) -> Lines:
        """The lines that cross in some points at the borders of these faces."""
        before, (layer, new) = self.before, (self.before.layer, np.flatnonzero(which >= self.num_vertices))
        history, on_edge = before.exact.history, which[new] - self.num_vertices
        lines = history.lines(np.minimum(which, self.num_vertices - 1))
        lines.layer[0, new], lines.unit[0, new] = layers_and_units(before.mesh.lines[self.points.edge[on_edge]]).T
        lines.layer[1, new], lines.unit[1, new] = layer, self.points.unit[on_edge]
        of_new = Lines(lines.layer[:, new], lines.unit[:, new], np.stack([faces[new]] * 2))
        history.go_down_(of_new, np.full(len(new), layer))
        lines.face[:, new] = of_new.face
        return lines

    def values(
        self, which: Int[np.ndarray, " some"], unit: Int[np.ndarray, " some"]
    ) -> tuple[Float[np.ndarray, " some"], Float[np.ndarray, " some"]]:
        """Values of units at some points, with bounds."""
        before, points, num_vertices = self.before, self.points, self.num_vertices
        if self.vertices.zero is None:
            on_edge = which - num_vertices
            a, b = points.start[on_edge], points.end[on_edge]
            t, t_error = points.t[on_edge], points.t_error[on_edge]
        else:
            vertices, nothing = np.arange(num_vertices), np.zeros(num_vertices)
            t = np.concatenate([nothing, points.t])[which]
            t_error = np.concatenate([nothing, points.t_error])[which]
            a, b = (np.concatenate([vertices, of])[which] for of in (points.start, points.end))
        start = before.at(a, unit)
        change = before.at(b, unit) - start
        value = start + t * change
        size = np.abs(change)
        error = np.minimum(t_error, 1) * size + np.maximum(before.error[a], before.error[b])
        return value, SLACK * (error + 2 * EPS * (np.abs(start) + size)) + TINY


def border_of(before: Preactivations, vertices: Signs, along: EdgeSigns, points: EdgePoints) -> Border:
    """The parts of edges, with the units that are positive on each."""
    changed = bits.single(points.crossing_unit, before.num_words)
    if points.coincide:
        changed = bits.union(changed, points.crossing_point, len(points.edge))
    parts = parts_between(points.edge, len(before.mesh.ends))
    positive = parts.patterns(along.start, along.end, changed)
    return Border(before, vertices, along, points, parts, positive, parts.at_points(positive), changed)
