"""The network as it is on a polygon: without units that are 0 all over it.

A unit of ReLU that is positive on no face gives 0, and what it weighs does not matter. In deep networks that is the
lot of a third of the units and more, as all inputs of a layer come from one polygon. Without them products are smaller,
and so are the norms of the layers, by which errors are bounded.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.digit_network import DigitNetwork
from dlcourse.pieces.arithmetic.reach import Does, Reach, Reached
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.plane.history import History


class OnPolygon(NamedTuple):
    """The first layers of a network; all units of the last one, and of the others those that are not 0 everywhere.

    Attributes:
        network: The layers.
        units: Which units there are of each layer, in order.
    """

    network: DigitNetwork
    units: list[Int[np.ndarray, " units"]]

    def number(self, layer: int, units: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """The numbers among those that there are of some units of a layer, none of which is 0 everywhere."""
        return np.searchsorted(self.units[layer], units)

    def positive(
        self, layer: int, history: History, faces: Int[np.ndarray, " faces"]
    ) -> Bool[np.ndarray, "units faces"]:
        """Which units of a layer that is done are positive on faces as numbered after its cuts."""
        words = history.patterns[layer].take(faces, axis=0)
        of_all = bits.unpack(words, int(self.units[layer].max(initial=-1)) + 1)
        return of_all.T if of_all.shape[1] == len(self.units[layer]) else of_all.T[self.units[layer]]


@dataclass(eq=False)
class NotZero:
    """The layers that are done, without units that are 0 on all faces.

    Attributes:
        layers: The network's layers.
        history: What the layers that are done have made of the domain.
    """

    layers: list[UnitLayer]
    history: History
    _done: list[UnitLayer] = field(default_factory=list)
    _units: list[Int[np.ndarray, " units"]] = field(default_factory=list)
    _found: OnPolygon | None = None  # what `until` has found last

    def __post_init__(self) -> None:
        self._network, self._reach = DigitNetwork([]), Reach()
        self._reached: list[Reached] = []

    def until(self, layer: int) -> OnPolygon:
        """The layers up to one that is to be done next."""
        if self._found is None or len(self._found.network.layers) != layer + 1:
            while len(self._done) < layer:
                index = len(self._done)
                not_zero = self._not_zero(index)
                self._done.append(_part(self._with_inputs(index), not_zero))
                self._units.append(np.flatnonzero(not_zero))
            last, num_units = self._with_inputs(layer), self.layers[layer].bias.shape[1]
            # What one network has converted to digits, the next one need not.
            self._network = replace(self._network, layers=[*self._done[:layer], last])
            self._found = OnPolygon(self._network, [*self._units[:layer], np.arange(num_units)])
        return self._found

    def reach(self, layer: int) -> list[Reached]:
        """How errors reach each of the layers up to one that is to be done next."""
        layers = self.until(layer).network.layers
        for index in range(len(self._reached), layer + 1):
            if index > 0 and len(self._reach.last.by_source) > len(self._units[index - 1]):
                self._reached[-1] = self._reach.keep(self._units[index - 1])
            does = self._does(index - 1) if index > 0 else None
            self._reached.append(self._reach.add(layers[index].stored[0], self._network.stretch(index, 0), does))
        return self._reached

    def _does(self, index: int) -> Does:
        """What the units of a layer that is done do, those that are not 0 on all faces."""
        units, patterns = self._units[index], self.history.patterns[index]
        slope = self.layers[index].slope[0]
        some, all_ = (
            bits.unpack(of_faces.reduce(patterns, axis=0, keepdims=True), len(slope))[0] | (slope == 1)
            for of_faces in (np.bitwise_or, np.bitwise_and)
        )
        on, off = np.where(some, 1.0, slope), np.where(all_, 1.0, slope)
        return Does(np.minimum(on, off)[units], np.maximum(on, off)[units])

    def _with_inputs(self, index: int) -> UnitLayer:
        """A layer that takes in what the layers that are done give."""
        layer = self.layers[index]
        if index == 0 or len(self._units[index - 1]) == layer.in_features:
            return layer
        inputs = self._units[index - 1]
        if isinstance(layer.stored, np.ndarray):
            return replace(layer, stored=layer.stored[:, :, inputs])
        return replace(layer, stored=tuple(of_member[:, inputs] for of_member in layer.stored))

    def _not_zero(self, index: int) -> Bool[np.ndarray, " units"]:
        """The units of a layer that is done that are not 0 on all faces; one at least, if need be the first."""
        slope = self.layers[index].slope[0]
        words = np.bitwise_or.reduce(self.history.patterns[index], axis=0, keepdims=True)
        not_zero: Bool[np.ndarray, " units"] = bits.unpack(words, len(slope))[0] | (slope != 0)
        not_zero[0] |= not not_zero.any()
        return not_zero


def _part(layer: UnitLayer, units: Bool[np.ndarray, " units"]) -> UnitLayer:
    """Some units of a layer."""
    if units.all():
        return layer
    if isinstance(layer.stored, np.ndarray):
        return UnitLayer(layer.stored[:, units], layer.bias[:, units], layer.slope[:, units])
    stored = tuple(of_member[np.flatnonzero(units)] for of_member in layer.stored)
    return UnitLayer(stored, layer.bias[:, units], layer.slope[:, units])
