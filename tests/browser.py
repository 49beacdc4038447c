"""A real browser, without a window, and TensorBoard as a process of its own."""

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent


def missing() -> str | None:
    """What the tests of a browser lack here; None if there is all."""
    if importlib.util.find_spec("selenium") is None:
        return "selenium is not installed"
    if _program() is None or shutil.which("chromedriver") is None:
        return "no Chromium with its driver (Debian: apt-get install chromium chromium-driver)"
    return None


def _program() -> str | None:
    """The browser."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Selenium's driver of a new Chromium, whose console is kept; it is given time, as machines may be busy."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(_program())
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1600,1000"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(110)
    try:
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def tensorboard(folder: Path) -> Iterator[str]:
    """TensorBoard of a log folder, at the address that it says."""
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(folder),
        "--port",
        "0",
        "--reload_interval",
        "1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)
    assert process.stderr is not None
    said = ""
    try:
        for line in process.stderr:
            said += line
            if found := re.search(r"TensorBoard \S+ at (http://\S+/)", line):
                yield found[1]
                break
        else:
            raise AssertionError(f"TensorBoard did not start:\n{said}")
    finally:
        process.terminate()
        rest = process.communicate()[1]
    assert "dlcourse: the tab" not in said + rest, said + rest


DEEP = """
const deep = (selector, start) => {
  const found = [];
  const search = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(selector)) found.push(element);
      if (element.shadowRoot) search(element.shadowRoot);
    }
  };
  search(start?.shadowRoot ?? start ?? document);
  return found;
};
const texts = (selector, start) => deep(selector, start).map((element) => element.textContent.trim());
"""
"""TensorBoard's pages are elements with insides of their own: the elements that fit a selector in all of them."""


def deep(page: Any, selector: str, start: Any = None) -> list[Any]:
    """What fits the selector in the page, or in an element of it."""
    return list(page.execute_script(f"{DEEP} return deep(...arguments)", selector, start))


def texts(page: Any, selector: str, start: Any = None) -> list[str]:
    """What it says, whether or not it has been scrolled to."""
    return list(page.execute_script(f"{DEEP} return texts(...arguments)", selector, start))


def named(page: Any, selector: str, label: str, name: str) -> list[Any]:
    """The elements whose label says a name."""
    script = f"{DEEP} return deep(arguments[0]).filter((one) => texts(arguments[1], one)[0] === arguments[2])"
    return list(page.execute_script(script, selector, label, name))
