"""Files and folders that are either whole or not there, and what the dead have left of them."""

import contextlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

# What is being written has a name that ends like this: the machine and the process that writes it. TensorBoard reads
# every file with "tfevents" in its name, in hidden folders as well: an unfinished one must not carry that name.
_MACHINE = re.sub(r"\W", "_", platform.node())[:32]
_UNFINISHED = re.compile(rf"\.(?:.*\.)?{re.escape(_MACHINE)}-(\d+)\.part")
_SCRATCH = "dlcourse-of-"


def unfinished(path: Path) -> Path:
    """The hidden name, beside its own, of a file or folder that this process is writing."""
    return path.with_name(f".{path.name}.{_MACHINE}-{os.getpid()}.part")


def write_atomically(path: Path, content: bytes | Iterable[bytes], *, sync: bool = False) -> None:
    """Writes a file under a temporary name and renames it, so that a killed process leaves no half file.

    Args:
        path: Where the content shall be; a file of that name is replaced. Its folder must exist.
        content: The whole file, or its parts one after another.
        sync: Wait until the content is on the disk, so that not even a power failure can leave the name without it.

    Raises:
        OSError: If it cannot be written; names the file.
    """
    temporary = f"{path.parent}/.{_MACHINE}-{os.getpid()}.part"  # short, whatever the name of the file is
    try:
        with open(temporary, "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError):  # that of a full disk does not name the file
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def scratch_folder() -> Path:
    """A new folder in the temporary directory, whose name says which process it belongs to."""
    return Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-"))


def remove_what_the_dead_left(*folders: Path) -> None:
    """Deletes what processes of this machine that are no longer alive were writing when they ended.

    Args:
        folders: Where to look, not below them; the temporary directory is looked at, too.
    """
    for folder in folders:
        for path in folder.glob(".*.part"):
            if (found := _UNFINISHED.fullmatch(path.name)) and not _is_alive(int(found[1])):
                _remove(path)
    for path in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        process = path.name.removeprefix(_SCRATCH).partition("-")[0]
        if process.isdecimal() and not _is_alive(int(process)):
            _remove(path)


def _remove(path: Path) -> None:
    """Deletes a file or a folder; what cannot be deleted, say another user's, stays."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _is_alive(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True
