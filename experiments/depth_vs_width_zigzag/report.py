"""The table and the figure of the main job, from the runs of `dlcourse -m experiment=depth_vs_width_zigzag`.

python experiments/depth_vs_width_zigzag/report.py
"""

import csv
import shutil
from pathlib import Path

from dlcourse.recording import cells, results_of

FOLDER = Path(__file__).parent
RUNS = Path("outputs/depth_vs_width_zigzag")
SOLVED = 0.001


def main() -> None:
    gathered = cells(results_of(RUNS))
    with (FOLDER / "results.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["depth", "width", "parameters", "error", "lower quartile", "upper quartile", "pieces", "solved"]
        )
        for cell in gathered:
            error, pieces = cell.quartiles("mean_squared_error"), cell.quartiles("num_pieces")
            parameters = cell.results[0].metrics["num_parameters"]
            solved = sum(result.metrics["mean_squared_error"] < SOLVED for result in cell.results)
            errors = [f"{value:.2g}" for value in (error.median, error.lower, error.upper)]
            table.writerow([cell.depth, cell.width, parameters, *errors, f"{pieces.median:g}", solved])
    shutil.copy(RUNS / "comparison" / "depth_against_width.png", FOLDER)


if __name__ == "__main__":
    main()
