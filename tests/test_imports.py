"""The house: a floor imports only floors below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dlcourse

PACKAGE = Path(dlcourse.__file__).parent

# From the ground up; what stands on one line may import each other only within a room.
FLOORS = [
    ["streams", "flat", "losses", "networks"],
    ["layerwise", "tasks", "circuits"],
    ["training", "pieces"],
    ["recording"],
    ["job", "workers", "config", "checkpoints", "run_stack", "runs", "measurements", "measure", "results"],
    ["cli", "__main__"],
]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    if path.name == "__init__.py" and path.parent == PACKAGE:
        return
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "dlcourse":
            named = node.module.split(".")[1:2] or [alias.name for alias in node.names]
            for name in named:
                assert floor[name] <= floor[room(path)], f"{path.name} imports {name}"


def test_the_library_imports_no_hydra() -> None:
    code = (
        "import sys, dlcourse.jobs.runs, dlcourse.jobs.measure, dlcourse.cli.results; "
        "sys.exit(any(m in sys.modules for m in ('hydra', 'omegaconf')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=False).returncode == 0
