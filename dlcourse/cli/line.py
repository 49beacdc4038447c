"""The command line, looked at before Hydra composes anything: mistakes that Hydra would answer with a traceback."""

import json
import math
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from dlcourse.cli.choices import CONFIGS, Choices
from dlcourse.cli.refusals import RefusedError

CHOSEN = ("task", "model", "optimizer", "experiment")
LONGEST_NUMBER = 300
"""The most digits of a number."""
MOST_JOBS = 10**6
"""The most jobs of a sweep."""
COUNTS = ("hydra.sweeper.max_batch_size", "hydra.sweeper.n_trials", "hydra.sweeper.n_jobs")
"""What sweepers take from 1 on; they do not say so when they refuse it."""


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
    except HydraException as error:
        if "LexerNoViableAlt" in str(error):
            for line in lines:
                _check_characters(line)
        return  # Hydra says what is wrong with the grammar, at the place in question
    num_jobs = 1
    for override in overrides:
        num_jobs *= _check(override, choices)
    # Other sweepers than Hydra's own choose among the jobs.
    if num_jobs > MOST_JOBS and all(override.key_or_group != "hydra/sweeper" for override in overrides):
        raise RefusedError(f"a sweep must have at most {MOST_JOBS:,} jobs, got {num_jobs:,}")


def _check_characters(line: str) -> None:
    """Refuses a value that Hydra would take in quotes only."""
    key, _, value = line.partition("=")
    parser = OverridesParser.create()
    with suppress(HydraException):
        parser.parse_overrides([f"{key}={json.dumps(value, ensure_ascii=False)}"])
        try:
            parser.parse_overrides([line])
        except HydraException as error:
            quoted = shlex.quote(f"{key}={json.dumps(value, ensure_ascii=False)}")
            raise RefusedError(
                f"{key} must be in quotes where it has such characters, got {value}: {quoted}"
            ) from error


def _check(override: Override, choices: Choices) -> int:
    """Refuses one override, if it is a mistake; else over how many values it sweeps, 1 if it does not."""
    key = override.key_or_group
    chosen: Any = override.value()
    num_values = 1
    if override.is_delete():
        return num_values
    if isinstance(chosen, RangeSweep) and _length(chosen) > MOST_JOBS:
        raise RefusedError(f"{key} must be swept over at most {MOST_JOBS:,} values, got {override.get_value_string()}")
    if key in COUNTS and isinstance(chosen, int) and chosen < 1:
        raise RefusedError(f"{key} must be at least 1, got {chosen}")
    if isinstance(chosen, Glob):
        if key in CHOSEN and not chosen.filter(names := _names(key, choices)):
            raise RefusedError(f"{key} must match one of {', '.join(names)}, got {override.get_value_string()}")
        return num_values
    if isinstance(chosen, IntervalSweep):  # only some sweepers take it, and say so
        return num_values
    if override.is_sweep_override():
        try:
            values = list(override.sweep_iterator())
        except (ValueError, ArithmeticError) as error:
            raise RefusedError(
                f"{key} must be swept over some values, got {override.get_value_string()}: {error}"
            ) from error
        if not values:
            raise RefusedError(f"{key} must be swept over at least one value, got {override.get_value_string()}")
        num_values = len(values)
        chosen = chosen.list if isinstance(chosen, ChoiceSweep) else values
    elif not isinstance(chosen, list):
        chosen = [chosen]
    if key in CHOSEN and isinstance(override.value(), dict):
        return num_values  # sets several of its values at once
    if key in CHOSEN or key == "hydra" or key.startswith("hydra/"):
        for each in chosen:
            for name in each if isinstance(each, list) else [each]:
                if not isinstance(_text(name), str):
                    allowed = f"one of {', '.join(_names(key, choices))}" if key in CHOSEN else "a name"
                    raise RefusedError(f"{key} must be {allowed}, got {override.get_value_string()}")
    return num_values


def _length(sweep: RangeSweep) -> float:
    """How many values a range has."""
    start, stop, step = (math.nan if each is None else float(each) for each in (sweep.start, sweep.stop, sweep.step))
    return (stop - start) / step if step else 0.0


def _text(value: object) -> object:
    """A quoted string as a string."""
    return getattr(value, "text", value)


def _names(group: str, choices: Choices) -> list[str]:
    """What can be chosen in a group."""
    files = [path.stem for path in (CONFIGS / group).glob("*.yaml")]
    return sorted({*choices.names("measurement" if group == "experiment" else group), *files})
