"""What takes too much memory is refused before it is asked for."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from dlcourse import pieces
from dlcourse.pieces import memory
from dlcourse.pieces.line import size
from dlcourse.pieces.line.segment import count_on_lines
from dlcourse.pieces.line.whole_line import count_on_whole_line
from dlcourse.pieces.plane import subdivision
from dlcourse.pieces.reading import read
from tests.networks import default_network


@pytest.mark.parametrize("sizes", [[2, 256, 256, 1], [2, 300, 16, 1], [2, 32, 300, 8, 1]])
def test_the_estimate_is_near_what_is_taken(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    estimates: list[float] = []
    monkeypatch.setattr(subdivision, "check_memory", lambda needed, *_: estimates.append(needed))
    network = default_network(sizes, 0)
    tracemalloc.start()
    try:
        pieces.on_plane(network, -1.0, 1.0)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(estimates) == len(sizes) - 3  # the last layer that bends is not cut
    assert 0.7 * taken < max(estimates) < 1.4 * taken


def test_too_little_memory_says_how_much_it_takes() -> None:
    network = default_network([2, 64, 64, 1], 0)
    message = (
        r"max_gigabytes must be at least 0\.\d+, the memory that it takes, got 0\.0001 but layer 1 of 3, of 64 units, "
        r"makes \d+ vertices"
    )
    with pytest.raises(ValueError, match=message):
        pieces.on_plane(network, -1.0, 1.0, max_gigabytes=1e-4)
    assert pieces.on_plane(network, -1.0, 1.0, max_gigabytes=0.1).num_regions == (
        pieces.on_plane(network, -1.0, 1.0).num_regions
    )
    for none in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="max_gigabytes must be greater than 0, got"):
            pieces.on_plane(network, -1.0, 1.0, max_gigabytes=none)


def test_wide_networks_are_refused_before_they_take_what_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 2.0**28)
    network = default_network([2, 600, 600, 1], 0)  # 63,000 vertices with 600 + 600 numbers each
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"got 0\.268, which is what is free, but layer 1 of 3, of 600 units"):
            pieces.on_plane(network, -1.0, 1.0)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < 2**27


@pytest.mark.parametrize("sizes", [[2, 256, 256, 1], [2, 300, 16, 1], [2, 32, 300, 8, 1], [2, 16, 300, 1]])
def test_the_estimate_on_lines_is_near_what_is_taken(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    estimates: list[float] = []
    monkeypatch.setattr(size, "check_memory", lambda needed, *_: estimates.append(needed))
    starts, ends = np.random.default_rng(0).normal(size=(2, 60, 2))  # so many that the weights are little beside them
    network = default_network(sizes, 0)
    tracemalloc.start()
    try:
        pieces.on_lines(network, starts, ends)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(estimates) == len(sizes) - 1  # the lines, and every layer that bends
    assert 0.7 * taken < max(estimates) < 1.4 * taken


def test_too_little_memory_on_lines_says_how_much_it_takes() -> None:
    network = default_network([2, 64, 64, 1], 0)
    message = (
        r"max_gigabytes must be at least [\d.e-]+, the memory that it takes, got 3e-05 but layer 1 of 3, of 64 units, "
        r"makes \d+ vertices"
    )
    ends, whole = {"start": [-1, -1], "end": [1, 1]}, {"origin": [0, 0], "direction": [1, 1]}
    for line, too_little in ((ends, 3e-5), (whole, 6e-5)):
        counted = pieces.on_line(network, **line, max_gigabytes=0.1)
        assert counted.num_regions == pieces.on_line(network, **line).num_regions
        with pytest.raises(ValueError, match=message if line is ends else "max_gigabytes must be at least"):
            pieces.on_line(network, **line, max_gigabytes=too_little)
    for none in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="max_gigabytes must be greater than 0, got"):
            pieces.on_line(network, [-1, -1], [1, 1], max_gigabytes=none)
    with pytest.raises(ValueError, match="layer 1 of 3, of 64 units, has 2000 vertices to begin with"):
        pieces.on_lines(network, np.zeros((1000, 2)), np.ones((1000, 2)), max_gigabytes=1e-4)


@pytest.mark.parametrize("whole", [False, True])
def test_lines_are_refused_before_they_take_what_is_not_free(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 2.0**27)
    layers = read(default_network([2, 2000, 2000, 1] if whole else [2, 500, 500, 1], 0), (2,))
    random = np.random.default_rng(0)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"got 0\.134, which is what is free, but layer [12] of [34]"):
            if whole:
                count_on_whole_line(layers, *random.normal(size=(2, 2)), 10_000)
            else:
                count_on_lines(layers, *random.normal(size=(2, 1, 100, 2)), (2,), 100_000)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < 2**27


def test_what_is_free_is_what_the_system_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/proc/meminfo": ["MemTotal:  8000 kB", "MemAvailable:   3000 kB"]}
    monkeypatch.setattr(memory, "_lines", lambda path: files.get(path, []))
    assert memory.free_bytes() == 3000 * 1024
    files |= {"/sys/fs/cgroup/memory.max": ["max"], "/sys/fs/cgroup/memory.current": ["5000"]}
    assert memory.free_bytes() == 3000 * 1024
    files["/sys/fs/cgroup/memory.max"] = ["15000"]
    assert memory.free_bytes() == 10000
    files.clear()
    assert memory.free_bytes() == float("inf")


def test_files_that_are_not_there_have_no_lines(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one\ntwo\n")
    assert memory._lines(str(tmp_path / "file")) == ["one", "two"]
    assert memory._lines(str(tmp_path / "none")) == []
