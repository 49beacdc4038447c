"""Runs, from configuration to folder."""

import itertools
import json
import math
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from marks import slow_except
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlcourse import load, pieces
from dlcourse.job import Failure, FolderTakenError
from dlcourse.jobs import runs, stack, unfinished
from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.workers import Died
from dlcourse.networks import MLP, Activation, Initialization, MLPModel
from dlcourse.recording import Result, cells, checkpoints, read_log, read_result, run_folder
from dlcourse.tasks import Digits, Moons, Parity, PosedAs, Task, ZigZag
from dlcourse.training import SGD, Adam


@pytest.fixture
def config(tmp_path: Path) -> Any:
    def make(**values: Any) -> RunConfig:
        defaults = {"task": ZigZag(), "optimizer": Adam(rate=0.01), "num_steps": 40, "log_every": 20,
                    "outputs": str(tmp_path), "pictures": False}  # fmt: skip
        return RunConfig(**{**defaults, **values})

    return make


def shown(tag: str) -> str:
    """What TensorBoard calls a curve of the log."""
    return tag.replace("pieces/", "pieces on [0, 2]/")


def test_a_run_leaves_what_the_design_says(config: Any) -> None:
    each = config(pictures=True, model=MLPModel(depth=1, width=4))
    (result,) = runs.run([each])
    folder = each.folder
    (events,) = folder.glob("events.out.tfevents*")
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml", "train.log", "model.pt", "weights.pt", "metrics.json", events.name
    }  # fmt: skip
    assert read_result(folder) == result
    assert result.metrics["num_parameters"] == 4 + 4 + 4 + 1
    assert result.diverged_at is None
    accumulator = EventAccumulator(str(events)).Reload()
    for tag in ("loss/train", "loss/test", "metric/mean_squared_error", "pieces on [0, 2]/num_pieces", "rate"):
        assert [point.step for point in accumulator.Scalars(tag)] == [0, 20, 40]
    assert [image.step for image in accumulator.Images("fit")] == [0, 20, 40]
    last = accumulator.Scalars("metric/mean_squared_error")[-1].value
    assert last == pytest.approx(result.metrics["mean_squared_error"], rel=1e-6)  # events are float32
    assert len((folder / "train.log").read_text().splitlines()) == 4
    for tag, points in read_log(folder).items():
        logged = [(point.step, pytest.approx(point.value, rel=1e-5)) for point in accumulator.Scalars(shown(tag))]
        assert points == logged
    assert (result.task.solved, result.task.pieces_domain) == (each.task.solved, "[0, 2]")


def test_results_are_those_of_the_saved_network(config: Any) -> None:
    each = config(model=MLPModel(depth=2, width=6), dtype="float64")
    (result,) = runs.run([each])
    network = each.network()
    network.load_state_dict(torch.load(each.folder / "model.pt", weights_only=True))
    # the error by plain torch on the 1,025 points, the pieces by following the slope on a fine grid
    x = torch.linspace(0, 2, 1025, dtype=torch.float64)[:, None]
    target = 1 - (4 * x % 2 - 1).abs()
    with torch.no_grad():
        assert result.metrics["mean_squared_error"] == pytest.approx((network(x) - target).square().mean().item())
        fine = torch.linspace(0, 2, 200_001, dtype=torch.float64)[:, None]
        slopes = network(fine).diff(dim=0)[:, 0] / fine.diff(dim=0)[:, 0]
    changed = (slopes.diff().abs() > 1e-6).numpy()
    # a kink changes the slope of the one step that it lies in, seen as one or two neighbouring changes
    num_kinks = int((changed & ~np.r_[False, changed[:-1]]).sum())
    assert result.metrics["num_pieces"] == num_kinks + 1


TASKS = [
    (ZigZag(noise=0.1), 64),
    (ZigZag(fresh=True), 16),
    (Parity(num_bits=4), None),
    (Parity(num_bits=5, posed_as=PosedAs.hinge), 7),
    (Parity(num_bits=3, posed_as=PosedAs.classification, fresh=True), 8),
    (Moons(num_train=50, num_test=30), 5),
    (Digits(), 32),
]


# Every task and activation, but not each with each: tests/test_same_bits.py trains them all.
@pytest.mark.parametrize(
    ("task", "batch_size", "activation"),
    slow_except(
        [(*each, Activation.relu) for each in TASKS] + [(*TASKS[0], other) for other in list(Activation)[1:]],
        *[(*each, Activation.relu) for each in TASKS],
    ),
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_run_comes_out_the_same_alone_and_in_a_sweep(
    config: Any, tmp_path: Path, task: Task, batch_size: int | None, activation: Activation
) -> None:
    def make(seed: int, rate: float, **values: Any) -> RunConfig:
        model = MLPModel(depth=2, width=5, activation=activation)
        return config(task=task, batch_size=batch_size, model=model, seed=seed, optimizer=Adam(rate=rate), **values)

    sweep = [make(seed, rate) for rate in (0.01, 0.03) for seed in range(3)]
    results = runs.run(sweep)
    for index in (0, 4):
        each = sweep[index]
        alone = make(each.seed, each.optimizer.rate, outputs=str(tmp_path / "alone"))
        (result,) = runs.run([alone])
        assert result.metrics == results[index].metrics
        saved = [torch.load(c.folder / "model.pt", weights_only=True) for c in (each, alone)]
        assert all(torch.equal(saved[0][name], saved[1][name]) for name in saved[0])


def test_without_events_all_else_is_the_same(config: Any) -> None:
    each = config(checkpoint_seconds=0.0)
    (expected,) = runs.run([each])
    before = {path.name: path.read_bytes() for path in each.folder.iterdir() if path.suffix in (".pt", ".yaml", ".log")}
    shutil.rmtree(each.folder)
    without = replace(each, events=False)
    assert without.folder == each.folder
    for _ in range(2):  # the second time the folder is written beside the finished one
        (result,) = runs.run([without])
        assert {path.name for path in without.folder.iterdir()} == {*before, "metrics.json"}
        assert {name: (without.folder / name).read_bytes() for name in before} == before
        assert (result.metrics, result.config) == (expected.metrics, expected.config)
        without = replace(without, force=True)


def test_the_first_of_all_seeds_is_pictured_be_it_finished_or_not(config: Any) -> None:
    sweep = [config(seed=seed, pictures=True) for seed in (0, 1)] + [config(seed=2, num_steps=20, pictures=True)]
    runs.run([replace(sweep[0], pictures=False)])
    runs.run(sweep)
    found = [EventAccumulator(str(next(each.folder.glob("events*")))).Reload() for each in sweep]
    assert [bool(each.Tags()["images"]) for each in found] == [False, False, True]


def test_data_are_made_once_a_run(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data, seeds = Moons.data, []

    def counted(task: Moons, seed: int, dtype: torch.dtype = torch.float32) -> Any:
        seeds.append(seed)
        return data(task, seed, dtype)

    monkeypatch.setattr(Moons, "data", counted)
    sweep = [config(task=Moons(num_train=40, num_test=10), seed=seed, pictures=True) for seed in (0, 1)]
    assert all(isinstance(result, Result) for result in runs.run(sweep))  # pieces counted, one picture drawn
    assert seeds == [0, 1]


def test_finished_runs_are_skipped_and_force_runs_them_again(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = runs.run([config(seed=0), config(seed=1)])
    trained: list[int] = []

    run_stack = runs.run_stack

    def spy(configs: list[RunConfig], progress: Any, program: str) -> Any:
        trained.extend(each.seed for each in configs)
        return run_stack(configs, progress, program)

    monkeypatch.setattr(runs, "run_stack", spy)
    again = runs.run([config(seed=0), config(seed=1), config(seed=2)])
    assert trained == [2]
    assert again[:2] == first
    (forced,) = runs.run([config(seed=1, force=True)])
    assert trained == [2, 1]
    assert forced.metrics == first[1].metrics


def test_the_same_configuration_twice_is_one_run(config: Any, tmp_path: Path) -> None:
    first, second = runs.run([config(), config(device="cpu")])
    assert first == second
    assert len(list(tmp_path.glob("zigzag/*"))) == 1


def test_a_folder_of_another_configuration_is_not_taken(config: Any) -> None:
    each = config()
    runs.run([each])
    path = each.folder / "metrics.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    before = path.read_text()
    with pytest.raises(FolderTakenError, match="holds a run of another configuration"):
        runs.run([each])
    assert path.read_text() == before


def test_divergence_of_one_member_is_recorded_and_leaves_the_others_alone(config: Any, tmp_path: Path) -> None:
    def make(rate: float, **values: Any) -> RunConfig:
        return config(optimizer=SGD(rate=rate), pictures=True, **values)

    results = runs.run([make(0.01), make(1e30)])
    (alone,) = runs.run([make(0.01, outputs=str(tmp_path / "alone"))])
    assert results[0].metrics == alone.metrics
    assert results[0].diverged_at is None
    assert results[1].diverged_at == 20  # the first logged step after
    assert math.isnan(results[1].metrics["mean_squared_error"])
    folder = make(1e30).folder
    assert json.loads((folder / "metrics.json").read_text())["metrics"]["loss/test"] == "NaN"
    assert read_result(folder).diverged_at == 20


def test_sigmoid_networks_have_no_pieces(config: Any) -> None:
    (result,) = runs.run([config(model=MLPModel(depth=1, width=3, activation=Activation.sigmoid))])
    assert not any("pieces" in name for name in result.metrics)


def test_pieces_of_many_inputs_are_a_mean_over_lines_with_their_spread(config: Any) -> None:
    (result,) = runs.run([config(task=Digits(), model=MLPModel(depth=1, width=6))])
    assert 1 <= result.metrics["num_pieces"] <= 7  # a line crosses each of 6 units' kinks at most once
    assert result.metrics["num_pieces_spread"] > 0
    assert result.task is not None
    assert result.task.pieces_domain == "a segment, mean of 20"


def test_pieces_of_two_inputs_are_those_of_a_rectangle(config: Any) -> None:
    each = config(task=Moons(num_train=40, num_test=10), model=MLPModel(depth=2, width=6), log_every=5)
    (result,) = runs.run([each])
    plane = pieces.on_plane(load(each.folder).network, (-1.5, -1.0), (2.5, 1.5))
    assert result.metrics["num_pieces"] == plane.num_pieces
    assert result.metrics["num_regions"] == plane.num_regions
    assert "num_pieces_spread" not in result.metrics
    counted = [step for step, value in read_log(each.folder)["pieces/num_pieces"] if not math.isnan(value)]
    assert counted == [0, 10, 20, 30, 40]


def test_when_a_task_was_solved(config: Any) -> None:
    each = config(task=Parity(num_bits=2), model=MLPModel(depth=1, width=16), optimizer=Adam(rate=0.03), num_steps=400)
    (result,) = runs.run([each])
    curve = read_log(each.folder)["metric/accuracy"]
    unsolved = [step for step, accuracy in curve if accuracy < 1]
    assert result.is_solved
    assert result.metrics["steps_until_solved"] == max(unsolved) + each.log_every
    hopeless = runs.run([config(num_steps=20)])[0]
    assert (hopeless.is_solved, hopeless.metrics["steps_until_solved"]) == (False, math.inf)


def test_skip_connections_are_trained_counted_and_loaded(config: Any) -> None:
    each, plain = (config(model=MLPModel(depth=3, width=6, skip=skip), dtype="float64") for skip in (True, False))
    result, without = runs.run([each, plain])
    network = load(each.folder).network
    assert isinstance(network, MLP) and network.hidden.skips == [False, True, True]
    x = torch.linspace(0, 2, 1025, dtype=torch.float64)[:, None]
    with torch.no_grad():
        error = (network(x) - (1 - (4 * x % 2 - 1).abs())).square().mean().item()
    assert result.metrics["mean_squared_error"] == pytest.approx(error)
    assert result.metrics["mean_squared_error"] != without.metrics["mean_squared_error"]
    assert load(plain.folder).network.hidden.skips == [False] * 3
    classifier = config(task=Moons(num_train=40, num_test=10), model=MLPModel(depth=1, width=2, skip=True))
    runs.run([classifier])
    assert load(classifier.folder).network.body.skips == [True]
    assert {cell.setting for cell in cells([result, without])} == {"skip=True", "skip=False"}


def test_zero_steps_record_the_initial_network(config: Any) -> None:
    each = config(num_steps=0, model=MLPModel(depth=0, initialization=Initialization.he))
    (result,) = runs.run([each])
    assert result.metrics["num_pieces"] == 1
    network = each.network()
    data = each.task.data(0)
    with torch.no_grad():
        loss = (network(data.test_inputs.float()) - data.test_targets).square().mean().item()
    assert result.metrics["loss/test"] == pytest.approx(loss, rel=1e-5)


def test_an_interrupted_sweep_keeps_what_is_finished(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = [config(model=MLPModel(depth=depth)) for depth in (1, 2)]
    train = stack.train

    def interrupted(members: Any, *arguments: Any, **options: Any) -> Any:
        for snapshot in train(members, *arguments, **options):
            if len(members.parameters) == 4 and snapshot.step == 20:  # depth 1, after depth 2: the longest come first
                raise KeyboardInterrupt
            yield snapshot

    monkeypatch.setattr(stack, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runs.run(sweep)
    assert unfinished.finished_result(sweep[1])
    assert not sweep[0].folder.exists()
    monkeypatch.undo()
    assert all(isinstance(result, Result) for result in runs.run(sweep))


def checkpointed(config: Any, at_step: int, monkeypatch: pytest.MonkeyPatch, sweep: list[RunConfig]) -> None:
    """Runs a sweep until it is broken off at a step, with checkpoints at every logged point."""
    train = stack.train

    def broken_off(*arguments: Any, **options: Any) -> Any:
        for snapshot in train(*arguments, **options):
            if snapshot.step > at_step:
                raise KeyboardInterrupt
            yield snapshot

    with monkeypatch.context() as patch:
        patch.setattr(stack, "train", broken_off)
        with pytest.raises(KeyboardInterrupt):
            runs.run(sweep)


@pytest.mark.parametrize(
    "optimizer", slow_except([SGD(rate=0.01), SGD(rate=0.01, momentum=0.9), Adam(rate=0.01)], Adam(rate=0.01)), ids=str
)
def test_a_run_goes_on_from_its_checkpoint_with_the_same_bits(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Any
) -> None:
    def sweep(where: str, seeds: list[int]) -> list[RunConfig]:
        model = MLPModel(depth=2, width=5)
        return [
            config(seed=seed, model=model, optimizer=optimizer, num_steps=200, outputs=str(tmp_path / where),
                   checkpoint_seconds=0)
            for seed in seeds
        ]  # fmt: skip

    undisturbed = runs.run(sweep("undisturbed", [0, 1, 2]))
    broken = sweep("broken", [0, 1, 2])
    checkpointed(config, 100, monkeypatch, broken)
    names = sorted(path.name for path in broken[0].folder.iterdir())
    assert [name.partition(".out")[0] for name in names] == ["checkpoint.pt", "config.yaml", "events", "train.log"]
    # one member is further than the others, and a new one comes in
    checkpointed(config, 140, monkeypatch, broken[1:2])
    resumed = runs.run(sweep("broken", [0, 1, 2, 3]))
    for before, after, each in zip(undisturbed, resumed, sweep("undisturbed", [0, 1, 2]), strict=False):
        assert isinstance(before, Result)
        assert isinstance(after, Result)
        assert after.metrics == before.metrics
        there = each.folder
        here = tmp_path / "broken" / there.relative_to(tmp_path / "undisturbed")
        saved = [torch.load(folder / "model.pt", weights_only=True) for folder in (here, there)]
        assert all(torch.equal(saved[0][name], saved[1][name]) for name in saved[0])
        assert (here / "train.log").read_text() == (there / "train.log").read_text()
        assert not (here / "checkpoint.pt").exists()


def test_a_broken_checkpoint_is_said_and_the_run_starts_anew(
    config: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    each = config(num_steps=60, checkpoint_seconds=0)
    checkpointed(config, 40, monkeypatch, [each])
    path = each.folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-100])
    (result,) = runs.run([each])
    assert "checkpoint.pt is of no use, the run starts anew: it is damaged\n" in capsys.readouterr().err
    (undisturbed,) = runs.run([config(num_steps=60, outputs=str(tmp_path / "again"))])
    assert isinstance(result, Result)
    assert isinstance(undisturbed, Result)
    assert result.metrics == undisturbed.metrics


def test_a_run_that_fails_fails_alone(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ZigZag.data

    def sometimes(task: ZigZag, seed: int, dtype: torch.dtype) -> Any:
        if seed == 1:
            raise ArithmeticError("no data for this one")
        return data(task, seed, dtype)

    monkeypatch.setattr(ZigZag, "data", sometimes)
    sweep = [config(seed=seed) for seed in range(3)]
    first, second, third = runs.run(sweep)
    assert isinstance(first, Result)
    assert isinstance(third, Result)
    assert second == runs.Failure(sweep[1], "ArithmeticError: no data for this one")
    monkeypatch.undo()
    (alone,) = runs.run([config(seed=0, force=True)])
    assert isinstance(alone, Result)
    assert alone.metrics == first.metrics


@pytest.mark.slow
def test_workers_give_the_same_results(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "WORTH_WORKERS", 0.0)

    def sweep(where: str) -> list[RunConfig]:
        return [
            config(seed=seed, model=MLPModel(depth=depth), outputs=str(tmp_path / where))
            for depth in range(4) for seed in range(2)
        ]  # fmt: skip

    here = runs.run(sweep("here"))
    there = runs.run(sweep("there"), workers=runs.Workers(num=2))
    for one, other in zip(here, there, strict=True):
        assert isinstance(one, Result)
        assert isinstance(other, Result)
        assert one.metrics == other.metrics


def test_a_stack_that_kills_its_worker_is_divided(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_workers(function: Any, items: Any, workers: Any, *, parts: Any, **_: Any) -> Any:
        waiting = list(items)
        while waiting:
            item = waiting.pop(0)
            if all(member.seed != 1 for member in item):
                yield item, function(item)
            elif len(divided := parts(item)) > 1:
                waiting += divided
            else:
                yield item, Died("it was killed")

    monkeypatch.setattr(runs, "WORTH_WORKERS", 0.0)
    monkeypatch.setattr(runs, "in_workers", in_workers)
    outcomes = runs.run([config(seed=seed) for seed in range(4)], workers=runs.Workers(num=2))
    assert [isinstance(outcome, Result) for outcome in outcomes] == [True, False, True, True]
    assert outcomes[1] == Failure(config(seed=1), "it was killed")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num": 0}, "num_workers must be at least 1, or null for one a core, got 0"),
        ({"backend": "slurm"}, "backend must be loky or dask, got 'slurm'"),
        ({"backend": "dask"}, "scheduler must be given with backend=dask and only there, got None"),
        *(
            ({"backend": "dask", "scheduler": each}, f"scheduler must be an address like tcp://HOST:8786, got '{each}'")
            for each in ("", "foo", "ftp://host:1", "tcp://host", "tcp://host:99999", "tcp://:8786", "host:0", "a b:1")
        ),
    ],
)
def test_bad_workers_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runs.Workers(**options)


@pytest.mark.parametrize(
    "address", ["host:8786", "tcp://10.0.0.1:8786", "tls://a.b.c:1", "tcp://[::1]:65535", "wss://h:80/"]
)
def test_schedulers_addresses(address: str) -> None:
    assert runs.Workers(backend="dask", scheduler=address).scheduler == address


def test_stacks_leave_no_worker_idle(config: Any) -> None:
    one_architecture = [config(seed=seed, num_steps=5000, model=MLPModel(depth=3, width=64)) for seed in range(40)]
    stacks = runs.stacks(one_architecture, num_workers=2)
    assert sorted(each.seed for members in stacks for each in members) == list(range(40))
    assert [len(members) for members in stacks] == [20, 20]
    assert [len(members) for members in runs.stacks(one_architecture, num_workers=1)] == [40]
    assert max(len(members) for members in runs.stacks([config(seed=s) for s in range(300)], 1)) <= runs.MAX_MEMBERS


@pytest.mark.cuda
def test_a_run_on_cuda_agrees_with_the_cpu(config: Any, tmp_path: Path) -> None:
    for task in (ZigZag(), Moons(num_train=40, num_test=20), Digits()):
        on_cpu, on_cuda = (
            runs.run([config(task=task, device=device, dtype="float64", outputs=str(tmp_path / device))])[0]
            for device in ("cpu", "cuda")
        )
        # 40 steps of float64 rounding, magnified by training: far below what any mistake would give
        for name, value in on_cpu.metrics.items():
            assert on_cuda.metrics[name] == pytest.approx(value, rel=1e-6)


def test_a_clock_that_goes_back_changes_nothing(config: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (undisturbed,) = runs.run([config(num_steps=60)])
    clock = itertools.count(2e9, -600.0)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    each = config(num_steps=60, outputs=str(tmp_path / "back"), checkpoint_seconds=0)
    saved: list[int] = []
    write_checkpoint = run_folder.write_checkpoint
    monkeypatch.setattr(
        run_folder,
        "write_checkpoint",
        lambda folder, checkpoint, run: (saved.append(checkpoint.step), write_checkpoint(folder, checkpoint, run=run)),
    )
    (result,) = runs.run([each])
    assert isinstance(result, Result)
    assert isinstance(undisturbed, Result)
    assert result.metrics == undisturbed.metrics
    assert saved == [0, 20, 40]  # checkpoints do not wait for the clock
    assert 0 <= result.seconds < 60
    assert result.provenance["ended"] >= result.provenance["started"]


@pytest.mark.parametrize("damage", ["another seed", "a wrong step", "cut", "no checkpoint"])
def test_a_checkpoint_that_does_not_fit_is_named_and_the_run_starts_anew(
    config: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, damage: str
) -> None:
    (undisturbed,) = runs.run([config(num_steps=60)])
    each, other = (config(num_steps=60, checkpoint_seconds=0, seed=s, outputs=str(tmp_path / "b")) for s in (0, 1))
    checkpointed(config, 40, monkeypatch, [each, other])
    path = each.folder / "checkpoint.pt"
    match damage:
        case "another seed":
            path.write_bytes((other.folder / "checkpoint.pt").read_bytes())
        case "a wrong step":
            checkpoint = checkpoints.read_checkpoint(each.folder, run=each.digest)
            assert checkpoint is not None
            checkpoints.write_checkpoint(each.folder, replace(checkpoint, step=60), run=each.digest)
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
        case _:
            path.write_bytes(b"not a checkpoint")
    (result,) = runs.run([each])
    said = capsys.readouterr().err
    assert said.count("checkpoint.pt is of no use, the run starts anew: it") == 1
    assert isinstance(result, Result)
    assert isinstance(undisturbed, Result)
    assert result.metrics == undisturbed.metrics
    assert len(list(each.folder.glob("events*"))) == 1
