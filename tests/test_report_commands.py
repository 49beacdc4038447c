import itertools
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imported import Imported

from dlcourse.recording.failures import Failed, write_failure
from dlcourse.report.commands import commands_of, put_together


def expanded(command: str) -> list[str]:
    """The single runs of a command whose values have no commas of their own, as Hydra would expand it."""
    words = shlex.split(command)
    program = [word for word in words if "=" not in word and word != "-m"]
    choices = [
        [f"{key}={value}" for value in values.split(",")] for key, values in (w.split("=") for w in words if "=" in w)
    ]
    assert ("-m" in words) == any(len(each) > 1 for each in choices)
    return [shlex.join([*program, *each]) for each in itertools.product(*choices)]


def test_a_whole_grid_is_one_command() -> None:
    runs = [
        f"dlcourse name=a task=zigzag model.depth={depth} optimizer.rate={rate} seed={seed}"
        for depth in (10, 2) for rate in ("0.1", "1e-05") for seed in range(3)
    ]  # fmt: skip
    (command,) = put_together(runs)
    assert command == "dlcourse -m name=a task=zigzag model.depth=2,10 optimizer.rate=1e-05,0.1 seed=0,1,2"


def test_what_is_no_grid_takes_as_many_commands_as_it_needs() -> None:
    runs = ["dlcourse model.depth=1 model.width=8 seed=0", "dlcourse model.depth=1 model.width=8 seed=1"]
    runs += ["dlcourse model.depth=2 model.width=4 seed=0", "dlcourse model.depth=2 model.width=4 seed=1"]
    assert put_together(runs) == [
        "dlcourse -m model.depth=1 model.width=8 seed=0,1",
        "dlcourse -m model.depth=2 model.width=4 seed=0,1",
    ]
    # One that sets more, and one of another program, are not mixed with the others.
    more = [
        "dlcourse model.depth=1 model.width=8 seed=0 model.skip=true",
        "python -m dlcourse model.depth=1 model.width=8 seed=0",
    ]
    assert set(more) <= set(put_together(runs + more))


@given(st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 3)), min_size=1))
def test_exactly_the_runs_are_done_and_each_once(chosen: set[tuple[str, str, int]]) -> None:
    runs = [f"dlcourse task={task} model={model} seed={seed}" for task, model, seed in sorted(chosen)]
    done = [run for command in put_together(runs) for run in expanded(command)]
    assert sorted(done) == sorted(runs)


def test_quotes_and_lists_survive() -> None:
    runs = [f"python 'my lab.py' --config-dir=c 'task=\"a b\"' 'model.widths=[4,{width}]' seed=0" for width in (8, 4)]
    (command,) = put_together(runs)
    assert command == "python 'my lab.py' --config-dir=c -m 'task=\"a b\"' 'model.widths=[4,4],[4,8]' seed=0"


def test_commands_are_read_from_folders(tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / f"run{seed}").mkdir()
        (tmp_path / f"run{seed}" / "config.yaml").write_text(f"# dlcourse name=a seed={seed}\nseed: {seed}\n")
    write_failure(tmp_path / "run2", Failed("run2", "OSError", "dlcourse name=a seed=2"))
    (tmp_path / "run0.saved").mkdir()
    (tmp_path / "run0.saved" / "config.yaml").write_text("# dlcourse name=b\n")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.yaml").write_text("seed: 0\n")
    assert commands_of(tmp_path) == ["dlcourse -m name=a seed=0,1,2"]
    assert commands_of(tmp_path / "run1") == ["dlcourse name=a seed=1"]
    assert commands_of(tmp_path / "nowhere") == []


@pytest.mark.slow
def test_the_command_of_a_real_sweep_finds_all_its_runs_done(imported: Imported, tmp_path: Path) -> None:
    words = "-m name=swept model.depth=1,2 model.width=4 num_steps=2 log_every=2 pictures=false optimizer.rate=0.1,1e-5"
    done = imported.run(["-m", "dlcourse", *words.split(), "seed=range(2)", "hydra.launcher.num_workers=1"], tmp_path)
    assert done.returncode == 0, done.stderr
    (command,) = commands_of(tmp_path / "outputs" / "swept")
    program, *again = shlex.split(command)
    assert (program, again[:3]) == ("python", ["-m", "dlcourse", "-m"])
    planned = imported.run([*again, "plan=true"], tmp_path)
    assert "8 jobs: 8 finished, 0 to do" in planned.stdout, planned.stdout + planned.stderr
