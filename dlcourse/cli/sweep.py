"""What happens to the jobs of a command line, one or many: they are done, and what came of them is said."""

import json
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dlcourse.cli import say
from dlcourse.cli.plan import tell_plan, tell_plan_of_sweep
from dlcourse.cli.refusals import FailedRunError, RefusedError
from dlcourse.job import Failure
from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.measure import measure_all
from dlcourse.jobs.pilots import left_to_run, pilots
from dlcourse.jobs.runs import each_run, run
from dlcourse.jobs.unfinished import Outcome, finished_results, reason_of_failure
from dlcourse.jobs.workers import HERE, Workers
from dlcourse.measurements import Measurement
from dlcourse.recording import Result, compare, read_results, write_csv
from dlcourse.recording.failures import has_failed
from dlcourse.recording.files import write_atomically
from dlcourse.recording.tuned import TUNED

SomeJob = TypeVar("SomeJob", RunConfig, Measurement)


def run_alone(config: RunConfig) -> Result | None:
    """Runs one configuration and says what came of it; None if only its plan was wanted.

    Raises:
        FailedRunError: If it could not be finished.
    """
    _check_tuned([config])
    finished = finished_results([config])
    if config.only == "failed":
        return run_alone(_again(config, finished))
    if config.plan:
        tell_plan([config], finished, HERE)
        return None
    if isinstance(finished.get(config.folder), Result):
        say.alone_finished_already("run", "runs")
    elif not finished:
        _refuse_unwritable(config)
        note_large_batches([config])
    (outcome,) = run([config], finished=finished, program=say.program())
    result = _result_or_complaint(outcome)
    say.run(config, result)
    if (reason := reason_of_failure(result)) is not None:
        command = config.command(say.program(), force=True)
        say.failure(reason, command)
        raise FailedRunError(reason, command)
    return result


def measure_alone(measurement: Measurement) -> None:
    """Measures once and says what came of it, unless only its plan is wanted.

    Raises:
        FailedRunError: If it failed.
    """
    finished = finished_results([measurement])
    if measurement.only == "failed":
        measure_alone(_again(measurement, finished))
        return
    if measurement.plan:
        tell_plan([measurement], finished, HERE)
        return
    if isinstance(finished.get(measurement.folder), Result):
        say.alone_finished_already("measurement", "does")
    elif not finished:
        _refuse_unwritable(measurement)
    (outcome,) = measure_all([measurement], finished=finished, program=say.program())
    result = _result_or_complaint(outcome)
    say.measurement(measurement.folder, result)


def _again(job: SomeJob, finished: Mapping[Path, Outcome]) -> SomeJob:
    """The job, to be done again.

    Raises:
        RefusedError: If it has not failed.
    """
    if not _has_failed(job, finished):
        raise RefusedError("only=failed must be given where jobs have failed; this one has not")
    return replace(job, only=None, force=True)


def _refuse_unwritable(job: RunConfig | Measurement) -> None:
    """Refuses a job whose result cannot be written.

    Raises:
        RefusedError: Names the folder.
    """
    for message in unwritable([job]).values():
        raise RefusedError(message)


def _result_or_complaint(outcome: Outcome) -> Result:
    """The result; says why there is none."""
    if isinstance(outcome, Failure):
        say.failure(outcome.reason)
        raise FailedRunError(outcome.reason, outcome.config.command(say.program()))
    return outcome


class Sweep:
    """The jobs of a command with many: a sweeper may launch them in several batches.

    There can be tens of thousands: once they are done, only what is said of them in the end is kept.

    Args:
        searches: Whether a sweeper chooses jobs by what came of others.

    Attributes:
        has_begun: Whether a batch has been launched.
        has_failed: Whether a job has failed.
        only_planned: Whether a plan was told, and nothing done.
    """

    def __init__(self, *, searches: bool) -> None:
        # By their folder and by whether they train: the last job, which stands for all of them, and the names of all.
        self._last: dict[tuple[Path, bool], RunConfig | Measurement] = {}
        self._names: dict[tuple[Path, bool], set[str]] = defaultdict(set)
        self._searches = searches
        self._trials: list[tuple[float, RunConfig, Sequence[str]]] = []
        self._read: dict[Path, Result] = {}  # what was finished before, by its folder
        self.has_begun = self.has_failed = self.only_planned = False

    def launch(
        self,
        jobs: Sequence[RunConfig | Measurement | RefusedError],
        overrides: Sequence[Sequence[str]],
        workers: Workers,
    ) -> list[float | None]:
        """Does some jobs; says which failed and why.

        Args:
            jobs: The jobs; one that is refused fails alone, as any other.
            overrides: What the command line or a sweeper sets for each.
            workers: Who does the work.

        Returns:
            Each job's headline metric; None for a measurement, which has none, and for one that failed.

        Raises:
            RefusedError: If all jobs are refused.
        """
        if not jobs:
            raise RefusedError("a sweep must have at least one job, got one over nothing")
        accepted = [job for job in jobs if not isinstance(job, RefusedError)]
        if not accepted and not self.has_begun:
            raise next(job for job in jobs if isinstance(job, RefusedError))
        configs = [job for job in accepted if isinstance(job, RunConfig)]
        _check_tuned(configs)
        first = _pilots(configs)
        finished = finished_results(accepted)
        if any(job.plan for job in accepted):
            self.has_begun = self.only_planned = True
            tell_plan_of_sweep(accepted, finished, workers)
            return [None for _ in jobs]
        if any(job.only == "failed" for job in accepted):
            chosen = {index: again for index, job in enumerate(jobs) if (again := _again_if_failed(job, finished))}
            if not chosen:
                raise RefusedError(f"only=failed must be given where jobs have failed; of these {len(jobs)} none has")
            undoubted = [_without_pilots(job) for job in chosen.values()]
            done = self.launch(undoubted, [overrides[index] for index in chosen], workers)
            return _spread(done, chosen, len(jobs))
        refusals = unwritable([job for job in accepted if job.folder not in finished])
        if len(refusals) == len({job.folder.parent for job in accepted}) and not self.has_begun:
            raise RefusedError(next(iter(refusals.values())))
        self.has_begun = True
        to_do = dict(enumerate(_unless_refused(job, refusals) for job in jobs))
        if first:
            left = self._after_pilots(first, configs, workers)
            to_do = {at: job for at, job in to_do.items() if not isinstance(job, RunConfig) or job.folder in left}
        done = self._do(list(to_do.values()), [overrides[at] for at in to_do], workers, finished)
        return _spread(done, to_do, len(jobs))

    def _after_pilots(self, first: Sequence[RunConfig], configs: Sequence[RunConfig], workers: Workers) -> set[Path]:
        """Trains the pilots; the folders of the runs that are left to do."""
        finished = finished_results(first)
        say.finished_already(sum(isinstance(found, Result) for found in finished.values()), len(first), "pilots")
        outcomes = run(first, workers=workers, finished=finished, program=say.program())
        for failure in [outcome for outcome in outcomes if isinstance(outcome, Failure)]:
            self.has_failed = True
            say.failure(failure.reason, failure.config.command(say.program()))
        for folder in dict.fromkeys(pilot.folder.parent for pilot in first if pilot.folder not in finished):
            write_csv(read_results(folder), folder / "results.csv")
        left = left_to_run(configs, outcomes)
        say.left_out(sum(config.folder not in left for config in configs), len(configs), first[0])
        return left

    def _do(
        self,
        jobs: Sequence[RunConfig | Measurement | RefusedError],
        overrides: Sequence[Sequence[str]],
        workers: Workers,
        finished: Mapping[Path, Outcome],
    ) -> list[float | None]:
        """The same, without the question which jobs are to be done."""
        configs = [job for job in jobs if isinstance(job, RunConfig)]
        measurements = [job for job in jobs if isinstance(job, Measurement)]
        for kind, some in (("runs", configs), ("measurements", measurements)):
            say.finished_already(sum(isinstance(finished.get(job.folder), Result) for job in some), len(some), kind)
        note_large_batches([job for job in configs if job.folder not in finished])
        accepted: list[RunConfig | Measurement] = [*configs, *measurements]
        self._read |= {folder: found for folder, found in finished.items() if isinstance(found, Result)}
        for folder in {asked.folder for asked in accepted} - finished.keys():  # done now, or again
            self._read.pop(folder, None)
        for asked in accepted:
            group = asked.folder.parent, isinstance(asked, RunConfig)
            self._last[group] = asked
            self._names[group].add(sys.intern(asked.run_name))
        done = each_run(configs, workers=workers, finished=finished, program=say.program())
        came_to = {config.folder: _headline(config, outcome) for config, outcome in done}
        others = measure_all(measurements, workers=workers, finished=finished, program=say.program())
        came_to |= {each.folder: _headline(each, outcome) for each, outcome in zip(measurements, others, strict=True)}
        values: list[float | None] = []
        for job, given in zip(jobs, overrides, strict=True):
            value = FailedRunError(str(job), job.command) if isinstance(job, RefusedError) else came_to[job.folder]
            if isinstance(value, FailedRunError):
                self.has_failed = True
                say.failure(str(value), value.command)
            elif self._searches and isinstance(job, RunConfig) and value is not None:
                self._trials.append((value, job, given))
            values.append(None if isinstance(value, FailedRunError) else value)
        return values

    def conclude(self) -> None:
        """Lays depth against width, prints the tables of all that was asked for, and says where there is more."""
        if self.only_planned:
            return
        for group, job in self._last.items():
            if isinstance(job, RunConfig):
                _compare(job, self._names[group], self._read)
            else:
                _tabulate(job, self._read)

    def conclude_search(self) -> None:
        """Says which trial was the best, and keeps it in `best_trial.yaml`, where a sweeper has searched."""
        for folder in dict.fromkeys(config.folder.parent for _, config, _ in self._trials):
            trials = [trial for trial in self._trials if trial[1].folder.parent == folder]
            task = trials[0][1].task
            best = (max if task.metric in task.higher_is_better else min)(trials, key=lambda trial: trial[0])
            value, config, overrides = best
            lines = [f"run: {config.run_name}", f"{task.metric}: {value!r}", f"overrides: {json.dumps(overrides)}"]
            write_atomically(folder / "best_trial.yaml", ("\n".join(lines) + "\n").encode())
            say.best_trial(task.metric, value, overrides, config.folder, len(trials))


def _spread(values: Sequence[float | None], indices: Iterable[int], num: int) -> list[float | None]:
    """Values of some jobs at their places among all; None at the others."""
    found = dict(zip(indices, values, strict=True))
    return [found.get(index) for index in range(num)]


def _check_tuned(configs: Sequence[RunConfig]) -> None:
    """Refuses to tune what is no setting of any run.

    Raises:
        RefusedError: Names it.
    """
    for key in dict.fromkeys(key for config in configs for key in config.compare.tune):
        if key == "seed" or not (key in TUNED or any(key in config.fields() for config in configs)):
            known = {*TUNED, *(key for config in configs for key in config.fields())} - {"seed"}
            raise RefusedError(f"compare.tune must be names of settings ({', '.join(sorted(known))}), got {key}")


def _pilots(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The pilots of a sweep.

    Raises:
        RefusedError: If a seed of the sweep is one of theirs.
    """
    try:
        return pilots(configs)
    except ValueError as error:
        raise RefusedError(str(error)) from error


def _without_pilots(job: RunConfig | Measurement | RefusedError) -> RunConfig | Measurement | RefusedError:
    """The job, which is to be done whatever the pilots say."""
    return replace(job, compare=replace(job.compare, pilots=0)) if isinstance(job, RunConfig) else job


def _unless_refused(
    job: RunConfig | Measurement | RefusedError, refusals: Mapping[Path, str]
) -> RunConfig | Measurement | RefusedError:
    """The job, or why it is refused."""
    if isinstance(job, RefusedError) or job.folder.parent not in refusals:
        return job
    refused = RefusedError(refusals[job.folder.parent])
    refused.command = job.command(say.program())
    return refused


def _again_if_failed(
    job: RunConfig | Measurement | RefusedError, finished: Mapping[Path, Outcome]
) -> RunConfig | Measurement | RefusedError | None:
    """The job, to be done again, if it has failed, or its network has diverged, or it is refused; else None."""
    if isinstance(job, RefusedError):
        return job
    return replace(job, only=None, force=True) if _has_failed(job, finished) else None


def _has_failed(job: RunConfig | Measurement, finished: Mapping[Path, Outcome]) -> bool:
    """Whether a job has failed, or its network has diverged."""
    found = finished.get(job.folder)
    return has_failed(job.folder) if found is None else reason_of_failure(found) is not None


def unwritable(jobs: Sequence[RunConfig | Measurement]) -> dict[Path, str]:
    """The folders of results that cannot be written to, each with what there is to say of it; tried before anything."""
    found = {}
    for folder, job in {job.folder.parent: job for job in jobs}.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / ".writable", b"")
            (folder / ".writable").unlink(missing_ok=True)
        except OSError as error:
            reason = f"{folder}: {error.strerror}"
            found[folder] = f"outputs must be a folder that can be written to, got {job.outputs} ({reason})"
    return found


def note_large_batches(configs: Sequence[RunConfig]) -> None:
    """Says which batches are larger than the training data."""
    for config in {(config.batch_size, str(config.task)): config for config in configs}.values():
        num_items = getattr(config.task, "num_train", None)
        if num_items is not None and config.batch_size is not None and config.batch_size > num_items:
            say.large_batches(config.batch_size, num_items)


def _headline(job: RunConfig | Measurement, outcome: Outcome) -> float | FailedRunError | None:
    """What a job came to: its headline metric, or why it counts as failed."""
    reason = reason_of_failure(outcome)
    if reason is not None:
        # A run that diverged has a result, and would not be done again without being told to.
        more = {} if isinstance(outcome, Failure) else {"force": True}
        return FailedRunError(reason, job.command(say.program(), **more))
    assert isinstance(outcome, Result)  # a Failure always has a reason, and has been returned above
    return float(outcome.metrics[job.task.metric]) if isinstance(job, RunConfig) else None


def _compare(config: RunConfig, names: Collection[str], known: Mapping[Path, Result]) -> None:
    """Lays depth against width for a folder of runs, and prints the table of those that were asked for, by name."""
    folder = config.folder.parent
    found = read_results(folder, known)
    say.comparison(folder, [result for result in found if result.run in names], config.compare.tune)
    compare(folder, found, config.compare.tune, anew=False)
    say.reports(config)


def _tabulate(measurement: Measurement, known: Mapping[Path, Result]) -> None:
    """Writes the table of a folder of measurements."""
    folder = measurement.folder.parent
    if found := read_results(folder, known):
        write_csv(found, folder / "results.csv")
        say.rows(len(found), folder / "results.csv")
    say.reports(measurement)
