"""The plugin as TensorBoard loads and asks it."""

import ast
import importlib.metadata
import importlib.resources
import sys
import time
import tomllib
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sweeps import result, sweep, write_sweep
from werkzeug.test import Client, TestResponse

from dlcourse.recording import Result, read_result
from dlcourse.tensorboard_tab import folders, page

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of a package that TensorBoard brings along
    from tensorboard.backend import application
    from tensorboard.plugins.base_plugin import TBContext

    from dlcourse.tensorboard_tab import plugin as plugins
    from dlcourse.tensorboard_tab.plugin import DepthWidth

MAKE_READY = DepthWidth._make_ready
REPOSITORY = Path(__file__).parent.parent


def tab(folder: Path | str | None) -> DepthWidth:
    plugin = DepthWidth(TBContext(logdir=None if folder is None else str(folder)))
    plugin.beforehand.join()
    return plugin


def get(plugin: DepthWidth, route: str, headers: dict[str, str] | None = None, **query: str) -> TestResponse:
    return Client(plugin.get_plugin_apps()[route]).get(query_string=query, headers=headers)


@pytest.fixture(autouse=True)
def nothing_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of what is asked for, all but those that put `MAKE_READY` back, need not wait for a first screen."""
    monkeypatch.setattr(DepthWidth, "_make_ready", lambda plugin: None)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "log" / "swept", sweep())
    return tmp_path / "log"


def test_the_entry_point_is_the_plugin() -> None:
    content = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    (entry,) = content["project"]["entry-points"]["tensorboard_plugins"].values()
    module, _, name = entry.partition(":")
    assert getattr(import_module(module), name) is DepthWidth


def test_its_module_imports_the_standard_library_and_tensorboard_only() -> None:
    tree = ast.parse(Path(plugins.__file__).read_text())
    imported = [
        name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    ]
    others = {str(name).partition(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert others == {"tensorboard"}


def test_it_is_active_where_there_is_something_of_ours(tmp_path: Path, log: Path) -> None:
    assert tab(log).is_active()
    assert tab(log / "swept").is_active()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text('{"accuracy": 1}')
    assert not tab(tmp_path / "other").is_active()


def test_it_becomes_active_when_a_sweep_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tab(tmp_path)
    assert not plugin.is_active()
    write_sweep(tmp_path / "swept", [result(1, 4, 0, 0.5)])
    monkeypatch.setattr(plugins, "SECONDS_INACTIVE", 0)
    assert plugin.is_active()


@pytest.mark.parametrize("folder", [None, "", "/no/such/folder", "gs://bucket/logs"])
def test_a_log_folder_that_is_none_makes_an_inactive_tab_and_one_line(
    folder: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "SECONDS_INACTIVE", 0)
    plugin = tab(folder)
    assert not plugin.is_active() and not plugin.is_active()
    (line,) = capsys.readouterr().err.splitlines()
    assert "log folder" in line
    assert plugin.frontend_metadata().tab_name == "Depth × width"


@pytest.mark.parametrize("missing", ["plotly", "dlcourse.tensorboard_tab.folders", "dlcourse.recording"])
def test_a_fault_in_what_it_needs_makes_an_inactive_tab_and_one_line(
    missing: str, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [
        name for name in sys.modules if name == missing or name.startswith(("dlcourse.tensorboard_tab.f", missing))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # importing it fails
    assert not tab(log).is_active()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dlcourse: the tab Depth x width: ")


def test_tensorboard_serves_it_and_lists_it_as_active(log: Path) -> None:
    client = Client(application.TensorBoardWSGI([tab(log)]))
    listed = client.get("/data/plugins_listing").json["depth_width"]
    assert listed["enabled"] is True
    assert listed["tab_name"] == "Depth × width"
    entry = client.get("/data/plugin_entry.html", query_string={"name": "depth_width"})
    assert "./index.js" in entry.text
    assert client.get("/data/plugin/depth_width/page").json["title"] == "swept"


def test_answers_have_the_right_headers(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {
        "/index.js": "text/javascript", "/style.css": "text/css", "/plotly.js": "text/javascript",
        "/page": "application/json", "/detail": "application/json", "/film": "application/json",
        "/film.js": "text/javascript",
    }  # fmt: skip
    plugin = tab(log)
    assert set(plugin.get_plugin_apps()) == set(kinds)
    for route, kind in kinds.items():
        response = get(plugin, route)
        assert response.headers["Content-Type"].startswith(kind), route
        assert response.headers["X-Content-Type-Options"] == "nosniff", route
        assert response.status_code == 200, route


def test_plotly_comes_from_its_package(log: Path) -> None:
    response = get(tab(log), "/plotly.js", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(response.data) < 2_000_000
    script = (importlib.resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    # But for two parentheses, around the function that begins in its first lines and ends in its last.
    plain = get(tab(log), "/plotly.js").data
    start = plain.index(b"(() => {")
    assert start < 1000
    assert plain[:start] + plain[start + 1 :].removesuffix(b")));") + b"));" == script


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (b"(function(a, b) {b();} (this, () => {\nc();\n}));", b"(function(a, b) {b();} (this, (() => {\nc();\n})));"),
        (b"(f (this, () => {\ng(this, () => {\n}));\n}));\n", b"(f (this, (() => {\ng(this, () => {\n}));\n})));\n"),
        (b"(function() {c();})();", None),  # of another build
        (b"(f (this, () => {\nc();\n}));more();", None),
        (b"a" * 2000 + b"(f (this, () => {\nc();\n}));", None),
        (b"", None),
    ],
)
def test_the_function_that_is_all_of_a_script_is_put_between_parentheses(script: bytes, expected: bytes | None) -> None:
    assert plugins.compiled_at_once(script) == (script if expected is None else expected)


def test_plotly_is_kept_for_good_under_an_address_with_its_version(log: Path) -> None:
    plugin = tab(log)
    version = importlib.metadata.version("plotly")
    assert plugin.frontend_metadata().es_module_path == f"/index.js?plotly={version}"
    kept = get(plugin, "/plotly.js", v=version).headers
    assert kept["Cache-Control"] == "private, max-age=31536000, immutable"
    assert get(plugin, "/plotly.js").headers["Cache-Control"] == "no-cache"
    assert get(plugin, "/plotly.js", v="").headers["Cache-Control"] == "no-cache"


def test_without_a_known_version_of_plotly_there_is_a_tab(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", fail)
    assert tab(log).frontend_metadata().es_module_path == "/index.js?plotly="


def test_the_first_screen_is_made_ready_before_it_is_asked_for(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(folder: Path) -> Result:
        read.append(folder)
        return read_result(folder)

    monkeypatch.setattr(folders, "read_result", counted)
    monkeypatch.setattr(DepthWidth, "_make_ready", MAKE_READY)
    plugin = tab(log)
    assert len(read) == len(sweep())
    get(plugin, "/page")
    assert len(read) == len(sweep())
    # Where there is nothing of ours, nothing is made.
    (tmp_path / "other").mkdir()
    made: list[Any] = []
    monkeypatch.setattr(page, "page", lambda *asked: made.append(asked))
    tab(tmp_path / "other")
    assert made == []
    tab(log)
    assert len(made) == 1


def test_a_fault_beforehand_is_one_line_and_the_tab_is_there(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(DepthWidth, "_make_ready", MAKE_READY)
    monkeypatch.setitem(sys.modules, "dlcourse.tensorboard_tab.page", None)  # importing it fails
    plugin = tab(log)
    assert plugin.is_active()
    assert get(plugin, "/page").status_code == 500
    (line,) = capsys.readouterr().err.splitlines()
    assert "dlcourse.tensorboard_tab.page" in line


def test_what_is_asked_for_is_answered(log: Path) -> None:
    page = get(tab(log), "/page", metric="num_pieces", x="model.width").json
    assert page["state"] == {"metric": "num_pieces", "x": "model.width"}
    cell = get(tab(log), "/detail", cell="depth 3, width 8").json["cell"]
    assert len(cell["rows"]) == 4


@pytest.mark.parametrize("route", ["/page", "/detail", "/film"])
@pytest.mark.parametrize("name", ["..", "../outside", "/etc", "swept/../../outside", "linked", "%2e%2e", "\0"])
def test_nothing_outside_of_the_log_folder_is_read(tmp_path: Path, route: str, name: str) -> None:
    log = tmp_path / "log"
    write_sweep(log / "swept", sweep()[:2])
    secret = result(7, 77, 0, 0.5, task__name="secret")
    write_sweep(tmp_path / "outside", [secret])
    (log / "linked").symlink_to(tmp_path / "outside")
    plugin = tab(log)
    for query in ({"sweep": name}, {"sweep": name, "run": secret.run}, {"run": f"{name}/{secret.run}"}):
        response = get(plugin, route, **query)
        assert b"secret" not in response.data.replace(name.encode(), b"")
        assert b"width 77" not in response.data


def test_a_fault_is_an_answer_and_one_line(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("what is this?\nthat is it")

    monkeypatch.setattr(page, "page", fail)
    plugin = tab(log)
    for _ in range(2):
        response = get(plugin, "/page")
        assert response.status_code == 500
        assert response.json == {"error": "RuntimeError: what is this?\nthat is it"}
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    (line,) = capsys.readouterr().err.splitlines()
    assert "what is this? that is it" in line


def test_what_films_need_is_imported_when_the_page_is_there(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr(plugins, "_import", imported.append)
    plugin = tab(log)
    get(plugin, "/page")
    assert imported == []
    for _ in range(2):
        get(plugin, "/detail")
    deadline = time.monotonic() + 60
    while not imported and time.monotonic() < deadline:
        time.sleep(0.01)
    assert imported == ["dlcourse.tensorboard_tab.film"]


def test_a_fault_in_what_films_need_is_said_when_one_is_asked_for(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "dlcourse.tensorboard_tab.film", None)  # importing it fails
    plugin = tab(log)
    plugins._import("dlcourse.tensorboard_tab.film")
    assert get(plugin, "/detail").status_code == 200
    assert capsys.readouterr().err == ""
    assert get(plugin, "/film").status_code == 500
    assert get(plugin, "/page").status_code == 200
    assert "dlcourse.tensorboard_tab.film" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["index.js", "film.js"])
def test_the_scripts_ask_no_other_machine_and_write_no_html(name: str) -> None:
    code = (Path(plugins.__file__).parent / name).read_text()
    assert "://" not in code
    assert not any(word in code for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"))
    assert "://" not in (Path(plugins.__file__).parent / "style.css").read_text()
