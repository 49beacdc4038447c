"""The door: the Hydra application `dlcourse`. Hydra composes; from here on there are only runs and measurements."""

import argparse
import atexit
import contextlib
import dataclasses
import functools
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import hydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from dlcourse.cli import say
from dlcourse.cli.choices import CONFIGS, Choices
from dlcourse.cli.source import ChoicesSearchPath, ChoicesSource, Known
from dlcourse.cli.sweep import FailedRunError, RefusedError, measure_alone, run_alone
from dlcourse.job import FolderTakenError
from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.workers import Workers
from dlcourse.measurements import Measurement
from dlcourse.networks import Model
from dlcourse.tasks import Task
from dlcourse.training import Optimizer


def main(
    *,
    tasks: Sequence[type[Task]] = (),
    models: Sequence[type[Model]] = (),
    optimizers: Sequence[type[Optimizer]] = (),
    measurements: Sequence[type[Measurement]] = (),
) -> None:
    """Runs the command line: `dlcourse`, or a script of your own with classes of your own, chosen by their names.

    A mistake of the user's ends it with exit code 2 and a few lines, a job that fails with 1.

    Args:
        tasks: Tasks besides those of dlcourse: `main(tasks=[Sawtooth])` makes `python lab.py -m task=sawtooth` work.
        models: Networks, chosen by `model=NAME`.
        optimizers: Optimizers, chosen by `optimizer=NAME`.
        measurements: Measurements, chosen by `experiment=NAME`.
    """
    # Makes Hydra raise all of its errors, which are told below; it would print some itself, with their traceback.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        try:
            Known().choices = Choices(tasks=tasks, models=models, optimizers=optimizers, measurements=measurements)
        except ValueError as error:
            raise RefusedError(str(error)) from error
        with _without_check_of_help():
            _main()
    except (RefusedError, FolderTakenError) as error:
        sys.exit(say.complaint(str(error)))
    except FailedRunError:
        sys.exit(1)
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
        sys.exit(say.complaint(str(error), *([str(cause), *_allowed(cause)] if cause else [])))
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
    folder = tempfile.mkdtemp(prefix="dlcourse-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _listed(group: str) -> str:
    """The choices of a group for `--help`, in lines that fit below each other.

    Experiments that choose a schema are measurements.
    """
    files = sorted((CONFIGS / group.removesuffix("_of_measurements")).glob("*.yaml"))
    choices = Known().choices
    if group in ("experiment", "experiment_of_measurements"):
        measuring = {path.stem for path in files if "override /schema" in path.read_text(encoding="utf-8")}
        training = {path.stem for path in files} - measuring
        names = sorted(training if group == "experiment" else measuring | set(choices.names("measurement")))
    else:
        names = sorted({*choices.names(group), *(path.stem for path in files)})
    return textwrap.fill(" ".join(names), 100, break_on_hyphens=False).replace("\n", "\n" + " " * 16)


def _allowed(cause: OmegaConfBaseException) -> list[str]:
    """The keys that a mistyped one could have been."""
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and dataclasses.is_dataclass(cause.object_type):
        return [f"    allowed here: {', '.join(field.name for field in dataclasses.fields(cause.object_type))}"]
    return []


Plugins.instance().register(ChoicesSource)
Plugins.instance().register(ChoicesSearchPath)
OmegaConf.register_new_resolver("dlcourse_scratch", _scratch, replace=True)
OmegaConf.register_new_resolver("dlcourse_choices", _listed, replace=True)


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="config")
def _main(config: DictConfig) -> Any:
    """One job (of a sweep, if another launcher than `stack` takes care of it)."""
    job = to_job(config)
    if isinstance(job, Measurement):
        measure_alone(job)
        return None
    return run_alone(job).metrics[job.task.metric]
