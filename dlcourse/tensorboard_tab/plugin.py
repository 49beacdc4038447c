"""What TensorBoard loads: the tab's addresses. A fault in here would end TensorBoard, for every project of its users.

So this module imports the standard library and TensorBoard only, and all else in a thread or when the tab is asked for.
Whatever goes wrong makes the tab inactive, or an answer with the code 500, with one line on stderr.
"""

import contextlib
import functools
import gzip
import importlib
import importlib.metadata
import json
import sys
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin

if TYPE_CHECKING:
    from dlcourse.tensorboard_tab.folders import LogFolder

SECONDS_IN_THE_BROWSER = 365 * 24 * 3600
"""How long the browser may keep plotly's script, whose address has its version: another version is another address."""

MOST_BEFORE_THE_FUNCTION = 1000
"""The function that is all of plotly's script begins within so many bytes."""

SECONDS_INACTIVE = 10
"""How long it holds that there is nothing of ours in the log folder, in which TensorBoard asks again and again."""


class DepthWidth(base_plugin.TBPlugin):  # type: ignore[misc]  # TensorBoard has no types
    """The tab "Depth x width".

    Args:
        context: What TensorBoard tells its plugins, of which the log folder is used.
    """

    plugin_name = "depth_width"

    def __init__(self, context: Any) -> None:
        self._folder = getattr(context, "logdir", None)
        self._log: LogFolder | None = None
        self._inactive_since = -float(SECONDS_INACTIVE)
        self._complaints: set[str] = set()
        self._lock = threading.Lock()
        self._is_prepared = False
        self.beforehand = threading.Thread(target=self._make_ready, daemon=True)
        self.beforehand.start()

    def is_active(self) -> bool:
        """Whether the log folder has runs of ours, and all that the tab needs is installed."""
        if time.monotonic() - self._inactive_since < SECONDS_INACTIVE:
            return False
        try:
            files("plotly")
            is_active = next(self._log_folder().sweeps(), None) is not None
        except Exception as error:
            self._complain(error)
            is_active = False
        if not is_active:
            self._inactive_since = time.monotonic()
        return is_active

    def frontend_metadata(self) -> Any:
        """How TensorBoard shows the tab."""
        version = ""
        with contextlib.suppress(Exception):
            version = importlib.metadata.version("plotly")
        path = f"/index.js?plotly={version}"
        return base_plugin.FrontendMetadata(es_module_path=path, tab_name="Depth × width")

    def get_plugin_apps(self) -> dict[str, Any]:
        """The addresses below `data/plugin/depth_width/`, each with what answers it."""
        return {
            "/index.js": self._app(lambda request: self._file(request, "index.js", "text/javascript")),
            "/film.js": self._app(lambda request: self._file(request, "film.js", "text/javascript")),
            "/style.css": self._app(lambda request: self._file(request, "style.css", "text/css")),
            "/plotly.js": self._app(self._plotly),
            "/page": self._app(self._page),
            "/detail": self._app(self._detail),
            "/film": self._app(self._film),
        }

    def _app(self, answer: Callable[[Any], Any]) -> Callable[..., Any]:
        """A WSGI application that never fails: what goes wrong is its answer, and a line on stderr."""

        def app(environ: Any, start_response: Any) -> Any:
            from werkzeug.wrappers import Request

            request = Request(environ)
            try:
                response = answer(request)
            except Exception as error:
                self._complain(error)
                content = {"error": f"{type(error).__name__}: {error}"}
                response = http_util.Respond(request, content, "application/json", code=500)
            return response(environ, start_response)

        return app

    def _page(self, request: Any) -> Any:
        """The first screen."""
        from dlcourse.tensorboard_tab.page import page

        return _json(request, page(self._log_folder(), request.args.to_dict()))

    def _detail(self, request: Any) -> Any:
        """What a click shows: the runs of a network, and one run."""
        from dlcourse.tensorboard_tab.detail import detail

        self._prepare()
        return _json(request, detail(self._log_folder(), request.args.to_dict()))

    def _film(self, request: Any) -> Any:
        """The film of a run."""
        from dlcourse.tensorboard_tab.film import film

        return _json(request, film(self._log_folder(), request.args.to_dict()))

    def _file(self, request: Any, name: str, content_type: str) -> Any:
        """A file of this package."""
        return http_util.Respond(request, (Path(__file__).parent / name).read_bytes(), content_type)

    def _plotly(self, request: Any) -> Any:
        """plotly's script, which its package carries: no network is needed."""
        response = http_util.Respond(request, packed_script(), "text/javascript", content_encoding="gzip")
        keep = f"private, max-age={SECONDS_IN_THE_BROWSER}, immutable" if request.args.get("v") else "no-cache"
        response.headers["Cache-Control"] = keep
        del response.headers["Expires"]
        return response

    def _log_folder(self) -> "LogFolder":
        """The log folder, and what was read of it."""
        from dlcourse.tensorboard_tab.folders import LogFolder

        with self._lock:
            if not self._folder or not Path(self._folder).is_dir():
                raise ValueError(f"the log folder must be a folder of this machine, got {self._folder!r}")
            if self._log is None:
                self._log = LogFolder(Path(self._folder))
            return self._log

    def _make_ready(self) -> None:
        """Does beforehand what the first screen takes, so that who opens the tab need not wait for it."""
        try:
            if self.is_active():
                from dlcourse.tensorboard_tab.page import page

                packed_script()
                page(self._log_folder(), {})
        except Exception as error:
            self._complain(error)

    def _prepare(self) -> None:
        """Imports what films need, torch among it, beforehand: that takes seconds, in which the page is looked at."""
        if not self._is_prepared:
            self._is_prepared = True
            name = "dlcourse.tensorboard_tab.film"
            threading.Thread(target=_import, args=(name,), daemon=True).start()

    def _complain(self, error: Exception) -> None:
        """One line on stderr for what goes wrong, once for each fault."""
        line = f"dlcourse: the tab Depth x width: {type(error).__name__}: {error}".replace("\n", " ")
        with self._lock:
            is_new = line not in self._complaints
            self._complaints.add(line)
        if is_new:
            print(line, file=sys.stderr, flush=True)


@functools.cache
def packed_script() -> bytes:
    """plotly's script, compressed once."""
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return gzip.compress(compiled_at_once(script), 1)


def compiled_at_once(script: bytes) -> bytes:
    """plotly's script with parentheses around the function that is all of it; as it is if it does not look like that.

    Browsers take a function without them for one that is called later, and read over it once before they compile it:
    all of 4.8 MB twice, the second time while the page waits. Chromium's V8 takes parentheses for "called at once".

    Args:
        script: `factory` is called by `(function(root, factory) {...} (this, () => {...}));`.
    """
    head, arrow, rest = script.partition(b", () => {\n")
    body, end, nothing = rest.rpartition(b"}));")
    if len(head) > MOST_BEFORE_THE_FUNCTION or not arrow or not end or nothing.strip():
        return script
    return head + b", (() => {\n" + body + b"})));" + nothing


def _import(name: str) -> None:
    """Imports a module; what goes wrong is said when it is needed."""
    with contextlib.suppress(Exception):
        importlib.import_module(name)


def _json(request: Any, content: dict[str, Any]) -> Any:
    """An answer in JSON, which knows no NaN."""
    return http_util.Respond(request, json.dumps(content, allow_nan=False), "application/json")
