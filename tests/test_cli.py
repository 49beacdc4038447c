"""The command line, as a user meets it."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from imported import Imported
from marks import slow_except
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlcourse.cli import door, say
from dlcourse.cli.choices import Choices
from dlcourse.jobs import config
from dlcourse.recording import figures, results

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("started", "program"),
    [
        ("/usr/local/bin/dlcourse", "dlcourse"),
        ("/somewhere/dlcourse/__main__.py", "python -m dlcourse"),
        ("lab.py", "python lab.py"),
        ("my experiments/lab.py", "python 'my experiments/lab.py'"),
    ],
)
def test_printed_commands_begin_with_the_program(monkeypatch: Any, started: str, program: str) -> None:
    monkeypatch.setattr(sys, "argv", [started, "seed=0"])
    assert say.program() == program


def test_a_run(dlcourse: Command, tmp_path: Path) -> None:
    line = ("task=zigzag", "model.depth=3", "model.width=8", "seed=0", "optimizer=adam", "num_steps=50")
    code, out, err = dlcourse(*line)
    assert (code, err) == (0, "")
    assert re.search(r"mean squared error 0\.\d+, \d+ linear pieces on \[0, 2\], 169 parameters", out)
    (folder,) = tmp_path.glob("outputs/zigzag/*")
    assert folder.name.startswith("zigzag-depth=3-width=8-relu-seed=0-")
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    code, out, _ = dlcourse(*line)
    assert code == 0
    assert "finished already (force=true runs it again)" in out
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written
    dlcourse(*line, "force=true")
    assert (folder / "metrics.json").stat().st_mtime_ns != written[folder / "metrics.json"]
    assert list(tmp_path.glob("outputs/zigzag/*")) == [folder]


MISTAKES = [
    (["task=smooth", "task.function=cosine"], ["task.function", "cosine", "sine"]),
    (["modle.depth=3"], ["modle", "allowed here: task, model, optimizer, num_steps"]),
    (
        ["model.dept=3"],
        ["'dept'", "allowed here: depth, width, widths, max_parameters, activation, initialization, skip"],
    ),
    (
        ["-m", "model.dept=3,4"],
        ["'dept'", "allowed here: depth, width, widths, max_parameters, activation, initialization, skip"],
    ),
    (["task=zigzog"], ["zigzog", "Available options in 'task'", "parity", "zigzag"]),
    (["optimizer=adem"], ["adem", "momentum"]),
    (["experiment=none"], ["Available options in 'experiment'", "digits"]),
    (["model.depth=abc"], ["model.depth", "abc", "Integer"]),
    (["model.activation=gelu"], ["model.activation=gelu", "[relu, leaky_relu, sigmoid, tanh]"]),
    (["task=parity", "task.encoding=two"], ["encoding", "two", "zero_one, plus_minus"]),
    (["model.width=-1"], ["model.width must be at least 1, got -1"]),
    (["task.num_folds=0"], ["num_folds must be between 1 and 20, got 0"]),
    (["task=blobs", "task.num_classes=1"], ["num_classes", "got 1"]),
    (["task=parity", "task.num_bits=40"], ["num_bits", "40"]),
    (["num_steps=-5"], ["num_steps must be between 0 and 1000000000000, got -5"]),
    (["optimizer.rate=0"], ["optimizer.rate must be a finite number above 0, got 0"]),
    (["optimizer=sgd", "optimizer.momentum=1"], ["optimizer.momentum must be at least 0 and below 1, got 1"]),
    (["name=../x"], ["name must be the name of one folder"]),
    (["-m", "seed=0,1", "model.width=-8"], ["model.width must be at least 1, got -8"]),
    (["-m", "seed=0,1", "optimizer.rte=0.1,0.2"], ["optimizer.rte", "rate"]),
    (["model.depth=1,2"], ["model.depth=1,2", "--multirun"]),
    (
        ["experiment=random_networks", "model.depth=3"],
        ["model", "allowed here: name, outputs, force, plan"],
    ),
    (["experiment=random_networks", "task=zigzag"], ["Key 'task' not in 'RandomNetworks'"]),
    (["experiment=random_networks", "num_drawn=3"], ["num_drawn", "num_draws"]),
    (["experiment=random_networks", "num_draws=1"], ["num_draws must be at least 2, got 1"]),
    (["experiment=random_networks", "widths=[]"], ["widths must be at least 1 in each of one or more layers, got []"]),
    (["experiment=random_networks", "name=a/b"], ["name must be the name of one folder", "got 'a/b'"]),
    (["-m", "experiment=random_networks", "num_draws=0,1"], ["num_draws must be at least 2, got 0"]),
    (
        ["-m", "experiment=random_networks", "modle.depth=1,2"],
        ["modle", "allowed here: name, outputs, force, plan"],
    ),
    (["model.depth="], ["model.depth"]),
    (["model.depth"], ["model.depth"]),
]


@pytest.mark.parametrize(
    ("arguments", "named"), slow_except(MISTAKES, *MISTAKES[::3]), ids=lambda value: " ".join(value)
)
def test_a_mistake_gets_a_few_lines_and_leaves_nothing(
    dlcourse: Command, tmp_path: Path, arguments: list[str], named: list[str]
) -> None:
    code, out, err = dlcourse(*arguments)
    assert code == 2
    for words in named:
        assert words in err
    assert "Traceback" not in err + out
    assert len(err.splitlines()) <= 9 + len(list((door.CONFIGS / "experiment").iterdir()))  # may name all of them
    assert list(tmp_path.iterdir()) == []


def test_cuda_without_a_device_is_one_line(dlcourse: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.torch.cuda, "is_available", lambda: False)
    code, _, err = dlcourse("device=cuda")
    assert code == 2
    assert "device must be cpu or auto here" in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_run_is_not_taken(dlcourse: Command, tmp_path: Path) -> None:
    dlcourse("num_steps=1", "pictures=false")
    (path,) = tmp_path.glob("outputs/zigzag/*/metrics.json")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    code, _, err = dlcourse("num_steps=1")
    assert code == 2
    assert "holds a run of another configuration" in err


@pytest.mark.slow
def test_a_sweep_is_comparable(dlcourse: Command, tmp_path: Path) -> None:
    line = ("-m", "model.depth=1,2,3", "model.width=4,8", "seed=range(3)", "num_steps=20", "log_every=20")
    code, out, _ = dlcourse(*line)
    assert code == 0
    folder = tmp_path / "outputs" / "zigzag"
    finished = sorted(folder.glob("*/metrics.json"))
    assert len(finished) == 18
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    # the table: a row a depth and width, with their parameters
    rows = [line.split()[:3] for line in out.splitlines() if re.match(r" +[123] ", line)]
    assert rows == [
        ["1", "4", "13"], ["2", "4", "33"], ["3", "4", "53"], ["1", "8", "25"], ["2", "8", "97"], ["3", "8", "169"]
    ]  # fmt: skip
    # results.csv: one row a run
    with (folder / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {(row["model.depth"], row["model.width"], row["seed"]) for row in table} == {
        (depth, width, seed) for depth in "123" for width in "48" for seed in "012"
    }
    # comparison: the step is the depth, the value the median over three seeds, read off the runs' own files
    for width in (4, 8):
        (events,) = (folder / "comparison" / f"width={width}").glob("events*")
        accumulator = EventAccumulator(str(events)).Reload()
        for metric, tag in {"mean_squared_error": "mean_squared_error", "num_pieces": "num_pieces on [0, 2]"}.items():
            points = accumulator.Scalars(f"comparison (step = depth)/{tag}")
            assert [point.step for point in points] == [1, 2, 3]
            for point in points:
                values = [
                    json.loads(path.read_text())["metrics"][metric]
                    for path in finished
                    if f"depth={point.step}-width={width}-" in str(path)
                ]
                assert point.value == pytest.approx(sorted(values)[1], rel=1e-6)
    # pictures: only for the first seed of each depth and width
    pictured = [path.parent.name for path in finished if _pictures(path.parent)]
    assert pictured == [path.parent.name for path in finished if "-seed=0-" in path.parent.name]
    assert len(pictured) == 6
    # wider: only what is new
    code, out, _ = dlcourse("-m", "model.depth=2", "model.width=4,8", "seed=range(4)", *line[4:])
    assert code == 0
    assert "6 of 8 runs are finished already" in out
    assert len(list(folder.glob("*/metrics.json"))) == 20


def _pictures(folder: Path) -> list[str]:
    (events,) = folder.glob("events*")
    return EventAccumulator(str(events)).Reload().Tags()["images"]


# Two small jobs each, of which the quick experiments do both, and the others the first.
SMALL_MEASUREMENTS = {
    "deep_to_shallow": ["num_folds=2,3", "widths=[4,4]", "num_seeds=2", "num_steps=2"],
    "first_gradient": ["subset=2,3", "num_bits=4"],
    "islands_by_depth": ["depth=1,2"],
    "layerwise_gradients": ["depth=1,2", "num_seeds=2"],
    "layerwise_time": ["depth=1,2", "num_turns=1"],
    "gradient_norms": ["depth=1,2", "num_networks=2"],
    "networks_that_die": ["depth=1,2", "num_networks=3"],
    "networks_that_die_training": ["initialization=he,torch", "num_networks=2", "num_steps=2"],
    "networks_that_die_zigzag": ["depth=1,2", "num_networks=2", "num_steps=2"],
    "near_the_solution": ["noise=0.1,null", "num_folds=2", "num_steps=2"],
    "parity_by_one_layer": ["num_bits=2,3", "num_units=1"],
    "parity_circuits": ["num_bits=4,5"],
    "parity_networks": ["num_bits=2,3"],
    "parity_starts": ["num_bits=2,3", "num_units=2", "num_starts=2", "num_steps=2"],
    "parity_threshold": ["power_of_ten=1,2"],
    "pieces_by_design": [
        "target=cube,sine",
        "depth=1",
        "rates=[0.01]",
        "num_seeds=2",
        "num_steps=2",
        "num_steps_of_first_stage=1",
    ],
    "planes_of_images": ["seed=0,1", "widths=[4]", "steps=[0,2]", "num_lines=2", "num_triangles=2", "num_planes=1"],
    "random_networks": ["widths=[3],[2,2]", "num_draws=2"],
    "random_networks_boxes": ["widths=[3],[2,2]", "num_draws=2"],
    "random_networks_planes": ["widths=[3],[2,2]", "num_draws=2"],
    "random_networks_slices": ["in_features=1,4", "widths=[3]", "num_draws=2"],
    "random_topology": ["depth=1,2", "max_parameters=20", "initialization=he", "num_draws=2"],
    "reached_pieces": ["width=2,3", "num_draws=4", "num_climbers=2", "num_mutations=2"],
    "reached_pieces_planes": ["width=2,3", "depth=1", "num_draws=2", "num_climbers=2", "num_mutations=2"],
    "shallow_from_scratch": ["source=tents", "initialization=torch,he", "num_seeds=2", "num_steps=2"],
    "shallow_training": ["source=tents,trained", "noise=0.1", "num_seeds=2", "num_steps=2"],
}


EXPERIMENTS = sorted(path.stem for path in (door.CONFIGS / "experiment").glob("*.yaml"))
QUICK_EXPERIMENTS = ["digits", "first_gradient", "parity_threshold", "random_networks"]


@pytest.mark.parametrize("experiment", slow_except(EXPERIMENTS, *QUICK_EXPERIMENTS))
@pytest.mark.slow
def test_every_experiment_runs(
    dlcourse: Command, tmp_path: Path, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if experiment not in QUICK_EXPERIMENTS:  # figures are made of all, but drawn of few: that takes as long as the rest
        white = figures.to_png(Figure(figsize=(1, 1)), width=10)
        monkeypatch.setattr(figures, "to_png", lambda figure, **_: white)
    settings = yaml.safe_load((door.CONFIGS / "experiment" / f"{experiment}.yaml").read_text())
    small = [*SMALL_MEASUREMENTS.get(experiment, ["num_steps=2", "log_every=2", "seed=0,1", "pictures=false"])]
    given = [override.partition("=")[0] for override in small]
    swept = settings["hydra"]["sweeper"]["params"].items()
    small += [_first(f"{key}={choices}") for key, choices in swept if key not in given]
    is_sweep = experiment not in SMALL_MEASUREMENTS or experiment in QUICK_EXPERIMENTS
    if is_sweep:
        line = ["-m", f"experiment={experiment}", *small, "hydra.launcher.num_workers=1"]
    else:
        line = [f"experiment={experiment}", *map(_first, small)]
    code, _, err = dlcourse(*line)
    assert (code, "Traceback" in err) == (0, False)
    assert len(list((tmp_path / "outputs" / experiment).glob("*/metrics.json"))) == 1 + is_sweep


def _first(swept: str) -> str:
    """The first of the choices that an override gives, which may be the only one."""
    (override,) = OverridesParser.create().parse_overrides([swept])
    if not override.is_sweep_override():
        return swept
    return f"{swept.partition('=')[0]}={next(override.sweep_string_iterator())}"


def test_a_measurement(dlcourse: Command, tmp_path: Path) -> None:
    line = ("experiment=parity_circuits", "num_bits=8", "depth=3")
    code, out, err = dlcourse(*line)
    assert (code, err) == (0, "")
    assert re.search(r"^fewest_gates +25$", out, re.MULTILINE)
    (folder,) = tmp_path.glob("outputs/parity_circuits/*")
    assert folder.name.startswith("parity_circuits-num_bits=8-depth=3-")
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "metrics.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    program, *command = shlex.split((folder / "config.yaml").read_text().splitlines()[0].removeprefix("# "))
    assert program == "dlcourse"
    code, out, _ = dlcourse(*command)  # the same one
    assert code == 0
    assert "finished already" in out
    assert len(list(tmp_path.glob("outputs/parity_circuits/*"))) == 1


def test_a_sweep_of_measurements(dlcourse: Command, tmp_path: Path) -> None:
    line = ("-m", "experiment=parity_circuits", "num_bits=4,8", "depth=2", "hydra.launcher.num_workers=1")
    code, out, _ = dlcourse(*line)
    assert code == 0
    assert "report.py" not in out
    report = tmp_path / "experiments" / "of_circuits" / "report.py"
    report.parent.mkdir(parents=True)
    report.write_text("# dlcourse -m experiment=parity_circuits\n")
    (tmp_path / "experiments" / "other").mkdir()
    (tmp_path / "experiments" / "other" / "report.py").write_text("# dlcourse -m experiment=parity_circuits_too\n")
    code, out, _ = dlcourse(*line[:3], "depth=2,3", line[-1])
    assert code == 0
    assert "2 of 4 measurements are finished already" in out
    assert out.count("report.py") == 1
    assert "python experiments/of_circuits/report.py" in out
    with (tmp_path / "outputs" / "parity_circuits" / "results.csv").open() as file:
        found = {(row["num_bits"], row["depth"]): row["fewest_gates"] for row in csv.DictReader(file)}
    # 2^(d-1) terms and an OR in depth 2; the others as in the literature's construction with the best blocks
    assert found == {("4", "2"): "9", ("8", "2"): "129", ("4", "3"): "9", ("8", "3"): "25"}


@pytest.mark.slow
def test_a_sweep_that_is_repeated_reads_each_result_once_and_those_done_again_anew(
    dlcourse: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("-m", "experiment=parity_circuits", "depth=2", "hydra.launcher.num_workers=1")
    table = tmp_path / "outputs" / "parity_circuits" / "results.csv"
    assert dlcourse(*line, "num_bits=4,6")[0] == 0
    before = table.read_text()
    read: list[str] = []
    read_json = results.read_json
    monkeypatch.setattr(results, "read_json", lambda path: read.append(path.parent.name) or read_json(path))
    assert dlcourse(*line, "num_bits=4,6")[0] == 0
    assert (len(read), len(set(read)), table.read_text()) == (2, 2, before)
    one, _ = sorted(tmp_path.glob("outputs/parity_circuits/*/metrics.json"))
    one.write_text(one.read_text().replace('"fewest_gates": 9', '"fewest_gates": 7'))  # as it would come out otherwise
    assert dlcourse(*line, "num_bits=4", "force=true")[0] == 0
    assert '"fewest_gates": 9' in one.read_text()
    assert [row["fewest_gates"] for row in csv.DictReader(table.read_text().splitlines())] == ["9", "33"]


@pytest.mark.slow
def test_a_measurement_that_fails_leaves_the_others_alone(dlcourse: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    line = ("-m", "experiment=parity_circuits", "num_bits=4", "depth=2,3", "outputs=outputs,file")
    code, _, err = dlcourse(*line, "hydra.launcher.num_workers=1")
    assert code == 1
    assert "Traceback" not in err
    reason = "outputs must be a folder that can be written to, got file"
    failed = re.findall(rf"^failed: {reason} .*\n  (dlcourse .*)$", err, re.MULTILINE)
    assert len(failed) == 2
    assert "depth=2" in failed[0]
    assert len(list(tmp_path.glob("outputs/parity_circuits/*/metrics.json"))) == 2
    code, _, err = dlcourse("experiment=parity_circuits", "outputs=file")
    assert code == 2
    assert reason in err


@pytest.mark.slow
def test_help_names_everything_there_is(dlcourse: Command) -> None:
    code, out, _ = dlcourse("--help")
    assert code == 0
    names = [(path.parent.name, path.stem) for path in door.CONFIGS.glob("*/*.yaml")]
    names += [(group, name) for group in ("task", "model", "optimizer") for name in Choices().names(group)]
    for group, name in names:
        lines = rf"^  +{group} [^\n]*(\n {{12,}}[^\n]*)*?\b{name}\b"
        assert re.search(lines, out, re.MULTILINE), name
    for field in ("num_steps", "batch_size", "seed", "dtype", "device", "log_every", "name", "outputs", "force=true"):
        assert field in out


@pytest.mark.slow
def test_hydras_own_launcher_works_too(dlcourse: Command, tmp_path: Path) -> None:
    code, out, _ = dlcourse("-m", "hydra/launcher=basic", "seed=0,1", "num_steps=2", "pictures=false")
    assert code == 0
    assert out.count("mean squared error") == 2
    assert len(list(tmp_path.glob("outputs/zigzag/*/metrics.json"))) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


@pytest.mark.slow
def test_failed_runs_are_listed_with_the_command_that_repeats_them(dlcourse: Command, tmp_path: Path) -> None:
    line = ("-m", "optimizer=sgd", "optimizer.rate=0.01,1e30", "num_steps=20", "log_every=10", "pictures=false")
    for _ in range(2):  # the second time all is finished, and no better
        code, out, err = dlcourse(*line)
        assert code == 1
        assert "Traceback" not in err
        (reason, command) = re.findall(r"^failed: (.*)\n  dlcourse (.*)$", err, re.MULTILINE)[0]
        assert reason == "diverged by step 10"
        assert "optimizer.rate=1e+30" in command
        assert len(list(tmp_path.glob("outputs/zigzag/*/metrics.json"))) == 2
    code, out, err = dlcourse(*shlex.split(command))
    assert code == 1
    assert "finished already" not in out  # it runs again, and diverges again
    assert "failed: diverged by step 10" in err


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, config.COMPILERS)), reason="no C++ compiler")
def test_compiled_training_is_the_same_to_rounding(tmp_path: Path, imported: Imported) -> None:
    line = ["-m", "compile=true,false", "optimizer=sgd", "optimizer.rate=0.01", "num_steps=20", "dtype=float64",
            "pictures=false", "hydra.launcher.num_workers=1"]  # fmt: skip
    # One kernel needs no processes that compile side by side, each of which would import torch.
    script = "import os\n\nos.environ['TORCHINDUCTOR_COMPILE_THREADS'] = '1'\nfrom dlcourse.cli import main\n\nmain()\n"
    (tmp_path / "compiling.py").write_text(script)
    done = imported.run(["compiling.py", *line], tmp_path)
    assert done.returncode == 0, done.stderr
    losses = {}
    for path in tmp_path.glob("outputs/zigzag/*/metrics.json"):
        content = json.loads(path.read_text())
        losses[content["config"]["compile"]] = content["metrics"]["loss/train"]
    assert losses[True] == pytest.approx(losses[False], rel=1e-12)  # each of 20 small steps rounds by about 2e-16


@pytest.mark.slow
def test_a_refused_job_fails_alone(dlcourse: Command, tmp_path: Path) -> None:
    # null takes all items at every step: possible with a stock of data, not with fresh items
    line = ("-m", "batch_size=null,8", "task.fresh=true,false", "num_steps=2", "pictures=false")
    code, _, err = dlcourse(*line)
    assert code == 1
    assert "failed: batch_size must be given where task.fresh is true, got null" in err
    (command,) = re.findall(r"^  dlcourse (.*)$", err, re.MULTILINE)
    assert len(list(tmp_path.glob("outputs/zigzag/*/metrics.json"))) == 3
    code, _, err = dlcourse(*shlex.split(command))
    assert code == 2
    assert "batch_size must be given" in err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("num_workers=0", "hydra.launcher.num_workers must be at least 1, or null for one a core, got 0"),
        ("backend=slurm", "hydra.launcher.backend must be loky or dask, got 'slurm'"),
        ("backend=dask", "hydra.launcher.scheduler must be given with backend=dask"),
        ("num_worker=2", "num_worker"),
    ],
)
@pytest.mark.slow
def test_bad_launcher_options_are_refused(dlcourse: Command, tmp_path: Path, option: str, message: str) -> None:
    code, _, err = dlcourse("-m", "seed=0,1", f"hydra.launcher.{option}")
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_leaves_what_is_finished(tmp_path: Path, imported: Imported) -> None:
    line = ["-m", "model.width=4", "num_steps=3,1000000000", "pictures=false", "hydra.launcher.num_workers=2"]
    process = imported.start(["-m", "dlcourse", *line], tmp_path)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("outputs/zigzag/*/metrics.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    _, err = process.said()
    assert "interrupted" in err
    assert "Traceback" not in err
    (finished,) = tmp_path.glob("outputs/zigzag/*/metrics.json")
    assert json.loads(finished.read_text())["config"]["num_steps"] == 3
    deadline = time.monotonic() + 30
    with pytest.raises(ProcessLookupError):  # the worker that was in the middle of the other run is gone, too
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.1)
