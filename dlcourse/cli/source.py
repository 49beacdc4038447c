"""Where Hydra finds the dataclasses that can be chosen: a source of configurations beside the YAML files."""

import builtins
from typing import ClassVar

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from dlcourse.cli.choices import Choices
from dlcourse.cli.sweep import RefusedError
from dlcourse.jobs.config import RunConfig


class ChoicesSearchPath(SearchPathPlugin):
    """Lets Hydra look there after the YAML files."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Adds the source below."""
        search_path.append("dlcourse", f"{ChoicesSource.scheme()}://")


class ChoicesSource(ConfigSource):
    """`task=NAME`, `model=NAME` and `optimizer=NAME` are dataclasses with their defaults; no YAML is needed for them.

    `schema=run` is the configuration of a run, `schema=NAME` that of a measurement. A measurement of another package is
    chosen by `experiment=NAME`, as those of dlcourse are by their YAML files.

    Attributes:
        choices: What there is to choose from; `main` sets it before Hydra starts.
    """

    choices: ClassVar[Choices] = Choices()

    @staticmethod
    def scheme() -> str:
        """How search paths name this source."""
        return "dlcourse"

    def available(self) -> bool:
        """Always."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Whether something is chosen by this name."""
        return config_path.rstrip("/") in ("", "task", "model", "optimizer", "schema", "experiment")

    def is_config(self, config_path: str) -> bool:
        """Whether there is such a choice."""
        group, _, name = config_path.removesuffix(".yaml").partition("/")
        return bool(name) and name in self._names(group)

    def load_config(self, config_path: str) -> ConfigResult:
        """The dataclass of a choice.

        Raises:
            RefusedError: If it belongs to another package and cannot be used.
        """
        group, _, name = config_path.removesuffix(".yaml").partition("/")
        if group == "experiment":
            nothing = [{f"override /{other}": None} for other in ("task", "model", "optimizer")]
            config = OmegaConf.create({"defaults": [{"override /schema": name}, *nothing]})
        else:
            try:
                config = OmegaConf.structured(self._class(group, name))
            except ValueError as error:  # OmegaConf's errors about the types of fields among them
                raise RefusedError(f"{group}={name}: {error}") from error
        package = "_global_" if group in ("schema", "experiment") else None
        return ConfigResult(self.provider, self.full_path(), config, {"package": package})

    def _names(self, group: str) -> builtins.list[str]:
        """The choices of a group."""
        match group:
            case "schema":
                return ["run", *self.choices.names("measurement")]
            case "experiment":
                return self.choices.names("measurement")
            case "task" | "model" | "optimizer":
                return self.choices.names(group)
        return []

    def _class(self, group: str, name: str) -> type:
        """The dataclass of a choice."""
        if group == "schema":
            return RunConfig if name == "run" else self.choices.load("measurement", name)
        return self.choices.load(group, name)

    # Hydra's name. In this class it hides the built-in list, in annotations above it too from Python 3.14 on.
    def list(self, config_path: str, results_filter: ObjectType | None) -> builtins.list[str]:
        """The choices of a group, or the groups."""
        group = config_path.strip("/")
        if group == "":
            return [] if results_filter is ObjectType.CONFIG else ["experiment", "model", "optimizer", "schema", "task"]
        return [] if results_filter is ObjectType.GROUP else self._names(group)
