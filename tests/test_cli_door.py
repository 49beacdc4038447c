"""Hydra 1.3 on Python 3.14: argparse formats each help text there as it is added, and one of Hydra's is no string.

Below Python 3.14 argparse is made to do so here.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.utils import get_args_parser

import dlcourse.cli
from dlcourse.cli import door


def check_help(self: Any, action: argparse.Action) -> None:
    """What argparse does from Python 3.14 on with each argument that is added."""
    if action.help and hasattr(self, "_get_formatter"):
        try:
            self._get_formatter()._expand_help(action)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("badly formed help string") from error


@pytest.fixture
def strict_argparse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """argparse as it is from Python 3.14 on; gives what checks a help text, and sees to it that it is put back."""
    container: Any = argparse._ActionsContainer
    if not hasattr(container, "_check_help"):  # before Python 3.14
        add = container.add_argument

        def add_argument(self: Any, *args: Any, **kwargs: Any) -> argparse.Action:
            action: argparse.Action = add(self, *args, **kwargs)
            self._check_help(action)
            return action

        monkeypatch.setattr(container, "_check_help", check_help, raising=False)
        monkeypatch.setattr(container, "add_argument", add_argument)
    check = container._check_help
    yield check
    assert container._check_help is check


@pytest.mark.usefixtures("strict_argparse")
def test_hydra_alone_cannot_describe_its_options() -> None:
    with pytest.raises(ValueError, match="badly formed help string") as error:
        get_args_parser()
    assert "LazyCompletionHelp" in str(error.value.__cause__)


@pytest.mark.usefixtures("strict_argparse")
def test_a_run_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # main sets it: to be undone after the test
    monkeypatch.setattr(sys, "argv", ["dlcourse", "model.depth=1", "model.width=4", "num_steps=2", "pictures=false"])
    dlcourse.cli.main()
    assert "linear pieces on [0, 2], 13 parameters" in capsys.readouterr().out
    assert len(list(tmp_path.glob("outputs/zigzag/*/metrics.json"))) == 1


@pytest.mark.usefixtures("strict_argparse")
@pytest.mark.slow
def test_help_shows_the_option_that_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    monkeypatch.setattr(sys, "argv", ["dlcourse", "--hydra-help"])
    with pytest.raises(SystemExit, match="0"):
        dlcourse.cli.main()
    assert "--shell-completion,-sc : Install or Uninstall shell completion" in capsys.readouterr().out


@pytest.mark.usefixtures("strict_argparse")
def test_the_help_of_others_is_still_checked() -> None:
    parser = argparse.ArgumentParser()
    with door._without_check_of_help():
        parser.add_argument("--well-formed", help="%(prog)s has all of it, 100 %%")
        with pytest.raises(ValueError, match="badly formed help string"):
            parser.add_argument("--badly-formed", help="all of it, 100 %")


def test_the_check_is_put_back_after_an_error(strict_argparse: Callable[..., None]) -> None:
    container: Any = argparse._ActionsContainer
    with pytest.raises(KeyboardInterrupt), door._without_check_of_help():
        assert container._check_help is not strict_argparse
        raise KeyboardInterrupt
    assert container._check_help is strict_argparse


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="argparse checks help from Python 3.14 on")
def test_nothing_is_changed_before_python_3_14() -> None:
    before = dict(vars(argparse._ActionsContainer))
    with door._without_check_of_help():
        assert dict(vars(argparse._ActionsContainer)) == before
