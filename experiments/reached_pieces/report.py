"""How many pieces do constructions, search and training reach?

    dlcourse -m experiment=reached_pieces
    dlcourse -m experiment=reached_pieces_planes
    dlcourse -m experiment=reached_pieces_training
    python experiments/reached_pieces/report.py

Run from the root of the repository.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlcourse import pieces
from dlcourse.networks import MLP, stack
from dlcourse.recording import Result, cells, quartiles_over_seeds
from dlcourse.recording import row as tuned_row
from experiments.shared import (
    Row,
    fill,
    measured,
    read_csv,
    save_in_256_colours,
    share,
    table,
    trained,
    with_pilots,
    write_csv,
)

WIDTHS, DEPTHS = (2, 3, 4, 8, 16), (1, 2, 3, 4, 5)  # on the line
PLANE_DEPTHS = (1, 2, 3)
FAR = 1e4  # [-FAR, FAR] stands for the whole line
FOLDS = (3, 6)  # trained on zig-zags of 8 and of 64 pieces
# Lines of the page's tables: width and depth.
SHOWN = {
    1: ((2, 3), (2, 5), (4, 3), (4, 5), (8, 1), (8, 3), (8, 5), (16, 3), (16, 5)),
    2: ((4, 2), (4, 3), (6, 2), (6, 3), (8, 3)),
}

FOLDER = Path(__file__).parent
SEARCHES = ("reached_pieces", "reached_pieces_planes")
TRAINING = "reached_pieces_training"
STATISTICS = ("lower quartile", "median", "upper quartile", "most")

Read = dict[str, str]


def main() -> None:
    """The tables and the figure into this folder, and numbers into its page."""
    searches = [searched(result) for sweep in SEARCHES for result in measured(sweep, "width", "depth")]
    write_csv(FOLDER / "pieces.csv", searches, line_end="\r\n")
    tried = with_pilots(TRAINING)
    counts = counted(tried)
    write_csv(FOLDER / "training.csv", tuned(measured(TRAINING), counts), digits=4)
    write_csv(FOLDER / "settings.csv", by_setting(tried, counts), digits=4)
    figure = draw(read_csv(FOLDER / "pieces.csv"), read_csv(FOLDER / "training.csv"))
    save_in_256_colours(figure, FOLDER / "reached_pieces.png")
    fill(FOLDER / "README.md", numbers())


def searched(result: Result) -> Row:
    """What constructions and searches reach at one width and depth."""
    config, metrics = result.config, result.metrics
    columns: Row = {
        "in_features": config["in_features"],
        "width": config["width"],
        "depth": config["depth"],
        "parameters": metrics["num_parameters"],
        "upper_bound": metrics["upper_bound"],
        "montufar_lower": metrics["montufar_lower"],
        "serra_lower": metrics.get("serra_lower", ""),
    }
    names = [f"{name}_counted" for name in ("montufar", "serra", "zigzags", "tents", "valleys")]
    columns |= {name: metrics.get(name, "") for name in names}
    for key in ("random_torch", "random_he", "climbing"):
        for statistic in STATISTICS:
            name = f"{key.replace('_', ' ')}: {statistic}"
            columns[name] = int(metrics[f"{key}/{statistic.replace(' ', '_')}"])
    return columns


def counted(results: Sequence[Result]) -> dict[str, int]:
    """The linear pieces of every trained network on the whole line, by the run's name."""
    shapes: dict[tuple[int, int], list[Result]] = defaultdict(list)
    for result in results:
        shapes[result.config["model.width"], result.config["model.depth"]].append(result)
    counts: dict[str, int] = {}
    for (width, depth), some in shapes.items():
        networks = [trained(MLP(1, 1, width=width, depth=depth), TRAINING, result) for result in some]
        found = pieces.on_lines(stack(networks), np.array([[-FAR]]), np.array([[FAR]])).num_pieces[:, 0]
        counts |= dict(zip((result.run for result in some), found.tolist(), strict=True))
    return counts


def statistics_of(results: Sequence[Result], counts: dict[str, int]) -> Row:
    """Quartiles of the number of pieces, and the most."""
    found = [counts[result.run] for result in results]
    values = [*np.percentile(found, [25, 50, 75]).tolist(), max(found)]
    return {f"pieces: {statistic}": value for statistic, value in zip(STATISTICS, values, strict=True)}


def tuned(results: Sequence[Result], counts: dict[str, int]) -> list[Row]:
    """The tuned comparison, with the pieces on the whole line of the networks that count."""
    dropped = ("setting", "max_parameters", "pieces", "pieces_lower", "pieces_upper")
    rows = []
    for cell in cells(results):
        found = tuned_row(cell, "mean_squared_error")
        kept = {key: value for key, value in found.items() if key not in dropped}
        rows.append(
            {"num_folds": cell.results[0].config["task.num_folds"], **kept, **statistics_of(cell.results, counts)}
        )
    return sorted(rows, key=lambda each: (each["num_folds"], each["width"], each["depth"]))


def by_setting(results: Sequence[Result], counts: dict[str, int]) -> list[Row]:
    """Every width, depth, initialisation and rate on its own."""
    keys = ("task.num_folds", "model.width", "model.depth", "model.initialization", "optimizer.rate")
    groups: dict[tuple[str | float, ...], list[Result]] = defaultdict(list)
    for result in results:
        groups[tuple(result.config[key] for key in keys)].append(result)
    rows = []
    for values, some in sorted(groups.items()):
        error = quartiles_over_seeds(some, "mean_squared_error")
        assert error is not None
        row: Row = {key.rpartition(".")[2]: value for key, value in zip(keys, values, strict=True)}
        row |= {"seeds": len(some), "error_median": error.median, "solved": sum(each.is_solved for each in some)}
        rows.append(row | statistics_of(some, counts))
    return rows


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    rows, training = read_csv(FOLDER / "pieces.csv"), read_csv(FOLDER / "training.csv")
    line, plane = ([row for row in rows if row["in_features"] == each] for each in ("1", "2"))
    return {
        "line": table([on_line(of(line, *place)) for place in SHOWN[1]]),
        "plane": table([on_plane(of(plane, *place)) for place in SHOWN[2]]),
        "training": table([trained_on(training, *place) for place in sorted({place_of(row) for row in training})]),
        **about_search(line),
        **about_training(line, training, read_csv(FOLDER / "settings.csv")),
    }


def place_of(row: Read) -> tuple[int, int]:
    """Width and depth."""
    return int(row["width"]), int(row["depth"])


def of(rows: Sequence[Read], width: int, depth: int, num_folds: int | None = None) -> Read:
    """The row of a width and depth, and of a target of training."""
    wanted = (str(width), str(depth))
    (row,) = [
        row
        for row in rows
        if (row["width"], row["depth"]) == wanted and (num_folds is None or row["num_folds"] == str(num_folds))
    ]
    return row


def reached(row: Read, name: str) -> str:
    """The most and the median: "42 (25)"."""
    return f"{int(row[f'{name}: most'])} ({float(row[f'{name}: median']):g})"


def best_draws(row: Read) -> str:
    """The same, of the initialisation with the most."""
    return reached(row, max(("random torch", "random he"), key=lambda name: int(row[f"{name}: most"])))


def on_line(row: Read) -> Row:
    """A line of the first table."""
    zigzags = row["zigzags_counted"] or ", ".join(filter(None, (row["tents_counted"], row["valleys_counted"])))
    return {
        "width": row["width"],
        "depth": row["depth"],
        "parameters": row["parameters"],
        "upper bound": f"{int(row['upper_bound']):,}",
        "Montúfar's construction": f"{int(row['montufar_lower']):,}{'' if row['montufar_counted'] else ' (bound)'}",
        "zig-zags (width 2: tents, valleys)": f"{int(zigzags):,}" if zigzags.isdigit() else zigzags or "(not counted)",
        "random search": best_draws(row),
        "local search": reached(row, "climbing"),
    }


def on_plane(row: Read) -> Row:
    """A line of the second one."""
    return {
        "width": row["width"],
        "depth": row["depth"],
        "upper bound (Serra et al.)": f"{int(row['upper_bound']):,}",
        "Serra's construction": f"{int(row['serra_counted']):,}" if row["serra_counted"] else "",
        "Montúfar's construction": f"{int(row['montufar_counted']):,}",
        "random search": best_draws(row),
        "local search": reached(row, "climbing"),
    }


def trained_on(training: Sequence[Read], width: int, depth: int) -> Row:
    """A line of the table of training."""
    line: Row = {"width": width, "depth": depth}
    for folds in FOLDS:
        row, target = of(training, width, depth, folds), 2**folds
        line |= {
            f"{target}: solved": share(row),
            f"{target}: error": f"{float(row['mean_squared_error']):.2g}",
            f"{target}: pieces": reached(row, "pieces"),
            f"{target}: tuned": row["chosen"].replace(" | ", ", ") + ("*" if row["at_an_end"] else ""),
        }
    return line


def about_search(line: Sequence[Read]) -> dict[str, str]:
    """What constructions and searches come to, beside the bound."""
    wide = [row for row in line if row["zigzags_counted"]]
    shares = {
        depth: [int(best_draws(row).split()[0]) / int(row["upper_bound"]) for row in line if row["depth"] == depth]
        for depth in ("2", "5")
    }
    per_unit = [
        float(row["random he: median"]) / (int(row["width"]) * int(row["depth"]))
        for row in line
        if int(row["width"]) >= 8
    ]
    gains = [int(row["climbing: most"]) / int(best_draws(row).split()[0]) for row in line if row["depth"] != "1"]
    return {
        "zigzags": f"{sum(row['zigzags_counted'] == row['upper_bound'] for row in wide)} of {len(wide)}",
        "draws-2": between(shares["2"], "{:.2f}"),
        "draws-5": between(shares["5"], "{:.1g}"),
        "draws-per-unit": between(per_unit, "{:.2f}"),
        "climbing-gains": between(gains, "{:.1f}"),
        "narrow": ", ".join(of(line, 2, depth)["climbing: most"] for depth in DEPTHS),
    }


def about_training(line: Sequence[Read], training: Sequence[Read], settings: Sequence[Read]) -> dict[str, str]:
    """How many pieces training makes where 8 and where 64 are needed, tuned and at any setting."""
    many = [row for row in settings if row["num_folds"] == str(FOLDS[1])]
    tuned_many = [row for row in training if row["num_folds"] == str(FOLDS[1])]
    wide = [(width, depth) for width, depth in map(place_of, tuned_many) if width >= 8 and depth > 1]

    def medians(num_folds: int) -> list[float]:
        return [float(of(training, *place, num_folds)["pieces: median"]) for place in wide]

    few, as_many = medians(FOLDS[0]), medians(FOLDS[1])
    drawn = [float(of(line, *place)["random he: median"]) for place in wide]
    most = max(many, key=lambda row: int(row["pieces: most"]))
    by_rate = {
        rates: [float(row["pieces: median"]) for row in many if place_of(row) in wide and row["rate"] in rates]
        for rates in (("0.001", "0.003"), ("0.03", "0.1"))
    }
    there = of(line, *place_of(most))
    return {
        "seeds": training[0]["seeds"],
        "solved-64": total(tuned_many),
        "solved-64-any": total(many),
        "best-error-64": f"{min(float(row['mean_squared_error']) for row in tuned_many):.2g}",
        "64-over-8": between([a / b for a, b in zip(as_many, few, strict=True)], "{:.2f}"),
        "64-over-random": between([a / b for a, b in zip(as_many, drawn, strict=True)], "{:.2f}"),
        "8-over-random": between([a / b for a, b in zip(few, drawn, strict=True)], "{:.2f}"),
        "most-64": f"{most['pieces: most']} ({most['depth']} layers of {most['width']}, rate {most['rate']}, "
        f"{most['initialization']})",
        "local-there": there["climbing: most"],
        "bound-there": f"{int(there['upper_bound']):,}",
        **{
            name: between(found, "{:g}")
            for name, found in zip(("small-rates", "large-rates"), by_rate.values(), strict=True)
        },
        "ends": f"{sum(bool(row['at_an_end']) for row in training)} of {len(training)}",
    }


def total(rows: Sequence[Read]) -> str:
    """How many runs of all these rows solve it."""
    return f"{sum(int(row['solved']) for row in rows)} of {sum(int(row['seeds']) for row in rows)}"


def between(values: Sequence[float], number: str) -> str:
    """The least and the largest: "0.88 to 1.02"."""
    low, high = (number.format(value) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def plot(axes: Axes, rows: Sequence[Read], size: str, training: Sequence[Read] = ()) -> None:
    """Bounds and the most that was reached as lines; medians dotted, with the quartiles as bars."""
    sizes = [int(row[size]) for row in rows]
    axes.plot(sizes, [int(row["upper_bound"]) for row in rows], "k--", label="upper bound")
    if rows[0]["in_features"] == "2":
        lower = [int(row["serra_lower"]) for row in rows]
        axes.plot(sizes, lower, color="0.3", marker="s", label="Serra's construction")
    lower = [int(row["montufar_lower"]) for row in rows]
    axes.plot(sizes, lower, color="0.6", marker="s", label="Montúfar's construction")
    curves = {"local search": ("climbing", rows), "random search": ("random he", rows)}
    for folds in FOLDS:
        chosen = [row for row in training if row["num_folds"] == str(folds)]
        curves |= {f"training, {2**folds} pieces": ("pieces", chosen)} if chosen else {}
    for label, (name, some) in curves.items():
        places = [int(row[size]) for row in some]
        low, middle, high, most = ([float(row[f"{name}: {each}"]) for row in some] for each in STATISTICS)
        (line,) = axes.plot(places, most, marker="o", label=f"{label}: the most")
        bars = np.abs(np.array([low, high]) - middle)
        axes.errorbar(places, middle, yerr=bars, color=line.get_color(), linestyle=":", capsize=3)
    axes.set(yscale="log", xlabel=size)


def draw(rows: Sequence[Read], training: Sequence[Read]) -> Figure:
    """Pieces on the line against depth and against width, and regions of the plane against depth."""
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    over_depth, over_width, on_plane = figure.subplots(1, 3)

    def chosen(in_features: int, key: str, value: int) -> list[Read]:
        return [row for row in rows if (row["in_features"], row[key]) == (str(in_features), str(value))]

    plot(over_depth, chosen(1, "width", 8), "depth", [row for row in training if row["width"] == "8"])
    over_depth.set(title="pieces on the line, 8 units a layer", xticks=DEPTHS)
    plot(over_width, chosen(1, "depth", 3), "width", [row for row in training if row["depth"] == "3"])
    over_width.set(title="pieces on the line, 3 layers", xscale="log")
    over_width.set_xticks(WIDTHS, labels=WIDTHS)
    over_width.minorticks_off()
    over_width.set_ylim(top=2e4)  # room for the legend
    plot(on_plane, chosen(2, "width", 6), "depth")
    on_plane.set(title="regions of the plane, 6 units a layer", xticks=PLANE_DEPTHS)
    for axes in figure.axes:
        axes.legend(fontsize="small", loc="upper left")
    return figure


if __name__ == "__main__":
    main()
