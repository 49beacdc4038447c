import os
from pathlib import Path

import pytest

from dlcourse.recording.files import write_atomically


@pytest.mark.parametrize("sync", [False, True])
def test_replaces_the_file_and_leaves_nothing_else(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "metrics.json"
    write_atomically(path, b"old", sync=sync)
    write_atomically(path, b"new", sync=sync)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_parts(tmp_path: Path) -> None:
    write_atomically(tmp_path / "results.csv", (part for part in (b"a,", b"b\n")))
    assert (tmp_path / "results.csv").read_bytes() == b"a,b\n"


def test_what_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    write_atomically(path, b"old")

    def killed(name: str, target: Path) -> None:
        source = Path(name)
        # At this moment, all is written, but under a name that TensorBoard does not read.
        assert source.read_bytes() == b"new"
        assert "tfevents" not in source.name
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
