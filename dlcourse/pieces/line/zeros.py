"""Zeros that are made of zeros: the signs of earlier layers tell them, whatever floats have made of them."""

from collections.abc import Sequence
from copy import copy
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.support import support
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.intervals import Intervals
from dlcourse.pieces.line.layout import Layout


class Zeros:
    """Which values at vertices may be other than 0.

    Attributes:
        intervals: The vertices, and the intervals between them.
        nonzero: Which of the values that the last layer that bends has made may be other than 0, `[units, vertices]`;
            None before there is one.
        since: The layers after that one, up to the current one.
        now: Which pre-activations of the current layer may be other than 0, if that has been asked at all vertices.
    """

    def __init__(self, intervals: Intervals) -> None:
        self.intervals = intervals
        self.nonzero: Bool[np.ndarray, "units vertices"] | None = None
        self.since: list[UnitLayer] = []
        self.now: Bool[np.ndarray, "units vertices"] | None = None

    def between(self, vertices: slice) -> "Zeros":
        """The same at some vertices in a row."""
        some = copy(self)
        some.nonzero, some.now = (None if each is None else each[:, vertices] for each in (self.nonzero, self.now))
        return some

    def affine(self, layer: UnitLayer) -> None:
        """Takes the affine part of a layer."""
        self.since.append(layer)
        self.now = None

    def may_differ(self, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, "units some"]:
        """Which pre-activations of the current layer at some vertices may be other than 0."""
        if self.nonzero is None:
            return np.ones((self.since[-1].bias.shape[1], len(vertices)), dtype=bool)
        edges = np.searchsorted(vertices, self.intervals.edges()).tolist()
        if len(vertices) < self.nonzero.shape[1]:
            return self._after(self.nonzero[:, vertices], edges)
        self.now = self._after(self.nonzero, edges)
        return self.now

    def _after(
        self, nonzero: Bool[np.ndarray, "in_features some"], edges: Sequence[int]
    ) -> Bool[np.ndarray, "units some"]:
        """The same of the values that the last layer that bends has made; edges as in `support_of_members`."""
        for layer in self.since:
            has_bias = np.repeat(layer.bias.T != 0, np.diff(edges), axis=1)
            nonzero = support_of_members(layer, nonzero, edges) | has_bias
        return nonzero

    def bend(
        self,
        signs: Int[np.ndarray, "units vertices"],
        slope: Float[np.ndarray, "units vertices_or_1"] | None,
        layout: Layout,
    ) -> None:
        """Takes the kinks of a layer that has cut the intervals: its signs, and its slopes if it is not ReLU."""
        nonzero = signs > 0
        if slope is not None:
            nonzero = np.where(slope == 0, nonzero, signs != 0)
            if (slope == 1).any():
                nonzero = np.where(slope == 1, self._passed_on(layout), nonzero)
        self.nonzero, self.since, self.now = nonzero, [], None

    def _passed_on(self, layout: Layout) -> Bool[np.ndarray, "units vertices"]:
        """Which pre-activations of the current layer may be other than 0: at old vertices, then between two of them."""
        parent = layout.parent
        if self.nonzero is None:
            return np.ones((self.since[-1].bias.shape[1], len(parent)), dtype=bool)
        # The members' old vertices: those that their new ones are made of.
        firsts = parent[self.intervals.edges()[:-1]].tolist()
        before = self._after(self.nonzero, [*firsts, self.nonzero.shape[1]]) if self.now is None else self.now
        new = np.flatnonzero(layout.is_new)
        passed = before.take(parent, axis=1)
        passed[:, new] |= before.take(parent[new] + 1, axis=1)
        return passed


def support_of_members(
    layer: UnitLayer, nonzero: Bool[np.ndarray, "in_features columns"], edges: Sequence[int]
) -> Bool[np.ndarray, "out_features columns"]:
    """Which entries of W x may be other than 0, given those of x; columns edges[m] to edges[m + 1] are of member m."""
    parts = zip(layer.stored, pairwise(edges), strict=True)
    return np.concatenate([support(of_member, nonzero[:, a:b]) for of_member, (a, b) in parts], axis=1)
