"""The tab in a real browser: what is on the page, what a click shows, what the address says."""

import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from browser import chromium, tensorboard
from imported import Imported

from dlcourse import load, pieces

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SECONDS = 100  # until something must have happened; busy machines take their time


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, imported: Imported) -> Path:
    """A finished sweep: 2 depths, 2 widths, 3 seeds."""
    folder = tmp_path_factory.mktemp("sweep")
    words = "-m dlcourse -m name=swept model.depth=1,2 model.width=4,8 num_steps=40 log_every=20"
    done = imported.run([*words.split(), "seed=range(3)", "hydra.launcher.num_workers=1"], folder)
    assert done.returncode == 0, done.stderr
    assert "http://localhost:6006/#depth_width" in done.stdout
    for path in folder.rglob("*"):  # long ago, so that the page does not ask again by itself
        os.utime(path, (time.time() - 10_000,) * 2)
    return folder / "outputs"


@pytest.fixture(scope="module")
def address(outputs: Path) -> Iterator[str]:
    with tensorboard(outputs) as found:
        yield found


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


def wait(page: Any, condition: Callable[[Any], Any]) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(page, SECONDS, 0.1, [StaleElementReferenceException]).until(condition)


def find(page: Any, selector: str) -> list[Any]:
    return list(page.find_elements("css selector", selector))


def open_tab(page: Any, address: str, **state: str) -> None:
    """Opens the tab, and goes into its frame."""
    page.get("about:blank")
    words = [f"p.depth_width.{name}={value}" for name, value in state.items()]
    page.get("&".join([f"{address}#depth_width", *words]))
    wait(page, lambda page: find(page, "iframe"))
    page.switch_to.frame(find(page, "iframe")[0])
    wait(page, lambda page: find(page, "body[data-shown]"))


def hash_of(page: Any) -> str:
    return str(page.execute_script("return window.parent.location.hash"))


def traces(page: Any, name: str) -> list[dict[str, Any]]:
    """The traces of a figure, as plotly has them on the page."""
    keys = "name: t.name, mode: t.mode, x: [...(t.x ?? [])], y: [...(t.y ?? [])]"
    script = f"return document.querySelector('.figure.{name}').data.map((t) => ({{{keys}}}))"
    return list(page.execute_script(script))


def assert_silent(page: Any) -> None:
    """No error in the console, and no warning of ours."""
    said = page.get_log("browser")
    assert [entry for entry in said if entry["level"] == "SEVERE" or "depth_width/" in entry["message"]] == []


def results(outputs: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (outputs / "swept").glob("*/metrics.json")]


def test_names_and_values_of_the_curves_are_on_the_page(page: Any, address: str, outputs: Path) -> None:
    open_tab(page, address)
    names = [element.text for element in find(page, ".figure.metric .legendtext")]
    assert names == ["width 4", "width 8"]
    found = {each["name"]: each for each in traces(page, "metric") if each["mode"] == "lines+markers"}
    runs = results(outputs)
    for width in (4, 8):
        expected = [
            statistics.median(
                run["metrics"]["mean_squared_error"]
                for run in runs
                if (run["config"]["model.depth"], run["config"]["model.width"]) == (depth, width)
            )
            for depth in (1, 2)
        ]
        assert found[f"width {width}"]["x"] == [1, 2]
        assert found[f"width {width}"]["y"] == pytest.approx(expected)
    assert "layer" in find(page, "h1")[0].text
    assert "12 runs finished" in find(page, ".facts")[0].text
    assert [element.text for element in find(page, ".figure.metric .xtitle")] == ["depth (hidden layers)"]
    # All that it needs comes from TensorBoard: there may be no network.
    loaded = page.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert {name for name in loaded if not name.startswith(address)} == set()
    assert_silent(page)


def test_a_click_shows_the_runs_and_a_second_one_the_run(page: Any, address: str, outputs: Path) -> None:
    from selenium.webdriver import ActionChains

    open_tab(page, address, seeds="0")
    # The last of the markers is that of width 8 in depth 2.
    ActionChains(page).move_to_element(find(page, ".figure.metric .point")[-1]).click().perform()
    rows = wait(page, lambda page: find(page, "tbody.runs tr"))
    assert find(page, ".detail h2")[0].text == "depth 2, width 8: 3 runs"
    assert len(rows) == 3
    assert "p.depth_width.cell=depth%202%2C%20width%208" in hash_of(page)
    rows[1].click()
    (command,) = wait(page, lambda page: find(page, ".detail pre"))
    assert command.text.startswith("python -m dlcourse name=swept ")
    assert " model.depth=2 model.width=8 " in command.text and " seed=1 " in command.text
    assert len(find(page, ".detail .figure .main-svg")) >= 2
    assert ".run=" in hash_of(page)
    assert_silent(page)


def drawn(page: Any) -> list[dict[str, Any]]:
    """The network and its breakpoints in the fit."""
    return [each for each in traces(page, "fit") if each["name"] in ("network", "breakpoints")]


def is_whole(page: Any) -> bool:
    """Whether all steps of the film are there."""
    return bool(find(page, ".film[data-frames='3']"))


def at_step(page: Any, step: int) -> bool:
    """Whether the film shows a step, in the fit, in words and by the cursors."""
    return bool(find(page, f".film[data-step='{step}']"))


def test_the_film_of_a_run_is_slid_and_played(page: Any, address: str, outputs: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    name = next(path.name for path in (outputs / "swept").glob("*-depth=2-width=8-*-seed=1-*"))
    run = load(outputs / "swept" / name)
    open_tab(page, address, cell="depth 2, width 8", seeds="0")
    wait(page, lambda page: find(page, "tbody.runs tr"))[1].click()
    wait(page, is_whole)
    assert at_step(page, 40)
    titles = [element.text for element in find(page, ".run .gtitle")]
    assert titles[:2] == ["fit", "network"] and len(titles) == 4
    images = {}
    for step, key in ((40, None), (20, Keys.ARROW_LEFT), (0, Keys.ARROW_LEFT)):
        if key:
            find(page, ".film .steps")[0].send_keys(key)
        wait(page, lambda page, step=step: at_step(page, step))
        network, breakpoints = drawn(page)
        line = pieces.on_line(run.at(step), 0.0, 2.0)
        assert len(network["x"]) == line.num_pieces + 1 and len(breakpoints["x"]) == line.num_pieces - 1
        with torch.no_grad():
            expected = run.at(step)(torch.tensor(network["x"])[:, None])[:, 0].tolist()
        assert network["y"] == pytest.approx(expected, abs=1e-3)
        assert find(page, ".film .said")[0].text.startswith(f"step {step} · {line.num_pieces} linear piece")
        for figure in ("losses", "pieces_in_training"):
            script = f"return document.querySelector('.run .{figure}').layout.shapes.map((shape) => shape.x0)"
            assert page.execute_script(script) == [step]
        script = "return document.querySelector('.run .network').layout.images[0].source"
        images[step] = page.execute_script(script)
    assert len(set(images.values())) == 3
    assert "p.depth_width.step=0" in hash_of(page)
    ActionChains(page).click(find(page, ".film .play")[0]).perform()
    wait(page, lambda page: at_step(page, 40))
    wait(page, lambda page: find(page, ".film .play")[0].text == "▶ play")
    assert ".step=" not in hash_of(page)
    # Another run has its own film, from its end on.
    find(page, "tbody.runs tr")[0].click()
    wait(page, lambda page: find(page, ".run h2")[0].text.count("seed=0") and is_whole(page) and at_step(page, 40))
    assert_silent(page)


def test_a_step_can_be_sent(page: Any, address: str, outputs: Path) -> None:
    name = next(path.name for path in (outputs / "swept").glob("*-depth=1-width=4-*-seed=2-*"))
    open_tab(page, address, run=name[-10:], step="20")
    wait(page, is_whole)
    assert at_step(page, 20)
    assert find(page, ".film .said")[0].text.startswith("step 20 · ")
    assert_silent(page)


def test_a_view_can_be_sent(page: Any, address: str) -> None:
    from selenium.webdriver.support.ui import Select

    open_tab(page, address, x="model.width", metric="num_pieces")
    assert [element.text for element in find(page, ".figure.metric .legendtext")] == ["depth 1", "depth 2"]
    assert Select(find(page, "select[name=metric]")[0]).first_selected_option.text == "linear pieces on [0, 2]"
    Select(find(page, "select[name=metric]")[0]).select_by_value("largest_error")
    wait(page, lambda page: find(page, ".figure.metric .gtitle")[0].text == "largest error")
    assert hash_of(page) == "#depth_width&p.depth_width.x=model.width&p.depth_width.metric=largest_error"
    assert_silent(page)


def test_what_is_new_shows_when_tensorboard_reloads(page: Any, address: str, outputs: Path) -> None:
    open_tab(page, address)
    assert "12 runs finished" in find(page, ".facts")[0].text
    assert page.execute_script("return fetch('./page').then((answer) => answer.json())")["ask_again_in"] is None
    one = next((outputs / "swept").glob("*-seed=0-*"))
    another = one.with_name(one.name.replace("seed=0", "seed=3"))
    shutil.copytree(one, another)
    content = json.loads((another / "metrics.json").read_text())
    content["config"]["seed"] = 3
    (another / "metrics.json").write_text(json.dumps(content))
    page.switch_to.default_content()
    find(page, "app-header-reload button, button.reload-button")[0].click()
    page.switch_to.frame(find(page, "iframe")[0])
    wait(page, lambda page: "13 runs finished" in find(page, ".facts")[0].text)
    shutil.rmtree(another)
    assert_silent(page)
