"""Zeros that are made of zeros: the patterns of earlier layers tell them, whatever floats have made of them.

A pool compares units, a - b, and where both are off, on whole faces, there is nothing to compare: the difference of two
zeros is 0, as is any pre-activation without a bias all of whose inputs are 0. That is proven without a number:

- A unit of ReLU that is not positive on some face is 0 all over it, and for continuity at its corners, too.
- A unit with another slope is 0 at a vertex if its pre-activation is, and that is so if it is positive on one face at
  the vertex and not positive on another: its limits from the two are at least 0 and at most 0. What is passed on
  (slope 1) is 0 only if its pre-activation is.
- A pre-activation is 0 if its bias is, and every input with a weight other than 0.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.support import support
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.mesh import Mesh
from dlcourse.pieces.plane.preactivations import Preactivations


def may_differ_from_0(before: Preactivations, vertices: Int[np.ndarray, " some"]) -> UInt64[np.ndarray, "some words"]:
    """Which pre-activations may be other than 0 at some vertices, packed; all others are 0 exactly."""
    differs = np.empty((len(vertices), before.num_words), dtype=np.uint64)
    widest = max(layer.in_features for layer in before.exact.layers)
    at_once = max(1, _FLAGS // max(widest, before.num_units))
    around = faces_around(before.mesh, vertices)
    for first in range(0, len(vertices), at_once):
        part = slice(first, min(first + at_once, len(vertices)))
        a, b = around.starts[[part.start, part.stop]]
        differs[part] = bits.pack(_differs(before, Around(around.face[a:b], around.starts[part] - a)))
    return differs


class Around(NamedTuple):
    """The faces around some vertices, one vertex after another."""

    face: Int[np.ndarray, " pairs"]
    starts: Int[np.ndarray, " _"]  # where each vertex has its first one


def _differs(before: Preactivations, around: Around) -> Bool[np.ndarray, "some units"]:
    """The same, not packed, of vertices that are not too many."""
    layers, history = before.exact.layers, before.exact.history
    # All that a layer of ReLU gives is told by its own pattern: the last such layer is where to begin.
    first = max((index for index in range(before.layer) if layers[index].relu), default=0)
    faces = [around.face]  # as numbered after the cuts of each layer, the last one first
    for parents in history.parents[before.layer - 1 : first : -1]:
        faces.append(parents[faces[-1]])
    nonzero = np.ones((layers[first].in_features, len(around.starts)), dtype=bool)
    for index, those in zip(range(first, before.layer), reversed(faces), strict=True):
        nonzero = _bent(layers[index], nonzero, history.patterns[index].take(those, axis=0), around.starts)
    return _affine(layers[before.layer], nonzero).T


_FLAGS = 2**19  # that are there at once: they stay in the cache


def _bent(
    layer: UnitLayer,
    nonzero: Bool[np.ndarray, "in_features some"],
    patterns: UInt64[np.ndarray, "pairs words"],
    starts: Int[np.ndarray, " some"],
) -> Bool[np.ndarray, "units some"]:
    """What may differ from 0 after a layer's activation, given what may before it and the patterns around vertices."""
    num_units = layer.bias.shape[1]
    on_everywhere = np.bitwise_and.reduceat(patterns, starts, axis=0)
    if not layer.relu:
        on_somewhere = np.bitwise_or.reduceat(patterns, starts, axis=0)
        of_others = bits.pack(_affine(layer, nonzero).T) & (on_everywhere | ~on_somewhere)
        gated = bits.pack(layer.slope == 0)
        on_everywhere = (on_everywhere & gated) | (of_others & ~gated)
    return bits.unpack(on_everywhere, num_units).T


def _affine(layer: UnitLayer, nonzero: Bool[np.ndarray, "in_features some"]) -> Bool[np.ndarray, "units some"]:
    """Which pre-activations may differ from 0, given which inputs may."""
    differs: Bool[np.ndarray, "units some"] = support(layer.stored[0], nonzero)
    differs |= layer.bias.T != 0
    return differs


def faces_around(mesh: Mesh, vertices: Int[np.ndarray, " some"]) -> Around:
    """The faces that have corners at some vertices; the last start is the number of all pairs."""
    place = np.full(mesh.num_vertices, -1)
    place[vertices] = np.arange(len(vertices))
    sides = mesh.sides()  # of which one starts at each corner of a face
    vertex = place[sides.start]
    kept = (vertex >= 0).nonzero()[0]
    vertex = vertex[kept]
    order = np.argsort(vertex)
    starts = np.searchsorted(vertex[order], np.arange(len(vertices) + 1))
    return Around(sides.face[kept[order]], starts)
