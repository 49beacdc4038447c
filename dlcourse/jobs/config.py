"""RunConfig: the typed description of a run.

The dataclasses are schema, documentation and constructor in one. Everything below the Hydra door (`cli/door.py`) sees
these objects and never one of Hydra's or OmegaConf's.
"""

import os
import shutil
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import torch
from torch import nn

from dlcourse.checks import check_whole
from dlcourse.job import NOT_IN_THE_FOLDER, Job, check_name, values_of
from dlcourse.networks import MLPModel, Model, Precision
from dlcourse.outside import origin
from dlcourse.recording.sharing import with_shared_keys
from dlcourse.recording.tuned import TUNED
from dlcourse.tasks import Task
from dlcourse.training import Optimizer

# The C++ compilers that torch.compile looks for. Where there is none, `compile=true` is refused at once, because torch
# would complain only when training begins.
COMPILERS = (os.environ.get("CXX", "g++"), "clang++")


MAX_PILOTS = 1000

MAX_STEPS = 10**12
"""The most updates: at 10 microseconds each, four months."""


class Device(StrEnum):
    """Where a run computes: `auto` is cuda where there is one, else the cpu."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@dataclass(kw_only=True)
class Compare:
    """How the results of a sweep are compared, which has no bearing on the runs and their folders.

    Attributes:
        tune: The settings that are tuned rather than compared, where they vary: every architecture is judged at those
            that suit it, chosen on half of the seeds and judged on the other half. `[]` compares them all.
        pilots: How many seeds of their own are trained at every setting before; then only the `candidates` settings
            that are the best there are trained from the seeds of the sweep. 0 trains them all.
        candidates: How many settings of each architecture the pilots leave, at least 1.
    """

    tune: list[str] = field(default_factory=lambda: list(TUNED))
    pilots: int = 0
    candidates: int = 2

    def __post_init__(self) -> None:
        if not all(isinstance(key, str) for key in self.tune):
            raise ValueError(f"compare.tune must be a list of names of settings, got {self.tune}")
        check_whole("compare.pilots", self.pilots, 0, MAX_PILOTS)
        check_whole("compare.candidates", self.candidates, 1)


@dataclass(kw_only=True)
class RunConfig(Job):
    """One run: a network trained on a task from a seed.

    Attributes:
        task: What to learn; chosen by `task=NAME`.
        model: The network; chosen by `model=NAME`.
        optimizer: How to train it; chosen by `optimizer=NAME`.
        num_steps: Updates, at least 0.
        batch_size: Data items per update, picked uniformly; null takes all of them at every update.
        seed: Source of all random numbers: initial values, data, batches.
        dtype: float32 or float64.
        log_every: Steps between two logged points, at least 1.
        count_pieces: Whether the linear pieces of piecewise linear networks are counted at every logged point.
        compile: Whether the training step is compiled first (torch.compile: needs a C++ compiler).
        name: The folder below `outputs` (by default the task's name); an experiment sets its own.
        device: cpu, cuda or auto.
        outputs: The folder of all results.
        force: Whether a finished run is run again.
        pictures: Whether the run draws what it has learnt.
        keep_weights: Whether the run keeps the weights of its logged points, at most 50 of them, for a film of its
            training (`weights.pt`).
        events: Whether the run writes an event file for TensorBoard's own tabs; the tab "Depth x width" needs none.
        checkpoint_seconds: Seconds between two checkpoints of an unfinished run (at logged points), at least 0. Its
            curves in TensorBoard grow as often.
        plan: Whether to say what the command would do, and do nothing.
        only: `failed` does those jobs of a sweep again that have failed, and no others; null does what is unfinished.
        compare: How the results of a sweep are compared.
    """

    task: Task
    model: Model = field(default_factory=MLPModel)
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
    keep_weights: bool = True
    events: bool = True
    checkpoint_seconds: float = 30.0
    plan: bool = False
    only: str | None = None
    compare: Compare = field(default_factory=Compare)

    def __post_init__(self) -> None:
        self.dtype, self.device = Precision(self.dtype), Device(self.device)
        self.model = self.model.sized_for(self.task.in_features, self.task.out_features)
        check_whole("num_steps", self.num_steps, 0, MAX_STEPS)
        check_whole("log_every", self.log_every, 1)
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
        if self.only not in (None, "failed"):
            raise ValueError(f"only must be failed, or null for all jobs, got {self.only!r}")
        for choice in ("depth", "width"):
            if not hasattr(self.model, choice):
                raise ValueError(f"a model must have a {choice} (a field or a property), {self.model.name} has none")

    @property
    def torch_device(self) -> torch.device:
        """The device, with `auto` decided."""
        if self.device is Device.auto:
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device.value)

    @property
    def pieces_are_counted(self) -> bool:
        """Whether pieces are counted: where that is asked for, and the network has some."""
        return self.count_pieces and self.model.has_pieces

    def network(self) -> nn.Module:
        """The network with its initial values, a pure function of the configuration; on the CPU."""
        return self.model.initialized(
            self.task.in_features, self.task.out_features, loss=self.task.loss, seed=self.seed, dtype=self.dtype.dtype
        )

    def fields(self) -> dict[str, Any]:
        """The values of all fields that the result depends on, by dotted keys; what is chosen as `task.name` and so on.

        The lecture's own network goes without its name, and without `skip` unless that is set.
        """
        choices = {"task": self.task.name, "model": self.model.name, "optimizer": self.optimizer.name}
        fields: dict[str, Any] = {}
        for key, name in choices.items():
            fields[f"{key}.name"] = name
            fields |= {f"{key}.{inner}": value for inner, value in values_of(getattr(self, key)).items()}
        if type(self.model) is MLPModel:
            del fields["model.name"]
            if self.model.max_parameters is None:  # a field that came later, and is in no older folder's name
                del fields["model.max_parameters"]
        if isinstance(self.model, MLPModel) and self.model.skip is type(self.model).skip:  # likewise
            del fields["model.skip"]
        others = values_of(self, without=(*choices, *NOT_IN_THE_FOLDER))
        return fields | others

    def settings(self) -> dict[str, Any]:
        """The same, with where classes of other packages come from, and where a model stands in comparisons."""
        if not hasattr(self, "_settings"):  # a sweep asks for them some ten times a run
            self._settings = with_shared_keys(self._made_settings())
        return dict(self._settings)

    def _made_settings(self) -> dict[str, Any]:
        """The settings, made anew."""
        settings: dict[str, Any] = {}
        for key, value in self.fields().items():
            settings[key] = value
            choice = key.removesuffix(".name")
            if choice != key and (source := origin(type(getattr(self, choice)))) is not None:
                settings[f"{choice}.source"] = source
            if key == "model.name":
                settings |= {"model.depth": self.model.depth, "model.width": self.model.width}
            if key == "model.max_parameters":
                settings["model.widths"] = self.model.layer_widths
        return settings

    @property
    def title(self) -> str:
        """The part of the folder's name that says what is inside."""
        return f"{self.task.name}-{self.model.title}-seed={self.seed}"

    @property
    def label(self) -> str:
        """The same for people: "zigzag: depth 3, width 8, relu, seed 0"."""
        return f"{self.task.name}: {self.model.label}, seed {self.seed}"

    def overrides(self) -> dict[str, Any]:
        """What the command line sets to repeat the run: every value."""
        return {key.removesuffix(".name"): value for key, value in self.fields().items()}
