"""Hydra's launcher `stack`: a sweep's jobs train side by side, as stacks of networks of one architecture."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class StackLauncherConf:
    """The launcher's options: none yet."""

    _target_: str = "hydra_plugins.dlcourse_stack.StackLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="stack", node=StackLauncherConf, provider="dlcourse_stack")


class StackLauncher(Launcher):
    """Takes the jobs of any sweeper; all are checked before the first one trains."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps what Hydra gives, but for the task function: the jobs do not run one by one."""
        from hydra_plugins.dlcourse_stack.composition import SweepConfigLoader

        # the sweeper, which checks every job before it launches any, has the same context
        hydra_context.config_loader = SweepConfigLoader(hydra_context.config_loader.get_search_path())
        self._config_loader = hydra_context.config_loader
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs all jobs and returns each one's headline metric."""
        from dlcourse.cli import run_sweep, to_run_config  # Hydra imports this module in every application there is

        configs = [
            to_run_config(_without_hydra(self._config_loader.load_sweep_config(self._config, list(overrides))))
            for overrides in job_overrides
        ]
        results = run_sweep(configs)
        return [
            JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=result.metrics[config.task.metric])
            for overrides, config, result in zip(job_overrides, configs, results, strict=True)
        ]


def _without_hydra(config: DictConfig) -> DictConfig:
    """The application's part of a job's configuration."""
    from hydra.core.utils import setup_globals
    from omegaconf import OmegaConf, open_dict, read_write

    setup_globals()
    with read_write(config), open_dict(config):
        del config["hydra"]
    assert OmegaConf.is_dict(config)
    return config
