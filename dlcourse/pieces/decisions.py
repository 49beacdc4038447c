"""Which output is the largest, told by further units: where it changes is then found like any other breakpoint."""

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.layer import UnitLayer


def with_rounds(layers: list[UnitLayer]) -> list[UnitLayer]:
    """The network that goes on with the rounds of a tournament between its outputs y.

    The largest output before round k is m[k - 1], with m[0] = y[0]. The first unit of the round's layer is
    m[k - 1] - y[k], its other units pass y[k], y[k + 1], ... on, so that m[k] = y[k] + relu(m[k - 1] - y[k]). If there
    is only one output, there is one round, whose unit is that output.

    Where three outputs tie, two of these units are zero, while of the differences of all pairs there would be three. So
    a tie is in general position unless the network makes it special.

    Args:
        layers: The layers of one network.

    Returns:
        These layers, one for each round, and one for an output that is always 0.
    """
    rounds = _rounds(layers[-1].bias.shape[1], keep=False)
    return [*layers, *rounds, _nothing(rounds[-1].bias.shape[1])]


def with_leads(layers: list[UnitLayer]) -> list[UnitLayer]:
    """The network with the rounds of `with_rounds` and then all leads m[k - 1] - y[k] once more, side by side.

    Each round passes its lead on. The layer of all leads cuts nothing, since each lead is zero only where its round has
    cut: it is there for the signs at vertices, which tell ties.

    Args:
        layers: The layers of one network.

    Returns:
        These layers, one for each round, the one of the leads, which is that of the single output if there is only
        one, and one for an output that is always 0.
    """
    rounds = _rounds(layers[-1].bias.shape[1], keep=True)
    num_leads, num_units = len(rounds), rounds[-1].bias.shape[1]
    leads = np.eye(num_leads, num_units, k=num_units - num_leads)  # the last units
    of_leads = UnitLayer(leads[None], np.zeros((1, num_leads)), np.zeros((1, num_leads)))
    return [*layers, *rounds, of_leads, _nothing(num_leads)]


def _rounds(num_outputs: int, *, keep: bool) -> list[UnitLayer]:
    """The rounds; if their leads are kept, they are the last units of each, those of earlier rounds first."""
    rounds = [_layer(np.ones((1 + keep, 1)))] if num_outputs == 1 else []
    for number in range(1, num_outputs):
        terms, to_come = 1 if number == 1 else 2, num_outputs - number  # m is y[0], later a sum of two
        kept = number - 1 if keep else 0
        weight = np.zeros((1 + to_come + kept, terms + to_come + kept))
        weight[0, :terms], weight[0, terms] = 1, -1
        weight[1:, terms:] = np.eye(to_come + kept)
        rounds.append(_layer(np.concatenate([weight, weight[:1]]) if keep else weight))
    return rounds


def _layer(weight: Float[np.ndarray, "out_features in_features"]) -> UnitLayer:
    """A ReLU and units that pass their values on."""
    slope = np.ones((1, len(weight)))
    slope[0, 0] = 0
    return UnitLayer(weight[None], np.zeros_like(slope), slope)


def _nothing(in_features: int) -> UnitLayer:
    """An output that is always 0."""
    return UnitLayer(np.zeros((1, 1, in_features)), np.zeros((1, 1)), np.ones((1, 1)))


def largest_output(positive: list[Bool[np.ndarray, " regions"]], num_outputs: int) -> Int[np.ndarray, " regions"]:
    """The number of the largest output on each region; of several that are equal all over it the highest number.

    Args:
        positive: For each round, on which regions its unit is positive.
        num_outputs: How many outputs there are; if only one, 1 stands for a positive and 0 for any other output.
    """
    if num_outputs == 1:
        return positive[0].astype(np.int64)
    largest = np.zeros(len(positive[0]), dtype=np.int64)
    for number, before in enumerate(positive, start=1):
        largest[~before] = number
    return largest
