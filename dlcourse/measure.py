"""Many measurements: what is finished is skipped, and the rest goes to worker processes."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from dlcourse.job import Failure, finished_result, run_folder
from dlcourse.layerwise import one_thread
from dlcourse.measurements import Measurement
from dlcourse.recording import Result, write_result
from dlcourse.recording.files import write_atomically
from dlcourse.workers import HERE, KILLED, Workers, in_workers


def measure(
    measurements: Sequence[Measurement], *, workers: Workers = HERE, progress: bool = True
) -> list[Result | Failure]:
    """Makes sure that every measurement is finished, and returns what each came to.

    A measurement whose folder says that it is finished is not done again, unless its configuration says `force`. One
    that fails leaves the others alone.

    Args:
        measurements: What to measure; the same one may come several times.
        workers: Who does the work.
        progress: Whether to show a progress bar on stderr, if that is a terminal.

    Returns:
        One result or failure a measurement, in their order.

    Raises:
        FolderTakenError: If a folder holds a finished measurement of another configuration.
    """
    done: dict[Path, Result | Failure] = {}
    pending: dict[Path, Measurement] = {}
    for measurement in measurements:
        folder = run_folder(measurement)
        if finished := finished_result(measurement):
            done[folder] = finished
        else:
            pending.setdefault(folder, measurement)
    num_failed = 0
    with tqdm(total=len(pending), unit="job", disable=None if progress and pending else True) as bar:
        for measurement, outcome in _outcomes(list(pending.values()), workers):
            done[run_folder(measurement)] = outcome
            num_failed += isinstance(outcome, Failure)
            if num_failed:
                bar.set_description_str(f"{num_failed} failed")
            bar.update()
    return [done[run_folder(measurement)] for measurement in measurements]


def _outcomes(measurements: Sequence[Measurement], workers: Workers) -> Iterator[tuple[Measurement, Result | Failure]]:
    """Every measurement with what it came to, in the order in which they are done."""
    if workers.backend == "loky" and min(workers.num_processes, len(measurements)) <= 1:
        for measurement in measurements:
            yield measurement, _measure_safely(measurement)
        return
    # with the whole path of their folder: a worker may have been started elsewhere
    placed = [dataclasses.replace(each, outputs=str(Path(each.outputs).absolute())) for each in measurements]
    for index, outcome in in_workers(_measure_safely, placed, workers):
        yield measurements[index], outcome or Failure(measurements[index], KILLED)


def _measure_safely(measurement: Measurement) -> Result | Failure:
    """What a measurement came to; it has its folder, unless it failed."""
    try:
        with one_thread():  # wherever it runs
            return _measure(measurement)
    except Exception as error:  # whatever it is, the others shall go on
        return Failure(measurement, f"{type(error).__name__}: {error}")


def _measure(measurement: Measurement) -> Result:
    """Measures, and writes the folder; `metrics.json` comes last, as the mark of a finished measurement."""
    started = time.time()
    row = measurement.measure()
    result = Result(measurement.run_name(), measurement.flat(), dict(row), None, time.time() - started)
    folder = run_folder(measurement)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "config.yaml", measurement.to_yaml().encode())
    write_result(folder, result)
    return result
