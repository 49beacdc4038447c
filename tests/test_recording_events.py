import io
import math
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard_app import TensorBoard

from dlcourse.recording import write_events


def read(folder: Path) -> EventAccumulator:
    """Everything in a folder's event files; TensorBoard checks each record's checksums."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def png(width: int, height: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(content, "png")
    return content.getvalue()


def test_scalars_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    loss = [(0, 1.5), (100, 0.25), (5000, 2.0**-20)]
    path = write_events(folder, scalars={"loss/train": loss, "num_pieces": [(0, 1), (5000, 161051)], "none": []})
    assert list(folder.iterdir()) == [path]
    assert path.name.startswith("events.out.tfevents.")
    found = read(folder)
    assert sorted(found.Tags()["scalars"]) == ["loss/train", "num_pieces"]
    assert [(point.step, point.value) for point in found.Scalars("loss/train")] == loss
    assert [(point.step, point.value) for point in found.Scalars("num_pieces")] == [(0, 1), (5000, 161051)]


def test_values_that_are_not_finite_come_back(tmp_path: Path) -> None:
    write_events(tmp_path, scalars={"loss": [(0, math.inf), (1, -math.inf), (2, math.nan)]})
    values = [point.value for point in read(tmp_path).Scalars("loss")]
    assert values[:2] == [math.inf, -math.inf]
    assert math.isnan(values[2])


def test_wall_times_run_from_start_to_end(tmp_path: Path) -> None:
    steps = [0, 250, 1000]
    write_events(
        tmp_path,
        scalars={"a": [(step, 0.5) for step in steps], "b": [(500, 1.0)]},
        metrics={"c": 2.0},
        started=1000.0,
        finished=1010.0,
    )
    found = read(tmp_path)
    assert [point.wall_time for point in found.Scalars("a")] == [1000, 1002.5, 1010]
    assert [point.wall_time for point in found.Scalars("b")] == [1005]
    assert [point.wall_time for point in found.Scalars("c")] == [1010]


def test_it_cannot_finish_before_it_started(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"finished must not be before started, 5\.0, got 4\.0"):
        write_events(tmp_path, scalars={}, started=5.0, finished=4.0)


def test_images_come_back(tmp_path: Path) -> None:
    content = png(30, 20)
    write_events(tmp_path, scalars={"loss": [(0, 1.0), (70, 0.5)]}, images={"fit": [(70, content)]})
    (image,) = read(tmp_path).Images("fit")
    assert (image.step, image.width, image.height) == (70, 30, 20)
    assert image.encoded_image_string == content
    board = TensorBoard(tmp_path)
    assert board.image_tags() == {".": {"fit"}}
    assert board.image(".", "fit") == content


def test_what_is_no_png_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"images\['fit'\] must be the content of a PNG file, got b'GIF89a'"):
        write_events(tmp_path, scalars={}, images={"fit": [(0, b"GIF89a")]})
    assert list(tmp_path.iterdir()) == []


def test_an_older_event_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    write_events(tmp_path, scalars={"loss": [(0, 1.0), (1, 2.0)], "old": [(0, 1.0)]})
    path = write_events(tmp_path, scalars={"loss": [(0, 3.0)]})
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "metrics.json"]
    found = read(tmp_path)
    assert found.Tags()["scalars"] == ["loss"]
    assert [point.value for point in found.Scalars("loss")] == [3.0]


def test_a_metric_is_the_last_point_of_its_curve(tmp_path: Path) -> None:
    write_events(
        tmp_path,
        scalars={"error": [(0, 1.0), (10, 0.5)], "rate": [(0, 0.1), (20, 0.2)]},
        metrics={"error": 0.25, "rate": 0.3, "num_pieces": 8},
    )
    found = read(tmp_path)
    assert [(point.step, point.value) for point in found.Scalars("error")] == [(0, 1.0), (10, 0.5), (20, 0.25)]
    assert [(p.step, p.value) for p in found.Scalars("rate")] == [(0, pytest.approx(0.1)), (20, pytest.approx(0.3))]
    assert [(point.step, point.value) for point in found.Scalars("num_pieces")] == [(20, 8)]


def test_hparams_tab_has_one_row_a_run_and_every_column(tmp_path: Path) -> None:
    runs = tmp_path / "zigzag"
    write_events(
        runs / "depth=1",
        scalars={"loss": [(0, 1.0), (9, 0.5)]},
        hparams={"task": "zigzag", "depth": 1, "noise": 0.125, "fresh": True, "rate": math.inf},
        metrics={"error": 0.25},
    )
    write_events(
        runs / "depth=2",
        scalars={"loss": [(0, 1.0), (9, math.nan)]},
        hparams={"task": "zigzag", "depth": 2, "noise": 0.125, "fresh": False, "rate": 0.5},
        metrics={"error": math.nan},
    )
    # Another task, with other hyperparameters and metrics, in the same log folder; and a run that is none.
    write_events(tmp_path / "parity" / "a", scalars={}, hparams={"num_bits": 4}, metrics={"accuracy": math.inf})
    write_events(runs / "comparison" / "width=4", scalars={"comparison/error": [(1, 0.25)]})

    board = TensorBoard(tmp_path)
    hparams, metrics = board.hparams_columns()
    assert hparams == {"task", "depth", "noise", "fresh", "rate", "num_bits"}
    assert metrics == {"loss", "error", "accuracy"}
    assert board.hparams_rows() == {
        "zigzag/depth=1": (
            {"task": "zigzag", "depth": 1, "noise": 0.125, "fresh": True, "rate": "inf"},
            {"loss": 0.5, "error": 0.25},
        ),
        "zigzag/depth=2": (
            {"task": "zigzag", "depth": 2, "noise": 0.125, "fresh": False, "rate": 0.5},
            {"loss": "NaN", "error": "NaN"},
        ),
        "parity/a": ({"num_bits": 4}, {"accuracy": "Infinity"}),
    }
    assert set(board.scalar_tags()) == {"zigzag/depth=1", "zigzag/depth=2", "parity/a", "zigzag/comparison/width=4"}


def test_other_hparams_are_refused(tmp_path: Path) -> None:
    # In the tests, the check of the signature's types may come first: its TypeError has other words.
    with pytest.raises(TypeError, match=r"hparams.*\[4, 8\]"):
        write_events(tmp_path, scalars={}, hparams={"widths": [4, 8]})
    assert list(tmp_path.iterdir()) == []


def test_recording_is_imported_without_what_takes_long() -> None:
    command = "import sys, dlcourse.recording; print(*{'matplotlib', 'tensorboard', 'torch'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert found.stdout == "\n"
