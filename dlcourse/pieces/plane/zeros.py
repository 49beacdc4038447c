"""Zeros that are made of zeros: the patterns of earlier layers tell them, whatever floats have made of them.

A pool compares units, a - b, and where both are off, on whole faces, there is nothing to compare: the difference of two
zeros is 0, as is any pre-activation without a bias all of whose inputs are 0. That is proven without a number:

- A unit of ReLU that is not positive on some face is 0 all over it, and for continuity at its corners, too.
- A unit with another slope is 0 at a vertex if its pre-activation is, and that is so if it is positive on one face at
  the vertex and not positive on another: its limits from the two are at least 0 and at most 0. What is passed on
  (slope 1) is 0 only if its pre-activation is.
- A pre-activation is 0 if its bias is, and every input with a weight other than 0.
"""

import numpy as np
from jaxtyping import Bool, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.support import support
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.mesh import Mesh
from dlcourse.pieces.plane.preactivations import Preactivations


def may_differ_from_0(before: Preactivations, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, "some units"]:
    """Which pre-activations may be other than 0 at some vertices; all others are 0 exactly."""
    differs = np.empty((len(vertices), before.num_units), dtype=bool)
    widest = max(layer.in_features for layer in before.exact.layers)
    at_once = max(1, _FLAGS // max(widest, before.num_units))
    for first in range(0, len(vertices), at_once):
        part = slice(first, first + at_once)
        differs[part] = _differs(before, vertices[part])
    return differs


def _differs(before: Preactivations, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, "some units"]:
    """The same of vertices that are not too many."""
    layers, history = before.exact.layers, before.exact.history
    # All that a layer of ReLU gives is told by its own pattern: the last such layer is where to begin.
    first = max((index for index in range(before.layer) if layers[index].relu), default=0)
    vertex, face = _faces_at(before.mesh, vertices)
    faces = [face]  # as numbered after the cuts of each layer, the last one first
    for parents in history.parents[before.layer - 1 : first : -1]:
        faces.append(parents[faces[-1]])
    nonzero = np.ones((layers[first].in_features, len(vertices)), dtype=bool)
    for index, those in zip(range(first, before.layer), reversed(faces), strict=True):
        nonzero = _bent(layers[index], nonzero, history.patterns[index][those], vertex)
    return _affine(layers[before.layer], nonzero).T


_FLAGS = 2**22  # that are there at once


def _bent(
    layer: UnitLayer,
    nonzero: Bool[np.ndarray, "in_features some"],
    patterns: UInt64[np.ndarray, "pairs words"],
    vertex: Int[np.ndarray, " pairs"],
) -> Bool[np.ndarray, "units some"]:
    """What may differ from 0 after a layer's activation, given what may before it and the patterns around vertices."""
    num, num_units = nonzero.shape[1], layer.bias.shape[1]
    off_somewhere: Bool[np.ndarray, "units some"] = bits.unpack(bits.union(~patterns, vertex, num), num_units).T
    if layer.relu:
        return ~off_somewhere
    on_somewhere = bits.unpack(bits.union(patterns, vertex, num), num_units).T
    of_others = _affine(layer, nonzero) & ~(on_somewhere & off_somewhere)
    return np.where(layer.slope.T == 0, ~off_somewhere, of_others)


def _affine(layer: UnitLayer, nonzero: Bool[np.ndarray, "in_features some"]) -> Bool[np.ndarray, "units some"]:
    """Which pre-activations may differ from 0, given which inputs may."""
    differs: Bool[np.ndarray, "units some"] = support(layer.stored[0], nonzero) | (layer.bias.T != 0)
    return differs


def _faces_at(
    mesh: Mesh, vertices: Int[np.ndarray, " some"]
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Pairs of a vertex, by its place among some, and a face that it is a corner of; all such pairs."""
    place = np.full(mesh.num_vertices, -1)
    place[vertices] = np.arange(len(vertices))
    found = [(place[mesh.ends[:, end]], mesh.faces[:, side]) for end in (0, 1) for side in (0, 1)]
    vertex, face = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = (vertex >= 0) & (face >= 0)
    return vertex[kept], face[kept]
