"""Pilots: a few seeds are trained at every setting of a sweep, and the others only at the settings that do best there.

A sweep that tunes trains most of its networks at settings that nobody would choose. Four pilots and two candidates
train 80 networks where 20 seeds at ten settings are 200. The pilots have seeds, and a folder, of their own: no run by
which a network is judged has a say in which settings are left to choose from.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.unfinished import Outcome
from dlcourse.recording import Result, best_settings

FIRST_SEED = 1_000_000
"""The seed of the first pilot; a sweep with pilots has only smaller ones."""


def pilots(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The runs that come before those of a sweep: every setting of each architecture that has some to leave out.

    Args:
        configs: The runs of the sweep.

    Raises:
        ValueError: If a seed of the sweep is one of a pilot.
    """
    for config in configs:
        if config.compare.pilots and config.seed >= FIRST_SEED:
            raise ValueError(f"seed must be below {FIRST_SEED} with compare.pilots, got {config.seed}")
    return [
        replace(config, seed=FIRST_SEED + index, name=f"{config.name}_pilots", pictures=False, keep_weights=False)
        for settings in _by_architecture(configs).values()
        for config in settings.values()
        if len(settings) > config.compare.candidates
        for index in range(config.compare.pilots)
    ]


def left_to_run(configs: Sequence[RunConfig], outcomes: Collection[Outcome]) -> set[Path]:
    """The folders of the runs that are to be done, after the pilots.

    Args:
        configs: The runs of the sweep.
        outcomes: What the pilots came to.
    """
    of_setting: dict[str, list[Result]] = defaultdict(list)
    for outcome in outcomes:
        if isinstance(outcome, Result):
            of_setting[_said(outcome.config, ["seed"])].append(outcome)
    kept: set[str] = set()
    for settings in _by_architecture(configs).values():
        compare = next(iter(settings.values())).compare
        tried = [result for setting in settings for result in of_setting[setting]]
        best = {_said(result.config, ["seed"]) for result in best_settings(tried, compare.candidates, compare.tune)}
        kept |= best or settings.keys()  # without pilots, and where all have failed, nothing is known of them
    return {config.folder for config in configs if _said(config.settings(), ["seed"]) in kept}


def as_many_as_left(configs: Sequence[RunConfig]) -> set[Path]:
    """The folders of as many runs as will be left; which ones is not known before the pilots."""
    kept = {
        setting
        for settings in _by_architecture(configs).values()
        for setting in list(settings)[: next(iter(settings.values())).compare.candidates]
    }
    return {config.folder for config in configs if _said(config.settings(), ["seed"]) in kept}


def _by_architecture(configs: Sequence[RunConfig]) -> dict[str, dict[str, RunConfig]]:
    """For each architecture one run of each of its settings."""
    found: dict[str, dict[str, RunConfig]] = defaultdict(dict)
    for config in configs:
        settings = config.settings()
        found[f"{config.name} {_said(settings, ['seed', *config.compare.tune])}"][_said(settings, ["seed"])] = config
    return found


def _said(settings: dict[str, Any], without: Collection[str]) -> str:
    """Settings in one string, without some of them; the same for those that were written to a file and read again."""
    return json.dumps({key: value for key, value in settings.items() if key not in without}, sort_keys=True)
