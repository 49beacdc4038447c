"""Networks with weights set by hand, whose linear pieces are known: tents, zig-zags, folded arrangements, x^2.

Each is an ordinary `MLP`. Weights are fractions with powers of two below, which floats hold exactly, so that the stated
numbers of pieces are those of the stored networks; the docstrings say where that ends.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from dlcourse.checks import check_whole
from dlcourse.networks.activations import Activation
from dlcourse.networks.mlp import MLP

Matrix = Sequence[Sequence[float]] | Tensor
Vector = Sequence[float] | Tensor


def nest(*networks: MLP) -> MLP:
    """networks[-1]( ... networks[1](networks[0](x))) as one network: the slide's "nesting".

    Where one network's output layer y = V h + c meets the next one's first layer W y + b, there is no max in between,
    and the two are one layer: (W V) h + (W c + b). So depths add up, and no layer is spent on the joint.

    Args:
        networks: At least one, in the order in which they are applied, each taking what the one before gives.

    Returns:
        A new network, of the first one's dtype. Its products are computed in float64 and rounded once.

    Raises:
        ValueError: If there is no network, sizes do not fit, an activation is not relu, or a layer adds its input.

    Source: slide "Depth and piecewise linear functions", "By nesting the two scalar functions".
    """
    if not networks:
        raise ValueError("nest needs at least one network, got none")
    layers = _layers(networks[0])
    for network in networks[1:]:
        (v, c), ((w, b), *others) = layers[-1], _layers(network)
        if w.shape[1] != len(v):
            raise ValueError(f"a network of {w.shape[1]} inputs cannot follow one of {len(v)} outputs")
        layers[-1:] = [(w @ v, w @ c + b), *others]
    dtype = networks[0].output.weight.dtype
    return _network([(weight.to(dtype), bias.to(dtype)) for weight, bias in layers], dtype)


def tent(low: float = 0.0, high: float = 2.0, *, dtype: torch.dtype | None = None) -> MLP:
    """The slide's tent: 0 at `low`, 1 half way, 0 at `high`, with two units.

    tent(0, 2) is the slide's h~[1] = max(0, x) - max(0, 2 (x - 1)) and tent(0, 1) its
    h~[2] = max(0, 2 x) - max(0, 4 (x - 1/2)), weight for weight; w = [1, -1].

    Pieces: 2 on [low, high], 3 on the whole line (0 up to `low`; the last piece goes on below 0).

    Args:
        low: Left end.
        high: Right end.
        dtype: Of the parameters; torch's default if left out.

    Returns:
        A network of depth 1. If 2 / (high - low) and low times it are no floats, they are rounded, which moves the ends
        of the tent by about one rounding; its height stays exactly 1.

    Raises:
        ValueError: If low is not less than high, or one of them not finite.

    Source: slide "Depth and piecewise linear functions", h~[1] and h~[2]. The slide writes w . max(0, h x), where h is
    the vector max(0, W x + b) already: meant is w . h.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"low must be less than high, and both finite, got {low} and {high}")
    slope = torch.tensor(2 / (high - low), dtype=dtype)
    # The height is exactly 1 if second = 2 first - 2 holds exactly. Computing `second` from `first` could round; so
    # `second` is computed directly, where a rounding only moves the tent, and `first` from it, which rounds nothing.
    second = -2 * low * slope - 2
    first = (second + 2) / 2
    weight = torch.stack([slope, 2 * slope])[:, None]
    return _network([(weight, torch.stack([first, second])), ([[1.0, -1.0]], [0.0])], dtype)


def nested_tents(num_tents: int, low: float = 0.0, high: float = 2.0, *, dtype: torch.dtype | None = None) -> MLP:
    """h~[2]( ... h~[2](h~[1](x))): the slide's nested tents, a hidden layer of two units for each.

    Pieces: 2^num_tents on [low, high], all of one length, between 0 and 1; on the whole line two more, which are 0
    (one more if num_tents = 1). On [0, 2] it is the target of `tasks.ZigZag`.

    Args:
        num_tents: How many, at least 1.
        low: Left end.
        high: Right end. The ends are exact if high - low is a power of two and low a multiple of it; see `tent`.
        dtype: Of the parameters.

    Returns:
        A network of depth num_tents and width 2.

    Raises:
        ValueError: If num_tents is below 1, or the interval is empty or not finite.

    Source: slide "Depth and piecewise linear functions", "By nesting the two scalar functions".
    """
    check_whole("num_tents", num_tents, 1)
    return nest(tent(low, high, dtype=dtype), *[tent(0, 1, dtype=dtype)] * (num_tents - 1))


def nested_valleys(num_valleys: int, *, dtype: torch.dtype | None = None) -> MLP:
    """Layers of two units that make almost twice as many pieces as tents: u( ... u(x)), u a valley with a flat floor.

        u(x) = 3 max(0, 1 - x) + 3 max(0, x - 2)

    maps [0, 3] onto [0, 3], and takes every value but 0 twice. So k of them take each value twice as often as k - 1,
    and where it is 1 or 2, the next one has a kink: 2 * 2^k new pieces.

    Pieces: 2^(num_valleys + 1) - 1, on [0, 3] and on the whole line alike; nested tents make 2^num_valleys + 2. For one
    and two layers it is the most there can be (3 and 7).

    Args:
        num_valleys: How many, at least 1.
        dtype: Of the parameters.

    Returns:
        A network of depth num_valleys and width 2.

    Raises:
        ValueError: If num_valleys is below 1.

    Source: what the search of experiments/reached_pieces found, put into whole numbers.
    """
    check_whole("num_valleys", num_valleys, 1)
    valley = _network([([[-1.0], [1.0]], [1.0, -2.0]), ([[3.0, 3.0]], [0.0])], dtype)
    return nest(*[valley] * num_valleys)


def zigzag(width: int, height: float = 1.0, *, dtype: torch.dtype | None = None) -> MLP:
    """width + 1 pieces from width units, each going all the way from 0 to `height` or back, on [0, 2 width + 1].

    The first piece has length 1 and the others 2:

        f(x) = 5 H - (3/2) H max(0, x - 1) + H max(0, x - 3) - H max(0, 5 - x)
               + H max(0, x - 7) - H max(0, x - 9) + ...,             H = height.

    Units that all face right start with a constant piece, which nesting wastes; so the third one faces left, and gives
    the first piece its slope. Pieces of one length are impossible: all slopes would be +-1, so every unit would change
    the slope by +-2; but the slope of the first piece, too, is a sum of such changes, and so would be even.

    Pieces: width + 1, on the domain and on the whole line alike.

    Args:
        width: Number of units, at least 3: two units do not make three pieces of full height.
        height: Of the peaks.
        dtype: Of the parameters.

    Raises:
        ValueError: If width is below 3, or dtype cannot hold multiples of height / 2.

    Source: the bound that it reaches is prod (n_l + 1), Montufar 2017, Notes on the number of linear regions of deep
    neural networks, with one input.
    """
    check_whole("width", width, 3)
    sign = [1.0] * width
    sign[2] = -1.0
    change = [height * (-1) ** i for i in range(1, width + 1)]
    change[0] *= 1.5
    bias = [-side * (2 * i + 1) for i, side in enumerate(sign)]
    return _network([([[side] for side in sign], bias), ([change], [5 * height])], dtype)


def nested_zigzags(widths: Sequence[int], *, dtype: torch.dtype | None = None) -> MLP:
    """Zig-zags nested: the most linear pieces that a network of these widths with one input can have.

    Pieces: prod (n_l + 1), on [0, 2 n_1 + 1] and on the whole line alike, between 0 and 1. Three units a layer make 4,
    16, 64, 256.

    Args:
        widths: Units of each layer, at least 3 (two layers of 2 units cannot make 9 pieces, only 7).
        dtype: Of the parameters, all of which are integers and halves.

    Raises:
        ValueError: If there is no layer, or one has less than 3 units.

    Source: as `zigzag`; Prince, Understanding Deep Learning, section 4.5, has 161,051 = 11^5 pieces for 5 layers of 10.
    """
    _check(1, widths, 3, 3)
    heights = [*(2.0 * width + 1 for width in widths[1:]), 1.0]
    return nest(*(zigzag(width, height, dtype=dtype) for width, height in zip(widths, heights, strict=True)))


def arrangement(in_features: int, width: int, *, dtype: torch.dtype | None = None) -> MLP:
    """One hidden layer that cuts the unit cube into as many regions as its hyperplanes can.

    Unit i bends where the polynomial p(t) = sum_j (-1)^j C(d, j) x_j t^(d - j), with x_0 = 1, has the root
    t_i = (2 i + 1) / 2^q. A polynomial of degree d is given by d roots and has no more: so any d of the hyperplanes
    meet in one point, no d + 1 do, and as x_j is the mean product of j roots, that point is inside of the cube.
    The units face to alternating sides, so that with more than d of them one at least is on, wherever one looks; and as
    the outputs' weights are 2^-i and the numerators of t_i odd, no partial derivative is 0 where some unit is on.

    Regions: sum_{j <= d} C(width, j) in (0, 1)^d, as in the whole space, and as many linear pieces.

    Args:
        in_features: d.
        width: Number of hyperplanes.
        dtype: Of the parameters; float32 is enough for (2 width)^d up to 2^24.

    Raises:
        ValueError: If a size is below 1, or dtype (or any float) cannot hold the weights.

    Source: Zaslavsky 1975, as in Pascanu, Montufar, Bengio 2013, Proposition 6.
    """
    _check(in_features, [width], 1, 1)
    d = in_features
    denominator = 2 ** (width - 1).bit_length() * 2
    exact = [
        [(-1) ** (d + i + j) * math.comb(d, j) * Fraction(2 * i + 1, denominator) ** (d - j) for j in range(d + 1)]
        for i in range(width)
    ]
    rows = [[float(number) for number in row] for row in exact]
    if rows != exact:
        raise ValueError(f"floats cannot hold the weights of {width} hyperplanes in {d} dimensions exactly")
    weight, bias = [row[1:] for row in rows], [row[0] for row in rows]
    return _network([(weight, bias), ([[2.0**-i for i in range(width)]], [0.0])], dtype)


def montufar(in_features: int, widths: Sequence[int], *, dtype: torch.dtype | None = None) -> MLP:
    """Montufar's network: every layer folds each coordinate onto [0, 1], the last one cuts the folded cube.

    With p = floor(n_l / d) units a coordinate is folded into p parts: max(0, p x + 1) - 1 - 2 max(0, p x - 1)
    + 2 max(0, p x - 2) - ... (The first unit is on in all of the domain.) What the last layer, an `arrangement`, does
    to the cube, it does to each of its prod p^d copies. Units left over by the division are off.

    Regions: prod_{l < k} floor(n_l / d)^d * sum_{j <= d} C(n_k, j) in (0, 1)^d. Linear pieces: as many, if the last
    layer has more than d units; with fewer there are places where all are off, and mirror images merge.

    Args:
        in_features: d.
        widths: Units of each layer: at least d, in the last one any number.
        dtype: Of the parameters; see `arrangement`.

    Raises:
        ValueError: If a size is out of range, or dtype cannot hold the weights.

    Source: Montufar, Pascanu, Cho, Bengio 2014, On the number of linear regions of deep neural networks, the lower
    bound for rectifier networks; slide "Depth and piecewise linear functions", "A lower bound that grows with depth".
    """
    _check(in_features, widths, in_features, 1)
    folds = [_each_coordinate(_saw(n // in_features), in_features, n) for n in widths[:-1]]
    folded = nest(*folds, arrangement(in_features, widths[-1], dtype=torch.float64))
    return _network(_layers(folded), dtype)


def serra(in_features: int, widths: Sequence[int], *, dtype: torch.dtype | None = None) -> MLP:
    """As `montufar`, but with `zigzag` for the folds: p units fold a coordinate into p + 1 parts.

    Regions and linear pieces, as in `montufar`: prod_{l < k} (floor(n_l / d) + 1)^d * sum_{j <= d} C(n_k, j) in
    (0, D)^d with D = 2 floor(n_1 / d) + 1 (D = 1 if there is just one layer), and in the whole space no more.

    Args:
        in_features: d.
        widths: Units of each layer: at least 3 d, in the last one any number.
        dtype: Of the parameters; see `arrangement`.

    Raises:
        ValueError: If a size is out of range, or dtype cannot hold the weights.

    Source: Serra, Tjandraatmadja, Ramalingam 2018, Bounding and counting linear regions of deep neural networks,
    the lower bound (there n_k >= 3 d, too).
    """
    _check(in_features, widths, 3 * in_features, 1)
    *folding, last = widths
    # The height of each fold is the length of the next one's domain, and that of the last fold is 1, as `arrangement`
    # cuts the unit cube. (With one layer there is no fold, and this last height belongs to none.)
    heights = [*(2.0 * (n // in_features) + 1 for n in folding[1:]), 1.0]
    zigzags = [zigzag(n // in_features, height) for n, height in zip(folding, heights, strict=False)]
    folds = [_each_coordinate(fold, in_features, n) for fold, n in zip(zigzags, folding, strict=True)]
    folded = nest(*folds, arrangement(in_features, last, dtype=torch.float64))
    return _network(_layers(folded), dtype)


def square(depth: int, *, dtype: torch.dtype | None = None) -> MLP:
    """x^2 on [0, 1], interpolated between the points i / 2^depth by a network of width 3.

        f(x) = x - sum_{s = 1}^{depth} tent^s(x) / 4^s,    tent^s: s tents nested on [0, 1].

    Two units of each layer make the next tent, the third carries the sum so far, which is never below x^2 >= 0.
    The largest error is 2^(-2 depth - 2), half way between any two of the points.

    Pieces: 2^depth on [0, 1].

    Args:
        depth: Number of hidden layers, at least 1.
        dtype: Of the parameters.

    Raises:
        ValueError: If depth is below 1.

    Source: Yarotsky 2017, Error bounds for approximations with deep ReLU networks, Proposition 2 (there with skip
    connections in place of the third unit).
    """
    check_whole("depth", depth, 1)
    # Two numbers go from layer to layer: g, the nested tents, and f, the sum so far. Both begin as x.
    twice = _network([([[1.0], [1.0]], [0.0, 0.0])], dtype)
    # Step s makes (tent(g), f - tent(g) / 4^s) of (g, f).
    fold = [([[2.0, 0.0], [4.0, 0.0], [0.0, 1.0]], [0.0, -2.0, 0.0])]
    steps = [
        _network([*fold, ([[1.0, -1.0, 0.0], [-(4.0**-s), 4.0**-s, 1.0]], [0.0, 0.0])], dtype)
        for s in range(1, depth + 1)
    ]
    return nest(twice, *steps, _network([([[0.0, 1.0]], [0.0])], dtype))


def absolute_sum(in_features: int, *, dtype: torch.dtype | None = None) -> MLP:
    """|x_1| + ... + |x_d| from 2 d units: the space folded onto one of its 2^d corners, which are its pieces.

    Raises:
        ValueError: If in_features is below 1.

    Source: Montufar, Pascanu, Cho, Bengio 2014: to fold is to take absolute values.
    """
    check_whole("in_features", in_features, 1)
    each, num = torch.eye(in_features), 2 * in_features
    return _network([(torch.cat([each, -each]), [0.0] * num), ([[1.0] * num], [0.0])], dtype)


def alternating_points(num_points: int, *, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
    """Telgarsky's points i / num_points for i = 0, 1, ..., labelled 0, 1, 0, 1, ...

    `nested_tents(k, 0, 1)` goes through all of them if num_points = 2^k; networks with few pieces do not come near:
    `pieces.bounds.alternating_points_error`.

    Args:
        num_points: How many.
        dtype: Of the points and labels.

    Returns:
        The points and their labels, both `[num_points, 1]`.

    Raises:
        ValueError: If num_points is below 1.

    Source: Telgarsky 2015, Representation benefits of deep feedforward networks, the n-alternating-point problem.
    """
    check_whole("num_points", num_points, 1)
    i = torch.arange(num_points)[:, None]
    dtype = torch.get_default_dtype() if dtype is None else dtype
    return i.to(dtype) / num_points, (i % 2).to(dtype)


def _saw(num_parts: int) -> MLP:
    """[0, 1] folded into parts of one length, each mapped onto [0, 1], by as many units; the first is on throughout."""
    shifts = [1.0, *(-float(i) for i in range(1, num_parts))]
    changes = [1.0, *(2.0 * (-1) ** i for i in range(1, num_parts))]
    return _network([([[float(num_parts)]] * num_parts, shifts), ([changes], [-1.0])], torch.float64)


def _each_coordinate(network: MLP, num_coordinates: int, width: int) -> MLP:
    """A network of one hidden layer and one input, applied to each coordinate; units left over are off."""
    (into, bias), (out, shift) = _layers(network)
    spare = width - num_coordinates * len(into)
    weight = torch.cat([torch.block_diag(*[into] * num_coordinates), into.new_zeros(spare, num_coordinates)])
    biases = torch.cat([bias.repeat(num_coordinates), -into.new_ones(spare)])
    output = torch.cat([torch.block_diag(*[out] * num_coordinates), out.new_zeros(num_coordinates, spare)], dim=1)
    return _network([(weight, biases), (output, shift.repeat(num_coordinates))], torch.float64)


def _layers(network: MLP) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each layer, in float64."""
    if network.hidden.activation is not Activation.relu:
        raise ValueError(f"activation must be relu, got {network.hidden.activation}")
    if any(network.hidden.skips):
        raise ValueError("skip must be False in networks that others are made of, got True")
    linear = [*network.hidden.layers, network.output]
    return [(layer.weight.detach().double(), layer.bias.detach().double()) for layer in linear]


def _network(layers: Sequence[tuple[Matrix, Vector]], dtype: torch.dtype | None) -> MLP:
    """The network with these weights and biases, the last ones of the output layer, none of them rounded."""
    numbers = [torch.as_tensor(values, dtype=torch.float64) for layer in layers for values in layer]
    *hidden, output = numbers[::2]
    width = [len(weight) for weight in hidden]
    # Made on the meta device, without values: drawing initial ones would advance torch's global generator.
    network = MLP(numbers[0].shape[1], len(output), width=width, dtype=dtype, device="meta").to_empty(device="cpu")
    for parameter, values in zip(network.parameters(), numbers, strict=True):
        parameter.data.copy_(values)
        if not parameter.double().equal(values):
            raise ValueError(f"dtype must hold every weight exactly, got {parameter.dtype}; try torch.float64")
    return network


def _check(in_features: int, widths: Sequence[int], least: int, least_in_last: int) -> None:
    """Refuses sizes that are out of range."""
    check_whole("in_features", in_features, 1)
    if not widths:
        raise ValueError("widths must have at least one layer, got none")
    for layer, width in enumerate(widths, start=1):
        allowed = least_in_last if layer == len(widths) else least
        if width < allowed:
            raise ValueError(f"widths must be at least {allowed} in layer {layer}, got {list(widths)}")
