"""Notebooks: without outputs, and their cells run from the first to the last, as a notebook runs them."""

import ast
import json
import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

REPOSITORY = Path(__file__).parent.parent
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
DEPTH_AGAINST_WIDTH = REPOSITORY / "notebooks" / "depth_against_width.ipynb"


def cells(notebook: Path) -> list[dict[str, Any]]:
    return list(json.loads(notebook.read_text(encoding="utf-8"))["cells"])


def run(source: str, names: dict[str, Any]) -> object:
    """Runs a cell; what its last line comes to, if that is an expression: what a notebook would show."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_but_what_was_written_is_kept(notebook: Path) -> None:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert content["metadata"]["kernelspec"]["name"] == "python3", "the kernel that everybody has"
    identities = [cell["id"] for cell in content["cells"]]
    assert len({*identities}) == len(identities)
    for cell in content["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.slow
def test_depth_against_width_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    names: dict[str, Any] = {}
    shown = []
    for cell in cells(DEPTH_AGAINST_WIDTH):
        if cell["cell_type"] == "code":
            shown.append(run("".join(cell["source"]), names))

    # The sweep: 2 depths, 2 widths, 5 seeds, 2 rates, and its table.
    assert len(list(tmp_path.glob("outputs/notebook/*/metrics.json"))) == len(names["results"]) == 40
    assert "solved (about 90%)" in capsys.readouterr().out
    # The answer that the text promises: three layers of 16 units do much better than one.
    errors = names["best_rate"]
    assert errors[16][3] < 0.01 < errors[16][1]
    # What is shown: a table, and short lines for objects.
    lines = [repr(each) for each in shown if each is not None]
    assert sum(line.startswith(("LoadedRun(", "OnLine(", "Snapshot(")) and "\n" not in line for line in lines) == 3
    assert names["line"].num_pieces == names["run"].metrics["num_pieces"]
    assert list(names["num_pieces"]) == list(range(0, 2001, 200))
    assert list(names["num_pieces"].values())[-1] == names["line"].num_pieces
    # The pictures: error, function, pieces, regions.
    assert len(plt.get_fignums()) == 4
    plt.close("all")
