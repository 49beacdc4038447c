"""What all tests share: shapes checked at every call, one thread, and the same random numbers every time."""

import functools
import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import browser
import pytest
from hypothesis import register_random, settings
from imported import Imported

gc.disable()  # until all tests are imported: that makes much, and throws nothing away
os.fsync = lambda _: None  # waits for the disk, which matters to those alone whose power fails

settings.register_profile("local", deadline=None, max_examples=30)
settings.register_profile("ci", deadline=None, max_examples=30, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1000)  # pytest --hypothesis-profile=thorough
settings.register_profile("fast", deadline=None, max_examples=10)  # for `make test-fast`
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Lets no test depend on the tests before it, where foreign code draws from torch's global generator."""
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def imported() -> Iterator[Imported]:
    """Runs command lines in processes of their own, which need not import torch first."""
    with Imported() as process:
        yield process


@pytest.fixture
def dlcourse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line in an empty folder; gives exit code, stdout and stderr."""
    from dlcourse.cli import door  # after `pytest_configure`

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # main sets it, and this undoes that after the test

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dlcourse", *arguments])
        code = 0
        try:
            door.main()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def pytest_configure(config: pytest.Config) -> None:
    """Has the shapes in the signature of every public function checked at each call; `make test-fast` does without.

    That comes before anything imports dlcourse. Not for dlcourse.networks, because a checked `forward` can no longer be
    compiled, exported or traced.

    And hides CUDA devices, unless told `-m cuda`: the tests compare bits, which only a CPU repeats.
    """
    if config.getoption("markexpr") != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        return  # others run the tests, and begin the sooner if nothing is imported here
    prepare_torch_and_matplotlib()
    if config.getoption("--hypothesis-profile") == "fast":
        return
    from checking import check_calls_in

    rooms = (
        "circuits", "layerwise", "lecture", "losses", "pieces", "recording", "report", "tasks", "tensorboard_tab",
        "training",
    )  # fmt: skip
    check_calls_in([f"dlcourse.{room}" for room in rooms])


def prepare_torch_and_matplotlib() -> None:
    """One thread, random numbers that hypothesis knows of, no screen."""
    import matplotlib
    import torch

    matplotlib.use("Agg")
    torch.set_num_threads(1)  # networks this small run faster on one thread, and the tests do not crowd the machine
    register_random(torch_random())


class TorchRandom:
    """torch's global generator in the form that hypothesis resets before each example."""

    def __init__(self) -> None:
        import torch

        self.seed, self.getstate, self.setstate = torch.manual_seed, torch.get_rng_state, torch.set_rng_state


@functools.cache
def torch_random() -> TorchRandom:
    """The one that there is, and that stays: hypothesis holds only a weak reference."""
    return TorchRandom()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the tests that run command lines: they are the longest, and of two cores one has the process.

    So none of them is left to the end, when the other core would wait for it.
    """
    items.sort(key=lambda item: "imported" not in getattr(item, "fixturenames", ()))


def pytest_collection_finish() -> None:
    """Collects garbage from here on, but does not look through what was imported: that stays."""
    gc.freeze()
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips the tests marked `cuda` where there is no CUDA device, and those marked `browser` where there is none."""
    if item.get_closest_marker("cuda") and not sys.modules["torch"].cuda.is_available():
        pytest.skip("no CUDA device, or not told -m cuda")
    if item.get_closest_marker("browser") and (missing := browser.missing()):
        pytest.skip(missing)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Keeps what a test of a browser saw last in the folder that SCREENSHOTS names, if it names one."""
    folder, page = os.environ.get("SCREENSHOTS"), getattr(item, "funcargs", {}).get("page")
    if folder and page and item.get_closest_marker("browser"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.save_screenshot(str(Path(folder, re.sub(r"[^\w-]+", "-", f"{item.module.__name__}-{item.name}") + ".png")))
