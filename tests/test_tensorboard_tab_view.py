from sweeps import parameters, result, sweep

from dlcourse.recording import Result, TaskFacts
from dlcourse.tensorboard_tab.curves import DEPTH, PARAMETERS, SIZE, WIDTH
from dlcourse.tensorboard_tab.view import View, view


def offered(shown: View) -> dict[str, list[str]]:
    return {choice.name: list(choice.options) for choice in shown.choices}


def of_size(depth: int, size: int, function: str = "sine", **more: object) -> Result:
    sized = {"model__width": None, "model__max_parameters": size, "model__widths": [depth, size]}
    return result(depth, size, 0, 0.5, task__function=function, **sized, **more)


def test_depth_against_width_is_what_is_shown_first() -> None:
    shown = view(sweep(), {})
    assert (shown.metric, shown.x, shown.by, shown.is_tuned, shown.shows_seeds) == (
        "mean_squared_error", DEPTH, WIDTH, True, True,
    )  # fmt: skip
    assert [(cell.depth, cell.width, cell.choice) for cell in shown.cells] == [
        (1, 4, "0.01"), (3, 4, "0.01"), (1, 8, "0.1"), (3, 8, "0.01"),
    ]  # fmt: skip
    assert shown.target_pieces == 8
    assert offered(shown) == {
        "metric": ["mean_squared_error", "num_pieces", "num_parameters"],
        "x": [DEPTH, WIDTH, PARAMETERS, "num_pieces"],
        "tuned": ["1", "0"],
        "seeds": ["1", "0"],
    }


def test_what_is_asked_for_is_shown() -> None:
    asked = {"metric": "num_pieces", "x": WIDTH, "seeds": "0"}
    shown = view(sweep(), asked)
    assert (shown.metric, shown.x, shown.by, shown.shows_seeds) == ("num_pieces", WIDTH, DEPTH, False)
    assert view(sweep(), {"x": PARAMETERS}).by == DEPTH


def test_without_tuning_the_rate_is_a_setting() -> None:
    shown = view(sweep(), {"tuned": "0"})
    assert len(shown.cells) == 4  # of one rate, the first
    assert {cell.results[0].config["optimizer.rate"] for cell in shown.cells} == {0.01}
    assert offered(shown)["optimizer.rate"] == ["0.01", "0.1", "all"]
    assert len(view(sweep(), {"tuned": "0", "optimizer.rate": "all"}).cells) == 8
    over_rates = view(sweep(), {"tuned": "0", "x": "optimizer.rate", "by": WIDTH})
    assert offered(over_rates)[DEPTH] == ["1", "3", "all"]
    assert {cell.depth for cell in over_rates.cells} == {1, 3}


def test_what_there_is_not_is_not_chosen() -> None:
    asked = {"metric": "no_such", "x": "<script>", "by": "../..", "tuned": "maybe", "task": "none", "model.depth": "9"}
    assert view(sweep(), asked) == view(sweep(), {})


def test_networks_of_a_size_and_a_choice_of_tasks() -> None:
    runs = [of_size(depth, size, function) for depth in (1, 2) for size in (50, 100) for function in ("sine", "square")]
    shown = view(runs, {})
    assert (shown.x, shown.by) == (DEPTH, SIZE)
    assert offered(shown)["task.function"] == ["sine", "square", "all"]
    assert {cell.results[0].config["task.function"] for cell in shown.cells} == {"sine"}
    assert WIDTH not in offered(shown)["x"]
    assert len(view(runs, {"task.function": "square"}).cells) == 4
    assert len(view(runs, {"task.function": "all"}).cells) == 8
    # Of one size, the size is still the curve: two tasks are no alternatives.
    assert view([run for run in runs if run.config["model.max_parameters"] == 50], {}).by == SIZE


def test_activations_are_alternatives() -> None:
    runs = [result(1, width, 0, 0.5, model__activation=word) for word in ("relu", "tanh") for width in (4, 8)]
    shown = view(runs, {})
    assert (shown.x, shown.by) == (WIDTH, "model.activation")
    assert len(shown.cells) == 4


def test_several_tasks_in_a_folder() -> None:
    facts = TaskFacts("accuracy", ("accuracy",), 2, 2, None, 0.95, None)
    runs = [*sweep(), *(result(depth, 4, 0, 0.9, facts=facts, task__name="moons") for depth in (1, 2))]
    shown = view(runs, {"task": "moons"})
    assert offered(shown)["task"] == ["zigzag", "moons"]
    assert (shown.metric, len(shown.cells), len(shown.results)) == ("accuracy", 2, 2)
    assert view(runs, {}).metric == "mean_squared_error"


def test_one_run_has_nothing_to_tune() -> None:
    shown = view([result(3, 8, 0, 0.001)], {})
    assert "tuned" not in offered(shown)
    assert [cell.quartiles("num_parameters").median for cell in shown.cells] == [parameters(3, 8)]  # type: ignore[union-attr]


def test_too_many_curves_are_one_value_at_first() -> None:
    runs = [
        result(depth, width, 0, 0.5, num_steps=steps)
        for depth in (1, 2, 3, 4)
        for width in (4, 8)
        for steps in (10, 20)
    ]
    shown = view(runs, {"x": "num_steps", "by": WIDTH})
    assert {cell.depth for cell in shown.cells} == {1}
    assert {cell.depth for cell in view(runs, {"x": "num_steps", "by": WIDTH, DEPTH: "all"}).cells} == {1, 2, 3, 4}
