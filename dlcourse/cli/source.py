"""Where Hydra finds the dataclasses that can be chosen: a source of configurations beside the YAML files."""

import builtins

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.singleton import Singleton
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import MISSING, OmegaConf

from dlcourse.cli.choices import Choices
from dlcourse.cli.refusals import RefusedError
from dlcourse.cli.schemas import schema


class Known(metaclass=Singleton):
    """What there is to choose from. Hydra's own launchers bring its singletons to the processes that they start."""

    def __init__(self) -> None:
        self._choices: Choices | None = None

    @property
    def choices(self) -> Choices:
        """What `main` has set; without it, the classes of dlcourse and of packages that announce some."""
        if self._choices is None:
            self._choices = Choices()
        return self._choices

    @choices.setter
    def choices(self, choices: Choices) -> None:
        self._choices = choices


class ChoicesSearchPath(SearchPathPlugin):
    """Lets Hydra look there before the YAML files, so that a name that is taken by one of them is noticed."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Adds the source below."""
        search_path.prepend("dlcourse", f"{ChoicesSource.scheme()}://")


class ChoicesSource(ConfigSource):
    """`task=NAME`, `model=NAME` and `optimizer=NAME` are dataclasses with their defaults; no YAML is needed for them.

    `schema=run` is the configuration of a run, `schema=NAME` that of a measurement. `experiment=NAME` chooses a
    measurement, where no YAML file does.
    """

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
        """The fields of a choice.

        Raises:
            RefusedError: If it belongs to another package and cannot be used.
        """
        group, _, name = config_path.removesuffix(".yaml").partition("/")
        try:
            kind = self._class(group, name)
            config = OmegaConf.structured(kind)
        except ValueError as error:  # also what OmegaConf raises if it does not support the type of a field
            raise RefusedError(f"{group}={name}: {error}") from error
        if (group, name) == ("schema", "run"):
            # Next to RunConfig's default, an MLPModel, OmegaConf would accept no model but children of MLPModel.
            config.model = MISSING
        if group == "experiment":
            # A measurement has no task, model and optimizer: what is chosen by default is taken back.
            nothing = [{f"override /{other}": None} for other in ("task", "model", "optimizer")]
            config = OmegaConf.create({"defaults": [{"override /schema": name}, *nothing]})
        package = "_global_" if group in ("schema", "experiment") else None
        return ConfigResult(self.provider, self.full_path(), config, {"package": package})

    def _names(self, group: str) -> builtins.list[str]:
        """The choices of a group."""
        match group:
            case "schema":
                return ["run", *Known().choices.names("measurement")]
            case "experiment":
                return Known().choices.without_file()
            case "task" | "model" | "optimizer":
                return Known().choices.names(group)
        return []

    def _class(self, group: str, name: str) -> type:
        """The dataclass of a choice, or its schema."""
        if group == "schema" and name == "run":
            kind: type = schema("dlcourse.jobs.config", "RunConfig")
            return kind
        return Known().choices.schema("measurement" if group in ("schema", "experiment") else group, name)

    # Hydra's name. In this class it hides the built-in list, in annotations above it too from Python 3.14 on.
    def list(self, config_path: str, results_filter: ObjectType | None) -> builtins.list[str]:
        """The choices of a group, or the groups."""
        group = config_path.strip("/")
        if group == "":
            return [] if results_filter is ObjectType.CONFIG else ["experiment", "model", "optimizer", "schema", "task"]
        return [] if results_filter is ObjectType.GROUP else self._names(group)
