from pathlib import Path

import pytest

from dlcourse.jobs.config import RunConfig
from dlcourse.networks import MLPModel
from dlcourse.tasks import Parity, ZigZag
from dlcourse.tensorboard_tab.settings import read_settings
from dlcourse.training import Adam


@pytest.mark.parametrize("task", [ZigZag(noise=1e-5), Parity()])
def test_settings_are_those_of_the_run(tmp_path: Path, task: ZigZag | Parity) -> None:
    config = RunConfig(task=task, model=MLPModel(width=None, widths=[3, 4]), optimizer=Adam(rate=1e-5), seed=3)
    (tmp_path / "config.yaml").write_text(config.to_yaml("python lab.py"))
    command, settings = read_settings(tmp_path)
    assert command == config.command("python lab.py")
    assert settings == config.settings()
    assert type(settings["optimizer.rate"]) is float


@pytest.mark.parametrize("content", [b"", b"nonsense\n\n: :\n", b"\xff\xfe"])
def test_a_damaged_file_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    command, settings = read_settings(tmp_path)
    assert command is None
    assert settings.keys() <= {""}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("# secret\nsecret: 1\n")
    (tmp_path / "config.yaml").symlink_to(tmp_path / "secret")
    assert read_settings(tmp_path) == (None, {})
    assert read_settings(tmp_path / "nowhere") == (None, {})
