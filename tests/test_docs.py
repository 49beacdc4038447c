"""What the pages say, done as they say."""

import argparse
import importlib
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from imported import Imported

from dlcourse.cli.door import CONFIGS
from dlcourse.cli.results import main as results_command

REPOSITORY = CONFIGS.parent
DOCS = REPOSITORY / "docs"
PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for folder in ("", "benchmarks", "docs", "experiments", "experiments/*")
    for path in REPOSITORY.glob(f"{folder}/*.md".lstrip("/"))
)
EXPERIMENTS = {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")}

LECTURE_INTRODUCTION, *_SECTIONS = re.split(r"^##+ ", (DOCS / "lecture.md").read_text(), flags=re.MULTILINE)
# A slide's title and what stands below it; not the headings between slides, and not the last section.
LECTURE = [(title, rest) for title, _, rest in (each.partition("\n") for each in _SECTIONS) if "Code: " in rest]


def test_counting_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "counting.md").read_text(), re.DOTALL)
    assert len(blocks) == 6
    exec(compile("".join(blocks), "counting.md", "exec"), {})
    first, *others, sampled = capsys.readouterr().out.splitlines()
    on_line, on_whole_line, on_plane, in_box = map(int, first.split())
    assert on_line <= on_whole_line
    assert on_line <= on_plane == in_box
    assert others == re.findall(r"print\(.*\)  # (.*)", "".join(blocks))
    mean, low, high = map(float, re.findall(r"[\d.]+", sampled))
    assert low < mean < high


@pytest.mark.slow
def test_counting_in_foreign_code_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = re.findall(r"```python\n(.*?)```", (DOCS / "foreign_code.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(first, "foreign_code.md", "exec"), names)
    assert capsys.readouterr().out.splitlines() == ["20 10", "169 48", "[]"]
    assert re.findall(r"print\(.*\)  # (\d.*|\[\])", first) == ["20 10", "169 48", "[]"]
    exec(compile(second, "foreign_code.md", "exec"), names)
    counts = [int(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert len(counts) == 3
    assert all(1 <= count <= 17 * 17 for count in counts)  # what one layer of 16 units over another can make


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"```.*?```", "", (REPOSITORY / page).read_text(), flags=re.DOTALL)  # code may look like a link
    for link, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        target = (REPOSITORY / page).parent / link if link else REPOSITORY / page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), (link, anchor)


def headings(page: Path) -> set[str]:
    """The anchors that a page has on GitHub."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


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


def commands(page: str) -> list[str]:
    """The command lines of a page: those in blocks, and those between backticks."""
    text = (REPOSITORY / page).read_text().replace("\\\n", "")
    blocks = [
        code for language, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE) if not language
    ]
    lines = "\n".join([*blocks, *re.findall(r"^ {4}(.*)", text, re.MULTILINE)]).splitlines()
    lines += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    parts = [part.strip() for line in lines for part in " ".join(line.split("#")[0].split()).split(" && ")]
    return [part for part in parts if re.match(r"(dlcourse(-\w+)?|make|python) \S", part)]


COMMANDS = sorted({line for page in PAGES for line in commands(page)})
# Words that stand for what a reader puts in their place.
PLACEHOLDERS = {
    "experiments/FOLDER": "experiments/gallery",
    "NAME": "parity",
    "ADDRESS": "127.0.0.1",
    "...": "",
    "FOLDER": "outputs",
    "[folder]": "figures",
}


def filled_in(line: str) -> list[str]:
    for word, value in PLACEHOLDERS.items():
        line = line.replace(word, value)
    return shlex.split(line.replace("<name>", "parity"))


def test_there_are_commands_of_every_kind() -> None:
    kinds = {line.split()[0] for line in COMMANDS}
    assert kinds >= {"dlcourse", "dlcourse-results", "make", "python"}
    assert len(COMMANDS) > 60


def test_named_sweeps_files_and_targets_are_there() -> None:
    # Each of the experiments is run by tests/test_cli.py.
    targets = set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    for program, *arguments in map(filled_in, COMMANDS):
        if program == "make":
            assert arguments[-1] in targets or "=" in arguments[-1], arguments
        elif program == "python" and arguments[0] != "lab.py":  # tests/test_outside.py runs the script
            assert (REPOSITORY / arguments[0]).exists(), arguments
        for argument in arguments:
            if argument.startswith("experiment="):
                assert argument.removeprefix("experiment=") in EXPERIMENTS, arguments


@pytest.mark.slow
def test_commands_compose() -> None:
    from hydra import compose, initialize_config_dir
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from dlcourse.cli.door import to_job

    lines = [filled_in(line) for line in COMMANDS if re.match(r"dlcourse (?!-m experiment=\w+$)", line)]
    assert len(lines) >= 8
    parser = OverridesParser.create()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        for _, *arguments in lines:
            parsed = parser.parse_overrides([argument for argument in arguments if "=" in argument])
            assert any(each.is_sweep_override() for each in parsed) <= ("-m" in arguments)
            plain = [str(each.input_line) for each in parsed if not each.is_sweep_override()]
            listed = [each for each in parsed if each.is_choice_sweep() or each.is_range_sweep()]
            values = [[f"{each.key_or_group}={value}" for value in each.sweep_string_iterator()] for each in listed]
            # As many jobs as it takes to meet every value of every sweep.
            for job in range(max(map(len, values), default=1)):
                chosen = [*plain, *(each[job % len(each)] for each in values)]
                config = compose(
                    "config", chosen, return_hydra_config=True
                )  # with the launcher's, the sweeper's settings
                OmegaConf.set_struct(config, False)
                del config["hydra"]
                if "device=cuda" not in plain:  # a run on a device is refused where there is none
                    to_job(config)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("dlcourse-")])
def test_other_commands_are_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    words = filled_in(line)
    module, main = scripts[words[0]].split(":")
    understand = argparse.ArgumentParser.parse_args

    def only_understand(parser: argparse.ArgumentParser) -> None:
        understand(parser)
        raise InterruptedError

    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_understand)
    with pytest.raises(InterruptedError):
        getattr(importlib.import_module(module), main)()


@pytest.mark.slow
def test_quick_commands_and_the_way_back_run_as_printed(
    tmp_path: Path, imported: Imported, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(line: str) -> str:
        done = imported.run(["-m", *shlex.split(line)], tmp_path)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    start, results = ((DOCS / page).read_text().replace("\\\n", "") for page in ("start.md", "results.md"))
    one, printed = re.findall(r"^```(?:text)?\n(.*?)```", start, re.DOTALL | re.MULTILINE)[:2]
    of_the_machine = re.compile(r"error \S+, \d+ linear")
    assert of_the_machine.sub("", run(one)) == of_the_machine.sub("", printed)
    assert "finished already" in run(one)
    (folder,) = tmp_path.glob("outputs/zigzag/*=*")
    listed = re.findall(r"^\| `([\w.]+)` \|", start, re.MULTILINE)
    assert sorted(listed) == sorted(re.sub(r"(tfevents\.).*", r"\1..", path.name) for path in folder.iterdir())

    (again,) = (line for line in commands("docs/results.md") if line.startswith("dlcourse num_steps"))
    run(again)
    (code,) = re.findall(r"```python\n(.*?)```", results, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "results.md", "exec"), {})
    first, pieces, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"2 0\.\d+", first)
    assert int(pieces) >= 1
    assert [line.split()[0] for line in rest[:6]] == ["0", "10", "20", "30", "40", "50"]
    assert rest[6].split() == ["model.depth", "model.width"]
    (table,) = (line for line in commands("docs/start.md") if line.startswith("dlcourse-results"))
    monkeypatch.setattr(sys, "argv", shlex.split(table))
    with pytest.raises(SystemExit) as end:
        results_command()
    assert end.value.code == 0
    assert re.search(r"^ +True +16 +0\.01 +cosine ", capsys.readouterr().out, re.MULTILINE)


def test_reports_are_made_from_experiments_that_there_are() -> None:
    reports = "".join(path.read_text() for path in (CONFIGS.parent / "experiments").glob("*/report.py"))
    named = set(re.findall(r"^ *dlcourse -m experiment=(\w+)$", reports, re.MULTILINE))
    assert EXPERIMENTS - named == {"reference_sweep"}  # it has no page
    assert named <= EXPERIMENTS


def test_experiments_by_name_are_those_there_are() -> None:
    page = (REPOSITORY / "experiments" / "README.md").read_text()
    table = re.findall(r"^\| `(\w+)` \| .* \| \d+ (?:runs|measurements) \|$", page, re.MULTILINE)
    assert sorted(table) == sorted(EXPERIMENTS)


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
