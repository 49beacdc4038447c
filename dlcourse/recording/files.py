"""Files that are either whole or not there."""

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Writes a file under a temporary name and renames it, so that a killed process leaves no half file.

    Args:
        path: Where the content shall be; a file of that name is replaced. Its folder must exist.
        content: The whole file.
        sync: Wait until the content is on the disk, so that not even a power failure can leave the name without it.

    Raises:
        OSError: If it cannot be written; names the file.
    """
    # TensorBoard reads every file with "tfevents" in its name: the temporary one must not carry the final name.
    temporary = path.with_name(f".{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:  # the error of a full disk does not name the file
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
