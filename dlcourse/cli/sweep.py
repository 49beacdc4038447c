"""What happens to the jobs of a command line, one or many: they are done, and what came of them is said."""

from collections.abc import Iterator, Sequence

from dlcourse.cli import say
from dlcourse.job import Failure
from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.measure import measure_all
from dlcourse.jobs.runs import run
from dlcourse.jobs.unfinished import Outcome, finished_result, reason_of_failure
from dlcourse.jobs.workers import Workers
from dlcourse.measurements import Measurement
from dlcourse.recording import Result, read_results, write_comparison, write_csv


class FailedRunError(Exception):
    """A job failed; what and why has been said.

    Attributes:
        command: The command line that does it again.
    """

    def __init__(self, reason: str, command: str) -> None:
        super().__init__(reason)
        self.command = command


class RefusedError(Exception):
    """A configuration that cannot be run; its text is for the user.

    Attributes:
        command: The command line that asked for it, where it is one job of a sweep.
    """

    command = ""


def run_alone(config: RunConfig) -> Result:
    """Runs one configuration and says what came of it.

    Raises:
        FailedRunError: If it could not be finished.
    """
    if finished_result(config) is not None:
        say.alone_finished_already("run", "runs")
    (outcome,) = run([config], program=say.program())
    result = _result_or_complaint(outcome)
    say.run(config, result)
    return result


def measure_alone(measurement: Measurement) -> Result:
    """Measures once and says what came of it.

    Raises:
        FailedRunError: If it failed.
    """
    if finished_result(measurement) is not None:
        say.alone_finished_already("measurement", "does")
    (outcome,) = measure_all([measurement], program=say.program())
    result = _result_or_complaint(outcome)
    say.measurement(measurement.folder, result)
    return result


def _result_or_complaint(outcome: Outcome) -> Result:
    """The result; says why there is none."""
    if isinstance(outcome, Failure):
        say.failure(outcome.reason)
        raise FailedRunError(outcome.reason, outcome.config.command(say.program()))
    return outcome


def run_sweep(
    jobs: Sequence[RunConfig | Measurement | RefusedError], workers: Workers
) -> list[float | FailedRunError | None]:
    """Does many jobs: runs, which it lays out by depth and width, and measurements; says which failed and why.

    Args:
        jobs: The jobs; one that is refused fails alone, as any other.
        workers: Who does the work.

    Returns:
        Each job's headline metric (a measurement has none), or why it failed.

    Raises:
        RefusedError: If all jobs are refused.
    """
    configs = [job for job in jobs if isinstance(job, RunConfig)]
    measurements = [job for job in jobs if isinstance(job, Measurement)]
    if not configs and not measurements:
        raise next(job for job in jobs if isinstance(job, RefusedError))
    say.finished_already(sum(finished_result(job) is not None for job in configs), len(configs), "runs")
    say.finished_already(
        sum(finished_result(job) is not None for job in measurements), len(measurements), "measurements"
    )
    run_outcomes = iter(run(configs, workers=workers, program=say.program()))
    measurement_outcomes = iter(measure_all(measurements, workers=workers, program=say.program()))
    outcomes = [_headline(job, run_outcomes if isinstance(job, RunConfig) else measurement_outcomes) for job in jobs]
    # Every folder is compared once: the last of its jobs stands for all of them.
    try:
        for config in {job.folder.parent: job for job in configs}.values():
            _compare(config, configs)
        for measurement in {job.folder.parent: job for job in measurements}.values():
            _tabulate(measurement)
    finally:
        for outcome in outcomes:
            if isinstance(outcome, FailedRunError):
                say.failure(str(outcome), outcome.command)
    return outcomes


def _headline(
    job: RunConfig | Measurement | RefusedError, outcomes: Iterator[Outcome]
) -> float | FailedRunError | None:
    """What a job came to: its headline metric, or why it counts as failed; takes its outcome, if it has one."""
    if isinstance(job, RefusedError):
        return FailedRunError(str(job), job.command)
    outcome = next(outcomes)
    reason = reason_of_failure(outcome)
    if reason is not None:
        return FailedRunError(reason, job.command(say.program()))
    assert isinstance(outcome, Result)  # a Failure always has a reason, and has been returned above
    return float(outcome.metrics[job.task.metric]) if isinstance(job, RunConfig) else None


def _compare(config: RunConfig, configs: Sequence[RunConfig]) -> None:
    """Lays depth against width for a folder of runs, and prints the table of those that were asked for."""
    folder = config.folder.parent
    found = read_results(folder)
    metric = config.task.metric
    names = {asked.run_name for asked in configs if asked.folder.parent == folder}
    if found:
        write_csv(found, folder / "results.csv")
        title = folder.name.replace("_", " ")
        write_comparison(folder, found, metric, title=title, target_pieces=config.task.num_pieces)
    say.comparison(folder, [result for result in found if result.run in names], metric)
    say.reports(config)


def _tabulate(measurement: Measurement) -> None:
    """Writes the table of a folder of measurements."""
    folder = measurement.folder.parent
    if found := read_results(folder):
        write_csv(found, folder / "results.csv")
        say.rows(len(found), folder / "results.csv")
    say.reports(measurement)
