"""How far a command is, where there is no terminal to show a bar on."""

import itertools
import time

import pytest

from dlcourse.jobs.progress import Progress, in_minutes


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_line_at_the_start_and_every_minute_or_tenth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress(20, 1000, unit="step", kind="runs", shown=True) as progress:
        assert lines(capsys) == ["0 of 20 runs done"]
        for second in range(1, 100):
            now[0] = float(second)
            progress.advance(10)
            if second == 50:
                progress.done(has_failed=True)
        said = lines(capsys)
    assert len(said) == 9  # a tenth takes ten seconds, and that is not too soon
    assert said[0] == "0 of 20 runs done, about 89 s left"
    assert said[-1] == "1 of 20 runs done, 1 failed, about 1 s left"
    # Slow work, of which a tenth takes longer than a minute.
    times = itertools.count(0.0, 25.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    with Progress(1, 1000, unit="step", kind="runs", shown=True) as progress:
        for _ in range(20):
            progress.advance(1)
        assert 3 < len(lines(capsys)) < 10


def test_a_single_quick_job_and_a_silent_one_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for num, shown in ((1, True), (9, False), (0, True)):
        with Progress(num, 10, unit="step", kind="runs", shown=shown) as progress:
            progress.advance(10)
            progress.done(has_failed=False)
    assert lines(capsys) == []


def test_times_for_people() -> None:
    assert [in_minutes(seconds) for seconds in (3.2, 600, 9000)] == ["3 s", "10 min", "2.5 h"]
