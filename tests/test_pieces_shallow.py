"""Networks as one hidden layer, against fractions: every oracle walks through the network's own stored numbers."""

import math
import warnings
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import he_network, layers_of, network_of, with_values
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.networks import MLP, SoftmaxClassifier, num_parameters, stack
from dlcourse.networks.constructions import nested_tents, nested_valleys, nested_zigzags, square, tent
from dlcourse.pieces.shallow import _round, largest_difference, shallow, shallow_error

Number = Fraction | float


def at(network: nn.Module, x: Number) -> list[Fraction]:
    """The outputs at x, in fractions: affine layers with ReLU in between."""
    values = [Fraction(x)]
    layers = layers_of(network)
    for index, (weight, bias) in enumerate(layers):
        values = [
            sum((Fraction(w) * value for w, value in zip(row, values, strict=True)), Fraction(b))
            for row, b in zip(weight, bias, strict=True)
        ]
        if index < len(layers) - 1:
            values = [max(value, Fraction(0)) for value in values]
    return values


def apart(one: list[Fraction], two: list[Fraction]) -> Fraction:
    return max(abs(a - b) for a, b in zip(one, two, strict=True))


def numbers(network: MLP) -> list[object]:
    return [parameter.tolist() for parameter in network.parameters()]


# By hand


def test_the_slides_tents() -> None:
    # max(0, x) - 2 max(0, x - 1); nested once with the tent on [0, 1]: slopes 2, -2, 2, -2, with bends at 1/2, 1, 3/2
    assert numbers(shallow(tent(0, 2), 0, 2)) == [[[1], [1]], [0, -1], [[1, -2]], [0]]
    twice = shallow(nested_tents(2), 0, 2)
    assert numbers(twice) == [[[1]] * 4, [0, -0.5, -1, -1.5], [[2, -4, 4, -4]], [0]]
    assert num_parameters(twice) == 3 * 4 + 1


def test_a_part_of_a_tent_begins_with_its_value_and_slope_there() -> None:
    network = shallow(tent(0, 2), 0.75, 1.5)
    assert numbers(network) == [[[1], [1]], [-0.75, -1], [[1, -2]], [0.75]]
    assert numbers(shallow(tent(0, 2), 1.25, 1.5)) == [[[1]], [-1.25], [[-1]], [0.75]]  # one piece: no bend


def test_outside_it_goes_on() -> None:
    network = shallow(tent(0, 2), 0.5, 1.5, dtype=torch.float64)
    x = torch.tensor([[-7.0], [0.5], [3.0]], dtype=torch.float64)
    assert network(x).flatten().tolist() == [0.5, 0.5, -1]


def test_several_outputs_share_their_bends() -> None:
    # |x - 1| and x: only the first bends, at 1
    network = network_of(([[1], [-1], [1]], [-1, 1, 5]), ([[1, 1, 0], [0, 0, 1]], [0, -5]))
    assert numbers(shallow(network, 0, 4)) == [[[1], [1]], [0, -1], [[-1, 2], [1, 0]], [1, 0]]


@pytest.mark.parametrize("network", [nn.Linear(1, 1), MLP(1, 1, width=4, depth=0), MLP(1, 1, width=4, depth=2)])
def test_affine_is_one_unit(network: nn.Module) -> None:
    network = network.double()
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    with torch.no_grad():
        layers[0].bias.fill_(100 if len(layers) > 1 else 0.5)  # all units of the first layer are on, of the others off
        for layer in layers[1:-1]:
            layer.bias.fill_(-1000)
    one = shallow(network, -1, 3)
    assert one.hidden.out_features == 1
    for x in (-1, Fraction(1, 3), 3):
        assert apart(at(one, x), at(network, x)) <= shallow_error(one, 3)


def test_a_constant_is_one_unit_of_weight_0() -> None:
    off = with_values(MLP(1, 2, width=1, depth=1), [[1.0]], [-10.0], [[3.0], [4.0]], [0.25, -0.5])
    assert numbers(shallow(off, 0, 1)) == [[[1]], [0], [[0], [0]], [0.25, -0.5]]


@pytest.mark.parametrize(
    ("network", "end", "num_pieces"),
    [
        (nested_tents(6), 2, 64),
        (nested_valleys(4), 3, 31),
        (nested_zigzags([3, 4, 3], dtype=torch.float64), 7, 80),
        (square(5), 1, 32),
    ],
)
def test_constructions_are_the_same_function_without_any_error(network: MLP, end: float, num_pieces: int) -> None:
    one = shallow(network, 0, end)
    assert one.hidden.out_features == num_pieces == pieces.on_line(one, 0, end).num_pieces
    assert largest_difference(network, one, 0, end) <= shallow_error(one, end)
    if network.hidden.out_features == 2 and end == 2:
        assert largest_difference(network, one, 0, end) == 0


# Random networks


@settings(max_examples=20)
@given(
    st.lists(st.integers(1, 6), max_size=4),
    st.integers(1, 3),
    st.sampled_from([torch.float32, torch.float64]),
    st.integers(0, 2**32),
    st.floats(-4, 4),
    st.floats(1e-3, 6),
)
def test_random_networks(
    widths: list[int], outputs: int, dtype: torch.dtype, seed: int, start: float, length: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    network = MLP(1, outputs, width=widths, generator=generator, initialization="he", dtype=dtype)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.data.normal_(generator=generator)
    end = start + length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of bends that are too near in float32
        one = shallow(network, start, end)
    units, num_pieces = one.hidden.out_features, pieces.on_line(network, start, end).num_pieces
    assert units == num_pieces
    assert {parameter.dtype for parameter in one.parameters()} == {dtype}
    bound = shallow_error(one, end)
    spots = [Fraction(start) + Fraction(k, 12) * (Fraction(end) - Fraction(start)) for k in range(13)]
    worst = largest_difference(network, one, start, end)
    assert max(apart(at(network, x), at(one, x)) for x in spots) <= worst <= bound
    # What torch computes, at numbers of the type: its sums may be off by (p + 3) u each, in first order. 2 u is in the
    # bound, so that twice (p + 4) / 2 of it is enough.
    x = torch.tensor([float(spot) for spot in spots], dtype=dtype)
    x = x[(x >= start) & (x <= end)]
    for x_i, computed in zip(x.tolist(), one(x[:, None]).tolist(), strict=True):
        assert apart(at(one, x_i), [Fraction(y) for y in computed]) <= (units + 4) * bound


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.floats(-3, 3), st.floats(0.1, 3))
def test_made_shallow_again_it_stays(seed: int, start: float, length: float) -> None:
    network, end = he_network(1, [5, 5], seed, bias=0.5), start + length
    one = shallow(network, start, end)
    two = shallow(one, start, end)
    assert numbers(two)[:2] == numbers(one)[:2]
    assert largest_difference(one, two, start, end) <= shallow_error(two, end)


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_the_largest_difference_is_met_and_never_passed(seed: int) -> None:
    one, two = he_network(1, [4, 3], seed, bias=0.5), he_network(1, [6], seed + 1, bias=0.5)
    found = largest_difference(one, two, -2, 2)
    bends = [x for each in (one, two) for x in (4 * pieces.on_line(each, -2, 2).breakpoints - 2).tolist()]
    at_bends = max(apart(at(one, x), at(two, x)) for x in [-2, 2, *bends])
    # The bends are rounded there, by some 1e-15, and the slopes of so small networks are below 1e3.
    assert abs(found - at_bends) <= 1e-11
    assert all(apart(at(one, Fraction(k, 10)), at(two, Fraction(k, 10))) <= found for k in range(-20, 21))


def test_differences_by_hand() -> None:
    flat = with_values(MLP(1, 1, width=1, depth=0), [[0.0]], [0.25])
    assert largest_difference(tent(0, 2), flat, 0, 2) == Fraction(3, 4)  # at the peak, inside of an interval
    assert largest_difference(tent(0, 2), flat, 0, 0.5) == Fraction(1, 4)  # at the ends
    assert largest_difference(flat, tent(0, 2), 1.5, 4) == Fraction(9, 4)
    with pytest.raises(ValueError, match="other must have as many outputs as the network, 1, got 2"):
        largest_difference(flat, MLP(1, 2, width=2, depth=1), 0, 1)


# Anything that is read


class Skip(nn.Module):
    """h + g(W h + b), the sizes being equal."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        return h + torch.relu(self.layer(h))


@pytest.mark.parametrize("is_ours", [False, True])
def test_skip_connections(is_ours: bool) -> None:
    torch.manual_seed(0)
    blocks = nn.Sequential(nn.Linear(1, 5), nn.ReLU(), Skip(5), Skip(5), nn.Linear(5, 1))
    network = (MLP(1, 1, width=5, depth=3, skip=True) if is_ours else blocks).double()
    one = shallow(network, -4, 4)
    assert one.hidden.out_features == pieces.on_line(network, -4, 4).num_pieces > 5
    x = torch.linspace(-4, 4, 401, dtype=torch.float64)[:, None]
    sizes = float(shallow_error(one, 4)) * (one.hidden.out_features + 4) + 100 * torch.finfo(torch.float64).eps
    assert (network(x) - one(x)).abs().max() <= sizes


@pytest.mark.parametrize("activation", [nn.LeakyReLU(0.1), nn.Hardtanh()])
def test_other_bends(activation: nn.Module) -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(1, 4), activation, nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    one = shallow(network, -5, 5)
    x = torch.linspace(-5, 5, 401, dtype=torch.float64)[:, None]
    # Both are computed in sums of at most p + 4 terms of this size.
    assert (network(x) - one(x)).abs().max() <= float(shallow_error(one, 5)) * (one.hidden.out_features + 4)


def test_of_a_classifier_the_logits() -> None:
    generator = torch.Generator().manual_seed(0)
    classifier = SoftmaxClassifier(1, 3, width=3, depth=2, generator=generator, dtype=torch.float64)
    one = shallow(classifier, -1, 1)
    x = torch.linspace(-1, 1, 21, dtype=torch.float64)[:, None]
    assert torch.allclose(
        one(x), classifier(x), rtol=0, atol=float(shallow_error(one, 1)) * (one.hidden.out_features + 9)
    )


# Rounding


def test_two_bends_in_one_number_of_float32() -> None:
    # Bends at 1 and 1 + 2^-30: in float32 both are 1, and the short piece between them is lost.
    network = network_of(([[1], [1]], [-1, -1 - 2.0**-30]), ([[1, 1]], [0]))
    assert shallow(network, 0, 2).hidden.out_features == 3
    with pytest.warns(UserWarning, match="2 of 3 pieces are left: .* round to one number of torch.float32"):
        one = shallow(network, 0, 2, dtype=torch.float32)
    assert one.hidden.out_features == 3
    assert pieces.on_line(one, 0, 2).num_pieces == 2
    assert 0 < largest_difference(network, one, 0, 2) <= shallow_error(one, 2)


def test_a_bend_that_rounds_to_an_end_is_lost() -> None:
    network = network_of(([[1]], [-2 + 2.0**-30]), ([[1]], [0]))  # bends just before 2
    with pytest.warns(UserWarning, match="1 of 2 pieces are left"):
        shallow(network, 0, 2, dtype=torch.float32)
    with pytest.warns(UserWarning, match="1 of 2 pieces are left"):
        shallow(network_of(([[1]], [-0.7 - 1e-12]), ([[1]], [0])), 0.7, 3, dtype=torch.float32)  # to a number below 0.7


def test_a_change_of_slope_below_all_numbers_is_lost() -> None:
    network = network_of(([[1], [1]], [0, -1]), ([[1, 1e-60]], [0]))
    with pytest.warns(UserWarning, match="1 of 2 pieces are left"):
        one = shallow(network, 0, 2, dtype=torch.float32)
    assert largest_difference(network, one, 0, 2) == Fraction(1e-60) <= shallow_error(one, 2)


def test_a_start_that_the_type_does_not_hold_is_rounded_down() -> None:
    network = network_of(([[1], [-1]], [1, -1]), ([[3, 1]], [0]))
    one = shallow(network, 0.1, 2, dtype=torch.float32)  # 0.1 is above the float32 that is nearest to 0.1 ...
    bend = -one.hidden.layers[0].bias.item()  # type: ignore[operator,union-attr]
    assert bend < 0.1 < float(np.nextafter(np.float32(bend), np.float32(1)))
    assert largest_difference(network, one, 0.1, 2) <= shallow_error(one, 2)
    assert pieces.on_line(one, 0.1, 2).num_pieces == 1


def test_large_numbers() -> None:
    network = network_of(([[1e150], [1e150]], [0, -1e150]), ([[1e150, -2e150]], [7]))
    one = shallow(network, 0, 2)
    assert largest_difference(network, one, 0, 2) <= shallow_error(one, 2)
    with pytest.raises(ValueError, match=r"dtype must hold all weights, got torch.float32, .* at least 3.40282e\+38"):
        shallow(network, 0, 2, dtype=torch.float32)


@given(st.fractions() | st.fractions(0, 1, max_denominator=10**6).map(lambda f: f / 10**300), st.integers(-320, 290))
def test_rounded_as_python_does(value: Fraction, exponent: int) -> None:
    assume(abs(value) < 10**12)
    value *= Fraction(10) ** exponent
    assert _round(value, torch.float64) == float(value)
    below = _round(value, torch.float64, down=True)
    assert Fraction(below) <= value < Fraction(math.nextafter(below, math.inf))


@given(st.fractions(-1000, 1000), st.integers(-50, 10), st.sampled_from([np.float32, np.float16]))
def test_rounded_once_to_short_numbers(value: Fraction, exponent: int, kind: type[np.floating]) -> None:
    # Not by way of float64, which would round twice: the nearest of all, and the even one of two.
    dtype = {np.float32: torch.float32, np.float16: torch.float16}[kind]
    value *= Fraction(2) ** (exponent if kind is np.float32 else exponent // 6)
    assume(abs(value) < 60000 or kind is np.float32)
    rounded = kind(_round(value, dtype))
    assert float(rounded) == _round(value, dtype)
    for way in (-np.inf, np.inf):
        beside = Fraction(float(np.nextafter(rounded, kind(way))))
        distance, other = abs(value - Fraction(float(rounded))), abs(value - beside)
        assert distance < other or (distance == other and int(rounded.view(f"u{rounded.nbytes}")) % 2 == 0)


def test_a_tie_that_float64_would_break_wrongly() -> None:
    # 1 + 2^-24 is half way between two numbers of float32, the rest is below the last bit of float64.
    value = 1 + Fraction(1, 2**24) + Fraction(1, 2**80)
    assert _round(value, torch.float32) == 1 + 2.0**-23
    assert torch.tensor(float(value)).item() == 1


# What is refused


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: shallow(tent(), 1, 1), ValueError, "start must be below end, and both finite, got 1 and 1"),
        (lambda: shallow(tent(), 2.0, 1.0), ValueError, "start must be below end, and both finite, got 2.0 and 1.0"),
        (lambda: shallow(tent(), 0, math.inf), ValueError, "start must be below end, and both finite, got 0 and inf"),
        (lambda: shallow(tent(), math.nan, 1), ValueError, "start must be below end, and both finite, got nan and 1"),
        (lambda: shallow(MLP(2, 1, width=3, depth=1), 0, 1), ValueError, "one input, got one of 2 inputs"),
        (lambda: shallow(nn.Linear(3, 1), 0, 1), ValueError, "network must have one input, got one of 3 inputs"),
        (
            lambda: shallow(MLP(1, 1, width=3, depth=1, activation="sigmoid"), 0, 1),
            ValueError,
            "activation must be relu or leaky_relu to count pieces, got sigmoid",
        ),
        (lambda: shallow(nn.Sequential(nn.Linear(1, 2), nn.Tanh()), 0, 1), TypeError, "layer '1', a Tanh"),
        (lambda: shallow(nested_tents(4), 0, 2, max_regions=15), ValueError, "max_regions must be at least"),
        (lambda: shallow_error(MLP(1, 1, width=3, depth=2), 1), ValueError, "network must be one hidden layer whose"),
        (lambda: shallow_error(nested_tents(1, 0, 1), 1), ValueError, "network must be one hidden layer whose weights"),
    ],
)
def test_what_is_refused(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_stack_is_refused() -> None:
    # Where the tests check types in signatures, that may come first.
    with pytest.raises(TypeError, match=r"network must be one network, got a Stack|violates type hint"):
        shallow(stack([tent(), tent()]), 0, 1)  # type: ignore[arg-type]


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    shallow(tent(), 0, 1)
    assert torch.equal(torch.get_rng_state(), before)
