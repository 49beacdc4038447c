"""RunConfig: the typed description of a run.

The dataclasses are schema, documentation and constructor in one. Everything below `cli.py` sees these objects and never
a Hydra or OmegaConf one.
"""

import dataclasses
import os
import shutil
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import torch

from dlcourse.job import WITHOUT_BEARING, Job, check_name
from dlcourse.losses import SoftmaxCrossEntropy
from dlcourse.networks import MLP, Activation, Initialization, SoftmaxClassifier
from dlcourse.streams import stream
from dlcourse.tasks import Task
from dlcourse.training import Optimizer

DEFAULT_DEPTH, DEFAULT_WIDTH = 2, 8

# What torch.compile looks for.
COMPILERS = (os.environ.get("CXX", "g++"), "clang++")


class Precision(StrEnum):
    """The number format of a network and its data."""

    float32 = "float32"
    float64 = "float64"


class Device(StrEnum):
    """Where a run computes: `auto` is cuda where there is one, else the cpu."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@dataclass(kw_only=True)
class Model:
    """The network: sizes of input and output come from the task.

    Attributes:
        depth: Number of hidden layers, at least 0 (2 if nothing else is said).
        width: Units per hidden layer, at least 1 (8 if nothing else is said).
        widths: One width per hidden layer, instead of depth and width.
        activation: relu, sigmoid or tanh.
        initialization: torch, he, xavier or truncated.
    """

    depth: int | None = None
    width: int | None = None
    widths: list[int] | None = None
    activation: Activation = Activation.relu
    initialization: Initialization = Initialization.torch

    def __post_init__(self) -> None:
        self.activation = Activation(self.activation)
        self.initialization = Initialization(self.initialization)
        if self.widths is not None:
            if self.width is not None or self.depth is not None:
                raise ValueError(
                    "model.widths is given instead of model.depth and model.width, "
                    f"got widths={list(self.widths)}, depth={self.depth}, width={self.width}"
                )
            self.widths = list(self.widths)
            if any(n < 1 for n in self.widths):
                raise ValueError(f"model.widths must be at least 1 in every layer, got {self.widths}")
        if self.depth is not None and self.depth < 0:
            raise ValueError(f"model.depth must be at least 0, got {self.depth}")
        if self.width is not None and self.width < 1:
            raise ValueError(f"model.width must be at least 1, got {self.width}")

    @property
    def layer_widths(self) -> list[int]:
        """The width of each hidden layer."""
        if self.widths is not None:
            return self.widths
        return [DEFAULT_WIDTH if self.width is None else self.width] * (
            DEFAULT_DEPTH if self.depth is None else self.depth
        )

    @property
    def common_width(self) -> int | None:
        """The width that all hidden layers have (or would have, at depth 0); None if `widths` says each one's."""
        return None if self.widths is not None else DEFAULT_WIDTH if self.width is None else self.width


@dataclass(kw_only=True)
class RunConfig(Job):
    """One run: a network trained on a task from a seed.

    Attributes:
        task: What to learn; chosen by `task=NAME`.
        model: The network.
        optimizer: How to train it; chosen by `optimizer=NAME`.
        num_steps: Updates, at least 0.
        batch_size: Data items per update, picked uniformly; null takes all of them at every update.
        seed: Source of all random numbers: initial values, data, batches.
        dtype: float32 or float64.
        log_every: Steps between two logged points, at least 1.
        count_pieces: Whether the linear pieces of relu networks are counted at every logged point.
        compile: Whether the training step is compiled first (torch.compile: needs a C++ compiler).
        name: The folder below `outputs` (by default the task's name); an experiment sets its own.
        device: cpu, cuda or auto.
        outputs: The folder of all results.
        force: Whether a finished run is run again.
        pictures: Whether the run draws what it has learnt.
        checkpoint_seconds: Seconds between two checkpoints of an unfinished run (at logged points), at least 0.
    """

    task: Task
    model: Model = field(default_factory=Model)
    optimizer: Optimizer
    num_steps: int = 5000
    batch_size: int | None = 64
    seed: int = 0
    dtype: Precision = Precision.float32
    log_every: int = 100
    count_pieces: bool = True
    compile: bool = False
    name: str | None = None
    device: Device = Device.auto
    outputs: str = "outputs"
    force: bool = False
    pictures: bool = True
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        self.dtype, self.device = Precision(self.dtype), Device(self.device)
        if self.num_steps < 0:
            raise ValueError(f"num_steps must be at least 0, got {self.num_steps}")
        if self.log_every < 1:
            raise ValueError(f"log_every must be at least 1, got {self.log_every}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, or null for all items, got {self.batch_size}")
        if not self.checkpoint_seconds >= 0:
            raise ValueError(f"checkpoint_seconds must be at least 0, got {self.checkpoint_seconds}")
        if self.batch_size is None and self.task.fresh:
            raise ValueError("batch_size must be given where task.fresh is true, got null")
        if self.compile and not any(map(shutil.which, COMPILERS)):
            raise ValueError(f"compile must be false where there is no C++ compiler ({', '.join(COMPILERS)}), got true")
        if self.name is None:
            self.name = self.task.name
        check_name(self.name)
        if self.device is Device.cuda and not torch.cuda.is_available():
            raise ValueError("device must be cpu or auto here, where torch finds no CUDA device, got cuda")

    @property
    def torch_device(self) -> torch.device:
        """The device, with `auto` decided."""
        if self.device is Device.auto:
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device.value)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The number format."""
        return torch.float64 if self.dtype is Precision.float64 else torch.float32

    def network(self) -> MLP | SoftmaxClassifier:
        """The network with its initial values, a pure function of the configuration; on the CPU."""
        kind = SoftmaxClassifier if isinstance(self.task.loss, SoftmaxCrossEntropy) else MLP
        return kind(
            self.task.in_features,
            self.task.out_features,
            width=self.model.layer_widths,
            activation=self.model.activation,
            initialization=self.model.initialization,
            generator=stream(self.seed, "initialization"),
            dtype=self.torch_dtype,
        )

    def flat(self) -> dict[str, Any]:
        """All values that bear on the result, by dotted keys, the task's name as `task.name`."""
        names = {"task": self.task.name, "optimizer": type(self.optimizer).__name__.lower()}
        flat: dict[str, Any] = {}
        for key, value in dataclasses.asdict(self).items():
            if isinstance(value, dict):
                flat |= {f"{key}.name": names[key]} if key in names else {}
                flat |= {f"{key}.{field}": each for field, each in value.items()}
            elif key not in WITHOUT_BEARING:
                flat[key] = value
        # a size that was left to its default is the same as one that was spelled out
        return flat | {"model.depth": len(self.model.layer_widths), "model.width": self.model.common_width}

    @property
    def title(self) -> str:
        """The part of the folder's name that says what is inside."""
        if self.model.widths is None:
            sizes = f"depth={len(self.model.layer_widths)}-width={self.model.common_width}"
        else:
            sizes = "widths=" + ",".join(map(str, self.model.widths))
        return f"{self.task.name}-{sizes}-{self.model.activation}-seed={self.seed}"

    def overrides(self) -> dict[str, Any]:
        """What the command line sets to repeat the run: every value."""
        spelled = {key.removesuffix(".name"): value for key, value in self.flat().items()}
        return spelled if self.model.widths is None else spelled | {"model.depth": None}
