"""The house: a floor imports only floors strictly below it; no circle anywhere, imports inside functions counted."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import dlcourse

PACKAGE = Path(dlcourse.__file__).parent

# From the ground up. A file or folder imports only from lines above its own here, and a folder from itself.
FLOORS = [
    ["streams", "losses", "checks", "outside", "palette"],
    ["networks"],
    ["layerwise", "tasks", "circuits"],
    ["training", "pieces"],
    ["recording", "lecture"],
    ["job"],
    ["measurements"],
    ["jobs"],
    ["tensorboard_tab"],
    ["report"],
    ["cli"],
    ["__main__"],
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

# The same inside of `pieces/`. Nothing below the counters knows them: neither how numbers are computed nor how modules
# are read nor what is drawn. A box takes lines and planes for its sections.
PIECES_FLOORS = [
    ["bounds", "errors", "layer", "memory", "plotting", "points", "progress"],
    ["arithmetic", "decisions"],
    ["reading", "regions"],
    ["line", "plane"],
    ["box"],
    ["sample", "shallow"],
]
PIECES_FLOOR = {name: number for number, names in enumerate(PIECES_FLOORS) for name in names}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"  # the front door, through which no room goes
}


def room(module: str) -> str:
    return module.split(".")[0]


@functools.cache
def imports(module: str) -> set[str]:
    """What a file imports of dlcourse, wherever in the file, and as a string for `import_module`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {name.removeprefix("dlcourse.") for name in found if name.startswith("dlcourse.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in inside} - {module, ""}


def circles(graph: dict[str, set[str]]) -> set[str]:
    """What can be reached from itself."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += graph.get(module, ())
        return seen

    return {module for module in graph if module in reached(module)}


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_strictly_downwards(module: str) -> None:
    for imported in imports(module):
        if room(imported) != room(module):
            assert FLOOR[room(imported)] < FLOOR[room(module)], f"{module} imports {imported}"


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("pieces.")])
def test_imports_inside_of_pieces_go_strictly_downwards(module: str) -> None:
    own = module.split(".")[1]
    for imported in imports(module):
        if room(imported) == "pieces":
            assert imported != "pieces", f"{module} imports its own package"
            other = imported.split(".")[1]
            assert other == own or PIECES_FLOOR[other] < PIECES_FLOOR[own], f"{module} imports {imported}"


def test_no_file_is_in_a_circle() -> None:
    # A package's `__init__` re-exports its files, which therefore name each other and not the package.
    files = {module: {name for name in imports(module) if name in FILES} for module in FILES}
    assert circles(files) == set()


FILES = {module for module, path in MODULES.items() if path.name != "__init__.py"}


def test_no_file_imports_its_own_package() -> None:
    for module in FILES:
        assert module.rpartition(".")[0] not in imports(module), module


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"b", "c"}


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("dlcourse.cli.results", ("hydra", "omegaconf", "torch", "matplotlib", "pandas")),
        ("dlcourse.cli.report", ("hydra", "omegaconf", "torch", "matplotlib", "pandas", "plotly")),
        ("dlcourse.report.document", ("hydra", "omegaconf", "torch", "matplotlib", "pandas", "plotly")),
        ("dlcourse.cli.figures", ("hydra", "omegaconf", "torch", "matplotlib", "pandas")),
        (
            "dlcourse.tensorboard_tab.page, dlcourse.tensorboard_tab.detail",
            ("hydra", "omegaconf", "torch", "matplotlib", "pandas", "plotly"),
        ),
        ("dlcourse", ("torch", "numpy")),
    ],
)
def test_what_is_imported_needs_no_more_than_it_should(modules: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys, {modules}; print(*(name for name in {unwanted} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_rooms_are_there_after_import_dlcourse_and_only_the_door_needs_hydra() -> None:
    code = (
        "import sys, dlcourse; "
        "print(dlcourse.pieces.bounds.serra_upper(1, [3, 3]), dlcourse.tasks.ZigZag.name, dlcourse.training.Adam.name, "
        "dlcourse.networks.MLP.__name__, dlcourse.circuits.parity_tree.__name__, dlcourse.layerwise.explain.__name__, "
        "dlcourse.lecture.pictures.__name__); "
        "import dlcourse.jobs.runs, dlcourse.jobs.measure, dlcourse.cli.results, dlcourse.cli.sweep; "
        "print(*(name for name in ('hydra', 'omegaconf') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["16", "zigzag", "adam", "MLP", "parity_tree", "explain", "pictures"]
    with pytest.raises(AttributeError, match="dlcourse has no attribute 'nothing'"):
        dlcourse.nothing  # noqa: B018
