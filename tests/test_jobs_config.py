"""The typed configuration: what it refuses, which folder it names, which network it makes."""

import functools
import json
import math
import shlex
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from marks import slow_except

from dlcourse.cli.choices import Choices
from dlcourse.cli.door import CONFIGS
from dlcourse.jobs.config import Compare, Device, RunConfig
from dlcourse.jobs.estimate import num_bytes
from dlcourse.networks import MLP, Activation, MLPModel, SoftmaxClassifier, num_parameters
from dlcourse.tasks import Moons, Parity, PosedAs, ZigZag
from dlcourse.training import SGD, Adam

OURS = Choices()


def config(**values: Any) -> RunConfig:
    return RunConfig(**{"task": ZigZag(), "optimizer": Adam(), **values})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLPModel(depth=-1), "model.depth must be between 0 and 10000, got -1"),
        (lambda: MLPModel(width=0), "model.width must be at least 1, got 0"),
        (lambda: MLPModel(widths=[4, 0]), r"model.widths must be at least 1 in every layer, got \[4, 0\]"),
        (lambda: MLPModel(widths=[4], width=4), "model.widths is given instead of .* width=4"),
        (lambda: MLPModel(widths=[4], depth=2), "model.widths is given instead of .* depth=2"),
        (lambda: config(num_steps=-1), "num_steps must be between 0 and 1000000000000, got -1"),
        (lambda: config(log_every=0), "log_every must be at least 1, got 0"),
        (lambda: config(batch_size=0), "batch_size must be at least 1, or null for all items, got 0"),
        (lambda: config(task=ZigZag(fresh=True), batch_size=None), "batch_size must be given where task.fresh is true"),
        (lambda: config(name="a/b"), "name must be the name of one folder, without control characters, got 'a/b'"),
        (lambda: config(name=".."), "name must be the name of one folder"),
    ],
)
def test_bad_values_are_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_job_that_waits_takes_little_memory() -> None:
    """Tens of thousands wait at once, all of which have been asked for their folders."""
    parts: dict[str, Any] = {"task": ZigZag(), "model": MLPModel(depth=1), "optimizer": Adam(), "compare": Compare()}
    number = len(config(**parts).settings())
    assert len(config(**parts).folder.name) < 64  # which also makes the keys that all of them share
    num = 100
    tracemalloc.start()
    try:
        jobs = [config(**parts, seed=1000 + seed) for seed in range(num)]
        assert len({(job.folder, job.digest) for job in jobs}) == num
        each = tracemalloc.get_traced_memory()[0] / num
    finally:
        tracemalloc.stop()
    # The fields and the settings, a pointer and a byte for each of the 30 keys that can be shared, with four headers of
    # at most 64 bytes; the hash, of 64 letters; the name and the path, of at most twice and three times that; the seed;
    # a path's object and list; headers of four strings; a place in the list of jobs.
    expected = 2 * 30 * (8 + 1) + 4 * 64 + 64 + 5 * 64 + 32 + 200 + 4 * 56 + 8
    assert number < 30
    assert each < expected


def test_skip_is_true_or_false() -> None:
    with pytest.raises(TypeError, match=r"model\.skip must be true or false, got 'yes'"):
        MLPModel(skip="yes")  # type: ignore[arg-type]


def test_cuda_without_a_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device must be cpu or auto here, .* got cuda"):
        config(device=Device.cuda)
    assert config(device=Device.auto).torch_device == torch.device("cpu")


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"compile must be false where there is no C\+\+ compiler .* got true"):
        config(compile=True)


def test_networks_are_those_of_the_task_and_the_model() -> None:
    network = config(model=MLPModel(depth=5, width=10)).network()
    assert isinstance(network, MLP)
    assert num_parameters(network) == 471  # Prince, Understanding Deep Learning, section 4.5
    classifier = config(task=Moons(), model=MLPModel(widths=[3, 5], activation=Activation.tanh)).network()
    assert isinstance(classifier, SoftmaxClassifier)
    assert num_parameters(classifier) == (2 * 3 + 3) + (3 * 5 + 5) + (5 * 2 + 2)
    assert isinstance(config(task=Parity(posed_as=PosedAs.hinge)).network(), MLP)


def test_network_is_a_function_of_the_seed() -> None:
    first, again, other = (list(config(seed=seed).network().state_dict().values()) for seed in (0, 0, 1))
    torch.randn(7)  # the global generator plays no part
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_folder_does_not_depend_on_what_does_not_bear_on_the_result() -> None:
    plain = config()
    for same in (config(outputs="/elsewhere"), config(force=True), config(pictures=False), config(name="x"),
                 config(keep_weights=False), config(events=False),
                 config(device=Device.cpu), config(compare=Compare(tune=["num_steps"])),
                 config(model=MLPModel(depth=2, width=8))):  # fmt: skip
        assert same.run_name == plain.run_name


def test_folder_depends_on_everything_else() -> None:
    different = [
        config(),
        config(task=ZigZag(num_folds=4)),
        config(task=ZigZag(noise=0.1)),
        config(model=MLPModel(depth=3)),
        config(model=MLPModel(width=9)),
        config(model=MLPModel(widths=[8, 8])),
        config(model=MLPModel(max_parameters=97)),
        config(model=MLPModel(activation=Activation.tanh)),
        config(model=MLPModel(skip=True)),
        config(optimizer=Adam(rate=0.1)),
        config(optimizer=SGD(rate=0.001)),
        config(num_steps=1),
        config(batch_size=None),
        config(seed=1),
        config(dtype="float64"),
        config(log_every=7),
        config(count_pieces=False),
    ]
    assert len({each.run_name for each in different}) == len(different)


def test_a_size_is_a_setting_and_the_widths_follow() -> None:
    each = config(model=MLPModel(depth=3, max_parameters=320))
    assert each.model.layer_widths == [12, 11, 11]
    model = {key: value for key, value in each.settings().items() if key.startswith("model.")}
    assert (model["model.max_parameters"], model["model.widths"], model["model.width"]) == (320, [12, 11, 11], None)
    assert each.run_name.startswith("zigzag-depth=3-max_parameters=320-relu-seed=0-")
    assert replace(each, seed=1).model.layer_widths == [12, 11, 11]
    with pytest.raises(ValueError, match=r"model.max_parameters must be at least 12 .* got 11"):
        config(model=MLPModel(depth=5, max_parameters=11))


def test_folder_is_readable() -> None:
    name = config(model=MLPModel(depth=3, width=8), seed=4).run_name
    assert name.startswith("zigzag-depth=3-width=8-relu-seed=4-")
    assert config(model=MLPModel(widths=[4, 6])).run_name.startswith("zigzag-widths=4,6-relu-seed=0-")
    skipping = config(model=MLPModel(depth=3, width=8, skip=True))
    assert skipping.run_name.startswith("zigzag-depth=3-width=8-relu-skip-seed=0-")
    assert skipping.label == "zigzag: depth 3, width 8, relu, skip, seed 0"


def test_folders_are_those_that_version_0_3_gave() -> None:
    assert RunConfig(task=ZigZag(), optimizer=Adam()).run_name == "zigzag-depth=2-width=8-relu-seed=0-0aaf5b2aae"
    model = MLPModel(widths=[4, 4], activation=Activation.tanh, skip=False)
    each = RunConfig(task=Moons(), model=model, optimizer=Adam(rate=0.01), seed=3)
    assert each.run_name == "moons-widths=4,4-tanh-seed=3-9981f9b695"
    assert "skip" not in each.to_yaml() and "skip" not in each.command()


def test_skip_connections_take_memory_for_what_goes_past_the_units() -> None:
    plain, skipping = (config(model=MLPModel(depth=3, width=8, skip=skip)) for skip in (False, True))
    # Two more float32 numbers for each of 64 items and 1 + 3 * 8 + 1 units.
    assert num_bytes(skipping) - num_bytes(plain) == 2 * 4 * 64 * 26


@given(
    st.integers(0, 5), st.integers(1, 99), st.integers(), st.sampled_from(list(Activation)), st.none() | st.integers(1)
)
def test_yaml_says_what_the_folder_is_named_after(
    depth: int, width: int, seed: int, activation: Activation, batch_size: int | None
) -> None:
    each = config(model=MLPModel(depth=depth, width=width, activation=activation), seed=seed, batch_size=batch_size)
    written = yaml.safe_load(each.to_yaml())
    assert written["task"] == {"name": "zigzag", "num_folds": 3, "noise": 0.0, "num_train": 1000, "num_test": 1000,
                               "fresh": False, "centred": False}  # fmt: skip
    assert written["model"] == {"depth": depth, "width": width, "widths": None, "activation": activation.value,
                                "initialization": "torch"}  # fmt: skip
    assert (written["seed"], written["batch_size"], written["optimizer"]["name"]) == (seed, batch_size, "adam")
    assert json.loads(json.dumps(each.settings())) == each.settings()


def test_command_repeats_the_run() -> None:
    from hydra import compose, initialize_config_dir

    from dlcourse.cli.door import to_job

    for each in (
        config(model=MLPModel(widths=[3, 4]), optimizer=SGD(rate=0.5, momentum=0.25), batch_size=None, name="there"),
        config(task=Parity(num_bits=6, subset=3), model=MLPModel(depth=1), dtype="float64"),
        config(model=MLPModel(depth=4, skip=True)),
        config(model=MLPModel(depth=3, max_parameters=320)),
    ):
        program, *overrides = shlex.split(each.command())
        assert program == "dlcourse"
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            again = to_job(compose("config", overrides))
        assert (again.settings(), again.name) == (each.settings(), each.name)


def test_values_that_are_equal_are_written_as_they_are() -> None:
    each = config()
    for _ in range(2):
        for value, said in ((1, "1"), (True, "true"), (1.0, "1.0"), (0.0, "0.0"), (-0.0, "-0.0"), ([1], "[1]")):
            assert shlex.split(each.command(more=value))[-1] == f"more={said}"
    for noise in (0.0, -0.0, 1.0):
        written = config(task=ZigZag(num_folds=3, noise=noise)).to_yaml()
        assert f"\n  noise: {noise}\n" in written


@functools.cache
def composed(*overrides: str) -> Any:
    """What a command line comes to; several tests look at the same one."""
    from hydra import compose, initialize_config_dir

    from dlcourse.cli.door import to_job

    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return to_job(compose("config", list(overrides)))


YAMLS = sorted(CONFIGS.glob("*/*.yaml"))
QUICK_YAMLS = [path for path in YAMLS if path.parent.name != "experiment"] + YAMLS[::6]


@pytest.mark.parametrize("path", slow_except(YAMLS, *QUICK_YAMLS), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_yaml_composes(path: Path) -> None:
    run_config = composed(f"{path.parent.name}={path.stem}")
    match path.parent.name:
        case "experiment":
            assert run_config.name == path.stem
        case "optimizer":
            assert type(run_config.optimizer) in (SGD, Adam)


def test_experiments_of_over_a_thousand_runs_keep_no_weights() -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser, nums = OverridesParser.create(), {}
    for path in CONFIGS.glob("experiment/*.yaml"):
        content = yaml.safe_load(path.read_text())
        if {"override /model": None} in content["defaults"]:  # measurements
            continue
        swept = [f"{key}={value}" for key, value in content["hydra"]["sweeper"]["params"].items()]
        overrides = [each for each in parser.parse_overrides(swept) if each.is_sweep_override()]
        nums[path.stem] = math.prod(len(list(each.sweep_iterator())) for each in overrides)
        assert content.get("keep_weights", True) == (nums[path.stem] <= 1000), path.stem
    assert nums["depth_vs_width_zigzag"] == 5 * 2 * 5 * 10


@pytest.mark.parametrize("kind", OURS.names("measurement"))
def test_every_measurement_has_an_experiment_of_its_name(kind: str) -> None:
    assert composed(f"experiment={kind}").kind == kind  # which its command line relies on


@pytest.mark.parametrize("task", OURS.names("task"))
def test_every_task_composes_without_a_file(task: str) -> None:
    assert composed(f"task={task}").task == OURS.load("task", task)()


def test_defaults_of_the_command_line_are_those_of_the_dataclasses() -> None:
    assert composed().settings() == RunConfig(task=ZigZag(), optimizer=Adam()).settings()
    assert composed("optimizer=momentum").optimizer == SGD(momentum=0.9)
