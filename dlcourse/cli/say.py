"""All that the command line prints."""

import importlib.metadata
import re
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import dlcourse
from dlcourse.job import Job
from dlcourse.jobs.progress import in_minutes

# What is said of results imports `recording` when it is said: `--help` says nothing of them.
if TYPE_CHECKING:
    from dlcourse.jobs.config import RunConfig
    from dlcourse.recording import Result


def program() -> str:
    """How commands begin: by the program that was started, "dlcourse" or "python lab.py", and where it finds files."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py" and started.parent.name == "dlcourse":
        words = ["python", "-m", "dlcourse"]
    elif started.suffix == ".py":
        words = ["python", sys.argv[0]]
    else:
        words = [started.name]
    for option, value in pairwise([*sys.argv[1:], ""]):
        name, equals, _ = option.partition("=")
        if name in _WHERE_FILES_ARE:
            words += [option] if equals else [option, value]
    return shlex.join(words)


_WHERE_FILES_ARE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn")


def complaint(*lines: str) -> int:
    """Says what was wrong; the exit code for it."""
    # Hydra's advice for a key that there is not is to add it; here it would have no effect.
    text = re.sub(r"\nTo append to your config use \+.*", "", "\n".join(lines))
    print(f"dlcourse: {text}", file=sys.stderr)
    return 2


def version() -> None:
    """The versions that matter."""
    print(f"dlcourse {dlcourse.__version__} (Hydra {importlib.metadata.version('hydra-core')})")


def interrupted() -> None:
    """Says that nothing is lost."""
    print("\ninterrupted; what was finished is valid, and the same command goes on from there", file=sys.stderr)


def finished_already(num_finished: int, num: int, kind: str) -> None:
    """Says how many jobs of a sweep need not be done."""
    if num_finished:
        verb = "is" if num_finished == 1 else "are"
        print(f"{num_finished} of {num} {kind} {verb} finished already (force=true does them again)")


def left_out(num: int, num_all: int, pilot: "RunConfig") -> None:
    """Says how many runs of a sweep the pilots have made needless."""
    kept = f"{pilot.compare.candidates} best of {pilot.compare.pilots} pilots"
    print(f"{num} of {num_all} runs are left out: their settings are not the {kept} ({pilot.folder.parent})")


def alone_finished_already(kind: str, verb: str) -> None:
    """Says that one job need not be done."""
    print(f"this {kind} is finished already (force=true {verb} it again)")


def run(config: "RunConfig", result: "Result") -> None:
    """What came of one run."""
    from dlcourse.recording.over_seeds import in_words

    metric = config.task.metric
    said = [f"{in_words(metric)} {result.metrics[metric]:.4g}"]
    if "num_pieces" in result.metrics:
        said.append(
            f"{(num := result.metrics['num_pieces']):g} linear piece{'s' * (num != 1)} on {config.task.pieces_domain}"
        )
    said.append(f"{result.metrics['num_parameters']:g} parameters")
    if result.diverged_at is not None:
        said.append(f"diverged at step {result.diverged_at}")
    # The hash at the end of a run's name is enough to find it.
    address = _tensorboard(config.folder.parent, run=config.run_name[-10:])
    print(f"{', '.join(said)}\nin {config.folder}; to look at it:\n{address}")


def measurement(folder: Path, result: "Result") -> None:
    """What came of one measurement."""
    size = max(map(len, result.metrics))
    for name, value in result.metrics.items():
        print(f"{name:<{size}}  {value:.6g}" if isinstance(value, float) else f"{name:<{size}}  {value}")
    print(f"in {folder}")


def comparison(folder: Path, results: "Sequence[Result]", tune: Sequence[str]) -> None:
    """The table of depth against width, one for each task, and where there is more to see."""
    from dlcourse.recording import by_task, depth_width_table

    tasks = by_task(results)
    if not tasks:  # all have failed, which has been said; a table or a tab would be empty
        print("no finished runs to compare; the same command does them again", flush=True)
        return
    for name, of_task in tasks.items():
        if len(tasks) > 1:
            print(f"{name}:")
        facts = of_task[0].task
        assert facts is not None  # only measurements have none
        print(depth_width_table(of_task, facts.metric, tune), end="\n\n")
    print(f"in {folder} (results.csv, comparison/); to look at it:\n{_tensorboard(folder)}", flush=True)


def large_batches(batch_size: int, num_items: int) -> None:
    """Notes that batches hold some items more than once."""
    print(f"batch_size={batch_size} of {num_items} training items: a batch has items several times", file=sys.stderr)


def no_comparison() -> None:
    """How to lay out the runs of other launchers than `stack`, each of which is on its own."""
    print("to lay these runs out by depth and width: dlcourse-results outputs/NAME --compare")


def best_trial(metric: str, value: float, overrides: Sequence[str], folder: Path, num: int) -> None:
    """The best of the trials of a search."""
    from dlcourse.recording.over_seeds import in_words

    print(f"best of {num} trials: {in_words(metric)} {value:.4g} with {' '.join(overrides)}")
    print(f"in {folder} (kept in {folder.parent / 'best_trial.yaml'})")


def plan(num: int, num_finished: int) -> None:
    """How many jobs a command has, and how many of them are to be done."""
    print(f"{num} jobs: {num_finished} finished, {num - num_finished} to do")


def plan_of_pilots(folder: Path) -> None:
    """Heads the plan of what comes before a sweep."""
    print(f"first the pilots ({folder}):")


def nothing_was_done() -> None:
    """Says that this was a plan."""
    print("nothing was done (plan=true)")


def plan_of_measurements(num: int, num_workers: int) -> None:
    """What is known of measurements before they are made."""
    print(f"  {num} measurements on {_processes(num_workers)}; how long they take is not known")


def plan_of_runs(
    num: int, *, num_stacks: int, num_workers: int, seconds: float, num_bytes: int, num_bytes_on_disk: int
) -> None:
    """What runs will take, roughly."""
    print(f"  {num} runs in {num_stacks} stacks on {_processes(num_workers)}")
    room = f"about {_size(num_bytes)} of memory, {_size(num_bytes_on_disk)} on disk"
    print(f"  at least {in_minutes(seconds)} of training, {room}")


def _processes(num: int) -> str:
    """So many processes."""
    return "1 process" if num == 1 else f"{num} processes"


def _size(num_bytes: int) -> str:
    """A size for people: "40 MB", "1.5 GB"."""
    return f"{num_bytes / 1e6:.2g} MB" if num_bytes < 1e9 else f"{num_bytes / 1e9:.2g} GB"


def rows(num: int, table: Path) -> None:
    """Where the rows of a sweep of measurements are."""
    print(f"{num} rows in {table}")


def reports(job: Job) -> None:
    """How to make the tables and figures of a sweep, where a report lies here that is made from it."""
    for report in sorted(Path().glob("experiments/*/report.py")):
        if re.search(rf"experiment={re.escape(str(job.name))}\b", report.read_text(encoding="utf-8", errors="replace")):
            print(f"its tables and figures: python {report}")


def failure(reason: str, command: str | None = None) -> None:
    """Why a job failed, and the command that does it again."""
    print(f"failed: {reason}" if command is None else f"failed: {reason}\n  {command}", file=sys.stderr)


def _tensorboard(folder: Path, run: str | None = None) -> str:
    """The command that shows the results, and the address of its tab "Depth x width", where they or one run are."""
    shown = "" if run is None else f"&p.depth_width.run={run}"
    return f"  tensorboard --logdir {shlex.quote(str(folder))}\n  http://localhost:6006/#depth_width{shown}"
