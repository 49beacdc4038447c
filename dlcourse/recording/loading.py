"""The way back from folders: a run's network, ready to use, and the results of a sweep as a table."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dlcourse import outside
from dlcourse.networks import MLP, Model, SoftmaxClassifier
from dlcourse.recording.results import Result, in_short, read_result, read_results
from dlcourse.recording.weights import Weights, read_weights

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
class LoadedRun:
    """A finished run, read back.

    Attributes:
        network: The trained network, in evaluation mode, on the CPU. For a classifier its outputs are logits.
        config: The run's configuration by dotted keys: `{"task.name": "zigzag", "model.depth": 3, ..., "seed": 0}`.
        metrics: What the run came to.
        folder: Where it was read.
    """

    network: nn.Module
    config: dict[str, Any]
    metrics: dict[str, Any]
    folder: Path

    def __repr__(self) -> str:
        return f"LoadedRun({self.folder.name!r}, {type(self.network).__name__}, {in_short(self.metrics)})"

    @property
    def steps(self) -> list[int]:
        """The steps whose weights the run has kept: its logged points, or at most 50 that are spread over them.

        Raises:
            FileNotFoundError: If it has kept none.
            ValueError: If they cannot be read.
        """
        return list(self._weights.steps)

    def at(self, step: int) -> nn.Module:
        """The network as it was after so many updates; a copy, in evaluation mode, on the CPU.

        Args:
            step: One of `steps`: the first is 0, the last one's network is that of the end.

        Raises:
            FileNotFoundError: If the run has kept no weights.
            ValueError: If it has kept none of this step, or they cannot be read.
        """
        (network,) = self._weights.at(step).networks(self.network)
        return network

    def film(self) -> Iterator[tuple[int, nn.Module]]:
        """The network at every kept step, from the first to the last.

        Yields:
            The step, and a copy of the network as it was then.

        Raises:
            FileNotFoundError: If the run has kept no weights.
            ValueError: If they cannot be read.
        """
        return zip(self.steps, self._weights.networks(self.network), strict=True)

    @cached_property
    def _weights(self) -> Weights:
        """The kept weights, which are read when they are first asked for."""
        return read_weights(self.folder)


def load(folder: str | Path, *, models: Sequence[type[Model]] = ()) -> LoadedRun:
    """The network of a finished run, its configuration and its results.

    The lecture's networks take their sizes from the stored weights, so nothing is needed but the folder. A network of
    another package is built by its model, which is looked for in `models` and among those that packages announce.

    Args:
        folder: `outputs/<name>/<run>`.
        models: Classes of the models that are not part of dlcourse.

    Returns:
        The run.

    Raises:
        FileNotFoundError: If there is no finished run in the folder.
        ValueError: If what is there cannot be read, or its model is not known here.
    """
    folder = Path(folder)
    if not (folder / "metrics.json").is_file():
        raise FileNotFoundError(f"folder must be that of a finished run, with a metrics.json, got {folder}")
    result = read_result(folder)
    if not (folder / "model.pt").is_file():
        raise FileNotFoundError(f"folder must be that of a run that trained a network, with a model.pt, got {folder}")
    weights = _parameters(folder / "model.pt")
    name = result.config.get("model.name")
    with torch.random.fork_rng(devices=[]):  # the network draws initial values, which the stored ones replace
        network = lectures_network(result.config, weights) if name is None else _foreign_network(result, name, models)
    network.to(next(iter(weights.values())).dtype).load_state_dict(weights)
    return LoadedRun(network.eval(), result.config, result.metrics, folder)


def _parameters(path: Path) -> dict[str, Tensor]:
    """The parameters of a network, by their names.

    Raises:
        ValueError: If they cannot be read.
    """
    try:
        weights = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises whatever the damage leads to
        raise ValueError(f"{path} is damaged: {str(error) or type(error).__name__}") from error
    if not isinstance(weights, dict) or not weights or not all(isinstance(each, Tensor) for each in weights.values()):
        raise ValueError(f"{path} must hold the parameters of a network, got a {type(weights).__name__}")
    return weights


def lectures_network(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> MLP | SoftmaxClassifier:
    """The lecture's network of these weights' sizes, without their values.

    Args:
        config: The run's configuration, of which the activation is asked for, and whether connections skip layers.
        weights: Its parameters by their names.
    """
    *hidden, output = [value for name, value in weights.items() if name.endswith(".weight")]
    kind = SoftmaxClassifier if "softmax.weight" in weights else MLP
    return kind(
        (hidden[0] if hidden else output).shape[1],
        len(output),
        width=[len(weight) for weight in hidden],
        activation=config["model.activation"],
        skip=config.get("model.skip", False),  # where it is false, nothing is said of it
    )


def _foreign_network(result: Result, name: str, models: Sequence[type[Model]]) -> nn.Module:
    """The network that a model of another package builds."""
    known = {model.name: model for model in models}
    if name not in known:
        (announced,) = outside.announced("models")
        if name not in announced:
            allowed = ", ".join(sorted({*known, *announced})) or "none"
            raise ValueError(
                f"the run's model {name} must be one of those that are known here ({allowed}): "
                f"give its class as load(folder, models=[...]); it was {result.config.get('model.source')}"
            )
        known[name] = outside.load(outside.the_only("model", name, announced[name]), Model)
    kind = known[name]
    if outside.origin(kind) != result.config.get("model.source"):
        warnings.warn(
            f"the run was trained with {result.config.get('model.source')}, and is read with {outside.origin(kind)}",
            stacklevel=3,
        )
    settings = {key.removeprefix("model."): value for key, value in result.config.items() if key.startswith("model.")}
    model = kind(**{field.name: settings[field.name] for field in fields(kind) if field.name in settings})
    assert result.task is not None and result.task.in_features is not None and result.task.out_features is not None
    return model.network(result.task.in_features, result.task.out_features)


def load_results(folder: str | Path) -> "pandas.DataFrame":
    """The finished runs of a folder as a table: one row a run, a column for each setting and each metric.

    Args:
        folder: `outputs/<name>`.

    Returns:
        A pandas DataFrame with the runs' names as index; besides settings (`model.depth`) and metrics
        (`mean_squared_error`) it has `pieces_domain`, where pieces were counted, `solved`, `diverged_at` and `seconds`.
        Runs that are not finished are not in it.

    Raises:
        ImportError: If pandas is not installed.
        FileNotFoundError: If there is no finished run.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("load_results needs pandas, which is missing: pip install 'dlcourse[pandas]'") from error
    results = read_results(Path(folder))
    if not results:
        raise FileNotFoundError(f"folder must hold finished runs (outputs/<name>), got {folder}")
    rows = [
        {
            **result.config,
            **result.metrics,
            "pieces_domain": result.task.pieces_domain if result.task is not None else None,
            "solved": result.is_solved,
            "diverged_at": result.diverged_at,
            "seconds": result.seconds,
        }
        for result in results
    ]
    return pandas.DataFrame(rows, index=pandas.Index([result.run for result in results], name="run"))
