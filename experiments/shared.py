"""What the reports share: the runs that they read, the tables that they write, and how their figures look."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from dlcourse.jobs.pilots import FIRST_SEED
from dlcourse.palette import CLASS_COLORS, DATA_COLOR, FAINT, INK, NETWORK_COLOR
from dlcourse.recording import TUNED, Result, cells, results_of, row

OUTPUTS = Path("outputs")  # reports are run from the root of the repository
SOLVED = 0.001  # a network with a smaller mean squared error solves the zig-zag, whose variance is 4/3

Row = dict[str, Any]
Network = TypeVar("Network", bound=nn.Module)


class Colour:
    """Petroff's ten colours by name, and those that the pictures of runs have besides."""

    BLUE, YELLOW, RED, GREY, VIOLET, BROWN, ORANGE, KHAKI, SLATE, CYAN = CLASS_COLORS
    DARK_BLUE, BLACK = NETWORK_COLOR, INK
    REFERENCE = DATA_COLOR  # of lines that only say what to compare with


def measured(name: str, *settings: str) -> list[Result]:
    """The results of an experiment, sorted by some of its settings; without settings, by the runs' names.

    Raises:
        SystemExit: If there are none; it says which command makes them.
    """
    return sorted(results_of(OUTPUTS / name), key=lambda result: [result.config[setting] for setting in settings])


def with_pilots(name: str) -> list[Result]:
    """All runs of a sweep at every setting: its own, of the best settings, and the pilots, which chose these."""
    return [*measured(name), *measured(f"{name}_pilots")]


def folder_of(name: str, result: Result) -> Path:
    """The folder of one of these runs."""
    return OUTPUTS / (f"{name}_pilots" if result.config.get("seed", 0) >= FIRST_SEED else name) / result.run


def tuned_rows(results: Sequence[Result], metric: str, *settings: str, tune: Sequence[str] = TUNED) -> list[Row]:
    """The tuned comparison of a sweep: one row a network that is compared, as `dlcourse.recording.row` has it.

    Args:
        results: The runs of the sweep.
        metric: The task's headline metric.
        settings: What else is compared, by dotted names; each has a column, and none may be left out.
        tune: The keys of the configuration that are tuned.
    """
    rows = []
    for cell in cells(results, tune):
        of_cell = {name.rpartition(".")[2]: cell.results[0].config[name] for name in settings}
        rows.append({**of_cell, **row(cell, metric)})
    if len({tuple(each[name.rpartition(".")[2]] for name in settings) for each in rows}) < len(
        {each["setting"] for each in rows}
    ):
        raise ValueError(f"settings must be all that is compared besides the size, got {settings}")
    return [{key: value for key, value in each.items() if key != "setting"} for each in rows]


def the_row(rows: Sequence[Mapping[str, str]], **wanted: object) -> Mapping[str, str]:
    """The one row of a table whose fields have these values.

    Raises:
        ValueError: If there is none, or more than one.
    """
    found = [each for each in rows if all(each[key] == str(value) for key, value in wanted.items())]
    if len(found) != 1:
        raise ValueError(f"one row must have {wanted}, got {len(found)}")
    return found[0]


def chosen(fields: Mapping[str, Any]) -> str:
    """What both halves of the seeds chose, by a row of such a table: "0.01, 0.03"; "0.1*" at the end of a grid.

    The bar between them would part the columns of a table.
    """
    return str(fields["chosen"]).replace(" | ", ", ") + ("*" if fields["at_an_end"] else "")


def share(fields: Mapping[str, Any]) -> str:
    """How many seeds solve it, by a row of such a table: "4 of 20 (8-42%)"."""
    low, high = (100 * float(fields[f"solved_{end}"]) for end in ("low", "high"))
    return f"{fields['solved']} of {fields['seeds']} ({low:.0f}-{high:.0f}%)"


def steps_until_solved(fields: Mapping[str, Any], num_steps: object) -> str:
    """The median of the steps until it is solved, by a row of such a table; "> 10000" if fewer than half solve it."""
    steps = float(fields["steps_until_solved"])
    return f"{steps:.0f}" if steps < float("inf") else f"> {num_steps}"


def trained(network: Network, name: str, result: Result) -> Network:
    """Gives a network the parameters that this run of an experiment ended with, and returns it."""
    network.load_state_dict(torch.load(folder_of(name, result) / "model.pt", weights_only=True))
    return network


def write_csv(path: Path, rows: Sequence[Row], *, digits: int | None = None, line_end: str = "\n") -> None:
    r"""A table; its columns are the keys of the first row.

    Args:
        path: The file.
        rows: At least one; all have the same keys.
        digits: Significant digits of floating-point numbers; all of them if None.
        line_end: Three of the tables that are kept in the repository have "\r\n".

    Raises:
        ValueError: If a row has a key that the first one does not have.
    """
    if digits is not None:
        rows = [
            {key: f"{value:.{digits}g}" if isinstance(value, float) else value for key, value in row.items()}
            for row in rows
        ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator=line_end)
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table, each field as it is written there."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def fill(page: Path, numbers: Mapping[str, str]) -> None:
    """Writes numbers into a page, between their markers: see `filled`."""
    page.write_text(filled(page.read_text(encoding="utf-8"), numbers), encoding="utf-8")


def filled(text: str, numbers: Mapping[str, str]) -> str:
    """A page with these numbers between its markers, which a reader does not see: `<!--solved-->4 of 20<!--/-->`.

    What stands between a pair of markers in lines of their own is a table.

    Args:
        text: The page.
        numbers: What is to stand between the markers of each name.

    Raises:
        ValueError: If a marker has no number, or a number no marker.
    """
    names = {name for name, _ in _MARKED.findall(text)} ^ numbers.keys()
    if names:
        raise ValueError(f"a marker must have a number and a number a marker, not so {', '.join(sorted(names))}")
    return _MARKED.sub(lambda found: f"<!--{found[1]}-->{numbers[found[1]]}<!--/-->", text)


_MARKED = re.compile(r"<!--([\w.-]+)-->(.*?)<!--/-->", re.DOTALL)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a table in Markdown, in lines of its own between markers; the columns are the keys of the first row."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def finish(axes: Axes, *, grid_width: float = 0.6) -> None:
    """A light grid, and no frame above and to the right."""
    axes.grid(color=FAINT, lw=grid_width)
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path, *, dpi: int = 100) -> None:
    """As a PNG file, the same bytes each time."""
    # Without the name of the software, whose version would change the bytes.
    figure.savefig(path, dpi=dpi, metadata={"Software": None})


def save_in_256_colours(
    figure: Figure, path: Path, *, dpi: int = 100, method: Image.Quantize = Image.Quantize.MAXCOVERAGE, **options: Any
) -> None:
    """As a PNG file of 256 colours: a third of the bytes.

    Args:
        figure: Any figure.
        path: The file.
        dpi: Pixels per inch.
        method: How the 256 colours are chosen.
        options: What else `Figure.savefig` takes.
    """
    picture = io.BytesIO()
    figure.savefig(picture, dpi=dpi, **options)
    few_colours = Image.open(picture).convert("RGB").quantize(256, method, dither=Image.Dither.NONE)
    few_colours.save(path, optimize=True)
