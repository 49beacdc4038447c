from pathlib import Path

from tensorboard_app import TensorBoard

from dlcourse.recording import write_events
from dlcourse.recording.summaries import layout, text, verbatim


def test_a_text_is_markdown(tmp_path: Path) -> None:
    write_events(tmp_path / "run", scalars={}, summaries=[text("words", "**bold** <script>")])
    shown = TensorBoard(tmp_path).text("run", "words")
    assert "<strong>bold</strong>" in shown
    assert "<script>" not in shown


def test_verbatim_lines_stay_as_they_are(tmp_path: Path) -> None:
    lines = "depth  width\n-----  -----\n\n    1      *\n* a | b"
    write_events(tmp_path / "run", scalars={}, summaries=[text("words", verbatim(lines))])
    assert lines in TensorBoard(tmp_path).text("run", "words")


def test_charts_have_a_curve_or_a_curve_in_a_band(tmp_path: Path) -> None:
    charts = {"one": ["a/b on [0, 2]"], "three": ["a/median", "a/lower", "a/upper"]}
    write_events(tmp_path / "run", scalars={"a/b on [0, 2]": [(0, 1.0)]}, summaries=[layout(charts, "all")])
    found = TensorBoard(tmp_path).custom_scalars()
    assert found["one"]["multiline"]["tag"] == [r"^a/b on \[0\, 2\]$"]
    assert found["three"]["margin"]["series"] == [{"value": "a/median", "lower": "a/lower", "upper": "a/upper"}]
