"""What a run leaves behind: TensorBoard events, `metrics.json`, tables and, in `recording.figures`, pictures."""

from dlcourse.recording.cells import Cell, cells
from dlcourse.recording.comparison import compare, write_comparison
from dlcourse.recording.events import write_events
from dlcourse.recording.log import History, last_values, read_log, write_log
from dlcourse.recording.over_seeds import Quartiles, quartiles, quartiles_over_seeds, wilson
from dlcourse.recording.results import (
    Result,
    TaskFacts,
    by_task,
    read_json,
    read_result,
    read_results,
    results_of,
    write_csv,
    write_json,
    write_result,
)
from dlcourse.recording.table import depth_width_table, row
from dlcourse.recording.tuned import TUNED, Judged, best_settings, judged

# Modules that import torch or matplotlib, which takes seconds, are not among these, because tables of results need
# neither. Where a run is read or written, or a picture drawn, import `checkpoints`, `run_folder`, `loading`, `pictures`
# or `figures`.

__all__ = [
    "TUNED",
    "Cell",
    "History",
    "Judged",
    "Quartiles",
    "Result",
    "TaskFacts",
    "best_settings",
    "by_task",
    "cells",
    "compare",
    "depth_width_table",
    "judged",
    "last_values",
    "quartiles",
    "quartiles_over_seeds",
    "read_json",
    "read_log",
    "read_result",
    "read_results",
    "results_of",
    "row",
    "wilson",
    "write_comparison",
    "write_csv",
    "write_events",
    "write_json",
    "write_log",
    "write_result",
]
