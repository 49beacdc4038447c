from dataclasses import replace

from sweeps import ERRORS, result, sweep

from dlcourse.recording import Result, TaskFacts, cells
from dlcourse.tensorboard_tab.sentence import caveats, sentence

METRIC = "mean_squared_error"
ACCURACY = TaskFacts("accuracy", ("accuracy",), 4, 2, None, 0.9, None)


def said(results: list[Result], metric: str = METRIC) -> str:
    return sentence(cells(results), metric)


def test_the_best_network_and_the_best_single_layer() -> None:
    # 3 of 4 seeds of (3, 8) are below 0.01, and 1 of 4 of (1, 8).
    assert said(sweep()) == (
        "3 layers of 8 units (169 parameters) solve it in 3 of 4 seeds at rate 0.01; "
        "no single layer (13 to 25 parameters) in more than 1 of 4."
    )


def test_the_same_of_a_single_layer() -> None:
    swapped = [
        result(4 - depth, width, seed, error, rate=rate)
        for (depth, width), rates in ERRORS.items()
        for rate, errors in rates.items()
        for seed, error in enumerate(errors)
    ]
    assert said(swapped) == (
        "1 layer of 8 units (25 parameters) solves it in 3 of 4 seeds at rate 0.01; "
        "no deeper network (53 to 169 parameters) in more than 1 of 4."
    )


def test_a_rival_that_solves_nothing_and_one_that_does_as_well() -> None:
    solved, not_solved = [0.001, 0.002], [0.5, 0.6]
    both = {1: not_solved, 2: solved}
    runs = [result(depth, 4, seed, error) for depth, errors in both.items() for seed, error in enumerate(errors)]
    assert said(runs) == (
        "2 layers of 4 units (33 parameters) solve it in 2 of 2 seeds; no single layer (13 parameters) in any."
    )
    runs = [result(depth, 4, seed, error) for depth in both for seed, error in enumerate(solved)]
    assert said(runs) == (
        "1 layer of 4 units (13 parameters) solves it in 2 of 2 seeds, and so do 2 layers of 4 units (33 parameters)."
    )


def test_where_nobody_solves_it_the_medians_are_compared() -> None:
    runs = [result(depth, 4, seed, error + seed) for depth, error in ((1, 0.5), (2, 0.25)) for seed in range(3)]
    assert said(runs) == (
        "No network solves it. 2 layers of 4 units (33 parameters) come closest, with a median mean squared error of "
        "1.25; the best single layer (13 parameters) comes to 1.5."
    )


def test_where_more_is_better_and_solving_is_not_defined() -> None:
    facts = replace(ACCURACY, solved=None)
    values = {1: [0.5, 0.75, 0.875], 2: [0.25, 0.5, 0.625]}
    runs = [result(d, 4, seed, v, facts=facts) for d, of_seeds in values.items() for seed, v in enumerate(of_seeds)]
    assert said(runs, "accuracy") == (
        "1 layer of 4 units (13 parameters) comes to a median accuracy of 0.75; "
        "the best deeper network (33 parameters) comes to 0.5."
    )


def test_one_run() -> None:
    assert said([result(3, 8, 0, 0.001)]) == "3 layers of 8 units (169 parameters) solve it with the only seed."
    assert said([result(0, 8, 0, 0.5)]).startswith("No network solves it. A network without hidden layers")
    assert said([result(1, 1, 0, 0.5, facts=replace(ACCURACY, solved=None))], "accuracy") == (
        "1 layer of 1 unit (4 parameters) comes to an accuracy of 0.5."
    )
    assert said([]) == "No finished runs yet."


def test_a_run_that_diverged_is_the_worst() -> None:
    runs = [result(1, 4, 0, 0.5), result(2, 4, 0, 0.001, diverged_at=7)]
    assert said(runs).startswith("No network solves it. 1 layer of 4 units (13 parameters) comes closest")
    assert said(runs).endswith("; the best deeper network (33 parameters) diverged.")
    both = [replace(run, diverged_at=7) for run in runs]
    assert said(both) == "Every network diverged with at least half of its seeds."


def test_networks_of_a_size_are_compared_with_those_of_that_size() -> None:
    sized = {"model__width": None, "model__max_parameters": 50}
    runs = [result(depth, 4, 0, error, **sized) for depth, error in ((1, 0.5), (2, 0.001))]
    # A single layer of another size that does as well is no rival.
    runs += [result(1, 40, 0, 0.001, model__width=None, model__max_parameters=150)]
    assert said(runs) == (
        "2 layers (33 parameters) solve it with the only seed; no single layer of that size (13 parameters) in any."
    )


def test_networks_of_another_task_are_no_rivals() -> None:
    runs = [
        result(depth, 4, 0, error, task__num_folds=folds)
        for folds, errors in {2: {1: 0.002, 2: 0.3}, 5: {1: 0.5, 2: 0.6}}.items()
        for depth, error in errors.items()
    ]
    assert said(runs) == (
        "1 layer of 4 units, num_folds=2 (13 parameters) solves it with the only seed; "
        "no deeper network (33 parameters) in any."
    )


def test_what_was_chosen_is_said_in_words() -> None:
    def errors(seed: int, rate: float) -> float:
        # Seeds of even rank do better at 0.1, those of odd rank at 0.01; each half is judged at the other's choice.
        return 0.001 if (seed % 2 == 0) == (rate == 0.1) else 0.5

    runs = [
        result(2, 4, seed, errors(seed, rate), rate=rate, model__initialization=start)
        for seed in range(4)
        for rate in (0.01, 0.1)
        for start in ("he", "torch")
    ]
    assert said(runs).endswith(" at rate 0.1 or 0.01, initialization he.")


def test_caveats_say_what_may_be_chance_and_what_is_size() -> None:
    chance, size = caveats(cells(sweep()), METRIC)
    # Wilson's intervals of 3 of 4 and of 1 of 4 are 0.3006 to 0.9544 and 0.0456 to 0.6994, so that the difference, 0.5,
    # lies between 0.5 - 0.4494 sqrt(2) and 0.5 + 0.2044 sqrt(2).
    assert chance == "That may be chance: the difference of 50 points could be anything from -14 to 79."
    assert size.startswith("Every deeper network here has more parameters than every single layer")


def test_there_are_none_where_twenty_seeds_tell() -> None:
    runs = [
        result(depth, 40 if depth == 1 else 4, seed, error)
        for depth, error in ((1, 0.5), (2, 0.001))
        for seed in range(20)
    ]
    assert caveats(cells(runs), METRIC) == []
    assert caveats([], METRIC) == []
