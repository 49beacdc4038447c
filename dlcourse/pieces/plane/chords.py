"""Fourth stage of a cut: the chords, each from one point of a face's border to another, along which a unit is zero."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.plane.border import Border


class Chords(NamedTuple):
    """Lines across faces along which a unit is zero; the unit is positive on the left. There is one for each name."""

    name: Int[np.ndarray, " chords"]  # ascending; made of face and unit by `names`
    face: Int[np.ndarray, " chords"]
    unit: Int[np.ndarray, " chords"]
    start: Int[np.ndarray, " chords"]  # a point of the border
    end: Int[np.ndarray, " chords"]


class _Zeros(NamedTuple):
    """Where a unit has a zero at the border of a face."""

    face: Int[np.ndarray, " zeros"]
    unit: Int[np.ndarray, " zeros"]
    rises: Bool[np.ndarray, " zeros"]  # whether the unit does so there, counterclockwise around the face
    point: Int[np.ndarray, " zeros"]  # of the border


def names(face: Int[np.ndarray, " some"], unit: Int[np.ndarray, " some"], num_units: int) -> Int[np.ndarray, " some"]:
    """One number for a face and a unit."""
    name: Int[np.ndarray, " some"] = (face << _unit_bits(num_units)) | unit
    return name


def _unit_bits(num_units: int) -> int:
    """Bits of a name that hold the unit."""
    return max(1, (num_units - 1).bit_length())


def chords_across_faces(border: Border) -> Chords:
    """The chords: where units change their signs inside faces."""
    mesh, num_units = border.before.mesh, border.before.num_units
    zeros, touching = _zeros_on_edges(border), None
    if border.vertices.zero is not None:
        corners, touching = _zeros_at_corners(border)
        zeros = _Zeros(*(np.concatenate(both) for both in zip(zeros, corners, strict=True)))
    point_bits = (border.num_vertices + len(border.points.edge)).bit_length()
    assert mesh.num_faces.bit_length() + _unit_bits(num_units) + 1 + point_bits < 64
    keys = (((names(zeros.face, zeros.unit, num_units) << 1) | zeros.rises) << point_bits) | zeros.point
    if touching is not None:
        keys = keys[~np.isin(keys >> (point_bits + 1), touching)]
    keys.sort()
    if touching is not None:  # at a corner that is all that a face has of a unit's zeros there is no chord
        name = keys >> (point_bits + 1)
        alone = np.ones(len(name), dtype=bool)
        alone[1:] &= name[1:] != name[:-1]
        alone[:-1] &= name[1:] != name[:-1]
        keys = keys[~alone]
    # A chord goes from where its unit falls to where it rises, counterclockwise around the face.
    starts, ends = keys[0::2], keys[1::2]
    if len(starts) != len(ends) or not ((starts >> point_bits) ^ (ends >> point_bits) == 1).all():
        raise SubdivisionError("a unit's zeros must cross a face from one point of its border to another")
    name, point = starts >> (point_bits + 1), (1 << point_bits) - 1
    face, unit = name >> _unit_bits(num_units), name & ((1 << _unit_bits(num_units)) - 1)
    return Chords(name, face, unit, starts & point, ends & point)


def _zeros_on_edges(border: Border) -> _Zeros:
    """The zeros inside the sides of faces."""
    points = border.points
    edge, unit, point = points.crossing_edge, points.crossing_unit, border.num_vertices + points.crossing_point
    # Counterclockwise around the face on its left a unit rises where it is negative at the edge's start; around the
    # face on its right it falls there.
    left, right = border.before.mesh.faces.take(edge, axis=0).T
    rises = ~bits.has(border.along.start, edge, unit)
    inner = (right >= 0).nonzero()[0]
    return _Zeros(
        np.concatenate([left, right[inner]]),
        np.concatenate([unit, unit[inner]]),
        np.concatenate([rises, ~rises[inner]]),
        np.concatenate([point, point[inner]]),
    )


def _zeros_at_corners(border: Border) -> tuple[_Zeros, Int[np.ndarray, " names"]]:
    """The zeros at corners of faces, and the names of faces and units whose zeros contain a side of the face.

    A unit that is zero along a side does not change its sign in the face.
    """
    positive, zero = border.vertices
    assert zero is not None
    mesh = border.before.mesh
    sides = mesh.sides()
    at_start = zero.take(sides.start, axis=0)
    # A unit that is zero at all corners of a face is so all over it, as most units of pools are somewhere.
    at_start &= bits.union(~at_start, sides.face, mesh.num_faces).take(sides.face, axis=0)
    side, unit = bits.positions(at_start)
    face, start, end = sides.face[side], sides.start[side], sides.end[side]
    touching = bits.has(zero, end, unit)
    corners = _Zeros(face, unit, bits.has(positive, end, unit), start)
    return corners, names(face, unit, border.before.num_units)[touching]
