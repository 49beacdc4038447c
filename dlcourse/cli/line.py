"""The command line, looked at before Hydra composes anything: mistakes that Hydra would answer with a traceback."""

import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override
from hydra.errors import HydraException

from dlcourse.cli.choices import CONFIGS, Choices
from dlcourse.cli.refusals import RefusedError

CHOSEN = ("task", "model", "optimizer", "experiment")
LONGEST_NUMBER = 300
"""The most digits of a number."""


def check_overrides(lines: Sequence[str], choices: Choices) -> None:
    """Refuses what cannot be composed, and sweeps over nothing.

    Args:
        lines: The words of the command line that set or choose something.
        choices: What there is to choose from.

    Raises:
        RefusedError: Names the first mistake.
    """
    for line in lines:
        key, _, value = line.partition("=")
        if re.search(rf"[0-9]{{{LONGEST_NUMBER + 1}}}", value):
            raise RefusedError(f"{key} must have no number of more than {LONGEST_NUMBER} digits, got {value[:20]}...")
    try:
        overrides = OverridesParser.create().parse_overrides(list(lines))
    except HydraException:
        return  # Hydra says what is wrong with the grammar, at the place in question
    for override in overrides:
        _check(override, choices)


def _check(override: Override, choices: Choices) -> None:
    """Refuses one override, if it is a mistake."""
    key = override.key_or_group
    chosen: Any = override.value()
    if override.is_delete():
        return
    if isinstance(chosen, Glob):
        if key in CHOSEN and not chosen.filter(names := _names(key, choices)):
            raise RefusedError(f"{key} must match one of {', '.join(names)}, got {override.get_value_string()}")
        return
    if isinstance(chosen, IntervalSweep):  # only some sweepers take it, and say so
        return
    if override.is_sweep_override():
        try:
            values = list(override.sweep_iterator())
        except (ValueError, ZeroDivisionError) as error:
            raise RefusedError(
                f"{key} must be swept over some values, got {override.get_value_string()}: {error}"
            ) from error
        if not values:
            raise RefusedError(f"{key} must be swept over at least one value, got {override.get_value_string()}")
        chosen = chosen.list if isinstance(chosen, ChoiceSweep) else values
    elif not isinstance(chosen, list):
        chosen = [chosen]
    if key in CHOSEN and isinstance(override.value(), dict):
        return  # sets several of its values at once
    if key in CHOSEN or key == "hydra" or key.startswith("hydra/"):
        for each in chosen:
            for name in each if isinstance(each, list) else [each]:
                if not isinstance(_text(name), str):
                    allowed = f"one of {', '.join(_names(key, choices))}" if key in CHOSEN else "a name"
                    raise RefusedError(f"{key} must be {allowed}, got {override.get_value_string()}")


def _text(value: object) -> object:
    """A quoted string as a string."""
    return getattr(value, "text", value)


def _names(group: str, choices: Choices) -> list[str]:
    """What can be chosen in a group."""
    files = [path.stem for path in (CONFIGS / group).glob("*.yaml")]
    return sorted({*choices.names("measurement" if group == "experiment" else group), *files})
