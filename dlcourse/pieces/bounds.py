"""How many linear regions a ReLU network can have, and has at random: formulas of the lecture and of its sources.

d is `in_features`, the dimension of the input; n_1 ... n_k are `widths`, the units of the k hidden layers; N is their
sum. The bounds are exact integers, for regions of the whole input space. Upper bounds are for activation regions, of
which linear pieces are unions, and hold in any convex part of the space; a lower bound is what some network reaches.

    montufar_lower <= serra_lower <= serra_upper <= montufar_upper <= raghu_upper <= all_patterns

(`serra_lower` where it is defined), `most_on_line` equals `serra_upper` for one input and layers of 2 units or more.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from dlcourse.checks import check_whole


def zaslavsky(in_features: int, width: int) -> int:
    """The most regions of one hidden layer, sum_{j <= d} C(h, j): those of h hyperplanes in general position.

    Reached by almost every layer, on the whole space. Three lines make 7.

    Args:
        in_features: d.
        width: h.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: slide "Depth and piecewise linear functions", one hidden layer; Zaslavsky 1975, Facing up to arrangements;
    Pascanu, Montufar, Bengio 2013, Proposition 6.
    """
    _check(in_features, [width])
    return _hyperplanes(in_features, width)


def slide_shallow_upper(in_features: int, width: int) -> int:
    """The slide's h^d for one hidden layer, where it stands as an upper bound of `zaslavsky`.

    The slide slips: with one input, h units make h + 1 > h pieces, and one unit makes 2 > 1 regions whatever the input.
    Right are <= (h + 1)^d, and O(h^d) for fixed d.

    Args:
        in_features: d.
        width: h.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: slide "Depth and piecewise linear functions", one hidden layer.
    """
    _check(in_features, [width])
    bound: int = width**in_features
    return bound


def slide_deep_upper(depth: int) -> int:
    """The slide's 2^k for k hidden layers, of which it says p_max = O(2^k).

    The slide slips: 5 layers of 10 units with one input make 161,051 > 32 pieces, and wherever (h / d)^d > 2 the
    slide's own lower bound, `slide_deep_lower`, grows faster with k. Right is `all_patterns`, 2^N with N = k h units.

    Args:
        depth: k.

    Raises:
        TypeError: If depth is no whole number.
        ValueError: If depth is below 1.

    Source: slide "Depth and piecewise linear functions", k hidden layers.
    """
    check_whole("depth", depth, 1)
    bound: int = 2**depth
    return bound


def slide_deep_lower(in_features: int, width: int, depth: int) -> Fraction:
    """The slide's (h/d)^((k - 1) d) h^d, of which it says p_max = Omega( ... ).

    It is how `montufar_lower` grows with h, for fixed d and k, up to a factor; it is no bound as it stands. One layer
    of 3 units with two inputs makes 7 regions, not 9.

    Args:
        in_features: d.
        width: h.
        depth: k.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: slide "Depth and piecewise linear functions", k hidden layers; Montufar, Pascanu, Cho, Bengio 2014, the
    asymptotic form of the lower bound for rectifier networks.
    """
    _check(in_features, [width] * depth)
    growth: Fraction = Fraction(width, in_features) ** ((depth - 1) * in_features) * width**in_features
    return growth


def montufar_lower(in_features: int, widths: Sequence[int]) -> int:
    """prod_{l < k} floor(n_l / d)^d * sum_{j <= d} C(n_k, j): reached by `networks.constructions.montufar`.

    Args:
        in_features: d.
        widths: n_1 ... n_k, at least d in all layers but the last.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1, or a width below d.

    Source: Montufar, Pascanu, Cho, Bengio 2014, On the number of linear regions of deep neural networks, the lower
    bound for rectifier networks (there n_k >= d, too).
    """
    _check(in_features, widths, in_features)
    folds: int = math.prod((width // in_features) ** in_features for width in widths[:-1])
    return folds * _hyperplanes(in_features, widths[-1])


def serra_lower(in_features: int, widths: Sequence[int]) -> int:
    """prod_{l < k} (floor(n_l / d) + 1)^d * sum_{j <= d} C(n_k, j): reached by `networks.constructions.serra`.

    Args:
        in_features: d.
        widths: n_1 ... n_k, at least 3 d in all layers but the last.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1, or a width below 3 d.

    Source: Serra, Tjandraatmadja, Ramalingam 2018, Bounding and counting linear regions of deep neural networks, the
    lower bound (there n_k >= 3 d, too).
    """
    _check(in_features, widths, 3 * in_features)
    folds: int = math.prod((width // in_features + 1) ** in_features for width in widths[:-1])
    return folds * _hyperplanes(in_features, widths[-1])


def most_on_line(widths: Sequence[int]) -> int:
    """prod (n_l + 1): the most linear pieces with one input, or along any line.

    Reached by `networks.constructions.nested_zigzags` if every width is at least 3. Narrower layers may fall short:
    widths (2, 2) reach 7 and not 9; for (1, 3) `serra_upper` is 5, which is reached, and not 8.

    Args:
        widths: n_1 ... n_k.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: a layer of n units cuts every interval on which it is affine into at most n + 1; Montufar 2017 with d = 1.
    """
    _check(1, widths)
    return math.prod(width + 1 for width in widths)


def serra_upper(in_features: int, widths: Sequence[int]) -> int:
    """sum over (j_1 ... j_k) of prod_l C(n_l, j_l), 0 <= j_l <= min{d, n_1 - j_1, ..., n_{l-1} - j_{l-1}, n_l}.

    Where units of a layer are off, its output has no more dimensions than the others, and later layers cut no more.

    Args:
        in_features: d.
        widths: n_1 ... n_k.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: Serra, Tjandraatmadja, Ramalingam 2018, Theorem 1. Cost: up to k d^2 products.
    """
    _check(in_features, widths)
    # The sum over the layers from one on, for each number of dimensions that may reach it: from the last layer back.
    regions = [1] * (in_features + 1)
    for width in reversed(widths):
        choices = [math.comb(width, off) for off in range(min(in_features, width) + 1)]
        regions = [
            sum(choices[off] * regions[min(dimensions, width - off)] for off in range(min(dimensions, width) + 1))
            for dimensions in range(in_features + 1)
        ]
    return regions[in_features]


def montufar_upper(in_features: int, widths: Sequence[int]) -> int:
    """prod_l sum_{j <= d_l} C(n_l, j) with d_l = min{d, n_1, ..., n_{l-1}}.

    Args:
        in_features: d.
        widths: n_1 ... n_k.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: Montufar 2017, Notes on the number of linear regions of deep neural networks.
    """
    _check(in_features, widths)
    return math.prod(_hyperplanes(min([in_features, *widths[:layer]]), width) for layer, width in enumerate(widths))


def raghu_upper(in_features: int, widths: Sequence[int]) -> int:
    """prod_l sum_{j <= d} C(n_l, j), which is O(h^(d k)).

    Args:
        in_features: d.
        widths: n_1 ... n_k.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: Raghu, Poole, Kleinberg, Ganguli, Sohl-Dickstein 2017, On the expressive power of deep neural networks,
    Theorem 1 and its proof.
    """
    _check(in_features, widths)
    return math.prod(_hyperplanes(in_features, width) for width in widths)


def all_patterns(widths: Sequence[int]) -> int:
    """2^N, the number of activation patterns of N units.

    Args:
        widths: n_1 ... n_k.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: what the slide "Depth and piecewise linear functions" must mean by O(2^k); see `slide_deep_upper`.
    """
    _check(1, widths)
    patterns: int = 2 ** sum(widths)
    return patterns


def hanin_rolnick(in_features: int, widths: Sequence[int]) -> Fraction:
    """min(N^d / d!, 2^N), and 2^N for N < d: about as many regions as a network has at random, whatever its depth.

    No bound, but what is observed in the whole space with weights N(0, 2 / n_in) and any small random biases: N
    pieces on a line, N^2 / 2 regions on a plane, to some percent if N is large. What is proven has this form: of cubes
    that are large enough, the mean number of regions per volume is at most (T N)^d / d! for N >= d, with a constant T
    that is not named, and 2^N for N <= d. With tiny biases that is what any interval or square around 0 holds.

    N units have no more than 2^N activation patterns. With fewer units than inputs, N^d / d! says nothing: it
    falls to 0 as d grows, where N hyperplanes in general position make all 2^N regions. From N = d on it may still be
    above 2^N (8 units, 8 inputs: 416 > 256), hence the minimum.

    Args:
        in_features: d, or the dimension of the line or plane that is looked at.
        widths: n_1 ... n_k.

    Returns:
        The exact number, which is seldom whole; beyond 10^308 no float holds it.

    Raises:
        TypeError: If a size is no whole number.
        ValueError: If a size is below 1.

    Source: Hanin & Rolnick 2019, Deep ReLU networks have surprisingly few activation patterns, the main theorem, which
    has both branches; for lines Complexity of linear regions in deep networks, of the same year.
    """
    _check(in_features, widths)
    patterns = Fraction(all_patterns(widths))
    num_units = sum(widths)
    if num_units < in_features:
        return patterns
    return min(Fraction(num_units**in_features, math.factorial(in_features)), patterns)


def alternating_points_error(num_points: int, width: int, depth: int) -> Fraction:
    """(n - 4 (2 h)^k) / (3 n), or 0: the least share of Telgarsky's points that k layers of h units get wrong.

    A point counts as 1 where the network is at least 1/2. A function of t pieces crosses 1/2 at most 2 t times, and
    between two crossings at least a third of three or more alternating points are wrong: (n - 4 t) / (3 n); a network
    of ReLUs has t <= (2 h)^k. The points are `networks.constructions.alternating_points`.

    Args:
        num_points: n.
        width: h.
        depth: k.

    Raises:
        TypeError: If a number is not whole.
        ValueError: If a number is below 1.

    Source: Telgarsky 2015, Representation benefits of deep feedforward networks, on the n-alternating-point problem.
    """
    check_whole("num_points", num_points, 1)
    _check(1, [width] * depth)
    return max(Fraction(num_points - 4 * (2 * width) ** depth, 3 * num_points), Fraction(0))


def alternating_points_wrong(num_points: int, num_pieces: int) -> int:
    """max(0, ceil((n - t - 1) / 2)): the fewest of Telgarsky's points that a function of t pieces gets wrong.

    A point counts as 1 where the function, continuous and linear on each of its pieces, is at least 1/2. Proof. On a
    piece, its ends included, the function is monotone, so the answer changes there at most once; and as neighbours
    share the end between them, it changes nowhere else: at most t times in all. The labels change between any two
    neighbouring points. So whether an answer is right changes exactly where the answer does not, at least n - 1 - t
    times. Of two neighbouring points between which it changes, one is wrong, and a point has at most two neighbours:
    at least half as many points are wrong.

    No bound in n and t alone is larger: a zig-zag of t pieces through the first t + 1 points is right there, and beyond
    them on every other point. One layer of h >= 3 units makes such a zig-zag, of h + 1 pieces (`constructions.zigzag`);
    k layers make at most `most_on_line` pieces, (h + 1)^k. Telgarsky's own bound, `alternating_points_error`, allows
    for functions that jump, and is never above this one.

    Args:
        num_points: n.
        num_pieces: t, on an interval that holds all points.

    Raises:
        TypeError: If a number is not whole.
        ValueError: If a number is below 1.

    Source: the argument of Telgarsky 2016, Benefits of depth in neural networks, counted exactly.
    """
    check_whole("num_points", num_points, 1)
    check_whole("num_pieces", num_pieces, 1)
    return max(0, (num_points - num_pieces) // 2)


def _hyperplanes(dimension: int, number: int) -> int:
    """Regions of hyperplanes in general position."""
    return sum(math.comb(number, j) for j in range(dimension + 1))


def _check(in_features: int, widths: Sequence[int], least: int = 1) -> None:
    """Refuses sizes that are out of range; the last layer's width only has to be at least 1."""
    check_whole("in_features", in_features, 1)
    if not widths:
        raise ValueError("there must be at least one hidden layer, got none")
    for layer, width in enumerate(widths, start=1):
        if not isinstance(width, int):  # NumPy's integers, too, are refused: they overflow without a word
            raise TypeError(f"width must be a whole number in layer {layer}, got {width!r}")
        allowed = 1 if layer == len(widths) else least
        if width < allowed:
            raise ValueError(f"width must be at least {allowed} in layer {layer}, got {list(widths)}")
