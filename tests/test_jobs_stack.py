"""Runs that train as one stack, above all those of several widths, which come out as if each had trained alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from marks import slow_except

from dlcourse.jobs import runs, stack
from dlcourse.jobs.config import RunConfig
from dlcourse.networks import Activation, MLPModel
from dlcourse.recording import Result
from dlcourse.recording.checkpoints import read_checkpoint
from dlcourse.tasks import Moons, Parity, PosedAs, Task, ZigZag
from dlcourse.training import SGD, Adam, Batches, Optimizer
from dlcourse.training.batches import BLOCK

# All are filled up to (16, 16) or (16,) * depth.
WIDTHS = [[3, 7], [16, 1], [10, 9], [10, 9]]


def made(outputs: Path, **values: Any) -> RunConfig:
    defaults = {"task": ZigZag(), "optimizer": Adam(rate=0.01), "num_steps": 60, "log_every": 20, "seed": 1,
                "outputs": str(outputs), "pictures": False, "checkpoint_seconds": 0}  # fmt: skip
    return RunConfig(**{**defaults, **values})


def name(value: Any) -> str:
    """What a case is called."""
    return getattr(value, "name", str(value))


def files(outputs: Path) -> dict[str, bytes]:
    """What all runs have left, but for events and metrics, which hold times."""
    names = ("model.pt", "weights.pt", "train.log")
    return {str(path.relative_to(outputs)): path.read_bytes() for path in outputs.rglob("*") if path.name in names}


CASES = [
    (ZigZag(), Activation.relu, Adam(rate=0.01)),
    (ZigZag(fresh=True), Activation.leaky_relu, SGD(rate=0.01)),
    (Moons(num_train=50, num_test=30), Activation.tanh, SGD(rate=0.01, momentum=0.9)),
    (Parity(num_bits=3, posed_as=PosedAs.classification), Activation.relu, Adam(rate=0.01)),
    (ZigZag(), Activation.relu, SGD(rate=1e4)),  # which diverges
]


@pytest.mark.parametrize(("task", "activation", "optimizer"), slow_except(CASES, CASES[0]), ids=name)
def test_networks_of_several_widths_come_out_as_alone(
    tmp_path: Path, task: Task, activation: Activation, optimizer: Optimizer
) -> None:
    def sweep(where: str) -> list[RunConfig]:
        return [
            made(tmp_path / where, task=task, optimizer=optimizer, seed=seed,
                 model=MLPModel(widths=widths, activation=activation))
            for widths, seed in zip(WIDTHS, (1, 0, 0, 1), strict=True)
        ]  # fmt: skip

    (together,) = runs.stacks(sweep("together"), num_workers=1)
    assert len(together) == 4
    in_company = runs.run(sweep("together"))
    alone = [result for config in sweep("alone") for result in runs.run([config])]
    for one, other in zip(in_company, alone, strict=True):
        assert isinstance(one, Result) and isinstance(other, Result)
        assert repr(one.metrics) == repr(other.metrics)  # in which NaN is NaN
        assert one.diverged_at == other.diverged_at == (20 if optimizer.rate == 1e4 else None)
    assert len(files(tmp_path / "alone")) == 12
    assert files(tmp_path / "together") == files(tmp_path / "alone")


@pytest.mark.parametrize("optimizer", slow_except([Adam(rate=0.01), SGD(rate=0.01)], Adam(rate=0.01)), ids=name)
def test_they_go_on_from_checkpoints_in_shapes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Optimizer
) -> None:
    def sweep(where: str) -> list[RunConfig]:
        return [
            made(tmp_path / where, model=MLPModel(widths=widths), optimizer=optimizer, seed=seed)
            for seed, widths in enumerate(WIDTHS)
        ]  # fmt: skip

    train = stack.train

    def broken_off(*arguments: Any, **options: Any) -> Any:
        for snapshot in train(*arguments, **options):
            if snapshot.step > 40:
                raise KeyboardInterrupt
            yield snapshot

    runs.run(sweep("undisturbed"))
    with monkeypatch.context() as patch:
        patch.setattr(stack, "train", broken_off)
        with pytest.raises(KeyboardInterrupt):
            runs.run(sweep("broken"))
    for config in sweep("broken"):
        checkpoint = read_checkpoint(config.folder, run=config.digest)
        assert checkpoint is not None and checkpoint.step == 40
        shapes = {name: value.shape for name, value in config.network().named_parameters()}
        for values in (checkpoint.parameters, *checkpoint.moments):
            assert {name: value.shape for name, value in values.items()} == shapes
        kept = {name: value.shape[1:] for name, value in checkpoint.weights.parameters.items()}
        assert kept == shapes
    # Not all in one stack this time: what they go on from is theirs.
    runs.run(sweep("broken")[:1])
    runs.run(sweep("broken"))
    assert files(tmp_path / "broken") == files(tmp_path / "undisturbed")


def groups(tmp_path: Path, models: list[MLPModel], **values: Any) -> int:
    """In how many stacks networks of these models train."""
    return len(runs.stacks([made(tmp_path, model=model, **values) for model in models], num_workers=1))


def test_widths_that_are_filled_up_alike_train_together(tmp_path: Path) -> None:
    assert groups(tmp_path, [MLPModel(depth=2, width=width) for width in (4, 8, 16)]) == 1
    assert groups(tmp_path, [MLPModel(depth=2, width=width) for width in (16, 17, 32, 33)]) == 3
    assert groups(tmp_path, [MLPModel(widths=[4, 40]), MLPModel(widths=[12, 33]), MLPModel(widths=[33, 12])]) == 2
    assert groups(tmp_path, [MLPModel(depth=3, max_parameters=size) for size in (80, 240, 720)]) == 2
    assert groups(tmp_path, [MLPModel(depth=depth, width=8) for depth in (0, 1, 2)]) == 3


@pytest.mark.parametrize(
    ("of_model", "of_run"),
    [
        ({"activation": Activation.sigmoid}, {}),  # a filling unit would say 1/2
        ({"skip": True}, {}),  # 5 units after 5 add their input, 7 after 5 do not
        ({}, {"compile": True}),
    ],
)
def test_others_train_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_model: dict[str, Any], of_run: dict[str, Any]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)  # a compiler is there, which nobody calls
    models = [MLPModel(depth=2, width=width, **of_model) for width in (5, 7)]
    assert groups(tmp_path, models, **of_run) == 2


def test_a_part_of_a_large_stack_has_few_widths_and_seeds(tmp_path: Path) -> None:
    sweep = [
        made(tmp_path, model=MLPModel(depth=1, width=width), seed=seed, optimizer=Adam(rate=rate))
        for rate in (0.001, 0.01, 0.1) for width in (4, 8) for seed in range(20)
    ]  # fmt: skip
    assert [len(members) for members in runs.stacks(sweep, num_workers=1)] == [60, 60]
    for members in runs.stacks(sweep, num_workers=1):
        assert len({(config.model.width, config.seed) for config in members}) == 20


def test_losses_on_training_and_test_data_are_their_own(tmp_path: Path) -> None:
    for task in (Parity(num_bits=3), ZigZag(num_train=30, num_test=20)):
        config = made(tmp_path, task=task, dtype="float64")
        (result,) = runs.run([config])
        assert isinstance(result, Result)
        network, data = config.network(), task.data(config.seed, torch.float64)
        network.load_state_dict(torch.load(config.folder / "model.pt", weights_only=True))
        for which in ("train", "test"):
            inputs, targets = getattr(data, f"{which}_inputs"), getattr(data, f"{which}_targets")
            expected = (network(inputs) - targets).square().sum(1).mean().item()
            assert result.metrics[f"loss/{which}"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("task", "copies"), [(Parity(num_bits=3), 1), (ZigZag(num_train=8), 4)], ids=name)
def test_data_that_all_seeds_have_alike_are_in_memory_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Task, copies: int
) -> None:
    seen: list[Batches] = []

    def batches(*args: Any, **values: Any) -> Batches:
        seen.append(Batches(*args, **values))
        return seen[-1]

    monkeypatch.setattr(stack, "Batches", batches)
    runs.run([made(tmp_path, task=task, seed=seed) for seed in range(4)])
    ((inputs, targets),) = [(each.inputs, each.targets) for each in seen]
    assert inputs.shape == (4, 8, task.in_features) and targets.shape == (4, 8, 1)
    assert inputs.untyped_storage().nbytes() == copies * 8 * task.in_features * 4  # float32
    assert targets.untyped_storage().nbytes() == copies * 8 * 4
    for seed in range(4):
        assert torch.equal(inputs[seed], task.data(seed).train_inputs)
        assert torch.equal(targets[seed], task.data(seed).train_targets)


def test_stacks_of_one_task_draw_their_batches_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, float]] = []
    draw = ZigZag.draw

    def noted(task: ZigZag, num_items: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, targets = draw(task, num_items, generator)
        if num_items == BLOCK * 64:  # else they are the data
            drawn.append((str(task), inputs[0].item()))
        return inputs, targets

    def sweep(folds: int, seeds: list[int]) -> None:
        depths = [MLPModel(depth=depth) for depth in (1, 2)]
        configs = [made(tmp_path, task=ZigZag(num_folds=folds, fresh=True), model=model, seed=seed)
                   for model in depths for seed in seeds]  # fmt: skip
        assert len(runs.stacks(configs, num_workers=1)) == 2
        runs.run(configs)

    monkeypatch.setattr(ZigZag, "draw", noted)
    stack._drawn.cache_clear()
    for folds in (2, 3):
        sweep(folds, seeds=[1, 2])
    assert len(drawn) == 4  # a task and seed
    sweep(3, seeds=[2, 3])
    assert len(set(drawn)) == len(drawn) == 5
