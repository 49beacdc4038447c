"""Worker processes for a sweep whose jobs are still being composed: they import torch meanwhile.

All that is known by then is how many jobs there are, and what is set for some of them; nothing here imports torch.
"""

import os
import shutil
from collections.abc import Sequence
from typing import Any

from dlcourse.jobs.workers import Workers

SECONDS_OF_A_RUN = 4e-3
"""What a run takes that trains no step: its network, its data, its folder."""

FLOPS_PER_SECOND = 20e9
"""What one core does in training."""

WORTH_WORKERS = 6.0
"""Seconds of work below which starting worker processes (each imports torch) takes longer than it saves."""


def num_early(some: Sequence[Any], num_jobs: int, workers: Workers) -> int:
    """How many worker processes a sweep is sure to need; 0 where that is not sure yet.

    Args:
        some: Some of its jobs, evenly spread over all of them: runs, or schemas that have their fields.
        num_jobs: How many it has.
        workers: Who does the work.
    """
    if workers.backend != "loky" or workers.num_processes == 1 or not all(_is_to_be_done(job) for job in some):
        return 0
    if workers.num is None and any(job.device != "cpu" for job in some) and shutil.which("nvidia-smi"):
        return 0  # a CUDA device is kept busy by this process: see `Workers.on_devices`
    folders = {os.path.join(job.outputs, job.name or job.task.name) for job in some if not job.force}
    num_left = num_jobs - sum(map(_num_finished, folders))
    seconds = sum(least_seconds(job.num_steps, job.batch_size) for job in some) / len(some)
    return min(workers.num_processes, num_left) if num_left * seconds >= WORTH_WORKERS else 0


def least_seconds(num_steps: int, batch_size: int | None) -> float:
    """What a run takes at least by `estimate.num_seconds`, whatever its network: one layer of up to 16 units."""
    return SECONDS_OF_A_RUN + num_steps * 6 * 16 * 16 * (batch_size or 1000) / FLOPS_PER_SECOND


def _is_to_be_done(job: Any) -> bool:
    """Whether a job is a run (measurements have no optimizer) that is done unless it is finished.

    Where pilots come first, most jobs are not done, and which is not known yet.
    """
    return hasattr(job, "optimizer") and not job.plan and job.only is None and not job.compare.pilots


def _num_finished(folder: str) -> int:
    """How many finished jobs there are in `outputs/<name>`, those of this sweep or others."""
    try:
        return sum(os.path.exists(f"{entry.path}/metrics.json") for entry in os.scandir(folder))
    except OSError:  # it is not there yet
        return 0
