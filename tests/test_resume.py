"""Nothing is lost: a sweep that is killed again and again comes out as if nothing had happened.

`python tests/test_resume.py 100` kills it at 100 random moments, in all ways.
"""

import contextlib
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
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from imported import Imported, Started

from dlcourse.cli.door import CONFIGS
from dlcourse.recording.events import read_events

# `python -m dlcourse`, to which so little training is worth starting workers.
DLCOURSE = "from dlcourse.cli import main\nfrom dlcourse.jobs import runs\n\nruns.WORTH_WORKERS = 0.0\nmain()\n"
SWEEP = [
    "-m", "model.depth=1,2", "model.width=4", "seed=0,1,2", "optimizer.rate=0.01", "num_steps=8000", "log_every=200",
    "checkpoint_seconds=0", "pictures=false", "count_pieces=false",
]  # fmt: skip

# What is sent to whom. A stopped process is killed a second later.
KILLS = [
    (whom, how)
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP)
    for whom in ("group", "main", "worker")
]


def start(imported: Imported, folder: Path, *options: str) -> Started:
    """The sweep in a process group of its own, so that its workers can be killed with it."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    (folder / "sweep.py").write_text(f"import os\n\nos.environ['TMPDIR'] = {str(scratch)!r}\n{DLCOURSE}")
    return imported.start(["sweep.py", *SWEEP, *options], folder)


def finish(imported: Imported, folder: Path, *options: str) -> None:
    """Starts the sweep and lets it come to its end."""
    process = start(imported, folder, *options)
    assert process.wait(300) == 0, process.said()


def results(folder: Path) -> dict[str, Any]:
    """What every run came to, to the bit, but for what it was made with and the time it took."""
    found = {}
    for path in sorted((folder / "outputs").glob("*/[!.]*/metrics.json")):
        network = torch.load(path.parent / "model.pt", weights_only=True)
        (events,) = path.parent.glob("*tfevents*")
        points = [
            (value.tag, event.step, value.simple_value)
            for event, _ in read_events(events)
            for value in event.summary.value
        ]
        assert sorted(points) == sorted(set(points))  # nothing twice
        found[path.parent.name] = (
            {**json.loads(path.read_text()), "seconds": None, "provenance": None},
            {name: value.numpy().tobytes() for name, value in network.items()},
            (path.parent / "train.log").read_text(),
            (path.parent / "weights.pt").read_bytes(),
            sorted(points),
        )
    return found


def left_over(folder: Path) -> list[Path]:
    """What has no place beside finished runs."""
    return [
        path
        for pattern in ("**/*.part", "**/*.saved", "**/checkpoint.pt", "scratch/dlcourse*", "**/*.writable")
        for path in folder.glob(pattern)
    ]


def processes_of(group: int) -> list[int]:
    """The living processes of a group, but for its leader."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        if int(fields[2]) == group and fields[0] != "Z" and int(path.parent.name) != group:
            found.append(int(path.parent.name))
    return found


def is_tracker(process: int) -> bool:
    """Whether a process is no worker but loky's, that clears up: a new one complains of what it did not see begin."""
    try:
        return b"resource_tracker" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # gone meanwhile
        return False


def kill(process: Started, whom: str, how: signal.Signals) -> None:
    """Sends a signal to a sweep's main process, one of the others, or all of them."""
    others = processes_of(process.pid)
    workers = [other for other in others if not is_tracker(other)]
    targets = {"group": [process.pid, *others], "main": [process.pid], "worker": workers[-1:]}[whom]
    for target in targets:
        try:
            os.kill(target, how)
            if how is signal.SIGSTOP:
                time.sleep(1 / len(targets))
                os.kill(target, signal.SIGKILL)
        except ProcessLookupError:
            pass


def check_that_none_is_left(process: Started) -> None:
    """Checks that a sweep that has ended, whichever way, leaves no process and has said nothing of our own mistakes."""
    gone = time.monotonic() + 30
    while processes_of(process.pid) and time.monotonic() < gone:
        time.sleep(0.05)
    assert not processes_of(process.pid)
    _, said = process.said()
    assert "Traceback" not in said, said


def kill_and_resume(
    imported: Imported, folder: Path, num_kills: int, expected: dict[str, Any], seconds: float, *options: str
) -> Counter[str]:
    """Kills the sweep at random moments, lets it finish, and starts it anew until there were so many kills.

    The moments lie within the seconds that it takes. Checks after every sweep that it has come to what is expected, and
    after every kill that no process is left.

    Returns:
        How many of the kills met the sweep at what.
    """
    moments = random.Random(0)
    met: Counter[str] = Counter()
    for number in range(num_kills):
        whom, how = KILLS[number % len(KILLS)]
        process = start(imported, folder, *options)
        deadline = time.monotonic() + moments.uniform(0, seconds)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        is_over = process.poll() is not None
        at_work = any(folder.glob("outputs/*/*/checkpoint.pt"))
        met["after its end" if is_over else "at work" if at_work else "before its first checkpoint"] += 1
        if not is_over:
            kill(process, whom, how)
        code = process.wait(60)
        assert code in (0, 130, -signal.SIGINT) or not (is_over or whom == "worker"), (whom, how.name, code)
        check_that_none_is_left(process)
        if code == 0:
            assert results(folder) == expected, (whom, how.name)
            assert not left_over(folder), (whom, how, left_over(folder))
            shutil.rmtree(folder / "outputs")
    finish(imported, folder, *options)
    assert results(folder) == expected
    assert not left_over(folder), left_over(folder)
    return met


def undisturbed(imported: Imported, folder: Path) -> tuple[dict[str, Any], float]:
    """What the sweep comes to in one process that nobody kills, and the seconds that it takes."""
    begin = time.monotonic()
    finish(imported, folder, "hydra.launcher.num_workers=1")
    seconds = time.monotonic() - begin
    found = results(folder)
    assert len(found) == 6
    return found, seconds


def wait_for(condition: Callable[[], object]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + 250
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def checkpoints(folder: Path) -> dict[Path, int]:
    """The checkpoints that there are, and when each was written."""
    found = {}
    for path in folder.glob("outputs/*/*/checkpoint.pt"):
        with contextlib.suppress(OSError):  # finished meanwhile
            found[path] = path.stat().st_mtime_ns
    return found


@pytest.mark.slow
def test_a_sweep_that_is_killed_comes_out_the_same(tmp_path: Path, imported: Imported) -> None:
    alone, killed = tmp_path / "undisturbed", tmp_path / "killed"
    alone.mkdir()
    killed.mkdir()
    expected, _ = undisturbed(imported, alone)
    # One of two workers is killed: the other stack is finished first, and then what was lost goes on.
    process = start(imported, killed, "hydra.launcher.num_workers=2")
    wait_for(lambda: len(checkpoints(killed)) == 6)
    kill(process, "worker", signal.SIGKILL)
    wait_for(lambda: len(list(killed.glob("outputs/*/[!.]*/metrics.json"))) == 3)
    wait_for(lambda: len(checkpoints(killed)) == 3)  # a finished run's goes after its result is there
    before = checkpoints(killed)
    wait_for(lambda: checkpoints(killed) != before)
    # Nobody tells the workers that the main process is killed.
    kill(process, "main", signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    check_that_none_is_left(process)
    # So is one that works alone.
    before = checkpoints(killed)
    assert len(before) == 3
    process = start(imported, killed, "hydra.launcher.num_workers=1")
    wait_for(lambda: checkpoints(killed) != before)
    kill(process, "group", signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    check_that_none_is_left(process)
    assert len(results(killed)) == 3
    finish(imported, killed, "hydra.launcher.num_workers=1")
    assert results(killed) == expected
    assert not left_over(killed), left_over(killed)


@pytest.mark.slow
def test_two_processes_on_one_sweep_do_not_damage_each_other(tmp_path: Path, imported: Imported) -> None:
    line = ("num_steps=1000", "log_every=100", "hydra.launcher.num_workers=1")
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    finish(imported, alone, *line)
    for process in [start(imported, together, *line) for _ in range(2)]:
        assert process.wait(300) == 0, process.said()
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
    # A run takes 20 kB, and 12 more for its checkpoint: there is room for half of the six runs, or for none.
    for size, numbers_finished in (("130k", "12345"), ("40k", "0")):
        done = on_a_disk(size, f"{sweep}; {look}")
        assert "No space left on device" in done.stderr
        goes_on = "the same command goes on from there" in done.stderr
        assert goes_on or "no finished runs to compare; the same command does them again" in done.stdout
        assert "Traceback" not in done.stderr
        assert "left out" not in done.stderr  # what read_results says of files that it cannot read
        assert done.stdout.splitlines()[-1] in numbers_finished  # no half-written folders after it


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other, Imported() as process:
        expected, seconds = undisturbed(process, Path(one))
        met = kill_and_resume(process, Path(other), int(sys.argv[1]), expected, seconds, "hydra.launcher.num_workers=2")
        print(f"{sys.argv[1]} kills: {dict(met)}; {len(expected)} runs, same results, nothing left over")
