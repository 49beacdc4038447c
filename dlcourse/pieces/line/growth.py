"""How errors grow from layer to layer of deep networks, and where that will leave signs open."""

from copy import copy

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.rounding import SLACK
from dlcourse.pieces.line.digit_functions import DigitFunctions
from dlcourse.pieces.line.ellipsoids import Ellipsoids, pays
from dlcourse.pieces.line.intervals import Intervals
from dlcourse.pieces.line.mattering import closer_stretch

FELT = 2.0**-36  # of the largest sum of sizes: bounds beyond that are worth closer ones
_FOLLOWED = 0.5  # of what layers may stretch at most, as is to be expected of ellipsoids
_LATEST = 1 / 8  # how much the last layer counts for what is to be expected of others
_FRESH = 2.0**-44  # of the largest value: bounds after a closer look
_ONCE = 2.0**17  # so many vertices times units squared take as long in digits as to begin with them does
_OPEN = 2.0**-4  # of the largest value over the number of units: bounds that leave the signs at some vertices open
_CLOSE = 2.0**-20  # of the largest value: bounds that leave hardly any open


class Growth:
    """Closer bounds for the errors of a deep network's values and slopes, once they are felt.

    Attributes:
        intervals: The intervals.
        digits: The functions on them.
        share: What layers are taken to stretch of what they may at most, for each member.
        felt: Whether errors of the current layer's values are large.
        ellipsoids: Bounds with directions, where those of norms would leave signs open.
        spent: At how many vertices digits have been looked at one by one.
    """

    def __init__(self, intervals: Intervals, digits: DigitFunctions) -> None:
        self.intervals, self.digits = intervals, digits
        self.share, self.felt, self.spent = np.ones(intervals.members), False, 0
        self.ellipsoids: Ellipsoids | None = None

    def of_block(self, intervals: Intervals, digits: DigitFunctions) -> "Growth":
        """The same in a block of a line."""
        part = copy(self)
        part.intervals, part.digits = intervals, digits
        return part

    def closer(
        self,
        index: int,
        values: Float[np.ndarray, "units vertices"],
        bound: Float[np.ndarray, " vertices"],
        error: Float[np.ndarray, "rows vertices"],
        before: Float[np.ndarray, "rows _"],
        rounded: Float[np.ndarray, "rows _"],
    ) -> Float[np.ndarray, "rows vertices"]:
        """Bounds for how far off a layer's pre-activations and their slopes are, closer than those of norms.

        Args:
            index: The layer.
            values: The pre-activations.
            bound: How far from 0 these are proven to have their signs.
            error: How far off both are by norms.
            before: How far off what the layer takes is.
            rounded: How much the layer rounds.
        """
        layer, network = self.intervals.layers[index], self.digits.network
        if self.ellipsoids is not None:
            closer = np.fmin(error, self.ellipsoids.affine(layer, rounded))
            if self.felt:
                stretch = float(closer[0].max() / before[0].max()) / network.stretch_of_members(index)
                self.share = self.share ** (1 - _LATEST) * stretch**_LATEST
            return np.asarray(closer)
        if not self.felt or not layer.bends:
            return error
        found = closer_stretch(self.intervals, network, index, values, bound)
        if found is not None:
            self.share = found.share
            error = np.minimum(error, SLACK * before * self._at_vertices(found.stretch) + rounded)
        if pays(self.intervals, index) and error.any(axis=1).all() and len(self.vague_soon(values, error[0])) > 0:
            self.ellipsoids = Ellipsoids(self.intervals, error, len(values))
            self.share = np.full(len(self.share), _FOLLOWED)
        return error

    def asked_for(
        self,
        open_: Int[np.ndarray, " some"],
        values: Float[np.ndarray, "units vertices"],
        error: Float[np.ndarray, " vertices"],
    ) -> Int[np.ndarray, " some_and_more"]:
        """Where to look closer if signs are open at some vertices: there, and at others where they will be.

        At all of them as norms grow, since every further layer would ask for more. But ellipsoids grow slowly, and how
        far nobody knows: then only at the vaguest, as many as take no longer than to begin with digits, until as much
        work has been spent like that as all of them take.
        """
        others = self.vague_soon(values, error)
        if self.ellipsoids is not None:
            members = len(np.unique(self.intervals.member(open_)))
            num_others = 1 + int(members * _ONCE / len(values) ** 2)
            self.spent += len(open_) + num_others
            if self.spent >= len(error):
                self.spent = 0
            elif len(others) > num_others:
                size = np.abs(values[:, others]).max(axis=0)
                others = others[np.argpartition(size / error[others], num_others)[:num_others]]
        return np.union1d(open_, others)

    def vague_soon(
        self,
        values: Float[np.ndarray, "units vertices"],
        error: Float[np.ndarray, " vertices"],
        *,
        in_time: bool = False,
    ) -> Int[np.ndarray, " some"]:
        """Where to look closer before signs are open (see the function of that name)."""
        by_layers = growth(self.digits, len(self.intervals.cuts), self.share)
        return vague_soon(values, error, self._at_vertices(by_layers), in_time=in_time)

    def _at_vertices(self, of_members: Float[np.ndarray, " members"]) -> Float[np.ndarray, " vertices_or_1"]:
        return of_members if len(of_members) == 1 else np.repeat(of_members, np.diff(self.intervals.edges()))


def growth(
    digits: DigitFunctions, num_cuts: int, share: float | Float[np.ndarray, " members"]
) -> Float[np.ndarray, " members"]:
    """How much each member's errors may grow in the layers after the one that makes the next cut and up to the last.

    Args:
        digits: The layers.
        num_cuts: The number of cuts so far.
        share: What layers are taken to stretch of what they may at most.
    """
    first, last = digits.bending[num_cuts] + 1, digits.bending[-1] + 1
    return np.asarray(share ** (last - first) * digits.following[first])


def vague_soon(
    values: Float[np.ndarray, "units vertices"],
    error: Float[np.ndarray, " vertices"],
    by_layers: Float[np.ndarray, "_"],
    *,
    in_time: bool,
) -> Int[np.ndarray, " some"]:
    """At which vertices to look closer because errors will leave signs open in the last layers.

    All of them at once, and early: the higher a layer, the more work it is to get there in digits, and the more
    vertices there are, which inherit the errors of those between which they lie.

    Args:
        values: The pre-activations at all vertices.
        error: How far off they may be.
        by_layers: How much that may grow.
        in_time: Whether to say so only once it is early enough to be the last time: what is fresh now will do.
    """
    open_from = _OPEN / len(values) * np.abs(values).max(axis=0)
    vague = error * by_layers > open_from
    return np.flatnonzero(vague & (_FRESH * by_layers < _CLOSE) if in_time else vague)
