"""The table and the figure of the main job.

    dlcourse -m experiment=depth_vs_width_zigzag
    python experiments/depth_vs_width_zigzag/report.py

Run from the root of the repository.
"""

import shutil
from pathlib import Path

from dlcourse.recording import Cell, cells
from experiments.shared import OUTPUTS, SOLVED, Row, measured, write_csv

FOLDER = Path(__file__).parent
NAME = "depth_vs_width_zigzag"


def main() -> None:
    """The table, and the figure that the sweep has drawn already, into this folder."""
    write_csv(FOLDER / "results.csv", [row(cell) for cell in cells(measured(NAME))], line_end="\r\n")
    shutil.copy(OUTPUTS / NAME / "comparison" / "depth_against_width.png", FOLDER)


def row(cell: Cell) -> Row:
    """One architecture, over its seeds."""
    error = cell.quartiles("mean_squared_error")
    return {
        "depth": cell.depth,
        "width": cell.width,
        "parameters": cell.results[0].metrics["num_parameters"],
        "error": f"{error.median:.2g}",
        "lower quartile": f"{error.lower:.2g}",
        "upper quartile": f"{error.upper:.2g}",
        "pieces": f"{cell.quartiles('num_pieces').median:g}",
        "solved": sum(result.metrics["mean_squared_error"] < SOLVED for result in cell.results),
    }


if __name__ == "__main__":
    main()
