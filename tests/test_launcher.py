"""The launcher `stack`: its fast composition gives what Hydra's own gives, for every kind of override."""

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from dlcourse.cli import CONFIGS
from hydra_plugins.dlcourse_stack.composition import SweepConfigLoader

SWEEPS: list[list[str]] = [
    [],
    ["model.depth=3", "seed=1"],
    ["seed=2", "model.depth=3"],
    ["model.widths=[4,8,16]"],
    ["model={depth:1,width:4}"],
    ["+model={depth:1,width:4}"],
    ["name='with space'", "outputs=${name}"],
    ["seed=${task.num_folds}", "name=${oc.env:HOME}"],
    ["optimizer.rate=1e-3", "batch_size=null", "model.activation=tanh"],
    ["++seed=4"],
    ["++model.depth=4", "model.depth=5"],
    ["+hydra.job.env_set.A=1"],
    ["hydra.job.num=3", "seed=1"],
    ["task=moons", "task.noise=0.3"],
    ["task.num_folds=5", "task=zigzag"],
    ["optimizer=sgd", "optimizer.momentum=.5", "seed=9"],
    ["experiment=parity", "task.num_bits=5"],
    ["~experiment"],
    ["+experiment=digits"],
    ["hydra/job_logging=default", "seed=1"],
    # mistakes: the same ones
    ["+foo=1"],
    ["+seed=1"],
    ["foo=1"],
    ["model.depth=abc"],
    ["model.dept=1", "+model.dept=1"],
    ["task=nothing"],
    ["task.noise=0.3", "task=digits"],
    ["~model.nothing"],
    ["~seed=7"],
    ["seed=1,2"],
    ["seed=["],
]


@pytest.fixture(scope="module")
def hydra() -> Iterator[Any]:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        yield GlobalHydra.instance().hydra


def outcome(loader: Any, master: DictConfig, overrides: list[str]) -> Any:
    try:
        config = loader.load_sweep_config(master, list(overrides))
    except HydraException as error:
        return type(error), str(error), str(error.__cause__)
    flags = [OmegaConf.is_struct(config), OmegaConf.is_readonly(config.hydra), OmegaConf.get_type(config.task)]
    return OmegaConf.to_container(config, enum_to_str=True), flags


@pytest.mark.parametrize("base", [[], ["experiment=depth_vs_width_zigzag", "hydra.job.num=1"]], ids=str)
def test_composition_is_hydras_own(hydra: Any, base: list[str]) -> None:
    master = hydra.config_loader.load_configuration("config", base, run_mode=RunMode.MULTIRUN)
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    expected = [outcome(hydra.config_loader, master, overrides) for overrides in SWEEPS]
    for _ in range(2):  # the second time from what the first one left
        for overrides, each in zip(SWEEPS, expected, strict=True):
            assert outcome(fast, master, overrides) == each, overrides
    assert {type(each[0]) for each in expected} == {dict, type}  # configurations and errors


def test_jobs_do_not_see_each_other(hydra: Any) -> None:
    master = hydra.config_loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    first = fast.load_sweep_config(master, ["seed=1", "model.widths=[1,2]"])
    first.model.widths.append(3)
    second = fast.load_sweep_config(master, ["seed=2"])
    assert (first.seed, second.seed, second.model.widths) == (1, 2, None)
