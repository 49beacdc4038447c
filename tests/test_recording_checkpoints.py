"""A run's way back while another process finishes the same run."""

import errno
import shutil
from pathlib import Path

import pytest

from dlcourse.recording import checkpoints
from dlcourse.recording.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from dlcourse.recording.files import write_atomically

CHECKPOINT = Checkpoint(step=1, parameters={}, moments=[], history={}, diverged_at=None, seconds=0.0)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "run") is None
    write_checkpoint(tmp_path / "run", CHECKPOINT)
    assert read_checkpoint(tmp_path / "run") == CHECKPOINT


def test_a_folder_that_goes_while_its_checkpoint_is_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_too_late(path: Path, content: bytes) -> None:
        shutil.rmtree(path.parent)
        write_atomically(path, content)

    monkeypatch.setattr(checkpoints, "write_atomically", write_too_late)
    write_checkpoint(tmp_path / "run", CHECKPOINT)
    assert read_checkpoint(tmp_path / "run") is None


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_nothing(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(checkpoints, "write_atomically", write_nothing)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path / "run", CHECKPOINT)
