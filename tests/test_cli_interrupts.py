"""Imports are not searched for garbage; what comes after them is. (Ctrl-C: `tests/test_cli.py`.)"""

import gc

import pytest

from dlcourse.cli.interrupts import ends_at_once


@pytest.mark.parametrize("before", [True, False])
def test_garbage_is_looked_for_as_before(monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: None)  # what other tests leave is to be collected
    was = gc.isenabled()
    (gc.enable if before else gc.disable)()
    try:
        with ends_at_once():
            with ends_at_once():
                assert not gc.isenabled()
            assert not gc.isenabled()
        assert gc.isenabled() is before
        with pytest.raises(ImportError), ends_at_once():
            raise ImportError
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()
