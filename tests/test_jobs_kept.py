"""The weights that runs keep: those of the network at that step, whatever the company, interruptions and options."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlcourse import load
from dlcourse.jobs import runs, stack
from dlcourse.jobs.config import RunConfig
from dlcourse.networks import MLPModel
from dlcourse.recording.checking import faults
from dlcourse.recording.weights import read_weights
from dlcourse.tasks import Moons, ZigZag
from dlcourse.training import SGD, Adam

Make = Callable[..., RunConfig]


@pytest.fixture
def config(tmp_path: Path) -> Make:
    def make(**values: object) -> RunConfig:
        defaults = {"task": ZigZag(num_train=50, num_test=20), "model": MLPModel(depth=2, width=5), "num_steps": 60,
                    "optimizer": Adam(rate=0.01), "log_every": 20, "outputs": str(tmp_path), "pictures": False,
                    "count_pieces": False}  # fmt: skip
        return RunConfig(**{**defaults, **values})  # type: ignore[arg-type]

    return make


def saved(each: RunConfig) -> bytes:
    return (each.folder / "weights.pt").read_bytes()


def broken_off(at_step: int, monkeypatch: pytest.MonkeyPatch, sweep: list[RunConfig]) -> None:
    """Runs a sweep with a checkpoint at every logged point until it is broken off after a step."""
    train = stack.train

    def until(*arguments: object, **options: object) -> object:
        for snapshot in train(*arguments, **options):  # type: ignore[arg-type]
            if snapshot.step > at_step:
                raise KeyboardInterrupt
            yield snapshot

    with monkeypatch.context() as patch:
        patch.setattr(stack, "train", until)
        with pytest.raises(KeyboardInterrupt):
            runs.run([replace(each, checkpoint_seconds=0) for each in sweep])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_a_step_are_those_of_a_run_of_so_many_steps(config: Make, tmp_path: Path, dtype: str) -> None:
    """The rate is constant, so that a shorter run is the beginning of a longer one."""
    sweep = [config(seed=seed, dtype=dtype) for seed in range(3)]
    runs.run(sweep)
    weights = read_weights(sweep[1].folder)
    assert weights.steps == [0, 20, 40, 60]
    first = dict(sweep[1].network().named_parameters())
    for index, step in enumerate(weights.steps):
        short = replace(sweep[1], num_steps=step, outputs=str(tmp_path / "short"), keep_weights=False)
        runs.run([short])
        network = torch.load(short.folder / "model.pt", weights_only=True)
        assert list(network) == list(weights.parameters)
        for name, value in weights.parameters.items():
            assert value.dtype == short.dtype.dtype
            assert value.shape[1:] == first[name].shape  # five units each, without those that the stack is padded with
            assert value[index].equal(network[name])


def test_the_last_weights_are_those_of_the_network(config: Make) -> None:
    for each in (config(task=Moons(num_train=20, num_test=20)), config(num_steps=50), config(num_steps=0)):
        runs.run([each])
        network = torch.load(each.folder / "model.pt", weights_only=True)
        weights = read_weights(each.folder)
        assert weights.steps[-1] == each.num_steps
        assert all(weights.parameters[name][-1].equal(value) for name, value in network.items())


@pytest.mark.slow
def test_a_run_that_goes_on_ends_with_the_same_file(
    config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = [config(seed=seed, num_steps=102, log_every=2) for seed in range(2)]  # 52 points, 50 of them kept
    runs.run(undisturbed)
    assert len(read_weights(undisturbed[0].folder).steps) == 50
    broken = [replace(each, outputs=str(tmp_path / "broken")) for each in undisturbed]
    broken_off(2, monkeypatch, broken)
    broken_off(4, monkeypatch, broken)  # checkpoints from checkpoints
    assert not (broken[0].folder / "weights.pt").exists()
    broken_off(8, monkeypatch, broken[1:])  # one member is further than the others
    runs.run(broken)
    for one, other in zip(broken, undisturbed, strict=True):
        assert saved(one) == saved(other)
    assert not faults(broken[0].folder.parent)


def test_without_them_nothing_is_written_and_the_results_are_the_same(config: Make, tmp_path: Path) -> None:
    keeping, other = config(), config(keep_weights=False, outputs=str(tmp_path / "without"))
    (with_weights,), (without,) = runs.run([keeping]), runs.run([other])
    names = [sorted(path.name for path in each.folder.glob("[!e]*")) for each in (keeping, other)]
    assert [name for name in names[0] if name != "weights.pt"] == names[1]
    assert with_weights.metrics == without.metrics
    assert keeping.run_name == other.run_name
    run = load(other.folder)
    for ask in (lambda: run.steps, lambda: run.at(0), run.film):
        with pytest.raises(FileNotFoundError, match=r"folder must hold a weights\.pt"):
            ask()


def test_a_run_that_did_not_keep_them_when_it_was_broken_off_keeps_those_from_there_on(
    config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    each, other = config(seed=0), config(seed=1)
    broken_off(20, monkeypatch, [replace(each, keep_weights=False), other])
    runs.run([each, other])
    assert load(each.folder).steps == [20, 40, 60]
    assert load(other.folder).steps == [0, 20, 40, 60]
    assert load(each.folder).at(20).state_dict()["output.bias"].isfinite().all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged: .+"),
        (b"junk", "is damaged: .+"),
        ([1], "must hold the parameters of a network, got a list"),
        ({}, "must hold the parameters of a network, got a dict"),
        ({"weight": 1}, "must hold the parameters of a network, got a dict"),
    ],
)
def test_a_damaged_network_is_named(config: Make, content: Any, message: str) -> None:
    each = config()
    runs.run([each])
    path = each.folder / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=rf"model\.pt {message}"):
        load(each.folder)


def test_a_film_is_the_network_at_every_step(config: Make) -> None:
    each = config(num_steps=50)
    runs.run([each])
    run = load(each.folder)
    assert run.steps == [0, 20, 40, 50]
    steps, networks = zip(*run.film(), strict=True)
    assert list(steps) == run.steps
    x = torch.linspace(0, 2, 7)[:, None]
    assert networks[0](x).equal(each.network()(x))
    assert networks[-1](x).equal(run.network(x))
    assert run.at(40)(x).equal(networks[2](x))
    assert not networks[1](x).equal(networks[2](x))
    assert not run.at(40).training
    with pytest.raises(ValueError, match=r"\(0, 20, 40, 50\), got 30"):
        run.at(30)


def test_a_diverged_run_keeps_its_weights_too(config: Make) -> None:
    each = config(optimizer=SGD(rate=1e30))
    runs.run([each])
    weights = read_weights(each.folder).parameters["output.bias"]
    assert weights[0].isfinite().all()
    assert not weights[-1].isfinite().all()


def images(each: RunConfig) -> dict[str, list[tuple[int, bytes]]]:
    """The pictures of a run as TensorBoard reads them: tag -> steps and files."""
    (events,) = each.folder.glob("events*")
    read = EventAccumulator(str(events), size_guidance={"images": 0}).Reload()
    return {
        tag: [(image.step, image.encoded_image_string) for image in read.Images(tag)] for tag in read.Tags()["images"]
    }


@pytest.mark.slow
def test_pictures_are_of_five_steps_and_the_same_after_an_interruption(
    config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = config(pictures=True, keep_weights=False, num_steps=160)
    runs.run([each])
    shown = images(each)["fit"]
    assert [step for step, _ in shown] == [0, 40, 80, 120, 160]
    assert len({png for _, png in shown}) == 5
    broken = replace(each, outputs=str(tmp_path / "broken"))
    broken_off(100, monkeypatch, [broken])
    (events,) = broken.folder.glob("events*")
    before = events.read_bytes()
    runs.run([broken])
    assert events.read_bytes().startswith(before)  # only appended to
    assert images(broken) == {"fit": shown}
    assert not (broken.folder / "weights.pt").exists()
