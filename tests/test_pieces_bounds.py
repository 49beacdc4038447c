"""Bounds against published numbers, brute force and exact counts of random and constructed networks."""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow_except
from networks import he_network

from dlcourse import pieces
from dlcourse.networks import stack
from dlcourse.networks.constructions import (
    alternating_points,
    montufar,
    nested_tents,
    nested_zigzags,
    serra,
    zigzag,
)
from dlcourse.pieces.bounds import (
    all_patterns,
    alternating_points_error,
    alternating_points_wrong,
    hanin_rolnick,
    montufar_lower,
    montufar_upper,
    most_on_line,
    raghu_upper,
    serra_lower,
    serra_upper,
    slide_deep_lower,
    slide_deep_upper,
    slide_shallow_upper,
    zaslavsky,
)

FAR = 1e6  # beyond nearly all breakpoints of the networks here

Dimensions = st.integers(1, 6)
Widths = st.lists(st.integers(1, 8), min_size=1, max_size=5)


# Published numbers


def test_published_numbers() -> None:
    assert zaslavsky(2, 3) == 7
    assert zaslavsky(10, 50) == 13_432_735_556  # Pascanu et al. 2013
    # For d = 2 and two layers of 6, Montufar 2014 has 198, and Serra et al. 352 to 484. For two layers of 4 it is 44
    # and 121.
    assert [montufar_lower(2, [6, 6]), serra_lower(2, [6, 6]), serra_upper(2, [6, 6])] == [198, 352, 484]
    assert [montufar_lower(2, [4, 4]), serra_upper(2, [4, 4])] == [44, 121]
    # Prince, Understanding Deep Learning, section 4.5: 5 layers of 10 units with one input; of 50 with ten inputs.
    assert most_on_line([10] * 5) == 161_051
    assert serra_lower(10, [50] * 5) > 10**40
    assert serra_lower(10, [50] * 5) == 6**40 * 13_432_735_556  # beyond what floats hold


def test_by_hand() -> None:
    # With one unit and then five, the second layer's inputs fill a line, or where the first unit is off only a point.
    assert raghu_upper(2, [1, 5]) == 2 * (1 + 5 + 10)
    assert montufar_upper(2, [1, 5]) == 2 * (1 + 5)
    assert serra_upper(2, [1, 5]) == (1 + 5) + 1
    assert all_patterns([1, 5]) == 64
    assert serra_upper(1, [1, 3]) == 5
    assert most_on_line([2, 2]) == 9  # networks reach no more than 7
    assert hanin_rolnick(2, [30, 30]) == 1800
    assert slide_deep_lower(2, 3, 2) == Fraction(81, 4)


@pytest.mark.parametrize(
    ("in_features", "widths", "regions"),
    [
        (784, [96], 2**96),  # fewer units than inputs: all patterns
        (20, [8, 8], 65_536),  # where 16^20 / 20! is 496,906
        (2, [1], 2),
        (8, [8], 256),  # as many units as inputs: 8^8 / 8! is 416
        (8, [5, 4], 512),  # one more: 9^8 / 8! is 1067
        (5, [3, 3], Fraction(324, 5)),  # 7776 / 120, but 6 units have 64 patterns
        (1, [1], 1),
        (3, [2, 2], Fraction(32, 3)),
        (10, [4, 8], Fraction(12**10, 3_628_800)),
    ],
)
def test_regions_at_random_are_no_more_than_patterns(in_features: int, widths: list[int], regions: Fraction) -> None:
    number = hanin_rolnick(in_features, widths)
    assert type(number) is Fraction
    assert number == min(regions, 2 ** sum(widths))


def test_regions_at_random_where_floats_overflow() -> None:
    # By Stirling's formula ln d! lies between d ln d - d + ln(2 pi d) / 2 and that plus 1 / (12 d).
    number = hanin_rolnick(784, [1000] * 3)
    logarithm = math.log(number.numerator) - math.log(number.denominator)
    stirling = 784 * math.log(784) - 784 + math.log(2 * math.pi * 784) / 2
    rounding = 1e-11  # of logarithms of at most 7,000, each off by a few eps
    assert -1 / (12 * 784) - rounding <= logarithm - (784 * math.log(3000) - stirling) <= rounding


@given(st.integers(1, 30), Widths)
def test_regions_at_random_between_bounds(d: int, widths: list[int]) -> None:
    # No network has more than 2^N, and fewer units than inputs make all of them. More units make more regions.
    number = hanin_rolnick(d, widths)
    assert 1 <= number <= all_patterns(widths)
    if sum(widths) <= d:
        assert zaslavsky(d, sum(widths)) == all_patterns(widths)
    assert number <= hanin_rolnick(d, [*widths, 1])


def test_upper_bound_of_a_thousand_layers() -> None:
    # One unit in the first layer: in one of its two regions all that follows is one point, in the other a line, which
    # every further layer of one unit cuts once at most.
    assert serra_upper(1, [1] * 2000) == 2001


@given(st.integers(2, 12), st.integers(2, 40))
def test_a_hyperplane_more_cuts_what_it_meets(d: int, width: int) -> None:
    # The new hyperplane has d - 1 dimensions. Those before cut it into parts, each of which cuts a region in two.
    assert zaslavsky(d, width) == zaslavsky(d, width - 1) + zaslavsky(d - 1, width - 1)
    assert zaslavsky(d, 1) == 2
    assert zaslavsky(1, width) == width + 1


@given(st.integers(1, 4), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_serras_sum_term_by_term(d: int, widths: list[int]) -> None:
    total = 0
    for off in product(*(range(n + 1) for n in widths)):
        left = [d, *(n - j for n, j in zip(widths, off, strict=True))]
        if all(j <= min(left[: layer + 1]) for layer, j in enumerate(off)):
            total += math.prod(math.comb(n, j) for n, j in zip(widths, off, strict=True))
    assert serra_upper(d, widths) == total


# Which is above which: theorems for all sizes


@given(Dimensions, Widths)
def test_order(d: int, widths: list[int]) -> None:
    upper = [serra_upper(d, widths), montufar_upper(d, widths), raghu_upper(d, widths), all_patterns(widths)]
    assert upper == sorted(upper)
    if min(widths[:-1], default=d) >= d:
        assert montufar_lower(d, widths) <= upper[0]
    if min(widths[:-1], default=3 * d) >= 3 * d:
        assert montufar_lower(d, widths) <= serra_lower(d, widths) <= upper[0]
    assert serra_upper(1, widths) <= most_on_line(widths)
    if min(widths) >= 2:
        assert serra_upper(1, widths) == most_on_line(widths)


@given(Dimensions, st.integers(1, 30))
def test_one_layer_has_one_bound(d: int, width: int) -> None:
    bounds = {bound(d, [width]) for bound in (montufar_lower, serra_lower, serra_upper, montufar_upper, raghu_upper)}
    assert bounds == {zaslavsky(d, width)}


# Lower bounds are reached


@settings(max_examples=20)
@given(st.integers(1, 2), st.lists(st.integers(2, 7), min_size=1, max_size=3))
def test_montufars_lower_bound_is_reached(d: int, widths: list[int]) -> None:
    network = montufar(d, widths)
    counted = pieces.on_line(network, 0, 1) if d == 1 else pieces.on_plane(network, 0, 1)
    assert counted.num_regions == montufar_lower(d, widths)


@settings(max_examples=20)
@given(st.integers(1, 2), st.lists(st.integers(6, 8), max_size=2), st.integers(1, 5))
def test_serras_lower_bound_is_reached(d: int, folding: list[int], last: int) -> None:
    widths = [*folding, last]
    network = serra(d, widths)
    counted = pieces.on_line(network, -FAR, FAR) if d == 1 else pieces.on_plane(network, -FAR, FAR)
    assert counted.num_regions == serra_lower(d, widths)


@settings(max_examples=20)
@given(st.lists(st.integers(3, 6), min_size=1, max_size=4))
def test_the_most_on_a_line_is_reached(widths: list[int]) -> None:
    assert pieces.on_line(nested_zigzags(widths), -FAR, FAR).num_pieces == most_on_line(widths)


# Measured is below every upper bound


@settings(max_examples=40)
@given(st.integers(1, 4), st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 2**32))
def test_networks_on_lines(in_features: int, widths: list[int], seed: int) -> None:
    network = he_network(in_features, widths, seed)
    ends = np.random.default_rng(seed).normal(size=(2, in_features)) * FAR
    counted = pieces.on_line(network, ends[0], ends[1])
    assert counted.num_pieces <= counted.num_regions <= serra_upper(1, widths) <= most_on_line(widths)
    assert counted.num_regions <= serra_upper(in_features, widths)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.integers(2, 4), st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 2**32))
def test_networks_on_planes(in_features: int, widths: list[int], seed: int) -> None:
    network = he_network(in_features, widths, seed)
    origin, *directions = np.random.default_rng(seed).normal(size=(3, in_features))
    counted = pieces.on_plane(network, -FAR, FAR, origin=origin, directions=directions)
    for bound in (serra_upper, montufar_upper, raghu_upper):
        assert counted.num_pieces <= counted.num_regions <= bound(2, widths) <= bound(in_features, widths)
    assert counted.num_regions <= all_patterns(widths)


# Where the slide is wrong


def test_the_slides_bound_for_one_layer_fails_on_lines() -> None:
    network = he_network(1, [5], seed=0)
    assert pieces.on_line(network, -FAR, FAR).num_pieces == zaslavsky(1, 5) == 6 > slide_shallow_upper(1, 5)
    assert zaslavsky(3, 1) == 2 > slide_shallow_upper(3, 1)


@given(st.integers(2, 10), st.integers(2, 100))
def test_the_slides_bound_for_one_layer_holds_elsewhere(d: int, width: int) -> None:
    assert zaslavsky(d, width) <= slide_shallow_upper(d, width)
    assert zaslavsky(d, width) <= (width + 1) ** d  # this bound holds in every dimension
    assert zaslavsky(1, width) <= width + 1


def test_the_slides_bound_for_k_layers_fails() -> None:
    assert pieces.on_line(nested_zigzags([10] * 5), 0, 21).num_pieces == 161_051 > slide_deep_upper(5) == 32
    assert slide_deep_lower(1, 10, 5) == 100_000 > slide_deep_upper(5)
    assert all_patterns([10] * 5) == 2**50


def test_the_slides_omega_is_no_bound_as_it_stands() -> None:
    assert slide_deep_lower(2, 3, 1) == 9 > zaslavsky(2, 3)  # the most that three lines can make


@pytest.mark.parametrize("d", [1, 2, 3])
def test_montufars_bound_grows_as_the_slide_says(d: int) -> None:
    # The ratio of the two tends to 1 / d!, the leading coefficient of the sum of binomials.
    ratios = [montufar_lower(d, [n] * 3) / slide_deep_lower(d, n, 3) * math.factorial(d) for n in (60, 600, 6000)]
    assert abs(ratios[-1] - 1) < 0.01
    distances = [abs(ratio - 1) for ratio in ratios]
    assert distances == sorted(distances, reverse=True)


# Random initialisation, as published: with He weights about N pieces and N^2 / 2 regions


@pytest.mark.parametrize("widths", [[60], [30, 30], [20, 20, 20]])
def test_as_many_pieces_as_units(widths: list[int]) -> None:
    networks = [he_network(1, widths, seed, bias=1e-3) for seed in range(200)]
    counted = pieces.on_lines(stack(networks), np.array([[-FAR]]), np.array([[FAR]]))
    assert 0.95 < counted.num_pieces.mean() / hanin_rolnick(1, widths) < 1.1


@pytest.mark.parametrize("widths", slow_except([[60], [30, 30], [20, 20, 20], [10] * 4], [30, 30]))
def test_as_many_regions_as_half_the_square_of_the_units(widths: list[int]) -> None:
    counts = [pieces.on_plane(he_network(2, widths, seed, bias=1e-3), -FAR, FAR).num_regions for seed in range(8)]
    assert 0.8 < np.mean(counts) / hanin_rolnick(2, widths) < 1.3


# Telgarsky


def test_alternating_points_by_brute_force() -> None:
    # One unit makes two pieces, which cross 1/2 so that there are at most 4 runs of equal answers.
    n = 13
    errors = [
        sum(answer != i % 2 for i, answer in enumerate(answers))
        for answers in product((0, 1), repeat=n)
        if sum(a != b for a, b in pairwise(answers)) < 4
    ]
    assert Fraction(min(errors), n) >= alternating_points_error(n, width=1, depth=1) == Fraction(5, 39)
    assert alternating_points_error(n, width=1, depth=2) == 0


@pytest.mark.parametrize("k", [4, 7, 10])
def test_shallow_tents_err_on_alternating_points_and_deep_ones_do_not(k: int) -> None:
    points, labels = alternating_points(2**k)

    def error(num_tents: int) -> Fraction:
        return Fraction(int(((nested_tents(num_tents, 0, 1)(points) >= 0.5) != labels).sum()), 2**k)

    assert error(k) == 0
    for num_tents in range(1, k):
        assert error(num_tents) >= alternating_points_error(2**k, width=2, depth=num_tents)


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(0, 2**32))
def test_random_networks_err_on_alternating_points(width: int, depth: int, seed: int) -> None:
    points, labels = alternating_points(1024, dtype=torch.float64)
    network = he_network(1, [width] * depth, seed)
    error = Fraction(int(((network(points) >= 0.5) != labels).sum()), 1024)
    bound = alternating_points_error(1024, width, depth)
    assert error >= bound > 0


def test_points_wrong_by_hand() -> None:
    assert alternating_points_wrong(4, 1) == 1  # a line that answers 0 0 0 1 to 0 1 0 1
    assert alternating_points_wrong(5, 1) == 2  # 0 0 0 0 0, or 0 1 1 1 1, to 0 1 0 1 0
    assert alternating_points_wrong(2, 1) == 0
    assert alternating_points_wrong(8, 3) == 2  # 0 1 0 1 1 1 1 1
    assert alternating_points_wrong(1024, 105) == 459  # 106 are right, and half of the other 918
    assert alternating_points_wrong(3, 100) == 0


@pytest.mark.parametrize("n", [1, 2, 3, 6, 9, 10])
def test_points_wrong_by_brute_force(n: int) -> None:
    # All answers that change at most t times, whatever the function.
    for t in range(1, n + 2):
        errors = [
            sum(answer != i % 2 for i, answer in enumerate(answers))
            for answers in product((0, 1), repeat=n)
            if sum(a != b for a, b in pairwise(answers)) <= t
        ]
        assert alternating_points_wrong(n, t) == min(errors)


@pytest.mark.parametrize("width", [3, 4, 5, 12])
@pytest.mark.parametrize("n", [4, 7, 8, 33, 64])
def test_one_layer_gets_no_more_points_wrong_than_it_must(width: int, n: int) -> None:
    # The corners of `zigzag` are 1, 3, 5, ...: 1/n apart in units of the points, the first of which is before them.
    points, labels = alternating_points(n, dtype=torch.float64)
    answers = zigzag(width, dtype=torch.float64)(2 * n * points - 1) >= 0.5
    assert int((answers != labels).sum()) == alternating_points_wrong(n, width + 1)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(2, 300), st.integers(0, 2**32))
def test_networks_get_as_many_points_wrong_as_their_pieces_say(widths: list[int], n: int, seed: int) -> None:
    points, labels = alternating_points(n, dtype=torch.float64)
    # A network that goes up and down all over the interval, about 1/2.
    network = he_network(1, widths, seed)
    inputs = 2 * points - 1
    level = network(inputs).median().item()
    wrong = int(((network(inputs) >= level) != labels).sum())
    counted = pieces.on_line(network, -1, 1)
    assert wrong >= alternating_points_wrong(n, counted.num_pieces) >= alternating_points_wrong(n, most_on_line(widths))


@given(st.integers(1, 10**6), st.integers(1, 30), st.integers(1, 5))
def test_counted_exactly_the_bound_is_never_below_the_papers(n: int, width: int, depth: int) -> None:
    exact = Fraction(alternating_points_wrong(n, most_on_line([width] * depth)), n)
    assert exact >= alternating_points_error(n, width, depth)


# Errors


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda: zaslavsky(0, 3), "in_features must be at least 1, got 0"),
        (lambda: slide_shallow_upper(2, 0), r"width must be at least 1 in layer 1, got \[0\]"),
        (lambda: slide_deep_upper(0), "depth must be at least 1, got 0"),
        (lambda: slide_deep_lower(1, 3, 0), "there must be at least one hidden layer, got none"),
        (lambda: montufar_lower(3, [2, 4]), r"width must be at least 3 in layer 1, got \[2, 4\]"),
        (lambda: serra_lower(2, [6, 5, 6]), r"width must be at least 6 in layer 2, got \[6, 5, 6\]"),
        (lambda: serra_upper(2, []), "there must be at least one hidden layer, got none"),
        (lambda: montufar_upper(2, [3, 0]), r"width must be at least 1 in layer 2, got \[3, 0\]"),
        (lambda: raghu_upper(-1, [3]), "in_features must be at least 1, got -1"),
        (lambda: all_patterns([]), "there must be at least one hidden layer, got none"),
        (lambda: most_on_line([]), "there must be at least one hidden layer, got none"),
        (lambda: hanin_rolnick(0, [3]), "in_features must be at least 1, got 0"),
        (lambda: alternating_points_error(0, 2, 2), "num_points must be at least 1, got 0"),
        (lambda: alternating_points_wrong(0, 2), "num_points must be at least 1, got 0"),
        (lambda: alternating_points_wrong(4, 0), "num_pieces must be at least 1, got 0"),
    ],
)
def test_bad_values_are_refused(compute: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compute()


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda: hanin_rolnick(2, [3.5]), r"width must be a whole number in layer 1, got 3\.5"),  # type: ignore[list-item]
        (lambda: serra_upper(2.0, [3]), r"in_features must be a whole number at least 1, got 2\.0"),  # type: ignore[arg-type]
        (lambda: slide_deep_upper(2.5), r"depth must be a whole number at least 1, got 2\.5"),  # type: ignore[arg-type]
        # 2 to the power of NumPy's 70 is 0, without a word.
        (lambda: all_patterns([5, np.int64(70)]), r"width must be a whole number in layer 2, got np\.int64\(70\)"),  # type: ignore[list-item]
        (lambda: alternating_points_error(8.0, 2, 2), "num_points must be a whole number"),  # type: ignore[arg-type]
        (lambda: alternating_points_wrong(8, 2.0), "num_pieces must be a whole number"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_whole_number_is_refused(compute: Callable[[], object], message: str) -> None:
    # Where the tests check types in signatures, that may come first.
    with pytest.raises(TypeError, match=f"{message}|Type-check error|violates type hint"):
        compute()
