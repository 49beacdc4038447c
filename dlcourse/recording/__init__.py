"""What a run leaves behind: TensorBoard events, `metrics.json`, tables and, in `recording.figures`, pictures."""

from dlcourse.recording.comparison import write_comparison
from dlcourse.recording.events import write_events
from dlcourse.recording.log import read_log
from dlcourse.recording.over_seeds import Cell, Quartiles, cells, quartiles
from dlcourse.recording.results import (
    Result,
    read_json,
    read_result,
    read_results,
    results_of,
    write_csv,
    write_json,
    write_result,
)
from dlcourse.recording.table import depth_width_table

# `figures` is left out: it imports matplotlib, which takes half a second. Import it where a picture is drawn.

__all__ = [
    "Cell",
    "Quartiles",
    "Result",
    "cells",
    "depth_width_table",
    "quartiles",
    "read_json",
    "read_log",
    "read_result",
    "read_results",
    "results_of",
    "write_comparison",
    "write_csv",
    "write_events",
    "write_json",
    "write_result",
]
