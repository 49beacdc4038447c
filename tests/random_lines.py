"""Random command lines: whatever is typed, nobody sees a traceback.

    python tests/random_lines.py 1000 [SEED]

prints those lines that end in one, that hang, or that exit otherwise than with 0, 1 or 2; half a second each.
"""

import random
import shlex
import sys
import tempfile
from pathlib import Path

from imported import Imported

QUICK = ["num_steps=4", "log_every=2", "pictures=false", "hydra.launcher.num_workers=1"]
FLAGS = [
    "-m", "-m", "-m", "-m", "--multirun", "--cfg", "--cfg=job", "--cfg=hydra", "--resolve", "--help", "--hydra-help",
    "--version", "--info", "--info=defaults", "--run", "--package=task", "--config-dir=.", "--config-dir=nowhere",
    "--config-name=config", "--config-name=nothing", "--config-path=.", "-x", "--shell-completion",
]  # fmt: skip
KEYS = [
    "task", "model", "optimizer", "experiment", "schema", "seed", "num_steps", "batch_size", "log_every", "dtype",
    "device", "name", "outputs", "force", "plan", "only", "pictures", "count_pieces", "keep_weights", "events",
    "checkpoint_seconds",
    "model.depth", "model.width", "model.widths", "model.activation", "model.initialization", "model.skip",
    "model.dept",
    "optimizer.rate", "optimizer.schedule", "optimizer.momentum", "optimizer.lr", "optimizer.beta1", "task.num_folds",
    "task.num_train", "task.noise", "task.fresh", "task.num_bits", "task.posed_as", "task.nothing", "num_draws",
    "hydra", "hydra/launcher", "hydra/sweeper", "hydra/job_logging", "hydra.launcher", "hydra.launcher.num_workers",
    "hydra.launcher.backend", "hydra.launcher._target_", "hydra.sweeper.params", "hydra.sweeper.max_batch_size",
    "hydra.job.chdir", "hydra.job.name", "hydra.callbacks", "hydra.run.dir", "hydra.verbose", "hydra.nothing", "x.y",
]  # fmt: skip
VALUES = [
    "0", "1", "2", "3", "-1", "1.5", "1e3", "1e-3", "1e400", "nan", "inf", "-inf", "true", "false", "null", "", "''",
    '""', "relu", "tanh", "zigzag", "moons", "parity", "adam", "sgd", "momentum", "mlp", "digits", "first_gradient",
    "parity_threshold", "basic", "stack", "joblib", "float64", "float16", "cpu", "cuda", "cosine", "failed", "größe",
    "'größe'", "[]", "[1]", "[1,2]", "[[1,2]]", "[null]", "[zigzag]", "{}", "{a:1}", "{depth:1}", "{depth:{a:1}}",
    "0,1", "1,2,3", "zigzag,moons", "relu,tanh", "[2],[3,3]", "range(2)", "range(0)", "range(1,5,0)", "range(3,1)",
    "choice(1,2)", "choice()", "interval(0,1)", "glob(*)", "glob(x*)", "sort(3,1)", "shuffle(1,2)", "int(1.5)", "run",
    "str(1)", "${seed}", "${name}", "${nothing}", "${hydra:job.num}", "${hydra:x}", "${oc.env:NOPE}", "${", "}", "@",
    "${dlcourse_choices:x}", "a b", "'a b'", "a/b", "..", ".", "/proc", "/dev/null", "~", "a=b", "=", "\\", "'", '"',
    "'x\ty'", "$(touch x)", "'$(touch x)'", "os.system", "1" * 40, "9" * 5000, "x" * 300, "_", "é" * 130, "::", "%",
]  # fmt: skip


def random_line(seed: int) -> list[str]:
    """A command line: a few flags, a few overrides, each of any form with any value."""
    draw = random.Random(seed)
    flags = draw.sample(FLAGS, draw.choice([0, 0, 1, 1, 1, 2]))
    overrides = []
    for _ in range(draw.choice([0, 1, 1, 2, 2, 3, 4])):
        sign = draw.choice(["", "", "", "", "", "+", "++", "~"])
        key, value = draw.choice(KEYS), draw.choice(VALUES)
        # Most lines mean something, up to one place.
        overrides.append(f"{sign}{key}" if draw.random() < 0.05 else f"{sign}{key}={value}")
    # A whole experiment would take minutes.
    is_experiment = any("experiment" in override for override in overrides)
    return [*flags, *(["plan=true"] if is_experiment else QUICK), *overrides]


def main() -> None:
    """Tries as many lines as asked."""
    num, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    codes: dict[int, int] = {}
    bad = 0
    with Imported() as imported, tempfile.TemporaryDirectory() as outside:
        folder = Path(outside, "inside", "here")  # some of the lines write to the folder above
        folder.mkdir(parents=True)
        for seed in range(first, first + num):
            line = random_line(seed)
            done = imported.run(["-m", "dlcourse", *line], folder)
            codes[done.returncode] = codes.get(done.returncode, 0) + 1
            if "Traceback" in done.stdout + done.stderr or done.returncode not in (0, 1, 2):
                bad += 1
                print(f"seed {seed}, exit code {done.returncode}: dlcourse {shlex.join(line)[:400]}")
                print("\n".join(done.stderr.splitlines()[-3:]), flush=True)
    print(f"{num} lines from seed {first} on: {bad} with a traceback or another exit code; codes {codes}")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
