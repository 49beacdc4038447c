"""What `dlcourse --help` says of what there is to choose and to set: from the choices and the docstrings."""

import ast
import dataclasses
import inspect
import re
import textwrap
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from dlcourse.cli.choices import CONFIGS
from dlcourse.cli.schemas import path_of, schema
from dlcourse.cli.source import Known

TEXT = """\
dlcourse trains shallow and deep networks, counts their linear pieces and lays depth against width in TensorBoard.

  dlcourse task=zigzag model.depth=3 model.width=8      one run, into outputs/zigzag/<run>
  dlcourse -m model.depth=1,2,3 seed='range(5)'         a sweep; runs of one architecture train side by side
  dlcourse -m experiment=depth_vs_width_zigzag          a sweep that has a name
  tensorboard --logdir outputs                          to look at all of it

What to choose from (group=choice)
  task          {task}
  model         {model}
  optimizer     {optimizer}
  experiment    {experiment}
  and, with settings of their own and no training run,
  experiment    {experiment_of_measurements}

What to set (key=value)
  model.depth, model.width          hidden layers, units in each; or model.widths=[16,8] for one width a layer
  model.max_parameters              instead of width: the largest network of that depth with no more parameters
  model.activation                  relu | leaky_relu | sigmoid | tanh
  model.initialization              torch | he | xavier | truncated
  model.skip=true                   hidden layers add their input to their output, where both have one size
  optimizer.rate                    and optimizer.schedule = constant | inverse | cosine
  num_steps, batch_size             updates, data items in each (null: all of them)
  seed                              source of all random numbers
  dtype, device                     float32 | float64, cpu | cuda | auto
  compile                           compile the training step first (torch.compile)
  log_every, count_pieces, pictures what is recorded
  keep_weights                      keep the weights of at most 50 logged points, for a film of the training
  events=false                      no event file: TensorBoard shows the run in its tab "Depth x width" only
  name, outputs                     results go to <outputs>/<name>/<run>
  force=true                        runs a finished run again
  plan=true                         says what the command would do, and does nothing
  only=failed                       does only those jobs of a sweep that have failed
  compare.tune                      what a comparison tunes on half of the seeds: [optimizer.rate,model.initialization]
  compare.pilots=4                  trains 4 seeds at all settings first, the others at the compare.candidates=2 best
{details}
The same configuration always has the same folder, and a finished run is not run again.
Here is all of it, with the values of this command line:

$CONFIG
"""


def template(_root_: DictConfig) -> str:
    """All of `--help`; Hydra puts the configuration in the place of `$CONFIG`.

    It is no text of the configuration, with interpolations: OmegaConf's parser would take a tenth of a second for it.
    """
    groups = ("task", "model", "optimizer", "experiment", "experiment_of_measurements")
    return TEXT.format(details=details(_root_), **{group: listed(group) for group in groups})


def listed(group: str) -> str:
    """The choices of a group for `--help`, in lines that fit below each other.

    Experiments that choose a schema are measurements.
    """
    files = sorted((CONFIGS / group.removesuffix("_of_measurements")).glob("*.yaml"))
    choices = Known().choices
    if group in ("experiment", "experiment_of_measurements"):
        measuring = {path.stem for path in files if "override /schema" in path.read_text(encoding="utf-8")}
        training = {path.stem for path in files} - measuring
        names = sorted(training if group == "experiment" else measuring | set(choices.names("measurement")))
    else:
        names = sorted({*choices.names(group), *(path.stem for path in files)})
    return textwrap.fill(" ".join(names), 100, break_on_hyphens=False).replace("\n", "\n" + " " * 16)


def details(_root_: DictConfig) -> str:
    """For `--help`: the settings of what this command line chooses, from its docstring, and what it sweeps over."""
    lines: list[str] = []
    for where in ("task", "model", "optimizer", ""):
        kind = OmegaConf.get_type(_root_.get(where) if where else _root_)
        if kind is None or not dataclasses.is_dataclass(kind) or kind is schema("dlcourse.jobs.config", "RunConfig"):
            continue
        name = getattr(kind, "name", "") if where else getattr(kind, "kind", "")
        lines += ["", f"What can be set of {where or 'experiment'}={name}"]
        for field, text in explained(kind).items():
            key = f"{where}.{field}" if where else field
            lines += textwrap.wrap(f"{key:<33} {text}", 110, initial_indent=" " * 2, subsequent_indent=" " * 36)
    swept = _root_.hydra.sweeper.get("params")
    if swept:
        lines += ["", f"What experiment={_root_.hydra.runtime.choices.get('experiment')} sweeps over (with -m)"]
        lines += [f"  {key:<33} {value}" for key, value in swept.items()]
    return "\n".join(lines)


def explained(kind: type) -> dict[str, str]:
    """What the docstrings of a dataclass and its parents say of its fields, the most particular first."""
    found: dict[str, str] = {}
    names = [field.name for field in dataclasses.fields(kind)]
    for parent in kind.__mro__:
        text = docstring(_file(parent), parent.__name__) if dataclasses.is_dataclass(parent) else ""
        # Google's style: "name: What it is.", indented under "Attributes:" or "Args:", going on with more indentation.
        for name, words in re.findall(r"^    (\w+): (.*(?:\n {5,}\S.*)*)", text, re.MULTILINE):
            if name in names:
                found.setdefault(name, " ".join(words.split()))
    return {name: found.get(name, "") for name in names}


def _file(kind: type) -> Path:
    """The file that defines a class, or the one that a schema stands for, whose module may not be imported."""
    if kind.__module__.startswith("dlcourse."):
        return path_of(kind.__module__)
    return Path(inspect.getfile(kind))


def docstring(path: Path, name: str) -> str:
    """The docstring of a class, read from the source, so that its module need not be imported for it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return ast.get_docstring(node) or ""
    return ""
