"""How far errors reach that layers make, told by what the units after them do all over a domain.

By the norms of its layers, an error may grow by 2^20 in 20 layers of He's, and then floats prove little. But no error
is stretched as much as it could be by every layer, and deep layers have few units that change anywhere in a domain.

Be e what a layer's pre-activations are off by on one piece of the domain. The next one's are off by W D e + r, where r
is what it rounds, and D what the units do on that piece: each multiplies by its d. Be m the middle of what d is all
over the domain, and w how far d may be from it: 0 for a unit that does the same everywhere. If

    e = sum_i M_i s_i + sum_j c_j t_j

with a source s_i for every layer so far and a number t_j for every unit so far that changes, then W D e + r is such a
sum, too: with W m M_i for M_i and W m c_j for c_j; with one more source, r, whose M is 1; and with one more number
t_k = (d_k - m_k) e_k for every unit k that changes, whose c is W[:, k]. M and c are the same on all pieces. So

    |e_k| <= sum_i |M_i[k]|_2 |s_i|_2 + sum_j |c_j[k]| |t_j|    and    |t_k| <= w_k |e_k|.

Where many units change, norms may say more: |e_k| <= |e|_2, which grows by |W|_2 and |r|_2. The less of both counts.

Floats make W m M + R of W m M, |R|_F <= (n + 2) EPS |W m|_F |M|_F for n inputs, and likewise of c. Less R s, which is
put into the source r, all that is exact again.

Of the last of 40 layers of He's with 32 units, on a plane, that makes 2^22 where norms make 2^49; of 32 residual blocks
2^19 where they make 2^34.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY, TINY_LENGTH
from dlcourse.pieces.layer import same_places

_MOST_PRODUCTS = 2.0**27  # of numbers, for the matrices of one layer: some hundredths of a second
_FELT = 2.0**7  # growth by norms: up to there, they say as much


Matrix = Float[np.ndarray, "out_features in_features"] | Any
"""W of one network; where zeros abound a `scipy.sparse.csr_array`."""


class Does(NamedTuple):
    """What units multiply their pre-activations by, at least and at most, anywhere in a domain."""

    least: Float[np.ndarray, " units"]
    most: Float[np.ndarray, " units"]


class Reached(NamedTuple):
    """What reaches a layer's pre-activations, as derived above, of all sources and changes so far.

    Attributes:
        changing: The units of the layer before that change.
        width: How far what they multiply by may be from its middle.
        by_source: |M_i[k]|_2.
        by_change: |c_j[k]|.
        rounded_source: |R|_F for all M_i but the last.
        rounded_change: The same for all c_j.
        stretch: The norm of W D, whatever D is.
        begins: Whether all errors before have been made one with the source of this layer.
    """

    changing: Int[np.ndarray, " new_changes"]
    width: Float[np.ndarray, " new_changes"]
    by_source: Float[np.ndarray, "units sources"]
    by_change: Float[np.ndarray, "units changes"]
    rounded_source: Float[np.ndarray, " earlier_sources"]
    rounded_change: Float[np.ndarray, " changes"]
    stretch: float
    begins: bool


class Errors(NamedTuple):
    """Bounds for errors, in several columns: all that a pass through the layers has to keep.

    Attributes:
        units: |e_k| of the layer's pre-activations.
        length: |e|_2.
        sources: |s_i|_2.
        changes: |t_j|.
    """

    units: Float[np.ndarray, "units columns"]
    length: Float[np.ndarray, " columns"]
    sources: Float[np.ndarray, "sources columns"]
    changes: Float[np.ndarray, "changes columns"]

    @classmethod
    def none(cls, num_columns: int) -> "Errors":
        """Those of exact inputs."""
        nothing = np.zeros((0, num_columns))
        return cls(nothing, np.zeros(num_columns), nothing, nothing)

    def after(self, reached: Reached, rounded: Float[np.ndarray, " columns"]) -> "Errors":
        """Those of the next layer's pre-activations.

        Args:
            reached: The next layer.
            rounded: What it rounds itself, in the 2-norm.
        """
        by_norm = SLACK * (reached.stretch * self.length + rounded)
        if reached.begins:
            sources, changes = by_norm[None], self.changes[:0]
        else:
            changes = np.concatenate([self.changes, reached.width[:, None] * self.units[reached.changing]])
            lost = reached.rounded_source @ self.sources + reached.rounded_change @ changes
            sources = np.concatenate([self.sources, SLACK * (rounded + lost)[None]])
        units = SLACK * (reached.by_source @ sources + reached.by_change @ changes) + TINY
        units = np.fmin(units, by_norm)  # where they overflow, that may not
        length = SLACK * np.sqrt(np.einsum("uk,uk->k", units, units)) + TINY_LENGTH
        return Errors(units, np.fmin(length, by_norm), sources, changes)


class Reach:
    """What reaches each layer of a network on a domain, worked out from one layer to the next.

    Attributes:
        last: For the last layer so far.
    """

    last: Reached

    def __init__(self) -> None:
        self._sources = self._changes = np.zeros((0, 0))  # all M_i side by side, all c_j side by side
        self._starts = [0]  # the first column of every M_i
        self._growth = 1.0  # by norms

    def add(self, weight: Matrix, stretch: float, does: Does | None) -> Reached:
        """Takes the next layer.

        Args:
            weight: Its W.
            stretch: A bound for its norm.
            does: What the units do that it takes in; None for inputs.
        """
        num_units, num_columns = weight.shape[0], self._sources.shape[1] + self._changes.shape[1]
        numbers = weight.ravel() if isinstance(weight, np.ndarray) else weight.data
        if does is not None:
            stretch = stretch * float(np.abs(does).max()) + TINY
            self._growth *= stretch
        if does is None or not self._growth > _FELT or len(numbers) * num_columns > _MOST_PRODUCTS:
            self._sources, self._changes, self._starts = np.eye(num_units), np.zeros((num_units, 0)), [0]
            none, by_source = np.zeros(0), np.ones((num_units, 1))
            self.last = Reached(none.astype(np.int64), none, by_source, self._changes, none, none, stretch, begins=True)
            return self.last
        middle = (does.least + does.most) / 2
        width = SLACK * np.maximum(does.most - middle, middle - does.least)
        changing = np.flatnonzero(width > 0)
        through, of_changing = _times(weight, middle), _dense(weight[:, changing])
        length = np.sqrt(numbers @ numbers) * np.abs(middle).max() + TINY_LENGTH
        rounding = SLACK * (weight.shape[1] + 2) * EPS * length
        rounded_source, rounded_change = (
            rounding * np.sqrt(np.einsum("ki,ki->i", of_all, of_all)) + TINY * (1 + of_all.max(axis=0))
            for of_all in (self.last.by_source, self.last.by_change)
        )
        self._starts = [*self._starts, self._sources.shape[1]]
        self._sources = np.concatenate([through @ self._sources, np.eye(num_units)], axis=1)
        self._changes = np.concatenate([through @ self._changes, of_changing], axis=1)
        by_source = np.sqrt(np.add.reduceat(self._sources**2, self._starts, axis=1))
        self.last = Reached(
            changing,
            width[changing] + TINY,
            SLACK * by_source + TINY_LENGTH,
            np.abs(self._changes),
            rounded_source,
            np.append(rounded_change, np.zeros(len(changing))),
            stretch,
            begins=False,
        )
        return self.last

    def keep(self, units: Int[np.ndarray, " some"]) -> Reached:
        """Drops the other units of the last layer, which are 0 everywhere."""
        self._sources, self._changes, last = self._sources[units], self._changes[units], self.last
        self.last = last._replace(by_source=last.by_source[units], by_change=last.by_change[units])
        return self.last


def _times(weight: Matrix, factors: Float[np.ndarray, " in_features"]) -> Matrix:
    """W with every column times a factor."""
    if isinstance(weight, np.ndarray):
        return weight * factors
    return same_places(weight, weight.data * factors[weight.indices])


def _dense(weight: Matrix) -> Float[np.ndarray, "out_features in_features"]:
    """W with all its zeros."""
    return weight if isinstance(weight, np.ndarray) else weight.toarray()
