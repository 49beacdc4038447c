"""Schemas read from the source are those of the classes themselves; no command imports torch before it has a job."""

import dataclasses
import enum
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
from omegaconf import MISSING, OmegaConf

from dlcourse.cli import schemas
from dlcourse.cli.choices import KINDS, Choices
from dlcourse.jobs.config import Compare, Device, RunConfig
from dlcourse.networks import Activation, MLPModel, Precision
from dlcourse.tasks import Parity, ZigZag
from dlcourse.tasks.parity import Encoding, PosedAs
from dlcourse.training import Adam, Schedule

OURS = Choices()
CHOICES = [(what, name) for what in KINDS for name in OURS.names(what)]


@pytest.mark.parametrize("what", KINDS)
def test_choices_are_the_classes_of_the_room_that_are_not_abstract(what: str) -> None:
    room, parent, attribute = KINDS[what]
    exported = [kind for kind in vars(import_module(room)).values() if isinstance(kind, type)]
    children = [kind for kind in exported if issubclass(kind, getattr(import_module(room), parent))]
    concrete = {getattr(kind, attribute): kind for kind in children if not inspect.isabstract(kind)}
    assert concrete
    assert {name: OURS.load(what, name) for name in OURS.names(what)} == concrete


def in_words(kind: Any) -> str:
    """A field's type; an enum is what it is called and has for members, be it of a class or of a schema."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return f"{kind.__qualname__}{list(kind.__members__)}"
    return f"{getattr(kind, '__name__', kind)}{list(map(in_words, get_args(kind)))}"


@pytest.mark.parametrize(("what", "name"), [*CHOICES, ("schema", "run")])
def test_a_schema_has_the_fields_and_defaults_of_its_class(what: str, name: str) -> None:
    if what == "schema":
        schema, kind = schemas.schema("dlcourse.jobs.config", "RunConfig"), RunConfig
    else:
        schema, kind = OURS.schema(what, name), OURS.load(what, name)
    assert schema is not kind
    assert (schema.__module__, schema.__qualname__) == (kind.__module__, kind.__qualname__)
    assert schemas.real(schema) is kind
    composed = [OmegaConf.structured(each) for each in (schema, kind)]
    if what == "schema":
        for config in composed:
            config.model = MISSING  # as it is when something is chosen
    assert OmegaConf.to_yaml(composed[0]) == OmegaConf.to_yaml(composed[1])  # keys, order, defaults, and what has none
    own, its = ({each.name: each.type for each in dataclasses.fields(each)} for each in (schema, kind))
    for field in ("task", "model", "optimizer") if what == "schema" else ():  # children of other packages fit, too
        assert own.pop(field) is Any
        assert inspect.isabstract(its.pop(field))
    own.pop("compare", None)  # a dataclass of its own, seen in the lines above
    assert {field: in_words(each) for field, each in own.items()} == {field: in_words(its[field]) for field in own}


def test_what_is_made_of_schemas_is_made_of_the_classes() -> None:
    run = schemas.schema("dlcourse.jobs.config", "RunConfig")
    parity, mlp, adam = (OURS.schema(*each) for each in (("task", "parity"), ("model", "mlp"), ("optimizer", "adam")))
    encoding = schemas.schema("dlcourse.tasks", "Encoding").plus_minus
    schedule = schemas.schema("dlcourse.training", "Schedule").cosine
    composed = run(
        task=parity(num_bits=3, encoding=encoding), model=mlp(widths=[3, 4]), optimizer=adam(schedule=schedule), seed=5
    )
    job = schemas.real(composed)
    assert job == RunConfig(
        task=Parity(num_bits=3, encoding=Encoding.plus_minus), model=MLPModel(widths=[3, 4]),
        optimizer=Adam(schedule=Schedule.cosine), seed=5,
    )  # fmt: skip
    types = [type(each) for each in (job.task.encoding, job.task.posed_as, job.model.activation, job.dtype, job.device)]
    assert types == [Encoding, PosedAs, Activation, Precision, Device]
    assert (type(job.compare), type(job.optimizer.schedule)) == (Compare, Schedule)
    with pytest.raises(ValueError, match="num_bits must be between 1 and 1000, got 0"):
        schemas.real(parity(num_bits=0))


@dataclasses.dataclass(kw_only=True)
class Elsewhere(ZigZag):
    """A child that does not belong to dlcourse."""

    num_folds: int = 2


def test_what_is_of_no_schema_stays_as_it_is() -> None:
    for value in (Elsewhere(), ZigZag(), [3], None, Schedule.cosine):
        assert schemas.real(value) is value
    assert schemas.real(Elsewhere) is Elsewhere
    assert schemas.real(ZigZag) is ZigZag


PARTS = '''"""What a class can be made of."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from dlcourse.checks import check_whole
from dlcourse.tasks import Encoding as Code, ZigZag

SIZES = [4, 8]


def doubled() -> list[int]:
    return [2 * size for size in SIZES]


@dataclass(kw_only=True)
class Mixed(ZigZag):
    kind: ClassVar[str] = "mixed"

    angle: float = 2 * math.pi
    code: Code = Code.plus_minus
    sizes: list[int] = field(default_factory=doubled)
    more: list[int] = field(default_factory=lambda: [*SIZES, 16])

    def target(self, x: Tensor) -> Tensor:
        return torch.relu(x)


@dataclass(kw_only=True)
class WithTensor:
    size: int = torch.zeros(3).numel()
'''


@pytest.mark.slow
def test_defaults_may_be_computed(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from dlcourse.cli import schemas

file = Path({str(tmp_path / "parts.py")!r})
path_of = schemas.path_of
schemas.path_of = lambda module: file if module == "dlcourse.parts" else path_of(module)
mixed = schemas.schema("dlcourse.parts", "Mixed")()
print(mixed.angle, mixed.code, mixed.sizes, mixed.more, mixed.num_folds)
print(hasattr(mixed, "target"), "torch" in sys.modules)
print(schemas.schema("dlcourse.parts", "WithTensor")().size)
"""
    (tmp_path / "parts.py").write_text(PARTS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "6.283185307179586 plus_minus [8, 16] [4, 8, 16] 3", "False False", "3"
    ]  # fmt: skip


WITHOUT_JOB = [
    (["--help"], "What can be set of task=zigzag"),
    (["-sc", "query=bash"], "model.depth="),
    (["model.dpth=3"], "allowed here: depth, width"),
    (["-m", "model.depth=1,2", "model.dpth=3"], "allowed here: depth, width"),
    (["++num_stepss=3"], "num_stepss is no setting"),
    (["task=zigzak"], "Could not find 'task/zigzak'"),
    (["experiment=digits"], "is a sweep of"),
    (["experiment=first_gradient", "num_bitss=3"], "allowed here: name"),
]


@pytest.mark.slow
def test_a_command_that_has_no_job_imports_no_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from dlcourse.cli import main

for line in {[line for line, _ in WITHOUT_JOB]}:
    sys.argv = ["dlcourse", *line]
    try:
        main()
    except SystemExit:
        pass
    for stream in (sys.stdout, sys.stderr):
        print("\\nIMPORTED", *sorted({{"torch", "numpy", "matplotlib", "pandas"}} & {{*sys.modules}}), file=stream)
"""
    environment = {"PYTHONPATH": str(schemas.PACKAGE.parent), "COMP_LINE": "dlcourse model.", "COMP_POINT": "15"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    parts = zip(*(text.split("\nIMPORTED\n") for text in (done.stdout, done.stderr)), strict=True)
    for (line, said), (out, err) in zip([*WITHOUT_JOB, ([], "")], parts, strict=True):
        assert said in out + err, (line, out, err)
