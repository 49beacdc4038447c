"""The console script `dlcourse-figures`."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
from imported import Imported
from matplotlib.figure import Figure

from dlcourse import lecture
from dlcourse.cli.figures import main

REPOSITORY = Path(__file__).parent.parent
SHOWN = REPOSITORY / "docs" / "figures"


@pytest.fixture
def two_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick to draw, in place of all; drawing itself is tested elsewhere."""

    def few(**sizes: int) -> Iterator[lecture.Picture]:
        for name in ("first", "second"):
            yield lecture.Picture(name, f"the {name} of {sizes['width']}", Figure(figsize=(1, 1)))

    monkeypatch.setattr(lecture, "pictures", few)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """The exit code."""
    monkeypatch.setattr(sys, "argv", ["dlcourse-figures", *arguments])
    try:
        main()
    except SystemExit as exit_:
        return exit_.code
    return 0


@pytest.mark.slow
def test_command_writes_the_pictures_of_the_page(imported: Imported, tmp_path: Path) -> None:
    # Another version of matplotlib writes other bytes; the one of constraints.txt writes these on every machine.
    (pinned,) = re.findall(r"^matplotlib==(.*)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    assert matplotlib.__version__ == pinned
    (tmp_path / "script.py").write_text("from dlcourse.cli.figures import main\n\nmain()\n")
    done = imported.run(["script.py"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(list(SHOWN.iterdir()))} pictures in figures\n", "")
    for path in SHOWN.iterdir():
        content = (tmp_path / "figures" / path.name).read_bytes()
        assert content == path.read_bytes(), f"{path.name} is another picture now: dlcourse-figures docs/figures"


def test_pictures_are_written_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two_pictures: None
) -> None:
    folder = tmp_path / "not" / "there"
    assert run(monkeypatch, str(folder), "--width", "5") == 0
    assert sorted(path.name for path in folder.iterdir()) == ["first.svg", "second.svg"]
    assert "the first of 5" in (folder / "first.svg").read_text()
    assert capsys.readouterr().out == f"2 pictures in {folder}\n"
    assert run(monkeypatch, str(folder), "--width", "6") == 0
    assert "the first of 6" in (folder / "first.svg").read_text()


def test_other_files_are_left_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two_pictures: None
) -> None:
    (tmp_path / "second.svg").write_text("<svg>of somebody else</svg>")
    (tmp_path / "third.svg").write_text("kept")
    assert run(monkeypatch, str(tmp_path)) == 2
    said = f"dlcourse-figures: {tmp_path / 'second.svg'} is no picture of dlcourse-figures, and is left as it is"
    assert capsys.readouterr().err == f"{said}: choose another folder\n"
    # Nothing was written, not even what could have been.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["second.svg", "third.svg"]
    assert (tmp_path / "second.svg").read_text() == "<svg>of somebody else</svg>"


def test_mistakes_are_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "relu.svg").mkdir()
    for arguments, message in (
        ([f"{tmp_path}/file"], f"{tmp_path}/file: Not a directory"),
        ([f"{tmp_path}/file/below"], f"{tmp_path}/file: Not a directory"),
        ([f"{tmp_path}/{'n' * 300}"], f"{tmp_path}/{'n' * 300}: File name too long"),
        ([f"{tmp_path}/new", "--width", "17"], "width must be between 1 and 16, got 17"),
    ):
        assert run(monkeypatch, *arguments) == 2
        assert capsys.readouterr().err == f"dlcourse-figures: {message}\n"
    assert not (tmp_path / "new").exists()
    assert run(monkeypatch, str(tmp_path), "--width", "wide") == 2
    assert "argument --width: invalid int value: 'wide'" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the superuser")
def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    assert run(monkeypatch, str(tmp_path / "new")) == 2
    assert capsys.readouterr().err == f"dlcourse-figures: {tmp_path}: Permission denied\n"
