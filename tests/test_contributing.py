"""CONTRIBUTING says what a new task, network, optimizer, measurement and activation take: here they are added."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from imported import Imported

from dlcourse.cli.door import CONFIGS

REPOSITORY = CONFIGS.parent

FILES = {
    "tasks/absolute.py": '''"""The absolute value."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from dlcourse.tasks.curve import Curve


@dataclass(kw_only=True)
class Absolute(Curve):
    """y = |x| on [-1, 1]."""

    name: ClassVar[str] = "absolute"
    low: ClassVar[float] = -1.0
    high: ClassVar[float] = 1.0
    num_pieces: ClassVar[int] = 2

    def target(self, x: Tensor) -> Tensor:
        return x.abs()
''',
    "networks/maxout.py": '''"""Maxout: the larger of two affine functions."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from dlcourse.networks.model import Model


class Pairs(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, 2)).amax(-1)


@dataclass(kw_only=True)
class Maxout(Model):
    name: ClassVar[str] = "maxout"

    depth: int = 1
    width: int = 3

    def network(self, in_features: int, out_features: int) -> nn.Module:
        return nn.Sequential(nn.Linear(in_features, 2 * self.width), Pairs(), nn.Linear(self.width, out_features))
''',
    "measurements/heads.py": '''"""Coins."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.streams import stream


@dataclass(kw_only=True)
class Heads(Measurement):
    """How many of some coins show heads."""

    kind: ClassVar[str] = "heads"

    num_coins: int = 10

    def measure(self) -> Row:
        return {"num_heads": int(torch.randint(2, (self.num_coins,), generator=stream(0, "coins")).sum())}
''',
}
LINES = {
    "tasks/__init__.py": "from dlcourse.tasks.absolute import Absolute as Absolute\n",
    "networks/__init__.py": "from dlcourse.networks.maxout import Maxout as Maxout\n",
    "measurements/__init__.py": "from dlcourse.measurements.heads import Heads as Heads\n",
    "training/__init__.py": "from dlcourse.training.optimizers import SignDescent as SignDescent\n",
    "training/optimizers.py": """

@dataclass(kw_only=True)
class SignDescent(SGD):
    name: ClassVar[str] = "sign_descent"

    def update_(self, parameters, gradients, buffers, rates, step, factor):
        parameters.sub_(gradients.sign_().mul_(rates), alpha=factor)
""",
}
ENTRY = """    hard_tanh = Definition(
        name="hard_tanh",
        function=F.hardtanh,
        derivative=lambda h: (h.abs() < 1).to(h.dtype),
        latex=r"\\mathrm{hardtanh}",
    )
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with one of each added, as CONTRIBUTING says."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("dlcourse", "configs", "hydra_plugins"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, content in FILES.items():
        (folder / "dlcourse" / name).write_text(content)
    for name, line in LINES.items():
        with (folder / "dlcourse" / name).open("a") as file:
            file.write(line)
    activations = folder / "dlcourse" / "networks" / "activations.py"
    before, after = activations.read_text().split("    sigmoid = Definition(", 1)
    activations.write_text(f"{before}{ENTRY}    sigmoid = Definition({after}")
    return folder


@pytest.fixture(scope="module")
def run(copy: Path) -> Iterator[Callable[..., str]]:
    """Runs a script, or `-m dlcourse`, in the copy and with its package; gives what it said."""
    with Imported(copy) as imported:

        def command(*arguments: str) -> str:
            done = imported.run(arguments, copy)
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield command


@pytest.mark.slow
def test_one_of_each_is_added_and_used(copy: Path, run: Callable[..., str]) -> None:
    short = ("num_steps=20", "log_every=10", "pictures=false")
    chosen = ("task=absolute", "model=mlp,maxout", "optimizer=sign_descent")
    run("-m", "dlcourse", "-m", *chosen, *short)
    run("-m", "dlcourse", "task=absolute", "model.activation=hard_tanh", *short)
    contents = [json.loads(path.read_text()) for path in copy.glob("outputs/absolute/*/metrics.json")]
    found = {(c["config"].get("model.name"), c["config"].get("model.activation")) for c in contents}
    assert found == {(None, "relu"), ("maxout", None), (None, "hard_tanh")}
    assert all(content["task"]["num_pieces"] == 2 for content in contents)
    # They are of dlcourse now: no origin is needed to tell them apart.
    assert not any(key.endswith(".source") for content in contents for key in content["config"])
    assert "num_heads" in run("-m", "dlcourse", "experiment=heads", "num_coins=3")
    assert "heads" in run("-m", "dlcourse", "--help")


@pytest.mark.slow
def test_a_new_activation_is_explained_and_agrees_with_autograd(copy: Path, run: Callable[..., str]) -> None:
    code = """
import torch
from dlcourse.layerwise import explain
from dlcourse.networks import MLP

network = MLP(2, 1, width=3, depth=2, activation="hard_tanh", generator=torch.Generator().manual_seed(0)).double()
x, y = torch.tensor([0.7, -2.0]).double(), torch.tensor([1.0]).double()
explanation = explain(network, x, y)
(network(x) - y).square().sum().backward()
assert all(torch.allclose(explanation.gradients[n], p.grad, rtol=1e-12) for n, p in network.named_parameters())
assert r"\\mathrm{hardtanh}" in explanation.latex()
print("agrees")
"""
    (copy / "agrees.py").write_text(code)
    assert run("agrees.py").strip() == "agrees"
