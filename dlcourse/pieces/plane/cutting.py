"""Last stage of a cut: the new vertices, edges and faces."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.plane.arrangement import Arrangement
from dlcourse.pieces.plane.border import Border
from dlcourse.pieces.plane.history import NewVertices
from dlcourse.pieces.plane.inner import InnerPoints
from dlcourse.pieces.plane.mesh import Mesh, line_number


class Edges(NamedTuple):
    """The edges of the new mesh, parts of old edges and then parts of chords, before the new faces have numbers."""

    num_vertices: int
    ends: Int[np.ndarray, "edges 2"]
    old_faces: Int[np.ndarray, "edges 2"]  # the old faces of which parts are to the left and to the right
    lines: Int[np.ndarray, " edges"]
    left: UInt64[np.ndarray, "edges words"]  # which units are positive on the left
    right: UInt64[np.ndarray, "edges words"]  # and on the right

    @property
    def num_faces(self) -> int:
        """How many faces there are, by Euler: V - E + F = 1 without the outside."""
        return len(self.ends) - self.num_vertices + 1


class Faces(NamedTuple):
    """The faces of the new mesh."""

    beside: Int[np.ndarray, "edges 2"]  # for each edge the one on its left and the one on its right
    parents: Int[np.ndarray, " faces"]  # the old face that each is part of
    patterns: UInt64[np.ndarray, "faces words"]  # which units are positive on each


def vertices_on_edges(border: Border) -> NewVertices:
    """The points on edges as vertices."""
    before, points = border.before, border.points
    mesh, edge = before.mesh, points.edge
    line, other_line = mesh.lines[edge], line_number(before.layer, points.unit)
    t_error = np.minimum(points.t_error, 1)
    face = mesh.faces[edge, 0]
    return NewVertices(before.layer, face, line, other_line, points.start, points.end, points.t, t_error)


def vertices_inside_faces(layer: int, arrangement: Arrangement, inner: InnerPoints) -> NewVertices:
    """The points inside faces as vertices."""
    chords, chord = arrangement.chords, inner.chord
    line, other_line = line_number(layer, chords.unit[chord]), line_number(layer, inner.unit)
    t_error = np.minimum(inner.t_error, 1)
    start, end = chords.start[chord], chords.end[chord]
    return NewVertices(layer, chords.face[chord], line, other_line, start, end, inner.t, t_error)


def new_edges(border: Border, arrangement: Arrangement, inner: InnerPoints) -> Edges:
    """The parts of edges and chords. New vertices have the numbers after the old ones: first those on edges."""
    mesh, chords, parts = border.before.mesh, arrangement.chords, inner.parts
    first_inner = mesh.num_vertices + len(border.points.edge)
    of_edges = border.parts.ends(mesh.ends[:, 0], mesh.ends[:, 1], np.arange(mesh.num_vertices, first_inner))
    of_chords = parts.ends(chords.start, chords.end, first_inner + inner.between)
    faces = mesh.faces.take(border.parts.line, axis=0)
    left, right = _beside_edges(border, faces)
    chord_faces = np.repeat(chords.face[parts.line][:, None], 2, axis=1)
    chord_lines = line_number(border.before.layer, chords.unit[parts.line])
    return Edges(
        first_inner + len(inner.chord),
        np.concatenate([of_edges, of_chords]),
        np.concatenate([faces, chord_faces]),
        np.concatenate([mesh.lines[border.parts.line], chord_lines]),
        np.concatenate([left, inner.positive | arrangement.left.take(parts.line, axis=0)]),
        np.concatenate([right, inner.positive | arrangement.right.take(parts.line, axis=0)]),
    )


def _beside_edges(
    border: Border, faces: Int[np.ndarray, "parts 2"]
) -> tuple[UInt64[np.ndarray, "parts words"], UInt64[np.ndarray, "parts words"]]:
    """Which units are positive to the left and to the right of parts of edges; some units are zero along them."""
    mesh, along = border.before.mesh, border.along
    if along.zero is None or not along.zero.any():
        return border.positive, border.positive
    zero = along.zero.take(border.parts.line, axis=0)
    inner = mesh.faces[:, 1] >= 0
    on_edge = along.start | along.end
    on_faces = np.concatenate([mesh.faces[:, 0], mesh.faces[inner, 1]])
    somewhere = bits.union(np.concatenate([on_edge, on_edge[inner]]), on_faces, mesh.num_faces)
    # A unit that is zero along a face's side is positive inside if it is positive anywhere at its border.
    return (
        border.positive | (zero & somewhere.take(faces[:, 0], axis=0)),
        border.positive | (zero & somewhere.take(faces[:, 1], axis=0)),
    )


def new_faces(mesh: Mesh, arrangement: Arrangement, edges: Edges) -> Faces:
    """Numbers for the faces: first those that are not cut, then the parts of others, whose names are their patterns."""
    is_cut = np.zeros(mesh.num_faces + 1, dtype=bool)  # the last one, -1, is the outside
    is_cut[arrangement.chords.face] = True
    whole = (~is_cut[:-1]).nonzero()[0]
    number = np.full(mesh.num_faces + 1, -1)
    number[whole] = np.arange(len(whole))
    beside = number[edges.old_faces]
    cut_left, cut_right = (is_cut[old].nonzero()[0] for old in edges.old_faces.T)
    parents = np.concatenate([edges.old_faces[cut_left, 0], edges.old_faces[cut_right, 1]])
    patterns = np.concatenate([edges.left.take(cut_left, axis=0), edges.right.take(cut_right, axis=0)])
    which, some = bits.distinct(bits.hashed(parents, patterns))
    if len(whole) + len(some) != edges.num_faces:
        raise SubdivisionError(
            f"Euler's formula asks for {edges.num_faces} faces, but {len(whole) + len(some)} have patterns of their own"
        )
    beside[cut_left, 0] = len(whole) + which[: len(cut_left)]
    beside[cut_right, 1] = len(whole) + which[len(cut_left) :]
    return Faces(beside, np.concatenate([whole, parents[some]]), _patterns(edges, beside))


def uncut_faces(border: Border) -> Faces:
    """The faces as they were, where no unit changes its sign inside of one, and their patterns."""
    mesh = border.before.mesh
    left, right = _beside_edges(border, mesh.faces)
    edges = Edges(mesh.num_vertices, mesh.ends, mesh.faces, mesh.lines, left, right)
    return Faces(mesh.faces, np.arange(mesh.num_faces), _patterns(edges, mesh.faces))


def _patterns(edges: Edges, beside: Int[np.ndarray, "edges 2"]) -> UInt64[np.ndarray, "faces words"]:
    """Which units are positive on each face, from what is known beside its edges."""
    pattern = np.empty((edges.num_faces, edges.left.shape[1]), dtype=np.uint64)
    inner = (beside[:, 1] >= 0).nonzero()[0]
    pattern[beside[inner, 1]] = edges.right.take(inner, axis=0)
    pattern[beside[:, 0]] = edges.left
    return pattern


def off_vertices(border: Border, inner: InnerPoints, num_vertices: int) -> Bool[np.ndarray, " vertices"]:
    """The vertices of the new mesh where no unit is positive."""
    first_new, first_inner = border.num_vertices, border.num_vertices + len(border.points.edge)
    off = np.empty(num_vertices, dtype=bool)
    off[:first_new] = ~border.vertices.positive.any(axis=1)
    off[first_new:first_inner] = ~border.positive_on_edges.any(axis=1)
    off[first_inner + inner.between] = ~inner.parts.at_points(inner.positive).any(axis=1)
    return off
