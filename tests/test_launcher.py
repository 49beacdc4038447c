"""The launcher `stack`: its fast composition gives what Hydra's own gives, for every kind of override."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from hypothesis import given
from hypothesis import strategies as st
from imported import Imported, Started
from omegaconf import DictConfig, OmegaConf

from dlcourse.cli.door import CONFIGS, checked
from dlcourse.cli.schemas import with_settings
from hydra_plugins.dlcourse_stack import composition
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
]
# These are mistakes, which must be refused in the same words.
MISTAKES: list[list[str]] = [
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


@pytest.fixture(scope="module")
def hydras_own(hydra: Any) -> Callable[..., tuple[DictConfig, list[DictConfig | HydraException]]]:
    """A sweep's configuration, and what Hydra composes from it for every job or raises; once for each command line."""

    def composed(*base: str) -> tuple[DictConfig, list[DictConfig | HydraException]]:
        master = hydra.config_loader.load_configuration("config", list(base), run_mode=RunMode.MULTIRUN)
        return master, [config_or_error(hydra.config_loader, master, overrides) for overrides in jobs(*base)]

    return functools.cache(composed)


def jobs(*base: str) -> list[list[str]]:
    """What is tried in a sweep; mistakes only where nothing else is set, as they are refused the same elsewhere."""
    return SWEEPS if base else SWEEPS + MISTAKES


def config_or_error(loader: Any, master: DictConfig, overrides: list[str]) -> DictConfig | HydraException:
    try:
        return loader.load_sweep_config(master, list(overrides))
    except HydraException as error:
        return error


@pytest.mark.slow
@pytest.mark.parametrize("base", [[], ["experiment=depth_vs_width_zigzag", "hydra.job.num=1"]], ids=str)
def test_composition_is_hydras_own_without_hydra(hydra: Any, hydras_own: Callable[..., Any], base: list[str]) -> None:
    master, configs = hydras_own(*base)
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    tried = [*zip(jobs(*base), configs, strict=True)]
    for overrides, expected in tried * 2:  # the second time it has what the first one kept
        if isinstance(expected, HydraException):
            with pytest.raises(type(expected)) as refused, fast.application_config(master, overrides, 0):
                pass
            assert str(refused.value) == str(expected), overrides
            assert str(refused.value.__cause__) == str(expected.__cause__), overrides
            continue
        without_hydra = OmegaConf.to_container(expected, enum_to_str=True)
        del without_hydra["hydra"]
        with fast.application_config(master, overrides, 0) as found:
            assert OmegaConf.to_container(found, enum_to_str=True) == without_hydra, overrides
            assert OmegaConf.is_struct(found) == OmegaConf.is_struct(expected)
            assert OmegaConf.get_type(found.task) is OmegaConf.get_type(expected.task)
    assert {isinstance(each, HydraException) for each in configs} == {True, False}


def test_what_a_sweeper_checks_is_what_the_jobs_files_compose_to(hydra: Any, hydras_own: Callable[..., Any]) -> None:
    master, configs = hydras_own()
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    refused = 0
    for overrides, expected in zip(jobs(), configs, strict=True):
        found = config_or_error(fast, master, overrides)
        if isinstance(found, HydraException):  # nothing is refused that Hydra would not refuse, for the same reason
            assert str(found) == str(expected), overrides
            refused += 1
        elif not isinstance(expected, HydraException):
            assert found.hydra.runtime.choices == expected.hydra.runtime.choices, overrides
    assert refused > 0


def test_jobs_do_not_see_each_other(hydra: Any) -> None:
    master = hydra.config_loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())

    def composed(*overrides: str) -> Any:
        with fast.application_config(master, list(overrides), 0) as config:
            found = OmegaConf.to_container(config)
            config.model.widths = config.model.widths or [7]
            config.model.widths.append(3)  # what is done to one
        return found

    usual = composed("model.widths=null")
    sets = [
        ("seed=1", "model.widths=[1,2]"), ("seed=1", "seed=3", "batch_size=null"), ("model={depth:1,width:4}",),
        ("++seed=4",), ("name=here", "outputs=${name}"), ("compare.tune=[]",), ("seed=${task.num_folds}",),
    ]  # fmt: skip
    for overrides in sets:
        assert composed("model.widths=null", *overrides) != usual
        assert composed("model.widths=null") == usual
    for wrong in (["seed=5", "model.depth=abc"], ["model.depth=5", "model.dept=1"]):
        with pytest.raises(HydraException), fast.application_config(master, wrong, 0):
            pass
        assert composed("model.widths=null") == usual


# What does more than to set single values that stand for themselves; all the others are made without a configuration.
NOT_PLAIN = [
    "model={depth:1,width:4}", "+model={depth:1,width:4}", "outputs=${name}", "seed=${task.num_folds}", "++seed=4",
    "++model.depth=4", "task.num_bits=5",
]  # fmt: skip


def test_jobs_of_plain_settings_are_what_their_configurations_become(hydra: Any, hydras_own: Any) -> None:
    master, configs = hydras_own()
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    right = [each for each, config in zip(SWEEPS, configs, strict=False) if isinstance(config, DictConfig)]
    more = [["model.widths=[1,2]", "compare.tune=[]", "seed=3", "seed=4"], ["dtype=float64", "optimizer.rate=3"]]
    keys = ["seed", "batch_size", "optimizer.rate", "count_pieces", "name", "model.depth"]
    numbers = [[f"{key}={number}"] for number in (1, 0, 7, -3) for key in keys]  # each becomes what its field wants
    more += [each for each in numbers if each[0] not in ("count_pieces=7", "count_pieces=-3")]
    plain = [each for each in [*right, *more] if not {*NOT_PLAIN} & {*each}]
    for overrides in plain * 2:
        found = fast.plain_settings(master, overrides)
        assert found is not None, overrides
        with fast.application_config(master, overrides, 0) as config:
            expected = OmegaConf.to_object(config)
        job = with_settings(*found)
        assert job == expected, overrides
        assert (type(job), type(job.model)) == (type(expected), type(expected.model))
        assert repr(job) == repr(expected), overrides  # 1 and True are equal
    assert len(plain) > len(SWEEPS) / 2


def test_of_thousands_of_lines_only_some_are_remembered(hydra: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "MOST_LINES", 10)
    master = hydra.config_loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    for number in range(100):
        fast.load_sweep_config(master, [f"seed={number}", f"optimizer.rate=0.{number:03}", "model.width=16"])
        found = fast.plain_settings(master, [f"seed={number}", f"optimizer.rate=0.{number:03}", "model.width=16"])
        assert found is not None
        job = with_settings(*found)
        assert (job.seed, job.optimizer.rate, job.model.width) == (number, number / 1000, 16)
        for remembered in (fast._parsed, fast._sets_values, fast._settings):
            assert 0 < len(remembered) <= 10 + 3


def test_parts_that_jobs_have_in_common_are_one_object(hydra: Any) -> None:
    master = hydra.config_loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    asked = [fast.plain_settings(master, [f"seed={seed}", f"model.width={seed + 1}"]) for seed in (0, 1)]
    found = [each for each in asked if each is not None]
    assert len(found) == 2
    made = [checked(with_settings(*each), fast.parts(each[0])) for each in found]
    alone = [checked(with_settings(*each)) for each in found]
    assert made == alone
    assert made[0].task is made[1].task
    assert made[0].optimizer is made[1].optimizer
    assert [each.model.width for each in made] == [1, 2]


def test_what_is_not_plain_is_composed(hydra: Any) -> None:
    master = hydra.config_loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    composed = [
        *NOT_PLAIN[:-1], "model.depth=???", "name=${oc.env:HOME}", "model.widths.0=3", "~seed",
    ]  # fmt: skip
    for line in composed:
        assert fast.plain_settings(master, ["model.widths=[1,2]", line]) is None, line
    # It has no seed, so that is a mistake there.
    assert fast.plain_settings(master, ["experiment=parity", "task.num_bits=5"]) is not None


def test_mistakes_in_plain_settings_are_refused_in_the_same_words(hydra: Any, hydras_own: Callable[..., Any]) -> None:
    master, configs = hydras_own()
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    refused = 0
    for overrides, expected in zip(jobs(), configs, strict=True):
        for _ in range(2):
            if isinstance(expected, HydraException):
                try:
                    assert fast.plain_settings(master, overrides) is None, overrides
                except HydraException as error:
                    assert (str(error), str(error.__cause__)) == (str(expected), str(expected.__cause__))
                    refused += 1
    assert refused == 2 * 5  # the others are told by `application_config`


@given(st.sampled_from(["seed", "+a.b", "task/x@y", "~seed", "model.", "a b", "", "1"]), st.integers(-(10**19), 10**19))
def test_whole_numbers_are_read_as_hydra_reads_them(hydra: Any, key: str, number: int) -> None:
    fast = SweepConfigLoader(hydra.config_loader.get_search_path())
    for line in (f"{key}={number}", f"{key}={number}"):
        try:
            (expected,) = OverridesParser.create(fast).parse_overrides([line])
        except OverrideParseException as error:
            with pytest.raises(OverrideParseException) as refused:
                fast._parse([line])
            assert str(refused.value) == str(error)
        else:
            (found,) = fast._parse([line])
            assert vars(found) == vars(expected) | {"config_loader": fast}


QUICK = ["pictures=false", "num_steps=50"]


def finished(folder: Path) -> list[Path]:
    return list(folder.glob("outputs/zigzag/[!.]*/metrics.json"))


@pytest.mark.slow
def test_optuna_gets_the_objective_of_its_trials(tmp_path: Path, imported: Imported) -> None:
    options = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2"]
    options += ["hydra.sweeper.sampler.seed=0", f"hydra.sweep.dir={tmp_path / 'optuna'}"]
    rate = "optimizer.rate=interval(0.001,0.1)"
    done = imported.run(["-m", "dlcourse", "-m", *QUICK, *options, rate], tmp_path)
    assert done.returncode == 0, done.stderr
    contents = [json.loads(path.read_text()) for path in finished(tmp_path)]
    errors = {content["config"]["optimizer.rate"]: content["metrics"]["mean_squared_error"] for content in contents}
    assert len(errors) == 4
    best = yaml.safe_load((tmp_path / "optuna" / "optimization_results.yaml").read_text())
    assert best["best_value"] == min(errors.values())
    assert errors[best["best_params"]["optimizer.rate"]] == best["best_value"]


# Says how many workers are prepared; 8 runs are much work, and 7 are not.
TELLING = """
from dlcourse.cli import main
from dlcourse.jobs import early, workers

early.WORTH_WORKERS = 8 * early.least_seconds(1, 64)
workers.prepare = lambda num, module: print("prepared", num)
main()
"""

# Prepares them, and says how many there were in the end.
PREPARING = """
from dlcourse.cli import main
from dlcourse.jobs import early, runs, workers

early.WORTH_WORKERS = runs.WORTH_WORKERS = 0.0
main()
print("workers", len(workers._spare))
"""

SHORT = ["-m", "num_steps=1", "pictures=false", "hydra.launcher.num_workers=2"]


@pytest.mark.slow
def test_workers_start_while_the_jobs_are_composed_where_they_will_be_needed(
    tmp_path: Path, imported: Imported
) -> None:
    (tmp_path / "telling.py").write_text(TELLING)

    def prepared(*arguments: str) -> list[str]:
        done = imported.run(["telling.py", *SHORT, *arguments], tmp_path)
        assert done.returncode == 0, done.stderr
        return [words for words in done.stdout.splitlines() if words.startswith("prepared")]

    assert prepared("seed=range(8)") == ["prepared 1", "prepared 2"]
    assert len(finished(tmp_path)) == 8
    assert prepared("seed=range(8)") == ["prepared -1", "prepared 0"]  # all are finished
    assert prepared("seed=range(16)") == ["prepared 1", "prepared 2"]  # 8 are not
    assert prepared("seed=range(7)", "name=few") == ["prepared -1", "prepared 0"]
    assert prepared("seed=range(8)", "name=${task.num_folds}") == ["prepared -1", "prepared 0"]  # not plain


@pytest.mark.slow
def test_workers_that_started_early_do_the_work(tmp_path: Path, imported: Imported) -> None:
    (tmp_path / "preparing.py").write_text(PREPARING)
    done = imported.run(["preparing.py", *SHORT, "seed=range(8)"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "workers 2" in done.stdout  # and no others
    assert len(finished(tmp_path)) == 8


@pytest.mark.slow
def test_a_dask_cluster_that_loses_one_of_four_workers_has_the_same_results(tmp_path: Path, imported: Imported) -> None:
    def dask(*arguments: str) -> Started:
        command = ["-m", "distributed.cli.dask_" + arguments[0], *arguments[1:], "--no-dashboard"]
        return imported.start(command, tmp_path)

    here = tmp_path / "here"
    here.mkdir()
    address = tmp_path / "scheduler.json"
    processes = [dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(address))]
    try:
        wait_for(address.exists)
        of_workers = ["--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
        processes += [dask("worker", "--scheduler-file", str(address), *of_workers) for _ in range(4)]
        scheduler = json.loads(address.read_text())["address"]
        line = ["-m", "dlcourse", "-m", "model.depth=1,2,3,4", "task.num_folds=2,3", "num_steps=2000", "log_every=100",
                "checkpoint_seconds=0", "pictures=false"]  # fmt: skip
        cluster = ["hydra.launcher.backend=dask", f"hydra.launcher.scheduler={scheduler}"]
        process = imported.start([*line, *cluster], here)
        processes.append(process)
        wait_for(lambda: list(here.glob("outputs/zigzag/*/checkpoint.pt")))
        os.kill(processes[1].pid, signal.SIGKILL)  # in the middle of its work
        assert process.wait(250) == 0, process.said()
    finally:
        for each in processes:
            if each.poll() is None:
                os.kill(each.pid, signal.SIGKILL)
    there = tmp_path / "there"
    there.mkdir()
    assert imported.run([*line, "hydra.launcher.num_workers=1"], there).returncode == 0
    found = [{path.parent.name: json.loads(path.read_text()) for path in finished(place)} for place in (here, there)]
    metrics = [{run: (of_run["metrics"], of_run["diverged_at"]) for run, of_run in each.items()} for each in found]
    assert metrics[0] == metrics[1]
    assert len(metrics[0]) == 8


def wait_for(condition: Callable[[], object]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# A command that says how many jobs there still are in memory when the results are compared.
KEPT = """
import gc
from dlcourse.cli import door, main

conclude = door._conclude

def counted(*arguments):
    gc.unfreeze()
    print(sum(type(each).__name__ == "RunConfig" for each in gc.get_objects()), "jobs are kept")
    conclude(*arguments)

door._conclude = counted
main()
"""


def test_jobs_are_not_kept_while_their_results_are_compared(tmp_path: Path) -> None:
    sweep = ["-m", "seed=range(60)", "model.depth=1", "model.width=4", "num_steps=1", "pictures=false", "events=false"]
    done = subprocess.run(
        [sys.executable, "-c", KEPT, *sweep, "hydra.launcher.num_workers=1"], cwd=tmp_path, capture_output=True,
        text=True, check=True, timeout=120, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    (kept,) = re.findall(r"^(\d+) jobs are kept$", done.stdout, re.MULTILINE)
    assert int(kept) < 60 / 2  # some were composed only to estimate the work
