"""Which borders between regions may show in the outputs, told by the patterns on their two sides."""

import numpy as np
from jaxtyping import Bool, Int, UInt64

from dlcourse.pieces.arithmetic import bits, changes
from dlcourse.pieces.arithmetic.changes import Sides
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.history import History

_PART = 1024  # borders that are taken at once


def may_show(
    layers: list[UnitLayer],
    history: History,
    ancestors: list[Int[np.ndarray, " regions"]],
    left: Int[np.ndarray, " borders"],
    right: Int[np.ndarray, " borders"],
) -> Bool[np.ndarray, " borders"]:
    """Whether the outputs may have other gradients to the left of a border than to its right.

    Args:
        layers: The layers of one network.
        history: Which units are positive on which faces.
        ancestors: For each layer, which face after its cuts each region is part of.
        left: The regions on the one side.
        right: Those on the other side.
    """
    found = np.zeros(len(left), dtype=bool)
    for first in range(0, len(left), _PART):
        part = slice(first, first + _PART)
        sides = (
            _sides(history.patterns[index], ancestors[index][left[part]], ancestors[index][right[part]])
            for index, layer in enumerate(layers)
            if layer.bends
        )
        found[part] = changes.may_reach_outputs(layers, sides, len(left[part]))
    return found


def _sides(
    patterns: UInt64[np.ndarray, "faces words"],
    left: Int[np.ndarray, " borders"],
    right: Int[np.ndarray, " borders"],
) -> Sides:
    """Which units of a layer are on, on the two sides of some borders, given the faces there."""
    border, unit = bits.positions(patterns[left] ^ patterns[right])
    return Sides(_on(patterns, left), _on(patterns, right), (unit, border))


def _on(patterns: UInt64[np.ndarray, "faces words"], faces: Int[np.ndarray, " borders"]) -> changes.AreOn:
    """Which of some units are on on the faces beside borders."""
    return lambda unit, border: bits.has(patterns, faces[border], unit)
