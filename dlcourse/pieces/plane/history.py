"""What the layers that are done have made of the polygon: where vertices, faces and patterns come from."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt64

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK
from dlcourse.pieces.plane.mesh import layers_and_units


class NewVertices(NamedTuple):
    """Vertices that a layer made, each between two others, and on two lines that are valid on a face at its side."""

    layer: int
    face: Int[np.ndarray, " vertices"]  # as numbered before that layer
    line: Int[np.ndarray, " vertices"]
    other_line: Int[np.ndarray, " vertices"]
    start: Int[np.ndarray, " vertices"]
    end: Int[np.ndarray, " vertices"]
    t: Float[np.ndarray, " vertices"]  # 0 < t < 1 from start to end
    t_error: Float[np.ndarray, " vertices"]


class Birth(NamedTuple):
    """Where a vertex comes from: the lines that cross there, both of them valid on a face at its side.

    Attributes:
        layer: The layer that made the vertex.
        face: The face that it was made on or beside, as numbered before that layer.
        lines: Two lines, each as the layer and the unit whose zero set it is, or as -1 and a side of the domain.
    """

    layer: int
    face: int
    lines: tuple[tuple[int, int], tuple[int, int]]


class Lines(NamedTuple):
    """The two lines that cross in each of several vertices.

    Attributes:
        layer: The layer of the unit whose zero set each line is, or -1 for a side of the domain.
        unit: The unit, or the side.
        face: The face for which it is, as numbered before that layer's cuts.
    """

    layer: Int[np.ndarray, "2 vertices"]
    unit: Int[np.ndarray, "2 vertices"]
    face: Int[np.ndarray, "2 vertices"]

    def taken(self, part: slice | Int[np.ndarray, " some"]) -> "Lines":
        """Those of some of the vertices."""
        return Lines(*(of_all[:, part] for of_all in self))

    def of_sides_and_layers(self, num_layers: int) -> list[Int[np.ndarray, " some"]]:
        """Which entries of `layer.ravel()` are sides of the domain, and which are units of each of the first layers."""
        layer = self.layer.ravel()
        order = np.argsort(layer, kind="stable")
        return np.split(order, np.searchsorted(layer[order], np.arange(num_layers)))


@dataclass(frozen=True, eq=False)
class History:
    """All that the layers that are done have left behind, but for the mesh as it is now.

    Attributes:
        corners: The corners of the domain, in the plane's coordinates: the first vertices.
        made: The vertices beyond these, in order, a part of them for each time that some were made.
        parents: For each layer that is done, which face before its cuts each face was part of.
        patterns: For each layer that is done, which units are positive on each face.
    """

    corners: Float[np.ndarray, "corners 2"]
    made: list[NewVertices] = field(default_factory=list)
    parents: list[Int[np.ndarray, " faces"]] = field(default_factory=list)
    patterns: list[UInt64[np.ndarray, "faces words"]] = field(default_factory=list)

    def birth(self, vertex: int) -> Birth:
        """Where a vertex comes from that is not a corner of the domain."""
        first = len(self.corners)
        for made in self.made:
            index, first = vertex - first, first + len(made.face)
            if vertex < first:
                break
        one, other = layers_and_units(np.array([made.line[index], made.other_line[index]])).tolist()
        return Birth(made.layer, int(made.face[index]), (tuple(one), tuple(other)))

    def lines(self, vertices: Int[np.ndarray, " vertices"]) -> Lines:
        """The lines that cross in vertices; corners of the domain are where two of its sides meet."""
        firsts = len(self.corners) + np.cumsum([0, *(len(made.face) for made in self.made)])
        part = np.searchsorted(firsts, vertices, side="right") - 1
        lines = Lines(*np.full((3, 2, len(vertices)), -1))
        corner = np.flatnonzero(part < 0)
        lines.unit[:, corner] = vertices[corner] - [[0], [1]]
        born = np.zeros(len(vertices), dtype=np.int64)
        for number in np.unique(part[part >= 0]).tolist():
            which, made = np.flatnonzero(part == number), self.made[number]
            index = vertices[which] - firsts[number]
            for k, line in enumerate((made.line[index], made.other_line[index])):
                lines.layer[k, which], lines.unit[k, which] = layers_and_units(line).T
            lines.face[:, which], born[which] = made.face[index], made.layer
        self.go_down_(lines, born)
        return lines

    def go_down_(self, lines: Lines, born: Int[np.ndarray, " vertices"]) -> None:
        """Puts the faces that are wanted in place of parts of them, as numbered before the cuts of these layers."""
        for layer in range(int(born.max(initial=0)) - 1, -1, -1):
            earlier = (lines.layer <= layer) & (born > layer)
            lines.face[earlier] = self.parents[layer][lines.face[earlier]]

    def with_parents(self, faces: list[Int[np.ndarray, " some"]]) -> list[Int[np.ndarray, " more"]]:
        """Faces before the cuts of the first layers, each once and in order, with all that they are parts of."""
        found = list[Int[np.ndarray, " more"]]()
        for index in range(len(faces) - 1, -1, -1):
            wanted = np.zeros(len(self.parents[index - 1]) if index else 1, dtype=bool)
            wanted[faces[index]] = True
            if found:
                wanted[self.parents[index][found[-1]]] = True
            found.append(np.flatnonzero(wanted))
        return found[::-1]

    def face_before(self, layer: int, face: int, earlier: int) -> int:
        """The face, as numbered before the cuts of an earlier layer, of which a face before a layer's is part."""
        for parents in reversed(self.parents[earlier:layer]):
            face = int(parents[face])
        return face

    def points(self) -> tuple[Float[np.ndarray, "vertices 2"], Float[np.ndarray, " vertices"]]:
        """The vertices' coordinates in the plane, rounded, and a bound for how far each of them may be off."""
        first = len(self.corners)
        num_vertices = first + sum(len(made.face) for made in self.made)
        points, error = np.empty((num_vertices, 2)), np.zeros(num_vertices)
        points[:first] = self.corners
        for made in self.made:
            new = slice(first, first := first + len(made.face))
            before = points[made.start]
            change = points[made.end] - before
            points[new] = before + made.t[:, None] * change
            reach = np.abs(change).sum(axis=1)
            rounded = 2 * EPS * (np.abs(before).sum(axis=1) + reach)
            error[new] = SLACK * (made.t_error * reach + np.maximum(error[made.start], error[made.end]) + rounded)
        return points, error
