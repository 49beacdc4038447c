"""TensorBoard's event files, one a run: written in bulk, or by and by while the run trains; no thread, no queue."""

import math
import struct
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from dlcourse.recording.checksums import masked_crc32c
from dlcourse.recording.files import write_atomically

EVENT_FILES = "events.out.tfevents.*"
"""The names of event files; TensorBoard reads every file with "tfevents" in its name."""


def write_events(
    folder: Path,
    *,
    scalars: Mapping[str, Sequence[tuple[int, int | float]]],
    images: Mapping[str, Sequence[tuple[int, bytes]]] | None = None,
    hparams: Mapping[str, bool | int | float | str] | None = None,
    metrics: Mapping[str, int | float] | None = None,
    summaries: Sequence[Any] = (),
    started: float | None = None,
    finished: float | None = None,
) -> Path:
    """Writes all that TensorBoard shows of one run: a folder holds one event file, an older one is replaced.

    A TensorBoard that is running meanwhile then shows the new curves instead of the old ones (not so with
    `--load_fast=false`, which keeps to the old file until it is started again).

    Args:
        folder: The run's folder; made if it is not there.
        scalars: Tag -> (step, value) pairs. NaN and infinite values are allowed.
        images: Tag -> (step, content of a PNG file) pairs.
        hparams: What the run was asked to do: one row of the HPARAMS tab, which TensorBoard names after the folder.
            None writes no such row (a comparison is no run).
        metrics: What came out in the end. A metric is the last point of the curve of its name, at the run's last step:
            TensorBoard takes the HPARAMS tab's metrics from there.
        summaries: Texts and layouts (`recording.summaries`), which belong to no step.
        started: When step 0 was, in seconds since 1970; now by default.
        finished: When the last step was, likewise; wall times in between are interpolated, so they never run backwards.

    Returns:
        The path of the event file.

    Raises:
        TypeError: If a hyperparameter is neither a bool, a number nor a string.
        ValueError: If an image is not a PNG, or the run finished before it started.

    Cost: about 2 ms for 6 tags x 50 steps, and 0.01 ms for each kB of images.
    """
    started = time.time() if started is None else started
    finished = max(started, time.time()) if finished is None else finished
    if finished < started:
        raise ValueError(f"finished must not be before started, {started}, got {finished}")
    values = _values(scalars, images or {}, metrics or {})
    if hparams is not None:
        values.setdefault(0, [])[:0] = [_session_start(hparams, started), _session_end(finished)]
    if summaries:
        values.setdefault(0, []).extend(summaries)
    folder.mkdir(parents=True, exist_ok=True)
    older = list(folder.glob(EVENT_FILES))
    path = new_event_file(folder)
    write_atomically(path, _records([_version(started), *_timed(values, 0, started, finished)]))
    for file in older:
        file.unlink(missing_ok=True)
    return path


def append_events(
    path: Path,
    *,
    scalars: Mapping[str, Sequence[tuple[int, int | float]]],
    hparams: Mapping[str, bool | int | float | str],
    started: float,
    images: Mapping[str, Sequence[tuple[int, bytes]]] | None = None,
    metrics: Mapping[str, int | float] | None = None,
    graph: bytes | None = None,
    is_finished: bool = False,
) -> None:
    """Appends to the event file of a run in training what the file does not have yet, in one write.

    The file is never replaced, because a TensorBoard that is running goes on reading where it was. If a process was
    killed while it wrote, the file ends in a record that is not whole: it is cut off first. Wall times only rise, even
    where the clock has been set back.

    Args:
        path: The file; made if it is not there. Only one process may write to it.
        scalars: All curves from their first point on, as for `write_events`.
        hparams: The run's row in the HPARAMS tab.
        started: When training began, in seconds since 1970.
        images: Tag -> (step, content of a PNG file) pairs, in rising order.
        metrics: What came out in the end.
        graph: The network for the Graphs tab (`recording.graph`).
        is_finished: Whether this is the end of the run.
    """
    read = list(read_events(path))
    events, size = [event for event, _ in read], read[-1][1] if read else 0
    known = {(value.tag, event.step) for event in events for value in event.summary.value}
    step_before = max([0, *(event.step for event in events)])
    begun = max([event.wall_time for event in events], default=min(started, time.time()))
    now = max(begun, time.time())
    values = _values(scalars, images or {}, metrics or {}, known)
    sessions = [(0, _session_start(hparams, begun))]
    if is_finished:
        sessions.append((max([step_before, *values]), _session_end(now)))
    for step, session in sessions:
        if (session.tag, step) not in known:
            values.setdefault(step, []).insert(0, session)
    first = [] if events else [_version(begun)]
    if graph is not None and not any(event.graph_def for event in events):
        first.append(_graph(begun, graph))
    content = _records([*first, *_timed(values, step_before, begun, now)])
    with open(path, "ab") as file:
        if file.tell() > size:  # only then: of a file that was cut, some file systems write all to the disk at once
            file.truncate(size)
        file.write(content)


def event_file(folder: Path) -> Path:
    """The event file of a run's folder: the latest one that is there, else a new one."""
    return max(folder.glob(EVENT_FILES), default=new_event_file(folder))


def new_event_file(folder: Path) -> Path:
    """The path of an event file that is not there yet.

    TensorBoard reads the files of a folder in the order of their names: the time in its name makes this one the last.
    """
    return folder / f"events.out.tfevents.{time.time_ns()}"


def _values(
    scalars: Mapping[str, Sequence[tuple[int, int | float]]],
    images: Mapping[str, Sequence[tuple[int, bytes]]],
    metrics: Mapping[str, int | float],
    known: Collection[tuple[str, int]] = (),
) -> dict[int, list[Any]]:
    """The summary values of each step, but for those (tag, step) that are known.

    All values of a step will be one event: with six curves that is a sixth of the records, and of the time, that one
    event for each value would take.
    """
    # Imported when needed: it takes a tenth of a second, which `dlcourse --help` need not wait for.
    from tensorboard.compat.proto.summary_pb2 import Summary

    last_step = max([0, *(step for points in (*scalars.values(), *images.values()) for step, _ in points)])
    curves = {tag: dict(points) for tag, points in scalars.items()}
    for tag, value in metrics.items():
        curves.setdefault(tag, {})[last_step] = value
    values: dict[int, list[Any]] = defaultdict(list)
    for tag, curve in curves.items():
        for step, value in curve.items():
            if (tag, step) not in known:
                values[step].append(Summary.Value(tag=tag, simple_value=value))
    for tag, pictures in images.items():
        for step, png in pictures:
            if (tag, step) not in known:
                values[step].append(Summary.Value(tag=tag, image=_image(tag, png)))
    return values


def _version(wall_time: float) -> Any:
    """What an event file begins with."""
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=wall_time, file_version="brain.Event:2")


def _graph(wall_time: float, graph: bytes) -> Any:
    """The network of a run."""
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=wall_time, graph_def=graph)


def _timed(values: Mapping[int, list[Any]], first_step: int, begun: float, ended: float) -> Iterator[Any]:
    """The steps' events, whose wall times go evenly from that of the first step to the end."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    num_steps = max([first_step + 1, *values]) - first_step
    for step in sorted(values):
        wall_time = begun + (ended - begun) * max(step - first_step, 0) / num_steps
        yield Event(wall_time=wall_time, step=step, summary=Summary(value=values[step]))


def _records(events: Iterable[Any]) -> bytes:
    """The events as an event file has them: each with its length and checksums, see `read_events`."""
    parts: list[bytes] = []
    for event in events:
        content: bytes = event.SerializeToString()
        parts += [_header(len(content)), content, _checksum(content)]
    return b"".join(parts)


def read_events(path: Path, *, checks_all: bool = False) -> Iterator[tuple[Any, int]]:
    """The events of a file up to the first record that is not whole, each with the place in the file where it ends.

    Source: TFRecord, https://www.tensorflow.org/tutorials/load_data/tfrecord: a length in 8 bytes, its checksum in 4,
    as many bytes as the length says, their checksum in 4. Unless all shall be checked, only the last record's content
    is, which a killed process may not have finished.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    content = path.read_bytes() if path.exists() else b""
    end = 0
    while end + 16 <= len(content):
        (length,) = struct.unpack_from("<Q", content, end)
        start, end = end + 12, end + 16 + length
        if end > len(content) or content[start - 12 : start] != _header(length):
            return
        if (checks_all or end + 16 > len(content)) and _checksum(content[start : end - 4]) != content[end - 4 : end]:
            return
        yield Event.FromString(content[start : end - 4]), end


@lru_cache(1024)  # most records of a file have one of a few lengths
def _header(length: int) -> bytes:
    """What a record begins with: its length and the checksum of that."""
    packed = struct.pack("<Q", length)
    return packed + _checksum(packed)


def _checksum(content: bytes) -> bytes:
    """The checksum of some bytes as it stands behind them."""
    return struct.pack("<I", masked_crc32c(content))


def _session_start(hparams: Mapping[str, bool | int | float | str], started: float) -> Any:
    """The first of the two summaries that make a run a row of the HPARAMS tab.

    There is a third kind, the "experiment", that lists the columns. It is left out: TensorBoard takes the first it
    finds, whatever run it belongs to, and finds all columns of all runs itself where there is none.
    """
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

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
    return _of_hparams("session_start_info", HParamsPluginData(session_start_info=start))


def _session_end(ended: float) -> Any:
    """The second one."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    end = SessionEndInfo(status="STATUS_SUCCESS", end_time_secs=ended)
    return _of_hparams("session_end_info", HParamsPluginData(session_end_info=end))


def _of_hparams(tag: str, content: Any) -> Any:
    """A summary for the HPARAMS tab."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata

    data = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
    return Summary.Value(tag=f"_hparams_/{tag}", metadata=SummaryMetadata(plugin_data=data))


def _image(tag: str, png: bytes) -> Any:
    """The image summary of a PNG file, whose size stands in its first chunk."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError(f"images[{tag!r}] must be the content of a PNG file, got {png[:8]!r}...")
    width, height = struct.unpack(">II", png[16:24])
    return Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
