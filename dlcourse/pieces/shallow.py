"""A network of one input as one hidden layer: the same function on an interval, with a unit for each linear piece.

It is to networks what `circuits.to_dnf` is to circuits. On an interval a ReLU network of one input is a polygonal line,
and a polygonal line is a sum of bends: one hidden layer can have them all, each by a unit of its own. What it costs are
units, as many as the deep network has pieces.

It stands here and not beside `networks.constructions` because it takes exact counts: a floor imports only from below.
"""

import math
import warnings
from bisect import bisect
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import nn

from dlcourse.networks import MLP, Stack
from dlcourse.pieces.arithmetic.integers import IntegerNetwork
from dlcourse.pieces.line.intervals import ExactAffine, exactly_along
from dlcourse.pieces.line.segment import OnLine, count_on_lines
from dlcourse.pieces.reading import read


def shallow(
    network: nn.Module,
    start: float | int,
    end: float | int,
    *,
    dtype: torch.dtype | None = None,
    max_regions: int = 10_000,
) -> MLP:
    """One hidden layer of p units that is, on an interval, the same function as a network that has p pieces there.

        y = c + a_1 max(0, x - start) + sum_{i = 2}^{p} (a_i - a_(i-1)) max(0, x - t_i)

    a_i are the slopes of the pieces, t_i the p - 1 bends between them, and c is the value at start. All are worked out
    as fractions, of the numbers that the network stores, and rounded once. (If `dtype` does not hold start, the first
    unit bends at the next number below it, and c is the value of the first piece there.) On an interval on which the
    network is affine, it is one unit; if it is constant there, that unit's weight in the output is 0. Outside of the
    interval it goes on as its last piece, and before start as a constant.

    Args:
        network: Of one input and any number of outputs, whose pieces are counted together: an `MLP`, plain or with skip
            connections, or anything else of one input that `dlcourse.pieces.reading.read` understands. A classifier is
            read up to its logits.
        start: Where the interval begins.
        end: Where it ends.
        dtype: Of the parameters; the network's own if left out.
        max_regions: More activation regions than that are refused before they are made.

    Returns:
        A network of depth 1 and width p, on the CPU.

    Raises:
        TypeError: If a layer of the network is not understood, or it is a stack.
        ValueError: If the network has more than one input or an activation that is not piecewise linear, start is not
            below end or one of them not finite, a weight is too large for dtype, or as `on_line` raises it.

    Warns:
        UserWarning: If the result has fewer pieces than the network: two bends, or a bend and an end of the interval,
            round to one number, or a change of slope to 0.

    Tolerance: `shallow_error` of the result for its stored numbers, taken as exact. Where torch computes it, its sums
    of p + 1 terms add about (p + 3) / 2 times that again, at most.

    Cost: exact arithmetic on p intervals, about p times the network's weights times 0.1 microseconds, more if it is
    deep: the fractions get longer with every layer.

    Source: slide "Shallow vs. Deep Feed-Forward Neural Networks", "one layer is enough". The numbers of pieces: slide
    "Depth and piecewise linear functions".
    """
    exact = _exactly(network, start, end, max_regions)
    if dtype is None:
        dtype = next((parameter.dtype for parameter in network.parameters()), torch.get_default_dtype())
    first = _round(Fraction(start), dtype, down=True)
    bends = [first, *(_round(bend, dtype) for bend in exact.bends)]
    changes = [
        [_round(after - before, dtype) for before, after in zip(*slopes, strict=True)]
        for slopes in zip([[Fraction(0)] * len(exact.slopes[0]), *exact.slopes], exact.slopes, strict=False)
    ]
    values = [_round(value, dtype) for value in exact.piece(0, Fraction(first))]
    _warn_of_lost_pieces(bends, changes, start, end, dtype)
    return _one_layer([-bend for bend in bends], changes, values, dtype)


def shallow_error(network: MLP, end: float | int) -> Fraction:
    """How far at most `shallow` can be, anywhere on its interval, from the network that it was made of.

        2 u (|c| + sum_i |v_i| (max(0, end - t_i) + |t_i|)) + q (1 + sum_i (max(0, end - t_i) + |t_i| + |v_i|))

    with the stored numbers c, v_i (weights in the output) and t_i, u half of the dtype's epsilon and q its smallest
    number above 0. A stored number is off by u times its size at most, and q / 2 where it is below the normal ones. v_i
    meets no more than max(0, end - t_i), and if t_i is off, max(0, x - t_i) is off by as much, which v_i multiplies.
    That is the formula with u; the other u is for products of roundings.

    Args:
        network: What `shallow` made.
        end: Where its interval ends.

    Returns:
        The bound for its stored numbers, taken as exact; of several outputs the largest one's. Where they need no
        rounding, as those of tents, the error is 0: `largest_difference` tells.

    Raises:
        ValueError: If it is no such network.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, section 2.2: the model of rounding.
    """
    hidden = network.hidden.layers[0] if len(network.hidden.layers) == 1 else None
    if not isinstance(hidden, nn.Linear) or hidden.in_features != 1 or not bool((hidden.weight == 1).all()):
        raise ValueError("network must be one hidden layer whose weights are all 1, as `shallow` makes it")
    limits = torch.finfo(hidden.weight.dtype)
    eps, smallest = Fraction(limits.eps), Fraction(limits.smallest_normal * limits.eps)
    bends = [-Fraction(bias) for bias in hidden.bias.tolist()]
    reach = [max(Fraction(0), Fraction(end) - bend) + abs(bend) for bend in bends]
    bounds = []
    for value, row in zip(network.output.bias.tolist(), network.output.weight.tolist(), strict=True):
        sizes = [abs(Fraction(weight)) for weight in row]
        rounded = abs(Fraction(value)) + sum(size * far for size, far in zip(sizes, reach, strict=True))
        bounds.append(eps * rounded + smallest * (1 + sum(reach) + sum(sizes)))
    return max(bounds)


def largest_difference(
    network: nn.Module, other: nn.Module, start: float | int, end: float | int, *, max_regions: int = 10_000
) -> Fraction:
    """The largest difference between two networks of one input on an interval, without any rounding.

    Their difference is a polygonal line, too, so it is largest at a bend of one of them or at an end.

    Args:
        network: As `shallow` takes it.
        other: Another one, with as many outputs.
        start: Where the interval begins.
        end: Where it ends.
        max_regions: More activation regions than that, of either, are refused before they are made.

    Returns:
        max |network(x) - other(x)| over start <= x <= end and all outputs, for the numbers that they store.

    Raises:
        TypeError: As `shallow`.
        ValueError: As `shallow`, or if they have not the same number of outputs.
    """
    one, two = (_exactly(each, start, end, max_regions) for each in (network, other))
    if len(one.slopes[0]) != len(two.slopes[0]):
        raise ValueError(
            f"other must have as many outputs as the network, {len(one.slopes[0])}, got {len(two.slopes[0])}"
        )
    points = {Fraction(start), *one.bends, *two.bends, Fraction(end)}
    return max(abs(a - b) for x in points for a, b in zip(one(x), two(x), strict=True))


@dataclass(frozen=True)
class _Exact:
    """A polygonal line in fractions: y = slopes[i] x + intercepts[i] on piece i, a number for each output."""

    bends: list[Fraction]
    slopes: list[list[Fraction]]
    intercepts: list[list[Fraction]]

    def piece(self, index: int, x: Fraction) -> list[Fraction]:
        """What one of the affine maps is at x."""
        return [slope * x + shift for slope, shift in zip(self.slopes[index], self.intercepts[index], strict=True)]

    def __call__(self, x: Fraction) -> list[Fraction]:
        return self.piece(bisect(self.bends, x), x)


def _exactly(network: nn.Module, start: float | int, end: float | int, max_regions: int) -> _Exact:
    """A network's pieces on an interval, in fractions."""
    if isinstance(network, Stack):
        raise TypeError("network must be one network, got a Stack; `networks.unstack` gives its members")
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        raise ValueError(f"start must be below end, and both finite, got {start} and {end}")
    layers = read(network, (1,), domain=lambda random, num: start + random.random((num, 1)) * (end - start))
    if layers[0].in_features != 1:
        raise ValueError(f"network must have one input, got one of {layers[0].in_features} inputs")
    ends = np.array([[[start]]], dtype=float), np.array([[[end]]], dtype=float)
    outputs, bends = _along(count_on_lines(layers, *ends, (1,), max_regions).line(0, 0))
    origin, length = Fraction(start), Fraction(end) - Fraction(start)
    slopes, intercepts = [], []
    for slope, intercept in zip(outputs.slope.T.tolist(), outputs.intercept.T.tolist(), strict=True):
        slopes.append([Fraction(s, outputs.denominator) / length for s in slope])
        intercepts.append(
            [Fraction(c, outputs.denominator) - s * origin for c, s in zip(intercept, slopes[-1], strict=True)]
        )
    return _Exact([origin + t * length for t in bends], slopes, intercepts)


def _along(line: OnLine) -> tuple[ExactAffine, list[Fraction]]:
    """The outputs' maps on each piece of a segment, and the bends between pieces: exact, in t."""
    regions = line._first_regions
    start, end = (np.broadcast_to(point, (len(regions), 1)) for point in (line.start, line.end))
    along = exactly_along(IntegerNetwork(line._layers), 0, start, end, line._patterns(regions))
    (outputs,) = deque(along, maxlen=1)
    bends = []
    for jump, rise in zip(np.diff(outputs.slope).T, np.diff(outputs.intercept).T, strict=True):
        bent = int(np.flatnonzero(jump)[0])  # some output bends at the end of a piece, and all are continuous there
        bends.append(Fraction(-rise[bent], jump[bent]))
    return outputs, bends


def _round(value: Fraction, dtype: torch.dtype, *, down: bool = False) -> float:
    """The nearest number of a floating-point type, to even if there are two; or the nearest one below."""
    limits = torch.finfo(dtype)
    above, below = abs(value.numerator), value.denominator
    exponent = above.bit_length() - below.bit_length()  # of the leading bit, or one more
    exponent -= above < below * Fraction(2) ** exponent
    # The distance between numbers of the type: that of its digits, but never less than its smallest number.
    digits = Fraction(2) ** exponent * Fraction(limits.eps)
    step = max(digits, Fraction(limits.smallest_normal * limits.eps))
    rounded = (math.floor(value / step) if down else round(value / step)) * step
    if abs(rounded) > Fraction(limits.max):
        raise ValueError(f"dtype must hold all weights, got {dtype}, and one that is at least {limits.max:g}")
    return float(rounded)


def _warn_of_lost_pieces(
    bends: Sequence[float], changes: Sequence[Sequence[float]], start: float | int, end: float | int, dtype: torch.dtype
) -> None:
    """Warns if the rounded function has fewer pieces on the interval."""
    jumps: dict[float, list[Fraction]] = {}
    for bend, change in zip(bends, changes, strict=True):
        if start < bend < end:
            before = jumps.get(bend, [Fraction(0)] * len(change))
            jumps[bend] = [jump + Fraction(more) for jump, more in zip(before, change, strict=True)]
    num_pieces = 1 + sum(any(jump) for jump in jumps.values())
    if num_pieces < len(bends):
        warnings.warn(
            f"{num_pieces} of {len(bends)} pieces are left: bends, or a bend and an end of the interval, round to one "
            f"number of {dtype}, or changes of slope to 0",
            stacklevel=3,
        )


def _one_layer(
    biases: Sequence[float], changes: Sequence[Sequence[float]], values: Sequence[float], dtype: torch.dtype
) -> MLP:
    """The network with these numbers, of units that all face right with weight 1."""
    # Made on the meta device, without values: drawing initial ones would advance torch's global generator.
    network = MLP(1, len(values), width=len(biases), depth=1, dtype=dtype, device="meta").to_empty(device="cpu")
    numbers = [[1.0] * len(biases), biases, [list(row) for row in zip(*changes, strict=True)], values]
    for parameter, value in zip(network.parameters(), numbers, strict=True):
        parameter.data.copy_(torch.tensor(value, dtype=torch.float64).view_as(parameter))
    return network
