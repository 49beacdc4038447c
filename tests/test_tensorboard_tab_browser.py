"""The tab in a real browser: what is on the page, what a click shows, what the address says; and the other tabs."""

import json
import math
import os
import re
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from browser import DEEP, chromium, deep, named, tensorboard, texts
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


Runs = dict[str, dict[str, Any]]  # as TensorBoard names them -> metrics.json


def results(outputs: Path) -> Runs:
    files = (outputs / "swept").glob("*/metrics.json")
    return {f"swept/{path.parent.name}": json.loads(path.read_text()) for path in files}


def errors(runs: Runs, depth: int, width: int) -> list[float]:
    """The mean squared errors of an architecture's seeds."""
    return [
        run["metrics"]["mean_squared_error"]
        for run in runs.values()
        if (run["config"]["model.depth"], run["config"]["model.width"]) == (depth, width)
    ]


def test_names_and_values_of_the_curves_are_on_the_page(page: Any, address: str, outputs: Path) -> None:
    open_tab(page, address)
    names = [element.text for element in find(page, ".figure.metric .legendtext")]
    assert names == ["width 4", "width 8"]
    found = {each["name"]: each for each in traces(page, "metric") if each["mode"] == "lines+markers"}
    runs = results(outputs)
    for width in (4, 8):
        expected = [statistics.median(errors(runs, depth, width)) for depth in (1, 2)]
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


KNOWN = (
    "Multiple instances of Three.js being imported",  # TensorBoard brings along two
    r'"paper-(header-panel|toolbar)" "is deprecated',  # HParams is made of them
    "Automatic fallback to software WebGL has been deprecated",  # Chromium draws Time Series without a graphics card,
    "GPU stall due to ReadPixels",  # and has to wait for it
)
"""What the console says of TensorBoard and of Chromium themselves."""


def time_series_has_a_card_of_the_metric(page: Any, runs: Runs) -> None:
    from selenium.webdriver.common.keys import Keys

    (words,) = wait(page, lambda page: find(page, "input[placeholder^='Filter tags']"))
    words.send_keys("^metric/mean_squared_error$", Keys.ESCAPE)
    (card,) = wait(page, lambda page: named(page, "scalar-card", "tb-truncated-path", "metric/mean_squared_error"))

    def table(page: Any) -> dict[str, dict[str, str]]:
        """What stands below the curves: the values at the last step, of four digits."""
        heads, cells = (texts(page, f"tb-data-table-{part}-cell", card) for part in ("header", "content"))
        rows = [cells[start : start + len(heads)] for start in range(0, len(cells), len(heads) or 1)]
        return {row[heads.index("Run")]: dict(zip(heads, row, strict=True)) for row in rows}

    wait(page, lambda page: runs.keys() <= table(page).keys())
    shown = table(page)
    for name, run in runs.items():
        assert float(shown[name]["Value"]) == pytest.approx(run["metrics"]["mean_squared_error"], rel=1e-3)
        assert shown[name]["Step"] == "40"
    # The curves reach so far, too: without them, the axis would end at 1.
    assert "40" in texts(page, ".x-axis .minor-tick-label text", card)


def images_has_the_fits(page: Any, runs: Runs) -> None:
    from selenium.webdriver.common.keys import Keys

    def fits(page: Any) -> list[dict[str, str]]:
        """The run, the step and the address of each picture of a fit; no address before it is there."""
        script = """
        const image = (card) => deep("img", card).filter((image) => image.complete && image.naturalWidth > 100)[0];
        const step = (card) => texts(".heading-row", card).filter((line) => line.startsWith("step"))[0];
        const facts = (card) => ({run: texts(".run", card)[0], step: step(card), image: image(card)?.src ?? ""});
        return deep("tf-image-loader").filter((card) => texts(".name", card)[0] === "fit").map(facts);
        """
        return [fit for fit in page.execute_script(DEEP + script) if fit["run"] in runs]

    wait(page, lambda page: [bool(fit["image"]) for fit in fits(page)] == [True] * 4)
    # The first seed of each architecture has pictures, of all steps that were logged.
    seeds = {name: run["config"]["seed"] for name, run in runs.items()}
    assert {fit["run"] for fit in fits(page)} == {name for name, seed in seeds.items() if seed == 0}
    (slider,) = deep(page, "paper-slider", named(page, "tf-image-loader", ".name", "fit")[0])
    last = fits(page)[0]
    assert re.fullmatch(r"step\s*40\b.*", last["step"], re.DOTALL)
    slider.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    wait(page, lambda page: re.fullmatch(r"step\s*0\b.*", fits(page)[0]["step"], re.DOTALL))
    wait(page, lambda page: fits(page)[0]["image"] not in ("", last["image"]))


def hparams_has_depth_and_width_and_the_metric(page: Any, runs: Runs) -> None:
    # What a cell says stands elsewhere than the cell.
    script = """
    const said = (cell) => cell.querySelector("slot").assignedNodes().map((node) => node.textContent).join("").trim();
    return [...arguments[0].shadowRoot.querySelectorAll("tr")].map((row) => [...row.children].map(said));
    """
    metric = "metric/mean_squared_error"
    (grid,) = wait(page, lambda page: deep(page, "vaadin-grid"))

    def table(page: Any) -> dict[str, dict[str, str]]:
        heads, *rows = page.execute_script(script, grid)
        return {row[0]: dict(zip(heads, row, strict=False)) for row in rows}

    wait(page, lambda page: runs.keys() <= {name for name, row in table(page).items() if row.get(metric)})
    shown = table(page)
    for name, run in runs.items():
        assert float(shown[name]["depth"]) == run["config"]["model.depth"]
        assert float(shown[name]["width"]) == run["config"]["model.width"]
        assert float(shown[name][metric]) == pytest.approx(run["metrics"]["mean_squared_error"], rel=1e-4)


def custom_scalars_has_the_quartiles(page: Any, runs: Runs) -> None:
    title = "log10 of mean squared error against depth"
    (chart,) = wait(page, lambda page: named(page, "tf-custom-scalar-margin-chart-card", ".name", title))

    def drawn(page: Any) -> dict[str, list[str]]:
        """The corners of the bands and the lines in pixels, and where on the axis the numbers are."""
        script = """
        const all = (selector, name) => deep(selector, chart).map((one) => one.getAttribute(name));
        return {
          bands: all("path.area", "d"), lines: all("path.line[stroke]", "d"), ticks: all(".y-axis .tick-label", "y"),
          numbers: texts(".y-axis .tick-label", chart),
        };
        """
        return dict(page.execute_script(f"{DEEP} const chart = arguments[0]; {script}", chart))

    def heights(paths: list[str]) -> list[float]:
        return sorted(float(height) for height in re.findall(r",([-.e0-9]+)", " ".join(paths)))

    wait(page, lambda page: len(heights(drawn(page)["bands"])) == 8)
    shown = drawn(page)
    cells = [errors(runs, depth, width) for depth in (1, 2) for width in (4, 8)]
    quartiles = [statistics.quantiles(cell, n=4, method="inclusive") for cell in cells]
    edges = [math.log10(edge) for lower, _, upper in quartiles for edge in (lower, upper)]
    medians = [math.log10(median) for _, median, _ in quartiles]
    # What is drawn is as high as the numbers on the axis say.
    pixels = [float(tick) for tick in shown["ticks"]] + heights(shown["bands"]) + heights(shown["lines"])
    values = [float(number) for number in shown["numbers"]]
    values += sorted(edges, reverse=True) + sorted(medians, reverse=True)
    assert statistics.correlation(pixels, values) == pytest.approx(-1, abs=1e-9)


def text_has_the_table(page: Any, runs: Runs) -> None:
    (text,) = wait(page, lambda page: named(page, "tf-text-loader", ".name", "comparison/table"))
    (table,) = wait(page, lambda page: texts(page, "pre", text))
    lines = [line.split() for line in table.splitlines()]
    assert ["depth", "width", "parameters", "error", "(quartiles)"] in [line[:5] for line in lines]
    # Parameters by hand: (1 + 1) w + (w + 1), and for a second layer (w + 1) w more.
    for depth, width, parameters in ((1, 4, 13), (2, 4, 33), (1, 8, 25), (2, 8, 97)):
        (row,) = (line for line in lines if line[:3] == [str(depth), str(width), str(parameters)])
        assert float(row[3]) == pytest.approx(statistics.median(errors(runs, depth, width)), rel=1e-3)


def graphs_has_the_layers(page: Any, runs: Runs) -> None:
    # The first run is that of depth 1 and width 4: along the edges stand the sizes of what flows there.
    wait(page, lambda page: set(texts(page, "g.edges textPath")) == {"1", "4"})
    names = [node.get_attribute("data-name") for node in deep(page, "g.nodes g.node")]
    assert sorted(names) == ["layer_1", "output", "x"]


@pytest.mark.parametrize(
    ("tab", "shows"),
    [
        ("timeseries", time_series_has_a_card_of_the_metric),
        ("images", images_has_the_fits),
        ("hparams", hparams_has_depth_and_width_and_the_metric),
        ("custom_scalars", custom_scalars_has_the_quartiles),
        ("text", text_has_the_table),
        ("graphs", graphs_has_the_layers),
    ],
    ids=["timeseries", "images", "hparams", "custom_scalars", "text", "graphs"],
)
def test_the_other_tabs_show_the_sweep(
    page: Any, address: str, outputs: Path, tab: str, shows: Callable[[Any, Runs], None]
) -> None:
    page.get(f"{address}#{tab}")
    shows(page, results(outputs))
    warned = [each for each in page.get_log("browser") if each["level"] != "INFO" or "depth_width/" in each["message"]]
    assert [each for each in warned if not any(re.search(known, each["message"]) for known in KNOWN)] == []
