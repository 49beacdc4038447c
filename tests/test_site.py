"""The site that `make docs` builds: complete, whole, and silent in a browser that has no network."""

import functools
import importlib
import inspect
import re
import threading
import zlib
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from browser import chromium

from dlcourse.recording import loading

pytestmark = pytest.mark.site

REPOSITORY = Path(__file__).resolve().parent.parent
SITE = REPOSITORY / "build" / "site"
PAGES = [
    path for folder in ("", "benchmarks/", "docs/", "experiments/**/") for path in REPOSITORY.glob(f"{folder}*.md")
]
ROOMS = ("circuits", "layerwise", "lecture", "losses", "networks", "pieces", "recording", "tasks", "training")


@pytest.fixture(scope="module", autouse=True)
def site() -> None:
    sources = [*PAGES, *(REPOSITORY / "docs").rglob("*.*"), *(REPOSITORY / "dlcourse").rglob("*.py")]
    index = SITE / "index.html"
    if not index.exists() or index.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        pytest.skip("no site in build/site, or one that is older than its pages; make docs builds it")


@pytest.fixture(scope="module")
def described() -> set[str]:
    """What the site describes, by the names of Python, as its inventory for other sites says."""
    _, _, _, _, packed = (SITE / "objects.inv").read_bytes().split(b"\n", 4)
    lines = zlib.decompress(packed).decode().splitlines()
    return {line.split()[0] for line in lines if line.split()[1].startswith("py:")}


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_described(room: str, described: set[str]) -> None:
    module = importlib.import_module(f"dlcourse.{room}")
    here = {name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    imported = set(re.findall(r"^from \S+ import \w+ as (\w+)$", inspect.getsource(module), re.MULTILINE))
    names = {name for name in getattr(module, "__all__", imported | here) if not name.startswith("_")}
    values = {name: getattr(module, name) for name in names}
    names = {name for name, value in values.items() if inspect.isclass(value) or inspect.isfunction(value)}
    assert len(names) > 2
    assert {f"dlcourse.{room}.{name}" for name in names} <= described


def test_the_readers_of_results_and_what_a_count_can_tell_are_described(described: set[str]) -> None:
    public = [name for name in vars(loading) if name in ("LoadedRun", "load", "load_results")]
    assert {f"dlcourse.recording.loading.{name}" for name in public} <= described
    asked = re.findall(r"`(\w+)", (REPOSITORY / "docs/counting.md").read_text().split("## What a result can tell")[1])
    methods = {"pattern", "weights", "biases", "piece_of_region", "locate", "neighbours", "decision_boundary", "plot"}
    assert methods <= set(asked)
    for result in ("OnLine", "OnPlane", "InBox"):
        assert {f"dlcourse.pieces.{result}.{name}" for name in methods} <= described


def test_code_of_the_lecture_leads_to_its_description(described: set[str]) -> None:
    names = re.findall(r"\[`([\w.]+)`\]\(\.\./dlcourse/", (REPOSITORY / "docs" / "lecture.md").read_text())
    assert len(names) > 80
    assert {f"dlcourse.{name}" for name in names} <= described
    assert "_downloads" not in (SITE / "docs" / "lecture.html").read_text()


def test_every_page_is_there_and_every_link_leads_somewhere() -> None:
    for page in PAGES:
        assert (SITE / page.relative_to(REPOSITORY)).with_suffix(".html").exists(), page
    for page in SITE.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"#?:]+)[^":]*"', page.read_text()):
            assert (page.parent / unquote(link)).exists(), (page, link)


def test_nothing_is_read_from_elsewhere() -> None:
    for path in [*SITE.rglob("*.html"), *SITE.rglob("*.css")]:
        loaded = re.findall(
            r"<(?:script|img|link|iframe)[^>]*https?://[^>]*>|(?:@import|url\()[^;]*//\S*", path.read_text()
        )
        assert [tag for tag in loaded if 'rel="canonical"' not in tag and "data:" not in tag] == [], path


# --- in a browser


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """The address of the site, and what was asked of it, with the answers' status."""
    answers: list[tuple[str, int]] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            answers.append((self.path, int(code)))

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", answers
        server.shutdown()


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [1600, 400])
def test_pages_open_without_a_failed_request_or_a_word_on_the_console(
    width: int, page: Any, served: tuple[str, list[tuple[str, int]]]
) -> None:
    address, answers = served
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    for path, title in {
        "": "dlcourse",
        "docs/lecture.html": "The lecture, slide by slide",
        "docs/layerwise.html": "A gradient, every number of it",
        "experiments/what_depth_buys/README.html": "What depth buys",
        "docs/api/pieces.html": "pieces",
    }.items():
        page.get(address + path)
        assert page.find_element("css selector", "h1").text.rstrip("¶#") == title
        pictures = page.execute_script("return [...document.images].filter((each) => each.loading !== 'lazy')")
        assert all(page.execute_script("return arguments[0].naturalWidth", each) for each in pictures), path
        asked = page.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
        assert all(each.startswith((address, "data:")) for each in asked), path
        assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), path
        assert page.get_log("browser") == []
    page.get(f"{address}search.html?q=on_plane")
    page.find_element("css selector", "#search-results")
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 60).until(lambda page: page.find_elements("css selector", "#search-results li a"))
    assert page.get_log("browser") == []
    assert len(answers) > 20
    assert [(path, code) for path, code in answers if code >= 400] == []
