"""What the pages in docs/ say, done as they say."""

import importlib
import re
import shutil
import sys
from pathlib import Path

import pytest
from imported import Imported

from dlcourse.cli.door import CONFIGS

DOCS = CONFIGS.parent / "docs"

LECTURE_INTRODUCTION, *_SECTIONS = re.split(r"^##+ ", (DOCS / "lecture.md").read_text(), flags=re.MULTILINE)
# A slide's title and what stands below it; not the headings between slides, and not the last section.
LECTURE = [(title, rest) for title, _, rest in (each.partition("\n") for each in _SECTIONS) if "Code: " in rest]


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
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)  # code may look like a link: list[0](x)
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for anchor in re.findall(r"\]\(#(.*?)\)", text):
        assert anchor in headings, anchor


def test_every_slide_has_code_that_exists_and_an_experiment() -> None:
    assert len(LECTURE) > 30
    for slide, section in LECTURE:
        (code,) = re.findall(r"^Code: (.*)\.$", section, re.MULTILINE)
        links = re.findall(r"\[`([\w.]+)`\]\((.*?)\)", code)
        assert links, slide
        for name, link in links:
            module, _, attribute = f"dlcourse.{name}".rpartition(".")
            defined_in = sys.modules[getattr(importlib.import_module(module), attribute).__module__]
            assert Path(str(defined_in.__file__)).samefile(DOCS / link), name
        assert re.search(r"^Experiment: \[(\w+)\]\(\.\./experiments/\1/README\.md\)\.$", section, re.MULTILINE), slide


@pytest.mark.slow
def test_lines_to_paste_run_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, drawing = re.findall(r"```python\n(.*?)```", LECTURE_INTRODUCTION, re.DOTALL)
    for slide, section in [("", f"```python\n{drawing}```"), *LECTURE]:
        (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        names: dict[str, object] = {}
        exec(compile(first, "lecture.md", "exec"), names)
        exec(compile(block, "lecture.md", "exec"), names)
        expected = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
        assert bool(slide) == bool(expected) and block.count("print(") == len(expected), slide
        assert capsys.readouterr().out.splitlines() == expected, slide
    assert sorted(path.name for path in tmp_path.iterdir()) == ["derivatives.svg", "network.svg", "tree.svg"]


def test_pictures_of_the_slides_are_shown_with_their_titles() -> None:
    for slide, section in LECTURE:
        for title, name in re.findall(r"!\[(.*)\]\(figures/(\w+)\.svg\)", section):
            assert f"<title>{title}</title>" in (DOCS / "figures" / f"{name}.svg").read_text(), slide
    shown = set(re.findall(r"\(figures/(\w+)\.svg\)", "".join(section for _, section in LECTURE)))
    assert shown == {path.stem for path in (DOCS / "figures").iterdir()}


def test_no_slide_is_without_its_picture() -> None:
    # The slides that have one, in order, by words of their sections' titles here.
    wanted = {
        "Feed-Forward Neural Network:": "one_hidden_layer",
        "Popular choices": "sigmoid tanh relu",
        "one, two, three hidden layers": "one_hidden_layer two_hidden_layers three_hidden_layers",
        "XOR, its table": "xor_gate",
        "using XOR components": "xor_tree",
        "AND, OR and NOT": "and_or_not",
        "Disjunctive Normal Form": "dnf",
        "Which way is better": "and_or_not dnf",
        "zig-zag target": "zigzag",
        "Two scalar functions": "tent_1 tent_2",
        "Nesting": "nested_tents",
        "as functions of": "three_hidden_layers layers",
        "by theta": "gradient_output gradient_3 gradient_2",
        "just these two derivatives": "any_layer two_derivatives",
        "with a Softmax layer": "softmax_network",
        "Softmax as a layer": "softmax_layer",
    }
    for words, names in wanted.items():
        (section,) = (section for slide, section in LECTURE if words in slide)
        assert re.findall(r"\(figures/(\w+)\.svg\)", section) == names.split(), words


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
