"""The curves of a run: what was measured at each logged step, and `train.log`, the table of it in the run's folder."""

from collections import defaultdict
from pathlib import Path

from dlcourse.recording.files import write_atomically

# Name of a curve -> its points (step, value).
History = dict[str, list[tuple[int, float]]]

RATE = "rate"
"""The curve that says how the run was trained, and not what came of it."""


def last_values(history: History) -> dict[str, float]:
    """What the run came to: the last value of every curve but the rate."""
    return {tag: points[-1][1] for tag, points in history.items() if tag != RATE}


def write_log(folder: Path, history: History) -> None:
    """Writes all curves as a table of text, one line a logged step, into a run's folder."""
    tags = list(history)
    rows: dict[int, dict[str, float]] = defaultdict(dict)
    for tag, points in history.items():
        for step, value in points:
            rows[step][tag] = value
    lines = ["  ".join(["    step", *(f"{tag:>14}" for tag in tags)])]
    for step, row in rows.items():
        values = (f"{row.get(tag, float('nan')):>14.6g}".rjust(len(tag)) for tag in tags)
        lines.append("  ".join([f"{step:>8}", *values]))
    write_atomically(folder / "train.log", ("\n".join(lines) + "\n").encode())


def read_log(folder: Path) -> History:
    """Tag -> (step, value) at every logged step, to six digits; nan where there was no number.

    Raises:
        OSError: If there is no `train.log` that can be read.
    """
    header, *lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines]
    return {
        tag: [(int(row[0]), float(row[column])) for row in rows]
        for column, tag in enumerate(header.split()[1:], start=1)
    }
