"""Doors for other people's tasks, networks, optimizers and measurements, and the way back from a run's folder."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from imported import Imported

import dlcourse
from dlcourse import outside
from dlcourse.cli.choices import Choices
from dlcourse.cli.door import CONFIGS
from dlcourse.jobs import runs
from dlcourse.jobs.config import RunConfig
from dlcourse.networks import MLPModel, Model
from dlcourse.tasks import Moons, Task, ZigZag
from dlcourse.training import Adam

REPOSITORY = CONFIGS.parent
PAGE = (REPOSITORY / "docs" / "own_code.md").read_text()
LAB, MEASUREMENT, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
QUICK = ["num_steps=20", "log_every=10", "pictures=false"]
# Has workers started for short sweeps, too.
EAGER = "from dlcourse.jobs import runs\n\nruns.WORTH_WORKERS = 0.0\n"
IN_WORKERS = ["num_steps=300", "log_every=300", "pictures=false", "hydra.launcher.num_workers=2"]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab(tmp_path: Path, imported: Imported) -> Run:
    """Runs the page's script, or another program, in a folder of its own."""
    (tmp_path / "lab.py").write_text(LAB)

    def run(*arguments: str, program: str = "lab.py", path: str = "") -> "subprocess.CompletedProcess[str]":
        return imported.run([*shlex.split(program), *arguments], tmp_path, path)

    return run


def configs(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text())["config"] for path in sorted(folder.glob("outputs/*/*/metrics.json"))]


@pytest.mark.slow
def test_a_script_sweeps_its_own_task_over_our_networks_and_its_own(lab: Run, tmp_path: Path) -> None:
    line = ("-m", "task=sawtooth", "model=mlp,residual", "model.depth=1,2", "seed=0,1", *QUICK)
    done = lab(*line)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^relu$", done.stdout, re.MULTILINE)
    assert re.search(r"^residual$", done.stdout, re.MULTILINE)
    found = configs(tmp_path)
    assert len(found) == 8
    assert {config["task.name"] for config in found} == {"sawtooth"}
    assert {str(config["task.source"]).partition("-")[0] for config in found} == {"lab.Sawtooth"}
    assert sum(config.get("model.name") == "residual" for config in found) == 4
    # Hydra's own launcher finds the classes in the processes that it starts, and leaves nothing else.
    one = ("model=residual", "model.depth=1", "seed=0", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = lab("-m", "task=sawtooth", *one, "name=joblib", *QUICK)
    assert done.returncode == 0, done.stderr
    (by_joblib,) = tmp_path.glob("outputs/joblib/*=*")
    assert (by_joblib / "metrics.json").exists()
    assert (tmp_path / "outputs" / "sawtooth" / by_joblib.name).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab.py", "outputs"]
    assert sum("model.name" not in config and "model.source" not in config for config in found) == 4  # the lecture's
    assert (tmp_path / "outputs" / "sawtooth" / "comparison" / "depth_against_width-residual.png").exists()
    assert "8 of 8 runs are finished already" in lab(*line).stdout


@pytest.mark.slow
def test_the_commands_that_a_script_prints_begin_with_it_and_do_the_run_again(lab: Run, tmp_path: Path) -> None:
    assert lab("task=sawtooth", "task.num_teeth=2", "model=residual", *QUICK).returncode == 0
    (folder,) = tmp_path.glob("outputs/sawtooth/*")
    line = (folder / "config.yaml").read_text().splitlines()[0].removeprefix("# ")
    program, script, *overrides = shlex.split(line)
    assert (program, script) == ("python", "lab.py")
    assert "finished already" in lab(*overrides).stdout
    failed = lab("-m", "task=sawtooth", "optimizer=sgd", "optimizer.rate=1e30,0.1", *QUICK)
    assert re.search(r"^  python lab\.py name=sawtooth task=sawtooth ", failed.stderr, re.MULTILINE)


@pytest.mark.slow
def test_worker_processes_receive_the_classes(lab: Run, tmp_path: Path) -> None:
    marked = LAB.replace("        super().__init__()", "        super().__init__()\n        mark()", 1)
    assert marked != LAB
    mark = 'def mark():\n    Path(f"made-by-{os.getpid()}").touch()\n'
    (tmp_path / "lab.py").write_text(f"import os\nfrom pathlib import Path\n{EAGER}{mark}{marked}")
    done = lab("-m", "task=sawtooth", "model=residual", "model.depth=1,2", "seed=0,1", *IN_WORKERS)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("made-by-*"))) == 2  # a stack for each worker
    alone = lab("task=sawtooth", "model=residual", "model.depth=2", "seed=1", "name=alone", *IN_WORKERS[:3])
    assert alone.returncode == 0
    (one,) = tmp_path.glob("outputs/sawtooth/*depth=2*seed=1*/model.pt")
    (other,) = tmp_path.glob("outputs/alone/*/model.pt")
    assert one.parent.name == other.parent.name
    weights = [torch.load(path, weights_only=True) for path in (one, other)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_only_the_runs_that_kill_their_worker_fail(lab: Run, tmp_path: Path) -> None:
    kill = "        if width == 33:\n            os.kill(os.getpid(), 9)\n"
    deadly = LAB.replace("        super().__init__()", f"{kill}        super().__init__()", 1)
    assert deadly != LAB
    (tmp_path / "lab.py").write_text(f"import os\n{EAGER}{deadly}")
    done = lab("-m", "task=sawtooth", "model=residual", "model.width=4,33", *IN_WORKERS)
    assert done.returncode == 1
    assert done.stderr.count("failed: the worker process was killed (out of memory?)") == 1
    assert [config["model.width"] for config in configs(tmp_path)] == [4]
    assert not list(tmp_path.glob("outputs/*/*.part"))


@pytest.mark.slow
def test_two_scripts_with_the_same_names_and_fields_do_not_share_a_folder(lab: Run, tmp_path: Path) -> None:
    assert lab("task=sawtooth", *QUICK).returncode == 0
    other = LAB.replace("(self.num_teeth * x) % 1", "1 - (self.num_teeth * x) % 1")
    assert other != LAB
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lab.py").write_text(other)
    done = lab("task=sawtooth", *QUICK, program="elsewhere/lab.py")
    assert "finished already" not in done.stdout
    assert len(list(tmp_path.glob("outputs/sawtooth/*/metrics.json"))) == 2


@pytest.mark.slow
def test_measurements_and_optimizers_of_a_script(lab: Run, tmp_path: Path) -> None:
    optimizer = textwrap.dedent('''
        from dlcourse.training import SGD

        @dataclass(kw_only=True)
        class SignDescent(SGD):
            """theta <- theta - eta sign(dL/dtheta)."""

            name: ClassVar[str] = "sign_descent"

            def update_(self, parameters, gradients, buffers, rates, step, factor):
                parameters.sub_(gradients.sign_().mul_(rates), alpha=factor)
    ''')
    call = '\nfrom dlcourse.cli import main\n\nif __name__ == "__main__":\n    main('
    (tmp_path / "lab.py").write_text(
        MEASUREMENT + optimizer + f"{call}measurements=[Tents], optimizers=[SignDescent])\n"
    )
    done = lab("-m", "experiment=tents", "num_tents=1,2,5", "hydra.launcher.num_workers=1")
    assert done.returncode == 0, done.stderr
    contents = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/tents/*/metrics.json")]
    counts = {content["config"]["num_tents"]: content["metrics"]["num_pieces"] for content in contents}
    assert counts == {1: 2, 2: 4, 5: 32}
    done = lab("optimizer=sign_descent", "optimizer.rate=0.001", *QUICK)
    assert done.returncode == 0, done.stderr
    (config,) = [config for config in configs(tmp_path) if "optimizer.name" in config]
    assert config["optimizer.name"] == "sign_descent"
    assert str(config["optimizer.source"]).startswith("lab.SignDescent-")
    assert "tents" in lab("--help").stdout


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., str]:
    """An installed package that announces classes; gives the folder to put on the path."""

    def install(name: str = "teeth", **entry_points: str) -> str:
        site = tmp_path / f"site-{name}"
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").touch()
        (site / name / "lab.py").write_text(LAB + f"\nprint('{name} is imported')\n")
        info = site / f"{name}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        lines = [f"[dlcourse.{group}]\n{line}\n" for group, line in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        return str(site)

    return install


@pytest.mark.slow
def test_a_package_announces_a_task_and_a_network(lab: Run, package: Callable[..., str], tmp_path: Path) -> None:
    site = package(tasks="sawtooth = teeth.lab:Sawtooth", models="residual = teeth.lab:Residual")
    done = lab("-m", "task=zigzag,sawtooth", "model=residual", *QUICK, program="-m dlcourse", path=site)
    assert done.returncode == 0, done.stderr
    assert "teeth is imported" in done.stdout
    sources = {str(config["model.source"]).partition("-")[0] for config in configs(tmp_path)}
    assert sources == {"teeth.lab.Residual"}
    done = lab("task=zigzag", *QUICK, program="-m dlcourse", path=site)
    assert "is imported" not in done.stdout  # only where it is chosen
    assert re.search(r"task +[^\n]*\bsawtooth\b", lab("--help", program="-m dlcourse", path=site).stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry_points", "arguments", "words"),
    [
        (
            {"tasks": "zigzag = teeth.lab:Sawtooth"},
            ["task=zigzag"],
            ["task zigzag must be one choice", "dlcourse.tasks.zigzag:ZigZag", "teeth.lab:Sawtooth", "teeth 1.5"],
        ),
        ({"tasks": "saw = teeth.lab:Sawtooth"}, ["task=saw"], ["name of its entry point, saw, got sawtooth"]),
        ({"tasks": "sawtooth = teeth.lab:Nothing"}, ["task=sawtooth"], ["cannot be loaded", "AttributeError"]),
        (
            {"tasks": "residual = teeth.lab:Residual"},
            ["task=residual"],
            ["must be a child of dlcourse.tasks"],
        ),
        ({"models": "mlp = teeth.lab:Residual"}, ["-m", "model=mlp", "seed=0,1"], ["model mlp must be one choice"]),
        (
            {"optimizers": "momentum = teeth.lab:Sawtooth"},
            ["optimizer=momentum"],
            ["optimizer momentum must be one", "momentum.yaml", "teeth.lab:Sawtooth"],
        ),
    ],
)
def test_what_a_package_announces_wrongly_is_refused_by_name(
    lab: Run, package: Callable[..., str], tmp_path: Path, entry_points: dict[str, str], arguments: list[str],
    words: list[str],
) -> None:  # fmt: skip
    site = package(**entry_points)
    done = lab(*arguments, *QUICK, program="-m dlcourse", path=site)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "outputs").exists()
    if "Nothing" in str(entry_points):  # it disturbs nobody else
        assert lab(*QUICK, program="-m dlcourse", path=site).returncode == 0


@pytest.mark.slow
def test_entry_points_may_be_those_of_the_backport(lab: Run, package: Callable[..., str], tmp_path: Path) -> None:
    """Whoever imports Dask, say, imports importlib_metadata, whose entry points then come instead of Python's own."""
    pytest.importorskip("importlib_metadata")
    site = package(tasks="sawtooth = teeth.lab:Sawtooth", models="mlp = teeth.lab:Residual")
    (tmp_path / "early.py").write_text("import importlib_metadata\nfrom dlcourse.cli import main\n\nmain()\n")
    done = lab("task=sawtooth", "model=mlp", *QUICK, program="early.py", path=site)
    assert "model mlp must be one choice" in done.stderr
    assert "teeth.lab:Residual of the package teeth 1.5" in done.stderr
    site = package("fangs", tasks="sawtooth = fangs.lab:Sawtooth")
    done = lab("task=sawtooth", *QUICK, program="early.py", path=site)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_packages_with_one_name_are_both_named(lab: Run, package: Callable[..., str]) -> None:
    sites = [package(name, tasks=f"sawtooth = {name}.lab:Sawtooth") for name in ("teeth", "fangs")]
    done = lab("task=sawtooth", *QUICK, program="-m dlcourse", path=os.pathsep.join(sites))
    assert done.returncode == 2
    assert "teeth.lab:Sawtooth of the package teeth 1.5" in done.stderr
    assert "fangs.lab:Sawtooth of the package fangs 1.5" in done.stderr


class Twice(Model):
    """Takes a name that is taken."""

    name = "mlp"
    network = MLPModel.network


class Nameless(Task):
    """Has none."""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": [Twice]}, "model mlp must be one choice, got dlcourse.networks.model:MLPModel and .*:Twice"),
        ({"tasks": [Nameless]}, "Nameless must have a name made of letters"),
        ({"tasks": [MLPModel]}, "a task must be a child of dlcourse.tasks.task.Task, got .*MLPModel"),
        ({"tasks": ["zigzag"]}, "a task must be a child of dlcourse.tasks.task.Task, got 'zigzag'"),
        (
            {"tasks": [type("Typed", (ZigZag,), {"name": "typed", "__module__": "nowhere"})]},
            "must be defined in a file",
        ),
    ],
)
def test_classes_that_cannot_be_choices_are_refused(given: dict[str, list[type]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Choices(**given)  # type: ignore[arg-type]


def test_our_own_classes_have_no_origin_and_others_have_that_of_their_file() -> None:
    assert outside.origin(ZigZag) is None
    origin = outside.origin(Twice)
    assert origin is not None
    assert re.fullmatch(r"(tests\.)?test_outside\.Twice-[0-9a-f]{10}", origin)
    assert outside.origin(Twice) == origin


# --- the way back


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., RunConfig]:
    def make(**values: object) -> RunConfig:
        defaults = {"task": ZigZag(), "optimizer": Adam(rate=0.01), "num_steps": 30, "outputs": str(tmp_path)}
        return RunConfig(**{**defaults, "pictures": False, **values})  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"model": MLPModel(depth=0)},
        {"model": MLPModel(widths=[3, 5], activation="tanh"), "dtype": "float64"},
        {"task": Moons(num_train=20, num_test=20)},
        {"task": Moons(num_train=20, num_test=20), "model": MLPModel(widths=[4], activation="leaky_relu")},
    ],
    ids=str,
)
def test_a_network_comes_back_as_it_was(config: Callable[..., RunConfig], values: dict[str, object]) -> None:
    each = config(**values)
    (result,) = runs.run([each])
    before = torch.get_rng_state()
    run = dlcourse.load(each.folder)
    assert torch.get_rng_state().equal(before)
    assert not run.network.training
    assert type(run.network) is type(each.network())
    assert repr(run.network.train()) == repr(each.network())
    assert run.config == json.loads(json.dumps(each.settings()))
    assert run.metrics == result.metrics
    data = each.task.data(0, each.dtype.dtype)
    with torch.no_grad():
        losses = each.task.loss(run.network(data.test_inputs), data.test_targets)
    assert losses.mean().item() == pytest.approx(result.metrics["loss/test"], rel=1e-5)  # float32, summed otherwise


def test_the_task_need_not_be_there_and_old_folders_are_read(config: Callable[..., RunConfig]) -> None:
    each = config()
    runs.run([each])
    path = each.folder / "metrics.json"
    content = json.loads(path.read_text())
    del content["task"]  # as version 0.1 wrote it
    content["config"]["task.name"] = "forgotten"
    path.write_text(json.dumps(content))
    assert dlcourse.load(each.folder).network(torch.zeros(1, 1)).shape == (1, 1)


def test_a_foreign_network_needs_its_model(config: Callable[..., RunConfig], tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "lab_for_load.py").write_text(LAB)
    monkeypatch.syspath_prepend(tmp_path)
    import lab_for_load

    each = config(task=lab_for_load.Sawtooth(), model=lab_for_load.Residual(width=4))
    folder = each.folder
    (result,) = runs.run([each])
    assert result.metrics["num_parameters"] == (4 + 4) + 2 * (16 + 4) + (4 + 1)
    with pytest.raises(ValueError, match=r"must be one of .*load\(folder, models=\[\.\.\.\]\); it was lab_for_load"):
        dlcourse.load(folder)
    run = dlcourse.load(folder, models=[lab_for_load.Residual])
    line = dlcourse.pieces.on_line(run.network, 0.0, 1.0)
    assert line.num_pieces == result.metrics["num_pieces"]
    monkeypatch.setattr(lab_for_load.Residual, "dlcourse_origin", "edited")
    with pytest.warns(UserWarning, match=r"trained with lab_for_load\.Residual-.*, and is read with edited"):
        dlcourse.load(folder, models=[lab_for_load.Residual])


def test_a_foreign_network_alone_has_the_bits_of_a_sweep(
    config: Callable[..., RunConfig], tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "lab_of_bits.py").write_text(LAB)
    monkeypatch.syspath_prepend(tmp_path)
    import lab_of_bits

    def make(seed: int, rate: float, outputs: str) -> RunConfig:
        task = Moons(num_train=30, num_test=7)
        model = lab_of_bits.Residual(width=7, depth=1)
        return config(
            task=task, model=model, seed=seed, optimizer=Adam(rate=rate), batch_size=9, outputs=str(tmp_path / outputs)
        )

    sweep = runs.run([make(seed, rate, "sweep") for rate in (0.01, 0.03) for seed in range(3)])
    (alone,) = runs.run([make(2, 0.03, "alone")])
    assert alone.metrics == sweep[5].metrics
    assert "accuracy" in alone.metrics  # the loss has made classes of its outputs


@pytest.mark.parametrize("folder", ["nothing", "."])
def test_load_without_a_run_says_so(tmp_path: Path, folder: str) -> None:
    with pytest.raises(FileNotFoundError, match="folder must be that of a finished run"):
        dlcourse.load(tmp_path / folder)
    with pytest.raises(FileNotFoundError, match="folder must hold finished runs"):
        dlcourse.load_results(tmp_path / folder)


def test_results_as_a_table(config: Callable[..., RunConfig], tmp_path: Path) -> None:
    results = runs.run([config(seed=seed, model=MLPModel(depth=depth)) for depth in (1, 2) for seed in (0, 1)])
    table = dlcourse.load_results(tmp_path / "zigzag")
    assert list(table.index) == sorted(result.run for result in results)
    for result in results:
        row = table.loc[result.run]
        assert row["model.depth"] == result.config["model.depth"]
        assert row["mean_squared_error"] == result.metrics["mean_squared_error"]
    assert len(table.groupby("model.depth")) == 2


def test_without_pandas_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'dlcourse\[pandas\]'"):
        dlcourse.load_results(tmp_path)
