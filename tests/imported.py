"""Command lines without the two seconds that importing torch takes: each is a fork of one process that has done it.

`python tests/imported.py` is that process; tests start it with `Imported`.
"""

import atexit
import contextlib
import importlib
import io
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, Self

REPOSITORY = Path(__file__).resolve().parent.parent


class Imported:
    """The process that has imported everything, from which each command is forked.

    Args:
        repository: Where dlcourse is imported from.
    """

    def __init__(self, repository: Path = REPOSITORY) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(repository)},
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes stdin, which is the sign to end

    def run(self, command: Sequence[str], folder: Path, path: str = "") -> "subprocess.CompletedProcess[str]":
        """What `python COMMAND` comes to in a folder.

        Args:
            command: A script, or "-m" and "dlcourse", with arguments.
            folder: The working directory.
            path: More folders for Python to import from, as in PYTHONPATH.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(command), str(folder), path]) + "\n")
        self._process.stdin.flush()
        code, out, err = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess(list(command), code, out, err)


def _serve() -> None:
    """Forks a process for each line on stdin, and answers with its exit code and what it said."""
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        command, folder, path = json.loads(line)
        if "hydra/sweeper=optuna" in command:
            importlib.import_module("optuna")  # four seconds, which the other commands need not wait for
        said = [os.memfd_create(name) for name in ("out", "err")]
        child = os.fork()
        if not child:
            answers.close()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for descriptor, file in enumerate(said, start=1):
                os.dup2(file, descriptor)
            os.chdir(folder)
            signal.alarm(300)  # no command of a test takes longer
            _become(command, path)
        _, status = os.waitpid(child, 0)
        texts = []
        for file in said:
            with os.fdopen(file, "rb") as content:
                content.seek(0)
                texts.append(content.read().decode())
        answers.write(json.dumps([os.waitstatus_to_exitcode(status), *texts]) + "\n")
        answers.flush()


def _become(command: list[str], path: str) -> NoReturn:
    """Goes on as `python COMMAND` does, to its end."""
    sys.path[0] = ""
    if path:
        sys.path[1:1] = path.split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join([path, os.environ["PYTHONPATH"]])
    if command[0] == "-m":
        sys.argv = command[1:]
        run = partial(runpy.run_module, command[1], alter_sys=True)
    else:
        sys.argv = command
        sys.path[0] = str(Path(command[0]).resolve().parent)
        run = partial(runpy.run_path, command[0])
    code = 0
    try:
        run(run_name="__main__")
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    # Without the second that taking down the interpreter takes.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    # All that a command may import: what is here already, it need not.
    for module in (
        "dlcourse.cli.sweep",
        "dlcourse.recording.figures",
        "dlcourse.recording.learnt",
        "matplotlib.pyplot",
        "tensorboard.compat.proto.event_pb2",
        "tensorboard.summary.writer.record_writer",
    ):
        importlib.import_module(module)
    # One command that composes and ends: what Hydra's parser has learnt of its grammar, and the schemas that were read,
    # are there in each fork.
    sys.argv, before = ["dlcourse", "++no_setting=0"], dict(os.environ)
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        importlib.import_module("dlcourse.cli.door").main()
    os.environ.clear()
    os.environ.update(before)
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
