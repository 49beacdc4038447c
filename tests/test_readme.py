"""What the README says, done as it says."""

import re
import shlex
from pathlib import Path

import pytest

from dlcourse.cli.door import CONFIGS
from dlcourse.jobs import runs
from dlcourse.jobs.config import RunConfig
from dlcourse.tasks import ZigZag
from dlcourse.training import Adam

README = (CONFIGS.parent / "README.md").read_text()


def test_library_lines_run_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"0 \[\d+(, \d+){4}\]", first)
    assert re.fullmatch(r"2000 \[\d+(, \d+){4}\]", last)
    pieces = [eval(line.split(" ", 1)[1]) for line in (first, last)]
    assert sum(pieces[1]) > sum(pieces[0])  # training folds the line


@pytest.mark.slow
def test_the_way_back_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    folder = Path(re.findall(r'load\("(.*?)"\)', code)[0])
    monkeypatch.chdir(tmp_path)
    # The folder's name is that of a configuration: 50 steps with the defaults.
    config = RunConfig(task=ZigZag(), optimizer=Adam(), num_steps=50)
    assert config.folder == folder
    runs.run([config])
    capsys.readouterr()
    exec(compile(code, "README.md", "exec"), {})
    first, second, *table = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"2 0\.\d+", first)
    assert int(second) >= 1
    assert table[0] == "model.depth"


def test_files_it_links_to_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 8
    for link in links:
        assert (CONFIGS.parent / link).exists(), link


@pytest.mark.slow
def test_commands_compose() -> None:
    from hydra import compose, initialize_config_dir
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from dlcourse.cli.door import to_job

    lines = [shlex.split(line, comments=True) for line in README.splitlines() if line.startswith("dlcourse ")]
    assert len(lines) >= 4
    for _, *arguments in lines:
        overrides = [argument for argument in arguments if "=" in argument]
        parsed = OverridesParser.create().parse_overrides(overrides)
        assert any(each.is_sweep_override() for each in parsed) <= ("-m" in arguments)
        plain = [each.input_line for each in parsed if not each.is_sweep_override()]
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            to_job(compose("config", [str(line) for line in plain]))


def test_experiments_are_those_there_are() -> None:
    table = re.findall(r"^\| `(\w+)` \| .* \| (\d+) (?:runs|measurements) \|$", README, re.MULTILINE)
    assert {name for name, _ in table} == {path.stem for path in Path(CONFIGS, "experiment").glob("*.yaml")}
