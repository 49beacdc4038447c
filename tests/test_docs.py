"""What the pages in docs/ say, done as they say."""

import importlib
import re
import shutil
from pathlib import Path

import pytest
from imported import Imported

from dlcourse.cli.door import CONFIGS

DOCS = CONFIGS.parent / "docs"


def test_counting_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "counting.md").read_text(), re.DOTALL)
    assert len(blocks) == 5
    exec(compile("".join(blocks), "counting.md", "exec"), {})
    first, *others, sampled = capsys.readouterr().out.splitlines()
    on_line, on_whole_line, on_plane, in_box = map(int, first.split())
    assert on_line <= on_whole_line
    assert on_line <= on_plane == in_box
    assert others == re.findall(r"print\(.*\)  # (.*)", "".join(blocks))
    mean, low, high = map(float, re.findall(r"[\d.]+", sampled))
    assert low < mean < high


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_slide_has_code_that_exists_and_an_experiment() -> None:
    rows = re.findall(r"^\| (.*) \| (.*) \| (.*) \|$", (DOCS / "lecture.md").read_text(), re.MULTILINE)[1:]
    assert len(rows) > 30
    for slide, code, experiment in rows:
        names = re.findall(r"`([\w.]+)`", code)
        assert names, slide
        for name in names:
            if "=" not in name:
                module, _, attribute = f"dlcourse.{name}".rpartition(".")
                assert hasattr(importlib.import_module(module), attribute), name
        assert re.search(r"\]\(\.\./experiments/\w+/README\.md\)", experiment), slide


def test_reports_are_made_from_experiments_that_there_are() -> None:
    reports = "".join(path.read_text() for path in (CONFIGS.parent / "experiments").glob("*/report.py"))
    named = set(re.findall(r"^ *dlcourse -m experiment=(\w+)$", reports, re.MULTILINE))
    names = {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")}
    assert names - named == {"reference_sweep"}  # it has no page
    assert named <= names


def test_every_experiment_has_its_page_and_is_in_the_table() -> None:
    table = (DOCS / "lecture.md").read_text()
    folders = [path.parent for path in (CONFIGS.parent / "experiments").glob("*/README.md")]
    assert len(folders) > 10
    for folder in folders:
        if folder.name != "gallery":  # pictures only
            assert f"experiments/{folder.name}/README.md" in table, folder.name
        page = (folder / "README.md").read_text()
        for word in ("Question", "Command", "Answer"):
            assert f"**{word}" in page, (folder.name, word)
        assert re.search(r"[Cc]ommit\s[0-9a-f]{7}", page), folder.name
        for link in re.findall(r"\]\(([^)#:]+)\)", page):
            assert (folder / link).exists(), (folder.name, link)
        for file in folder.iterdir():
            assert file.suffix not in (".png", ".svg") or file.stat().st_size <= 200_000, file


@pytest.mark.slow
@pytest.mark.parametrize(
    "report", sorted((DOCS.parent / "experiments").glob("*/report.py")), ids=lambda path: path.parent.name
)
def test_reports_without_results_say_what_makes_them_and_leave_their_tables_alone(
    report: Path, tmp_path: Path, imported: Imported
) -> None:
    without_bytecode = shutil.ignore_patterns("__pycache__")
    copied = shutil.copytree(report.parent, tmp_path / "experiments" / report.parent.name, ignore=without_bytecode)
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    done = imported.run([str(copied / "report.py")], tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"no finished runs in outputs/(\w+); this makes them: dlcourse -m experiment=\1\n", done.stderr)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before
