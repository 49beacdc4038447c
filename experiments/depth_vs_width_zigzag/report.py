"""The table and the figure of the main job.

    dlcourse -m experiment=depth_vs_width_zigzag
    dlcourse -m experiment=depth_vs_width_zigzag_he
    python experiments/depth_vs_width_zigzag/report.py

Run from the root of the repository.
"""

import shutil
from pathlib import Path

from experiments.shared import (
    OUTPUTS,
    fill,
    measured,
    read_csv,
    share,
    steps_until_solved,
    table,
    tuned_rows,
    write_csv,
)

FOLDER = Path(__file__).parent
NAME = "depth_vs_width_zigzag"
NUM_STEPS = 10000


def main() -> None:
    """The table, the figure that the sweep has drawn already, and the page's numbers, into this folder."""
    write_csv(FOLDER / "results.csv", tuned_rows(measured(NAME), "mean_squared_error"), digits=4)
    write_csv(FOLDER / "from_he.csv", tuned_rows(measured(f"{NAME}_he"), "mean_squared_error"), digits=4)
    shutil.copy(OUTPUTS / NAME / "comparison" / "depth_against_width.png", FOLDER)
    fill(FOLDER / "README.md", numbers())


def numbers() -> dict[str, str]:
    """What the page says, from the table beside it."""
    rows = read_csv(FOLDER / "results.csv")
    solved = {(int(row["depth"]), int(row["width"])): int(row["solved"]) for row in rows}
    shallow = max((row for row in rows if row["depth"] == "1"), key=lambda row: int(row["solved"]))
    best = max(rows, key=lambda row: int(row["solved"]))
    few = min(
        (row for row in rows if int(row["solved"]) > int(row["seeds"]) / 2), key=lambda row: int(row["parameters"])
    )
    return {
        "table": table(
            [
                {
                    "depth": row["depth"],
                    "width": row["width"],
                    "parameters": row["parameters"],
                    "error (quartiles)": f"{float(row['mean_squared_error']):.2g} "
                    f"({float(row['mean_squared_error_lower']):.2g} to {float(row['mean_squared_error_upper']):.2g})",
                    "solved (about 90%)": share(row),
                    "steps": steps_until_solved(row, NUM_STEPS),
                    "pieces": f"{float(row['pieces']):g}",
                    "rate": row["chosen"].replace(" | ", ", "),
                }
                for row in rows
            ]
        ),
        "shallow": share(shallow),
        "best": f"{best['depth']} layers of {best['width']}: {share(best)}",
        "smallest": f"{few['depth']} layers of {few['width']} ({few['parameters']} parameters)",
        "he": table([{"width": width, **from_he(width)} for width in (8, 16)]),
        "deeper": ", ".join(f"{solved[depth, 8]}" for depth in (1, 2, 3, 4, 5)),
        "wider": ", ".join(f"{solved[depth, 16]}" for depth in (1, 2, 3, 4, 5)),
    }


def from_he(width: int) -> dict[str, str]:
    """The seeds that solve it from He's initialisation, by depth."""
    rows = [row for row in read_csv(FOLDER / "from_he.csv") if row["width"] == str(width)]
    return {f"{row['depth']} {'layer' if row['depth'] == '1' else 'layers'}": share(row) for row in rows}


if __name__ == "__main__":
    main()
