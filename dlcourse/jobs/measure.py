"""Many measurements: what is finished is skipped, and the rest goes to worker processes one by one."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from dlcourse.job import Failure
from dlcourse.jobs.progress import Progress
from dlcourse.jobs.unfinished import Outcome, do_unfinished
from dlcourse.jobs.workers import HERE, Died, Workers, in_workers
from dlcourse.layerwise import one_thread
from dlcourse.measurements import Measurement
from dlcourse.recording import Result, write_result
from dlcourse.recording.files import write_atomically
from dlcourse.recording.provenance import provenance
from dlcourse.recording.run_folder import KeptAsideError, write_beside


def measure_all(
    measurements: Sequence[Measurement],
    *,
    workers: Workers = HERE,
    finished: Mapping[Path, Outcome] | None = None,
    progress: bool = True,
    program: str = "dlcourse",
) -> list[Outcome]:
    """Makes sure that every measurement is finished, and returns what each came to.

    A measurement whose folder says that it is finished is not done again, unless its configuration says `force`. One
    that fails leaves the others alone.

    Args:
        measurements: What to measure; the same one may come several times.
        workers: Who does the work.
        finished: What `finished_results` has found, if that is known already.
        progress: Whether to show on stderr how far they are.
        program: How the commands begin that are written into the folders.

    Returns:
        One result or failure a measurement, in their order.

    Raises:
        FolderTakenError: If a folder holds a finished measurement of another configuration.
    """

    def do(pending: list[Measurement], shown: Progress) -> Iterator[tuple[Measurement, Outcome]]:
        for measurement, outcome in _outcomes(pending, workers, program):
            shown.advance(1)
            yield measurement, outcome

    done = do_unfinished(
        measurements,
        do,
        finished=finished,
        size=lambda _: 1,
        unit="job",
        kind="measurements",
        program=program,
        progress=progress,
    )
    outcomes = {measurement.folder: outcome for measurement, outcome in done}
    return [outcomes[measurement.folder] for measurement in measurements]


def _outcomes(
    measurements: Sequence[Measurement], workers: Workers, program: str
) -> Iterator[tuple[Measurement, Outcome]]:
    """Every measurement with what it came to, in the order in which they are done."""
    if workers.backend == "loky" and min(workers.num_processes, len(measurements)) <= 1:
        for measurement in measurements:
            yield measurement, _outcome(measurement, program, "")
        return
    work = partial(_outcome, program=program, directory=str(Path.cwd()))
    for measurement, outcome in in_workers(work, measurements, workers):
        yield measurement, Failure(measurement, outcome.reason) if isinstance(outcome, Died) else outcome


def _outcome(measurement: Measurement, program: str, directory: str) -> Outcome:
    """What a measurement came to; it has its folder, unless it failed."""
    try:
        # Always in one thread, so that a measurement comes to the same numbers here as in a worker process.
        with one_thread():
            return _measured(measurement, program, Path(directory))
    except KeptAsideError as error:
        return Failure(measurement, str(error))
    except Exception as error:  # whatever it is, the others shall go on
        return Failure(measurement, f"{type(error).__name__}: {error}")


def _measured(measurement: Measurement, program: str, directory: Path) -> Result:
    """Measures, and writes the folder."""
    began, started = time.time(), time.monotonic()
    row = measurement.measure()
    seconds = time.monotonic() - started
    result = Result(
        measurement.run_name,
        measurement.settings(),
        dict(row),
        None,
        seconds,
        provenance=provenance(began, time.time()),
    )

    def write(folder: Path) -> None:
        write_atomically(folder / "config.yaml", measurement.to_yaml(program).encode())
        write_result(folder, result)

    write_beside(directory / measurement.folder, write)
    return result
