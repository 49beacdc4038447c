"""What a run will take, from its configuration alone: seconds, memory, disk."""

import os
from collections.abc import Sequence
from itertools import pairwise

from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.early import FLOPS_PER_SECOND, SECONDS_OF_A_RUN
from dlcourse.networks import MLPModel
from dlcourse.recording.weights import kept_steps

BYTES_OF_A_WORKER = 400 * 2**20
"""What a process takes that has imported torch, and nothing else."""


def num_seconds(configs: Sequence[RunConfig]) -> float:
    """Roughly how long a stack takes: 4 ms a run, 12 microseconds a product, and 20 GFLOP/s, as measured on one core.

    Models of other packages take half a millisecond a step and member besides.
    """
    config = configs[0]
    sizes = _sizes(config)
    # `LayerwiseGradient` fills every layer up to a multiple of 16 units, and needs 6 flops per weight and item. A full
    # batch is taken for 1000 items, as most tasks have by default.
    filled = [-(-size // 16) * 16 for size in sizes]
    flops = 6 * sum(a * b for a, b in pairwise(filled)) * (config.batch_size or 1000)
    overhead = 12e-6 * 3 * len(sizes) if isinstance(config.model, MLPModel) else 5e-4 * len(configs)
    return SECONDS_OF_A_RUN * len(configs) + config.num_steps * (overhead + len(configs) * flops / FLOPS_PER_SECOND)


def num_bytes(config: RunConfig) -> int:
    """Roughly the memory of one member: its data twice (float64, and the run's format), eight times its parameters.

    The parameters are there with their gradient, two moments, the copies for a checkpoint and for counting; what the
    units say to a batch comes on top, with skip connections what goes past them, too. Kept weights are there once in
    the stack and once apart.
    """
    return _bytes_of_data(config) + _bytes_of_network(config) + 2 * _bytes_of_weights(config)


def num_bytes_on_disk(config: RunConfig) -> int:
    """Roughly the size of a run's folder: network, kept weights, 500 bytes a logged point, a picture of 40 kB."""
    points = config.num_steps // config.log_every + 1
    weights = _bytes_of_weights(config) if config.keep_weights else 0
    network = _num_parameters(config) * config.dtype.dtype.itemsize
    return network + weights + 500 * points + 40_000 * config.pictures + 10_000


def check_memory(config: RunConfig) -> None:
    """Refuses a run that this machine has not the memory for.

    Raises:
        ValueError: Names what is too large.
    """
    there = _memory()
    if num_bytes(config) <= there:
        return
    size = f"the run would take about {num_bytes(config) / 2**30:.4g} GiB, and this machine has {there / 2**30:.4g}"
    if _bytes_of_data(config) > _bytes_of_network(config):
        fields = [field for field in ("num_train", "num_test") if hasattr(config.task, field)]
        largest = max(fields, key=lambda field: getattr(config.task, field), default=None)
        name = "task" if largest is None else f"task.{largest}"
        value = config.task.num_items if largest is None else getattr(config.task, largest)
    elif config.batch_size is not None and config.batch_size > _num_parameters(config):
        name, value = "batch_size", config.batch_size
    else:
        sizes = {name: getattr(config.model, name, None) for name in ("max_parameters", "widths", "width")}
        name, value = next((f"model.{name}", value) for name, value in sizes.items() if value or name == "width")
    raise ValueError(f"{name} must be smaller: {size}; got {value}")


def _sizes(config: RunConfig) -> list[int]:
    """How many units there are, layer by layer, input and output included."""
    return [config.task.in_features, *config.model.layer_widths, config.task.out_features]


def _num_parameters(config: RunConfig) -> int:
    """Weights and biases of a fully connected network of these sizes."""
    return sum((a + 1) * b for a, b in pairwise(_sizes(config)))


def _bytes_of_data(config: RunConfig) -> int:
    """What the data take."""
    task = config.task
    return task.num_items * (task.in_features + task.out_features) * (8 + config.dtype.dtype.itemsize)


def _bytes_of_network(config: RunConfig) -> int:
    """What the network takes in training."""
    numbers_a_unit = 5 if getattr(config.model, "skip", False) else 3
    items = config.batch_size or config.task.num_items
    values = 8 * _num_parameters(config) + numbers_a_unit * items * sum(_sizes(config))
    return values * config.dtype.dtype.itemsize


def _bytes_of_weights(config: RunConfig) -> int:
    """What the weights of the logged points take, if they are kept."""
    if not (config.keep_weights or config.pictures):
        return 0
    size = _num_parameters(config) * config.dtype.dtype.itemsize
    return size * len(kept_steps(config.num_steps, config.log_every, size))


def _memory() -> int:
    """The memory of this machine in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not POSIX: nothing is refused
        return 2**63
