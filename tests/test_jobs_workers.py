"""Workers that are killed: only what dies alone is blamed."""

import gc
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from dlcourse.jobs import workers
from dlcourse.jobs.workers import KILLED, Died, Workers, in_workers

TWO = Workers(num=2)


def halves(numbers: list[int]) -> list[list[int]]:
    middle = len(numbers) // 2
    return [numbers[:middle], numbers[middle:]] if middle else [numbers]


class Doubling:
    """Doubles numbers, and is killed by some of them; it notes in a file how far it came."""

    def __init__(self, notes: Path, deadly: set[int], *, only_once: bool = False) -> None:
        self.notes, self.deadly, self.only_once = notes, deadly, only_once

    def __call__(self, numbers: list[int]) -> list[int]:
        note = self.notes / "-".join(map(str, numbers))
        attempts = int(note.read_text()) if note.exists() else 0
        note.write_text(str(attempts + 1))
        time.sleep(0.05)
        if self.deadly & {*numbers} and not (self.only_once and attempts):
            os.kill(os.getpid(), signal.SIGKILL)
        return [2 * number for number in numbers]

    def reached(self, numbers: list[int]) -> int:
        """Attempts count as progress, up to three."""
        note = self.notes / "-".join(map(str, numbers))
        return min(int(note.read_text()), 3) if note.exists() else 0


def results(function: Doubling, items: list[list[int]], **options: object) -> dict[tuple[int, ...], object]:
    return {tuple(item): outcome for item, outcome in in_workers(function, items, TWO, **options)}  # type: ignore[arg-type]


@pytest.mark.slow
def test_what_dies_is_divided_and_only_the_guilty_is_blamed(tmp_path: Path) -> None:
    function = Doubling(tmp_path, {5})
    found = results(function, [[1, 2], [3, 4, 5], [6], [7, 8]], parts=halves)
    died = {item for item, outcome in found.items() if isinstance(outcome, Died)}
    assert died == {(5,)}
    assert found[5,] == Died(KILLED)
    done = [item for item in found if item != (5,)]
    assert {number for item in done for number in item} == {1, 2, 3, 4, 6, 7, 8}
    assert all(found[item] == [2 * number for number in item] for item in done)


@pytest.mark.slow
def test_what_dies_in_company_only_is_finished_alone(tmp_path: Path) -> None:
    function = Doubling(tmp_path, {1, 2, 3, 4}, only_once=True)
    assert results(function, [[1], [2], [3], [4]]) == {(number,): [2 * number] for number in (1, 2, 3, 4)}


@pytest.mark.slow
def test_what_gets_on_is_tried_again(tmp_path: Path) -> None:
    function = Doubling(tmp_path, {1})
    assert results(function, [[1], [2]], reached=function.reached) == {(1,): Died(KILLED), (2,): [4]}
    assert int((tmp_path / "1").read_text()) == 4  # in company, then alone as long as it got on, and once more


@pytest.mark.slow
def test_what_cannot_be_brought_back_is_said(tmp_path: Path) -> None:
    found = [outcome for _, outcome in in_workers(lambda number: (each for each in [number]), [1, 2], TWO)]
    assert all(isinstance(outcome, Died) and "pickle" in outcome.reason for outcome in found)


def is_collected(item: int) -> bool:
    return gc.isenabled()


@pytest.mark.slow
def test_workers_look_for_garbage_once_they_work() -> None:
    assert dict(in_workers(is_collected, [1, 2], TWO)) == {1: True, 2: True}


def has_imported(module: str) -> tuple[bool, int]:
    return module in sys.modules, os.getpid()


@pytest.mark.slow
def test_prepared_workers_have_imported_what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_spare", [])
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "what_they_need.py").touch()
    workers.prepare(1, "what_they_need")
    workers.prepare(2, "what_they_need")
    prepared = list(workers._spare)
    found = [outcome for _, outcome in in_workers(has_imported, ["what_they_need"] * 8, TWO)]
    assert all(isinstance(outcome, tuple) and outcome[0] for outcome in found)
    assert len({outcome for outcome in found}) == 2
    assert set(workers._spare) == set(prepared)
    assert all(worker.is_ready for worker in prepared)
    assert "what_they_need" not in sys.modules


@pytest.mark.slow
def test_who_still_imports_what_nobody_needs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_spare", [])
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "import os, time\nopen('{0}/part', 'w').write(str(os.getpid()))\nos.rename('{0}/part', '{0}/process')\n"
    (tmp_path / "takes_long.py").write_text(text.format(tmp_path) + "time.sleep(1000)\n")
    workers.prepare(1, "takes_long")
    while not (tmp_path / "process").exists():
        time.sleep(0.01)
    process = int((tmp_path / "process").read_text())
    os.kill(process, 0)  # it is there
    workers._end_spare()
    assert workers._spare == []
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_cuda_device_is_kept_busy_by_one_process() -> None:
    assert Workers(None).on_devices({"cuda"}).num_processes == 1
    for who in (Workers(None), Workers(3), Workers(None, "dask", "tcp://there:8786")):
        assert who.on_devices({"cpu"}) == who.on_devices({"cpu", "cuda"}) == who.on_devices(set()) == who
    for who in (Workers(3), Workers(None, "dask", "tcp://there:8786")):
        assert who.on_devices({"cuda"}) == who
