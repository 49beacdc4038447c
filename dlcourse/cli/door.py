"""The door: the Hydra application `dlcourse`. Hydra composes; from here on there are only runs and measurements.

Whatever imports torch is imported where a job has been composed, and not before: what ends without one (`--help`, Tab
completion, a mistyped key) need not wait for it.
"""

import argparse
import atexit
import contextlib
import dataclasses
import functools
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from dlcourse.cli import say
from dlcourse.cli.choices import CONFIGS, Choices
from dlcourse.cli.help import template
from dlcourse.cli.interrupts import ends_at_once
from dlcourse.cli.line import check_overrides
from dlcourse.cli.refusals import FailedRunError, RefusedError
from dlcourse.cli.schemas import real
from dlcourse.cli.source import ChoicesSearchPath, ChoicesSource, Known
from dlcourse.cli.unneeded import leave_out_the_unneeded
from dlcourse.job import FolderTakenError

if TYPE_CHECKING:
    from dlcourse.cli.sweep import Sweep
    from dlcourse.jobs.config import RunConfig
    from dlcourse.jobs.workers import Workers
    from dlcourse.measurements import Measurement
    from dlcourse.networks import Model
    from dlcourse.tasks import Task
    from dlcourse.training import Optimizer


def main(
    *,
    tasks: "Sequence[type[Task]]" = (),
    models: "Sequence[type[Model]]" = (),
    optimizers: "Sequence[type[Optimizer]]" = (),
    measurements: "Sequence[type[Measurement]]" = (),
) -> None:
    """Runs the command line: `dlcourse`, or a script of your own with classes of your own, chosen by their names.

    A mistake of the user's ends it with exit code 2 and a few lines, a job that fails with 1.

    Args:
        tasks: Tasks besides those of dlcourse: `main(tasks=[Sawtooth])` makes `python lab.py -m task=sawtooth` work.
        models: Networks, chosen by `model=NAME`.
        optimizers: Optimizers, chosen by `optimizer=NAME`.
        measurements: Measurements, chosen by `experiment=NAME`.
    """
    wants_tracebacks = os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0")
    # Makes Hydra raise all of its errors, which are told below; it would print some itself, with their traceback.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    _command.has_begun, _command.error, _command.sweep, _command.searches = False, None, None, False
    try:
        with _refusing():
            Known().choices = Choices(tasks=tasks, models=models, optimizers=optimizers, measurements=measurements)
        with _without_check_of_help():
            if "--version" in sys.argv[1:]:  # Hydra would tell its own only
                say.version()
                return
            arguments = get_args_parser().parse_args()
            check_overrides(arguments.overrides, Known().choices)
            _main()
        _conclude(arguments.multirun)
    except (RefusedError, FolderTakenError) as error:
        sys.exit(say.complaint(str(error)))
    except FailedRunError:
        sys.exit(1)
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
        sys.exit(say.complaint(str(error), *([str(cause), *_allowed(cause)] if cause else [])))
    except YAMLError as error:
        sys.exit(say.complaint(f"a file of values must be YAML: {error}"))
    except BrokenPipeError:
        # The program that reads our output has ended, as in `dlcourse ... | head`. What is still to be flushed goes to
        # /dev/null, since Python would complain of the same pipe once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that must not be written to
        say.complaint(str(error), "what was finished is valid, and the same command goes on from there")
        sys.exit(1)
    except KeyboardInterrupt:
        say.interrupted()
        sys.exit(130)
    except Exception as error:
        # Before any job has begun, all there is to go wrong is what Hydra makes of the command line, and it lets errors
        # of many kinds through. Later ones are ours, and nothing to be hidden.
        sweep = _command.sweep
        if sweep is not None and sweep.has_failed and not wants_tracebacks:
            say.complaint(f"the sweeper has given up: {error}")
            sys.exit(1)
        if _command.has_begun or wants_tracebacks:
            raise
        sys.exit(say.complaint(f"this command line cannot be made sense of: {type(error).__name__}: {error}"))


def _conclude(is_sweep: bool) -> None:
    """Says what came of all jobs together, where there are many, or raises why the only one failed."""
    if _command.error is not None:
        raise _command.error
    if _command.sweep is not None and _command.sweep.has_begun:
        _command.sweep.conclude()
        if _command.searches:
            _command.sweep.conclude_search()
        if _command.sweep.has_failed:
            sys.exit(1)
    elif is_sweep:
        say.no_comparison()


@dataclasses.dataclass
class _Command:
    """What becomes of the command line.

    Attributes:
        has_begun: Whether its configuration has been composed, and jobs have begun.
        error: Why its one job failed. It does not go through Hydra, which would print a line of its own.
        sweep: Its many jobs, once some are launched.
        searches: Whether a sweeper chooses jobs by what came of others.
    """

    has_begun: bool = False
    error: Exception | None = None
    sweep: "Sweep | None" = None
    searches: bool = False


_command = _Command()


def launch(
    config: HydraConf, jobs: "Sequence[RunConfig | Measurement | RefusedError]", overrides: Sequence[Sequence[str]],
    options: tuple[int | None, str, str | None],
) -> list[float | None]:  # fmt: skip
    """Does jobs of a sweep for the launcher: see `Sweep.launch`.

    Args:
        config: The part `hydra` of the configuration.
        jobs: The jobs.
        overrides: What is set for each.
        options: The launcher's.

    Raises:
        RefusedError: If Hydra is asked for what dlcourse does not do, or all jobs are refused.
    """
    _command.has_begun = True
    refused = [job for job in jobs if isinstance(job, RefusedError)]
    if refused and len(refused) == len(jobs) and _command.sweep is None:
        raise refused[0]  # before anything imports torch
    with ends_at_once():
        from dlcourse.cli.sweep import Sweep

    check_hydra(config)
    if config.callbacks:
        raise RefusedError("hydra.callbacks must be empty with hydra/launcher=stack, whose jobs train side by side")
    _command.searches = "direction" in config.sweeper
    if _command.searches:
        _check_direction(str(config.sweeper.direction), jobs)
    if _command.searches or config.sweeper.get("max_batch_size"):
        _check_without_pilots(jobs)
    if _command.sweep is None:
        _command.sweep = Sweep(searches=_command.searches)
    values = _command.sweep.launch(jobs, overrides, to_workers(*options))
    if _command.sweep.only_planned and _command.searches:
        sys.exit()  # a search finds nothing where nothing was done
    return values


def _check_direction(direction: str, jobs: "Sequence[RunConfig | Measurement | RefusedError]") -> None:
    """Refuses a search for the worst network: a sweeper like Optuna minimises unless it is told otherwise."""
    from dlcourse.jobs.config import RunConfig
    from dlcourse.recording.over_seeds import in_words

    for job in jobs:
        if isinstance(job, RunConfig):
            is_better_higher = job.task.metric in job.task.higher_is_better
            wanted = "maximize" if is_better_higher else "minimize"
            if direction.rpartition(".")[2] not in (wanted, f"['{wanted}']"):
                more = "more" if is_better_higher else "less"
                raise RefusedError(
                    f"hydra.sweeper.direction must be {wanted} for the task {job.task.name}: "
                    f"{more} {in_words(job.task.metric)} is better; got {direction.rpartition('.')[2]}"
                )


def _check_without_pilots(jobs: "Sequence[RunConfig | Measurement | RefusedError]") -> None:
    """Refuses pilots where a sweeper does not give all jobs at once."""
    from dlcourse.jobs.config import RunConfig

    for job in jobs:
        if isinstance(job, RunConfig) and job.compare.pilots:
            raise RefusedError(f"compare.pilots must be 0 where jobs do not come all at once, got {job.compare.pilots}")


def to_job(config: DictConfig) -> "RunConfig | Measurement":
    """The typed configuration, checked.

    Raises:
        RefusedError: If a value is missing or out of range, or a key belongs to nothing.
    """
    with _refusing():
        _check_keys(config, "")
        composed = OmegaConf.to_object(config)
    return checked(composed)


def checked(composed: Any, parts: dict[int, Any] | None = None) -> "RunConfig | Measurement":
    """The same, of what has been made of a configuration: of schemas and of the classes of other packages.

    Args:
        composed: It.
        parts: Of what many jobs have in common: see `real`.

    Raises:
        RefusedError: If a value is out of range.
    """
    with _refusing():
        with ends_at_once():
            from dlcourse.jobs.config import RunConfig
            from dlcourse.jobs.estimate import check_memory
            from dlcourse.measurements import Measurement
        job = real(composed, parts)
        if isinstance(job, RunConfig):
            check_memory(job)
    assert isinstance(job, RunConfig | Measurement)
    return job


def _check_keys(config: DictConfig, above: str) -> None:
    """Refuses keys that no dataclass has: `+` and `++` add them, and they would be without effect."""
    kind = OmegaConf.get_type(config)
    if not dataclasses.is_dataclass(kind) or config._is_none():
        return
    allowed = [field.name for field in dataclasses.fields(kind)]
    for key in config:
        if key not in allowed:
            raise ValueError(f"{above}{key!s} is no setting; allowed here: {', '.join(allowed)}")
        node = config._get_node(key)
        if isinstance(node, DictConfig) and not node._is_missing() and not node._is_interpolation():
            _check_keys(node, f"{above}{key!s}.")


def to_workers(num_workers: int | None, backend: str, scheduler: str | None) -> "Workers":
    """The launcher's options, checked.

    Raises:
        RefusedError: If a value is out of range.
    """
    from dlcourse.jobs.workers import Workers

    try:
        return Workers(num_workers, backend, scheduler)
    except ValueError as error:
        raise RefusedError(f"hydra.launcher.{error}") from error


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Makes a value out of range a refusal."""
    try:
        yield
    except (ValueError, TypeError, OmegaConfBaseException) as error:
        raise RefusedError(str(error)) from error


@contextlib.contextmanager
def _without_check_of_help() -> Iterator[None]:
    """Lets Hydra 1.3 describe its options on Python 3.14, whose argparse formats each help text as it is added.

    One of Hydra's is no string but an object that only knows how to print itself (github.com/facebookresearch/hydra,
    issue 3121): that one goes unchecked, all others are checked as ever.
    """
    container = argparse._ActionsContainer
    check = getattr(container, "_check_help", None)
    if check is None:  # before Python 3.14
        yield
        return

    def check_strings(self: argparse._ActionsContainer, action: argparse.Action) -> None:
        if isinstance(action.help, str):
            check(self, action)

    container._check_help = check_strings  # type: ignore[attr-defined]
    try:
        yield
    finally:
        container._check_help = check  # type: ignore[attr-defined]


@functools.cache
def _scratch() -> str:
    """A folder for what Hydra's sweeper insists on writing (multirun.yaml); it goes when the process ends."""
    from dlcourse.recording.files import scratch_folder

    folder = str(scratch_folder())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _allowed(cause: OmegaConfBaseException) -> list[str]:
    """The keys that a mistyped one could have been."""
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and dataclasses.is_dataclass(cause.object_type):
        return [f"    allowed here: {', '.join(field.name for field in dataclasses.fields(cause.object_type))}"]
    return []


leave_out_the_unneeded()
Plugins.instance().register(ChoicesSource)
Plugins.instance().register(ChoicesSearchPath)
OmegaConf.register_new_resolver("dlcourse_scratch", _scratch, replace=True)
OmegaConf.register_new_resolver("dlcourse_help", template, replace=True)


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="config")
def _main(config: DictConfig) -> Any:
    """One job (of a sweep, if another launcher than `stack` takes care of it)."""
    _command.has_begun = True
    hydra_config = HydraConfig.get()
    if hydra_config.mode is RunMode.MULTIRUN:
        job = to_job(config)
        _check_without_pilots([job])
        return _headline(job)
    try:
        check_hydra(hydra_config)
        _check_that_it_is_no_sweep(hydra_config)
        return _headline(to_job(config))
    except (RefusedError, FailedRunError, FolderTakenError, OSError) as error:
        _command.error = error
        return None


def _headline(job: "RunConfig | Measurement") -> float | None:
    """Does a job; its headline metric, if it has one."""
    with ends_at_once():
        from dlcourse.cli.sweep import measure_alone, run_alone
        from dlcourse.measurements import Measurement

    if isinstance(job, Measurement):
        measure_alone(job)
        return None
    result = run_alone(job)
    return None if result is None else float(result.metrics[job.task.metric])


def check_hydra(config: HydraConf) -> None:
    """Refuses what Hydra offers and dlcourse does not do.

    Args:
        config: The part `hydra` of the configuration.

    Raises:
        RefusedError: Names it.
    """
    if config.job.chdir:
        raise RefusedError("hydra.job.chdir must be false, got true: dlcourse knows where results go")


def _check_that_it_is_no_sweep(config: HydraConf) -> None:
    """Refuses to train one network of default sizes where an experiment is a sweep."""
    swept = config.sweeper.get("params") or {}
    given = {override.lstrip("+~").partition("=")[0] for override in config.overrides.task}
    # A measurement is not trained: one alone is what its page does.
    if swept and config.runtime.choices["schema"] == "run" and not given & {str(key) for key in swept}:
        num = math.prod(_num_values(str(key), str(value)) for key, value in swept.items())
        keys = ", ".join(map(str, swept))
        raise RefusedError(
            f"experiment={config.runtime.choices.get('experiment')} is a sweep of {num} runs over {keys}; "
            "-m runs it, a value for one of these runs one of them"
        )


def _num_values(key: str, value: str) -> int:
    """How many values a sweep over one key has."""
    (override,) = OverridesParser.create().parse_overrides([f"{key}={value}"])
    return len(list(override.sweep_iterator())) if override.is_sweep_override() else 1
