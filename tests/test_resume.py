"""Nothing is lost: a sweep that is killed again and again comes out as if nothing had happened.

`python tests/test_resume.py 20` kills it at 20 random moments.
"""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from dlcourse.cli.door import CONFIGS

SWEEP = [
    "-m", "model.depth=1,2", "model.width=4", "seed=0,1,2", "optimizer.rate=0.01", "num_steps=20000", "log_every=500",
    "checkpoint_seconds=0", "pictures=false", "count_pieces=false",
]  # fmt: skip


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    """The sweep in a process group of its own, so that its workers can be killed with it."""
    return subprocess.Popen(
        [sys.executable, "-m", "dlcourse", *SWEEP, *options], cwd=folder, text=True, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(CONFIGS.parent)},
    )  # fmt: skip


def results(folder: Path) -> dict[str, Any]:
    """What every run came to, to the bit, but for the time it took."""
    found = {}
    for path in sorted((folder / "outputs").glob("*/[!.]*/metrics.json")):
        network = torch.load(path.parent / "model.pt", weights_only=True)
        found[path.parent.name] = (
            {**json.loads(path.read_text()), "seconds": None},
            {name: value.numpy().tobytes() for name, value in network.items()},
            (path.parent / "train.log").read_text(),
        )
    return found


def kill_and_resume(folder: Path, num_kills: int, *options: str) -> int:
    """Kills the sweep (SIGKILL, workers and all) at random moments, then lets it finish; how many hit it at work."""
    moments = random.Random(0)
    while_at_work = 0
    for _ in range(num_kills):
        with start(folder, *options) as process:
            deadline = time.monotonic() + 60
            while not list(folder.glob("outputs/*/*/checkpoint.pt")) and time.monotonic() < deadline:
                if process.poll() is not None:
                    break
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 1))
            while_at_work += process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
    with start(folder, *options) as process:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    return while_at_work


@pytest.mark.slow
def test_a_sweep_that_is_killed_comes_out_the_same(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    killed.mkdir()
    with start(undisturbed, "hydra.launcher.num_workers=1") as process:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert kill_and_resume(killed, 3, "hydra.launcher.num_workers=2") > 0
    assert len(results(undisturbed)) == 6
    assert results(killed) == results(undisturbed)
    assert not list(killed.glob("outputs/*/*/checkpoint.pt"))


@pytest.mark.slow
def test_two_processes_on_one_sweep_do_not_damage_each_other(tmp_path: Path) -> None:
    line = ("num_steps=3000", "checkpoint_seconds=0", "hydra.launcher.num_workers=1")
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    for folder, num_processes in ((alone, 1), (together, 2)):
        processes = [start(folder, *line) for _ in range(num_processes)]
        for process in processes:
            _, said = process.communicate(timeout=300)
            assert process.returncode == 0, said
    assert len(results(alone)) == 6
    assert results(together) == results(alone)
    assert not list(together.rglob("*.part"))


@pytest.mark.slow
def test_a_full_disk_is_said_and_what_was_finished_stays(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    sweep = shlex.join([sys.executable, "-m", "dlcourse", *SWEEP, "num_steps=100", "hydra.launcher.num_workers=1"])
    count = "import pathlib, dlcourse.recording as r; print(len(r.read_results(pathlib.Path('outputs/zigzag'))))"
    look = f"{sys.executable} -c {shlex.quote(count)}; find outputs -name '*.part'"

    def on_a_disk(size: str, command: str) -> "subprocess.CompletedProcess[str]":
        mount = f"mount -t tmpfs -o size={size} none {shlex.quote(str(disk))} && cd {shlex.quote(str(disk))}"
        return subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f"{mount} && {command}"], text=True,
            capture_output=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": str(CONFIGS.parent)},
        )  # fmt: skip

    if shutil.which("unshare") is None or on_a_disk("1m", "true").returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    done = on_a_disk("70k", f"{sweep}; {look}")
    assert "No space left on device" in done.stderr
    assert "goes on from there" in done.stderr
    assert "Traceback" not in done.stderr
    assert "left out" not in done.stderr  # what read_results says of files that it cannot read
    last = done.stdout.splitlines()[-1]  # no half-written folders after it
    assert last in ("1", "2", "3", "4", "5")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with start(Path(one)) as sweep:
            sweep.communicate()
        hits = kill_and_resume(Path(other), int(sys.argv[1]))
        same = results(Path(one)) == results(Path(other))
        print(f"{hits} of {sys.argv[1]} kills hit the sweep at work; {len(results(Path(one)))} runs, same bits: {same}")
        sys.exit(not same)
