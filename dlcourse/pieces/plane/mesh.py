"""Vertices, edges and faces, as they are named here: by numbers."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

_LINE_BITS = 32  # of a line's number, for the unit or the side


def line_number(layer: int, unit: Int[np.ndarray, " lines"]) -> Int[np.ndarray, " lines"]:
    """One number for a layer and one of its units."""
    return (layer << _LINE_BITS) | unit


def layers_and_units(lines: Int[np.ndarray, " lines"]) -> Int[np.ndarray, "lines 2"]:
    """The layers and the units of these numbers."""
    return np.stack([lines >> _LINE_BITS, lines & ((1 << _LINE_BITS) - 1)], axis=1)


class Sides(NamedTuple):
    """The sides of all faces, each counterclockwise around its face: an inner edge is a side of two."""

    face: Int[np.ndarray, " sides"]
    start: Int[np.ndarray, " sides"]
    end: Int[np.ndarray, " sides"]


class Mesh(NamedTuple):
    """Vertices, edges and faces of a subdivision.

    Attributes:
        num_vertices: Number of vertices.
        num_faces: Number of faces.
        ends: For each edge the vertices where it starts and ends.
        faces: For each edge the face to its left and the one to its right; -1 outside of the domain.
        lines: For each edge the line that it is part of, as `line_number` of the layer and the unit whose zero set that
            is, or of -1 and the side of the domain.
    """

    num_vertices: int
    num_faces: int
    ends: Int[np.ndarray, "edges 2"]
    faces: Int[np.ndarray, "edges 2"]
    lines: Int[np.ndarray, " edges"]

    def sides(self) -> Sides:
        """The sides of all faces: every edge for the face on its left, then the inner ones for that on their right."""
        inner = np.flatnonzero(self.faces[:, 1] >= 0)
        return Sides(
            np.concatenate([self.faces[:, 0], self.faces[inner, 1]]),
            np.concatenate([self.ends[:, 0], self.ends[inner, 1]]),
            np.concatenate([self.ends[:, 1], self.ends[inner, 0]]),
        )


def polygon_mesh(num_corners: int) -> Mesh:
    """One face with so many corners, counterclockwise."""
    return Mesh(
        num_vertices=num_corners,
        num_faces=1,
        ends=np.array([(corner, (corner + 1) % num_corners) for corner in range(num_corners)]),
        faces=np.full((num_corners, 2), [0, -1]),
        lines=line_number(-1, np.arange(num_corners)),
    )
