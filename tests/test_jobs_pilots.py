"""Pilots, by hand: which runs come first, and which settings they leave."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlcourse.job import Failure
from dlcourse.jobs.config import Compare, RunConfig
from dlcourse.jobs.pilots import FIRST_SEED, as_many_as_left, left_to_run, pilots
from dlcourse.networks import MLPModel
from dlcourse.recording import Result, TaskFacts
from dlcourse.tasks import ZigZag
from dlcourse.training import Adam

ERROR = TaskFacts("mean_squared_error", solved=0.01)
RATES = (0.001, 0.01, 0.1)


def sweep(*rates: float, depths: tuple[int, ...] = (1, 2), num_seeds: int = 3, **compare: int) -> list[RunConfig]:
    return [
        RunConfig(
            task=ZigZag(), model=MLPModel(depth=depth), optimizer=Adam(rate=rate), seed=seed, name="sweep",
            compare=Compare(**compare),
        )
        for depth in depths
        for rate in rates
        for seed in range(num_seeds)
    ]  # fmt: skip


def came_to(pilot: RunConfig, error: float) -> Result:
    """A run with this error."""
    return Result(pilot.run_name, pilot.settings(), {ERROR.metric: error}, None, 1.0, ERROR)


def rates_left(configs: list[RunConfig], left: set[Path]) -> dict[int | None, list[float]]:
    return {
        depth: sorted(
            {each.optimizer.rate for each in configs if each.model.depth == depth and each.folder in left}
        )
        for depth in dict.fromkeys(each.model.depth for each in configs)
    }  # fmt: skip


def test_every_setting_of_every_architecture_has_its_pilots_which_are_in_a_folder_of_their_own() -> None:
    first = pilots(sweep(*RATES, pilots=2))
    found = [(pilot.model.depth, pilot.optimizer.rate, pilot.seed - FIRST_SEED) for pilot in first]
    assert found == [(depth, rate, seed) for depth in (1, 2) for rate in RATES for seed in (0, 1)]
    assert {str(pilot.folder.parent) for pilot in first} == {"outputs/sweep_pilots"}


def test_there_are_none_unless_they_are_asked_for_and_leave_something_out() -> None:
    assert pilots(sweep(*RATES)) == []
    assert pilots(sweep(0.01, 0.1, pilots=2)) == []
    assert len(pilots(sweep(0.01, 0.1, pilots=2, candidates=1))) == 8


def test_the_seeds_of_the_sweep_are_none_of_theirs() -> None:
    high = [replace(each, seed=FIRST_SEED + 1) for each in sweep(*RATES, pilots=2)]
    with pytest.raises(ValueError, match=r"seed must be below 1000000 with compare.pilots, got 1000001"):
        pilots(high)


def test_each_architecture_keeps_the_settings_that_are_the_best_on_its_own_pilots() -> None:
    configs = sweep(*RATES, pilots=2)
    errors = {(1, 0.001): 0.3, (1, 0.01): 0.2, (1, 0.1): 0.9, (2, 0.001): 0.9, (2, 0.01): 0.4, (2, 0.1): 0.005}
    found = [came_to(each, errors[each.model.depth or 0, each.optimizer.rate]) for each in pilots(configs)]
    left = left_to_run(configs, found)
    assert rates_left(configs, left) == {1: [0.001, 0.01], 2: [0.01, 0.1]}
    assert len(left) == 2 * 2 * 3  # all seeds of each
    one = sweep(*RATES, pilots=2, candidates=1)
    assert rates_left(one, left_to_run(one, found)) == {1: [0.01], 2: [0.1]}


def test_one_of_two_that_solves_it_comes_before_the_median() -> None:
    configs = sweep(*RATES, depths=(1,), pilots=2, candidates=1)
    errors = {0.001: [0.02, 0.02], 0.01: [0.03, 0.03], 0.1: [0.005, 0.9]}
    found = [came_to(each, errors[each.optimizer.rate][each.seed - FIRST_SEED]) for each in pilots(configs)]
    assert rates_left(configs, left_to_run(configs, found)) == {1: [0.1]}


def test_a_setting_with_a_pilot_that_failed_is_left_out_and_nothing_is_where_all_have_failed() -> None:
    configs = sweep(*RATES, depths=(1,), pilots=2)
    first = pilots(configs)
    broken = [
        Failure(pilot, "broken") if index == 0 else came_to(pilot, pilot.optimizer.rate)
        for index, pilot in enumerate(first)
    ]
    assert rates_left(configs, left_to_run(configs, broken)) == {1: [0.01, 0.1]}
    nothing = [Failure(pilot, "broken") for pilot in first]
    assert rates_left(configs, left_to_run(configs, nothing)) == {1: [*RATES]}


def test_as_many_are_planned_as_will_be_left() -> None:
    configs = sweep(*RATES, pilots=2)
    found = [came_to(each, each.optimizer.rate) for each in pilots(configs)]
    assert len(as_many_as_left(configs)) == len(left_to_run(configs, found)) == 12


@pytest.mark.parametrize(("field", "value", "said"), [("pilots", -1, "at least 0"), ("candidates", 0, "at least 1")])
def test_numbers_out_of_range(field: str, value: int, said: str) -> None:
    with pytest.raises(ValueError, match=rf"compare\.{field} must be .*{said}|compare\.{field} must be .*0"):
        Compare(**{field: value})
