"""The console script `dlcourse-report`, and what it writes, opened in a real browser."""

import base64
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from sweeps import result, sweep, write_sweep

from dlcourse.cli.report import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | str | None:
    """The exit code."""
    monkeypatch.setattr(sys, "argv", ["dlcourse-report", *map(str, arguments)])
    try:
        main()
    except SystemExit as exit_:
        return exit_.code
    return 0


def test_the_report_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(tmp_path / "swept", sweep())
    assert run(monkeypatch, tmp_path / "swept") == 0
    assert capsys.readouterr().out == f"written: {tmp_path}/swept/report.html (4.8 MB)\n"
    content = (tmp_path / "swept" / "report.html").read_bytes()
    assert content.startswith(b"<!DOCTYPE html>")
    assert 4_800_000 < len(content) < 6_000_000
    # Once more, with the report lying there: the same again.
    assert run(monkeypatch, tmp_path / "swept") == 0
    assert (tmp_path / "swept" / "report.html").read_bytes() == content


@pytest.mark.slow
def test_other_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(tmp_path, [result(depth, 4, 0, 0.5) for depth in (1, 2)])
    monkeypatch.chdir(tmp_path)
    for kind, begin in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        assert run(monkeypatch, ".", "--format", kind) == 0
        assert capsys.readouterr().out.startswith(f"written: report.{kind} (0.")
        assert (tmp_path / f"report.{kind}").read_bytes().startswith(begin)
    assert not (tmp_path / "report.html").exists()


def test_mistakes_are_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    write_sweep(tmp_path / "taken", sweep()[:1])
    (tmp_path / "taken" / "report.html").mkdir()
    for arguments, message in (
        ([tmp_path / "nothing"], f"{tmp_path}/nothing: No such file or directory"),
        ([tmp_path / "file"], f"{tmp_path}/file: Not a directory"),
        ([tmp_path / "empty"], f"{tmp_path}/empty: no runs of dlcourse here"),
        ([tmp_path], f"{tmp_path}: no runs of dlcourse here; there are some in its taken"),
        ([tmp_path / "taken"], f"{tmp_path}/taken/report.html: Is a directory"),
    ):
        assert run(monkeypatch, *arguments) == 2
        assert capsys.readouterr().err == f"dlcourse-report: {message}\n"
    assert run(monkeypatch, tmp_path / "empty", "--format", "pdf") == 2
    assert "argument --format: invalid choice: 'pdf' (choose from" in capsys.readouterr().err
    assert run(monkeypatch) == 2
    assert "the following arguments are required: folder" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the superuser")
def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(tmp_path / "swept", sweep()[:1])
    (tmp_path / "swept").chmod(0o500)
    assert run(monkeypatch, tmp_path / "swept") == 2
    assert capsys.readouterr().err == f"dlcourse-report: {tmp_path}/swept/report.html: Permission denied\n"


def shown(page: Any, selector: str) -> list[str]:
    return [element.text for element in page.find_elements("css selector", selector)]


@pytest.mark.browser
@pytest.mark.slow
def test_in_a_browser_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sweep(tmp_path / "a <b>sweep", sweep())
    assert run(monkeypatch, tmp_path / "a <b>sweep") == 0
    with chromium() as page:
        page.execute_cdp_cmd("Network.enable", {})
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        page.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        page.get((tmp_path / "a <b>sweep" / "report.html").as_uri())
        deadline = time.monotonic() + 100
        while len(page.find_elements("css selector", ".figure .gtitle")) < 7 and time.monotonic() < deadline:
            time.sleep(0.1)

        assert page.title == "a <b>sweep"
        assert shown(page, "p.answer")[0].startswith("3 layers of 8 units (169 parameters) solve it in 3 of 4 seeds")
        assert shown(page, "[data-name=metric] .legendtext") == ["width 4", "width 8"]
        assert shown(page, "[data-name=size] .legendtext") == ["depth 1", "depth 3"]
        assert shown(page, "[data-name=metric] .xtitle") == ["depth (hidden layers)"]
        assert "3 of 4" in "".join(shown(page, "[data-name=map] .heatmap-label"))

        # On paper, A4 with its margins, nothing is cut at the right, and there are pages of it.
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        page.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 688, "height": 970, "deviceScaleFactor": 1, "mobile": False}
        )
        ends = "[...document.querySelectorAll('.figure, table, pre')].map((e) => e.getBoundingClientRect().right)"
        assert 600 < page.execute_script(f"return Math.max(...{ends})") <= 688
        pdf = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
        assert pdf.startswith(b"%PDF")
        assert len(re.findall(rb"/Type ?/Page\b", pdf)) >= 2

        assert page.get_log("browser") == []
        assert page.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)") == []
