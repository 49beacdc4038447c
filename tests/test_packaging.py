"""The pinned versions fit what pyproject.toml asks for; the built wheel is whole and works outside the repository."""

import importlib.metadata
import json
import os
import re
import site
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import dlcourse

REPOSITORY = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
CONSTRAINTS = [
    line for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")
]
PINS = {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in CONSTRAINTS)}
REQUIREMENTS = [
    Requirement(line)
    for line in (
        *PYPROJECT["build-system"]["requires"],
        *PYPROJECT["project"]["dependencies"],
        *PYPROJECT["project"]["optional-dependencies"]["dev"],
    )
]


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a command as a shell elsewhere would, without the paths of this test run, and returns what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# --- constraints.txt


def test_constraints_name_every_package_once_and_without_a_local_version() -> None:
    assert len(PINS) == len(CONSTRAINTS)
    assert [str(version) for version in PINS.values() if version.local is not None] == []


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_pinned_version_lies_in_the_range_of_pyproject(requirement: Requirement) -> None:
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_everything_needed_in_turn_is_pinned_to_a_version_that_fits() -> None:
    waiting = [(requirement, "pyproject.toml") for requirement in REQUIREMENTS]
    seen: set[str] = set()
    faults = []
    while waiting:
        requirement, asked_by = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in PINS or PINS[name] not in requirement.specifier:
            faults.append(f"{asked_by} asks for {requirement}, constraints.txt has {PINS.get(name)}")
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        extras = {"", *requirement.extras}
        for needed in map(Requirement, importlib.metadata.requires(name) or []):
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((needed, name))
    assert faults == []


# --- the version


def test_changelog_and_citation_name_this_version() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    released = re.findall(r"^## \[(\S+)\] - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())

    assert released[0] == (dlcourse.__version__, citation["date-released"])
    assert citation["version"] == dlcourse.__version__
    assert sorted(released, key=lambda release: Version(release[0]), reverse=True) == released


# --- the distributions


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that is built from the unpacked sdist."""
    folder = tmp_path_factory.mktemp("distributions")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    """The built wheel."""
    return next(distributions.glob("*.whl"))


def source_files(folder: str) -> set[str]:
    """Returns the files below a folder of the repository, named from there, without what Python compiles."""
    paths = (path for path in (REPOSITORY / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(REPOSITORY).as_posix() for path in paths}


@pytest.mark.slow
@pytest.mark.wheel
def test_wheel_contains_the_package_its_configs_and_the_plugin_and_nothing_else(wheel: Path) -> None:
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    configs = {f"dlcourse/{name}" for name in source_files("configs")}
    assert files == configs | source_files("dlcourse") | source_files("hydra_plugins")
    assert "dlcourse/py.typed" in files
    assert any(name.startswith("dlcourse/configs/experiment/") for name in files)
    assert "hydra_plugins/dlcourse_stack/__init__.py" in files
    assert "hydra_plugins/__init__.py" not in files, "hydra_plugins is shared with other distributions"


@pytest.mark.slow
@pytest.mark.wheel
def test_wheel_states_version_licence_python_and_commands(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    metadata: Message = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())

    assert metadata["Name"] == "dlcourse"
    assert metadata["Version"] == dlcourse.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert archive.read(f"{folder}/licenses/LICENSE") == (REPOSITORY / "LICENSE").read_bytes()
    commands = archive.read(f"{folder}/entry_points.txt").decode().splitlines()
    scripts = {"dlcourse = dlcourse.cli:main", "dlcourse-figures = dlcourse.cli.figures:main"}
    scripts |= {"dlcourse-results = dlcourse.cli.results:main", "dlcourse-report = dlcourse.cli.report:main"}
    assert scripts <= set(commands)
    assert (
        "dlcourse = dlcourse.tensorboard_tab.plugin:DepthWidth" in commands[commands.index("[tensorboard_plugins]") :]
    )


@pytest.mark.slow
@pytest.mark.wheel
def test_sdist_contains_the_sources_and_the_tests_but_no_results(distributions: Path) -> None:
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        files = {name.split("/", 1)[1] for name in archive.getnames()}

    assert {"LICENSE", "README.md", "Makefile", "constraints.txt", "pyproject.toml"} <= files
    assert source_files("configs") | source_files("dlcourse") | source_files("hydra_plugins") <= files
    assert "tests/test_packaging.py" in files
    assert {name.split("/")[0] for name in files}.isdisjoint({"outputs", ".venv", ".git", ".mypy_cache"})


# --- the wheel, installed elsewhere


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new virtual environment that holds the wheel and borrows the installed dependencies."""
    environment = tmp_path_factory.mktemp("installed")
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    where = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=environment)
    # A folder named in a .pth file joins the path, but its own .pth files are not read: the editable install of the
    # repository stays out.
    (Path(where.strip()) / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=environment)
    return environment / "bin"


@pytest.mark.slow
@pytest.mark.wheel
def test_installed_package_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    code = "import dlcourse, hydra_plugins.dlcourse_stack as plugin; print(dlcourse.__file__); print(plugin.__file__)"

    package, plugin = run(installed / "python", "-c", code, cwd=tmp_path).splitlines()

    assert Path(package).is_relative_to(installed.parent)
    assert Path(plugin).is_relative_to(installed.parent)


@pytest.mark.slow
@pytest.mark.wheel
def test_installed_module_trains_in_any_directory(installed: Path, tmp_path: Path) -> None:
    setting = ["task=zigzag", "model.depth=1", "model.width=4", "num_steps=10"]

    run(installed / "python", "-m", "dlcourse", *setting, cwd=tmp_path)

    (metrics,) = tmp_path.glob("outputs/zigzag/*/metrics.json")
    assert json.loads(metrics.read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["zigzag"]


@pytest.mark.slow
@pytest.mark.wheel
def test_a_package_that_announces_classes_is_installed_beside_it_and_swept_by_the_command(
    installed: Path, tmp_path: Path
) -> None:
    lab, *_ = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "own_code.md").read_text(), re.DOTALL)
    package, elsewhere = tmp_path / "package", tmp_path / "elsewhere"
    (package / "teeth").mkdir(parents=True)
    elsewhere.mkdir()
    (package / "teeth" / "__init__.py").touch()
    (package / "teeth" / "lab.py").write_text(lab)
    (entry_points,) = re.findall(r"```toml\n(.*?)```", (REPOSITORY / "docs" / "own_code.md").read_text(), re.DOTALL)
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
        f'[project]\nname = "teeth"\nversion = "1.5"\n\n{entry_points}'
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", installed / "python"]
    run(*pip, "install", "--no-deps", "--no-index", "--no-build-isolation", package, cwd=tmp_path)

    line = ("-m", "task=sawtooth", "model=mlp,residual", "num_steps=10", "pictures=false")
    run(installed / "dlcourse", *line, cwd=elsewhere)

    contents = [json.loads(path.read_text()) for path in elsewhere.glob("outputs/sawtooth/*/metrics.json")]
    assert len(contents) == 2
    assert [path.name for path in elsewhere.iterdir()] == ["outputs"]
    assert {content["config"].get("model.name") for content in contents} == {None, "residual"}
    assert all(content["config"]["task.source"].startswith("teeth.lab.Sawtooth-") for content in contents)
