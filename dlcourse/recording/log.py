"""The curves of a finished run: `train.log` in its folder, read again."""

from pathlib import Path


def read_log(folder: Path) -> dict[str, list[tuple[int, float]]]:
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
