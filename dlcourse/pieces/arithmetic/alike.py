"""Units that are one and the same function: what they are made of tells, where floats and digits only say "nearly 0".

Where an image is blank or repeats itself, a convolution does the same sum at many places, of inputs that are the same
functions of t. So units get *names*: those of one name are equal all along a line (or all over a plane, or at a point),

- inputs whose numbers are equal, such as those at the two ends of a line;
- units with equal biases whose weights times names are the same terms, in whatever order; and so are their values if
  their slopes below 0 are equal, too.

Two terms that have one name and opposite weights cancel. If nothing is left of a pre-activation, it is 0. Nothing is
added up or rounded for that, and names are found by comparing all of what they stand for: a tie that is told is one.

At one place more units are equal, because some are off there, and are 0. A pool's max(a, b) = b + relu(a - b) is a
where a - b is on and b where it is off. `Alike.sums` says what units are made of at a place, given which are on there.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.layer import UnitLayer

ZERO, ONE = 0, 1  # the names of the functions that are 0 and 1 everywhere
_MOST_MAKERS = 64  # of a unit in one layer
_MOST_TERMS = 4  # that a unit may have to be taken apart: sums and differences of few, as in pools

IsOn = Callable[[int, Int[np.ndarray, " terms"], Int[np.ndarray, " terms"]], Bool[np.ndarray, " terms"]]
"""Whether units are on at places, given a layer that bends, and one place and one unit of it for every term."""


class Terms(NamedTuple):
    """Some sums of terms `times` `size` f, where f has a name, or is a unit: no two terms with one f and size in a sum.

    Attributes:
        sum: The sum that each term is of, in ascending order.
        f: The name or the unit.
        size: The size of the weight.
        times: How often more the weight has come with the sign 1 than with -1; not 0.
    """

    sum: Int[np.ndarray, " terms"]
    f: Int[np.ndarray, " terms"]
    size: Float[np.ndarray, " terms"]
    times: Int[np.ndarray, " terms"]

    def some(self, which: Bool[np.ndarray, " terms"] | Int[np.ndarray, " some"]) -> "Terms":
        """Some of the terms."""
        return Terms(*(of_all[which] for of_all in self))

    def keys(self, num_sums: int, *, up_to_sign: bool = False) -> list[bytes]:
        """For each sum all that it is made of: equal keys, equal sums; b"" is 0.

        Args:
            num_sums: How many sums there are.
            up_to_sign: Whether a sum and its negative have one key.
        """
        ends = np.searchsorted(self.sum, np.arange(num_sums + 1))
        times = self.times
        if up_to_sign and len(times):
            leading = np.sign(times[np.minimum(ends[:-1], len(times) - 1)])
            times = times * leading[self.sum]
        table = np.stack([self.f, self.size.view(np.int64), times], axis=1)
        return [table[a:b].tobytes() for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


def together(parts: list[Terms]) -> Terms:
    """All the terms of some sums, without those that cancel."""
    of_sum, f, size, times = (np.concatenate(of_parts) for of_parts in zip(*parts, strict=True))
    order = np.lexsort((size, f, of_sum))
    of_sum, f, size, times = of_sum[order], f[order], size[order], times[order]
    if len(f) == 0:
        return Terms(of_sum, f, size, times)
    is_first = np.append(True, (of_sum[1:] != of_sum[:-1]) | (f[1:] != f[:-1]) | (size[1:] != size[:-1]))
    first = np.flatnonzero(is_first)
    times = np.add.reduceat(times, first)
    kept = times != 0
    first = first[kept]
    return Terms(of_sum[first], f[first], size[first], times[kept])


def _named(terms: Terms, names: Int[np.ndarray, " terms"]) -> Terms:
    """Terms of functions, given their names, instead of units."""
    return terms._replace(f=names).some(names != ZERO)


class _Rows(NamedTuple):
    """The rows of a member's W without their zeros, one after the other."""

    starts: Int[np.ndarray, " _"]
    column: Int[np.ndarray, " entries"]
    number: Float[np.ndarray, " entries"]
    taken_apart: Bool[np.ndarray, " units"]  # whether a unit is a sum or difference of few, without a bias


class Alike:
    """The names of a network's units where its inputs are given.

    If no two values of a layer have one name, the next layer's units are alike by chance only, and so each gets a name
    of its own without a look at what it is made of, unless it is constant.
    """

    def __init__(self, layers: list[UnitLayer], member: int, inputs: Float[np.ndarray, "in_features numbers"]) -> None:
        self._layers, self._member = layers, member
        self._numbers: dict[object, int] = {}
        inputs = inputs + 0.0  # of which none is -0.0
        self._inputs = np.array([self._name(("input", each.tobytes())) if each.any() else ZERO for each in inputs])
        self._values = self._inputs  # of the last layer that has names
        self._rows: list[_Rows] = []
        self._names: list[Int[np.ndarray, " units"]] = []

    def names(self, index: int) -> Int[np.ndarray, " units"]:
        """The names of a layer's pre-activations."""
        while len(self._names) <= index:
            self._take_layer(len(self._names))
        return self._names[index]

    def sums(
        self,
        index: int,
        unit: Int[np.ndarray, " sums"],
        place: Int[np.ndarray, " sums"],
        is_on: IsOn,
        *,
        closely: bool = False,
    ) -> Terms:
        """What pre-activations of a layer are made of at some places: functions with names.

        Args:
            index: The layer.
            unit: The unit of each sum.
            place: Where it is.
            is_on: Which units of earlier layers are on at these places.
            closely: Whether units that are equal only there may have one name, too.
        """
        self.names(index)
        ones = np.ones_like(unit)
        open_, *done = self._apart(index, Terms(np.arange(len(unit)), unit, ones.astype(float), ones))
        for k in range(index - 1, -1, -1):
            open_ = together([open_])
            layer = self._layers[k]
            if layer.bends:
                slope = layer.slope[self._member][open_.f]
                on = is_on(k, place[open_.sum], open_.f) | (slope == 1)
                leaky = open_.some(~on & (slope != 0))
                if len(leaky.f):
                    names = self._names_at(k, leaky, place, is_on, closely)
                    done.append(_named(leaky, self._bent(names, layer.slope[self._member][leaky.f])))
                open_ = open_.some(on)
            apart = self._rows[k].taken_apart[open_.f]
            whole = open_.some(~apart)
            done.append(_named(whole, self._names_at(k, whole, place, is_on, closely)))
            open_, *more = self._apart(k, open_.some(apart & (self._names[k][open_.f] != ZERO)))
            done += more
        done.append(_named(open_, self._inputs[open_.f]))
        return together(done)

    def makers(
        self, index: int, unit: Int[np.ndarray, " some"], *, closely: bool
    ) -> list[dict[int, Int[np.ndarray, " makers"]]] | None:
        """Which units of earlier layers, by layer, `sums` asks about for some units; None if these are many."""
        self.names(index)
        found: list[dict[int, Int[np.ndarray, " makers"]]] = [{} for _ in unit]
        root, at = np.arange(len(unit)), unit
        for k in range(index - 1, -1, -1):
            root, at = self._inputs_of(k + 1, root, at)
            if len(at) > _MOST_MAKERS * len(unit):
                return None
            asked = np.zeros(len(at), dtype=bool)
            if self._layers[k].bends:
                asked = self._layers[k].slope[self._member][at] != 1
            edges = np.searchsorted(root[asked], np.arange(len(unit) + 1)).tolist()
            for those, (a, b) in zip(found, pairwise(edges), strict=True):
                if a < b:
                    those[k] = at[asked][a:b]
            if not closely:
                apart = self._rows[k].taken_apart[at]
                root, at = root[apart], at[apart]
        return found

    def _inputs_of(
        self, index: int, root: Int[np.ndarray, " some"], unit: Int[np.ndarray, " some"]
    ) -> tuple[Int[np.ndarray, " more"], Int[np.ndarray, " more"]]:
        """What units of a layer take in, once for each root, in order."""
        rows = self._rows[index]
        num = rows.starts[unit + 1] - rows.starts[unit]
        which = np.repeat(np.arange(len(num)), num)
        column = rows.column[np.arange(len(which)) + (rows.starts[unit] - np.cumsum(num) + num)[which]]
        num_inputs = self._layers[index].in_features
        roots, columns = np.divmod(np.unique(root[which] * num_inputs + column), num_inputs)
        return roots, columns

    def _names_at(
        self, index: int, terms: Terms, place: Int[np.ndarray, " sums"], is_on: IsOn, closely: bool
    ) -> Int[np.ndarray, " terms"]:
        """The names of a layer's units in some sums, or of what they are at the places of these."""
        if not closely or len(terms.f) == 0 or not any(layer.bends for layer in self._layers[:index]):
            names: Int[np.ndarray, " terms"] = self._names[index][terms.f]
            return names
        num_units = len(self._names[index])
        pairs, which = np.unique(place[terms.sum] * num_units + terms.f, return_inverse=True)
        there, unit = np.divmod(pairs, num_units)
        return self._names_of(self.sums(index, unit, there, is_on, closely=True), len(pairs))[which]

    def _apart(self, index: int, terms: Terms) -> tuple[Terms, Terms]:
        """What a layer's pre-activations are sums of: values of the layer before, and biases; times 1 each."""
        rows, bias = self._rows[index], self._layers[index].bias[self._member][terms.f]
        num = rows.starts[terms.f + 1] - rows.starts[terms.f]
        which = np.repeat(np.arange(len(num)), num)
        at = np.arange(len(which)) + (rows.starts[terms.f] - np.cumsum(num) + num)[which]
        number = rows.number[at]
        signs = np.sign(number).astype(np.int64)
        # What is taken apart has weights of size 1; a layer's own sums come with the size 1.
        size = np.abs(number) * terms.size[which]
        values = Terms(terms.sum[which], rows.column[at], size, terms.times[which] * signs)
        biased = np.flatnonzero(bias)
        one = np.full(len(biased), ONE)
        return values, Terms(terms.sum[biased], one, np.abs(bias[biased]), np.sign(bias[biased]).astype(np.int64))

    def _names_of(self, terms: Terms, num_sums: int) -> Int[np.ndarray, " sums"]:
        """The names of sums of functions with names."""
        return np.array([self._name(key) if key else ZERO for key in terms.keys(num_sums)], dtype=np.int64)

    def _take_layer(self, index: int) -> None:
        """Finds the names of one more layer."""
        layer, weight = self._layers[index], self._layers[index].stored[self._member]
        bias, slope = layer.bias[self._member], layer.slope[self._member]
        if layer.is_sparse:
            starts, column, number = weight.indptr.astype(np.int64), weight.indices.astype(np.int64), weight.data
        else:
            row, column = np.nonzero(weight)
            starts, number = np.searchsorted(row, np.arange(len(bias) + 1)), weight[row, column]
        num = np.diff(starts)
        num_of_size_1 = np.bincount(np.repeat(np.arange(len(num)), num), np.abs(number) == 1, minlength=len(num))
        simple = (num <= _MOST_TERMS) & (num_of_size_1 == num) & (bias == 0)
        self._rows.append(_Rows(starts, column, number, simple))

        if len(np.unique(self._values)) < len(self._values):
            names = self._names_of_units(index, np.arange(len(bias)))
        else:
            names = np.array([self._name((index, "unit", unit)) for unit in range(len(bias))])
            constant = np.flatnonzero(num == 0)
            names[constant] = self._names_of_units(index, constant)
        # What is only passed on keeps its name.
        passed = np.flatnonzero(simple & (num == 1))
        passed = passed[number[starts[passed]] == 1]
        names[passed] = self._values[column[starts[passed]]]
        self._names.append(names)
        self._values = self._bent(names, slope)

    def _names_of_units(self, index: int, unit: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """The names of some units of a layer, by what they are made of."""
        values, biases = self._apart(index, Terms(np.arange(len(unit)), unit, np.ones(len(unit)), np.ones_like(unit)))
        return self._names_of(together([_named(values, self._values[values.f]), biases]), len(unit))

    def _bent(self, names: Int[np.ndarray, " some"], slope: Float[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """The names of values, given those of the pre-activations."""
        pairs = zip(names.tolist(), slope.tolist(), strict=True)
        return np.array([n if s == 1 or n == ZERO else self._name((n, s)) for n, s in pairs], dtype=np.int64)

    def _name(self, key: object) -> int:
        """The number that stands for a function, given all that it is made of."""
        return self._numbers.setdefault(key, len(self._numbers) + 2)
