"""Many measurements: what is finished is skipped, and the rest goes to worker processes one by one."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from dlcourse.job import Failure
from dlcourse.jobs.unfinished import Outcome, do_unfinished
from dlcourse.jobs.workers import HERE, KILLED, Workers, in_workers, with_whole_paths
from dlcourse.layerwise import one_thread
from dlcourse.measurements import Measurement
from dlcourse.recording import Result, write_result
from dlcourse.recording.files import write_atomically


def measure_all(
    measurements: Sequence[Measurement],
    *,
    workers: Workers = HERE,
    progress: bool = True,
    program: str = "dlcourse",
) -> list[Outcome]:
    """Makes sure that every measurement is finished, and returns what each came to.

    A measurement whose folder says that it is finished is not done again, unless its configuration says `force`. One
    that fails leaves the others alone.

    Args:
        measurements: What to measure; the same one may come several times.
        workers: Who does the work.
        progress: Whether to show a progress bar on stderr, if that is a terminal.
        program: How the commands begin that are written into the folders.

    Returns:
        One result or failure a measurement, in their order.

    Raises:
        FolderTakenError: If a folder holds a finished measurement of another configuration.
    """

    def do(pending: list[Measurement], bar: Any) -> Iterator[tuple[Measurement, Outcome]]:
        for index, outcome in _outcomes(pending, workers, program):
            bar.update()
            yield pending[index], outcome

    return do_unfinished(measurements, do, size=lambda _: 1, unit="job", progress=progress)


def _outcomes(measurements: Sequence[Measurement], workers: Workers, program: str) -> Iterator[tuple[int, Outcome]]:
    """Every measurement's number with what it came to, in the order in which they are done."""
    if workers.backend == "loky" and min(workers.num_processes, len(measurements)) <= 1:
        for index, measurement in enumerate(measurements):
            yield index, _outcome(measurement, program)
        return
    work = partial(_outcome, program=program)
    for index, outcome in in_workers(work, with_whole_paths(measurements), workers):
        yield index, outcome or Failure(measurements[index], KILLED)


def _outcome(measurement: Measurement, program: str) -> Outcome:
    """What a measurement came to; it has its folder, unless it failed."""
    try:
        # Always in one thread, so that a measurement comes to the same numbers here as in a worker process.
        with one_thread():
            return _measured(measurement, program)
    except Exception as error:  # whatever it is, the others shall go on
        return Failure(measurement, f"{type(error).__name__}: {error}")


def _measured(measurement: Measurement, program: str) -> Result:
    """Measures, and writes the folder; `metrics.json` comes last, as the mark of a finished measurement."""
    started = time.time()
    row = measurement.measure()
    result = Result(measurement.run_name, measurement.settings(), dict(row), None, time.time() - started)
    folder = measurement.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "config.yaml", measurement.to_yaml(program).encode())
    write_result(folder, result)
    return result
