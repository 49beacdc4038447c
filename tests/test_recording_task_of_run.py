from dataclasses import dataclass
from typing import ClassVar

import pytest

from dlcourse import outside
from dlcourse.jobs.config import RunConfig
from dlcourse.networks import MLPModel
from dlcourse.recording.task_of_run import task_of
from dlcourse.tasks import Digits, Function, Moons, Parity, PosedAs, Smooth, Task, ZigZag
from dlcourse.training import Adam


@dataclass(kw_only=True)
class Sawtooth(ZigZag):
    """A task of another package."""

    name: ClassVar[str] = "sawtooth"


@pytest.mark.parametrize(
    "task",
    [
        ZigZag(num_folds=4, centred=True, noise=0.1, num_train=7),
        Smooth(function=list(Function)[-1]),
        Parity(num_bits=5, subset=2, posed_as=PosedAs.hinge),
        Moons(num_test=5),
        Digits(split_seed=3),
    ],
    ids=lambda task: task.name,
)
def test_the_task_comes_back_with_all_of_its_settings(task: Task) -> None:
    settings = RunConfig(task=task, model=MLPModel(), optimizer=Adam(rate=0.01)).settings()
    found = task_of(settings)
    assert found == task
    assert type(found) is type(task)
    assert found.data(1).train_inputs.equal(task.data(1).train_inputs)


def test_settings_that_came_later_have_their_defaults() -> None:
    assert task_of({"task.name": "zigzag", "task.num_folds": 2, "model.depth": 1}) == ZigZag(num_folds=2)


def test_a_task_of_another_package_is_that_one_or_refused() -> None:
    config = {"task.name": "sawtooth", "task.source": outside.origin(Sawtooth), "task.num_folds": 1}
    assert task_of(config, others=[Sawtooth]) == Sawtooth(num_folds=1)
    with pytest.raises(ValueError, match=r"must be one of those that are known here \(.*zigzag\), got 'sawtooth'"):
        task_of(config)
    with pytest.raises(ValueError, match=r"the run's task was lab\.Sawtooth-0123456789, here it is .*Sawtooth"):
        task_of({**config, "task.source": "lab.Sawtooth-0123456789"}, others=[Sawtooth])
    with pytest.raises(ValueError, match=r"the run's task was lab\.ZigZag-0123456789, here it is dlcourse"):
        task_of({"task.name": "zigzag", "task.source": "lab.ZigZag-0123456789"})


@pytest.mark.parametrize("config", [{}, {"task.name": None}, {"task.name": "../zigzag"}])
def test_what_is_no_task_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be one of those that are known here"):
        task_of(config)
