"""Hydra's launcher `stack`: a sweep's jobs train side by side, as stacks of networks of one architecture."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

DOES_THE_WORK = "dlcourse.jobs.runs"
"""What worker processes import."""

SOME = 20
"""So many jobs say how much work all of them are."""


@dataclass
class StackLauncherConf:
    """The launcher's options.

    Attributes:
        num_workers: Worker processes; null for one a core, 1 for none but this process.
        backend: loky for processes on this machine, dask for a Dask cluster.
        scheduler: The address of the cluster's scheduler, for backend=dask.
    """

    _target_: str = "hydra_plugins.dlcourse_stack.StackLauncher"
    num_workers: int | None = None
    backend: str = "loky"
    scheduler: str | None = None


ConfigStore.instance().store(group="hydra/launcher", name="stack", node=StackLauncherConf, provider="dlcourse_stack")


class StackLauncher(Launcher):
    """Takes the jobs of any sweeper; all are checked before the first one trains, and what is refused is left out."""

    def __init__(self, num_workers: int | None, backend: str, scheduler: str | None) -> None:
        self._options = (num_workers, backend, scheduler)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps what Hydra gives, but for the task function: the jobs do not run one by one."""
        from hydra_plugins.dlcourse_stack.composition import SweepConfigLoader

        # The sweeper checks every job before it launches any. It takes the loader from the same context, so that
        # replacing it there makes these checks fast, too.
        hydra_context.config_loader = SweepConfigLoader(hydra_context.config_loader.get_search_path())
        self._config_loader = hydra_context.config_loader
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs all jobs and returns each one's headline metric."""
        # Imported only here, because Hydra imports this module in every application, also in those without dlcourse.
        from dlcourse.cli.door import launch
        from dlcourse.jobs.workers import prepare

        setup_globals()
        num_early = self._num_early(job_overrides)
        # The first job makes this process import torch, too. Until it is there, a core is left to that.
        prepare(num_early - 1, DOES_THE_WORK)
        jobs = [self._job(overrides, initial_job_idx) for overrides in job_overrides[:1]]
        prepare(num_early, DOES_THE_WORK)
        jobs += [
            self._job(overrides, number)
            for number, overrides in enumerate(job_overrides[1:], start=initial_job_idx + 1)
        ]
        # Sweepers write into this folder when the launcher is done, and expect it to be there.
        Path(str(self._config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        values = launch(self._config.hydra, jobs, job_overrides, self._options)
        # They would stay as long as the process: garbage of imports, which nobody looks for, refers to this frame.
        jobs.clear()
        returns = []
        for overrides, value in zip(job_overrides, values, strict=True):
            # A job that failed has said so. With the status of a failed one, Hydra's own sweeper would leave out all
            # batches that are still to come; without a value, sweepers that search count it as failed.
            job = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
            job.return_value = value
            returns.append(job)
        return returns

    def _num_early(self, lines: Sequence[Sequence[str]]) -> int:
        """How many worker processes the jobs are sure to need; 0 where it takes a composed job to say that."""
        from dlcourse.cli.schemas import with_settings
        from dlcourse.jobs.early import num_early
        from dlcourse.jobs.workers import Workers

        try:
            some = [self._config_loader.plain_settings(self._config, each) for each in lines[:: len(lines) // SOME + 1]]
            plain = [with_settings(*each) for each in some if each is not None]
            are_known = plain and len(plain) == len(some)
            return num_early(plain, len(lines), Workers(*self._options)) if are_known else 0
        except Exception:  # whatever it is, it is said when the job in question is composed
            return 0

    def _job(self, overrides: Sequence[str], number: int) -> Any:
        """A job's configuration, or why it is refused."""
        from dlcourse.cli.door import checked, to_job
        from dlcourse.cli.refusals import RefusedError
        from dlcourse.cli.say import program
        from dlcourse.cli.schemas import with_settings

        try:
            plain = self._config_loader.plain_settings(self._config, overrides)
            if plain is not None:
                return checked(with_settings(*plain), self._config_loader.parts(plain[0]))
            with self._config_loader.application_config(self._config, overrides, number) as config:
                return to_job(config)
        except RefusedError as error:
            error.command = f"{program()} {shlex.join(overrides)}"
            return error
