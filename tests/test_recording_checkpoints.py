"""A run's way back: only what this run has written, whole, is gone on from."""

import errno
import io
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.recording import checkpoints
from dlcourse.recording.checkpoints import Checkpoint, UnfitCheckpointError, read_checkpoint, write_checkpoint
from dlcourse.recording.weights import Weights

CHECKPOINT = Checkpoint(
    step=7,
    parameters={"weight": torch.tensor([1.5, -2.0])},
    moments=[],
    history={"loss/train": [(0, 1.0), (7, 0.5)]},
    weights=Weights([0, 7], {"weight": torch.tensor([[0.0, 1.0], [1.5, -2.0]])}),
    diverged_at=None,
    seconds=0.25,
)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path, run="this") is None
    write_checkpoint(tmp_path, CHECKPOINT, run="this")
    found = read_checkpoint(tmp_path, run="this")
    assert found is not None
    assert found.parameters["weight"].equal(CHECKPOINT.parameters["weight"])
    assert (found.step, found.history, found.seconds) == (7, CHECKPOINT.history, 0.25)
    assert found.weights.steps == [0, 7]
    assert found.weights.parameters["weight"].equal(CHECKPOINT.weights.parameters["weight"])


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    write_checkpoint(folder, CHECKPOINT, run="this")
    content = bytearray((folder / "checkpoint.pt").read_bytes())
    content[place % len(content)] ^= 1 << bit
    (folder / "checkpoint.pt").write_bytes(content)
    with pytest.raises(UnfitCheckpointError, match="it is"):
        read_checkpoint(folder, run="this")


@pytest.mark.parametrize("size", [0, 1, 20, 100, -1])
def test_what_was_cut_is_noticed(tmp_path: Path, size: int) -> None:
    write_checkpoint(tmp_path, CHECKPOINT, run="this")
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UnfitCheckpointError):
        read_checkpoint(tmp_path, run="this")


def test_another_runs_is_refused_by_name(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, CHECKPOINT, run="that")
    with pytest.raises(UnfitCheckpointError, match="it is that of another run, that"):
        read_checkpoint(tmp_path, run="this")


def test_what_an_earlier_version_wrote_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    torch.save({**vars(CHECKPOINT), "weights": None}, content)
    (tmp_path / "checkpoint.pt").write_bytes(content.getvalue())
    with pytest.raises(UnfitCheckpointError, match="no checkpoint of this version"):
        read_checkpoint(tmp_path, run="this")


def test_a_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").mkdir()
    with pytest.raises(UnfitCheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path, run="this")


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_nothing(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(checkpoints, "write_atomically", write_nothing)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path, CHECKPOINT, run="this")
