import io
from pathlib import Path

from PIL import Image

from dlcourse.recording import write_events
from dlcourse.report.recorded_picture import recorded_picture


def png(shade: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (4, 4), shade).save(content, "png")
    return content.getvalue()


def test_the_last_picture_that_a_run_has_drawn(tmp_path: Path) -> None:
    first, last = png(1), png(2)
    write_events(tmp_path / "drawn", scalars={}, images={"fit": [(0, first), (100, last)], "other": [(100, first)]})
    assert recorded_picture(tmp_path / "drawn") == last
    write_events(tmp_path / "none", scalars={"loss": [(0, 1.0)]})
    assert recorded_picture(tmp_path / "none") is None
    assert recorded_picture(tmp_path / "nowhere") is None


def test_links_are_not_followed(tmp_path: Path) -> None:
    events = write_events(tmp_path / "drawn", scalars={}, images={"fit": [(0, png(1))]})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / events.name).symlink_to(events)
    assert recorded_picture(tmp_path / "run") is None
