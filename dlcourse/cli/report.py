"""The console script `dlcourse-report`: a sweep as one file to send: what came out, figures, tables, exact commands."""

import argparse
import os
import sys
from pathlib import Path

from dlcourse.recording.files import write_atomically

FORMATS = ("html", "png", "svg")


def main() -> None:
    """Writes the report; exits with 2 and one line on a user's mistake."""
    parser = argparse.ArgumentParser(prog="dlcourse-report", description=__doc__.split(": ", 1)[1])
    parser.add_argument("folder", type=Path, help="outputs/<name>, the folder of a sweep, or the folder of one run")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="html",
        help="html: a page that needs no network, report.html in the folder; png, svg: its figure for papers and "
        "slides, one for each setting that is compared (default: %(default)s)",
    )
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    try:
        _write(folder, arguments.format)
    except ValueError as error:
        parser.exit(2, f"dlcourse-report: {folder}: {error}\n")
    except BrokenPipeError:
        # Whoever read our output has enough of it; what Python would flush at its exit goes to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        parser.exit(2, f"dlcourse-report: {error.filename or folder}: {error.strerror or error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted\n")


def _write(folder: Path, kind: str) -> None:
    """Reads the folder, and then writes the files.

    Raises:
        ValueError: If there is nothing to report.
        OSError: If the folder cannot be read or written to.
    """
    # A second of imports, which a mistake in the options need not wait for.
    from dlcourse.report.document import document, runs_in

    runs = runs_in(folder)
    if kind == "html":
        files = {"report.html": document(runs).encode()}
    else:
        from dlcourse.report.pictures import pictures

        files = pictures(runs.results, runs.folder.name, kind)
    for name, content in files.items():
        write_atomically(folder / name, content)
        print(f"written: {folder / name} ({len(content) / 1e6:.2g} MB)", flush=True)
