"""How many parts and holes the decision regions of a plane have.

Where class c is strictly largest is a set that is open in the polygon, and a union of cells of the subdivision that the
leads of `decisions.with_leads` have cut: of faces, of edges without their ends and of vertices, on each of which every
lead has one sign. A lead is affine on a closed face, so the signs at the vertices tell those on edges and faces.

An open set that contains an edge contains the faces beside it, and with a vertex all that meets there. So its connected
parts are those of its faces, joined by its edges.

The set is as good as its part U inside of the polygon, into which it can be pushed from the border, and U is an open
surface. Poincaré duality, Betti numbers b0 - b1 = (faces) - (edges) + (vertices) of U, gives b1. Alexander duality says
what it counts: the bounded connected parts of what U leaves of the whole plane. These are the parts of the rest of the
polygon that do not touch its border.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int8

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.plane.mesh import Mesh
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.signs import signs_at_vertices
from dlcourse.pieces.plane.subdivision import Subdivision

_TIE = -1


class Topology(NamedTuple):
    """What each class's decision region is like: its Betti numbers.

    Attributes:
        num_components: b0, the connected parts of the set where the class is strictly largest.
        num_holes: b1, the connected parts of the rest of the polygon that do not touch its border.
    """

    num_components: Int[np.ndarray, " classes"]
    num_holes: Int[np.ndarray, " classes"]


def topology(subdivision: Subdivision, num_outputs: int) -> Topology:
    """Counts parts and holes.

    Args:
        subdivision: A polygon that the rounds of `decisions.with_leads` have cut, at the layer of all leads.
        num_outputs: How many outputs there are; if only one, class 1 is where it is positive, class 0 where negative.

    Raises:
        SubdivisionError: If a lead has two signs on one face, or the numbers of cells are impossible.
    """
    mesh = subdivision.mesh
    at_vertices = _lead_signs(subdivision)
    start, end = at_vertices[mesh.ends[:, 0]], at_vertices[mesh.ends[:, 1]]
    along_edges = np.where(start != 0, start, end)
    on_faces = _signs_on_faces(mesh, along_edges)
    vertices, edges, faces = (_largest(signs, num_outputs) for signs in (at_vertices, along_edges, on_faces))

    num_classes = max(2, num_outputs)
    inner_edges = mesh.faces[:, 1] >= 0
    inner_vertices = np.ones(mesh.num_vertices, dtype=bool)
    inner_vertices[mesh.ends[~inner_edges]] = False
    parts = _parts(mesh, edges)
    num_components = _num_of_each(faces[np.unique(parts, return_index=True)[1]], num_classes)
    euler = _num_of_each(faces, num_classes)
    euler -= _num_of_each(edges[inner_edges], num_classes)
    euler += _num_of_each(vertices[inner_vertices], num_classes)
    if (num_components < euler).any():
        raise SubdivisionError(f"{num_components} parts cannot have the Euler characteristics {euler}")
    return Topology(num_components, num_components - euler)


def _lead_signs(subdivision: Subdivision) -> Int8[np.ndarray, "vertices leads"]:
    """1, 0 or -1 for every lead at every vertex, exactly."""
    values, error, _ = subdivision.values
    before = Preactivations(subdivision.layer, subdivision.mesh, values, error, subdivision.exact)
    num_leads = before.num_units
    (positive, zero), _ = signs_at_vertices(before, np.zeros(num_leads, dtype=bool))
    signs = 2 * bits.unpack(positive, num_leads).astype(np.int8) - 1
    if zero is not None:
        signs[bits.unpack(zero, num_leads)] = 0
    return signs


def _signs_on_faces(mesh: Mesh, along_edges: Int8[np.ndarray, "edges leads"]) -> Int8[np.ndarray, "faces leads"]:
    """Inside of faces: what a lead is along any side on which it is not zero."""
    on_faces = np.zeros((mesh.num_faces, along_edges.shape[1]), dtype=np.int8)
    inner = mesh.faces[:, 1] >= 0
    face = np.concatenate([mesh.faces[:, 0], mesh.faces[inner, 1]])
    signs = np.concatenate([along_edges, along_edges[inner]])
    side, lead = signs.nonzero()
    on_faces[face[side], lead] = signs[side, lead]
    if (on_faces[face] * signs < 0).any():
        raise SubdivisionError("a lead must have one sign on a face that it has cut")
    return on_faces


def _largest(signs: Int8[np.ndarray, "cells leads"], num_outputs: int) -> Int[np.ndarray, " cells"]:
    """The class that is strictly largest on each cell, or -1, given the signs of the leads."""
    if num_outputs == 1:
        return np.where(signs[:, 0] == 0, _TIE, signs[:, 0] > 0)
    largest = np.zeros(len(signs), dtype=np.int64)
    for number, lead in enumerate(signs.T, start=1):
        largest[lead < 0] = number
        largest[lead == 0] = _TIE
    return largest


def _parts(mesh: Mesh, edges: Int[np.ndarray, " edges"]) -> Int[np.ndarray, " faces"]:
    """The connected part of its class's region that each face is in; faces without a class are alone."""
    from scipy.sparse import coo_array  # only those who ask for parts wait for it
    from scipy.sparse.csgraph import connected_components

    one, other = mesh.faces[(edges != _TIE) & (mesh.faces[:, 1] >= 0)].T
    pairs = coo_array((np.ones(len(one)), (one, other)), shape=(mesh.num_faces, mesh.num_faces))
    return np.asarray(connected_components(pairs, directed=False)[1], dtype=np.int64)


def _num_of_each(classes: Int[np.ndarray, " cells"], num_classes: int) -> Int[np.ndarray, " classes"]:
    """How many cells each class has."""
    return np.bincount(classes[classes != _TIE], minlength=num_classes)
