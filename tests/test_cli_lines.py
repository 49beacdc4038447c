"""One clear line for every mistake, and commands that can be pasted."""

import contextlib
import dataclasses
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from imported import Imported
from marks import slow_except
from omegaconf import OmegaConf

from dlcourse import __version__
from dlcourse.cli import door
from dlcourse.job import _in_hydras_grammar
from dlcourse.measurements import NearTheSolution

QUICK = ["num_steps=4", "log_every=2", "pictures=false", "hydra.launcher.num_workers=1"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, imported: Imported) -> Run:
    """Runs a quick command line in an empty folder."""

    def command(*arguments: str, quick: bool = True) -> "subprocess.CompletedProcess[str]":
        flags = [each for each in arguments if each.startswith("-")]
        return imported.run(
            ["-m", "dlcourse", *flags, *(QUICK if quick else []), *(each for each in arguments if each not in flags)],
            tmp_path,
        )

    return command


MISTAKES = [
    (["task=1"], "task must be one of alternating, .*, zigzag, got 1"),
    (["optimizer=3"], "optimizer must be one of adam, momentum, sgd, got 3"),
    (["model=null"], "model must be one of mlp, got null"),
    (["-m", "task=1,2"], "task must be one of .*, got 1,2"),
    (["+task=[-1]"], r"task must be one of .*, got \[-1\]"),
    (["-m", "task=[[1]]"], "task must be one of"),
    (["-m", "seed=range(0)"], "seed must be swept over at least one value, got range"),
    (["-m", "seed=range(3,1)"], "seed must be swept over at least one value"),
    (["-m", "seed=range(1,5,0)"], "seed must be swept over some values, got range.*zero"),
    (["-m", "task=glob(q*)"], "task must match one of alternating, .*, got glob"),
    (["-m", "seed=glob(*)"], "a sweep must have at least one job"),
    (["seed=" + "7" * 5000], "seed must have no number of more than 300 digits, got 777"),
    (["-m", "seed=range(nan)"], r"seed must be swept over some values, got range\(nan\)"),
    (["-m", "seed=range(0,1e12)"], r"seed must be swept over at most 1,000,000 values, got range\(0,1e12\)"),
    (
        ["-m", "seed=range(1001)", "model.width=range(1,1001)"],
        "a sweep must have at most 1,000,000 jobs, got 1,001,000",
    ),
    (["-m", "seed=0,1", "hydra.sweeper.max_batch_size=0"], "hydra.sweeper.max_batch_size must be at least 1, got 0"),
    (["-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=-1"], "hydra.sweeper.n_trials must be at least 1, got -1"),
    (["name=é"], """name must be in quotes where it has such characters, got é: 'name="é"'"""),
    (["-m", "hydra/launcher=basic", "compare.pilots=2", "seed=0,1"], "compare.pilots must be 0 .*, got 2"),
    (["compare.tune=[foo]"], "compare.tune must be names of settings .*, got foo"),
    (["-m", "compare.tune=[[optimizer.rate]]"], r"compare.tune must be a list of names of settings, got \[\['optim"),
    (
        ["-m", "hydra.launcher.backend=dask", "hydra.launcher.scheduler=x"],
        "hydra.launcher.scheduler must be an address",
    ),
    (["task.num_train=0"], "task.num_train must be at least 1, got 0"),
    (["task=parity", "task.num_bits=0"], "task.num_bits must be between 1 and 1000, got 0"),
    (["hydra/launcher=.5"], "hydra/launcher must be a name, got .5"),
    (["-m", "hydra.launcher._target_=os.system", "seed=0,1"], "os.system"),
    (["--multirun", "--cfg=job"], "Only one of"),
    (["-m", "+hydra.sweeper.params.seed='0,1'"], "cannot be made sense of"),
    (["++optimizer.lr=0.1"], "optimizer.lr is no setting; allowed here: rate, schedule"),
    (["+model.dept=3"], "model.dept is no setting; allowed here: depth, width"),
    (["-m", "++task.num_fold=1,2"], "task.num_fold is no setting; allowed here: .*num_folds"),
    (["+x.y=1"], "x is no setting; allowed here: task, model"),
    (["optimizer.lr=0.1"], "Key 'lr' not in 'Adam'"),
    (["model.widths=[[4,4]]"], r"model.widths must be whole numbers of at least 1 in every layer, got \[\[4, 4\]\]"),
    (["task.num_train=100000000000"], "task.num_train must be smaller: the run would take about .* GiB, .*; got 1"),
    (["model.width=1000000000"], "model.width must be smaller: .*; got 1000000000"),
    (["batch_size=1000000000000"], "batch_size must be smaller: .*; got 1000000000000"),
    (["model.depth=100000"], "model.depth must be between 0 and 10000, got 100000"),
    (["num_steps=" + "1" * 22], "num_steps must be between 0 and 1000000000000, got 1"),
    (["name='a\\nb'", 'name="a\tb"'], "name must be the name of one folder, without control characters"),
    (["name=" + "x" * 201], "name must have at most 200 bytes, got 201"),
    (["outputs=/dev/null"], "outputs must be a folder that can be written to, got /dev/null"),
    (["-m", "outputs=/proc", "seed=0,1"], "outputs must be a folder that can be written to, got /proc"),
    (["hydra.job.chdir=true"], "hydra.job.chdir must be false, got true"),
    (["-m", "+hydra.callbacks.x._target_=hydra.experimental.callback.Callback"], "hydra.callbacks must be empty"),
    (["only=x"], "only must be failed, or null for all jobs, got 'x'"),
    (["-m", "only=failed", "seed=0,1"], "only=failed must be given where jobs have failed; of these 2 none has"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), slow_except(MISTAKES, *MISTAKES[::5]), ids=lambda value: str(value)[:60]
)
def test_a_mistake_is_a_line_and_leaves_nothing(
    dlcourse: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, err = dlcourse(*arguments)
    assert code == 2, out
    assert re.search(message, err), err
    assert "Traceback" not in err
    assert "To append to your config" not in err
    assert len(err.splitlines()) <= 6
    assert not list(tmp_path.glob("outputs/*/*/*"))


@pytest.mark.slow
def test_an_experiment_that_is_a_sweep_is_not_one_network(run: Run, tmp_path: Path) -> None:
    done = run("experiment=depth_vs_width_zigzag")
    assert done.returncode == 2
    assert "is a sweep of 500 runs over model.depth, model.width, optimizer.rate, seed" in done.stderr
    assert run("experiment=depth_vs_width_zigzag", "model.depth=1").returncode == 0
    assert run("experiment=parity_threshold", quick=False).returncode == 0


@pytest.mark.slow
def test_broken_files_of_values_are_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "broken.yaml").write_text("a: [1\nb: {")
    done = run("--config-dir=.", "task=broken")
    assert done.returncode == 2
    assert "must be YAML" in done.stderr
    assert len(done.stderr.splitlines()) < 8
    (tmp_path / "experiments" / "x").mkdir(parents=True)
    (tmp_path / "experiments" / "x" / "report.py").write_bytes(b"\xff\xfe is not UTF-8")
    assert run("-m", "seed=0,1").returncode == 0


@pytest.mark.slow
def test_values_may_refer_to_what_hydra_knows_of_the_job(run: Run, tmp_path: Path) -> None:
    name = "name=${hydra:runtime.choices.task}-${hydra:job.num}"
    done = run("-m", "outputs=${hydra:runtime.cwd}/o", name, "seed=0,1", "task=zigzag,moons")
    assert done.returncode == 0, done.stderr
    found = {path.parent.parent.name: path for path in tmp_path.glob("o/*/*/metrics.json")}
    assert sorted(found) == ["moons-1", "moons-3", "zigzag-0", "zigzag-2"]
    seeds = {name: json.loads(path.read_text())["config"]["seed"] for name, path in found.items()}
    assert seeds == {"zigzag-0": 0, "moons-1": 0, "zigzag-2": 1, "moons-3": 1}


@pytest.mark.slow
def test_several_tasks_have_a_table_and_a_comparison_each(run: Run, tmp_path: Path) -> None:
    done = run("-m", "task=zigzag,moons", "name=both", "model.depth=1,2")
    assert done.returncode == 0
    assert re.search(r"moons:\naccuracy.*zigzag:\nmean squared error", done.stdout, re.DOTALL)
    comparison = tmp_path / "outputs" / "both" / "comparison"
    assert sorted(path.name for path in comparison.glob("[!.]*")) == ["moons", "zigzag"]
    # A later sweep of one of them leaves the other's comparison alone.
    assert run("-m", "task=moons", "name=both", "model.depth=3,4").returncode == 0
    assert sorted(path.name for path in comparison.glob("[!.]*")) == ["moons", "zigzag"]
    assert (comparison / "zigzag" / "depth_against_width.png").exists()


@pytest.mark.slow
def test_a_damaged_result_is_named_and_done_again(run: Run, tmp_path: Path) -> None:
    assert run("-m", "seed=range(6)").returncode == 0
    whole = sorted(tmp_path.glob("outputs/zigzag/*/metrics.json"))
    before = [json.loads(path.read_text())["metrics"] for path in whole]
    content = whole[5].read_text()
    damages = ["", content[:100], "{}", "\ufeff" + content, re.sub(r'("loss/test": )[^,]+', r'\1"much"', content)]
    for path, damage in zip(whole, damages, strict=False):
        path.write_text(damage)
    done = run("-m", "seed=range(6)")
    assert done.returncode == 0, done.stderr
    for path in whole[:5]:
        assert f"{path.relative_to(tmp_path)} is damaged, so this is done again" in done.stderr
    assert "1 of 6 runs is finished already" in done.stdout
    assert [json.loads(path.read_text())["metrics"] for path in whole] == before


@pytest.mark.slow
def test_names_that_are_too_long_are_cut_and_kept_apart_by_their_hash(run: Run, tmp_path: Path) -> None:
    for last in (3, 4):
        done = run(f"model.widths=[{','.join(['2'] * 110)},{last}]", "count_pieces=false")
        assert done.returncode == 0, done.stderr
    names = [path.parent.name for path in tmp_path.glob("outputs/zigzag/*/metrics.json")]
    assert len(names) == 2
    assert all(len(name.encode()) <= 200 for name in names)
    assert "finished already" in run(f"model.widths=[{','.join(['2'] * 110)},3]", "count_pieces=false").stdout


@pytest.mark.slow
def test_a_network_that_diverged_is_a_failure_alone_and_its_command_runs_again(run: Run, tmp_path: Path) -> None:
    done = run("optimizer=sgd", "optimizer.rate=1e30")
    assert done.returncode == 1
    (command,) = re.findall(r"^  python -m dlcourse (.*)$", done.stderr, re.MULTILINE)
    again = run(*shlex.split(command), quick=False)
    assert again.returncode == 1
    assert "finished already" not in again.stdout
    sweep = ["-m", "optimizer=sgd", "optimizer.rate=0.1,1e30", "seed=0,1"]
    assert run(*sweep).returncode == 1
    only = run(*sweep, "only=failed")
    assert only.returncode == 1
    assert only.stderr.count("failed: diverged") == 2
    assert run("optimizer=sgd", "optimizer.rate=0.1", "seed=0", "only=failed").returncode == 2  # alone, and it has not
    assert run("optimizer=sgd", "optimizer.rate=1e30", "seed=0", "only=failed").returncode == 1


@pytest.mark.slow
def test_a_plan_is_told_and_nothing_is_done(run: Run, tmp_path: Path) -> None:
    assert run("seed=3").returncode == 0
    before = sorted(tmp_path.rglob("*"))
    done = run("-m", "seed=range(5)", "model.depth=1,2", "plan=true")
    assert done.returncode == 0
    assert "10 jobs: 1 finished, 9 to do\n  9 runs in 2 stacks on 1 process\n  at least " in done.stdout
    assert run("-m", "experiment=parity_threshold", "power_of_ten=1,2", "plan=true", quick=False).returncode == 0
    assert run("plan=true").returncode == 0
    search = run(
        "-m", "hydra/sweeper=optuna", "optimizer.rate=interval(0.01,0.1)", "hydra.sweeper.n_trials=2", "plan=true"
    )
    assert search.returncode == 0
    assert search.stdout.endswith("nothing was done (plan=true)\n")
    assert "Traceback" not in search.stderr
    assert "Failed" not in search.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_search_goes_on_from_its_study(run: Run, tmp_path: Path) -> None:
    search = ["-m", "hydra/sweeper=optuna", "optimizer.rate=interval(0.01,0.1)", "hydra.sweeper.n_trials=2",
              "hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=rates"]  # fmt: skip
    assert run(*search).returncode == 0
    again = run(*search)
    assert again.returncode == 0
    assert "best of 2 trials" in again.stdout
    with contextlib.closing(sqlite3.connect(tmp_path / "study.db")) as study:
        assert study.execute("select count(*) from trials").fetchone() == (4,)


@pytest.mark.slow
def test_a_search_for_the_worst_is_refused_and_the_best_is_kept(run: Run, tmp_path: Path) -> None:
    search = ["-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2",
              "hydra.sweeper.sampler.seed=0", "optimizer.rate=interval(0.001,0.1)", "task=moons"]  # fmt: skip
    done = run(*search)
    assert done.returncode == 2
    assert (
        "hydra.sweeper.direction must be maximize for the task moons: more accuracy is better; got minimize"
        in done.stderr
    )
    assert not (tmp_path / "outputs").exists()
    done = run(*search, "hydra.sweeper.direction=maximize")
    assert done.returncode == 0, done.stderr
    accuracies = {
        path.parent.name: json.loads(path.read_text())["metrics"]["accuracy"]
        for path in tmp_path.glob("outputs/moons/*/metrics.json")
    }
    assert len(accuracies) == 4
    best = (tmp_path / "outputs" / "moons" / "best_trial.yaml").read_text()
    name = best.splitlines()[0].removeprefix("run: ")
    assert accuracies[name] == max(accuracies.values())
    assert "best of 4 trials: accuracy" in done.stdout
    assert done.stdout.count("linear pieces on [") == 1  # one table, not one a batch
    assert run(*search, "task=zigzag", "hydra.sweeper.direction=maximize").returncode == 2


@pytest.mark.slow
def test_batches_that_fail_do_not_end_the_sweep(run: Run, tmp_path: Path) -> None:
    done = run("-m", "hydra.sweeper.max_batch_size=1", "model.width=4,-1,5", "seed=0,1")
    assert done.returncode == 1
    assert len(list(tmp_path.glob("outputs/zigzag/*/metrics.json"))) == 4
    assert done.stdout.count("linear pieces on [") == 1
    everything = run("-m", "hydra.sweeper.max_batch_size=1", "optimizer=sgd", "optimizer.rate=1e30,0.1")
    assert everything.returncode == 1
    assert "Traceback" not in everything.stderr


@pytest.mark.slow
def test_pilots_leave_the_best_settings_to_the_seeds_of_a_sweep(run: Run, tmp_path: Path) -> None:
    sweep = ["-m", "optimizer=sgd", "optimizer.rate=1e-9,0.1,1e30", "seed=range(3)", "compare.pilots=2"]
    planned = run(*sweep, "compare.candidates=1", "plan=true")
    assert "6 jobs: 0 finished, 6 to do" in planned.stdout
    assert "3 jobs: 0 finished, 3 to do" in planned.stdout
    assert not list(tmp_path.glob("outputs/*/*"))
    done = run(*sweep, "compare.candidates=1")
    assert done.returncode == 0, done.stderr  # a pilot that diverges is none that fails
    assert "6 of 9 runs are left out: their settings are not the 1 best of 2 pilots (outputs/zigzag_pilots)" in (
        done.stdout
    )
    runs = [json.loads(path.read_text())["config"] for path in tmp_path.glob("outputs/zigzag/*/metrics.json")]
    assert sorted((each["optimizer.rate"], each["seed"]) for each in runs) == [(0.1, 0), (0.1, 1), (0.1, 2)]
    assert len((tmp_path / "outputs" / "zigzag_pilots" / "results.csv").read_text().splitlines()) == 7
    again = run(*sweep, "compare.candidates=1")
    assert "6 of 6 pilots are finished already" in again.stdout
    assert "3 of 3 runs are finished already" in again.stdout
    diverged = run("-m", "optimizer=sgd", "optimizer.rate=1e30", "seed=7", "name=zigzag")
    assert diverged.returncode == 1
    failed = run(*sweep[:-1], "seed=7", "compare.pilots=2", "only=failed")  # no pilots for what is done again
    assert failed.returncode == 1
    assert "pilots" not in failed.stdout


def test_pilots_want_all_jobs_at_once_and_seeds_of_their_own(run: Run) -> None:
    batches = run("-m", "hydra.sweeper.max_batch_size=2", "compare.pilots=2", "seed=range(3)")
    assert batches.returncode == 2
    assert "compare.pilots must be 0 where jobs do not come all at once, got 2" in batches.stderr
    seeds = run("-m", "optimizer.rate=0.1,0.2,0.3", "seed=1000000", "compare.pilots=2")
    assert seeds.returncode == 2
    assert "seed must be below 1000000 with compare.pilots, got 1000000" in seeds.stderr


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 0.9, 1.6])
def test_ctrl_c_while_modules_are_imported_is_a_line(tmp_path: Path, seconds: float) -> None:
    command = [sys.executable, "-c", "import dlcourse.cli; print(flush=True); from dlcourse.cli import main; main()"]
    with subprocess.Popen(
        [*command, "num_steps=1000000"], cwd=tmp_path, text=True, stdout=-1, stderr=-1,
        env={**os.environ, "PYTHONPATH": str(door.CONFIGS.parent)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()  # from here on it can be told
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_other_launchers_say_how_to_compare(run: Run, tmp_path: Path) -> None:
    done = run("-m", "hydra/launcher=basic", "model.depth=1,2", *QUICK[:3], quick=False)
    assert done.returncode == 0, done.stderr
    assert "dlcourse-results outputs/NAME --compare" in done.stdout


@pytest.mark.slow
def test_help_explains_what_was_chosen_and_what_is_swept(run: Run) -> None:
    text = run("--help", "experiment=near_the_solution", quick=False).stdout
    for field in dataclasses.fields(NearTheSolution):
        assert re.search(rf"^  {field.name} +\S", text, re.MULTILINE), field.name
    assert re.search(r"^  num_folds +5,4,3$", text, re.MULTILINE)
    text = run("--help", "task=moons", "optimizer=sgd", quick=False).stdout
    for key in ("task.noise", "optimizer.momentum", "model.initialization"):
        assert re.search(rf"^  {key} +\S", text, re.MULTILINE), key


def test_the_version_is_ours(dlcourse: Command) -> None:
    _, out, _ = dlcourse("--version")
    assert out.startswith(f"dlcourse {__version__} ")


NAMES = ["my sweep", "größe", "$(touch x)", "`touch x`", 'a"b', "a'b", "a;b&c|d", "null", "1e3", "-m", "a=b,c", "{a}",
         "${b}", "back\\slash'", "#", "*", "~", "[1]", "a:b", "!x", "trailing "]  # fmt: skip


@given(st.one_of(st.sampled_from(NAMES), st.text(st.characters(exclude_categories=("C",)), min_size=1)))
def test_hydra_reads_a_text_as_it_was(text: str) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"name={_in_hydras_grammar(text)}"])
    value = override.value()
    # What is no interpolation is unescaped only when the configuration is read.
    assert OmegaConf.create({"name": getattr(value, "text", value)}).name == text


@pytest.mark.slow
def test_printed_commands_can_be_pasted_into_a_shell(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my configs" / "task").mkdir(parents=True)
    (tmp_path / "my configs" / "task" / "wavy.yaml").write_text("defaults:\n  - zigzag\n  - _self_\nnum_folds: 2\n")
    given = run("--config-dir=my configs", "task=wavy", "name='$(touch x) `y` größe; z'", "outputs='my outputs'",
                "optimizer=sgd", "optimizer.rate=1e30", "device=cpu")  # fmt: skip
    assert given.returncode == 1, given.stderr
    (command,) = re.findall(r"^  (python -m dlcourse .*)$", given.stderr, re.MULTILINE)
    environment = {
        **os.environ,
        "PYTHONPATH": str(door.CONFIGS.parent),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "failed: diverged" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my configs", "my outputs"]
    assert len(list(tmp_path.glob("my outputs/*/*/metrics.json"))) == 1
