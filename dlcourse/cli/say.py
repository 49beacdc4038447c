"""All that the command line prints."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dlcourse.job import Job
from dlcourse.jobs.config import RunConfig
from dlcourse.recording import Result, depth_width_table
from dlcourse.recording.over_seeds import in_words


def program() -> str:
    """How commands begin: by the program that was started, "dlcourse" or "python lab.py"."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py" and started.parent.name == "dlcourse":
        return "python -m dlcourse"
    return f"python {shlex.quote(sys.argv[0])}" if started.suffix == ".py" else started.name


def complaint(*lines: str) -> int:
    """Says what was wrong; the exit code for it."""
    print("dlcourse: " + "\n".join(lines), file=sys.stderr)
    return 2


def interrupted() -> None:
    """Says that nothing is lost."""
    print("\ninterrupted; what was finished is valid, and the same command goes on from there", file=sys.stderr)


def finished_already(num_finished: int, num: int, kind: str) -> None:
    """Says how many jobs of a sweep need not be done."""
    if num_finished:
        print(f"{num_finished} of {num} {kind} are finished already (force=true does them again)")


def alone_finished_already(kind: str, verb: str) -> None:
    """Says that one job need not be done."""
    print(f"this {kind} is finished already (force=true {verb} it again)")


def run(config: RunConfig, result: Result) -> None:
    """What came of one run."""
    metric = config.task.metric
    said = [f"{in_words(metric)} {result.metrics[metric]:.4g}"]
    if "num_pieces" in result.metrics:
        said.append(f"{result.metrics['num_pieces']:g} linear pieces")
    said.append(f"{result.metrics['num_parameters']:g} parameters")
    if result.diverged_at is not None:
        said.append(f"diverged at step {result.diverged_at}")
    print(f"{', '.join(said)}\nin {config.folder}; to look at it:\n{_tensorboard(config.folder.parent)}")


def measurement(folder: Path, result: Result) -> None:
    """What came of one measurement."""
    size = max(map(len, result.metrics))
    for name, value in result.metrics.items():
        print(f"{name:<{size}}  {value:.6g}" if isinstance(value, float) else f"{name:<{size}}  {value}")
    print(f"in {folder}")


def comparison(folder: Path, results: Sequence[Result], metric: str) -> None:
    """The table of depth against width, and where there is more to see."""
    print(depth_width_table(results, metric))
    print(f"\nin {folder} (results.csv, comparison/); to look at it:\n{_tensorboard(folder)}")


def rows(num: int, table: Path) -> None:
    """Where the rows of a sweep of measurements are."""
    print(f"{num} rows in {table}")


def reports(job: Job) -> None:
    """How to make the tables and figures of a sweep, where a report lies here that is made from it."""
    for report in sorted(Path().glob("experiments/*/report.py")):
        if re.search(rf"experiment={re.escape(str(job.name))}\b", report.read_text(encoding="utf-8")):
            print(f"its tables and figures: python {report}")


def failure(reason: str, command: str | None = None) -> None:
    """Why a job failed, and the command that does it again."""
    print(f"failed: {reason}" if command is None else f"failed: {reason}\n  {command}", file=sys.stderr)


def _tensorboard(folder: Path) -> str:
    """The command that shows the results, and where, without TensorBoard's smoothing, which distorts short curves."""
    return f"  tensorboard --logdir {folder}\n  http://localhost:6006/#scalars&regexInput=comparison&_smoothingWeight=0"
