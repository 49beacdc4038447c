"""The configurations of a sweep's jobs, composed fast.

Hydra composes every job of a sweep from its files anew, twice (once to check, once to launch), at a tenth of a second
each. But jobs that choose the same files differ in values only: the files are read once, and each job's values are set
by Hydra's own function and in the order given, so that the result is the one Hydra would have made; then what was there
before is put back. It is made once: what a sweeper would only check, the launcher composes, for all jobs before the
first one trains. And where a job only sets single values, each of them is set and converted once for all jobs that have
it, and not even the configuration is made.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from functools import cache
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, Node, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

# What Hydra's grammar takes for a whole number, whatever stands before it.
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")

# So many lines are remembered. A grid has fewer; of thousands of seeds, each comes once.
MOST_LINES = 1000

# A setting's place among the dataclasses, and its value: (("model", "width"), 8).
Setting = tuple[tuple[str, ...], Any]


class SweepConfigLoader(ConfigLoaderImpl):
    """Hydra's config loader with a `load_sweep_config` that checks, and one that composes what the jobs need of it."""

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self._parser = OverridesParser.create(config_loader=self)
        self._parsed: dict[str, Override] = {}
        self._parsed_zeros: dict[str, Override] = {}
        self._sets_values: dict[str, bool] = {}
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        # Copies of the composed configurations without `hydra`, each by the `id` of what it is a copy of.
        self._without_hydra: dict[int, DictConfig] = {}
        self._refers: dict[int, bool] = {}  # to other values
        self._objects: dict[int, Any] = {}  # what they are as dataclasses
        self._parts: dict[int, dict[int, Any]] = {}  # by the `id` of such an object
        self._settings: dict[tuple[int, str], Setting | None] = {}
        self._of_whole_numbers: dict[tuple[int, str], Setting | None] = {}
        self._hydra: dict[int, DictConfig] = {}
        self._is_group = cache(self.repository.group_exists)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """What one job's files compose to, without its values; a sweeper drops it, and wants to know if it can be made.

        The values are set, and refused, by `application_config`.
        """
        composed, _ = self._compose(master_config, self._parse(sweep_overrides))
        return composed

    @contextmanager
    def application_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str], number: int
    ) -> Iterator[DictConfig]:
        """A job's configuration without `hydra`, which is most of one; there is one at a time, and then the next.

        Where a value refers to `hydra`, as in `outputs=${hydra:runtime.cwd}/outputs`, that is what the job sees of it.

        Args:
            master_config: The sweep's configuration.
            sweep_overrides: What is particular to the job.
            number: The job's number, `${hydra:job.num}`.
        """
        overrides = self._parse(sweep_overrides)
        composed, values = self._compose(master_config, overrides)
        config = self._application(composed)
        before = [_place(config, override) for override in values]
        if None in before:
            config = copy.deepcopy(config)
        try:
            self._apply_overrides_to_config(values, config)
            if self._refers[id(composed)] or any("${hydra:" in str(each.value()) for each in values):
                self._show_hydra(composed, overrides, number)
            OmegaConf.copy_cache(from_config=master_config, to_config=config)
            yield config
        finally:
            for place in reversed(before):
                if place is not None:
                    content, key, node = place
                    content[key] = node

    def plain_settings(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> tuple[Any, list[Setting]] | None:
        """A job as dataclasses that are common to many jobs, and what it sets in them, in the order given.

        None if that is not all there is to the job: it adds, deletes or sets more than single values, or values refer
        to each other, or to `hydra`. Then `application_config` composes it.
        """
        composed, values = self._compose(master_config, self._parse(sweep_overrides))
        config = self._application(composed)
        if self._refers[id(composed)]:
            return None
        settings = []
        for override in values:
            key = id(composed), str(override.input_line)
            if key not in self._settings:
                self._settings[key] = self._setting(config, override)
            settings.append(self._settings[key])
        if id(composed) not in self._objects:
            self._objects[id(composed)] = _of_schemas(config)
        plain = [setting for setting in settings if setting is not None]
        if self._objects[id(composed)] is None or len(plain) < len(settings):
            return None
        return self._objects[id(composed)], plain

    def parts(self, composed: Any) -> dict[int, Any]:
        """The parts of dataclasses that are common to many jobs (see `plain_settings`), for `real`, which fills it."""
        if id(composed) not in self._parts:
            self._parts[id(composed)] = {id(part): None for part in vars(composed).values() if is_dataclass(part)}
        return self._parts[id(composed)]

    def _setting(self, config: DictConfig, override: Override) -> Setting | None:
        """What an override sets, if it is one value that does not depend on others, and no dataclass.

        Where a whole number stays one, so does every other: thousands of seeds are converted once.
        """
        key, _, value = str(override.input_line).partition("=")
        if WHOLE.fullmatch(value) is None or type(override.value()) is not int:
            return self._converted(config, override)
        place = id(config), key
        if place not in self._of_whole_numbers:
            self._of_whole_numbers[place] = self._converted(config, override)
        found = self._of_whole_numbers[place]
        return (found[0], override.value()) if found and type(found[1]) is int else self._converted(config, override)

    def _converted(self, config: DictConfig, override: Override) -> Setting | None:
        """The same, as OmegaConf converts it."""
        place = _place(config, override)
        names = tuple(override.key_or_group.split("."))
        parents = [config, *(OmegaConf.select(config, ".".join(names[:depth])) for depth in range(1, len(names)))]
        if place is None or not all(is_dataclass(OmegaConf.get_type(parent)) for parent in parents):
            return None
        content, key, node = place
        try:
            self._apply_overrides_to_config([override], config)
            if "${" in str(override.value()) or isinstance(node, DictConfig) or content[key]._is_missing():
                return None
            value = parents[-1][key]
            return names, OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
        finally:
            content[key] = node

    def _application(self, composed: DictConfig) -> DictConfig:
        """A copy of a composed configuration without `hydra`, one for all jobs that choose the same files."""
        if id(composed) not in self._without_hydra:
            application = copy.deepcopy(composed)
            with read_write(application), open_dict(application):
                del application["hydra"]
            self._without_hydra[id(composed)] = application
            self._refers[id(composed)] = "${" in OmegaConf.to_yaml(application)
        return self._without_hydra[id(composed)]

    def _show_hydra(self, composed: DictConfig, overrides: list[Override], number: int) -> None:
        """Makes `${hydra:...}` mean what it means in this job.

        The part `hydra` is copied once for all jobs that choose the same files: each sets what is its own in place.
        """
        if id(composed) not in self._hydra:
            self._hydra[id(composed)] = copy.deepcopy(composed)
        config = self._hydra[id(composed)]
        with read_write(config.hydra), open_dict(config.hydra):
            _name_overrides(config, overrides)
            config.hydra.job.num = number
            config.hydra.job.id = str(number)
            config.hydra.runtime.output_dir = config.hydra.runtime.cwd
        HydraConfig.instance().set_config(config)

    def _parse(self, lines: Sequence[str]) -> list[Override]:
        """The overrides, checked; each text is parsed once (a grid of 300 jobs has some 20 of them)."""
        if len(self._parsed) > MOST_LINES:
            for remembered in (self._parsed, self._sets_values, self._settings):
                remembered.clear()
        new = {line: self._parse_one(line) for line in lines if line not in self._parsed}
        self.validate_sweep_overrides_legal(overrides=[*new.values()], run_mode=RunMode.RUN, from_shell=True)
        self._parsed.update(new)
        return [self._parsed[line] for line in lines]

    def _parse_one(self, line: str) -> Override:
        """One override; of those that set a key to a whole number (there can be thousands of seeds), Hydra reads one.

        Its parser takes half a millisecond a line.
        """
        key, _, value = line.partition("=")
        if WHOLE.fullmatch(value) is None:
            return self._parser.parse_overrides([line])[0]
        zero = f"{key}=0"
        if zero not in self._parsed_zeros:
            try:
                self._parsed_zeros[zero] = self._parser.parse_overrides([zero])[0]
            except OverrideParseException:  # whose text is to be about this line
                return self._parser.parse_overrides([line])[0]
        return replace(self._parsed_zeros[zero], _value=int(value), input_line=line)

    def _compose(self, master_config: DictConfig, overrides: list[Override]) -> tuple[DictConfig, list[Override]]:
        """What Hydra composes of the files that are chosen (not to be changed), and the overrides of values in it."""
        values, choices = [], []
        for override in overrides:
            line = str(override.input_line)
            if line not in self._sets_values:
                self._sets_values[line] = self._sets_a_value(override)
            if self._sets_values[line]:
                values.append(override)
            else:
                choices.append(line)
        files = tuple(choices)
        if files not in self._composed:
            self._composed[files] = super().load_sweep_config(master_config, choices)
        return self._composed[files], values

    def _sets_a_value(self, override: Override) -> bool:
        """Whether an override changes a value in the composed configuration, and not what it is composed of."""
        if override.is_hydra_override():
            return False
        # Hydra draws the same line in hydra._internal.defaults_list.Overrides: an override whose key is a config group
        # chooses a file, unless its value is a dictionary.
        return isinstance(override.value(), dict) or not self._is_group(override.key_or_group)


def _place(config: DictConfig, override: Override) -> tuple[dict[str, Any], str, Node] | None:
    """Where an override sets a value: the entries of which it is one, its key, and a copy of what is there.

    None if it does more than to set one value that there is: then all of it has to be copied.
    """
    above, _, key = override.key_or_group.rpartition(".")
    if override.is_add() or override.is_force_add() or override.is_delete() or isinstance(override.value(), dict):
        return None
    parent = OmegaConf.select(config, above) if above else config
    if not isinstance(parent, DictConfig) or key not in (content := parent.__dict__["_content"]):
        return None
    # OmegaConf would change the node in place, and mark it: so its copy is what is put back.
    return content, key, copy.deepcopy(content[key])


def _of_schemas(config: DictConfig) -> Any:
    """The configuration as dataclasses; None if there are more to it than schemas, or values that jobs have to set."""
    # Imported only here: see the launcher.
    from dlcourse.cli.schemas import of_schemas_only

    try:
        composed = OmegaConf.to_object(config)
    except (OmegaConfBaseException, ValueError, TypeError):
        return None
    return composed if of_schemas_only(composed) else None


def _name_overrides(config: DictConfig, overrides: list[Override]) -> None:
    """Sets what Hydra tells a job of its own overrides."""
    application_overrides = [override for override in overrides if not override.is_hydra_override()]
    config.hydra.overrides.task = [override.input_line for override in application_overrides]
    dirname = config.hydra.job.config.override_dirname
    config.hydra.job.override_dirname = get_overrides_dirname(
        overrides=application_overrides,
        kv_sep=dirname.kv_sep,
        item_sep=dirname.item_sep,
        exclude_keys=dirname.exclude_keys,
    )
