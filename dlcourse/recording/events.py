"""TensorBoard's event files, written in bulk: no thread, no queue, one file a run."""

import math
import struct
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from dlcourse.recording.files import write_atomically


def write_events(
    folder: Path,
    *,
    scalars: Mapping[str, Sequence[tuple[int, int | float]]],
    images: Mapping[str, tuple[int, bytes]] | None = None,
    hparams: Mapping[str, bool | int | float | str] | None = None,
    metrics: Mapping[str, int | float] | None = None,
    started: float | None = None,
    finished: float | None = None,
) -> Path:
    """Writes all that TensorBoard shows of one run: a folder holds one event file, an older one is replaced.

    A TensorBoard that is running meanwhile then shows the new curves instead of the old ones (not so with
    `--load_fast=false`, which keeps to the old file until it is started again).

    Args:
        folder: The run's folder; made if it is not there.
        scalars: Tag -> (step, value) pairs. NaN and infinite values are allowed.
        images: Tag -> (step, content of a PNG file).
        hparams: What the run was asked to do: one row of the HPARAMS tab, which TensorBoard names after the folder.
            None writes no such row (a comparison is no run).
        metrics: What came out in the end. A metric is the last point of the curve of its name, at the run's last step:
            TensorBoard takes the HPARAMS tab's metrics from there.
        started: When step 0 was, in seconds since 1970; now by default.
        finished: When the last step was, likewise; wall times in between are interpolated, so they never run backwards.

    Returns:
        The path of the event file.

    Raises:
        TypeError: If a hyperparameter is neither a bool, a number nor a string.
        ValueError: If an image is not a PNG, or the run finished before it started.

    Cost: about 2 ms for 6 tags x 50 steps, and 0.2 ms for each kB of images (TensorBoard's checksums are plain Python).
    """
    # Imported when needed: they take a tenth of a second, which `dlcourse --help` need not wait for.
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    images = images or {}
    started = time.time() if started is None else started
    finished = max(started, time.time()) if finished is None else finished
    if finished < started:
        raise ValueError(f"finished must not be before started, {started}, got {finished}")

    last_step = max(
        [0, *(step for points in scalars.values() for step, _ in points), *(step for step, _ in images.values())]
    )
    curves = {tag: dict(points) for tag, points in scalars.items()}
    for tag, value in (metrics or {}).items():
        curves.setdefault(tag, {})[last_step] = value

    # All values of a step are one event. With six curves that is a sixth of the records, and of the time, that one
    # event for each value would take.
    values: dict[int, list[Any]] = defaultdict(list)
    for tag, curve in curves.items():
        for step, value in curve.items():
            values[step].append(Summary.Value(tag=tag, simple_value=value))
    for tag, (step, png) in images.items():
        values[step].append(Summary.Value(tag=tag, image=_image(tag, png)))

    events = [Event(wall_time=started, file_version="brain.Event:2")]
    if hparams is not None:
        events.append(Event(wall_time=started, summary=Summary(value=_session(hparams, started, finished))))
    for step in sorted(values):
        wall_time = started + (finished - started) * step / max(last_step, 1)
        events.append(Event(wall_time=wall_time, step=step, summary=Summary(value=values[step])))

    content = BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event.SerializeToString())
    folder.mkdir(parents=True, exist_ok=True)
    older = list(folder.glob("events.out.tfevents.*"))
    # TensorBoard reads the files of a folder in the order of their names: the time in its name makes this one the last.
    path = folder / f"events.out.tfevents.{time.time_ns()}"
    write_atomically(path, content.getvalue())
    for file in older:
        file.unlink(missing_ok=True)
    return path


def _session(hparams: Mapping[str, bool | int | float | str], started: float, finished: float) -> list[Any]:
    """The two summaries that make a run a row of the HPARAMS tab.

    There is a third kind, the "experiment", that lists the columns. It is left out: TensorBoard takes the first it
    finds, whatever run it belongs to, and finds all columns of all runs itself where there is none.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    start = SessionStartInfo(start_time_secs=started)
    for name, value in hparams.items():
        match value:
            case bool():
                start.hparams[name].bool_value = value
            case int() | float() if math.isfinite(value):
                start.hparams[name].number_value = value
            case int() | float():
                start.hparams[name].string_value = str(value)  # TensorBoard leaves out numbers that JSON cannot hold
            case str():
                start.hparams[name].string_value = value
            case _:
                raise TypeError(f"hparams[{name!r}] must be a bool, a number or a string, got {value!r}")
    end = SessionEndInfo(status="STATUS_SUCCESS", end_time_secs=finished)

    def summary(tag: str, content: Any) -> Any:
        data = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
        return Summary.Value(tag=f"_hparams_/{tag}", metadata=SummaryMetadata(plugin_data=data))

    return [
        summary("session_start_info", HParamsPluginData(session_start_info=start)),
        summary("session_end_info", HParamsPluginData(session_end_info=end)),
    ]


def _image(tag: str, png: bytes) -> Any:
    """The image summary of a PNG file, whose size stands in its first chunk."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError(f"images[{tag!r}] must be the content of a PNG file, got {png[:8]!r}...")
    width, height = struct.unpack(">II", png[16:24])
    return Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
