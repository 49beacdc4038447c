"""The console script `dlcourse-figures`: draws every picture of the lecture's slides, one SVG file a picture."""

import argparse
import errno
import os
import sys
from pathlib import Path

from dlcourse.recording.files import write_atomically

FOLDER = Path("figures")
"""Where one works, not below outputs/: there every folder is read as the runs of a sweep."""


def main() -> None:
    """Draws the pictures; exits with 2 and one line on a user's mistake."""
    parser = argparse.ArgumentParser(prog="dlcourse-figures", description=__doc__.split(": ", 1)[1])
    parser.add_argument(
        "folder", type=Path, nargs="?", default=FOLDER, help="where they go; made if need be (default: %(default)s)"
    )
    parser.add_argument(
        "--in-features", type=int, default=3, metavar="D", help="inputs of the networks (default: %(default)s)"
    )
    parser.add_argument(
        "--width", type=int, default=4, metavar="H", help="units in each of their hidden layers (default: %(default)s)"
    )
    parser.add_argument(
        "--num-classes", type=int, default=3, metavar="K", help="classes of the softmax layer (default: %(default)s)"
    )
    arguments = parser.parse_args()
    try:
        _draw(arguments)
    except ValueError as error:
        parser.exit(2, f"dlcourse-figures: {error}\n")
    except BrokenPipeError:
        # Whoever read our output has enough of it; what Python would flush at its exit goes to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        parser.exit(2, f"dlcourse-figures: {error.filename or arguments.folder}: {error.strerror or error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted\n")


def _draw(arguments: argparse.Namespace) -> None:
    """Draws all pictures, and only then writes the first.

    Raises:
        ValueError: If a size is out of range, or somebody else's file has the name of a picture.
        OSError: If the folder cannot be written to.
    """
    folder: Path = arguments.folder
    _refuse_no_folder(folder)
    # torch and matplotlib take seconds to import: only those who draw wait for them.
    from dlcourse.lecture import pictures, to_svg

    sizes = {name: getattr(arguments, name) for name in ("in_features", "width", "num_classes")}
    files = {folder / f"{each.name}.svg": to_svg(each.figure, each.title) for each in pictures(**sizes)}
    for path in files:
        _refuse_other(path)
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        write_atomically(path, content)
    print(f"{len(files)} pictures in {folder}", flush=True)


def _refuse_no_folder(folder: Path) -> None:
    """Refuses what can be no folder, before seconds are spent on drawing.

    Raises:
        OSError: If there is a file of this name, or one on the way to it, or if it must not be written to.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def _refuse_other(path: Path) -> None:
    """Refuses to write over a file that is no picture of ours.

    Raises:
        ValueError: If there is one.
    """
    from dlcourse.lecture.svg import MARK

    if path.exists() and f"<dc:title>{MARK}</dc:title>".encode() not in path.read_bytes():
        raise ValueError(f"{path} is no picture of dlcourse-figures, and is left as it is: choose another folder")
