"""The door: the Hydra application `dlcourse`. Hydra composes; from here on there are only runs and measurements."""

import atexit
import dataclasses
import functools
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from tqdm import tqdm

from dlcourse import measurements, runs, tasks, training
from dlcourse.config import RunConfig
from dlcourse.job import Failure, FolderTakenError, Job, finished_result, run_folder
from dlcourse.measure import measure
from dlcourse.measurements import Measurement
from dlcourse.recording import Result, depth_width_table, read_results, write_comparison, write_csv
from dlcourse.run_stack import run_stack
from dlcourse.workers import Workers

# In a wheel the configurations lie inside the package, in the repository beside it.
_HERE = Path(__file__).resolve().parent
CONFIGS = next(path for path in (_HERE / "configs", _HERE.parent / "configs") if path.is_dir())

TASKS = (
    tasks.ZigZag, tasks.Smooth, tasks.Parity, tasks.Spirals, tasks.Moons, tasks.Circles, tasks.Blobs,
    tasks.Digits, tasks.Iris, tasks.Wine, tasks.BreastCancer, tasks.MNIST,
)  # fmt: skip
OPTIMIZERS = (training.SGD, training.Adam)
MEASUREMENTS = (
    measurements.FirstGradient, measurements.LayerwiseGradients, measurements.LayerwiseTime,
    measurements.NearTheSolution, measurements.ParityCircuits, measurements.ParityNetworks,
    measurements.ParityThreshold, measurements.PlanesOfImages, measurements.RandomNetworks,
    measurements.ReachedPieces,
)  # fmt: skip


class FailedRunError(Exception):
    """A run of a sweep failed; what and why has been said.

    Attributes:
        command: The command line that runs it again.
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


def main() -> None:
    """Runs `dlcourse` with the command line's arguments; exits with 2 and a few lines on a user's mistake."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing some with their traceback
    try:
        _main()
    except (RefusedError, FolderTakenError) as error:
        sys.exit(_complaint(str(error)))
    except FailedRunError:
        sys.exit(1)
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
        sys.exit(_complaint(str(error), *([str(cause), *_allowed(cause)] if cause else [])))
    except BrokenPipeError:  # what reads our output has seen enough of it: `dlcourse ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that must not be written to
        _complaint(str(error), "what was finished is valid, and the same command goes on from there")
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished is valid, and the same command goes on from there", file=sys.stderr)
        sys.exit(130)


def to_job(config: DictConfig) -> RunConfig | Measurement:
    """The typed configuration, checked.

    Raises:
        RefusedError: If a value is missing or out of range.
    """
    try:
        job = OmegaConf.to_object(config)
    except (ValueError, TypeError, OmegaConfBaseException) as error:
        raise RefusedError(str(error)) from error
    assert isinstance(job, RunConfig | Measurement)
    return job


def to_workers(num_workers: int | None, backend: str, scheduler: str | None) -> Workers:
    """The launcher's options, checked.

    Raises:
        RefusedError: If a value is out of range.
    """
    try:
        return Workers(num_workers, backend, scheduler)
    except ValueError as error:
        raise RefusedError(f"hydra.launcher.{error}") from error


def run_one(config: RunConfig) -> Result:
    """Runs one configuration and says what came of it."""
    result = finished_result(config)
    if result is not None:
        print("this run is finished already (force=true runs it again)")
    else:
        total = config.num_steps
        with tqdm(total=total, unit="step", unit_scale=True, disable=None if total else True) as bar:
            (result,) = run_stack([config], lambda num_steps, losses: runs.show_progress(bar, num_steps, losses))
    metric = config.task.metric
    said = [f"{metric.replace('_', ' ')} {result.metrics[metric]:.4g}"]
    if "num_pieces" in result.metrics:
        said.append(f"{result.metrics['num_pieces']:g} linear pieces")
    said.append(f"{result.metrics['num_parameters']:g} parameters")
    if result.diverged_at is not None:
        said.append(f"diverged at step {result.diverged_at}")
    print(f"{', '.join(said)}\nin {run_folder(config)}; to look at it:\n{_tensorboard(config)}")
    return result


def measure_one(measurement: Measurement) -> Result:
    """Measures once and says what came of it.

    Raises:
        FailedRunError: If it failed.
    """
    if finished_result(measurement):
        print("this measurement is finished already (force=true does it again)")
    (result,) = measure([measurement])
    if isinstance(result, Failure):
        print(f"failed: {result.reason}", file=sys.stderr)
        raise FailedRunError(result.reason, measurement.command())
    size = max(map(len, result.metrics))
    for name, value in result.metrics.items():
        print(f"{name:<{size}}  {value:.6g}" if isinstance(value, float) else f"{name:<{size}}  {value}")
    print(f"in {run_folder(measurement)}")
    return result


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
    measured = [job for job in jobs if isinstance(job, Measurement)]
    if not configs and not measured:
        raise next(job for job in jobs if isinstance(job, RefusedError))
    for kind, of_kind in (("runs", configs), ("measurements", measured)):
        if finished := sum(finished_result(job) is not None for job in of_kind):
            print(f"{finished} of {len(of_kind)} {kind} are finished already (force=true does them again)")
    of_runs = iter(runs.run(configs, workers=workers))
    of_measurements = iter(measure(measured, workers=workers))
    outcomes = [_outcome(job, of_runs if isinstance(job, RunConfig) else of_measurements) for job in jobs]
    try:
        for config in {run_folder(config).parent: config for config in configs}.values():
            _compare(config, configs)
        for measurement in {run_folder(job).parent: job for job in measured}.values():
            _tabulate(measurement)
    finally:
        for outcome in outcomes:
            if isinstance(outcome, FailedRunError):
                print(f"failed: {outcome}\n  {outcome.command}", file=sys.stderr)
    return outcomes


def _outcome(
    job: RunConfig | Measurement | RefusedError, results: Iterator[Result | Failure]
) -> float | FailedRunError | None:
    """What a job came to: its headline metric, or why it counts as failed; takes its result, if it has one."""
    if isinstance(job, RefusedError):
        return FailedRunError(str(job), job.command)
    result = next(results)
    if isinstance(result, Failure):
        return FailedRunError(result.reason, job.command())
    if result.diverged_at is not None:
        return FailedRunError(f"diverged by step {result.diverged_at}", job.command())
    return float(result.metrics[job.task.metric]) if isinstance(job, RunConfig) else None


def _compare(config: RunConfig, configs: Sequence[RunConfig]) -> None:
    """Lays depth against width for a folder of runs, and prints the table of those that were asked for."""
    folder = run_folder(config).parent
    found = read_results(folder)
    metric, title = config.task.metric, folder.name.replace("_", " ")
    target = 2**config.task.num_folds if isinstance(config.task, tasks.ZigZag) else None
    names = {each.run_name() for each in configs if run_folder(each).parent == folder}
    print(depth_width_table([result for result in found if result.run in names], metric))
    if found:
        write_csv(found, folder / "results.csv")
        write_comparison(folder, found, metric, title=title, target_pieces=target)
    print(f"\nin {folder} (results.csv, comparison/); to look at it:\n{_tensorboard(config)}")
    _name_reports(config)


def _tabulate(measurement: Measurement) -> None:
    """Writes the table of a folder of measurements."""
    folder = run_folder(measurement).parent
    if found := read_results(folder):
        write_csv(found, folder / "results.csv")
        print(f"{len(found)} rows in {folder / 'results.csv'}")
    _name_reports(measurement)


def _name_reports(job: Job) -> None:
    """Says how to make the tables and figures of a sweep, where a report lies here that is made from it."""
    for report in sorted(Path().glob("experiments/*/report.py")):
        if re.search(rf"experiment={re.escape(str(job.name))}\b", report.read_text(encoding="utf-8")):
            print(f"its tables and figures: python {report}")


@functools.cache
def _scratch() -> str:
    """A folder for what Hydra's sweeper insists on writing (multirun.yaml); it goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="dlcourse-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _tensorboard(config: RunConfig) -> str:
    """The command that shows the results, and where, without TensorBoard's smoothing, which distorts short curves."""
    folder = run_folder(config).parent
    return f"  tensorboard --logdir {folder}\n  http://localhost:6006/#scalars&regexInput=comparison&_smoothingWeight=0"


def _complaint(*lines: str) -> int:
    """Says what was wrong; the exit code for it."""
    print("dlcourse: " + "\n".join(lines), file=sys.stderr)
    return 2


def _allowed(cause: OmegaConfBaseException) -> list[str]:
    """The keys that a mistyped one could have been."""
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and dataclasses.is_dataclass(cause.object_type):
        return [f"    allowed here: {', '.join(field.name for field in dataclasses.fields(cause.object_type))}"]
    return []


def _store_schemas() -> None:
    """Makes the dataclasses known to Hydra, in a group of their own that the command line does not offer."""
    store = ConfigStore.instance()
    store.store(group="schema", name="run", node=RunConfig, package="_global_")
    for measurement in MEASUREMENTS:
        store.store(group="schema", name=measurement.kind, node=measurement, package="_global_")
    for task in TASKS:
        store.store(group="schema/task", name=task.name, node=task)
    for optimizer in OPTIMIZERS:
        store.store(group="schema/optimizer", name=optimizer.__name__.lower(), node=optimizer)
    OmegaConf.register_new_resolver("dlcourse_scratch", _scratch, replace=True)


_store_schemas()


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="config")
def _main(config: DictConfig) -> Any:
    """One job (of a sweep, if another launcher than `stack` takes care of it)."""
    job = to_job(config)
    if isinstance(job, Measurement):
        measure_one(job)
        return None
    return run_one(job).metrics[job.task.metric]
