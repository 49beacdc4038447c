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
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Self

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
        process = self.start(command, folder, path)
        code = self._ask("wait", process.pid)
        return subprocess.CompletedProcess(list(command), code, *process.said())

    def start(self, command: Sequence[str], folder: Path, path: str = "") -> "Started":
        """The same, without waiting for its end: a process with a group of its own, to which signals can be sent."""
        return Started(self._ask, int(self._ask("start", list(command), str(folder), path)))

    def _ask(self, *request: Any) -> Any:
        """Has the process do something, and gives its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@dataclass(frozen=True)
class Started:
    """A command that is being run.

    Attributes:
        pid: Its process, and the group of all that it starts.
    """

    _ask: Callable[..., Any]
    pid: int

    def poll(self) -> int | None:
        """The exit code, that of a signal being negative; None before its end."""
        code: int | None = self._ask("poll", self.pid)
        return code

    def wait(self, timeout: float) -> int:
        """The exit code, when it is there; it must be after so many seconds."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            assert time.monotonic() < deadline, f"it has not ended after {timeout} seconds"
            time.sleep(0.005)
        return code

    def said(self) -> tuple[str, str]:
        """What is on stdout and stderr by now; after its end this can be asked once."""
        out, err = self._ask("said", self.pid)
        return out, err


def _serve() -> None:
    """Answers the requests on stdin: starts processes and tells of their ends and of what they said."""
    answers = os.fdopen(os.dup(1), "w")
    said: dict[int, list[int]] = {}
    codes: dict[int, int] = {}
    for line in sys.stdin:
        request, *arguments = json.loads(line)
        answer: Any
        if request == "start":
            files = [os.memfd_create(name) for name in ("out", "err")]
            answer = _start(*arguments, files)
            said[answer] = files
        elif request == "said":
            (process,) = arguments
            answer = [_content(file) for file in said[process]]
            if process in codes:
                for file in said.pop(process):
                    os.close(file)
        else:
            (process,) = arguments
            if process not in codes:
                ended, status = os.waitpid(process, os.WNOHANG if request == "poll" else 0)
                if ended:
                    codes[process] = os.waitstatus_to_exitcode(status)
            answer = codes.get(process)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _start(command: list[str], folder: str, path: str, files: list[int]) -> int:
    """Forks a process that becomes a command and writes into the files."""
    if any(word.startswith("distributed.cli.") for word in command):
        importlib.import_module("distributed.cli.dask_worker")
        importlib.import_module("distributed.cli.dask_scheduler")
    if "hydra/sweeper=optuna" in command:
        importlib.import_module("optuna")  # four seconds, which the other commands need not wait for
    if child := os.fork():
        return child
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what began in the background is deaf to Ctrl-C
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, file in enumerate(files, start=1):
        os.dup2(file, descriptor)
    os.chdir(folder)
    signal.alarm(300)  # no command of a test takes longer
    _become(command, path)


def _content(file: int) -> str:
    """What was written into a file that is open."""
    return os.pread(file, os.fstat(file).st_size, 0).decode()


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
    os.fsync = lambda _: None  # as in conftest.py
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
    # A sweep makes its figures, but leaves them white: to draw them takes as long as all the rest, and is what tests of
    # figures do, and those of sweeps in tests/test_cli.py.
    figures = importlib.import_module("dlcourse.recording.figures")
    white = figures.to_png(figures.Figure(figsize=(1, 1)), width=10)
    figures.to_png = lambda figure, **_: white
    # One command that composes and ends: what Hydra's parser has learnt of its grammar, and the schemas that were read,
    # are there in each fork.
    sys.argv, before = ["dlcourse", "++no_setting=0"], dict(os.environ)
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        importlib.import_module("dlcourse.cli.door").main()
    os.environ.clear()
    os.environ.update(before)
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
