"""The tuned comparison, by hand: what each half of the seeds chooses, and which runs an architecture is judged by."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marks import volume

from dlcourse.recording import Judged, Result, TaskFacts, best_settings, judged, wilson

ERROR = TaskFacts("error", solved=0.01)
ACCURACY = TaskFacts("accuracy", higher_is_better=("accuracy",), solved=0.9)
RATES = (0.001, 0.01, 0.1)


def run(seed: int, value: float, *, task: TaskFacts = ERROR, diverged: bool = False, **config: Any) -> Result:
    settings = {key.replace("__", "."): setting for key, setting in config.items()}
    name = "-".join(map(str, [*settings.values(), seed]))
    return Result(name, {**settings, "seed": seed}, {task.metric: value}, 7 if diverged else None, 1.0, task)


def grid(errors: dict[float, list[float]], **config: Any) -> list[Result]:
    """Runs of one architecture: rate -> the errors of seeds 0, 1, 2, ..."""
    return [
        run(seed, error, optimizer__rate=rate, **config)
        for rate, of_seeds in errors.items()
        for seed, error in enumerate(of_seeds)
    ]


def only(found: list[Judged]) -> Judged:
    (one,) = found
    return one


def runs_of(found: Judged) -> list[tuple[float, int]]:
    return [(each.config["optimizer.rate"], each.config["seed"]) for each in found.results]


def test_each_half_is_judged_at_what_the_other_has_chosen() -> None:
    # Seeds 0 and 2 have their least median at 0.1, seeds 1 and 3 at 0.001.
    found = only(judged(grid({0.001: [0.5, 0.2, 0.5, 0.2], 0.1: [0.1, 0.9, 0.1, 0.9]})))
    assert found.choices == ((0.1,), (0.001,))
    assert found.choice == "0.1 | 0.001"
    assert runs_of(found) == [(0.001, 0), (0.1, 1), (0.001, 2), (0.1, 3)]
    assert (found.tuned, found.num_candidates, found.incomplete) == (("optimizer.rate",), 2, 0)


def test_seeds_that_solve_it_come_before_the_median() -> None:
    # At 0.1 one of two seeds of each half solves it, but the medians are worse.
    found = only(judged(grid({0.001: [0.02, 0.02, 0.02, 0.02], 0.1: [0.005, 0.005, 0.9, 0.9]})))
    assert found.choice == "0.1"
    assert runs_of(found) == [(0.1, 0), (0.1, 1), (0.1, 2), (0.1, 3)]


def test_a_diverged_run_is_the_worst_and_solves_nothing() -> None:
    errors = grid({0.001: [0.5, 0.5, 0.5, 0.5]})
    diverged = [run(seed, 0.001, diverged=True, optimizer__rate=0.1) for seed in range(4)]
    assert only(judged([*errors, *diverged])).choice == "0.001"
    nothing = [run(seed, math.nan, optimizer__rate=0.1) for seed in range(4)]
    assert only(judged([*errors, *nothing])).choice == "0.001"


def test_more_is_better_where_the_task_says_so() -> None:
    runs = [
        run(seed, value, task=ACCURACY, optimizer__rate=rate)
        for rate, value in {0.001: 0.5, 0.01: 0.7, 0.1: 0.6}.items()
        for seed in range(2)
    ]
    assert only(judged(runs)).choice == "0.01"


def test_a_tie_goes_to_the_middle_of_the_grid() -> None:
    same = [0.5] * 4
    assert only(judged(grid(dict.fromkeys((1.0, 0.001, 0.1, 0.01, 10.0), same)))).choice == "0.1"
    # Of an even number both middle values are as near: the first of them.
    assert only(judged(grid(dict.fromkeys((0.001, 0.01, 0.1, 1.0), same)))).choice == "0.01"


def test_several_settings_are_chosen_jointly() -> None:
    values = {(0.01, "he"): 0.3, (0.01, "torch"): 0.1, (0.1, "he"): 0.05, (0.1, "torch"): 0.4}
    runs = [
        run(seed, value, optimizer__rate=rate, model__initialization=name)
        for (rate, name), value in values.items()
        for seed in range(4)
    ]
    found = only(judged(runs))
    assert (found.choice, found.num_candidates) == ("0.1 he", 4)
    assert found.tuned == ("optimizer.rate", "model.initialization")
    apart = judged(runs, tune=["optimizer.rate"])
    assert {each.compared["model.initialization"]: each.choice for each in apart} == {"he": "0.1", "torch": "0.01"}


def test_a_setting_that_lacks_a_run_is_no_candidate() -> None:
    found = only(judged(grid({0.001: [0.5] * 4, 0.1: [0.001] * 3})))
    assert (found.choice, found.num_candidates, found.incomplete) == ("0.001", 1, 1)
    # None has all: one lacks seed 0, the other seed 3.
    runs = [each for each in grid({0.001: [0.5] * 4, 0.1: [0.1] * 4})]
    found = only(judged(runs[1:-1]))
    assert (found.results, found.num_candidates, found.incomplete) == ([], 1, 2)


def test_halves_are_by_rank_and_the_same_for_all_architectures() -> None:
    # The seeds are 3, 5, 8, 9: ranks 0 to 3. Architecture b has the seeds 5 and 8 only, one in each half.
    errors = {0.001: 0.5, 0.1: 0.1}
    runs = [
        run(seed, error, depth="a", optimizer__rate=rate) for rate, error in errors.items() for seed in (9, 3, 8, 5)
    ]
    runs += [
        run(seed, error, depth="b", optimizer__rate=rate)
        for (rate, seed), error in {(0.001, 5): 0.1, (0.1, 5): 0.2, (0.001, 8): 0.4, (0.1, 8): 0.3}.items()
    ]
    first, second = judged(runs)
    assert [each.config["seed"] for each in first.results] == [3, 5, 8, 9]
    assert second.choices == ((0.1,), (0.001,))  # on seed 8, whose rank is even, and on seed 5
    assert runs_of(second) == [(0.1, 5), (0.001, 8)]


def test_an_architecture_with_seeds_of_one_half_cannot_be_judged() -> None:
    runs = [*grid({0.001: [0.5] * 4, 0.1: [0.1] * 4}, depth="a")]
    runs += [run(seed, 0.5, depth="b", optimizer__rate=rate) for rate in (0.001, 0.1) for seed in (0, 2)]
    assert [len(each.results) for each in judged(runs)] == [4, 0]


def test_one_seed_or_one_setting_leaves_nothing_to_choose() -> None:
    found = judged([run(0, 0.5, optimizer__rate=rate) for rate in RATES])
    assert [(each.compared, each.choice, each.num_candidates) for each in found] == [
        ({"optimizer.rate": rate}, "", 1) for rate in RATES
    ]
    found = judged([run(seed, 0.5, optimizer__rate=0.1) for seed in range(3)])
    assert [(len(each.results), each.choice, each.tuned) for each in found] == [(3, "", ())]


def test_architectures_whose_rates_go_with_their_depth_have_no_choice() -> None:
    found = judged([run(seed, 0.5, depth=depth, optimizer__rate=depth / 10) for depth in (1, 2) for seed in range(4)])
    assert [(each.choice, each.num_candidates, len(each.results)) for each in found] == [("0.1", 1, 4), ("0.2", 1, 4)]


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ([0.5, 0.4, 0.3, 0.2], {"optimizer.rate": 1.0}),  # it falls towards the end
        ([0.2, 0.3, 0.4, 0.5], {"optimizer.rate": 0.001}),
        ([0.5, 0.3, 0.4, 0.5], {}),  # the best is not at an end
        ([0.3, 0.2, 0.1], {}),  # of three values one is at an end as a rule
        ([0.001, 0.002, 0.003, 0.004], {"optimizer.rate": 0.01}),  # solved, though the middle is not nearer
    ],
)
def test_the_end_of_a_grid_is_marked(medians: list[float], expected: dict[str, float]) -> None:
    rates = [0.001, 0.01, 0.1, 1.0]
    errors = {rate: [median] * 4 for rate, median in zip(rates, medians, strict=False)}
    if max(medians) < 0.01:  # all solve it: at the end of what remains is the least median
        rates = [0.01, 0.1, 1.0, 10.0]
        errors = {rate: [median] * 4 for rate, median in zip(rates, medians, strict=True)}
    assert only(judged(grid(errors))).at_an_end == expected


def test_no_end_is_marked_where_halves_disagree_or_nothing_falls() -> None:
    # Even seeds choose the one end, odd seeds the other.
    errors = {0.001: [0.1, 0.9] * 2, 0.01: [0.5, 0.5] * 2, 0.1: [0.5, 0.5] * 2, 1.0: [0.9, 0.1] * 2}
    assert only(judged(grid(errors))).at_an_end == {}
    # All have diverged but for one at the end and its neighbour, which are the same.
    errors = {0.001: [0.5, 0.5], 0.01: [math.nan] * 2, 0.1: [math.nan] * 2, 1.0: [math.nan] * 2}
    assert only(judged(grid(errors))).at_an_end == {"optimizer.rate": 0.001}
    words = [run(seed, 0.5 - index / 10, optimizer__rate=name) for index, name in enumerate("abcd") for seed in (0, 1)]
    assert only(judged(words)).at_an_end == {}


@given(st.integers(0, 2**32), st.integers(2, 9), st.integers(1, 5))
def test_no_run_has_a_say_in_the_choice_that_it_is_judged_at(seed: int, num_seeds: int, num_rates: int) -> None:
    drawn = random.Random(seed)
    errors = {
        10.0**-rate: [drawn.choice([0.001, 0.1, 0.2, math.nan]) for _ in range(num_seeds)] for rate in range(num_rates)
    }
    found = only(judged(grid(errors)))
    assert [each.config["seed"] for each in found.results] == list(range(num_seeds))
    # Whatever the runs of even rank come to, those of odd rank choose the same.
    others = {
        rate: [drawn.random() if i % 2 == 0 else error for i, error in enumerate(of)] for rate, of in errors.items()
    }
    assert only(judged(grid(others))).choices[1:] == found.choices[1:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("probabilities", "num_seeds", "num_pilots"),
    [((0.3, 0.5, 0.5), 10, 0), ((0.1, 0.2, 0.9), 20, 0), ((0.3, 0.5, 0.5), 10, 4)],
)
def test_tuned_networks_solve_it_as_often_as_new_seeds_do(
    probabilities: tuple[float, ...], num_seeds: int, num_pilots: int
) -> None:
    """Unbiased where the best of all rates, judged on the seeds that chose it, is far too high; intervals cover it."""
    drawn = random.Random(1)
    naive = estimated = expected = covered = 0.0
    num_trials = volume(150)
    for _ in range(num_trials):
        errors, pilots = (
            {
                rate: [0.001 if drawn.random() < p else 0.1 for _ in range(num)]
                for rate, p in zip(RATES, probabilities, strict=True)
            }
            for num in (num_seeds, num_pilots)
        )
        left = {each.config["optimizer.rate"] for each in best_settings(grid(pilots), 2)} or set(RATES)
        found = only(judged(grid({rate: of_seeds for rate, of_seeds in errors.items() if rate in left})))
        num = sum(each.is_solved for each in found.results)
        # A new seed's chance at the rate that was chosen, on the average of the two halves' choices.
        chance = sum(probabilities[RATES.index(choice[0])] for choice in found.choices) / 2
        low, high = wilson(num, num_seeds)
        covered += low <= chance <= high
        estimated += num / num_seeds
        expected += chance
        naive += max(sum(error < 0.01 for error in of_seeds) for of_seeds in errors.values()) / num_seeds
    # Five standard errors of a mean of so many trials with probabilities of a half or less.
    assert abs(estimated - expected) / num_trials < 5 * 0.5 / math.sqrt(num_trials * num_seeds)
    if probabilities[1] == probabilities[2]:  # where one rate is clearly the best, luck has no say
        assert (naive - expected) / num_trials > 0.1
    assert 0.82 <= covered / num_trials <= 0.99


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilsons_interval_is_scipys(num: int, num_trials: int) -> None:
    from scipy.stats import binomtest

    num = min(num, num_trials)
    expected = binomtest(num, num_trials).proportion_ci(confidence_level=0.95, method="wilson")
    # 1.96 stands for 1.959964, which moves an end by less than the difference of the two.
    assert wilson(num, num_trials) == pytest.approx((expected.low, expected.high), abs=4e-5)


def test_no_trials_have_no_interval() -> None:
    with pytest.raises(ValueError, match="num_trials must be at least 1, got 0"):
        wilson(0, 0)


def test_the_best_settings_of_each_architecture_on_all_of_its_seeds() -> None:
    # Seed 0 alone would choose 0.1 of the first, seed 1 alone 0.001 of both.
    narrow = grid({0.001: [0.5, 0.2], 0.01: [0.3, 0.3], 0.1: [0.1, 0.9]}, model__width=4)
    wide = grid({0.001: [0.9, 0.1], 0.01: [0.2, 0.2], 0.1: [0.1, 0.2]}, model__width=8)
    found = [(run.config["model.width"], run.config["optimizer.rate"]) for run in best_settings([*narrow, *wide], 2)]
    assert found == [(4, 0.01), (4, 0.01), (4, 0.001), (4, 0.001), (8, 0.1), (8, 0.1), (8, 0.01), (8, 0.01)]
    assert best_settings(narrow, 5) and len(best_settings(narrow, 5)) == 6


def test_a_setting_that_lacks_a_run_is_none_of_the_best() -> None:
    runs = grid({0.001: [0.5, 0.5], 0.01: [0.1], 0.1: [0.9, 0.9]})
    assert {run.config["optimizer.rate"] for run in best_settings(runs, 2)} == {0.001, 0.1}


def test_the_ends_are_those_of_the_sweep_of_which_an_architecture_may_have_a_part() -> None:
    # The pilots have left the deep one 0.1 and 1.0 of four rates, and at both it solves the task.
    shallow = grid({0.001: [0.5] * 4, 0.01: [0.4] * 4}, model__depth=1)
    deep = grid({0.1: [0.5] * 4, 1.0: [0.001] * 4}, model__depth=2)
    first, second = judged([*shallow, *deep])
    assert first.at_an_end == {}
    assert second.at_an_end == {"optimizer.rate": 1.0}
