"""Pre-activations that are 0 because equal functions are taken from each other, as in pools of images' blank areas.

What is 0 all over a face is 0 at its corners. What units are made of on a face, `Alike` tells.
"""

import numpy as np
from jaxtyping import Bool, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.alike import ZERO, IsOn
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.zeros import faces_around

_PART = 2**16  # sums that are taken at once


def without_ties(
    before: Preactivations, vertices: Int[np.ndarray, " some"], open_: UInt64[np.ndarray, "some words"]
) -> UInt64[np.ndarray, "some words"]:
    """Which of the pre-activations that are open at some vertices, packed, are not known to be 0.

    Only networks of layers where zeros abound are looked at, such as convolutions and pools: others have few ties, and
    integers are quick there.
    """
    if not any(layer.is_sparse for layer in before.exact.layers):
        return open_
    names = before.exact.alike.names(before.layer)
    which, unit = bits.positions(open_ & bits.pack((names != ZERO)[None]))
    around = faces_around(before.mesh, vertices)
    num = np.diff(around.starts)[which]
    is_open = np.ones(len(which), dtype=bool)
    for turn in range(int(num.max(initial=0))):  # one face around each vertex after the other
        some = np.flatnonzero(is_open & (num > turn))
        for first in range(0, len(some), _PART):
            part = some[first : first + _PART]
            faces = around.face[around.starts[which[part]] + turn]
            terms = before.exact.alike.sums(before.layer, unit[part], np.arange(len(part)), _are_on(before, faces))
            is_open[part] = np.bincount(terms.sum, minlength=len(part)) > 0
    flags = np.zeros((len(vertices), before.num_units), dtype=bool)
    flags[which[is_open], unit[is_open]] = True
    return bits.pack(flags)


def _are_on(before: Preactivations, faces: Int[np.ndarray, " places"]) -> IsOn:
    """Which units are on on some faces, one of them for each place."""
    history = before.exact.history
    after = {}
    for index in range(before.layer - 1, -1, -1):
        after[index] = faces
        faces = history.parents[index][faces]

    def is_on(
        index: int, place: Int[np.ndarray, " terms"], unit: Int[np.ndarray, " terms"]
    ) -> Bool[np.ndarray, " terms"]:
        return bits.has(history.patterns[index], after[index][place], unit)

    return is_on
