"""What `config.yaml` in a run's folder says: the command that does the run again, and its settings."""

import json
from pathlib import Path
from typing import Any

from dlcourse.tensorboard_tab.folders import regular


def read_settings(folder: Path) -> tuple[str | None, dict[str, Any]]:
    """The command and the settings of a run, finished or not.

    Every line of the file is a comment, a group (`task:`), or a key with a value in JSON, indented if it is of the
    group above it. What is neither is left out.

    Args:
        folder: The run's folder.

    Returns:
        The command, None if there is none; and the settings by dotted keys.
    """
    if not regular(folder / "config.yaml"):
        return None, {}
    try:
        lines = (folder / "config.yaml").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None, {}
    command = lines[0].removeprefix("# ") if lines and lines[0].startswith("# ") else None
    settings: dict[str, Any] = {}
    group = ""
    for line in lines:
        key, colon, value = line.partition(":")
        if line.startswith("#") or not colon:
            continue
        if not value.strip():
            group = f"{key}."
            continue
        inside = key.startswith(" ")
        settings[group + key.strip() if inside else key] = _value(value.strip())
    return command, settings


def _value(text: str) -> Any:
    """A value, as a text if it is none in JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text
